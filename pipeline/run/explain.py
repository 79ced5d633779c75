"""Asks why the policies of a working tree say what they say of one grant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError
from pipeline.policy.answer import Evaluation
from pipeline.policy.bundle import load_rules
from pipeline.policy.rego import RegorusEngine
from pipeline.policy_tools.explain import Explained, explain_rules, probed
from pipeline.policy_tools.surroundings import Surroundings, surroundings
from pipeline.reading.yaml_strict import closest
from pipeline.run.offline import (
    judge_offline,
    read_catalogue,
    read_grants,
    read_policies,
    read_policy_files,
    repository_path,
)
from pipeline.run.workspace import Workspace
from pipeline.values.grant import Grant

_NO_RULES = {
    "no-identity": "the subject has no identity in the target's cloud",
    "no-second-factor": "the role requires a second factor, and the subject's identity in that "
    "cloud does not say who proves one",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainedGrant:
    """One grant, and what each rule says of it and why."""

    grant: Grant
    evaluation: Evaluation
    rules: tuple[Explained, ...]
    """Of every rule, or of the one that was asked for."""

    around: Surroundings
    """Calendars and people on call."""


def explain_grant(workspace: Workspace, file: Path, code: str | None) -> ExplainedGrant:
    """Returns why each rule, or the one of this *code*, says what it says of the grant in *file*.

    Raises `UsageError` for a code that no rule has, `InvalidInput` for what cannot be read.
    """
    root = workspace.root
    catalogue = read_catalogue(root)
    grants = read_grants(root, [repository_path(root, file)], catalogue)
    bundle = read_policies(root)
    rules = load_rules(bundle)
    if code is not None and code not in rules:
        if code in _NO_RULES:
            raise UsageError(
                f"{code} is no rule but a problem of the catalogue: {_NO_RULES[code]}",
                hint="check and who-can tell it before any rule is asked; correct the principal's "
                "file under access/principals",
            )
        raise UsageError(
            f"no rule has the code {code}{closest(code, rules)}",
            hint="policies/CODES.md lists every code of the pack; only the policies of this "
            "folder are read",
        )
    questions: list[Mapping[str, Any]] = []
    ((grant, evaluation),) = judge_offline(
        root, grants, catalogue, now=workspace.now(), on_question=questions.append
    )
    engine = RegorusEngine(probed(bundle)[0])
    explained = explain_rules(
        bundle,
        read_policy_files(root / "policies"),
        rules,
        evaluation,
        questions[0],
        lambda name: engine.value(name, questions[0]),
    )
    return ExplainedGrant(
        grant=grant,
        evaluation=evaluation,
        rules=tuple(one for one in explained if code in (None, one.rule.code)),
        around=surroundings(questions[0], catalogue, bundle),
    )
