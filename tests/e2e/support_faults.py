"""What trying failures takes beside `support_world`: counts of writes, and no waiting.

Import the fixture `unhurried` into the module that uses it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from pipeline.clouds.aws.adapter import Accounts
from pipeline.clouds.azure import api as azure_api
from pipeline.clouds.gcp import adapter as gcp
from pipeline.sandbox.gcp import LOST
from tests.e2e.support_world import BRANCH, Acme, grant, path_of

__all__ = [
    "LOST",
    "PLACES",
    "cut_off",
    "everywhere",
    "give_up",
    "governed",
    "may_all",
    "states",
    "text_of",
    "unhurried",
    "writes",
]

PLACES = {
    "aws": ("aws/sandbox-dev", "s3-logs-reader"),
    "azure": ("azure/sandbox-dev", "reader"),
    "gcp": ("gcp/sandbox-dev", "log-viewer"),
}
"""One role of low risk in each cloud."""

PUT = "RoleAssignmentScheduleRequests_Create"
SCHEDULES = "RoleAssignmentSchedules_ListForScope"
_READS = ("Get", "List", "Assume")


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the adapters try again at once: what they wait for here is not time."""
    monkeypatch.setattr(gcp, "_delay", lambda *_: 0.0)
    monkeypatch.setattr(azure_api, "_delay", lambda *_: 0.0)
    # `adaptive` holds calls back on a clock of its own.
    monkeypatch.setitem(Accounts.__init__.__kwdefaults__, "retry_mode", "standard")
    monkeypatch.setattr(time, "sleep", lambda _: None)


def everywhere(subject: str = "alice", **more: Any) -> str:
    """Returns a grant of low risk in all three clouds."""
    return grant(subject, access=[" ".join(place) for place in PLACES.values()], **more)


def may_all(acme: Acme, login: str = "alice") -> dict[str, bool]:
    """Returns each evaluator's answer for `PLACES` now."""
    return {cloud: acme.may(login, *place) for cloud, place in PLACES.items()}


def writes(acme: Acme) -> dict[str, int]:
    """Returns how many requests so far meant to change something, by service."""
    world = acme.world
    return {
        "aws": sum(n for name, n in world.aws.counts().items() if not name.startswith(_READS)),
        "azure": world.azure.counts[PUT],
        "gcp": world.gcp.count("setIamPolicy"),
        "github": sum(
            1
            for one in world.github.requests
            if one.method != "GET" and one.operation != "git/upload-pack"
        ),
    }


def give_up(acme: Acme, login: str, name: str) -> int:
    """Ends the grant *name* early, the way anybody with a say in it may: by itself."""
    number = acme.request(login, f"end/{name}", {path_of(name): None}, title="Give it up")
    checked = acme.check(number)
    assert checked.code == 0, checked
    assert checked.said["merged"]
    return number


def text_of(acme: Acme, path: str) -> str:
    """Returns the file at *path* on the default branch."""
    acme.git("bob", "fetch", "--quiet", "origin", "+refs/heads/*:refs/heads/*")
    return acme.git("bob", "show", f"{BRANCH}:{path}") + "\n"


def governed(acme: Acme, files: Mapping[str, str | None], *, branch: str = "governance") -> None:
    """Changes the catalogue or the policies the proven way."""
    number = acme.request("bob", branch, files, title="Change the rules")
    acme.approve(number, "carol")
    assert acme.check(number).code == 0
    if not acme.person("bob").pull(number)["merged"]:
        acme.person("bob").merge(number)


def cut_off(acme: Acme, cloud: str) -> Callable[[], None]:
    """Takes a cloud's targets of the sandbox environment away; returns how to bring them back."""
    aws, azure, gcp = acme.world.aws, acme.world.azure, acme.world.gcp
    if cloud == "aws":
        aws.fail_next("AssumeRole", "AccessDenied", status=403, account="444455556666", times=999)
        return aws._faults._waiting.clear
    if cloud == "azure":
        azure.fail_next(SCHEDULES, code="AuthorizationFailed", status=403, times=999)
        return azure._faults.clear
    gcp.fail_next("getIamPolicy", 403, times=999)
    return gcp._faults.clear


def states(acme: Acme) -> Mapping[tuple[str, str], str]:
    """Returns what status says, by grant and target."""
    rows = acme.daypass("status", "--json").said
    return {(row["grant"], row["target"]): row["state"] for row in rows}
