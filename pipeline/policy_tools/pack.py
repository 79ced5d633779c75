"""The modules of a policy pack together: what a reference means, and which settings it reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pipeline.policy.rego_text import (
    Definition,
    Module,
    Reference,
    Token,
    Tokens,
    bound,
    closing,
    parts,
    references,
    texts,
)
from pipeline.reading.yaml_strict import Node, Report, Table, load
from pipeline.values.problem import Mark

Path = tuple[str, ...]
_SETTINGS = "lib.settings"
_READER = (_SETTINGS, "at")


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """Where one setting is written."""

    keys: Path
    """Topic and name, and names inside of it: `("limits", "max_duration")`."""

    file: str
    """Below `policies/`."""

    mark: Mark


def settings_of(files: Mapping[str, str]) -> Mapping[Path, Setting]:
    """Returns every setting in *files* (path below `policies/` to text), with nested names.

    What cannot be read is left out: `load_bundle` tells why.
    """
    found: dict[Path, Setting] = {}
    for path in sorted(files):
        folders = path.split("/")[:-1]
        if path.endswith("/data.yaml") and folders[0] == "settings":
            node = load(files[path].encode(), report=Report(path))
            _walk(found, path, tuple(folders[1:]), node)
    return found


def _walk(found: dict[Path, Setting], path: str, keys: Path, node: Node | None) -> None:
    if isinstance(node, Table):
        for key, value in node.entries:
            inner = (*keys, key.value)
            found[inner] = Setting(keys=inner, file=path, mark=key.mark)
            _walk(found, path, inner, value)


class Pack:
    """Modules that refer to each other."""

    def __init__(self, modules: Iterable[Module]) -> None:
        self.modules = {module.package: module for module in modules}
        # Functions that read a setting, and which argument says which one.
        self._readers = {_READER: 0}
        self._reached: dict[tuple[str, str, Mark], tuple[tuple[Module, Definition], ...]] = {}
        self._find_readers()

    def meaning(
        self, module: Module, reference: Reference, hidden: frozenset[str] = frozenset()
    ) -> tuple[Module, str] | None:
        """Returns the module and rule that *reference* names; None for anything else.

        *hidden* are local variables, which hide rules and imports of their name.
        """
        first = reference.path[0]
        if first in hidden:
            return None
        if first in module.rules:
            return module, first
        path = module.alias(reference)
        if path[0] != "data":
            return None
        for size in range(len(path) - 1, 1, -1):
            found = self.modules.get(".".join(path[1:size]))
            if found is not None and path[size] in found.rules:
                return found, path[size]
        return None

    def reached(
        self, module: Module, needs: Iterable[Reference]
    ) -> Iterator[tuple[Module, Definition]]:
        """Yields every definition that *needs* name, through other rules too; each once."""
        seen: set[tuple[str, str]] = set()
        waiting = [(module, needs)]
        while waiting:
            here, some = waiting.pop()
            for reference in some:
                meant = self.meaning(here, reference)
                if meant is None or (meant[0].package, meant[1]) in seen:
                    continue
                there, name = meant
                seen.add((there.package, name))
                for definition in there.rules[name]:
                    yield there, definition
                    waiting.append((there, definition.needs))

    def reached_by(
        self, module: Module, definition: Definition
    ) -> tuple[tuple[Module, Definition], ...]:
        """Returns every definition that *definition* needs, through other rules too."""
        key = (module.package, definition.name, definition.mark)
        if key not in self._reached:
            self._reached[key] = tuple(self.reached(module, definition.needs))
        return self._reached[key]

    def reads(self, module: Module, definition: Definition) -> frozenset[Path]:
        """Returns the settings that *definition* reads itself or through other rules."""
        found = {keys for keys, _ in self.direct_reads(module, definition.needs)}
        for there, other in self.reached_by(module, definition):
            found |= {keys for keys, _ in self.direct_reads(there, other.references)}
        return frozenset(found)

    def direct_reads(
        self, module: Module, named: Iterable[Reference]
    ) -> Iterator[tuple[Path, Token]]:
        """Yields the settings that are *named* in a call that reads one, and where."""
        for reference in named:
            at = self._readers.get(self._key(module, reference))
            if at is not None and reference.arguments and at < len(reference.arguments):
                keys = texts(reference.arguments[at])
                if keys:
                    yield keys, reference.token

    def _key(self, module: Module, reference: Reference) -> tuple[str, str]:
        meant = self.meaning(module, reference)
        return (meant[0].package, meant[1]) if meant else ("", "")

    def _find_readers(self) -> None:
        """Adds the functions that hand a parameter on to one that is known already."""
        growing = True
        while growing:
            growing = False
            for module in self.modules.values():
                for definition in module.definitions:
                    key = (module.package, definition.name)
                    at = self._handed_on(module, definition)
                    if at is not None and key not in self._readers:
                        self._readers[key] = at
                        growing = True

    def _handed_on(self, module: Module, definition: Definition) -> int | None:
        for reference in definition.needs:
            at = self._readers.get(self._key(module, reference))
            if at is None or not reference.arguments or at >= len(reference.arguments):
                continue
            handed = {token.text for token in reference.arguments[at]}
            for index, parameter in enumerate(definition.parameters):
                if parameter in handed:
                    argument = reference.arguments[at]
                    # In a list it is a name inside of the setting, not the way to it.
                    if argument[0].text != "[":
                        return index
        return None

    def total(self, module: Module, words: Tokens, hidden: frozenset[str]) -> Token | None:
        """Returns the first word that may be undefined; None where there is none.

        What has a default or an `else` without conditions is defined, and so is a set that
        rules add to; a comprehension passes over what is not. *hidden* are variables that
        have a value.
        """
        return self._partial(module, _without_comprehensions(words), hidden, frozenset())

    def _partial(
        self,
        module: Module,
        words: Tokens,
        hidden: frozenset[str],
        above: frozenset[tuple[str, str]],
    ) -> Token | None:
        for reference in references(words):
            token = reference.token
            index = next(i for i, word in enumerate(words) if word is token)
            behind = words[index + 2 * len(reference.path) - 1 :][:1]
            if behind and behind[0].text == "[" and reference.arguments is None:
                return token
            first = reference.path[0]
            if first in hidden or first in ("input", "data"):
                if len(reference.path) > 1:
                    meant = None if first in hidden else self.meaning(module, reference)
                    if meant is None:
                        return token
                else:
                    continue
            meant = self.meaning(module, reference, hidden)
            if meant is None:
                if module.alias(reference)[0] in ("input", "data"):
                    return token
                continue
            there, name = meant
            if (there.package, name) not in above and not self._defined(
                there, name, above | {(there.package, name)}
            ):
                return token
        return None

    def _defined(self, module: Module, name: str, above: frozenset[tuple[str, str]]) -> bool:
        definitions = module.rules[name]
        if any(one.is_default or one.is_set for one in definitions):
            return True
        return any(
            clause.body is None
            and self._partial(
                module,
                _without_comprehensions(clause.given),
                frozenset(one.parameters),
                above,
            )
            is None
            for one in definitions
            for clause in one.clauses
        )


def variables(words: Iterable[Tokens]) -> frozenset[str]:
    """Returns the names that the expressions in *words* give a value."""
    return frozenset().union(*(bound(one) for one in words))


def _without_comprehensions(words: Tokens) -> Tokens:
    kept: list[Token] = []
    index = 0
    while index < len(words):
        token = words[index]
        if token.kind == "sign" and token.text in "{[":
            end = closing(words, index)
            inside = words[index + 1 : end]
            if len(parts(inside, "|")) > 1:
                index = end + 1
                continue
        kept.append(token)
        index += 1
    return tuple(kept)
