"""moto's IAM and STS, in process: one state per object, on a clock of ours.

moto keeps its state in module globals; it is swapped in for each call, under a lock, so that
several stand-ins in one process do not see each other.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import moto.iam.models
import moto.sts.models
from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders
from moto.core.botocore_stubber import BotocoreStubber

from pipeline.sandbox.clock import Clock

_LOCK = threading.RLock()
_STATES: tuple[dict[Any, Any], ...] = (
    moto.iam.models.iam_backends,
    moto.sts.models.sts_backends,
)
_CLOCKED: tuple[Any, ...] = (moto.iam.models, moto.sts.models)


class Moto:
    """A set of AWS accounts of its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._state: list[dict[Any, Any]] = [{} for _ in _STATES]

    def call(
        self, service: str, form: Mapping[str, str], *, account: str, key: str
    ) -> tuple[int, bytes]:
        """Returns status and body of moto's answer to a query-protocol *form*.

        *key* is the access key that the request is signed with.
        """
        headers = HTTPHeaders()
        headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
        headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={key}/20200101/us-east-1/{service}/aws4_request"
        )
        headers["x-moto-account-id"] = account
        request = AWSPreparedRequest(
            method="POST",
            url=f"https://{service}.amazonaws.com/",
            headers=headers,
            body=urlencode(form).encode(),
            stream_output=False,
        )
        with self._swapped():
            answer = BotocoreStubber().process_request(request)
        if answer is None:
            raise LookupError(f"moto does not know {service}")
        status, _, body = answer
        return int(status), body.encode() if isinstance(body, str) else bytes(body)

    def replace_in_trust(self, old: str, new: str) -> None:
        """Replaces a principal in every trust policy, as IAM does when it is deleted."""
        with self._swapped():
            for account in moto.iam.models.iam_backends.values():
                for backend in account.values():
                    for role in backend.roles.values():
                        role.assume_role_policy_document = role.assume_role_policy_document.replace(
                            f'"{old}"', f'"{new}"'
                        )

    @contextmanager
    def _swapped(self) -> Iterator[None]:
        with _LOCK:
            others = [dict(state) for state in _STATES]
            clocks = [module.utcnow for module in _CLOCKED]
            self._swap(self._state)
            for module in _CLOCKED:
                module.utcnow = self._now
            try:
                yield
            finally:
                self._state = [dict(state) for state in _STATES]
                self._swap(others)
                for module, clock in zip(_CLOCKED, clocks, strict=True):
                    module.utcnow = clock

    @staticmethod
    def _swap(contents: list[dict[Any, Any]]) -> None:
        for state, content in zip(_STATES, contents, strict=True):
            state.clear()
            state.update(content)

    def _now(self) -> datetime:
        # moto counts in naive UTC.
        return self._clock.now().replace(tzinfo=None)
