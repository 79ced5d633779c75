"""What a memory tells, against the plain definition of a past, over histories of any kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from pipeline.grants.parse import Parsed, parse_grant
from pipeline.history.lives import GRANTS, Life, LifeStep, grant_id, is_grant
from pipeline.history.sources import Sources
from pipeline.history.subject_past import LOOK_BACK, Memory, Past, _held, past, readable_versions
from pipeline.policy.question import Emergency, OtherLife
from pipeline.values.commits import MainlineCommit, TreeChange
from pipeline.values.grant import Grant
from pipeline.values.ids import RoleId
from tests.unit.support_values import NOON, change, commit
from tests.unit.test_past import Texts, asked, text

PATHS = (
    *(f"{GRANTS}alice/{name}.yaml" for name in ("x", "y", "x-1", "z/deep")),
    f"{GRANTS}alice2/x.yaml",
    f"{GRANTS}bob/x.yaml",
    f"{GRANTS}alice/note.md",
    "access/roles/gcp.yaml",
)
TEXTS = {
    "short": text("30m"),
    "long": text("8h"),
    "days": text("30d"),
    "both": text("8h") + b"  - target: gcp/prod\n    role: reader\n",
    "other": text("8h", role="reader"),
    "used": text("1h", emergency=True),
    "later": text("8h") + b"start: 2026-11-21T18:00:00Z\n",
    "far": text("1h") + b"start: 2027-03-01T18:00:00Z\n",
    "odd": b"subject: [",
}


def _of(path: str, said: bytes) -> bytes:
    subject = path.removeprefix(GRANTS).partition("/")[0]
    return said.replace(b"subject: alice", f"subject: {subject}".encode())


class Written(Texts):
    """Gives each text to the subject of whose folder it is read."""

    def grant_after(self, commit: str, change: TreeChange) -> Parsed | None:
        if change.new_blob is None:
            return None
        return parse_grant(_of(change.path, self._texts[change.new_blob]), path=change.path)


def lives_plainly(commits: Sequence[MainlineCommit]) -> list[Life]:
    """As it was told before there was a memory: see `history.lives`."""
    steps: dict[str, list[LifeStep]] = {}
    done: list[Life] = []
    for one in commits:
        for step in one.changes:
            if not is_grant(step.path):
                continue
            if step.status == "A":
                steps[step.path] = []
            elif not steps.get(step.path):
                continue
            steps[step.path].append(LifeStep(commit=one, change=step))
            if step.status == "D":
                done.append(Life(path=step.path, steps=tuple(steps.pop(step.path))))
    done += [Life(path=path, steps=tuple(some)) for path, some in steps.items()]
    return sorted(done, key=lambda life: (life.path, life.added.committed_at))


def plainly(
    sources: Sources,
    grant: Grant,
    history: Sequence[MainlineCommit],
    *,
    now: datetime,
    reviewed: set[tuple[str, str]],
) -> Past:
    """Reads every life anew: see `Memory.past`."""
    others: list[OtherLife] = []
    emergencies: list[Emergency] = []
    revives = False
    for life in lives_plainly(history):
        mine = life.path.startswith(f"{GRANTS}{grant.subject}/")
        if not mine or (life.path == grant.path and life.present):
            continue
        said = list(readable_versions(sources, life))
        if not said:
            continue
        revives = revives or said[-1] == grant
        added = life.added.committed_at
        if any(version.emergency for version in said):
            key = (life.id, life.added.sha)
            emergencies.append(Emergency(grant=life.id, start=added, reviewed=key in reviewed))
        others.extend(
            OtherLife(
                grant=life.id,
                target=line.target,
                role=RoleId(f"{line.target.partition('/')[0]}/{line.role}"),
                window=window,
                added=added,
            )
            for line, window in _held(sources, life)
            if max(window.end, added) >= now - LOOK_BACK
        )
    return Past(lives=tuple(others), emergencies=tuple(emergencies), revives=revives)


@st.composite
def histories(draw: st.DrawFn, *, strict: bool) -> list[MainlineCommit]:
    """Commits whose dates may stand still or go back, which whoever makes them may choose."""
    there: set[str] = set()
    found = []
    at = NOON
    for number in range(1, draw(st.integers(1, 14)) + 1):
        at += draw(
            st.sampled_from([0, 0.5, 1, 7, 24 * 20, 24 * 62, 24 * 70, -1, -24 * 63]).map(
                lambda hours: timedelta(hours=hours)
            )
        )
        changes: list[TreeChange] = []
        for path in draw(st.lists(st.sampled_from(PATHS), min_size=1, max_size=3, unique=True)):
            if path in there:
                status = draw(st.sampled_from("MMDTD" if strict else "MMDTAD"))
            else:
                status = draw(st.sampled_from("A" if strict else "AAAMD"))
            (there.discard if status == "D" else there.add)(path)
            changes.append(change(path, status, blob=draw(st.sampled_from(sorted(TEXTS)))))
        found.append(commit(number, *sorted(changes), at=at))
    return found


def compare(data: st.DataObject, story: Sequence[MainlineCommit]) -> None:
    sources = cast(Sources, Written(TEXTS))
    memory = Memory(sources)
    asking = [
        asked(path, _of(path, TEXTS[name]))
        for path in (*PATHS[:3], *PATHS[4:6])
        for name in ("short", "long", "used")
    ]
    uses = [(grant_id(c.path), one.sha) for one in story for c in one.changes if is_grant(c.path)]
    for count, one in enumerate(story, start=1):
        memory.add(one)
        if not data.draw(st.booleans()):
            continue
        grant = data.draw(st.sampled_from(asking))
        reviewed = set(data.draw(st.lists(st.sampled_from(uses)))) if uses else set()
        now = one.committed_at + data.draw(
            st.sampled_from([timedelta(0), timedelta(hours=3), LOOK_BACK, -LOOK_BACK])
        )
        plain = in_order(plainly(sources, grant, story[:count], now=now, reviewed=reviewed))
        assert in_order(memory.past(grant, now=now, reviewed=reviewed)) == plain
        anew = past(sources, grant, story[:count], now=now, reviewed=reviewed)
        assert in_order(anew) == plain


def in_order(told: Past) -> Past:
    """What policies are told is sorted anyway."""
    lives, emergencies = sorted(told.lives, key=repr), sorted(told.emergencies, key=repr)
    return replace(told, lives=tuple(lives), emergencies=tuple(emergencies))


@given(st.data(), histories(strict=True))
def test_a_memory_tells_what_the_plain_definition_tells(
    data: st.DataObject, story: list[MainlineCommit]
) -> None:
    compare(data, story)


@given(st.data(), histories(strict=False))
def test_so_it_does_of_histories_whose_beginning_is_not_told(
    data: st.DataObject, story: list[MainlineCommit]
) -> None:
    compare(data, story)
