"""Which facts of a request a rule names, and what they are: read off its text.

No trace: a rule may name what it did not need. What it reads through `lib/` is left out, but
for the paths that it hands to `request.at` and `read.at`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.policy.rego_text import Definition, Module, Reference, texts
from pipeline.policy_tools.pack import Pack, Path

_OF_REQUEST, _OF_ANYTHING = ("data", "lib", "request", "at"), ("data", "lib", "read", "at")
_BINDING = "binding"
"""What rules call one of `input.bindings`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """A part of the request that a rule names."""

    name: str
    """Dotted: `grant.duration`; of a binding below it: `role.risk`."""

    binding: int
    """Index into the grant's access, or -1."""

    value: Any
    """As policies are told it: times are epoch seconds."""

    text: str | None
    """A time as text; None for all else."""


def facts(
    pack: Pack, module: Module, definition: Definition, document: Mapping[str, Any]
) -> tuple[Fact, ...]:
    """Returns the facts that *definition* and its helpers in the same module name, by binding
    and name; those that *document* lacks are left out."""
    found = _named(module, definition.needs)
    for there, helper in pack.reached_by(module, definition):
        if there is module:
            found |= _named(module, helper.references)
    bindings = document.get("bindings") or ()
    told = [
        fact
        for of_binding, path in _longest(found)
        for index, whole in (enumerate(bindings) if of_binding else [(-1, document)])
        if (fact := _fact(whole, path, index)) is not None
    ]
    return tuple(sorted(told, key=lambda fact: (fact.binding, fact.name)))


def reaches(pack: Pack, module: Module, definition: Definition, path: Path) -> bool:
    """Whether *definition* may read the input at *path*, through `lib/` too."""
    named = [(module, definition.needs)]
    named += [(there, one.references) for there, one in pack.reached_by(module, definition)]
    return any(
        not of_binding and (read[: len(path)] == path or path[: len(read)] == read)
        for there, some in named
        for of_binding, read in _named(there, some)
    )


_Name = tuple[bool, Path]
"""Whether it is of a binding, and the path below that or below the input."""


def _named(module: Module, references: Iterable[Reference]) -> set[_Name]:
    found: set[_Name] = set()
    for reference in references:
        first, *rest = reference.path
        meant, given = module.alias(reference), reference.arguments or ()
        if first in ("input", _BINDING) and rest:
            found.add((first == _BINDING, tuple(rest)))
        elif meant == _OF_REQUEST and len(given) == 1:
            found.add((False, texts(given[0])))
        elif meant == _OF_ANYTHING and len(given) == 2 and len(given[0]) == 1:
            of = given[0][0].text
            if of in ("input", _BINDING):
                found.add((of == _BINDING, texts(given[1])))
    return {(of_binding, path) for of_binding, path in found if path}


def _longest(found: Iterable[_Name]) -> list[_Name]:
    """Returns *found* without what another one leads further into, and without all bindings."""
    names = set(found)
    return [
        (of_binding, path)
        for of_binding, path in sorted(names)
        if path != ("bindings",)
        and not any(
            other == of_binding and longer != path and longer[: len(path)] == path
            for other, longer in names
        )
    ]


def _fact(whole: Any, path: Path, binding: int) -> Fact | None:
    value, beside = whole, None
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return None
        value, beside = value[key], value.get(f"{key}_text")
    return Fact(name=".".join(path), binding=binding, value=value, text=beside)
