"""Judges requests over the sandbox's catalogue and the project's policies, all of it in memory.

There are four kinds of cases. A `Pull` goes through `Assessor`, with a forge that knows its
people and a git that knows its past. An `Offline` request is asked about as `daypass check FILE`
and `daypass policy simulate` do. A `Damaged` question is one of theirs with a part changed. A
`Live` case is what the clouds should hold because of several grants. Each gives a record of
plain values (`support_golden_records`); what the product is asked to do, it is asked here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from datetime import timedelta
from functools import partial
from typing import Any

from pipeline.clouds.desired import desired, render_bindings
from pipeline.grants.catalogue import entitlements
from pipeline.grants.parse import parse_grant
from pipeline.grants.validate import validate_grant
from pipeline.history.proven import Proven
from pipeline.history.sources import Sources
from pipeline.judge.assess import Assessor
from pipeline.judge.decide import decide
from pipeline.judge.requesters import teams_named
from pipeline.judge.rulebook import Trial
from pipeline.policy.answer import Previous, evaluate
from pipeline.policy.bundle import Rule, load_rules
from pipeline.policy.engine import PolicyBundle
from pipeline.policy.rego import RegorusEngine
from pipeline.policy_tools.suppose import lives_from, suppose
from pipeline.values.canonical import canonical
from pipeline.values.catalogue import Catalogue
from pipeline.values.commits import ABSENT_MODE, FILE_MODE, MainlineCommit, TreeChange, TreeEntry
from pipeline.values.grant import Grant, window_of
from pipeline.values.grant_change import classify
from pipeline.values.live import LiveGrant
from pipeline.values.problem import Problem
from pipeline.values.pull_request import Actor, PullRequest, Review
from tests.unit.support_golden_kinds import (
    DROP,
    Case,
    Damaged,
    Files,
    Live,
    Offline,
    Pull,
    commit_of,
    sha_of,
)
from tests.unit.support_golden_records import Record, record, record_of_desired
from tests.unit.support_golden_worlds import WORLDS
from tests.unit.support_reviews import CHECKER, Desk

ACTORS = {
    **{
        name: Actor(id=1001 + index, login=name, type="User")
        for index, name in enumerate(("alice", "bob", "carol", "dave", "erin", "mallory"))
    },
    "stranger": Actor(id=2001, login="stranger", type="User"),
    "robot": Actor(id=2002, login="robot[bot]", type="Bot"),
    "app": Actor(id=3001, login="daypass[bot]", type="Bot"),
}
MEMBERS = {
    "engineering": {1001, 1002, 1004, 1005},
    "payments-leads": {1002},
    "security": {1003, 1004},
}


class Trees:
    """Git's objects in memory, by commit."""

    def __init__(self) -> None:
        self._trees: dict[str, dict[str, TreeEntry]] = {}
        self._entries: dict[tuple[str, str], TreeEntry] = {}
        self._blobs: dict[str, bytes] = {}

    def put(self, commit: str, files: Mapping[str, str]) -> None:
        """Adds *commit*, which holds *files*."""
        self._trees[commit] = {path: self._entry(path, files[path]) for path in sorted(files)}

    def _entry(self, path: str, text: str) -> TreeEntry:
        if (path, text) not in self._entries:
            content, blob = text.encode(), sha_of(text)
            self._blobs[blob] = content
            self._entries[path, text] = TreeEntry(
                path=path, mode=FILE_MODE, kind="blob", blob=blob, size=len(content)
            )
        return self._entries[path, text]

    def tree(self, commit: str, *prefixes: str) -> tuple[TreeEntry, ...]:
        """See `sources.Objects`."""
        return tuple(
            entry for path, entry in self._trees[commit].items() if path.startswith(prefixes)
        )

    def merge_base(self, one: str, other: str) -> str:
        """Returns the first: each pull request begins at the commit that it is judged at."""
        assert other in self._trees
        return one

    def read_many(self, blobs: Sequence[str], *, limit: int) -> Mapping[str, bytes]:
        """See `sources.Objects`."""
        return {blob: self._blobs[blob] for blob in blobs}


class Remembering:
    """An engine that evaluates each question once."""

    def __init__(self, engine: RegorusEngine) -> None:
        self.name = engine.name
        self._engine = engine
        self._answers: dict[str, object] = {}

    def decide(self, document: Mapping[str, Any]) -> object:
        """See `PolicyEngine.decide`."""
        text = canonical(document)
        if text not in self._answers:
            self._answers[text] = self._engine.decide(document)
        return self._answers[text]


class Noting:
    """An engine that notes, for one case, what it is asked."""

    def __init__(self, engine: Remembering, asked: dict[str, Mapping[str, Any]]) -> None:
        self.name = engine.name
        self._engine = engine
        self._asked = asked

    def decide(self, document: Mapping[str, Any]) -> object:
        """See `PolicyEngine.decide`."""
        self._asked.setdefault(canonical(document), document)
        return self._engine.decide(document)


class Reception:
    """A forge that knows the pull request of one case after the other."""

    def __init__(self) -> None:
        self.desk = Desk([])

    def __getattr__(self, name: str) -> Any:
        return getattr(self.desk, name)


class Court:
    """Judges cases; what they share is read and compiled once."""

    def __init__(self) -> None:
        self._trees = Trees()
        self._sources = Sources(self._trees)  # type: ignore[arg-type]
        # By identity, as a digest takes long; kept alive beside it, so that none comes again.
        self._engines: dict[int, tuple[PolicyBundle, Remembering]] = {}
        self._rules: dict[int, tuple[PolicyBundle, Mapping[str, Rule]]] = {}
        self._questions: dict[str, tuple[str, Mapping[str, Any]]] = {}
        self._asked: dict[str, Mapping[str, Any]] = {}
        self._forge = Reception()
        self._assessor = Assessor(
            sources=self._sources,
            forge=self._forge,
            engines=lambda bundle: [Noting(self._engine(bundle), self._asked)],
            trial=Trial(self._engine),
            default_branch="main",
            app_id=ACTORS["app"].id,
            checker=CHECKER,
        )
        for world in WORLDS:
            self._trees.put(commit_of(world, ()), WORLDS[world]())

    def judge(self, case: Case) -> Record:
        """Returns what comes of *case*."""
        match case:
            case Pull():
                return self._pull(case)
            case Offline():
                return self._offline(case)
            case Damaged():
                return self._damaged(case)
            case Live():
                return self._live(case)

    def rules(self, world: str = "acme") -> Mapping[str, Rule]:
        """Returns the rules of a world's policies by code."""
        return self._rules_of(self._sources.policies(commit_of(world, ())))

    def _rules_of(self, bundle: PolicyBundle) -> Mapping[str, Rule]:
        if id(bundle) not in self._rules:
            self._rules[id(bundle)] = (bundle, load_rules(bundle))
        return self._rules[id(bundle)][1]

    def _catalogue(self, world: str) -> Catalogue:
        return self._sources.catalogue(commit_of(world, ()))

    def _engine(self, bundle: PolicyBundle) -> Remembering:
        if id(bundle) not in self._engines:
            self._engines[id(bundle)] = (bundle, Remembering(RegorusEngine(bundle)))
        return self._engines[id(bundle)][1]

    def _offline(self, case: Offline) -> Record:
        parsed = parse_grant(case.text.encode(), path=case.path)
        if parsed.grant is None:
            return _refused(parsed.problems)
        grant, catalogue = parsed.grant, self._catalogue(case.world)
        if problems := validate_grant(grant, catalogue):
            return _refused(problems)
        bundle = self._sources.policies(commit_of(case.world, ()))
        merged = case.now if case.before is None else case.now - timedelta(hours=1)
        before = None
        if case.before is not None:
            last = _grant(case.before, case.path)
            before = Previous(
                grant=last,
                window=window_of(last, merged_at=merged),
                requester=last.subject,
                first_duration=last.duration,
            )
        lines, window = entitlements(grant, catalogue), window_of(grant, merged_at=merged)
        others = [
            _grant(text, f"access/grants/{grant.subject}/other-{index}.yaml")
            for index, text in enumerate(case.others)
        ]
        document = suppose(
            grant,
            change=classify(before.grant if before else None, grant),
            entitlements=lines,
            window=window,
            now=case.now,
            catalogue=catalogue,
            teams=teams_named(bundle.data.get("settings")),
            previous=before,
            lives=[life for one in others for life in lives_from(one, case.now)],
        )
        self._questions[case.name] = (case.world, document)
        evaluation = evaluate(document, [self._engine(bundle)], self._rules_of(bundle))
        live = LiveGrant(grant=grant, window=window, entitlements=lines)
        return record(
            questions=[document],
            evaluations=[evaluation],
            bindings=render_bindings(live, now=case.now),
            decision=decide((), [evaluation], None),
        )

    def _damaged(self, case: Damaged) -> Record:
        world, document = self._questions[case.of]
        for keys, value in case.put.items():
            document = _with(document, keys, value)
        bundle = self._sources.policies(commit_of(world, ()))
        evaluation = evaluate(document, [self._engine(bundle)], self._rules_of(bundle))
        return record(
            questions=[document],
            evaluations=[evaluation],
            decision=decide((), [evaluation], None),
        )

    def _live(self, case: Live) -> Record:
        catalogue = self._catalogue(case.world)
        live = []
        for path, text, merged_at in case.grants:
            grant = _grant(text, path)
            window = window_of(grant, merged_at=merged_at)
            lines = entitlements(grant, catalogue)
            live.append(LiveGrant(grant=grant, window=window, entitlements=lines))
        return record_of_desired(desired(live, now=case.now))

    def _pull(self, case: Pull) -> Record:
        files: Mapping[str, str] = WORLDS[case.world]()
        past: list[Files] = []
        commits, history = [commit_of(case.world, past)], []
        for merge in case.past:
            past.append(merge.files)
            before, files = files, _changed(files, merge.files)
            commits.append(commit_of(case.world, past))
            self._trees.put(commits[-1], files)
            history.append(
                MainlineCommit(
                    sha=commits[-1],
                    parents=(commits[-2],),
                    committed_at=merge.at,
                    changes=_changes(before, files),
                )
            )
        base, head = commits[-1], commit_of(case.world, [*past, case.changes])
        after = _changed(files, case.changes)
        self._trees.put(head, after)
        author = None if case.author is None else ACTORS[case.author]
        values: dict[str, Any] = {
            "number": 7,
            "author": author,
            "state": "closed" if case.merged else "open",
            "base_ref": "main",
            "head_ref": "alice/request",
            "head_sha": head,
            "same_repository": True,
            "merged_at": case.now if case.merged else None,
        }
        self._forge.desk = _desk(case, head)
        judge = partial(
            self._assessor.assess,
            PullRequest(**{**values, **case.facts}),
            base=base,
            changes=_changes(files, after),
            history=history,
            previous={path: self._proven(case, path) for path in case.changes},
            now=case.now,
            sound={"base": [base], "first": commits[:1], "none": []}[case.sound],
        )
        if case.reviews:
            # A check had shown it long before.
            self._forge.desk.show(judge().external_id)
        self._asked.clear()
        assessment = judge()
        asked = list(self._asked.values())
        if asked:
            self._questions[case.name] = (case.world, asked[0])
        return record(
            questions=asked,
            evaluations=assessment.evaluations,
            bindings=[one for item in assessment.items for one in item.bindings],
            decision=assessment.decision,
            problems=assessment.problems,
            assessment=assessment,
        )

    def _proven(self, case: Pull, path: str) -> Proven | None:
        """Returns the last proven version at *path*, as proving the branch would."""
        found: Proven | None = None
        for index, merge in enumerate(case.past):
            if path not in merge.files or not path.startswith("access/grants/"):
                continue
            text = merge.files[path]
            if text is None:
                found = None
            elif merge.proven:
                grant = _grant(text, path)
                begun = found.window.start if found else merge.at
                narrows = found is not None and classify(found.grant, grant) == "narrow"
                found = Proven(
                    commit=commit_of(case.world, [one.files for one in case.past[: index + 1]]),
                    grant=grant,
                    window=window_of(grant, merged_at=begun),
                    requester=found.requester if found else merge.by,
                    first_duration=found.first_duration if found else grant.duration,
                    entitlements=found.left_by(grant)
                    if found and narrows
                    else entitlements(grant, self._catalogue(case.world)),
                )
        return found


def _refused(problems: Sequence[Problem]) -> Record:
    return record(decision=decide(problems, (), None), problems=problems)


def _grant(text: str, path: str) -> Grant:
    parsed = parse_grant(text.encode(), path=path)
    if parsed.grant is None:
        raise ValueError(f"{path} is no grant: {'; '.join(map(str, parsed.problems))}")
    return parsed.grant


def _changed(files: Mapping[str, str], changes: Files) -> dict[str, str]:
    every = {**files, **changes}
    return {path: text for path, text in every.items() if text is not None}


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[TreeChange, ...]:
    return tuple(
        TreeChange(
            path=path,
            status="A" if path not in before else "D" if path not in after else "M",
            old_mode=FILE_MODE if path in before else ABSENT_MODE,
            new_mode=FILE_MODE if path in after else ABSENT_MODE,
            old_blob=sha_of(before[path]) if path in before else None,
            new_blob=sha_of(after[path]) if path in after else None,
        )
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    )


def _desk(case: Pull, head: str) -> Desk:
    commits = {"head": head, "gone": None}
    people = [ACTORS[name] for name in (case.author, *case.pushers) if name is not None]
    return Desk(
        [
            Review(
                id=index + 1,
                author=ACTORS[said.who],
                state=said.state,
                commit=commits.get(said.commit, "0" * 40),
                submitted_at=case.now - timedelta(minutes=said.minutes_ago),
            )
            for index, said in enumerate(case.reviews)
        ],
        pushers=people,
        members=MEMBERS,
        writers={actor.id for name, actor in ACTORS.items() if name not in ("stranger", "mallory")},
        accounts=list(ACTORS.values()),
    )


def _with(value: Any, keys: Sequence[str | int], new: Any) -> Any:
    """Returns a copy of *value* with *new* at *keys*."""
    if not keys:
        return new
    copied, key = copy(value), keys[0]
    if len(keys) == 1 and new is DROP:
        del copied[key]
    else:
        copied[key] = _with(None if len(keys) == 1 else value[key], keys[1:], new)
    return copied
