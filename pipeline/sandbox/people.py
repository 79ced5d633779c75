"""What people do on GitHub: push branches, open pull requests, review, merge."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.error import HTTPError
from urllib.request import Request, urlopen


class _Clock(Protocol):
    def now(self) -> datetime: ...
    def advance(self, by: timedelta) -> datetime: ...


class PersonRefused(Exception):
    """Raised when GitHub refused what a person tried, with its status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class Person:
    """One person, with a token of their own and real git."""

    def __init__(
        self,
        login: str,
        *,
        token: str,
        api: str,
        remote: str,
        repository: str,
        home: Path,
        clock: _Clock,
    ) -> None:
        self.login = login
        self._token = token
        self._api = api
        self._remote = remote
        self._root = f"/repos/{repository}"
        self._home = home
        self._clock = clock

    def clone(self, folder: Path) -> None:
        """Clones the repository into *folder*, without leaving the token there."""
        self._git(folder.parent, "clone", "--quiet", self._remote, str(folder))
        public = self._remote.replace(self._remote.split("//")[1].split("@")[0] + "@", "")
        self._git(folder, "remote", "set-url", "origin", public)

    def push(
        self,
        branch: str,
        files: Mapping[str, str | None],
        message: str,
        *,
        start: str = "main",
    ) -> str:
        """Commits *files* (None deletes) on *branch*, pushes it, returns the commit's id.

        A new branch starts at *start*. Raises `PersonRefused` where the push is refused.
        """
        clone = self._home / "access"
        if not clone.exists():
            clone.parent.mkdir(parents=True, exist_ok=True)
            self._git(clone.parent, "clone", "--quiet", self._remote, str(clone))
        self._git(clone, "fetch", "--quiet", "origin")
        there = self._git(clone, "branch", "--remotes", "--list", f"origin/{branch}")
        base = f"origin/{branch}" if there else f"origin/{start}"
        self._git(clone, "checkout", "--quiet", "-B", branch, base)
        for path, text in files.items():
            file = clone / path
            if text is None:
                file.unlink()
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, "utf-8")
        self._git(clone, "add", "--all")
        self._git(clone, "commit", "--quiet", "--message", message)
        self._git(clone, "push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
        return self._git(clone, "rev-parse", "HEAD")

    def opened(self, branch: str) -> int | None:
        """Returns the number of the open pull request from *branch*; None where there is none."""
        owner = self._root.split("/")[2]
        query = f"state=open&head={owner}:{branch}"
        numbers = [int(one["number"]) for one in self._ask("GET", f"{self._root}/pulls?{query}")]
        return numbers[0] if numbers else None

    def open(self, branch: str, title: str, *, base: str = "main") -> int:
        """Opens a pull request and returns its number."""
        made = self._ask(
            "POST", f"{self._root}/pulls", {"title": title, "head": branch, "base": base}
        )
        return int(made["number"])

    def review(self, number: int, event: str = "APPROVE") -> None:
        """Submits a review of a pull request's present head, a second later: nobody reads what a
        check shows within the second in which it is shown."""
        self._clock.advance(timedelta(seconds=1))
        self._ask("POST", f"{self._root}/pulls/{number}/reviews", {"event": event, "body": event})

    def merge(self, number: int, *, method: str = "squash") -> str:
        """Merges a pull request and returns the commit. Raises `PersonRefused`."""
        done = self._ask("PUT", f"{self._root}/pulls/{number}/merge", {"merge_method": method})
        return str(done["sha"])

    def comments(self, number: int) -> list[str]:
        """Returns the comments on a pull request."""
        found = self._ask("GET", f"{self._root}/issues/{number}/comments")
        return [str(comment["body"]) for comment in found]

    def pull(self, number: int) -> dict[str, Any]:
        """Returns a pull request as the API shows it."""
        found: dict[str, Any] = self._ask("GET", f"{self._root}/pulls/{number}")
        return found

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        request = Request(  # noqa: S310 - the stand-in's own address
            f"{self._api}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self._token}",
                "Accept": "application/vnd.github+json",
                "Content-Type": "application/json",
            },
        )
        try:
            with urlopen(request, timeout=30) as answer:  # noqa: S310
                return json.loads(answer.read() or b"null")
        except HTTPError as error:
            said = json.loads(error.read() or b"{}")
            raise PersonRefused(error.code, str(said.get("message", ""))) from error

    def _git(self, folder: Path, *arguments: str) -> str:
        moment = self._clock.now().isoformat()
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            check=False,
            env={
                "PATH": _path(),
                "HOME": str(self._home),
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_CONFIG_GLOBAL": "/dev/null",
                "GIT_TERMINAL_PROMPT": "0",
                "GIT_AUTHOR_NAME": self.login,
                "GIT_AUTHOR_EMAIL": f"{self.login}@example.com",
                "GIT_AUTHOR_DATE": moment,
                "GIT_COMMITTER_NAME": self.login,
                "GIT_COMMITTER_EMAIL": f"{self.login}@example.com",
                "GIT_COMMITTER_DATE": moment,
            },
        )
        if done.returncode:
            # Git says on stdout that there is nothing to commit.
            said = (done.stderr.strip() or done.stdout.strip()).decode("utf-8", "replace")
            raise PersonRefused(done.returncode, said)
        return done.stdout.decode("utf-8").strip()


def _path() -> str:
    """Returns where git is found; nothing else of the environment is passed on."""
    import shutil

    git = shutil.which("git")
    return str(Path(git).parent) if git else "/usr/bin:/bin"
