"""`daypass policy simulate` over real repositories."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.main import run
from pipeline.history.sources import Sources
from pipeline.policy.rego import RegorusEngine
from pipeline.policy_tools.replay import Replay, replayed_versions
from pipeline.policy_tools.simulate import ReplayedQuestion
from pipeline.values.timetable import Calendar, Hours, Weekly
from tests.unit.support_git import Work
from tests.unit.support_policies import copy_acme, copy_policies
from tests.unit.support_simulate import DATABASE, LOGS, Scene, grant, only_flip


@pytest.fixture
def scene(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Scene:
    return Scene(tmp_path, capsys)


def test_the_same_policies_flip_nothing_and_exit_0(scene: Scene) -> None:
    scene.merge(LOGS, grant())
    code, out, err = scene.simulate()
    assert code == 0
    assert out.startswith("2 judged, no flips\n")
    assert all(text in out for text in ("the subject", "every team", "approvals are not counted"))
    assert "are the same policies" in err


def test_the_same_policies_are_asked_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    decide = RegorusEngine.decide

    def counted(engine: RegorusEngine, document: Mapping[str, Any]) -> object:
        asked.append(document)
        return decide(engine, document)

    monkeypatch.setattr(RegorusEngine, "decide", counted)
    scene.merge(LOGS, grant())
    _, document = scene.document()
    assert len(asked) == document["judged"] == 2
    assert all(one["before"] == one["after"] for one in document["grants"])
    scene.change("limits", "start_within: 604800", "start_within: 604801")
    scene.document()
    assert len(asked) == 2 + 4


def test_no_grants_flip_nothing(scene: Scene) -> None:
    scene.change("limits", "max_duration: 43200", "max_duration: 60")
    code, out, _ = scene.simulate()
    assert code == 0
    assert out.startswith("0 judged, no flips\n")


@pytest.mark.parametrize(
    "asked, setting, turns, appeared, disappeared, after",
    [
        (
            grant(duration="4h"),
            ("limits", "\nmax_duration: 43200", "\nmax_duration: 3600"),
            ["denied", "codes"],
            ["duration-over-settings"],
            [],
            "denied",
        ),
        (
            grant(reason="Broken"),
            ("justification", "min_length: 15", "min_length: 5"),
            ["allowed", "codes"],
            [],
            ["reason-short"],
            "by itself",
        ),
        (
            grant(),
            ("reviewers", "low_merges_by_itself: true", "low_merges_by_itself: false"),
            ["waits-for-people", "more-reviewers"],
            [],
            [],
            "needs approvals",
        ),
        (
            grant(target="aws/sandbox-dev", role="rds-reader"),
            (
                "reviewers",
                "medium:\n    - {from: owners, count: 1}",
                "medium:\n    - {from: owners, count: 2}",
            ),
            ["more-reviewers"],
            [],
            [],
            "needs approvals",
        ),
        (
            grant(target="aws/sandbox-dev", role="rds-reader"),
            (
                "reviewers",
                "medium:\n    - {from: owners, count: 1}",
                "medium:\n    - {from: security, count: 1}",
            ),
            ["other-reviewers"],
            [],
            [],
            "needs approvals",
        ),
        (
            grant(target="azure/sandbox-dev", role="vm-contributor"),
            ("reviewers", "high:\n    - {from: owners, count: 1}\n", "high:\n"),
            ["fewer-reviewers"],
            [],
            [],
            "needs approvals",
        ),
        (
            grant(duration="13h"),
            ("justification", "ticket_environments: [prod]", "ticket_environments: [prod, dev]"),
            ["codes"],
            ["ticket-missing"],
            [],
            "denied",
        ),
    ],
    ids=["denied", "allowed", "waits", "more", "other", "fewer", "codes"],
)
def test_each_kind_of_flip_is_shown(
    scene: Scene,
    asked: str,
    setting: tuple[str, str, str],
    turns: list[str],
    appeared: list[str],
    disappeared: list[str],
    after: str,
) -> None:
    scene.merge(LOGS, asked)
    scene.remove(LOGS)
    scene.change(*setting)
    code, document = scene.document()
    one = only_flip(document)
    assert code == 1
    assert one["flip"]["turns"] == turns
    assert [found["code"] for found in one["flip"]["appeared"]] == appeared
    assert [found["code"] for found in one["flip"]["disappeared"]] == disappeared
    assert one["after"]["verdict"] == after
    code, out, _ = scene.simulate()
    header, line, total, *_ = out.splitlines()
    assert header.split() == ["GRANT", "WHERE", "AS", "OF", "WHAT", "BEFORE", "AFTER", "CODES"]
    assert line.startswith("alice/logs")
    assert all(word in line for word in (*turns, *appeared, *disappeared))
    assert total.startswith(f"2 judged, 1 flip ({', '.join(turns)})")
    assert total.endswith("; less access among them: 1 delete")


def test_what_stops_waiting_for_people_is_a_flip(scene: Scene) -> None:
    scene.merge(LOGS, grant())
    scene.change("reviewers", "low_merges_by_itself: true", "low_merges_by_itself: false")
    code, document = scene.document("--policies", str(scene.work.path / "policies"))
    assert (code, document["flipped"]) == (0, 0)
    shutil.rmtree(scene.work.path / "policies")
    shutil.copytree(scene.changed, scene.work.path / "policies")
    code, document = scene.document("--base", "HEAD")
    assert (code, document["turns"]["waits-for-people"]) == (1, 2)
    code, document = scene.document("--rev", "main")
    assert (code, document["turns"]["merges-by-itself"]) == (1, 2)


def test_history_is_judged_with_the_catalogue_of_its_time(scene: Scene) -> None:
    first = scene.merge(LOGS, grant())
    roles = (scene.work.path / "access/roles/gcp.yaml").read_text("utf-8")
    scene.merge("access/roles/gcp.yaml", roles.replace("risk: low", "risk: high"))
    scene.change("reviewers", "low_merges_by_itself: true", "low_merges_by_itself: false")
    code, document = scene.document()
    assert code == 1
    assert only_flip(document)["commit"] == first
    (now,) = [one for one in document["grants"] if one["commit"] is None]
    assert [step["id"] for step in now["before"]["approvals"]] == [
        "owners:payments-leads",
        "security",
    ]


def test_history_is_judged_as_of_its_day_after_what_came_before(scene: Scene) -> None:
    for name in ("one", "two"):
        path = f"access/grants/alice/{name}.yaml"
        scene.merge(path, grant(duration="4h"))
    for name in ("one", "two"):
        scene.remove(f"access/grants/alice/{name}.yaml")
    scene.change("limits", "\nmax_duration: 43200", "\nmax_duration: 18000")
    code, document = scene.document()
    one = only_flip(document)
    assert code == 1
    assert (one["id"], one["at"]) == ("alice/two", "2026-11-20T12:03:00Z")
    assert [found["code"] for found in one["flip"]["appeared"]] == ["duration-over-settings"]


def test_an_extension_is_compared_with_the_version_before_it(scene: Scene) -> None:
    scene.merge(LOGS, grant())
    scene.merge(LOGS, grant(duration="4h"))
    scene.merge(LOGS, grant(duration="1h"))
    scene.remove(LOGS)
    scene.change("limits", "\nmax_duration: 43200", "\nmax_duration: 3600")
    code, document = scene.document()
    assert code == 1
    assert [one["change"] for one in document["grants"]] == ["create", "widen", "narrow", "delete"]
    assert only_flip(document)["change"] == "widen"


def test_what_cannot_be_judged_is_listed_and_the_rest_is_judged(scene: Scene) -> None:
    scene.merge(LOGS, grant())
    odd = scene.merge("access/grants/alice/odd.yaml", "subject: [")
    late = scene.merge("access/grants/alice/odd.yaml", grant())
    roles = (scene.work.path / "access/roles/gcp.yaml").read_text("utf-8")
    scene.merge("access/roles/gcp.yaml", "log-viewer: {}\n")
    unread = scene.merge("access/grants/bob/x.yaml", grant("bob"))
    scene.merge("access/roles/gcp.yaml", roles)
    nobody = scene.merge("access/grants/zoe/x.yaml", grant("zoe"))
    code, document = scene.document()
    assert code == 0
    told = {one["commit"]: one["reason"] for one in document["not_judged"]}
    assert "it is no grant: access/grants/alice/odd.yaml:2:1:" in told[odd]
    assert told[late] == "no earlier version of it can be read"
    assert "the catalogue before it cannot be read: access/roles/gcp.yaml:1:" in told[unread]
    assert "zoe" in told[nobody]
    assert "zoe" in told[None]
    assert all(one["undecided"] is False for one in document["not_judged"])
    _, out, _ = scene.simulate()
    assert f"not judged: access/grants/alice/odd.yaml ({odd[:7]}): it is no grant" in out
    assert "; 5 not judged\n" in out
    scene.change("justification", "min_length: 15", "min_length: 400")
    code, out, err = scene.simulate()
    assert code == 1
    assert " flips (" in out
    assert "no conclusion" not in err


def test_a_history_of_which_nothing_can_be_judged_exits_3(scene: Scene) -> None:
    scene.merge(LOGS, "subject: [")
    scene.merge(LOGS, grant())
    code, document = scene.document()
    assert code == 3
    assert (document["judged"], len(document["not_judged"])) == (1, 2)


def test_a_grant_of_the_first_commit_has_no_catalogue_before_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = Work.begin(tmp_path / "work")
    copy_acme(work.path)
    copy_policies(work.path / "policies")
    work.write(LOGS, grant())
    work.commit("root")
    assert run(["-C", str(work.path), "policy", "simulate", "--rev", "HEAD"]) == 3
    assert "it came with the first commit" in capsys.readouterr().out


def test_a_part_on_which_policies_give_no_decision_exits_3(scene: Scene) -> None:
    scene.merge(LOGS, grant())
    scene.merge(DATABASE, grant(target="aws/sandbox-dev", role="rds-reader"))
    rule = scene.changed / "access" / "rules" / "reviewers" / "reviewers.rego"
    text = rule.read_text("utf-8")
    broken = text.replace(
        '_reasons := ["risk-low", "risk-medium"', '_reasons := ["risk-low", "odd"'
    )
    assert broken != text
    rule.write_text(broken, "utf-8")
    code, document = scene.document()
    assert code == 3
    assert document["judged"] == 2
    assert {(one["path"], one["undecided"]) for one in document["not_judged"]} == {(DATABASE, True)}
    assert "gave no decision" in document["not_judged"][0]["reason"]
    scene.change("justification", "min_length: 15", "min_length: 400")
    code, out, err = scene.simulate()
    assert code == 3
    assert "2 judged, 2 flips (2 denied, 2 codes; one may be of several kinds)" in out
    assert "no conclusion" in err


def test_since_and_last_limit_history_only(scene: Scene) -> None:
    first = scene.merge(LOGS, grant())
    second = scene.merge(DATABASE, grant(target="aws/sandbox-dev", role="rds-reader"))
    for limit in (("--since", first), ("--since", first[:10]), ("--last", "1")):
        code, document = scene.document("--policies", str(scene.changed), *limit)
        assert code == 0
        assert [one["commit"] for one in document["grants"]] == [second, None, None]


@pytest.mark.parametrize(
    "arguments, told",
    [
        ((), "--policies DIR or --rev REV"),
        (("--rev", "HEAD", "--policies", "."), "not both"),
        (("--rev", "nowhere"), "no commit, branch or tag is called nowhere"),
        (("--rev", "-x y"), "no commit, branch or tag"),
        (("--rev", "HEAD", "--since", "HEAD"), "first-parent history"),
        (("--rev", "HEAD", "--since", "a" * 40), "first-parent history"),
        (("--rev", "HEAD", "--since", "a" * 40, "--last", "1"), "not both"),
        (("--rev", "HEAD", "--last", "0"), "--last"),
        (("--policies", "nowhere"), "nowhere"),
    ],
)
def test_wrong_usage_exits_2(
    scene: Scene, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    assert run(["-C", str(scene.work.path), "policy", "simulate", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_policies_that_cannot_be_used_exit_2(scene: Scene) -> None:
    scene.merge(LOGS, grant())
    rule = scene.changed / "access" / "decision" / "decision.rego"
    text = rule.read_text("utf-8")
    rule.write_text(text + "\nbroken {{\n", "utf-8")
    code, out, err = scene.simulate()
    assert (code, out) == (2, "")
    assert "cannot be used" in err
    assert "decision.rego" in err
    rule.write_text(text, "utf-8")
    scene.change("limits", "max_duration: 43200", "max_duration: 1.5")
    code, out, err = scene.simulate()
    assert (code, out) == (2, "")
    assert "policies/settings/limits/data.yaml:" in err
    shutil.rmtree(scene.changed)
    scene.changed.mkdir()
    assert scene.simulate()[0] == 2


def test_json_holds_everything_also_what_does_not_flip(scene: Scene) -> None:
    sha = scene.merge(LOGS, grant())
    scene.change("limits", "start_within: 604800", "start_within: 604801")
    _, document = scene.document()
    assert set(document) == {
        *("policies", "assumed", "judged", "flipped", "turns", "changes", "grants", "not_judged"),
    }
    assert document["policies"]["before"] != document["policies"]["after"]
    past, now = document["grants"]
    assert {name: past[name] for name in ("id", "path", "commit", "at", "change", "flip")} == {
        "id": "alice/logs",
        "path": LOGS,
        "commit": sha,
        "at": "2026-11-20T12:02:00Z",
        "change": "create",
        "flip": None,
    }
    assert past["before"] == past["after"]
    assert past["before"]["verdict"] == "by itself"
    assert now["commit"] is None


def test_a_workloads_owner_asks_and_the_app_for_whom_it_says(scene: Scene) -> None:
    scene.merge("access/grants/ledger-bot/x.yaml", grant("ledger-bot", more="ticket: PAY-1\n"))
    scene.merge(LOGS, grant(more="requested_by: bob\n"))
    code, document = scene.document()
    assert code == 0
    assert not [one for one in document["grants"] if one["before"]["violations"]]


def test_a_folder_without_git_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-C", str(tmp_path), "policy", "simulate", "--rev", "HEAD"]) == 2
    assert "is no git repository" in capsys.readouterr().err


def test_hostile_names_in_history_are_told_as_text(scene: Scene) -> None:
    scene.merge(LOGS, grant())
    scene.merge(b"access/grants/alice/\xff.yaml".decode(errors="surrogateescape"), grant())
    code, document = scene.document()
    assert code == 0
    assert any("alice/\\" in one["path"] for one in document["not_judged"])


def test_a_calendar_that_came_with_the_changed_policies_is_known_of_the_past(scene: Scene) -> None:
    scene.merge(LOGS, grant())
    commits = scene.work.repository.mainline(scene.work.repository.resolve("HEAD"))
    sources = Sources(scene.work.repository)
    hours = Weekly(days=frozenset(range(7)), hours=Hours(opens=0, closes=24 * 60))
    always = Calendar(name="always", title="Always", timezone="Etc/UTC", weekly=(hours,))
    today = replace(sources.catalogue(commits[-1].sha), calendars={"always": always})
    replay = Replay(sources, commits, today=today)
    (question,) = replay.questions(frozenset(replayed_versions(commits)), teams=frozenset())
    assert isinstance(question, ReplayedQuestion)
    (window,) = question.document["calendars"]["open"]["always"]
    assert window["end"] - window["start"] == 30 * 60


FRIDAYS = """\
package access.rules.fridays

import data.lib.calendar
import data.lib.request
import data.lib.result

codes := {"friday-late"}

# METADATA
# title: No production late on Fridays
# custom:
#   code: friday-late
#   message: production is closed late on Fridays, but for whoever is on call
#   solution: ask on Monday
deny contains result.whole("friday-late", {}) if {
	request.adds_access
	not _fine
}

_fine if {
	every binding in request.bindings {
		binding.target.environment != "prod"
	}
}

_fine if calendar.free("fridays", input.window)

_fine if count(input.subject.on_call) > 0
"""


def test_a_rule_about_fridays_is_tried_over_history(scene: Scene) -> None:
    asked = {"target": "gcp/payments-prod", "more": "ticket: PAY-1\n"}
    scene.merge("access/grants/alice/noon.yaml", grant(**asked))
    scene.work.ticks = 150  # 15:30 in Paris
    scene.merge("access/grants/alice/late.yaml", grant(**asked))
    scene.merge("access/grants/bob/late.yaml", grant("bob", **asked))
    scene.merge("access/grants/bob/dev.yaml", grant("bob"))
    for path in ("alice/noon", "alice/late", "bob/late", "bob/dev"):
        scene.remove(f"access/grants/{path}.yaml")
    scene.work.write(
        "access/calendars/fridays.yaml",
        "title: Late on Fridays\ntimezone: Europe/Paris\n"
        'weekly:\n  - {days: [fri], from: "15:00", to: "24:00"}\n',
    )
    scene.work.write(
        "access/oncall/fridays.yaml",
        "title: Late on Fridays\ntimezone: Europe/Paris\nstart: 2026-01-05T09:00\nshift: 7d\n"
        "members: [bob]\n",
    )
    rule = scene.changed / "access/rules/fridays/fridays.rego"
    rule.parent.mkdir()
    rule.write_text(FRIDAYS, "utf-8")
    code, document = scene.document()
    one = only_flip(document)
    assert (code, document["judged"], one["id"]) == (1, 8, "alice/late")
    assert [found["code"] for found in one["flip"]["appeared"]] == ["friday-late"]
