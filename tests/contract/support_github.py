"""Holds a GitHub stand-in to GitHub's own OpenAPI description, request by request.

    observer = OpenApiObserver()
    sandbox.observe(observer)
    …
    observer.assert_faithful()

Every request (path, query, body) and every response (status, body) must be as described.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from jsonschema import FormatChecker
from openapi_schema_validator import OAS30Validator
from referencing import Registry, Resource, Specification

from pipeline.sandbox.github import ApiRequest, Response

DESCRIPTION = (
    Path(__file__).parents[1] / "node/node_modules/@octokit/openapi/generated/api.github.com.json"
)
_HOME = "urn:github"
_BASIC, _VALIDATION = "basic-error", "validation-error"

# Answers that GitHub gives to any request without listing them with each operation: a bad
# token, a token without the permission, something the token may not see, unreadable JSON.
_EVERYWHERE = {400: _BASIC, 401: _BASIC, 403: _BASIC, 404: _BASIC}

# Refusals whose status the description leaves out of the operation.
_UNLISTED = {
    # Output and annotation limits are documented in words only.
    ("checks/create", 422): _VALIDATION,
    ("checks/update", 422): _VALIDATION,
    # A commit that does not exist, a state that is none.
    ("repos/create-commit-status", 422): _VALIDATION,
}

# What PyGithub sends although the description does not know it: (operation, field).
_PYGITHUB: dict[tuple[str, str], str] = {
    ("issues/add-labels", ""): "a bare list of names, which GitHub has always taken",
}


class OpenApiObserver:
    """Judges what a `GitHubSandbox` is asked and answers. Reading the description is lazy."""

    def __init__(self, path: Path = DESCRIPTION) -> None:
        self._path = path
        self._lock = threading.Lock()
        self.problems: list[str] = []
        self.seen: Counter[tuple[str, int]] = Counter()

    def __call__(self, operation: str | None, request: ApiRequest, response: Response) -> None:
        """Judges one request and its answer; problems are collected, not raised."""
        with self._lock:
            contract = _contract(self._path)
            found = contract.find(request.method, request.path)
            where = f"{request.method} {request.path} -> {response.status}"
            if found is None:
                self.problems.append(f"{where}: no such operation in the description")
                return
            template, described = found
            name = described["operationId"]
            if operation != name:
                self.problems.append(f"{where}: described as {name}, served as {operation}")
                return
            self.seen[name, response.status] += 1
            pointer = f"/paths/{_escape(template)}/{request.method.lower()}"
            said = list(contract.answer(name, pointer, described, response))
            # A malformed request is what these two refuse.
            if response.status not in (400, 422):
                said += contract.request(name, template, pointer, described, request)
            self.problems += [f"{where} ({name}): {text}" for text in said]

    def assert_faithful(self) -> None:
        """Fails with everything that was not as described, and when nothing was seen."""
        assert not self.problems, "\n".join(self.problems)
        assert self.seen, "no request was observed"


@cache
def _contract(path: Path) -> _Contract:
    return _Contract(json.loads(path.read_bytes()))


class _Contract:
    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        resource = Resource(contents=document, specification=Specification.OPAQUE)
        self._registry = Registry().with_resource(_HOME, resource)
        self._validators: dict[str, Any] = {}
        self._paths = sorted(
            ((_pattern(template), template) for template in document["paths"]),
            key=lambda row: (-row[1].count("/"), row[1].count("{")),
        )

    def find(self, method: str, path: str) -> tuple[str, dict[str, Any]] | None:
        """Returns the template and the operation for a request."""
        path = path.rstrip("/")
        for pattern, template in self._paths:
            operation = self.document["paths"][template].get(method.lower())
            if operation is not None and pattern.fullmatch(path):
                return template, operation
        return None

    def resolve(self, node: dict[str, Any]) -> dict[str, Any]:
        """Follows references."""
        while "$ref" in node:
            target: Any = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            node = target
        return node

    def _errors(self, pointer: str, value: Any) -> Iterator[str]:
        if pointer not in self._validators:
            schema = {"$ref": f"{_HOME}#{quote(pointer)}"}
            self._validators[pointer] = OAS30Validator(
                schema, registry=self._registry, format_checker=_FORMATS
            )
        for error in self._validators[pointer].iter_errors(value):
            if error.instance is None and error.schema.get("nullable"):
                # GitHub marks fields `nullable` beside an enum or a oneOf that lack null.
                continue
            said = error.message
            # What was wrong stands at the end, after the value.
            said = said if len(said) <= 300 else f"{said[:100]} … {said[-200:]}"
            yield f"{'/'.join(map(str, error.absolute_path)) or 'body'}: {said}"

    def answer(
        self, name: str, pointer: str, described: dict[str, Any], response: Response
    ) -> Iterator[str]:
        """Yields what is wrong with an answer."""
        status = str(response.status)
        listed = described["responses"].get(status)
        if listed is None:
            schema = _UNLISTED.get((name, response.status)) or _EVERYWHERE.get(response.status)
            if schema is None:
                yield "no such status in the description"
            else:
                yield from self._errors(f"/components/schemas/{schema}", json.loads(response.body))
            return
        if "$ref" in listed:
            pointer = listed["$ref"].removeprefix("#")
        else:
            pointer = f"{pointer}/responses/{status}"
        content = self.resolve(listed).get("content", {})
        if not content:
            if response.body and response.status < 400:
                yield "a body where none is described"
            elif response.body:
                # GitHub puts every refusal in words, also where it describes a bare status.
                yield from self._errors(f"/components/schemas/{_BASIC}", json.loads(response.body))
            return
        body = json.loads(response.body)
        schema = content["application/json"]["schema"]
        media = f"{pointer}/content/{_escape('application/json')}/schema"
        if "oneOf" in schema:
            # Some shapes offered require nothing and so fit along with another; others are
            # chosen by a discriminator that arrays do not have. One that fits is enough.
            branches = range(len(schema["oneOf"]))
            yield from min(
                (list(self._errors(f"{media}/oneOf/{n}", body)) for n in branches), key=len
            )
            return
        yield from self._errors(media, body)
        if response.status < 400:
            yield from self._unknown(schema, body, "")

    def request(
        self,
        name: str,
        template: str,
        pointer: str,
        described: dict[str, Any],
        request: ApiRequest,
    ) -> Iterator[str]:
        """Yields what is wrong with a request that succeeded."""
        shared = self.document["paths"][template].get("parameters", [])
        parameters = [self.resolve(p) for p in (*shared, *described.get("parameters", ()))]
        queries = {p["name"]: p for p in parameters if p["in"] == "query"}
        for key, text in request.query.items():
            if key not in queries:
                yield f"query {key} is not described"
                continue
            schema = self.resolve(queries[key]["schema"])
            validator = OAS30Validator(schema, registry=self._registry, format_checker=_FORMATS)
            for error in validator.iter_errors(_coerced(schema, text)):
                yield f"query {key}: {error.message}"
        missing = {k for k, p in queries.items() if p.get("required")} - set(request.query)
        yield from (f"query {key} is missing" for key in sorted(missing))
        wanted = described.get("requestBody")
        if wanted is None:
            if request.body:
                yield "a request body where none is described"
            return
        if not request.body:
            if self.resolve(wanted).get("required"):
                yield "the request body is missing"
            return
        body = json.loads(request.body)
        if isinstance(body, list) and (name, "") in _PYGITHUB:
            return
        media = _escape("application/json")
        yield from self._errors(f"{pointer}/requestBody/content/{media}/schema", body)
        schema = wanted["content"]["application/json"]["schema"]
        for field in self._unknown(schema, body, ""):
            if (name, field.partition(" ")[0]) not in _PYGITHUB:
                yield f"request: {field}"

    def _unknown(self, schema: dict[str, Any], value: Any, at: str) -> Iterator[str]:
        """Yields fields that the description does not name, where it names any."""
        schema = self.resolve(schema)
        if any(word in schema for word in ("oneOf", "anyOf", "allOf", "additionalProperties")):
            return
        if isinstance(value, list) and "items" in schema:
            for row in value:
                yield from self._unknown(schema["items"], row, f"{at}[]")
        if isinstance(value, dict) and schema.get("properties"):
            for key, inner in value.items():
                if key not in schema["properties"]:
                    yield f"{at}/{key} is not described"
                else:
                    yield from self._unknown(schema["properties"][key], inner, f"{at}/{key}")


def _escape(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


def _pattern(template: str) -> re.Pattern[str]:
    # Branches, refs and paths hold slashes; the description has no way to say so.
    deep = {"path", "ref", "branch", "basehead"}
    parts = re.split(r"\{([\w-]+)\}", template)
    text = "".join(
        re.escape(part) if at % 2 == 0 else (".+" if part in deep else "[^/]+")
        for at, part in enumerate(parts)
    )
    if template.endswith("/contents/{path}"):
        # The root folder's path is empty.
        text = text.removesuffix("/.+") + "(/.+)?"
    return re.compile(text)


def _coerced(schema: dict[str, Any], text: str) -> Any:
    kind = schema.get("type")
    if kind == "integer" and text.lstrip("-").isdecimal():
        return int(text)
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    return text


_FORMATS = FormatChecker(formats=())


@_FORMATS.checks("date-time", raises=ValueError)
def _date_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@_FORMATS.checks("uri")
def _uri(value: object) -> bool:
    if not isinstance(value, str):
        return True
    parts = urlsplit(value)
    return bool(parts.scheme and parts.netloc) and not set(value) & set(' {}<>"')
