"""Reads the record of earlier runs, as the next run needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pipeline.history.proofs import GivenApproval, Proof
from pipeline.record.audit import unanswered_intents
from pipeline.values.binding import ChangeKind
from pipeline.values.canonical import timestamp
from pipeline.values.grant import Access, Window
from pipeline.values.ids import GrantId, TargetId

PROVISIONED = "provisioned"
ROLLED_BACK = "rolled-back"
ENDED = "ended"
MISSED = "missed"
"""Its time was over before a run could give anything of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusals:
    """Runs in which a cloud did not make a part of one version of a grant."""

    runs: int
    last: datetime
    why: str
    """The message of the last one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """A binding that a run made or altered, and none took away since."""

    target: TargetId
    key: str
    principal: str
    role: str
    grants: tuple[GrantId, ...]
    start: datetime | None
    end: datetime | None
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """Proofs, states and alerts of earlier runs."""

    proofs: Mapping[str, Proof]
    states: Mapping[tuple[str, str], str]
    """(grant, commit of its addition) to its last recorded state."""

    alerts: frozenset[tuple[str, str]]
    """(path, commit) of what was reported as quarantined before."""

    told: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Keys of `states` to the commit of the version that was last recorded as provisioned; of
    those recorded by a release that did not say it, none."""

    untold: frozenset[tuple[str, str]] = frozenset()
    """Keys of `states` whose pull request could not be told."""

    blobs: Mapping[GrantId, str] = field(default_factory=dict)
    """The version of each grant's file that was provisioned last, as its blob; of those that have
    ended, none."""

    commits: Mapping[GrantId, str] = field(default_factory=dict)
    """The commit that brought that version."""

    lines: Mapping[GrantId, Mapping[tuple[str, str], Access]] = field(default_factory=dict)
    """Of each grant: target and key of every binding that was made, to the line that it is for.
    Those made by a release that did not record it are left out; so are grants that have ended."""

    windows: Mapping[tuple[str, str], tuple[Window, ...]] = field(default_factory=dict)
    """Target and key of every binding for one grant, to the windows that were asked for it since
    it was made: what a cloud accepted may come later."""

    refusals: Mapping[tuple[GrantId, str], Refusals] = field(default_factory=dict)
    """(grant, commit of its version) to how often that could not be made in full."""

    made: Mapping[tuple[str, str], Made] = field(default_factory=dict)
    """Target and key of what was made, and was not taken away since."""

    tried: Mapping[GrantId, datetime] = field(default_factory=dict)
    """When a run last did something for each grant, or was about to."""

    unanswered: tuple[Mapping[str, Any], ...] = ()
    """Intents without an outcome: their runs ended in between."""


def read_recorded(events: Sequence[Mapping[str, Any]]) -> Recorded:
    """Returns what *events*, a verified chain's, say."""
    proofs: dict[str, Proof] = {}
    states: dict[tuple[str, str], str] = {}
    alerts: set[tuple[str, str]] = set()
    untold: dict[tuple[str, str], bool] = {}
    blobs: dict[GrantId, str] = {}
    commits: dict[GrantId, str] = {}
    lines: dict[GrantId, dict[tuple[str, str], Access]] = {}
    windows: dict[tuple[str, str], tuple[Window, ...]] = {}
    refusals: dict[tuple[GrantId, str], Refusals] = {}
    made: dict[tuple[str, str], Made] = {}
    tried: dict[GrantId, datetime] = {}
    told: dict[tuple[str, str], str] = {}
    for event in events:
        if event["kind"] in ("intent", "outcome", "vanished"):
            _note(event, made)
            at = datetime.fromisoformat(event["at"])
            tried |= {GrantId(one["id"]): at for one in event["grants"]}
        if _went(event):
            place = _place(event)
            windows.pop(place, None)
            for those in lines.values():
                those.pop(place, None)
        if event["kind"] == "proof":
            proof = _proof(event)
            proofs[proof.commit] = proof
        elif event["kind"] == "grant":
            # What is told late is no news: the path may have another life since.
            news = states.get((event["grant"], event["life"])) != event["state"]
            states[(event["grant"], event["life"])] = event["state"]
            untold[(event["grant"], event["life"])] = not event.get("told", True)
            if event["state"] == PROVISIONED and isinstance(event.get("commit"), str):
                told[(event["grant"], event["life"])] = event["commit"]
            if event["state"] == PROVISIONED:
                _version(GrantId(event["grant"]), event, blobs, commits)
            elif event["state"] == ENDED and news:
                blobs.pop(GrantId(event["grant"]), None)
                commits.pop(GrantId(event["grant"]), None)
                lines.pop(GrantId(event["grant"]), None)
        elif event["kind"] == "alert":
            alerts.add((event.get("path", ""), event.get("commit", "")))
        elif event["kind"] == "outcome" and _made(event):
            line = _line(event["binding"])
            _ask(event, windows)
            for one in event["grants"]:
                lines.setdefault(GrantId(one["id"]), {}).update(line)
                _version(GrantId(one["id"]), one, blobs, commits)
        elif event["kind"] == "outcome" and _refused(event):
            for one in event["grants"]:
                key = (GrantId(one["id"]), str(one.get("commit")))
                refusals[key] = _once_more(refusals.get(key), event)
    return Recorded(
        proofs=proofs,
        states=states,
        alerts=frozenset(alerts),
        told=told,
        untold=frozenset(key for key, still in untold.items() if still),
        blobs=blobs,
        commits=commits,
        lines=lines,
        windows=windows,
        refusals=refusals,
        made=made,
        tried=tried,
        unanswered=unanswered_intents(events),
    )


def _place(event: Mapping[str, Any]) -> tuple[str, str]:
    return (event["binding"]["target"], event["binding"]["key"])


def _went(event: Mapping[str, Any]) -> bool:
    """Whether *event* says that a binding is gone."""
    if event["kind"] == "vanished":
        return True
    if event["kind"] != "outcome" or event["change"] != ChangeKind.DELETE:
        return False
    status: str = event["status"]
    return status == "done"


def _ask(event: Mapping[str, Any], windows: dict[tuple[str, str], tuple[Window, ...]]) -> None:
    """Notes the window that an outcome says was asked for its binding."""
    start, end = (_moment(event["binding"][name]) for name in ("start", "end"))
    place = _place(event)
    if start is None or end is None or start >= end or len(event["grants"]) != 1:
        windows.pop(place, None)
        return
    before = () if event["change"] == ChangeKind.CREATE else windows.get(place, ())
    window = Window(start=start, end=end)
    windows[place] = before if window in before else (*before, window)


def _version(
    grant: GrantId,
    said: Mapping[str, Any],
    blobs: dict[GrantId, str],
    commits: dict[GrantId, str],
) -> None:
    """Notes the version of *grant* that *said* names; nothing where it names none."""
    if isinstance(said.get("blob"), str) and isinstance(said.get("commit"), str):
        blobs[grant], commits[grant] = said["blob"], said["commit"]


def _made(event: Mapping[str, Any]) -> bool:
    """Whether an outcome says that a binding was made or altered."""
    given = event["change"] != ChangeKind.DELETE and not event["rollback"]
    return given and event["status"] in ("done", "pending")


def _line(binding: Mapping[str, Any]) -> dict[tuple[str, str], Access]:
    """Returns the line that *binding* is for, by its target and key; empty where it is unsaid."""
    if "parameters" not in binding:
        return {}
    return {
        (binding["target"], binding["key"]): Access(
            target=TargetId(binding["target"]),
            role=binding["role"],
            parameters=tuple((name, value) for name, value in binding["parameters"]),
        )
    }


def _note(event: Mapping[str, Any], made: dict[tuple[str, str], Made]) -> None:
    """Notes in *made* what an intent or an outcome says is there now.

    Only what a cloud listed is taken away, so whoever intends that has seen it.
    """
    binding, place = event["binding"], _place(event)
    if event["kind"] == "vanished" or event["change"] == ChangeKind.DELETE:
        made.pop(place, None)
    elif event.get("status") == "done":
        made[place] = Made(
            target=TargetId(binding["target"]),
            key=binding["key"],
            principal=binding["principal"],
            role=binding["role"],
            grants=tuple(GrantId(one["id"]) for one in event["grants"]),
            start=_moment(binding["start"]),
            end=_moment(binding["end"]),
            at=datetime.fromisoformat(event["at"]),
        )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _refused(event: Mapping[str, Any]) -> bool:
    """Whether an outcome says that a binding could not be made or altered."""
    given = event["change"] != ChangeKind.DELETE and not event["rollback"]
    return given and event["status"] == "failed"


def _once_more(before: Refusals | None, event: Mapping[str, Any]) -> Refusals:
    at = datetime.fromisoformat(event["at"])
    # The parts that one run could not make are recorded together.
    runs = 1 if before is None else before.runs + (at != before.last)
    return Refusals(runs=runs, last=at, why=event["message"])


def proof_data(proof: Proof) -> dict[str, Any]:
    """Returns *proof* as the record keeps it."""
    return {
        "commit": proof.commit,
        "pull": proof.pull,
        "head": proof.head,
        "merged_at": timestamp(proof.merged_at),
        "requester": proof.requester,
        "approvers": list(proof.approvers),
        "decision": proof.decision,
        "previous": proof.previous,
        "offer": proof.offer,
        "check_run": proof.check_run,
        "approvals": [
            {
                "review": one.review,
                "account": one.account,
                "person": one.person,
                "at": timestamp(one.at),
            }
            for one in proof.approvals
        ],
        "merger": proof.merger,
        "through": proof.through,
    }


def _proof(event: Mapping[str, Any]) -> Proof:
    return Proof(
        commit=event["commit"],
        pull=event["pull"],
        head=event["head"],
        merged_at=datetime.fromisoformat(event["merged_at"]),
        requester=event["requester"],
        approvers=tuple(event["approvers"]),
        decision=event["decision"],
        # Proofs of what changes a grant are made anew where an older record does not say.
        previous=event.get("previous"),
        offer=event.get("offer"),
        check_run=event.get("check_run"),
        approvals=tuple(
            GivenApproval(
                review=one["review"],
                account=one["account"],
                person=one["person"],
                at=datetime.fromisoformat(one["at"]),
            )
            for one in event.get("approvals", ())
        ),
        merger=event.get("merger"),
        through=event.get("through"),
    )
