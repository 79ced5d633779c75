"""`daypass audit`: read and verify the record."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.run.workspace import Context

if TYPE_CHECKING:
    from pipeline.record.audit import Chain


@click.group()
def audit() -> None:
    """Read and verify the record: what was tried, what came out, what was noticed."""


@audit.command()
@click.option("--grant", help="Only events that name this grant.")
@click.option("--json", "as_json", is_flag=True, help="Write the events as they are, one a line.")
@click.pass_obj
def log(context: Context, grant: str | None, as_json: bool) -> int:
    """Show the events of the record, oldest first.

    Exit codes: 0 fine, 1 the chain is broken (what holds is shown), 3 it cannot be read.
    """
    _, files = context.audit_store.load()
    chain = _read(files)
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
    worked from must still be contained in it.

    Exit codes: 0 it holds, 1 it does not, 3 something could not be read.
    """
    files: Mapping[str, bytes]
    if copy is not None:
        files = {
            file.relative_to(copy).as_posix(): file.read_bytes()
            for file in sorted(copy.rglob("*"))
            if file.is_file() and ".git" not in file.relative_to(copy).parts
        }
        chain = _read(files)
        faults = list(chain.broken)
        anchors = 0
    else:
        head, files = context.audit_store.load()
        chain = _read(files)
        faults = [*chain.broken]
        if head is not None:
            faults += _rewritten(context, head)
        anchors, missing = _anchors(context, chain)
        faults += missing
        faults += _left_behind(context, chain)
    document = {
        "holds": not faults,
        "events": len(chain.events),
        "tip": chain.tip.short,
        "anchors": anchors,
        "faults": faults,
    }
    if as_json:
        context.emit(document)
    else:
        for fault in faults:
            context.out.line(fault, "red")
        said = "holds" if not faults else "is BROKEN"
        events = len(chain.events)
        context.out.line(
            f"the record {said}: {events} event{'' if events == 1 else 's'}, "
            f"{anchors} anchor{'' if anchors == 1 else 's'}, tip {chain.tip.short}",
            "red" if faults else "green",
        )
    return 1 if faults else 0


def _read(files: Mapping[str, bytes]) -> Chain:
    from pipeline.record.audit import read_chain

    return read_chain(files)


def _rewritten(context: Context, head: str) -> list[str]:
    """Commits of the record that do anything but add files, or are not the App's."""
    repository = context.repository
    faults = []
    commits = repository.mainline(head)
    for commit in commits:
        odd = [change.path for change in commit.changes if change.status != "A"]
        if odd:
            faults.append(f"{commit.sha[:12]} changes or removes {', '.join(odd)}")
        if len(commit.parents) > 1:
            faults.append(f"{commit.sha[:12]} is a merge")
    keeper = context.settings.keeper_id
    reader = context.reader
    strangers = [
        one.sha
        for one in reader.signatures(head)
        if keeper is None or not one.by(keeper) or reader.merge_made(one.sha)
    ]
    if strangers:
        faults.append(f"{len(strangers)} commits of the record are not signed for the App")
    return faults


def _anchors(context: Context, chain: Chain) -> tuple[int, list[str]]:
    """Counts the tips that result comments carry, and names those that the chain lacks."""
    from pipeline.output.markdown import ANCHOR

    keeper = context.settings.keeper_id
    pulls = {event["pull"] for event in chain.events if type(event.get("pull")) is int}
    # The record cannot say which comments anchor what was cut off it; the branch can.
    commits = context.repository.mainline(context.fetch_main(), since=context.anchor)
    for commit in commits:
        context.progress(f"asking who brought {commit.sha[:7]}")
        pulls.update(pull.number for pull in context.reader.pulls_of_commit(commit.sha))
    count, missing = 0, []
    for number in sorted(pulls):
        context.progress(f"reading the comments of #{number}")
        for comment in context.reader.comments(number):
            if comment.author is None or comment.author.id != keeper:
                continue
            for tip in ANCHOR.findall(comment.body):
                count += 1
                if tip not in chain.digests:
                    missing.append(f"#{number} anchors {tip[:20]}…, which the chain lacks")
    return count, missing


def _left_behind(context: Context, chain: Chain) -> list[str]:
    """Commits that runs worked from and the default branch no longer continues."""
    from pipeline.errors import ForgeError

    tip = context.fetch_main()
    line = {commit.sha for commit in context.repository.mainline(tip)}
    faults = []
    for main in sorted({str(event.get("main")) for event in chain.events} - line):
        try:
            contained = context.repository.is_ancestor(main, tip)
        except ForgeError:
            contained = False
        where = "hides" if contained else "does not contain"
        faults.append(f"the default branch {where} {main[:12]}, which a run saw")
    return faults


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
        case "grant":
            what = f"{event['grant']} is {event['state']}"
        case _:
            what = ""
    return f"{event['seq']:>6} {at} {kind:<8} {what}"
