"""Changing what decides: policies, catalogue, workflows; and what is unproven meanwhile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.support_world import Acme, Ran, grant, path_of, policies

LOGS = ("gcp/sandbox-dev", "log-viewer")
TABLES = ("gcp/sandbox-dev", "bigquery-reader")
ONE = path_of("alice/one")
MINE = path_of("mallory/mine")
REVIEWERS = "policies/settings/reviewers/data.yaml"
MALLORY = """github: mallory
github_id: 1006
kind: person
disabled: true
identities:
  gcp: {member: "user:mallory@example.com"}
"""
TABLES_GRANT = grant("mallory", access=[" ".join(TABLES)])


def _lenient() -> str:
    """Returns settings in which mallory's own team speaks for security and medium is free."""
    text = policies()["settings/reviewers/data.yaml"]
    weak = text.replace("security_teams: [security]", "security_teams: [security, payments-leads]")
    assert weak != text
    return weak


def test_policies_are_changed_with_the_approval_of_security_only(acme: Acme) -> None:
    number = acme.request("alice", "weaker", {REVIEWERS: _lenient()})
    acme.approve(number, "bob")
    assert acme.check(number).said["verdict"] == "waiting"
    acme.approve(number, "carol")
    assert acme.check(number).code == 0
    acme.person("alice").merge(number)
    assert acme.apply().code == 0
    acme.landed("alice", "alice/one", grant())
    assert acme.apply().code == 0
    assert acme.may("alice", *LOGS)


def test_grants_and_rules_in_one_pull_request_are_refused(acme: Acme) -> None:
    number = acme.request("mallory", "both", {REVIEWERS: _lenient(), MINE: TABLES_GRANT})
    acme.approve(number, "bob", "carol", "dave")
    checked = acme.check(number)
    assert checked.code == 2
    assert "mixed" in str(checked.said["problems"])
    acme.bypass()
    acme.person("mallory").merge(number)
    assert acme.apply().code == 1
    assert not acme.may("mallory", *TABLES)


LIMITS = "policies/settings/limits/data.yaml"
BOB = "access/principals/bob.yaml"
# That each alone counts is for `unit/test_prover_governance.py`.
TAMPERED = [
    pytest.param({REVIEWERS: _lenient()}, id="settings"),
    pytest.param(
        {
            "policies/access/rules/free/free.rego": "package access.rules.free\n",
            "policies/access/decision/decision.rego": "package x\nnot rego",
            LIMITS: "max_duration: 1\n" * 90000,
            BOB: "kind: [",
            "access/roles/gcp.yaml": "# more\n" * 500000,
        },
        id="what cannot be read",
    ),
    pytest.param(
        {
            LIMITS: "a: [",
            BOB: "github: mallory\ngithub_id: 1006\nkind: person\n",
            ".github/workflows/apply.yml": "on: push\n",
            "pipeline/judge/decide.py": "raise SystemExit(0)\n",
        },
        id="a person, workflows and code",
    ),
]


@pytest.mark.parametrize("files", TAMPERED)
def test_while_something_that_decides_is_unproven_nothing_is_added_and_removals_go_on(
    acme: Acme, files: dict[str, str | None]
) -> None:
    acme.landed("alice", "alice/one", grant())
    acme.landed("alice", "alice/two", grant(access=["azure/sandbox-dev reader"]))
    assert acme.apply().code == 0
    acme.bypass()
    good = {path: _text(acme, path) for path in files}
    acme.push("mallory", files)
    number = acme.request("mallory", "ask", {MINE: TABLES_GRANT})
    acme.check(number)
    acme.approve(number, "bob")
    acme.check(number)
    acme.person("mallory").merge(number)
    acme.push("alice", {ONE: None}, "Give it back")
    applied = acme.apply()
    assert applied.code == 1, applied
    assert {*files, MINE} <= set(acme.quarantined(applied))
    assert not acme.may("mallory", *TABLES)
    assert not acme.may("alice", *LOGS)
    assert acme.may("alice", "azure/sandbox-dev", "reader")
    # Exactly what was proven heals, whoever puts it back; what was judged meanwhile does not.
    acme.push("carol", good, "Restore")
    healed = acme.apply()
    assert set(acme.quarantined(healed)) == {MINE}
    acme.landed("bob", "bob/one", grant("bob"))
    assert acme.apply().code == 1
    assert acme.may("bob", *LOGS)
    assert not acme.may("mallory", *TABLES)


def _text(acme: Acme, path: str) -> str | None:
    """Returns the file at *path* on the default branch; None where there is none."""
    acme.git("mallory", "fetch", "--quiet", "origin", "+refs/heads/*:refs/heads/*")
    if not acme.git("mallory", "ls-tree", acme.tip(), "--", path):
        return None
    return acme.git("mallory", "show", f"{acme.tip()}:{path}") + "\n"


def test_restoring_policies_through_a_pull_request_heals(acme: Acme) -> None:
    acme.bypass()
    acme.push("mallory", {REVIEWERS: _lenient()})
    number = acme.request(
        "alice", "restore", {REVIEWERS: policies()["settings/reviewers/data.yaml"]}
    )
    acme.approve(number, "carol")
    assert acme.check(number).code == 0
    acme.person("alice").merge(number)
    acme.landed("alice", "alice/one", grant())
    assert acme.apply().code == 0
    assert acme.may("alice", *LOGS)


def test_nobody_s_request_is_put_to_policies_that_were_pushed_around_the_review(
    acme: Acme, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme.bypass()
    acme.push("mallory", {REVIEWERS: _lenient()})
    asked: list[object] = []
    monkeypatch.setattr(
        "pipeline.policy.rego.RegorusEngine.decide", lambda _, document: asked.append(document)
    )
    checked = acme.check(acme.request("mallory", "ask", {MINE: TABLES_GRANT}))
    assert (checked.said["verdict"], asked) == ("denied", [])
    assert REVIEWERS in checked.said["reasons"][0]


def test_a_proven_change_on_top_of_an_unproven_one_does_not_heal_it(acme: Acme) -> None:
    acme.bypass()
    acme.push("mallory", {REVIEWERS: _lenient()})
    number = acme.request("alice", "comment", {REVIEWERS: "# Who reviews.\n" + _lenient()})
    acme.approve(number, "carol")
    acme.check(number)
    acme.person("alice").merge(number)
    number = acme.request("alice", "ask", {ONE: grant()})
    assert acme.check(number).said["verdict"] == "denied"
    acme.person("alice").merge(number)
    applied = acme.apply()
    assert applied.code == 1
    assert {REVIEWERS, ONE} <= set(acme.quarantined(applied))
    assert not acme.may("alice", *LOGS)


def test_a_policy_that_requires_nothing_is_denied_by_its_reader(acme: Acme) -> None:
    weak = policies()["settings/reviewers/data.yaml"].replace(
        "  medium:\n    - {from: owners, count: 1}\n", "  medium: []\n"
    )
    number = acme.request("carol", "weaker", {REVIEWERS: weak})
    acme.approve(number, "dave")
    refused = acme.check(number)
    assert (refused.code, refused.said["problems"][0]["code"]) == (2, "setting-invalid")
    acme.bypass()
    acme.person("carol").merge(number)
    checked = acme.check(acme.request("mallory", "ask", {MINE: TABLES_GRANT}))
    assert (checked.code, checked.said["verdict"]) == (1, "denied")


def test_what_the_job_without_secrets_found_is_shown_on_the_pull_request(
    acme: Acme, tmp_path: Path
) -> None:
    number = acme.request("carol", "weaker", {REVIEWERS: _lenient()})
    acme.approve(number, "dave")
    report = tmp_path / "tried.json"
    problem = {"path": REVIEWERS, "line": 2, "column": 1, "code": "x", "message": "not so"}

    def check(head: str, *problems: object) -> Ran:
        report.write_text(json.dumps({"head": head, "problems": problems}), "utf-8")
        return acme.daypass(
            *("check", "--pr", str(number), "--post", "--tried", str(report), "--json")
        )

    head = acme.check(number, merge=False).said["head"]
    assert check(head).said["verdict"] == "allowed"
    refused = check(head, problem)
    assert (refused.code, refused.said["verdict"]) == (2, "invalid")
    assert "not so" in "\n".join(acme.person("carol").comments(number))
    assert check("e" * 40).code == 3


def test_offboarding_ends_access_whatever_is_pushed_over_the_catalogue(acme: Acme) -> None:
    acme.landed("mallory", "mallory/mine", grant("mallory"))
    acme.landed("alice", "alice/one", grant())
    assert acme.apply().code == 0
    assert acme.may("mallory", *LOGS)
    before = acme.git("carol", "show", f"{acme.world.anchor}:access/principals/mallory.yaml")
    number = acme.request("carol", "off", {"access/principals/mallory.yaml": MALLORY})
    acme.approve(number, "dave")
    checked = acme.check(number)
    assert checked.code == 0
    (ends,) = checked.said["ends"]
    assert (ends["grant"], ends["whole"]) == ("mallory/mine", True)
    assert any(
        "ends access that people have now" in one for one in acme.person("carol").comments(number)
    )
    acme.person("carol").merge(number)
    acme.bypass()
    acme.push("mallory", {"access/principals/mallory.yaml": before + "\n"}, "Still here")
    assert acme.apply().code == 1
    assert not acme.may("mallory", *LOGS)
    assert acme.may("alice", *LOGS)


def test_offboarding_ends_access_although_the_catalogue_is_broken_since(acme: Acme) -> None:
    acme.landed("mallory", "mallory/mine", grant("mallory"))
    assert acme.apply().code == 0
    number = acme.request("carol", "off", {"access/principals/mallory.yaml": MALLORY})
    acme.approve(number, "dave")
    assert acme.check(number).code == 0
    acme.person("carol").merge(number)
    acme.bypass()
    acme.push("mallory", {"access/targets/gcp.yaml": "payments-prod: ["}, "Oops")
    assert acme.apply().code == 1
    assert not acme.may("mallory", *LOGS)


def test_policies_that_are_no_text_are_told_as_such(acme: Acme) -> None:
    acme.landed("alice", "alice/one", grant())
    acme.bypass()
    made = acme.commit("mallory", {REVIEWERS: ("100644", "\udcff")}, parents=[acme.tip()])
    acme.send("mallory", made)
    checked = acme.check(acme.request("alice", "ask", {path_of("alice/two"): grant()}))
    assert checked.code == 2
    assert "not UTF-8" in str(checked.said["problems"])
    assert acme.apply().code == 1
    assert REVIEWERS in acme.quarantined(acme.apply())
