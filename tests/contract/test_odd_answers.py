"""An answer that is no answer (empty, another service's page, cut short, without an end) is one
target's outage."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials

from pipeline.clouds.aws.adapter import Accounts, AwsReader, AwsWriter
from pipeline.clouds.azure.adapter import AzureReader, AzureWriter
from pipeline.clouds.azure.api import StaticToken
from pipeline.clouds.desired import render_bindings
from pipeline.clouds.gcp.adapter import GcpReader, GcpWriter
from pipeline.clouds.interface import Observation, Status
from pipeline.provision.verify import observe
from pipeline.run.cloud_deadlines import SideBySide
from pipeline.sandbox.server import Server
from pipeline.values.binding import BindingChange, ChangeKind
from pipeline.values.catalogue import Target
from pipeline.values.ids import Cloud
from tests.unit.support_estate import a_grant
from tests.unit.support_values import NOON

BODIES = {
    "empty": (b"", "text/xml"),
    "a page": (b"<html><body>Please sign in</body></html>", "text/html"),
    "an empty object": (b"{}", "application/json"),
    "cut short": (b'{"value": [{"name"', "application/json"),
    "cut short XML": (b"<GetAccountAuthorizationDetailsResponse><Get", "text/xml"),
    "a list": (b"[]", "application/json"),
    "null": (b"null", "application/json"),
    "bytes": (b"\xff\xfe\x00", "application/octet-stream"),
}
KEYS = {"aws_access_key_id": "AKIA", "aws_secret_access_key": "secret"}
HASTE: dict[str, Any] = {"attempts": 2, "pause": lambda _: None}


def aws(url: str) -> tuple[Any, Any]:
    accounts = Accounts(endpoint=url, credentials=KEYS, attempts=1)
    return AwsReader(accounts), AwsWriter(accounts)


def azure(url: str) -> tuple[Any, Any]:
    more: dict[str, Any] = {"endpoint": url, "requestor": "me", "pause": lambda _: None}
    return AzureReader(StaticToken("t"), **more), AzureWriter(StaticToken("t"), **more)


def gcp(url: str) -> tuple[Any, Any]:
    more: dict[str, Any] = {"credentials": AnonymousCredentials(), "endpoint": url, **HASTE}
    return GcpReader(**more), GcpWriter(**more)


CLOUDS = {Cloud.AWS: aws, Cloud.AZURE: azure, Cloud.GCP: gcp}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_no_answer_is_taken_for_nothing_held_and_none_is_a_traceback(
    cloud: Cloud, body: str
) -> None:
    content, kind = BODIES[body]

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response("200 OK", [("Content-Length", str(len(content))), ("Content-Type", kind)])
        return [content]

    live = a_grant("x", f"{cloud}/prod")
    (binding,) = render_bindings(live, now=NOON)
    with Server(app) as server:
        reader, writer = CLOUDS[cloud](server.url)
        seen = reader.observe([live.entitlements[0].target], now=NOON)
        assert (seen.bindings, [one for one, _ in seen.unreachable]) == ((), [f"{cloud}/prod"])
        for kind_of in ChangeKind:
            before = binding if kind_of is ChangeKind.UPDATE else None
            change = BindingChange(kind=kind_of, binding=binding, before=before)
            (result,) = writer.write([change], clock=lambda: NOON + timedelta(minutes=1))
            assert (result.change, result.status) == (change, Status.FAILED)
            assert result.message


class Endless:
    """A peer whose answer has no end: it drips byte after byte, or stays silent."""

    def __init__(self, *, drips: bool) -> None:
        self._drips = drips
        self.reached, self.let_go = threading.Event(), threading.Event()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterator[bytes]:
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response("200 OK", [("Content-Type", "application/json")])
        self.reached.set()
        while not self.let_go.wait(0.01 if self._drips else None):
            yield b" "
        yield b"{}"


class Healthy:
    """The reader of a cloud that holds nothing."""

    def observe(self, targets: Sequence[Target], *, now: datetime) -> Observation:
        return Observation(cloud=targets[0].cloud, bindings=())


@pytest.mark.parametrize("drips", [True, False], ids=["drips", "is silent"])
@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_peer_whose_answer_has_no_end_holds_up_no_other_cloud(cloud: Cloud, drips: bool) -> None:
    peer = Endless(drips=drips)
    other = next(one for one in Cloud if one is not cloud)
    target, beside = (a_grant("x", f"{one}/prod").entitlements[0].target for one in (cloud, other))
    with Server(peer) as server:
        reader, _ = CLOUDS[cloud](server.url)
        # Loading a client can take longer than the deadline: it must have come to the peer.
        first = threading.Thread(target=reader.observe, args=([target],), kwargs={"now": NOON})
        first.start()
        try:
            assert peer.reached.wait(60)
            readers: Any = {cloud: reader, other: Healthy()}
            seen = observe(readers, [target, beside], now=NOON, lanes=SideBySide(look=0.3))
        finally:
            peer.let_go.set()
            first.join()
    assert seen.unreachable == ((target.id, f"{cloud} did not answer in time"),)
