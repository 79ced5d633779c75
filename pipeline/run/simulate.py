"""Asks two sets of policies about every grant of a tree and of its history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipeline.errors import EngineError, ForgeError, InvalidInput, UsageError
from pipeline.grants.catalogue import entitlements
from pipeline.history.lives import lives
from pipeline.judge.requesters import teams_named
from pipeline.policy.answer import Evaluation, evaluate
from pipeline.policy.bundle import Rule, load_rules
from pipeline.policy.engine import PolicyBundle, PolicyEngine
from pipeline.policy.rego import RegorusEngine
from pipeline.policy_tools.replay import Replay, Version, replayed_versions
from pipeline.policy_tools.simulate import (
    Judged,
    NoDecision,
    ReplayedQuestion,
    Simulation,
    Unasked,
    compare,
    first_told,
)
from pipeline.policy_tools.suppose import ASSUMED, lives_from, suppose
from pipeline.run.offline import (
    all_grants,
    parse_file,
    policy_folder,
    read_catalogue,
    read_policies,
    read_policy_folder,
)
from pipeline.run.workspace import Workspace
from pipeline.values.catalogue import Catalogue
from pipeline.values.commits import MainlineCommit
from pipeline.values.grant import Grant, window_of

TAKEN_FOR_GRANTED = (
    *ASSUMED,
    "people are in every team that either settings name",
    "every version in history was proven as it stands",
)
"""What only GitHub knows, in words for people."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulationChoice:
    """Which policies to compare, and which part of history to ask about."""

    folder: Path | None = None
    """The changed policies: a folder."""

    rev: str | None = None
    """The changed policies: those of a commit, branch or tag."""

    base: str | None = None
    """The policies to compare with; this folder's where it is None."""

    since: str | None = None
    """Only what came after this commit."""

    last: int | None = None
    """Only the last so many versions and ends."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicySide:
    """One set of policies, ready to be asked."""

    name: str
    bundle: PolicyBundle
    engine: PolicyEngine
    rules: Mapping[str, Rule]


@dataclass(frozen=True, kw_only=True, slots=True)
class Simulated:
    """Both sets of policies, and what they decide otherwise."""

    before: PolicySide
    after: PolicySide
    outcome: Simulation


def simulate_policies(workspace: Workspace, choice: SimulationChoice) -> Simulated:
    """Returns what the changed policies would decide otherwise.

    Raises `UsageError` for a choice that cannot be carried out and `InvalidInput` for policies
    or a catalogue that cannot be read.
    """
    commits = _history(workspace)
    before, after = _sides(workspace, commits, choice)
    same = before.bundle.digest == after.bundle.digest
    if same:
        workspace.warn(f"{before.name} and {after.name} are the same policies")
    wanted = _wanted(commits, choice.since, choice.last)
    outcome = _judge(workspace, commits, wanted, before, before if same else after)
    return Simulated(before=before, after=after, outcome=outcome)


def _history(workspace: Workspace) -> tuple[MainlineCommit, ...]:
    workspace.progress("reading the history of grants")
    return workspace.repository.mainline(workspace.repository.resolve("HEAD"))


def _sides(
    workspace: Workspace, commits: Sequence[MainlineCommit], choice: SimulationChoice
) -> tuple[PolicySide, PolicySide]:
    """Returns the policies to compare with, and the changed ones."""
    if choice.folder is not None and choice.rev is not None:
        raise UsageError("give --policies DIR or --rev REV, not both")
    if choice.folder is None and choice.rev is None and choice.base is None:
        raise UsageError(
            "which policies are changed is not said",
            hint="give --policies DIR or --rev REV, or --base REV for what this folder changes",
        )
    return (
        _side(workspace, commits, folder=None, rev=choice.base),
        _side(workspace, commits, folder=choice.folder, rev=choice.rev),
    )


def _side(
    workspace: Workspace, commits: Sequence[MainlineCommit], *, folder: Path | None, rev: str | None
) -> PolicySide:
    """Returns the policies of a folder, of a revision, or those of the working tree."""
    name = str(folder) if folder else f"policies at {rev}" if rev else "policies"
    try:
        if folder is not None:
            place = policy_folder(workspace.root, folder, option="--policies")
            bundle = read_policy_folder(place)
        elif rev is not None:
            bundle = workspace.sources.policies(_revision(workspace, commits, rev))
        else:
            bundle = read_policies(workspace.root)
        rules = load_rules(bundle)
        engine = RegorusEngine(bundle)
    except InvalidInput:
        workspace.warn(f"{name} cannot be used:")
        raise
    except EngineError as error:
        raise UsageError(f"{name} cannot be used: {error.message}", hint=error.hint) from error
    return PolicySide(name=name, bundle=bundle, engine=engine, rules=rules)


def _revision(workspace: Workspace, commits: Sequence[MainlineCommit], text: str) -> str:
    """Returns the commit that *text* names: an id, its beginning, a branch, a tag or a ref."""
    begun = [commit.sha for commit in commits if len(text) >= 7 and commit.sha.startswith(text)]
    if len(begun) == 1:
        return begun[0]
    for name in (text, f"refs/heads/{text}", f"refs/tags/{text}", f"refs/remotes/{text}"):
        try:
            return workspace.repository.resolve(name)
        except ForgeError:
            continue
    raise UsageError(
        f"no commit, branch or tag is called {text}", hint="give the whole id, or fetch it first"
    )


def _wanted(
    commits: Sequence[MainlineCommit], since: str | None, last: int | None
) -> frozenset[Version]:
    if since is not None and last is not None:
        raise UsageError("give --since SHA or --last N, not both")
    if since is not None:
        places = [
            index
            for index, commit in enumerate(commits)
            if len(since) >= 7 and commit.sha.startswith(since)
        ]
        if len(places) != 1:
            raise UsageError(
                f"{since} is not one commit of this branch's first-parent history",
                hint="see git log --first-parent; give at least 7 digits",
            )
        commits = commits[places[0] + 1 :]
    found = replayed_versions(commits)
    return frozenset(found if last is None else found[-last:])


def _judge(
    workspace: Workspace,
    commits: Sequence[MainlineCommit],
    wanted: frozenset[Version],
    before: PolicySide,
    after: PolicySide,
) -> Simulation:
    teams = frozenset().union(
        *(teams_named(side.bundle.data.get("settings")) for side in (before, after))
    )
    catalogue = read_catalogue(workspace.root)
    replay = Replay(workspace.sources, commits, today=catalogue)
    paths = tuple(all_grants(workspace.root))
    total = len(wanted) + len(paths)
    results: list[Judged | Unasked | NoDecision] = []
    for questions in (
        replay.questions(wanted, teams=teams),
        _questions_of_tree(
            workspace, replay, commits, paths, teams, catalogue=catalogue, now=workspace.now()
        ),
    ):
        for question in questions:
            results.append(
                question if isinstance(question, Unasked) else _put(question, before, after)
            )
            if len(results) % 100 == 0 or len(results) == total:
                workspace.progress(f"judged {len(results)} of {total}")
    return Simulation(results=tuple(results))


def _put(question: ReplayedQuestion, before: PolicySide, after: PolicySide) -> Judged | NoDecision:
    answers: list[Evaluation] = []
    # The same policies say the same of the same question.
    for side in (before,) if after is before else (before, after):
        try:
            answers.append(evaluate(question.document, [side.engine], side.rules))
        except EngineError as error:
            return NoDecision(
                commit=question.commit,
                path=question.grant.path,
                reason=f"{side.name} gave no decision: {error.message}",
            )
    was, would = answers[0], answers[-1]
    return Judged(question=question, before=was, after=would, flip=compare(was, would))


def _questions_of_tree(
    workspace: Workspace,
    replay: Replay,
    commits: Sequence[MainlineCommit],
    paths: Sequence[str],
    teams: frozenset[str],
    *,
    catalogue: Catalogue,
    now: datetime,
) -> Iterator[ReplayedQuestion | Unasked]:
    """The grants at *paths*, each as if asked for *now*, with the folder's *catalogue*.

    Their subjects' other grants begin when they were merged, and what was not, now. Comes
    after the whole of *replay*.
    """
    parsed = {path: parse_file(workspace.root, path) for path in paths}
    merged = {life.path for life in lives(commits) if life.present}
    unmerged: dict[str, list[Grant]] = {}
    for path, one in parsed.items():
        if one.grant is not None and path not in merged:
            unmerged.setdefault(one.grant.subject, []).append(one.grant)
    reviewed = {(one.grant, one.commit) for one in catalogue.reviews}
    for path, one in parsed.items():
        grant = one.grant
        if grant is None:
            why = f"it is no grant: {first_told(one.problems)}"
            yield Unasked(commit=None, path=path, reason=why)
            continue
        came = replay.memory.past(grant, now=now, reviewed=reviewed)
        others = [other for other in unmerged.get(grant.subject, ()) if other.path != path]
        try:
            document = suppose(
                grant,
                change="create",
                entitlements=entitlements(grant, catalogue),
                window=window_of(grant, merged_at=now),
                now=now,
                catalogue=catalogue,
                teams=teams,
                lives=(*came.lives, *(life for other in others for life in lives_from(other, now))),
                emergencies=came.emergencies,
                revives=came.revives,
            )
        except InvalidInput as error:
            why = f"it does not fit the catalogue: {first_told(error.problems)}"
            yield Unasked(commit=None, path=path, reason=why)
            continue
        yield ReplayedQuestion(commit=None, at=now, grant=grant, document=document)
