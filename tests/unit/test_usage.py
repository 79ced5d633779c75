"""How people are told to use their access."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline.clouds.aws.binding import binding
from pipeline.clouds.desired import render_bindings
from pipeline.clouds.usage import usage
from pipeline.values.catalogue import PrincipalKind
from pipeline.values.ids import GrantId
from tests.contract.support_aws import (
    ACCOUNT,
    ENTITLEMENT,
    TERMINATE,
    WINDOW,
    for_bob,
    with_identity,
)
from tests.unit.support_estate import a_grant
from tests.unit.support_values import NOON, window

SETTING = "aws configure set "


def settings(lines: list[str]) -> dict[str, str]:
    """Returns what the lines set in the one profile that they name."""
    found = [line.removeprefix(SETTING).split() for line in lines if line.startswith(SETTING)]
    assert len({words[3] for words in found}) == 1
    return {"profile": found[0][3], **{key: value for key, value, *_ in found}}


def test_a_profile_names_the_role_the_session_and_the_factor_that_the_role_asks_for() -> None:
    lines = usage(binding(for_bob(), window=WINDOW))
    found = settings(lines)
    assert found["role_session_name"] == "bob"
    assert found["mfa_serial"].endswith(":mfa/bob")
    assert found["role_arn"].startswith(f"arn:aws:iam::{ACCOUNT}:role/daypass/")
    assert any("renews it" in line for line in lines)


def test_where_the_identity_provider_asks_for_the_factor_the_profile_does_not() -> None:
    found = settings(usage(binding(ENTITLEMENT, window=WINDOW)))
    assert found["role_session_name"] == "alice@example.com"
    assert "mfa_serial" not in found


def test_two_lines_of_one_role_have_profiles_of_their_own() -> None:
    other = replace(ENTITLEMENT, parameters=(("resource", "i-00000000"),))
    names = {
        settings(usage(binding(one, window=WINDOW)))["profile"] for one in (ENTITLEMENT, other)
    }
    assert len(names) == 2


def test_a_workload_is_told_the_call_that_it_makes() -> None:
    role = with_identity(ENTITLEMENT, arn=f"arn:aws:iam::{ACCOUNT}:role/ledger")
    workload = replace(
        role,
        principal=replace(role.principal, name="ledger-bot", kind=PrincipalKind.WORKLOAD),
        role=replace(TERMINATE, mfa_required=False),
    )
    lines = usage(binding(workload, window=WINDOW))
    assert lines[-1].endswith(" --role-session-name ledger-bot")
    assert not any(line.startswith(SETTING) for line in lines)


@pytest.mark.parametrize("grant, linked", [("alice/short", True), ("alice/" + "x" * 40, False)])
def test_the_console_is_named_where_it_can_take_the_name_of_the_role(
    grant: str, linked: bool
) -> None:
    lines = usage(binding(replace(ENTITLEMENT, grant=GrantId(grant)), window=WINDOW))
    assert any("switchrole" in line for line in lines) is linked


@pytest.mark.parametrize("cloud, name", [("azure", "Azure"), ("gcp", "Google")])
@pytest.mark.parametrize("minutes", [5, 9, 10, 60])
def test_clouds_that_take_minutes_say_so_and_warn_where_the_window_is_as_short(
    cloud: str, name: str, minutes: int
) -> None:
    held = window(0, timedelta(minutes=minutes) / timedelta(hours=1))
    (made,) = render_bindings(a_grant("x", f"{cloud}/prod", held=held), now=NOON)
    lines = usage(made)
    assert lines[1].startswith(f"# {name} may take")
    assert ("ask for more" in lines[1]) == (minutes < 10)


def test_a_subscription_that_is_new_to_somebody_is_looked_for_first() -> None:
    (made,) = render_bindings(a_grant("x", "azure/prod"), now=NOON)
    assert usage(made)[-2] == "az account list --refresh --output none"
