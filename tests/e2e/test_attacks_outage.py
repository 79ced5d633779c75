"""What one person can do to let every run end without a verdict, so that nothing is removed."""

from __future__ import annotations

from tests.e2e.support_faults import give_up
from tests.e2e.support_world import Acme, grant, path_of

LOGS = ("gcp/sandbox-dev", "log-viewer")


def test_a_branch_name_used_again_holds_up_nothing(acme: Acme) -> None:
    acme.landed("alice", "alice/one", grant())
    assert acme.apply().code == 0
    # The later one is proven first.
    for name in ("mallory/b", "mallory/a"):
        file = {path_of(name): ("100644", grant("mallory", reason=f"Logs, as {name} says"))}
        acme.send("mallory", acme.commit("mallory", file, parents=[acme.tip()]), "again")
        checked = acme.check(acme.person("mallory").open("again", name))
        assert checked.said["merged"], checked
        acme.git("mallory", "push", "--quiet", "origin", ":refs/heads/again")
        acme.later(minutes=1)
    give_up(acme, "alice", "alice/one")
    applied = acme.apply()
    assert applied.code == 0, applied
    assert not acme.may("alice", *LOGS)
    assert acme.may("mallory", *LOGS)
