"""What later catalogues leave of a running grant."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.grants.later_catalogues import left_in
from pipeline.values.catalogue import AwsPermissions, Catalogue, Entitlement, Mfa
from pipeline.values.ids import TargetId
from tests.unit.support_branch import PAYOUTS, Branch, live
from tests.unit.support_estate import a_grant, catalogue
from tests.unit.support_tiny_rules import ALICE, BOB, ROLES, START, grant

ALICE_FILE = "access/principals/alice.yaml"
LINES = {one: a_grant("x", f"{one}/prod").entitlements[0] for one in ("aws", "azure", "gcp")}
OTHER = "6f1c0000-0000-4000-8000-000000009999"


def changed(line: Entitlement, **parts: Any) -> Catalogue:
    """The catalogue with another principal, target or role in the place of *line*'s."""
    found = catalogue()
    principals, targets, roles = dict(found.principals), dict(found.targets), dict(found.roles)
    for name, new in parts.items():
        store: Any = {"principal": principals, "target": targets, "role": roles}[name]
        old = getattr(line, name)
        key = old.name if name == "principal" else old.id
        if new is None:
            del store[key]
        else:
            store[key] = replace(old, **new)
    return replace(found, principals=principals, targets=targets, roles=roles)


@pytest.mark.parametrize("cloud", LINES)
@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"role": {"title": "Other", "max_duration": 60, "mfa_required": True}},
        {"target": {"environment": "dev", "owners": ()}},
        {"principal": {"github": "alice2"}},
    ],
    ids=str,
)
def test_what_is_asked_of_new_requests_changes_no_running_one(
    cloud: str, parts: dict[str, Any]
) -> None:
    line = LINES[cloud]
    assert left_in(line, changed(line, **parts)) == line


@pytest.mark.parametrize("cloud", LINES)
@pytest.mark.parametrize(
    "parts",
    [
        {"principal": None},
        {"target": None},
        {"role": None},
        {"principal": {"github_id": 9}},
        {"target": {"locator": "elsewhere"}},
    ],
    ids=str,
)
def test_who_or_what_is_another_or_gone_ends_a_line(cloud: str, parts: dict[str, Any]) -> None:
    line = LINES[cloud]
    assert left_in(line, changed(line, **parts)) is None


def test_another_home_account_ends_a_line() -> None:
    line = LINES["aws"]
    assert line.principal.aws is not None
    home = replace(line.target, id=TargetId("aws/home"), name="home", locator="999900001111")
    account = replace(line.principal.aws, home="home", session_name="alice@acme", arn=None)
    line = replace(line, principal=replace(line.principal, aws=account), home=home)
    known = changed(line, principal={"aws": account})
    for locator, ends in ((home.locator, False), ("888800001111", True), (None, True)):
        targets = dict(known.targets)
        if locator is not None:
            targets[home.id] = replace(home, locator=locator)
        found = left_in(line, replace(known, targets=targets))
        assert (found is None) is ends


def test_another_account_ends_the_lines_of_its_cloud_alone() -> None:
    for cloud, line in LINES.items():
        one: Any = getattr(line.principal, cloud)
        field = {"aws": "arn", "azure": "object_id", "gcp": "member"}[cloud]
        other = changed(line, principal={cloud: replace(one, **{field: "another"})})
        for name, each in LINES.items():
            assert (left_in(each, other) is None) == (name == cloud)
        # How a second factor is proven is no other account.
        factor = changed(line, principal={cloud: replace(one, mfa=Mfa.IDENTITY_PROVIDER)})
        assert left_in(line, factor) == line


@pytest.mark.parametrize(
    "actions, resources, expected",
    [
        (("a", "b"), ("x", "y"), (("a", "b"), ("x", "y"))),
        (("b", "c", "a"), ("y", "x", "z"), (("a", "b"), ("x", "y"))),
        (("b", "c"), ("y",), (("b",), ("y",))),
        (("c",), ("x",), None),
        (("a",), ("z",), None),
    ],
)
def test_actions_and_resources_are_those_that_both_name(
    actions: tuple[str, ...], resources: tuple[str, ...], expected: Any
) -> None:
    line = LINES["aws"]
    had = AwsPermissions(actions=("a", "b"), resources=("x", "y"))
    line = replace(line, role=replace(line.role, permissions=had))
    now = changed(line, role={"permissions": AwsPermissions(actions=actions, resources=resources)})
    found = left_in(line, now)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert found.role.permissions == AwsPermissions(actions=expected[0], resources=expected[1])


def test_another_role_of_google_or_azure_ends_a_line() -> None:
    for cloud, field in (("gcp", "role"), ("azure", "role_definition_id")):
        line = LINES[cloud]
        other = replace(line.role.permissions, **{field: OTHER})
        assert left_in(line, changed(line, role={"permissions": other})) is None


# In a proof


def admin() -> dict[str, str]:
    return {ROLES: START[ROLES].replace("logging.viewer", "logging.admin")}


def test_what_a_catalogue_took_off_stays_off_until_it_is_asked_for_again() -> None:
    branch = Branch()
    branch.bring({PAYOUTS: grant(roles=("log-viewer", "table-reader"))}, approved_by=[BOB])
    branch.govern(admin())
    found = branch.stand()
    (one,) = found.live
    assert [line.role for line in one.grant.access] == ["table-reader"]
    assert [line.role.name for line in one.entitlements] == ["table-reader"]
    assert found.reduced == {one.grant.id}
    branch.govern({ROLES: START[ROLES]})
    assert branch.stand().live == found.live
    branch.bring(
        {PAYOUTS: grant(roles=("log-viewer", "table-reader"), duration="3h")}, approved_by=[BOB]
    )
    found = branch.stand()
    assert [len(one.entitlements) for one in found.live] == [2]
    assert found.reduced == frozenset()


def test_what_a_catalogue_took_off_stays_off_where_the_trusted_commit_moves() -> None:
    branch = Branch()
    branch.bring({PAYOUTS: grant(roles=("log-viewer", "table-reader"))}, approved_by=[BOB])
    branch.govern(admin())
    before = branch.stand()
    branch.anchor = branch.tip
    found = branch.stand({proof.commit: proof for proof in before.fresh})
    assert found.live == before.live
    assert len(found.live[0].entitlements) == 1


def test_a_catalogue_that_is_not_proven_takes_nothing_off() -> None:
    branch = Branch()
    branch.bring({PAYOUTS: grant()})
    before = branch.stand().live
    branch.push(admin())
    assert branch.stand().live == before
    branch.push({ROLES: START[ROLES]})
    assert branch.stand().live == before


def test_an_account_that_was_stolen_and_replaced_keeps_nothing() -> None:
    branch = Branch()
    branch.bring({PAYOUTS: grant()})
    branch.govern({ALICE_FILE: START[ALICE_FILE].replace("user:alice@", "user:alice.new@")})
    found = branch.stand()
    assert (found.live, found.reduced) == ((), {"alice/payouts"})


def test_a_name_that_was_used_again_for_somebody_else_gives_the_former_one_nothing() -> None:
    branch = Branch()
    branch.bring({PAYOUTS: grant(more="start: 2026-11-20T18:00:00Z\n")})
    assert live(branch.stand()) == ["alice/payouts"]
    text = START[ALICE_FILE].replace(f"github_id: {ALICE.id}", "github_id: 4711")
    assert text != START[ALICE_FILE]
    branch.govern({ALICE_FILE: text})
    assert branch.stand().live == ()
