"""The formats of grants and principals: one table of fields per kind of file.

Targets and roles are in `tables`, calendars and what else the catalogue holds in
`timetables`. The parser reads by these tables and `schema` describes
them, so neither can know a key that the other does not.
"""

from __future__ import annotations

from pipeline.reading.fields import Case, Field, ListOf, MapOf, Object
from pipeline.reading.patterns import VALUE_LIMIT
from pipeline.reading.scalars import NAME, Choice, Duration, Flag, Moment, Number, Text, name_of
from pipeline.values.catalogue import Mfa, PrincipalKind

ACCESS_LIMIT = 20
"""Lines of one grant: what a reviewer still reads, and one run applies as a whole."""

GUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_EMAIL = r"[a-z0-9._%+'-]{1,64}@(?:[a-z0-9-]{1,63}\.)+[a-z0-9-]{2,63}"

PRINCIPAL_NAME = name_of("the name of a principal")
PARAMETER_NAME = Text(
    expected="the name of a parameter: a-z, 0-9 and _, up to 32 characters",
    pattern=r"[a-z][a-z0-9_]{0,31}",
    longest=32,
    literal=True,
)

TARGET_ID = Text(
    expected="a target: aws/, azure/ or gcp/ and its name",
    pattern=rf"(?:aws|azure|gcp)/{NAME}",
    longest=70,
    literal=True,
)

_ACCESS = Object(
    about="One role on one target; further keys are parameters of the role.",
    fields=(
        Field(
            name="target",
            kind=TARGET_ID,
            about="cloud and name of a target, such as aws/payments-prod",
        ),
        Field(name="role", kind=name_of("the name of a role"), about="a role of that cloud"),
    ),
    extra=MapOf(
        key=PARAMETER_NAME,
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
        Field(name="subject", kind=PRINCIPAL_NAME, about="who gets access; equals the folder"),
        Field(
            name="reason",
            kind=Text(expected="why, in one line", shortest=3, longest=1000, whole=True),
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
            kind=PRINCIPAL_NAME,
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
                pattern=GUID,
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
            kind=PRINCIPAL_NAME,
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
