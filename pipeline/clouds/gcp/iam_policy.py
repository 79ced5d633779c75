"""Edits one project's IAM bindings: ours appear, change and go; all others stay as they are.

Bindings are Resource Manager v3 JSON objects (`role`, `members`, `condition`). Entries that
are not ours are passed on as the very same objects, in their order.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.clouds.gcp.binding import claims_to_be_ours, observed, owner, same_account, window_in
from pipeline.clouds.interface import WENT
from pipeline.values.binding import Binding, BindingChange, ChangeKind
from pipeline.values.ids import TargetId

Entry = Mapping[str, Any]

# IAM "Quotas and limits" (cloud.google.com/iam/quotas), allow policies and role bindings.
MAX_PRINCIPALS = 1500
MAX_GROUPS = 250
MAX_SAME_ROLE_AND_PRINCIPAL = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Survey:
    """The bindings of one project: ours, and those that lie where ours would."""

    bindings: tuple[Binding, ...]
    foreign: tuple[tuple[str, str], ...]
    """How its cloud names it, and why it is not ours."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit:
    """The bindings after the changes, and the changes that were refused."""

    bindings: tuple[Entry, ...]
    changed: bool
    refused: Mapping[int, str]
    """Position of the change in the order given, and the reason."""


def survey(bindings: Sequence[Entry], *, target: TargetId, locator: str) -> Survey:
    """Returns what *bindings* hold of ours, sorted by key, and the foreign ones worth a look.

    Foreign ones are reported when their title claims to be ours, or when they give one of
    our members one of our roles.
    """
    mine: dict[str, list[Entry]] = {}
    rest: list[Entry] = []
    for entry in bindings:
        title = _mark(entry)
        if title is None:
            rest.append(entry)
        else:
            mine.setdefault(title, []).append(entry)
    held = {
        (entry.get("role", ""), same_account(member))
        for entries in mine.values()
        for entry in entries
        for member in entry.get("members", ())
    }
    return Survey(
        bindings=tuple(
            observed(list(entries), target=target, locator=locator, title=title)
            for title, entries in sorted(mine.items())
        ),
        foreign=tuple(
            (_handle(entry, locator=locator), why)
            for entry in rest
            if (why := _why_reported(entry, held))
        ),
    )


def edit(
    bindings: Sequence[Entry], changes: Sequence[BindingChange], *, now: datetime, exempted: int = 0
) -> Edit:
    """Returns *bindings* after *changes*, each carried out or refused by itself.

    A create or update puts one binding in the place of all that carry its title, so that no
    undated twin remains; a delete removes them all. Refused are windows that have ended at
    *now*, documents that do not state their binding's end, what would pass a limit of Google's,
    and updates that only take access away where what they alter is gone (see `CloudWriter`).
    *exempted* counts principals in audit-logging exemptions, which share a limit.
    """
    entries: list[Entry] = list(bindings)
    refused: dict[int, str] = {}
    for position, change in enumerate(changes):
        if change.kind is ChangeKind.DELETE:
            entries = [entry for entry in entries if _mark(entry) != change.binding.key]
            continue
        reason = _unfit(change.binding, now=now)
        if not reason and change.narrows(now=now):
            there = any(_mark(entry) == change.binding.key for entry in entries)
            reason = "" if there else WENT
        if not reason and not holds(entries, change):
            after = _put(entries, change.binding)
            reason = _over_limit(entries, after, change, exempted=exempted)
            if not reason:
                entries = after
        if reason:
            refused[position] = reason
    changed = len(entries) != len(bindings) or any(
        after is not before for after, before in zip(entries, bindings, strict=True)
    )
    return Edit(bindings=tuple(entries), changed=changed, refused=refused)


def holds(bindings: Iterable[Entry], change: BindingChange) -> bool:
    """Whether *bindings* are as *change* wants them: alike and alone, or gone."""
    own = [entry for entry in bindings if _mark(entry) == change.binding.key]
    if change.kind is ChangeKind.DELETE:
        return not own
    if len(own) != 1:
        return False
    there = observed(
        own,
        target=change.binding.target,
        locator=change.binding.locator,
        title=change.binding.key,
    )
    return there.document == change.binding.document


def _mark(entry: Entry) -> str | None:
    condition = entry.get("condition") or {}
    title: str = condition.get("title", "")
    return title if owner(title, condition.get("description", "")) is not None else None


def _why_reported(entry: Entry, held: set[tuple[str, str]]) -> str:
    title = (entry.get("condition") or {}).get("title", "")
    if claims_to_be_ours(title):
        return "its title starts like ours, but title and description do not make our mark"
    role = entry.get("role", "")
    if any((role, same_account(member)) in held for member in entry.get("members", ())):
        return "no mark"
    return ""


def _handle(entry: Entry, *, locator: str) -> str:
    title = (entry.get("condition") or {}).get("title", "")
    members = ", ".join(entry.get("members", ()))
    return f"projects/{locator} {entry.get('role', '')} {title or '(no condition)'} [{members}]"


def _put(entries: Sequence[Entry], binding: Binding) -> list[Entry]:
    said = json.loads(binding.document)
    new = {"role": said["role"], "members": [said["member"]], "condition": said["condition"]}
    after: list[Entry] = []
    placed = False
    for entry in entries:
        if _mark(entry) != binding.key:
            after.append(entry)
        elif not placed:
            after.append(new)
            placed = True
    if not placed:
        after.append(new)
    return after


def _unfit(binding: Binding, *, now: datetime) -> str:
    """Returns why *binding* must not be written, or nothing.

    The document is what Google gets, so it is judged again here: a binding without its own
    end would hold for ever.
    """
    if binding.window is None:
        return "it states no end; nothing without an end is written"
    if binding.window.ended(now):
        return f"its window ended at {binding.window.end.isoformat()}; nothing was written"
    try:
        said = json.loads(binding.document)
        condition = said["condition"]
        shape = {*said}, {*condition}
        mark = owner(condition["title"], condition["description"])
        window = window_in(condition["expression"])
    except (ValueError, TypeError, KeyError):
        return "its document is not a binding with a condition"
    if shape != ({"role", "member", "condition"}, {"title", "description", "expression"}):
        return "its document is not one role for one member with one condition"
    if condition["title"] != binding.key or mark is None or (mark,) != binding.grants:
        return "its document does not carry the mark of its grant"
    if window != binding.window:
        return "its condition does not state its window"
    return ""


def _over_limit(
    before: Sequence[Entry], after: Sequence[Entry], change: BindingChange, *, exempted: int
) -> str:
    said = json.loads(change.binding.document)
    pair = (said["role"], said["member"])
    for name, limit, count in (
        ("principals in one policy, each appearance counted", MAX_PRINCIPALS, _principals),
        ("domains and groups in one policy", MAX_GROUPS, _groups),
        (
            f"bindings of {pair[0]} for {pair[1]} with different conditions",
            MAX_SAME_ROLE_AND_PRINCIPAL,
            lambda entries: _conditional(entries, pair),
        ),
    ):
        extra = exempted if count is _principals else 0
        now, then = count(after) + extra, count(before) + extra
        # An update in place adds nothing and may narrow: a limit passed before is no reason.
        if now > limit and (change.kind is ChangeKind.CREATE or now > then):
            return (
                f"Google allows {limit} {name} (cloud.google.com/iam/quotas); there would be {now}"
            )
    return ""


def _principals(entries: Sequence[Entry]) -> int:
    return sum(len(entry.get("members", ())) for entry in entries)


def _groups(entries: Sequence[Entry]) -> int:
    """Counts each group once and each appearance of a domain, as Google does."""
    members = [member for entry in entries for member in entry.get("members", ())]
    groups = {same_account(member) for member in members if member.startswith("group:")}
    return len(groups) + sum(1 for member in members if member.startswith("domain:"))


def _conditional(entries: Sequence[Entry], pair: tuple[str, str]) -> int:
    role, member = pair
    conditions = Counter(
        json.dumps(entry["condition"], sort_keys=True)
        for entry in entries
        if entry.get("role") == role
        and entry.get("condition")
        and member in {same_account(one) for one in entry.get("members", ())}
    )
    return len(conditions)
