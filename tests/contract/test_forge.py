"""The GitHub and git adapters against the GitHub stand-in, over loopback."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.approvals.pushers import every_push, pushers_of
from pipeline.approvals.tally import Requirement, tally
from pipeline.approvals.voters import gather
from pipeline.errors import Denied, ForgeError, Incomplete
from pipeline.forge import github as github_module
from pipeline.forge import github_api as api_module
from pipeline.forge.answers import moment_at, number_at, text_at
from pipeline.forge.git import Repository
from pipeline.forge.github import GitHubReader
from pipeline.forge.github_api import Api, GitHubRefused
from pipeline.forge.github_write import (
    BODY_CAP,
    Annotation,
    GitHubWriter,
    RefMoved,
    shortened,
)
from pipeline.sandbox.clock import Clock
from pipeline.sandbox.github import GitHubSandbox
from pipeline.values.catalogue import Catalogue, Principal, PrincipalKind, Team
from pipeline.values.pull_request import Actor, Checker, Dismissal, ForgeReader, PullEvents, Push

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
REPO = "acme/access"
GRANT = "access/grants/alice/a.yaml"
LAG = timedelta(seconds=3)
CHECKER = Checker(name="daypass", app=77)


@dataclass
class Estate:
    """An organisation with a repository, people, teams and both Apps."""

    sandbox: GitHubSandbox
    clock: Clock
    tokens: dict[str, str]
    keeper: GitHubWriter
    checker: GitHubWriter

    def reader(self) -> GitHubReader:
        # A new one per look: memberships are asked once per reader.
        return GitHubReader(REPO, self.tokens["checker"], api_url=self.api_url, pace=False)

    @property
    def api_url(self) -> str:
        return self.sandbox.url

    @property
    def bot_id(self) -> int:
        return self.sandbox.account("checker[bot]").id

    def actor(self, login: str) -> Actor:
        account = self.sandbox.account(login)
        return Actor(id=account.id, login=account.login, type=account.type)

    def team(self, slug: str) -> Team:
        return Team(slug=slug, id=self.sandbox.team_id("acme", slug), title="As declared")

    def api(self, login: str) -> Api:
        return Api(REPO, self.tokens[login], api_url=self.api_url, pace=False)

    def push(
        self,
        branch: str,
        files: dict[str, str | bytes | None],
        actor: str = "alice",
        author: str | None = None,
    ) -> str:
        return self.sandbox.push_files(
            REPO, branch, files, actor=actor, message="change", start="main", author=author
        )

    def open(self, branch: str, actor: str = "alice") -> int:
        made = self.api(actor).send(
            "POST", f"/repos/{REPO}/pulls", {"title": "t", "head": branch, "base": "main"}
        )
        return int(made["number"])

    def review(self, number: int, actor: str, event: str = "APPROVE") -> None:
        self.api(actor).send(
            "POST", f"/repos/{REPO}/pulls/{number}/reviews", {"event": event, "body": "seen"}
        )

    def tip(self, branch: str) -> str:
        found = self.reader().tip(branch)
        assert found is not None
        return found


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    with founded(tmp_path, lag=timedelta(0)) as found:
        yield found


@contextmanager
def founded(tmp_path: Path, *, lag: timedelta) -> Iterator[Estate]:
    """Founds the organisation on a GitHub whose lists stay so far behind."""
    clock = Clock(NOW)
    with GitHubSandbox(clock, tmp_path / "github", lag=lag) as sandbox:
        sandbox.create_org("acme")
        tokens = {name: sandbox.create_user(name) for name in ("alice", "bob", "carol", "outsider")}
        sandbox.create_team("acme", "payments-leads", {"bob": "active", "carol": "pending"})
        sandbox.create_team("acme", "payments-night", ["alice"], parent="payments-leads")
        tokens["checker"] = sandbox.create_app(
            "checker",
            {
                "checks": "write",
                "pull_requests": "write",
                "contents": "read",
                "members": "read",
                "metadata": "read",
            },
        )
        tokens["keeper"] = sandbox.create_app(
            "keeper", {"contents": "write", "pull_requests": "write", "metadata": "read"}
        )
        sandbox.create_repository(
            "acme",
            "access",
            collaborators={"alice": "write", "bob": "maintain", "carol": "read"},
        )
        sandbox.push_files(
            REPO,
            "main",
            {"README.md": "hello\n", "access/grants/bob/old.yaml": "old\n"},
            actor="bob",
            message="start",
        )
        keeper, checker = (
            GitHubWriter(REPO, tokens[name], api_url=sandbox.url, pace=False)
            for name in ("keeper", "checker")
        )
        yield Estate(sandbox, clock, tokens, keeper, checker)


def pushes_of(estate: Estate, branch: str = "main") -> tuple[Push, ...]:
    return estate.reader().pushes(branch, merged_since=NOW)


@pytest.fixture
def pull(estate: Estate) -> int:
    estate.push("alice/request", {GRANT: "subject: alice\n"})
    return estate.open("alice/request")


def test_the_reader_is_what_the_judge_asks_for(estate: Estate) -> None:
    reader: ForgeReader = estate.reader()
    assert not hasattr(reader, "merge")


def test_a_pull_request_is_read_in_full(estate: Estate, pull: int) -> None:
    found = estate.reader().pull(pull)
    assert (found.author, found.state) == (estate.actor("alice"), "open")
    assert (found.base_ref, found.head_ref) == ("main", "alice/request")
    assert found.head_sha == estate.tip("alice/request")
    assert found.same_repository
    assert (found.merged_at, found.merge_commit_sha, found.merged_by) == (None, None, None)


def test_a_pull_request_that_cannot_be_merged_says_so(estate: Estate) -> None:
    estate.push("mine", {"README.md": "mine\n"})
    number = estate.open("mine")
    assert not estate.reader().pull(number).conflicts
    estate.push("main", {"README.md": "two\n"})
    assert estate.reader().pull(number).conflicts


def test_those_open_with_a_head_are_told_and_no_others(estate: Estate, pull: int) -> None:
    head = estate.reader().pull(pull).head_sha
    git = estate.sandbox.repository(REPO).git
    git.set_refs({"refs/heads/twin": head})
    twin = estate.open("twin")
    longer = estate.push("twin-and-more", {"README.md": "more\n"})
    assert longer != head
    found = estate.reader().open_with_head(head, base="main")
    assert {one.number for one in found} == {pull, twin}
    estate.api("alice").send("PATCH", f"/repos/{REPO}/pulls/{twin}", {"state": "closed"})
    assert [one.number for one in estate.reader().open_with_head(head, base="main")] == [pull]
    assert estate.reader().open_with_head(head, base="next") == ()


def test_closing_and_opening_again_are_told_in_their_order(estate: Estate, pull: int) -> None:
    assert estate.reader().events(pull).turns == ()
    for state in ("closed", "open"):
        estate.clock.advance(timedelta(minutes=1))
        estate.api("alice").send("PATCH", f"/repos/{REPO}/pulls/{pull}", {"state": state})
    turns = estate.reader().events(pull).turns
    assert [one.kind for one in turns] == ["closed", "reopened"]
    assert turns[1].at - turns[0].at == timedelta(minutes=1)


def test_the_test_merge_of_an_open_pull_request_is_no_merge_commit(
    estate: Estate, pull: int
) -> None:
    raw = estate.api("checker").get(f"/repos/{REPO}/pulls/{pull}")
    assert raw["merge_commit_sha"]
    assert estate.reader().pull(pull).merge_commit_sha is None


def test_files_carry_blob_and_former_path(estate: Estate) -> None:
    estate.push(
        "move",
        {
            "README.md": None,
            "READ.md": "hello\n",
            GRANT: "x\n",
            "access/grants/bob/old.yaml": "new\n",
        },
    )
    number = estate.open("move")
    files = {file.path: file for file in estate.reader().files(number)}
    assert {path: file.status for path, file in files.items()} == {
        "READ.md": "renamed",
        GRANT: "added",
        "access/grants/bob/old.yaml": "modified",
    }
    assert files["READ.md"].previous == "README.md"
    head = estate.tip("move")
    local = _clone(estate, "move")
    entries = {entry.path: entry.blob for entry in local.tree(head)}
    assert {path: file.blob for path, file in files.items()} == {
        path: entries[path] for path in files
    }


def test_files_over_several_pages_are_all_listed(estate: Estate) -> None:
    estate.push("many", {f"access/grants/alice/{n}.yaml": "x\n" for n in range(205)})
    number = estate.open("many")
    assert len(estate.reader().files(number)) == 205
    assert estate.sandbox.count("pulls/list-files") == 3


def test_a_list_at_its_cap_is_refused(
    estate: Estate, pull: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(github_module, "FILES_CAP", 1)
    with pytest.raises(Denied, match="split the pull request"):
        estate.reader().files(pull)


def test_a_list_that_somebody_made_longer_than_is_read_is_a_no(
    estate: Estate, pull: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    estate.push("many", {f"access/grants/alice/{n}.yaml": "x\n" for n in range(101)})
    number = estate.open("many")
    for _ in range(101):
        estate.review(pull, "bob", "COMMENT")
    monkeypatch.setattr(api_module, "MOST_PAGES", 1)
    with pytest.raises(Denied, match=r"more than 1 pages; split the pull request"):
        estate.reader().files(number)
    with pytest.raises(Denied, match=r"more than 1 pages; open another pull request"):
        estate.reader().reviews(pull)
    assert estate.reader().pushes_to("many")


def test_more_pushes_than_are_read_are_a_no(
    estate: Estate, pull: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        estate.push("alice/request", {GRANT: f"subject: alice\nmore: {n}\n"})
    monkeypatch.setattr(api_module, "PER_PAGE", 1)
    monkeypatch.setattr(api_module, "MOST_PAGES", 3)
    with pytest.raises(Denied, match="push the branch under a new name"):
        estate.reader().pushes_to("alice/request")


def test_open_pull_requests_are_read_on_beyond_other_lists_and_then_are_a_no(
    estate: Estate, pull: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    estate.push("second", {GRANT: "y\n"})
    estate.open("second")
    monkeypatch.setattr(api_module, "PER_PAGE", 1)
    monkeypatch.setattr(api_module, "MOST_PAGES", 1)
    assert len(estate.reader().open_pulls()) == 2
    monkeypatch.setattr(github_module, "_MOST_PAGES_OF_PULLS", 1)
    with pytest.raises(Denied, match="more than 1 pages; close pull requests"):
        estate.reader().open_pulls()


def test_the_pushes_of_a_month_are_read_on_beyond_other_lists(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed = {estate.push("main", {"README.md": f"{n}\n"}) for n in range(3)}
    monkeypatch.setattr(api_module, "PER_PAGE", 1)
    monkeypatch.setattr(api_module, "MOST_PAGES", 1)
    assert pushed < {one.sha for one in pushes_of(estate)}


def also_lists(estate: Estate, commit: str, branches: Sequence[str], *, merged: bool) -> list[int]:
    """Opens pull requests that GitHub lists for *commit*, which merging them made or not."""
    github = estate.sandbox.repository(REPO)
    numbers = []
    for branch in branches:
        estate.push(branch, {f"{branch}.md": "x\n"}, actor="bob")
        numbers.append(estate.open(branch, "bob"))
        one = github.pulls[numbers[-1]]
        one.state, one.landed = "closed", {commit}
        one.merge_commit_sha = commit if merged else "e" * 40
        one.merged_at = one.closed_at = estate.clock.now()
        one.merged_by = one.author
    return numbers


def test_of_many_pull_requests_for_a_commit_only_those_that_made_it_are_read(
    estate: Estate, pull: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    merged = estate.keeper.merge(pull, sha=estate.tip("alice/request"), title="Grant")
    also_lists(estate, merged, [f"other-{n}" for n in range(3)], merged=False)
    before = estate.sandbox.count("pulls/get")
    assert [one.number for one in estate.reader().pulls_of_commit(merged)] == [pull]
    assert estate.sandbox.count("pulls/get") == before + 1
    twins = also_lists(estate, merged, ["twin-1", "twin-2"], merged=True)
    assert [one.number for one in estate.reader().pulls_of_commit(merged)] == [pull, *twins]
    # Many are not read one by one.
    monkeypatch.setattr(github_module, "_MOST_IN_FULL", 2)
    before = estate.sandbox.count("pulls/get")
    found = estate.reader().pulls_of_commit(merged)
    assert [one.number for one in found] == [pull, *twins]
    assert {one.merge_commit_sha for one in found} == {merged}
    assert estate.sandbox.count("pulls/get") == before


def test_more_pull_requests_for_a_commit_than_are_read_are_a_no(
    estate: Estate, pull: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    merged = estate.keeper.merge(pull, sha=estate.tip("alice/request"), title="Grant")
    also_lists(estate, merged, ["other-1", "other-2"], merged=False)
    monkeypatch.setattr(api_module, "PER_PAGE", 1)
    monkeypatch.setattr(api_module, "MOST_PAGES", 2)
    with pytest.raises(Denied, match="more than 2 pages; bring the change as a new commit"):
        estate.reader().pulls_of_commit(merged)
    # Then it may have been made by a merge.
    monkeypatch.setattr(api_module, "MOST_PAGES", 1)
    pushed = estate.push("main", {"README.md": "again\n"}, actor="bob")
    assert not estate.reader().merge_made(pushed)
    also_lists(estate, pushed, ["other-3", "other-4"], merged=False)
    assert estate.reader().merge_made(pushed)


def test_reviews_are_bound_to_the_commit_reviewed(estate: Estate, pull: int) -> None:
    first = estate.tip("alice/request")
    estate.review(pull, "bob")
    estate.clock.advance(timedelta(minutes=1))
    second = estate.push("alice/request", {GRANT: "changed\n"})
    estate.review(pull, "carol", "COMMENT")
    seen = estate.reader().reviews(pull)
    assert [(r.author, r.state, r.commit, r.submitted_at) for r in seen] == [
        (estate.actor("bob"), "APPROVED", first, NOW),
        (estate.actor("carol"), "COMMENTED", second, NOW + timedelta(minutes=1)),
    ]


def test_changes_of_the_base_and_dismissals_are_told_with_their_times(
    estate: Estate, pull: int
) -> None:
    estate.push("scratch", {"a.txt": "x\n"})
    estate.review(pull, "bob")
    (given,) = estate.reader().reviews(pull)
    api = estate.api("bob")
    api.send("POST", f"/repos/{REPO}/issues/{pull}/comments", {"body": "hello"})
    for base in ("scratch", "main"):
        estate.clock.advance(timedelta(minutes=1))
        api.send("PATCH", f"/repos/{REPO}/pulls/{pull}", {"base": base, "title": "Renamed"})
    estate.clock.advance(timedelta(minutes=1))
    path = f"/repos/{REPO}/pulls/{pull}/reviews/{given.id}/dismissals"
    api.send("PUT", path, {"message": "stale"})
    moments = [NOW + timedelta(minutes=number) for number in (1, 2, 3)]
    assert estate.reader().events(pull) == PullEvents(
        base_changes=tuple(moments[:2]),
        dismissals=(Dismissal(review=given.id, at=moments[2], state="APPROVED"),),
    )


@pytest.mark.parametrize("merged", [True, False])
def test_a_base_that_github_changes_by_itself_is_told_too(estate: Estate, merged: bool) -> None:
    estate.push("below", {"a.txt": "x\n"})
    estate.push("above", {GRANT: "subject: alice\n"})
    api, root = estate.api("alice"), f"/repos/{REPO}"
    below = estate.open("below")
    body = {"title": "Above", "head": "above", "base": "below"}
    above = api.send("POST", f"{root}/pulls", body)["number"]
    if merged:
        api.send("PUT", f"{root}/pulls/{below}/merge", {"merge_method": "squash"})
    estate.clock.advance(timedelta(minutes=1))
    api.send("DELETE", f"{root}/git/refs/heads/below", {})
    found = estate.reader().pull(above)
    assert (found.base_ref, found.state) == (("main", "open") if merged else ("below", "closed"))
    changes = (NOW + timedelta(minutes=1),) if merged else ()
    assert estate.reader().events(above).base_changes == changes


def test_a_deleted_reviewer_has_no_account(estate: Estate, pull: int) -> None:
    estate.review(pull, "bob")
    estate.sandbox.delete_user("bob")
    assert [review.author for review in estate.reader().reviews(pull)] == [None]


def test_a_review_not_yet_submitted_is_no_review(estate: Estate, pull: int) -> None:
    estate.api("bob").send("POST", f"/repos/{REPO}/pulls/{pull}/reviews", {"body": "draft"})
    own = GitHubReader(REPO, estate.tokens["bob"], api_url=estate.api_url, pace=False)
    assert own.reviews(pull) == ()


def pushers(reader: GitHubReader, branch: str = "alice/request") -> list[Actor | None]:
    """Returns who set *branch* to something, push by push."""
    return [push.by for push in reader.pushes_to(branch)]


def test_pushers_are_who_pushed_whatever_commits_claim(estate: Estate, pull: int) -> None:
    estate.push("alice/request", {GRANT: "changed\n"}, actor="bob", author="alice")
    reader = estate.reader()
    reader.pull(pull)
    assert pushers(reader) == [estate.actor("alice"), estate.actor("bob")]


def test_a_force_push_is_a_push(estate: Estate, pull: int) -> None:
    main = estate.tip("main")
    estate.api("bob").send(
        "PATCH",
        f"/repos/{REPO}/git/refs/heads/alice/request",
        {"sha": main, "force": True},
    )
    assert estate.actor("bob") in pushers(estate.reader())


def test_pushes_of_other_branches_do_not_count(estate: Estate, pull: int) -> None:
    estate.push("alice/request-2", {GRANT: "x\n"}, actor="bob")
    assert pushers(estate.reader()) == [estate.actor("alice")]


def test_a_branch_that_looks_like_an_option_keeps_its_pushers(estate: Estate) -> None:
    for branch in ("--upload-pack=x", "a&ref=refs/heads/main", "ünï/x#y"):
        estate.push(branch, {GRANT: f"{branch}\n"}, actor="bob")
        number = estate.open(branch)
        reader = estate.reader()
        assert reader.pull(number).head_ref == branch
        assert pushers(reader, branch) == [estate.actor("bob")]
        assert reader.tip(branch) == reader.pull(number).head_sha


def test_many_pushes_are_followed_over_pages(estate: Estate, pull: int) -> None:
    estate.push("alice/request", {GRANT: "by bob\n"}, actor="bob")
    for n in range(101):
        estate.push("alice/request", {GRANT: f"{n}\n"})
    assert estate.actor("bob") in pushers(estate.reader())
    assert estate.sandbox.count("repos/list-activities") == 2


def test_a_branch_without_known_pushes_denies(estate: Estate) -> None:
    with pytest.raises(ForgeError, match="does not say who pushed nowhere"):
        estate.reader().pushes_to("nowhere")


def test_a_head_that_no_push_explains_denies(estate: Estate, pull: int) -> None:
    # GitHub's list may lag: the push that made the head is not there yet.
    reader = estate.reader()
    reader.pull(pull)
    del estate.sandbox.repository(REPO).activities[-1]
    with pytest.raises(ForgeError, match="does not say who pushed"):
        reader.pushes_to("alice/request")


def test_a_pusher_whose_account_is_gone_denies(estate: Estate, pull: int) -> None:
    estate.push("alice/request", {GRANT: "changed\n"}, actor="bob")
    estate.sandbox.delete_user("bob")
    reader = estate.reader()
    assert pushers(reader) == [estate.actor("alice"), None]
    with pytest.raises(Denied, match="an account that is gone pushed"):
        pushers_of(reader, reader.pull(pull), every_push)


def test_team_membership_is_active_children_included(estate: Estate) -> None:
    reader = estate.reader()
    expected = {"alice": True, "bob": True, "carol": False, "outsider": False}
    assert {
        login: reader.in_team(estate.team("payments-leads"), estate.actor(login))
        for login in expected
    } == expected
    assert not reader.in_team(estate.team("payments-night"), estate.actor("bob"))


def pinned(slug: str, number: int) -> Team:
    return Team(slug=slug, id=number, title="As declared")


def test_a_team_is_shown_by_its_slug_and_its_id_together(estate: Estate) -> None:
    leads, reader = estate.team("payments-leads"), estate.reader()
    assert reader.shows_team(leads)
    assert not reader.shows_team(pinned("no-such-team", leads.id))
    assert not reader.in_team(pinned("no-such-team", leads.id), estate.actor("bob"))
    other = pinned("payments-leads", leads.id + 1)
    assert not reader.shows_team(other)
    assert not reader.in_team(other, estate.actor("bob"))
    # However often it is asked about, by whatever id.
    assert estate.sandbox.count("teams/get-by-name") == 2


def test_nobody_is_in_a_team_that_was_renamed_or_made_anew_by_somebody_else(
    estate: Estate,
) -> None:
    leads, sandbox = estate.team("payments-leads"), estate.sandbox
    sandbox.rename_team("acme", "payments-leads", "payments-owners")
    assert not estate.reader().in_team(leads, estate.actor("bob"))
    assert estate.reader().in_team(pinned("payments-owners", leads.id), estate.actor("bob"))
    sandbox.create_team("acme", "payments-leads", ["carol"])
    assert not estate.reader().in_team(leads, estate.actor("carol"))
    sandbox.delete_team("acme", "payments-leads")
    assert not estate.reader().shows_team(leads)


@pytest.mark.parametrize("name", ["../../repos", "Contractors", "acme/payments-leads", "", " "])
def test_nobody_is_in_a_team_whose_name_is_no_slug(estate: Estate, name: str) -> None:
    # A word in the settings that is wrong on every try is a no, not an outage for everybody.
    assert not estate.reader().in_team(pinned(name, 1), estate.actor("bob"))
    assert estate.sandbox.count("teams/.*") == 0


def test_membership_is_asked_once_per_reader(estate: Estate) -> None:
    reader = estate.reader()
    for _ in range(3):
        assert reader.in_team(estate.team("payments-leads"), estate.actor("bob"))
        assert reader.can_write(estate.actor("bob"))
    assert estate.sandbox.count("teams/get-by-name") == 1
    assert estate.sandbox.count("teams/get-membership-for-user-in-org") == 1
    assert estate.sandbox.count("repos/get-collaborator-permission-level") == 1
    estate.sandbox.set_membership("acme", "payments-leads", "bob", None)
    assert not estate.reader().in_team(estate.team("payments-leads"), estate.actor("bob"))


def test_an_outage_is_not_a_no(estate: Estate) -> None:
    estate.sandbox.fail_next("teams/.*", 502)
    with pytest.raises(ForgeError, match="502"):
        estate.reader().in_team(estate.team("payments-leads"), estate.actor("bob"))


def test_only_writers_can_write(estate: Estate) -> None:
    reader = estate.reader()
    expected = {"alice": True, "bob": True, "carol": False, "outsider": False}
    assert {login: reader.can_write(estate.actor(login)) for login in expected} == expected


def test_a_login_taken_over_is_someone_else(estate: Estate) -> None:
    before = estate.actor("carol")
    estate.sandbox.rename_user("carol", to="carol2")
    estate.sandbox.create_user("carol")
    estate.sandbox.set_collaborator(REPO, "carol", "admin")
    assert not estate.reader().can_write(before)


def test_an_account_is_found_by_its_id_whatever_its_login(estate: Estate) -> None:
    bob, carol = estate.actor("bob"), estate.actor("carol")
    assert estate.reader().account(bob.id) == bob
    estate.sandbox.rename_user("carol", to="carol2")
    estate.sandbox.create_user("carol")
    assert estate.reader().account(carol.id) == Actor(id=carol.id, login="carol2", type="User")
    reader = estate.reader()
    for _ in range(3):
        assert reader.account(10**9) is None
    assert estate.sandbox.count("users/get-by-id") == 3


def test_an_account_that_is_gone_is_none_and_an_outage_is_not(estate: Estate) -> None:
    bob = estate.actor("bob")
    estate.sandbox.fail_next("users/.*", 502)
    with pytest.raises(ForgeError, match="502"):
        estate.reader().account(bob.id)
    estate.sandbox.delete_user("bob")
    assert estate.reader().account(bob.id) is None


def test_merging_is_bound_to_the_judged_head(estate: Estate, pull: int) -> None:
    judged = estate.tip("alice/request")
    estate.push("alice/request", {GRANT: "wider\n"})
    with pytest.raises(ForgeError, match=f"head moved from {judged[:7]}"):
        estate.keeper.merge(pull, sha=judged, title="Grant")
    assert estate.reader().pull(pull).merged_at is None


@pytest.mark.parametrize("method, parents", [("squash", 1), ("merge", 2)])
def test_a_merge_is_read_back_as_one_pull_request(
    estate: Estate, pull: int, method: str, parents: int
) -> None:
    head = estate.tip("alice/request")
    estate.clock.advance(timedelta(minutes=3))
    merged = estate.keeper.merge(pull, sha=head, method=method, title="Grant (#1)")
    assert merged == estate.tip("main")
    (found,) = estate.reader().pulls_of_commit(merged)
    assert (found.number, found.merge_commit_sha, found.head_sha) == (pull, merged, head)
    assert found.merged_at == NOW + timedelta(minutes=3)
    assert found.merged_by == estate.actor("keeper[bot]")
    local = _clone(estate, method)
    (commit,) = local.mainline(merged)[-1:]
    assert (commit.sha, len(commit.parents)) == (merged, parents)
    assert [change.path for change in commit.changes] == [GRANT]


def test_merging_what_is_merged_succeeds_quietly(estate: Estate, pull: int) -> None:
    head = estate.tip("alice/request")
    estate.sandbox.fail_next("pulls/merge", 502, after=True)
    with pytest.raises(ForgeError, match="502"):
        estate.keeper.merge(pull, sha=head, title="Grant")
    assert estate.keeper.merge(pull, sha=head, title="Grant") == estate.tip("main")
    other = estate.tip("main")
    with pytest.raises(ForgeError, match="head moved"):
        estate.keeper.merge(pull, sha=other, title="Grant")


def test_a_rebase_merge_is_refused_before_it_is_asked_for(estate: Estate, pull: int) -> None:
    with pytest.raises(ForgeError, match="cannot be proven"):
        estate.keeper.merge(pull, sha=estate.tip("alice/request"), method="rebase", title="x")
    assert estate.sandbox.count("pulls/merge") == 0


def test_a_reading_token_cannot_merge(estate: Estate, pull: int) -> None:
    with pytest.raises(GitHubRefused) as caught:
        estate.checker.merge(pull, sha=estate.tip("alice/request"), title="x")
    assert caught.value.status == 403
    assert "permission" in caught.value.hint


def test_a_direct_push_belongs_to_no_pull_request(estate: Estate) -> None:
    pushed = estate.push("main", {GRANT: "sneaky\n"})
    assert estate.reader().pulls_of_commit(pushed) == ()


def test_a_check_run_carries_every_annotation(estate: Estate, pull: int) -> None:
    head = estate.tip("alice/request")
    remarks = [
        Annotation(path=GRANT, line=n + 1, column=1, level="failure", message=f"problem {n}")
        for n in range(120)
    ]
    number = estate.checker.check_run(
        head,
        name="daypass",
        conclusion="failure",
        title="Denied",
        summary="s" * 70_000,
        annotations=remarks,
    )
    run = estate.api("checker").get(f"/repos/{REPO}/check-runs/{number}")
    assert (run["conclusion"], run["head_sha"]) == ("failure", head)
    assert run["output"]["annotations_count"] == 120
    assert estate.sandbox.count("checks/create") == 1
    assert estate.sandbox.count("checks/update") == 2


def test_a_check_run_without_remarks_is_one_request(estate: Estate, pull: int) -> None:
    estate.checker.check_run(
        estate.tip("alice/request"),
        name="daypass",
        conclusion="success",
        title="Allowed",
        summary="fine",
    )
    assert estate.sandbox.count("checks/.*") == 1


def test_check_runs_are_read_over_pages(estate: Estate, pull: int) -> None:
    head = estate.tip("alice/request")
    app = estate.sandbox.integration_id("checker")
    assert estate.reader().check_runs(head, name="daypass", app=app) == ()
    posted = [
        estate.checker.check_run(
            head, name="daypass", conclusion="success", title=str(n), summary="", external_id=str(n)
        )
        for n in range(101)
    ]
    runs = estate.reader().check_runs(head, name="daypass", app=app)
    assert [run.id for run in runs] == posted
    assert estate.sandbox.count("checks/list-for-ref") == 3


def test_one_comment_is_edited_in_place_and_left_alone_when_unchanged(
    estate: Estate, pull: int
) -> None:
    def say(body: str) -> int:
        return estate.checker.comment(pull, marker="check", body=body, bot_id=estate.bot_id)

    first = say("waiting")
    assert say("waiting") == first
    assert estate.sandbox.count("issues/update-comment") == 0
    assert say("allowed") == first
    assert estate.sandbox.count("issues/update-comment") == 1
    (comment,) = estate.reader().comments(pull)
    assert comment.body == "<!-- daypass:check -->\nallowed"
    assert comment.author == estate.actor("checker[bot]")


def test_a_marker_in_someone_elses_comment_is_not_ours(estate: Estate, pull: int) -> None:
    forged = "<!-- daypass:check -->\n**approved**"
    estate.api("alice").send("POST", f"/repos/{REPO}/issues/{pull}/comments", {"body": forged})
    estate.checker.comment(pull, marker="check", body="denied", bot_id=estate.bot_id)
    assert [c.body for c in estate.reader().comments(pull)] == [
        forged,
        "<!-- daypass:check -->\ndenied",
    ]


def test_two_markers_are_two_comments(estate: Estate, pull: int) -> None:
    ids = {
        estate.checker.comment(pull, marker=marker, body="x", bot_id=estate.bot_id)
        for marker in ("check", "result")
    }
    assert len(ids) == 2
    with pytest.raises(ForgeError, match="no marker"):
        estate.checker.comment(pull, marker="x -->", body="x", bot_id=estate.bot_id)


def test_a_body_too_long_is_cut_and_says_so(estate: Estate, pull: int) -> None:
    body = "```\n" + "x" * BODY_CAP
    estate.checker.comment(pull, marker="check", body=body, bot_id=estate.bot_id)
    (comment,) = estate.reader().comments(pull)
    assert len(comment.body) <= BODY_CAP
    assert comment.body.count("```") == 2
    assert "Cut here" in comment.body
    assert shortened("short", 10) == "short"


def _revert(estate: Estate, *paths: str, title: str = "Lapsed") -> int:
    return estate.keeper.open_pull(
        "daypass/lapsed",
        base="main",
        base_sha=estate.tip("main"),
        title=title,
        body="what lapsed",
        delete=paths,
    )


def test_a_revert_deletes_exactly_the_files_named(estate: Estate) -> None:
    estate.push("main", {GRANT: "x\n", "access/grants/alice/b.yaml": "y\n"}, actor="bob")
    number = _revert(estate, GRANT, "access/grants/bob/old.yaml")
    assert {(f.path, f.status) for f in estate.reader().files(number)} == {
        (GRANT, "removed"),
        ("access/grants/bob/old.yaml", "removed"),
    }
    found = estate.reader().pull(number)
    assert found.author == estate.actor("keeper[bot]")
    assert pushers(estate.reader(), "daypass/lapsed") == [estate.actor("keeper[bot]")]
    commit = estate.api("checker").get(f"/repos/{REPO}/git/commits/{found.head_sha}")
    assert commit["verification"]["verified"] is True


def test_a_revert_asked_for_again_changes_nothing(estate: Estate) -> None:
    first = _revert(estate, "access/grants/bob/old.yaml")
    head = estate.tip("daypass/lapsed")
    estate.clock.advance(timedelta(hours=1))
    assert _revert(estate, "access/grants/bob/old.yaml") == first
    assert estate.tip("daypass/lapsed") == head
    assert estate.sandbox.count("pulls/create") == 1
    assert estate.sandbox.count("pulls/update") == 0


def test_a_revert_is_brought_up_to_date_in_its_pull_request(estate: Estate) -> None:
    first = _revert(estate, "access/grants/bob/old.yaml")
    estate.push("main", {GRANT: "x\n"}, actor="bob")
    # Someone else's push to our branch is replaced, not merged by accident.
    estate.push("daypass/lapsed", {"policies/evil.rego": "x\n"}, actor="alice")
    assert _revert(estate, "access/grants/bob/old.yaml", GRANT, title="Two lapsed") == first
    assert {f.path for f in estate.reader().files(first)} == {GRANT, "access/grants/bob/old.yaml"}
    assert estate.api("checker").get(f"/repos/{REPO}/pulls/{first}")["title"] == "Two lapsed"


def test_a_revert_after_a_closed_one_is_a_new_pull_request(estate: Estate) -> None:
    first = _revert(estate, "access/grants/bob/old.yaml")
    estate.api("bob").send("PATCH", f"/repos/{REPO}/pulls/{first}", {"state": "closed"})
    second = _revert(estate, "access/grants/bob/old.yaml")
    assert second != first
    assert [p.number for p in estate.reader().open_pulls(head="daypass/lapsed")] == [second]
    assert estate.reader().open_pulls(head="nothing") == ()
    assert [p.number for p in estate.reader().open_pulls(base="main")] == [second]


def test_a_revert_of_nothing_or_of_what_is_not_there_is_refused(estate: Estate) -> None:
    with pytest.raises(ForgeError, match="changes nothing"):
        _revert(estate)
    with pytest.raises(ForgeError, match="422"):
        _revert(estate, "access/grants/nobody/x.yaml")
    with pytest.raises(ForgeError, match="no path inside"):
        _revert(estate, "../x")


def test_a_pull_request_may_bring_files(estate: Estate) -> None:
    review = "access/reviews/alice/fire.yaml"
    number = estate.keeper.open_pull(
        "daypass/review-1",
        base="main",
        base_sha=estate.tip("main"),
        title="Review",
        body="",
        write={review: "grant: alice/fire\n"},
    )
    assert {(f.path, f.status) for f in estate.reader().files(number)} == {(review, "added")}


def test_the_audit_branch_begins_without_a_parent_and_moves_forward(estate: Estate) -> None:
    first = estate.keeper.append("daypass/audit", {"2026/11.jsonl": "1\n"}, "intent", parent=None)
    second = estate.keeper.append(
        "daypass/audit", {"2026/11.jsonl": "1\n2\n", "2026/12.jsonl": "3\n"}, "out", parent=first
    )
    assert estate.tip("daypass/audit") == second
    local = _clone(estate, "audit", "daypass/audit")
    chain = local.mainline(second)
    assert [(c.sha, c.parents) for c in chain] == [(first, ()), (second, (first,))]
    assert local.read((second, "2026/11.jsonl"), limit=100) == b"1\n2\n"
    assert [entry.path for entry in local.tree(second)] == ["2026/11.jsonl", "2026/12.jsonl"]
    signed = estate.api("checker").get(f"/repos/{REPO}/git/commits/{second}")
    assert signed["verification"]["verified"] is True


def test_a_lost_race_for_the_audit_branch_is_told_apart(estate: Estate) -> None:
    first = estate.keeper.append("daypass/audit", {"a": "1\n"}, "1", parent=None)
    won = estate.keeper.append("daypass/audit", {"a": "1\n2\n"}, "2", parent=first)
    estate.clock.advance(timedelta(seconds=1))
    with pytest.raises(RefMoved):
        estate.keeper.append("daypass/audit", {"a": "1\nX\n"}, "lost", parent=first)
    with pytest.raises(RefMoved):
        estate.keeper.append("daypass/audit", {"a": "new\n"}, "again", parent=None)
    assert estate.tip("daypass/audit") == won


@pytest.mark.parametrize("again", ["create", "update"])
def test_an_answer_lost_after_the_audit_branch_moved_is_no_race(estate: Estate, again: str) -> None:
    parent = None
    if again == "update":
        parent = estate.keeper.append("daypass/audit", {"a": "1\n"}, "1", parent=None)
    estate.sandbox.fail_next(f"git/{again}-ref", 422, after=True)
    made = estate.keeper.append("daypass/audit", {"a": "1\n2\n"}, "2", parent=parent)
    assert estate.tip("daypass/audit") == made


def test_a_refusal_is_not_taken_for_a_race(estate: Estate) -> None:
    first = estate.keeper.append("daypass/audit", {"a": "1\n"}, "1", parent=None)
    estate.sandbox.fail_next("git/update-ref", 422)
    with pytest.raises(GitHubRefused):
        estate.keeper.append("daypass/audit", {"a": "2\n"}, "2", parent=first)
    with pytest.raises(ForgeError, match="without files"):
        estate.keeper.append("daypass/audit", {}, "2", parent=first)


def test_a_branch_is_deleted_once_and_then_quietly(estate: Estate, pull: int) -> None:
    estate.keeper.delete_branch("alice/request")
    estate.keeper.delete_branch("alice/request")
    assert estate.reader().tip("alice/request") is None
    with pytest.raises(ForgeError):
        estate.keeper.delete_branch("main")


def test_a_token_is_in_no_message(estate: Estate) -> None:
    token = "ghs_not_a_real_token_0123456789"
    wrong = GitHubReader(REPO, token, api_url=estate.api_url, pace=False)
    with pytest.raises(ForgeError) as caught:
        wrong.pull(1)
    assert "401" in str(caught.value)
    assert token not in str(caught.value)
    closed = GitHubReader(REPO, token, api_url="http://127.0.0.1:1", pace=False)
    with pytest.raises(ForgeError, match="did not answer") as unreachable:
        closed.pull(1)
    assert token not in str(unreachable.value)


@pytest.mark.parametrize(
    "repository, token, url",
    [
        ("acme", "t", "https://api.github.com"),
        ("acme/x/y", "t", "https://api.github.com"),
        ("acme/access?x", "t", "https://api.github.com"),
        ("acme/access", "", "https://api.github.com"),
        ("acme/access", "a\nb", "https://api.github.com"),
        ("acme/access", "t", "http://api.github.com"),
        ("acme/access", "t", "https://user:secret@api.github.com"),
    ],
)
def test_what_could_lead_elsewhere_is_refused(repository: str, token: str, url: str) -> None:
    with pytest.raises(ForgeError):
        GitHubReader(repository, token, api_url=url)


def test_a_missing_pull_request_says_where(estate: Estate) -> None:
    with pytest.raises(GitHubRefused, match=f"404 to GET /repos/{REPO}/pulls/99") as caught:
        estate.reader().pull(99)
    assert "may not see it" in caught.value.hint


def test_a_paced_read_is_tried_again_and_a_write_is_not(estate: Estate, pull: int) -> None:
    paced = Api(REPO, estate.tokens["checker"], api_url=estate.api_url, pace=True)
    estate.sandbox.fail_next("repos/get", 502)
    assert paced.get(f"/repos/{REPO}")["default_branch"] == "main"
    writing = Api(REPO, estate.tokens["checker"], api_url=estate.api_url, pace=True)
    estate.sandbox.fail_next("issues/create-comment", 502, after=True)
    with pytest.raises(GitHubRefused, match="502"):
        writing.send("POST", f"/repos/{REPO}/issues/{pull}/comments", {"body": "once"})
    assert [comment.body for comment in estate.reader().comments(pull)] == ["once"]


def test_an_answer_without_a_fact_is_no_answer() -> None:
    whole = {"a": {"n": 1, "t": "x", "when": "2026-11-20T12:00:00Z"}}
    assert moment_at(whole, "a", "when") == NOW
    bad: tuple[Callable[[], object], ...] = (
        lambda: text_at(whole, "a", "n"),
        lambda: text_at(whole, "b"),
        lambda: text_at([], "a"),
        lambda: number_at(whole, "a", "t"),
        lambda: number_at({"n": True}, "n"),
        lambda: moment_at(whole, "a", "t"),
        lambda: moment_at({"w": "2026-11-20T12:00:00"}, "w"),
    )
    for read in bad:
        with pytest.raises(ForgeError, match="GitHub's"):
            read()


def test_the_default_branch_is_known(estate: Estate) -> None:
    assert estate.reader().default_branch() == "main"


def test_git_fetches_a_private_repository_with_a_token_only(
    estate: Estate, pull: int, tmp_path: Path
) -> None:
    url = estate.sandbox.clone_url(REPO)
    local = _bare(tmp_path / "local")
    spec = [f"+refs/pull/{pull}/head:refs/daypass/pull/{pull}"]
    with pytest.raises(ForgeError):
        local.fetch(url, spec)
    token = estate.tokens["checker"]
    local.fetch(url, spec, token=token)
    head = local.resolve(f"refs/daypass/pull/{pull}")
    assert head == estate.reader().pull(pull).head_sha
    assert local.read((head, GRANT), limit=100) == b"subject: alice\n"
    config = (tmp_path / "local/config").read_text()
    assert token not in config
    with pytest.raises(ForgeError) as caught:
        local.fetch(url, ["refs/pull/99/head:refs/daypass/pull/99"], token=token)
    assert token not in str(caught.value)


def test_approvals_are_gathered_and_counted_over_the_real_client(estate: Estate, pull: int) -> None:
    people = {
        name: Principal(
            name=name,
            kind=PrincipalKind.PERSON,
            github=name,
            github_id=estate.sandbox.account(name).id,
        )
        for name in ("alice", "bob", "carol")
    }
    teams = {"payments-leads": estate.team("payments-leads")}
    catalogue = Catalogue(principals=people, targets={}, roles={}, teams=teams)
    required = [Requirement(id="o", teams=("payments-leads",), count=1, because="medium risk")]

    def complete() -> tuple[bool, list[str]]:
        reader = estate.reader()
        found = reader.pull(pull)
        gathered = gather(
            reader, found, catalogue, required, checker=Checker(name="daypass", app=77)
        )
        approvals = tally(
            gathered.reviews,
            head=found.head_sha,
            required=required,
            electorate=gathered.electorate,
            excluded=gathered.excluded,
            at=estate.clock.now(),
            on_show=[(datetime(2000, 1, 1, tzinfo=UTC), None)],
            merged_at=found.merged_at,
        )
        return approvals.complete, [one.why for one in approvals.rejected]

    estate.review(pull, "carol")
    assert complete() == (False, ["carol has no write permission on the repository"])
    estate.review(pull, "bob")
    assert complete()[0]
    judged = estate.tip("alice/request")
    head = estate.push("alice/request", {GRANT: "wider\n"})
    assert f"bob approved {judged[:7]}, head is {head[:7]}" in complete()[1]
    estate.review(pull, "bob")
    assert complete()[0]
    # bob pushes under alice's name, then approves his own push.
    estate.push("alice/request", {GRANT: "by bob\n"}, actor="bob", author="alice")
    estate.review(pull, "bob")
    done, why = complete()
    assert not done
    assert any("bob pushed to its branch" in reason for reason in why)


def _bare(path: Path) -> Repository:
    path.mkdir()
    subprocess.run(
        ["git", "init", "--quiet", "--bare", "--initial-branch=main", str(path)],
        check=True,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "GIT_CONFIG_GLOBAL": "/dev/null"},
    )
    return Repository(path)


def _clone(estate: Estate, name: str, branch: str = "main") -> Repository:
    """Fetches *branch* and every head of the stand-in's repository into one of our own."""
    server = estate.sandbox.repository(REPO).git.path
    local = _bare(server.parent / f"local-{name}")
    local.fetch(str(server), ["+refs/heads/*:refs/remotes/origin/*"])
    assert local.resolve(f"refs/remotes/origin/{branch}") == estate.tip(branch)
    return local


def test_a_merge_is_found_while_the_list_of_its_commit_lacks_it(tmp_path: Path) -> None:
    with founded(tmp_path, lag=LAG) as estate:
        head = estate.push("alice/request", {GRANT: "subject: alice\n"})
        number = estate.open("alice/request")
        merged = estate.keeper.merge(number, sha=head, title="Grant")
        assert estate.api("checker").get(f"/repos/{REPO}/commits/{merged}/pulls") == []
        (found,) = estate.reader().pulls_of_commit(merged)
        assert (found.number, found.merge_commit_sha) == (number, merged)
        assert estate.reader().merge_made(merged)
        estate.clock.advance(LAG)
        assert [one.number for one in estate.reader().pulls_of_commit(merged)] == [number]


def test_who_pushed_is_not_known_before_the_log_shows_it(tmp_path: Path) -> None:
    with founded(tmp_path, lag=LAG) as estate:
        estate.push("alice/request", {GRANT: "subject: alice\n"})
        number = estate.open("alice/request")
        reader = estate.reader()
        reader.pull(number)
        with pytest.raises(Incomplete, match="GitHub does not say who pushed"):
            reader.pushes_to("alice/request")
        estate.clock.advance(LAG)
        assert pushers(reader) == [estate.actor("alice")]


def test_who_pushed_is_asked_again_while_there_is_time(tmp_path: Path) -> None:
    with founded(tmp_path, lag=LAG) as estate:
        estate.push("alice/request", {GRANT: "subject: alice\n"})
        number = estate.open("alice/request")
        waited: list[str] = []

        def wait() -> bool:
            waited.append("a second")
            estate.clock.advance(timedelta(seconds=1))
            return True

        reader = GitHubReader(
            REPO, estate.tokens["checker"], api_url=estate.api_url, pace=False, wait=wait
        )
        reader.pull(number)
        assert pushers(reader) == [estate.actor("alice")]
        assert len(waited) == 3
        assert pushers(reader) == [estate.actor("alice")]
        assert len(waited) == 3


def test_a_merge_is_among_the_pushes_while_the_log_lacks_it(tmp_path: Path) -> None:
    with founded(tmp_path, lag=LAG) as estate:
        estate.clock.advance(LAG)
        before = pushes_of(estate)
        head = estate.push("alice/request", {GRANT: "subject: alice\n"})
        number = estate.open("alice/request")
        merged = estate.keeper.merge(number, sha=head, title="Grant")
        found = pushes_of(estate)
        assert [*before, Push(sha=merged, at=NOW + LAG, by=None)] == list(found)
        assert pushes_of(estate, "other") == ()
        later = estate.reader().pushes("main", merged_since=NOW + 2 * LAG)
        assert list(later) == list(before)
        estate.clock.advance(LAG)
        assert [push.sha for push in pushes_of(estate)][-1] == merged
        assert len(pushes_of(estate)) == len(found)
