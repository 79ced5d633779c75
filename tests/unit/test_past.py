"""What a subject's history says, from commits and the texts that they brought."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import cast

from pipeline.grants.parse import Parsed, parse_grant
from pipeline.history.sources import Sources
from pipeline.history.subject_past import LOOK_BACK, Memory, Past, past
from pipeline.values.commits import MainlineCommit, TreeChange
from pipeline.values.grant import Grant
from tests.unit.support_values import HOUR, NOON, change, commit

PATH = "access/grants/alice/x.yaml"
OTHER = "access/grants/alice/y.yaml"


def text(duration: str = "2h", *, emergency: bool = False, role: str = "log-viewer") -> bytes:
    return (
        "subject: alice\nreason: Look at the deploy logs\n"
        f"duration: {duration}\nemergency: {str(emergency).lower()}\n"
        f"access:\n  - target: gcp/prod\n    role: {role}\n"
    ).encode()


class Texts:
    """Gives each blob's text, as `Sources` does."""

    def __init__(self, texts: Mapping[str, bytes]) -> None:
        self._texts = texts
        self.read = 0

    def grant_after(self, commit: str, change: TreeChange) -> Parsed | None:
        self.read += 1
        if change.new_blob is None:
            return None
        return parse_grant(self._texts[change.new_blob], path=change.path)


def asked(path: str = PATH, said: bytes | None = None) -> Grant:
    found = parse_grant(said or text(), path=path).grant
    assert found is not None
    return found


def seen(
    *commits: MainlineCommit,
    texts: Mapping[str, bytes],
    grant: Grant | None = None,
    reviewed: set[tuple[str, str]] | None = None,
    now: datetime = NOON,
) -> Past:
    sources = cast(Sources, Texts(texts))
    return past(sources, grant or asked(), commits, now=now, reviewed=reviewed or set())


def test_other_grants_of_the_subject_are_lives_and_the_present_one_is_not() -> None:
    found = seen(
        commit(1, change(PATH, blob="a")),
        commit(2, change(OTHER, blob="b")),
        commit(3, change("access/grants/bob/z.yaml", blob="c")),
        texts={"a": text(), "b": text("1h"), "c": text()},
    )
    (life,) = found.lives
    assert (life.grant, life.role, life.added) == ("alice/y", "gcp/log-viewer", NOON + 2 * HOUR)
    assert life.window.end - life.window.start == HOUR
    assert not found.revives


def test_a_grant_taken_back_early_lasted_until_then() -> None:
    found = seen(
        commit(1, change(OTHER, blob="b")),
        commit(2, change(OTHER, "D")),
        texts={"b": text("8h")},
    )
    assert [life.window.end for life in found.lives] == [NOON + 2 * HOUR]


def test_what_was_narrowed_was_held_until_then() -> None:
    both = text("8h") + b"  - target: gcp/prod\n    role: reader\n"
    found = seen(
        commit(1, change(OTHER, blob="both")),
        commit(2, change(OTHER, "M", blob="one")),
        commit(4, change(OTHER, "M", blob="short")),
        texts={"both": both, "one": text("8h"), "short": text("1h")},
    )
    assert {life.role: life.window.end for life in found.lives} == {
        "gcp/reader": NOON + 2 * HOUR,
        "gcp/log-viewer": NOON + 4 * HOUR,
    }


def test_only_what_is_less_than_all_that_may_stand_counts_as_less() -> None:
    """Another reason is a new request: until it is proven, the one before it may stand."""
    texts = {
        "1": text("4h"),
        "2": text("4h").replace(b"deploy", b"crash"),
        "3": text("1h").replace(b"deploy", b"crash"),
    }
    steps = [commit(n, change(OTHER, "A" if n == 1 else "M", blob=str(n))) for n in (1, 2, 3)]
    (told,) = seen(*steps, texts=texts).lives
    assert told.window.end - told.window.start == 4 * HOUR


def test_a_commit_that_is_dated_before_the_one_before_it_takes_nothing_away() -> None:
    texts = {"long": text("4h"), "short": text("5m")}
    for status, blob in (("M", "short"), ("D", None)):
        (told,) = seen(
            commit(1, change(OTHER, blob="long")),
            commit(4, change(OTHER, status, blob=blob), at=NOON - HOUR),
            texts=texts,
            now=NOON + 5 * HOUR,
        ).lives
        assert told.window.end - told.window.start == 4 * HOUR


def test_what_was_narrowed_before_it_began_was_not_held() -> None:
    later = text("2h") + b"start: 2026-11-20T18:00:00Z\n"
    found = seen(
        commit(1, change(OTHER, blob="long")),
        commit(2, change(OTHER, "M", blob="short")),
        texts={"long": later, "short": later.replace(b"2h", b"1h")},
    )
    assert [life.window.end - life.window.start for life in found.lives] == [HOUR]
    gone = seen(
        commit(1, change(OTHER, blob="long")),
        commit(2, change(OTHER, "D")),
        texts={"long": later},
    )
    assert gone.lives == ()


def test_an_edit_without_a_start_keeps_the_one_there_was() -> None:
    """Or access would lie where no combination and no sum looks for it."""
    found = seen(
        commit(1, change(OTHER, blob="later")),
        commit(2, change(OTHER, "M", blob="longer")),
        texts={"later": text("1h") + b"start: 2026-11-20T18:00:00Z\n", "longer": text("8h")},
    )
    (life,) = found.lives
    assert (life.window.start, life.window.end) == (NOON + 6 * HOUR, NOON + 14 * HOUR)


def test_what_is_no_less_access_takes_nothing_away_from_what_was_asked_before() -> None:
    moved = text("1h") + b"start: 2026-11-20T18:00:00Z\n"
    found = seen(
        commit(1, change(OTHER, blob="a")),
        commit(2, change(OTHER, "M", blob="moved")),
        commit(3, change(OTHER, "M", blob="nonsense")),
        texts={"a": text("8h"), "moved": moved, "nonsense": b"nonsense"},
    )
    assert [life.window.end - life.window.start for life in found.lives] == [8 * HOUR, HOUR]


def test_saying_again_what_an_earlier_life_said_revives_it() -> None:
    history = (commit(1, change(PATH, blob="a")), commit(2, change(PATH, "D")))
    assert seen(*history, texts={"a": text()}).revives
    assert not seen(*history, texts={"a": text("1h")}).revives
    assert not seen(*history, texts={"a": text()}, grant=asked(OTHER)).revives


def test_it_is_the_last_version_of_a_life_that_is_revived() -> None:
    history = (
        commit(1, change(PATH, blob="a")),
        commit(2, change(PATH, "M", blob="b")),
        commit(3, change(PATH, "D")),
    )
    assert not seen(*history, texts={"a": text(), "b": text("3h")}).revives
    assert seen(*history, texts={"a": text("1h"), "b": text()}).revives


def test_every_use_of_emergency_access_is_told_with_its_review() -> None:
    first = commit(1, change(OTHER, blob="b"))
    history = (
        first,
        commit(2, change(OTHER, "D")),
        commit(3, change(OTHER, blob="b")),
        commit(4, change(PATH, blob="a")),
        commit(5, change(PATH, "D")),
    )
    texts = {"a": text(), "b": text(emergency=True)}
    found = seen(*history, texts=texts, reviewed={("alice/y", first.sha)})
    assert [(use.grant, use.start, use.reviewed) for use in found.emergencies] == [
        ("alice/y", NOON + HOUR, True),
        ("alice/y", NOON + 3 * HOUR, False),
    ]


def test_an_emergency_stays_one_whatever_its_file_says_later() -> None:
    history = (
        commit(1, change(OTHER, blob="b")),
        commit(2, change(OTHER, "M", blob="a")),
    )
    found = seen(*history, texts={"a": text(), "b": text(emergency=True)})
    assert [use.grant for use in found.emergencies] == ["alice/y"]


def test_what_is_long_over_is_left_out_and_a_use_of_emergency_access_never_is() -> None:
    history = (commit(1, change(OTHER, blob="b")),)
    texts = {"b": text(emergency=True)}
    over = NOON + 3 * HOUR
    at_the_edge = seen(*history, texts=texts, now=over + LOOK_BACK)
    later = seen(*history, texts=texts, now=over + LOOK_BACK + timedelta(seconds=1))
    assert (len(at_the_edge.lives), len(later.lives)) == (1, 0)
    assert at_the_edge.emergencies == later.emergencies != ()


def test_a_life_that_never_was_a_grant_says_nothing() -> None:
    assert seen(commit(1, change(OTHER, blob="b")), texts={"b": b"nonsense"}) == Past()


STORY = (
    commit(1, change(OTHER, blob="long")),
    commit(2, change(PATH, blob="used"), change("access/grants/bob/z.yaml", blob="long")),
    commit(3, change(OTHER, "M", blob="short")),
    commit(4, change(OTHER, "D")),
    commit(5, change(OTHER, "M", blob="long")),
    commit(6, change(OTHER, blob="odd"), change(PATH, "D")),
    commit(7, change(OTHER, "M", blob="used")),
    commit(8, change(PATH, blob="long")),
    commit(2000, change(PATH, "M", blob="short")),
)
STORY_TEXTS = {
    "long": text("8h"),
    "short": text("1h"),
    "used": text("1h", emergency=True),
    "odd": b"subject: [",
}


def test_a_memory_tells_at_every_step_what_the_history_up_to_it_tells() -> None:
    sources = cast(Sources, Texts(STORY_TEXTS))
    memory = Memory(sources)
    reviewed = {("alice/x", STORY[1].sha)}
    told = set()
    for count, one in enumerate(STORY, start=1):
        memory.add(one)
        for grant in (asked(), asked(OTHER, text("1h"))):
            now = one.committed_at
            found = memory.past(grant, now=now, reviewed=reviewed)
            assert found == past(sources, grant, STORY[:count], now=now, reviewed=reviewed)
            told.add(found)
    assert len(told) > len(STORY)


def test_a_memory_reads_what_is_over_once() -> None:
    texts = Texts(STORY_TEXTS)
    memory = Memory(cast(Sources, texts))
    for one in STORY:
        memory.add(one)
    first = memory.past(asked(), now=NOON)
    read = texts.read
    assert read
    assert memory.past(asked(), now=NOON) == first
    assert memory.past(asked(), now=NOON + 2 * LOOK_BACK) != first
    assert texts.read == read


def test_of_a_subject_without_history_nothing_is_told() -> None:
    assert seen(texts={}) == Past()
