"""A whole organisation on this machine: three clouds, a GitHub, people, and one clock.

Acme has a team of owners, a team of security, an ordinary person and an insider. Its
catalogue lies beside this file; its policies are the ones given.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

from pipeline.sandbox.aws import AwsSandbox
from pipeline.sandbox.azure import AzureSandbox
from pipeline.sandbox.clock import Clock
from pipeline.sandbox.gcp import GcpSandbox
from pipeline.sandbox.github import GitHubSandbox, RequiredCheck
from pipeline.sandbox.people import Person
from pipeline.sandbox.server import Server

REPOSITORY = "acme/access"
BRANCH = "main"
CHECK = "daypass"
RECORD = "daypass/audit"

PEOPLE = {"alice": 1001, "bob": 1002, "carol": 1003, "dave": 1004, "erin": 1005, "mallory": 1006}
TEAMS = {
    "payments-leads": ("bob",),
    "security": ("carol", "dave"),
    "engineering": tuple(PEOPLE),
}

TEAM_IDS = {"payments-leads": 4711, "security": 4712, "engineering": 4713}
"""As `access/teams.yaml` pins them."""

LAG = timedelta(seconds=3)
"""How long clouds and GitHub's lists take to agree with themselves after a write: in truth seconds
to minutes."""

ACCOUNTS = ("111122223333", "444455556666", "999900001111")
HOME_ACCOUNT = "999900001111"
PROJECTS = ("acme-payments-prod", "acme-sandbox-dev")
SUBSCRIPTIONS = (
    "0a11aaaa-0000-4000-8000-000000000001",
    "0a11aaaa-0000-4000-8000-000000000002",
)
ROLE_DEFINITIONS = {
    "acdd72a7-3385-48ef-bd42-f606fba81ae7": "Reader",
    "9980e02c-c2be-4d73-94e8-173b1dc7cf3c": "Virtual Machine Contributor",
}

_CATALOGUE = Path(__file__).parent / "acme"
_CHECKER = {
    "checks": "write",
    "contents": "read",
    "issues": "write",
    "members": "read",
    "metadata": "read",
    "pull_requests": "write",
}
_KEEPER = {
    "checks": "read",
    "contents": "write",
    "issues": "write",
    "members": "read",
    "metadata": "read",
    "pull_requests": "write",
}
_GCP_TOKEN = "sandbox-gcp-token"  # noqa: S105 - opens nothing but the stand-in
_AZURE_TOKEN = "sandbox-azure-token"  # noqa: S105 - opens nothing but the stand-in
_AZURE_PIPELINE = "6f1c0000-0000-4000-8000-0000000000aa"


def entra_object_id(number: int) -> str:
    """Returns the Entra object id of one of Acme's people."""
    return f"6f1c0000-0000-4000-8000-{number:012d}"


class World:
    """All stand-ins, running. Use as a context manager or call `stop`.

    *root* is a folder of its own for repositories and clones; *policies* are the files below
    `policies/`. `sandbox_file` is what `--sandbox` takes.
    """

    def __init__(self, root: Path, *, now: datetime, policies: Mapping[str, str]) -> None:
        self.root = root
        self.clock = Clock(now)
        self._stop: list[Callable[[], None]] = []
        try:
            self._start(policies)
        except BaseException:
            self.stop()
            raise

    def _start(self, policies: Mapping[str, str]) -> None:
        self.aws = self._running(
            AwsSandbox(
                self.clock,
                accounts=ACCOUNTS,
                users=[f"arn:aws:iam::{HOME_ACCOUNT}:user/dave"],
                lag=LAG,
            )
        )
        self.azure = self._running(
            AzureSandbox(
                self.clock,
                subscriptions=SUBSCRIPTIONS,
                principals={entra_object_id(number): "User" for number in PEOPLE.values()},
                role_definitions=ROLE_DEFINITIONS,
                callers={_AZURE_TOKEN: _AZURE_PIPELINE},
                visibility_delay=LAG,
            )
        )
        self.gcp = self._running(
            GcpSandbox(
                self.clock,
                projects=PROJECTS,
                members=[f"user:{name}@example.com" for name in PEOPLE],
                tokens=[_GCP_TOKEN],
            )
        )
        self.github = self._running(GitHubSandbox(self.clock, self.root / "github", lag=LAG))
        clock_server = Server(self._tell_time)
        self._stop.append(clock_server.stop)
        self._clock_url = clock_server.url
        self._found(policies)
        self.sandbox_file = self.root / "sandbox.json"
        self.sandbox_file.write_text(json.dumps(self._document(), indent=2) + "\n", "utf-8")
        self.sandbox_file.chmod(0o600)
        people = self.root / "people.json"
        people.write_text(
            json.dumps(
                {
                    "clock": self._clock_url,
                    "api": self.github.url,
                    "remote": self.github.clone_url(REPOSITORY),
                    "repository": REPOSITORY,
                    "tokens": self._tokens,
                },
                indent=2,
            )
            + "\n",
            "utf-8",
        )
        people.chmod(0o600)
        self.checkout = self.root / "access"
        self.person("alice").clone(self.checkout)

    def _running(self, stand_in: Any) -> Any:
        self._stop.append(stand_in.stop)
        return stand_in

    def stop(self) -> None:
        """Stops every stand-in; safe to call twice."""
        while self._stop:
            self._stop.pop()()

    def __enter__(self) -> World:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _tell_time(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "POST":
            seconds = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode("ascii")
            self.later(seconds=int(seconds))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [self.clock.now().isoformat().encode("ascii")]

    def _found(self, policies: Mapping[str, str]) -> None:
        """Founds Acme on GitHub: people, teams, the two Apps, the repository."""
        github = self.github
        github.create_org("acme")
        self._tokens = {
            login: github.create_user(login, number) for login, number in PEOPLE.items()
        }
        for slug, members in TEAMS.items():
            github.create_team("acme", slug, members, id=TEAM_IDS[slug])
        self._checker = github.create_app("daypass-checker", _CHECKER)
        self._keeper = github.create_app("daypass-keeper", _KEEPER)
        github.create_repository(
            "acme",
            "access",
            default_branch=BRANCH,
            collaborators=dict.fromkeys(PEOPLE, "write"),
        )
        files: dict[str, str | bytes | None] = {
            path.relative_to(_CATALOGUE).as_posix(): path.read_bytes()
            for path in sorted(_CATALOGUE.rglob("*.yaml"))
        }
        files.update({f"policies/{path}": text for path, text in policies.items()})
        self.anchor = github.push_files(
            REPOSITORY, BRANCH, files, actor="carol", message="Found the access repository"
        )
        github.protect(
            REPOSITORY,
            BRANCH,
            checks=(
                RequiredCheck(
                    context=CHECK, integration_id=github.integration_id("daypass-checker")
                ),
            ),
            pull_request=True,
        )
        github.protect(REPOSITORY, RECORD)
        # A ruleset of its own: whoever bypasses one rule of a ruleset bypasses all of it.
        github.protect(
            REPOSITORY,
            RECORD,
            deletion=False,
            non_fast_forward=False,
            updater="daypass-keeper[bot]",
        )

    def _document(self) -> dict[str, Any]:
        runner = self.aws.runner()
        github = self.github
        return {
            "version": 1,
            "clock": self._clock_url,
            "github": {
                "api": github.url,
                "repository": REPOSITORY,
                "checker_token": self._checker,
                "checker_app": github.integration_id("daypass-checker"),
                "checker_id": github.account("daypass-checker[bot]").id,
                "keeper_token": self._keeper,
                "keeper_id": github.account("daypass-keeper[bot]").id,
                "anchor": self.anchor,
            },
            "aws": {"endpoint": self.aws.url, **runner},
            "azure": {
                "endpoint": self.azure.url,
                "token": _AZURE_TOKEN,
                "requestor": _AZURE_PIPELINE,
            },
            "gcp": {"endpoint": self.gcp.url, "token": _GCP_TOKEN},
        }

    def person(self, login: str) -> Person:
        """Returns one of Acme's people, with git and a browser."""
        return Person(
            login,
            token=self._tokens[login],
            api=self.github.url,
            remote=self.github.clone_url(REPOSITORY, self._tokens[login]),
            repository=REPOSITORY,
            home=self.root / "people" / login,
            clock=self.clock,
        )

    def later(self, **span: float) -> datetime:
        """Moves the clock on by a span, as `timedelta` takes it, and returns the moment."""
        return self.clock.advance(timedelta(**span))

    def export_record(self, folder: Path) -> None:
        """Copies the files of the audit branch, as anyone who may read it can."""
        git = self.github.repository(REPOSITORY).git
        head = git.head(RECORD)
        if head is None:
            raise LookupError("nothing was recorded")
        for entry in git.tree(git.commit(head).tree, recursive=True):
            if entry.type == "blob":
                file = folder / entry.path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(git.blob(entry.sha))

    def switch_off_the_ruleset(self) -> None:
        """Lets anyone with write access push to the default branch, as an admin could."""
        for ruleset in self.github.repository(REPOSITORY).rulesets:
            if BRANCH in ruleset.patterns:
                ruleset.allow_direct_push = True


START = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
"""When a demonstration begins, so that two of them tell the same story."""
