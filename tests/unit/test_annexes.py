"""What calendars, rotations, delegations, standing access and reviews may say, and where not."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pipeline.errors import InvalidInput
from pipeline.grants.annexes import FOLDERS
from pipeline.grants.calendar import calendars_for, on_call
from pipeline.grants.catalogue import load_catalogue
from pipeline.grants.tables import TABLE_LIMIT
from pipeline.history.branch_files import CATALOGUE
from pipeline.history.sources import Sources
from pipeline.run.offline import read_catalogue
from pipeline.values.catalogue import Delegation, EmergencyReview, ReviewFinding, StandingAccess
from pipeline.values.commits import FILE_MODE, TreeEntry
from pipeline.values.ids import GrantId, RoleId, TargetId
from pipeline.values.timetable import (
    Calendar,
    DayException,
    Hours,
    Override,
    Period,
    Rotation,
    Weekly,
)

ASSETS = Path(__file__).parents[2] / "pipeline" / "sandbox" / "acme"
CALENDAR = "access/calendars/x.yaml"
ONCALL = "access/oncall/x.yaml"
DELEGATION = "access/delegations/x.yaml"
OTHER = "access/delegations/y.yaml"
STANDING = "access/standing/x.yaml"
REVIEW = "access/reviews/alice/x.yaml"
ROLES = "access/roles/gcp.yaml"
NEW = "access/principals/new.yaml"

HOURS = """\
title: Office hours
timezone: Europe/London
weekly:
  - days: [mon, tue]
    from: "09:00"
    to: "18:00"
exceptions:
  - {date: 2026-12-25, closed: true}
  - {date: 2026-12-24, from: "09:00", to: "24:00"}
  - {from: 2026-12-26T01:00:00+01:00, to: 2026-12-27T00:00:00Z, open: false}
"""
TURNS = """\
title: On call
timezone: Europe/London
start: 2026-01-05T09:30
shift: 7d
members: [alice, bob]
overrides:
  - {from: 2026-03-01T00:00:00Z, to: 2026-03-02T00:00:00Z, member: carol}
  - {from: 2026-02-01T00:00:00Z, to: 2026-02-02T00:00:00Z, member: dave}
"""
LENT = """\
from: alice
to: bob
start: 2026-08-03T00:00:00+01:00
end: 2026-08-24T00:00:00+01:00
reason: On leave
"""
HELD = """\
alice:
  - {target: gcp/payments-prod, role: log-viewer}
ledger-bot:
  - {target: aws/payments-prod, role: rds-reader}
  - {target: gcp/payments-prod, role: log-viewer}
"""
USE = "5d41402abc4b2a76b9719d911017c592ae3f61d2"
REVIEWED = f"""\
grant: alice/2026-11-21-outage
commit: {USE}
finding: misused
notes: Read the salaries, which nobody had asked for
"""
GOOD = {CALENDAR: HOURS, ONCALL: TURNS, DELEGATION: LENT, STANDING: HELD, REVIEW: REVIEWED}
DISABLED = "kind: person\ngithub: new\ngithub_id: 77\ndisabled: true\n"


def miniature() -> dict[str, bytes]:
    """Returns the miniature catalogue's files by repository path."""
    return {
        file.relative_to(ASSETS).as_posix(): file.read_bytes() for file in ASSETS.rglob("*.yaml")
    }


def told(files: dict[str, str]) -> list[tuple[str, int, int, str]]:
    """Returns path, line, column and code of each problem once *files* join the miniature."""
    raw = {path: text.encode() for path, text in files.items()}
    return [
        (found.path, found.line, found.column, found.code)
        for found in load_catalogue(miniature() | raw)[1]
    ]


def messages(files: dict[str, str]) -> list[str]:
    raw = {path: text.encode() for path, text in files.items()}
    return [found.message for found in load_catalogue(miniature() | raw)[1]]


def test_every_kind_is_read() -> None:
    found, problems = load_catalogue(
        miniature() | {path: text.encode() for path, text in GOOD.items()}
    )

    assert not problems
    assert found.calendars["x"] == Calendar(
        name="x",
        title="Office hours",
        timezone="Europe/London",
        weekly=(Weekly(days=frozenset({0, 1}), hours=Hours(opens=540, closes=1080)),),
        dates=(
            DayException(date=date(2026, 12, 25), hours=None),
            DayException(date=date(2026, 12, 24), hours=Hours(opens=540, closes=1440)),
        ),
        periods=(
            Period(
                start=datetime(2026, 12, 26, tzinfo=UTC),
                end=datetime(2026, 12, 27, tzinfo=UTC),
                open=False,
            ),
        ),
    )
    assert found.rotations["x"] == Rotation(
        name="x",
        title="On call",
        timezone="Europe/London",
        first=date(2026, 1, 5),
        handover=570,
        shift=7,
        members=("alice", "bob"),
        overrides=(
            Override(
                start=datetime(2026, 2, 1, tzinfo=UTC),
                end=datetime(2026, 2, 2, tzinfo=UTC),
                member="dave",
            ),
            Override(
                start=datetime(2026, 3, 1, tzinfo=UTC),
                end=datetime(2026, 3, 2, tzinfo=UTC),
                member="carol",
            ),
        ),
    )
    assert found.delegations == (
        Delegation(
            name="x",
            delegator="alice",
            delegate="bob",
            start=datetime(2026, 8, 2, 23, tzinfo=UTC),
            end=datetime(2026, 8, 23, 23, tzinfo=UTC),
            reason="On leave",
        ),
    )
    logs = StandingAccess(target=TargetId("gcp/payments-prod"), role=RoleId("gcp/log-viewer"))
    data = StandingAccess(target=TargetId("aws/payments-prod"), role=RoleId("aws/rds-reader"))
    assert found.standing == {"alice": (logs,), "ledger-bot": (data, logs)}
    assert found.reviews == (
        EmergencyReview(
            path=REVIEW,
            subject="alice",
            grant=GrantId("alice/2026-11-21-outage"),
            commit=USE,
            finding=ReviewFinding.MISUSED,
            notes="Read the salaries, which nobody had asked for",
        ),
    )


BAD: list[tuple[str, str, str, str, tuple[int, int, str]]] = [
    ("no hours", CALENDAR, HOURS[HOURS.index("weekly") :], "", (1, 1, "any-of")),
    ("machine's zone", CALENDAR, "Europe/London", "localtime", (2, 11, "time-zone")),
    ("rules of no place", CALENDAR, "Europe/London", "posixrules", (2, 11, "time-zone")),
    ("zone as list", CALENDAR, "Europe/London", "[Europe/London]", (2, 11, "wrong-type")),
    ("zone by offset", CALENDAR, "Europe/London", "'+01:00'", (2, 11, "time-zone")),
    ("zone by path", CALENDAR, "Europe/London", "../../etc/passwd", (2, 11, "time-zone")),
    ("zone in lower case", ONCALL, "Europe/London", "europe/london", (2, 11, "time-zone")),
    ("number for a time", CALENDAR, '"18:00"', "18:00", (6, 9, "quotes")),
    ("no such minute", CALENDAR, '"18:00"', '"18:60"', (6, 9, "form")),
    ("opens at 24:00", CALENDAR, '"09:00"\n', '"24:00"\n', (5, 11, "form")),
    ("unknown day", CALENDAR, "tue", "tues", (4, 17, "choice")),
    ("day twice", CALENDAR, "tue", "mon", (4, 17, "duplicate")),
    ("no such date", CALENDAR, "2026-12-25", "2026-02-30", (8, 12, "date")),
    ("date of another age", CALENDAR, "2026-12-25", "1999-12-25", (8, 12, "date")),
    ("date as words", CALENDAR, "2026-12-25", "christmas", (8, 12, "date")),
    ("list of dates", CALENDAR, "2026-12-25", "[2026-12-25]", (8, 12, "wrong-type")),
    ("closed and open", CALENDAR, "2026-12-24", "2026-12-25", (9, 12, "contradiction")),
    ("never closed", CALENDAR, "closed: true", "closed: false", (8, 32, "choice")),
    ("closed as text", CALENDAR, "closed: true", "closed: 'true'", (8, 32, "wrong-type")),
    ("closed with hours", CALENDAR, "closed: true", "closed: true, to: '10:00'",
     (8, 38, "unknown-key")),
    ("date without hours", CALENDAR, ", closed: true", "", (8, 5, "missing-key")),
    ("half of the hours", CALENDAR, ', to: "24:00"', "", (9, 5, "missing-key")),
    ("period of hours", CALENDAR, "2026-12-26T01:00:00+01:00", '"09:00"', (10, 12, "time")),
    ("period that says nothing", CALENDAR, ", open: false", "", (10, 5, "missing-key")),
    ("period backwards", CALENDAR, "2026-12-27T00:00:00Z", "2026-12-26T00:00:00Z",
     (10, 43, "order")),
    ("exception that is text", CALENDAR, "{date: 2026-12-25, closed: true}", "never",
     (8, 5, "wrong-type")),
    ("unknown key", CALENDAR, "title:", "tilte:", (1, 1, "unknown-key")),
    ("start with offset", ONCALL, "09:30", "09:30:00Z", (3, 8, "time")),
    ("start that does not exist", ONCALL, "2026-01-05T", "2026-02-30T", (3, 8, "time")),
    ("start as list", ONCALL, "2026-01-05T09:30", "[]", (3, 8, "wrong-type")),
    ("shift of hours", ONCALL, "7d", "12h", (4, 8, "shift")),
    ("long shift", ONCALL, "7d", "366d", (4, 8, "shift")),
    ("empty shift", ONCALL, "7d", '""', (4, 8, "empty")),
    ("nobody", ONCALL, "[alice, bob]", "[]", (5, 10, "empty")),
    ("member twice", ONCALL, "[alice, bob]", "[alice, alice]", (5, 18, "duplicate")),
    ("unknown member", ONCALL, "[alice, bob]", "[alice, bobb]", (5, 18, "unknown-principal")),
    ("workload on call", ONCALL, "[alice, bob]", "[alice, ledger-bot]", (5, 18, "not-a-person")),
    ("disabled member", ONCALL, "[alice, bob]", "[alice, new]", (5, 18, "disabled-principal")),
    ("unknown stand-in", ONCALL, "dave", "zed", (8, 68, "unknown-principal")),
    ("workload stands in", ONCALL, "dave", "ledger-bot", (8, 68, "not-a-person")),
    ("disabled stand-in", ONCALL, "dave", "new", (8, 68, "disabled-principal")),
    ("override backwards", ONCALL, "2026-02-02", "2026-02-01", (8, 38, "order")),
    ("override before the start", ONCALL, "2026-02-01", "2026-01-05", (8, 12, "before-start")),
    ("overrides overlap", ONCALL, "2026-02-02T00:00:00Z", "2026-03-01T00:00:01Z",
     (7, 12, "overlap")),
    ("unknown delegator", DELEGATION, "from: alice", "from: alicia", (1, 7, "unknown-principal")),
    ("disabled delegator", DELEGATION, "from: alice", "from: new", (1, 7, "disabled-principal")),
    ("workload delegates", DELEGATION, "from: alice", "from: ledger-bot", (1, 7, "not-a-person")),
    ("workload as delegate", DELEGATION, "to: bob", "to: ledger-bot", (2, 5, "not-a-person")),
    ("disabled delegate", DELEGATION, "to: bob", "to: new", (2, 5, "disabled-principal")),
    ("to oneself", DELEGATION, "to: bob", "to: alice", (2, 5, "same-person")),
    ("no time at all", DELEGATION, "2026-08-24", "2026-08-03", (4, 6, "order")),
    ("longer than 90 days", DELEGATION, "2026-08-24T00:00:00", "2026-11-01T00:00:01",
     (4, 6, "too-long")),
    ("no reason", DELEGATION, "reason: On leave\n", "", (1, 1, "missing-key")),
    ("held by nobody known", STANDING, "alice:", "alicia:", (1, 1, "unknown-principal")),
    ("unknown target", STANDING, "aws/payments-prod", "aws/payments-prd",
     (4, 14, "unknown-target")),
    ("unknown role", STANDING, "rds-reader", "rds-writer", (4, 39, "unknown-role")),
    ("role of another cloud", STANDING, "rds-reader", "log-viewer", (4, 39, "unknown-role")),
    ("held twice", STANDING, "aws/payments-prod, role: rds-reader",
     "gcp/payments-prod, role: log-viewer", (5, 5, "duplicate")),
    ("standing as text", STANDING, HELD, "none\n", (1, 1, "wrong-type")),
    ("standing of one line", STANDING, HELD, "alice: gcp/payments-prod\n", (1, 8, "wrong-type")),
    ("grant of another", REVIEW, "alice/2026", "bob/2026", (1, 8, "folder")),
    ("grant as a path", REVIEW, "alice/2026", "access/grants/alice/2026", (1, 8, "form")),
    ("short commit", REVIEW, USE, "5d41402", (2, 9, "form")),
    ("upper-case commit", REVIEW, USE, USE.upper(), (2, 9, "form")),
    ("no finding", REVIEW, "misused", "abused", (3, 10, "choice")),
    ("no notes to speak of", REVIEW, "Read the salaries, which nobody had asked for", "fine",
     (4, 8, "too-short")),
]  # fmt: skip


@pytest.mark.parametrize("case", BAD, ids=[case[0] for case in BAD])
def test_a_bad_file_is_refused_where_it_is_bad(
    case: tuple[str, str, str, str, tuple[int, int, str]],
) -> None:
    _, path, old, new, place = case
    assert old in GOOD[path]

    found = told(GOOD | {NEW: DISABLED, path: GOOD[path].replace(old, new, 1)})

    assert (path, *place) in found
    assert {other[0] for other in found} == {path}


@pytest.mark.parametrize(
    "path",
    [
        "access/calendars/X.yaml",
        "access/calendars/x.yml",
        "access/calendars/deeper/x.yaml",
        "access/oncall/README.md",
        "access/reviews/x.yaml",
        "access/reviews/alice/deeper/x.yaml",
        "access/reviews/alice/.x.yaml",
        "access/reviews/alice/a..b.yaml",
    ],
)
def test_what_lies_in_the_wrong_place_is_refused(path: str) -> None:
    assert told({path: HOURS}) == [(path, 1, 1, "unknown-file")]


def test_what_is_known_is_named_to_whoever_misplaces_a_file() -> None:
    (message,) = messages({"access/calendar/x.yaml": HOURS})

    assert all(f"access/{folder}/" in message for folder in FOLDERS)


def test_problems_of_one_file_are_told_at_once() -> None:
    found = told({DELEGATION: LENT.replace("alice", "alicia").replace("to: bob", "to: zed")})

    assert found == [
        (DELEGATION, 1, 7, "unknown-principal"),
        (DELEGATION, 2, 5, "unknown-principal"),
    ]


def test_near_misses_are_advised() -> None:
    (zone,) = messages({CALENDAR: HOURS.replace("Europe/London", "Europe/Londn")})
    (member,) = messages({ONCALL: TURNS.replace("bob", "bobb")})
    (target,) = messages({STANDING: HELD.replace("aws/payments-prod", "aws/payments-prd")})
    (role,) = messages({STANDING: HELD.replace("rds-reader", "rds-readr")})

    assert zone.endswith('; did you mean "Europe/London"?')
    assert member.endswith('; did you mean "bob"?')
    assert target.endswith('; did you mean "aws/payments-prod"?')
    assert role.endswith('; did you mean "aws/rds-reader"?')


def test_what_refers_to_a_broken_entry_does_not_tell_it_again() -> None:
    broken = {"access/principals/carol.yaml": "kind: person\n", ROLES: "log-viewer: {}\n"}

    assert {path for path, *_ in told(GOOD | broken)} == set(broken)


def test_delegations_from_one_person_do_not_overlap() -> None:
    other = LENT.replace("to: bob", "to: carol")
    after = other.replace("08-24", "09-24").replace("08-03", "08-24")
    within = other.replace("08-03", "08-10").replace("08-24", "08-11")
    ends_within = other.replace("08-24", "08-04").replace("08-03", "08-01")

    assert told({DELEGATION: LENT, OTHER: after}) == []
    assert told({DELEGATION: LENT, OTHER: within}) == [(OTHER, 3, 8, "overlap")]
    assert told({DELEGATION: LENT, OTHER: ends_within}) == [(DELEGATION, 3, 8, "overlap")]
    assert told({DELEGATION: LENT, OTHER: within.replace("from: alice", "from: dave")}) == []


def test_ninety_days_are_the_most_of_a_delegation() -> None:
    assert told({DELEGATION: LENT.replace("2026-08-24", "2026-11-01")}) == []


def test_two_reviews_of_one_use_are_both_there() -> None:
    assert told({REVIEW: REVIEWED, "access/reviews/alice/y.yaml": REVIEWED}) == []


def test_a_review_outlives_the_person_it_is_about() -> None:
    gone = "access/reviews/zed/x.yaml"

    assert told({gone: REVIEWED.replace("alice/", "zed/")}) == []


def test_overrides_may_follow_each_other_without_a_gap() -> None:
    assert told({ONCALL: TURNS.replace("2026-02-02", "2026-03-01")}) == []


def test_standing_access_in_several_files_adds_up() -> None:
    more = "alice:\n  - {target: aws/payments-prod, role: rds-reader}\n"
    files = {STANDING: HELD.encode(), "access/standing/y.yaml": more.encode()}

    found, problems = load_catalogue(miniature() | files)

    assert not problems
    assert [line.role for line in found.standing["alice"]] == ["aws/rds-reader", "gcp/log-viewer"]


def test_a_large_file_of_standing_access_is_read() -> None:
    line = "  - {target: gcp/payments-prod, role: log-viewer}\n"
    padding = "# " + "x" * 1000 + "\n"

    assert told({STANDING: "alice:\n" + line + padding * 900}) == []
    assert told({STANDING: padding * 1100}) == [(STANDING, 1, 1, "file-size")]
    assert told({CALENDAR: HOURS + padding * 100}) == [(CALENDAR, 1, 1, "file-size")]


def test_a_role_may_open_a_session_for_a_person() -> None:
    role = "x: {title: x, risk: low, max_duration: 1h, permissions: {role: roles/x}}\n"
    said = role.replace("risk", "interactive: true, risk")

    for text, expected in ((role, False), (said, True)):
        found, problems = load_catalogue({ROLES: text.encode()})
        assert not problems
        assert found.roles[RoleId("gcp/x")].interactive is expected
    assert told({ROLES: role.replace("risk", "interactive: yes, risk")})[0] == (
        *(ROLES, 1, 28, "wrong-type"),
    )


def test_the_miniature_has_calendars_and_somebody_on_call() -> None:
    found, problems = load_catalogue(miniature())
    friday = datetime(2026, 11, 20, 12, tzinfo=UTC)

    windows = calendars_for(found, start=friday, end=datetime(2026, 12, 31, tzinfo=UTC))

    assert not problems
    assert set(windows) == {"business-hours", "payments-maintenance", "year-end-freeze"}
    assert windows["business-hours"][0].end == datetime(2026, 11, 20, 18, tzinfo=UTC)
    assert windows["payments-maintenance"][0].start == datetime(2026, 11, 21, 22, tzinfo=UTC)
    assert windows["payments-maintenance"][0].end == datetime(2026, 11, 22, 4, tzinfo=UTC)
    assert [one.start for one in windows["year-end-freeze"]] == [
        datetime(2026, 12, 18, 18, tzinfo=UTC)
    ]
    assert on_call(found.rotations, at=friday) == {"payments": "erin"}


class Blobs:
    """Git objects of one commit, as `Sources` asks for them."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.listed = 0
        self.read: list[str] = []

    def tree(self, commit: str, *prefixes: str) -> tuple[TreeEntry, ...]:
        self.listed += 1
        return tuple(
            TreeEntry(path=path, mode=FILE_MODE, kind="blob", blob=path, size=len(content))
            for path, content in sorted(self.files.items())
            if path.startswith(prefixes)
        )

    def read_many(self, blobs: Sequence[str], *, limit: int) -> dict[str, bytes]:
        assert limit == TABLE_LIMIT
        self.read += blobs
        return {blob: self.files[blob] for blob in blobs}


def test_every_kind_is_read_from_a_commit_and_from_a_working_tree(tmp_path: Path) -> None:
    files = miniature() | {path: text.encode() for path, text in GOOD.items()}
    shutil.copytree(ASSETS / "access", tmp_path / "access")
    for path, text in GOOD.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")

    committed = Sources(Blobs(files)).catalogue("a" * 40)  # type: ignore[arg-type]

    assert committed == read_catalogue(tmp_path) == load_catalogue(files)[0]
    assert committed.reviews
    assert {f"access/{folder}/" for folder in FOLDERS} < set(CATALOGUE)
    assert CATALOGUE[0] == "access/principals/"


def test_what_two_catalogues_share_is_read_once_and_problems_are_told_of_each() -> None:
    blobs = Blobs(miniature())
    sources = Sources(blobs)  # type: ignore[arg-type]
    first = sources.catalogue("a" * 40)
    read = list(blobs.read)
    assert sorted(read) == sorted(path for path in blobs.files if path.startswith(CATALOGUE))
    added = CALENDAR
    assert added not in blobs.files
    blobs.files = blobs.files | {added: HOURS.encode()}
    assert sources.catalogue("b" * 40).principals == first.principals
    assert blobs.read == [*read, added]
    assert blobs.listed == 2
    # What a principal that was read before names is looked for anew.
    homes = {path: text for path, text in blobs.files.items() if path != "access/targets/aws.yaml"}
    blobs.files = homes
    for commit in ("c" * 40, "d" * 40):
        with pytest.raises(InvalidInput) as caught:
            sources.catalogue(commit)
        assert caught.value.problems == load_catalogue(homes)[1]
    assert blobs.listed == 4
