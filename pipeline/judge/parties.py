"""The parties to a request, who never approve it, by their GitHub ids."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.judge.changed_grant import ChangedGrant
from pipeline.policy.answer import Evaluation
from pipeline.values.catalogue import Catalogue


def interested(items: Sequence[ChangedGrant], catalogue: Catalogue) -> dict[int, str]:
    """Returns who would get access or asked for it, by GitHub id, and why each is a party."""
    found: dict[int, str] = {}
    for item in items:
        for name, why in (
            (item.grant.subject, "would get the access"),
            (item.grant.requested_by, "asked for the access"),
        ):
            principal = catalogue.principals.get(name) if name else None
            if principal is not None and principal.github_id is not None:
                found.setdefault(principal.github_id, why)
    return found


def excluded(evaluations: Sequence[Evaluation], catalogue: Catalogue) -> dict[int, str]:
    """Returns those whom policy excludes, by GitHub id, and why."""
    found: dict[int, str] = {}
    for name in sorted({name for one in evaluations for name in one.excluded}):
        principal = catalogue.principals.get(name)
        if principal is not None and principal.github_id is not None:
            found[principal.github_id] = "is party to the request"
    return found
