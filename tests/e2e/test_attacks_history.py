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
    assert applied.code == 1, applied
    assert f"has the earlier tip {revoked[:12]} not on its" in applied.said["dispute"]
    assert not acme.may("alice", *LOGS)


def test_after_a_run_saw_the_revocation_hiding_it_gives_nothing_back(acme: Acme) -> None:
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
    assert acme.apply().code == 1
    assert not acme.may("alice", *LOGS)
    verified = acme.daypass("audit", "verify", "--json")
    assert verified.code == 1
    assert f"the default branch hides {revoked[:12]}, which a run saw" in verified.said["faults"]


def test_a_head_pushed_straight_to_the_default_branch_holds_up_nobody_but_its_own(
    acme: Acme,
) -> None:
    """The default branch as the second parent: a fast-forward, which a check alone lets through."""
    acme.landed("alice", "alice/one", grant())
    assert acme.apply().code == 0
    acme.later(minutes=10)
    before = acme.tip()
    acme.bypass()
    aside = acme.commit("mallory", {"notes.md": ("100644", "x\n")}, parents=[acme.world.anchor])
    both = ("-p", aside, "-p", before)
    head = acme.git("mallory", "commit-tree", f"{before}^{{tree}}", *both, "-m", "Green")
    acme.send("mallory", head)
    applied = acme.apply()
    assert applied.code == 1
    assert acme.may("alice", *LOGS)

    # A new request gets a no that says how it is mended; less access is judged and goes.
    asked = acme.check(acme.request("bob", "logs", {path_of("bob/one"): grant("bob")}))
    assert (asked.code, asked.said["verdict"]) == (1, "denied")
    assert "an administrator pushes a commit that continues" in " ".join(asked.said["reasons"])
    stopped = acme.check(acme.request("alice", "stop", {path_of("alice/one"): None}))
    assert (stopped.code, bool(stopped.said["merged"])) == (0, True)
    assert acme.apply().code == 1
    assert not acme.may("alice", *LOGS)
    assert acme.daypass("expire", "--json").code == 1

    # The commit that the message names ends it: no force, and nothing comes back.
    now = acme.tip()
    acme.git("mallory", "fetch", "--quiet", "origin", "+refs/heads/*:refs/heads/*")
    mend = acme.git(
        "mallory", "commit-tree", f"{now}^{{tree}}", "-p", before, "-p", now, "-m", "Continue"
    )
    acme.send("mallory", mend)
    assert acme.apply().code == 1
    assert acme.apply().code == 0
    assert not acme.may("alice", *LOGS)
    acme.landed("bob", "bob/two", grant("bob"))
    assert acme.apply().code == 0
    assert acme.may("bob", *LOGS)
