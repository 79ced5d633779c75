"""Policies that nobody reviewed, in a process of their own: what it is given, and what ends it."""

from __future__ import annotations

import sys
import time

import pytest

from pipeline.errors import Unanswerable
from pipeline.policy.engine import PolicyBundle
from pipeline.policy.rego import RegorusEngine
from pipeline.run.bounded_trial import (
    BoundedEngine,
    BoundedEngines,
    TrialProcess,
    examine_bounded,
)
from tests.unit.support_policies import own_bundle, policy_files, request

DIGITS = ", ".join(map(str, range(40)))
ENDLESS = f"""package access.decision

digits := [{DIGITS}]

result := count({{[a, b, c, d, e, f] |
	some a in digits
	some b in digits
	some c in digits
	some d in digits
	some e in digits
	some f in digits
	a + b + c + d + e + f < 0
}})
"""


def asking(code: str) -> TrialProcess:
    """Returns a process that answers one question with the value of `told` in *code*."""
    return TrialProcess(
        (
            sys.executable,
            "-P",
            "-c",
            f"import json\ninput()\n{code}\nprint(json.dumps({{'value': told}}))",
        )
    )


def test_it_answers_as_the_engine_in_this_process_does() -> None:
    asked = request()
    bounded = BoundedEngine(own_bundle())
    assert bounded.decide(asked) == RegorusEngine(own_bundle()).decide(asked)
    undefined = PolicyBundle(modules={"a.rego": "package a"}, data={})
    with pytest.raises(Unanswerable, match="failed while deciding"):
        BoundedEngine(undefined).decide({})
    with pytest.raises(Unanswerable, match="loading the policies"):
        BoundedEngine(PolicyBundle(modules={"a.rego": "package a\nif if"}, data={}))


def test_the_same_policies_are_compiled_once() -> None:
    engines = BoundedEngines()
    first = engines(own_bundle())
    assert engines(own_bundle()) is first
    assert engines(PolicyBundle(modules={"a.rego": "package a"}, data={})) is not first


def test_it_is_given_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYPASS_CHECKER_TOKEN", "secret")
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    told = asking("import os\ntold = [dict(os.environ), os.getcwd()]").ask(ask="environment")
    assert "secret" not in str(told)
    # What Python itself sets in a plain environment is no secret.
    assert set(told[0]) - {"LC_CTYPE"} == {"PYTHONPATH"}
    assert told[1] == "/"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
def test_memory_time_and_files_are_limited() -> None:
    pytest.importorskip("resource")
    told = asking(
        "import resource\nfrom pipeline.run import trial_child\ntrial_child.limit_resources()\n"
        "told = [resource.getrlimit(one) for one in "
        "(resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_FSIZE)]"
    ).ask(ask="limits")
    assert told == [[120, 120], [2 << 30, 2 << 30], [0, 0]]


def test_rules_that_take_for_ever_are_stopped_and_that_is_a_no() -> None:
    process = TrialProcess(seconds=1.5)
    process.ask(ask="load", modules={"a.rego": ENDLESS}, data={})
    began = time.monotonic()
    with pytest.raises(Unanswerable, match="they were stopped"):
        process.ask(ask="value", rule="data.access.decision.result", document={})
    assert time.monotonic() - began < 30
    # And whatever is asked afterwards.
    with pytest.raises(Unanswerable, match="they were stopped"):
        process.ask(ask="value", rule="data.access.decision.result", document={})


def test_files_are_examined_there() -> None:
    files = {path: text for path, text in policy_files().items() if "_test." not in path}
    assert examine_bounded(files) == ()
    limits = "settings/limits/data.yaml"
    wrong = files[limits].replace("prod: 14400", "prod: 2h")
    (problem,) = examine_bounded({**files, limits: wrong})
    assert (problem.path, problem.line, problem.code) == (
        f"policies/{limits}",
        7,
        "setting-invalid",
    )
