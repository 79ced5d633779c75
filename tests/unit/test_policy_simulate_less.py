"""`daypass policy simulate` over what takes access away: deletions and smaller grants."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.grants.catalogue import entitlements
from pipeline.grants.parse import parse_grant
from pipeline.history.proven import Proven
from pipeline.history.sources import Sources
from pipeline.judge.assess import Assessor
from pipeline.judge.rulebook import Trial
from pipeline.policy.rego import RegorusEngine
from pipeline.policy_tools.replay import Replay, replayed_versions
from pipeline.policy_tools.simulate import ReplayedQuestion
from pipeline.values.grant import window_of
from pipeline.values.pull_request import Actor, Checker, PullRequest
from tests.unit.support_reviews import Desk
from tests.unit.support_simulate import DATABASE, LOGS, Scene, grant, only_flip

RULE = "access/rules/less_access/less_access.rego"
ROLES = "access/roles/gcp.yaml"


@pytest.fixture
def scene(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Scene:
    return Scene(tmp_path, capsys)


def ask_owners_about_less(scene: Scene) -> None:
    """Has the changed policies want an approval for less access, whoever asks."""
    file = scene.changed / RULE
    text = file.read_text("utf-8")
    changed = text.replace("\tnot request.has_a_say\n", "").replace(
        "\trequest.takes_away\n\trequest.has_a_say\n", "\trequest.takes_away\n\tfalse\n"
    )
    assert changed.count("request.has_a_say") == text.count("request.has_a_say") - 2
    file.write_text(changed, "utf-8")


def test_a_deletion_that_would_have_to_wait_is_a_flip(scene: Scene) -> None:
    scene.merge(LOGS, grant())
    gone = scene.remove(LOGS)
    ask_owners_about_less(scene)
    code, document = scene.document()
    one = only_flip(document)
    assert code == 1
    assert (one["id"], one["commit"], one["change"]) == ("alice/logs", gone, "delete")
    assert one["flip"]["turns"] == ["waits-for-people", "more-reviewers"]
    assert one["before"]["why"] == "it takes access away, asked by somebody with a say in it"
    assert [step["id"] for step in one["after"]["approvals"]] == ["less-access"]
    assert one["after"]["approvals"][0]["teams"] == ["payments-leads"]
    _, out, _ = scene.simulate()
    assert f"{gone[:7]} delete" in out.splitlines()[1]


def test_a_smaller_grant_that_would_have_to_wait_is_a_flip(scene: Scene) -> None:
    scene.merge(LOGS, grant())
    less = scene.merge(LOGS, grant(duration="20m"))
    ask_owners_about_less(scene)
    code, document = scene.document()
    one = only_flip(document)
    assert (code, one["commit"], one["change"]) == (1, less, "narrow")
    assert f"{less[:7]} narrow" in scene.simulate()[1]


def test_changes_are_counted_by_what_they_are(scene: Scene) -> None:
    scene.merge(LOGS, grant())
    scene.merge(LOGS, grant(duration="20m"))
    scene.merge(LOGS, grant(duration="1h"))
    scene.remove(LOGS)
    _, document = scene.document()
    counts = {"create": 1, "widen": 1, "narrow": 1, "delete": 1, "same": 0}
    assert document["changes"] == counts
    assert "4 judged, no flips; less access among them: 1 narrow, 1 delete\n" in scene.simulate()[1]


def test_a_deletion_counts_where_history_is_limited(scene: Scene) -> None:
    first = scene.merge(LOGS, grant())
    gone = scene.remove(LOGS)
    for limit in (("--since", first), ("--last", "1")):
        _, document = scene.document("--policies", str(scene.changed), *limit)
        assert [one["commit"] for one in document["grants"]] == [gone]


def test_the_end_of_what_never_was_a_grant_is_told(scene: Scene) -> None:
    scene.merge(LOGS, grant())
    scene.merge(DATABASE, "subject: [")
    gone = scene.remove(DATABASE)
    _, document = scene.document()
    told = {one["commit"]: one["reason"] for one in document["not_judged"]}
    assert told[gone] == "what it deletes was no grant, so it gave nothing"


def test_a_grant_deleted_while_broken_is_no_grant(scene: Scene) -> None:
    scene.merge(LOGS, grant())
    scene.merge(LOGS, "subject: [")
    gone = scene.remove(LOGS)
    _, document = scene.document()
    assert gone in {one["commit"] for one in document["not_judged"]}


def test_a_deletion_is_judged_by_the_last_catalogue_that_can_be_read(scene: Scene) -> None:
    good = (scene.work.path / ROLES).read_text("utf-8")
    scene.merge(LOGS, grant())
    scene.merge(ROLES, "log-viewer: {}\n")
    gone = scene.remove(LOGS)
    scene.merge(ROLES, good)
    ask_owners_about_less(scene)
    _, document = scene.document()
    one = only_flip(document)
    assert (one["commit"], one["after"]["verdict"]) == (gone, "needs approvals")
    assert one["after"]["approvals"][0]["teams"] == ["payments-leads"]


def test_a_deletion_of_what_the_catalogue_knows_no_more_is_judged(scene: Scene) -> None:
    good = (scene.work.path / ROLES).read_text("utf-8")
    scene.merge(LOGS, grant())
    scene.merge(ROLES, good.replace("log-viewer:", "log-reader:"))
    gone = scene.remove(LOGS)
    ask_owners_about_less(scene)
    _, document = scene.document()
    one = only_flip(document)
    assert (one["commit"], one["after"]["verdict"]) == (gone, "needs approvals")
    # Nobody owns what is not known: security is asked.
    assert one["after"]["approvals"][0]["teams"] == ["security"]


def test_a_deletion_before_which_no_catalogue_can_be_read_is_told(scene: Scene) -> None:
    good = (scene.work.path / ROLES).read_text("utf-8")
    (scene.work.path / ROLES).write_text("log-viewer: {}\n", "utf-8")
    scene.work.git("add", "--all")
    scene.work.git("commit", "--quiet", "--amend", "--message", "root")
    scene.merge(LOGS, grant())
    gone = scene.remove(LOGS)
    scene.merge(ROLES, good)
    code, document = scene.document()
    told = {one["commit"]: one["reason"] for one in document["not_judged"]}
    assert (code, told[gone]) == (3, "no catalogue before it can be read")


class Listening:
    """The embedded engine, which keeps what it is asked."""

    name = "regorus"

    def __init__(self, engine: RegorusEngine) -> None:
        self._engine = engine
        self.asked: list[Mapping[str, Any]] = []

    def decide(self, document: Mapping[str, Any]) -> object:
        self.asked.append(document)
        return self._engine.decide(document)


@pytest.mark.parametrize("roles", ["as they were", "another", "none that is known", "broken"])
@pytest.mark.parametrize("change", ["delete", "narrow"])
def test_it_asks_what_a_pull_request_would_ask(scene: Scene, change: str, roles: str) -> None:
    scene.merge(DATABASE, grant(target="aws/sandbox-dev", role="rds-reader"))
    begun = base = scene.merge(LOGS, grant())
    good = (scene.work.path / ROLES).read_text("utf-8")
    since = {
        "another": good.replace("roles/logging.viewer", "roles/logging.admin"),
        "none that is known": good.replace("log-viewer:", "log-reader:"),
        "broken": "log-viewer: {}\n",
    }
    if roles in since:
        base = scene.merge(ROLES, since[roles])
    tip = scene.remove(LOGS) if change == "delete" else scene.merge(LOGS, grant(duration="20m"))
    commits = scene.work.repository.mainline(scene.work.repository.resolve("HEAD"))
    sources = Sources(scene.work.repository)
    replay = Replay(sources, commits, today=sources.catalogue(begun))
    *_, question = replay.questions(frozenset(replayed_versions(commits)), teams=frozenset())
    assert isinstance(question, ReplayedQuestion)
    at = commits[-1].committed_at
    asked_before = parse_grant(grant().encode(), path=LOGS).grant
    assert asked_before is not None
    merged = next(one for one in commits if one.sha == begun)
    previous = Proven(
        commit=begun,
        grant=asked_before,
        window=window_of(asked_before, merged_at=merged.committed_at),
        requester="alice",
        first_duration=1800,
        entitlements=entitlements(asked_before, sources.catalogue(begun)),
    )
    alice = Actor(id=1001, login="alice", type="User")
    pull = PullRequest(
        number=7,
        author=alice,
        state="open",
        base_ref="main",
        head_ref="alice/less",
        head_sha=tip,
        same_repository=True,
    )
    engine = Listening(RegorusEngine(sources.policies(begun)))
    Assessor(
        sources=sources,
        forge=Desk([], pushers=[alice]),
        engines=lambda bundle: [engine],
        trial=Trial(lambda bundle: engine),
        default_branch="main",
        app_id=None,
        checker=Checker(name="daypass", app=77),
    ).assess(
        pull,
        base=base,
        changes=commits[-1].changes,
        history=commits[:-1],
        previous={LOGS: previous},
        now=at,
        sound=[base, begun],
    )
    asked = next(dict(one) for one in engine.asked if one["kind"] == "grant")
    assert asked["change"] == change
    supposed = {"pull": asked["pull"], "requester": asked["requester"]}
    assert {**question.document, **supposed} == asked
