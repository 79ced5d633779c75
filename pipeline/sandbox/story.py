"""The whole life of grants, told step by step, with the evidence for each step.

The commands are the real ones, given as *daypass*; nothing here looks into them.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.sandbox.oracles import OracleAnswer, OracleQuestion, ask
from pipeline.sandbox.people import PersonRefused
from pipeline.sandbox.world import World

LOGS = "access/grants/alice/2026-11-20-sandbox-logs.yaml"
PAYOUTS = "access/grants/alice/2026-11-20-stuck-payouts.yaml"
BACKDOOR = "access/grants/mallory/2026-11-20-backdoor.yaml"

_LOGS_TEXT = """\
subject: alice
reason: Look at why the nightly build of the sandbox fails
duration: 30m
access:
  - target: gcp/sandbox-dev
    role: log-viewer
"""
_PAYOUTS_TEXT = """\
subject: alice
reason: {reason}
{ticket}duration: {duration}
access:
  - target: aws/payments-prod
    role: rds-reader
  - target: azure/payments-prod
    role: vm-contributor
  - target: gcp/payments-prod
    role: bigquery-reader
"""
_BACKDOOR_TEXT = """\
subject: mallory
reason: Nobody needs to look at this one
ticket: PAY-1
duration: 4h
access:
  - target: gcp/payments-prod
    role: log-viewer
"""
_REASON = "Payouts stuck since 14:00, need to read the ledger and restart the worker"

_LOGS_QUESTION = OracleQuestion(login="alice", gcp=("acme-sandbox-dev", "roles/logging.viewer"))
_PAYOUTS_QUESTION = OracleQuestion(
    login="alice",
    aws=(
        "111122223333",
        "rds:DescribeDBInstances",
        "arn:aws:rds:eu-west-1:111122223333:db:ledger",
    ),
    azure=("0a11aaaa-0000-4000-8000-000000000001", "9980e02c-c2be-4d73-94e8-173b1dc7cf3c"),
    gcp=("acme-payments-prod", "roles/bigquery.dataViewer"),
)
_BACKDOOR_QUESTION = OracleQuestion(
    login="mallory", gcp=("acme-payments-prod", "roles/logging.viewer")
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """One command as it ended."""

    arguments: tuple[str, ...]
    code: int
    document: dict[str, Any]
    """What `--json` wrote; the last object where it wrote several."""

    objects: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class StoryStep:
    """One step of the story."""

    step: str
    title: str
    ok: bool
    evidence: dict[str, Any]
    lines: tuple[str, ...] = ()
    """What a person is told: what happened, where to look."""


Daypass = Callable[..., Ran]


@dataclass(kw_only=True, slots=True)
class Story:
    """Tells the story in *world*, through the commands."""

    world: World
    daypass: Daypass
    _pulls: dict[str, int] = field(default_factory=dict)

    def steps(self) -> Iterator[StoryStep]:
        """Yields every step as it happens. A step that raises ends the story."""
        yield self._low_risk()
        yield self._denied()
        yield self._corrected()
        yield self._self_approval()
        yield self._approved()
        yield self._voided()
        yield self._approved_again()
        yield self._applied()
        yield self._used()
        yield self._allowed()
        yield self._ended()
        yield self._retired()
        yield self._direct_push()
        yield self._audit_log()
        yield self._verified()
        yield self._tampered()

    def _check(self, number: int, *more: str) -> Ran:
        return self.daypass("check", "--pr", str(number), "--post", *more)

    def _low_risk(self) -> StoryStep:
        alice = self.world.person("alice")
        alice.push("logs", {LOGS: _LOGS_TEXT}, "Ask for logs")
        number = alice.open("logs", "Logs of the sandbox")
        check = self._check(number, "--merge")
        applied = self.daypass("apply")
        answers = ask(self.world, _LOGS_QUESTION)
        return StoryStep(
            step="low-risk",
            title="A low-risk grant merges by itself",
            ok=check.code == 0
            and bool(check.document.get("merged"))
            and applied.code == 0
            and _all(answers, allowed=True),
            evidence={
                "pull": number,
                "merged": check.document.get("merged"),
                "answers": _shown(answers),
            },
            lines=(
                f"alice opened #{number}: log-viewer on gcp/sandbox-dev for 30m.",
                "Policy says: low risk, nobody has to approve. The App merged the judged head.",
                *_told(answers),
            ),
        )

    def _denied(self) -> StoryStep:
        self.world.later(minutes=2)
        erin = self.world.person("erin")
        text = _PAYOUTS_TEXT.format(reason=_REASON, ticket="", duration="9h")
        erin.push("payouts", {PAYOUTS: text}, "Ask for access to the ledger")
        number = self._pulls["payouts"] = erin.open("payouts", "Stuck payouts")
        check = self._check(number)
        comment = erin.comments(number)[-1]
        reasons = check.document.get("reasons", [])
        return StoryStep(
            step="denied",
            title="A three-cloud production grant is denied: too long, no ticket",
            ok=check.code == 1
            and check.document.get("verdict") == "denied"
            and any("allows" in reason for reason in reasons)
            and any("ticket" in reason for reason in reasons)
            and "Denied by policy" in comment,
            evidence={"pull": number, "verdict": check.document.get("verdict"), "reasons": reasons},
            lines=(
                f"erin opened #{number} for alice, who is on the incident call: AWS, Azure and",
                "Google production for 9h. The comment that they see on it:",
                *(f"  {reason}" for reason in reasons),
            ),
        )

    def _corrected(self) -> StoryStep:
        self.world.later(minutes=3)
        number = self._pulls["payouts"]
        text = _PAYOUTS_TEXT.format(reason=_REASON, ticket="ticket: PAY-1423\n", duration="2h")
        self.world.person("erin").push("payouts", {PAYOUTS: text}, "Two hours, with the ticket")
        check = self._check(number)
        missing = check.document.get("missing", [])
        return StoryStep(
            step="waiting",
            title="Corrected, it waits for the right people",
            ok=check.code == 1
            and check.document.get("verdict") == "waiting"
            and any("payments-leads" in one for one in missing)
            and any("security" in one for one in missing),
            evidence={"pull": number, "missing": missing},
            lines=("Now 2h, ticket PAY-1423. Missing:", *(f"  {one}" for one in missing)),
        )

    def _self_approval(self) -> StoryStep:
        self.world.later(minutes=1)
        number = self._pulls["payouts"]
        try:
            self.world.person("erin").review(number)
            refused = ""
        except PersonRefused as error:
            refused = str(error)
        self.world.person("alice").review(number)
        check = self._check(number)
        why = [one for one in check.document.get("not_counted", []) if "alice" in one]
        return StoryStep(
            step="self-approval",
            title="Approving one's own access does not count",
            ok=check.code == 1 and bool(why) and bool(refused),
            evidence={"pull": number, "not_counted": why, "author": refused},
            lines=(
                f"GitHub refused erin, who opened it ({refused}).",
                "It accepted alice, who would get the access. Daypass does not:",
                *(f"  {one}" for one in why),
            ),
        )

    def _approve(self, number: int) -> Ran:
        self.world.later(minutes=2)
        self.world.person("bob").review(number)
        self.world.person("carol").review(number)
        return self._check(number)

    def _approved(self) -> StoryStep:
        number = self._pulls["payouts"]
        check = self._approve(number)
        approvers = check.document.get("approvers")
        return StoryStep(
            step="approved",
            title="An owner and security approve",
            ok=check.code == 0 and approvers == ["bob", "carol"],
            evidence={"pull": number, "approvers": approvers},
            lines=("bob (payments-leads) and carol (security) approved: the check is green.",),
        )

    def _voided(self) -> StoryStep:
        self.world.later(minutes=1)
        number = self._pulls["payouts"]
        text = _PAYOUTS_TEXT.format(reason=_REASON, ticket="ticket: PAY-1423\n", duration="4h")
        self.world.person("erin").push("payouts", {PAYOUTS: text}, "Rather four hours")
        check = self._check(number)
        why = [one for one in check.document.get("not_counted", []) if "head is" in one]
        try:
            self.world.person("erin").merge(number)
            merged = True
        except PersonRefused:
            merged = False
        return StoryStep(
            step="voided",
            title="A push after the approvals voids them",
            ok=check.code == 1 and len(why) >= 2 and not merged,
            evidence={"pull": number, "not_counted": why, "merged": merged},
            lines=(
                "erin pushed 4h instead of 2h. The approvals were for another commit:",
                *(f"  {one}" for one in why),
                "GitHub does not merge it either: our check on the new head is red.",
            ),
        )

    def _approved_again(self) -> StoryStep:
        number = self._pulls["payouts"]
        text = _PAYOUTS_TEXT.format(reason=_REASON, ticket="ticket: PAY-1423\n", duration="2h")
        self.world.person("erin").push("payouts", {PAYOUTS: text}, "Two hours it is")
        self._check(number)
        check = self._approve(number)
        merged = self.world.person("erin").merge(number) if check.code == 0 else ""
        return StoryStep(
            step="merged",
            title="Approved again at the new head, and merged",
            ok=check.code == 0 and bool(merged),
            evidence={"pull": number, "head": check.document.get("head"), "merge": merged},
            lines=("Back to 2h, approved by bob and carol at that commit; erin merged it.",),
        )

    def _applied(self) -> StoryStep:
        applied = self.daypass("apply")
        results = applied.document.get("results", [])
        made = sorted(
            result["binding"]["cloud"]
            for result in results
            if result["status"] == "done" and result["kind"] == "create"
        )
        again = self.daypass("apply")
        return StoryStep(
            step="applied",
            title="Bindings in three clouds, each with its own end inside",
            ok=applied.code == 0
            and made == ["aws", "azure", "gcp"]
            and again.code == 0
            and not again.document.get("results"),
            evidence={
                "plan": applied.document.get("plan", {}).get("digest"),
                "created": [
                    {
                        "target": r["binding"]["target"],
                        "key": r["binding"]["key"],
                        "end": r["binding"]["end"],
                    }
                    for r in results
                    if r["kind"] == "create"
                ],
                "tip": applied.document.get("tip"),
            },
            lines=(
                *(
                    f"+ {r['binding']['target']} {r['binding']['role']} until {r['binding']['end']}"
                    for r in results
                    if r["kind"] == "create"
                ),
                "A second apply finds nothing to do.",
            ),
        )

    def _used(self) -> StoryStep:
        number = self._pulls["payouts"]
        comment = self.world.person("erin").comments(number)[-1]
        _, _, rest = comment.partition("```sh\n")
        commands = [line for line in rest.partition("```")[0].splitlines() if line]
        status = self.daypass("status", "--subject", "alice")
        live = [row for row in status.objects if row["state"] == "live"]
        return StoryStep(
            step="used",
            title="How alice uses it, and who has access now",
            ok=any("configure set role_arn" in line for line in commands)
            and any("gcloud" in line for line in commands)
            and any(line.startswith("az ") for line in commands)
            and status.code == 0
            and {row["target"] for row in live}
            >= {"aws/payments-prod", "azure/payments-prod", "gcp/payments-prod"},
            evidence={"commands": commands, "live": live},
            lines=(
                f"The comment on #{number} says how:",
                *(f"  {line}" for line in commands),
                "daypass status:",
                *(
                    f"  {row['subject']} {row['target']} {row['role']} {row['state']}, "
                    f"{row['left']} left (#{row['pull']})"
                    for row in live
                ),
            ),
        )

    def _allowed(self) -> StoryStep:
        answers = ask(self.world, _PAYOUTS_QUESTION)
        return StoryStep(
            step="allowed",
            title="Each cloud is asked: may alice, now?",
            ok=_all(answers, allowed=True) and len(answers) == 3,
            evidence={"at": self.world.clock.now().isoformat(), "answers": _shown(answers)},
            lines=_told(answers),
        )

    def _ended(self) -> StoryStep:
        # Commands run to their end and leave nothing behind: what is left are the stand-ins.
        ours = [t.name for t in threading.enumerate() if t.name.startswith("daypass")]
        calls = self._calls()
        now = self.world.later(hours=2)
        answers = ask(self.world, _PAYOUTS_QUESTION)
        return StoryStep(
            step="ended",
            title="Every process of ours is stopped; the clock passes the end",
            ok=_all(answers, allowed=False)
            and len(answers) == 3
            and not ours
            and self._calls() == calls,
            evidence={
                "at": now.isoformat(),
                "running": ours,
                "calls_to_clouds_meanwhile": self._calls() - calls,
                "answers": _shown(answers),
            },
            lines=("Nothing of ours runs. Two hours later:", *_told(answers)),
        )

    def _calls(self) -> int:
        world = self.world
        return len(world.aws.log) + len(world.azure.log) + len(world.gcp.exchanges)

    def _retired(self) -> StoryStep:
        expired = self.daypass("expire")
        number = int(expired.document.get("pull") or 0)
        again = self.daypass("expire")
        check = self._check(number, "--merge")
        applied = self.daypass("apply")
        status = self.daypass("status")
        left = {
            "aws": len(
                [
                    role
                    for role in self.world.aws.authorization_details("111122223333")
                    if role["Path"] == "/daypass/"
                ]
            ),
            "gcp": len(
                [
                    one
                    for one in self.world.gcp.policy("acme-payments-prod").get("bindings", ())
                    if one.get("condition", {}).get("title", "").startswith("daypass-")
                ]
            ),
        }
        return StoryStep(
            step="retired",
            title="expire tidies up and opens the revert; the clouds read back clean",
            ok=expired.code == 0
            and number > 0
            and again.document.get("pull") is None
            and check.code == 0
            and bool(check.document.get("merged"))
            and applied.code == 0
            and status.code == 0
            and not status.objects
            and not any(left.values()),
            evidence={
                "pull": number,
                "retiring": expired.document.get("retiring"),
                "removed": expired.document.get("removed"),
                "merged": check.document.get("merged"),
                "left": left,
            },
            lines=(
                f"Leftovers removed: {len(expired.document.get('removed', []))}. "
                f"#{number} deletes {len(expired.document.get('retiring', []))} files and merged "
                "by itself: it only takes away.",
                "A second expire opened nothing. daypass status: nobody has access.",
            ),
        )

    def _direct_push(self) -> StoryStep:
        self.world.switch_off_the_ruleset()
        pushed = self.world.person("mallory").push("main", {BACKDOOR: _BACKDOOR_TEXT}, "Tidy up")
        applied = self.daypass("apply")
        quarantined = applied.document.get("quarantined", [])
        answers = ask(self.world, _BACKDOOR_QUESTION)
        return StoryStep(
            step="direct-push",
            title="A grant pushed straight to main gives nothing",
            ok=applied.code == 1
            and any(one["path"] == BACKDOOR for one in quarantined)
            and not applied.document.get("results")
            and _all(answers, allowed=False),
            evidence={"commit": pushed, "quarantined": quarantined, "answers": _shown(answers)},
            lines=(
                "An admin switched the ruleset off; mallory pushed a grant to main.",
                *(f"  {one['path']}: {'; '.join(one['reasons'])}" for one in quarantined),
                *_told(answers),
            ),
        )

    def _audit_log(self) -> StoryStep:
        log = self.daypass("audit", "log")
        kinds = [event["kind"] for event in log.objects]
        intents = [i for i, kind in enumerate(kinds) if kind == "intent"]
        outcomes = [i for i, kind in enumerate(kinds) if kind == "outcome"]
        return StoryStep(
            step="audit-log",
            title="The record holds attempts and outcomes",
            ok=log.code == 0
            and bool(intents)
            and len(intents) == len(outcomes)
            and intents[0] < outcomes[0]
            and {"proof", "grant", "alert"} <= set(kinds),
            evidence={"events": len(kinds), "kinds": sorted(set(kinds))},
            lines=(
                f"{len(kinds)} events on the branch daypass/audit: {len(intents)} intents, "
                f"{len(outcomes)} outcomes, proofs, states, alerts.",
            ),
        )

    def _verified(self) -> StoryStep:
        verified = self.daypass("audit", "verify")
        return StoryStep(
            step="audit-verified",
            title="The record is verified: chain, history, anchors, default branch",
            ok=verified.code == 0
            and verified.document.get("holds") is True
            and verified.document.get("anchors", 0) > 0,
            evidence=verified.document,
            lines=(
                f"{verified.document.get('events')} events, "
                f"{verified.document.get('anchors')} anchors in comments, "
                f"tip {str(verified.document.get('tip'))[:20]}…",
            ),
        )

    def _tampered(self) -> StoryStep:
        copy = self.world.root / "record-copy"
        shutil.rmtree(copy, ignore_errors=True)
        self.world.export_record(copy)
        intact = self.daypass("audit", "verify", "--copy", str(copy))
        victim = sorted(copy.rglob("*.jsonl"))[1]
        content = bytearray(victim.read_bytes())
        at = content.index(b"done") if b"done" in content else len(content) // 2
        content[at] ^= 1
        victim.write_bytes(bytes(content))
        broken = self.daypass("audit", "verify", "--copy", str(copy))
        return StoryStep(
            step="audit-tampered",
            title="One byte of a copy is changed, and the copy is found broken",
            ok=intact.code == 0 and broken.code == 1 and bool(broken.document.get("faults")),
            evidence={"file": victim.name, "byte": at, "faults": broken.document.get("faults")},
            lines=tuple(str(fault) for fault in broken.document.get("faults", [])),
        )


def _all(answers: Sequence[OracleAnswer], *, allowed: bool) -> bool:
    return bool(answers) and all(answer.allowed is allowed for answer in answers)


def _shown(answers: Sequence[OracleAnswer]) -> list[dict[str, Any]]:
    return [
        {
            "cloud": answer.cloud,
            "question": answer.question,
            "answer": "allowed" if answer.allowed else "denied",
            "check": answer.check,
        }
        for answer in answers
    ]


def _told(answers: Sequence[OracleAnswer]) -> tuple[str, ...]:
    return tuple(
        f"{answer.cloud}: {'allowed' if answer.allowed else 'denied'} - {answer.question} "
        f"[{answer.check}]"
        for answer in answers
    )
