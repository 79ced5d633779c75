"""What a grant file may say, and where each thing it may not say is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.grants.legible import legible_of
from pipeline.grants.parse import Parsed, parse_grant, path_problem
from pipeline.reading import yaml_strict
from pipeline.reading.duration import LONGEST, SHORTEST, format_duration, parse_duration
from pipeline.reading.yaml_strict import load_strict
from pipeline.values.grant import Access
from pipeline.values.ids import TargetId
from pipeline.values.problem import Mark, Problem

PATH = "access/grants/alice/stuck-payouts.yaml"

GOOD = """\
subject: alice
reason: Payouts stuck since 14:00
ticket: PAY-1423
duration: 2h
start: 2026-11-20T23:00:00+01:00
access:
  - target: aws/payments-prod
    role: rds-reader
  - target: aws/payments-prod
    role: ec2-terminate
    resource: i-0abc1234def567890
"""


def told(text: str | bytes, path: str = PATH) -> list[tuple[int, int, str]]:
    """Returns line, column and code of every problem of *text*."""
    raw = text.encode() if isinstance(text, str) else text
    return [
        (found.line, found.column, found.code) for found in parse_grant(raw, path=path).problems
    ]


def changed(line: str, *, instead: str) -> str:
    """Returns the good grant with *instead* in place of *line*."""
    assert line in GOOD
    return GOOD.replace(line, instead)


def test_a_good_grant_becomes_a_value() -> None:
    grant = parse_grant(GOOD.encode(), path=PATH).grant

    assert grant is not None
    assert grant.id == "alice/stuck-payouts"
    assert grant.path == PATH
    assert grant.subject == "alice"
    assert grant.reason == "Payouts stuck since 14:00"
    assert grant.ticket == "PAY-1423"
    assert grant.duration == 7200
    assert grant.start == datetime(2026, 11, 20, 22, 0, tzinfo=UTC)
    assert grant.start.tzinfo is UTC
    assert not grant.emergency
    assert grant.requested_by is None
    assert grant.access == (
        Access(target=TargetId("aws/payments-prod"), role="rds-reader"),
        Access(
            target=TargetId("aws/payments-prod"),
            role="ec2-terminate",
            parameters=(("resource", "i-0abc1234def567890"),),
        ),
    )


def test_a_grant_knows_where_its_fields_stand() -> None:
    grant = parse_grant(GOOD.encode(), path=PATH).grant

    assert grant is not None
    assert grant.marks["duration"] == Mark(line=4, column=11)
    assert grant.marks["access.1.role"] == Mark(line=10, column=11)
    assert grant.marks["access.1.parameters.resource"] == Mark(line=11, column=15)


def test_every_optional_key_can_be_written_or_left_out() -> None:
    short = "subject: alice\nreason: why not\nduration: 5m\naccess: [{target: gcp/x, role: y}]\n"
    full = f"version: 1\n{short}emergency: true\nrequested_by: bob\n"

    least = parse_grant(short.encode(), path=PATH).grant
    most = parse_grant(full.encode(), path=PATH).grant

    assert least is not None
    assert (least.ticket, least.start, least.emergency) == (None, None, False)
    assert most is not None
    assert (most.emergency, most.requested_by) == (True, "bob")


@pytest.mark.parametrize("word", ["no", "on", "yes", "2026-11-20", "0x1f", "1_000", "1.5"])
def test_text_stays_text_whatever_yaml_would_guess(word: str) -> None:
    text = changed("reason: Payouts stuck since 14:00", instead=f"reason: {word} way")

    grant = parse_grant(text.encode(), path=PATH).grant

    assert grant is not None
    assert grant.reason == f"{word} way"


def test_windows_line_ends_keep_positions() -> None:
    text = changed("duration: 2h", instead="duration: soon").replace("\n", "\r\n")

    assert told(text) == [(4, 11, "duration")]
    assert parse_grant(GOOD.replace("\n", "\r\n").encode(), path=PATH).grant is not None


def test_a_folded_reason_is_one_line() -> None:
    text = changed("reason: Payouts stuck since 14:00", instead="reason: >\n  one\n  two")

    grant = parse_grant(text.encode(), path=PATH).grant

    assert grant is not None
    assert grant.reason == "one two"


THE_REASON = "reason: Payouts stuck since 14:00"


@pytest.mark.parametrize(
    "line, column",
    [
        ("reason: Payouts stuck, see #4521 and restart", 28),
        ("reason: Payouts stuck  # for now", 24),
        ("reason: Payouts stuck,\n  see #4521", 7),
    ],
)
def test_a_reason_that_yaml_would_cut_at_a_comment_is_refused_there(line: str, column: int) -> None:
    text = changed(THE_REASON, instead=line)
    assert told(text) == [(2 + line.count("\n"), column, "text-cut")]


@pytest.mark.parametrize(
    "line, reason",
    [
        ('reason: "Payouts stuck, see #4521"  # quoted', "Payouts stuck, see #4521"),
        ("reason: >\n  Payouts stuck, see #4521\n", "Payouts stuck, see #4521"),
        ("reason: Payouts#4521 are stuck", "Payouts#4521 are stuck"),
        ("reason: Payouts stuck\n# a line of its own", "Payouts stuck"),
    ],
)
def test_a_reason_that_is_read_whole_is_fine(line: str, reason: str) -> None:
    found = parse_grant(changed(THE_REASON, instead=line).encode(), path=PATH)
    assert found.problems == ()
    assert found.grant is not None
    assert found.grant.reason == reason


def test_both_of_pyyaml_s_parsers_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    text = changed("duration: 2h", instead="duration: &x soon").encode()
    fast = parse_grant(text, path=PATH)
    monkeypatch.setattr(yaml_strict, "_LOADER", yaml.SafeLoader)

    assert parse_grant(text, path=PATH) == fast
    assert parse_grant(GOOD.encode(), path=PATH).grant is not None


DURATIONS = (
    "in 3 dayz",
    "soon",
    "PT4H",
    "4 hours",
    "0m",
    "-2h",
    "1e9h",
    "99999999999h",
    "２h",
    "90",
    "1.5h",
    "4m",
    "366d",
    "1h1h",
    "30m1h",
    "2H",
    "٢h",
    "1h 30m",
    "9" * 5000 + "h",
    "2h\n  4h",
)
TIMES = (
    "2026-13-45",
    "10/11/2027",
    "2026-11-20 22:00",
    "2026-11-20T22:00:00",
    "2026-11-20T22:00Z",
    "2026-02-30T22:00:00Z",
    "2026-13-01T22:00:00Z",
    "2026-11-20T24:00:00Z",
    "2026-11-20T23:59:60Z",
    "2026-11-20T22:00:00.5Z",
    "2026-11-20t22:00:00z",
    "2026-11-20T22:00:00+24:00",
    "2026-11-20T22:00:00+01:60",
    "0001-01-01T00:00:00+23:00",
    "9999-12-31T23:59:59-23:00",
    "٢026-11-20T22:00:00Z",
    "tomorrow",
    "1795212000",
)
LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{inner}'] * 9)}]\n"
    for inner, name in zip("abcdefgh", "bcdefghi", strict=True)
)


BAD = [
    *((f"duration {text[:20]!a}", changed("2h", instead=text), (4, 11)) for text in DURATIONS),
    *(
        (f"start {text!a}", changed("2026-11-20T23:00:00+01:00", instead=text), (5, 8))
        for text in TIMES
    ),
    ("unknown key", changed("ticket:", instead="tickt:"), (3, 1)),
    ("unknown key without a like", changed("ticket:", instead="zzz:"), (3, 1)),
    ("duplicate key", GOOD + "duration: 3h\n", (12, 1)),
    ("duplicate key in a line", GOOD + "    role: rds-reader\n", (12, 5)),
    ("tab indentation", changed("    role: rds-reader", instead="\trole: rds-reader"), (8, 1)),
    ("tab in text", changed("stuck", instead="stuck\tfast"), (2, 22)),
    ("anchor", changed("2h", instead="&long 2h"), (4, 11)),
    ("alias", changed("rds-reader", instead="*x"), (8, 11)),
    ("tag", changed("alice", instead="!!str alice"), (1, 10)),
    ("python tag", changed("alice", instead="!!python/name:os.system alice"), (1, 10)),
    ("merge key", GOOD + "<<: {emergency: true}\n", (12, 1)),
    ("key that is a list", GOOD + "? [a]\n: b\n", (12, 3)),
    ("key that is an alias", GOOD + "*a : b\n", (12, 1)),
    ("directive", "%YAML 1.1\n---\n" + GOOD, (1, 1)),
    ("tag directive", "%TAG !e! tag:example.com,2000:\n---\n" + GOOD, (1, 1)),
    ("10 MB", GOOD + "#" * 10_000_000, (1, 1)),
    ("one byte too many", GOOD.ljust(64 * 1024 + 1, "#"), (1, 1)),
    ("latin-1", changed("stuck", instead="für").encode("latin-1"), (2, 18)),
    ("latin-1 after UTF-8", changed("Payouts stuck", instead="é").encode() + b"#\n# \xff", (13, 3)),
    ("utf-16", GOOD.encode("utf-16"), (1, 1)),
    ("byte order mark", "\ufeff" + GOOD, (1, 1)),
    ("empty file", "", (1, 1)),
    ("only a comment", "# nothing\n", (1, 1)),
    ("only a document start", "---\n", (1, 1)),
    ("a list", "- subject: alice\n", (1, 1)),
    ("text", "alice\n", (1, 1)),
    ("two documents", GOOD + "---\n" + GOOD, (12, 1)),
    ("open quote", changed("alice", instead="'alice"), (1, 10)),
    ("not yaml", "a: b: c\n", (1, 5)),
    ("too deep", "a: " + "[" * 1000 + "]" * 1000, (1, 15)),
    ("too many values", "a: [" + "x," * 6000 + "]", (1, 9999)),
    ("a subject that is not the folder", changed("alice", instead="bob"), (1, 10)),
    ("look-alike letter in a subject", changed("alice", instead="аlice"), (1, 10)),
    ("look-alike letter in a role", changed("rds-reader", instead="rds-rеader"), (8, 11)),
    (
        "look-alike letter in a target",
        changed("aws/payments-prod\n    role: rds", instead="aws/pаyments-prod\n    role: rds"),
        (7, 13),
    ),
    ("upper case in a subject", changed("alice", instead="Alice"), (1, 10)),
    ("a subject with a line break", changed("alice", instead='"alice\\n"'), (1, 10)),
    ("a folded subject", changed("alice", instead=">\n  alice"), (1, 10)),
    ("a cloud that does not exist", GOOD + "  - {target: oci/x, role: y}\n", (12, 14)),
    ("a subject that is a list", changed("alice", instead="[alice]"), (1, 10)),
    ("a subject that is a map", changed("alice", instead="{a: alice}"), (1, 10)),
    ("empty subject", changed("alice", instead=""), (1, 9)),
    ("null reason", changed("Payouts stuck since 14:00", instead="~"), (2, 9)),
    ("short reason", changed("Payouts stuck since 14:00", instead='"   ab  "'), (2, 9)),
    ("long reason", changed("Payouts", instead="P" * 1001), (2, 9)),
    (
        "reason of two lines",
        changed("Payouts stuck since 14:00", instead="|\n  one\n  two"),
        (2, 9),
    ),
    (
        "escaped control character",
        changed("Payouts stuck since 14:00", instead='"a\\x07bc"'),
        (2, 9),
    ),
    (
        "escaped bidirectional character",
        changed("Payouts stuck since 14:00", instead='"a\\u202ebc"'),
        (2, 9),
    ),
    ("bidirectional character", changed("stuck", instead="st\u202euck"), (2, 19)),
    ("zero-width space in a comment", GOOD + "# a\u200b\n", (12, 4)),
    ("bare carriage return", changed("stuck", instead="stuck\rfast"), (2, 22)),
    ("null byte", changed("stuck", instead="stuck\0"), (2, 22)),
    ("ticket with a space", changed("PAY-1423", instead="PAY 1423"), (3, 9)),
    ("version 2", GOOD + "version: 2\n", (12, 10)),
    ("version as text", GOOD + "version: '1'\n", (12, 10)),
    ("version in hexadecimal", GOOD + "version: 0x1\n", (12, 10)),
    ("version as a list", GOOD + "version: [1]\n", (12, 10)),
    ("emergency yes", GOOD + "emergency: yes\n", (12, 12)),
    ("emergency True", GOOD + "emergency: True\n", (12, 12)),
    ("emergency in quotes", GOOD + "emergency: 'true'\n", (12, 12)),
    ("emergency as a map", GOOD + "emergency: {}\n", (12, 12)),
    ("duration as a list", changed("2h", instead="[2h]"), (4, 11)),
    ("start as a map", changed("2026-11-20T23:00:00+01:00", instead="{}"), (5, 8)),
    ("access that is text", "subject: alice\nreason: why not\nduration: 5m\naccess: all\n", (4, 9)),
    ("empty access", "subject: alice\nreason: why not\nduration: 5m\naccess: []\n", (4, 9)),
    ("an access line that is text", GOOD + "  - aws\n", (12, 5)),
    ("an access line without role", GOOD + "  - target: aws/x\n", (12, 5)),
    (
        "the same access twice",
        GOOD + "  - {role: rds-reader, target: aws/payments-prod}\n",
        (12, 5),
    ),
    (
        "too many lines",
        GOOD + "".join(f"  - {{target: aws/x, role: r{n}}}\n" for n in range(19)),
        (7, 3),
    ),
    ("too many parameters", GOOD + "".join(f"    p{n}: x\n" for n in range(10)), (9, 5)),
    ("a parameter's name", GOOD + "    Resource: x\n", (12, 5)),
    *(
        (
            f"a parameter holding {text}",
            changed("i-0abc1234def567890", instead=f"'{text}'"),
            (11, 15),
        )
        for text in ("i-*", "i-?", "${x}", "{account}", "a b", "a\u00e9", "x" * 257)
    ),
]


@pytest.mark.parametrize(
    "text,place", [case[1:] for case in BAD], ids=[case[0].replace("\0", "") for case in BAD]
)
def test_a_bad_grant_is_refused_where_it_is_bad(text: str | bytes, place: tuple[int, int]) -> None:
    raw = text.encode() if isinstance(text, str) else text

    parsed = parse_grant(raw, path=PATH)

    assert parsed.grant is None
    assert {place} == {(found.line, found.column) for found in parsed.problems}
    assert all(found.path == PATH for found in parsed.problems)
    assert all(found.message.isprintable() for found in parsed.problems)


def test_all_problems_are_told_at_once_in_order() -> None:
    text = "subject: bob\nreasn: x\nduration: 4 hours\nstart: &a soon\naccess:\n  - {target: x}\n"

    assert told(text) == [
        (1, 1, "missing-key"),
        (2, 1, "unknown-key"),
        (3, 11, "duration"),
        (4, 8, "anchor"),
        (4, 8, "time"),
        (6, 5, "missing-key"),
        (6, 14, "form"),
    ]


def test_a_refusal_says_where_what_and_the_way_out() -> None:
    text = changed("duration: 2h", instead="duration: 4 hours")
    (problem,) = parse_grant(text.encode(), path=PATH).problems

    assert str(problem) == (
        f'{PATH}:4:11: duration "4 hours" is not of the form 30m, 2h, 1h30m or 3d; write 4h'
    )


@pytest.mark.parametrize(
    "wrong,advice",
    [
        ("tickt: x", 'unknown key "tickt"; did you mean "ticket"?'),
        ("zzz: x", 'unknown key "zzz"; known are version, subject, reason,'),
        ("duration: 3h", 'key "duration" stands on line 4 already; keep one of them'),
        ("version: 0b1", 'version "0b1" is not a whole number, 1, without quotes'),
    ],
)
def test_a_refused_line_comes_with_advice(wrong: str, advice: str) -> None:
    (problem,) = parse_grant(f"{GOOD}{wrong}\n".encode(), path=PATH).problems

    assert problem.message.startswith(advice)


def test_a_look_alike_letter_is_named_by_its_number() -> None:
    (problem,) = parse_grant(changed("alice", instead="аlice").encode(), path=PATH).problems

    assert "U+0430" in problem.message


def test_a_near_miss_of_a_missing_key_is_no_parameter() -> None:
    text = GOOD + "  - {target: aws/x, rolle: y}\n"

    assert told(text) == [(12, 5, "missing-key"), (12, 21, "unknown-key")]


def test_every_anchor_and_alias_of_a_bomb_is_told_up_to_a_limit() -> None:
    problems = load_strict(LAUGHS.encode(), path=PATH)[1]

    assert parse_grant(LAUGHS.encode(), path=PATH).grant is None
    assert (1, 4, "anchor") in told(LAUGHS)
    assert (2, 8, "alias") in told(LAUGHS)
    assert len([found for found in problems if found.code == "anchor"]) == 9
    assert len([found for found in problems if found.code == "alias"]) == 72
    many = load_strict(b"a: [" + b"*x, " * 300 + b"]", path=PATH)[1]
    assert len(many) == 101
    assert many[-1].code == "more-problems"


@pytest.mark.parametrize(
    "text,count",
    [
        (b"\xff\n" * 300, 101),
        ("\u202e\n" * 300, 101),
        ("\t\t\n" * 300, 101),
        (b"\xff\xff\n\xff", 2),
    ],
)
def test_hostile_text_does_not_fill_a_log(text: str | bytes, count: int) -> None:
    assert len(told(text)) == count


@pytest.mark.parametrize(
    "path",
    [
        "access/grants/alice/x.yml",
        "access/grants/alice/x.YAML",
        "access/grants/alice.yaml",
        "access/grants/alice/deep/x.yaml",
        "access/grants/../alice/x.yaml",
        "access/grants/alice/../x.yaml",
        "access/grants/alice/a..b.yaml",
        "access/grants/alice/..yaml",
        "access/grants/alice/.yaml",
        "access/grants/alice/.x.yaml",
        "access/grants/alice/x..yaml",
        "access/grants/alice/x.lock.yaml",
        "access/grants/alice/X.yaml",
        "access/grants/alice/x y.yaml",
        "access/grants/alice/x\n.yaml",
        "access/grants/alice/\u0430.yaml",
        "access/grants/Alice/x.yaml",
        "access/grants/аlice/x.yaml",
        "access/grants//x.yaml",
        f"access/grants/alice/{'x' * 101}.yaml",
        "/access/grants/alice/x.yaml",
        "access/principals/alice.yaml",
    ],
)
def test_a_grant_elsewhere_is_refused(path: str) -> None:
    problems = parse_grant(GOOD.encode(), path=path).problems

    assert [found.code for found in problems] == ["path"]
    assert path_problem(path) is not None


@pytest.mark.parametrize(
    "name,told",
    [
        ("x.yml", "does not end in .yaml; rename"),
        ("UPPER.yml", "does not end in .yaml and is not made of a-z"),
        ("UPPER.yaml", 'the name "UPPER" is not made of a-z'),
        ("x.json", "does not end in .yaml; rename"),
        (".yaml", "is not made of a-z"),
        ("", "one folder per subject"),
        ("deeper/x.yml", "one folder per subject"),
    ],
)
def test_a_grant_s_wrong_name_is_told_from_a_wrong_place(name: str, told: str) -> None:
    assert told in (path_problem(f"access/grants/alice/{name}") or "")


@pytest.mark.parametrize("name", ["x", "2026-11-20-stuck-payouts", "a.b_c-d", "x" * 100])
def test_a_grant_has_a_plain_name(name: str) -> None:
    assert path_problem(f"access/grants/alice/{name}.yaml") is None


def test_a_parsed_file_is_a_grant_or_problems() -> None:
    problem = Problem(path=PATH, line=1, column=1, code="x", message="x")
    grant = parse_grant(GOOD.encode(), path=PATH).grant

    with pytest.raises(ValueError, match="a grant or has problems"):
        Parsed()
    with pytest.raises(ValueError, match="a grant or has problems"):
        Parsed(grant=grant, problems=(problem,))
    parts = parse_grant(GOOD.encode(), path="access/grants/bob/x.yaml").legible
    with pytest.raises(ValueError, match="not in part"):
        Parsed(grant=grant, legible=parts)


def test_what_is_read_of_a_misplaced_grant_is_all_of_it() -> None:
    path = "access/grants/bob/x.yaml"
    grant = parse_grant(GOOD.encode(), path=PATH).grant
    parts = parse_grant(GOOD.encode(), path=path).legible

    assert grant is not None
    assert parts is not None
    assert parts == legible_of(replace(grant, path=path))


@pytest.mark.parametrize(
    "text,seconds",
    [
        ("5m", 300),
        ("30m", 1800),
        ("90m", 5400),
        ("2h", 7200),
        ("1h30m", 5400),
        ("3d", 259200),
        ("1d2h3m", 93780),
        ("0d2h", 7200),
        ("365d", LONGEST),
        ("8760h", LONGEST),
    ],
)
def test_a_duration_is_days_hours_and_minutes(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text,advice",
    [
        ("4 hours", "write 4h"),
        ("PT4H", "write 4h"),
        ("P1DT2H", "write 1d2h"),
        ("２h", "write 2h"),
        ("2H", "write 2h"),
        ("1h 30m", "write 1h30m"),
        ("2 days and 3 hrs", "write 2d3h"),
        ("for 45 minutes", "write 45m"),
        ("0m", "write 5m or more"),
        ("4m", "write 5m or more"),
        ("366d", "write less"),
        ("99999999999h", "write less"),
        ("soon", "is not of the form 30m, 2h, 1h30m or 3d"),
        ("90", "is not of the form 30m, 2h, 1h30m or 3d"),
        ("1 minute", "is not of the form 30m, 2h, 1h30m or 3d"),
        ("", "is not of the form 30m, 2h, 1h30m or 3d"),
    ],
)
def test_a_wrong_duration_comes_with_the_way_out(text: str, advice: str) -> None:
    found = parse_duration(text)

    assert isinstance(found, str)
    assert found.endswith(advice)


@given(st.integers(SHORTEST // 60, LONGEST // 60))
def test_a_duration_survives_its_text(minutes: int) -> None:
    assert parse_duration(format_duration(minutes * 60)) == minutes * 60


@given(st.text(max_size=12) | st.text("0123456789dhm ", max_size=8))
def test_any_text_is_a_duration_or_a_refusal(text: str) -> None:
    found = parse_duration(text)

    assert isinstance(found, str) or SHORTEST <= found <= LONGEST


@pytest.mark.parametrize(
    "seconds,text", [(0, "0m"), (45, "45s"), (90, "1m30s"), (5400, "1h30m"), (90000, "1d1h")]
)
def test_seconds_are_shown_as_people_write_them(seconds: int, text: str) -> None:
    assert format_duration(seconds) == text


def test_a_duration_is_never_negative() -> None:
    with pytest.raises(ValueError, match="not negative"):
        format_duration(-60)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_grant_or_problems(text: bytes) -> None:
    parsed = parse_grant(text, path=PATH)

    assert (parsed.grant is None) == bool(parsed.problems)


@given(
    st.integers(0, len(GOOD) - 1),
    st.sampled_from(
        ["\t", "\n", " ", ":", "-", "&a", "*a", "{", "[", "]", "!", "'", "#", "%", "é"]
    ),
)
def test_a_grant_with_a_slip_is_read_or_refused(place: int, slip: str) -> None:
    parsed = parse_grant((GOOD[:place] + slip + GOOD[place:]).encode(), path=PATH)

    assert (parsed.grant is None) == bool(parsed.problems)
