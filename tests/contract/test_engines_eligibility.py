"""Who may ask for what, on both engines."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.values.catalogue import PrincipalKind
from tests.contract.support_rules import MISSING, ROLE, TARGET, Ask, Case, check
from tests.unit.support_policies import Keys, grant, own_settings, principal, put, request

ENTRIES: Keys = ("eligibility", "entries")
TEAMS: Keys = ("subject", "teams")
DENIED = {"not-eligible"}
UNREADABLE = {
    "request-unreadable",
    "maintenance-required",
    "duration-over-role",
    "duration-over-risk",
    "duration-over-environment",
    "duration-over-settings",
}
ENTRY: dict[str, Any] = {
    "teams": ["engineering"],
    "principals": ["bob"],
    "roles": ["aws/rds-reader"],
    "targets": ["aws/payments-prod"],
    "environments": ["prod"],
    "tags": {"pci": "true"},
}
ASKED = put(request(), (*TARGET, "tags"), {"pci": "true", "tier": "1"})
BOT = put(
    put(ASKED, TEAMS, ["engineering"]),
    ("subject",),
    {**ASKED["subject"], "kind": "workload", "owner": "alice"},
)


def entry(**changes: Any) -> dict[str, Any]:
    """One entry that fits, but for what changes; MISSING takes a key out."""
    changed = {**ENTRY, **changes}
    return {"one": {key: value for key, value in changed.items() if value is not MISSING}}


CASES = [
    Case("what is listed", set(), document=ASKED, setting=ENTRIES, to=entry()),
    Case("nobody listed", DENIED, setting=ENTRIES, to={}),
    *(
        Case(f"entries as {value!r}", {*DENIED, "setting-invalid"}, setting=ENTRIES, to=value)
        for value in ([ENTRY], "aws/*", None, {"one": None}, {"one": "engineering"})
    ),
    Case("no entries", {*DENIED, "setting-invalid"}, setting=ENTRIES, to=MISSING),
    # people
    Case("in no team", DENIED, TEAMS, []),
    Case("in another team", DENIED, TEAMS, ["engineer"]),
    Case("in one team of two", set(), TEAMS, ["designers", "engineering"]),
    Case("teams not said", {*DENIED, "request-unreadable"}, TEAMS, MISSING),
    Case("teams that are none", {*DENIED, "request-unreadable"}, TEAMS, None),
    Case("teams as text", {*DENIED, "request-unreadable"}, TEAMS, "engineering"),
    Case(
        "named",
        set(),
        TEAMS,
        [],
        document=ASKED,
        setting=ENTRIES,
        to=entry(principals=["bob", "alice"]),
    ),
    Case("not named", DENIED, TEAMS, [], document=ASKED, setting=ENTRIES, to=entry()),
    Case("kind not said", {*DENIED, "workload-unowned"}, ("subject", "kind"), MISSING),
    Case("of no kind", {*DENIED, "workload-unowned"}, ("subject", "kind"), None),
    Case("a workload in a team", DENIED, document=BOT, setting=ENTRIES, to=entry()),
    Case(
        "a workload that is named",
        set(),
        document=BOT,
        setting=ENTRIES,
        to=entry(principals=["alice"]),
    ),
    # roles
    Case(
        "every role of a cloud", set(), document=ASKED, setting=ENTRIES, to=entry(roles=["aws/*"])
    ),
    *(
        Case(f"{role} listed", DENIED, document=ASKED, setting=ENTRIES, to=entry(roles=[role]))
        for role in ("aws/rds", "aws/rds-reader2", "gcp/*", "gcp/rds-reader")
    ),
    *(
        Case(
            f"{role} listed",
            {*DENIED, "setting-invalid"},
            document=ASKED,
            setting=ENTRIES,
            to=entry(roles=[role]),
        )
        for role in ("*", "aws/rds-*", "rds-reader", "*/rds-reader")
    ),
    Case("role not said", {*DENIED, *UNREADABLE, "toxic-combination"}, (*ROLE, "id"), MISSING),
    Case("target not said", DENIED | UNREADABLE, (*TARGET, "id"), MISSING, setting=ENTRIES, to={}),
    # targets
    Case(
        "every target of a cloud",
        set(),
        document=ASKED,
        setting=ENTRIES,
        to=entry(targets=["aws/*"]),
    ),
    *(
        Case(f"not {changes}", DENIED, document=ASKED, setting=ENTRIES, to=entry(**changes))
        for changes in (
            {"targets": ["aws/other", "gcp/*"]},
            {"environments": ["dev"]},
            {"tags": {"pci": "false"}},
            {"tags": {"pci": "true", "owner": "x"}},
        )
    ),
    Case(
        "by environment and tag",
        set(),
        document=ASKED,
        setting=ENTRIES,
        to=entry(targets=MISSING, tags={"tier": "1", "pci": "true"}),
    ),
    Case("by target only", set(), setting=ENTRIES, to=entry(environments=MISSING, tags=MISSING)),
    # entries that say too little, or something odd
    *(
        Case(
            f"an entry without {name}",
            {*DENIED, "setting-invalid"},
            document=ASKED,
            setting=ENTRIES,
            to=entry(**dict.fromkeys(keys, MISSING)),
        )
        for name, keys in {
            "people": ("teams", "principals"),
            "roles": ("roles",),
            "targets": ("targets", "environments", "tags"),
        }.items()
    ),
    *(
        Case(
            f"{key} as {value!r}",
            {*DENIED, "setting-invalid"},
            document=ASKED,
            setting=ENTRIES,
            to=entry(**{key: value}),
        )
        for key in ("teams", "principals", "roles", "targets", "environments", "tags", "target")
        for value in ([], [1], "engineering", None)
    ),
    Case(
        "a tag that is no text",
        {*DENIED, "setting-invalid"},
        document=ASKED,
        setting=ENTRIES,
        to=entry(tags={"pci": True}),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_entry(ask: Ask, case: Case) -> None:
    check(ask, case)


@pytest.mark.parametrize(
    "role, denied",
    [("aws/s3-logs-reader", set()), ("aws/rds-reader", DENIED), ("gcp/log-viewer", set())],
)
def test_the_workload_of_the_sandbox_gets_what_it_needs(
    ask: Ask, role: str, denied: set[str]
) -> None:
    bot = principal(
        name="ledger-bot",
        kind=PrincipalKind.WORKLOAD,
        owner="alice",
        github=None,
        github_id=None,
    )
    document = request(grant=grant(subject="ledger-bot"), subject=bot, subject_teams=())
    evaluation = ask(put(document, (*ROLE, "id"), role), own_settings())
    assert {one.code for one in evaluation.violations} == denied


def test_who_may_not_ask_is_told_for_what(ask: Ask) -> None:
    (violation,) = ask(put(request(), TEAMS, []), own_settings()).violations
    assert violation.field == "access.0"
    assert violation.message == (
        "alice may not ask for aws/rds-reader on aws/payments-prod (settings/eligibility)"
    )
