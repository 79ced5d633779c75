"""Plans, results and bindings as plain values for `--json`, and as lines for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pipeline.clouds.interface import Foreign, Result, Status
from pipeline.ending.removals import Removal
from pipeline.history.proven import BranchState
from pipeline.provision.plan import Plan, Surprise
from pipeline.provision.verify import Drift
from pipeline.values.binding import Binding, BindingChange, ChangeKind
from pipeline.values.canonical import canonical, timestamp
from pipeline.values.ids import GrantId, TargetId

_SIGNS = {ChangeKind.CREATE: "+", ChangeKind.UPDATE: "~", ChangeKind.DELETE: "-"}


def binding_document(binding: Binding) -> dict[str, Any]:
    """Returns a binding as tools read it; times as UTC text."""
    window = binding.window
    return {
        "cloud": binding.cloud,
        "target": binding.target,
        "key": binding.key,
        "grants": list(binding.grants),
        "principal": binding.principal,
        "role": binding.role,
        "start": timestamp(window.start) if window else None,
        "end": timestamp(window.end) if window else None,
        "handle": binding.handle,
    }


def change_document(change: BindingChange) -> dict[str, Any]:
    """Returns a change as tools read it."""
    return {
        "kind": change.kind,
        "binding": binding_document(change.binding),
        "before": binding_document(change.before) if change.before else None,
    }


def plan_document(plan: Plan) -> dict[str, Any]:
    """Returns a plan as tools read it."""
    return {
        "digest": plan.digest,
        "alive": plan.alive,
        "changes": [change_document(change) for change in plan.changes],
        "held": [{"grant": grant, "why": why} for grant, why in plan.held],
    }


def result_document(result: Result) -> dict[str, Any]:
    """Returns a result as tools read it."""
    return {
        **change_document(result.change),
        "status": result.status,
        "message": result.message,
    }


def foreign_document(foreign: Foreign) -> dict[str, Any]:
    """Returns a binding that is not ours as tools read it."""
    return {"target": foreign.target, "handle": foreign.handle, "why": foreign.why}


def drift_document(drift: Drift) -> dict[str, Any]:
    """Returns where desired and observed differ as tools read it."""
    return {
        "target": drift.target,
        "key": drift.key,
        "grants": list(drift.grants),
        "what": drift.what,
    }


def removal_document(removal: Removal) -> dict[str, Any]:
    """Returns what the removals lane takes away, and why, as tools read it."""
    binding = removal.binding
    return {
        "target": binding.target,
        "key": binding.key,
        "grants": list(binding.grants),
        "cause": removal.cause.name.lower(),
    }


def surprise_document(surprise: Surprise) -> dict[str, Any]:
    """Returns the changes that were left out for being too many as tools read them."""
    return {
        "digest": surprise.digest,
        "why": surprise.why,
        "alive": surprise.alive,
        "changes": [change_document(change) for change in surprise.changes],
    }


def situation_document(
    *,
    branch: BranchState,
    refused: Iterable[tuple[GrantId, str]],
    foreign: Iterable[Foreign],
    unreachable: Iterable[tuple[TargetId, str]],
) -> dict[str, Any]:
    """Returns what keeps a run from agreeing with the default branch, as tools read it."""
    return {
        "quarantined": [
            {
                "path": q.path,
                "commit": q.commit,
                "reasons": list(q.reasons),
                "brought": str(q.brought) if q.brought else None,
            }
            for q in branch.unproven
        ],
        "foreign": [foreign_document(one) for one in foreign],
        "unreachable": [{"target": target, "why": why} for target, why in unreachable],
        "refused": [{"grant": grant, "why": why} for grant, why in refused],
    }


def change_line(change: BindingChange) -> str:
    """Returns a change as people read it: `+ aws/payments-prod rds-reader alice until …`."""
    binding = change.binding
    until = f"until {timestamp(binding.window.end)}" if binding.window else "without an end"
    return (
        f"{_SIGNS[change.kind]} {binding.target} {binding.role} {binding.principal} {until} "
        f"({', '.join(binding.grants)})"
    )


def result_lines(results: Iterable[Result]) -> Iterator[tuple[str, str]]:
    """Yields a line for each of *results*, and its colour."""
    styles = {Status.DONE: "green", Status.PENDING: "yellow", Status.FAILED: "red"}
    for result in results:
        said = f": {result.message}" if result.message else ""
        yield f"{change_line(result.change)} {result.status}{said}", styles[result.status]


def line(document: Any) -> str:
    """Returns one line of canonical JSON."""
    return canonical(document)
