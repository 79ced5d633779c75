"""What is written of a grant is that grant, for every reader."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pipeline.grants.schema import schemas
from pipeline.grants.write import (
    lines_of,
    marked,
    quoted,
    render_grant,
    unreadable,
    written,
    yaml_word,
)
from pipeline.reading.yaml_strict import UNSEEN
from pipeline.values.grant import Access, Grant
from pipeline.values.ids import GrantId, TargetId

GRANT = Grant(
    id=GrantId("alice/stuck-payouts"),
    path="access/grants/alice/stuck-payouts.yaml",
    subject="alice",
    reason="Payouts stuck since 14:00",
    ticket="PAY-1423",
    duration=5400,
    start=datetime(2026, 11, 20, 22, tzinfo=UTC),
    access=(
        Access(target=TargetId("aws/payments-prod"), role="rds-reader"),
        Access(
            target=TargetId("aws/payments-prod"),
            role="ec2-terminate",
            parameters=(("resource", "i-0abc1234def567890"),),
        ),
    ),
)
TEXT = """\
# yaml-language-server: $schema=../../schemas/grant.schema.json
subject: alice
reason: "Payouts stuck since 14:00"
ticket: PAY-1423
duration: 1h30m
start: 2026-11-20T22:00:00Z
access:
  - target: aws/payments-prod
    role: rds-reader
  - target: aws/payments-prod
    role: ec2-terminate
    resource: i-0abc1234def567890
"""

NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)
ODD = st.sampled_from(["yes", "no", "on", "null", "true", "y", "1e3", "0x1", "007", "1-2", "nan"])
REASONS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    st.text(st.sampled_from("ab \"'\\#:-&*!|>%@`{}[],?é😀\u200d\u00a0"), max_size=60),
).filter(
    lambda text: len(text.strip()) >= 3 and "\n" not in text and not re.search(f"[{UNSEEN}]", text)
)
TICKETS = st.from_regex(r"[A-Za-z0-9#][A-Za-z0-9#:/?&=%+~._-]{0,40}", fullmatch=True) | ODD
VALUES = st.from_regex(r"[!#%&()+,\-./0-9:;<=>@A-Z\[\]^_a-z|~]{1,40}", fullmatch=True) | ODD
LINES = st.builds(
    Access,
    target=st.builds("{}/{}".format, st.sampled_from(["aws", "azure", "gcp"]), NAMES),
    role=NAMES | ODD,
    parameters=st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_]{0,31}", fullmatch=True).filter(
            lambda name: name not in ("target", "role")
        )
        | st.sampled_from(["on", "no", "y", "null"]),
        VALUES,
        max_size=4,
    ).map(lambda found: tuple(sorted(found.items()))),
)


@st.composite
def grants(draw: st.DrawFn, reasons: st.SearchStrategy[str] = REASONS) -> Grant:
    subject = draw(NAMES | ODD)
    slug = draw(NAMES)
    return Grant(
        id=GrantId(f"{subject}/{slug}"),
        path=f"access/grants/{subject}/{slug}.yaml",
        subject=subject,
        reason=draw(reasons),
        ticket=draw(st.none() | TICKETS),
        duration=60 * draw(st.integers(5, 365 * 24 * 60)),
        start=draw(
            st.none()
            | st.builds(
                lambda seconds: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds),
                st.integers(0, 10**9),
            )
        ),
        access=tuple(draw(st.lists(LINES, min_size=1, max_size=5, unique=True))),
        emergency=draw(st.booleans()),
        requested_by=draw(st.none() | NAMES),
    )


def as_others_read(text: str) -> dict[str, object]:
    """Returns *text* as YAML readers take it that guess types, but for times."""

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers = {  # noqa: RUF012
            first: [(tag, rule) for tag, rule in rules if not tag.endswith(":timestamp")]
            for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    found = yaml.load(text, Loader=Loader)  # noqa: S506, TID251 - a reader that is not ours
    assert isinstance(found, dict)
    return found


def test_a_grant_is_written_in_the_order_that_it_is_documented_in() -> None:
    assert render_grant(GRANT) == TEXT
    assert render_grant(replace(GRANT, emergency=True)).endswith("7890\nemergency: true\n")
    shortest = replace(GRANT, ticket=None, start=None, access=GRANT.access[:1])
    assert [name for name, _ in lines_of(shortest)] == [
        *("head", "subject", "reason", "duration", "access", "access.0.target", "access.0.role")
    ]


@given(grants())
def test_what_the_form_allows_is_written_and_read_back_as_it_was(grant: Grant) -> None:
    text, found = written(grant)
    assert found == grant
    assert unreadable(grant) == ()
    assert text == render_grant(grant)
    assert text.count("\n") == len(lines_of(grant))


@given(grants())
def test_other_readers_and_the_schema_agree(grant: Grant) -> None:
    seen = as_others_read(render_grant(grant))
    assert (seen["subject"], seen["reason"]) == (grant.subject, grant.reason)
    assert seen.get("ticket") == grant.ticket
    access = seen["access"]
    assert isinstance(access, list)
    assert access == [
        {"target": line.target, "role": line.role} | dict(line.parameters) for line in grant.access
    ]
    assert Draft202012Validator(schemas()["grant"]).is_valid(seen)


@given(grants(st.text(st.characters(), max_size=40)))
def test_what_is_written_at_all_is_what_was_asked(grant: Grant) -> None:
    found = unreadable(grant)
    if not found:
        assert written(grant)[1] == grant
        return
    assert {field for field, _ in found} == {"reason"}
    with pytest.raises(ValueError, match="read back"):
        written(grant)


@pytest.mark.parametrize(
    "changes, field, said",
    [
        ({"reason": "two\nlines"}, "reason", "several lines"),
        ({"reason": "one line\n"}, "reason", "read back otherwise"),
        ({"reason": "no"}, "reason", "too short"),
        ({"reason": "abc\u202edef"}, "reason", "U+202E"),
        ({"reason": "abc\udc80"}, "reason", "no text"),
        ({"reason": "a" * 1001}, "reason", "1001 characters"),
        ({"ticket": "a b"}, "ticket", "without spaces"),
        ({"ticket": ""}, "ticket", "empty"),
        ({"subject": "аlice"}, "subject", "U+0430"),
        ({"duration": 90}, "duration", "not of the form"),
        ({"start": datetime(2026, 11, 20, 22, 0, 0, 1, tzinfo=UTC)}, "start", "read back"),
        ({"access": GRANT.access[:1] * 2}, "access.1.target", "second time"),
    ],
)
def test_what_the_form_refuses_is_told_by_field(
    changes: dict[str, object], field: str, said: str
) -> None:
    grant = replace(GRANT, **changes)  # type: ignore[arg-type]
    ((name, problem),) = unreadable(grant)
    assert name == field
    assert said in problem.message
    with pytest.raises(ValueError, match="read back"):
        written(grant)


@pytest.mark.parametrize("path", ["x.yaml", "access/README.md", "policies/grants/x.yaml"])
def test_a_file_elsewhere_is_no_grant(path: str) -> None:
    with pytest.raises(ValueError, match="no place"):
        render_grant(replace(GRANT, path=path))


def test_a_grant_in_the_wrong_folder_is_not_written() -> None:
    ((name, problem),) = unreadable(replace(GRANT, subject="bob"))
    assert (name, problem.code) == ("subject", "folder")


def test_marks_are_those_that_the_parser_finds() -> None:
    found = dict(written(GRANT)[1].marks)
    made = marked(GRANT).marks
    names = {name for name, _ in lines_of(GRANT)} - {"head"}
    assert {name: made[name].line for name in names} == {
        name: found[name].line - (name == "access") for name in names
    }


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_quoted_text_is_one_line_that_reads_as_the_text(text: str) -> None:
    assert "\n" not in quoted(text)
    assert as_others_read(f"a: {quoted(text)}") == {"a": text}


@pytest.mark.parametrize(
    "text", ["yes", "No", "ON", "null", "y", "1e3", "0x1F", "12:30", "2026-11-20", "", "-", "#1"]
)
def test_what_readers_take_for_another_thing_stands_in_quotes(text: str) -> None:
    assert yaml_word(text) == quoted(text)
