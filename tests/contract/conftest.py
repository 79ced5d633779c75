"""Both policy engines, for every suite that asks them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from pipeline.policy.answer import Evaluation, evaluate
from pipeline.policy.engine import PolicyEngine
from pipeline.policy.opa import OpaEngine
from tests.contract.support_rules import Ask
from tests.support_once import compiling_once
from tests.support_sdks import reading_aws_once
from tests.unit.support_policies import embedded, own_bundle, own_rules, own_settings


@pytest.fixture(autouse=True, scope="session")
def reading_once() -> Iterator[None]:
    """Reads AWS's service descriptions once, and compiles each set of policies once."""
    with compiling_once(), reading_aws_once():
        yield


@pytest.fixture(scope="session")
def own_opa(opa_binary: Path) -> Iterator[Callable[[Mapping[str, Any]], OpaEngine]]:
    """Gives OPA with the project's policies and the settings that are asked for."""
    loaded: list[Mapping[str, Any]] = [own_settings()]
    with OpaEngine.serve(own_bundle(), binary=opa_binary) as engine:

        def with_settings(settings: Mapping[str, Any]) -> OpaEngine:
            # Loading takes longer than asking, and most cases ask with the same settings.
            if loaded != [settings]:
                engine._client.update_or_create_data(dict(settings), "settings")
                loaded[:] = [deepcopy(dict(settings))]
            return engine

        yield with_settings


@pytest.fixture(params=["regorus", pytest.param("opa", marks=pytest.mark.opa)])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Asks the embedded engine; or both, which must decide alike."""
    opa = request.getfixturevalue("own_opa") if request.param == "opa" else None

    def asked(document: dict[str, Any], settings: Mapping[str, Any]) -> Evaluation:
        engines: list[PolicyEngine] = [embedded(settings)]
        if opa is not None:
            engines.append(opa(settings))
        return evaluate(document, engines, own_rules())

    return asked
