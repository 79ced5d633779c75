"""Proves the record: chain, append-only history, anchors and default branch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.errors import Denied, ForgeError
from pipeline.judge.offer import name_of_run
from pipeline.output.markdown import ANCHOR
from pipeline.record.chain import Chain, by_number, read_chain
from pipeline.record.recorded import read_recorded
from pipeline.run.workspace import CHECK_NAME, Workspace

_MOST_BREAKS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """The record, and the faults that were found in it."""

    chain: Chain
    anchors: int
    """Tips of the chain that result comments carry."""

    faults: tuple[str, ...]
    uncheckable: tuple[str, ...] = ()
    """Proofs whose check run GitHub no longer has: it does not keep them for ever, so that is no
    fault. What was shown is on the record."""

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.faults


def verify_copy(files: Mapping[str, bytes]) -> Verified:
    """Returns what can be said of the record's *files* alone: whether the chain holds."""
    chain = read_chain(by_number(files))
    return Verified(chain=chain, anchors=0, faults=tuple(_breaks(chain)))


def verify_record(workspace: Workspace) -> Verified:
    """Returns what can be said of the record on GitHub. Raises `ForgeError`."""
    head, files = workspace.audit_store.load()
    chain = read_chain(files)
    faults = _breaks(chain)
    if head is not None:
        faults += _rewritten(workspace, head)
    anchors, missing = _anchors(workspace, chain)
    faults += missing
    faults += _left_behind(workspace, chain)
    uncheckable, otherwise = _check_runs(workspace, chain)
    return Verified(
        chain=chain,
        anchors=anchors,
        faults=(*faults, *otherwise),
        uncheckable=tuple(uncheckable),
    )


def _breaks(chain: Chain) -> list[str]:
    """Returns every place where *chain* does not hold: a segment mends nothing."""
    named = [f"{one}; a segment names it" for one in chain.breaks[: chain.named]]
    said = [*map(str, chain.broken), *named]
    # One altered line is followed by as many as came after it.
    more = len(said) - _MOST_BREAKS
    return said if more <= 0 else [*said[:_MOST_BREAKS], f"and {more} more places after these"]


def _rewritten(workspace: Workspace, head: str) -> list[str]:
    """Commits of the record that do anything but add files, or are not the App's."""
    repository = workspace.repository
    faults = []
    commits = repository.mainline(head)
    for commit in commits:
        odd = [change.path for change in commit.changes if change.status != "A"]
        if odd:
            faults.append(f"{commit.sha[:12]} changes or removes {', '.join(odd)}")
        if len(commit.parents) > 1:
            faults.append(f"{commit.sha[:12]} is a merge")
    keeper = workspace.settings.keeper_id
    reader = workspace.reader
    strangers = [
        one.sha
        for one in reader.signatures(head)
        if keeper is None or not one.by(keeper) or reader.merge_made(one.sha)
    ]
    if strangers:
        faults.append(f"{len(strangers)} commits of the record are not signed for the App")
    return faults


def _anchors(workspace: Workspace, chain: Chain) -> tuple[int, list[str]]:
    """Counts the tips that result comments carry, and names those that the chain lacks, and
    what has too many entries to be looked into."""
    keeper = workspace.settings.keeper_id
    pulls = {event["pull"] for event in chain.events if type(event.get("pull")) is int}
    # The record cannot say which comments anchor what was cut off it; the branch can.
    commits = workspace.repository.mainline(workspace.fetch_main(), since=workspace.anchor)
    count, missing = 0, []
    for commit in commits:
        workspace.progress(f"asking who brought {commit.sha[:7]}")
        try:
            pulls.update(pull.number for pull in workspace.reader.pulls_of_commit(commit.sha))
        except Denied as error:
            missing.append(f"who brought {commit.sha[:7]} cannot be read: {error.message}")
    for number in sorted(pulls):
        workspace.progress(f"reading the comments of #{number}")
        try:
            comments = workspace.reader.comments(number)
        except Denied as error:
            missing.append(f"the comments of #{number} cannot be read: {error.message}")
            continue
        for comment in comments:
            if comment.author is None or comment.author.id != keeper:
                continue
            for tip in ANCHOR.findall(comment.body):
                count += 1
                if tip not in chain.digests:
                    missing.append(f"#{number} anchors {tip[:20]}…, which the chain lacks")
    return count, missing


def _check_runs(workspace: Workspace, chain: Chain) -> tuple[list[str], list[str]]:
    """Returns the proofs whose check run is gone, and those whose check run says otherwise."""
    proofs = read_recorded(chain.events).proofs.values()
    named = [one for one in proofs if one.check_run is not None and one.offer is not None]
    app = workspace.settings.checker_app
    if named and app is None:
        workspace.warn("DAYPASS_CHECKER_APP_ID is not set: check runs are not looked at")
    if app is None:
        return [], []
    gone, otherwise = [], []
    for proof in named:
        what = f"{proof.commit[:12]} by #{proof.pull}"
        workspace.progress(f"looking for the check run that showed {what}")
        try:
            runs = workspace.reader.check_runs(proof.head, name=CHECK_NAME, app=app)
        except Denied as error:
            gone.append(f"{what} is no longer checkable: {error.message}")
            continue
        shown = {one.id: one.external_id for one in runs}.get(proof.check_run or 0)
        if shown is None:
            gone.append(
                f"{what} is no longer checkable: GitHub has no check run {proof.check_run} any more"
            )
        elif shown != name_of_run(proof.pull, proof.offer or ""):
            otherwise.append(f"check run {proof.check_run} did not show what proves {what}")
    return gone, otherwise


def _left_behind(workspace: Workspace, chain: Chain) -> list[str]:
    """Commits that runs worked from and the default branch no longer continues."""
    tip = workspace.fetch_main()
    line = {commit.sha for commit in workspace.repository.mainline(tip)}
    faults = []
    for main in sorted({str(event.get("main")) for event in chain.events} - line):
        try:
            contained = workspace.repository.is_ancestor(main, tip)
        except ForgeError:
            contained = False
        where = "hides" if contained else "does not contain"
        faults.append(f"the default branch {where} {main[:12]}, which a run saw")
    return faults
