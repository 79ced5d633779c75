"""Ways around what policies count and forbid: by edits, by others' words, by order."""

from __future__ import annotations

from datetime import timedelta

from tests.e2e.support_world import Acme, grant, path_of

LOGS = ("gcp/sandbox-dev", "log-viewer")
ONE = path_of("alice/one")


def test_an_edit_does_not_move_access_that_has_begun(acme: Acme) -> None:
    acme.landed("alice", "alice/one", grant(duration="8h"))
    acme.later(hours=7, minutes=50)
    moved = grant(duration="8h", start="2026-11-20T22:00:00Z")
    checked = acme.check(acme.request("alice", "move", {ONE: moved}))
    assert checked.code == 1, checked
    acme.apply()
    assert not acme.may("alice", *LOGS, in_=timedelta(minutes=11))
