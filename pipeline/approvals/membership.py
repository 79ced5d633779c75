"""Membership of the teams that the catalogue declares, as GitHub shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pipeline.grants.teams import TEAMS_FILE, undeclared
from pipeline.reading.yaml_strict import quote
from pipeline.values.catalogue import Team
from pipeline.values.pull_request import Actor, ForgeReader


class Membership:
    """Answers which teams somebody is in, and notes the teams that nobody can be in."""

    def __init__(self, reader: ForgeReader, declared: Mapping[str, Team]) -> None:
        self._reader = reader
        self._declared = declared
        self._empty: dict[str, str] = {}

    @property
    def empty(self) -> tuple[str, ...]:
        """In words, each team asked about so far that nobody can be in, and why."""
        return tuple(self._empty[slug] for slug in sorted(self._empty))

    def usable(self, slugs: Iterable[str]) -> tuple[Team, ...]:
        """Returns the teams of *slugs* that are declared and that GitHub shows under their id.

        Raises `ForgeError` where GitHub did not answer.
        """
        found = []
        for slug in sorted(set(slugs)):
            team = self._declared.get(slug)
            if team is None:
                self._empty[slug] = (
                    f"nobody is in team {quote(slug)}: it is {undeclared(slug, self._declared)}"
                )
            elif not self._reader.shows_team(team):
                self._empty[slug] = (
                    f"nobody is in team {quote(slug)}: GitHub does not show it with the id "
                    f"{team.id}; correct {TEAMS_FILE}"
                )
            else:
                found.append(team)
        return tuple(found)

    def teams_of(self, actor: Actor, slugs: Iterable[str]) -> frozenset[str]:
        """Returns those of *slugs* that *actor* is an active member of."""
        return frozenset(
            team.slug for team in self.usable(slugs) if self._reader.in_team(team, actor)
        )
