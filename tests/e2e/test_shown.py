"""What a pull request showed bounds what its apply may do."""

from __future__ import annotations

import pytest

from pipeline.sandbox.world import World
from tests.e2e.support_world import BRANCH, REPOSITORY, Acme, grant, path_of

READER = "access/roles/gcp.yaml"
NAME = "alice/2026-11-20-tables"


def asked(acme: Acme) -> int:
    """A request, approved, checked at its head, not merged yet."""
    text = grant(access=["gcp/sandbox-dev bigquery-reader"])
    number = acme.request("alice", "tables", {path_of(NAME): text})
    acme.approve(number, "bob")
    assert acme.check(number).code == 0
    return number


def catalogue_changes(acme: Acme) -> None:
    """Lets bigquery-reader give more, in the right way: security approves the pull request."""
    text = (acme.world.checkout / READER).read_text("utf-8")
    wider = text.replace("roles/bigquery.dataViewer", "roles/bigquery.dataOwner")
    assert wider != text
    number = acme.request("carol", "wider", {READER: wider})
    acme.approve(number, "dave")
    assert acme.check(number).code == 0
    acme.person("carol").merge(number)


def test_a_merge_gives_what_was_shown(acme: Acme) -> None:
    acme.person("alice").merge(asked(acme))
    assert acme.apply().code == 0
    assert acme.may("alice", "gcp/sandbox-dev", "bigquery-reader")


def test_a_role_that_grew_between_check_and_merge_gives_nothing(acme: Acme) -> None:
    number = asked(acme)
    catalogue_changes(acme)
    acme.person("alice").merge(number)
    applied = acme.apply()
    assert applied.code == 1
    assert "payments-leads must approve" in acme.quarantined(applied)[path_of(NAME)]
    assert applied.said["results"] == []


def test_checked_again_after_the_change_it_waits_for_an_approval_of_what_is_shown_now(
    acme: Acme,
) -> None:
    number = asked(acme)
    catalogue_changes(acme)
    checked = acme.check(number)
    assert (checked.code, checked.said["verdict"]) == (1, "waiting")
    assert checked.said["not_counted"] == [
        "bob approved what no check had shown: approve again once the check has finished"
    ]
    acme.approve(number, "bob")
    assert acme.check(number).code == 0
    acme.person("alice").merge(number)
    applied = acme.apply()
    assert (applied.code, len(applied.said["results"])) == (0, 1)


def test_a_merge_past_our_check_gives_nothing(acme: Acme) -> None:
    """Nor does the approval of somebody to whom nothing was shown."""
    acme.bypass()
    text = grant(access=["gcp/sandbox-dev bigquery-reader"])
    tables = acme.request("alice", "tables", {path_of(NAME): text})
    acme.person("bob").review(tables)
    logs = acme.request("alice", "logs", {path_of("alice/logs"): grant()})
    for number in (tables, logs):
        acme.person("alice").merge(number)
    applied = acme.apply()
    assert applied.code == 1
    why = acme.quarantined(applied)
    assert "payments-leads must approve" in why[path_of(NAME)]
    assert "no check of ours ran" in why[path_of("alice/logs")]
    assert acme.held() == []


def test_a_check_run_of_another_app_shows_nothing(acme: Acme) -> None:
    acme.bypass()
    number = acme.request("alice", "logs", {path_of(NAME): grant()})
    honest = acme.check(number, merge=False)
    assert honest.code == 0
    _move_check_runs_to_another_app(acme.world)
    acme.person("alice").merge(number)
    applied = acme.apply()
    assert "no check of ours ran" in acme.quarantined(applied)[path_of(NAME)]


def _move_check_runs_to_another_app(world: World) -> None:
    world.github.create_app("impostor", {"checks": "write"}, org="acme")
    impostor = world.github._world.apps["impostor"]
    runs = world.github.repository(REPOSITORY).check_runs
    for run in runs.values() if isinstance(runs, dict) else runs:
        run.app = impostor


def comment_of(acme: Acme, number: int) -> int:
    """The id of the checker's comment."""
    listed = acme.ask("mallory", "GET", f"/issues/{number}/comments")
    (found,) = (one["id"] for one in listed if "daypass:check" in one["body"])
    return int(found)


@pytest.mark.parametrize("how", ["edited", "edited and put back", "edited beyond our marker"])
def test_what_was_approved_on_an_edited_comment_is_approved_again(acme: Acme, how: str) -> None:
    text = grant(access=["azure/payments-prod vm-contributor"], duration="1h", ticket="PAY-1423")
    number = acme.request("alice", "vms", {path_of(NAME): text})
    acme.approve(number, "bob")
    acme.later(minutes=1)
    assert acme.check(number).said["approvers"] == ["bob"]
    acme.later(minutes=1)
    comment = comment_of(acme, number)
    before = acme.ask("mallory", "GET", f"/issues/comments/{comment}")["body"]
    address = f"/issues/comments/{comment}"
    marker = "" if how == "edited beyond our marker" else "<!-- daypass:check -->\n"
    acme.ask("mallory", "PATCH", address, {"body": f"{marker}Quite harmless"})
    acme.person("carol").review(number)
    if how == "edited and put back":
        acme.later(minutes=1)
        acme.ask("mallory", "PATCH", address, {"body": before})
    checked = acme.check(number)
    assert (checked.code, checked.said["verdict"]) == (1, "waiting")
    # What bob approved before it was touched still counts; the comment is restored.
    assert checked.said["approvers"] == ["bob"]
    assert checked.said["not_counted"] == [
        "carol approved while the check did not show what this would give now: approve again"
    ]
    restored = acme.ask("mallory", "GET", f"/issues/comments/{comment_of(acme, number)}")["body"]
    assert "vm-contributor" in restored
    assert not any("harmless" in one for one in acme.person("mallory").comments(number))
    acme.approve(number, "carol")
    assert acme.check(number).code == 0
    acme.person("alice").merge(number)
    assert acme.apply().code == 0


def test_a_comment_that_was_deleted_is_written_again_and_voids_nothing(acme: Acme) -> None:
    text = grant(access=["gcp/sandbox-dev bigquery-reader"])
    number = acme.request("alice", "tables", {path_of(NAME): text})
    acme.approve(number, "bob")
    acme.later(minutes=1)
    acme.ask("mallory", "DELETE", f"/issues/comments/{comment_of(acme, number)}")
    assert acme.check(number).code == 0
    assert comment_of(acme, number)


def test_check_runs_that_github_no_longer_has_take_nothing_away(acme: Acme) -> None:
    number = asked(acme)
    acme.person("erin").merge(number)
    assert acme.apply().code == 0
    (proof,) = (
        one for one in acme.daypass("audit", "log", "--json").said if one["kind"] == "proof"
    )
    runs = acme.world.github.repository(REPOSITORY).check_runs
    first = min(run.id for run in runs.values())
    assert (proof["check_run"], proof["through"], proof["merger"]) == (first, number, "erin")
    assert runs[first].external_id == f"{number}:{proof['offer']}"
    (approval,) = proof["approvals"]
    assert approval["person"] == "bob"
    verified = acme.daypass("audit", "verify", "--json")
    assert (verified.code, verified.said["uncheckable"]) == (0, [])
    runs.clear()
    applied = acme.apply()
    assert (applied.code, applied.said["quarantined"]) == (0, [])
    assert acme.may("alice", "gcp/sandbox-dev", "bigquery-reader")
    verified = acme.daypass("audit", "verify", "--json")
    assert verified.code == 0
    (said,) = verified.said["uncheckable"]
    assert f"by #{number} is no longer checkable" in said


def test_a_check_run_that_shows_something_else_than_its_proof_says_is_a_fault(acme: Acme) -> None:
    acme.person("alice").merge(asked(acme))
    assert acme.apply().code == 0
    for run in acme.world.github.repository(REPOSITORY).check_runs.values():
        run.external_id = "1:" + "0" * 64
    verified = acme.daypass("audit", "verify", "--json")
    assert verified.code == 1
    assert "did not show what proves" in str(verified.said["faults"])


def test_a_draft_is_never_green_and_turns_green_once_it_is_ready(acme: Acme) -> None:
    acme.person("alice").push("draft", {path_of("alice/x"): grant()}, "A draft")
    asked = {"title": "A draft", "head": "draft", "base": BRANCH, "draft": True}
    number = acme.ask("alice", "POST", "/pulls", asked)["number"]
    checked = acme.check(number)
    assert (checked.code, checked.said["verdict"], checked.said["merged"]) == (1, "waiting", None)
    assert checked.said["reasons"] == [
        f"#{number} is a draft; it is judged again once it is ready for review"
    ]
    head = checked.said["head"]
    (run,) = acme.ask("alice", "GET", f"/commits/{head}/check-runs")["check_runs"]
    assert run["conclusion"] == "failure"
    acme.world.github.repository(REPOSITORY).pulls[number].draft = False
    assert acme.check(number).said["merged"]
