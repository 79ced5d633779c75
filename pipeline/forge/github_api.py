"""Requests to GitHub's REST API: the only file that imports PyGithub, and only when used.

Of PyGithub this takes authentication, pacing, retries and rate limits. Its objects are left
alone: they fetch what an answer lacks by themselves, where a missing fact must be an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from pipeline.errors import Denied, ForgeError
from pipeline.forge.answers import actor_of, moment_at, number_at, text_at
from pipeline.forge.plumbing import object_id, ref_name, remote_url
from pipeline.values.pull_request import Comment

API_URL = "https://api.github.com"

PER_PAGE = 100
MOST_PAGES = 100
_FEWER = "delete comments, or lock the conversation"
_NEXT = re.compile(r'<([^>]+)>;[^,]*rel="next"')
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+")
_ADVICE = {
    401: "the token is wrong or has expired",
    403: "the token lacks a permission for this, or GitHub limits the rate: see its message",
    404: "it does not exist, or the token may not see it",
}


class GitHubRefused(ForgeError):
    """Raised when GitHub answered with an error *status*."""

    def __init__(self, message: str, *, status: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status


class Endless(ForgeError):
    """Raised when a list has more pages than are read."""


class Api:
    """Requests about one repository. Raises `ForgeError`; no message holds the token.

    *repository* is `owner/name`, *timeout* seconds per request. *pace* keeps to GitHub's
    limits (four requests and one write a second, reads tried again); without it, as fits a
    server of one's own, nothing waits and nothing is tried twice.
    """

    def __init__(
        self,
        repository: str,
        token: str,
        *,
        api_url: str = API_URL,
        timeout: int = 30,
        pace: bool = True,
    ) -> None:
        if not _REPOSITORY.fullmatch(repository):
            raise ForgeError(f"{repository!r} is no repository", hint="write owner/name")
        if not re.fullmatch(r"[!-~]+", token):
            raise ForgeError("the token for GitHub holds white space or is empty")
        from github import Auth, Github, GithubRetry

        self.owner = repository.partition("/")[0]
        self.root = f"/repos/{repository}"
        self._url = remote_url(api_url).rstrip("/")
        self._token = token
        # A write that is sent again could happen twice, so only reads are.
        retry = GithubRetry(
            total=4, backoff_factor=0.5, max_rate_limit_wait=120, allowed_methods=["GET"]
        )
        self._requester = Github(
            auth=Auth.Token(token),
            base_url=self._url,
            timeout=timeout,
            user_agent="daypass",
            retry=retry if pace else None,
            seconds_between_requests=0.25 if pace else 0,
            seconds_between_writes=1.0 if pace else 0,
        ).requester

    def get(self, path: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """Returns the JSON at *path*, which begins with a slash."""
        return self._request("GET", path, parameters=parameters)[1]

    def find(self, path: str) -> Any | None:
        """Returns the JSON at *path*; None where GitHub says there is nothing."""
        try:
            return self.get(path)
        except GitHubRefused as error:
            if error.status == 404:
                return None
            raise

    def send(self, verb: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Writes, and returns the JSON answered."""
        return self._request(verb, path, body=body)[1]

    def pages(
        self,
        path: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        way_out: str,
        most_pages: int | None = None,
    ) -> list[Any]:
        """Returns the items of every page. Raises `Denied` with *way_out* for a list that does
        not end: people made it so long, and as an outage it would stop every later run.
        """
        try:
            return list(self.items(path, parameters, most_pages=most_pages))
        except Endless as error:
            raise Denied(error.message, hint=way_out) from error

    def items(
        self,
        path: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        most_pages: int | None = None,
    ) -> Iterator[Any]:
        """Yields the items of page after page, each asked for when it is needed."""
        most = MOST_PAGES if most_pages is None else most_pages
        address: str = path
        query: Mapping[str, Any] | None = {"per_page": PER_PAGE, **(parameters or {})}
        for _ in range(most):
            headers, page = self._request("GET", address, parameters=query)
            if not isinstance(page, list) or not all(isinstance(item, dict) for item in page):
                raise ForgeError(f"GitHub answered {path} with something other than a list")
            yield from page
            following = _NEXT.search(str(headers.get("link", "")))
            if following is None:
                return
            address, query = following.group(1), None
            if not address.startswith(f"{self._url}/"):
                raise ForgeError(f"GitHub's list at {path} goes on at another host")
        raise Endless(f"GitHub's list at {path} has more than {most} pages")

    def _request(
        self,
        verb: str,
        path: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> tuple[Mapping[str, Any], Any]:
        from github import GithubException
        from requests import RequestException

        where = f"{verb} {path.removeprefix(self._url)}"
        try:
            return self._requester.requestJsonAndCheck(
                verb,
                path,
                parameters=dict(parameters) if parameters else None,
                input=dict(body) if body is not None else None,
            )
        except GithubException as error:
            said = error.data.get("message") if isinstance(error.data, dict) else None
            details = error.data.get("errors") if isinstance(error.data, dict) else None
            text = self._clean(f"{said or 'no message'}{f' {details}' if details else ''}")
            hint = _ADVICE.get(error.status, "")
            if error.status >= 500 or error.status == 429:
                hint = "GitHub has trouble or limits the rate: run it again later"
            raise GitHubRefused(
                f"GitHub answered {error.status} to {where}: {text}",
                status=error.status,
                hint=hint,
            ) from error
        except RequestException as error:
            raise ForgeError(
                f"GitHub did not answer {where}: {self._clean(str(error))}",
                hint="check the network, then run it again",
            ) from error
        except (AssertionError, AttributeError, RuntimeError, ValueError) as error:
            # How PyGithub meets redirects to other hosts and answers that are no JSON object.
            raise ForgeError(
                f"GitHub's answer to {where} cannot be used: {self._clean(repr(error))}"
            ) from error

    def _clean(self, text: str) -> str:
        return text.replace(self._token, "[redacted]")[:500]


def comments_of(api: Api, number: int) -> tuple[Comment, ...]:
    """Returns the comments on a pull request's conversation, oldest first."""
    return tuple(
        Comment(
            id=number_at(item, "id"),
            author=actor_of(item.get("user")),
            body=item.get("body") or "",
            updated_at=moment_at(item, "updated_at"),
        )
        for item in api.pages(f"{api.root}/issues/{number:d}/comments", way_out=_FEWER)
    )


def tip_of(api: Api, branch: str) -> str | None:
    """Returns the commit that *branch* is at; None where there is no such branch."""
    found = api.find(f"{api.root}/git/{ref_path(branch, 'ref')}")
    return None if found is None else object_id(text_at(found, "object", "sha"))


def ref_path(branch: str, kind: str = "refs") -> str:
    """Returns the end of the address of *branch*: `refs/heads/feature/x`."""
    ref_name(f"refs/heads/{branch}")
    return f"{kind}/heads/{quote(branch, safe='/')}"
