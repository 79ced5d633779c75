"""Rulesets: what they refuse, and how they are told."""

from __future__ import annotations

from pipeline.sandbox.github.routing import REPO, GitHubCall, Route
from pipeline.sandbox.github.state import (
    Account,
    CommitStatus,
    HostedRepository,
    RequiredCheck,
    Ruleset,
    StoredCheckRun,
)
from pipeline.sandbox.github.wire import Json, Response, as_json, node_id, not_found, page
from pipeline.values.canonical import timestamp

PASSING = frozenset({"success", "neutral", "skipped"})


def unmet(repository: HostedRepository, branch: str, sha: str) -> list[str]:
    """Returns a sentence for every required check that *sha* lacks or fails."""
    said = []
    for rules in repository.rules_for(branch):
        for check in rules.checks:
            state = _state(repository, check, sha)
            if state is None:
                said.append(f'Required status check "{check.context}" is expected.')
            elif state not in PASSING:
                word = "in progress" if state == "pending" else "failing"
                said.append(f'Required status check "{check.context}" is {word}.')
    return said


def _state(repository: HostedRepository, check: RequiredCheck, sha: str) -> str | None:
    """Returns what the pinned App said last: a conclusion, `pending`, or None for nothing."""
    found: list[StoredCheckRun | CommitStatus] = [
        *(
            r
            for r in repository.check_runs.values()
            if (r.head_sha, r.name) == (sha, check.context)
        ),
        *(s for s in repository.statuses if (s.sha, s.context) == (sha, check.context)),
    ]
    mine = [
        row
        for row in found
        if check.integration_id is None
        or (row.app is not None and row.app.id == check.integration_id)
    ]
    if not mine:
        return None
    last = max(mine, key=lambda row: row.id)
    if isinstance(last, StoredCheckRun):
        return last.conclusion or "pending"
    return last.state


def withheld(repository: HostedRepository, branch: str, actor: Account) -> list[str]:
    """Returns why *actor* may not update a branch at all; empty where they may."""
    closed = any(rules.updater not in (None, actor.id) for rules in repository.rules_for(branch))
    return ["Cannot update this protected ref."] if closed else []


def refused(
    repository: HostedRepository, branch: str, old: str | None, new: str | None, actor: Account
) -> list[str]:
    """Returns why rules refuse a direct change of a branch by *actor*; empty when they allow it.

    Creating a branch is always allowed. Whether *new* follows *old* is not looked at here:
    see `wants_fast_forward`.
    """
    if old is None:
        return []
    covering = repository.rules_for(branch)
    if new is None:
        return ["Cannot delete this branch"] if any(r.deletion for r in covering) else []
    if said := withheld(repository, branch, actor):
        return said
    if any(rules.allow_direct_push for rules in covering):
        return []
    if any(rules.pull_request for rules in covering):
        return ["Changes must be made through a pull request."]
    # Without that rule a commit whose checks are green may be pushed as it is.
    return unmet(repository, branch, new)


def wants_fast_forward(repository: HostedRepository, branch: str) -> bool:
    """Whether rules refuse force pushes to a branch."""
    return any(rules.non_fast_forward for rules in repository.rules_for(branch))


def _rules(rules: Ruleset) -> list[Json]:
    listed: list[Json] = []
    if rules.deletion:
        listed.append({"type": "deletion"})
    if rules.non_fast_forward:
        listed.append({"type": "non_fast_forward"})
    if rules.pull_request:
        parameters: Json = {
            "allowed_merge_methods": ["squash", "merge"],
            "dismiss_stale_reviews_on_push": False,
            "require_code_owner_review": False,
            "require_last_push_approval": False,
            "required_approving_review_count": 0,
            "required_review_thread_resolution": False,
        }
        listed.append({"type": "pull_request", "parameters": parameters})
    if rules.updater is not None:
        listed.append({"type": "update"})
    if rules.checks:
        checks = [
            {
                "context": check.context,
                **({"integration_id": check.integration_id} if check.integration_id else {}),
            }
            for check in rules.checks
        ]
        parameters = {
            "strict_required_status_checks_policy": False,
            "do_not_enforce_on_create": True,
            "required_status_checks": checks,
        }
        listed.append({"type": "required_status_checks", "parameters": parameters})
    return listed


def _summary(call: GitHubCall, rules: Ruleset) -> Json:
    return {
        "id": rules.id,
        "name": rules.name,
        "target": "branch",
        "source_type": "Repository",
        "source": call.repository.full_name,
        "enforcement": "active",
        "node_id": node_id("RepositoryRuleset", rules.id),
        "_links": {
            "self": {"href": call.repo_url("rulesets", rules.id)},
            "html": {"href": call.page_url("rules", rules.id)},
        },
        "created_at": timestamp(rules.created_at),
        "updated_at": timestamp(rules.created_at),
    }


def list_rulesets(call: GitHubCall) -> Response:
    """Every ruleset, without its rules."""
    shown, links = page(
        call.here, call.request, call.repository.rulesets, lambda r: _summary(call, r)
    )
    return as_json(shown, headers=links)


def get_ruleset(call: GitHubCall) -> Response:
    """One ruleset in full. Who may bypass it is shown to admins only, so never here."""
    for rules in call.repository.rulesets:
        if rules.id == call.number("ruleset_id"):
            include = [f"refs/heads/{pattern}" for pattern in rules.patterns]
            return as_json(
                {
                    **_summary(call, rules),
                    "conditions": {"ref_name": {"include": include, "exclude": []}},
                    "rules": _rules(rules),
                }
            )
    raise not_found()


def branch_rules(call: GitHubCall) -> Response:
    """Every rule that is in force for a branch, with the ruleset it comes from."""
    rows = [
        {
            **rule,
            "ruleset_source_type": "Repository",
            "ruleset_source": call.repository.full_name,
            "ruleset_id": rules.id,
        }
        for rules in call.repository.rules_for(call.args["branch"])
        for rule in _rules(rules)
    ]
    shown, links = page(call.here, call.request, rows, lambda row: row)
    return as_json(shown, headers=links)


ROUTES = (
    Route(method="GET", template=f"{REPO}/rulesets", operation="repos/get-repo-rulesets",
          handler=list_rulesets),
    Route(method="GET", template=f"{REPO}/rulesets/{{ruleset_id}}",
          operation="repos/get-repo-ruleset", handler=get_ruleset),
    Route(method="GET", template=f"{REPO}/rules/branches/{{branch}}",
          operation="repos/get-branch-rules", handler=branch_rules),
)  # fmt: skip
