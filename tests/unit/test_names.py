"""Names in the settings that no file of the catalogue has."""

from __future__ import annotations

from collections.abc import Mapping

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
}
CALENDARS = ["business-hours", "staffed", "night", "friday-evening"]


def told(
    files: Mapping[str, str] = SETTINGS,
    calendars: list[str] = CALENDARS,
    rotations: tuple[str, ...] = ("payments",),
) -> list[str]:
    return [str(one) for one in unknown_names(files, calendars=calendars, rotations=rotations)]


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


def test_what_is_no_settings_file_names_nothing() -> None:
    assert told({"lib/data.yaml": "calendars: [x]\n", "settings/a/b.rego": "calendars: [x]"}) == []
