"""Runs that are killed before or after one of their requests, against real clients and stand-ins.

`unit/test_run_killed.py` tries every point of a run on fakes; here the clients' own requests are
the points, a role that has no policy yet among them. A few are tried in every run of the tests,
all of them by `scripts/soak`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import settings
from urllib3.connectionpool import HTTPConnectionPool

from tests.e2e.support_faults import PLACES, everywhere, give_up, may_all
from tests.e2e.support_world import Acme

ALL, NONE = dict.fromkeys(PLACES, True), dict.fromkeys(PLACES, False)
# A run makes about twenty-five requests that change something: two points each.
EVERY = range(50)
SOME = (1, 21, 34)
POINTS = EVERY if settings().max_examples > 100 else SOME

_READS = re.compile(rb"Action=(?:Get|List|Assume|Simulate)")
_ASKS = ("getIamPolicy", "/validate", "/git-upload-pack")


pytestmark = pytest.mark.property


class Killed(BaseException):
    """The process ends here: no handler of ours sees it."""


def changes(method: str, url: str, body: Any) -> bool:
    """Whether a request means to change something."""
    if method in ("GET", "HEAD") or any(part in url for part in _ASKS):
        return False
    text = body if isinstance(body, bytes) else str(body or "").encode()
    return not _READS.search(text)


@contextmanager
def killed_at(monkeypatch: pytest.MonkeyPatch, point: int) -> Iterator[list[int]]:
    """Ends the process before (even) or after (odd) its request number *point* // 2 that changes
    something; yields how many there were."""
    send, seen, dead = HTTPConnectionPool._make_request, [0], [False]

    def send_or_die(self: Any, conn: Any, method: str, url: str, **options: Any) -> Any:
        if dead[0]:
            raise Killed
        if not changes(method, url, options.get("body")):
            return send(self, conn, method, url, **options)
        mine = seen[0]
        seen[0] += 1
        if (mine, point % 2) == (point // 2, 0):
            dead[0] = True
            raise Killed
        answer = send(self, conn, method, url, **options)
        if mine == point // 2:
            dead[0] = True
            raise Killed
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(HTTPConnectionPool, "_make_request", send_or_die)
        yield seen


def dies(acme: Acme, monkeypatch: pytest.MonkeyPatch, point: int, command: str) -> None:
    """Lets a run of *command* be killed at *point*, counted round its requests."""
    with killed_at(monkeypatch, point) as seen:
        try:
            acme.daypass(command, "--json")
        except Killed:
            return
    # It came to its end: the point lies beyond.
    assert seen[0] <= point // 2, "a run that was killed came to its end"


@pytest.mark.parametrize("point", POINTS)
def test_two_grants_over_three_clouds_come_in_full_after_a_run_that_was_killed(
    acme: Acme, monkeypatch: pytest.MonkeyPatch, point: int
) -> None:
    for login in ("alice", "erin"):
        acme.landed(login, f"{login}/one", everywhere(login, duration="1h"))
    dies(acme, monkeypatch, point, "apply")
    assert acme.apply().code == 0
    assert may_all(acme, "alice") == may_all(acme, "erin") == ALL
    assert acme.apply().said["results"] == []
    assert acme.daypass("audit", "verify").code == 0
    acme.later(hours=1)
    assert may_all(acme, "alice") == may_all(acme, "erin") == NONE


@pytest.mark.parametrize("point", POINTS)
def test_what_is_over_or_given_up_is_gone_after_a_run_that_was_killed(
    acme: Acme, monkeypatch: pytest.MonkeyPatch, point: int
) -> None:
    acme.landed("alice", "alice/one", everywhere(duration="1h"))
    acme.landed("erin", "erin/one", everywhere("erin", duration="2h"))
    assert acme.apply().code == 0
    acme.later(hours=1)
    give_up(acme, "erin", "erin/one")
    dies(acme, monkeypatch, point, "expire")
    assert acme.daypass("expire", "--json").code == 0
    assert acme.held() == []
    assert may_all(acme, "alice") == may_all(acme, "erin") == NONE
    assert acme.daypass("audit", "verify").code == 0
    assert len(acme.daypass("expire", "--json").said["open"]) == 1
