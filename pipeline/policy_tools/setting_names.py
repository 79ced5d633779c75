"""Names in the settings that stand for something of the catalogue: calendars, rotations, teams.

A calendar that nobody knows is neither open nor free, so one slip of the pen denies every
request, with advice about hours that helps nobody. A team that is not declared is nobody, so
what needs it waits for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pipeline.grants.teams import TEAMS_FILE
from pipeline.judge.requesters import names_teams
from pipeline.reading.yaml_strict import Items, Node, Report, Scalar, Table, closest, load, quote
from pipeline.values.problem import Problem

CALENDARS = "calendars"
ROTATIONS = "rotations"
TEAMS = "teams"
_PLACES = {CALENDARS: "access/calendars", ROTATIONS: "access/oncall", TEAMS: TEAMS_FILE}
# Maps of settings whose lists name calendars or rotations, whatever their own keys are.
_LISTS: dict[tuple[str, ...], str] = {
    ("schedule", "hours"): CALENDARS,
    ("emergency", "roles"): ROTATIONS,
}
# Those of them whose keys say what they are for: the part of a binding that is the key.
_FOR: dict[tuple[str, ...], tuple[str, str]] = {
    ("schedule", "hours"): ("target", "environment"),
    ("emergency", "roles"): ("role", "id"),
}
_MAINTENANCE = ("schedule", "maintenance")
# Maps whose entries say in lists what targets they are about, one of which is enough: the part
# of a target by the list's key.
_ABOUT: dict[tuple[str, ...], dict[str, str]] = {
    _MAINTENANCE: {"targets": "id", "environments": "environment"},
    ("schedule", "freezes"): {"environments": "environment"},
}
_KEYS = {"calendar": CALENDARS, "calendars": CALENDARS, "rotations": ROTATIONS}


def unknown_names(
    files: Mapping[str, str],
    *,
    calendars: Collection[str],
    rotations: Collection[str],
    teams: Collection[str],
) -> tuple[Problem, ...]:
    """Returns every name in the settings of *files* (path below `policies/` to text) that is
    none of *calendars*, *rotations* or *teams*: values under `calendar`, `calendars`,
    `rotations`, `teams` and `…_teams`, the lists of `schedule.hours` and those of
    `emergency.roles`."""
    known = {CALENDARS: calendars, ROTATIONS: rotations, TEAMS: teams}
    problems: list[Problem] = []
    for path in sorted(files):
        folders = tuple(path.split("/")[:-1])
        if not path.endswith("/data.yaml") or folders[0] != "settings":
            continue
        node = load(files[path].encode(), report=Report(path))
        report = Report(f"policies/{path}")
        for kind, name in _named(node, folders[1:], ""):
            if name.value not in known[kind]:
                advice = closest(name.value, known[kind]) or f"; add it to {_PLACES[kind]}"
                report.add(
                    name.mark,
                    "unknown-name",
                    f"{quote(name.value)} is none of the {kind} in {_PLACES[kind]}{advice}",
                )
        problems.extend(report.problems)
    return tuple(problems)


def _named(node: Node | None, keys: tuple[str, ...], kind: str) -> Iterator[tuple[str, Scalar]]:
    """Yields each name below *node*, with what it is a name of; *kind* is empty for nothing."""
    match node:
        case Table():
            for key, value in node.entries:
                of = _kind(keys, key.value, is_list=isinstance(value, Items))
                yield from _named(value, (*keys, key.value), of)
        case Items():
            # Maps in a list may name something under keys of their own.
            for value in node.values:
                yield from _named(value, keys, kind)
        case Scalar() if kind:
            yield kind, node
        case _:
            return


def _kind(keys: tuple[str, ...], key: str, *, is_list: bool) -> str:
    """Returns what the values under *key* in *keys* are names of, empty for nothing."""
    teams = TEAMS if is_list and names_teams(key) else ""
    return _LISTS.get(keys) or _KEYS.get(key) or teams


Names = Mapping[str, frozenset[str]]
"""Names of `calendars` and of `rotations`."""


def named(settings: Any) -> Names:
    """Returns every name in *settings*, as `unknown_names` looks for them."""
    return _by_kind(_plain(settings, (), "", None))


def named_for(settings: Any, bindings: Sequence[Mapping[str, Any]]) -> Names:
    """Returns the names in *settings* that may matter to *bindings*, those of a question.

    Left out is what hours, maintenance, freezes and emergency roles say of other targets,
    environments and roles. What any other setting is for is not known: it stays.
    """
    return _by_kind(_plain(settings, (), "", bindings))


def _by_kind(found: Iterator[tuple[str, str]]) -> Names:
    every = list(found)
    return {
        kind: frozenset(name for one, name in every if one == kind)
        for kind in (CALENDARS, ROTATIONS)
    }


def _plain(
    value: Any, keys: tuple[str, ...], kind: str, bindings: Sequence[Mapping[str, Any]] | None
) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if bindings is None or _matters(keys, key, inner, bindings):
                of = _kind(keys, key, is_list=isinstance(inner, list))
                yield from _plain(inner, (*keys, key), of, bindings)
    elif isinstance(value, list):
        for inner in value:
            yield from _plain(inner, keys, kind, bindings)
    elif isinstance(value, str) and kind:
        yield kind, value


def _matters(
    keys: tuple[str, ...], key: str, entry: Any, bindings: Sequence[Mapping[str, Any]]
) -> bool:
    if keys in _FOR:
        part, name = _FOR[keys]
        return any(binding[part][name] == key for binding in bindings)
    if keys not in _ABOUT or not isinstance(entry, dict):
        return True
    return any(
        any(
            _lists(entry, name, binding["target"][part], missing=False)
            for name, part in _ABOUT[keys].items()
        )
        and (keys != _MAINTENANCE or _lists(entry, "roles", binding["role"]["id"], missing=True))
        for binding in bindings
    )


def _lists(entry: Mapping[str, Any], key: str, name: str, *, missing: bool) -> bool:
    """Whether the list under *key* has *name*; what is no list may mean anything."""
    if key not in entry:
        return missing
    return not isinstance(entry[key], list) or name in entry[key]
