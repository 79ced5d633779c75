"""Names in the settings that no file of the catalogue has."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pipeline.policy_tools.setting_names import unknown_names

SETTINGS = {
    "settings/schedule/data.yaml": """\
hours:
  prod: [business-hours, staffed]
maintenance:
  nightly: {calendar: night, mode: permits, environments: [prod]}
freezes: {}
""",
    "settings/emergency/data.yaml": "roles: {aws/admin: [payments]}\nmax_duration: 3600\n",
    "settings/quiet/data.yaml": "calendars: [friday-evening]\nrotations: [payments]\n",
    "settings/limits/data.yaml": "max_live_grants: 10\n",
    "settings/reviewers/data.yaml": """\
security_teams: [security]
by_risk:
  low: []
  high:
    - {from: owners, count: 1}
    - {teams: [security], people: [erin], count: 1}
""",
    "settings/eligibility/data.yaml": """\
entries:
  engineers: {teams: [engineering], roles: ["aws/*"], environments: [dev]}
  teams: {principals: [bot], roles: ["aws/*"], environments: [dev]}
""",
    "settings/own/data.yaml": "review_teams: [security]\nnote_teams: Whoever is there\n",
}
CALENDARS = ["business-hours", "staffed", "night", "friday-evening"]


def told(
    files: Mapping[str, str] = SETTINGS,
    calendars: list[str] = CALENDARS,
    rotations: tuple[str, ...] = ("payments",),
    teams: tuple[str, ...] = ("engineering", "security"),
) -> list[str]:
    found = unknown_names(files, calendars=calendars, rotations=rotations, teams=teams)
    return [str(one) for one in found]


def test_names_that_files_have_are_fine() -> None:
    assert told() == []


def test_a_slip_of_the_pen_is_told_with_what_was_meant() -> None:
    (problem,) = told(calendars=["business-hours", "staffed", "night", "friday-evenin"])
    assert problem == (
        'policies/settings/quiet/data.yaml:1:13: "friday-evening" is none of the calendars in '
        'access/calendars; did you mean "friday-evenin"?'
    )


def test_every_place_that_names_a_calendar_or_a_rotation_is_looked_at() -> None:
    assert [one.split(": ")[0] for one in told(calendars=[], rotations=())] == [
        "policies/settings/emergency/data.yaml:1:21",
        "policies/settings/quiet/data.yaml:1:13",
        "policies/settings/quiet/data.yaml:2:13",
        "policies/settings/schedule/data.yaml:2:10",
        "policies/settings/schedule/data.yaml:2:26",
        "policies/settings/schedule/data.yaml:4:23",
    ]


def test_every_place_that_names_a_team_is_looked_at() -> None:
    assert [one.split(": ")[0] for one in told(teams=())] == [
        "policies/settings/eligibility/data.yaml:2:23",
        "policies/settings/own/data.yaml:1:16",
        "policies/settings/reviewers/data.yaml:1:18",
        "policies/settings/reviewers/data.yaml:6:16",
    ]


@pytest.mark.parametrize(
    "word, advice",
    [
        ("sekurity", 'did you mean "security"?'),
        ("acme/security", 'did you mean "security"?'),
        ("Contractors", "add it to access/teams.yaml"),
    ],
)
def test_a_word_that_is_no_declared_team_is_told_with_the_nearest(word: str, advice: str) -> None:
    files = {"settings/reviewers/data.yaml": f"security_teams: [security, {word}]\n"}
    assert told(files) == [
        f'policies/settings/reviewers/data.yaml:1:28: "{word}" is none of the teams in '
        f"access/teams.yaml; {advice}"
    ]


def test_what_is_no_settings_file_names_nothing() -> None:
    assert told({"lib/data.yaml": "calendars: [x]\n", "settings/a/b.rego": "calendars: [x]"}) == []
