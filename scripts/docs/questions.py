"""The questions that policies/INPUT.md shows and an answer, as the pipeline puts and gets them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.grants.catalogue import entitlements
from pipeline.grants.parse import parse_grant
from pipeline.judge.circumstances import circumstances
from pipeline.policy.question import (
    Emergency,
    OtherLife,
    Previous,
    Requester,
    governance_document,
    input_document,
)
from pipeline.policy.rego import RegorusEngine
from pipeline.run.offline import read_catalogue, read_policies
from pipeline.values.canonical import canonical
from pipeline.values.catalogue import StandingAccess
from pipeline.values.grant import Grant, Window, window_of
from pipeline.values.ids import RoleId, TargetId
from pipeline.values.pull_request import Actor, PullRequest

# A Friday on which erin is on call for payments.
NOW = datetime(2026, 11, 20, 14, tzinfo=UTC)
MERGED = NOW - timedelta(minutes=20)
WIDTH = 100
PATH = "access/grants/erin/2026-11-20-stuck-payouts.yaml"
GRANT = """\
subject: erin
reason: Payouts stuck since 13:00, the worker does not stop by itself
ticket: PAY-1423
duration: {duration}
access:
  - {{target: aws/payments-prod, role: ec2-terminate, resource: i-0abc1234def567890}}
  - {{target: azure/payments-prod, role: reader}}
  - {{target: gcp/payments-prod, role: log-viewer}}
"""
ERIN = Requester(
    actor=Actor(id=1005, login="erin", type="User"),
    principal="erin",
    teams=frozenset({"engineering"}),
)
CAROL = Requester(
    actor=Actor(id=1003, login="carol", type="User"),
    principal="carol",
    teams=frozenset({"security"}),
)


def about_a_grant(root: Path) -> dict[str, Any]:
    """Returns what is asked when erin, in the sandbox's organisation, extends a grant."""
    catalogue = read_catalogue(root / "pipeline" / "sandbox" / "acme")
    standing = StandingAccess(target=TargetId("gcp/payments-prod"), role=RoleId("gcp/log-viewer"))
    catalogue = replace(catalogue, standing={"erin": (standing,)})
    before, grant = _grant("30m"), _grant("1h30m")
    window = window_of(grant, merged_at=MERGED)
    return input_document(
        change="widen",
        grant=grant,
        entitlements=entitlements(grant, catalogue),
        window=window,
        now=NOW,
        requester=ERIN,
        subject=catalogue.principals["erin"],
        subject_teams=ERIN.teams,
        previous=Previous(
            grant=before,
            window=window_of(before, merged_at=MERGED),
            requester="erin",
            first_duration=before.duration,
        ),
        lives=[
            OtherLife(
                grant="erin/2026-11-19-reports",
                target="gcp/payments-prod",
                role="gcp/bigquery-reader",
                window=Window(start=NOW - timedelta(hours=22), end=NOW - timedelta(hours=20)),
                added=NOW - timedelta(hours=22),
            )
        ],
        emergencies=[
            Emergency(grant="erin/2026-10-03-outage", start=NOW - timedelta(days=48), reviewed=True)
        ],
        pull=_pull(412, ERIN),
        approvals=["bob"],
        **circumstances(catalogue, "erin", window=window, now=NOW),
    )


def about_governance() -> dict[str, Any]:
    """Returns what is asked when carol changes a setting and reviews erin's emergency."""
    return governance_document(
        paths=["policies/settings/limits/data.yaml", "access/reviews/erin/2026-10-03-outage.yaml"],
        reviews=["erin"],
        now=NOW,
        requester=CAROL,
        pull=_pull(413, CAROL),
        approvals=["dave"],
    )


def answer(root: Path, question: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the policies of *root* say of *question*, with few of the rules that ran."""
    decision = RegorusEngine(read_policies(root)).decide(question)
    if not isinstance(decision, dict):
        raise ValueError("the policies decide nothing about the example")
    found = {
        key: sorted(value, key=canonical) if isinstance(value, list) else value
        for key, value in decision.items()
    }
    return {**found, "evaluated": [*found["evaluated"][:3], "…"]}


def shown(value: Any, indent: str = "", room: int = WIDTH) -> str:
    """Returns *value* as JSON: on one line what fits in *room*, everything else below itself."""
    short = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(short) <= room or not isinstance(value, dict | list) or not value:
        return short
    deeper = f"{indent}  "
    if isinstance(value, dict):
        lines = [
            f"{json.dumps(key)}: {shown(one, deeper, WIDTH - len(key) - 5)}"
            for key, one in value.items()
        ]
    else:
        lines = [shown(one, deeper, WIDTH - 1) for one in value]
    first, last = "{}" if isinstance(value, dict) else "[]"
    inside = ",\n".join(f"{deeper}{line}" for line in lines)
    return f"{first}\n{inside}\n{indent}{last}"


def _grant(duration: str) -> Grant:
    grant = parse_grant(GRANT.format(duration=duration).encode(), path=PATH).grant
    if grant is None:
        raise ValueError("the example is no grant")
    return grant


def _pull(number: int, requester: Requester) -> PullRequest:
    return PullRequest(
        number=number,
        author=requester.actor,
        state="open",
        base_ref="main",
        head_ref="example",
        head_sha="5d41402abc4b2a76b9719d911017c592ae3f61d2",
        same_repository=True,
    )
