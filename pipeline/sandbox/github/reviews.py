"""Reviews of pull requests, each bound to the commit that was looked at."""

from __future__ import annotations

from pipeline.sandbox.github import shapes
from pipeline.sandbox.github.issues import note
from pipeline.sandbox.github.pulls import commits_of, find
from pipeline.sandbox.github.routing import REPO, GitHubCall, Route
from pipeline.sandbox.github.state import Pull, StoredReview
from pipeline.sandbox.github.wire import (
    Body,
    Json,
    Response,
    as_json,
    node_id,
    not_found,
    page,
    unprocessable,
)
from pipeline.values.canonical import timestamp

_STATES = {
    "APPROVE": "APPROVED",
    "REQUEST_CHANGES": "CHANGES_REQUESTED",
    "COMMENT": "COMMENTED",
    "": "PENDING",
}


def _review_json(call: GitHubCall, pull: Pull, review: StoredReview) -> Json:
    html = f"{call.page_url('pull', pull.number)}#pullrequestreview-{review.id}"
    url = call.repo_url("pulls", pull.number)
    shown: Json = {
        "id": review.id,
        "node_id": node_id("PullRequestReview", review.id),
        "user": shapes.user_or_null(call, review.author),
        "body": review.body,
        "state": review.state,
        "html_url": html,
        "pull_request_url": url,
        "_links": {"html": {"href": html}, "pull_request": {"href": url}},
        "commit_id": review.commit_id,
        "author_association": shapes.association(call, review.author),
    }
    if review.submitted_at is not None:
        shown["submitted_at"] = timestamp(review.submitted_at)
    return shown


def _visible(call: GitHubCall, review: StoredReview) -> bool:
    """A review that was not submitted yet is seen by its author only."""
    return review.submitted_at is not None or (
        call.viewer is not None and call.viewer.account is review.author
    )


def _find(call: GitHubCall, pull: Pull) -> StoredReview:
    for review in pull.reviews:
        if review.id == call.number("review_id") and _visible(call, review):
            return review
    raise not_found()


def list_reviews(call: GitHubCall) -> Response:
    """Every review, oldest first."""
    pull = find(call)
    rows = [review for review in pull.reviews if _visible(call, review)]
    shown, links = page(call.here, call.request, rows, lambda row: _review_json(call, pull, row))
    return as_json(shown, headers=links)


def get_review(call: GitHubCall) -> Response:
    """One review."""
    pull = find(call)
    return as_json(_review_json(call, pull, _find(call, pull)))


def create_review(call: GitHubCall) -> Response:
    """Submits a review of the head, or of the commit that *commit_id* names."""
    pull = find(call)
    body = Body(call.request, "PullRequestReview")
    event = body.text("event", "")
    if event not in _STATES:
        raise unprocessable("Variable $event of type PullRequestReviewEvent was invalid")
    if call.actor is pull.author and event == "APPROVE":
        raise unprocessable("Can not approve your own pull request")
    if call.actor is pull.author and event == "REQUEST_CHANGES":
        raise unprocessable("Can not request changes on your own pull request")
    text = body.text("body", "")
    if event in ("REQUEST_CHANGES", "COMMENT") and not text.strip():
        raise unprocessable("Could not create a review without a body")
    commit = body.text("commit_id", pull.head_sha)
    if commit not in pull.known_heads and commit not in commits_of(call.repository, pull):
        raise unprocessable("The commit_id is not part of the pull request")
    review = StoredReview(
        id=call.world.next_id(),
        author=call.actor,
        state=_STATES[event],
        body=text,
        commit_id=commit,
        submitted_at=call.now if event else None,
    )
    pull.reviews.append(review)
    pull.updated_at = call.now
    return as_json(_review_json(call, pull, review))


def dismiss_review(call: GitHubCall) -> Response:
    """Takes an approval or a request for changes out of the count; anybody who may write can."""
    pull = find(call)
    review = _find(call, pull)
    message = Body(call.request, "PullRequestReview").text("message", "")
    if not message.strip():
        raise unprocessable("A message is required to dismiss a review")
    if review.state not in ("APPROVED", "CHANGES_REQUESTED"):
        raise unprocessable(f"Can not dismiss a {review.state.lower()} pull request review")
    dismissed = {
        "state": review.state.lower(),
        "review_id": review.id,
        "dismissal_message": message,
    }
    note(call, pull, "review_dismissed", dismissed)
    review.state = "DISMISSED"
    return as_json(_review_json(call, pull, review))


_REVIEWS = f"{REPO}/pulls/{{pull_number}}/reviews"
_APP = ("pull_requests",)

ROUTES = (
    Route(method="GET", template=_REVIEWS, operation="pulls/list-reviews",
          handler=list_reviews, app=_APP),
    Route(method="POST", template=_REVIEWS, operation="pulls/create-review",
          handler=create_review, app=_APP, level="write"),
    Route(method="GET", template=f"{_REVIEWS}/{{review_id}}", operation="pulls/get-review",
          handler=get_review, app=_APP),
    Route(method="PUT", template=f"{_REVIEWS}/{{review_id}}/dismissals",
          operation="pulls/dismiss-review", handler=dismiss_review, app=_APP,
          level="write", role="write"),
)  # fmt: skip
