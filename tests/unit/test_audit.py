from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.main import run
from pipeline.record.audit import (
    GENESIS,
    AuditEvent,
    Run,
    Tip,
    batch,
    unanswered_intents,
)
from pipeline.record.chain import read_chain
from tests.unit.support_values import NOON

RUN = Run(actor="keeper[bot]", id="7", main="a" * 40)


def chain(*sizes: int) -> dict[str, bytes]:
    tip = Tip()
    files = {}
    for number, size in enumerate(sizes):
        events = [AuditEvent(kind="note", data={"what": f"{number}.{i}"}) for i in range(size)]
        path, text, tip = batch(events, after=tip, at=NOON + timedelta(days=20 * number), run=RUN)
        files[path] = text.encode()
    return files


@pytest.mark.parametrize("sizes,count", [((), "0 events"), ((1,), "1 event"), ((1, 1), "2 events")])
def test_a_copy_that_holds_says_how_much_there_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sizes: tuple[int, ...], count: str
) -> None:
    for path, content in chain(*sizes).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    assert run(["audit", "verify", "--copy", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith(f"the record holds: {count}, 0 anchors, tip ")


def test_a_copy_with_an_altered_line_shows_the_first_places_that_do_not_hold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = chain(*[1] * 15)
    files[sorted(files)[1]] = b"{}\n"
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    assert run(["audit", "verify", "--copy", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert ("00000002.jsonl:1: " in lines[0], lines[10]) == (True, "and 4 more places after these")
    assert lines[11].startswith("the record is BROKEN: 1 event, 0 anchors, tip ")


def test_an_empty_branch_is_an_empty_chain() -> None:
    read = read_chain({})
    assert (read.events, read.broken, read.tip.digest) == ((), (), GENESIS)


def test_a_chain_reads_back_as_it_was_written() -> None:
    read = read_chain(chain(2, 1, 3))
    assert read.broken == ()
    assert [event["what"] for event in read.events] == ["0.0", "0.1", "1.0", "2.0", "2.1", "2.2"]
    assert (read.tip.file, read.tip.seq) == (3, 6)
    assert read.tip.short in read.digests


@given(st.data())
def test_changing_any_one_byte_breaks_the_chain_or_its_tip(data: st.DataObject) -> None:
    files = chain(2, 1, 2)
    whole = read_chain(files).tip
    path = data.draw(st.sampled_from(sorted(files)))
    content = bytearray(files[path])
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    files[path] = bytes(content)
    read = read_chain(files)
    # The last line has no successor to name it: there the tip, which comments anchor, differs.
    assert read.broken or read.tip.digest != whole.digest


def test_a_removed_file_is_missed() -> None:
    files = chain(1, 1, 1)
    del files[sorted(files)[1]]
    assert "its number is 3, expected 2" in str(read_chain(files).broken[0])


def test_a_stranger_among_the_files_is_named() -> None:
    (broken,) = read_chain({**chain(1), "README.md": b"hello"}).broken
    assert str(broken) == "README.md:1: not a file of the chain"


def test_a_file_cut_short_is_named() -> None:
    files = chain(2)
    (path,) = files
    assert "cut short" in str(read_chain({path: files[path][:-1]}).broken[0])
    assert "cut short" in str(read_chain({path: b""}).broken[0])


def test_events_stop_at_the_break() -> None:
    files = chain(1, 1, 1)
    second = sorted(files)[1]
    files[second] = files[second].replace(b"1.0", b"1.1")
    read = read_chain(files)
    assert len(read.events) == 2
    assert "does not follow" in str(read.broken[0])


def test_an_event_cannot_forge_what_the_chain_writes() -> None:
    with pytest.raises(ValueError, match="prev"):
        batch([AuditEvent(kind="x", data={"prev": "0"})], after=Tip(), at=NOON, run=RUN)


def test_a_batch_records_at_least_one_event() -> None:
    with pytest.raises(ValueError, match="at least one"):
        batch([], after=Tip(), at=NOON, run=RUN)


@pytest.mark.parametrize(
    "line, fault",
    [
        (b"{", "not JSON"),
        (b'{"b":1, "a":2}', "not canonical"),
        (b"[]", "not canonical"),
        (b'{"seq":2}', "expected 1"),
        (b'{"prev":"x","seq":1}', "does not follow"),
        (b'{"prev":"' + GENESIS.encode() + b'","seq":1}', "month"),
        (b'{"at":"2026-11","prev":"' + GENESIS.encode() + b'","seq":1}', "month"),
        (
            b'{"at":"2026-11-01T00:00:00Z","main":"'
            + b"a" * 40
            + b'","prev":"'
            + GENESIS.encode()
            + b'","seq":1}',
            "kind",
        ),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_a_line_that_is_no_event_is_named(line: bytes, fault: str) -> None:
    read = read_chain({"events/2026/11/00000001.jsonl": line + b"\n"})
    assert fault in str(read.broken[0])
    assert read.events == ()


def test_an_intent_is_unanswered_until_its_outcome_and_again_when_it_is_tried_again() -> None:
    def event(seq: int, kind: str, key: str, *, rollback: bool = False) -> dict[str, object]:
        more = {"rollback": rollback} if kind == "outcome" else {}
        place = {"target": "gcp/prod", "key": key}
        return {"seq": seq, "kind": kind, "plan": "p", "change": "create", "binding": place} | more

    events = [
        {"seq": 1, "kind": "proof"},
        event(2, "intent", "a"),
        event(3, "intent", "b"),
        event(4, "outcome", "a"),
        event(5, "outcome", "b", rollback=True),
        event(6, "intent", "a"),
    ]
    assert [one["seq"] for one in unanswered_intents(events)] == [3, 6]
    assert unanswered_intents([*events, event(7, "outcome", "b"), event(8, "outcome", "a")]) == ()
