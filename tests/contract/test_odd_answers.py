"""An answer that is no answer (empty, another service's page, cut short) is one target's outage."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials

from pipeline.clouds.aws.adapter import Accounts, AwsReader, AwsWriter
from pipeline.clouds.azure.adapter import AzureReader, AzureWriter
from pipeline.clouds.azure.api import StaticToken
from pipeline.clouds.desired import render_bindings
from pipeline.clouds.gcp.adapter import GcpReader, GcpWriter
from pipeline.clouds.interface import Status
from pipeline.sandbox.server import Server
from pipeline.values.binding import BindingChange, ChangeKind
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
