"""Comments and labels. A pull request is an issue with the same number."""

from __future__ import annotations

import zlib

from pipeline.sandbox.github import shapes
from pipeline.sandbox.github.routing import REPO, GitHubCall, Route
from pipeline.sandbox.github.state import Pull, PullEvent, StoredComment
from pipeline.sandbox.github.wire import (
    Body,
    Json,
    Response,
    as_json,
    forbidden,
    invalid,
    node_id,
    not_found,
    page,
    refused,
)
from pipeline.values.canonical import timestamp

BODY_LIMIT = 65_536
"""Characters in a comment."""


def _issue(call: GitHubCall) -> Pull:
    pull = call.repository.pulls.get(call.number("issue_number"))
    if pull is None:
        raise not_found()
    return pull


def label_json(call: GitHubCall, name: str) -> Json:
    """*label*. Its id follows from its name: labels have no life of their own here."""
    number = zlib.crc32(f"{call.repository.id}:{name}".encode())
    return {
        "id": number,
        "node_id": node_id("Label", number),
        "url": call.repo_url("labels", name),
        "name": name,
        "description": "",
        "color": "ededed",
        "default": False,
    }


def _comment_json(call: GitHubCall, comment: StoredComment) -> Json:
    html = f"{call.page_url('pull', comment.issue)}#issuecomment-{comment.id}"
    shown = {
        "id": comment.id,
        "node_id": node_id("IssueComment", comment.id),
        "url": call.repo_url("issues", "comments", comment.id),
        "html_url": html,
        "issue_url": call.repo_url("issues", comment.issue),
        "user": shapes.user_or_null(call, comment.author),
        "body": comment.body,
        "created_at": timestamp(comment.created_at),
        "updated_at": timestamp(comment.updated_at),
        "author_association": shapes.association(call, comment.author),
    }
    if comment.app is not None:
        shown["performed_via_github_app"] = shapes.app(call, comment.app)
    return shown


def _text(call: GitHubCall) -> str:
    text = Body(call.request, "IssueComment").text("body")
    if not text.strip():
        raise invalid("IssueComment", "body", "missing_field")
    if len(text) > BODY_LIMIT:
        raise refused("IssueComment", f"body is too long (maximum is {BODY_LIMIT} characters)")
    return text


def list_comments(call: GitHubCall) -> Response:
    """The comments of one issue or pull request, oldest first."""
    number = _issue(call).number
    rows = [row for row in call.repository.comments.values() if row.issue == number]
    if since := call.request.query.get("since"):
        rows = [row for row in rows if timestamp(row.updated_at) >= since]
    shown, links = page(call.here, call.request, rows, lambda row: _comment_json(call, row))
    return as_json(shown, headers=links)


def create_comment(call: GitHubCall) -> Response:
    """Adds a comment."""
    number = _issue(call).number
    comment = StoredComment(
        id=call.world.next_id(),
        issue=number,
        author=call.actor,
        app=call.viewer.app if call.viewer else None,
        body=_text(call),
        created_at=call.now,
        updated_at=call.now,
    )
    call.repository.comments[comment.id] = comment
    return as_json(_comment_json(call, comment), 201)


def _comment(call: GitHubCall, *, change: bool = False) -> StoredComment:
    comment = call.repository.comments.get(call.number("comment_id"))
    if comment is None:
        raise not_found()
    if change and call.actor is not comment.author:
        writes = call.world.role(call.repository, call.actor) in ("write", "maintain", "admin")
        if call.viewer is not None and call.viewer.app is None and not writes:
            raise forbidden("Must have admin rights to Repository.")
    return comment


def get_comment(call: GitHubCall) -> Response:
    """One comment."""
    return as_json(_comment_json(call, _comment(call)))


def update_comment(call: GitHubCall) -> Response:
    """Changes a comment's text: one's own, or anybody's with write access."""
    comment = _comment(call, change=True)
    comment.body = _text(call)
    comment.updated_at = call.now
    return as_json(_comment_json(call, comment))


def delete_comment(call: GitHubCall) -> Response:
    """Deletes a comment."""
    del call.repository.comments[_comment(call, change=True).id]
    return Response(status=204)


def note(call: GitHubCall, pull: Pull, kind: str, dismissed: Json | None = None) -> None:
    """Adds an event to a pull request's timeline."""
    pull.events.append(
        PullEvent(
            id=call.world.next_id(),
            kind=kind,
            actor=call.actor,
            at=call.now,
            dismissed=dismissed,
        )
    )


def _event_json(call: GitHubCall, event: PullEvent) -> Json:
    shown: Json = {
        "id": event.id,
        "node_id": node_id("IssueEvent", event.id),
        "url": call.repo_url("issues", "events", event.id),
        "actor": shapes.user_or_null(call, event.actor),
        "event": event.kind,
        "commit_id": None,
        "commit_url": None,
        "created_at": timestamp(event.at),
        "performed_via_github_app": None,
    }
    return shown if event.dismissed is None else {**shown, "dismissed_review": event.dismissed}


def list_timeline(call: GitHubCall) -> Response:
    """The events of a pull request, oldest first, comments among them.

    https://docs.github.com/rest/using-the-rest-api/issue-event-types
    """
    pull = _issue(call)
    comments = [row for row in call.repository.comments.values() if row.issue == pull.number]
    rows: list[StoredComment | PullEvent] = [*comments, *pull.events]
    rows.sort(key=lambda row: (row.at if isinstance(row, PullEvent) else row.created_at, row.id))
    shown, links = page(call.here, call.request, rows, lambda row: _timeline_json(call, row))
    return as_json(shown, headers=links)


def _timeline_json(call: GitHubCall, row: StoredComment | PullEvent) -> Json:
    if isinstance(row, PullEvent):
        return _event_json(call, row)
    actor = shapes.user_or_null(call, row.author)
    return {**_comment_json(call, row), "event": "commented", "actor": actor}


def list_labels(call: GitHubCall) -> Response:
    """The labels of one issue or pull request."""
    rows = _issue(call).labels
    shown, links = page(call.here, call.request, rows, lambda name: label_json(call, name))
    return as_json(shown, headers=links)


def add_labels(call: GitHubCall) -> Response:
    """Adds labels, given as `{"labels": [...]}` or as a bare list; makes those unknown."""
    pull = _issue(call)
    body = call.request.body.strip()
    wrapped = b'{"labels": ' + body + b"}" if body.startswith(b"[") else body
    request = call.request
    fields = Body(
        type(request)(
            method=request.method,
            path=request.path,
            query=request.query,
            headers=request.headers,
            body=wrapped,
        ),
        "Label",
    )
    for row in fields.rows("labels"):
        name = row.get("name") if isinstance(row, dict) else row
        if not isinstance(name, str) or not name:
            raise invalid("Label", "name", "invalid")
        if name not in pull.labels:
            pull.labels.append(name)
    return as_json([label_json(call, name) for name in pull.labels])


_ISSUE = f"{REPO}/issues/{{issue_number}}"
_COMMENT = f"{REPO}/issues/comments/{{comment_id}}"
_APP = ("issues", "pull_requests")

ROUTES = (
    Route(method="GET", template=f"{_ISSUE}/comments", operation="issues/list-comments",
          handler=list_comments, app=_APP),
    Route(method="POST", template=f"{_ISSUE}/comments", operation="issues/create-comment",
          handler=create_comment, app=_APP, level="write"),
    Route(method="GET", template=_COMMENT, operation="issues/get-comment",
          handler=get_comment, app=_APP),
    Route(method="PATCH", template=_COMMENT, operation="issues/update-comment",
          handler=update_comment, app=_APP, level="write"),
    Route(method="DELETE", template=_COMMENT, operation="issues/delete-comment",
          handler=delete_comment, app=_APP, level="write"),
    Route(method="GET", template=f"{_ISSUE}/timeline", operation="issues/list-events-for-timeline",
          handler=list_timeline, app=_APP),
    Route(method="GET", template=f"{_ISSUE}/labels", operation="issues/list-labels-on-issue",
          handler=list_labels, app=_APP),
    Route(method="POST", template=f"{_ISSUE}/labels", operation="issues/add-labels",
          handler=add_labels, app=_APP, level="write", role="triage"),
)  # fmt: skip
