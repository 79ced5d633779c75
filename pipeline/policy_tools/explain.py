"""Why policies say what they say of one request: rule by rule, with what each of them saw."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import EngineError
from pipeline.policy.answer import Evaluation, Violation
from pipeline.policy.bundle import RULES, Rule
from pipeline.policy.engine import PolicyBundle
from pipeline.policy.rego_text import Definition, Module, read_module
from pipeline.policy_tools.lint import code_of, says
from pipeline.policy_tools.pack import Pack, Path, Setting, settings_of
from pipeline.policy_tools.rule_facts import Fact, facts, reaches
from pipeline.policy_tools.rule_form import without_negation
from pipeline.policy_tools.setting_names import CALENDARS, ROTATIONS
from pipeline.values.problem import Mark

DENIED, WARNED, FINE, APART = "denied", "warned", "fine", "not applicable"

_PROBE = "daypass_seen"
_CIRCUMSTANCES: Mapping[str, Path] = {
    CALENDARS: ("calendars",),
    ROTATIONS: ("subject", "on_call"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Read:
    """A setting that a rule reads, and where it is written."""

    name: str
    """Dotted: `limits.max_duration`."""

    value: Any
    """None where it is missing."""

    file: str
    """Repository path; empty where it is missing."""

    mark: Mark | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """The values that a rule looked at, for one binding or for the grant as a whole."""

    binding: int
    """Index into the grant's access, or -1."""

    values: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Explained:
    """The result of one rule for a request, and the values that it came from."""

    rule: Rule
    package: str
    file: str
    """Repository path."""

    mark: Mark
    outcome: str
    """`denied`, `warned`, `fine` or `not applicable`."""

    findings: tuple[Violation, ...]
    """What it says no to, or warns of."""

    seen: tuple[Seen, ...]
    settings: tuple[Read, ...]
    facts: tuple[Fact, ...]
    """Of the request, as far as the rule's own text names them."""

    looks_at: frozenset[str]
    """`calendars`, `rotations`: what it may ask about, through other rules too."""


def probed(bundle: PolicyBundle) -> tuple[PolicyBundle, Mapping[str, str]]:
    """Returns *bundle* with a rule beside each `deny` and `warn` that says what it looks at.

    That rule has the same head and the same conditions but for the negated one, so it holds
    wherever the other could speak. Also returns its name by code, from `data` on.
    """
    modules, names = dict(bundle.modules), {}
    for module, definition, code in _all(bundle):
        name = f"{_PROBE}_{code.replace('-', '_')}"
        given = definition.clauses[0].given
        conditions = [
            module.between(words[0], words[-1]) for words in without_negation(module, definition)
        ]
        body = "".join(f"\t{one}\n" for one in conditions)
        head = f"{name} contains {module.between(given[0], given[-1])}"
        modules[module.path] += f"\n{head} if {{\n{body}}}\n" if body else f"\n{head}\n"
        names[code] = f"data.{module.package}.{name}"
    return PolicyBundle(modules=modules, data=bundle.data), names


def explain_rules(
    bundle: PolicyBundle,
    files: Mapping[str, str],
    rules: Mapping[str, Rule],
    evaluation: Evaluation,
    document: Mapping[str, Any],
    ask: Callable[[str], object],
) -> tuple[Explained, ...]:
    """Returns every rule that ran, by package and in the order of their text.

    *files* are those that *bundle* was made of, *document* is the question that *evaluation*
    answers, and *ask* gives what a rule named by `probed` holds for it.
    """
    _, names = probed(bundle)
    pack = Pack(read_module(path, text) for path, text in bundle.modules.items())
    written = settings_of(files)
    explained = []
    for module, definition, code in _all(bundle):
        if code not in rules or code not in evaluation.evaluated:
            continue
        denied = tuple(one for one in evaluation.violations if one.code == code)
        warned = tuple(one for one in evaluation.warnings if one.code == code)
        seen = _seen(ask, names[code])
        outcome = DENIED if denied else WARNED if warned else APART if seen == () else FINE
        reads = pack.reads(module, definition)
        explained.append(
            Explained(
                rule=rules[code],
                package=module.package,
                file=f"policies/{module.path}",
                mark=definition.mark,
                outcome=outcome,
                findings=(*denied, *warned),
                seen=seen or (),
                settings=tuple(_read(bundle.data, written, keys) for keys in sorted(reads)),
                facts=facts(pack, module, definition, document),
                looks_at=frozenset(
                    kind
                    for kind, path in _CIRCUMSTANCES.items()
                    if reaches(pack, module, definition, path)
                ),
            )
        )
    return tuple(explained)


def _all(bundle: PolicyBundle) -> Iterator[tuple[Module, Definition, str]]:
    for path, text in sorted(bundle.modules.items()):
        if not path.startswith(RULES):
            continue
        module = read_module(path, text)
        for definition in says(module):
            code = code_of(definition)
            if code is not None:
                yield module, definition, str(code.value)


def _seen(ask: Callable[[str], object], name: str) -> tuple[Seen, ...] | None:
    """Returns what a rule looked at; None where that cannot be told."""
    try:
        found = ask(name)
    except EngineError:
        return None
    if not isinstance(found, list):
        return None
    seen = [Seen(binding=one["binding"], values=one["values"]) for one in found]
    return tuple(sorted(seen, key=lambda one: (one.binding, str(one.values))))


def _read(data: Mapping[str, Any], written: Mapping[Path, Setting], keys: Path) -> Read:
    """Returns the present value of a setting, and the closest place that there is for it."""
    value: Any = data.get("settings")
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    place = next((written[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in written), None)
    return Read(
        name=".".join(keys),
        value=value,
        file=f"policies/{place.file}" if place else "",
        mark=place.mark if place else None,
    )
