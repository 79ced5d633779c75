"""Names in the settings that stand for files of the catalogue: calendars and rotations.

A calendar that nobody knows is neither open nor free, so one slip of the pen denies every
request, with advice about hours that helps nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from pipeline.grants.yaml_strict import Items, Node, Report, Scalar, Table, closest, load, quote
from pipeline.model import Problem

_CALENDARS = "calendars"
_ROTATIONS = "rotations"
_FOLDERS = {_CALENDARS: "access/calendars", _ROTATIONS: "access/oncall"}
# Maps of settings whose lists name calendars or rotations, whatever their own keys are.
_LISTS: dict[tuple[str, ...], str] = {
    ("schedule", "hours"): _CALENDARS,
    ("emergency", "roles"): _ROTATIONS,
}
_KEYS = {"calendar": _CALENDARS, "calendars": _CALENDARS, "rotations": _ROTATIONS}


def unknown_names(
    files: Mapping[str, str], *, calendars: Collection[str], rotations: Collection[str]
) -> tuple[Problem, ...]:
    """Returns every name in the settings of *files* (path below `policies/` to text) that is
    none of *calendars* or *rotations*: values under `calendar`, `calendars` and `rotations`,
    the lists of `schedule.hours` and those of `emergency.roles`."""
    known = {_CALENDARS: calendars, _ROTATIONS: rotations}
    problems: list[Problem] = []
    for path in sorted(files):
        folders = tuple(path.split("/")[:-1])
        if not path.endswith("/data.yaml") or folders[0] != "settings":
            continue
        node = load(files[path].encode(), report=Report(path))
        report = Report(f"policies/{path}")
        for kind, name in _named(node, folders[1:], ""):
            if name.value not in known[kind]:
                advice = closest(name.value, known[kind]) or f"; add it to {_FOLDERS[kind]}"
                report.add(
                    name.mark,
                    "unknown-name",
                    f"{quote(name.value)} is none of the {kind} in {_FOLDERS[kind]}{advice}",
                )
        problems.extend(report.problems)
    return tuple(problems)


def _named(node: Node | None, keys: tuple[str, ...], kind: str) -> Iterator[tuple[str, Scalar]]:
    """Yields each name below *node*, with what it is a name of; *kind* is empty for neither."""
    match node:
        case Table():
            for key, value in node.entries:
                inner = (*keys, key.value)
                yield from _named(value, inner, _LISTS.get(keys) or _KEYS.get(key.value, ""))
        case Items() if kind:
            for value in node.values:
                yield from _named(value, keys, kind)
        case Scalar() if kind:
            yield kind, node
        case _:
            return
