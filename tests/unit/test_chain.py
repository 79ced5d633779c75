"""Segments of the record: what is broken is named, skipped, and never mended in place."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.record.audit import AuditEvent, Run, Tip, batch
from pipeline.record.chain import Chain, new_segment, read_chain
from tests.unit.support_values import NOON

RUN = Run(actor="keeper[bot]", id="7", main="a" * 40)
MONTH = "events/2026/11"
Files = dict[str, bytes]


def append(files: Files, *events: AuditEvent) -> None:
    """Appends what a run does, whatever the chain is like."""
    path, text, _ = batch(events, after=read_chain(files).tip, at=NOON, run=RUN)
    assert path not in files
    files[path] = text.encode()


def note(what: str) -> AuditEvent:
    return AuditEvent(kind="note", data={"what": what})


def go_on(files: Files) -> None:
    """Begins a segment, as the next run does that finds the chain broken."""
    append(files, new_segment(read_chain(files), commit="c" * 40), note("go on"))


def notes(chain: Chain) -> list[str]:
    return [event["what"] for event in chain.events if event["kind"] == "note"]


def places(chain: Chain) -> list[str]:
    return [f"{one.file.removeprefix(MONTH)}:{one.line}" for one in chain.named]


@pytest.fixture
def files() -> Files:
    found: Files = {}
    for number in range(1, 5):
        append(found, note(f"{number}a"), note(f"{number}b"))
    return found


def spoil(files: Files, number: int, old: bytes, new: bytes) -> None:
    path = f"{MONTH}/{number:08d}.jsonl"
    assert old in files[path]
    files[path] = files[path].replace(old, new)


def test_a_segment_follows_the_last_line_that_held_and_names_all_that_does_not(
    files: Files,
) -> None:
    spoil(files, 2, b"2b", b"2x")
    go_on(files)
    chain = read_chain(files)
    assert chain.broken == ()
    # The line that was altered follows the one before it: only the next one tells.
    assert places(chain) == ["/00000003.jsonl:1", "/00000004.jsonl:1"]
    assert notes(chain) == ["1a", "1b", "2a", "2x", "go on"]
    assert chain.events[-2]["commit"] == "c" * 40
    append(files, note("later"))
    assert notes(read_chain(files))[-1] == "later"


def test_a_chain_that_lost_a_file_goes_on_under_its_number(files: Files) -> None:
    del files[f"{MONTH}/00000002.jsonl"]
    go_on(files)
    chain = read_chain(files)
    assert (chain.broken, notes(chain)) == ((), ["1a", "1b", "go on"])
    assert f"{MONTH}/00000002.jsonl" in files
    append(files, note("later"))
    assert sorted(files)[-1] == f"{MONTH}/00000005.jsonl"
    assert (read_chain(files).broken, notes(read_chain(files))[-1]) == ((), "later")


def test_a_file_with_the_last_number_there_is_does_not_end_the_record(files: Files) -> None:
    files[f"{MONTH}/99999999.jsonl"] = b"{}\n"
    go_on(files)
    append(files, note("later"))
    chain = read_chain(files)
    assert (chain.broken, notes(chain)[-2:]) == ((), ["go on", "later"])
    assert places(chain) == ["/99999999.jsonl:1"]
    assert sorted(files)[-2] == f"{MONTH}/00000006.jsonl"


def test_a_stranger_among_the_files_is_named_as_it_prints(files: Files) -> None:
    files["evil\x1b[2Jname"] = b"x"
    assert str(read_chain(files).broken[0]) == "evil\\x1b[2Jname:1: not a file of the chain"
    go_on(files)
    assert read_chain(files).broken == ()
    files["another"] = b"x"
    assert [one.file for one in read_chain(files).broken] == ["another"]


def test_a_break_after_a_segment_needs_another_one(files: Files) -> None:
    spoil(files, 3, b"{", b"[")
    go_on(files)
    append(files, note("later"))
    spoil(files, 6, b"later", b"lat")
    append(files, note("last"))
    spoil(files, 7, b'"seq"', b'"sec"')
    assert len(read_chain(files).broken) == 1
    go_on(files)
    chain = read_chain(files)
    assert (chain.broken, notes(chain)[-1]) == ((), "go on")


def test_a_segment_that_does_not_name_every_break_before_it_goes_on_nowhere(files: Files) -> None:
    spoil(files, 2, b"{", b"[")
    broken = read_chain(files)
    event = new_segment(broken, commit=None)
    less = AuditEvent(kind="segment", data={**event.data, "breaks": event.data["breaks"][1:]})
    append(files, less, note("hidden"))
    chain = read_chain(files)
    assert "hidden" not in notes(chain)
    assert len(chain.broken) == len(broken.broken) + 1


def test_numbers_that_a_segment_names_are_never_given_to_a_later_file(files: Files) -> None:
    # Whoever may push could name a file before it is there, and so hide it.
    breaks = [{"file": f"{MONTH}/{n:08d}.jsonl", "line": 1, "what": "x"} for n in (6, 7)]
    append(files, AuditEvent(kind="segment", data={"commit": None, "breaks": breaks}))
    append(files, note("seen"))
    assert f"{MONTH}/00000008.jsonl" in files
    assert (read_chain(files).broken, notes(read_chain(files))[-1]) == ((), "seen")


@pytest.mark.parametrize(
    "breaks", [None, [None], [{"file": "x", "line": 1}], [{"file": "x", "line": "1", "what": ""}]]
)
def test_a_segment_of_another_form_is_none(files: Files, breaks: object) -> None:
    append(files, AuditEvent(kind="segment", data={"commit": None, "breaks": breaks}))
    assert "it is no segment" in read_chain(files).broken[0].what


def test_another_month_with_a_number_that_is_taken_is_a_break(files: Files) -> None:
    files["events/2026/12/00000004.jsonl"] = files[f"{MONTH}/00000004.jsonl"]
    go_on(files)
    assert read_chain(files).broken == ()
    append(files, note("later"))
    assert notes(read_chain(files))[-2:] == ["go on", "later"]


_STEPS = st.one_of(
    st.tuples(st.just("cut"), st.integers(0, 9), st.integers(0, 400)),
    st.tuples(st.just("byte"), st.integers(0, 9), st.integers(0, 400)),
    st.tuples(st.just("remove"), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("add"), st.integers(1, 12), st.just(0)),
    st.tuples(st.just("again"), st.integers(0, 9), st.integers(1, 12)),
    st.tuples(st.just("run"), st.just(0), st.just(0)),
)


@pytest.mark.property
@given(st.lists(_STEPS, max_size=8))
def test_whatever_is_done_to_the_files_a_segment_goes_on_and_keeps_what_held(
    steps: list[tuple[str, int, int]],
) -> None:
    files: Files = {}
    append(files, note("first"))
    for place, (what, first, second) in enumerate(steps):
        _spoil(files, what, first, second)
        before = read_chain(files)
        if before.broken:
            append(files, new_segment(before, commit=None))
        append(files, note(f"run {place}"))
        after = read_chain(files)
        assert after.broken == ()
        assert after.events[: len(before.events)] == before.events
        assert notes(after)[-1] == f"run {place}"
        # The lines that held are one chain, whatever lies between them.
        assert [event["seq"] for event in after.events] == list(range(1, len(after.events) + 1))


def _spoil(files: Files, what: str, first: int, second: int) -> None:
    names = sorted(files)
    path = names[first % len(names)]
    content = files[path]
    if what == "cut":
        files[path] = content[:second]
    elif what == "byte":
        at = second % len(content) if content else 0
        files[path] = content[:at] + b"?" + content[at + 1 :]
    elif what == "remove" and len(names) > 1:
        del files[path]
    elif what == "add":
        files.setdefault(f"{MONTH}/{first:08d}.jsonl", b"{}\n")
    elif what == "again":
        files.setdefault(f"{MONTH}/{second:08d}.jsonl", content)


def test_a_tip_is_what_the_next_batch_comes_after(files: Files) -> None:
    chain = read_chain(files)
    path, text, tip = batch([note("x")], after=chain.tip, at=NOON + timedelta(days=20), run=RUN)
    assert path == "events/2026/12/00000005.jsonl"
    assert json.loads(text)["prev"] == chain.tip.digest
    assert tip == Tip(file=5, seq=9, digest=tip.digest)
