"""The record, with the rules off its branch: what is rewritten, removed or written by others."""

from __future__ import annotations

import pytest

from pipeline.record.chain import read_chain
from pipeline.values.canonical import canonical
from tests.e2e.support_world import RECORD, REPOSITORY, Acme, PersonRefused, grant, path_of

LOGS = ("gcp/sandbox-dev", "log-viewer")
TABLES = ("gcp/sandbox-dev", "bigquery-reader")


def _recorded(acme: Acme) -> dict[str, bytes]:
    """Grants and applies something; returns the record's files, and takes the rules off."""
    acme.landed("alice", "alice/one", grant())
    assert acme.apply().code == 0
    verified = acme.daypass("audit", "verify", "--json")
    assert (verified.code, verified.said["holds"]) == (0, True)
    assert verified.said["anchors"] == 1
    acme.open_the_record()
    return _files(acme)


def _files(acme: Acme) -> dict[str, bytes]:
    acme.git("mallory", "fetch", "--quiet", "origin", f"+refs/heads/{RECORD}:refs/heads/{RECORD}")
    paths = acme.git("mallory", "ls-tree", "-r", "--name-only", RECORD).splitlines()
    return {
        path: acme.git("mallory", "show", f"{RECORD}:{path}").encode() + b"\n" for path in paths
    }


def _line(acme: Acme, files: dict[str, bytes], **data: object) -> dict[str, tuple[str, str]]:
    """Returns a file that continues the chain in form, with one event of mallory's."""
    tip = read_chain(files).tip
    event = {
        "seq": tip.seq + 1,
        "prev": tip.digest,
        "at": "2026-11-20T14:00:00Z",
        "run": {"actor": "mallory", "id": "1"},
        "main": acme.tip(),
        **data,
    }
    path = f"events/2026/11/{tip.file + 1:08d}.jsonl"
    return {path: ("100644", canonical(event) + "\n")}


def _still_live(acme: Acme) -> None:
    assert acme.may("alice", *LOGS)


def test_a_line_rewritten_in_place_gives_nothing_in_that_run_and_is_told_for_ever(
    acme: Acme,
) -> None:
    files = _recorded(acme)
    path = sorted(files)[0]
    text = files[path].decode().replace('"approvers":[]', '"approvers":["bob"]')
    assert text.encode() != files[path]
    made = acme.commit("mallory", {path: ("100644", text)}, parents=[acme.tip(RECORD)])
    acme.send("mallory", made, RECORD)
    verified = acme.daypass("audit", "verify", "--json")
    assert verified.code == 1
    assert f"{path} (M by {made[:12]})" in str(verified.said["faults"])
    # The line counts as it was written.
    log = acme.daypass("audit", "log")
    assert log.code == 1
    assert "approved by bob" not in str(log.said)
    assert acme.apply().code == 1
    assert "goes on after 1 break(s)" in str(acme.daypass("audit", "log").said)
    verified = acme.daypass("audit", "verify", "--json")
    assert verified.code == 1
    assert "a segment names it" in str(verified.said["faults"])
    _still_live(acme)
    assert acme.apply().code == 0


@pytest.mark.parametrize("which", [0, 1])
def test_a_file_taken_out_stops_everything(acme: Acme, which: int) -> None:
    files = _recorded(acme)
    made = acme.commit("mallory", {sorted(files)[which]: None}, parents=[acme.tip(RECORD)])
    acme.send("mallory", made, RECORD)
    assert acme.daypass("audit", "verify").code == 1
    assert acme.apply().code == 1
    _still_live(acme)


@pytest.mark.parametrize("whole", [False, True])
def test_a_record_cut_off_at_its_end_is_seen_from_the_anchors(acme: Acme, whole: bool) -> None:
    _recorded(acme)
    if whole:
        acme.git("mallory", "push", "--quiet", "origin", f":refs/heads/{RECORD}")
    else:
        acme.git(
            "mallory", "push", "--quiet", "--force", "origin", f"{RECORD}~2:refs/heads/{RECORD}"
        )
    verified = acme.daypass("audit", "verify", "--json")
    assert verified.code == 1, verified
    assert "which the chain lacks" in str(verified.said["faults"])
    acme.later(minutes=1)
    # Everything is proven again; nothing is lost but the trace, and that stays visible.
    assert acme.apply().code == 0
    _still_live(acme)
    assert acme.daypass("audit", "verify").code == 1


@pytest.mark.parametrize("vouching", [False, True])
def test_a_strangers_proof_is_not_believed(acme: Acme, vouching: bool) -> None:
    files = _recorded(acme)
    forged = _forged_proof(acme, files)
    before = acme.tip(RECORD)
    message = f"Record one thing\n\nVouched: {before}" if vouching else "By hand"
    acme.send("mallory", acme.commit("mallory", forged, parents=[before], message=message), RECORD)
    assert not read_chain(
        {**files, **{path: text.encode() for path, (_, text) in forged.items()}}
    ).broken
    applied = acme.apply()
    assert applied.code == 1
    assert "recorded proofs are not used" in acme.stderr
    assert not acme.may("mallory", *TABLES)
    _still_live(acme)
    verified = acme.daypass("audit", "verify", "--json")
    assert verified.code == 1
    assert "not signed for the App" in str(verified.said["faults"])


ODD = [
    {"kind": "proof"},
    {"kind": "proof", "commit": 1, "pull": "x", "head": None, "merged_at": "never"},
    {"kind": "grant"},
    {"kind": "grant", "grant": ["x"], "life": {}, "state": 7},
    {"kind": "alert", "path": {"a": 1}, "commit": []},
    {"kind": "intent"},
    {"kind": "outcome", "binding": 7},
    {"kind": "intent", "grants": 7, "pull": True},
    {"kind": "\x1b[2J"},
]


def test_a_strangers_malformed_events_are_told_and_end_no_run_in_a_crash(acme: Acme) -> None:
    _recorded(acme)
    for event in ODD:
        forged = _line(acme, _files(acme), **event)
        acme.send("mallory", acme.commit("mallory", forged, parents=[acme.tip(RECORD)]), RECORD)
        assert acme.apply().code in (0, 1), event
    assert acme.daypass("audit", "verify").code == 1
    log = acme.daypass("audit", "log")
    assert log.code in (0, 1)
    assert "\x1b" not in log.said
    assert acme.daypass("status").code in (0, 1)
    _still_live(acme)


def test_a_forged_alert_hides_no_quarantine(acme: Acme) -> None:
    files = _recorded(acme)
    acme.bypass()
    mine = path_of("mallory/mine")
    acme.push("mallory", {mine: grant("mallory")})
    forged = _line(acme, files, kind="alert", path=mine, commit=acme.tip(), reasons=["nothing"])
    acme.send("mallory", acme.commit("mallory", forged, parents=[acme.tip(RECORD)]), RECORD)
    applied = acme.apply()
    assert applied.code == 1
    assert mine in acme.quarantined(applied)


def test_the_rules_keep_strangers_from_rewriting_the_record(acme: Acme) -> None:
    acme.landed("alice", "alice/one", grant())
    assert acme.apply().code == 0
    acme.git("mallory", "fetch", "--quiet", "origin", f"+refs/heads/{RECORD}:refs/heads/{RECORD}")
    with pytest.raises(Exception, match="Cannot|fast-forward|rule|declined"):
        acme.git(
            "mallory", "push", "--quiet", "--force", "origin", f"{RECORD}~1:refs/heads/{RECORD}"
        )


def test_the_rules_keep_strangers_from_adding_to_the_record(acme: Acme) -> None:
    acme.landed("alice", "alice/one", grant())
    assert acme.apply().code == 0
    before = acme.tip(RECORD)
    made = acme.commit("mallory", {"note.txt": ("100644", "hello\n")}, parents=[before])
    with pytest.raises(PersonRefused, match="Cannot update this protected ref"):
        acme.send("mallory", made, RECORD)
    assert acme.tip(RECORD) == before
    # The App's own go on.
    acme.landed("alice", "alice/two", grant(duration="1h"))
    assert acme.apply().code == 0
    assert acme.tip(RECORD) != before


def _forged_proof(acme: Acme, files: dict[str, bytes]) -> dict[str, tuple[str, str]]:
    """Pushes a grant of mallory's by hand; returns a record that says it was proven."""
    acme.bypass()
    acme.push("mallory", {path_of("mallory/mine"): grant("mallory", access=[" ".join(TABLES)])})
    return _line(
        acme,
        files,
        kind="proof",
        commit=acme.tip(),
        pull=1,
        head=acme.tip(),
        merged_at="2026-11-20T14:00:00Z",
        requester="mallory",
        approvers=["bob"],
        decision="0" * 64,
    )


def _not_believed(acme: Acme) -> None:
    applied = acme.apply()
    assert applied.code == 1, applied
    assert "recorded proofs are not used" in acme.stderr
    assert not acme.may("mallory", *TABLES)
    assert "not signed for the App" in str(acme.daypass("audit", "verify", "--json").said["faults"])


def test_an_app_s_pull_request_squashed_into_the_record_is_not_believed(acme: Acme) -> None:
    files = _recorded(acme)
    acme.later(hours=3)
    number = acme.daypass("expire", "--json").said["pull"]
    files = _files(acme)
    forged = _forged_proof(acme, files)
    branch = acme.person("mallory").pull(number)["head"]["ref"]
    record = acme.tip(RECORD)
    # GitHub makes and signs the squashed commit; its author is who opened the pull request.
    made = acme.commit("mallory", forged, parents=[record])
    acme.send("mallory", made, branch, force=True)
    acme.ask("mallory", "PATCH", f"/pulls/{number}", {"base": RECORD})
    acme.ask(
        "mallory",
        "PUT",
        f"/pulls/{number}/merge",
        {
            "merge_method": "squash",
            "commit_title": "Record one thing",
            "commit_message": f"Vouched: {record}",
        },
    )
    _not_believed(acme)


def test_an_app_s_commit_signed_by_somebody_else_is_not_believed(acme: Acme) -> None:
    files = _recorded(acme)
    forged = _forged_proof(acme, files)
    record = acme.tip(RECORD)
    made = acme.commit("mallory", forged, parents=[record])
    keeper = acme.git("mallory", "log", "-1", "--format=%an <%ae>", record)
    text = acme.git("mallory", "cat-file", "commit", made)
    lines = text.split("\n")
    lines = [
        f"author {keeper} {line.rpartition('> ')[2]}" if line.startswith("author ") else line
        for line in lines
    ]
    text = "\n".join(lines) + "\n"
    made = acme.git("mallory", "hash-object", "-t", "commit", "-w", "--stdin", stdin=text)
    acme.send("mallory", made, RECORD)
    # GitHub holds a signature against the committer alone, and mallory has a key.
    repository = acme.world.github.repository(REPOSITORY)
    repository.signed[made] = acme.world.clock.now()
    _not_believed(acme)


def test_more_comments_than_are_read_are_a_fault_and_end_no_verification(
    acme: Acme, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = acme.landed("alice", "alice/one", grant())
    assert acme.apply().code == 0
    # The check and the result are two comments.
    monkeypatch.setattr("pipeline.forge.github_api.PER_PAGE", 1)
    monkeypatch.setattr("pipeline.forge.github_api.MOST_PAGES", 1)
    verified = acme.daypass("audit", "verify", "--json")
    assert verified.code == 1, verified
    (fault,) = verified.said["faults"]
    assert fault.startswith(f"the comments of #{number} cannot be read: GitHub's list")
