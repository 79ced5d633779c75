"""`daypass policy simulate`: what changed policies would have decided otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.errors import EngineError, ForgeError, InvalidInput, UsageError
from pipeline.judge.requesters import teams_named
from pipeline.output.flips import flip_table, not_judged_lines, outcome_document, summary
from pipeline.policy.answer import Evaluation, evaluate
from pipeline.policy.bundle import Rule, load_rules
from pipeline.policy.engine import PolicyBundle, PolicyEngine
from pipeline.policy_tools.replay import Replay, Version, replayed_versions
from pipeline.policy_tools.simulate import (
    Judged,
    NoDecision,
    ReplayedQuestion,
    Simulation,
    Turn,
    Unasked,
    compare,
    first_told,
)
from pipeline.policy_tools.suppose import ASSUMED, lives_from, suppose
from pipeline.run.workspace import Context
from pipeline.values.catalogue import Catalogue
from pipeline.values.grant import Grant

if TYPE_CHECKING:
    from pipeline.values.commits import MainlineCommit

_ASSUMED = (
    *ASSUMED,
    "people are in every team that either settings name",
    "every version in history was proven as it stands",
)


@click.command()
@click.option(
    "--policies",
    "folder",
    type=click.Path(path_type=Path),
    help="The changed policies: a folder like policies/, from here or else from the access "
    "repository.",
)
@click.option("--rev", help="The changed policies: those of this commit, branch or tag.")
@click.option(
    "--base",
    help="Compare with the policies of this commit, branch or tag, not with this folder's. Alone, "
    "it shows what this folder's own changes do.",
)
@click.option("--since", help="Of history, only what came after this commit.")
@click.option(
    "--last", type=click.IntRange(min=1), help="Of history, only the last N versions and ends."
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout, all grants in it.")
@click.pass_obj
def simulate(
    context: Context,
    folder: Path | None,
    rev: str | None,
    base: str | None,
    since: str | None,
    last: int | None,
    as_json: bool,
) -> int:
    """Show which grants changed policies or settings would decide otherwise.

    Judged are every grant of this folder, as if asked for now, and every version of every grant
    in the history of its branch (first parents), as of its day: with the catalogue before it, at
    its committer's date, after what its subject had held by then. Only the policies differ.
    Calendars and rotations that were not there then are taken from this folder.

    Judged too is every deletion in that history. Of it and of what only makes a grant smaller,
    policies are told no past, no calendars and nobody on call, as in a pull request.

    Nothing is asked of GitHub. What only GitHub knows is taken to be the same both times, and
    favourable: the subject asks, and is in every team that either settings name, so a change of
    who has to be in which team does not show. Approvals are not counted, only required.

    What cannot be judged (files that are no grants to this version, a catalogue that cannot be
    read) is listed with its reason.

    A flip is an answer that differs, in one way or several: denied, allowed; merges-by-itself,
    waits-for-people; more-reviewers, fewer-reviewers, other-reviewers; codes, where other rules
    than before deny or warn, whether or not anything else comes of it.

    Exit codes: 0 nothing flips, 1 something flips, 2 the policies cannot be used, 3 no conclusion,
    whether or not something flips: policies gave no decision on a part, or nothing could be judged
    of all that there is, or of the history that there is. What else is not judged changes neither
    0 nor 1.
    """
    commits = _history(context)
    before, after = _sides(context, commits, folder=folder, rev=rev, base=base)
    same = before.bundle.digest == after.bundle.digest
    if same:
        context.err.line(f"{before.name} and {after.name} are the same policies", "yellow")
    wanted = _wanted(commits, since, last)
    outcome = _judge(context, commits, wanted, before, before if same else after)
    if as_json:
        policies = {"before": _side_document(before), "after": _side_document(after)}
        document = outcome_document(outcome)
        context.emit({"policies": policies, "assumed": list(_ASSUMED), **document})
    else:
        _say(context, outcome)
    if outcome.unsure:
        context.err.line("no conclusion: what was not judged could change the answer", "yellow")
    return 3 if outcome.unsure else 1 if outcome.flips else 0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Side:
    """One set of policies, ready to be asked."""

    name: str
    bundle: PolicyBundle
    engine: PolicyEngine
    rules: Mapping[str, Rule]


def _history(context: Context) -> tuple[MainlineCommit, ...]:
    context.progress("reading the history of grants")
    return context.repository.mainline(context.repository.resolve("HEAD"))


def _sides(
    context: Context,
    commits: Sequence[MainlineCommit],
    *,
    folder: Path | None,
    rev: str | None,
    base: str | None,
) -> tuple[_Side, _Side]:
    """Returns the policies to compare with, and the changed ones."""
    if folder is not None and rev is not None:
        raise UsageError("give --policies DIR or --rev REV, not both")
    if folder is None and rev is None and base is None:
        raise UsageError(
            "which policies are changed is not said",
            hint="give --policies DIR or --rev REV, or --base REV for what this folder changes",
        )
    return (
        _side(context, commits, folder=None, rev=base),
        _side(context, commits, folder=folder, rev=rev),
    )


def _side(
    context: Context, commits: Sequence[MainlineCommit], *, folder: Path | None, rev: str | None
) -> _Side:
    """Returns the policies of a folder, of a revision, or those of the working tree."""
    from pipeline.policy.rego import RegorusEngine
    from pipeline.run.offline import policy_folder, read_policies, read_policy_folder

    name = str(folder) if folder else f"policies at {rev}" if rev else "policies"
    try:
        if folder is not None:
            place = policy_folder(context.root, folder, option="--policies")
            bundle = read_policy_folder(place)
        elif rev is not None:
            bundle = context.sources.policies(_revision(context, commits, rev))
        else:
            bundle = read_policies(context.root)
        rules = load_rules(bundle)
        engine = RegorusEngine(bundle)
    except InvalidInput:
        context.err.line(f"{name} cannot be used:", "red")
        raise
    except EngineError as error:
        raise UsageError(f"{name} cannot be used: {error.message}", hint=error.hint) from error
    return _Side(name=name, bundle=bundle, engine=engine, rules=rules)


def _revision(context: Context, commits: Sequence[MainlineCommit], text: str) -> str:
    """Returns the commit that *text* names: an id, its beginning, a branch, a tag or a ref."""
    begun = [commit.sha for commit in commits if len(text) >= 7 and commit.sha.startswith(text)]
    if len(begun) == 1:
        return begun[0]
    for name in (text, f"refs/heads/{text}", f"refs/tags/{text}", f"refs/remotes/{text}"):
        try:
            return context.repository.resolve(name)
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
    context: Context,
    commits: Sequence[MainlineCommit],
    wanted: frozenset[Version],
    before: _Side,
    after: _Side,
) -> Simulation:
    from pipeline.run.offline import all_grants, read_catalogue

    teams = frozenset().union(
        *(teams_named(side.bundle.data.get("settings")) for side in (before, after))
    )
    catalogue = read_catalogue(context.root)
    replay = Replay(context.sources, commits, today=catalogue)
    paths = tuple(all_grants(context.root))
    total = len(wanted) + len(paths)
    results: list[Judged | Unasked | NoDecision] = []
    for questions in (
        replay.questions(wanted, teams=teams),
        _questions_of_tree(
            context, replay, commits, paths, teams, catalogue=catalogue, now=context.now()
        ),
    ):
        for question in questions:
            results.append(
                question if isinstance(question, Unasked) else _put(question, before, after)
            )
            if len(results) % 100 == 0 or len(results) == total:
                context.progress(f"judged {len(results)} of {total}")
    return Simulation(results=tuple(results))


def _put(question: ReplayedQuestion, before: _Side, after: _Side) -> Judged | NoDecision:
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
    context: Context,
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
    from pipeline.grants.catalogue import entitlements
    from pipeline.history.lives import lives
    from pipeline.run.offline import parse_file
    from pipeline.values.grant import window_of

    parsed = {path: parse_file(context.root, path) for path in paths}
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


def _side_document(side: _Side) -> dict[str, str]:
    return {"name": side.name, "digest": side.bundle.digest}


def _say(context: Context, outcome: Simulation) -> None:
    out = context.out
    header, *lines = flip_table(outcome)
    if lines:
        out.line(header, "bold")
    for line, (_, flip) in zip(lines, outcome.flips, strict=True):
        worse = Turn.DENIED in flip.turns
        out.line(line, "red" if worse else "green" if Turn.ALLOWED in flip.turns else "yellow")
    for line in not_judged_lines(outcome):
        out.line(line, "yellow")
    out.line(summary(outcome), "bold")
    for text in _ASSUMED:
        out.line(f"  taken for granted: {text}", "dim")
