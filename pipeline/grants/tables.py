"""The formats of teams, targets and roles, the latter two per cloud; see `forms`."""

from __future__ import annotations

from pipeline.grants.forms import GUID, PARAMETER_NAME
from pipeline.reading.fields import Field, ListOf, MapOf, Object
from pipeline.reading.patterns import PATTERN_LIMIT
from pipeline.reading.scalars import Choice, Duration, FieldKind, Flag, Number, Tag, Text, name_of
from pipeline.values.catalogue import AwsMechanism, Expiry, Risk
from pipeline.values.ids import Cloud

TABLE_LIMIT = 1024 * 1024
"""Bytes of a file of teams, targets, roles or standing access: thousands of entries."""

TABLE_NODES = 200_000
"""Scalars, lists and maps of such a file."""

_PROJECT = r"[a-z][a-z0-9-]{4,28}[a-z0-9]"
_TEAM = Text(
    expected="the slug of a GitHub team, such as payments-leads",
    pattern=r"[a-z0-9][a-z0-9_-]{0,99}",
    longest=100,
    literal=True,
)

TEAMS = MapOf(
    key=_TEAM,
    item=Object(
        about="A GitHub team that owners and settings may name.",
        fields=(
            Field(
                name="id",
                kind=Number(least=1, most=2**53 - 1),
                about="its number at GitHub, which nobody can take over",
            ),
            Field(
                name="title",
                kind=Text(expected="who the team is, in one line", longest=120),
                about="who they are, for people",
            ),
        ),
    ),
    most=2000,
)
"""`access/teams.yaml`."""

LOCATORS: dict[Cloud, Field] = {
    Cloud.AWS: Field(
        name="account",
        kind=Text(
            expected="an account number: 12 digits in quotes",
            pattern=r"[0-9]{12}",
            longest=12,
            quoted=True,
            literal=True,
        ),
        about="account number, 12 digits in quotes",
    ),
    Cloud.AZURE: Field(
        name="subscription",
        kind=Text(
            expected="a subscription id: a GUID in lower case",
            pattern=GUID,
            longest=36,
            literal=True,
        ),
        about="subscription id",
    ),
    Cloud.GCP: Field(
        name="project",
        kind=Text(
            expected="a project id (not its number): 6 to 30 of a-z, 0-9 and -",
            pattern=_PROJECT,
            longest=30,
            literal=True,
        ),
        about="project id",
    ),
}


def _targets(cloud: Cloud) -> MapOf:
    return MapOf(
        key=name_of("the name of a target"),
        item=Object(
            fields=(
                LOCATORS[cloud],
                Field(
                    name="environment",
                    kind=name_of("the name of an environment"),
                    about="prod, dev, …: policies set limits by it",
                ),
                Field(
                    name="owners",
                    kind=ListOf(item=_TEAM, most=20),
                    about="teams that approve for it, of those in access/teams.yaml",
                ),
                Field(
                    name="tags",
                    kind=MapOf(key=PARAMETER_NAME, item=Tag(), most=50),
                    about="facts for policies",
                    required=False,
                ),
                Field(
                    name="expiry",
                    kind=Choice(words=tuple(Expiry)),
                    about="what ends access: the cloud, or only this pipeline",
                    required=False,
                ),
            ),
        ),
        most=5000,
    )


TARGETS: dict[Cloud, MapOf] = {cloud: _targets(cloud) for cloud in Cloud}
"""`access/targets/<cloud>.yaml`."""

_PERMISSIONS: dict[Cloud, FieldKind] = {
    Cloud.AWS: Object(
        about="Actions on resources, given by a role of the grant's own.",
        fields=(
            Field(
                name="mechanism",
                kind=Choice(words=tuple(AwsMechanism)),
                about="how AWS access is given; role is implied",
                required=False,
            ),
            Field(
                name="actions",
                kind=ListOf(
                    item=Text(
                        expected="an action such as s3:GetObject, or * for all",
                        pattern=r"\*|[a-z0-9-]{1,64}:[A-Za-z0-9*?]{1,128}",
                        longest=200,
                        literal=True,
                    ),
                    most=200,
                ),
                about="IAM actions",
            ),
            Field(
                name="resources",
                kind=ListOf(
                    item=Text(
                        expected="* or an ARN, with {account} and {parameter} where they vary",
                        pattern=r"\*|arn:[!#%&()*+,\-./0-9:;<=>?@A-Z\[\]_a-z{}|~]+",
                        longest=600,
                        literal=True,
                    ),
                    most=100,
                ),
                about="ARNs; {account} and the role's parameters are filled in",
            ),
        ),
    ),
    Cloud.AZURE: Object(
        about="An Azure role definition.",
        fields=(
            Field(
                name="role_definition_id",
                kind=Text(
                    expected="the GUID of a role definition, in lower case, without scope",
                    pattern=GUID,
                    longest=36,
                    literal=True,
                ),
                about="GUID of the role definition, without scope",
            ),
        ),
    ),
    Cloud.GCP: Object(
        about="A Google role.",
        fields=(
            Field(
                name="role",
                kind=Text(
                    expected="a Google role such as roles/logging.viewer",
                    pattern=rf"(?:projects/{_PROJECT}/|organizations/[0-9]{{1,20}}/)?"
                    r"roles/[A-Za-z0-9_.]{1,64}",
                    longest=160,
                    literal=True,
                ),
                about="predefined or custom role that accepts conditions",
            ),
        ),
    ),
}

_PARAMETERS = Field(
    name="parameters",
    kind=MapOf(
        key=PARAMETER_NAME,
        item=Text(
            expected="a regular expression", longest=PATTERN_LIMIT, pattern=r"[ -~]+", literal=True
        ),
        most=10,
    ),
    about="name and regular expression; a value must match in full",
    required=False,
)


def _roles(cloud: Cloud) -> MapOf:
    return MapOf(
        key=name_of("the name of a role"),
        item=Object(
            fields=(
                Field(
                    name="title",
                    kind=Text(expected="what the role allows, in one line", longest=120),
                    about="what it allows, for people",
                ),
                Field(
                    name="risk",
                    kind=Choice(words=tuple(Risk)),
                    about="how much harm it can do; decides who must approve",
                ),
                Field(name="max_duration", kind=Duration(), about="the longest grant: 30m, 2h, 3d"),
                Field(
                    name="mfa",
                    kind=Choice(words=("required", "none")),
                    about="whether the identity must declare a second factor",
                    required=False,
                ),
                # Only AWS resources have a place where a parameter could limit anything.
                *((_PARAMETERS,) if cloud is Cloud.AWS else ()),
                Field(
                    name="interactive",
                    kind=Flag(),
                    about="true where it opens a session for a person: never for workloads",
                    required=False,
                ),
                Field(name="permissions", kind=_PERMISSIONS[cloud], about="what the cloud gives"),
            ),
        ),
        most=2000,
    )


ROLES: dict[Cloud, MapOf] = {cloud: _roles(cloud) for cloud in Cloud}
"""`access/roles/<cloud>.yaml`."""
