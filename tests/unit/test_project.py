"""What the project says of itself is true: documents, workflows, locks, licence."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pipeline.cli.main import cli

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DOCUMENTS = ("README.md", ".github/CONTRIBUTING.md")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONS = sorted((ROOT / ".github" / "actions").glob("*/action.yml"))
APACHE_2 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
# An endpoint or a command of the vendors is no registry; a name that resolves packages is.
REGISTRY = re.compile(
    r"(pypi\.org|pythonhosted\.org|registry\.npmjs\.org|npmjs\.com|proxy\.golang\.org"
    r"|artifactory|/simple/|--index-url|--extra-index-url|--find-links)"
)
MACHINE = re.compile(r"(?<![\w.$])/(home|root|Users|work|opt|mnt|workspace)/[\w.-]+")


def text(path: str | Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def tracked() -> list[Path]:
    """Returns every file that git knows, as far as it is there."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, check=True)
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def shown_commands() -> list[tuple[str, str]]:
    """Returns document and command of every line in a fenced block marked `sh run`."""
    return [
        (document, line.partition(" #")[0].strip())
        for document in DOCUMENTS
        for block in re.findall(r"^```sh run\n(.*?)^```$", text(document), re.M | re.S)
        for line in block.splitlines()
        if line.strip()
    ]


def workflow(path: Path) -> dict[str, Any]:
    # A loader that keeps `on` a word: YAML 1.1 takes it for a truth value.
    document = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506, TID251
    assert isinstance(document, dict)
    return document


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path in WORKFLOWS:
        for name, job in workflow(path)["jobs"].items():
            yield path.name, name, job


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    for file, name, job in jobs():
        for step in job["steps"]:
            yield f"{file}: {name}", step
    for path in ACTIONS:
        for step in workflow(path)["runs"]["steps"]:
            yield path.parent.name, step


# Documents


def named_command(words: list[str]) -> tuple[list[str], str]:
    """Returns the path of the command that *words* name, and its help and its groups'."""
    context = click.Context(cli)
    group: click.Command = cli
    path: list[str] = []
    helps = [CliRunner().invoke(cli, ["--help"]).output]
    for word in words:
        if isinstance(group, click.Group) and word in group.list_commands(context):
            path.append(word)
            found = group.get_command(context, word)
            assert found is not None
            group = found
            shown = CliRunner().invoke(cli, [*path, "--help"])
            assert shown.exit_code == 0, shown.output
            helps.append(shown.output)
    return path, "\n".join(helps)


@pytest.mark.parametrize("document, command", shown_commands())
def test_a_shown_command_exists(document: str, command: str) -> None:
    words = command.split()
    if words[0] in (".", "acme", "person"):
        # The functions of a kept demonstration, which tests/e2e/test_readme.py runs.
        return
    if words[0] != "daypass":
        assert (ROOT / words[0]).stat().st_mode & 0o111, f"{document}: {command}"
        return
    path, shown = named_command(words[1:])
    assert path, f"{document}: {command}"
    options = [word.partition("=")[0] for word in words if word.startswith("--")]
    assert [option for option in options if option not in shown] == []


def test_the_table_of_commands_is_complete() -> None:
    rows = re.findall(r"^\| `daypass ([a-z -]+?)(?: \[?[A-Z]+\]?)?` \|", text("README.md"), re.M)
    assert [path for row in rows for path in [" ".join(named_command(row.split())[0])]] == rows
    assert {row.split()[0] for row in rows} == set(cli.list_commands(click.Context(cli)))


@pytest.mark.parametrize("document", [*DOCUMENTS, ".github/SECURITY.md"])
def test_links_inside_the_project_lead_somewhere(document: str) -> None:
    folder = (ROOT / document).parent
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text(document))
    assert [link for link in links if not (folder / link).exists()] == []


def names_of_tests(path: Path) -> frozenset[str]:
    """Returns the name of every test in a file; none where there is no file."""
    found = re.findall(r"^ *def (test_\w+)\(", text(path), re.M) if path.exists() else ()
    return frozenset(found)


def test_every_threat_names_a_test_and_it_exists() -> None:
    rows = re.findall(r"^\| (?!threat|---)(.*) \|$", text(".github/SECURITY.md"), re.M)
    assert [row for row in rows if "::test_" not in row.rpartition(" | ")[2]] == []
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", text(".github/SECURITY.md"))
    there = {file: names_of_tests(ROOT / "tests" / file) for file, _ in named}
    assert [f"{file}::{test}" for file, test in named if test not in there[file]] == []


def test_the_changelog_has_a_place_for_what_comes_next() -> None:
    first = re.findall(r"^## (.+)$", text("CHANGELOG.md"), re.M)[0]
    assert first == "[Unreleased]"


def test_the_licence_is_apache_2_in_full() -> None:
    licence = text("LICENSE")
    assert hashlib.sha256(licence.encode()).hexdigest() == APACHE_2
    assert PYPROJECT["project"]["license"] == "Apache-2.0"


def test_no_file_names_a_machine_or_a_registry() -> None:
    found = []
    for path in tracked():
        if path == Path(__file__) or path.suffix in {".png", ".svg"}:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if REGISTRY.search(line) or MACHINE.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert found == []


# Locks


def locked(name: str) -> dict[str, str]:
    """Returns each package of a lock and its version; where it depends on Python, the newest."""
    found = re.findall(r"^([\w.-]+)==([^ \\]+)", text(f"requirements/{name}.txt"), re.M)
    return {canonicalize_name(package): version for package, version in found}


def demanded(name: str) -> list[Requirement]:
    project, groups = PYPROJECT["project"], PYPROJECT["dependency-groups"]
    wanted = [*project["dependencies"], *groups["build"]]
    if name != "run":
        wanted += project["optional-dependencies"]["sandbox"]
    if name == "dev":
        wanted += [*groups["test"], *groups["lint"]]
    return [Requirement(one) for one in wanted]


@pytest.mark.parametrize("name", ["run", "sandbox", "dev"])
def test_a_lock_holds_what_the_project_asks_for(name: str) -> None:
    versions = locked(name)
    for wanted in demanded(name):
        version = versions.get(canonicalize_name(wanted.name))
        assert version is not None, f"{wanted}: run scripts/lock"
        assert wanted.specifier.contains(version), f"{wanted} is locked at {version}"


def test_a_larger_lock_contains_the_smaller() -> None:
    run, sandbox, dev = locked("run").items(), locked("sandbox").items(), locked("dev").items()
    assert run <= sandbox <= dev


@pytest.mark.parametrize("name", ["run", "sandbox", "dev"])
def test_every_locked_package_carries_its_hashes(name: str) -> None:
    entries = re.split(r"^(?=\S)", text(f"requirements/{name}.txt"), flags=re.M)[1:]
    bare = [one.split()[0] for one in entries if one[0] != "#" and "--hash=sha256:" not in one]
    assert bare == []


def test_the_build_needs_what_the_lock_installs() -> None:
    assert PYPROJECT["dependency-groups"]["build"] == PYPROJECT["build-system"]["requires"]


def test_the_node_lock_is_bound_to_contents_and_to_no_host() -> None:
    packages = json.loads(text("tests/node/package-lock.json"))["packages"]
    for path, entry in packages.items():
        if path:
            assert entry["integrity"].startswith("sha512-"), path
            assert "resolved" not in entry, path


# Workflows

SHA = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
KEY_JOBS = {
    "DAYPASS_CHECKER_KEY": {("daypass-check", "check.yml")},
    "DAYPASS_KEEPER_KEY": {
        *(("daypass", "apply.yml"), ("daypass", "check.yml")),
        *(("daypass", "expire.yml"), ("daypass", "reconcile.yml")),
    },
}


def test_actions_are_pinned_by_commit() -> None:
    used = [(where, step["uses"]) for where, step in steps() if "uses" in step]
    assert used
    assert [
        use for use in used if not use[1].startswith("./.github/") and not SHA.fullmatch(use[1])
    ] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: str(path.name))
def test_a_workflow_grants_nothing_and_its_jobs_say_what_they_need(path: Path) -> None:
    document = workflow(path)
    assert document["permissions"] in ("", {}), "BaseLoader reads {} as a mapping"
    assert all("permissions" in job for job in document["jobs"].values())
    assert all("timeout-minutes" in job for job in document["jobs"].values())


def test_no_checkout_leaves_a_token_behind() -> None:
    checkouts = [step for _, step in steps() if step.get("uses", "").startswith("actions/checkout")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] == "false" for step in checkouts)


def test_no_expression_is_spliced_into_a_script() -> None:
    assert [where for where, step in steps() if "${{" in step.get("run", "")] == []


def test_the_judging_workflow_never_checks_out_the_head() -> None:
    branch = "${{ github.event.repository.default_branch }}"
    refs = [
        step["with"].get("ref")
        for file, _, job in jobs()
        if file in ("apply.yml", "check.yml", "expire.yml", "reconcile.yml")
        for step in job["steps"]
        if step.get("uses", "").startswith("actions/checkout")
    ]
    assert refs == [branch] * 7


def test_the_job_that_meets_a_strangers_file_first_holds_nothing() -> None:
    job = workflow(ROOT / ".github" / "workflows" / "check.yml")["jobs"]["parse"]
    assert "secrets." not in json.dumps(job)
    assert "environment" not in job
    assert job["permissions"] == {"contents": "read", "pull-requests": "read"}
    later = workflow(ROOT / ".github" / "workflows" / "check.yml")["jobs"]["judge"]
    assert later["needs"] == "parse"
    # And rules that nobody reviewed are asked there alone.
    assert job["outputs"]["tried"] == "${{ steps.try.outputs.tried }}"
    judging = [step for step in later["steps"] if "daypass check" in step.get("run", "")]
    assert ["--tried" in step["run"] for step in judging] == [True]


def test_keys_and_tokens_exist_in_protected_environments_only() -> None:
    found: dict[str, set[tuple[str, str]]] = {}
    for file, _, job in jobs():
        environment = job.get("environment", "")
        for key in re.findall(r"secrets\.(\w+)", json.dumps(job)):
            found.setdefault(key, set()).add((environment, file))
        if job["permissions"].get("id-token") if job["permissions"] else False:
            assert environment == "daypass", file
    assert found == KEY_JOBS


def test_whatever_writes_to_clouds_runs_one_at_a_time() -> None:
    for name in ("apply", "expire", "reconcile"):
        group = workflow(ROOT / ".github" / "workflows" / f"{name}.yml")["concurrency"]
        assert group == {"group": "daypass-clouds", "cancel-in-progress": "false"}


def test_every_scheduled_run_applies_before_it_expires() -> None:
    scheduled = [path for path in WORKFLOWS if "schedule" in workflow(path)["on"]]
    assert {path.name for path in scheduled} >= {"expire.yml", "reconcile.yml"}
    for path in scheduled:
        if path.name == "check.yml":
            continue
        for job in workflow(path)["jobs"].values():
            runs = [step["run"] for step in job["steps"] if "daypass" in step.get("run", "")]
            assert runs == ["daypass apply", "daypass expire"], path.name
            last = job["steps"][-1]
            assert last["if"] == "always() && steps.keeper.outcome == 'success'", path.name


def test_on_its_schedule_the_check_only_judges_green_checks_again() -> None:
    document = workflow(ROOT / ".github" / "workflows" / "check.yml")
    assert "schedule" in document["on"]
    jobs = document["jobs"]
    assert jobs["again"]["if"] == "github.event_name == 'schedule'"
    # Every other one follows from this.
    assert "github.event_name != 'schedule'" in jobs["parse"]["if"]
    assert [name for name, job in jobs.items() if "needs" not in job] == ["parse", "again"]
    last = jobs["again"]["steps"][-1]["run"]
    assert "daypass check --again --post" in last
    assert "--merge" not in last


def test_the_documented_apps_hold_what_the_workflows_ask_for() -> None:
    # A token is refused when a permission is asked for that the installation lacks.
    asked: dict[str, dict[str, str]] = {}
    for _, step in steps():
        if step.get("uses", "").startswith("actions/create-github-app-token"):
            app = re.search(r"DAYPASS_(\w+)_APP", step["with"]["client-id"])
            assert app is not None
            for name, level in step["with"].items():
                if name.startswith("permission-"):
                    held = asked.setdefault(app[1].lower(), {})
                    what = name.removeprefix("permission-").replace("-", " ")
                    held[what] = max(held.get(what, "read"), level)
    documented = {}
    for app, read, write in re.findall(
        r"^ *\| \*(checker|keeper)\* \| ([\w ,]+) \| ([\w ,]+) \|", text("README.md"), re.M
    ):
        documented[app] = {
            **dict.fromkeys(map(str.strip, read.split(",")), "read"),
            **dict.fromkeys(map(str.strip, write.split(",")), "write"),
        }
    assert documented == asked


def test_the_summary_fails_when_anything_was_left_out() -> None:
    every = workflow(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]
    summary = every.pop("summary")
    assert summary["if"] == "always()"
    assert set(summary["needs"]) == set(every)
    for results, code in (("success success", 0), ("success skipped", 1), ("failure success", 1)):
        environment = {"RESULTS": results, "PATH": os.defpath}
        script = ["sh", "-e", "-c", summary["steps"][0]["run"]]
        done = subprocess.run(script, env=environment, capture_output=True)
        assert done.returncode == code, results


def test_the_wheel_carries_the_policies_and_the_sandbox_and_no_tests(tmp_path: Path) -> None:
    build = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", build, tmp_path], cwd=ROOT, check=True, capture_output=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "pipeline/policies/access/decision/decision.rego" in names
    assert "pipeline/sandbox/acme/access/principals/alice.yaml" in names
    assert not [name for name in names if name.startswith(("tests/", "scripts/"))]
    assert not [name for name in names if name.endswith("_test.rego")]
