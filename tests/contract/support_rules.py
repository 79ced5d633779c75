"""Cases for the rules: one thing that differs from a request that is allowed, on both engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pipeline.policy.answer import Evaluation, OtherLife, Requester
from pipeline.values.grant import Window
from pipeline.values.pull_request import Actor
from tests.unit.support_policies import (
    NOW,
    Keys,
    drop,
    grant,
    own_settings,
    proven,
    put,
    request,
)

Ask = Callable[[dict[str, Any], Mapping[str, Any]], Evaluation]
BOT = Requester(actor=Actor(id=99, login="daypass[bot]", type="Bot"), principal=None, is_app=True)
STRANGER = Requester(actor=Actor(id=7, login="mallory", type="User"), principal="mallory")


def codes(evaluation: Evaluation) -> set[str]:
    return {violation.code for violation in evaluation.violations}


@dataclass(frozen=True)
class Case:
    """One thing that differs from a request that is allowed, and what follows."""

    name: str
    denied: set[str]
    at: Keys | None = None
    value: Any = None
    setting: Keys | None = None
    to: Any = None
    document: dict[str, Any] | None = None


MISSING = object()
BINDING: Keys = ("bindings", 0)
ROLE: Keys = (*BINDING, "role")
TARGET: Keys = (*BINDING, "target")
START = int(NOW.timestamp())


def lasting(seconds: int) -> dict[str, Any]:
    asked = grant(duration=seconds)
    return request(grant=asked, window=Window(start=NOW, end=NOW + timedelta(seconds=seconds)))


def starting(seconds: int) -> dict[str, Any]:
    start = NOW + timedelta(seconds=seconds)
    return request(
        grant=grant(start=start), window=Window(start=start, end=start + timedelta(hours=2))
    )


def extended(seconds: int) -> dict[str, Any]:
    """An hour more, asked *seconds* after the start."""
    return request(
        change="widen",
        grant=grant(duration=10800),
        previous=proven(),
        window=Window(start=NOW, end=NOW + timedelta(hours=3)),
        now=NOW + timedelta(seconds=seconds),
    )


def beside(*lives: tuple[str, float, float]) -> dict[str, Any]:
    """Other lives: grant, start and end in hours from now."""
    return request(
        lives=[
            OtherLife(
                grant=name,
                target="aws/payments-prod",
                role="aws/rds-reader",
                window=Window(start=NOW + timedelta(hours=a), end=NOW + timedelta(hours=b)),
            )
            for name, a, b in lives
        ]
    )


def check(ask: Ask, case: Case) -> None:
    """Fails unless *case* is denied by exactly the rules it names."""
    document, settings = case.document or request(), own_settings()
    if case.at is not None:
        document = (
            drop(document, case.at) if case.value is MISSING else put(document, case.at, case.value)
        )
    if case.setting is not None:
        settings = (
            drop(settings, case.setting)
            if case.to is MISSING
            else put(settings, case.setting, case.to)
        )
    evaluation = ask(document, settings)
    assert case.denied == codes(evaluation)
    assert evaluation.merges_by_itself is not bool(case.denied)
