"""What the catalogue has to say about grants."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.grants.catalogue import load_catalogue
from pipeline.grants.parse import parse_grant
from pipeline.grants.validate import (
    identity_in,
    validate_grant,
    validate_legible,
    validate_tree,
)
from pipeline.values.catalogue import Catalogue
from pipeline.values.grant import Access, Grant
from pipeline.values.ids import Cloud, GrantId, TargetId

ASSETS = Path(__file__).parents[2] / "pipeline" / "sandbox" / "acme" / "access"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """Returns the miniature catalogue with one disabled person."""
    files = {
        f"access/{file.relative_to(ASSETS)}": file.read_bytes() for file in ASSETS.rglob("*.*")
    }
    files["access/principals/gone.yaml"] = (
        b"kind: person\ngithub: gone\ngithub_id: 9\ndisabled: true\n"
    )
    found, problems = load_catalogue(files)
    assert not problems
    return found


def grant(access: str, *, subject: str = "alice", more: str = "") -> Grant:
    """Returns a grant of *access*, written in flow style on line 4."""
    text = f"subject: {subject}\nreason: why not\nduration: 1h\naccess: [{access}]\n{more}"
    parsed = parse_grant(text.encode(), path=f"access/grants/{subject}/x.yaml")
    assert parsed.grant is not None, parsed.problems
    return parsed.grant


@pytest.mark.parametrize(
    "subject,access",
    [
        ("alice", "{target: aws/payments-prod, role: rds-reader}"),
        ("alice", "{target: aws/payments-prod, role: ec2-terminate, resource: i-0abc1234}"),
        ("alice", "{target: azure/sandbox-dev, role: vm-contributor}"),
        ("alice", "{target: gcp/sandbox-dev, role: log-viewer}"),
        ("dave", "{target: aws/payments-prod, role: break-glass-admin}"),
        ("erin", "{target: gcp/payments-prod, role: bigquery-reader}"),
        ("ledger-bot", "{target: azure/payments-prod, role: reader}"),
    ],
)
def test_a_grant_that_fits_has_no_problems(catalogue: Catalogue, subject: str, access: str) -> None:
    assert validate_grant(grant(access, subject=subject), catalogue) == ()


READ = "{target: aws/payments-prod, role: rds-reader}"
END = "target: aws/payments-prod, role: ec2-terminate"


@pytest.mark.parametrize(
    "subject,access,place,code,message",
    [
        ("alicia", READ, (1, 10), "unknown-principal", 'did you mean "alice"?'),
        ("zzzzzz", READ, (1, 10), "unknown-principal", "add it first"),
        ("gone", READ, (1, 10), "disabled-principal", "nothing can be granted"),
        (
            "alice",
            "{target: aws/payments-prd, role: rds-reader}",
            (4, 19),
            "unknown-target",
            'did you mean "aws/payments-prod"?',
        ),
        (
            "alice",
            "{target: gcp/zzz, role: log-viewer}",
            (4, 19),
            "unknown-target",
            "access/targets/gcp.yaml",
        ),
        (
            "alice",
            "{target: aws/payments-prod, role: log-viewer}",
            (4, 44),
            "role-of-another-cloud",
            "it is a role of gcp, choose one of aws's own",
        ),
        (
            "alice",
            "{target: aws/payments-prod, role: rds-raeder}",
            (4, 44),
            "unknown-role",
            'did you mean "rds-reader"?',
        ),
        (
            "alice",
            "{target: aws/payments-prod, role: zzz}",
            (4, 44),
            "unknown-role",
            "see that file",
        ),
        ("alice", f"{{{END}}}", (4, 44), "missing-parameter", "i-[0-9a-f]{8,17}"),
        (
            "alice",
            f"{{{END}, resource: i-0abc1234x}}",
            (4, 69),
            "parameter-form",
            "does not match i-[0-9a-f]{8,17} in full",
        ),
        (
            "alice",
            f"{{{END}, resource: i-0abc1234, region: eu}}",
            (4, 81),
            "unknown-parameter",
            'has no parameter "region"; remove it',
        ),
        (
            "alice",
            "{target: gcp/payments-prod, role: log-viewer, bucket: x}",
            (4, 56),
            "unknown-parameter",
            "remove it",
        ),
        ("carol", READ, (4, 19), "no-identity", '"carol" has no identity in aws'),
        (
            "mallory",
            f"{{{END}, resource: i-0abc1234}}",
            (4, 44),
            "no-second-factor",
            "add mfa to access/principals/mallory.yaml",
        ),
        (
            "erin",
            "{target: azure/sandbox-dev, role: vm-contributor}",
            (4, 44),
            "no-second-factor",
            "azure identity",
        ),
    ],
)
def test_a_grant_that_does_not_fit_is_refused_where(
    catalogue: Catalogue,
    subject: str,
    access: str,
    place: tuple[int, int],
    code: str,
    message: str,
) -> None:
    (problem,) = validate_grant(grant(access, subject=subject), catalogue)

    assert (problem.line, problem.column, problem.code) == (*place, code)
    assert message in problem.message
    assert problem.path == f"access/grants/{subject}/x.yaml"


def test_a_misspelt_parameter_is_unknown_and_missing(catalogue: Catalogue) -> None:
    problems = validate_grant(grant(f"{{{END}, resourc: i-0abc1234}}"), catalogue)

    assert [found.code for found in problems] == ["missing-parameter", "unknown-parameter"]
    assert 'did you mean "resource"?' in problems[1].message


def beside(text: str, catalogue: Catalogue) -> list[tuple[int, int, str]]:
    """Returns what the catalogue says of a file that is refused for its form."""
    parsed = parse_grant(text.encode(), path="access/grants/alice/x.yaml")
    assert parsed.problems
    if parsed.legible is None:
        return []
    found = validate_legible(parsed.legible, catalogue)
    return [(one.line, one.column, one.code) for one in found]


@pytest.mark.parametrize(
    "access",
    [
        READ,
        "{target: aws/payments-prd, role: rds-reader}",
        f"{{{END}}}, {{{END}, resource: odd}}, {{{END}, resourc: i-0abc1234}}",
        "{target: gcp/payments-prod, role: rds-reader}, {target: azure/zzz, role: zzz}",
    ],
)
def test_a_grant_in_the_wrong_folder_is_held_against_the_catalogue_in_full(
    catalogue: Catalogue, access: str
) -> None:
    text = f"subject: bob\nreason: why not\nduration: 1h\naccess: [{access}]\n"
    right = validate_grant(grant(access, subject="bob"), catalogue)

    assert beside(text, catalogue) == [(one.line, one.column, one.code) for one in right]


@pytest.mark.parametrize(
    "subject,access,told",
    [
        ("alice", f"{{{END}, resource: }}", []),
        ("alice", f"{{{END}, resource: '*'}}", []),
        ("alice", f"{{{END}, Resource: i-0abc1234}}", [(4, 44, "missing-parameter")]),
        ("alice", "{target: aws/payments-prd}", [(4, 19, "unknown-target")]),
        ("alice", "{target: aws/payments-prd, role: [a]}", [(4, 19, "unknown-target")]),
        ("alice", "{target: payments-prod, role: zzz}", []),
        ("alice", "{role: zzz}", []),
        ("alice", "zzz, {target: aws/zzz, role: rds-reader}", [(4, 24, "unknown-target")]),
        (
            "[alice]",
            "{target: azure/zzz, role: zzz}",
            [(4, 19, "unknown-target"), (4, 36, "unknown-role")],
        ),
        ("zzz", READ, [(1, 10, "unknown-principal")]),
    ],
)
def test_of_a_refused_file_only_what_could_be_read_is_looked_up(
    catalogue: Catalogue, subject: str, access: str, told: list[tuple[int, int, str]]
) -> None:
    text = f"subject: {subject}\nreason: why not\nduration: soon\naccess: [{access}]\n"

    assert beside(text, catalogue) == told


@pytest.mark.parametrize("text", ["", "subject: [", "- subject: nobody", "access: nobody", "x"])
def test_of_a_file_without_a_grant_s_shape_nothing_is_looked_up(
    catalogue: Catalogue, text: str
) -> None:
    assert beside(text, catalogue) == []


def test_all_problems_of_a_grant_are_told_in_order(catalogue: Catalogue) -> None:
    wrong = grant(
        "{target: aws/zzz, role: zzz}, {target: gcp/zzz, role: rds-reader}", subject="nobody"
    )

    assert [found.code for found in validate_grant(wrong, catalogue)] == [
        "unknown-principal",
        "unknown-target",
        "unknown-role",
        "unknown-target",
        "role-of-another-cloud",
    ]


@pytest.mark.parametrize(
    "requester,codes",
    [
        ("bob", []),
        ("ledger-bot", ["not-a-person"]),
        ("gone", ["disabled-principal"]),
        ("bobby", ["unknown-principal"]),
    ],
)
def test_only_a_person_asks_for_access(
    catalogue: Catalogue, requester: str, codes: list[str]
) -> None:
    problems = validate_grant(grant(READ, more=f"requested_by: {requester}\n"), catalogue)

    assert [found.code for found in problems] == codes
    assert all((found.line, found.column) == (5, 15) for found in problems)


def test_an_empty_catalogue_fits_nothing() -> None:
    empty = Catalogue(principals={}, targets={}, roles={})

    assert [found.code for found in validate_grant(grant(READ), empty)] == [
        "unknown-principal",
        "unknown-target",
        "unknown-role",
    ]


def test_a_target_outside_the_clouds_is_unknown(catalogue: Catalogue) -> None:
    odd = replace(grant(READ), access=(Access(target=TargetId("oci/x"), role="rds-reader"),))

    assert [found.code for found in validate_grant(odd, catalogue)] == ["unknown-target"]


def test_a_grant_without_marks_is_told_at_its_top(catalogue: Catalogue) -> None:
    bare = replace(grant(READ, subject="nobody"), marks={})

    (problem,) = validate_grant(bare, catalogue)

    assert (problem.line, problem.column) == (1, 1)


def test_how_long_is_for_policies(catalogue: Catalogue) -> None:
    assert validate_grant(replace(grant(READ), duration=300 * 86400), catalogue) == ()


def test_a_tree_tells_the_problems_of_all_its_grants(catalogue: Catalogue) -> None:
    good = grant(READ)
    bad = replace(grant(READ, subject="nobody"), id=GrantId("nobody/x"))
    twin = replace(good, path="access/grants/alice/copy.yaml")

    assert validate_tree([good], catalogue) == ()
    assert validate_tree([], catalogue) == ()
    assert [(found.path, found.code) for found in validate_tree([good, bad, twin], catalogue)] == [
        ("access/grants/alice/copy.yaml", "duplicate-grant"),
        ("access/grants/nobody/x.yaml", "unknown-principal"),
    ]


def test_a_principal_has_one_identity_per_cloud(catalogue: Catalogue) -> None:
    alice = catalogue.principals["alice"]

    assert identity_in(alice, Cloud.AWS) is alice.aws
    assert identity_in(alice, Cloud.AZURE) is alice.azure
    assert identity_in(alice, Cloud.GCP) is alice.gcp
    assert identity_in(catalogue.principals["carol"], Cloud.AWS) is None
