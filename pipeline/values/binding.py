"""Bindings, which clouds hold because of grants, and their changes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from pipeline.values.canonical import canonical
from pipeline.values.grant import Window
from pipeline.values.ids import Cloud, GrantId, TargetId


@dataclass(frozen=True, kw_only=True, slots=True)
class Binding:
    """One object in a cloud, held or to be held because of grants.

    Two bindings are the same one when cloud, locator and *key* agree; they are alike when
    their *document* agrees too.
    """

    cloud: Cloud
    target: TargetId
    locator: str
    """Account number, subscription id or project id of the target."""

    key: str
    """Name of the cloud object, derived from the grant: stable when a window changes."""

    grants: tuple[GrantId, ...]
    """Sorted. More than one only where a cloud holds one object for several (Azure)."""

    principal: str
    role: str
    window: Window | None
    """None only as observed: the object carries no end that could be read."""

    document: str
    """Canonical JSON of what the cloud object says, without what the cloud itself adds."""

    parameters: tuple[tuple[str, str], ...] | None = field(default=None, compare=False)
    """Those of the grant's line that it is for; None as observed, where they are not known."""

    unlisted: int = field(default=0, compare=False)
    """As observed: how many more grants it is there for than its mark has room to name (Azure)."""

    handle: str = field(default="", compare=False)
    """As observed: how its cloud names it (ARN, schedule id), for people and deletes."""

    @property
    def identity(self) -> tuple[str, str, str]:
        """The cloud, the account and the name: equal for two that are the same binding."""
        return (self.cloud, self.locator, self.key)


class ChangeKind(StrEnum):
    """The three things that a change can do."""

    DELETE = "delete"
    UPDATE = "update"
    CREATE = "create"


_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z")
_REASONS = frozenset({"grants", "unlisted", "startDateTime"})


@dataclass(frozen=True, kw_only=True, slots=True)
class BindingChange:
    """One create, update in place or delete of a binding."""

    kind: ChangeKind
    binding: Binding
    """As desired; for a delete, as observed."""

    before: Binding | None = None
    """As observed, for an update."""

    @property
    def grants(self) -> frozenset[GrantId]:
        """The grants that gain or lose by it."""
        before = self.before.grants if self.before else ()
        return frozenset(self.binding.grants) | frozenset(before)

    def narrows(self, *, now: datetime) -> bool:
        """Whether this takes access away and gives none from *now* on.

        A delete, or an update that leaves everything but dates and reasons as it was, or takes
        actions and resources off what AWS allows, inside the window that was held.
        """
        if self.kind is ChangeKind.DELETE:
            return True
        before, after = self.before, self.binding
        if before is None or before.window is None or after.window is None:
            return False
        # A start that has passed gives nothing: Azure records when it provisioned.
        starts = max(before.window.start, now) <= max(after.window.start, now)
        inside = starts and after.window.end <= before.window.end
        fewer = set(after.grants) <= set(before.grants)
        return inside and fewer and _gives_no_more(after.document, before.document)


def _gives_no_more(after: str, before: str) -> bool:
    one, other = (json.loads(timeless(document)) for document in (after, before))
    return _is_within(one, other)


def _is_within(after: Any, before: Any) -> bool:
    """Whether *after* is *before*, or a policy that allows less of the same actions on the same
    resources."""
    if isinstance(after, dict) and isinstance(before, dict):
        if after.keys() != before.keys():
            return False
        allows = after.get("Effect") == before.get("Effect") == "Allow"
        return all(
            _are_among(value, before[key])
            if allows and key in ("Action", "Resource")
            else _is_within(value, before[key])
            for key, value in after.items()
        )
    if isinstance(after, list) and isinstance(before, list):
        return len(after) == len(before) and all(
            _is_within(one, other) for one, other in zip(after, before, strict=True)
        )
    return bool(after == before)


def _are_among(after: Any, before: Any) -> bool:
    if isinstance(after, list) and isinstance(before, list):
        return all(one in before for one in after)
    return bool(after == before)


def timeless(document: str) -> str:
    """Returns *document* without its dates and without the grants that it names as reasons."""
    content = json.loads(document)
    if isinstance(content, dict):
        content = {key: value for key, value in content.items() if key not in _REASONS}
    return _DATE.sub("", canonical(content))
