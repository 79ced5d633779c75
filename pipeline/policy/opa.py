"""The reference policy engine: an OPA server, spoken to through `opa-python-client`."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from pipeline.errors import EngineError, Unanswerable, Undecided, UsageError
from pipeline.policy.engine import ENTRYPOINT, PolicyBundle
from pipeline.values.canonical import canonical
from pipeline.values.problem import Problem

_PACKAGE, _, _RULE = ENTRYPOINT.removeprefix("data.").rpartition(".")
_PROOF = "daypass_proof"
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_TRIES = 5
_FAILED = frozenset({400, 500})
# Only who can read the folder that OPA was started from may ask, change or stop it.
_AUTHORIZATION = """package system.authz

default allow := false

allow if input.identity == "{token}"
"""


class OpaEngine:
    """One OPA. Made by `serve` or `connect`; a context manager, or call `close`."""

    name = "opa"

    def __init__(self, client: Any, server: _Server | None = None) -> None:
        self._client = client
        self._server = server

    @classmethod
    def serve(
        cls,
        bundle: PolicyBundle,
        *,
        binary: str | Path,
        start_timeout: float = 20,
        timeout: float = 10,
    ) -> OpaEngine:
        """Starts *binary* on a free loopback port with *bundle* and nothing else.

        The server answers to a token made for it alone, gets an empty environment, asks
        nobody for updates, and ends with `close`, with this object, or with this process's
        orderly end. Times are in seconds.

        Raises `EngineError` when it does not come up, as with invalid policies.
        """
        reason = "no free port"
        for _ in range(_TRIES):
            server = _Server(bundle, str(binary))
            try:
                client = server.client(start_timeout=start_timeout, timeout=timeout)
            except _PortTaken as error:
                server.stop()
                reason = str(error)
            except BaseException:
                server.stop()
                raise
            else:
                return cls(client, server)
        raise EngineError(f"OPA did not start: {reason}")

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        token: str | None = None,
        ca: str | None = None,
        certificate: tuple[str, str] | None = None,
        timeout: float = 10,
    ) -> OpaEngine:
        """Uses an OPA that runs elsewhere, with its policies loaded there.

        *url* is `https://host[:port]`, or `http` on a loopback address only: its answers
        decide, and the *token* must not be read on the way. *ca* is a file of certificates to
        trust instead of the usual ones, *certificate* a client's own and its key.

        Raises `UsageError` for another form of *url*. The first decision connects.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise UsageError(f"no address of an OPA: {url}") from error
        if parts.scheme not in ("http", "https") or not host:
            raise UsageError(f"no address of an OPA: {url}", hint="write https://host:port")
        if parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None:
            raise UsageError(
                f"an OPA's address is host and port only: {url}", hint="write https://host:port"
            )
        secure = parts.scheme == "https"
        if not secure and host not in _LOOPBACK:
            raise UsageError(f"OPA at {host} needs https", hint="http is for loopback only")
        client = _client(
            host=f"[{host}]" if ":" in host else host,
            port=port or (443 if secure else 8181),
            ssl=(ca or True) if secure else False,
            cert=certificate,
            token=token,
            timeout=timeout,
        )
        return cls(client)

    def decide(self, document: Mapping[str, Any]) -> object:
        """See `PolicyEngine.decide`. Errors inside built-ins are errors, not undefined."""
        if self._server is not None and not self._server.running:
            raise EngineError(f"OPA is not running any more: {self._server.reason}")
        answer = _ask(
            self._client.query_rule,
            json.loads(canonical(document)),
            _PACKAGE,
            _RULE,
            query_params={"strict-builtin-errors": "true"},
            served=self._server is not None,
        )
        # An undefined rule answers 200 without `result`.
        if not isinstance(answer, dict) or "result" not in answer:
            # An OPA elsewhere may only not have loaded its policies yet.
            kind = EngineError if self._server is None else Unanswerable
            raise kind(f"opa: {ENTRYPOINT} is undefined")
        return answer["result"]

    def close(self) -> None:
        """Closes connections and ends the server; safe to call twice."""
        self._client.close_connection()
        if self._server is not None:
            self._server.stop()

    def __enter__(self) -> OpaEngine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def refusals(
    bundle: PolicyBundle, *, binary: str | Path, timeout: float = 20
) -> tuple[Problem, ...]:
    """Returns why OPA would not load *bundle*, in the policies' own files; empty if it would.

    Nothing of the policies is evaluated. Raises `Undecided` when OPA cannot be asked.
    """
    with tempfile.TemporaryDirectory(prefix="daypass-opa-") as name:
        folder = Path(name)
        _write(bundle, folder, {_PROOF: ""}, token="")
        try:
            # `opa check` would miss data that lies where a rule is.
            done = subprocess.run(
                [str(binary), "eval", "--format=json", "--data=.", "true"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                cwd=folder,
                env={},
                timeout=timeout,
            )
            answer = json.loads(done.stdout)
            if not isinstance(answer, dict):
                raise ValueError("it answered something other than an object")
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise Undecided(
                f"OPA could not be asked to compile the policies: {error}",
                hint="install OPA or name its binary",
            ) from error
    if done.returncode == 0 and "errors" not in answer:
        return ()
    errors = answer.get("errors") or [{"message": f"OPA ended with {done.returncode}"}]
    return tuple(sorted({_refusal(error, sorted(bundle.modules)) for error in errors}))


def _refusal(error: Mapping[str, Any], paths: Sequence[str]) -> Problem:
    """One error as OPA tells it, at its place in the repository where it says one."""
    at = error.get("location") or {}
    number = str(at.get("file", "")).removesuffix(".rego")
    known = number.isdecimal() and int(number) < len(paths)
    return Problem(
        path=f"policies/{paths[int(number)]}" if known else "policies",
        line=at["row"] if known else 1,
        column=at["col"] if known else 1,
        code="policies-broken",
        message=f"OPA does not load it: {error.get('message', 'without a reason')}",
    )


def _write(bundle: PolicyBundle, folder: Path, more: Mapping[str, str], *, token: str) -> None:
    """Writes *bundle* as OPA reads it, with *more* data, for a server that answers to *token*.

    Numbered: a path from a repository never becomes a path on this machine.
    """
    for number, (_, text) in enumerate(sorted(bundle.modules.items())):
        (folder / f"{number:04}.rego").write_text(text, encoding="utf-8")
    (folder / "authz.rego").write_text(_AUTHORIZATION.format(token=token), encoding="utf-8")
    (folder / "data.json").write_text(canonical({**bundle.data, **more}), encoding="utf-8")


class _PortTaken(Exception):
    """Somebody else listens where our OPA was to listen, or it could not."""


class _Server:
    """One `opa run --server` and the folder that it was started from."""

    def __init__(self, bundle: PolicyBundle, binary: str) -> None:
        if _PROOF in bundle.data:
            raise EngineError(f"policy data must not be named {_PROOF}")
        self._token = secrets.token_hex(16)
        self._proof = secrets.token_hex(16)
        self._port = _free_port()
        # Readable by this user only, as `tempfile` makes it.
        self._folder = tempfile.TemporaryDirectory(prefix="daypass-opa-")
        root = Path(self._folder.name)
        try:
            policies = root / "policies"
            policies.mkdir()
            _write(bundle, policies, {_PROOF: self._proof}, token=self._token)
            self._log = root / "log"
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    [
                        binary,
                        "run",
                        "--server",
                        f"--addr=127.0.0.1:{self._port}",
                        "--authentication=token",
                        "--authorization=basic",
                        "--skip-version-check",
                        "--log-level=error",
                        "--log-format=json",
                        "--shutdown-grace-period=1",
                        str(policies),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=root,
                    env={},
                )
        except OSError as error:
            self._folder.cleanup()
            raise EngineError(
                f"OPA could not be started: {error}", hint="install OPA or name its binary"
            ) from error
        self.stop = weakref.finalize(self, _end, self._process, self._folder)

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process.poll() is None

    @property
    def reason(self) -> str:
        """Returns the last output of the process."""
        try:
            lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return "it was stopped"
        said = " ".join(line.strip() for line in lines if '"level":"warning"' not in line)
        return said.replace(f"{self._folder.name}/", "")[:1000]

    def client(self, *, start_timeout: float, timeout: float) -> Any:
        """Returns a client once the server has proven to be ours.

        Raises `_PortTaken` when somebody else answers or the port was taken, `EngineError`
        when the server ends or stays silent.
        """
        pause = 0.02
        for _ in range(max(1, round(start_timeout / pause))):
            try:
                self._process.wait(pause)
            except subprocess.TimeoutExpired:
                pass
            else:
                if "address already in use" in self.reason:
                    raise _PortTaken(self.reason)
                raise EngineError(f"OPA ended at its start: {self.reason}")
            if self._listening():
                client = _client(
                    host="127.0.0.1", port=self._port, token=self._token, timeout=timeout
                )
                try:
                    if _ask(client.get_data, _PROOF) == {"result": self._proof}:
                        return client
                except EngineError as error:
                    client.close_connection()
                    raise _PortTaken(f"something else listens: {error}") from error
                client.close_connection()
                raise _PortTaken("something else listens on its port")
        raise EngineError(f"OPA did not listen within {start_timeout:g} s: {self.reason}")

    def _listening(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=1):
                return True
        except OSError:
            return False


def _end(process: subprocess.Popen[bytes], folder: tempfile.TemporaryDirectory[str]) -> None:
    """Ends *process*, by force if it must be, and removes *folder*."""
    try:
        process.terminate()
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    finally:
        folder.cleanup()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _client(**options: Any) -> Any:
    from opa_client import OpaClient

    client = OpaClient(retries=0, **options)
    session = client._session
    # A proxy or a .netrc of the environment must neither see nor answer what is asked.
    session.trust_env = False
    # Wherever a redirect leads, it is not the OPA that was named.
    session.max_redirects = 0
    return client


def _ask(
    method: Callable[..., object], *arguments: object, served: bool = False, **options: object
) -> object:
    """Returns what a client's *method* answers; whatever goes wrong is an `EngineError`.

    What a server of our own (*served*) could not evaluate is an `Unanswerable`:
    https://www.openpolicyagent.org/docs/rest-api#errors.
    """
    from opa_client.errors import PolicyNotFoundError
    from requests import HTTPError, RequestException

    try:
        return method(*arguments, **options)
    except HTTPError as error:
        said = error.response
        failed = served and said is not None and said.status_code in _FAILED
        kind = Unanswerable if failed else EngineError
        text = said.text[:300] if said is not None else ""
        raise kind(f"OPA did not answer: {error}: {text}") from error
    except PolicyNotFoundError as error:
        raise EngineError(f"OPA did not answer: {error.message}") from error
    # JSON that cannot be read is a ValueError; an error's body that is a list has no `get`.
    except (RequestException, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise EngineError(
            f"OPA did not answer: {str(error)[:300]}",
            hint="look at OPA and its log, then try again",
        ) from error
