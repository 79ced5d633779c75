"""The first files of an organisation's catalogue, with comments that say what to put where."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pipeline.grants.schema import editor_line
from pipeline.grants.tables import LOCATORS
from pipeline.grants.teams import TEAMS_FILE
from pipeline.grants.write import HEAD, Lines, quoted, yaml_word
from pipeline.values.ids import Cloud

_CALLED = {
    Cloud.AWS: "AWS accounts",
    Cloud.AZURE: "Azure subscriptions",
    Cloud.GCP: "Google Cloud projects",
}


def person_path(name: str) -> str:
    """Returns where the file of the principal *name* lies."""
    return f"access/principals/{name}.yaml"


def targets_path(cloud: Cloud) -> str:
    """Returns where the targets of *cloud* are listed."""
    return f"access/targets/{cloud}.yaml"


def person_lines(name: str, *, github: str, github_id: str) -> Lines:
    """Returns the file of a person whose identities are still to be written, whatever is given.

    Its lines are called `github` and `github_id`.
    """
    return (
        (HEAD, str(editor_line(person_path(name)))),
        ("", "# A file for each person and each workload, named as grants name them."),
        ("", "kind: person"),
        ("github", f"github: {yaml_word(github)}"),
        # Anything but digits in quotes, where the parser refuses it as what it is.
        ("github_id", f"github_id: {github_id if _digits(github_id) else quoted(github_id)}"),
        ("", "# Who that is in each cloud: correct the lines of those where access is ever asked,"),
        ("", "# take away their #, and remove the others. home is the target in"),
        ("", "# access/targets/aws.yaml whose account holds the SSO roles; mfa says who proves a"),
        ("", "# second factor. Other forms, and workloads: access/README.md."),
        ("", "#identities:"),
        ("", "#  aws: {session_name: me@example.com, home: TARGET, mfa: identity-provider}"),
        ("", "#  azure: {object_id: GUID, type: User, mfa: identity-provider}"),
        ("", '#  gcp: {member: "user:me@example.com", mfa: identity-provider}'),
    )


def target_lines(
    cloud: Cloud, locators: Mapping[str, str], *, environment: str, owner: str
) -> Lines:
    """Returns the file of targets of *cloud*, from name to locator, whatever is given.

    Its lines are called `targets.<name>`, `environment` and `owner`.
    """
    locator = LOCATORS[cloud]
    found = [
        (HEAD, str(editor_line(targets_path(cloud)))),
        ("", f"# {_CALLED[cloud]} that access can be asked on."),
        ("", f"#   {locator.name}: {locator.about}"),
        ("", "#   environment: policies set limits by it"),
        ("", f"#   owners: teams of {TEAMS_FILE} that approve"),
        ("", f"# What can be granted there: access/roles/{cloud}.yaml. More: access/README.md."),
    ]
    for name, value in locators.items():
        # An account number without quotes would be a number to other readers.
        said = quoted(value) if cloud is Cloud.AWS else yaml_word(value)
        found += [
            (f"targets.{name}", f"{yaml_word(name)}:"),
            (f"targets.{name}", f"  {locator.name}: {said}"),
            ("environment", f"  environment: {yaml_word(environment)}"),
            ("owner", f"  owners: [{yaml_word(owner)}]"),
        ]
    return tuple(found)


def team_lines(slug: str, *, number: str) -> Lines:
    """Returns the file of teams with the team *slug*, whose id is *number*, whatever is given.

    Its lines are called `team` and `team_id`.
    """
    return (
        (HEAD, str(editor_line(TEAMS_FILE))),
        ("", "# Every GitHub team that owners and policies/settings name, by its slug. Nobody is"),
        ("", "# in another one: a slug can be taken over, an id cannot. gh api"),
        ("", "# orgs/ORG/teams/SLUG tells the id; title says who they are."),
        ("team", f"{yaml_word(slug)}:"),
        ("team_id", f"  id: {number if _digits(number) else quoted(number)}"),
        ("team", f"  title: {yaml_word(slug)}"),
    )


def _digits(text: str) -> bool:
    return re.fullmatch(r"[0-9]+", text, re.ASCII) is not None
