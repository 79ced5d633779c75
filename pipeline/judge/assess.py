"""Judges one pull request: what it changes, what policy says, who approved.

The same steps serve the check of an open pull request and the proof of a merged one; only
the base commit and the moment differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from pipeline.approvals.membership import Membership
from pipeline.approvals.pushers import Contributed
from pipeline.approvals.tally import MOST_ORDERS, Approvals
from pipeline.errors import Denied, EngineError, InvalidInput, Unanswerable
from pipeline.history.lives import GRANTS, REVIEWS
from pipeline.history.proven import Proven
from pipeline.history.sources import Sources
from pipeline.history.subject_past import past
from pipeline.judge.assessment import Assessment
from pipeline.judge.changed_grant import ChangedGrant
from pipeline.judge.circumstances import circumstances
from pipeline.judge.counting import count_approvals
from pipeline.judge.decide import Decision, Verdict, decide
from pipeline.judge.grant_changes import read_items, takes_away
from pipeline.judge.head_line import HeadLine
from pipeline.judge.offer import offer_of
from pipeline.judge.parties import excluded, interested
from pipeline.judge.requesters import Askers
from pipeline.judge.rule_change_effects import aftermath
from pipeline.judge.rule_trial import no_decision
from pipeline.judge.rulebook import Rulebooks, Trial
from pipeline.judge.shape import shape_problems
from pipeline.judge.shown import too_much_to_show
from pipeline.policy.answer import (
    EnginesDisagree,
    Evaluation,
    Requester,
    evaluate,
    governance_document,
    input_document,
)
from pipeline.policy.bundle import load_rules
from pipeline.policy.engine import PolicyBundle, PolicyEngine
from pipeline.values.catalogue import Catalogue
from pipeline.values.commits import MainlineCommit, TreeChange
from pipeline.values.grant_change import LESS
from pipeline.values.problem import Problem
from pipeline.values.pull_request import Checker, ForgeReader, PullRequest
from pipeline.values.requirement import merged

Engines = Callable[[PolicyBundle], Sequence[PolicyEngine]]


class _Findings(NamedTuple):
    """The findings of asking the policies."""

    evaluations: tuple[Evaluation, ...] = ()
    approvals: Approvals | None = None
    denial: str = ""
    """A reason to deny that makes counting pointless."""

    problems: tuple[Problem, ...] = ()


class _Book(NamedTuple):
    """The rules that judge, what GitHub says of the teams that they know, and which pushes put
    something of the head there."""

    catalogue: Catalogue
    bundle: PolicyBundle
    membership: Membership
    contributed: Contributed


class Assessor:
    """Judges pull requests of one repository."""

    def __init__(
        self,
        *,
        sources: Sources,
        forge: ForgeReader,
        engines: Engines,
        trial: Trial,
        default_branch: str,
        app_id: int | None,
        checker: Checker,
        fetch_commit: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """*app_id* is the account id of the App that may ask for less access. *fetch_commit* makes
        a commit of any branch available, and returns whether it is."""
        self._sources = sources
        self._forge = forge
        self._engines = engines
        self._trial = trial
        self._rulebooks = Rulebooks(sources, trial)
        self._default_branch = default_branch
        self._app_id = app_id
        self.checker = checker
        self._fetch_commit = fetch_commit

    def assess(
        self,
        pull: PullRequest,
        *,
        base: str,
        changes: Sequence[TreeChange],
        history: Sequence[MainlineCommit],
        previous: Mapping[str, Proven | None],
        now: datetime,
        sound: Sequence[str],
        reported: tuple[Problem, ...] | None = None,
    ) -> Assessment:
        """Returns the assessment of *pull*, whose head differs from the base by *changes*.

        Policies and catalogue are those of *base*; *history* is the default branch up to it;
        *previous* holds the last proven version of every grant that is modified. A merged
        pull request is judged as of its `merged_at`, which then is *now*.

        What takes access away or repairs is judged by the nearest of *sound* that can be used:
        commits at which nothing that decides was unproven, nearest first. *reported* is what a
        trial of the head's rules found that was made elsewhere: nothing of them runs here then.

        Raises `ForgeError` and `EngineError` where something did not answer.
        """
        problems = shape_problems(pull, changes, default_branch=self._default_branch)
        kind = "grant" if any(c.path.startswith(GRANTS) for c in changes) else "governance"
        items: tuple[ChangedGrant, ...] = ()
        findings = _Findings()
        policies = ""
        empty: tuple[str, ...] = ()
        requester: str | None = None
        asks = any(
            c.path.startswith(GRANTS)
            and not takes_away(self._sources, c, head=pull.head_sha, previous=previous)
            for c in changes
        )
        try:
            catalogue, bundle = (
                self._rulebooks.at(base) if asks else self._rulebooks.standing_in(base, sound)
            )
        except InvalidInput as error:
            problems.extend(error.problems)
        else:
            policies = bundle.digest
            line = HeadLine(
                self._sources.objects, base=base, head=pull.head_sha, fetch=self._fetch_commit
            )
            book = _Book(
                catalogue,
                bundle,
                Membership(self._forge, catalogue.teams),
                partial(line.contributed, author=pull.author),
            )
            person = catalogue.person(pull.author.id) if pull.author else None
            requester = person.name if person else None
            if kind == "grant":
                items, found = read_items(
                    self._sources,
                    changes,
                    base=base,
                    head=pull.head_sha,
                    previous=previous,
                    catalogue=catalogue,
                    now=now,
                )
                problems.extend([*found, *too_much_to_show(items)])
            elif not problems and pull.merged_at is None:
                tried = self._trial.unreviewed._replace(reported=reported)
                problems.extend(self._aftermath(pull, base, changes, history, book, now, tried))
            if not problems and asks and base not in sound:
                # Nor are rules tried that nobody may have reviewed.
                why = "what decides is not proven on the default branch, so only less access"
                findings = _Findings(denial=f"{why} can be judged")
            elif not problems:
                findings = self._ask(pull, kind, changes, items, history, book, now)
                problems.extend(findings.problems)
            late = kind == "governance" and pull.merged_at is not None
            if late and _decision(problems, findings).allowed:
                # What nobody approved is not even tried: policies can take for ever to answer,
                # and every later run would ask them again.
                tried = self._trial.unreviewed
                problems.extend(self._aftermath(pull, base, changes, history, book, now, tried))
            empty = book.membership.empty
        return Assessment(
            pull=pull,
            base=base,
            kind=kind,
            items=items,
            evaluations=findings.evaluations,
            approvals=findings.approvals,
            problems=tuple(sorted(set(problems))),
            decision=_decision(problems, findings),
            changes=tuple(changes),
            policies=policies,
            requester=requester,
            empty_teams=empty,
        )

    def _aftermath(
        self,
        pull: PullRequest,
        base: str,
        changes: Sequence[TreeChange],
        history: Sequence[MainlineCommit],
        book: _Book,
        now: datetime,
        trial: Trial,
    ) -> tuple[Problem, ...]:
        question = governance_document(
            paths=[c.path for c in changes],
            reviews=_reviewed_subjects(changes),
            now=now,
            requester=self._askers(pull, book).author(),
            pull=pull,
            approvals=(),
        )
        return aftermath(
            self._sources,
            pull.head_sha,
            changes,
            question,
            trial,
            base=base,
            before=book.catalogue,
            history=history,
            now=now,
        )

    def _ask(
        self,
        pull: PullRequest,
        kind: str,
        changes: Sequence[TreeChange],
        items: Sequence[ChangedGrant],
        history: Sequence[MainlineCommit],
        book: _Book,
        now: datetime,
    ) -> _Findings:
        """Asks the policies; what they cannot answer anybody is a problem of theirs."""
        try:
            return self._judge(pull, kind, changes, items, history, book, now)
        except InvalidInput as error:
            return _Findings(problems=error.problems)
        # What is so on every try is no outage: that would stop every later run, removals
        # included.
        except EnginesDisagree as error:
            return _Findings(denial=str(error))
        except Unanswerable as error:
            return _Findings(problems=(no_decision(error),))
        except EngineError:
            # No engine starts with policies that it cannot load.
            if broken := self._rulebooks.unusable(book.bundle):
                return _Findings(problems=broken)
            raise

    def _judge(
        self,
        pull: PullRequest,
        kind: str,
        changes: Sequence[TreeChange],
        items: Sequence[ChangedGrant],
        history: Sequence[MainlineCommit],
        book: _Book,
        now: datetime,
    ) -> _Findings:
        catalogue, bundle, membership, contributed = book
        engines = self._engines(bundle)
        rules = load_rules(bundle)

        def asked(counted: Sequence[str]) -> list[Evaluation]:
            return [evaluate(document, engines, rules) for document in documents(counted)]

        concerned = interested(items, catalogue)
        people = self._askers(pull, book)
        lines = [line for item in items for line in item.entitlements]
        askers = [people.author(lines)]
        facts = [self._facts(item, history, catalogue, people, now) for item in items]

        def documents(counted: Sequence[str]) -> list[dict[str, object]]:
            return [one for asker in askers for one in documents_of(asker, counted)]

        def documents_of(requester: Requester, counted: Sequence[str]) -> list[dict[str, object]]:
            if kind == "governance" or not items:
                return [
                    governance_document(
                        paths=[c.path for c in changes],
                        reviews=_reviewed_subjects(changes),
                        now=now,
                        requester=requester,
                        pull=pull,
                        approvals=counted,
                    )
                ]
            return [
                input_document(
                    change=item.change,
                    grant=item.grant,
                    entitlements=item.entitlements,
                    window=item.window,
                    now=now,
                    requester=requester,
                    subject=catalogue.principals.get(item.grant.subject),
                    previous=item.previous,
                    pull=pull,
                    approvals=counted,
                    **known,
                )
                for item, known in zip(items, facts, strict=True)
            ]

        first = asked(())
        if askers[0].is_app or any(one.merges_by_itself for one in first):
            try:
                askers += people.others(lines)
            except Denied as error:
                return _Findings(tuple(first), denial=str(error))
            first = asked(())
        required = merged(step for one in first for step in one.approvals)
        if not required:
            return _Findings(tuple(first))
        orders = {step.order for step in required}
        if len(orders) > MOST_ORDERS:
            why = (
                f"policy asks for approvals in {len(orders)} orders, at most {MOST_ORDERS} can "
                "be counted; give steps that need not wait for each other the same order"
            )
            return _Findings(tuple(first), denial=why)
        try:
            approvals = count_approvals(
                self._forge,
                pull,
                offer_of(pull, kind=kind, changes=changes, items=items),
                required,
                catalogue=catalogue,
                checker=self.checker,
                app_id=self._app_id,
                membership=membership,
                interested={**excluded(first, catalogue), **concerned},
                contributed=contributed,
                now=now,
            )
        except Denied as error:
            return _Findings(tuple(first), denial=str(error))
        counted = [one.principal for one in approvals.counted]
        # Asked again with the names of those who approved: a rule may object to them, and
        # what it requires may not change because of them.
        again = asked(counted)
        if merged(step for one in again for step in one.approvals) != required:
            why = "the approvals required change with who approved; correct the policies"
            return _Findings(tuple(again), denial=why)
        return _Findings(tuple(again), approvals)

    def _askers(self, pull: PullRequest, book: _Book) -> Askers:
        return Askers(
            self._forge,
            pull,
            book.catalogue,
            book.bundle,
            membership=book.membership,
            app_id=self._app_id,
            contributed=book.contributed,
        )

    def _facts(
        self,
        item: ChangedGrant,
        history: Sequence[MainlineCommit],
        catalogue: Catalogue,
        people: Askers,
        now: datetime,
    ) -> dict[str, Any]:
        """Returns the subject's past and the circumstances, by argument of the question.

        Of less access they are told neither: nothing of it may hold that up.
        """
        if item.change in LESS:
            return {}
        subject = catalogue.principals.get(item.grant.subject)
        before = past(
            self._sources,
            item.grant,
            history,
            now=now,
            reviewed={(one.grant, one.commit) for one in catalogue.reviews},
        )
        return {
            "subject_teams": people.subject_teams(subject),
            "lives": before.lives,
            "emergencies": before.emergencies,
            "revives": before.revives,
            **circumstances(catalogue, item.grant.subject, window=item.window, now=now),
        }


def _decision(problems: Sequence[Problem], findings: _Findings) -> Decision:
    if findings.denial:
        return Decision(verdict=Verdict.DENIED, reasons=(findings.denial,))
    return decide(problems, findings.evaluations, findings.approvals)


def _reviewed_subjects(changes: Sequence[TreeChange]) -> list[str]:
    """Returns the subjects whose emergency access the changed reviews are about, by folder."""
    return [
        change.path.removeprefix(REVIEWS).partition("/")[0]
        for change in changes
        if change.path.startswith(REVIEWS)
    ]
