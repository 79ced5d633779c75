"""A small organization on the GitHub stand-in, asked over HTTP and by real git."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from pipeline.sandbox.clock import Clock
from pipeline.sandbox.github import GitHubSandbox, RequiredCheck
from pipeline.sandbox.github.gitstore import git_environment

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
REPO = "acme/access"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: Any
    links: dict[str, str]


class Scene:
    """`acme/access` with a required check; alice, bob and carol write, eve reads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = Clock(NOON)
        self.sandbox = GitHubSandbox(self.clock, root / "github")
        self.session = requests.Session()
        self.sandbox.create_org("acme")
        names = ("alice", "bob", "carol", "eve", "mallory")
        self.tokens = {name: self.sandbox.create_user(name) for name in names}
        self.tokens["checker"] = self.sandbox.create_app(
            "checker",
            {"checks": "write", "contents": "read", "pull_requests": "write", "statuses": "write"},
        )
        self.tokens["keeper"] = self.sandbox.create_app(
            "keeper", {"contents": "write", "pull_requests": "write", "members": "read"}
        )
        self.sandbox.create_repository(
            "acme",
            "access",
            collaborators={"alice": "write", "bob": "write", "carol": "write", "eve": "read"},
            required_check=RequiredCheck(
                context="daypass", integration_id=self.sandbox.integration_id("checker")
            ),
        )
        self.sandbox.push_files(
            REPO, "main", {"README.md": "hello\n"}, actor="carol", message="one"
        )

    def close(self) -> None:
        """Stops everything."""
        self.session.close()
        self.sandbox.stop()

    def api(
        self,
        who: str | None,
        method: str,
        path: str,
        body: Any = None,
        /,
        **query: str | int,
    ) -> Answer:
        """Asks as *who*; a path without leading slash lies in the repository."""
        url = self.sandbox.url + (path if path.startswith("/") else f"/repos/{REPO}/{path}")
        headers = {"Authorization": f"token {self.tokens.get(who, who)}"} if who else {}
        with self.session.request(
            method, url.rstrip("/"), json=body, params=query, headers=headers, timeout=10
        ) as got:
            links = {name: str(link["url"]) for name, link in got.links.items()}
            return Answer(
                status=got.status_code, body=got.json() if got.content else None, links=links
            )

    def change(
        self, branch: str, files: dict[str, str | bytes | None], actor: str = "alice"
    ) -> str:
        """Pushes files to a branch that starts at main; returns the commit."""
        return self.sandbox.push_files(
            REPO, branch, files, actor=actor, message=f"change {branch}", start="main"
        )

    def open(self, branch: str = "request", who: str = "alice") -> tuple[int, str]:
        """Opens a pull request that adds one file; returns its number and head."""
        head = self.change(branch, {f"grants/{branch}.yaml": "duration: 1h\n"}, who)
        got = self.api(who, "POST", "pulls", {"title": branch, "head": branch, "base": "main"})
        assert got.status == 201, got.body
        return got.body["number"], head

    def check(self, sha: str, conclusion: str = "success", who: str = "checker") -> Answer:
        """Posts the required check."""
        return self.api(
            who,
            "POST",
            "check-runs",
            {"name": "daypass", "head_sha": sha, "conclusion": conclusion},
        )

    def merge(self, number: int, who: str = "keeper", **fields: str) -> Answer:
        """Tries to merge."""
        return self.api(who, "PUT", f"pulls/{number}/merge", fields)

    def git(
        self, *arguments: str, at: Path | None = None, ok: bool = True, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Runs git as on a fresh machine."""
        done = subprocess.run(
            [
                "git", "-c", "user.name=Forged Name", "-c", "user.email=forged@example.com",
                *arguments,
            ],
            cwd=at or self.root,
            input=stdin,
            env=git_environment(self.root),
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        assert not ok or done.returncode == 0, done.stderr
        return done

    def clone(self, who: str) -> Path:
        """Clones the repository with somebody's token."""
        self.git("clone", "--quiet", self.sandbox.clone_url(REPO, self.tokens[who]), who)
        return self.root / who

    def commit(self, at: Path, path: str, text: str, *, message: str = "change") -> str:
        """Commits one file in a clone; returns the commit."""
        (at / path).parent.mkdir(parents=True, exist_ok=True)
        (at / path).write_text(text)
        self.git("add", ".", at=at)
        self.git("commit", "--quiet", "-m", message, at=at)
        return self.git("rev-parse", "HEAD", at=at).stdout.strip()
