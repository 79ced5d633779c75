"""What the process answers in which unreviewed policies are tried."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from pipeline.run import trial_child
from pipeline.run.trial_child import serve
from tests.unit.support_policies import policy_files

MODULES = {"a.rego": "package a\n\nb := input.c"}


def answers(*asked: dict[str, Any]) -> list[dict[str, Any]]:
    out = io.StringIO()
    serve([json.dumps(one) for one in asked], out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_each_line_is_answered_by_one() -> None:
    told = answers(
        {"ask": "value", "rule": "data.a.b", "document": {}},
        {"ask": "load", "modules": MODULES, "data": {}},
        {"ask": "value", "rule": "data.a.b", "document": {"c": [1, "x"]}},
        {"ask": "value", "rule": "data.a.b", "document": {}},
    )
    assert told == [
        {"error": "no policies were loaded"},
        {"value": None},
        {"value": [1, "x"]},
        {"error": "regorus: data.a.b is undefined"},
    ]


def test_files_are_examined() -> None:
    limits = "settings/limits/data.yaml"
    files = {path: text for path, text in policy_files().items() if "_test." not in path}
    files[limits] = files[limits].replace("prod: 14400", "prod: 2h")
    ((problem,),) = [one["value"] for one in answers({"ask": "examine", "files": files})]
    assert (problem["path"], problem["code"]) == (f"policies/{limits}", "setting-invalid")


def test_too_little_memory_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(_: object) -> object:
        raise MemoryError

    monkeypatch.setattr(trial_child, "faults_of_answers", exhausted)
    assert answers({"ask": "examine", "files": {}}) == [
        {"error": "the policies need too much memory"}
    ]
