"""Seats people who approved on the places that policy asks for. Pure.

A person fills one place, an authority fills one place, and a place of a higher order is
filled only by an approval that came after all places of lower orders were filled. Of all
ways to seat people one that gets furthest is found, so that one more approval never makes
things worse.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

MOST_ORDERS = 5
"""Every order multiplies the moments at which the lower ones may have been complete."""

MOST_WAYS = 128
"""In how many ways people may act for others, at most; seven of one choice each."""

MOST_TRIES = 5_000
"""Matchings tried before the best so far is taken: a few seconds at worst, where a usual
count takes less than a hundred. Counting too little denies."""

Moment = tuple[datetime, int]
"""Time and review id. Ids grow, and times are whole seconds."""


class Ask(NamedTuple):
    """A step: how many places it has, and when it comes."""

    order: int
    places: int


class Ballot(NamedTuple):
    """One way in which a person's approval may be used."""

    authority: str
    """Principal on whose authority: the person, or somebody they stand for."""

    steps: frozenset[int]
    """Indexes of the steps that this authority may fill."""

    moments: tuple[Moment, ...]
    """When the person approved on it, sorted, without an interruption since the first."""


class Place(NamedTuple):
    """The place that a person fills, and by whose authority."""

    step: int
    authority: str
    moment: Moment
    """The first approval that fills it."""


class Seating(NamedTuple):
    """The way found."""

    places: Mapping[str, Place]
    """By principal, sorted."""

    ignored: tuple[tuple[str, str], ...]
    """Who was not considered for whom, because there were too many ways."""

    cut_short: bool
    """Whether not every way was tried."""


_Hand = Mapping[str, Ballot]
_Score = tuple[int, int]
"""How many orders are complete, and how many places of the next one are filled."""


def seat(asked: Sequence[Ask], people: Mapping[str, Sequence[Ballot]]) -> Seating:
    """Returns a seating that completes as many orders as can be, lowest first, and fills as
    many places of the next one as can be.

    *people* is by principal; a person's own authority is the ballot with their own name.
    Nobody is seated on another's authority where their own gets as far. Where there are
    more ways than `MOST_WAYS` to act for others, those who approved first are considered.

    Raises `ValueError` for more than `MOST_ORDERS` distinct orders.
    """
    orders = sorted({ask.order for ask in asked})
    if not orders:
        return Seating({}, (), cut_short=False)
    if len(orders) > MOST_ORDERS:
        raise ValueError(f"{len(orders)} orders of approval, at most {MOST_ORDERS} can be counted")
    considered, ignored = _considered(people)
    search = _Search(asked, orders)
    best: tuple[_Score, dict[str, Place]] = ((0, -1), {})
    for hand in _hands(considered):
        found = search.run(hand)
        if found[0] > best[0]:
            best = found
        if best[0][0] == len(orders) or search.cut_short:
            break
    return Seating(dict(sorted(best[1].items())), ignored, search.cut_short)


def _considered(
    people: Mapping[str, Sequence[Ballot]],
) -> tuple[dict[str, list[Ballot]], tuple[tuple[str, str], ...]]:
    """Leaves out what can fill nothing, and standing for others beyond the limit."""
    useful = {
        name: [one for one in ballots if one.steps and one.moments]
        for name, ballots in sorted(people.items())
    }
    considered = {
        name: [one for one in ballots if one.authority == name] for name, ballots in useful.items()
    }
    # By time, so that an approval that comes later takes no earlier one's turn.
    borrowed = sorted(
        (one.moments[0], name, one.authority, one)
        for name, ballots in useful.items()
        for one in ballots
        if one.authority != name
    )
    choices = dict.fromkeys(useful, 1)
    ignored = []
    for _, name, authority, ballot in borrowed:
        choices[name] += 1
        if math.prod(choices.values()) > MOST_WAYS:
            choices[name] -= 1
            ignored.append((name, authority))
        else:
            considered[name].append(ballot)
    return considered, tuple(ignored)


def _hands(people: Mapping[str, Sequence[Ballot]]) -> Iterator[_Hand]:
    """Yields every way to give each person one authority that nobody else has, those first
    in which the fewest act for others."""

    def options(name: str) -> list[Ballot | None]:
        own = [one for one in people[name] if one.authority == name]
        return [own[0] if own else None, *(one for one in people[name] if one.authority != name)]

    names = list(people)
    ways = itertools.product(*(enumerate(options(name)) for name in names))
    for way in sorted(ways, key=lambda way: sum(index > 0 for index, _ in way)):
        borrowed = [one.authority for index, one in way if index > 0 and one is not None]
        if len(set(borrowed)) < len(borrowed):
            continue
        yield {
            name: one
            for name, (index, one) in zip(names, way, strict=True)
            if one is not None and (index > 0 or name not in borrowed)
        }


class _Search:
    """Looks for the moments at which each order was complete, earliest first."""

    def __init__(self, asked: Sequence[Ask], orders: Sequence[int]) -> None:
        self._asked = asked
        self._orders = orders
        self._tries = 0
        self.cut_short = False

    def run(self, hand: _Hand) -> tuple[_Score, dict[str, Place]]:
        """Returns how far *hand* gets, and how."""
        return self._descend(hand, [])

    def _descend(self, hand: _Hand, ends: list[Moment]) -> tuple[_Score, dict[str, Place]]:
        """Goes on from where the first orders were complete at *ends*."""
        level = len(ends)
        places = self._match(hand, [*ends, None])
        if not self._is_full(level, places) or level + 1 == len(self._orders):
            full = self._is_full(level, places)
            return (level + full, 0 if full else self._filled(level, places)), places
        best: tuple[_Score, dict[str, Place]] = ((level + 1, -1), places)
        for end in self._ends(hand, ends):
            if self._tries >= MOST_TRIES:
                self.cut_short = True
                break
            if not self._is_full(level, self._match(hand, [*ends, end])):
                continue
            found = self._descend(hand, [*ends, end])
            if found[0] > best[0]:
                best = found
            # A later end only helps by keeping for later somebody who approved before and
            # after this one.
            if best[0][0] == len(self._orders) or not any(
                one.moments[0] <= end < one.moments[-1] for one in hand.values()
            ):
                break
        return best

    def _ends(self, hand: _Hand, ends: Sequence[Moment]) -> list[Moment]:
        """The moments at which the next order may have become complete."""
        firsts = (_first(one.moments, ends[-1] if ends else None) for one in hand.values())
        return sorted({first for first in firsts if first is not None})

    def _match(self, hand: _Hand, ends: Sequence[Moment | None]) -> dict[str, Place]:
        """Fills places by augmenting paths, lowest order first: none once filled gets empty.

        Taking whoever comes first could seat the only security engineer as one of three
        owners.
        """
        self._tries += 1
        places = [
            (level, index)
            for level in range(len(ends))
            for index, ask in enumerate(self._asked)
            if ask.order == self._orders[level]
            # Never more places than could be filled, however large a count policy asks for.
            for _ in range(min(ask.places, len(hand)))
        ]
        spans = [(ends[level - 1] if level else None, end) for level, end in enumerate(ends)]
        seat_of: dict[str, int] = {}

        def moment(name: str, place: int) -> Moment | None:
            level, index = places[place]
            after, end = spans[level]
            first = _first(hand[name].moments, after) if index in hand[name].steps else None
            return first if first is not None and (end is None or first <= end) else None

        def fill(place: int, tried: set[str]) -> bool:
            for name in hand:
                if name in tried or moment(name, place) is None:
                    continue
                tried.add(name)
                if name not in seat_of or fill(seat_of[name], tried):
                    seat_of[name] = place
                    return True
            return False

        for place in range(len(places)):
            fill(place, set())
        return {
            name: Place(places[place][1], hand[name].authority, since)
            for name, place in seat_of.items()
            if (since := moment(name, place)) is not None
        }

    def _is_full(self, level: int, places: Mapping[str, Place]) -> bool:
        wanted = sum(ask.places for ask in self._asked if ask.order <= self._orders[level])
        return len(places) == wanted

    def _filled(self, level: int, places: Mapping[str, Place]) -> int:
        return sum(self._asked[p.step].order == self._orders[level] for p in places.values())


def _first(moments: Sequence[Moment], after: Moment | None) -> Moment | None:
    """The first of *moments* that comes later than *after*."""
    index = 0 if after is None else bisect_right(moments, after)
    return moments[index] if index < len(moments) else None
