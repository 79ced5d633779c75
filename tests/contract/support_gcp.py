"""Holds Google's stand-in to Google's own description of Resource Manager v3.

The description is the discovery document inside google-api-python-client. Every exchange is
judged: path and verb, query parameters, request body, response body; nothing may be said that
the document does not know.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from datetime import datetime
from importlib import resources
from typing import Any

import jsonschema

from pipeline.sandbox.gcp import LOST, Exchange

# google.rpc.Code to HTTP, as in google/rpc/code.proto.
_CODES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}


def discovery(name: str) -> dict[str, Any]:
    """Returns a discovery document that google-api-python-client carries."""
    folder = resources.files("googleapiclient") / "discovery_cache" / "documents"
    document: dict[str, Any] = json.loads((folder / name).read_text("utf-8"))
    return document


class Contract:
    """Collects what the exchanges of a stand-in say against the discovery document."""

    def __init__(self) -> None:
        document = discovery("cloudresourcemanager.v3.json")
        self.methods = document["resources"]["projects"]["methods"]
        self._parameters = document["parameters"]
        self._defs = {name: _schema(one) for name, one in document["schemas"].items()}
        self._formats = jsonschema.FormatChecker(formats=())
        self._formats.checks("byte", raises=binascii.Error)(_is_base64)
        self._formats.checks("int32")(_is_int32)
        self._formats.checks("google-datetime", raises=ValueError)(_is_moment)
        self.violations: list[str] = []
        self.judged = 0

    def __call__(self, exchange: Exchange) -> None:
        """Judges one exchange; an observer must not raise inside the stand-in's thread."""
        self.judged += 1
        self.violations.extend(
            f"{exchange.verb} {exchange.path}: {problem}" for problem in self.problems(exchange)
        )

    def problems(self, exchange: Exchange) -> list[str]:
        """Returns everything about *exchange* that the document does not allow."""
        if not exchange.method:
            return ["no such path"]
        method = self.methods[exchange.method]
        found: list[str] = []
        if exchange.verb != method["httpMethod"]:
            found.append(f"{method['httpMethod']} is the verb")
        (parameter,) = method["parameterOrder"]
        name = exchange.path.removeprefix("/v3/").partition(":")[0]
        if re.search(method["parameters"][parameter]["pattern"], name) is None:
            found.append(f"{name} is no {parameter}")
        if exchange.path != "/v3/" + method["path"].removeprefix("v3/").replace(
            f"{{+{parameter}}}", name
        ):
            found.append("another path is described")
        for key, value in exchange.query.items():
            # `$alt` is a system parameter: cloud.google.com/apis/docs/system-parameters.
            if key.removeprefix("$") not in self._parameters:
                found.append(f"query parameter {key} is not described")
            if key == "$alt" and value.partition(";")[0] != "json":
                found.append(f"{value} is not JSON")
        if "request" in method:
            found += self._against(method["request"]["$ref"], exchange.request, "request")
        elif exchange.request is not None:
            found.append("no request body is described")
        if exchange.status == 200:
            found += self._against(method["response"]["$ref"], exchange.response, "response")
        elif exchange.status != LOST:
            found += _error_problems(exchange)
        return found

    def _against(self, name: str, body: Any, what: str) -> list[str]:
        schema = {"$ref": f"#/$defs/{name}", "$defs": self._defs}
        validator = jsonschema.Draft202012Validator(schema, format_checker=self._formats)
        return [f"{what}: {error.message}" for error in validator.iter_errors(body)]


def _schema(described: dict[str, Any]) -> dict[str, Any]:
    """Returns a discovery schema as JSON Schema that knows no further properties."""
    schema: dict[str, Any] = {}
    if "$ref" in described:
        return {"$ref": f"#/$defs/{described['$ref']}"}
    for key in ("type", "format", "enum", "pattern"):
        if key in described:
            schema[key] = described[key]
    if "items" in described:
        schema["items"] = _schema(described["items"])
    if described.get("type") == "object":
        schema["properties"] = {
            name: _schema(one) for name, one in described.get("properties", {}).items()
        }
        extra = described.get("additionalProperties")
        schema["additionalProperties"] = _schema(extra) if extra else False
    return schema


def _error_problems(exchange: Exchange) -> list[str]:
    """Judges an error body by google.aip.dev/193, which discovery documents leave out."""
    error = (exchange.response or {}).get("error", {})
    if {*error} - {"code", "message", "status", "details"}:
        return [f"error body {error} holds more than google.rpc.Status"]
    if error.get("code") != exchange.status or not error.get("message"):
        return [f"error body {error} does not tell its code and message"]
    if _CODES.get(error.get("status")) != exchange.status:
        return [f"{error.get('status')} is not sent as {exchange.status}"]
    return []


def _is_base64(value: object) -> bool:
    return isinstance(value, str) and base64.b64decode(value, validate=True) is not None


def _is_int32(value: object) -> bool:
    return isinstance(value, int) and -(2**31) <= value < 2**31


def _is_moment(value: object) -> bool:
    return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
