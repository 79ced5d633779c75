"""A small GitHub over real bare git repositories, for trying everything on one machine."""

from __future__ import annotations

from pipeline.sandbox.github.app import GitHubSandbox
from pipeline.sandbox.github.service import LoggedRequest
from pipeline.sandbox.github.state import RequiredCheck
from pipeline.sandbox.github.wire import ApiRequest, Observer, Response

__all__ = ["GitHubSandbox", "LoggedRequest", "Observer", "ApiRequest", "RequiredCheck", "Response"]
