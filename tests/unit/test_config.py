from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import load_settings
from pipeline.errors import UsageError

ANCHOR = "0123456789abcdef0123456789abcdef01234567"


def document() -> dict[str, Any]:
    return {
        "clock": "http://127.0.0.1:1/",
        "github": {
            "api": "http://127.0.0.1:2",
            "repository": "acme/access",
            "checker_token": "secret-checker",
            "checker_id": 1,
            "checker_app": 3,
            "keeper_token": "secret-keeper",
            "keeper_id": 2,
            "anchor": ANCHOR,
        },
        "aws": {"endpoint": "http://127.0.0.1:3", "aws_access_key_id": "AKIA"},
        "azure": {"endpoint": "http://localhost:4", "token": "secret", "requestor": "r"},
        "gcp": {"endpoint": "http://[::1]:5", "token": "secret"},
    }


def sandbox(folder: Path, content: Any) -> Path:
    file = folder / "sandbox.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return file


def test_an_empty_environment_gives_the_vendors_own_and_no_secret() -> None:
    settings = load_settings({})
    assert settings.github_api == "https://api.github.com"
    assert (settings.checker_token, settings.keeper_token, settings.anchor) == (None, None, None)
    assert (settings.actor, settings.run, settings.on_actions) == ("local", "local", False)
    assert settings.sandbox is None


def test_a_variable_that_arrives_empty_means_its_default() -> None:
    named = "GITHUB_REPOSITORY GITHUB_ACTOR GITHUB_RUN_ID GITHUB_API_URL OPA OPA_TOKEN OPA_CA "
    named += (
        "AWS_ROLE AWS_BOUNDARY DEFAULT_BRANCH AZURE_REQUESTOR ANCHOR CHECKER_TOKEN KEEPER_TOKEN "
    )
    named += "CHECKER_ID CHECKER_APP_ID KEEPER_ID"
    names = [one if one.startswith("GITHUB") else f"DAYPASS_{one}" for one in named.split()]
    empty = load_settings(dict.fromkeys(names, ""))
    assert replace(empty, environment={}) == load_settings({})
    assert empty.aws_role == "daypass-pipeline"


@pytest.mark.parametrize("name", ["edge", "teams/daypass/edge", "a" * 128])
def test_a_boundary_is_the_name_of_a_managed_policy(name: str) -> None:
    assert load_settings({"DAYPASS_AWS_BOUNDARY": name}).aws_boundary == name


@pytest.mark.parametrize("name", ["arn:aws:iam::aws:policy/x", "a b", "/edge", "edge/", "a" * 129])
def test_what_names_no_managed_policy_is_refused_as_a_boundary(name: str) -> None:
    with pytest.raises(UsageError, match="expected the name of a managed policy"):
        load_settings({"DAYPASS_AWS_BOUNDARY": name})


def test_what_github_actions_gives_is_read() -> None:
    settings = load_settings(
        {
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTOR": "daypass-keeper[bot]",
            "GITHUB_RUN_ID": "77",
            "GITHUB_REPOSITORY": "acme/access",
            "DAYPASS_KEEPER_TOKEN": "k",
            "DAYPASS_KEEPER_ID": "2",
            "DAYPASS_ANCHOR": ANCHOR,
        }
    )
    assert (settings.actor, settings.run, settings.on_actions) == (
        "daypass-keeper[bot]",
        "77",
        True,
    )
    assert (settings.repository, settings.keeper_id, settings.anchor) == ("acme/access", 2, ANCHOR)
    assert settings.reader_token == "k"


def test_the_checkers_token_reads_before_the_keepers() -> None:
    settings = load_settings({"DAYPASS_KEEPER_TOKEN": "k", "DAYPASS_CHECKER_TOKEN": "c"})
    assert settings.reader_token == "c"


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_IAM", "AWS_ENDPOINT_URL_X"])
def test_a_planted_aws_endpoint_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=name):
        load_settings({name: "http://evil.example"})


def test_a_planted_google_endpoint_is_refused() -> None:
    with pytest.raises(UsageError, match="CLOUDSDK_API_ENDPOINT_OVERRIDES"):
        load_settings({"CLOUDSDK_API_ENDPOINT_OVERRIDES": "http://evil.example"})


@pytest.mark.parametrize(
    "url",
    [
        "http://api.github.com",
        "https://api.github.com.evil.example",
        "https://ghe.example/api/v3",
        "http://127.0.0.1:8080",
    ],
)
def test_another_github_than_the_vendors_own_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="only https://api.github.com"):
        load_settings({"GITHUB_API_URL": url})


def test_the_vendors_own_github_is_taken_with_a_slash_too() -> None:
    assert load_settings({"GITHUB_API_URL": "https://api.github.com/"}).github_api == (
        "https://api.github.com"
    )


@pytest.mark.parametrize(
    "anchor", ["main", ANCHOR[:7], ANCHOR.upper(), ANCHOR + "0", f"{ANCHOR[:-1]}g", f" {ANCHOR}"]
)
def test_a_malformed_anchor_is_refused(anchor: str) -> None:
    with pytest.raises(UsageError, match="full commit SHA"):
        load_settings({"DAYPASS_ANCHOR": anchor})


@pytest.mark.parametrize("number", ["12a", "-1", "1.0", "keeper[bot]", "१२"])
def test_a_malformed_account_id_is_refused(number: str) -> None:
    with pytest.raises(UsageError, match="DAYPASS_KEEPER_ID"):
        load_settings({"DAYPASS_KEEPER_ID": number})
    with pytest.raises(UsageError, match="DAYPASS_CHECKER_ID"):
        load_settings({"DAYPASS_CHECKER_ID": number})


def test_tokens_never_show_in_a_repr(tmp_path: Path) -> None:
    settings = load_settings(
        {
            "DAYPASS_CHECKER_TOKEN": "secret-1",
            "DAYPASS_KEEPER_TOKEN": "secret-2",
            "DAYPASS_OPA_TOKEN": "secret-3",
        }
    )
    assert "secret" not in repr(settings)
    file = sandbox(tmp_path, document())
    assert "secret" not in repr(load_settings({}, sandbox=file))


@pytest.mark.parametrize("said", ["true", "True", "TRUE"])
def test_the_sandbox_is_refused_under_github_actions(tmp_path: Path, said: str) -> None:
    with pytest.raises(UsageError, match="refused under GitHub Actions"):
        load_settings({"GITHUB_ACTIONS": said}, sandbox=sandbox(tmp_path, document()))


def test_an_opa_that_runs_elsewhere_is_named_with_its_token_and_its_certificates() -> None:
    settings = load_settings(
        {
            "DAYPASS_OPA": "https://opa.example.com",
            "DAYPASS_OPA_TOKEN": "t",
            "DAYPASS_OPA_CA": "/ca.pem",
        }
    )
    assert (settings.opa, settings.opa_token) == ("https://opa.example.com", "t")
    assert settings.opa_ca == "/ca.pem"
    assert load_settings({}).opa_ca is None


def test_a_sandbox_file_gives_everything(tmp_path: Path) -> None:
    settings = load_settings({"DAYPASS_OPA": "/bin/opa"}, sandbox=sandbox(tmp_path, document()))
    assert settings.github_api == "http://127.0.0.1:2"
    assert (settings.repository, settings.anchor) == ("acme/access", ANCHOR)
    assert (settings.checker_id, settings.keeper_id) == (1, 2)
    assert settings.opa == "/bin/opa"
    assert settings.sandbox is not None
    assert settings.sandbox.azure["requestor"] == "r"


def test_the_environment_adds_no_token_to_a_sandbox(tmp_path: Path) -> None:
    real = {"DAYPASS_KEEPER_TOKEN": "real", "DAYPASS_ANCHOR": "f" * 40, "AWS_ENDPOINT_URL": "x"}
    settings = load_settings(real, sandbox=sandbox(tmp_path, document()))
    assert (settings.keeper_token, settings.anchor) == ("secret-keeper", ANCHOR)


@pytest.mark.parametrize("part", ["clock", "github", "aws", "azure", "gcp"])
@pytest.mark.parametrize(
    "url",
    [
        "https://api.github.com",
        "http://10.0.0.1",
        "http://127.0.0.1.evil.example",
        "http://127.0.0.1@evil.example",
        "127.0.0.1",
    ],
)
def test_a_sandbox_that_is_not_on_this_machine_is_refused(
    tmp_path: Path, part: str, url: str
) -> None:
    content = document()
    if part == "clock":
        content["clock"] = url
    else:
        content[part]["api" if part == "github" else "endpoint"] = url
    with pytest.raises(UsageError, match="not on this machine"):
        load_settings({}, sandbox=sandbox(tmp_path, content))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"github": 1}'])
def test_a_file_that_is_no_sandbox_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="no sandbox file"):
        load_settings({}, sandbox=sandbox(tmp_path, text))


def test_a_sandbox_file_that_is_not_there_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="demo --keep"):
        load_settings({}, sandbox=tmp_path / "missing.json")
