"""Tells each merged pull request what came of its grant: one comment, edited in place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pipeline.clouds.interface import Result, Status
from pipeline.clouds.usage import usage
from pipeline.errors import Denied, ForgeError, UsageError
from pipeline.history.proofs import LifeKey
from pipeline.output.markdown import (
    ANCHOR,
    QUARANTINE_MARKER,
    RESULT_MARKER,
    changed_comment,
    quarantine_comment,
    result_comment,
)
from pipeline.provision.apply import Outcome
from pipeline.provision.verify import Drift
from pipeline.record.recorded import MISSED, PROVISIONED
from pipeline.run.estate import EstateRun
from pipeline.run.situation import Situation
from pipeline.values.binding import Binding
from pipeline.values.canonical import digest
from pipeline.values.grant import Window
from pipeline.values.ids import GrantId

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class GrantResult:
    """The result that one pull request is told."""

    key: LifeKey
    pull: int
    window: Window | None
    """None where the grant is not live."""

    state: str | None
    """None where the grant is between two states."""

    results: tuple[Result, ...]
    bindings: tuple[Binding, ...]
    """What the clouds should hold because of it."""

    drift: tuple[Drift, ...]
    earlier: tuple[int, ...] = ()
    """Pull requests that brought earlier versions of it."""

    waits: str = ""
    """Why nothing of it is made until somebody acts; empty where nothing stands against it."""

    @property
    def grant(self) -> GrantId:
        """The grant's id."""
        return GrantId(self.key[0])


def grant_results(
    situation: Situation,
    outcome: Outcome,
    drift: Sequence[Drift],
    states: Mapping[LifeKey, str],
    brought: Mapping[LifeKey, int] | None = None,
) -> tuple[GrantResult, ...]:
    """Returns what to tell: of each grant that changed state, or did not come out. *brought* are
    the pull requests of grants that nobody proved."""
    branch = situation.branch
    asked = {
        branch.life_key(grant): tuple(dict.fromkeys(proof.pull for proof in proofs))
        for grant, proofs in branch.proofs.items()
    }
    pulls = {key: numbers[-1] for key, numbers in asked.items()} | dict(brought or {})
    for key in states:
        if proof := situation.recorded.proofs.get(key[1]):
            pulls.setdefault(key, proof.pull)
    windows = {one.grant.id: one.window for one in branch.live}
    # By grant, once: a search for each of them would grow with the square of their number.
    every = (*outcome.results, *outcome.rolled_back)
    results_of = _by_grant((r, r.change.grants) for r in every)
    drift_of = _by_grant((one, one.grants) for one in drift)
    bindings_of = _by_grant((one, one.grants) for one in situation.desired.bindings)
    refused = dict(situation.desired.refused)
    found = []
    for key, pull in sorted(pulls.items()):
        grant = GrantId(key[0])
        results, differs = results_of.get(grant, ()), drift_of.get(grant, ())
        bindings = bindings_of.get(grant, ())
        state = states.get(key)
        waits = refused.get(grant) or _refusal(situation, grant, bindings)
        done = all(r.status is Status.DONE for r in results)
        if state is None and done and not (differs or waits):
            continue
        found.append(
            GrantResult(
                key=key,
                pull=pull,
                window=windows.get(grant),
                state=state,
                results=results,
                bindings=bindings,
                drift=differs,
                earlier=asked.get(key, ())[:-1] if state == PROVISIONED else (),
                waits=waits,
            )
        )
    return tuple(found)


def _by_grant(found: Iterable[tuple[T, Iterable[GrantId]]]) -> dict[GrantId, tuple[T, ...]]:
    """Returns what was *found*, in its order, by each of the grants that it is about."""
    by: dict[GrantId, list[T]] = {}
    for one, grants in found:
        for grant in dict.fromkeys(grants):
            by.setdefault(grant, []).append(one)
    return {grant: tuple(some) for grant, some in by.items()}


def _refusal(situation: Situation, grant: GrantId, bindings: Sequence[Binding]) -> str:
    """Returns why nothing of *grant*, which needs *bindings*, is made until somebody acts: a target
    refused to be listed. Empty where that is not so."""
    refused = situation.estate.refused
    if not any(binding.target in refused for binding in bindings):
        return ""
    return situation.waiting.get(grant, "")


def tell_results(
    run: EstateRun, outcome: Outcome, drift: Sequence[Drift], states: Mapping[LifeKey, str]
) -> frozenset[LifeKey]:
    """Tells each pull request whose grant changed state, or did not come out, how it stands.

    Returns the keys of *states* that could not be told.
    """
    workspace = run.workspace
    untold: set[LifeKey] = set()
    bot = keeper_account(run)
    brought = _pulls_of_missed(run, states)
    for one in grant_results(run.situation, outcome, drift, states, brought):
        try:
            body = result_comment(
                grant=one.grant,
                window=one.window,
                state=one.state or "unfinished",
                results=one.results,
                usage=[line for binding in one.bindings for line in usage(binding)],
                tip=run.journal.tip.short,
                drift=[
                    *(f"{d.target} {d.key}: {d.what}" for d in one.drift),
                    *((one.waits,) if one.waits else ()),
                ],
                lost=lost_anchors(run, one.pull, bot),
            )
            marker = f"{RESULT_MARKER}-{digest(one.grant)[:12]}"
            writer = workspace.writer("keeper")
            writer.comment(one.pull, marker=marker, body=body, bot_id=bot)
            for number in one.earlier:
                later = changed_comment(
                    one.grant,
                    one.pull,
                    tip=run.journal.tip.short,
                    lost=lost_anchors(run, number, bot),
                )
                writer.comment(number, marker=marker, body=later, bot_id=bot)
        except (Denied, ForgeError) as error:
            # Access is right and recorded; a comment that failed must not undo that.
            workspace.warn(f"#{one.pull} could not be told, a later run does: {error}")
            untold.add(one.key)
    return frozenset(untold)


def _pulls_of_missed(run: EstateRun, states: Mapping[LifeKey, str]) -> dict[LifeKey, int]:
    """Returns the pull request that brought each grant of which nothing was given, where GitHub
    says which: what is over is not proven any more."""
    workspace = run.workspace
    found: dict[LifeKey, int] = {}
    for key in (key for key, state in states.items() if state == MISSED):
        try:
            pulls = workspace.reader.pulls_of_commit(key[1])
        except (Denied, ForgeError) as error:
            workspace.warn(f"{key[0]}: nobody could be told that nothing was given: {error}")
            continue
        base = workspace.settings.default_branch
        numbers = [pull.number for pull in pulls if pull.base_ref == base]
        if numbers:
            found[key] = min(numbers)
    return found


def tell_quarantines(run: EstateRun) -> None:
    """Tells each pull request that brought what is newly quarantined why nothing comes of it."""
    situation, workspace = run.situation, run.workspace
    bot = keeper_account(run)
    for one in situation.branch.quarantined:
        pull = one.brought.pull if one.brought else None
        if one.undecided or pull is None or (one.path, one.commit) in situation.recorded.alerts:
            continue
        marker = f"{QUARANTINE_MARKER}-{digest([one.path, one.commit])[:12]}"
        try:
            workspace.writer("keeper").comment(
                pull, marker=marker, body=quarantine_comment(one), bot_id=bot
            )
        except (Denied, ForgeError) as error:
            # The alert on the record and the exit code say it, too.
            workspace.warn(f"#{pull} could not be told why it is not applied: {error}")


def keeper_account(run: EstateRun) -> int:
    """Returns the account id of the keeper, whose comments are ours. Raises `UsageError`."""
    bot = run.workspace.settings.keeper_id
    if bot is None:
        raise UsageError(
            "the keeper's account id is not known", hint="set DAYPASS_KEEPER_ID in its job"
        )
    return bot


def lost_anchors(run: EstateRun, pull: int, bot: int) -> list[str]:
    """Tips that comments on *pull* anchor and the record lacks: traces of what was cut off it.

    Editing a comment must not wipe them out.
    """
    found = {
        tip
        for comment in run.workspace.reader.comments(pull)
        if comment.author is not None and comment.author.id == bot
        for tip in ANCHOR.findall(comment.body)
    }
    lost = found - run.journal.chain().digests
    # Another run may have written, and told, since this one read the record.
    return sorted(lost - run.journal.chain(anew=True).digests if lost else ())
