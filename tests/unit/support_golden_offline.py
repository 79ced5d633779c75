"""Golden cases of requests as `daypass check FILE` judges them, damaged questions, live grants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

from tests.unit.support_golden_kinds import DROP, Case, Damaged, Live, Offline
from tests.unit.support_golden_worlds import path_of, text

FRIDAY = datetime(2026, 11, 20, 18, tzinfo=UTC)
"""London's offices close, and erin is on call."""

TUESDAY = datetime(2026, 11, 24, 10, tzinfo=UTC)
"""In office hours, and dave is on call."""

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MOMENTS = {
    "friday": FRIDAY,
    "tuesday": TUESDAY,
    "tuesday evening": TUESDAY + 7.5 * HOUR,
    "saturday night": datetime(2026, 11, 21, 23, tzinfo=UTC),
    "sunday dawn": datetime(2026, 11, 22, 3, 30, tzinfo=UTC),
    "before the freeze": datetime(2026, 12, 18, 17, tzinfo=UTC),
    "christmas": datetime(2026, 12, 24, 10, tzinfo=UTC),
    "clocks go back": datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
}
INSTANCE = "aws/payments-prod ec2-terminate resource=i-0abc1234def567890"
LINES = (
    *(
        f"aws/{target} {role}"
        for target in ("payments-prod", "sandbox-dev", "identity-prod")
        for role in (
            "s3-logs-reader",
            "rds-reader",
            "ec2-terminate resource=i-0abc1234def567890",
            "break-glass-admin",
        )
    ),
    *(
        f"{cloud}/{target} {role}"
        for cloud, roles in (
            ("azure", ("reader", "vm-contributor")),
            ("gcp", ("log-viewer", "bigquery-reader")),
        )
        for target in ("payments-prod", "sandbox-dev")
        for role in roles
    ),
)
"""Every role of the sandbox on every target of its cloud."""

LOGS = "gcp/sandbox-dev log-viewer"
DATABASE = "aws/payments-prod rds-reader"
MACHINES = "azure/payments-prod vm-contributor"
ADMIN = "aws/payments-prod break-glass-admin"
EMERGENCY = "emergency: true"


def offline_cases() -> Iterator[Case]:
    """Yields every case of this file that is made of no other."""
    yield from creates()
    yield from schedules()
    yield from starts()
    yield from texts()
    yield from malformed()
    yield from odd_catalogue()
    yield from changes()
    yield from live()


def offline(
    name: str,
    *lines: str,
    subject: str = "alice",
    now: datetime = FRIDAY,
    world: str = "acme",
    before: str | None = None,
    others: Sequence[str] = (),
    **said: Any,
) -> Offline:
    """Returns a request for *lines*; *said* is what else its file says."""
    return Offline(
        name=f"offline: {name}",
        now=now,
        text=text(*lines, subject=subject, **said),
        path=path_of(subject),
        before=before,
        others=others,
        world=world,
    )


def creates() -> Iterator[Case]:
    for index, line in enumerate(LINES):
        yield offline(f"alice {line} 1h", line)
        if "identity" not in line:
            duration = ("4h30m", "13h")[index % 2]
            yield offline(f"alice {line} {duration}", line, duration=duration)
    elsewhere = [line for line in LINES if "payments" in line]
    for subject, line in product(("carol", "dave", "mallory", "ledger-bot"), elsewhere):
        yield offline(f"{subject} {line}", line, subject=subject)
    for line, duration in product((DATABASE, ADMIN), ("5m", "1h1m", "4h", "8h")):
        yield offline(f"erin {line} {duration}", line, subject="erin", duration=duration)
    together = {
        "three clouds": (LOGS, DATABASE, MACHINES),
        "low in three clouds": (LOGS, "azure/sandbox-dev reader", "aws/sandbox-dev s3-logs-reader"),
        "low and critical": (LOGS, ADMIN),
        "of two owners": (DATABASE, "aws/identity-prod rds-reader"),
        "two instances": (INSTANCE, INSTANCE.replace("890", "891")),
        "the same line twice": (LOGS, LOGS),
        "one is unknown": (LOGS, "gcp/payments-prod nothing"),
        "ten": (*LINES[:2], *LINES[4:6], *LINES[8:10], *LINES[12:16]),
    }
    for name, lines in together.items():
        yield offline(f"lines: {name}", *lines)


def schedules() -> Iterator[Case]:
    lines = (DATABASE, INSTANCE, "gcp/payments-prod log-viewer")
    for (name, now), line in product(MOMENTS.items(), lines):
        yield offline(f"{name}: {line}", line, now=now, world="strict")
    yield offline(
        "christmas: staging", "aws/payments-stage looker", now=MOMENTS["christmas"], world="strict"
    )
    for name, now in MOMENTS.items():
        yield offline(
            f"{name}: two lines for 3h", DATABASE, LOGS, now=now, duration="3h", world="strict"
        )
    for name in ("friday", "tuesday", "saturday night", "christmas"):
        yield offline(
            f"{name}: emergency",
            ADMIN,
            subject="dave",
            now=MOMENTS[name],
            more=EMERGENCY,
            world="strict",
        )
    for name, role in product(("tuesday", "saturday night"), ("looker", "s3-logs-reader")):
        yield offline(
            f"{name}: no hours, {role}", f"aws/ledger-lab {role}", now=MOMENTS[name], world="strict"
        )


def starts() -> Iterator[Case]:
    moments = {
        "now": FRIDAY,
        "in two hours": FRIDAY + 2 * HOUR,
        "on monday": datetime(2026, 11, 23, 10, tzinfo=UTC),
        "in a week": FRIDAY + 7 * DAY,
        "in a week and a minute": FRIDAY + 7 * DAY + HOUR / 60,
        "a minute ago": FRIDAY - HOUR / 60,
        "in five weeks": FRIDAY + 35 * DAY,
        "elsewhere": datetime.fromisoformat("2026-11-23T15:00:00+05:30"),
    }
    lines = (DATABASE, "azure/sandbox-dev reader")
    for name, start in moments.items():
        more = f"start: {start.isoformat()}"
        yield offline(f"start {name}", *lines, more=more)
        if start.weekday() == 0:
            yield offline(f"start {name}, in hours", *lines, more=more, world="strict")
    yield offline("start in two hours, after hours", *lines, now=TUESDAY + 7 * HOUR, world="strict")


def texts() -> Iterator[Case]:
    reasons = {
        "short": "Look at it",
        "just long enough": "123 456 789 abcdef",
        "boilerplate": "Production  ACCESS required.",
        "white space": "a                          b",
        "another script": "Zahlungen hängen seit 14 Uhr, das Hauptbuch lesen ✓",
    }
    for name, reason in reasons.items():
        yield offline(f"reason: {name}", LOGS, reason=reason)
    tickets = {
        "none": None,
        "lower case": "pay-1",
        "a link": "https://x.example/1",
        "other": "OPS-7",
    }
    places = ((LOGS, "acme"), (LINES[0], "acme"), (LINES[0], "strict"))
    for (name, ticket), (line, world) in product(tickets.items(), places):
        yield offline(
            f"ticket, {world}: {name}, {line}", line, ticket=ticket, world=world, now=TUESDAY
        )
    parameters = {
        "missing": "aws/payments-prod ec2-terminate",
        "of another form": "aws/payments-prod ec2-terminate resource=vol-1234",
        "unknown": f"{DATABASE} resource=i-0abc1234def567890",
        "one more": f"{INSTANCE} zone=b",
    }
    for name, line in parameters.items():
        yield offline(f"parameter: {name}", line)


def malformed() -> Iterator[Case]:
    good = text(LOGS)
    files = {
        "empty": "",
        "a list": "- subject: alice\n",
        "unknown key": good + "until: tomorrow\n",
        "key twice": good + "subject: alice\n",
        "another's folder": good.replace("subject: alice", "subject: bob"),
        "no reason": good.replace("reason: ", "# "),
        "no access": good.partition("access:")[0],
        "duration of no unit": good.replace("1h", "60"),
        "duration of seconds": good.replace("1h", "90s"),
        "duration too short": good.replace("1h", "4m"),
        "naive start": text(LOGS, more="start: 2026-11-21T09:00:00"),
        "emergency in words": text(LOGS, more="emergency: yes"),
        "anchor": good.replace("alice", "&a alice"),
        "tab": good.replace("    role", "\trole"),
        "wildcard": text(INSTANCE.replace("i-0abc", "i-*")),
        "unknown target": text("gcp/sandbox-prod log-viewer"),
        "unknown cloud": text("ibm/sandbox-dev log-viewer"),
        "unknown role": text("gcp/sandbox-dev log-viewers"),
        "role of another cloud": text("gcp/sandbox-dev rds-reader"),
        "requested by a workload": text(LOGS, more="requested_by: ledger-bot"),
        "many things": text(LOGS, duration="x", more="requested_by: zoe\nstart: soon"),
    }
    places = {name: (path_of("alice", "x"), file) for name, file in files.items()}
    places["unknown subject"] = (path_of("zoe"), text(LOGS, subject="zoe"))
    for path in ("access/grants/alice.yaml", "access/grants/alice/x.yml", "access/grants/A/x.yaml"):
        places[f"at {path}"] = (path, good)
    for name, (path, file) in places.items():
        yield Offline(name=f"malformed: {name}", now=FRIDAY, text=file, path=path)


def odd_catalogue() -> Iterator[Case]:
    lines = (
        "aws/sandbox-dev shell",
        "aws/sandbox-dev everything",
        "aws/sandbox-dev bucket-writer",
        "aws/sandbox-dev looker",
        "azure/sandbox-dev contributor",
        "gcp/sandbox-dev iam-admin",
        "gcp/legacy-prod log-viewer",
        "gcp/oldest-dev log-viewer",
    )
    odd: dict[str, Any] = {"world": "strict", "now": TUESDAY}
    for index, line in enumerate(lines):
        yield offline(f"odd: alice {line}", line, **odd)
        if index % 2 == 0:
            yield offline(f"odd: ledger-bot {line}", line, subject="ledger-bot", **odd)
    yield offline("odd: an IAM user's second factor", lines[2], subject="dave", **odd)
    yield offline("odd: only the pipeline ends it, for long", lines[6], duration="2h", **odd)
    yield offline("odd: somebody disabled", LOGS, subject="mallory", **odd)
    yield offline("odd: both sides of a combination", DATABASE, MACHINES, **odd)
    yield offline("odd: beside standing access", DATABASE, subject="bob", **odd)
    yield offline("odd: settings are broken", LOGS, world="broken")
    yield offline("odd: settings are broken, critical", ADMIN, world="broken")


def changes() -> Iterator[Case]:
    before = text(DATABASE, LOGS, duration="2h")
    edits: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
        "same": ((DATABASE, LOGS), {"duration": "2h"}),
        "other order": ((LOGS, DATABASE), {"duration": "2h"}),
        "shorter": ((DATABASE, LOGS), {"duration": "1h30m"}),
        "fewer lines": ((LOGS,), {"duration": "2h"}),
        "fewer and shorter": ((LOGS,), {"duration": "1h"}),
        "fewer and longer": ((LOGS,), {"duration": "3h"}),
        "longer": ((DATABASE, LOGS), {"duration": "6h"}),
        "too much longer": ((DATABASE, LOGS), {"duration": "7h"}),
        "another reason": ((DATABASE, LOGS), {"duration": "2h", "reason": "The ledger, once more"}),
        "another ticket": ((DATABASE, LOGS), {"duration": "2h", "ticket": "PAY-2"}),
        "another line": ((DATABASE, ADMIN), {"duration": "2h"}),
        "becomes an emergency": ((DATABASE, LOGS), {"duration": "2h", "more": EMERGENCY}),
    }
    for name, (lines, said) in edits.items():
        yield offline(f"change: {name}", *lines, before=before, **said)
    yield offline("change: after the end", DATABASE, before=text(DATABASE, duration="30m"))
    alike = [text(DATABASE, duration="3h")]
    yield offline("others: the same role", DATABASE, duration="2h", others=alike)
    for count in (9, 10):
        yield offline(f"others: {count}", LOGS, others=[text("azure/sandbox-dev reader")] * count)


def damaged() -> Iterator[Case]:
    """Yields questions that nothing asks, made of those of other cases."""
    create, narrow = f"offline: alice {DATABASE} 1h", "pull: alice shortens"
    rules = "pull: rules: a review, approved by nobody"
    puts: dict[str, tuple[str, Mapping[tuple[str | int, ...], Any]]] = {
        "emergency is unknown": (create, {("grant", "emergency"): None}),
        "no calendars": (create, {("calendars",): None}),
        "no lives": (create, {("lives",): DROP}),
        "no bindings": (create, {("bindings",): []}),
        "no window": (create, {("window",): None}),
        "a window too long": (create, {("window", "end"): int((FRIDAY + DAY).timestamp())}),
        "a subject that is disabled": (create, {("subject", "disabled"): True}),
        "a subject of no kind": (create, {("subject", "kind"): None}),
        "a workload without owner": (create, {("subject", "kind"): "workload"}),
        "another subject": (create, {("subject", "name"): "bob"}),
        "an approval of one's own": (create, {("approvals",): [{"principal": "alice"}]}),
        "a target without owners": (create, {("bindings", 0, "target", "owners"): []}),
        "a target of no environment": (create, {("bindings", 0, "target", "environment"): None}),
        "a target that expires somehow": (create, {("bindings", 0, "target", "expiry"): "soon"}),
        "a role of no risk": (create, {("bindings", 0, "role", "risk"): "none"}),
        "a role without maximum": (create, {("bindings", 0, "role", "max_duration"): None}),
        "permissions that are none": (create, {("bindings", 0, "role", "permissions"): {}}),
        "an unknown change": (create, {("change",): "renew"}),
        "a change that says it narrows": (create, {("change",): "narrow"}),
        "nobody asks": (create, {("requester", "principal"): None}),
        "revives in words": (create, {("revives",): "no"}),
        "narrowing of nothing": (narrow, {("previous",): None}),
        "narrowing by an unknown person": (narrow, {("requester", "principal"): "zoe"}),
        "nobody could judge": (
            "pull: erin deletes where settings are broken",
            {("bindings",): []},
        ),
        "rules that nobody changed": (rules, {("paths",): []}),
    }
    for name, (of, put) in puts.items():
        yield Damaged(name=f"damaged: {name}", of=of, put=put)


def live() -> Iterator[Case]:
    reader = "azure/sandbox-dev reader"
    one, two, three = (path_of("alice", name) for name in ("one", "two", "three"))
    bot, dave = path_of("ledger-bot"), path_of("dave")
    bots = text("aws/payments-prod s3-logs-reader", reader, LOGS, subject="ledger-bot")
    next_hour, later = (
        text(reader, more=f"start: {(FRIDAY + count * HOUR).isoformat()}") for count in (1, 3)
    )
    together: dict[str, tuple[tuple[str, str, datetime], ...]] = {
        "nothing": (),
        "three clouds": ((one, text(LOGS, DATABASE, MACHINES), FRIDAY),),
        "azure, overlapping": ((one, text(reader), FRIDAY - HOUR / 2), (two, text(reader), FRIDAY)),
        "azure, touching": ((one, text(reader), FRIDAY), (two, next_hour, FRIDAY)),
        "azure, a gap": ((one, text(reader), FRIDAY), (two, later, FRIDAY)),
        "one is over": ((one, text(reader), FRIDAY - 2 * HOUR), (two, text(LOGS), FRIDAY)),
        "to come": ((one, later, FRIDAY),),
        "the same in three": tuple(
            (path, text(LOGS, DATABASE, reader), FRIDAY) for path in (one, two, three)
        ),
        "a workload": ((bot, bots, FRIDAY),),
        "an IAM user": ((dave, text(DATABASE, INSTANCE, subject="dave"), FRIDAY),),
        "one is refused": (
            (one, text("azure/ancient-dev reader"), FRIDAY),
            (two, text(LOGS), FRIDAY),
        ),
    }
    for name, grants in together.items():
        yield Live(name=f"live: {name}", now=FRIDAY, grants=grants, world="strict")
