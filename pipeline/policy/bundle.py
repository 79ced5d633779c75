"""From the files under `policies/` to what engines are given and what rules say of themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pipeline.errors import InvalidInput
from pipeline.policy.engine import PolicyBundle
from pipeline.reading.yaml_strict import Broken, Items, Node, Report, Scalar, Table, load
from pipeline.values.problem import Mark, Problem

TEST_SUFFIX = "_test.rego"
"""How the name of a file with tests ends."""

RULES = "access/rules/"
"""Where the packages lie whose codes must all have run."""

_DATA = "data.yaml"
_UNUSED = "checks/"
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,15}")
# What YAML readers take for something else than text; written plainly it is ambiguous.
_AMBIGUOUS = re.compile(
    r"|~|null|yes|no|on|off|y|n|true|false|[-+]?\.?[0-9][0-9_.:eExXoOa-fA-F+]*|[-+]?\.(?:inf|nan)"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*",
    re.IGNORECASE,
)
_OURS = frozenset({"system", "daypass_proof"})
"""Where OPA and the server that is started keep what is theirs: who may ask, and a proof."""

_CODE = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """The annotation of one rule."""

    code: str
    title: str
    message: str
    """With `{name}` for each value; `{name:duration}`, `{name:time}` and `{name:list}` word it."""

    solution: str
    field: str = ""
    """The grant's field it is about, or empty: `duration`, `access`."""

    description: str = ""
    """For whoever reads the rules; `policy lint` asks for it."""


def load_bundle(files: Mapping[str, str]) -> PolicyBundle:
    """Returns the bundle in *files*: path below `policies/` to text.

    Tests (`*_test.rego`), `checks/` and everything that is neither Rego nor `data.yaml` stay
    outside. A `data.yaml` is found in the data document under its folders' names.

    Raises `InvalidInput` for data that is no strict YAML or could be read in two ways (numbers
    other than integers, dates, `yes`), for data at two places at once, for packages and data
    called `system`, which govern OPA's server, and without a module.
    """
    modules: dict[str, str] = {}
    data: dict[str, Any] = {}
    problems: list[Problem] = []
    for path in sorted(files):
        if path.startswith(_UNUSED):
            continue
        if path.endswith(".rego"):
            if not path.endswith(TEST_SUFFIX):
                modules[path] = files[path]
                # Reading a module takes longer than all else here, so the few that might.
                if any(name in files[path] for name in _OURS):
                    taken = _top(files[path])
                    problems.extend([_reserved(path, taken)] if taken in _OURS else ())
        elif path.rpartition("/")[2] == _DATA:
            report = Report(f"policies/{path}")
            node = load(files[path].encode(), report=report)
            plain = {} if node is None else _plain(node, report)
            top = Mark(line=1, column=1)
            if node is not None and not isinstance(plain, dict):
                report.add(top, "policy-data", "settings are a map of names to values")
            elif node is not None and not _place(data, path.split("/")[:-1], plain):
                report.add(top, "policy-data", "settings stand in another file already")
            problems.extend(report.problems)
    problems.extend(_reserved(_DATA, taken) for taken in sorted(_OURS & data.keys()))
    if not modules:
        problems.append(
            Problem(
                path="policies",
                line=1,
                column=1,
                code="no-policies",
                message="there are no policies, so nothing could be allowed; restore them",
            )
        )
    if problems:
        raise InvalidInput(tuple(sorted(problems)))
    return PolicyBundle(modules=modules, data=data)


def _top(text: str) -> str:
    """Returns the first name of a module's package, however it is written."""
    from pipeline.policy.rego_text import read_module  # slow to load, and hardly ever needed

    name = read_module("", text).package.removeprefix("data.").removeprefix("data[")
    return re.split(r"[.\[\]]", name.translate({ord(mark): None for mark in '"`'}))[0]


def _reserved(path: str, name: str) -> Problem:
    return Problem(
        path=f"policies/{path}",
        line=1,
        column=1,
        code="reserved",
        message=f"{name} is no place for policies or settings; use another name",
    )


def load_rules(bundle: PolicyBundle) -> Mapping[str, Rule]:
    """Returns the rules of *bundle* by code: those that must run for a decision to count.

    A rule is a `deny` or `warn` under `access/rules/` with an annotation (a `# METADATA`
    comment, https://www.openpolicyagent.org/docs/policy-language#metadata) that holds `title`
    and `custom` with `code`, `message`, `solution` and perhaps `field`.

    Raises `InvalidInput` for a rule without one, an annotation that lacks something, a code
    that is not written out in its rule and in its package's `codes`, and a code used twice.
    """
    rules, problems = read_rules(bundle)
    if problems:
        raise InvalidInput(problems)
    return rules


def read_rules(bundle: PolicyBundle) -> tuple[Mapping[str, Rule], tuple[Problem, ...]]:
    """Returns the rules that can be read and everything that makes `load_rules` raise."""
    rules: dict[str, Rule] = {}
    problems: list[Problem] = []
    for path, text in sorted(bundle.modules.items()):
        if not path.startswith(RULES):
            continue
        report = Report(f"policies/{path}")
        listed = _listed(text)
        for block in _blocks(text):
            rule = _rule(block)
            if not isinstance(rule, Rule):
                report.add(block.mark, *rule)
                continue
            if rule.code in rules:
                report.add(block.mark, "rule-code", f"code {rule.code} is used twice")
            elif rule.code not in listed:
                report.add(block.mark, "rule-code", f"code {rule.code} is missing from codes")
            rules.setdefault(rule.code, rule)
        for code in sorted(listed - set(rules)):
            top = Mark(line=1, column=1)
            report.add(top, "rule-code", f"codes names {code}, which no rule here has")
        problems.extend(report.problems)
    if not rules and not problems:
        problems.append(
            Problem(
                path="policies/access/rules",
                line=1,
                column=1,
                code="no-rules",
                message="there are no rules, so nothing could be allowed; restore them",
            )
        )
    return rules, tuple(sorted(problems))


def _place(data: dict[str, Any], keys: list[str], value: dict[str, Any]) -> bool:
    """Puts *value* under *keys*; False where something lies already."""
    for key in keys:
        inner = data.setdefault(key, {})
        if not isinstance(inner, dict):
            return False
        data = inner
    if data.keys() & value.keys():
        return False
    data.update(value)
    return True


def _plain(node: Node, report: Report) -> Any:
    """Returns *node* as maps, lists, text, integers and booleans."""
    match node:
        case Table():
            return {key.value: _plain(value, report) for key, value in node.entries}
        case Items():
            return [_plain(value, report) for value in node.values]
        case Scalar():
            return _scalar(node, report)
        case Broken():
            return ""


def _scalar(node: Scalar, report: Report) -> str | int | bool:
    if not node.plain:
        return node.value
    if node.value in ("true", "false"):
        return node.value == "true"
    if _INTEGER.fullmatch(node.value):
        return int(node.value)
    if _AMBIGUOUS.fullmatch(node.value):
        report.add(
            node.mark,
            "ambiguous",
            f"{node.value or 'nothing'} is read differently by different tools; "
            "write an integer, true or false, or quote it",
        )
    return node.value


@dataclass(frozen=True, kw_only=True, slots=True)
class _Block:
    """One `deny` or `warn`: its annotation, empty without one, and its own text."""

    mark: Mark
    annotation: str
    text: str


_HEAD = re.compile(r"^(?:deny|warn) contains ")


@lru_cache(maxsize=512)
def _blocks(text: str) -> tuple[_Block, ...]:
    found: list[_Block] = []
    comment: list[str] = []
    lines = text.splitlines()
    for index, line in enumerate(lines):
        if line == "# METADATA":
            comment = [line]
        elif comment and line.startswith("#"):
            comment.append(line)
        else:
            if _HEAD.match(line):
                body = [line]
                for rest in lines[index + 1 :]:
                    if not rest or rest == "}":
                        break
                    body.append(rest)
                annotation = "\n".join(part.removeprefix("#")[1:] for part in comment[1:])
                mark = Mark(line=index + 1, column=1)
                found.append(_Block(mark=mark, annotation=annotation, text="\n".join(body)))
            comment = []
    return tuple(found)


def _listed(text: str) -> frozenset[str]:
    """Returns the codes that the module's `codes` names."""
    found = re.search(r"^codes := \{([^}]*)\}", text, re.MULTILINE)
    return frozenset(re.findall(r'"([^"]*)"', found.group(1))) if found else frozenset()


@lru_cache(maxsize=512)
def _rule(block: _Block) -> Rule | tuple[str, str]:
    """Returns what an annotation says, or the code and message of what is wrong with it."""
    own = Report("")
    node = load(block.annotation.encode(), report=own)
    fields = {} if node is None else _plain(node, own)
    custom = fields.get("custom") if isinstance(fields, dict) else None
    if len(own) or not isinstance(custom, dict):
        return "annotation", "a rule needs a METADATA comment with custom.code"
    texts = {"title": fields.get("title"), **custom}
    wanted = ("title", "code", "message", "solution")
    lacking = [name for name in wanted if not isinstance(texts.get(name), str) or not texts[name]]
    if lacking or not isinstance(texts.get("field", ""), str):
        return "annotation", f"the annotation lacks {', '.join(lacking) or 'text'}"
    if not _CODE.fullmatch(texts["code"]) or f'"{texts["code"]}"' not in block.text:
        return "rule-code", f"the rule does not give its code, {texts['code']}"
    return Rule(
        code=texts["code"],
        title=texts["title"],
        message=texts["message"],
        solution=texts["solution"],
        field=texts.get("field", ""),
        description=str(fields.get("description", "")),
    )
