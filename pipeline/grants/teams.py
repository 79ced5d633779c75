"""The teams that an organisation declares: `access/teams.yaml`."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.grants.tables import TABLE_LIMIT, TABLE_NODES, TEAMS
from pipeline.reading.scalars import Reading
from pipeline.reading.yaml_strict import Table, closest, load, quote
from pipeline.values.catalogue import Target, Team

TEAMS_FILE = "access/teams.yaml"

UNDECLARED = "unknown-team"
"""The code of an owner that is not declared, which concerns its target alone: nobody is in it."""


def undeclared(slug: str, declared: Iterable[str]) -> str:
    """Returns in words where *slug* is not declared, with the nearest of *declared*: what follows
    "the team is"."""
    advice = closest(slug, declared) or "; declare it there with its GitHub id"
    return f"not in {TEAMS_FILE}{advice}"


class DeclaredTeams:
    """Reads the file of teams, then checks what refers to it."""

    def __init__(self) -> None:
        self.teams: dict[str, Team] = {}
        self._named: set[str] = set()
        self._readable = True

    def read(self, text: bytes, reading: Reading) -> None:
        """Reads the file, entry by entry: one bad entry hides no other."""
        node = load(text, report=reading.report, limit=TABLE_LIMIT, nodes=TABLE_NODES)
        if not isinstance(node, Table):
            self._readable = False
            if node is not None:
                reading.wrong_type(node, "", "a map of names and values")
            return
        taken: dict[int, str] = {}
        for slug, entry in TEAMS.entries(node, "", reading).items():
            self._named.add(slug)
            if entry is None:
                continue
            team = Team(slug=slug, id=entry["id"], title=entry["title"])
            other = taken.setdefault(team.id, slug)
            if other != slug:
                message = f"id {team.id} belongs to team {quote(other)} already; each has its own"
                reading.refuse(reading.marks[f"{slug}.id"], "duplicate", message)
            self.teams[slug] = team

    def check_owners(self, target: Target, reading: Reading) -> None:
        """Tells, at its place, each owner of *target* that is not declared.

        One whose entry is broken was told already, and so was a file that cannot be read.
        """
        for index, owner in enumerate(target.owners):
            if self._readable and owner not in self._named:
                mark = reading.marks[f"{target.name}.owners.{index}"]
                message = f"team {quote(owner)} is {undeclared(owner, self._named)}"
                reading.refuse(mark, UNDECLARED, message)
