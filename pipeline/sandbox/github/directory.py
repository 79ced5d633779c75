"""Accounts, organizations, teams, Apps, repositories and limits: who and what there is."""

from __future__ import annotations

from pipeline.sandbox.github import shapes
from pipeline.sandbox.github.routing import REPO, GitHubCall, Route
from pipeline.sandbox.github.state import Account, GitHubState, HostedTeam
from pipeline.sandbox.github.wire import (
    Json,
    Response,
    as_json,
    forbidden,
    node_id,
    not_found,
    page,
)
from pipeline.values.canonical import timestamp

RATE_LIMIT = 5000
"""Requests an hour that answers tell of. The stand-in counts but never throttles."""

_PERMISSION = {"maintain": "write", "triage": "read"}


def _profile(call: GitHubCall, account: Account) -> Json:
    return {
        **shapes.user(call, account),
        "name": account.login,
        "company": None,
        "blog": None,
        "location": None,
        "email": None,
        "hireable": None,
        "bio": None,
        "public_repos": 0,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": timestamp(account.created_at),
        "updated_at": timestamp(account.created_at),
    }


def get_me(call: GitHubCall) -> Response:
    """The account of a person's token; an App's token has none."""
    if call.actor.type == "Bot":
        raise forbidden()
    private = {
        "user_view_type": "private",
        "private_gists": 0,
        "total_private_repos": 0,
        "owned_private_repos": 0,
        "disk_usage": 0,
        "collaborators": 0,
        "two_factor_authentication": True,
    }
    return as_json({**_profile(call, call.actor), **private})


def get_user(call: GitHubCall) -> Response:
    """An account by its login."""
    account = call.world.account(call.args["username"])
    if account is None:
        raise not_found()
    return as_json(_profile(call, account))


def get_user_by_id(call: GitHubCall) -> Response:
    """An account by its id, which outlives its login."""
    try:
        account = call.world.account_by_id(call.number("account_id"))
    except KeyError:
        raise not_found() from None
    if account.deleted:
        raise not_found()
    return as_json(_profile(call, account))


def get_app(call: GitHubCall) -> Response:
    """An App by its slug."""
    app = call.world.apps.get(call.args["app_slug"].lower())
    if app is None:
        raise not_found()
    return as_json(shapes.app(call, app))


def installation_repositories(call: GitHubCall) -> Response:
    """The repositories that an installation token reaches."""
    if call.viewer is None or call.viewer.app is None:
        raise forbidden("You must authenticate with an installation access token.")
    owner = call.viewer.app.owner
    rows = [row for row in call.world.repositories.values() if row.owner is owner]
    shown, links = page(call.here, call.request, rows, lambda row: shapes.repository(call, row))
    return as_json({"total_count": len(rows), "repositories": shown}, headers=links)


def get_repository(call: GitHubCall) -> Response:
    """The repository."""
    return as_json(shapes.full_repository(call, call.repository))


def permission(call: GitHubCall) -> Response:
    """What a user may do in the repository; `none` for someone without access."""
    account = call.world.account(call.args["username"])
    if account is None:
        raise not_found()
    role = call.world.role(call.repository, account)
    level = _PERMISSION.get(role, role)
    ladder = ("read", "triage", "write", "maintain", "admin")
    has = ladder[: ladder.index(role) + 1] if role in ladder else ()
    names = ("pull", "triage", "push", "maintain", "admin")
    held = {name: step in has for name, step in zip(names, ladder, strict=True)}
    user = {**shapes.user(call, account), "permissions": held, "role_name": role}
    return as_json({"permission": level, "role_name": role, "user": user})


def oidc_subject(call: GitHubCall) -> Response:
    """How the subject of workflow tokens is built: GitHub's default."""
    return as_json({"use_default": True})


def _organization(call: GitHubCall) -> Account:
    account = call.world.account(call.args["org"])
    if account is None or account.type != "Organization":
        raise not_found()
    return account


def _organization_json(call: GitHubCall, org: Account) -> Json:
    """*organization-full*, of which teams show all but nothing more."""
    url = f"{call.base}/orgs/{org.login}"
    return {
        "login": org.login,
        "id": org.id,
        "node_id": node_id("Organization", org.id),
        "url": url,
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events",
        "hooks_url": f"{url}/hooks",
        "issues_url": f"{url}/issues",
        "members_url": f"{url}/members{{/member}}",
        "public_members_url": f"{url}/public_members{{/member}}",
        "avatar_url": f"{call.site}/avatars/{org.id}",
        "description": None,
        "has_organization_projects": False,
        "has_repository_projects": False,
        "public_repos": 0,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "html_url": f"{call.site}/{org.login}",
        "type": "Organization",
        "created_at": timestamp(org.created_at),
        "updated_at": timestamp(org.created_at),
        "archived_at": None,
    }


def get_organization(call: GitHubCall) -> Response:
    """An organization."""
    return as_json(_organization_json(call, _organization(call)))


def _sees_teams(call: GitHubCall, org: Account) -> bool:
    """Teams are seen by the organization's members and by Apps that may read members."""
    viewer = call.viewer
    if viewer is None:
        return False
    if viewer.app is not None:
        return viewer.app.owner is org
    return viewer.account.id in call.world.members.get(org.login.lower(), set())


def _team(call: GitHubCall) -> HostedTeam:
    org = _organization(call)
    team = call.world.team(org.login, call.args["team_slug"])
    if team is None or not _sees_teams(call, org):
        raise not_found()
    return team


def family(world: GitHubState, team: HostedTeam) -> list[HostedTeam]:
    """Returns a team and every team below it."""
    found = [team]
    for member in found:
        found += [child for child in world.teams.values() if child.parent is member]
    return found


def memberships(world: GitHubState, team: HostedTeam) -> dict[int, str]:
    """Returns who is in a team, child teams included: account id to `active` or `pending`."""
    states: dict[int, str] = {}
    for member_of in family(world, team):
        for number, state in member_of.members.items():
            if states.get(number) != "active":
                states[number] = state
    return states


def get_team(call: GitHubCall) -> Response:
    """A team in full."""
    team = _team(call)
    parent = shapes.team(call, team.parent) if team.parent else None
    active = [state for state in memberships(call.world, team).values() if state == "active"]
    return as_json(
        {
            **shapes.team(call, team),
            "parent": parent,
            "members_count": len(active),
            "repos_count": 0,
            "created_at": timestamp(team.created_at),
            "updated_at": timestamp(team.created_at),
            "organization": _organization_json(call, team.org),
        }
    )


def list_teams(call: GitHubCall) -> Response:
    """An organization's teams."""
    org = _organization(call)
    if not _sees_teams(call, org):
        raise forbidden("Must be a member of the organization.")
    rows = [team for team in call.world.teams.values() if team.org is org]

    def show(team: HostedTeam) -> Json:
        parent = shapes.team(call, team.parent) if team.parent else None
        return {**shapes.team(call, team), "parent": parent}

    shown, links = page(call.here, call.request, rows, show)
    return as_json(shown, headers=links)


def team_members(call: GitHubCall) -> Response:
    """A team's active members, child teams' included."""
    team = _team(call)
    rows = [
        call.world.account_by_id(number)
        for number, state in memberships(call.world, team).items()
        if state == "active"
    ]
    shown, links = page(call.here, call.request, rows, lambda row: shapes.user(call, row))
    return as_json(shown, headers=links)


def team_membership(call: GitHubCall) -> Response:
    """A user's membership, by this team or a child team; 404 where there is none."""
    team = _team(call)
    account = call.world.account(call.args["username"])
    state = memberships(call.world, team).get(account.id) if account else None
    if account is None or state is None:
        raise not_found()
    url = f"{shapes.team(call, team)['url']}/memberships/{account.login}"
    return as_json({"url": url, "role": "member", "state": state})


def rate_limit(call: GitHubCall) -> Response:
    """The limits, which never shrink here."""
    reset = int(call.now.timestamp()) + 3600
    rate = {"limit": RATE_LIMIT, "used": 0, "remaining": RATE_LIMIT, "reset": reset}
    return as_json({"resources": {"core": rate, "search": rate}, "rate": rate})


def meta(_: GitHubCall) -> Response:
    """The least that GitHub tells of itself."""
    return as_json({"verifiable_password_authentication": False})


_TEAM = "/orgs/{org}/teams/{team_slug}"
_MEMBERS = ("members",)

ROUTES = (
    Route(method="GET", template="/user", operation="users/get-authenticated", handler=get_me),
    Route(method="GET", template="/users/{username}", operation="users/get-by-username",
          handler=get_user),
    Route(method="GET", template="/user/{account_id}", operation="users/get-by-id",
          handler=get_user_by_id),
    Route(method="GET", template="/apps/{app_slug}", operation="apps/get-by-slug",
          handler=get_app),
    Route(method="GET", template="/installation/repositories",
          operation="apps/list-repos-accessible-to-installation",
          handler=installation_repositories),
    Route(method="GET", template="/rate_limit", operation="rate-limit/get", handler=rate_limit),
    Route(method="GET", template="/meta", operation="meta/get", handler=meta),
    Route(method="GET", template=REPO, operation="repos/get", handler=get_repository),
    Route(method="GET", template=f"{REPO}/collaborators/{{username}}/permission",
          operation="repos/get-collaborator-permission-level", handler=permission),
    Route(method="GET", template=f"{REPO}/actions/oidc/customization/sub",
          operation="actions/get-custom-oidc-sub-claim-for-repo", handler=oidc_subject,
          app=("actions",)),
    Route(method="GET", template="/orgs/{org}", operation="orgs/get", handler=get_organization),
    Route(method="GET", template="/orgs/{org}/teams", operation="teams/list",
          handler=list_teams, app=_MEMBERS),
    Route(method="GET", template=_TEAM, operation="teams/get-by-name",
          handler=get_team, app=_MEMBERS),
    Route(method="GET", template=f"{_TEAM}/members", operation="teams/list-members-in-org",
          handler=team_members, app=_MEMBERS),
    Route(method="GET", template=f"{_TEAM}/memberships/{{username}}",
          operation="teams/get-membership-for-user-in-org", handler=team_membership,
          app=_MEMBERS),
)  # fmt: skip
