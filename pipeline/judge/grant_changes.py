"""The grants that a pull request changes, read with the catalogue it is judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pipeline.clouds.desired import render_bindings
from pipeline.errors import PipelineError
from pipeline.grants.catalogue import entitlements, known_entitlements
from pipeline.grants.parse import Parsed
from pipeline.grants.validate import validate_grant, validate_legible
from pipeline.history.branch_files import at_top
from pipeline.history.lives import is_grant
from pipeline.history.proven import Proven
from pipeline.history.sources import Sources
from pipeline.judge.changed_grant import ChangedGrant
from pipeline.values.catalogue import Catalogue
from pipeline.values.commits import TreeChange
from pipeline.values.grant import Grant, window_of
from pipeline.values.grant_change import LESS, classify
from pipeline.values.live import LiveGrant
from pipeline.values.problem import Problem


def read_items(
    sources: Sources,
    changes: Sequence[TreeChange],
    *,
    base: str,
    head: str,
    previous: Mapping[str, Proven | None],
    catalogue: Catalogue,
    now: datetime,
) -> tuple[tuple[ChangedGrant, ...], tuple[Problem, ...]]:
    """Returns the grants that *changes* from *base* to *head* are about, and what is wrong.

    *previous* holds the last proven version of every grant that is modified. The windows are
    those of a merge at *now*.
    """
    items: list[ChangedGrant] = []
    problems: list[Problem] = []
    for change in changes:
        if not is_grant(change.path):
            continue
        if change.status == "D":
            before = sources.entry(base, change.path)
            parsed = sources.grant(before) if before else None
            if parsed is None or parsed.grant is None:
                # What never was a grant gave nothing; taking it away changes no access.
                continue
            items.append(
                ChangedGrant(
                    path=change.path,
                    change="delete",
                    grant=parsed.grant,
                    previous=previous.get(change.path),
                    window=None,
                    entitlements=known_entitlements(parsed.grant, catalogue),
                    bindings=(),
                )
            )
            continue
        parsed = sources.grant_after(head, change)
        if parsed is None or parsed.grant is None:
            problems.extend(_refused(parsed, previous.get(change.path), catalogue))
            continue
        found = _asked(change, parsed.grant, previous, catalogue, now)
        if isinstance(found, ChangedGrant):
            items.append(found)
        else:
            problems.extend(found)
    return tuple(items), tuple(problems)


def _refused(
    parsed: Parsed | None, before: Proven | None, catalogue: Catalogue
) -> tuple[Problem, ...]:
    """Everything wrong with a file that is no grant."""
    if parsed is None:
        return ()
    # What was proven may be about to narrow, which needs no catalogue that still knows it.
    if parsed.legible is None or before is not None:
        return parsed.problems
    return (*parsed.problems, *validate_legible(parsed.legible, catalogue))


def takes_away(
    sources: Sources, change: TreeChange, *, head: str, previous: Mapping[str, Proven | None]
) -> bool:
    """Whether *change*, of a grant, deletes or narrows: asks for nothing."""
    if change.status == "D":
        return True
    parsed = sources.grant_after(head, change)
    before = previous.get(change.path)
    return (
        parsed is not None
        and parsed.grant is not None
        and before is not None
        and classify(before.grant, parsed.grant) in LESS
    )


def _asked(
    change: TreeChange,
    grant: Grant,
    previous: Mapping[str, Proven | None],
    catalogue: Catalogue,
    now: datetime,
) -> ChangedGrant | tuple[Problem, ...]:
    before = previous.get(change.path)
    kind = classify(before.grant if before else None, grant)
    # Less access needs no catalogue that still knows it.
    if kind != "narrow" and (problems := validate_grant(grant, catalogue)):
        return problems
    if change.status != "A" and before is None:
        return (
            at_top(
                change.path,
                "unproven",
                "the version on the default branch was never proven, so it cannot be "
                "changed; delete the file and ask again under another name",
            ),
        )
    lines = before.left_by(grant) if before and kind == "narrow" else entitlements(grant, catalogue)
    start = before.window.start if before and grant.start is None else now
    window = window_of(grant, merged_at=start)
    try:
        bindings = render_bindings(
            LiveGrant(grant=grant, window=window, entitlements=lines), now=now
        )
    except PipelineError as error:
        return (at_top(change.path, "cannot-be-provisioned", str(error)),)
    return ChangedGrant(
        path=change.path,
        change=kind,
        grant=grant,
        previous=before,
        window=window,
        entitlements=lines,
        bindings=bindings,
    )
