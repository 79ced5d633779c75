"""Reads an AWS role under our path back as a binding, or says why it is not ours."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from pipeline.clouds.aws.binding import GUARD, PATH, POLICY_NAME, TAG_PREFIX, TAGS, role_name
from pipeline.values.binding import Binding
from pipeline.values.canonical import canonical, timestamp
from pipeline.values.grant import Window
from pipeline.values.ids import Cloud, GrantId, TargetId


def observed(
    *,
    account: str,
    targets: Sequence[TargetId],
    name: str,
    path: str,
    trust: Any,
    inline: Mapping[str, Any],
    attached: Sequence[str],
    tags: Mapping[str, str],
    handle: str,
    wrong_boundary: str | None = None,
) -> Binding | str:
    """Returns a role under our path as a binding, or why it is not ours.

    *trust* and the values of *inline* are policies, decoded or URL-encoded. Whatever differs
    from what `binding` renders makes the document differ: further policies, tags or
    statements, a *wrong_boundary*, a principal that AWS rewrote to a unique id because it
    was deleted. *targets* are the catalogue's names for *account*.
    """
    # AWS adds tags of its own, which nobody can set.
    tags = {key: value for key, value in tags.items() if not key.startswith("aws:")}
    why = not_ours(name, path, tags)
    if why:
        return why
    trust = _decoded(trust)
    inline = {key: _decoded(value) for key, value in inline.items()}
    document: dict[str, Any] = {
        "attached": sorted(attached),
        "inline": inline,
        "path": path,
        "tags": dict(tags),
        "trust": trust,
    }
    if wrong_boundary is not None:
        document["boundary"] = wrong_boundary
    target = TargetId(tags[TAG_PREFIX + "target"])
    return Binding(
        cloud=Cloud.AWS,
        target=target if target in targets else targets[0],
        locator=account,
        key=name,
        grants=(GrantId(tags[TAG_PREFIX + "grant"]),),
        principal=tags[TAG_PREFIX + "principal"],
        role=tags[TAG_PREFIX + "role"],
        window=None if attached else read_window(trust, inline),
        document=canonical(document),
        handle=handle,
    )


def not_ours(name: str, path: str, tags: Mapping[str, str]) -> str:
    """Returns why the role *name* does not carry our mark; empty when it does."""
    if path != PATH:
        return f"path is {path}"
    missing = [tag for tag in TAGS if not tags.get(TAG_PREFIX + tag)]
    if len(missing) == len(TAGS):
        return "no mark"
    if missing:
        return f"mark lacks {', '.join(missing)}"
    if role_name(tags) != name:
        return "mark does not agree with the role's name"
    return ""


def _decoded(policy: Any) -> Any:
    if not isinstance(policy, str):
        return policy
    try:
        return json.loads(unquote(policy))
    except ValueError:
        return policy


def read_window(trust: Any, inline: Mapping[str, Any]) -> Window | None:
    """Returns the window that the documents carry, None when any statement is not of our form.

    The permission policy decides, being what ends open sessions; the trust policy alone
    decides for a role that was created and has no policy yet.
    """
    assume = _statements(trust)
    if len(assume) != 1:
        return None
    trusted = _dated(assume[0])
    if trusted is None or not inline:
        return trusted
    statements = _statements(inline.get(POLICY_NAME))
    # Earlier releases made no guard.
    dated = statements[:-1] if statements[-1:] == [GUARD] else statements
    if set(inline) != {POLICY_NAME} or len(dated) != 3:
        return None
    window = _dated(dated[0])
    if window is None or dated[1:] != [
        {
            "Sid": sid,
            "Effect": "Deny",
            "Action": "*",
            "Resource": "*",
            "Condition": {operator: {"aws:CurrentTime": timestamp(moment)}},
        }
        for sid, operator, moment in (
            ("DaypassNotYet", "DateLessThan", window.start),
            ("DaypassOver", "DateGreaterThanEquals", window.end),
        )
    ]:
        return None
    return window


def until(held: Binding, end: datetime) -> str | None:
    """Returns the document of a role that is *held*, with another end of its window; None where
    the role is not one that `binding` renders, or its two policies do not agree."""
    document = json.loads(held.document)
    if set(document["inline"]) != {POLICY_NAME}:
        return None
    (assume,) = _statements(document["trust"])
    allow, _, over = _statements(document["inline"][POLICY_NAME])[:3]
    if _dated(assume) != held.window:
        return None
    for statement, operator in (
        (assume, "DateLessThan"),
        (allow, "DateLessThan"),
        (over, "DateGreaterThanEquals"),
    ):
        statement["Condition"][operator]["aws:CurrentTime"] = timestamp(end)
    return canonical(document)


def guarded(held: Binding) -> str:
    """Returns the document of a role that is *held* with the guard that earlier releases did not
    make; as it is where it has one, or is not of their form."""
    document = json.loads(held.document)
    statements = _statements(document["inline"].get(POLICY_NAME))
    if held.window is None or len(statements) != 3:
        return held.document
    statements.append(GUARD)
    return canonical(document)


def _statements(policy: Any) -> list[Any]:
    statements = policy.get("Statement") if isinstance(policy, dict) else None
    return statements if isinstance(statements, list) else []


def _dated(statement: Any) -> Window | None:
    try:
        condition = statement["Condition"]
        start, end = (
            datetime.strptime(condition[operator]["aws:CurrentTime"], "%Y-%m-%dT%H:%M:%S%z")
            for operator in ("DateGreaterThanEquals", "DateLessThan")
        )
        return Window(start=start.astimezone(UTC), end=end.astimezone(UTC))
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return None
