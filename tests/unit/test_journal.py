from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest

from pipeline.clouds.interface import Result, Status
from pipeline.errors import Denied, ForgeError, RefMoved, Undecided
from pipeline.provision.apply import Outcome
from pipeline.provision.plan import Plan, make_plan
from pipeline.record.audit import AuditEvent, Run
from pipeline.record.chain import read_chain
from pipeline.record.journal import AuditJournal
from pipeline.record.recorded import Made
from pipeline.values.binding import BindingChange, ChangeKind
from pipeline.values.ids import GrantId, TargetId
from tests.unit.support_values import NOON, binding, window

RUN = Run(actor="keeper[bot]", id="7", main="a" * 40)
FACTS = {"blob": "b" * 40, "pull": 12, "commit": "c" * 40, "approvers": ["bob"], "decision": "d"}


class Branch:
    """An audit branch in memory. Other runs write to it right before our first appends."""

    def __init__(self, *, others: int = 0, refuse: bool = False) -> None:
        self.files: dict[str, bytes] = {}
        self.messages: list[str] = []
        self.others = others
        self.refuse = refuse

    @property
    def head(self) -> str | None:
        return f"{len(self.files):040x}" if self.files else None

    def load(self) -> tuple[str | None, Mapping[str, bytes]]:
        return self.head, dict(self.files)

    def append(self, files: Mapping[str, str], message: str, *, parent: str | None) -> str:
        if self.refuse:
            raise ForgeError("the branch is protected")
        if self.others:
            self.others -= 1
            AuditJournal(Branch.of(self), clock=lambda: NOON, run=RUN).record(
                [AuditEvent(kind="note", data={"by": "another run"})], "Other"
            )
        if parent != self.head:
            raise RefMoved("it moved")
        assert not files.keys() & self.files.keys()
        self.files.update({path: text.encode() for path, text in files.items()})
        self.messages.append(message)
        return str(self.head)

    @staticmethod
    def of(other: Branch) -> Branch:
        """The same branch, without interference."""
        same = Branch()
        same.files, same.messages = other.files, other.messages
        return same


def journal(branch: Branch, now: datetime = NOON) -> AuditJournal:
    return AuditJournal(branch, clock=lambda: now, run=RUN, facts={GrantId("alice/x"): dict(FACTS)})


def alert(what: str) -> list[AuditEvent]:
    return [AuditEvent(kind="note", data={"what": what})]


def test_an_event_says_who_when_and_from_which_commit() -> None:
    branch = Branch()
    tip = journal(branch).record(alert("a"), "Alert")
    chain = journal(branch).chain()
    (event,) = chain.events
    assert (event["at"], event["main"]) == ("2026-11-20T12:00:00Z", "a" * 40)
    assert event["run"] == {"actor": "keeper[bot]", "id": "7", "anchor": None}
    assert chain.tip == tip == journal(branch).tip


@pytest.mark.parametrize("others", [1, 2])
def test_a_branch_that_moved_is_read_again_and_continued(others: int) -> None:
    branch = Branch(others=others)
    journal(branch).record(alert("ours"), "Alert")
    chain = read_chain(branch.files)
    assert chain.broken == ()
    assert len(chain.events) == others + 1
    assert chain.events[-1]["what"] == "ours"


def test_a_branch_that_never_stands_still_is_given_up() -> None:
    branch = Branch(others=99)
    with pytest.raises(Undecided, match="kept moving"):
        journal(branch).record(alert("ours"), "Alert")
    assert all("what" not in event for event in read_chain(branch.files).events)


def test_nothing_is_appended_to_a_broken_chain() -> None:
    branch = Branch()
    journal(branch).record(alert("a"), "Alert")
    (path,) = branch.files
    branch.files[path] = branch.files[path].replace(b'"a"', b'"b",')
    with pytest.raises(Denied, match="broken"):
        journal(branch).record(alert("b"), "Alert")
    with pytest.raises(Denied, match="broken"):
        journal(branch).chain()
    assert len(branch.files) == 1


def break_at(branch: Branch, path: str) -> None:
    branch.files[path] = branch.files[path].replace(b'"a"', b'"b",')


def test_a_segment_names_the_commit_and_every_break_and_raises_an_alert() -> None:
    branch = Branch()
    for _ in range(7):
        journal(branch).record(alert("a"), "Alert")
    head, (first, *_) = branch.head, sorted(branch.files)
    break_at(branch, first)
    journal(branch).begin_segment()
    segment, raised = journal(branch).chain().events
    assert (segment["kind"], segment["commit"], segment["seq"]) == ("segment", head, 1)
    assert (segment["breaks"], len(segment["first"])) == (7, 5)
    assert (raised["kind"], raised["path"], raised["commit"]) == ("alert", "daypass/audit", head)
    assert raised["reasons"][0].startswith(f"{first}:1: ")
    assert raised["reasons"][-1] == "and 2 more"
    assert len(raised["reasons"]) == 6
    assert branch.messages[-1] == "Begin a new segment after a break"


def test_a_chain_that_holds_gets_no_new_segment() -> None:
    branch = Branch()
    journal(branch).record(alert("a"), "Alert")
    journal(branch).begin_segment()
    assert len(branch.files) == 1


def test_a_segment_that_another_run_began_first_is_not_begun_twice() -> None:
    branch = Branch()
    journal(branch).record(alert("a"), "Alert")
    break_at(branch, next(iter(branch.files)))
    journal(Branch.of(branch)).begin_segment()
    journal(branch).begin_segment()
    assert [one["kind"] for one in journal(branch).chain().events] == ["segment", "alert"]


def test_what_went_without_a_record_is_recorded_as_such() -> None:
    branch = Branch()
    made = Made(
        target=TargetId("gcp/prod"),
        key="k",
        principal="user:a@example.com",
        role="viewer",
        grants=(GrantId("alice/x"),),
        start=None,
        end=NOON,
        at=NOON,
    )
    journal(branch).vanished([made])
    (event,) = read_chain(branch.files).events
    assert event["kind"] == "vanished"
    assert event["grants"] == [{"id": "alice/x"}]
    assert event["binding"] == {
        "cloud": "gcp",
        "target": "gcp/prod",
        "key": "k",
        "principal": "user:a@example.com",
        "role": "viewer",
        "start": None,
        "end": "2026-11-20T12:00:00Z",
    }


def test_what_could_not_be_recorded_is_an_error() -> None:
    with pytest.raises(ForgeError, match="protected"):
        journal(Branch(refuse=True)).record(alert("a"), "Alert")


def test_an_intent_names_the_plan_the_change_and_the_proof_of_its_grant() -> None:
    branch = Branch()
    plan = make_plan([binding()], [], now=NOON)
    journal(branch).intents(plan)
    (event,) = read_chain(branch.files).events
    assert (event["kind"], event["plan"], event["change"]) == ("intent", plan.digest, "create")
    assert event["grants"] == [{"id": "alice/x", **FACTS}]
    assert event["binding"]["start"] == "2026-11-20T12:00:00Z"
    assert event["binding"]["end"] == "2026-11-20T14:00:00Z"
    assert event["before"] is None
    assert branch.messages == ["Intend 1 change"]


def test_a_grant_without_a_proof_is_named_all_the_same() -> None:
    branch = Branch()
    held = binding(grants=("bob/y",), endless=True)
    journal(branch).intents(make_plan([], [held], now=NOON))
    (event,) = read_chain(branch.files).events
    assert event["grants"] == [{"id": "bob/y"}]
    assert (event["change"], event["binding"]["end"]) == ("delete", None)


def test_an_update_records_what_was_there_before() -> None:
    branch = Branch()
    longer = binding(document='{"end":3}', held=window(0, 3))
    journal(branch).intents(make_plan([longer], [binding()], now=NOON))
    (event,) = read_chain(branch.files).events
    assert (event["before"]["end"], event["binding"]["end"]) == (
        "2026-11-20T14:00:00Z",
        "2026-11-20T15:00:00Z",
    )


def test_outcomes_tell_what_failed_and_what_was_taken_back() -> None:
    branch = Branch()
    one, two = binding("one"), binding("two")
    plan = make_plan([one, two], [], now=NOON)
    made, broken = (
        Result(change=plan.changes[0], status=Status.DONE),
        Result(change=plan.changes[1], status=Status.FAILED, message="403"),
    )
    undone = Result(change=BindingChange(kind=ChangeKind.DELETE, binding=one), status=Status.DONE)
    outcome = Outcome(plan=plan, results=(made, broken), rolled_back=(undone,))
    journal(branch, NOON + timedelta(minutes=1)).outcomes(outcome)
    events = read_chain(branch.files).events
    assert [(e["change"], e["status"], e["message"], e["rollback"]) for e in events] == [
        ("create", "done", "", False),
        ("create", "failed", "403", False),
        ("delete", "done", "", True),
    ]
    assert {event["plan"] for event in events} == {plan.digest}
    assert branch.messages == ["Record the outcome of 3 changes"]


def test_a_plan_without_changes_cannot_be_recorded_as_one() -> None:
    with pytest.raises(ValueError, match="at least one"):
        journal(Branch()).intents(Plan(changes=()))


class Counting(Branch):
    """Counts how often it is read."""

    reads = 0

    def load(self) -> tuple[str | None, Mapping[str, bytes]]:
        self.reads += 1
        return super().load()


@pytest.mark.parametrize("appends", [1, 2, 30])
def test_a_run_reads_the_chain_once_however_often_it_appends_and_anchors(appends: int) -> None:
    branch = Counting()
    journal = AuditJournal(branch, clock=lambda: NOON, run=RUN)
    for number in range(appends):
        journal.record([AuditEvent(kind="note", data={"by": str(number)})], "Note")
        assert journal.tip == journal.chain().tip == read_chain(branch.files).tip
    assert journal.chain() == read_chain(branch.files)
    assert branch.reads == 1


def test_what_another_run_wrote_is_read_and_verified_before_anything_follows_it() -> None:
    branch = Counting(others=1)
    journal = AuditJournal(branch, clock=lambda: NOON, run=RUN)
    journal.record([AuditEvent(kind="note", data={"by": "us"})], "Note")
    assert branch.reads == 2
    assert [event["by"] for event in journal.chain().events] == ["another run", "us"]
    branch.files["record/2026/11/000001.jsonl"] = b"{}\n"
    other = AuditJournal(branch, clock=lambda: NOON, run=RUN)
    with pytest.raises(Denied):
        other.record([AuditEvent(kind="note", data={"by": "nobody"})], "Note")


def test_after_an_append_that_failed_the_branch_is_read_again() -> None:
    branch = Counting()
    journal = AuditJournal(branch, clock=lambda: NOON, run=RUN)
    assert journal.tip.seq == 0
    branch.refuse = True
    with pytest.raises(ForgeError):
        journal.record([AuditEvent(kind="note", data={"by": "us"})], "Note")
    branch.refuse = False
    journal.record([AuditEvent(kind="note", data={"by": "us"})], "Note")
    assert branch.reads == 2
