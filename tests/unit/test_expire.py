from __future__ import annotations

from pipeline.ending.expire import BRANCH_PREFIX, ended, retire, revert_text
from pipeline.history.lives import Life, lives
from pipeline.values.grant import Grant
from pipeline.values.ids import GrantId, TargetId
from pipeline.values.live import LiveGrant
from tests.unit.support_values import NOON, binding, change, commit, window

GCP = TargetId("gcp/prod")


def lapsed(*names: str) -> tuple[Life, ...]:
    paths = [f"access/grants/alice/{name}.yaml" for name in names]
    return lives([commit(1, *(change(path) for path in paths))])


def test_a_grant_is_retired_once_the_clouds_read_back_as_clean() -> None:
    found = retire(lapsed("x"), held=[], unreachable={}, targets_of={})
    assert found.ready == ("access/grants/alice/x.yaml",)
    assert found.branch("1a2b").startswith(BRANCH_PREFIX)


def test_a_grant_that_a_cloud_still_holds_waits() -> None:
    found = retire(lapsed("x", "y"), held=[binding()], unreachable={}, targets_of={})
    assert found.ready == ("access/grants/alice/y.yaml",)
    assert found.waiting == ((GrantId("alice/x"), "gcp/prod still holds one"),)


def test_a_grant_whose_target_could_not_be_read_waits() -> None:
    targets = {GrantId("alice/x"): [GCP], GrantId("alice/y"): [TargetId("aws/prod")]}
    found = retire(lapsed("x", "y"), held=[], unreachable={GCP: "503"}, targets_of=targets)
    assert found.ready == ("access/grants/alice/y.yaml",)
    assert found.waiting == ((GrantId("alice/x"), "gcp/prod could not be read: 503"),)


def test_a_grant_of_unknown_targets_waits_for_any_outage() -> None:
    found = retire(lapsed("x"), held=[], unreachable={GCP: "503"}, targets_of={})
    assert found.ready == ()


def test_what_is_being_deleted_already_is_not_asked_for_twice() -> None:
    path = "access/grants/alice/x.yaml"
    found = retire(lapsed("x"), held=[], unreachable={}, targets_of={}, already_open=[path])
    assert (found.ready, found.waiting) == ((), ())


def test_the_same_files_give_the_same_branch() -> None:
    one = retire(lapsed("x", "y"), held=[], unreachable={}, targets_of={})
    two = retire(lapsed("y", "x"), held=[], unreachable={}, targets_of={})
    assert one.branch("1a2b") == two.branch("1a2b") != one.branch("3c4d")


def test_the_pull_request_names_every_file() -> None:
    title, body = revert_text(["access/grants/alice/x.yaml", "access/grants/alice/y.yaml"])
    assert title == "Retire 2 lapsed grants"
    assert "- `access/grants/alice/x.yaml`\n- `access/grants/alice/y.yaml`" in body


def test_ended_is_half_open_and_sorted_by_end() -> None:
    def live(name: str, end: float) -> LiveGrant:
        grant = Grant(
            id=GrantId(f"alice/{name}"), path="", subject="alice", reason="", duration=0, access=()
        )
        return LiveGrant(grant=grant, window=window(-5, end), entitlements=())

    found = ended([live("c", 0.5), live("b", 0), live("a", -1)], now=NOON)
    assert [one.grant.id for one in found] == ["alice/a", "alice/b"]


def test_what_is_ready_can_be_put_off() -> None:
    found = retire(lapsed("x", "y"), held=[binding()], unreachable={}, targets_of={})
    later = found.put_off("GitHub is full")
    assert later.ready == ()
    assert later.waiting == (
        (GrantId("alice/x"), "gcp/prod still holds one"),
        (GrantId("alice/y"), "GitHub is full"),
    )
