"""Holds requests and responses to AWS's own description: the service models of botocore.

Names, lengths, patterns, ranges and enumerations come from there, so the stand-in refuses
what AWS's front door refuses, and cannot answer what no client of AWS would understand.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import botocore.loaders
import botocore.model
import botocore.parsers

_COMMON_ERRORS = frozenset(
    {
        # https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
        "AccessDenied",
        "ExpiredToken",
        "InternalFailure",
        "InvalidAction",
        "InvalidClientTokenId",
        "RequestExpired",
        "ServiceUnavailable",
        "Throttling",
        "ValidationError",
    }
)


class ContractRefused(Exception):
    """Raised when AWS would refuse a request: *code* as clients see it, and the status."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class ContractViolation(Exception):
    """Raised when the stand-in itself answers what AWS's description does not allow."""


@cache
def service_model(service: str) -> botocore.model.ServiceModel:
    """Returns botocore's model of *service*."""
    loader = botocore.loaders.create_loader()
    return botocore.model.ServiceModel(loader.load_service_model(service, "service-2"), service)


def read_request(service: str, form: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """Returns the operation that a query-protocol *form* asks for, and its parameters.

    Raises `ContractRefused` for whatever the model does not allow.
    """
    model = service_model(service)
    action = form.get("Action", "")
    if action not in model.operation_names:
        raise ContractRefused("InvalidAction", f"Could not find operation {action}")
    if form.get("Version") != model.api_version:
        raise ContractRefused("InvalidAction", f"no version {form.get('Version')} of {service}")
    used = {"Action", "Version"}
    shape = model.operation_model(action).input_shape
    params = _read(shape, "", form, used) if shape else {}
    unknown = sorted(set(form) - used)
    if unknown:
        raise ContractRefused("ValidationError", f"unknown parameters: {', '.join(unknown)}")
    problems = list(_problems(shape, params, "")) if shape else []
    if problems:
        raise ContractRefused(
            "ValidationError",
            f"{len(problems)} validation error{'s' * (len(problems) > 1)} detected: "
            + "; ".join(problems),
        )
    return action, params


def read_response(service: str, action: str, status: int, body: bytes) -> dict[str, Any]:
    """Returns the parsed answer to *action*.

    Raises `ContractViolation` when the service model does not allow it.
    """
    operation = service_model(service).operation_model(action)
    shape = operation.output_shape
    try:
        parsed: dict[str, Any] = botocore.parsers.create_parser("query").parse(
            {"status_code": status, "headers": {}, "body": body}, shape
        )
    except (KeyError, botocore.parsers.ResponseParserError) as error:
        raise ContractViolation(f"{action}: unreadable: {error}") from error
    if status >= 300:
        code = parsed.get("Error", {}).get("Code", "")
        known = {error.metadata.get("error", {}).get("code") for error in operation.error_shapes}
        if code not in known | _COMMON_ERRORS:
            raise ContractViolation(f"{action}: no error is called {code!r}")
        return parsed
    if shape is not None:
        parsed.pop("ResponseMetadata", None)
        # botocore's parser skips what it does not know, so the elements are looked at as well.
        root = ElementTree.fromstring(body)  # noqa: S314 - the stand-in's own answer
        result = next((el for el in root if _tag(el) == shape.serialization["resultWrapper"]), None)
        problems = list(_problems(shape, parsed, ""))
        problems += ["no result"] if result is None else list(_strangers(shape, result, ""))
        if problems:
            raise ContractViolation(f"{action}: {'; '.join(problems)}")
    return parsed


def _read(shape: Any, prefix: str, form: Mapping[str, str], used: set[str]) -> Any:
    """Reads one value in AWS's query encoding: `Tags.member.1.Key=…`."""
    if shape.type_name == "structure":
        found = {}
        for name, member in shape.members.items():
            key = ".".join(filter(None, (prefix, member.serialization.get("name", name))))
            if key in form or any(other.startswith(key + ".") for other in form):
                found[name] = _read(member, key, form, used)
        return found
    if shape.type_name == "list":
        items: list[Any] = []
        if not form.get(prefix, "-"):
            # An empty list is sent as its bare name.
            used.add(prefix)
        if not shape.serialization.get("flattened"):
            prefix += "." + shape.member.serialization.get("name", "member")
        while any(
            key == f"{prefix}.{len(items) + 1}" or key.startswith(f"{prefix}.{len(items) + 1}.")
            for key in form
        ):
            items.append(_read(shape.member, f"{prefix}.{len(items) + 1}", form, used))
        return items
    used.add(prefix)
    text = form.get(prefix, "")
    kind: str = shape.type_name
    try:
        if kind in ("integer", "long"):
            return int(text)
        if kind == "boolean":
            return {"true": True, "false": False}[text]
        if kind == "string":
            return text
    except (KeyError, ValueError):
        raise ContractRefused("ValidationError", f"{prefix}: {text!r} is no {kind}") from None
    raise ContractRefused("ValidationError", f"{prefix}: {kind} is not spoken here")


def _problems(shape: Any, value: Any, path: str) -> Iterator[str]:
    """Yields what *value* breaks of its shape: required, lengths, ranges, patterns, enums."""
    size = value
    match shape.type_name:
        case "structure":
            for name in shape.required_members:
                if name not in value:
                    yield f"{path}.{name} must not be null"
            for name, inner in value.items():
                yield from _problems(shape.members[name], inner, f"{path}.{name}")
            return
        case "list":
            for index, inner in enumerate(value):
                yield from _problems(shape.member, inner, f"{path}[{index}]")
            size = len(value)
        case "string":
            if isinstance(value, str):
                pattern = shape.metadata.get("pattern")
                if pattern and not _expression(pattern).fullmatch(value):
                    yield f"{path} {value!r} must match {pattern}"
                if shape.enum and value not in shape.enum:
                    yield f"{path} {value!r} must be one of {', '.join(shape.enum)}"
                size = len(value)
            else:
                return
        case "integer" | "long":
            pass
        case _:
            return
    if size < shape.metadata.get("min", size):
        yield f"{path} must be at least {shape.metadata['min']}"
    if size > shape.metadata.get("max", size):
        yield f"{path} must be at most {shape.metadata['max']}"


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    """Translates a Java pattern of the models: its classes are ASCII, its \\p{…} are not."""
    unicode = "\\p{" in pattern
    for java, python in (("\\p{L}", r"\w"), ("\\p{Z}", r"\s"), ("\\p{N}", r"\d")):
        pattern = pattern.replace(java, python)
    return re.compile(pattern, re.NOFLAG if unicode else re.ASCII)


def _strangers(shape: Any, element: ElementTree.Element, path: str) -> Iterator[str]:
    """Yields the elements that the shape does not know."""
    if shape.type_name == "structure":
        members = {m.serialization.get("name", n): m for n, m in shape.members.items()}
        for child in element:
            if _tag(child) in members:
                yield from _strangers(members[_tag(child)], child, f"{path}.{_tag(child)}")
            else:
                yield f"{path}.{_tag(child)} is unknown"
    elif shape.type_name == "list" and not shape.serialization.get("flattened"):
        for child in element:
            yield from _strangers(shape.member, child, f"{path}[]")


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def error_body(service: str, refusal: ContractRefused) -> bytes:
    """Returns the query protocol's XML for *refusal*."""
    namespace = service_model(service).metadata["xmlNamespace"]
    side = "Sender" if refusal.status < 500 else "Receiver"
    return (
        f'<ErrorResponse xmlns="{namespace}"><Error><Type>{side}</Type>'
        f"<Code>{escape(refusal.code)}</Code><Message>{escape(refusal.message)}</Message>"
        f"</Error><RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>"
    ).encode()


def success_body(service: str, action: str, result: Mapping[str, str]) -> bytes:
    """Returns the query protocol's XML for a flat *result* of *action*."""
    namespace = service_model(service).metadata["xmlNamespace"]
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in result.items())
    return (
        f'<{action}Response xmlns="{namespace}"><{action}Result>{inner}</{action}Result>'
        f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata>"
        f"</{action}Response>"
    ).encode()


def without_roles(body: bytes, names: Collection[str]) -> bytes:
    """Returns the answer of `GetAccountAuthorizationDetails` without the roles called *names*."""
    space = f"{{{service_model('iam').metadata['xmlNamespace']}}}"
    root = ElementTree.fromstring(body)  # noqa: S314 - the stand-in's own answer
    for listed in root.iter(f"{space}RoleDetailList"):
        for role in list(listed):
            if role.findtext(f"{space}RoleName") in names:
                listed.remove(role)
    ElementTree.register_namespace("", space.strip("{}"))
    return ElementTree.tostring(root)
