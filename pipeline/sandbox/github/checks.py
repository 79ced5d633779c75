"""Check runs, which only Apps post, and commit statuses, which anybody who may write posts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from pipeline.sandbox.github import shapes
from pipeline.sandbox.github.commits import resolve
from pipeline.sandbox.github.routing import REPO, GitHubCall, Route
from pipeline.sandbox.github.state import CommitStatus, StoredCheckRun
from pipeline.sandbox.github.wire import (
    ApiError,
    Body,
    Json,
    Response,
    as_json,
    forbidden,
    invalid,
    node_id,
    not_found,
    page,
)
from pipeline.values.canonical import timestamp

ANNOTATIONS = 50
"""Annotations in one request."""

TEXT_LIMIT = 65_535
_CONCLUSIONS = (
    "action_required", "cancelled", "failure", "neutral", "success", "skipped", "stale",
    "timed_out",
)  # fmt: skip
_STATUSES = ("queued", "in_progress", "completed")
_LEVELS = ("notice", "warning", "failure")


def _run_json(call: GitHubCall, run: StoredCheckRun) -> Json:
    repository = call.repository
    url = call.repo_url("check-runs", run.id)
    repo = {
        "id": repository.id,
        "url": f"{call.base}/repos/{repository.full_name}",
        "name": repository.name,
    }
    pulls = [
        {
            "id": pull.id,
            "number": pull.number,
            "url": call.repo_url("pulls", pull.number),
            "head": {"ref": pull.head_ref, "sha": pull.head_sha, "repo": repo},
            "base": {"ref": pull.base_ref, "sha": pull.base_sha, "repo": repo},
        }
        for pull in repository.pulls.values()
        if pull.state == "open" and pull.head_sha == run.head_sha
    ]
    return {
        "id": run.id,
        "node_id": node_id("CheckRun", run.id),
        "head_sha": run.head_sha,
        "external_id": run.external_id,
        "url": url,
        "html_url": call.page_url("runs", run.id),
        "details_url": run.details_url or call.page_url("runs", run.id),
        "status": run.status,
        "conclusion": run.conclusion,
        "started_at": timestamp(run.started_at) if run.started_at else None,
        "completed_at": timestamp(run.completed_at) if run.completed_at else None,
        "output": {
            "title": run.output.get("title"),
            "summary": run.output.get("summary"),
            "text": run.output.get("text"),
            "annotations_count": len(run.annotations),
            "annotations_url": f"{url}/annotations",
        },
        "name": run.name,
        "check_suite": {"id": run.suite},
        "app": shapes.app(call, run.app),
        "pull_requests": pulls,
    }


def _find(call: GitHubCall) -> StoredCheckRun:
    run = call.repository.check_runs.get(call.number("check_run_id"))
    if run is None:
        raise not_found()
    return run


def _moment(body: Body, name: str, default: datetime | None) -> datetime | None:
    text = body.optional(name)
    if text is None:
        return default
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise invalid("CheckRun", name, "invalid") from None
    if moment.tzinfo is None:
        raise invalid("CheckRun", name, "invalid")
    return moment


def _state(call: GitHubCall, body: Body, run: StoredCheckRun) -> None:
    """Sets status and conclusion: either one of a finished run implies the other."""
    status = body.choice("status", _STATUSES, run.status)
    if "conclusion" in body:
        run.conclusion = body.choice("conclusion", _CONCLUSIONS)
        status = "completed"
    elif status != "completed":
        run.conclusion = None
    elif run.conclusion is None:
        raise ApiError(422, "Invalid request.\n\nA completed check run needs a conclusion.")
    run.status = status
    run.started_at = _moment(body, "started_at", run.started_at or call.now)
    finished = call.now if status == "completed" else None
    run.completed_at = _moment(body, "completed_at", finished)
    run.details_url = body.optional("details_url") or run.details_url
    run.external_id = body.text("external_id", run.external_id)


def _output(body: Body, run: StoredCheckRun, *, title_needed: bool) -> None:
    output = body.sub("output")
    if output is None:
        return
    for name in ("title", "summary", "text"):
        value = output.get(name)
        needed = name == "summary" or (name == "title" and title_needed)
        if value is None and needed:
            raise ApiError(422, f'Invalid request.\n\n"{name}" wasn\'t supplied.')
        if value is None:
            continue
        if not isinstance(value, str) or len(value) > TEXT_LIMIT:
            raise ApiError(
                422, f"Invalid request.\n\nOnly {TEXT_LIMIT} characters are allowed; {name}"
            )
        run.output[name] = value
    rows = output.get("annotations", [])
    if not isinstance(rows, list):
        raise invalid("CheckRun", "annotations", "invalid")
    if len(rows) > ANNOTATIONS:
        raise ApiError(
            422, f"Invalid request.\n\nNo more than {ANNOTATIONS} items are allowed; annotations"
        )
    run.annotations += [_annotation(row) for row in rows]


def _annotation(row: Any) -> Json:
    if not isinstance(row, Mapping):
        raise invalid("CheckRun", "annotations", "invalid")
    for name, kind in (("path", str), ("start_line", int), ("end_line", int), ("message", str)):
        if not isinstance(row.get(name), kind):
            raise invalid("CheckRun", f"annotations.{name}", "missing_field")
    if row.get("annotation_level") not in _LEVELS:
        raise invalid("CheckRun", "annotations.annotation_level", "invalid")
    if row["start_line"] > row["end_line"]:
        raise invalid("CheckRun", "annotations.end_line", "invalid")
    columns = row.get("start_column"), row.get("end_column")
    if columns != (None, None) and row["start_line"] != row["end_line"]:
        raise invalid("CheckRun", "annotations.start_column", "invalid")
    return {
        **{name: row[name] for name in ("path", "start_line", "end_line", "annotation_level")},
        "start_column": columns[0],
        "end_column": columns[1],
        "title": row.get("title"),
        "message": row["message"],
        "raw_details": row.get("raw_details"),
    }


def create_run(call: GitHubCall) -> Response:
    """Posts a check run for a commit; for Apps only."""
    app = call.viewer.app if call.viewer else None
    if app is None:
        raise forbidden("You must authenticate via a GitHub App.")
    body = Body(call.request, "CheckRun")
    sha = body.text("head_sha")
    if not call.repository.git.has(sha, "commit"):
        raise ApiError(422, f"No commit found for SHA: {sha}")
    suites = call.repository.suites
    run = StoredCheckRun(
        id=call.world.next_id(),
        suite=suites.setdefault((app.id, sha), call.world.next_id()),
        app=app,
        name=body.text("name"),
        head_sha=sha,
        status="queued",
        conclusion=None,
        started_at=None,
        completed_at=None,
        details_url=None,
        external_id="",
        output={},
    )
    _state(call, body, run)
    _output(body, run, title_needed=True)
    call.repository.check_runs[run.id] = run
    return as_json(_run_json(call, run), 201)


def update_run(call: GitHubCall) -> Response:
    """Changes a check run; only the App that posted it may. Annotations are added."""
    run = _find(call)
    app = call.viewer.app if call.viewer else None
    if app is not run.app:
        raise forbidden("Check run can only be modified by the GitHub App that created it.")
    body = Body(call.request, "CheckRun")
    _output(body, run, title_needed=False)
    _state(call, body, run)
    run.name = body.text("name", run.name)
    return as_json(_run_json(call, run))


def get_run(call: GitHubCall) -> Response:
    """One check run."""
    return as_json(_run_json(call, _find(call)))


def list_annotations(call: GitHubCall) -> Response:
    """A check run's annotations."""
    run = _find(call)

    def show(row: Json) -> Json:
        blob = f"{call.page_url('blob', run.head_sha)}/{quote(row['path'])}"
        return {**row, "blob_href": blob}

    shown, links = page(call.here, call.request, run.annotations, show)
    return as_json(shown, headers=links)


def list_runs(call: GitHubCall) -> Response:
    """A commit's check runs; unless *filter* is `all`, the latest of each App and name."""
    sha = resolve(call.repository, call.args["ref"])
    query = call.request.query
    rows = [
        run
        for run in call.repository.check_runs.values()
        if run.head_sha == sha
        and query.get("check_name", run.name) == run.name
        and query.get("status", run.status) == run.status
        and query.get("app_id", str(run.app.id)) == str(run.app.id)
    ]
    if query.get("filter", "latest") == "latest":
        rows = list({(run.app.id, run.name): run for run in rows}.values())
    rows.sort(key=lambda run: -run.id)
    shown, links = page(call.here, call.request, rows, lambda run: _run_json(call, run))
    return as_json({"total_count": len(rows), "check_runs": shown}, headers=links)


def _status_json(call: GitHubCall, row: CommitStatus) -> Json:
    return {
        "url": call.repo_url("statuses", row.sha),
        "avatar_url": shapes.user(call, row.creator)["avatar_url"],
        "id": row.id,
        "node_id": node_id("StatusContext", row.id),
        "state": row.state,
        "description": row.description,
        "target_url": row.target_url,
        "context": row.context,
        "created_at": timestamp(row.created_at),
        "updated_at": timestamp(row.created_at),
    }


def create_status(call: GitHubCall) -> Response:
    """Posts a commit status."""
    body = Body(call.request, "Status")
    sha = call.args["sha"]
    if not call.repository.git.has(sha, "commit"):
        raise ApiError(422, f"No commit found for SHA: {sha}")
    row = CommitStatus(
        id=call.world.next_id(),
        sha=sha,
        context=body.text("context", "default"),
        state=body.choice("state", ("error", "failure", "pending", "success")),
        description=body.optional("description"),
        target_url=body.optional("target_url"),
        creator=call.actor,
        app=call.viewer.app if call.viewer else None,
        created_at=call.now,
    )
    call.repository.statuses.append(row)
    return as_json({**_status_json(call, row), "creator": shapes.user(call, row.creator)}, 201)


def list_statuses(call: GitHubCall) -> Response:
    """Every status of a commit, newest first."""
    sha = resolve(call.repository, call.args["ref"])
    rows = [row for row in reversed(call.repository.statuses) if row.sha == sha]
    shown, links = page(
        call.here,
        call.request,
        rows,
        lambda row: {**_status_json(call, row), "creator": shapes.user_or_null(call, row.creator)},
    )
    return as_json(shown, headers=links)


def combined_status(call: GitHubCall) -> Response:
    """The latest status of each context, and what they come to together."""
    sha = resolve(call.repository, call.args["ref"])
    latest = list({row.context: row for row in call.repository.statuses if row.sha == sha}.values())
    states = {row.state for row in latest}
    if states & {"failure", "error"}:
        state = "failure"
    else:
        state = "pending" if "pending" in states or not states else "success"
    shown, links = page(call.here, call.request, latest, lambda row: _status_json(call, row))
    body = {
        "state": state,
        "statuses": shown,
        "sha": sha,
        "total_count": len(latest),
        "repository": shapes.minimal_repository(call, call.repository),
        "commit_url": call.repo_url("commits", sha),
        "url": call.here,
    }
    return as_json(body, headers=links)


_RUN = f"{REPO}/check-runs/{{check_run_id}}"
_REF = f"{REPO}/commits/{{ref}}"

ROUTES = (
    Route(method="POST", template=f"{REPO}/check-runs", operation="checks/create",
          handler=create_run, app=("checks",), level="write", role="write"),
    Route(method="GET", template=_RUN, operation="checks/get", handler=get_run, app=("checks",)),
    Route(method="PATCH", template=_RUN, operation="checks/update",
          handler=update_run, app=("checks",), level="write", role="write"),
    Route(method="GET", template=f"{_RUN}/annotations", operation="checks/list-annotations",
          handler=list_annotations, app=("checks",)),
    Route(method="GET", template=f"{_REF}/check-runs", operation="checks/list-for-ref",
          handler=list_runs, app=("checks",)),
    Route(method="POST", template=f"{REPO}/statuses/{{sha}}",
          operation="repos/create-commit-status", handler=create_status, app=("statuses",),
          level="write", role="write"),
    Route(method="GET", template=f"{_REF}/statuses",
          operation="repos/list-commit-statuses-for-ref", handler=list_statuses,
          app=("statuses",)),
    Route(method="GET", template=f"{_REF}/status",
          operation="repos/get-combined-status-for-ref", handler=combined_status,
          app=("statuses",)),
)  # fmt: skip
