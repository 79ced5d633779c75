"""Acme on this machine, the commands that are tried on it, and evaluators that say who may.

Start one per test, through the fixture `acme` of this folder's `conftest.py` or by
`founded(root)`. Evaluators read what the clouds' stand-ins have stored; none of the pipeline's
code takes part in their answer.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.cli.main import run
from pipeline.sandbox import aws_check, cel
from pipeline.sandbox.people import Person, PersonRefused
from pipeline.sandbox.world import (
    BRANCH,
    HOME_ACCOUNT,
    PEOPLE,
    RECORD,
    REPOSITORY,
    START,
    World,
    entra_object_id,
)

__all__ = [
    "BRANCH",
    "RECORD",
    "REPOSITORY",
    "START",
    "Acme",
    "Ran",
    "PersonRefused",
    "founded",
    "grant",
]

_POLICIES = Path(__file__).parent.parent.parent / "policies"

_ACCOUNTS = {"payments-prod": "111122223333", "sandbox-dev": "444455556666"}
_SUBSCRIPTIONS = {
    "payments-prod": "0a11aaaa-0000-4000-8000-000000000001",
    "sandbox-dev": "0a11aaaa-0000-4000-8000-000000000002",
}
_GCP_ROLES = {"log-viewer": "roles/logging.viewer", "bigquery-reader": "roles/bigquery.dataViewer"}
_AZURE_ROLES = {
    "reader": "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    "vm-contributor": "9980e02c-c2be-4d73-94e8-173b1dc7cf3c",
}
_AWS_CALLS = {
    "s3-logs-reader": ("s3:ListBucket", "arn:aws:s3:::acme-logs-{account}"),
    "rds-reader": ("rds:DescribeDBInstances", "arn:aws:rds:eu-central-1:{account}:db:ledger"),
    "ec2-terminate": (
        "ec2:TerminateInstances",
        "arn:aws:ec2:eu-central-1:{account}:instance/i-0abc1234def567890",
    ),
    "break-glass-admin": ("iam:CreateUser", "arn:aws:iam::{account}:user/backdoor"),
}
_KEPT = ("PATH",)


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    said: Any
    """With `--json` what it wrote, parsed (a list where it writes one object a line); else
    stdout followed by stderr."""


@cache
def policies() -> Mapping[str, str]:
    """Returns the repository's policies without their tests, by path below `policies/`."""
    return {
        path.relative_to(_POLICIES).as_posix(): path.read_text("utf-8")
        for path in sorted(_POLICIES.rglob("*"))
        if path.suffix in (".rego", ".yaml") and not path.name.endswith("_test.rego")
    }


def grant(
    subject: str = "alice",
    *,
    access: Sequence[str] = ("gcp/sandbox-dev log-viewer",),
    duration: str = "2h",
    reason: str = "Look at the deploy logs of the sandbox",
    **more: str,
) -> str:
    """Returns the text of a grant file.

    *access* holds `target role` or `target role name=value`; *more* are further keys, as they
    stand in the file. The default is of low risk and merges by itself.
    """
    lines = [f"subject: {subject}", f"reason: {reason}", f"duration: {duration}"]
    lines += [f"{key}: {value}" for key, value in more.items()]
    lines.append("access:")
    for one in access:
        target, role, *parameters = one.split()
        lines += [f"  - target: {target}", f"    role: {role}"]
        lines += [
            f"    {name}: {value}" for name, _, value in (p.partition("=") for p in parameters)
        ]
    return "\n".join(lines) + "\n"


def path_of(name: str) -> str:
    """Returns the path of the grant `subject/slug`."""
    return f"access/grants/{name}.yaml"


class Acme:
    """A `World` with the command line in front of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._bypassed = False
        self.stderr = ""
        """What the last command wrote there."""

    # Commands

    def daypass(self, *arguments: str) -> Ran:
        """Runs one command line against the stand-ins."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = run(
                ["-C", str(self.world.checkout), "--sandbox", str(self.world.sandbox_file)]
                + list(arguments)
            )
        self.stderr = err.getvalue()
        if "--json" not in arguments:
            return Ran(code, out.getvalue() + self.stderr)
        documents = [json.loads(line) for line in out.getvalue().splitlines()]
        if arguments[0] == "status" or arguments[:2] == ("audit", "log"):
            return Ran(code, documents)
        return Ran(code, documents[0] if documents else None)

    def check(self, number: int, *, merge: bool = True) -> Ran:
        """Checks a pull request as CI does: posted, and merged where policy allows that."""
        options = ["--post", "--merge"] if merge else ["--post"]
        return self.daypass("check", "--pr", str(number), *options, "--json")

    def apply(self) -> Ran:
        """Runs apply."""
        return self.daypass("apply", "--json")

    def quarantined(self, applied: Ran) -> dict[str, str]:
        """Returns why paths are quarantined, from what apply wrote."""
        return {one["path"]: "; ".join(one["reasons"]) for one in applied.said["quarantined"]}

    # People

    def person(self, login: str) -> Person:
        """Returns one of Acme's people."""
        return self.world.person(login)

    def request(
        self,
        login: str,
        branch: str,
        files: Mapping[str, str | None],
        *,
        title: str = "A request",
        base: str = BRANCH,
    ) -> int:
        """Pushes *files* (None deletes) to *branch* as *login*, opens a pull request.

        The branch must be one that no rule protects: what a push does there needs no git.
        """
        assert not self.world.github.repository(REPOSITORY).rules_for(branch)
        self._put(login, branch, files, title)
        return self.person(login).open(branch, title, base=base)

    def approve(self, number: int, *logins: str) -> None:
        """Lets people approve a pull request; first a check shows it, as CI does at once."""
        if logins and not self.is_shown(number):
            self.check(number, merge=False)
        for login in logins:
            self.person(login).review(number)

    def is_shown(self, number: int) -> bool:
        """Whether a check run on the head names this pull request."""
        github = self.world.github.repository(REPOSITORY)
        head = self.person("alice").pull(number)["head"]["sha"]
        return any(
            run.head_sha == head and run.external_id.startswith(f"{number}:")
            for run in github.check_runs.values()
        )

    def landed(self, login: str, name: str, text: str, *approvers: str) -> int:
        """Brings the grant *name* to the default branch the right way; returns the number."""
        number = self.request(login, f"req/{name}", {path_of(name): text})
        self.approve(number, *approvers)
        checked = self.check(number)
        assert checked.code == 0, checked
        if not checked.said["merged"]:
            self.person(login).merge(number)
        return number

    def merged_at(self, number: int) -> datetime:
        """Returns when a pull request was merged."""
        return datetime.fromisoformat(self.ask("alice", "GET", f"/pulls/{number}")["merged_at"])

    def ask(self, login: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Asks GitHub for `/repos/acme/access` and *path* as *login*. Raises `PersonRefused`."""
        return self.person(login)._ask(method, f"/repos/{REPOSITORY}{path}", body)

    def bypass(self) -> None:
        """Takes every rule off the default branch, as an admin who may bypass them."""
        self.world.switch_off_the_ruleset()
        self._loosen(BRANCH)
        self._bypassed = True

    def open_the_record(self) -> None:
        """Takes every rule off the record's branch."""
        self._loosen(RECORD)

    def _loosen(self, branch: str) -> None:
        for ruleset in self.world.github.repository(REPOSITORY).rulesets:
            if branch in ruleset.patterns:
                ruleset.checks = ()
                ruleset.deletion = ruleset.non_fast_forward = ruleset.pull_request = False
                ruleset.updater = None

    def push(self, login: str, files: Mapping[str, str | None], message: str = "By hand") -> str:
        """Pushes straight to the default branch; refused unless the rules are off."""
        if not self._bypassed:
            return self.person(login).push(BRANCH, files, message)
        return self._put(login, BRANCH, files, message)

    def _put(self, login: str, branch: str, files: Mapping[str, str | None], message: str) -> str:
        """Does what a push to a branch without rules does, without git; returns the commit."""
        github = self.world.github
        repository = github.repository(REPOSITORY)
        assert repository.collaborators[github.account(login).id] == "write"
        return github.push_files(
            REPOSITORY, branch, files, actor=login, message=message, start=BRANCH
        )

    # Git by hand, for commits that no client would make

    def git(self, login: str, *arguments: str, at: datetime | None = None, stdin: str = "") -> str:
        """Runs git in a bare clone of *login*'s, with remote `origin`; returns its output.

        *at* is the date that commits claim; the clock's where it is not given.
        """
        folder = self.world.root / "bare" / login
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            self._run(
                folder.parent, login, "clone", "--quiet", "--bare", self._url(login), str(folder)
            )
        return self._run(folder, login, *arguments, at=at, stdin=stdin)

    def commit(
        self,
        login: str,
        changes: Mapping[str, tuple[str, str] | None],
        *,
        parents: Sequence[str],
        at: datetime | None = None,
        author: str | None = None,
        message: str = "By hand",
    ) -> str:
        """Makes a commit of any shape: *changes* on the first parent's tree, by mode and content.

        None deletes; of a submodule (`160000`) the content is the commit's id.
        """
        git = lambda *a, **k: self.git(login, *a, **k)  # noqa: E731
        git("fetch", "--quiet", "origin", "+refs/heads/*:refs/heads/*", "+refs/pull/*:refs/pull/*")
        git("read-tree", parents[0])
        lines = []
        for path, change in changes.items():
            if change is None:
                lines.append(f"0 {'0' * 40}\t{path}\0")
                continue
            mode, content = change
            blob = (
                content if mode == "160000" else git("hash-object", "-w", "--stdin", stdin=content)
            )
            lines.append(f"{mode} {blob}\t{path}\0")
        git("update-index", "-z", "--index-info", stdin="".join(lines))
        named = [part for parent in parents for part in ("-p", parent)]
        return self._run(
            self.world.root / "bare" / login,
            author or login,
            "commit-tree",
            git("write-tree"),
            *named,
            "-m",
            message,
            at=at,
        )

    def send(self, login: str, commit: str, branch: str = BRANCH, *, force: bool = False) -> None:
        """Pushes a commit made by `commit`. Raises `PersonRefused`."""
        self.git(login, "push", "--quiet", "origin", f"{'+' * force}{commit}:refs/heads/{branch}")

    def tip(self, branch: str = BRANCH) -> str:
        """Returns where a branch is now."""
        found = self.world.github.repository(REPOSITORY).git.head(branch)
        assert found is not None, f"{branch} is not there"
        return found

    def _url(self, login: str) -> str:
        return self.person(login)._remote

    def _run(
        self, folder: Path, login: str, *arguments: str, at: datetime | None = None, stdin: str = ""
    ) -> str:
        moment = f"@{int((at or self.world.clock.now()).timestamp())} +0000"
        who = self.world.github.account(login)
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            input=stdin.encode("utf-8", "surrogateescape"),
            capture_output=True,
            check=False,
            env={name: os.environ[name] for name in _KEPT}  # noqa: TID251 - where git lies
            | {
                "HOME": str(self.world.root),
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_CONFIG_GLOBAL": "/dev/null",
                "GIT_TERMINAL_PROMPT": "0",
                "GIT_AUTHOR_NAME": who.login,
                "GIT_AUTHOR_EMAIL": who.email,
                "GIT_AUTHOR_DATE": moment,
                "GIT_COMMITTER_NAME": who.login,
                "GIT_COMMITTER_EMAIL": who.email,
                "GIT_COMMITTER_DATE": moment,
            },
        )
        if done.returncode:
            raise PersonRefused(done.returncode, done.stderr.decode("utf-8", "replace").strip())
        return done.stdout.decode("utf-8").strip()

    # Time and evaluators

    def later(self, **span: float) -> datetime:
        """Moves the clock on, as `timedelta` takes it."""
        return self.world.later(**span)

    def may(self, login: str, target: str, role: str, *, in_: timedelta = timedelta()) -> bool:
        """Whether *login* may use *role* on `cloud/name` now, or that much later.

        Asked of the policies that the clouds' stand-ins hold. Of AWS: may a session of the
        person assume any role below `/daypass/` and do there what *role* is for.
        """
        cloud, _, name = target.partition("/")
        at = self.world.clock.now() + in_
        if cloud == "gcp":
            return cel.allowed(
                self.world.gcp.policy(f"acme-{name}"),
                member=f"user:{login}@example.com",
                role=_GCP_ROLES[role],
                at=at,
            )
        if cloud == "azure":
            return bool(
                self.world.azure.instances(
                    _SUBSCRIPTIONS[name], entra_object_id(PEOPLE[login]), _AZURE_ROLES[role], at
                )
            )
        account = _ACCOUNTS[name]
        action, resource = _AWS_CALLS[role]
        if login == "dave":
            credentials = self.world.aws.user(f"arn:aws:iam::{HOME_ACCOUNT}:user/dave", mfa_age=60)
        else:
            credentials = self.world.aws.person(f"{login}@example.com", home=HOME_ACCOUNT)
        return any(
            aws_check.allowed(
                stored,
                caller=self.world.aws.caller(credentials),
                action=action,
                resource=resource.format(account=account),
                at=at,
            )
            for stored in self.world.aws.authorization_details(account)
            if stored["Path"].startswith("/daypass/")
        )

    def held(self) -> list[tuple[str, str, str]]:
        """Returns every binding below our mark as `(subject, target, role)`, from status."""
        rows = self.daypass("status", "--json").said
        return sorted((row["subject"], row["target"], row["role"]) for row in rows)


@contextmanager
def founded(root: Path) -> Iterator[Acme]:
    """Gives a running Acme with the repository's policies, in the folder *root*."""
    with World(root, now=START, policies=policies()) as world:
        yield Acme(world)
