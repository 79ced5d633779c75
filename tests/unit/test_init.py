"""`daypass init`: the first files of a catalogue, which load and can be asked by."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pipeline.cli.main import run
from pipeline.grants.schema import editor_line, render_schemas
from pipeline.grants.starter import person_lines, target_lines
from pipeline.grants.write import text_of
from pipeline.run.offline import read_catalogue
from pipeline.values.ids import Cloud
from tests.unit.test_schema import accepted

ROOT = Path(__file__).parents[2]
ALICE = "access/principals/alice.yaml"
AWS = "access/targets/aws.yaml"
TEAMS = "access/teams.yaml"
PERSON = ("--github", "alice", "--github-id", "5831044")
TARGETS = (
    *("--aws", "payments-prod=111122223333", "--aws", "identity-prod=999900001111"),
    *("--azure", "payments-prod=0a11aaaa-0000-4000-8000-000000000001"),
    *("--gcp", "payments-prod=acme-payments", "--owner", "payments-leads"),
    *("--owner-id", "4711"),
)
OWNER = ("--owner", "x", "--owner-id", "1")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What a copy of this repository starts with."""
    shutil.copytree(ROOT / "access", tmp_path / "access")
    (tmp_path / "policies").symlink_to(ROOT / "policies")
    return tmp_path


@pytest.fixture
def daypass(copy: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["-C", str(copy), *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def files(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): path.read_text("utf-8")
        for path in (root / "access").rglob("*")
        if path.is_file()
    }


def problems(told: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for problem in json.loads(told)["problems"]:
        found.setdefault(problem["argument"], []).append(problem["message"])
    return found


def test_a_fresh_copy_is_well_formed_afterwards_and_grants_can_be_asked_for(
    copy: Path, daypass: Any
) -> None:
    assert daypass("check")[0] == 0
    code, out, _ = daypass("init", *PERSON, *TARGETS)
    assert code == 0
    assert f"{ALICE}: written" in out
    code, out, err = daypass("check")
    assert (code, out) == (0, "0 grants and the catalogue are well-formed\n")
    # The settings that came with the copy still name teams of somebody else.
    assert (
        'policies/settings/reviewers/data.yaml:2:18: "security" is none of the teams in '
        "access/teams.yaml; add it to access/teams.yaml\n"
    ) in err
    assert '"payments-leads" is none' not in err
    # As the file's own comments say.
    text = (copy / ALICE).read_text("utf-8")
    text = text.replace("#identities:", "identities:").replace("#  aws:", "  aws:")
    (copy / ALICE).write_text(text.replace("home: TARGET", "home: identity-prod"), "utf-8")
    code, out, _ = daypass(
        *("request", "aws/payments-prod:rds-reader", "--for", "alice", "--ticket", "PAY-1423"),
        *("--reason", "Payouts stuck since 14:00, need to look at the database"),
    )
    assert (code, "needs 1 of payments-leads" in out) == (0, True)
    assert daypass("check")[0] == 0


def test_what_is_written_is_what_was_given(copy: Path, daypass: Any) -> None:
    before = files(copy)
    told = json.loads(daypass("init", *PERSON, *TARGETS, "--environment", "dev", "--json")[1])
    made = {one["path"]: one["text"] for one in told["files"]}
    assert files(copy) == before | made
    assert set(made) == {ALICE, TEAMS, *(f"access/targets/{cloud}.yaml" for cloud in Cloud)}
    assert set(told["kept"]) == set(render_schemas())
    assert told["written"] is True
    catalogue = read_catalogue(copy)
    assert catalogue.principals["alice"].github_id == 5831044
    found = {
        (one.id, one.locator, one.environment, one.owners) for one in catalogue.targets.values()
    }
    assert found == {
        ("aws/payments-prod", "111122223333", "dev", ("payments-leads",)),
        ("aws/identity-prod", "999900001111", "dev", ("payments-leads",)),
        ("azure/payments-prod", "0a11aaaa-0000-4000-8000-000000000001", "dev", ("payments-leads",)),
        ("gcp/payments-prod", "acme-payments", "dev", ("payments-leads",)),
    }


def test_every_file_begins_with_its_editor_line_and_fits_its_schema(
    copy: Path, daypass: Any
) -> None:
    daypass("init", *PERSON, *TARGETS)
    for path in (ALICE, TEAMS, *(f"access/targets/{cloud}.yaml" for cloud in Cloud)):
        text = (copy / path).read_text("utf-8")
        assert text.startswith(f"{editor_line(path)}\n# ")
        assert accepted(path, text)


def test_every_form_that_the_comments_show_is_one_that_the_parser_reads() -> None:
    text = text_of(person_lines("alice", github="alice", github_id="1"))
    for cloud in Cloud:
        # No more is taken away than the comment says.
        shown = re.sub(rf"(?m)^#(identities|  {cloud}):", r"\1:", text)
        filled = shown.replace("TARGET", "x").replace(
            "GUID", "6f1c2b1e-7c7d-4c9a-9d53-0d8f6f6a1c55"
        )
        assert "\nidentities:\n" in filled
        assert re.search(rf"(?m)^  {cloud}: ", filled)
        assert accepted(ALICE, filled)


def test_schemas_that_are_missing_are_written(copy: Path, daypass: Any) -> None:
    shutil.rmtree(copy / "access" / "schemas")
    assert daypass("init", *PERSON)[0] == 0
    assert daypass("schema", "--check")[0] == 0
    grant = json.loads((copy / "access/schemas/grant.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(grant)


def test_an_empty_folder_with_policies_becomes_a_catalogue(copy: Path, daypass: Any) -> None:
    shutil.rmtree(copy / "access")
    assert daypass("init", *PERSON, *TARGETS)[0] == 0
    assert set(read_catalogue(copy).principals) == {"alice"}


def test_what_exists_is_kept_and_that_is_fine(copy: Path, daypass: Any) -> None:
    assert daypass("init", *PERSON, *TARGETS)[0] == 0
    (copy / AWS).write_text('mine: {account: "111122223333", environment: x, owners: [a]}\n')
    before = files(copy)
    code, out, _ = daypass("init", *PERSON, "--aws", "other=222233334444", "--owner", "b")
    assert (code, files(copy)) == (0, before)
    assert f"{ALICE}: kept as it is" in out
    assert f"{AWS}: kept as it is" in out
    assert "14 schemas are there already" in out
    assert "written" not in out


def test_an_owner_is_one_of_the_teams_that_are_declared_already(copy: Path, daypass: Any) -> None:
    (copy / TEAMS).write_text("leads: {id: 4711, title: Leads}\n")
    before = files(copy)
    target = (*PERSON, "--gcp", "a=acme-payments", "--owner")
    told = problems(daypass("init", *target, "laeds", "--json")[1])
    assert told == {"--owner": ['team "laeds" is not in access/teams.yaml; did you mean "leads"?']}
    assert files(copy) == before
    assert daypass("init", *target, "leads")[0] == 0
    assert read_catalogue(copy).teams["leads"].id == 4711


def test_a_dry_run_shows_and_writes_nothing(copy: Path, daypass: Any) -> None:
    before = files(copy)
    code, out, _ = daypass("init", *PERSON, *TARGETS, "--dry-run")
    assert (code, files(copy)) == (0, before)
    assert f"{AWS}: would be\n# yaml-language-server" in out
    assert '  account: "111122223333"\n' in out
    told = json.loads(daypass("init", *PERSON, *TARGETS, "--dry-run", "--json")[1])
    assert told["written"] is False
    assert all(one["text"] in out for one in told["files"])


def test_a_folder_without_policies_is_refused(tmp_path: Path, capsys: Any) -> None:
    assert run(["-C", str(tmp_path), "init", *PERSON]) == 2
    said = capsys.readouterr()
    assert "has no policies/" in said.err
    assert "README" in said.err
    assert list(tmp_path.iterdir()) == []


def test_everything_wrong_is_told_at_once_by_option(copy: Path, daypass: Any) -> None:
    before = files(copy)
    wrong = {
        "--github": ("a b", "no name of a principal"),
        "--github-id": ("12x", "not a whole number"),
        "--environment": ("Prod", "name of an environment"),
        "--aws a=12": (None, "12 digits"),
        "--aws B=111122223333": (None, "write ALIAS=ACCOUNT"),
        "--aws c": (None, "write ALIAS=ACCOUNT"),
        "--azure x=0A11": (None, "GUID"),
        "--gcp y=1": (None, "project id"),
        "--gcp y=acme-payments": (None, "given twice"),
        "--owner": (None, "who approves"),
    }
    arguments = []
    for option, (value, _) in wrong.items():
        arguments += option.split(" ") if value is None else [option, value]
    arguments = [one for one in arguments if one != "--owner"]
    code, out, err = daypass("init", *arguments, "--json")
    told = problems(out)
    assert (code, told.keys()) == (2, wrong.keys())
    for option, (_, said) in wrong.items():
        assert any(said in message for message in told[option]), option
    assert "nothing is written" in err
    assert files(copy) == before


@pytest.mark.parametrize(
    "arguments, option, said",
    [
        (("--github", "al", "--github-id", "0"), "--github-id", "whole number"),
        (("--github", "al", "--github-id", "1: 2\nx: y"), "--github-id", "whole number"),
        (("--github", "al\udcff", "--github-id", "1", "--name", "al"), "--github", "no text"),
        (("--github", "a/../b", "--github-id", "1"), "--github", "no name of a principal"),
        (("--github", "al", "--github-id", "1", "--name", "../al"), "--name", "no name"),
        ((*PERSON, "--gcp", "a=acme-payments", "--owner", "A, b"), "--owner", "slug"),
        ((*PERSON, "--gcp", "a=acme-payments", "--owner", "a"), "--owner-id", "is missing"),
        (
            (*PERSON, "--gcp", "a=acme-payments", "--owner", "a", "--owner-id", "a"),
            "--owner-id",
            "whole number",
        ),
        (
            (*PERSON, "--aws", "a=111122223333", "--aws", "b=111122223333", *OWNER),
            "--aws b=111122223333",
            'belongs to target "aws/a" already',
        ),
    ],
)
def test_what_a_catalogue_cannot_say_is_refused(
    copy: Path, daypass: Any, arguments: tuple[str, ...], option: str, said: str
) -> None:
    before = files(copy)
    code, out, _ = daypass("init", *arguments, "--json")
    assert code == 2
    assert any(said in message for message in problems(out)[option])
    assert files(copy) == before


def test_who_is_somebody_else_already_is_refused(copy: Path, daypass: Any) -> None:
    assert daypass("init", *PERSON)[0] == 0
    before = files(copy)
    told = problems(daypass("init", *PERSON, "--name", "bob", "--json")[1])
    assert told.keys() == {"--github", "--github-id"}
    # Where the file that exists comes second, its place is told.
    told = problems(daypass("init", *PERSON, "--name", "aaron", "--json")[1])
    assert told.keys() == {f"{ALICE}:4:9", f"{ALICE}:5:12"}
    assert files(copy) == before


def test_problems_that_were_there_before_are_not_held_against_it(copy: Path, daypass: Any) -> None:
    (copy / "access" / "roles" / "gcp.yaml").write_text("log-viewer: {}\n")
    assert daypass("check")[0] == 2
    assert daypass("init", *PERSON, *TARGETS)[0] == 0
    code, _, err = daypass("check")
    assert (code, err.count("access/roles/gcp.yaml"), ALICE in err) == (
        2,
        err.count(".yaml:"),
        False,
    )


def test_a_login_becomes_a_name_and_odd_ones_are_quoted(copy: Path, daypass: Any) -> None:
    for login, name in (("Bob_Smith", "bob-smith"), ("No", "no"), ("007", "007")):
        identity = str(abs(hash(login)) % 10**6 + 1)
        assert daypass("init", "--github", login, "--github-id", identity)[0] == 0
        assert read_catalogue(copy).principals[name].github == login


def test_the_next_steps_name_what_is_missing(copy: Path, daypass: Any) -> None:
    assert "access/targets: list" in daypass("init", *PERSON, "--dry-run")[1]
    (copy / "access" / "roles" / "gcp.yaml").unlink()
    out = daypass("init", *PERSON, *TARGETS)[1]
    assert "access/roles/aws.yaml: say what can be granted there\n" in out
    assert "access/roles/gcp.yaml: say what can be granted there (no such file)" in out
    for part in ("eligibility", ".github/CODEOWNERS", "two GitHub Apps", '"Adopt it"'):
        assert part in out


def test_the_steps_that_are_pointed_to_are_in_the_readme() -> None:
    section = (ROOT / "README.md").read_text("utf-8").partition("## Adopt it")[2]
    assert re.findall(r"(?m)^([0-9])\. ", section) == list("123456")
    for part in (
        "daypass init",
        "Two GitHub Apps",
        "Rulesets",
        "Two environments",
        "Clouds",
        "Variables",
    ):
        assert part in section


@pytest.mark.parametrize("cloud", list(Cloud))
def test_a_target_may_have_any_name(cloud: Cloud) -> None:
    lines = target_lines(cloud, {"environment": "x", "no": "y"}, environment="dev", owner="on")
    assert ("targets.environment", "environment:") in lines
    assert ("targets.no", '"no":') in lines
    assert ("owner", '  owners: ["on"]') in lines
