"""Histories of one pull request of any kind, against a plain model of what may be proven.

The model is written from the words of the design: a commit is proven by a pull request that was
open, ready and based on the default branch at that moment with exactly that head, whose own offer
was shown, and whose own approvals count. It knows times and names, and nothing of how the product
finds them out.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from pipeline.judge.offer import EDITED
from pipeline.values.pull_request import Actor, Dismissal, PullEvents, PullTurn
from tests.unit.support_branch import MINUTE, PAYOUTS, Branch
from tests.unit.support_tiny_rules import (
    ALICE,
    BOB,
    CAROL,
    DAN,
    MALLORY,
    ROLES,
    START,
    TABLES,
)

ACTIONS = Actor(id=41898282, login="github-actions[bot]", type="Bot")
LARGER = START[ROLES].replace("bigquery.dataViewer", "bigquery.dataOwner")
LEADS = (BOB, CAROL)
PEOPLE = (ALICE, BOB, CAROL, DAN, MALLORY)

Offer = tuple[int, str, str, bool]
"""Pull request, base branch, head, and whether the role is the larger one."""


@dataclass
class Said:
    """One review, as the model remembers it."""

    who: Actor
    state: str
    head: str
    at: datetime
    dismissed: datetime | None = None


@dataclass
class Told:
    """What the model knows of one pull request."""

    author: Actor
    head: str
    base: str = "main"
    is_open: bool = True
    draft: bool = False
    based: datetime | None = None
    """When its base was changed last."""

    text: str = TABLES
    pushers: set[Actor] = field(default_factory=set)
    """Those who changed what it asks for."""

    shown: list[tuple[datetime, Offer]] = field(default_factory=list)
    edited: bool = False
    """Whether somebody edited the comment since the last check."""

    void: list[tuple[datetime, datetime]] = field(default_factory=list)
    """Times between two checks in which it was edited."""

    said: list[Said] = field(default_factory=list)


def counts(told: Told, number: int, offer: Offer, moment: datetime) -> bool:
    """Whether the model lets this pull request prove a merge of *offer* at *moment*."""
    if not told.is_open or told.draft or told.base != "main" or told.head != offer[2]:
        return False
    if any(one.type != "User" for one in told.pushers):
        return False
    if not told.shown or told.shown[-1][1] != offer:
        return False
    parties = {told.author, *told.pushers, ALICE}
    last = {one.who: one for one in told.said}
    asked_for_changes = [
        who
        for who, one in last.items()
        if one.state == "CHANGES_REQUESTED" and one.dismissed is None and who != MALLORY
    ]
    if any(who not in parties for who in asked_for_changes):
        return False

    def is_good(one: Said) -> bool:
        before = [what for at, what in told.shown if at < one.at]
        return (
            one.state == "APPROVED"
            and one.dismissed is None
            and one.head == offer[2]
            and bool(before)
            and before[-1] == offer
            and not any(since < one.at <= until for since, until in told.void)
            and not (told.edited and one.at > told.shown[-1][0])
            and (told.based is None or told.based < one.at)
        )

    return any(who in LEADS and who not in parties and is_good(one) for who, one in last.items())


class History:
    """A branch of the product's fakes and the model beside it."""

    def __init__(self) -> None:
        self.branch = Branch()
        self.larger = False
        self.told: dict[int, Told] = {}
        self.merged: str | None = None
        self.head = ""
        """The head that was merged."""

        self.expected = False
        first = self.branch.propose({PAYOUTS: TABLES})
        self.told[first] = Told(ALICE, self._pull(first).head_sha, pushers={ALICE})

    def _pull(self, number: int) -> Any:
        return self.branch.forge.pulls[number]

    def _number(self, which: int) -> int:
        return sorted(self.told)[which % len(self.told)]

    def _change(self, number: int, **fields: Any) -> None:
        self.branch.forge.pulls[number] = replace(self._pull(number), **fields)

    def _happens(self, number: int, **more: Any) -> None:
        before = self.branch.forge.happened.get(number, PullEvents())
        added = {name: (*getattr(before, name), one) for name, one in more.items()}
        self.branch.forge.happened[number] = replace(before, **added)

    def do(self, what: str, which: int, who: int) -> None:
        """Lets something happen, which takes a minute."""
        number, person = self._number(which), PEOPLE[who % len(PEOPLE)]
        told = self.told[number]
        self.branch.now += MINUTE
        later = ("approve", "dismiss", "show", "close", "set_back")
        if self.merged is None or what in later:
            getattr(self, f"_{what}")(number, told, person)

    def _show(self, number: int, told: Told, person: Actor) -> None:
        if self.merged is not None:
            self.branch.show(number)
            return
        if told.edited:
            # As a check does first.
            self.branch.show(number, offer=EDITED)
            told.void.append((told.shown[-1][0], self.branch.now))
            told.edited = False
        self.branch.show(number)
        told.shown.append((self.branch.now, (number, told.base, told.head, self.larger)))

    def _edit(self, number: int, told: Told, person: Actor) -> None:
        """Lets somebody edit the comment of the last check."""
        if not told.shown:
            return
        self.branch.comment(number)
        told.edited = True

    def _say(self, number: int, told: Told, person: Actor, state: str) -> None:
        self.branch.review(number, person, state)
        if self.merged is None:
            told.said.append(Said(person, state, told.head, self.branch.now))

    def _approve(self, number: int, told: Told, person: Actor) -> None:
        self._say(number, told, person, "APPROVED")

    def _object(self, number: int, told: Told, person: Actor) -> None:
        self._say(number, told, person, "CHANGES_REQUESTED")

    def _dismiss(self, number: int, told: Told, person: Actor) -> None:
        reviews = self.branch.forge.submitted.get(number, [])
        if not reviews or reviews[-1].state == "DISMISSED":
            return
        last = reviews[-1]
        reviews[-1] = replace(last, state="DISMISSED")
        self._happens(
            number, dismissals=Dismissal(review=last.id, at=self.branch.now, state=last.state)
        )
        if self.merged is None:
            told.said[-1].dismissed = self.branch.now

    def _push(self, number: int, told: Told, person: Actor) -> None:
        pusher = ACTIONS if person == DAN else person
        text = TABLES.replace("2h", f"{1 + len(told.shown) % 3}h30m")
        told.head = self.branch.push_to(number, {PAYOUTS: text}, by=pusher)
        # The same text again puts nothing there.
        if text != told.text:
            told.pushers.add(pusher)
        told.text = text

    def _update(self, number: int, told: Told, person: Actor) -> None:
        told.head = self.branch.update(number, by=person)

    def _set_back(self, number: int, told: Told, person: Actor) -> None:
        """Sets a pull request's branch to the head that was merged, after the merge."""
        if self.merged is not None and self._pull(number).merged_at is None:
            self.branch.set_head(number, self.head, by=person)

    def _retarget(self, number: int, told: Told, person: Actor) -> None:
        told.base = "scratch" if told.base == "main" else "main"
        told.based = self.branch.now
        self._change(number, base_ref=told.base)
        self._happens(number, base_changes=self.branch.now)

    def _draft(self, number: int, told: Told, person: Actor) -> None:
        told.draft = not told.draft
        self._change(number, draft=told.draft)
        kind = "convert_to_draft" if told.draft else "ready_for_review"
        self._happens(number, turns=PullTurn(kind=kind, at=self.branch.now))

    def _close(self, number: int, told: Told, person: Actor) -> None:
        if self._pull(number).merged_at is not None:
            return
        told_open = self._pull(number).state == "open"
        self._change(number, state="closed" if told_open else "open")
        kind = "closed" if told_open else "reopened"
        self._happens(number, turns=PullTurn(kind=kind, at=self.branch.now))
        if self.merged is None:
            told.is_open = not told_open

    def _grow(self, number: int, told: Told, person: Actor) -> None:
        self.larger = not self.larger
        self.branch.govern({ROLES: LARGER if self.larger else START[ROLES]})

    def _twin(self, number: int, told: Told, person: Actor) -> None:
        if len(self.told) > 1:
            return
        twin = self.branch.propose({PAYOUTS: TABLES}, author=MALLORY)
        self.branch.set_head(twin, told.head, by=MALLORY)
        self.told[twin] = Told(MALLORY, told.head, pushers={MALLORY}, text=told.text)

    def _merge(self, number: int, told: Told, person: Actor) -> None:
        # GitHub merges nothing else.
        if not told.is_open or told.draft or told.base != "main":
            return
        self._change(number, merged_by=person)
        self.head = told.head
        self.merged = self.branch.merge(number, "squash")
        self.expected = any(
            counts(one, other, (other, "main", told.head, self.larger), self.branch.now)
            for other, one in self.told.items()
        )


WHAT = st.sampled_from(
    [
        *("show", "show", "show", "approve", "approve", "approve", "object", "dismiss", "push"),
        *("retarget", "draft", "close", "grow", "twin", "update", "edit", "merge", "set_back"),
    ]
)
# What a good request is made of, so that many histories end well but for one thing.
GOOD = [("show", 0, 0), ("approve", 0, 1)]
STEPS = st.lists(st.tuples(WHAT, st.integers(0, 1), st.integers(0, 4)), max_size=7)


@settings(max_examples=250)
@given(STEPS, st.sampled_from([[], GOOD]), STEPS, st.integers(0, 1), st.integers(0, 4))
def test_exactly_that_is_proven_which_the_model_lets_be_proven(
    before: list[tuple[str, int, int]],
    good: list[tuple[str, int, int]],
    after: list[tuple[str, int, int]],
    merged: int,
    merger: int,
) -> None:
    history = History()
    for what, which, who in (*before, *good, *after, ("merge", merged, merger)):
        history.do(what, which, who)
    found = history.branch.stand()
    if history.merged is None:
        event("not merged")
        assert found.proofs == {}
        return
    event(f"merged, {'proven' if history.expected else 'not proven'}")
    assert ("alice/payouts" in found.proofs) == history.expected


def test_the_model_lets_a_good_request_be_proven() -> None:
    """And none without its approval: what every other history leaves out or adds."""
    for steps, expected in ((GOOD, True), (GOOD[:1], False), (GOOD[1:], False), ([], False)):
        history = History()
        for what, which, who in (*steps, ("merge", 0, 0)):
            history.do(what, which, who)
        assert history.expected is expected
        assert ("alice/payouts" in history.branch.stand().proofs) is expected
