"""What the catalogue may say, and where what it may not say is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import InvalidInput
from pipeline.grants.catalogue import entitlements, load_catalogue
from pipeline.grants.parse import parse_grant
from pipeline.grants.tables import TABLE_LIMIT
from pipeline.reading.patterns import matches, pattern_problem
from pipeline.values.catalogue import (
    AwsIdentity,
    AwsPermissions,
    AzureIdentity,
    AzurePermissions,
    Catalogue,
    Expiry,
    GcpIdentity,
    GcpPermissions,
    Mfa,
    PrincipalKind,
    Risk,
)
from pipeline.values.grant import Grant
from pipeline.values.ids import Cloud, RoleId, TargetId

ASSETS = Path(__file__).parents[2] / "pipeline" / "sandbox" / "acme" / "access"
SHIPPED = Path(__file__).parents[2] / "access"

ALICE = "access/principals/alice.yaml"
BOT = "access/principals/bot.yaml"
NEW = "access/principals/new.yaml"
AWS_TARGETS = "access/targets/aws.yaml"
GCP_TARGETS = "access/targets/gcp.yaml"
AZURE_TARGETS = "access/targets/azure.yaml"
TEAMS = "access/teams.yaml"
AWS_ROLES = "access/roles/aws.yaml"
GCP_ROLES = "access/roles/gcp.yaml"
AZURE_ROLES = "access/roles/azure.yaml"

PERSON = "kind: person\ngithub: new\ngithub_id: 77\n"
WORKLOAD = "kind: workload\nowner: alice\n"
ROLE = "reads:\n  title: Reads\n  risk: low\n  max_duration: 1h\n"


def tree(folder: Path) -> dict[str, bytes]:
    """Returns the files below *folder* by repository path."""
    return {
        f"access/{file.relative_to(folder).as_posix()}": file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def told(files: dict[str, str | bytes]) -> list[tuple[str, int, int, str]]:
    """Returns path, line, column and code of each problem once *files* join the good tree."""
    raw = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
    problems = load_catalogue(tree(ASSETS) | raw)[1]
    return [(found.path, found.line, found.column, found.code) for found in problems]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """Returns the miniature catalogue."""
    found, problems = load_catalogue(tree(ASSETS))
    assert not problems
    return found


def test_people_and_workloads_are_loaded(catalogue: Catalogue) -> None:
    alice = catalogue.principals["alice"]
    bot = catalogue.principals["ledger-bot"]

    assert set(catalogue.principals) == {
        *("alice", "bob", "carol", "dave", "erin", "mallory", "ledger-bot")
    }
    assert (alice.kind, alice.github, alice.github_id) == (PrincipalKind.PERSON, "alice", 1001)
    assert alice.aws == AwsIdentity(
        session_name="alice@example.com", home="identity-prod", mfa=Mfa.IDENTITY_PROVIDER
    )
    assert isinstance(alice.azure, AzureIdentity)
    assert alice.azure.type == "User"
    assert alice.gcp == GcpIdentity(member="user:alice@example.com", mfa=Mfa.IDENTITY_PROVIDER)
    assert (bot.kind, bot.owner, bot.github_id) == (PrincipalKind.WORKLOAD, "alice", None)
    assert catalogue.person(1001) is alice


def test_targets_are_loaded(catalogue: Catalogue) -> None:
    target = catalogue.targets[TargetId("aws/payments-prod")]

    assert len(catalogue.targets) == 7
    assert target.cloud is Cloud.AWS
    assert target.locator == "111122223333"
    assert target.environment == "prod"
    assert target.owners == ("payments-leads",)
    assert target.tags == (("pci", "true"),)
    assert target.expiry is Expiry.CLOUD


def test_roles_are_loaded(catalogue: Catalogue) -> None:
    role = catalogue.roles[RoleId("aws/ec2-terminate")]

    assert len(catalogue.roles) == 8
    assert role.risk is Risk.HIGH
    assert role.max_duration == 3600
    assert role.mfa_required
    assert role.parameters == (("resource", "i-[0-9a-f]{8,17}"),)
    assert role.permissions == AwsPermissions(
        actions=("ec2:TerminateInstances",),
        resources=("arn:aws:ec2:*:{account}:instance/{resource}",),
    )
    assert catalogue.roles[RoleId("gcp/log-viewer")].permissions == GcpPermissions(
        role="roles/logging.viewer"
    )
    assert catalogue.roles[RoleId("azure/reader")].permissions == AzurePermissions(
        role_definition_id="acdd72a7-3385-48ef-bd42-f606fba81ae7"
    )


def test_the_shipped_catalogue_is_good_and_grants_nothing() -> None:
    files = tree(SHIPPED)
    _, problems = load_catalogue(files)

    assert not problems
    assert not [path for path in files if path.startswith("access/grants/")]


def test_an_empty_catalogue_is_no_problem() -> None:
    found, problems = load_catalogue({})

    assert (dict(found.principals), dict(found.targets), dict(found.roles)) == ({}, {}, {})
    assert not problems


def test_files_outside_the_catalogue_are_passed_over() -> None:
    others: dict[str, str | bytes] = {
        "access/grants/alice/x.yaml": "broken: [",
        "access/README.md": b"\xff",
        "access/schemas/grant.schema.json": "{}",
        "README.md": "",
        "policies/x.rego": "",
    }

    assert told(others) == []


BAD: list[tuple[str, str, str | bytes, tuple[int, int, str]]] = [
    ("unknown folder", "access/principal/alice.yaml", PERSON, (1, 1, "unknown-file")),
    ("unknown cloud", "access/targets/oci.yaml", "", (1, 1, "unknown-file")),
    ("unknown suffix", "access/roles/aws.yml", "", (1, 1, "unknown-file")),
    ("notes", "access/principals/README.md", "", (1, 1, "unknown-file")),
    ("deeper", "access/principals/x/new.yaml", PERSON, (1, 1, "unknown-file")),
    ("upper case", "access/principals/New.yaml", PERSON, (1, 1, "unknown-file")),
    ("empty", NEW, "", (1, 1, "empty-file")),
    ("big", NEW, PERSON + "#" * 70_000, (1, 1, "file-size")),
    ("big table", AWS_TARGETS, b"#" * (TABLE_LIMIT + 1), (1, 1, "file-size")),
    ("no kind", NEW, "github: new\ngithub_id: 77\n", (1, 1, "missing-key")),
    ("unknown kind", NEW, PERSON.replace("person", "persn"), (1, 7, "choice")),
    ("kind as list", NEW, PERSON.replace("person", "[person]"), (1, 7, "wrong-type")),
    ("person without id", NEW, "kind: person\ngithub: new\n", (1, 1, "missing-key")),
    ("person without login", NEW, "kind: person\ngithub_id: 77\n", (1, 1, "missing-key")),
    ("person with owner", NEW, PERSON + "owner: alice\n", (4, 8, "misplaced-key")),
    ("workload without owner", BOT, "kind: workload\n", (1, 1, "missing-key")),
    ("workload with login", BOT, WORKLOAD + "github: bot\n", (3, 9, "misplaced-key")),
    ("unknown owner", BOT, WORKLOAD.replace("alice", "alicia"), (2, 8, "unknown-principal")),
    ("nobody's like", BOT, WORKLOAD.replace("alice", "zzzzzz"), (2, 8, "unknown-principal")),
    ("workload as owner", BOT, WORKLOAD.replace("alice", "ledger-bot"), (2, 8, "not-a-person")),
    ("own owner", BOT, WORKLOAD.replace("alice", "bot"), (2, 8, "not-a-person")),
    ("odd login", NEW, PERSON.replace(": new", ": new user"), (2, 9, "form")),
    ("id as text", NEW, PERSON.replace("77", "'77'"), (3, 12, "wrong-type")),
    ("id 0", NEW, PERSON.replace("77", "0"), (3, 12, "wrong-type")),
    ("id octal", NEW, PERSON.replace("77", "077"), (3, 12, "wrong-type")),
    ("id with sign", NEW, PERSON.replace("77", "+77"), (3, 12, "wrong-type")),
    ("huge id", NEW, PERSON.replace("77", "9" * 5000), (3, 12, "wrong-type")),
    ("same id", NEW, PERSON.replace("77", "1006"), (3, 12, "duplicate")),
    ("same login", NEW, PERSON.replace(": new", ": MALLORY"), (2, 9, "duplicate")),
    ("disabled maybe", NEW, PERSON + "disabled: maybe\n", (4, 11, "wrong-type")),
    ("unknown key", NEW, PERSON + "gitub: x\n", (4, 1, "unknown-key")),
    *(
        (f"identity {what}", path, f"{text}identities: {{{identity}}}\n", (4, column, code))
        for what, path, text, identity, column, code in [
            ("in a cloud unknown", NEW, PERSON, "oci: {}", 14, "unknown-key"),
            ("empty", NEW, PERSON, "aws: {}", 19, "one-of"),
            ("half", NEW, PERSON, "aws: {session_name: new@x}", 19, "one-of"),
            ("of both forms", NEW, PERSON,
             "aws: {home: identity-prod, arn: 'arn:aws:iam::999900001111:user/n'}", 19, "one-of"),
            ("without home", NEW, PERSON,
             "aws: {session_name: new@x, home: identity-prd}", 47, "unknown-target"),
            ("at no home", NEW, PERSON, "aws: {session_name: new@x, home: zz}", 47,
             "unknown-target"),
            ("with wildcard", NEW, PERSON, "aws: {session_name: '*', home: identity-prod}", 34,
             "form"),
            ("person as role", NEW, PERSON, "aws: {arn: 'arn:aws:iam::999900001111:role/n'}", 25,
             "identity-kind"),
            ("arn of a group", NEW, PERSON, "aws: {arn: 'arn:aws:iam::999900001111:group/n'}", 25,
             "form"),
            ("arn of all", NEW, PERSON, "aws: {arn: 'arn:aws:iam::999900001111:user/*'}", 25,
             "form"),
            ("arn of another", NEW, PERSON, "aws: {arn: 'arn:aws:iam::999900001111:user/dave'}",
             25, "duplicate"),
            ("session of another", NEW, PERSON,
             "aws: {session_name: bob@example.com, home: identity-prod}", 34, "duplicate"),
            ("aws mfa over SSO", NEW, PERSON,
             "aws: {session_name: new@x, home: identity-prod, mfa: aws}", 67, "second-factor"),
            ("mfa elsewhere", NEW, PERSON, "gcp: {member: 'user:new@x.org', mfa: aws}", 51,
             "choice"),
            ("guid", NEW, PERSON, "azure: {object_id: 6F1C, type: User}", 33, "form"),
            ("type", NEW, PERSON,
             "azure: {object_id: 6f1c0000-0000-4000-8000-00000000abcd, type: Group}", 77,
             "choice"),
            ("type for a person", NEW, PERSON,
             "azure: {object_id: 6f1c0000-0000-4000-8000-00000000abcd, type: ServicePrincipal}",
             77, "identity-kind"),
            ("object of another", NEW, PERSON,
             "azure: {object_id: 6f1c0000-0000-4000-8000-000000001006, type: User}", 33,
             "duplicate"),
            ("group", NEW, PERSON, "gcp: {member: 'group:new@x.org'}", 28, "form"),
            ("all users", NEW, PERSON, "gcp: {member: allUsers}", 28, "form"),
            ("upper case", NEW, PERSON, "gcp: {member: 'user:New@x.org'}", 28, "form"),
            ("person as service", NEW, PERSON, "gcp: {member: 'serviceAccount:new@x.org'}", 28,
             "identity-kind"),
            ("member of another", NEW, PERSON, "gcp: {member: 'user:bob@example.com'}", 28,
             "duplicate"),
        ]
    ),
    ("session of a workload", BOT,
     WORKLOAD + "identities: {aws: {session_name: bot@x, home: identity-prod}}\n",
     (3, 34, "identity-kind")),
    ("user of a workload", BOT, WORKLOAD + "identities: {gcp: {member: 'user:bot@x.org'}}\n",
     (3, 28, "identity-kind")),
    ("factor of a role", BOT,
     WORKLOAD + "identities: {aws: {arn: 'arn:aws:iam::111122223333:role/b', mfa: aws}}\n",
     (3, 66, "second-factor")),
    ("list of targets", GCP_TARGETS, "- x\n", (1, 1, "wrong-type")),
    ("target that is text", GCP_TARGETS, "x: y\n", (1, 4, "wrong-type")),
    ("target without all", GCP_TARGETS, "x: {project: acme-x}\n", (1, 4, "missing-key")),
    *(
        (f"target with {what}", path, f"x: {{{text}, environment: dev, owners: [a]}}\n", place)
        for what, path, text, place in [
            ("number", AWS_TARGETS, "account: 777722223333", (1, 14, "quotes")),
            ("short number", AWS_TARGETS, "account: '7777'", (1, 14, "form")),
            ("odd digits", AWS_TARGETS, "account: '٧77722223333'", (1, 14, "look-alike")),
            ("no guid", AZURE_TARGETS, "subscription: abc", (1, 19, "form")),
            ("upper case", GCP_TARGETS, "project: Acme-x", (1, 14, "form")),
            ("number for id", GCP_TARGETS, "project: 123456789", (1, 14, "form")),
            ("locator of a cloud", GCP_TARGETS, "account: '777722223333'", (1, 5, "unknown-key")),
            ("odd expiry", GCP_TARGETS, "project: acme-x, expiry: never", (1, 30, "choice")),
            ("list tag", GCP_TARGETS, "project: acme-x, tags: {a: [b]}", (1, 32, "wrong-type")),
            ("odd tag", GCP_TARGETS, "project: acme-x, tags: {A: b}", (1, 29, "form")),
            ("list of tags", GCP_TARGETS, "project: acme-x, tags: [a]", (1, 28, "wrong-type")),
        ]
    ),
    ("target without owner", GCP_TARGETS,
     "x: {project: acme-x, environment: dev, owners: []}\n", (1, 48, "empty")),
    ("owner twice", GCP_TARGETS,
     "x: {project: acme-x, environment: dev, owners: [a, a]}\n", (1, 52, "duplicate")),
    ("upper-case target", GCP_TARGETS,
     "X: {project: acme-x, environment: dev, owners: [a]}\n", (1, 1, "form")),
    ("two names of one project", GCP_TARGETS,
     "x: {project: acme-x, environment: dev, owners: [a]}\n"
     "y: {project: acme-x, environment: dev, owners: [a]}\n", (2, 14, "duplicate")),
    ("twice", GCP_TARGETS,
     "x: {project: acme-x, environment: dev, owners: [a]}\n"
     "x: {project: acme-y, environment: dev, owners: [a]}\n", (2, 1, "duplicate-key")),
    ("role without all", GCP_ROLES, "reads: {title: Reads}\n", (1, 8, "missing-key")),
    ("odd risk", GCP_ROLES, ROLE.replace("low", "lw") + "  permissions: {role: roles/x}\n",
     (3, 9, "choice")),
    ("odd maximum", GCP_ROLES, ROLE.replace("1h", "3600") + "  permissions: {role: roles/x}\n",
     (4, 17, "duration")),
    ("odd mfa", GCP_ROLES, ROLE + "  mfa: true\n  permissions: {role: roles/x}\n",
     (5, 8, "choice")),
    ("basic role", GCP_ROLES, ROLE + "  permissions: {role: roles/owner}\n",
     (5, 23, "basic-role")),
    ("no role", GCP_ROLES, ROLE + "  permissions: {role: owner}\n", (5, 23, "form")),
    ("parameter elsewhere", GCP_ROLES,
     ROLE + "  parameters: {a: b}\n  permissions: {role: roles/x}\n", (5, 3, "unknown-key")),
    ("scoped definition", AZURE_ROLES,
     ROLE + "  permissions: {role_definition_id: /subscriptions/x}\n", (5, 37, "form")),
    ("permissions of another cloud", AZURE_ROLES, ROLE + "  permissions: {role: roles/x}\n",
     (5, 17, "unknown-key")),
    *(
        (f"aws role with {what}", AWS_ROLES,
         f"{ROLE}  parameters: {parameters}\n  permissions:\n    actions: {actions}\n"
         f"    resources: {resources}\n", place)
        for what, parameters, actions, resources, place in [
            ("odd action", "{a: b}", "[Get]", "['arn:x:{a}']", (7, 15, "form")),
            ("no arn", "{a: b}", "['*']", "['bucket/{a}']", (8, 17, "form")),
            ("variable", "{a: b}", "['*']", "['arn:x:${aws:username}']", (8, 17, "form")),
            ("unknown placeholder", "{a: b}", "['*']", "['arn:{a}:{accont}']",
             (8, 17, "placeholder")),
            ("undeclared", "{a: b}", "['*']", "['arn:{a}:{zzz}']", (8, 17, "placeholder")),
            ("open brace", "{a: b}", "['*']", "['arn:{a}:{']", (8, 17, "placeholder")),
            ("empty brace", "{a: b}", "['*']", "['arn:{a}:{}']", (8, 17, "placeholder")),
            ("unused", "{a: b, cd: e}", "['*']", "['arn:{a}']", (5, 22, "unused")),
            ("reserved", "{account: b}", "['*']", "['arn:{account}']",
             (5, 16, "reserved-name")),
            ("repeated group", "{a: '(b+)+'}", "['*']", "['arn:{a}']", (5, 19, "pattern")),
            ("long pattern", f"{{a: {'b' * 201}}}", "['*']", "['arn:{a}']", (5, 19, "too-long")),
            ("odd pattern", "{a: é}", "['*']", "['arn:{a}']", (5, 19, "look-alike")),
            ("no pattern", "{a: }", "['*']", "['arn:{a}']", (5, 19, "empty")),
        ]
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", BAD, ids=[case[0] for case in BAD])
def test_a_bad_file_is_refused_where_it_is_bad(
    case: tuple[str, str, str | bytes, tuple[int, int, str]],
) -> None:
    _, path, text, (line, column, code) = case
    found = told({path: text})

    assert (path, line, column, code) in found
    # What else is told is about the same file, or about what a replaced file no longer has.
    others = {other for other in found if other[0] != path}
    assert all(other[3] in {"unknown-target", "duplicate"} for other in others)


def test_a_file_s_name_cannot_forge_a_line_of_a_log() -> None:
    found = told({"access/principals/new.yaml\n::error::": PERSON})

    assert found == [("access/principals/new.yaml\\n::error::", 1, 1, "unknown-file")]


def test_problems_of_all_files_are_told_at_once_in_order() -> None:
    found = told(
        {
            NEW: PERSON + "owner: alice\n",
            GCP_ROLES: "reads: {}\n",
            "access/notes.txt": "",
        }
    )

    assert [path for path, *_ in found] == [
        "access/notes.txt",
        *[NEW],
        *[GCP_ROLES] * 4,
    ]


def test_a_broken_entry_is_told_once() -> None:
    broken = "identity-prod: {account: 999900001111, environment: prod, owners: [security]}\n"

    assert told({AWS_TARGETS: broken}) == [(AWS_TARGETS, 1, 26, "quotes")]
    assert told({ALICE: "kind: person\n"}) == [
        (ALICE, 1, 1, "missing-key"),
        (ALICE, 1, 1, "missing-key"),
    ]


def test_one_bad_entry_hides_no_other() -> None:
    text = "x: {project: X}\ny: {project: Y}\n"

    lines = {line for path, line, _, code in told({GCP_TARGETS: text}) if code == "form"}

    assert lines == {1, 2}


def test_a_disabled_owner_answers_for_nothing() -> None:
    disabled = PERSON + "disabled: true\n"
    mine = "kind: workload\nowner: new\n"

    assert told({NEW: disabled, BOT: mine}) == [(BOT, 2, 8, "disabled-principal")]
    assert told({NEW: disabled, BOT: mine + "disabled: true\n"}) == []


def test_thousands_of_targets_fit() -> None:
    text = "".join(
        f"t{n}: {{project: acme-{n:06}, environment: dev, owners: [a]}}\n" for n in range(2000)
    )

    found, problems = load_catalogue({GCP_TARGETS: text.encode(), TEAMS: b"a: {id: 1, title: A}\n"})

    assert not problems
    assert len(found.targets) == 2000


def test_too_many_entries_are_refused() -> None:
    text = "".join(f"x{n}: y\n" for n in range(5001))

    assert told({GCP_TARGETS: text})[0] == (GCP_TARGETS, 1, 1, "too-many")


def grant_of(text: str, subject: str = "alice") -> Grant:
    """Returns the grant that asks for *text*, the access in flow style."""
    whole = f"subject: {subject}\nreason: why not\nduration: 1h\naccess: {text}\n"
    parsed = parse_grant(whole.encode(), path=f"access/grants/{subject}/x.yaml")
    assert parsed.grant is not None
    return parsed.grant


def test_a_grant_is_expanded_line_by_line(catalogue: Catalogue) -> None:
    grant = grant_of(
        "[{target: aws/payments-prod, role: ec2-terminate, resource: i-0abc1234},"
        " {target: gcp/payments-prod, role: log-viewer}]"
    )

    terminate, logs = entitlements(grant, catalogue)

    assert terminate.grant == "alice/x"
    assert terminate.principal is catalogue.principals["alice"]
    assert terminate.target is catalogue.targets[TargetId("aws/payments-prod")]
    assert terminate.role is catalogue.roles[RoleId("aws/ec2-terminate")]
    assert terminate.parameters == (("resource", "i-0abc1234"),)
    assert terminate.home is catalogue.targets[TargetId("aws/identity-prod")]
    assert logs.home is None
    assert logs.role is catalogue.roles[RoleId("gcp/log-viewer")]


def test_an_iam_user_has_no_home(catalogue: Catalogue) -> None:
    (found,) = entitlements(
        grant_of("[{target: aws/sandbox-dev, role: rds-reader}]", "dave"), catalogue
    )

    assert found.home is None


def test_a_grant_that_does_not_fit_is_not_expanded(catalogue: Catalogue) -> None:
    with pytest.raises(InvalidInput) as caught:
        entitlements(grant_of("[{target: aws/nowhere, role: rds-reader}]"), catalogue)

    assert [found.code for found in caught.value.problems] == ["unknown-target"]


@pytest.mark.parametrize(
    "pattern",
    [
        "i-[0-9a-f]{8,17}",
        "[a-z]+/[a-z]+/[a-z]+",
        "(?:dev|test)-[a-z0-9-]{1,40}",
        "(a|b)?",
        r"\d{12}",
        r"[a-z\-\]]+\.txt",
        "a{2,}",
        "a{3}b?",
        ".*",
    ],
)
def test_a_plain_pattern_is_accepted(pattern: str) -> None:
    assert pattern_problem(pattern) is None


@pytest.mark.parametrize(
    "pattern,why",
    [
        ("a" * 201, "has 201 characters"),
        ("é", "not printable ASCII"),
        ("a\nb", "not printable ASCII"),
        ("(a+)+", "repeats a group"),
        ("(a|a)*", "repeats a group"),
        ("(a){2}", "repeats a group"),
        ("a*a*a*a*", "too many ways"),
        ("(a|b)" * 30, "too many ways"),
        ("a**", "repeats nothing"),
        ("a*?", "repeats nothing"),
        ("a++", "repeats nothing"),
        ("*a", "repeats nothing"),
        ("a|*", "repeats nothing"),
        ("(?=a)", "repeats nothing"),
        ("(?i)a", "repeats nothing"),
        (r"(a)\1", "where only"),
        ("^a$", "where only"),
        ("a{,5}", "where only"),
        ("[[:alpha:]]", "where only"),
        ("[]", "where only"),
        ("a{2", "where only"),
        ("a\\", "where only"),
        ("[a--b]", "doubled"),
        ("[z-a]", "no regular expression"),
        ("a{5,2}", "no regular expression"),
        ("(a", "no regular expression"),
        ("a)", "no regular expression"),
    ],
)
def test_a_pattern_that_may_not_end_soon_is_refused(pattern: str, why: str) -> None:
    found = pattern_problem(pattern)

    assert found is not None
    assert why in found
    assert not matches(pattern, "a")


@pytest.mark.parametrize(
    "value,fits",
    [("i-0abc1234", True), ("xi-0abc1234", False), ("i-0abc1234\n", False), ("i-0abc123", False)],
)
def test_a_value_matches_in_full(value: str, *, fits: bool) -> None:
    assert matches("i-[0-9a-f]{8,17}", value) is fits


def test_a_long_value_matches_nothing() -> None:
    assert matches("a+", "a" * 256)
    assert not matches("a+", "a" * 257)
