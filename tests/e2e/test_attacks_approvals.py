"""Approvals that must not count, by who gave them, when, and for which commit."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.sandbox.world import LAG
from tests.e2e.support_world import REPOSITORY, Acme, PersonRefused, Ran, grant, path_of

TABLES = ("gcp/sandbox-dev", "bigquery-reader")
MEDIUM = grant(access=[" ".join(TABLES)])
HIGH = grant(access=["azure/payments-prod vm-contributor"], duration="1h", ticket="PAY-1423")
ONE = path_of("alice/one")


def _merged_anyway(acme: Acme, number: int, login: str = "alice") -> Ran:
    """Merges past every rule, a minute later, and applies."""
    acme.bypass()
    acme.later(minutes=1)
    acme.person(login).merge(number)
    return acme.apply()


def _does_not_count(acme: Acme, number: int, why: str, subject: str = "alice") -> None:
    checked = acme.check(number)
    assert (checked.code, checked.said["verdict"]) == (1, "waiting"), checked
    assert why in str(checked.said["not_counted"]), checked.said
    applied = _merged_anyway(acme, number)
    assert applied.code == 1
    assert not acme.may(subject, *TABLES)


def test_an_owners_approval_counts(acme: Acme) -> None:
    """What every other test here leaves one thing out of."""
    number = acme.request("alice", "ask", {ONE: MEDIUM})
    acme.approve(number, "bob")
    assert acme.check(number).code == 0
    assert _merged_anyway(acme, number).code == 0
    assert acme.may("alice", *TABLES)


def test_the_subjects_approval_does_not_count(acme: Acme) -> None:
    text = MEDIUM.replace("alice", "bob")
    number = acme.request("alice", "ask", {path_of("bob/one"): text})
    acme.approve(number, "bob")
    _does_not_count(acme, number, "bob would get the access", "bob")


def _with_its_head(acme: Acme, login: str, number: int, branch: str, *, base: str = "main") -> int:
    """Pushes the head of a pull request to another branch and opens one from there."""
    head = acme.person(login).pull(number)["head"]["sha"]
    acme.git(login, "fetch", "--quiet", "origin", "+refs/heads/*:refs/heads/*")
    acme.send(login, head, branch)
    return acme.person(login).open(branch, "Mine", base=base)


def test_what_was_approved_is_given_though_a_stranger_merged_it_through_another_one(
    acme: Acme,
) -> None:
    number = acme.request("alice", "ask", {ONE: MEDIUM})
    acme.approve(number, "bob")
    assert acme.check(number).code == 0
    acme.later(seconds=1)
    twin = _with_its_head(acme, "mallory", number, "borrowed")
    acme.person("mallory").merge(twin)
    assert acme.apply().code == 0
    assert acme.may("alice", *TABLES)
    (proof,) = (
        one for one in acme.daypass("audit", "log", "--json").said if one["kind"] == "proof"
    )
    told = (proof["pull"], proof["through"], proof["merger"], proof["approvers"])
    assert told == (number, twin, "mallory", ["bob"])
    assert any("provisioned" in one for one in acme.person("alice").comments(number))


def test_another_pull_request_with_the_same_head_turns_no_check_red_or_green(acme: Acme) -> None:
    number = acme.request("alice", "ask", {ONE: MEDIUM})
    acme.approve(number, "bob")
    assert acme.check(number).code == 0
    twin = _with_its_head(acme, "mallory", number, "borrowed")
    checked = acme.check(twin)
    assert (checked.code, checked.said["verdict"]) == (1, "denied")
    (why,) = checked.said["reasons"]
    assert why.startswith(f"#{number} has the same head")
    # So it is with one that goes elsewhere: it is told why nothing comes of it.
    acme.ask("mallory", "POST", "/git/refs", {"ref": "refs/heads/scratch", "sha": acme.tip()})
    stacked = _with_its_head(acme, "mallory", number, "stacked", base="scratch")
    assert acme.check(stacked).code == 1
    assert any("goes to scratch" in one for one in acme.person("mallory").comments(stacked))
    assert any("push a commit of your own" in one for one in acme.person("mallory").comments(twin))
    acme.person("alice").merge(number)
    assert acme.apply().code == 0
    assert acme.may("alice", *TABLES)


def test_a_deletion_that_was_withdrawn_is_an_alarm_when_a_stranger_merges_it(acme: Acme) -> None:
    acme.landed("alice", "alice/one", MEDIUM, "bob")
    assert acme.apply().code == 0
    number = acme.request("alice", "less", {ONE: None})
    assert acme.check(number, merge=False).code == 0
    twin = _with_its_head(acme, "mallory", number, "borrowed")
    acme.ask("alice", "PATCH", f"/pulls/{number}", {"state": "closed"})
    acme.later(seconds=1)
    acme.person("mallory").merge(twin)
    applied = acme.apply()
    assert applied.code == 1
    # It goes, as less access waits for nothing, and who did it is on the record.
    assert not acme.may("alice", *TABLES)
    (alert,) = (
        one for one in acme.daypass("audit", "log", "--json").said if one["kind"] == "alert"
    )
    assert (alert["path"], alert["pull"], alert["merger"]) == (ONE, twin, "mallory")


def _retarget(acme: Acme, number: int, base: str) -> None:
    acme.later(seconds=1)
    acme.ask("alice", "PATCH", f"/pulls/{number}", {"base": base})
    acme.later(seconds=1)


def test_an_approval_of_a_harmless_difference_from_another_branch_does_not_count(
    acme: Acme,
) -> None:
    # What a reviewer sees is one letter: the rest lies on the branch that it is compared with.
    acme.person("alice").push("scratch", {ONE: MEDIUM}, "Start")
    shorter = MEDIUM.replace("duration: 2h", "duration: 1h")
    acme.person("alice").push("ask", {ONE: shorter}, "Shorten", start="scratch")
    number = acme.person("alice").open("ask", "Shorten", base="scratch")
    acme.approve(number, "bob")
    _retarget(acme, number, "main")
    _does_not_count(acme, number, "approved before the pull request got another base branch")


def test_an_approval_given_while_the_base_was_another_does_not_count_when_it_is_back(
    acme: Acme,
) -> None:
    number = acme.request("alice", "ask", {ONE: MEDIUM})
    assert acme.check(number).said["verdict"] == "waiting"
    acme.person("alice").push("scratch", {"notes.txt": "x\n"}, "Notes")
    _retarget(acme, number, "scratch")
    acme.approve(number, "bob")
    _retarget(acme, number, "main")
    _does_not_count(acme, number, "approved before the pull request got another base branch")


def test_an_approval_after_the_last_change_of_the_base_counts(acme: Acme) -> None:
    number = acme.request("alice", "ask", {ONE: MEDIUM})
    acme.person("alice").push("scratch", {"notes.txt": "x\n"}, "Notes")
    for base in ("scratch", "main"):
        _retarget(acme, number, base)
    acme.approve(number, "bob")
    assert acme.check(number).code == 0
    assert _merged_anyway(acme, number).code == 0
    assert acme.may("alice", *TABLES)


@pytest.mark.parametrize("late", [False, True])
def test_a_dismissal_before_the_merge_counts_and_one_after_it_does_not(
    acme: Acme, late: bool
) -> None:
    number = acme.request("alice", "ask", {ONE: MEDIUM})
    acme.approve(number, "bob")
    assert acme.check(number).code == 0
    acme.bypass()
    acme.later(minutes=1)
    (review,) = acme.ask("alice", "GET", f"/pulls/{number}/reviews")
    path = f"/pulls/{number}/reviews/{review['id']}/dismissals"
    if late:
        acme.person("alice").merge(number)
        acme.later(seconds=1)
    acme.ask("mallory", "PUT", path, {"message": "stale"})
    if not late:
        acme.person("alice").merge(number)
    assert acme.apply().code == (0 if late else 1)
    assert acme.may("alice", *TABLES) is late


def test_a_team_that_somebody_made_anew_approves_nothing(acme: Acme) -> None:
    acme.world.github.delete_team("acme", "payments-leads")
    acme.world.github.create_team("acme", "payments-leads", ["mallory"])
    number = acme.request("alice", "ask", {ONE: MEDIUM})
    acme.approve(number, "mallory")
    checked = acme.check(number)
    assert (checked.code, checked.said["verdict"]) == (1, "waiting")
    said = 'nobody is in team "payments-leads": GitHub does not show it with the id 4711'
    assert said in str(checked.said["empty_teams"])
    assert said.replace("-", "\\-") in "\n".join(acme.person("alice").comments(number))
    assert _merged_anyway(acme, number).code == 1
    assert not acme.may("alice", *TABLES)


def test_nobody_can_review_their_own_pull_request(acme: Acme) -> None:
    number = acme.request("bob", "ask", {ONE: MEDIUM})
    with pytest.raises(PersonRefused):
        acme.approve(number, "bob")


def test_who_pushed_does_not_approve_whatever_the_commits_claim(acme: Acme) -> None:
    number = acme.request("alice", "ask", {ONE: MEDIUM})
    longer = grant(access=[" ".join(TABLES)], duration="4h")
    acme.world.github.push_files(
        REPOSITORY, "ask", {ONE: longer}, actor="bob", author="alice", message="Longer"
    )
    acme.approve(number, "bob")
    _does_not_count(acme, number, "pushed to its branch")


def test_an_approver_who_updates_the_branch_still_counts_unless_it_changes_by_the_way(
    acme: Acme,
) -> None:
    number = acme.request("alice", "ask", {ONE: MEDIUM})
    before = acme.tip("ask")
    acme.landed("alice", "alice/other", grant())
    longer = grant(access=[" ".join(TABLES)], duration="4h")
    changed, updated = (
        acme.commit("bob", {ONE: ("100644", text)}, parents=[acme.tip(), before])
        for text in (longer, MEDIUM)
    )
    acme.send("bob", changed, "ask")
    acme.later(seconds=LAG.seconds)
    acme.approve(number, "bob")
    assert "bob pushed to its branch" in str(acme.check(number).said)

    acme.send("alice", before, "again")
    number = acme.person("alice").open("again", "A request")
    acme.send("bob", updated, "again")
    acme.later(seconds=LAG.seconds)
    acme.approve(number, "bob")
    assert acme.check(number).code == 0
    acme.person("alice").merge(number)
    assert acme.apply().code == 0
    assert acme.may("alice", *TABLES)


def _stranger(acme: Acme) -> str:
    acme.world._tokens["eve"] = acme.world.github.create_user("eve")
    acme.world.github.set_collaborator(REPOSITORY, "eve", "write")
    acme.world.github.set_membership("acme", "payments-leads", "eve", "active")
    return "eve"


def _reader(acme: Acme) -> str:
    acme.world.github.set_collaborator(REPOSITORY, "bob", "read")
    return "bob"


def _pending(acme: Acme) -> str:
    acme.world.github.set_membership("acme", "payments-leads", "erin", "pending")
    return "erin"


def _disabled(acme: Acme) -> str:
    bob = acme.git("carol", "show", f"{acme.tip()}:access/principals/bob.yaml")
    off: dict[str, str | None] = {"access/principals/bob.yaml": f"{bob}\ndisabled: true\n"}
    number = acme.request("carol", "off", off)
    acme.approve(number, "dave")
    assert acme.check(number).code == 0
    acme.person("carol").merge(number)
    return "bob"


def _taken_over(acme: Acme) -> str:
    """Bob's account is renamed, and somebody else takes the login."""
    acme.world.github.rename_user("bob", "robert")
    acme.world._tokens["bob"] = acme.world.github.create_user("bob")
    acme.world.github.set_collaborator(REPOSITORY, "bob", "write")
    acme.world.github.set_membership("acme", "payments-leads", "bob", "active")
    return "bob"


@pytest.mark.parametrize(
    "setting,why",
    [
        (_stranger, "no enabled person"),
        (_disabled, "no enabled person"),
        (_taken_over, "no enabled person"),
        (_reader, "no write permission"),
    ],
)
def test_who_may_not_approve_does_not_count(
    acme: Acme, setting: Callable[[Acme], str], why: str
) -> None:
    login = setting(acme)
    number = acme.request("alice", "ask", {ONE: MEDIUM})
    acme.approve(number, login)
    _does_not_count(acme, number, why)


@pytest.mark.parametrize("setting", [lambda _: "carol", lambda _: "mallory", _pending])
def test_who_is_in_no_team_that_was_asked_fills_no_place(
    acme: Acme, setting: Callable[[Acme], str]
) -> None:
    number = acme.request("alice", "ask", {ONE: MEDIUM})
    acme.approve(number, setting(acme))
    assert acme.check(number).said["verdict"] == "waiting"
    assert _merged_anyway(acme, number).code == 1
    assert not acme.may("alice", *TABLES)


def test_a_renamed_approver_still_counts(acme: Acme) -> None:
    number = acme.request("alice", "ask", {ONE: MEDIUM})
    acme.approve(number, "bob")
    acme.world.github.rename_user("bob", "robert")
    assert acme.check(number).code == 0


def test_a_bots_approval_does_not_count(acme: Acme) -> None:
    number = acme.request("alice", "ask", {ONE: MEDIUM})
    acme.world._tokens["bot"] = acme.world._checker
    acme.approve(number, "bot")
    _does_not_count(acme, number, "not a person")


def test_one_person_fills_one_place(acme: Acme) -> None:
    acme.world.github.set_membership("acme", "payments-leads", "carol", "active")
    number = acme.request("alice", "ask", {ONE: HIGH})
    acme.approve(number, "carol")
    assert acme.check(number).said["verdict"] == "waiting"
    acme.approve(number, "bob")
    assert acme.check(number).code == 0


def test_a_push_after_the_approval_undoes_it(acme: Acme) -> None:
    number = acme.request("alice", "ask", {ONE: MEDIUM})
    acme.approve(number, "bob")
    assert acme.check(number).code == 0
    longer = grant(access=[" ".join(TABLES)], duration="4h")
    acme.person("alice").push("ask", {ONE: longer}, "Longer")
    _does_not_count(acme, number, "head is")


def _push_and_take_back(acme: Acme, login: str, approved: str) -> None:
    """Pushes another commit to the request, and the approved one over it."""
    acme.person(login).push("ask", {ONE: MEDIUM + "# more\n"}, "More")
    acme.send(login, approved, "ask", force=True)


def test_a_force_push_back_to_the_approved_commit_counts_unless_the_approver_pushed(
    acme: Acme,
) -> None:
    number = acme.request("alice", "ask", {ONE: MEDIUM})
    approved = acme.tip("ask")
    acme.approve(number, "bob")
    acme.person("alice").push("ask", {ONE: MEDIUM + "# more\n"}, "More")
    acme.git("alice", "fetch", "--quiet", "origin", "+refs/heads/*:refs/heads/*")
    acme.send("alice", approved, "ask", force=True)
    assert acme.check(number).code == 0
    _push_and_take_back(acme, "bob", approved)
    acme.later(seconds=LAG.seconds)
    assert acme.check(number).said["verdict"] == "waiting"


def test_what_an_approver_pushed_a_moment_ago_gives_nothing_once_the_log_shows_it(
    acme: Acme,
) -> None:
    number = acme.request("alice", "ask", {ONE: MEDIUM})
    approved = acme.tip("ask")
    acme.approve(number, "bob")
    acme.later(seconds=LAG.seconds)
    _push_and_take_back(acme, "bob", approved)
    # The check cannot know it yet; the proof does.
    assert acme.check(number).code == 0
    acme.person("alice").merge(number)
    acme.later(seconds=LAG.seconds)
    applied = acme.apply()
    assert applied.code == 1
    assert "1 more of payments-leads must approve" in str(applied.said["quarantined"])


def test_an_approval_older_than_a_day_does_not_count(acme: Acme) -> None:
    number = acme.request("alice", "ask", {ONE: MEDIUM})
    acme.approve(number, "bob")
    acme.later(hours=24)
    assert acme.check(number).code == 0
    acme.later(seconds=1)
    _does_not_count(acme, number, "more than 24 hours ago")


def test_a_dismissed_approval_does_not_count(acme: Acme) -> None:
    number = acme.request("alice", "ask", {ONE: MEDIUM})
    acme.approve(number, "bob")
    (review,) = acme.ask("bob", "GET", f"/pulls/{number}/reviews")
    acme.ask(
        "mallory",
        "PUT",
        f"/pulls/{number}/reviews/{review['id']}/dismissals",
        {"message": "no"},
    )
    _does_not_count(acme, number, "dismissed")


def test_a_standing_request_for_changes_holds_it_up(acme: Acme) -> None:
    acme.world.github.set_membership("acme", "payments-leads", "erin", "active")
    number = acme.request("alice", "ask", {ONE: MEDIUM})
    acme.approve(number, "bob")
    acme.person("erin").review(number, "REQUEST_CHANGES")
    _does_not_count(acme, number, "erin asks for changes")


def test_a_merge_into_another_branch_brings_no_approval_along(acme: Acme) -> None:
    acme.person("alice").push("feature", {"notes.md": "x\n"}, "Notes")
    acme.person("alice").push("ask", {ONE: MEDIUM}, "Ask", start="feature")
    first = acme.person("alice").open("ask", "Ask", base="feature")
    acme.approve(first, "bob")
    checked = acme.check(first)
    assert checked.code == 1
    assert "goes to feature" in " ".join(checked.said["reasons"])
    acme.person("alice").merge(first)
    second = acme.person("alice").open("feature", "All of it")
    assert acme.check(second).code == 2
    applied = _merged_anyway(acme, second)
    assert ONE in acme.quarantined(applied)
    assert not acme.may("alice", *TABLES)


def test_a_branch_name_used_again_does_not_reach_back(acme: Acme) -> None:
    number = acme.request("alice", "ask", {ONE: MEDIUM})
    acme.approve(number, "bob")
    assert acme.check(number).code == 0
    acme.person("alice").merge(number)
    acme.later(minutes=1)
    acme.git("alice", "push", "--quiet", "origin", ":refs/heads/ask")
    acme.person("bob").push("ask", {path_of("bob/one"): grant("bob")}, "Mine")
    acme.person("bob").open("ask", "Mine")
    assert acme.apply().code == 0
    assert acme.may("alice", *TABLES)


def test_a_pull_request_closed_and_opened_again_is_the_same(acme: Acme) -> None:
    number = acme.request("alice", "ask", {ONE: MEDIUM})
    acme.approve(number, "bob")
    acme.ask("mallory", "PATCH", f"/pulls/{number}", {"state": "closed"})
    assert acme.check(number).code == 2
    acme.ask("alice", "PATCH", f"/pulls/{number}", {"state": "open"})
    assert acme.check(number).code == 0


def test_an_extension_keeps_the_start_needs_approval_and_leaves_no_gap(acme: Acme) -> None:
    acme.landed("alice", "alice/one", MEDIUM, "bob")
    assert acme.apply().code == 0
    acme.later(minutes=110)
    longer = grant(access=[" ".join(TABLES)], duration="4h")
    number = acme.request("alice", "longer", {ONE: longer})
    assert acme.check(number).said["verdict"] == "waiting"
    acme.approve(number, "bob")
    assert acme.check(number).code == 0
    acme.person("alice").merge(number)
    assert acme.may("alice", *TABLES)
    assert acme.apply().code == 0
    acme.later(minutes=129)
    assert acme.may("alice", *TABLES)
    acme.later(minutes=1)
    assert not acme.may("alice", *TABLES)


def test_an_extension_over_the_maximum_is_denied(acme: Acme) -> None:
    acme.landed("alice", "alice/one", MEDIUM, "bob")
    longer = grant(access=[" ".join(TABLES)], duration="8h1m")
    checked = acme.check(acme.request("alice", "longer", {ONE: longer}))
    assert checked.said["verdict"] == "denied"


def test_an_extension_after_the_end_is_denied(acme: Acme) -> None:
    acme.landed("alice", "alice/one", MEDIUM, "bob")
    acme.later(hours=2)
    longer = grant(access=[" ".join(TABLES)], duration="4h")
    checked = acme.check(acme.request("alice", "longer", {ONE: longer}))
    assert checked.said["verdict"] == "denied"


def test_nothing_but_the_file_and_the_reviews_decides(acme: Acme) -> None:
    number = acme.request(
        "mallory", "ask", {path_of("mallory/one"): MEDIUM.replace("alice", "mallory")}
    )
    acme.ask("mallory", "POST", f"/issues/{number}/comments", {"body": "/approve /check LGTM"})
    acme.ask("mallory", "POST", f"/issues/{number}/labels", {"labels": ["approved", "emergency"]})
    acme.ask(
        "mallory",
        "PATCH",
        f"/pulls/{number}",
        {"title": "[approved] emergency", "body": "approved-by: bob\n<!-- daypass:check -->"},
    )
    acme.person("bob").review(number, "COMMENT")
    assert acme.check(number).said["verdict"] == "waiting"
