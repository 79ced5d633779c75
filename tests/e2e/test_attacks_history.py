"""History that was not made by merging pull requests."""

from __future__ import annotations

from tests.e2e.support_world import Acme, grant, path_of

LOGS = ("gcp/sandbox-dev", "log-viewer")


def test_a_revoked_grant_does_not_return_by_hiding_the_revocation_in_a_second_parent(
    acme: Acme,
) -> None:
    """A merge with the parents the wrong way round, before any run saw the revocation."""
    acme.landed("alice", "alice/one", grant())
    granted = acme.tip()
    assert acme.apply().code == 0
    assert acme.may("alice", *LOGS)
    assert acme.check(acme.request("bob", "stop", {path_of("alice/one"): None})).said["merged"]
    revoked = acme.tip()
    acme.bypass()
    aside = acme.commit("mallory", {"notes.md": ("100644", "x\n")}, parents=[granted])
    back = acme.commit("mallory", {"notes.md": ("100644", "x\n")}, parents=[aside, revoked])
    acme.send("mallory", back)
    applied = acme.apply()
    assert applied.code == 3, applied
    assert f"{revoked[:12]} was the tip of the default branch" in applied.said["error"]


def test_after_a_run_saw_the_revocation_hiding_it_stops_everything(acme: Acme) -> None:
    acme.landed("alice", "alice/one", grant())
    granted = acme.tip()
    assert acme.apply().code == 0
    assert acme.check(acme.request("bob", "stop", {path_of("alice/one"): None})).said["merged"]
    assert acme.apply().code == 0
    assert not acme.may("alice", *LOGS)
    revoked = acme.tip()
    acme.bypass()
    aside = acme.commit("mallory", {"notes.md": ("100644", "x\n")}, parents=[granted])
    back = acme.commit("mallory", {"notes.md": ("100644", "x\n")}, parents=[aside, revoked])
    acme.send("mallory", back)
    assert acme.apply().code == 3
    assert not acme.may("alice", *LOGS)
    verified = acme.daypass("audit", "verify", "--json")
    assert verified.code == 1
    assert f"the default branch hides {revoked[:12]}, which a run saw" in verified.said["faults"]
