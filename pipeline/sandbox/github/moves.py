"""Moving refs: the activity log, and pull requests that follow their branches.

Whoever moves a branch, by push, by API or by merging, is written down as the account of the
token that was used, never as the author of a commit.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import timedelta

from pipeline.sandbox.github import shapes
from pipeline.sandbox.github.gitvalues import ZERO
from pipeline.sandbox.github.routing import REPO, GitHubCall, Route
from pipeline.sandbox.github.state import (
    Account,
    Activity,
    GitHubState,
    HostedRepository,
    Pull,
    PullEvent,
)
from pipeline.sandbox.github.wire import (
    Json,
    Response,
    as_json,
    link_header,
    node_id,
    per_page,
    unprocessable,
)
from pipeline.values.canonical import timestamp

_HEADS = "refs/heads/"
_PERIODS = {"day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}


def move(
    world: GitHubState,
    repository: HostedRepository,
    actor: Account,
    changes: Mapping[str, str | None],
    *,
    merging: bool = False,
) -> None:
    """Moves refs (None deletes) and records who did it, all in one git transaction."""
    before = dict(repository.git.refs())
    after = {ref: sha for ref, sha in {**before, **changes}.items() if sha is not None}
    followers = _follow(world, repository, actor, before, after)
    repository.git.set_refs({**changes, **followers})
    _record(world, repository, actor, before, after, merging=merging)


def pushed(
    world: GitHubState, repository: HostedRepository, actor: Account, before: Mapping[str, str]
) -> None:
    """Records what a push, already done by git, has moved since *before*."""
    repository.git.forget_refs()
    after = dict(repository.git.refs())
    followers = _follow(world, repository, actor, before, after)
    if followers:
        repository.git.set_refs(followers)
    _record(world, repository, actor, before, after, merging=False)


def _moved(
    before: Mapping[str, str], after: Mapping[str, str]
) -> list[tuple[str, str | None, str | None]]:
    refs = sorted(set(before) | set(after))
    return [
        (ref, before.get(ref), after.get(ref))
        for ref in refs
        if ref.startswith(_HEADS) and before.get(ref) != after.get(ref)
    ]


def _follow(
    world: GitHubState,
    repository: HostedRepository,
    actor: Account,
    before: Mapping[str, str],
    after: Mapping[str, str],
) -> dict[str, str | None]:
    """Updates open pull requests whose branch moved; returns their own refs to move."""
    refs: dict[str, str | None] = {}
    for ref, _, new in _moved(before, after):
        if new is None:
            _leave_base(world, repository, actor, ref.removeprefix(_HEADS), after)
        for pull in repository.pulls.values():
            if pull.state != "open" or pull.head_ref != ref.removeprefix(_HEADS):
                continue
            pull.updated_at = world.clock.now()
            if new is None:
                _close(world, pull, actor)
            else:
                follow_head(pull, new, after.get(_HEADS + pull.base_ref))
                refs[f"refs/pull/{pull.number}/head"] = new
    return refs


def _leave_base(
    world: GitHubState,
    repository: HostedRepository,
    actor: Account,
    gone: str,
    after: Mapping[str, str],
) -> None:
    """Moves open pull requests off a base branch that is deleted: to where it was merged, if it
    was; else they are closed.

    https://docs.github.com/pull-requests/collaborating-with-pull-requests/incorporating-changes-from-a-pull-request/merging-a-pull-request
    """
    merged = [p for p in repository.pulls.values() if p.head_ref == gone and p.merged_at]
    for pull in repository.pulls.values():
        if pull.state != "open" or pull.base_ref != gone:
            continue
        pull.updated_at = world.clock.now()
        tip = after.get(_HEADS + merged[-1].base_ref) if merged else None
        if tip is None:
            _close(world, pull, actor)
            continue
        pull.base_ref, pull.base_sha = merged[-1].base_ref, tip
        _note(world, pull, actor, "automatic_base_change_succeeded")


def _close(world: GitHubState, pull: Pull, actor: Account) -> None:
    pull.state, pull.closed_at = "closed", world.clock.now()
    _note(world, pull, actor, "closed")


def _note(world: GitHubState, pull: Pull, actor: Account, kind: str) -> None:
    pull.events.append(PullEvent(id=world.next_id(), kind=kind, actor=actor, at=world.clock.now()))


def follow_head(pull: Pull, head: str, base: str | None) -> None:
    """Sets a pull request's head, and with it the base that it is compared with."""
    pull.head_sha = head
    pull.known_heads.add(head)
    if base is not None:
        pull.base_sha = base


def _record(
    world: GitHubState,
    repository: HostedRepository,
    actor: Account,
    before: Mapping[str, str],
    after: Mapping[str, str],
    *,
    merging: bool,
) -> None:
    for ref, old, new in _moved(before, after):
        if merging:
            kind = "pr_merge"
        elif old is None:
            kind = "branch_creation"
        elif new is None:
            kind = "branch_deletion"
        else:
            kind = "push" if repository.git.is_ancestor(old, new) else "force_push"
        repository.pushed_at = world.clock.now()
        repository.activities.append(
            Activity(
                id=world.next_id(),
                ref=ref,
                before=old or ZERO,
                after=new or ZERO,
                actor=actor,
                activity_type=kind,
                timestamp=world.clock.now(),
            )
        )


def _activity(call: GitHubCall, row: Activity) -> Json:
    return {
        "id": row.id,
        "node_id": node_id("Push", row.id),
        "before": row.before,
        "after": row.after,
        "ref": row.ref,
        "timestamp": timestamp(row.timestamp),
        "activity_type": row.activity_type,
        "actor": shapes.user_or_null(call, row.actor),
    }


def _cursor(row: Activity) -> str:
    return base64.urlsafe_b64encode(f"a{row.id}".encode()).decode()


def _position(text: str, rows: list[Activity]) -> int:
    for at, row in enumerate(rows):
        if _cursor(row) == text:
            return at
    raise unprocessable("Invalid cursor")


def list_activities(call: GitHubCall) -> Response:
    """The activity log: filtered, newest first, paged by opaque cursors in the Link header."""
    query = call.request.query
    ref, actor, kind = query.get("ref"), query.get("actor"), query.get("activity_type")
    since = None
    if period := query.get("time_period"):
        if period not in _PERIODS:
            raise unprocessable("Invalid time_period")
        since = call.now - timedelta(days=_PERIODS[period])
    rows = [
        row
        for row in call.repository.activities
        if (not ref or row.ref in (ref, f"{_HEADS}{ref}"))
        and (not actor or row.actor.login.lower() == actor.lower())
        and (not kind or row.activity_type == kind)
        and (since is None or row.timestamp >= since)
        and row.timestamp <= call.now - call.world.lag
    ]
    if query.get("direction", "desc") == "desc":
        rows.reverse()
    size = per_page(call.request)
    start = 0
    if after := query.get("after"):
        start = _position(after, rows) + 1
    elif before := query.get("before"):
        start = max(0, _position(before, rows) - size)
    shown = rows[start : start + size]
    targets = {}
    if start > 0 and shown:
        targets["prev"] = f"before={_cursor(shown[0])}"
    if start + size < len(rows):
        targets["next"] = f"after={_cursor(shown[-1])}"
    kept = "&".join(f"{k}={v}" for k, v in query.items() if k not in ("after", "before"))
    links = {
        rel: f"{call.here}?{kept + '&' if kept else ''}{cursor}" for rel, cursor in targets.items()
    }
    return as_json([_activity(call, row) for row in shown], headers=link_header(links))


ROUTES = (
    Route(method="GET", template=f"{REPO}/activity", operation="repos/list-activities",
          handler=list_activities, app=("contents",)),
)  # fmt: skip
