"""`daypass policy explain`: calendars in the window asked for, and who is on call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.main import run
from pipeline.output.surroundings import surroundings_lines
from pipeline.policy.engine import PolicyBundle
from pipeline.policy_tools.setting_names import named, named_for
from pipeline.policy_tools.surroundings import Surroundings, surroundings
from pipeline.values.catalogue import Catalogue
from tests.unit.support_policies import copy_acme, copy_policies

GRANT = "access/grants/alice/x.yaml"
TEXT = """\
subject: alice
reason: Look at why the nightly build of the sandbox fails
duration: 2h
access:
  - {target: gcp/sandbox-dev, role: log-viewer}
"""
ALWAYS = """\
title: Always
timezone: Etc/UTC
weekly:
  - {days: [mon, tue, wed, thu, fri, sat, sun], from: "00:00", to: "24:00"}
"""
NEVER = """\
title: Never
timezone: Etc/UTC
exceptions:
  - {date: 2020-01-01, closed: true}
"""
HOURS = """\
hours: {dev: [always, never], prod: [business-hours]}
maintenance:
  sunday: {calendar: lost, mode: permits, targets: [gcp/sandbox-dev], roles: [gcp/log-viewer]}
  other: {calendar: payments-maintenance, mode: permits, targets: [aws/payments-prod]}
freezes:
  year-end: {calendar: year-end-freeze, environments: [prod]}
"""


BINDINGS = [
    {"target": {"id": "aws/a", "environment": "prod"}, "role": {"id": "aws/r"}},
    {"target": {"id": "gcp/b", "environment": "dev"}, "role": {"id": "gcp/s"}},
]


class Desk:
    """An access repository, and `explain` of the grant in it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        copy_acme(folder)
        copy_policies(folder / "policies")
        self.write(GRANT, TEXT)
        self.write("access/calendars/always.yaml", ALWAYS)
        self.write("access/calendars/never.yaml", NEVER)

    def write(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")

    def explain(self, *arguments: str) -> str:
        run(["-C", str(self.folder), "policy", "explain", GRANT, *arguments])
        return self._capsys.readouterr().out

    def told(self, *arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.explain("--json", *arguments))["circumstances"]
        return found


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def rows(out: str, header: str) -> list[list[str]]:
    """Returns the words of each line below *header*, up to the last line or the next table."""
    _, found, rest = out.partition(f"\n{header}")
    assert found
    lines = rest.splitlines()[1:]
    return [line.split(maxsplit=1) for line in lines if "  " in line]


def test_where_settings_name_no_calendar_all_are_told(desk: Desk) -> None:
    out = desk.explain()
    names = [name for name, _ in rows(out, "CALENDAR")]
    files = sorted(file.stem for file in (desk.folder / "access/calendars").glob("*.yaml"))
    assert names == files
    assert "of 1 rotation none is named for this grant\n" in out


def test_only_what_settings_name_for_the_grant_is_told(desk: Desk) -> None:
    desk.write("policies/settings/schedule/data.yaml", HOURS)
    out = desk.explain()
    assert rows(out, "CALENDAR") == [
        ["always", "open all the time"],
        ["lost", "unknown, neither open nor free: it is not in access/calendars"],
        ["never", "closed"],
    ]
    told = {one["name"]: one for one in desk.told()["calendars"]}
    assert {name for name, one in told.items() if one["named"]} == {"always", "lost", "never"}
    assert set(told) - {"lost"} == {
        file.stem for file in (desk.folder / "access/calendars").glob("*.yaml")
    }
    assert (told["lost"]["known"], told["never"]["known"]) == (False, True)


def asked(*intervals: tuple[int, int], until: int = 100) -> Surroundings:
    """Returns the surroundings of a window from 50 to 100, with one calendar of *intervals*."""
    document = {
        "now": 50,
        "window": {"start": 50, "end": 100},
        "bindings": BINDINGS,
        "calendars": {
            "start": 0,
            "end": until,
            "open": {"c": [{"start": start, "end": end} for start, end in intervals]},
        },
    }
    nobody = Catalogue(principals={}, targets={}, roles={})
    return surroundings(document, nobody, PolicyBundle(modules={}, data={}))


@pytest.mark.parametrize(
    "intervals, told",
    [
        ([], "closed"),
        # It ends as access begins, and begins as access ends.
        ([(0, 50), (100, 110)], "closed"),
        ([(0, 200)], "open all the time"),
        ([(50, 100)], "open all the time"),
        ([(40, 60)], "open 1970-01-01T00:00:50Z to 1970-01-01T00:01:00Z"),
        (
            [(51, 52), (53, 54), (55, 56), (57, 58), (59, 60)],
            "open 1970-01-01T00:00:51Z to 1970-01-01T00:00:52Z, "
            "1970-01-01T00:00:53Z to 1970-01-01T00:00:54Z, "
            "1970-01-01T00:00:55Z to 1970-01-01T00:00:56Z and 2 more times",
        ),
    ],
)
def test_intervals_are_those_that_meet_the_window(
    intervals: list[tuple[int, int]], told: str
) -> None:
    lines = surroundings_lines(asked(*intervals), {"calendars"}, subject="alice")
    assert lines == [
        "CALENDAR  FROM 1970-01-01T00:00:50Z to 1970-01-01T00:01:40Z",
        f"c         {told}",
    ]


def test_how_far_calendars_are_known_is_told_where_it_is_not_enough() -> None:
    *_, last = surroundings_lines(asked((0, 90), until=90), {"calendars"}, subject="alice")
    assert last == "calendars are known up to 1970-01-01T00:01:30Z only"


def test_where_there_are_none_that_is_told() -> None:
    lines = surroundings_lines(asked(), {"rotations"}, subject="alice")
    assert lines == ["there is no rotation"]


def test_who_is_on_call_is_told_where_settings_name_the_rotation(desk: Desk) -> None:
    rotation = (desk.folder / "access/oncall/payments.yaml").read_text("utf-8")
    desk.write("access/oncall/payments.yaml", rotation.replace("[dave, erin]", "[alice]"))
    desk.write("access/oncall/later.yaml", rotation.replace("2026-01-05", "2090-01-02"))
    settings = "policies/settings/emergency/data.yaml"
    text = (desk.folder / settings).read_text("utf-8")
    roles = "{gcp/log-viewer: [payments, later, lost], aws/rds-reader: [other]}\n"
    desk.write(
        settings, text.replace("roles:\n  aws/break-glass-admin: [payments]\n", f"roles: {roles}")
    )
    out = desk.explain("--rule", "emergency-not-on-call")
    assert rows(out, "ROTATION") == [
        ["later", "nobody yet"],
        ["lost", "unknown: it is not in access/oncall"],
        ["payments", "alice, the subject"],
    ]
    assert "CALENDAR" not in out
    assert {one["rotation"]: one["subject"] for one in desk.told()["on_call"]} == {
        "later": False,
        "lost": False,
        "payments": True,
    }


def test_a_rule_that_looks_at_neither_shows_neither(desk: Desk) -> None:
    out = desk.explain("--rule", "reason-short")
    assert "CALENDAR" not in out
    assert "rotation" not in out
    assert "CALENDAR" in desk.explain("--rule", "frozen")
    assert "rotation" not in desk.explain("--rule", "frozen")


def test_a_calendar_that_a_rule_names_itself_is_told(desk: Desk) -> None:
    desk.write("policies/settings/schedule/data.yaml", HOURS)
    desk.write(
        "policies/lib/late/late.rego", 'package lib.late\n\nname := "payments-maintenance"\n'
    )
    names = [name for name, _ in rows(desk.explain(), "CALENDAR")]
    assert names == ["always", "lost", "never", "payments-maintenance"]


@pytest.mark.parametrize(
    "entry, matters",
    [
        ({"targets": ["aws/a"]}, True),
        ({"environments": ["dev"]}, True),
        ({"targets": ["aws/other"], "environments": ["staging"]}, False),
        ({"targets": ["aws/other"], "environments": ["prod"]}, True),
        ({"targets": ["aws/a"], "roles": ["aws/r"]}, True),
        # Each of them is asked for, but not together.
        ({"targets": ["aws/a"], "roles": ["gcp/s"]}, False),
        ({}, False),
        ({"targets": 3}, True),
    ],
)
def test_maintenance_matters_to_what_it_is_about(entry: dict[str, Any], matters: bool) -> None:
    settings = {"schedule": {"maintenance": {"x": {"calendar": "c", "mode": "permits", **entry}}}}
    assert named(settings)["calendars"] == {"c"}
    assert named_for(settings, BINDINGS)["calendars"] == ({"c"} if matters else set())


def test_a_freeze_asks_for_environments_only() -> None:
    for environments, found in ((["prod"], {"c"}), (["staging"], set())):
        freeze = {"calendar": "c", "environments": environments, "roles": ["aws/other"]}
        settings = {"schedule": {"freezes": {"x": freeze}}}
        assert named_for(settings, BINDINGS)["calendars"] == found


def test_what_a_setting_is_for_is_in_doubt_this_grant() -> None:
    settings = {
        "staffing": {"risks": ["critical"], "calendars": ["staffed"], "rotations": ["payments"]},
        "nested": [{"calendar": "deep"}],
        "emergency": {"roles": {"aws/r": ["one"], "aws/other": ["two"]}},
    }
    found = named_for(settings, BINDINGS)
    assert found == {"calendars": {"staffed", "deep"}, "rotations": {"payments", "one"}}
