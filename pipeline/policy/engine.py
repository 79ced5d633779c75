"""The interface of a policy engine, and the policies that it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.values.canonical import digest

ENTRYPOINT = "data.access.decision.result"
"""The one rule that engines are asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyBundle:
    """The policies at one commit: Rego modules and the data beside them."""

    modules: Mapping[str, str]
    """Path below `policies/` to Rego text, without tests."""

    data: Mapping[str, Any]
    """The data document; `policies/settings/limits/data.yaml` is at `settings.limits`."""

    @property
    def digest(self) -> str:
        """SHA-256 of modules and data."""
        return digest({"modules": dict(self.modules), "data": dict(self.data)})


class PolicyEngine(Protocol):
    """Answers one query of one bundle."""

    name: str
    """`regorus` or `opa`, as shown to people."""

    def decide(self, document: Mapping[str, Any]) -> object:
        """Returns the value of `data.access.decision.result` for the input *document*.

        Raises `EngineError` when the engine is away, timed out or answered anything but one
        JSON value, and `Unanswerable` where it would fail on every try: the value is undefined,
        or evaluating the policies fails.
        """
