"""The repositories that golden cases are judged in: the sandbox's catalogue and the own policies.

`acme` is both as they are. The others change settings that come empty, and add to the catalogue
what the sandbox has none of, so that every rule has something to say no to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from pipeline.policy.bundle import TEST_SUFFIX

ROOT = Path(__file__).parents[2]
ACME = ROOT / "pipeline" / "sandbox" / "acme"
REASON = "Payouts stuck since 14:00, need to read the ledger and the worker logs"

STRICT_TARGETS = {
    "aws": """\
payments-stage: {account: "222233334444", environment: staging, owners: [payments-leads]}
ledger-lab: {account: "333344445555", environment: lab, owners: [payments-leads, security]}
""",
    "gcp": """\
legacy-prod: {project: acme-legacy, environment: prod, owners: [payments-leads], expiry: pipeline}
oldest-dev: {project: acme-oldest, environment: dev, owners: [payments-leads], expiry: pipeline}
""",
    "azure": """\
ancient-dev:
  subscription: 0a11aaaa-0000-4000-8000-000000000003
  environment: dev
  owners: [payments-leads]
  expiry: pipeline
""",
}
STRICT_ROLES = {
    "aws": """\
shell:
  title: A shell on the ledger's machines
  risk: medium
  max_duration: 8h
  interactive: true
  permissions:
    actions: [ssm:StartSession]
    resources: ["arn:aws:ec2:*:{account}:instance/ledger"]
everything:
  title: Everything, and said to be of low risk
  risk: low
  max_duration: 8h
  permissions: {actions: ["*"], resources: ["*"]}
bucket-writer:
  title: Write any bucket
  risk: high
  max_duration: 2h
  permissions: {actions: ["s3:Put*", s3:DeleteObject], resources: ["*"]}
looker:
  title: Look at what there is
  risk: low
  max_duration: 12h
  permissions: {actions: ["ec2:Describe*", "rds:List*"], resources: ["*"]}
""",
    "azure": """\
contributor:
  title: Contributor
  risk: high
  max_duration: 4h
  permissions: {role_definition_id: b24988ac-6180-42a0-ab88-20f7382dd24c}
""",
    "gcp": """\
iam-admin:
  title: Give access
  risk: high
  max_duration: 4h
  permissions: {role: roles/resourcemanager.projectIamAdmin}
""",
}
STRICT_STANDING = """\
bob:
  - {target: azure/payments-prod, role: vm-contributor}
dave:
  - {target: aws/payments-prod, role: s3-logs-reader}
"""
STRICT_SCHEDULE = """\
hours:
  prod: [business-hours]
  lab: []
maintenance:
  payments-nights:
    calendar: payments-maintenance
    mode: permits
    targets: [aws/payments-prod, gcp/payments-prod, aws/ledger-lab]
  terminate-at-night:
    calendar: payments-maintenance
    mode: requires
    environments: [prod]
    roles: [aws/ec2-terminate]
freezes:
  year-end: {calendar: year-end-freeze, environments: [prod]}
"""
STRICT_COMBINATIONS = """\
combinations:
  read-and-change:
    one: [aws/rds-reader, gcp/bigquery-reader]
    other: [azure/vm-contributor, aws/ec2-terminate]
"""
STEPS_BY_RISK = """\
by_risk:
  low:
    - {teams: [engineering], count: 1}
  medium:
    - {from: owners, count: 1}
    - {teams: [security], people: [erin], count: 1, order: 2}
  high:
    - {from: owners, count: 1}
    - {from: security, count: 1, order: 2}
    - {people: [erin], count: 1, order: 3}
  critical:
    - {from: security, count: 2}
    - {from: security, count: 1, order: 2}
low_merges_by_itself: false
security_teams: [security]
governance: 2
"""
BOB_AWAY = """\
from: bob
to: erin
start: 2026-11-16T00:00:00+00:00
end: 2026-11-30T00:00:00+00:00
reason: On leave
"""
CAROL_BACK = """\
from: carol
to: mallory
start: 2026-11-02T00:00:00+00:00
end: 2026-11-09T00:00:00+00:00
reason: On leave, and back since
"""


@cache
def acme() -> Mapping[str, str]:
    """Returns the sandbox's catalogue and the project's policies, by repository path."""
    catalogue = {
        path.relative_to(ACME).as_posix(): path.read_text("utf-8") for path in ACME.rglob("*.yaml")
    }
    policies = {
        path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
        for path in (ROOT / "policies").rglob("*")
        if path.name == "data.yaml"
        or (path.suffix == ".rego" and not path.name.endswith(TEST_SUFFIX))
    }
    return catalogue | policies


@cache
def strict() -> Mapping[str, str]:
    """Returns `acme` with hours, maintenance, freezes, separation, projects, and odd roles."""
    files = dict(acme())
    for cloud, more in STRICT_TARGETS.items():
        files[f"access/targets/{cloud}.yaml"] += more
    for cloud, more in STRICT_ROLES.items():
        files[f"access/roles/{cloud}.yaml"] += more
    files["access/targets/aws.yaml"] = _edited(
        files["access/targets/aws.yaml"], "tags: {pci: true}", "tags: {pci: true, project: ledger}"
    )
    files["access/standing/payments.yaml"] = STRICT_STANDING
    files["access/principals/mallory.yaml"] += "disabled: true\n"
    files[setting("schedule")] = STRICT_SCHEDULE
    files[setting("separation")] = STRICT_COMBINATIONS
    files[setting("targets")] = "pipeline_enforced: [gcp/legacy-prod]\n"
    return files | edited(
        files,
        {
            "justification": (
                "ticket_pattern_by_project: {}",
                'ticket_pattern_by_project: {ledger: "^PAY-[0-9]{1,7}$"}',
            ),
            "eligibility": (
                "aws/s3-logs-reader, azure/reader",
                "aws/s3-logs-reader, aws/shell, azure/reader",
            ),
        },
    )


@cache
def steps() -> Mapping[str, str]:
    """Returns `acme` with steps in orders, people named by settings, and nothing by itself."""
    return {**acme(), setting("reviewers"): STEPS_BY_RISK}


@cache
def lent() -> Mapping[str, str]:
    """Returns `acme` with delegations: bob's to erin, and carol's to mallory, which has ended."""
    return {
        **acme(),
        "access/delegations/bob-in-november.yaml": BOB_AWAY,
        "access/delegations/carol-in-november.yaml": CAROL_BACK,
    }


@cache
def broken() -> Mapping[str, str]:
    """Returns `acme` with settings of which some are missing and some of the wrong type."""
    return {
        **acme(),
        setting("separation"): 'combinations: "none"\n',
        **edited(
            acme(),
            {
                "limits": ("max_duration: 43200\n", 'max_duration: "12h"\n'),
                "reviewers": ("security_teams: [security]", "security_teams: []"),
                "emergency": ("reviewers: 2", "reviewers: 1"),
            },
        ),
    }


WORLDS: Mapping[str, Callable[[], Mapping[str, str]]] = {
    "acme": acme,
    "strict": strict,
    "steps": steps,
    "lent": lent,
    "broken": broken,
}


def setting(topic: str) -> str:
    """Returns the path of the settings of a topic."""
    return f"policies/settings/{topic}/data.yaml"


def edited(files: Mapping[str, str], edits: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """Returns the settings of each topic with the first text in place of the second."""
    return {
        setting(topic): _edited(files[setting(topic)], old, new)
        for topic, (old, new) in edits.items()
    }


def _edited(text: str, old: str, new: str) -> str:
    if old not in text:
        raise ValueError(f"{old!r} is no longer there to be changed")
    return text.replace(old, new, 1)


def path_of(subject: str, name: str = "payouts") -> str:
    """Returns where a grant of *subject* lies."""
    return f"access/grants/{subject}/{name}.yaml"


def text(
    *lines: str,
    subject: str = "alice",
    duration: str = "1h",
    ticket: str | None = "PAY-1423",
    reason: str = REASON,
    more: str = "",
) -> str:
    """Returns a grant's file; a line is a target, a role and perhaps `name=value`."""
    said = [f"subject: {subject}", f"reason: {reason}", f"duration: {duration}"]
    said += [f"ticket: {ticket}"] if ticket else []
    said += [more] if more else []
    said.append("access:")
    for line in lines:
        target, role, *parameters = line.split()
        said += [f"  - target: {target}", f"    role: {role}"]
        said += [f"    {one.replace('=', ': ', 1)}" for one in parameters]
    return "\n".join(said) + "\n"
