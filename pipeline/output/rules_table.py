"""The table of all rules as Markdown, and where a document keeps what is generated."""

from __future__ import annotations

import re

from pipeline.policy.bundle import RULES, load_rules
from pipeline.policy.engine import PolicyBundle
from pipeline.policy.rego_text import read_module
from pipeline.policy_tools.lint import code_of, says

_SPECIAL = re.compile(r"([\\|`*_<\[\]])")


def rules_table(bundle: PolicyBundle) -> str:
    """Returns a Markdown table of the rules of *bundle*, by package and in their order there.

    Raises `InvalidInput` for rules whose annotations lack something.
    """
    rules = load_rules(bundle)
    lines = [
        "| code | package | what must hold | message | solution |",
        "| --- | --- | --- | --- | --- |",
    ]
    for path, text in sorted(bundle.modules.items()):
        if not path.startswith(RULES):
            continue
        for definition in says(read_module(path, text)):
            token = code_of(definition)
            if token is None:
                continue
            rule = rules[str(token.value)]
            warns = " (warns only)" if definition.name == "warn" else ""
            package = f"[{path.split('/')[2]}]({path})"
            words = (_cell(one) for one in (rule.title + warns, rule.message, rule.solution))
            lines.append(f"| {' | '.join((f'`{rule.code}`', package, *words))} |")
    return "\n".join(lines) + "\n"


def between(document: str, name: str, text: str) -> str:
    """Returns *document* with *text* between `<!-- begin name -->` and `<!-- end name -->`.

    Raises `ValueError` unless each of the two lines is there once, in this order.
    """
    first, last = f"<!-- begin {name} -->\n", f"<!-- end {name} -->\n"
    before, _, rest = document.partition(first)
    inside, _, after = rest.partition(last)
    if document.count(first) != 1 or document.count(last) != 1 or last not in rest:
        raise ValueError(f"write {first.strip()} and {last.strip()}, each once, on their own lines")
    return document.replace(f"{first}{inside}{last}", f"{first}\n{text}\n{last}")


def _cell(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
