"""Both policy engines, for every suite that asks them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.policy.answer import Evaluation, evaluate
from pipeline.policy.engine import PolicyEngine
from pipeline.policy.opa import OpaEngine
from tests.contract.support_rules import Ask
from tests.unit.support_policies import embedded, own_bundle, own_rules


@pytest.fixture(scope="module")
def own_opa(opa_binary: Path) -> Iterator[OpaEngine]:
    with OpaEngine.serve(own_bundle(), binary=opa_binary) as engine:
        yield engine


@pytest.fixture(params=["regorus", pytest.param("opa", marks=pytest.mark.opa)])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Asks the embedded engine; or both, which must decide alike."""
    opa = request.getfixturevalue("own_opa") if request.param == "opa" else None
    held: list[Mapping[str, Any]] = []

    def asked(document: dict[str, Any], settings: Mapping[str, Any]) -> Evaluation:
        engines: list[PolicyEngine] = [embedded(settings)]
        if opa is not None:
            if held != [settings]:
                opa._client.update_or_create_data(dict(settings), "settings")
                held[:] = [settings]
            engines.append(opa)
        return evaluate(document, engines, own_rules())

    return asked
