"""Golden cases of pull requests: who asks, what was before, who approves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import product
from typing import Any

from tests.unit.support_golden_kinds import Case, Files, Merge, Pull, Said, commit_of
from tests.unit.support_golden_offline import (
    ADMIN,
    DATABASE,
    DAY,
    EMERGENCY,
    FRIDAY,
    HOUR,
    LOGS,
    MACHINES,
    TUESDAY,
)
from tests.unit.support_golden_worlds import acme, path_of, setting, text

PAYOUTS = path_of("alice")
BY_RISK = {"low": LOGS, "medium": DATABASE, "high": MACHINES, "critical": ADMIN}
SAID = ("duration", "ticket", "reason", "more")
"""What a grant says beside its lines."""


def pull_cases() -> Iterator[Case]:
    """Yields every case of this file."""
    yield from requesters()
    yield from approvals()
    yield from odd_reviews()
    yield from steps_and_delegations()
    yield from extensions()
    yield from less_access()
    yield from unproven_rules()
    yield from emergencies()
    yield from emergency_debts()
    yield from workloads_and_apps()
    yield from other_lives()
    yield from earlier_lives()
    yield from separation()
    yield from governance()
    yield from broken_rules()
    yield from shapes()


def pull(name: str, *lines: str, subject: str = "alice", **facts: Any) -> Pull:
    """Returns a pull request that asks for *lines*, or makes the `changes` among *facts*."""
    said = {key: facts.pop(key) for key in SAID if key in facts}
    asked = {path_of(subject): text(*lines, subject=subject, **said)}
    facts = {"now": FRIDAY, "author": subject, "changes": asked, **facts}
    # A list of what was before may grow for the next case.
    facts["past"] = tuple(facts.get("past", ()))
    return Pull(name=f"pull: {name}", **facts)


def merged(*lines: str, at: datetime, subject: str = "alice", **facts: Any) -> Merge:
    """Returns the merge of a grant of *subject*."""
    by, proven = facts.pop("by", subject), facts.pop("proven", True)
    path = path_of(subject, facts.pop("file", "payouts"))
    return Merge(at=at, files={path: text(*lines, subject=subject, **facts)}, by=by, proven=proven)


def ended(at: datetime, subject: str = "alice", file: str = "payouts") -> Merge:
    """Returns the merge that deletes a grant."""
    return Merge(at=at, files={path_of(subject, file): None})


def requesters() -> Iterator[Case]:
    everybody = ("alice", "bob", "carol", "erin", "mallory", "stranger", "robot", "app", None)
    for author in everybody:
        yield pull(f"{author or 'nobody'} asks for alice", LOGS, author=author)
    for author in ("bob", "erin", "app"):
        yield pull(f"{author} asks for alice, to be approved", DATABASE, author=author)
    for author in ("bob", "erin", "dave", "app"):
        yield pull(f"{author} pushed too", LOGS, pushers=[author])
    yield pull("bob pushed too, to be approved", DATABASE, pushers=["bob"])
    yield pull("carol is in no team that may ask", LOGS, subject="carol")


def approvals() -> Iterator[Case]:
    every: dict[str, tuple[Said, ...]] = {
        "nobody": (),
        "an owner": (Said("bob"),),
        "security": (Said("carol"),),
        "both": (Said("bob"), Said("carol")),
        "all": (Said("bob"), Said("carol"), Said("dave")),
        "themself": (Said("alice"), Said("bob")),
    }
    for (name, reviews), risk in product(every.items(), ("medium", "high", "critical")):
        yield pull(f"{risk}, approved by {name}", BY_RISK[risk], reviews=reviews)
    two = (DATABASE, "aws/identity-prod rds-reader")
    yield pull("two owners, one approves", *two, reviews=[Said("bob")])
    yield pull("two owners approve", *two, reviews=[Said("bob"), Said("carol")])
    yield pull("approved, and merged", DATABASE, reviews=[Said("bob")], merged=True)
    late = [Said("bob", minutes_ago=-1)]
    yield pull("approved after the merge", DATABASE, reviews=late, merged=True)


def odd_reviews() -> Iterator[Case]:
    odd: dict[str, tuple[Said, ...]] = {
        "of an old commit": (Said("bob", commit="old"),),
        "of a commit that is gone": (Said("bob", commit="gone"),),
        "a day and a minute ago": (Said("bob", minutes_ago=1441),),
        "a day ago": (Said("bob", minutes_ago=1440),),
        "in six minutes": (Said("bob", minutes_ago=-6),),
        "in four minutes": (Said("bob", minutes_ago=-4),),
        "by a stranger": (Said("stranger"),),
        "by a robot": (Said("robot"),),
        "by somebody in no team": (Said("erin"),),
        "by somebody who cannot write": (Said("mallory"),),
        "then dismissed": (Said("bob", minutes_ago=20), Said("bob", "DISMISSED")),
        "then commented on": (Said("bob", minutes_ago=20), Said("bob", "COMMENTED")),
        "then changes requested": (Said("bob", minutes_ago=20), Said("bob", "CHANGES_REQUESTED")),
        "but changes requested by erin": (Said("bob"), Said("erin", "CHANGES_REQUESTED")),
        "but changes requested by a stranger": (Said("bob"), Said("stranger", "CHANGES_REQUESTED")),
        "after changes requested": (
            Said("bob", "CHANGES_REQUESTED", minutes_ago=20),
            Said("bob"),
        ),
    }
    for name, reviews in odd.items():
        yield pull(f"approved {name}", DATABASE, reviews=reviews)
    yield pull("approved by who pushed", DATABASE, pushers=["bob"], reviews=[Said("bob")])


def steps_and_delegations() -> Iterator[Case]:
    bob, carol, erin = Said("bob", minutes_ago=30), Said("carol", minutes_ago=20), Said("erin")
    orders: dict[str, tuple[Said, ...]] = {
        "nobody": (),
        "bob": (bob,),
        "dave": (Said("dave"),),
        "bob, carol": (bob, carol),
        "carol, bob": (carol, Said("bob")),
        "bob, carol, erin": (bob, carol, erin),
        "carol, bob, carol": (carol, Said("bob", minutes_ago=15), Said("carol")),
    }
    for name, reviews in orders.items():
        yield pull(f"steps, high: {name}", BY_RISK["high"], reviews=reviews, world="steps")
    for risk, name in (
        ("low", "nobody"),
        ("low", "dave"),
        ("medium", "bob, carol"),
        ("medium", "carol, bob"),
        ("medium", "carol, bob, carol"),
        ("critical", "carol, bob, carol"),
    ):
        yield pull(f"steps, {risk}: {name}", BY_RISK[risk], reviews=orders[name], world="steps")
    lent: dict[str, tuple[Said, ...]] = {
        "erin for bob": (erin,),
        "erin beside bob": (erin, bob),
        "mallory for carol, too late": (Said("mallory"), bob),
        "erin for bob, and carol": (erin, carol),
    }
    for (name, reviews), risk in product(lent.items(), ("medium", "high")):
        yield pull(f"lent, {risk}: {name}", BY_RISK[risk], reviews=reviews, world="lent")
    yield pull("lent by the subject", DATABASE, subject="bob", reviews=[erin], world="lent")


def extensions() -> Iterator[Case]:
    begun = FRIDAY - HOUR
    past = [merged(DATABASE, at=begun, duration="2h")]
    for author in ("alice", "bob", "erin", "app"):
        yield pull(f"{author} extends", DATABASE, author=author, past=past, duration="3h")
    yield pull("extended beyond the limit", DATABASE, past=past, duration="6h1m")
    approved = [Said("bob")]
    yield pull("an extension, approved", DATABASE, past=past, duration="3h", reviews=approved)
    twice = [*past, merged(DATABASE, at=begun + HOUR / 2, duration="5h")]
    for duration in ("6h", "7h"):
        yield pull(f"extended again to {duration}", DATABASE, past=twice, duration=duration)
    after = FRIDAY + 2 * HOUR
    yield pull("extended after the end", DATABASE, now=after, past=past, duration="4h")
    low = [merged(LOGS, at=begun, by="bob", duration="2h")]
    for author in ("alice", "bob", "erin"):
        yield pull(
            f"low, {author} extends what bob asked", LOGS, author=author, past=low, duration="3h"
        )
    now, sooner, later = (f"start: {(FRIDAY + n * HOUR).isoformat()}" for n in (-1, 1, 24))
    to_come = [merged(LOGS, at=begun, more=later)]
    yield pull("to come, made sooner", LOGS, past=to_come, more=sooner)
    yield pull("to come, put into the past", LOGS, past=to_come, more=now)
    yield pull("begun, and put off", LOGS, past=low, more=sooner)
    same = {PAYOUTS: f"# the same\n{past[0].files[PAYOUTS]}"}
    yield pull("the same, said anew", past=past, changes=same)
    doubtful = [merged(DATABASE, at=begun, proven=False)]
    yield pull("an extension of what was not proven", DATABASE, past=doubtful, duration="2h")
    half = [*past, merged(DATABASE, LOGS, at=begun + HOUR / 2, duration="2h", proven=False)]
    yield pull("an extension on top of what was not proven", DATABASE, past=half, duration="3h")


def less_access() -> Iterator[Case]:
    past = [merged(DATABASE, LOGS, at=FRIDAY - HOUR, duration="2h", by="dave")]
    gone: Files = {PAYOUTS: None}
    for author in ("alice", "bob", "erin", "app"):
        yield pull(f"{author} shortens", DATABASE, LOGS, author=author, past=past)
    for author in ("alice", "carol", "dave", "stranger"):
        yield pull(f"{author} drops a line", LOGS, author=author, past=past, duration="2h")
    for asking in ("alice", "bob", "dave", "erin", "app", None):
        yield pull(f"{asking or 'nobody'} deletes", author=asking, past=past, changes=gone)
    erins: dict[str, Any] = {"author": "erin", "changes": gone}
    for who in ("bob", "carol", "alice"):
        name = f"erin deletes, approved by {who}"
        yield pull(name, past=past, reviews=[Said(who)], **erins)
    yield pull("erin pushes to what deletes", past=past, changes=gone, pushers=["erin"])
    two = [*past, merged(LOGS, at=FRIDAY - HOUR, file="logs")]
    both: Files = {PAYOUTS: None, path_of("alice", "logs"): None}
    for author in ("alice", "erin"):
        yield pull(f"{author} deletes two", author=author, past=two, changes=both)
    doubtful = [merged(LOGS, at=FRIDAY - HOUR, proven=False)]
    yield pull("deletes what was not proven", past=doubtful, changes=gone)
    yield pull("shortens what has ended", DATABASE, LOGS, past=past, now=FRIDAY + 4 * HOUR)
    yield pull("shortens into the past", DATABASE, LOGS, past=past, duration="30m")
    targets = acme()["access/targets/gcp.yaml"].partition("sandbox-dev")[0]
    struck = [
        merged(LOGS, at=FRIDAY - HOUR),
        Merge(at=FRIDAY, files={"access/targets/gcp.yaml": targets}),
    ]
    for author in ("alice", "erin"):
        name = f"{author} deletes where the target is gone"
        yield pull(name, author=author, past=struck, changes=gone)
    yield pull("erin deletes where settings are broken", past=past, world="broken", **erins)
    roles = acme()["access/roles/aws.yaml"]
    more = roles.replace("[rds:Describe", "[rds:ListTagsForResource, rds:Describe")
    for name, file in {"wider": more, "gone": roles.replace("rds-reader", "rds-viewer")}.items():
        since = [*past, Merge(at=FRIDAY, files={"access/roles/aws.yaml": file})]
        yield pull(f"shortens, and the role is {name}", DATABASE, LOGS, past=since)


def unproven_rules() -> Iterator[Case]:
    past = [
        merged(DATABASE, LOGS, at=FRIDAY - HOUR, duration="2h"),
        Merge(at=FRIDAY, files={setting("limits"): "odd: 1\n"}),
    ]
    more: Files = {path_of("alice", "more"): text(LOGS)}
    for sound in ("base", "first", "none"):
        yield pull(f"rules at {sound}: deletes", past=past, changes={PAYOUTS: None}, sound=sound)
        yield pull(f"rules at {sound}: asks", past=past, changes=more, sound=sound)
    left: Files = {
        "access/delegations/bob-in-november.yaml": None,
        "access/principals/mallory.yaml": None,
    }
    gone: dict[str, Any] = {"author": "mallory", "changes": {PAYOUTS: None}, "sound": "first"}
    since = [past[0], Merge(at=FRIDAY, files=left)]
    yield pull("rules at first: who left deletes", past=since, world="lent", **gone)
    lent = [Said("erin")]
    yield pull(
        "rules at first: for who lends no more", past=since, world="lent", reviews=lent, **gone
    )


def emergencies() -> Iterator[Case]:
    def erins(name: str, *lines: str, **facts: Any) -> Pull:
        said = {"subject": "erin", "more": EMERGENCY, "past": was, **facts}
        return pull(f"emergency, {name}", *lines, **said)

    was: list[Merge] = []
    for subject, duration in product(("erin", "dave"), ("1h", "2h")):
        yield erins(f"{subject} for {duration}", ADMIN, subject=subject, duration=duration)
    yield erins("of a role that is not for it", DATABASE)
    yield erins("on tuesday, dave", ADMIN, subject="dave", now=TUESDAY)
    for author in ("bob", "app", "stranger"):
        yield erins(f"asked by {author}", ADMIN, author=author)
    yield erins("pushed by bob too", ADMIN, pushers=["bob"])
    start = f"start: {(FRIDAY + HOUR).isoformat()}"
    yield erins("later", ADMIN, more=f"{EMERGENCY}\n{start}")
    yield erins(
        "requested of the app", ADMIN, author="app", more=f"{EMERGENCY}\nrequested_by: erin"
    )
    yield erins("without a ticket", ADMIN, ticket=None)
    yield erins("two lines", ADMIN, LOGS)
    yield erins(
        "a workload", "aws/payments-prod s3-logs-reader", subject="ledger-bot", author="alice"
    )
    begun, now = FRIDAY - HOUR / 2, FRIDAY - HOUR / 4
    yield erins("out of none", ADMIN, now=now, past=[merged(ADMIN, subject="erin", at=begun)])
    was = [merged(ADMIN, subject="erin", at=begun, duration="30m", more=EMERGENCY)]
    yield erins("extended", ADMIN, now=now)
    yield erins("extended as none", ADMIN, now=now, more="")
    yield erins("shortened", ADMIN, now=now, duration="20m")
    yield erins("deleted by bob", author="bob", changes={path_of("erin"): None})


def emergency_debts() -> Iterator[Case]:
    for name, ago, over in (
        ("young", HOUR * 12, False),
        ("due", DAY, False),
        ("bygone", 3 * DAY, True),
    ):
        use = merged(
            ADMIN, subject="erin", at=FRIDAY - ago, file="night", more=EMERGENCY, duration="10m"
        )
        past = [use, *([ended(FRIDAY - ago + HOUR, "erin", "night")] if over else [])]
        review = (
            f"grant: erin/night\ncommit: {commit_of('acme', [use.files])}\nfinding: justified\n"
            "notes: Restarted the payout worker and looked at nothing else\n"
        )
        reviewed = Merge(at=FRIDAY - HOUR, files={"access/reviews/erin/night.yaml": review})
        again: dict[str, Any] = {"subject": "erin", "duration": "30m"}
        yield pull(f"a {name} emergency, and one more", ADMIN, past=past, more=EMERGENCY, **again)
        yield pull(f"a {name} emergency, and none", LOGS, past=past, **again)
        past.append(reviewed)
        yield pull(
            f"a {name} emergency, reviewed, and one more", ADMIN, past=past, more=EMERGENCY, **again
        )

    edited = [
        merged(LOGS, subject="erin", at=FRIDAY - 3 * DAY, file="night"),
        merged(
            LOGS, subject="erin", at=FRIDAY - 2 * DAY, file="night", more=EMERGENCY, proven=False
        ),
    ]
    yield pull("after what became an emergency", ADMIN, subject="erin", past=edited, more=EMERGENCY)


def workloads_and_apps() -> Iterator[Case]:
    for author in ("alice", "bob", "erin"):
        yield pull(f"{author} asks for a workload", LOGS, subject="ledger-bot", author=author)
    bots: dict[str, Any] = {"subject": "ledger-bot", "author": "erin"}
    yield pull("a workload, what it may not have", DATABASE, **bots)
    yield pull("a workload, too long", LOGS, duration="4h1m", **bots)
    yield pull("a workload, approved by its owner", LOGS, reviews=[Said("alice")], **bots)
    yield pull("a workload, approved", LOGS, reviews=[Said("bob")], **bots)
    past = [merged(LOGS, at=FRIDAY, subject="ledger-bot", duration="2h")]
    for author in ("alice", "erin"):
        yield pull(
            f"a workload, {author} narrows", LOGS, subject="ledger-bot", author=author, past=past
        )
    for author in ("app", "alice", "bob"):
        asked: dict[str, Any] = {"author": author, "more": "requested_by: bob"}
        yield pull(f"requested by bob, opened by {author}", LOGS, **asked)
    for who in ("bob", "dave"):
        asked = {"author": "app", "more": "requested_by: bob", "reviews": [Said(who)]}
        yield pull(f"requested by bob, approved by {who}", MACHINES, **asked)
    yield pull("requested by alice herself", LOGS, author="app", more="requested_by: alice")
    past = [merged(LOGS, at=FRIDAY, more="requested_by: bob", duration="3h", by="nobody")]
    yield pull(
        "bob narrows what he requested", LOGS, author="bob", past=past, more="requested_by: bob"
    )


def other_lives() -> Iterator[Case]:
    def many(count: int, ago: timedelta, *, over: bool) -> list[Merge]:
        times = [FRIDAY - ago + timedelta(minutes=number) for number in range(count)]
        line = "azure/sandbox-dev reader"
        lives = [merged(line, at=at, file=f"n{n}", duration="8h") for n, at in enumerate(times)]
        ends = [ended(at + HOUR, file=f"n{n}") for n, at in enumerate(times)]
        return [*lives, *(ends if over else ())]

    for count in (9, 10):
        yield pull(f"{count} others are alive", LOGS, past=many(count, 2 * HOUR, over=False))
    for count, ago in ((19, 6), (20, 6), (20, 36)):
        past = many(count, ago * HOUR, over=True)
        yield pull(f"{count} requests {ago} hours ago", LOGS, past=past)
    for ago, duration in ((2, "1h"), (10, "7h"), (25, "4h"), (50, "8h")):
        past = [merged(DATABASE, at=FRIDAY - ago * HOUR, file="old", duration=duration)]
        name = f"the same role {ago} hours ago for {duration}"
        yield pull(name, DATABASE, past=past, duration="3h30m")
        past.append(ended(FRIDAY - (ago - 0.5) * HOUR, file="old"))
        yield pull(f"{name}, ended early", DATABASE, past=past, duration="3h30m")
    past = [
        merged(DATABASE, LOGS, at=FRIDAY - 3 * HOUR, file="old", duration="4h"),
        merged(LOGS, at=FRIDAY - 2.5 * HOUR, file="old", duration="4h"),
    ]
    for duration in ("3h30m", "3h31m"):
        yield pull(
            f"the same role, narrowed away, {duration}", DATABASE, past=past, duration=duration
        )
    unread = [Merge(at=FRIDAY - HOUR, files={path_of("alice", "odd"): "subject: [\n"})]
    yield pull("beside what cannot be read", LOGS, past=unread)
    doubtful = [merged(LOGS, at=FRIDAY - HOUR, file="odd", duration="7h30m", proven=False)]
    yield pull("beside what was not proven", LOGS, past=doubtful)
    bobs = [merged(LOGS, at=FRIDAY - HOUR, subject="bob", duration="8h")]
    yield pull("beside what somebody else has", LOGS, past=bobs)


def earlier_lives() -> Iterator[Case]:
    lives = [
        merged(DATABASE, at=FRIDAY - 9 * HOUR, duration="1h"),
        ended(FRIDAY - 8 * HOUR),
        merged(DATABASE, at=FRIDAY - 6 * HOUR, duration="2h"),
        ended(FRIDAY - 3 * HOUR),
    ]
    for duration in ("1h", "30m", "1h30m"):
        yield pull(f"a third life, {duration}", DATABASE, past=lives, duration=duration)
    past = [merged(LOGS, at=FRIDAY - 5 * DAY), ended(FRIDAY - 4 * DAY)]
    yield pull("revived word for word", LOGS, past=past)
    yield pull("revived for another reason", LOGS, past=past, reason="The ledger, after the fix")
    yield pull("revived but for a comment", past=past, changes={PAYOUTS: f"# again\n{text(LOGS)}"})
    elsewhere: Files = {path_of("alice", "again"): text(LOGS)}
    yield pull("revived under another name", past=past, changes=elsewhere)
    back = [*past, merged(LOGS, at=FRIDAY - HOUR, duration="2h")]
    yield pull("narrowed to what it was", LOGS, past=back)


def separation() -> Iterator[Case]:
    soon, later = (f"start: {(TUESDAY + part * HOUR).isoformat()}" for part in (0.5, 1))
    others: dict[str, dict[str, Any]] = {
        "alive": {"at": TUESDAY - HOUR, "duration": "2h"},
        "over": {"at": TUESDAY - 3 * HOUR, "duration": "2h"},
        "in the way": {"at": TUESDAY - HOUR, "more": soon},
        "to come": {"at": TUESDAY - HOUR, "more": later},
    }
    strict: dict[str, Any] = {"now": TUESDAY, "world": "strict"}
    for name, facts in others.items():
        past = [merged(MACHINES, file="vm", **facts)]
        yield pull(f"separation, the other is {name}", DATABASE, past=past, **strict)
    yield pull("separation, standing access", DATABASE, subject="bob", **strict)
    for line in ("gcp/legacy-prod log-viewer", "gcp/oldest-dev log-viewer"):
        yield pull(f"only the pipeline ends {line}", line, **strict)
    yield pull("azure cannot end it", "azure/ancient-dev reader", **strict)
    yield pull("the subject is disabled", LOGS, subject="mallory", author="bob", **strict)


def governance() -> Iterator[Case]:
    limits = acme()[setting("limits")].replace("max_live_grants: 10", "max_live_grants: 5")
    role = acme()["access/roles/gcp.yaml"].replace("max_duration: 8h", "max_duration: 6h")
    review = (
        f"grant: erin/night\ncommit: {'a' * 40}\nfinding: misused\n"
        "notes: Read tables that had nothing to do with the outage\n"
    )
    one: Files = {"access/reviews/erin/night.yaml": review}
    kinds: dict[str, Files] = {
        "a setting": {setting("limits"): limits},
        "a review": one,
        "a review and the catalogue": {**one, "access/roles/gcp.yaml": role},
        "the catalogue": {"access/roles/gcp.yaml": role},
        "a workflow": {".github/workflows/apply.yml": "on: push\n"},
        "prose": {"README.md": "# Access\n"},
        "all of it": {
            setting("limits"): limits,
            "access/roles/gcp.yaml": role,
            "pipeline/model.py": "x = 1\n",
        },
        "a grant too": {setting("limits"): limits, PAYOUTS: text(LOGS)},
    }
    bob, carol, dave = Said("bob"), Said("carol"), Said("dave")
    reviews: dict[str, tuple[Said, ...]] = {
        "nobody": (),
        "carol": (carol,),
        "bob": (bob,),
        "bob and carol": (bob, carol),
    }
    for index, (kind, changes) in enumerate(kinds.items()):
        for who in list(reviews)[: 4 if index < 3 else 1]:
            facts: dict[str, Any] = {"changes": changes, "reviews": reviews[who]}
            yield pull(f"rules: {kind}, approved by {who}", author="erin", **facts)
    special: dict[str, dict[str, Any]] = {
        "by security itself": {"author": "carol", "reviews": [carol]},
        "by a stranger": {"author": "stranger", "reviews": [carol]},
        "by the app": {"author": "app", "reviews": [carol]},
        "merged": {"author": "erin", "reviews": [carol], "merged": True},
        "of two approvals, one": {"author": "erin", "reviews": [carol], "world": "steps"},
        "of two approvals, two": {"author": "erin", "reviews": [carol, dave], "world": "steps"},
        "where settings are broken": {"author": "erin", "changes": one, "world": "broken"},
        "of oneself": {"author": "erin", "changes": one, "reviews": [bob, carol]},
        "of another, by a reviewer": {"author": "carol", "changes": one, "reviews": [bob, dave]},
    }
    for name, facts in special.items():
        yield pull(f"rules: {name}", **{"changes": kinds["a workflow"], **facts})


def broken_rules() -> Iterator[Case]:
    window = "policies/access/rules/window/window.rego"
    kinds: dict[str, Files] = {
        "a setting that is no strict YAML": {setting("limits"): "a: 1\na: 2\n"},
        "a rule without its code": {
            window: acme()[window].replace("code: window-start", "code: x")
        },
        "a catalogue that cannot be read": {"access/roles/gcp.yaml": "log-viewer: {}\n"},
        "a target that is in use": {
            "access/targets/gcp.yaml": acme()["access/targets/gcp.yaml"].partition("sandbox")[0]
        },
        "what nobody would review": {
            setting("reviewers"): acme()[setting("reviewers")].replace("[security]", "[]")
        },
    }
    past = [merged(LOGS, at=FRIDAY - HOUR, duration="2h")]
    for name, changes in kinds.items():
        facts: dict[str, Any] = {"author": "erin", "past": past, "reviews": [Said("carol")]}
        yield pull(f"rules: {name}", changes=changes, **facts)


def shapes() -> Iterator[Case]:
    past = [merged(LOGS, at=FRIDAY - HOUR, file="old")]
    more, old = path_of("alice", "more"), path_of("alice", "old")
    kinds: dict[str, dict[str, Any]] = {
        "two grants": {"changes": {PAYOUTS: text(LOGS), more: text(DATABASE)}},
        "a grant and a deletion": {"past": past, "changes": {PAYOUTS: text(LOGS), old: None}},
        "nothing": {"past": past, "changes": dict(past[0].files)},
        "no place for a grant": {"changes": {"access/grants/notes.txt": "x\n"}},
        "no grant": {"changes": {PAYOUTS: "subject: [\n"}},
        "an unknown role": {"changes": {PAYOUTS: text("gcp/sandbox-dev nothing")}},
        "deletes what is no grant": {
            "past": [Merge(at=FRIDAY, files={PAYOUTS: "subject: [\n"}, proven=False)],
            "changes": {PAYOUTS: None},
        },
        "another base": {"facts": {"base_ref": "next"}},
        "a fork": {"facts": {"same_repository": False}},
        "a draft": {"facts": {"draft": True}},
    }
    for name, facts in kinds.items():
        yield pull(f"shape: {name}", LOGS, **facts)
