"""The teams that a catalogue declares, and owners that are none of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.grants.catalogue import load_catalogue
from pipeline.values.catalogue import Team

TEAMS = "access/teams.yaml"
TARGETS = "access/targets/gcp.yaml"
DECLARED = "payments-leads: {id: 4711, title: Leads of payments}\nsecurity: {id: 4712, title: S}\n"
SLUGS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True)


def targets(*owners: str) -> str:
    return f"x: {{project: acme-x, environment: dev, owners: [{', '.join(owners)}]}}\n"


def told(files: dict[str, str]) -> list[tuple[str, int, int, str, str]]:
    """Returns place, code and message of each problem of *files*."""
    problems = load_catalogue({path: text.encode() for path, text in files.items()})[1]
    return [(one.path, one.line, one.column, one.code, one.message) for one in problems]


def test_teams_are_declared_with_their_ids() -> None:
    found, problems = load_catalogue({TEAMS: DECLARED.encode()})
    assert not problems
    assert found.teams == {
        "payments-leads": Team(slug="payments-leads", id=4711, title="Leads of payments"),
        "security": Team(slug="security", id=4712, title="S"),
    }


def test_an_owner_that_is_not_declared_is_told_at_its_place_with_the_nearest() -> None:
    files = {TEAMS: DECLARED, TARGETS: targets("security", "payments-laeds")}
    assert told(files) == [
        (
            *(TARGETS, 1, 59, "unknown-team"),
            'team "payments-laeds" is not in access/teams.yaml; did you mean "payments-leads"?',
        )
    ]


def test_without_a_file_of_teams_no_owner_is_declared() -> None:
    assert told({TARGETS: targets("security")}) == [
        (
            *(TARGETS, 1, 49, "unknown-team"),
            'team "security" is not in access/teams.yaml; declare it there with its GitHub id',
        )
    ]


def test_each_bad_entry_is_told_where_it_is_and_by_no_owner_again() -> None:
    broken = (
        "payments-leads: {id: 4711}\nsecurity: {id: '4712', title: S}\nfine: {id: 1, title: F}\n"
    )
    files = {TEAMS: broken, TARGETS: targets("security", "payments-leads", "fine")}
    assert [one[:4] for one in told(files)] == [
        (TEAMS, 1, 17, "missing-key"),
        (TEAMS, 2, 16, "wrong-type"),
    ]


def test_a_file_that_cannot_be_read_is_told_once() -> None:
    assert [one[:4] for one in told({TEAMS: "- security\n", TARGETS: targets("security")})] == [
        (TEAMS, 1, 1, "wrong-type")
    ]
    assert {one[0] for one in told({TEAMS: "security: {", TARGETS: targets("security")})} == {TEAMS}


def test_two_slugs_are_not_one_team() -> None:
    twice = "a: {id: 1, title: A}\nb: {id: 1, title: B}\n"
    assert told({TEAMS: twice}) == [
        (TEAMS, 2, 9, "duplicate", 'id 1 belongs to team "a" already; each has its own')
    ]
    assert [one[:4] for one in told({TEAMS: "a: {id: 1, title: A}\na: {id: 2, title: B}\n"})] == [
        (TEAMS, 2, 1, "duplicate-key")
    ]


@given(declared=st.sets(SLUGS, max_size=5), owners=st.lists(SLUGS, min_size=1, unique=True))
def test_exactly_the_owners_that_are_not_declared_are_told(
    declared: set[str], owners: list[str]
) -> None:
    teams = "".join(
        f'"{slug}": {{id: {number}, title: T}}\n' for number, slug in enumerate(sorted(declared), 1)
    )
    quoted = [f'"{owner}"' for owner in owners[:20]]
    files = {TARGETS: targets(*quoted)} | ({TEAMS: teams} if teams else {})
    found = [message.split('"')[1] for *_, message in told(files)]
    assert sorted(found) == sorted(set(owners[:20]) - declared)
