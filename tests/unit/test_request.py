"""`daypass request`: a grant from a command line, or all that is wrong with it."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest

from pipeline.cli.context import Context
from pipeline.cli.main import cli, run
from pipeline.cli.request import request as command
from pipeline.errors import UsageError
from pipeline.run import files
from tests.unit.support_git import Work
from tests.unit.support_policies import copy_acme

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
LOGS = "gcp/sandbox-dev:log-viewer"
RDS = "aws/payments-prod:rds-reader"
TERMINATE = "aws/payments-prod:ec2-terminate"
WHY = ("--reason", "Look at why the nightly build of the sandbox fails")
ALICE = ("--for", "alice")
PATH = "access/grants/alice/2026-11-20-log-viewer.yaml"
OTHER = """\
subject: bob
reason: Look at why the nightly build of the sandbox fails
duration: {duration}
access:
  - {{target: {target}, role: {role}}}
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Acme's catalogue and the policies, in a repository of git."""
    monkeypatch.setattr(Context, "now", lambda _: NOW)
    work = Work.begin(tmp_path / "acme")
    copy_acme(work.path)
    (work.path / "policies").symlink_to(ROOT / "policies")
    return work.path


@pytest.fixture
def ask(tree: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["-C", str(tree), "request", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def other(tree: Path, name: str, duration: str, line: str = LOGS) -> None:
    target, _, role = line.partition(":")
    file = tree / "access" / "grants" / "bob" / f"{name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(OTHER.format(duration=duration, target=target, role=role), "utf-8")


def problems(told: str) -> dict[str, list[str]]:
    """Returns the messages by the argument that each is about."""
    found: dict[str, list[str]] = {}
    for problem in json.loads(told)["problems"]:
        found.setdefault(problem["argument"], []).append(problem["message"])
    return found


def test_a_request_is_written_judged_and_its_next_step_told(tree: Path, ask: Any) -> None:
    code, out, err = ask(LOGS, *ALICE, *WHY, "--ticket", "OPS-7", "--duration", "30m")
    assert code == 0
    assert (tree / PATH).read_text("utf-8") == (
        "# yaml-language-server: $schema=../../schemas/grant.schema.json\n"
        "subject: alice\n"
        'reason: "Look at why the nightly build of the sandbox fails"\n'
        "ticket: OPS-7\n"
        "duration: 30m\n"
        "access:\n"
        "  - target: gcp/sandbox-dev\n"
        "    role: log-viewer\n"
    )
    lines = out.splitlines()
    assert lines[:2] == [
        f"{PATH}: written",
        f"{PATH}: valid; every role is of low risk, and somebody with a say in it asks",
    ]
    assert f"  git -C {tree} switch -c request/alice/2026-11-20-log-viewer" in lines
    assert lines[-1] == "Then open the pull request on GitHub."
    assert "offline, " in err


def test_check_says_the_same_of_the_file_and_exits_alike(
    tree: Path, ask: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, expected in (((), 0), (("--duration", "3d"), 1)):
        code, out, _ = ask(LOGS, *ALICE, *WHY, "--json", "--keep", *arguments)
        told = json.loads(out)
        assert told["written"] is True
        assert run(["-C", str(tree), "check", told["path"], "--json"]) == code == expected
        assert json.loads(capsys.readouterr().out)["grants"] == [told["grant"]]
        (tree / told["path"]).unlink()


def test_a_denied_request_leaves_nothing_that_the_next_try_would_count(
    tree: Path, ask: Any
) -> None:
    code, out, _ = ask(LOGS, *ALICE, *WHY, "--duration", "3d")
    assert code == 1
    assert not (tree / PATH).exists()
    assert f"{PATH}:4:11: " in out
    assert out.splitlines()[-1].startswith("Nothing is written: correct the request")
    told = json.loads(ask(LOGS, *ALICE, *WHY, "--duration", "3d", "--json")[1])
    assert (told["written"], told["next"]["commands"]) == (False, [])
    assert ask(LOGS, *ALICE, *WHY, "--duration", "1h")[0] == 0
    assert (tree / PATH).exists()


def test_a_denied_request_that_is_kept_says_how_to_go_on(
    tree: Path, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree)
    code, out, _ = ask(LOGS, *ALICE, *WHY, "--duration", "3d", "--keep")
    assert code == 1
    assert (tree / PATH).exists()
    assert f"{PATH}:5:" not in out
    assert f"{PATH}:4:11: " in out
    assert out.splitlines()[-3:] == [
        "Edit the file and check it again, or remove it:",
        f"  daypass check {PATH}",
        f"  rm {PATH}",
    ]


def test_the_commands_that_are_told_make_the_branch(
    tree: Path, ask: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/access")
    work = Work(tree)
    work.commit("start")
    remote = tmp_path / "remote.git"
    work.git("init", "--quiet", "--bare", str(remote))
    work.git("remote", "add", "origin", str(remote))
    told = json.loads(ask(LOGS, RDS, *ALICE, *WHY, "--ticket", "OPS-7", "--json")[1])
    # What else is staged is no part of the request.
    (tree / "other.txt").write_text("mine\n")
    work.git("add", "other.txt")
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Alice")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "alice@example.com")
    for line in told["next"]["commands"]:
        subprocess.run(["sh", "-euc", line], check=True, capture_output=True)
    branch = "request/alice/2026-11-20-log-viewer"
    assert work.git("-C", str(remote), "show", "--format=%s", "--name-only", branch).split(
        "\n\n"
    ) == [
        "Request log-viewer on gcp/sandbox-dev, rds-reader on aws/payments-prod for alice",
        PATH,
    ]
    assert (
        told["next"]["link"] == f"https://github.com/acme/access/compare/main...{branch}?expand=1"
    )


def test_the_link_is_told_where_the_repository_is_known(
    ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/access")
    monkeypatch.setenv("DAYPASS_DEFAULT_BRANCH", "trunk")
    assert ask(LOGS, *ALICE, *WHY, "--name", "x")[1].splitlines()[-1] == (
        "Then open the pull request: "
        "https://github.com/acme/access/compare/trunk...request/alice/x?expand=1"
    )


def test_what_a_shell_would_read_is_quoted(
    ask: Any, tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / "a folder; $(touch x)"
    tree.rename(odd)
    assert run(["-C", str(odd), "request", LOGS, *ALICE, *WHY, "--json"]) == 0
    for line in json.loads(capsys.readouterr().out)["next"]["commands"]:
        assert f"'{odd}'" in line


def test_a_dry_run_shows_the_file_alone_and_writes_nothing(tree: Path, ask: Any) -> None:
    before = sorted(tree.rglob("*"))
    code, shown, err = ask(LOGS, *ALICE, *WHY, "--dry-run")
    assert (code, f"{PATH}: valid" in err) == (0, True)
    assert sorted(tree.rglob("*")) == before
    told = json.loads(ask(LOGS, *ALICE, *WHY, "--dry-run", "--json")[1])
    assert (told["text"], told["written"]) == (shown, False)
    assert ask(LOGS, *ALICE, *WHY)[0] == 0
    assert (tree / PATH).read_text("utf-8") == shown


def test_everything_wrong_is_told_at_once_by_argument(tree: Path, ask: Any) -> None:
    before = sorted(tree.rglob("*"))
    code, out, err = ask(
        *("aws/payments-prd:rds-reader", "aws/payments-prod:rds-reder", TERMINATE),
        *(f"{TERMINATE},resources=x,resource=i-1", "gcp/sandbox-dev:log-viewer,a", "logs"),
        *("AWS/payments-prod:rds-reader", "aws/payments-prod:log-viewer"),
        *("--for", "alcie", "--duration", "soon", "--start", "2026-11-20T22:00"),
        *("--ticket", "a b", "--reason", "no", "--name", "../x", "--json"),
    )
    told = problems(out)
    assert code == 2
    expected = {
        "aws/payments-prd:rds-reader": ['did you mean "aws/payments-prod"?'],
        "aws/payments-prod:rds-reder": ['did you mean "rds-reader"?'],
        TERMINATE: ["needs the parameter resource"],
        f"{TERMINATE},resources=x,resource=i-1": ['did you mean "resource"?', "does not match"],
        "gcp/sandbox-dev:log-viewer,a": ["no PARAMETER=VALUE"],
        "logs": ["names no target and role"],
        "AWS/payments-prod:rds-reader": ['did you mean "aws/payments-prod"?'],
        "aws/payments-prod:log-viewer": ["a role of gcp"],
        "--for": ['did you mean "alice"?'],
        "--duration": ["not of the form"],
        "--start": ["add the offset"],
        "--ticket": ["without spaces"],
        "--reason": ["too short"],
        "--name": ["no name alone"],
    }
    assert told.keys() == expected.keys()
    for argument, parts in expected.items():
        assert len(told[argument]) == len(parts), argument
        for part in parts:
            assert any(part in message for message in told[argument]), (argument, part)
    assert "15 problems found, nothing is written" in err
    assert sorted(tree.rglob("*")) == before


@pytest.mark.parametrize(
    "arguments, argument, said",
    [
        ((LOGS, LOGS), LOGS, "second time"),
        (("gcp/sandbox-dev:Log-viewer",), None, 'did you mean "log-viewer"?'),
        ((f"{TERMINATE},resource=i-0abc1234,resource=i-0abc1235",), None, "given twice"),
        ((f"{TERMINATE},role=x",), None, "given twice"),
        ((f"{TERMINATE},resource=",), None, "no PARAMETER=VALUE"),
        ((f"{TERMINATE},resource=i-*",), None, "without spaces, quotes"),
        ((f"{TERMINATE},Resource=i-1,resource=i-0abc1234",), None, "name of a parameter"),
        (tuple(f"{LOGS},p={n}" for n in range(21)), "ACCESS", "the most is 20"),
        ((LOGS, "--reason", "a\nb"), "--reason", "several lines"),
        ((LOGS, "--reason", "one line\n"), "--reason", "read back otherwise"),
        ((LOGS, "--reason", "gehört \udcff"), "--reason", "no text"),
        ((LOGS, "--reason", "a" * 70_000), "the file", "the most is 65536"),
        ((LOGS, "--ticket", ""), "--ticket", "empty"),
        ((LOGS, "--name", ".x"), "--name", "is not made of"),
        ((LOGS, "--name", "x.yaml"), "--name", ".yaml"),
        ((LOGS, "--name", "x.lock"), "--name", "is not made of"),
        ((LOGS, "--for", "Alice"), "--for", 'did you mean "alice"?'),
        ((LOGS, "--for", "../bob"), "--for", "name of a principal"),
        ((LOGS, "--for", "carol", "--start", "2026-02-30T00:00:00Z"), "--start", "not exist"),
        ((RDS, "--for", "carol"), RDS, "no identity in aws"),
    ],
)
def test_what_a_grant_cannot_say_is_refused(
    tree: Path, ask: Any, arguments: tuple[str, ...], argument: str | None, said: str
) -> None:
    code, out, _ = ask(*ALICE, *WHY, *arguments, "--json")
    told = problems(out)
    assert code == 2
    assert any(said in message for message in told[argument or arguments[0]])
    assert not (tree / "access" / "grants").exists()


def test_people_read_each_problem_after_its_argument(ask: Any) -> None:
    code, out, err = ask("aws/payments-prd:rds-reader", *ALICE, *WHY, "--duration", "1 hour")
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        '--duration: "1 hour" is not of the form 30m, 2h, 1h30m or 3d; write 1h',
        'aws/payments-prd:rds-reader: target "aws/payments-prd" is not in access/targets/aws.yaml'
        '; did you mean "aws/payments-prod"?',
        "daypass: 2 problems found, nothing is written",
        "  ACCESS is TARGET:ROLE[,PARAMETER=VALUE...], such as aws/payments-prod:rds-reader",
    ]


def test_a_malformed_catalogue_writes_nothing(tree: Path, ask: Any) -> None:
    (tree / "access" / "roles" / "gcp.yaml").write_text("log-viewer: {}\n", "utf-8")
    code, _, err = ask(LOGS, *ALICE, *WHY)
    assert code == 2
    assert "access/roles/gcp.yaml:1:" in err
    assert not (tree / "access" / "grants").exists()


def test_policies_that_cannot_be_read_write_nothing(tree: Path, ask: Any) -> None:
    (tree / "policies").unlink()
    (tree / "policies").mkdir()
    assert ask(LOGS, *ALICE, *WHY)[0] in (2, 3)
    assert not (tree / "access" / "grants").exists()


def test_a_file_that_is_there_is_never_written_over(tree: Path, ask: Any) -> None:
    names = [json.loads(ask(LOGS, *ALICE, *WHY, "--json")[1])["path"] for _ in range(3)]
    stem = PATH.removesuffix(".yaml")
    assert names == [PATH, f"{stem}-2.yaml", f"{stem}-3.yaml"]
    (tree / PATH).write_text("mine\n")
    code, out, _ = ask(LOGS, *ALICE, *WHY, "--name", "2026-11-20-log-viewer", "--json")
    assert (code, list(problems(out))) == (2, ["--name"])
    assert (tree / PATH).read_text() == "mine\n"


def test_a_link_that_leads_nowhere_is_a_file_too(tree: Path, tmp_path: Path) -> None:
    (tree / PATH).parent.mkdir(parents=True)
    (tree / PATH).symlink_to(tmp_path / "elsewhere.yaml")
    assert files.is_taken(tree, PATH)
    with pytest.raises(UsageError, match="nothing is overwritten"):
        files.write_new(tree, PATH, "x\n")
    assert not (tmp_path / "elsewhere.yaml").exists()


@pytest.mark.parametrize("to", ["outside", "work/.git", "work/access/grants/alice", "nowhere"])
@pytest.mark.parametrize("link", ["access/grants", "access/grants/alice"])
def test_a_folder_that_is_a_link_is_not_written_to(
    tree: Path, ask: Any, tmp_path: Path, link: str, to: str
) -> None:
    (tmp_path / "outside").mkdir()
    (tree / link).parent.mkdir(exist_ok=True)
    (tree / link).symlink_to(tmp_path / to.replace("work", tree.name))
    before = sorted(tmp_path.rglob("*.yaml"))
    code, out, err = ask(LOGS, *ALICE, *WHY)
    assert (code, out) == (2, "")
    assert "leads elsewhere by a link" in err
    assert sorted(tmp_path.rglob("*.yaml")) == before


def test_a_terminal_that_takes_little_ends_nothing_in_a_traceback(tree: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pipeline.cli",
            "-C",
            str(tree),
            "request",
            LOGS,
            *ALICE,
            "--dry-run",
        ]
        + ["--reason", "Nach den Löchern im Log sehen"],
        capture_output=True,
        check=False,
        cwd=ROOT,
        env={"PATH": "", "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0, done.stderr
    assert "Löchern" in done.stdout.decode("utf-8")


def test_whoever_comes_second_to_a_name_is_refused(tree: Path) -> None:
    files.write_new(tree, PATH, "first\n")
    with pytest.raises(UsageError, match="nothing is overwritten"):
        files.write_new(tree, PATH, "second\n")
    assert (tree / PATH).read_text() == "first\n"


def test_a_write_that_fails_leaves_no_file(tree: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        files.write_new(tree, PATH, "\udcff")
    assert not (tree / PATH).exists()
    (tree / "access" / "grants" / "bob").write_text("")
    with pytest.raises(UsageError, match="bob"):
        files.write_new(tree, "access/grants/bob/x.yaml", "")


@pytest.mark.parametrize(
    "before, arguments, duration, why",
    [
        ([], (LOGS,), "1h", "no grant of gcp/log-viewer here"),
        (["2h", "2h", "30m"], (LOGS,), "2h", "2 of 3 grants of gcp/log-viewer"),
        (["2h", "30m"], (LOGS,), "30m", "1 of 2 grants"),
        (["2h"], (RDS, LOGS), "1h", "no grant of aws/rds-reader"),
        (["3d"], (LOGS,), "8h", "the most that gcp/log-viewer allows"),
        (["3h"], (LOGS, f"{TERMINATE},resource=i-0abc1234"), "1h", "aws/ec2-terminate allows"),
    ],
)
def test_the_usual_duration_is_proposed_and_it_says_why(
    tree: Path,
    ask: Any,
    before: list[str],
    arguments: tuple[str, ...],
    duration: str,
    why: str,
) -> None:
    for number, one in enumerate(before):
        other(tree, str(number), one)
    (tree / "access" / "grants").mkdir(exist_ok=True)
    (tree / "access" / "grants" / "broken.yaml").write_text("[")
    _, out, err = ask(*arguments, *ALICE, *WHY, "--dry-run", "--json")
    assert f"\nduration: {duration}\n" in json.loads(out)["text"]
    assert f"duration {duration}, " in err
    assert why in err


def test_a_duration_that_is_given_is_not_proposed(ask: Any) -> None:
    _, out, err = ask(LOGS, *ALICE, *WHY, "--duration", "90m", "--dry-run")
    assert "duration: 1h30m" in out
    assert "--duration says another" not in err


def test_the_subject_is_whoever_the_clone_says(tree: Path, ask: Any) -> None:
    work = Work(tree)
    assert (
        "write --for PRINCIPAL, or say once" in problems(ask(LOGS, *WHY, "--json")[1])["--for"][0]
    )
    work.git("config", "github.user", "Alice")
    assert json.loads(ask(LOGS, *WHY, "--dry-run", "--json")[1])["path"] == PATH
    assert "/bob/" in json.loads(ask(LOGS, *WHY, "--for", "bob", "--dry-run", "--json")[1])["path"]
    work.git("config", "github.user", "alicex")
    (said,) = problems(ask(LOGS, *WHY, "--json")[1])["--for"]
    assert said.endswith('the login of no principal; did you mean "alice"?')


def test_without_git_the_subject_is_asked_for(tree: Path, ask: Any) -> None:
    shutil.rmtree(tree / ".git")
    assert problems(ask(LOGS, *WHY, "--json")[1]).keys() == {"--for"}
    assert ask(LOGS, *WHY, *ALICE)[0] == 0


def test_start_and_emergency_are_written(ask: Any) -> None:
    _, out, _ = ask(
        *(LOGS, *ALICE, *WHY, "--start", "2026-11-21T01:00:00+01:00", "--emergency", "--dry-run")
    )
    assert "\nstart: 2026-11-21T00:00:00Z\n" in out
    assert out.endswith("\nemergency: true\n")


class Terminal(io.StringIO):
    """What somebody types."""

    def isatty(self) -> bool:
        return True


def test_a_reason_is_asked_for_on_a_terminal_only(
    ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = ask(LOGS, *ALICE, "--json")
    assert (code, list(problems(out))) == (2, ["--reason"])
    monkeypatch.setattr("sys.stdin", Terminal("The nightly build fails since Tuesday\n"))
    code, out, err = ask(LOGS, *ALICE, "--dry-run", "--json")
    assert code == 0
    assert 'reason: "The nightly build fails since Tuesday"\n' in json.loads(out)["text"]
    assert err.startswith("Reason: ")
    monkeypatch.setattr("sys.stdin", Terminal("no\n"))
    assert problems(ask(LOGS, *ALICE, "--json")[1]).keys() == {"--reason"}
    # Nobody is asked for a reason of what cannot be.
    monkeypatch.setattr("sys.stdin", Terminal(""))
    code, out, err = ask(LOGS, *ALICE, "--duration", "soon", "--json")
    assert (code, list(problems(out))) == (2, ["--duration"])
    assert "Reason" not in err


def completed(tree: Path, parameter: str, begun: str) -> list[str]:
    (one,) = [param for param in command.params if param.name == parameter]
    top = click.Context(cli)
    top.params["repo"] = tree
    return [item.value for item in one.shell_complete(click.Context(command, parent=top), begun)]


def test_targets_roles_and_principals_are_completed(tree: Path, tmp_path: Path) -> None:
    assert completed(tree, "access", "aws/pay") == ["aws/payments-prod:"]
    assert completed(tree, "access", "gcp/sandbox-dev:") == [
        "gcp/sandbox-dev:bigquery-reader",
        "gcp/sandbox-dev:log-viewer",
    ]
    assert completed(tree, "subject", "a") == ["alice"]
    (tree / "access" / "roles" / "gcp.yaml").write_text("[")
    assert completed(tree, "access", "aws/pay") == []
    assert completed(tmp_path, "subject", "a") == []
