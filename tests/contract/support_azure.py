"""What the Azure stand-in is held to: the SDK's models and Microsoft's REST specification."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from azure.mgmt.authorization.v2020_10_01 import models as pim_models
from azure.mgmt.authorization.v2022_04_01 import models as role_models
from azure.mgmt.core.exceptions import ARMErrorFormat
from jsonschema import Draft4Validator
from openapi_schema_validator import oas30_format_checker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from pipeline.sandbox.azure import AzureCall

ROOT = Path(__file__).parents[2]
SPECIFICATION = ROOT.parent / "shared" / "contracts" / "azure" / "specification"
PIM = SPECIFICATION / "authorization/resource-manager/Microsoft.Authorization/stable/2020-10-01"
ROLES = PIM.parent / "2022-04-01"

SHAPES = {
    "RoleAssignmentScheduleRequests_Create": "RoleAssignmentScheduleRequest",
    "RoleAssignmentScheduleRequests_Get": "RoleAssignmentScheduleRequest",
    "RoleAssignmentScheduleRequests_Validate": "RoleAssignmentScheduleRequest",
    "RoleAssignmentScheduleRequests_ListForScope": "RoleAssignmentScheduleRequestListResult",
    "RoleAssignmentSchedules_ListForScope": "RoleAssignmentScheduleListResult",
    "RoleAssignmentSchedules_Get": "RoleAssignmentSchedule",
    "RoleAssignmentScheduleInstances_ListForScope": "RoleAssignmentScheduleInstanceListResult",
    "RoleAssignmentScheduleInstances_Get": "RoleAssignmentScheduleInstance",
    "RoleManagementPolicyAssignments_ListForScope": "RoleManagementPolicyAssignmentListResult",
    "RoleDefinitions_List": "RoleDefinitionListResult",
    "RoleDefinitions_Get": "RoleDefinition",
}
SUCCESS = {"RoleAssignmentScheduleRequests_Create": 201}


class Contract(Protocol):
    """Something that says whether a call is as the vendor describes it."""

    def check(self, call: AzureCall) -> None:
        """Raises where request or answer is not as described."""


def contracts() -> list[Contract]:
    """Returns every contract that is at hand; the SDK's always is."""
    found: list[Contract] = [SdkModels()]
    if PIM.is_dir():
        found.append(Specification())
    return found


def examples(*stems: str) -> Iterator[dict[str, Any]]:
    """Yields the specification's own examples, where it is at hand."""
    for stem in stems:
        path = PIM / "examples" / f"{stem}.json"
        if path.is_file():
            yield json.loads(path.read_text())


class SdkModels:
    """azure-mgmt-authorization 4: what its models read, they write again unchanged."""

    def check(self, call: AzureCall) -> None:
        """See `Contract`."""
        if call.sent is not None:
            self._round_trip("RoleAssignmentScheduleRequest", call.sent, keep_readonly=False)
        if call.answered is None:
            return
        if "error" in call.answered:
            error = ARMErrorFormat(call.answered["error"])
            assert error.code
            assert error.message
            return
        assert call.status == SUCCESS.get(call.operation, 200)
        self._round_trip(SHAPES[call.operation], call.answered, keep_readonly=True)

    def _round_trip(self, shape: str, content: dict[str, Any], *, keep_readonly: bool) -> None:
        model = getattr(pim_models, shape, None) or getattr(role_models, shape)
        # The SDK takes discriminators out of what it reads.
        written = model.deserialize(deepcopy(content)).serialize(keep_readonly=keep_readonly)
        assert plain(written) == plain(content)


class Specification:
    """Microsoft.Authorization of azure-rest-api-specs, swagger 2.0."""

    def __init__(self) -> None:
        self._registry: Registry[Any] = Registry(retrieve=_retrieve)  # type: ignore[call-arg]
        self._files: dict[str, tuple[Path, dict[str, Any]]] = {}
        for path in [*PIM.glob("Role*.json"), ROLES / "authorization-RoleDefinitionsCalls.json"]:
            for item in json.loads(path.read_text())["paths"].values():
                for operation in item.values():
                    self._files[operation["operationId"]] = (path, operation)

    def check(self, call: AzureCall) -> None:
        """See `Contract`."""
        path, operation = self._files[call.operation]
        if call.sent is not None:
            body = next(one for one in operation["parameters"] if one.get("in") == "body")
            self._validate(path, body["schema"], call.sent)
            assert not _read_only_parts(call.sent)
        if call.status == 0:
            return
        answers = operation["responses"]
        answer = answers.get(str(call.status), answers["default"])
        if "schema" not in answer:
            assert call.answered is None
            return
        if str(call.status) not in answers:
            assert call.status >= 400
        self._validate(path, answer["schema"], call.answered)

    def _validate(self, path: Path, schema: dict[str, Any], content: Any) -> None:
        absolute = {"$ref": path.as_uri() + schema["$ref"]} if schema["$ref"][0] == "#" else {
            "$ref": (path.parent / schema["$ref"].partition("#")[0]).resolve().as_uri()
            + "#" + schema["$ref"].partition("#")[2]
        }  # fmt: skip
        validator = Draft4Validator(
            absolute, registry=self._registry, format_checker=oas30_format_checker
        )
        problems = [
            f"{list(one.absolute_path)}: {one.message}" for one in validator.iter_errors(content)
        ]
        assert not problems


def _retrieve(uri: str) -> Resource[Any]:
    contents = json.loads(Path(uri.removeprefix("file://")).read_text())
    definitions = {name: _nullable(one) for name, one in contents["definitions"].items()}
    return Resource(contents={**contents, "definitions": definitions}, specification=DRAFT4)


def _nullable(schema: Any) -> Any:
    """ARM answers null for absent optionals, which swagger 2.0 cannot say; typos stay wrong."""
    if isinstance(schema, list):
        return [_nullable(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: _nullable(value) for key, value in schema.items() if key != "properties"}
    if isinstance(schema.get("properties"), dict):
        required = schema.get("required", [])
        result["properties"] = {
            name: _nullable(one)
            if name in required
            else {"anyOf": [_nullable(one), {"type": "null"}]}
            for name, one in schema["properties"].items()
        }
        if "discriminator" not in schema and "allOf" not in schema:
            result["additionalProperties"] = False
    return result


def _read_only_parts(sent: dict[str, Any]) -> set[str]:
    definitions = json.loads((PIM / "RoleAssignmentScheduleRequest.json").read_text())[
        "definitions"
    ]
    properties = definitions["RoleAssignmentScheduleRequestProperties"]["properties"]
    return {name for name in sent["properties"] if properties[name].get("readOnly")}


_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)")


def plain(value: Any) -> Any:
    """Leaves out nulls and what only held nulls, and writes times one way."""
    if isinstance(value, dict):
        pairs = ((key, plain(one)) for key, one in value.items())
        return {key: one for key, one in pairs if one not in (None, {})}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, str) and _TIME.fullmatch(value):
        moment = datetime.fromisoformat(value).astimezone(UTC)
        # The SDK writes milliseconds.
        return moment.isoformat(timespec="milliseconds")
    return value
