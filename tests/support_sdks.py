"""What SDKs read and build from files of their own, done once for tests that share a process.

Every command is a process of its own where Daypass is used; here hundreds share one, and would
spend a third of their time on AWS's service descriptions. Sessions, clients, credentials and
connections are still made anew each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore.client import ClientCreator
from botocore.hooks import EventAliaser
from botocore.utils import EVENT_ALIASES


@contextmanager
def reading_aws_once() -> Iterator[None]:
    """Gives every session of botocore one loader, which keeps what it has read, and one class
    for the clients of a service."""
    make_class, begin = ClientCreator._create_client_class, EventAliaser.__init__
    classes: dict[str, type] = {}
    names: dict[str, str] = {}

    def make_class_once(self: ClientCreator, service_name: str, service_model: Any) -> type:
        if service_name not in classes:
            classes[service_name] = make_class(self, service_name, service_model)
        return classes[service_name]

    def begin_knowing(self: EventAliaser, emitter: Any, event_aliases: Any = None) -> None:
        begin(self, emitter, event_aliases)
        if event_aliases in (None, EVENT_ALIASES):
            self._alias_name_cache = names

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", cache(botocore.session.create_loader))
        patch.setattr(ClientCreator, "_create_client_class", make_class_once)
        patch.setattr(EventAliaser, "__init__", begin_knowing)
        yield
