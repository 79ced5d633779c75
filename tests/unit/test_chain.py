"""The record as a chain: what does not hold is passed over, told once, and hides nothing."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.record.audit import GENESIS, AuditEvent, Run, Tip, batch
from pipeline.record.chain import Chain, by_number, new_segment, read_chain
from pipeline.values.canonical import canonical
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
    return [f"{one.file.removeprefix(MONTH)}:{one.line}" for one in chain.breaks]


@pytest.fixture
def files() -> Files:
    found: Files = {}
    for number in range(1, 5):
        append(found, note(f"{number}a"), note(f"{number}b"))
    return found


def of(number: int) -> str:
    return f"{MONTH}/{number:08d}.jsonl"


def forged(chain: Chain, **event: Any) -> bytes:
    """A line that follows the last good one of *chain*, as anybody can compute it."""
    line = {
        "seq": chain.tip.seq + 1,
        "prev": chain.tip.digest,
        "at": "2026-11-20T12:00:00Z",
        "kind": "note",
        "what": "forged",
        "main": "a" * 40,
        **event,
    }
    return canonical(line).encode() + b"\n"


def test_what_does_not_hold_is_passed_over_and_what_follows_the_last_good_line_counts(
    files: Files,
) -> None:
    files["README.md"] = b"hello"
    files[of(5)] = b"{}\n"
    chain = read_chain(files)
    assert places(chain) == ["README.md:1", "/00000005.jsonl:1"]
    assert chain.broken == chain.breaks
    go_on(files)
    chain = read_chain(files)
    assert (chain.broken, chain.named, chain.segment) == ((), 2, "c" * 40)
    assert notes(chain) == ["1a", "1b", "2a", "2b", "3a", "3b", "4a", "4b", "go on"]
    assert of(6) in files
    append(files, note("later"))
    assert notes(read_chain(files))[-1] == "later"


def test_one_more_break_after_a_segment_is_told_again(files: Files) -> None:
    files["README.md"] = b"hello"
    go_on(files)
    files["LICENSE"] = b"mine"
    assert [one.file for one in read_chain(files).broken] == ["LICENSE"]
    go_on(files)
    assert read_chain(files).broken == ()


def test_the_rest_of_a_file_is_passed_over_from_its_first_bad_line(files: Files) -> None:
    good = read_chain(files)
    files[of(5)] = forged(good) + b"{}\n" + forged(good)
    chain = read_chain(files)
    assert places(chain) == ["/00000005.jsonl:2"]
    assert notes(chain)[-1] == "forged"


def test_no_number_ends_the_record(files: Files) -> None:
    for number in ("99999999", "100000000", "999999999999999", "9999999999999999"):
        files[f"{MONTH}/{number}.jsonl"] = b"{}\n"
    files[of(5)] = b""
    go_on(files)
    append(files, note("later"))
    assert (of(6) in files, of(7) in files) == (True, True)
    assert notes(read_chain(files))[-2:] == ["go on", "later"]


def test_a_number_can_be_forged_up_to_the_last_one_and_the_record_still_goes_on(
    files: Files,
) -> None:
    files[f"{MONTH}/99999999.jsonl"] = forged(read_chain(files))
    append(files, note("later"))
    assert f"{MONTH}/100000000.jsonl" in files
    chain = read_chain(files)
    assert (chain.breaks, notes(chain)[-2:]) == ((), ["forged", "later"])


@pytest.mark.parametrize("month", ["2000/01", "2026/10", "2026/11", "2099/12"])
def test_a_file_that_is_added_later_hides_nothing_whatever_it_is_called(
    files: Files, month: str
) -> None:
    before = read_chain(files)
    breaks, of_all = 4, "0" * 64
    segment = {"kind": "segment", "breaks": breaks, "digest": of_all, "commit": None, "first": []}
    for number in (1, 4):
        line = {**segment, "seq": 1, "prev": GENESIS, "at": f"{month.replace('/', '-')}-20T12:00Z"}
        files.setdefault(f"events/{month}/{number:08d}.jsonl", canonical(line).encode() + b"\n")
    after = read_chain(files)
    assert after.events == before.events
    assert len(after.broken) == len(files) - 4


def test_a_segment_names_only_what_was_broken_before_it(files: Files) -> None:
    files["README.md"] = b"hello"
    segment = new_segment(read_chain(files), commit=None)
    del files["README.md"]
    append(files, segment)
    files["README.md"] = b"hello"
    assert [one.file for one in read_chain(files).broken] == ["README.md"]


def test_a_break_prints_and_is_short(files: Files) -> None:
    files["evil\x1b[2J" + "x" * 10_000] = b"x"
    files[of(5)] = canonical({"seq": "\n::error::" + "A" * 10_000}).encode() + b"\n"
    files["\udcff"] = b"x"
    breaks = read_chain(files).breaks
    assert all(str(one).isprintable() and len(str(one)) < 500 for one in breaks)
    go_on(files)
    assert len(files[of(6)]) < 5_000


def test_many_breaks_make_no_long_segment(files: Files) -> None:
    files.update({f"stray-{number}": b"x" for number in range(3_000)})
    go_on(files)
    assert len(files[of(5)]) < 5_000
    assert read_chain(files).broken == ()


@pytest.mark.parametrize(
    "event",
    [
        {"breaks": None, "digest": "d", "commit": None, "first": []},
        {"breaks": 1, "digest": 1, "commit": None, "first": []},
        {"breaks": 1, "digest": "d", "commit": 1, "first": []},
        {"breaks": 1, "digest": "d", "commit": None, "first": [None]},
    ],
)
def test_a_segment_of_another_form_is_none(files: Files, event: dict[str, Any]) -> None:
    append(files, AuditEvent(kind="segment", data=event))
    assert "it is no segment" in read_chain(files).broken[0].what


@pytest.mark.parametrize(
    "change, what",
    [
        ({"at": "2026-11-nonsense"}, "its time is not the month of its file"),
        ({"at": "2026-11-20T12:00:00"}, "its time is not the month of its file"),
        ({"at": None}, "its time is not the month of its file"),
        ({"main": "HEAD"}, "it names no commit"),
        ({"main": 5}, "it names no commit"),
        ({"main": "b" * 39}, "it names no commit"),
        ({"kind": "intent"}, "it is no intent: plan, change, binding, before, grants"),
    ],
)
def test_a_line_that_whoever_reads_the_record_could_not_use_is_a_break(
    files: Files, change: dict[str, Any], what: str
) -> None:
    files[of(5)] = forged(read_chain(files), **change)
    assert what in read_chain(files).broken[0].what


BINDING = {
    "cloud": "aws",
    "target": "t",
    "key": "k",
    "principal": "p",
    "role": "r",
    "start": None,
    "end": "2026-11-20T12:00:00Z",
}


@pytest.mark.parametrize("end", ["soon", "2026-11-20T12:00:00", 5])
@pytest.mark.parametrize("where", ["binding", "before"])
def test_a_binding_without_a_real_end_is_a_break(files: Files, where: str, end: object) -> None:
    intent = {
        "kind": "intent",
        "plan": "p",
        "change": "update",
        "grants": [],
        "binding": BINDING,
        "before": BINDING,
    }
    chain = read_chain(files)
    assert read_chain({**files, of(5): forged(chain, **intent)}).breaks == ()
    files[of(5)] = forged(chain, **{**intent, where: {**BINDING, "end": end}})
    assert read_chain(files).broken[0].what == f"it is no intent: {where}"


@pytest.mark.parametrize(
    "parameters", [5, None, "i-0", [["resource"]], [["resource", 5]], ["ab"], {"resource": "i-0"}]
)
def test_a_binding_with_odd_parameters_is_a_break(files: Files, parameters: object) -> None:
    def said(value: object) -> dict[str, Any]:
        binding = {**BINDING, "parameters": value}
        made = {"plan": "p", "change": "create", "grants": [], "binding": binding, "before": None}
        return {of(5): forged(read_chain(files), kind="intent", **made)}

    assert read_chain({**files, **said([["resource", "i-0"]])}).breaks == ()
    broken = read_chain({**files, **said(parameters)}).broken
    assert broken[0].what == "it is no intent: binding"


PROOF = {
    "commit": "a",
    "pull": 1,
    "head": "b",
    "merged_at": "2026-11-20T12:00:00Z",
    "requester": None,
    "approvers": [],
    "decision": "d",
}
APPROVAL = {"review": 1, "account": 2, "person": "bob", "at": "2026-11-20T12:00:00Z"}


@pytest.mark.parametrize(
    "odd",
    [
        {"previous": 5},
        {"offer": 5},
        {"check_run": "7"},
        {"check_run": True},
        {"merger": ["bob"]},
        {"through": "1"},
        {"approvals": None},
        {"approvals": ["bob"]},
        *({"approvals": [{**APPROVAL, name: []}]} for name in APPROVAL),
        {"approvals": [APPROVAL, {**APPROVAL, "at": "yesterday"}]},
    ],
    ids=str,
)
def test_a_proof_with_odd_facts_is_a_break_and_one_without_them_is_none(
    files: Files, odd: dict[str, Any]
) -> None:
    def said(**more: object) -> dict[str, Any]:
        return {of(5): forged(read_chain(files), kind="proof", **{**PROOF, **more})}

    whole = {"previous": None, "offer": "e", "check_run": 7, "merger": "bob", "through": 1}
    for fine in ({}, whole, {"approvals": [APPROVAL]}):
        assert read_chain({**files, **said(**fine)}).breaks == ()
    (name,) = odd
    assert read_chain({**files, **said(**odd)}).broken[0].what == f"it is no proof: {name}"


def test_a_version_of_odd_words_is_a_break(files: Files) -> None:
    state = {"grant": "alice/x", "life": "a", "state": "provisioned"}
    for name in ("blob", "commit"):
        events = {of(5): forged(read_chain(files), kind="grant", **{**state, name: 5})}
        assert read_chain({**files, **events}).broken[0].what == f"it is no grant: {name}"


def test_a_copy_is_read_by_number(files: Files) -> None:
    shuffled = dict(sorted(files.items(), reverse=True))
    assert read_chain(shuffled).breaks != ()
    assert read_chain(by_number({**shuffled, "README.md": b"x"})).events == read_chain(files).events


_STEPS = st.one_of(
    st.tuples(st.just("garbage"), st.integers(1, 12), st.binary(max_size=12)),
    st.tuples(st.just("copy"), st.integers(1, 12), st.just(b"")),
    st.tuples(st.just("forged"), st.integers(1, 12), st.just(b"")),
    st.tuples(st.just("stray"), st.integers(1, 12), st.just(b"")),
)


@pytest.mark.property
@given(st.lists(st.lists(_STEPS, max_size=4), max_size=6))
def test_whatever_is_added_a_segment_goes_on_and_every_line_that_held_still_counts(
    steps: list[list[tuple[str, int, bytes]]],
) -> None:
    files: Files = {}
    append(files, note("first"))
    for place, added in enumerate(steps):
        before = read_chain(files)
        for what, number, content in added:
            _add(files, what, number, content)
        if read_chain(files).broken:
            append(files, new_segment(read_chain(files), commit=None))
        append(files, note(f"run {place}"))
        after = read_chain(files)
        assert after.broken == ()
        assert after.events[: len(before.events)] == before.events
        assert notes(after)[-1] == f"run {place}"
        assert [event["seq"] for event in after.events] == list(range(1, len(after.events) + 1))


def _add(files: Files, what: str, number: int, content: bytes) -> None:
    path = f"events/{'2026/11' if number % 2 else '2026/10'}/{number:08d}.jsonl"
    if what == "garbage":
        files.setdefault(path, content)
    elif what == "copy":
        files.setdefault(path, list(files.values())[number % len(files)])
    elif what == "forged":
        files.setdefault(path, forged(read_chain(files)))
    else:
        files.setdefault(f"stray {number}", b"x")


def test_a_tip_is_what_the_next_batch_comes_after(files: Files) -> None:
    chain = read_chain(files)
    path, text, tip = batch([note("x")], after=chain.tip, at=NOON + timedelta(days=20), run=RUN)
    assert path == "events/2026/12/00000005.jsonl"
    assert json.loads(text)["prev"] == chain.tip.digest
    assert tip == Tip(file=5, seq=9, digest=tip.digest)
