"""Tickets by project, on both engines."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.support_rules import MISSING, TARGET, Ask, Case, check
from tests.unit.support_policies import Keys, grant, own_settings, put, request

PATTERNS: Keys = ("justification", "ticket_pattern_by_project")
LISTED = {"payments": "^PAY-[0-9]{1,4}$"}
OTHER = {"ticket-of-other-project"}


def of(project: Any, ticket: str | None = "PAY-1423") -> dict[str, Any]:
    asked = request(grant=grant(ticket=ticket))
    return put(asked, (*TARGET, "tags"), {"project": project})


CASES = [
    Case("of the project", set(), document=of("payments"), setting=PATTERNS, to=LISTED),
    Case("a digit more", OTHER, document=of("payments", "PAY-12345"), setting=PATTERNS, to=LISTED),
    Case(
        "of another project",
        OTHER,
        document=of("payments", "OPS-1"),
        setting=PATTERNS,
        to=LISTED,
    ),
    Case(
        "a ticket of the project and a line more",
        {*OTHER, "ticket-malformed"},
        document=of("payments", "PAY-1\n"),
        setting=PATTERNS,
        to=LISTED,
    ),
    Case(
        "a project's target in development without ticket",
        OTHER,
        (*TARGET, "environment"),
        "dev",
        document=of("payments", None),
        setting=PATTERNS,
        to=LISTED,
    ),
    Case("a project that is not listed", set(), document=of("hr"), setting=PATTERNS, to=LISTED),
    Case("no project", set(), (*TARGET, "tags"), {"pci": "true"}, setting=PATTERNS, to=LISTED),
    Case("a number as project", OTHER, document=of(7), setting=PATTERNS, to={"7": "^PAY-1423$"}),
    Case("tags not said", OTHER, (*TARGET, "tags"), MISSING),
    Case("tags that are none", OTHER, (*TARGET, "tags"), None),
    Case("no patterns by project", {*OTHER, "setting-invalid"}, setting=PATTERNS, to=MISSING),
    Case("patterns as list", {*OTHER, "setting-invalid"}, setting=PATTERNS, to=["^PAY-1423$"]),
    *(
        Case(
            f"a project's pattern as {pattern!r}",
            {*OTHER, "setting-invalid"},
            document=of("payments"),
            setting=PATTERNS,
            to={"payments": pattern},
        )
        for pattern in (1423, "PAY-1423", "^PAY-1423", "PAY-1423$")
    ),
    *(
        Case(
            f"a project's pattern as {pattern!r}",
            {"setting-invalid"},
            document=of("payments"),
            setting=PATTERNS,
            to={"payments": pattern},
        )
        for pattern in ("^PAY-\\d+$", "^(?i)pay-1423$")
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_ticket(ask: Ask, case: Case) -> None:
    check(ask, case)


def test_a_ticket_of_another_project_is_told_its_pattern(ask: Ask) -> None:
    settings = put(own_settings(), PATTERNS, LISTED)
    (violation,) = ask(of("payments", "OPS-1"), settings).violations
    assert violation.message == (
        "aws/payments-prod belongs to the project payments, whose tickets match "
        "^PAY-[0-9]{1,4}$ (settings/justification), and the ticket is OPS-1"
    )
