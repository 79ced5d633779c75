"""Finds faults in policies before anybody is judged by them.

Pure: files in, problems out. Whether a file is Rego at all, the engines say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pipeline.errors import InvalidInput
from pipeline.policy.builtins import BUILT_INS
from pipeline.policy.bundle import RULES, TEST_SUFFIX, Rule, load_bundle, read_rules
from pipeline.policy.engine import PolicyBundle
from pipeline.policy.rego_text import Definition, Module, Token, read_module, references
from pipeline.policy.wording import placeholders
from pipeline.policy_tools.pack import Pack, Path, Setting, settings_of
from pipeline.policy_tools.rule_form import form, values_of
from pipeline.values.problem import Mark, Problem

SAYS = ("deny", "warn")
"""Rules of these names say something of a request."""

_ASKS = ("approvals", "alone")

_RULES_PACKAGE = "access.rules."
_SETTINGS_RULES = "access.rules.settings"
_OPERATORS = {"/": "division", "%": "remainder"}


@dataclass(frozen=True, kw_only=True)
class _Work:
    """The modules, rules and settings that every check looks at."""

    files: Mapping[str, str]
    modules: tuple[Module, ...]
    """Without tests and `checks/`, by path."""

    tests: tuple[Module, ...]
    rules: Mapping[str, Rule]
    pack: Pack
    settings: Mapping[Path, Setting]
    unread: tuple[Path, ...]
    """Topics whose file has a problem, so that nobody knows which settings it holds; an empty
    one is every topic."""


def lint_files(files: Mapping[str, str]) -> tuple[Problem, ...]:
    """Returns every problem of the policies in *files*, path below `policies/` to text."""
    problems: set[Problem] = set()
    try:
        load_bundle(files)
    except InvalidInput as error:
        problems.update(error.problems)
    read = [read_module(path, text) for path, text in sorted(files.items()) if _is_rego(path)]
    modules = tuple(module for module in read if not _left_out(module.path))
    texts = {module.path: module.text for module in modules}
    rules, wrong = read_rules(PolicyBundle(modules=texts, data={}))
    problems.update(wrong)
    work = _Work(
        files=files,
        modules=modules,
        tests=tuple(module for module in read if module.path.endswith(TEST_SUFFIX)),
        rules=rules,
        pack=Pack(modules),
        settings=settings_of(files),
        unread=tuple(sorted(_topics(problems))),
    )
    for check in (_rules, _places, _helpers, _calls, _data, _settings, _tests):
        problems.update(check(work))
    return tuple(sorted(problems))


def _topics(problems: Iterable[Problem]) -> Iterator[Path]:
    for one in problems:
        parts = one.path.split("/")
        if parts[-1] == "data.yaml" and parts[1:2] == ["settings"]:
            yield tuple(parts[2:-1])


def code_of(definition: Definition) -> Token | None:
    """Returns the code that a `deny` or `warn` gives in its head, with its place."""
    words = definition.clauses[0].given
    calls = [*references(words)][:1]
    if not calls or calls[0].path not in (("result", "whole"), ("result", "binding")):
        return None
    arguments = calls[0].arguments or ()
    first = arguments[0] if arguments else ()
    return first[0] if len(first) == 1 and first[0].value else None


def says(module: Module) -> Iterator[Definition]:
    """Yields the `deny` and `warn` of *module*."""
    for definition in module.definitions:
        if definition.name in SAYS:
            yield definition


def _is_rego(path: str) -> bool:
    return path.endswith(".rego")


def _left_out(path: str) -> bool:
    return path.endswith(TEST_SUFFIX) or path.startswith("checks/")


def _problem(module: Module, mark: Mark, code: str, message: str) -> Problem:
    return Problem(
        path=f"policies/{module.path}",
        line=mark.line,
        column=mark.column,
        code=code,
        message=message,
    )


def _rules(work: _Work) -> Iterator[Problem]:
    """Each rule's head, its words, and the form of its conditions."""
    for module in work.modules:
        if not module.package.startswith(_RULES_PACKAGE):
            continue
        yield from _asked(module)
        for definition in says(module):
            token = code_of(definition)
            if not definition.is_set or token is None:
                yield _problem(
                    module,
                    definition.mark,
                    "rule-head",
                    f'write {definition.name} contains result.whole("code", {{…}}) or '
                    'result.binding("code", index, {…}), with the code written out',
                )
                continue
            for mark, code, message in form(work.pack, module, definition):
                yield _problem(module, mark, code, message)
            rule = work.rules.get(str(token.value))
            if rule is None:
                yield _problem(
                    module, token.mark, "rule-code", f"no annotation names {token.value}"
                )
                continue
            yield from _words(work, module, definition, rule)


def _asked(module: Module) -> Iterator[Problem]:
    """Finds values that may be undefined in the head of an approval, which would go with them."""
    for definition in module.definitions:
        if definition.name not in _ASKS:
            continue
        for reference in references(definition.clauses[0].given):
            path = module.alias(reference)
            if path[0] == "input" and len(path) > 1:
                yield _problem(
                    module,
                    reference.token.mark,
                    "undefined-value",
                    f"{'.'.join(path)} may be undefined, and this with it; read it with request.at",
                )


def _words(work: _Work, module: Module, definition: Definition, rule: Rule) -> Iterator[Problem]:
    if not rule.description:
        yield _problem(module, definition.mark, "annotation", "the annotation lacks description")
    given = values_of(work.pack, module, definition)
    for part in ("message", "solution"):
        names, odd = placeholders(getattr(rule, part))
        for name in sorted(names - given):
            yield _problem(
                module,
                definition.mark,
                "placeholder",
                f"{part} names {{{name}}}, which the rule does not give; it gives "
                f"{', '.join(sorted(given)) or 'nothing'}",
            )
        for text in sorted(odd):
            yield _problem(
                module,
                definition.mark,
                "placeholder",
                f"{part} holds {text}; write {{name}}, {{name:duration}}, {{name:time}} or "
                "{name:list}",
            )


def _places(work: _Work) -> Iterator[Problem]:
    """Rules lie where the decision finds them."""
    for module in work.modules:
        topic = module.package.removeprefix(_RULES_PACKAGE)
        found = topic != module.package and "." not in topic
        lies = module.path.startswith(RULES)
        for definition in says(module):
            if not (found and lies):
                yield _problem(
                    module,
                    definition.mark,
                    "unreachable",
                    f"the decision finds no {definition.name} in the package {module.package}; "
                    f"rules lie in {RULES}<topic>/ in the package {_RULES_PACKAGE}<topic>",
                )
        if found != lies:
            yield _problem(
                module,
                Mark(line=1, column=1),
                "unreachable",
                f"package {module.package} and {RULES}<topic>/ belong together",
            )


def _helpers(work: _Work) -> Iterator[Problem]:
    """Whatever begins with _ is for its own package, which must refer to it."""
    for module in work.modules:
        for name, definitions in module.rules.items():
            if not name.startswith("_"):
                continue
            used = any(
                reference.path[0] == name
                for other in module.definitions
                if other.name != name
                for reference in other.references
            )
            if not used:
                yield _problem(
                    module, definitions[0].mark, "unused", f"nothing refers to {name}; remove it"
                )


def _calls(work: _Work) -> Iterator[Problem]:
    """Only built-ins that both engines answer alike."""
    for module in work.modules:
        for reference in module.references:
            if reference.arguments is None or module.alias(reference)[0] == "data":
                continue
            name = ".".join(reference.path)
            if reference.path[0] not in module.rules and name not in BUILT_INS:
                yield _problem(
                    module,
                    reference.token.mark,
                    "built-in",
                    f"{name} is not among the built-ins that both engines answer alike "
                    f"({', '.join(sorted(BUILT_INS))})",
                )
        for token in module.tokens:
            if token.kind == "sign" and token.text in _OPERATORS:
                yield _problem(
                    module,
                    token.mark,
                    "built-in",
                    f"{_OPERATORS[token.text]} is not answered alike by both engines; "
                    "multiply the other side instead",
                )


def _data(work: _Work) -> Iterator[Problem]:
    """Settings are read where their types are looked at."""
    for module in work.modules:
        if module.package == "lib.settings":
            continue
        for reference in module.references:
            if module.alias(reference)[:2] == ("data", "settings"):
                yield _problem(
                    module,
                    reference.token.mark,
                    "settings-direct",
                    "read settings with settings.at, positive or texts: what is missing must "
                    "not be undefined in silence",
                )


def _settings(work: _Work) -> Iterator[Problem]:
    """Every setting has a reader, a definition, and every read a setting."""
    read: set[Path] = set()
    checked: set[str] = set()
    for module in work.modules:
        if module.package == _SETTINGS_RULES:
            checked = {str(token.value) for token in module.tokens if token.value}
        elif module.package.startswith("access."):
            for one in module.definitions:
                if not one.name.startswith("_"):
                    read |= work.pack.reads(module, one)
        for keys, token in work.pack.direct_reads(module, module.references):
            unread = any(keys[: len(topic)] == topic for topic in work.unread)
            if len(keys) > 1 and keys[:2] not in work.settings and not unread:
                yield _problem(
                    module,
                    token.mark,
                    "setting-unknown",
                    f"there is no setting {'.'.join(keys)} under settings/{keys[0]}",
                )
    for keys, setting in work.settings.items():
        if len(keys) != 2:
            continue
        name = ".".join(keys)
        said = []
        if not any(one[:2] == keys for one in read):
            said.append(("setting-unread", f"no rule reads {name}; remove it"))
        if name not in checked:
            message = f"{name} has no definition in access/rules/settings; say when it is usable"
            said.append(("setting-unchecked", message))
        for code, message in said:
            yield Problem(
                path=f"policies/{setting.file}",
                line=setting.mark.line,
                column=setting.mark.column,
                code=code,
                message=message,
            )


def _tests(work: _Work) -> Iterator[Problem]:
    """Rules have tests beside them, and each code is expected by one."""
    expected = {token.value for module in work.tests for token in module.tokens}
    for module in work.modules:
        if not module.path.startswith(RULES):
            continue
        beside = f"{module.path.removesuffix('.rego')}{TEST_SUFFIX}"
        if beside not in work.files:
            yield _problem(
                module, Mark(line=1, column=1), "untested", f"there is no policies/{beside}"
            )
        for definition in says(module):
            token = code_of(definition)
            if token is not None and token.value not in expected:
                yield _problem(
                    module, token.mark, "untested", f"no test expects the code {token.value}"
                )
