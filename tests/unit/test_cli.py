"""The command line: help, exit codes, JSON, and what each command may load."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from pipeline.cli.main import cli, run
from pipeline.errors import InvalidInput, UsageError
from tests.unit.support_policies import copy_acme, copy_policies

ROOT = Path(__file__).parents[2]
GRANT = "access/grants/alice/stuck-payouts.yaml"
GOOD = """\
subject: alice
reason: Look at why the nightly build of the sandbox fails
duration: 30m
access:
  - target: gcp/sandbox-dev
    role: log-viewer
"""
BILLION_LAUGHS = "a: &a [lol, lol]\n" + "\n".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]" for i in range(24)
)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """An access repository with Acme's catalogue, the policies, and no git."""
    copy_acme(tmp_path)
    copy_policies(tmp_path / "policies")
    (tmp_path / GRANT).parent.mkdir(parents=True)
    return tmp_path


@pytest.fixture
def daypass(repository: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["-C", str(repository), *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def commands(group: click.Command = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield from commands(command, (*path, name))


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_every_command_has_help_with_its_exit_codes(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*path, "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Usage: daypass")
    assert "Exit codes" in said or path == ("audit",)


@pytest.mark.parametrize(
    "path", [p for p in commands() if p not in ((), ("audit",), ("policy",))], ids=" ".join
)
def test_every_command_speaks_json(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    run([*path, "--help"])
    assert "--json" in capsys.readouterr().out


@pytest.mark.parametrize(
    "body, place",
    [
        *(
            (GOOD.replace("duration: 30m", f"duration: {text}"), "3:11")
            for text in (
                "in 3 dayz",
                "soon",
                "PT4H",
                "4 hours",
                "0m",
                "-2h",
                "1e9h",
                "99999999999h",
                "２h",
            )
        ),
        *(
            (GOOD.replace("access:", f"start: {text}\naccess:"), "4:8")
            for text in ("2026-13-45", "10/11/2027", "2026-11-20 22:00")
        ),
        (GOOD + "urgent: yes\n", "7:1"),
        (GOOD + "duration: 1h\n", "7:1"),
        (GOOD.replace("    role", "\trole"), "6:1"),
        (GOOD.replace("duration: 30m", "duration: &d 30m"), "3:11"),
        (GOOD + "#" * 10 * 1024 * 1024, "1:1"),
        (BILLION_LAUGHS, "1:"),
        (GOOD.replace("nightly", "nächtlich").encode("latin-1"), "2:"),
        ("", "1:1"),
        ("- subject: alice\n", "1:1"),
        (GOOD + "---\n" + GOOD, "7:1"),
        (GOOD.replace("subject: alice", "subject: bob"), "1:10"),
        (GOOD.replace("subject: alice", "subject: аlice"), "1:10"),
        (GOOD.replace("role: log-viewer", "role: rds-reader"), "6:11"),
        (
            GOOD.replace("gcp/sandbox-dev", "aws/sandbox-dev").replace(
                "log-viewer", "ec2-terminate"
            ),
            "6:11",
        ),
        (
            GOOD.replace("gcp/sandbox-dev", "aws/sandbox-dev").replace(
                "role: log-viewer", "role: ec2-terminate\n    resource: x-i-0abc1234"
            ),
            "7:15",
        ),
        (GOOD.replace("duration: 30m", "duration: soon") + "urgent: yes\n", "3:11"),
    ],
)
def test_a_bad_grant_is_refused_at_its_line_with_exit_2(
    repository: Path, daypass: Any, body: str | bytes, place: str
) -> None:
    (repository / GRANT).write_bytes(body.encode() if isinstance(body, str) else body)
    code, out, err = daypass("check", GRANT)
    assert (code, out) == (2, "")
    assert f"{GRANT}:{place}" in err


def test_all_problems_are_told_at_once_and_as_json(repository: Path, daypass: Any) -> None:
    (repository / GRANT).write_text(GOOD.replace("30m", "soon") + "urgent: yes\n", "utf-8")
    code, out, _ = daypass("check", GRANT, "--json")
    told = json.loads(out)
    assert (code, told["exit_code"]) == (2, 2)
    assert [(p["line"], p["column"], p["code"]) for p in told["problems"]] == [
        (3, 11, "duration"),
        (7, 1, "unknown-key"),
    ]


@pytest.mark.parametrize("command", [("check",), ("plan",), ("policy", "explain")], ids=" ".join)
def test_the_wrong_folder_hides_nothing_that_the_catalogue_lacks(
    repository: Path, daypass: Any, command: tuple[str, ...]
) -> None:
    text = GOOD.replace("subject: alice", "subject: bob").replace("gcp/sandbox-dev", "aws/zzz")
    (repository / GRANT).write_text(
        text.replace("log-viewer", "ec2-terminate\n    instance: i-0abc1234"), "utf-8"
    )
    code, out, _ = daypass(*command, GRANT, "--json")
    assert code == 2
    assert {p["code"] for p in json.loads(out)["problems"]} == {
        "folder",
        "unknown-target",
        "unknown-parameter",
        "missing-parameter",
    }


def test_a_good_grant_next_to_a_bad_one_does_not_hide_it(repository: Path, daypass: Any) -> None:
    (repository / GRANT).write_text(GOOD, "utf-8")
    (repository / GRANT).with_name("other.yaml").write_text("subject: [", "utf-8")
    code, _, err = daypass("check")
    assert code == 2
    assert "access/grants/alice/other.yaml:" in err


def test_a_grant_that_policy_accepts_exits_0_and_says_what_it_needs(
    repository: Path, daypass: Any
) -> None:
    (repository / GRANT).write_text(GOOD, "utf-8")
    code, out, _ = daypass("check", GRANT)
    assert code == 0
    assert "every role is of low risk" in out
    (repository / GRANT).write_text(
        GOOD.replace("gcp/sandbox-dev", "aws/sandbox-dev").replace("log-viewer", "rds-reader"),
        "utf-8",
    )
    code, out, _ = daypass("check", GRANT)
    assert code == 0
    assert "needs 1 of payments-leads" in out


def test_a_grant_that_policy_denies_exits_1_at_its_line(repository: Path, daypass: Any) -> None:
    (repository / GRANT).write_text(GOOD.replace("30m", "3d"), "utf-8")
    code, out, _ = daypass("check", GRANT)
    assert code == 1
    assert f"{GRANT}:3:11: " in out
    code, out, _ = daypass("check", GRANT, "--json")
    (one,) = json.loads(out)["grants"]
    assert {"duration-over-role", "duration-over-settings"} <= {
        violation["code"] for violation in one["violations"]
    }


@pytest.mark.parametrize(
    "durations,told",
    [
        (("30m", "30m"), "2 grants and the catalogue are well-formed"),
        (("3d",), "1 grant and the catalogue are well-formed; 1 is denied by policies"),
        (("3d", "5m"), "2 grants and the catalogue are well-formed; 1 is denied by policies"),
        (("3d", "4d"), "2 grants and the catalogue are well-formed; 2 are denied by policies"),
    ],
)
def test_a_tree_s_last_line_counts_what_is_denied(
    repository: Path, daypass: Any, durations: tuple[str, ...], told: str
) -> None:
    for subject, duration in zip(("alice", "bob"), durations, strict=False):
        file = repository / "access" / "grants" / subject / "x.yaml"
        file.parent.mkdir(exist_ok=True)
        text = GOOD.replace("30m", duration).replace("subject: alice", f"subject: {subject}")
        file.write_text(text, "utf-8")
    code, out, _ = daypass("check")
    assert code == (1 if "denied" in told else 0)
    assert out.splitlines()[-1] == told


def test_a_plan_of_a_file_shows_bindings_and_durations_without_moments(
    repository: Path, daypass: Any
) -> None:
    (repository / GRANT).write_text(GOOD, "utf-8")
    code, out, err = daypass("plan", GRANT)
    assert (code, out) == (
        1,
        "+ gcp/sandbox-dev log-viewer alice for 30m (alice/stuck-payouts)\n",
    )
    assert err == "policies are not asked here; daypass check asks them\n"
    code, out, _ = daypass("plan", GRANT, "--json")
    assert (code, out.count("\n")) == (1, 1)


def test_a_plan_of_a_file_says_what_is_given_even_if_policies_deny_it(
    repository: Path, daypass: Any
) -> None:
    (repository / GRANT).write_text(GOOD.replace("30m", "3d"), "utf-8")
    code, out, err = daypass("plan", GRANT)
    assert (code, out.count("+ ")) == (1, 1)
    assert "policies are not asked" in err


def test_a_broken_catalogue_stops_every_check(repository: Path, daypass: Any) -> None:
    (repository / GRANT).write_text(GOOD, "utf-8")
    (repository / "access" / "roles" / "gcp.yaml").write_text("log-viewer: {}\n", "utf-8")
    code, _, err = daypass("check", GRANT)
    assert code == 2
    assert "access/roles/gcp.yaml:1:" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "--merge"),
        ("check", "--post"),
        ("check", "--tried", "report.json"),
        ("check", GRANT, "--changed-from", "/"),
        ("check", "--pr", "1", "--changed-from", "/"),
        ("check", "--changed-from", "nowhere"),
        ("check", "--pr", "0"),
        ("check", "nowhere.yaml"),
        ("check", "--pr", "1", GRANT),
        ("apply",),
        ("status", "--nonsense"),
        ("nonsense",),
        ("demo", "--no-story"),
        ("--sandbox", "nowhere.json", "status"),
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_2_and_says_the_way_out(
    repository: Path, daypass: Any, arguments: tuple[str, ...]
) -> None:
    (repository / GRANT).write_text(GOOD, "utf-8")
    code, out, err = daypass(*arguments)
    assert (code, out) == (2, "")
    assert err


@pytest.mark.parametrize("command", ["check", "plan"])
@pytest.mark.parametrize(
    "file,told",
    [
        ("access/targets/aws.yaml", "aws.yaml is no grant\n"),
        ("policies", "is a folder that holds no grant\n"),
        ("access/grants/bob", "is a folder that holds no grant\n"),
        ("nope.yaml", "there is no file nope.yaml\n"),
        ("/", " is not in "),
    ],
)
def test_what_is_no_grant_by_its_place_is_one_error(
    repository: Path, daypass: Any, command: str, file: str, told: str
) -> None:
    (repository / "access" / "grants" / "bob").mkdir()
    (repository / GRANT).write_text(GOOD, "utf-8")
    code, out, err = daypass(command, GRANT, file)
    assert (code, out) == (2, "")
    assert told in err
    assert len(err.splitlines()) == 2  # what, and the way out


def test_a_folder_is_the_grants_in_it_and_each_is_judged_once(
    repository: Path, daypass: Any
) -> None:
    (repository / GRANT).write_text(GOOD, "utf-8")
    (repository / GRANT).with_name("other.yaml").write_text(GOOD, "utf-8")
    stranger = repository / "access" / "grants" / "bob" / "x.yaml"
    stranger.parent.mkdir()
    stranger.write_text("subject: [", "utf-8")
    folder = str(Path(GRANT).parent)
    code, out, _ = daypass("check", folder, GRANT, "--json")
    assert code == 0
    assert [one["id"] for one in json.loads(out)["grants"]] == [
        "alice/other",
        "alice/stuck-payouts",
    ]
    code, _, err = daypass("check", "access")
    assert code == 2
    assert "access/grants/bob/x.yaml:2:" in err


def test_a_grant_with_a_wrong_name_is_told_what_is_wrong_with_it(
    repository: Path, daypass: Any
) -> None:
    wrong = (repository / GRANT).with_name("UPPER.yml")
    wrong.write_text(GOOD, "utf-8")
    code, _, err = daypass("check", str(wrong))
    assert code == 2
    assert 'UPPER.yml:1:1: the name "UPPER.yml" does not end in .yaml' in err


def test_a_folder_without_a_catalogue_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-C", str(tmp_path), "check"]) == 2
    assert "holds no catalogue" in capsys.readouterr().err


def test_output_that_is_no_terminal_has_no_colours(repository: Path, daypass: Any) -> None:
    (repository / GRANT).write_text(GOOD.replace("30m", "3d"), "utf-8")
    _, out, err = daypass("check", GRANT)
    assert "\x1b" not in out + err


def test_completion_is_offered() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from pipeline.cli.main import main; main()"],
        capture_output=True,
        text=True,
        check=False,
        env={"_DAYPASS_COMPLETE": "bash_source", "PATH": os.defpath},
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert "_daypass_completion" in done.stdout


def test_checking_a_file_loads_no_sdk_and_reads_one_subject_only(repository: Path) -> None:
    (repository / GRANT).write_text(GOOD, "utf-8")
    stranger = repository / "access" / "grants" / "bob" / "x.yaml"
    stranger.parent.mkdir()
    stranger.write_text("not: [yaml", "utf-8")
    watch = """
import json, sys
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
from pipeline.cli.main import run
code = run(["-C", sys.argv[1], "check", sys.argv[2]])
heads = {name.partition(".")[0] for name in sys.modules}
print(json.dumps([code, sorted(heads), [p for p in opened if "grants" in p]]), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", watch, str(repository), GRANT],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    code, loaded, opened = json.loads(done.stderr.splitlines()[-1])
    assert code == 0
    assert not {"boto3", "botocore", "azure", "google", "github", "opa_client", "requests"} & {
        *loaded
    }
    assert "regorus" in loaded
    read = [path for path in opened if path.startswith(str(repository))]
    assert read
    assert not [path for path in read if "/bob" in path]


def test_errors_carry_their_exit_codes_and_their_way_out() -> None:
    assert (InvalidInput(()).exit_code, UsageError("x").exit_code) == (2, 2)
    assert str(UsageError("what", hint="do this")) == "what; do this"


def test_form_alone_needs_neither_catalogue_nor_policies(repository: Path, daypass: Any) -> None:
    shutil.rmtree(repository / "policies")
    (repository / "access" / "roles" / "gcp.yaml").write_text("broken: [", "utf-8")
    (repository / GRANT).write_text(GOOD.replace("log-viewer", "gone"), "utf-8")
    assert daypass("check", "--form", GRANT) == (0, f"{GRANT}: well-formed\n", "")
    code, out, _ = daypass("check", "--form", GRANT, "--json")
    assert (code, json.loads(out)["grants"]) == (
        0,
        [{"id": "alice/stuck-payouts", "path": GRANT}],
    )
    (repository / GRANT).write_text(GOOD.replace("30m", "soon"), "utf-8")
    code, _, err = daypass("check", "--form", GRANT)
    assert code == 2
    assert err.startswith(f"{GRANT}:3:11: ")


@pytest.mark.parametrize("arguments", [("--form",), ("--form", "--pr", "4")], ids=" ".join)
def test_form_goes_with_files(daypass: Any, arguments: tuple[str, ...]) -> None:
    assert daypass("check", *arguments)[0] == 2
