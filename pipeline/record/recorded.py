"""Reads the record of earlier runs, as the next run needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pipeline.history.proofs import Proof
from pipeline.record.audit import unanswered_intents
from pipeline.values.binding import ChangeKind
from pipeline.values.canonical import timestamp
from pipeline.values.ids import GrantId

PROVISIONED = "provisioned"
ROLLED_BACK = "rolled-back"
ENDED = "ended"


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """Proofs, states and alerts of earlier runs."""

    proofs: Mapping[str, Proof]
    states: Mapping[tuple[str, str], str]
    """(grant, commit of its addition) to its last recorded state."""

    alerts: frozenset[tuple[str, str]]
    """(path, commit) of what was reported as quarantined before."""

    untold: frozenset[tuple[str, str]] = frozenset()
    """Keys of `states` whose pull request could not be told."""

    blobs: Mapping[GrantId, str] = field(default_factory=dict)
    """The version of each grant's file that was provisioned last, as its blob."""

    commits: Mapping[GrantId, str] = field(default_factory=dict)
    """The commit that brought that version."""

    roles: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Target and key of every binding that was made, to the name of its role."""

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
    roles: dict[tuple[str, str], str] = {}
    for event in events:
        if event["kind"] == "proof":
            proof = _proof(event)
            proofs[proof.commit] = proof
        elif event["kind"] == "grant":
            states[(event["grant"], event["life"])] = event["state"]
            untold[(event["grant"], event["life"])] = not event.get("told", True)
        elif event["kind"] == "alert":
            alerts.add((event.get("path", ""), event.get("commit", "")))
        elif event["kind"] == "outcome" and _made(event):
            binding = event["binding"]
            roles[binding["target"], binding["key"]] = binding["role"]
            for one in event["grants"]:
                if isinstance(one.get("blob"), str) and isinstance(one.get("commit"), str):
                    blobs[GrantId(one["id"])] = one["blob"]
                    commits[GrantId(one["id"])] = one["commit"]
    return Recorded(
        proofs=proofs,
        states=states,
        alerts=frozenset(alerts),
        untold=frozenset(key for key, still in untold.items() if still),
        blobs=blobs,
        commits=commits,
        roles=roles,
        unanswered=unanswered_intents(events),
    )


def _made(event: Mapping[str, Any]) -> bool:
    """Whether an outcome says that a binding was made or altered."""
    given = event["change"] != ChangeKind.DELETE and not event["rollback"]
    return given and event["status"] in ("done", "pending")


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
    )
