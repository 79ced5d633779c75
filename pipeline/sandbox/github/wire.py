"""Requests, responses, errors and paging: what the stand-in's topics share."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode

Json = dict[str, Any]
Row = TypeVar("Row")

DOCS = "https://docs.github.com/rest"
MAX_PER_PAGE = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiRequest:
    """One HTTP request, path without host and without an `/api/v3` prefix."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """One HTTP response."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Observer = Callable[[str | None, ApiRequest, Response], None]
"""Called after each API request with the operation's id, None where nothing is served."""


class ApiError(Exception):
    """An answer other than success."""

    def __init__(self, status: int, message: str, *, errors: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = tuple(errors)

    def response(self) -> Response:
        """Returns the error as GitHub words it."""
        body: Json = {"message": self.message}
        if self.errors:
            body["errors"] = list(self.errors)
        body["documentation_url"] = DOCS
        body["status"] = str(self.status)
        return as_json(body, self.status)


def not_found() -> ApiError:
    """Also the answer to what the asker may not see."""
    return ApiError(404, "Not Found")


def forbidden(message: str = "Resource not accessible by integration") -> ApiError:
    """The token is good, the permission is missing."""
    return ApiError(403, message)


def invalid(resource: str, name: str, code: str, message: str = "") -> ApiError:
    """Returns a 422 that names one field (GitHub's *validation-error*)."""
    error: Json = {"resource": resource, "field": name, "code": code}
    if message:
        error["message"] = message
    return ApiError(422, "Validation Failed", errors=(error,))


def unprocessable(*messages: str) -> ApiError:
    """Returns a 422 with plain sentences (GitHub's *validation-error-simple*)."""
    return ApiError(422, "Unprocessable Entity", errors=messages)


def refused(resource: str, message: str) -> ApiError:
    """Returns a 422 whose one error is custom (GitHub's *validation-error*)."""
    return ApiError(
        422,
        "Validation Failed",
        errors=({"resource": resource, "code": "custom", "message": message},),
    )


def as_json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Returns *value* as a JSON response; bytes that are no UTF-8 come as U+FFFD."""
    text = json.dumps(value, ensure_ascii=False)
    return Response(
        status=status,
        body=text.encode(errors="surrogateescape").decode(errors="replace").encode(),
        headers={"Content-Type": "application/json; charset=utf-8", **(headers or {})},
    )


def node_id(kind: str, number: int | str) -> str:
    """Returns an opaque, stable id as GraphQL would use it."""
    return base64.b64encode(f"0:{kind}{number}".encode()).decode()


def per_page(request: ApiRequest, default: int = 30) -> int:
    """Returns the page size asked for; GitHub caps it silently at 100."""
    return max(1, min(_number(request, "per_page", default), MAX_PER_PAGE))


def _number(request: ApiRequest, name: str, default: int) -> int:
    text = request.query.get(name, "")
    return int(text) if text.isdecimal() else default


def page(
    url: str, request: ApiRequest, rows: Sequence[Row], render: Callable[[Row], Any]
) -> tuple[list[Any], dict[str, str]]:
    """Returns one page of *rows* rendered, and the Link header that leads to the others."""
    size = per_page(request)
    number = max(1, _number(request, "page", 1))
    last = max(1, -(-len(rows) // size))
    shown = [render(row) for row in rows[(number - 1) * size : number * size]]
    targets: dict[str, int] = {}
    if number > 1:
        targets |= {"prev": min(number - 1, last), "first": 1}
    if number < last:
        targets |= {"next": number + 1, "last": last}
    links = {
        rel: f"{url}?{urlencode({**request.query, 'per_page': size, 'page': to})}"
        for rel, to in targets.items()
    }
    return shown, link_header(links)


def link_header(links: Mapping[str, str]) -> dict[str, str]:
    """Returns the Link header for relations and their addresses; empty without any."""
    if not links:
        return {}
    return {"Link": ", ".join(f'<{url}>; rel="{rel}"' for rel, url in links.items())}


class Body:
    """A request's JSON object, read field by field; a wrong field is a 422 that names it."""

    def __init__(self, request: ApiRequest, resource: str) -> None:
        self.resource = resource
        try:
            value = json.loads(request.body or b"{}")
        except ValueError:
            raise ApiError(400, "Problems parsing JSON") from None
        if not isinstance(value, dict):
            raise ApiError(400, "Body should be a JSON object")
        self.fields: Json = value

    def __contains__(self, name: str) -> bool:
        return name in self.fields

    def text(self, name: str, default: str | None = None) -> str:
        """Returns a string; required when there is no default."""
        value = self.fields.get(name)
        if value is None:
            if default is None:
                raise invalid(self.resource, name, "missing_field")
            return default
        if not isinstance(value, str):
            raise invalid(self.resource, name, "invalid")
        return value

    def optional(self, name: str) -> str | None:
        """Returns a string, or None where it is absent or null."""
        return self.text(name) if self.fields.get(name) is not None else None

    def choice(self, name: str, among: Sequence[str], default: str | None = None) -> str:
        """Returns one of *among*."""
        value = self.text(name, default)
        if value not in among:
            raise invalid(self.resource, name, "invalid")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """Returns a boolean."""
        value = self.fields.get(name, default)
        if not isinstance(value, bool):
            raise invalid(self.resource, name, "invalid")
        return value

    def rows(self, name: str, default: list[Any] | None = None) -> list[Any]:
        """Returns a list; required when there is no default."""
        value = self.fields.get(name, default)
        if value is None:
            raise invalid(self.resource, name, "missing_field")
        if not isinstance(value, list):
            raise invalid(self.resource, name, "invalid")
        return value

    def sub(self, name: str) -> Json | None:
        """Returns an object, or None where it is absent or null."""
        value = self.fields.get(name)
        if value is not None and not isinstance(value, dict):
            raise invalid(self.resource, name, "invalid")
        return value
