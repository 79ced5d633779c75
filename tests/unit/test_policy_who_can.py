"""`daypass policy who-can`: model requests of everybody for everything on a target."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.context import Context
from pipeline.cli.main import run
from pipeline.values.catalogue import Team
from pipeline.values.pull_request import Actor
from tests.unit.support_policies import copy_acme, copy_policies

# A rule as an organisation might add it: only who is in one of the teams may ask.
ELIGIBLE = """\
package access.rules.members

import data.lib.request
import data.lib.result
import data.lib.settings

codes := {"not-a-member"}

# METADATA
# title: Only members ask
# custom:
#   code: not-a-member
#   field: subject
#   message: the subject is in no team that may ask
#   solution: join one
deny contains result.whole("not-a-member", {}) if {
	request.adds_access
	not _member
}

_member if {
	some team in input.subject.teams
	team in settings.texts(["members", "teams"])
}

_member if input.subject.kind == "workload"
"""


class Scene:
    """An access repository without git."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        copy_acme(folder)
        copy_policies(folder / "policies")
        # Every answer would depend on teams: the tests of membership bring a rule of their own.
        shutil.rmtree(folder / "policies/access/rules/eligibility")

    def change(self, path: str, old: str, new: str) -> None:
        file = self.folder / path
        text = file.read_text("utf-8")
        assert old in text
        file.write_text(text.replace(old, new), "utf-8")

    def only_members(self, *teams: str) -> None:
        rule = self.folder / "policies/access/rules/members/members.rego"
        rule.parent.mkdir()
        rule.write_text(ELIGIBLE, "utf-8")
        data = self.folder / "policies/settings/members/data.yaml"
        data.parent.mkdir()
        data.write_text(f"teams: [{', '.join(teams)}]\n", "utf-8")

    def who_can(self, *arguments: str) -> tuple[int, str, str]:
        code = run(["-C", str(self.folder), "policy", "who-can", *arguments])
        told = self._capsys.readouterr()
        return code, told.out, told.err

    def answers(self, *arguments: str) -> dict[tuple[str, str], Any]:
        """By principal and role; of several cases a list."""
        _, out, _ = self.who_can(*arguments, "--json")
        found: dict[tuple[str, str], Any] = {}
        for one in json.loads(out)["answers"]:
            found.setdefault((one["principal"], one["role"]), []).append(one)
        return {key: ones[0] if len(ones) == 1 else ones for key, ones in found.items()}


@pytest.fixture
def scene(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Scene:
    return Scene(tmp_path, capsys)


def test_equal_answers_are_one_line(scene: Scene) -> None:
    code, out, _ = scene.who_can("aws/payments-prod")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert code == 0
    assert lines[0] == "ROLE RISK FOR WHO ANSWER"
    people = "alice, bob, dave, erin"
    assert f"ec2-terminate high 1h {people} 1 of payments-leads and 1 of security" in lines
    assert "ec2-terminate high 1h carol no: no-identity" in lines
    assert f"rds-reader medium 1h {people}, ledger-bot, mallory 1 of payments-leads" in lines
    assert f"s3-logs-reader low 1h {people}, ledger-bot, mallory merges by itself" in lines
    assert any(line.startswith('no-identity: "carol" has no identity in aws') for line in lines)
    assert "membership of teams is not known: where it matters, each case is shown" in lines


def test_each_answer_is_told_to_tools(scene: Scene) -> None:
    code, out, _ = scene.who_can("gcp/payments-prod", "--json")
    told = json.loads(out)
    assert code == 0
    assert set(told) == {"target", "asked_for", "teams", "assumed", "hints", "answers"}
    assert told["asked_for"]["duration"] == 3600
    assert "--duration asks for another" in told["asked_for"]["text"]
    assert told["hints"] == []
    assert told["teams"]["source"] == "supposed"
    assert {"payments-leads", "security"} <= set(told["teams"]["names"])
    found = {(one["principal"], one["role"]): one for one in told["answers"]}
    assert found["alice", "gcp/bigquery-reader"] == {
        "principal": "alice",
        "kind": "person",
        "role": "gcp/bigquery-reader",
        "risk": "medium",
        "duration": 3600,
        "teams": None,
        "answer": "approvals",
        "refusals": [],
        "approvals": [
            {
                "id": "owners:payments-leads",
                "order": 1,
                "count": 1,
                "teams": ["payments-leads"],
                "people": [],
                "because": "a role of medium risk",
            }
        ],
    }
    assert found["ledger-bot", "gcp/log-viewer"]["kind"] == "workload"
    assert found["ledger-bot", "gcp/log-viewer"]["answer"] == "by itself"
    refused = found["dave", "gcp/log-viewer"]
    assert (refused["answer"], refused["approvals"]) == ("no", [])
    assert [one["code"] for one in refused["refusals"]] == ["no-identity"]


def test_reason_ticket_and_parameters_are_assumed_fine(scene: Scene) -> None:
    settings = "policies/settings/justification/data.yaml"
    scene.change(settings, "min_length: 15", "min_length: 400")
    scene.change(settings, "^[A-Z][A-Z0-9]{1,9}-[0-9]{1,7}$", "^(OPS|SEC)-[0-9]{4}$")
    scene.change("access/roles/aws.yaml", "i-[0-9a-f]{8,17}", "(?:i|vol)-[0-9a-f]{8}")
    answers = scene.answers("aws/payments-prod")
    assert answers["alice", "aws/ec2-terminate"]["answer"] == "approvals"
    assert answers["alice", "aws/s3-logs-reader"]["answer"] == "by itself"
    scene.change(settings, "^(OPS|SEC)-[0-9]{4}$", "^[^!-~]$")
    assert (
        scene.answers("aws/payments-prod")["alice", "aws/s3-logs-reader"]["answer"] == "by itself"
    )


def test_what_policies_deny_is_said_with_its_rule(scene: Scene) -> None:
    scene.change("access/roles/gcp.yaml", "roles/logging.viewer", "roles/iam.securityAdmin")
    answers = scene.answers("gcp/sandbox-dev", "--role", "log-viewer")
    assert {one["answer"] for one in answers.values()} == {"no"}
    (refusal,) = answers["alice", "gcp/log-viewer"]["refusals"]
    assert refusal["code"] == "scope-broad"
    assert "only a role of critical risk may hold" in refusal["message"]
    code, out, _ = scene.who_can("gcp/sandbox-dev", "--role", "gcp/log-viewer")
    assert code == 1
    assert "no: scope-broad" in out


def test_a_shorter_maximum_of_the_role_and_a_given_duration_are_asked_for(scene: Scene) -> None:
    scene.change(
        "access/roles/gcp.yaml", "risk: low\n  max_duration: 8h", "risk: low\n  max_duration: 20m"
    )
    answers = scene.answers("gcp/sandbox-dev")
    assert answers["alice", "gcp/log-viewer"]["duration"] == 1200
    assert answers["alice", "gcp/bigquery-reader"]["duration"] == 3600
    answers = scene.answers("gcp/sandbox-dev", "--duration", "9h")
    refused = answers["alice", "gcp/bigquery-reader"]["refusals"]
    assert "duration-over-role" in {one["code"] for one in refused}


def test_what_only_the_duration_keeps_from_everybody_is_said(scene: Scene) -> None:
    scene.change("policies/settings/limits/data.yaml", "prod: 14400", "prod: 1800")
    code, out, _ = scene.who_can("aws/payments-prod", "--role", "rds-reader")
    assert code == 1
    assert "\n  where rds-reader is refused for the duration only, ask for less with" in out
    assert "\n  asked for 1h, or the role's maximum where that is less; --duration asks" in out
    code, out, _ = scene.who_can("aws/payments-prod", "--role", "rds-reader", "--duration", "30m")
    assert code == 0
    assert "\n  asked for 30m, as --duration says\n" in out
    assert "refused for the duration" not in out


def test_a_second_reason_beside_the_duration_gets_no_such_advice(scene: Scene) -> None:
    scene.change("policies/settings/limits/data.yaml", "prod: 14400", "prod: 1800")
    scene.change("access/roles/gcp.yaml", "roles/logging.viewer", "roles/iam.securityAdmin")
    _, out, _ = scene.who_can("gcp/payments-prod", "--role", "log-viewer", "--json")
    told = json.loads(out)
    codes = {one["code"] for answer in told["answers"] for one in answer["refusals"]}
    assert {"duration-over-environment", "scope-broad"} <= codes
    assert told["hints"] == []


def test_where_nobody_is_left_to_ask_it_says_nobody(scene: Scene) -> None:
    # Whoever is disabled may not be on call either.
    (scene.folder / "access/oncall/payments.yaml").unlink()
    for file in (scene.folder / "access/principals").glob("*.yaml"):
        text = file.read_text("utf-8")
        if "disabled: true" not in text:
            file.write_text(f"{text.rstrip()}\ndisabled: true\n", "utf-8")
    told = "nobody: there is no principal in access/principals that is not disabled"
    assert scene.who_can("gcp/sandbox-dev")[:2] == (1, f"{told}\n")
    code, out, _ = scene.who_can("gcp/sandbox-dev", "--json")
    assert (code, json.loads(out)["hints"], json.loads(out)["answers"]) == (1, [told], [])


def test_the_disabled_are_left_out(scene: Scene) -> None:
    scene.change("access/principals/mallory.yaml", "kind: person", "kind: person\ndisabled: true")
    assert not [who for who, _ in scene.answers("gcp/sandbox-dev") if who == "mallory"]


def test_where_membership_matters_each_case_is_shown(scene: Scene) -> None:
    scene.only_members("sre", "data")
    cases = scene.answers("gcp/sandbox-dev", "--role", "log-viewer")["alice", "gcp/log-viewer"]
    assert [(one["teams"], one["answer"]) for one in cases] == [
        ([], "no"),
        (["data"], "by itself"),
        (["sre"], "by itself"),
    ]
    answers = scene.answers("gcp/sandbox-dev", "--role", "log-viewer")
    assert answers["ledger-bot", "gcp/log-viewer"]["teams"] is None
    _, out, _ = scene.who_can("gcp/sandbox-dev", "--role", "log-viewer")
    assert "alice (in no team)" in out
    assert "alice (in sre)" in out


def test_given_teams_are_the_only_ones(scene: Scene) -> None:
    scene.only_members("sre", "data")
    code, out, _ = scene.who_can("gcp/sandbox-dev", "--team", "sre", "--json")
    told = json.loads(out)
    assert (code, told["teams"]) == (0, {"source": "given", "names": ["sre"]})
    people = [one for one in told["answers"] if one["principal"] == "alice"]
    assert [one["answer"] for one in people] == ["approvals", "by itself"]
    answers = scene.answers("gcp/sandbox-dev", "--team", "other")
    assert answers["alice", "gcp/log-viewer"]["answer"] == "no"


def test_github_is_asked_for_membership_where_there_is_a_token(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Reader:
        def account(self, number: int) -> Actor | None:
            if number == 1005:
                return None
            return Actor(id=number, login=f"login-{number}", type="User")

        def shows_team(self, team: Team) -> bool:
            return team.slug != "data"

        def in_team(self, team: Team, actor: Actor) -> bool:
            return (team.slug, actor.login) == ("sre", "login-1001")

    scene.only_members("sre", "data", "sree")
    teams = scene.folder / "access/teams.yaml"
    more = "sre: {id: 81, title: Reliability}\ndata: {id: 82, title: Data}\n"
    teams.write_text(f"{teams.read_text('utf-8')}{more}", "utf-8")
    monkeypatch.setenv("DAYPASS_CHECKER_TOKEN", "secret")
    monkeypatch.setattr(Context, "reader", Reader())
    answers = scene.answers("gcp/sandbox-dev", "--role", "log-viewer")
    said = {who: (one["answer"], one["teams"]) for (who, _), one in answers.items()}
    assert said["alice"] == ("by itself", ["sre"])
    assert said["bob"] == ("no", [])
    assert said["erin"] == ("no", [])
    assert said["ledger-bot"] == ("by itself", ["sre"])
    _, out, err = scene.who_can("gcp/sandbox-dev")
    assert "as GitHub says now" in out
    assert 'nobody is in team "data": GitHub does not show it with the id 82' in err
    assert 'nobody is in team "sree": it is not in access/teams.yaml; did you mean "sre"?' in err


@pytest.mark.parametrize(
    "arguments, told",
    [
        (("aws/payments-prd",), 'did you mean "aws/payments-prod"?'),
        (("nowhere",), "7 are there, among them: "),
        (("aws/payments-prod", "--role", "rds-raeder"), 'did you mean "rds-reader"?'),
        (("aws/payments-prod", "--role", "gcp/log-viewer"), "is not in access/roles/aws.yaml"),
        (("aws/payments-prod", "--duration", "soon"), "is not of the form"),
        ((), "TARGET"),
    ],
)
def test_wrong_usage_exits_2_with_advice(
    scene: Scene, arguments: tuple[str, ...], told: str
) -> None:
    code, out, err = scene.who_can(*arguments)
    assert (code, out) == (2, "")
    assert told in err


def test_policies_that_do_not_load_are_no_answer(scene: Scene) -> None:
    file = scene.folder / "policies/access/decision/decision.rego"
    file.write_text(file.read_text("utf-8") + "\nbroken {{\n", "utf-8")
    code, out, err = scene.who_can("gcp/sandbox-dev")
    assert (code, out) == (3, "")
    assert "decision.rego" in err


def test_emergency_access_is_asked_for(scene: Scene) -> None:
    answers = scene.answers("gcp/sandbox-dev", "--emergency")
    assert all(one["answer"] == "no" for one in answers.values())
