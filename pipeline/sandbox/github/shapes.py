"""How accounts, repositories, teams and Apps look in answers."""

from __future__ import annotations

from urllib.parse import quote

from pipeline.sandbox.github.routing import GitHubCall, may
from pipeline.sandbox.github.state import Account, App, HostedRepository, HostedTeam
from pipeline.sandbox.github.wire import Json, node_id
from pipeline.values.canonical import timestamp

_USER_URLS = {
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "organizations_url": "/orgs",
    "repos_url": "/repos",
    "events_url": "/events{/privacy}",
    "received_events_url": "/received_events",
}

_REPOSITORY_URLS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
    "hooks_url": "/hooks",
}


def user(call: GitHubCall, account: Account) -> Json:
    """*simple-user*; a deleted account shows as `ghost`."""
    if account.deleted:
        account = call.world.ghost
    url = f"{call.base}/users/{quote(account.login)}"
    page = account.login
    if account.type == "Bot":
        page = f"apps/{account.login.removesuffix('[bot]')}"
    return {
        "login": account.login,
        "id": account.id,
        "node_id": node_id("User", account.id),
        "avatar_url": f"{call.site}/avatars/{account.id}",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{call.site}/{page}",
        **{name: url + tail for name, tail in _USER_URLS.items()},
        "type": account.type,
        "user_view_type": "public",
        "site_admin": False,
    }


def user_or_null(call: GitHubCall, account: Account | None) -> Json | None:
    """*nullable-simple-user*: null for nobody and for a deleted account."""
    return None if account is None or account.deleted else user(call, account)


def minimal_repository(call: GitHubCall, repository: HostedRepository) -> Json:
    """*minimal-repository*: who, what, and the many addresses."""
    url = f"{call.base}/repos/{repository.full_name}"
    return {
        "id": repository.id,
        "node_id": node_id("Repository", repository.id),
        "name": repository.name,
        "full_name": repository.full_name,
        "owner": user(call, repository.owner),
        "private": repository.private,
        "html_url": f"{call.site}/{repository.full_name}",
        "description": None,
        "fork": False,
        "url": url,
        **{name: url + tail for name, tail in _REPOSITORY_URLS.items()},
    }


def repository(call: GitHubCall, repository: HostedRepository) -> Json:
    """*repository*, which pull requests embed for head and base."""
    site = f"{call.site}/{repository.full_name}"
    git = f"{site.partition('://')[2]}.git"
    open_pulls = sum(pull.state == "open" for pull in repository.pulls.values())
    viewer = call.viewer
    permissions = {
        "admin": may(call.world, viewer, repository, "admin", "administration"),
        "maintain": may(call.world, viewer, repository, "maintain", "administration"),
        "push": may(call.world, viewer, repository, "write", "contents"),
        "triage": may(call.world, viewer, repository, "triage", "issues"),
        "pull": may(call.world, viewer, repository, "read", "contents"),
    }
    return {
        **minimal_repository(call, repository),
        "git_url": f"git://{git}",
        "ssh_url": f"git@{git.replace('/', ':', 1)}",
        "clone_url": f"{site}.git",
        "svn_url": site,
        "mirror_url": None,
        "homepage": None,
        "language": None,
        "license": None,
        "forks_count": 0,
        "forks": 0,
        "stargazers_count": 0,
        "watchers_count": 0,
        "watchers": 0,
        "size": 0,
        "default_branch": repository.default_branch,
        "open_issues_count": open_pulls,
        "open_issues": open_pulls,
        "is_template": False,
        "topics": [],
        "has_issues": True,
        "has_projects": False,
        "has_wiki": False,
        "has_pages": False,
        "has_downloads": False,
        "has_discussions": False,
        "archived": False,
        "disabled": False,
        "visibility": "private" if repository.private else "public",
        "pushed_at": timestamp(repository.pushed_at),
        "created_at": timestamp(repository.created_at),
        "updated_at": timestamp(repository.pushed_at),
        "permissions": permissions,
        "allow_rebase_merge": True,
        "allow_squash_merge": True,
        "allow_merge_commit": True,
        "allow_auto_merge": False,
        "delete_branch_on_merge": False,
    }


def full_repository(call: GitHubCall, of: HostedRepository) -> Json:
    """*full-repository*, the answer for one repository."""
    return {
        **repository(call, of),
        "organization": user(call, of.owner),
        "subscribers_count": 0,
        "network_count": 0,
    }


def app(call: GitHubCall, of: App) -> Json:
    """*integration*."""
    return {
        "id": of.id,
        "slug": of.slug,
        "node_id": node_id("Integration", of.id),
        "owner": user(call, of.owner),
        "name": of.slug,
        "description": None,
        "external_url": f"{call.site}/apps/{of.slug}",
        "html_url": f"{call.site}/apps/{of.slug}",
        "created_at": timestamp(of.created_at),
        "updated_at": timestamp(of.created_at),
        "permissions": dict(of.permissions),
        "events": [],
    }


def team(call: GitHubCall, of: HostedTeam) -> Json:
    """*team-simple*."""
    url = f"{call.base}/organizations/{of.org.id}/team/{of.id}"
    return {
        "id": of.id,
        "node_id": node_id("Team", of.id),
        "url": url,
        "html_url": f"{call.site}/orgs/{of.org.login}/teams/{of.slug}",
        "name": of.slug,
        "slug": of.slug,
        "description": None,
        "privacy": "closed",
        "notification_setting": "notifications_enabled",
        "permission": "pull",
        "type": "organization",
        "members_url": f"{url}/members{{/member}}",
        "repositories_url": f"{url}/repos",
    }


def association(call: GitHubCall, account: Account) -> str:
    """Returns *author-association* within the call's repository."""
    if account.id in call.world.members.get(call.repository.owner.login.lower(), set()):
        return "MEMBER"
    granted = call.repository.collaborators.get(account.id, "none")
    return "NONE" if granted == "none" else "COLLABORATOR"
