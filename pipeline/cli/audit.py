"""`daypass audit`: read and verify the record."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from pipeline.cli.context import Context
from pipeline.errors import UsageError


@click.group()
def audit() -> None:
    """Read and verify the record: what was tried, what came out, what was noticed."""


@audit.command()
@click.option("--grant", help="Only events that name this grant.")
@click.option("--json", "as_json", is_flag=True, help="Write the events as they are, one a line.")
@click.pass_obj
def log(context: Context, grant: str | None, as_json: bool) -> int:
    """Show the events of the record, oldest first.

    Exit codes: 0 fine, 1 the chain is broken (what holds is shown), 2 no event names that grant,
    3 it cannot be read.
    """
    from pipeline.reading.yaml_strict import closest
    from pipeline.record.chain import read_chain

    _, files = context.audit_store.load()
    chain = read_chain(files)
    named = {one for event in chain.events for one in _grants(event)}
    if grant is not None and grant not in named and not chain.broken:
        raise UsageError(f"the record names no grant {grant!r}{closest(grant, named)}")
    for event in chain.events:
        if grant is not None and grant not in _grants(event):
            continue
        if as_json:
            context.emit(event)
        else:
            context.out.line(_line(event))
    for broken in chain.broken:
        context.err.line(f"broken: {broken}", "red")
    return 1 if chain.broken else 0


@audit.command()
@click.option(
    "--copy",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Verify the chain in this folder instead of the branch: no GitHub is asked.",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")
@click.pass_obj
def verify(context: Context, copy: Path | None, as_json: bool) -> int:
    """Prove the record: chain, append-only history, anchors and default branch.

    Every line must follow the one before it; every commit must only add; every tip that a
    result comment carries must be in the chain; every commit of the default branch that a run
    worked from must still be contained in it; every check run that a proof names must show what
    the proof says. GitHub does not keep check runs for ever: a proof whose run is gone is named as
    no longer checkable, which is no fault.

    Exit codes: 0 it holds, 1 it does not, 3 something could not be read.
    """
    from pipeline.run.verify_record import verify_copy, verify_record

    if copy is None:
        verified = verify_record(context)
    else:
        verified = verify_copy(
            {
                file.relative_to(copy).as_posix(): file.read_bytes()
                for file in sorted(copy.rglob("*"))
                if file.is_file() and ".git" not in file.relative_to(copy).parts
            }
        )
    chain, anchors = verified.chain, verified.anchors
    document = {
        "holds": verified.holds,
        "events": len(chain.events),
        "tip": chain.tip.short,
        "anchors": anchors,
        "faults": list(verified.faults),
        "uncheckable": list(verified.uncheckable),
    }
    if as_json:
        context.emit(document)
    else:
        for fault in verified.faults:
            context.out.line(fault, "red")
        for proof in verified.uncheckable:
            context.out.line(proof, "yellow")
        said = "holds" if verified.holds else "is BROKEN"
        events = len(chain.events)
        context.out.line(
            f"the record {said}: {events} event{'' if events == 1 else 's'}, "
            f"{anchors} anchor{'' if anchors == 1 else 's'}, tip {chain.tip.short}",
            "green" if verified.holds else "red",
        )
    return 0 if verified.holds else 1


def _grants(event: Mapping[str, Any]) -> set[str]:
    named = {one["id"] for one in event.get("grants", ()) if isinstance(one, dict)}
    if isinstance(event.get("grant"), str):
        named.add(event["grant"])
    return named


def _line(event: Mapping[str, Any]) -> str:
    at, kind = event["at"], event["kind"]
    match kind:
        case "intent" | "outcome":
            binding = event["binding"]
            what = (
                f"{event['change']} {binding['target']} {binding['role']} until {binding['end']} "
                f"for {', '.join(sorted(_grants(event)))}"
            )
            if kind == "outcome":
                back = " (taken back)" if event["rollback"] else ""
                what += f": {event['status']}{back} {event['message']}".rstrip()
        case "proof":
            by = ", ".join(event["approvers"]) or "policy alone"
            what = f"{event['commit'][:12]} by #{event['pull']}, approved by {by}"
        case "alert":
            what = f"{event['path']} at {event['commit'][:12]}: {'; '.join(event['reasons'])}"
            if event.get("merger") is not None:
                pull = "" if event.get("pull") is None else f"#{event['pull']} "
                what += f" ({pull}by {event['merger']})"
        case "grant":
            what = f"{event['grant']} is {event['state']}"
            if event.get("deleted") is not None:
                asked = event["requester"] or "somebody who is no principal"
                what += f" (#{event['pull']} by {asked}, merged by {event['merger'] or 'unknown'})"
        case "segment":
            what = f"goes on after {event['breaks']} break(s): {'; '.join(event['first'])}"
        case "vanished":
            binding = event["binding"]
            what = (
                f"{binding['target']} {binding['role']} for {', '.join(sorted(_grants(event)))} "
                "is gone, and no run recorded that it took it"
            )
        case _:
            what = ""
    return f"{event['seq']:>6} {at} {kind:<8} {what}"
