"""The formats of `access/`: one table of fields per kind of file.

The parser reads by these tables and `schema` describes them, so neither can know a key
that the other does not.
"""

from __future__ import annotations

from pipeline.grants.fields import (
    NAME,
    Case,
    Choice,
    Duration,
    Field,
    Flag,
    Kind,
    ListOf,
    MapOf,
    Moment,
    Number,
    Object,
    Tag,
    Text,
    name_of,
)
from pipeline.grants.patterns import PATTERN_LIMIT, VALUE_LIMIT
from pipeline.model import AwsMechanism, Cloud, Expiry, Mfa, PrincipalKind, Risk

ACCESS_LIMIT = 20
"""Lines of one grant: what a reviewer still reads, and one run applies as a whole."""

_GUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_PROJECT = r"[a-z][a-z0-9-]{4,28}[a-z0-9]"
_EMAIL = r"[a-z0-9._%+'-]{1,64}@(?:[a-z0-9-]{1,63}\.)+[a-z0-9-]{2,63}"

_PRINCIPAL_NAME = name_of("the name of a principal")
_PARAMETER_NAME = Text(
    expected="the name of a parameter: a-z, 0-9 and _, up to 32 characters",
    pattern=r"[a-z][a-z0-9_]{0,31}",
    longest=32,
    literal=True,
)
_TEAM = Text(
    expected="the slug of a GitHub team, such as payments-leads",
    pattern=r"[a-z0-9][a-z0-9_-]{0,99}",
    longest=100,
    literal=True,
)

_ACCESS = Object(
    about="One role on one target; further keys are parameters of the role.",
    fields=(
        Field(
            name="target",
            kind=Text(
                expected="a target: aws/, azure/ or gcp/ and its name",
                pattern=rf"(?:aws|azure|gcp)/{NAME}",
                longest=70,
                literal=True,
            ),
            about="cloud and name of a target, such as aws/payments-prod",
        ),
        Field(name="role", kind=name_of("the name of a role"), about="a role of that cloud"),
    ),
    extra=MapOf(
        key=_PARAMETER_NAME,
        item=Text(
            # Wildcards and braces would widen what the role's author wrote around them.
            expected="printable ASCII without spaces, quotes or any of * ? $ { }",
            pattern=r"[!#%&()+,\-./0-9:;<=>@A-Z\[\]^_a-z|~]+",
            longest=VALUE_LIMIT,
            literal=True,
        ),
        most=10,
    ),
)

GRANT = Object(
    about="A grant: who gets which access, why and for how long.",
    fields=(
        Field(
            name="version",
            kind=Number(least=1, most=1),
            about="version of this format; 1 is implied",
            required=False,
        ),
        Field(name="subject", kind=_PRINCIPAL_NAME, about="who gets access; equals the folder"),
        Field(
            name="reason",
            kind=Text(expected="why, in one line", shortest=3, longest=1000),
            about="why, for reviewers and auditors, in one line",
        ),
        Field(
            name="ticket",
            kind=Text(
                expected="a ticket such as PAY-1423 or a link, without spaces",
                pattern=r"[A-Za-z0-9#][A-Za-z0-9#:/?&=%+~._-]*",
                longest=200,
                literal=True,
            ),
            about="the ticket or incident behind it",
            required=False,
        ),
        Field(name="duration", kind=Duration(), about="how long: 30m, 2h, 1h30m or 3d"),
        Field(
            name="start",
            kind=Moment(),
            about="when it starts, with offset; without it, at the merge",
            required=False,
        ),
        Field(
            name="access",
            kind=ListOf(item=_ACCESS, most=ACCESS_LIMIT),
            about="the roles and the targets they are asked on",
        ),
        Field(
            name="emergency",
            kind=Flag(),
            about="break-glass: merges first, is reviewed afterwards",
            required=False,
        ),
        Field(
            name="requested_by",
            kind=_PRINCIPAL_NAME,
            about="the person that the App opened the pull request for",
            required=False,
        ),
    ),
)

_BY_PROVIDER = Choice(words=(Mfa.IDENTITY_PROVIDER,))
_PROVIDER_MFA = Field(
    name="mfa", kind=_BY_PROVIDER, about="who proves a second factor", required=False
)

_AWS_IDENTITY = Object(
    about="An SSO session of the home account, or an IAM user or role.",
    fields=(
        Field(
            name="session_name",
            kind=Text(
                expected="an SSO session name: letters, digits and + = , . @ _ -",
                pattern=r"[A-Za-z0-9+=,.@_-]{2,64}",
                longest=64,
                literal=True,
            ),
            about="session name of the SSO user",
            required=False,
        ),
        Field(
            name="home",
            kind=name_of("the name of an AWS target"),
            about="AWS target whose account holds the SSO roles",
            required=False,
        ),
        Field(
            name="arn",
            kind=Text(
                expected="the ARN of an IAM user or role",
                pattern=r"arn:aws(?:-cn|-us-gov)?:iam::[0-9]{12}:(?:user|role)/"
                r"(?:[A-Za-z0-9+=,.@_-]+/)*[A-Za-z0-9+=,.@_-]{1,64}",
                longest=600,
                literal=True,
            ),
            about="ARN of the IAM user or role",
            required=False,
        ),
        Field(
            name="mfa",
            kind=Choice(words=tuple(Mfa)),
            about="who proves a second factor: aws for IAM users, else identity-provider",
            required=False,
        ),
    ),
    one_of=(("session_name", "home"), ("arn",)),
)
_AZURE_IDENTITY = Object(
    about="An Entra user or service principal.",
    fields=(
        Field(
            name="object_id",
            kind=Text(
                expected="an Entra object id: a GUID in lower case",
                pattern=_GUID,
                longest=36,
                literal=True,
            ),
            about="object id, not the application's id",
        ),
        Field(
            name="type", kind=Choice(words=("User", "ServicePrincipal")), about="what the object is"
        ),
        _PROVIDER_MFA,
    ),
)
_GCP_IDENTITY = Object(
    about="A Google user or service account.",
    fields=(
        Field(
            name="member",
            kind=Text(
                expected="user: or serviceAccount: and an address in lower case",
                pattern=rf"(?:user|serviceAccount):{_EMAIL}",
                longest=320,
                literal=True,
            ),
            about="member as IAM writes it, in quotes",
        ),
        _PROVIDER_MFA,
    ),
)

PRINCIPAL = Object(
    about="A person or a workload that may be given access.",
    fields=(
        Field(
            name="kind",
            kind=Choice(words=tuple(PrincipalKind)),
            about="person or workload; only people approve",
        ),
        Field(
            name="github",
            kind=Text(
                expected="a GitHub login",
                pattern=r"[A-Za-z0-9][A-Za-z0-9_-]{0,38}",
                longest=39,
                literal=True,
            ),
            about="GitHub login",
            required=False,
        ),
        Field(
            name="github_id",
            kind=Number(least=1, most=2**53 - 1),
            about="GitHub id: logins can be taken over, ids cannot",
            required=False,
        ),
        Field(
            name="owner",
            kind=_PRINCIPAL_NAME,
            about="the person who answers for a workload",
            required=False,
        ),
        Field(
            name="disabled",
            kind=Flag(),
            about="true ends all access of this principal",
            required=False,
        ),
        Field(
            name="identities",
            kind=Object(
                about="Who this principal is in each cloud.",
                fields=(
                    Field(name="aws", kind=_AWS_IDENTITY, about="in AWS", required=False),
                    Field(name="azure", kind=_AZURE_IDENTITY, about="in Azure", required=False),
                    Field(name="gcp", kind=_GCP_IDENTITY, about="in Google Cloud", required=False),
                ),
            ),
            about="who this principal is in each cloud",
            required=False,
        ),
    ),
    cases=(
        Case(
            name="kind",
            value=PrincipalKind.PERSON,
            needs=("github", "github_id"),
            refuses=("owner",),
        ),
        Case(
            name="kind",
            value=PrincipalKind.WORKLOAD,
            needs=("owner",),
            refuses=("github", "github_id"),
        ),
    ),
)

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
            pattern=_GUID,
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
                    about="GitHub teams that approve for it",
                ),
                Field(
                    name="tags",
                    kind=MapOf(key=_PARAMETER_NAME, item=Tag(), most=50),
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

_PERMISSIONS: dict[Cloud, Kind] = {
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
                    pattern=_GUID,
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
        key=_PARAMETER_NAME,
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
                Field(name="permissions", kind=_PERMISSIONS[cloud], about="what the cloud gives"),
            ),
        ),
        most=2000,
    )


ROLES: dict[Cloud, MapOf] = {cloud: _roles(cloud) for cloud in Cloud}
"""`access/roles/<cloud>.yaml`."""
