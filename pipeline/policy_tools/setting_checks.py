"""Settings that the policies' own rules do not take, each where it is written.

A pack says when a setting is usable in the package `access.rules.settings`. Here those rules are
asked before anybody is denied by them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from pipeline.errors import InvalidInput
from pipeline.policy.bundle import RULES, load_bundle, read_rules
from pipeline.policy.engine import PolicyBundle
from pipeline.policy.rego_text import read_module
from pipeline.policy.wording import Value, word
from pipeline.policy_tools.pack import Path, Setting, settings_of
from pipeline.values.problem import Mark, Problem

_PACKAGE = "access.rules.settings"
_DENY = f"data.{_PACKAGE}.deny"
_MANY = 20
"""Each entry that is tried takes two compilations, some 100 ms."""


class Engine(Protocol):
    """Gives the value of a rule, from `data` on; `RegorusEngine` is one."""

    def value(self, rule: str, document: Mapping[str, Any], /) -> object:
        """Raises `EngineError` where there is none."""


def wrong_settings(
    files: Mapping[str, str], engine: Callable[[PolicyBundle], Engine]
) -> tuple[Problem, ...]:
    """Returns every setting in *files* (path below `policies/` to text) that is not usable.

    Asked is the `deny` of `access.rules.settings`, about a request of which nothing is known; a
    finding counts that says in its value `setting` which one is meant, as `limits.max_duration`.
    Nothing is found where there is no such rule, and in files that `load_bundle` refuses.

    Raises `EngineError` when *engine* cannot compile the modules or gives no answer.
    """
    try:
        bundle = load_bundle(files)
    except InvalidInput:
        return ()
    if not _has_rules(bundle):
        return ()
    written = settings_of(files)
    messages = {code: rule.message for code, rule in read_rules(bundle)[0].items()}

    def findings(data: Mapping[str, Any]) -> dict[Path, str]:
        asked = engine(PolicyBundle(modules=bundle.modules, data=data))
        return dict(_findings(asked.value(_DENY, {}), messages))

    return tuple(
        sorted(
            _problem(files, written, _narrowed(keys, bundle.data, findings), message)
            for keys, message in findings(bundle.data).items()
        )
    )


def _has_rules(bundle: PolicyBundle) -> bool:
    return any(
        module.package == _PACKAGE and "deny" in module.rules
        for module in (
            read_module(path, text)
            for path, text in bundle.modules.items()
            if path.startswith(RULES) and _PACKAGE in text
        )
    )


def _findings(answer: object, messages: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """Yields the setting that each finding names, and the rule's own words."""
    for one in answer if isinstance(answer, list) else ():
        values = one.get("values") if isinstance(one, dict) else None
        values = values if isinstance(values, dict) else {}
        name = values.get("setting")
        if isinstance(name, str) and name:
            message = messages.get(one.get("code"), "the setting {setting} is not usable")
            yield tuple(name.split(".")), word(message, _values(values))


def _values(values: Mapping[str, Any]) -> dict[str, Value]:
    return {
        name: tuple(map(str, one)) if type(one) is list else one for name, one in values.items()
    }


def _narrowed(
    keys: Path, data: Mapping[str, Any], findings: Callable[[Mapping[str, Any]], dict[Path, str]]
) -> Path:
    """Returns the one entry that makes a setting unusable, or the setting.

    That is the one without which, or with its neighbour's value in its place, it is usable.
    """
    value = _at(data, keys)
    if not isinstance(value, dict) or not 1 < len(value) <= _MANY:
        return keys
    names = list(value)
    guilty = []
    for index, name in enumerate(names):
        without = {other: value[other] for other in names if other != name}
        for entries in (without, {**value, name: value[names[index - 1]]}):
            if keys not in findings(_put(data, keys, entries)):
                guilty.append(name)
                break
    return (*keys, guilty[0]) if len(guilty) == 1 else keys


def _put(data: Mapping[str, Any], keys: Path, entries: dict[str, Any]) -> Mapping[str, Any]:
    changed = copy.deepcopy(dict(data))
    _at(changed, keys[:-1])[keys[-1]] = entries
    return changed


def _at(data: Mapping[str, Any], keys: Path) -> Any:
    value: Any = data.get("settings")
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _problem(
    files: Mapping[str, str], written: Mapping[Path, Setting], keys: Path, message: str
) -> Problem:
    """Says it where the setting stands; of one that is missing, at the top of its file."""
    place = written.get(keys)
    mark = place.mark if place else Mark(line=1, column=1)
    beside = f"settings/{keys[0]}/data.yaml"
    above = "settings/data.yaml"
    missing = above if above in files and beside not in files else beside
    return Problem(
        path=f"policies/{place.file if place else missing}",
        line=mark.line,
        column=mark.column,
        code="setting-invalid",
        message=message,
    )
