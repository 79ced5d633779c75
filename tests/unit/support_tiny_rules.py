"""A tiny catalogue and tiny policies: the least that an access repository needs to decide."""

from __future__ import annotations

from pipeline.values.pull_request import Actor
from tests.unit.support_reviews import ALICE, BOB, CAROL

__all__ = [
    "ALICE",
    "BOB",
    "CAROL",
    "DAN",
    "LIMITS",
    "MALLORY",
    "ROLES",
    "RULES",
    "START",
    "TABLES",
    "TARGETS",
    "TEAMS",
    "grant",
    "principal",
]

DAN = Actor(id=4, login="dan", type="User")
"""Of security. Bob and carol are leads, who own the targets; alice asks for access."""

MALLORY = Actor(id=9, login="mallory", type="User")
"""May push and review, and is no principal."""

LIMITS = "policies/settings/limits/data.yaml"
RULES = "policies/access/rules/tiny/tiny.rego"
ROLES = "access/roles/gcp.yaml"
TARGETS = "access/targets/gcp.yaml"
TEAMS = "access/teams.yaml"

_DECISION = """\
package access.decision

import data.access.rules.tiny

result := {
	"violations": tiny.deny,
	"warnings": [],
	"approvals": tiny.approvals,
	"excluded": excluded,
	"merges_by_itself": alone,
	"why": why,
	"evaluated": tiny.codes,
}

excluded contains name if {
	some path in [["requester", "principal"], ["subject", "name"], ["subject", "owner"]]
	name := object.get(input, path, null)
	is_string(name)
}

excluded contains name if {
	name := object.get(input, ["grant", "requested_by"], null)
	is_string(name)
}

excluded contains name if some name in input.reviews

default alone := false

alone if {
	count(tiny.deny) == 0
	count(tiny.approvals) == 0
	count(tiny.alone) == 1
}

why := "violations" if count(tiny.deny) > 0

why := "approvals" if {
	count(tiny.deny) == 0
	count(tiny.approvals) > 0
}

why := reason if {
	alone
	some reason in tiny.alone
}
"""

_RULES = """\
package access.rules.tiny

codes := {"too-long"}

# METADATA
# title: No longer than the limit
# custom:
#   code: too-long
#   field: duration
#   message: it would last {seconds:duration}, {limit:duration} is allowed
#   solution: shorten the duration
deny contains {
	"code": "too-long",
	"binding": -1,
	"values": {"seconds": input.grant.duration, "limit": data.settings.limits.max_duration},
} if {
	adds
	not input.grant.duration <= data.settings.limits.max_duration
}

adds if {
	input.kind == "grant"
	not input.change in {"narrow", "delete"}
}

less if {
	input.kind == "grant"
	not adds
}

low if every binding in input.bindings {
	binding.role.risk == "low"
}

asked_by_the_subject if input.requester.principal == input.subject.name

asked_by_the_subject if input.requester.is_app

alone contains "low-risk" if {
	adds
	low
	asked_by_the_subject
}

alone contains "less-access" if {
	less
	asked_by_the_subject
}

approvals contains step(["leads"], "risk-low") if {
	adds
	low
	not asked_by_the_subject
}

approvals contains step(["leads"], "risk-medium") if {
	adds
	not low
}

approvals contains step(["leads"], "less-access") if {
	less
	not asked_by_the_subject
}

approvals contains step(data.settings.reviewers.security_teams, "governance") if {
	input.kind == "governance"
}

step(teams, because) := {
	"id": because,
	"teams": teams,
	"people": [],
	"count": 1,
	"because": because,
	"order": 1,
}
"""


def principal(name: str, number: int, more: str = "") -> str:
    """Returns the text of a person's file."""
    return (
        f"github: {name}\ngithub_id: {number}\nkind: person\n{more}"
        f'identities:\n  gcp: {{member: "user:{name}@example.com"}}\n'
    )


def grant(
    subject: str = "alice",
    *,
    roles: tuple[str, ...] = ("log-viewer",),
    duration: str = "2h",
    reason: str = "Look at the deploy logs",
    more: str = "",
) -> str:
    """Returns the text of a grant file; the default is of low risk and merges by itself."""
    lines = "".join(f"  - target: gcp/prod\n    role: {role}\n" for role in roles)
    return f"subject: {subject}\nreason: {reason}\nduration: {duration}\n{more}access:\n{lines}"


TABLES = grant(roles=("table-reader",))
"""A grant of medium risk: a lead has to approve it."""

START = {
    "access/principals/alice.yaml": principal("alice", ALICE.id),
    "access/principals/bob.yaml": principal("bob", BOB.id),
    "access/principals/carol.yaml": principal("carol", CAROL.id),
    "access/principals/dan.yaml": principal("dan", DAN.id),
    TEAMS: "leads: {id: 71, title: Leads}\nsecurity: {id: 72, title: Security}\n",
    TARGETS: (
        "prod: {project: acme-prod, environment: prod, owners: [leads]}\n"
        "lab: {project: acme-lab, environment: dev, owners: [leads]}\n"
    ),
    ROLES: (
        "log-viewer: {title: Read logs, risk: low, max_duration: 8h, "
        "permissions: {role: roles/logging.viewer}}\n"
        "table-reader: {title: Read tables, risk: medium, max_duration: 8h, "
        "permissions: {role: roles/bigquery.dataViewer}}\n"
    ),
    "policies/access/decision/decision.rego": _DECISION,
    RULES: _RULES,
    LIMITS: "max_duration: 28800\n",
    "policies/settings/reviewers/data.yaml": "security_teams: [security]\n",
}
"""Every file that the anchor holds."""
