"""Starts git, the only file that does, with nothing trusted.

No configuration but ours, no hook, no replace ref and no graft takes part, and of the caller's
environment only the names listed here. What a fetch brings is bounded in bytes and in seconds.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ForgeError

ENVIRONMENT = ("PATH", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE")
"""Names that a caller may pass on to git; everything else is left out."""

_FIXED_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": "/dev/null",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_ALLOW_PROTOCOL": "https:http:file",
    "GIT_ASKPASS": "true",
    "LC_ALL": "C",
}
_GIT = (
    "git",
    "--no-pager",
    "--literal-pathspecs",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.attributesFile=/dev/null",
    "-c",
    "protocol.ext.allow=never",
    "-c",
    "credential.helper=",
    "-c",
    "log.showRoot=true",
)
# A hard limit that is lower already stays: setting it then fails, and it holds all the same.
_WITH_LIMIT = 'ulimit -f "$1" 2>/dev/null; shift; exec "$@"'
_BLOCK = 512


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """The most that one process of git may take."""

    seconds: float
    size: int
    """Bytes of any one file that it writes, in whole blocks of 512; twice as many where the
    shell counts in blocks of 1,024.

    https://pubs.opengroup.org/onlinepubs/9799919799/utilities/ulimit.html
    """


class GitFailed(ForgeError):
    """Raised when git ended with an error; *said* is all that it wrote, without secrets."""

    def __init__(self, message: str, *, said: str) -> None:
        super().__init__(message, hint=said[-500:] or "git gave no reason")
        self.said = said


class TooSlow(ForgeError):
    """Raised when git took longer than it was given."""


class GitProcesses:
    """Runs git in the folder *path*. *timeout* is in seconds, for each process."""

    def __init__(self, path: Path, *, environment: Mapping[str, str], timeout: float) -> None:
        self.path = path
        self._timeout = timeout
        self._environment = {name: environment[name] for name in ENVIRONMENT if name in environment}
        self._environment |= _FIXED_ENVIRONMENT
        # Without it, git would look for a repository in every folder above.
        self._environment["GIT_CEILING_DIRECTORIES"] = str(path.parent)
        self._seen: tuple[Path, ...] = ()

    def see_objects(self, folder: Path) -> None:
        """Lets git read the objects in *folder* too, from now on.

        https://git-scm.com/docs/git#Documentation/git.txt-codeGITALTERNATEOBJECTDIRECTORIEScode
        """
        self._seen += (folder,)
        quoted = (str(one).replace("\\", "\\\\").replace('"', '\\"') for one in self._seen)
        self._environment["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = os.pathsep.join(
            f'"{one}"' for one in quoted
        )

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        accept: tuple[int, ...] = (0,),
        extra: Mapping[str, str] | None = None,
        secrets: tuple[str, ...] = (),
        bounds: Bounds | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Returns what git answered. *extra* is more environment, *secrets* are in no message.

        Raises `GitFailed` for a status that is not in *accept*, `TooSlow`, or `ForgeError` where
        git could not be started.
        """
        command = [*_GIT, "-C", str(self.path), *arguments]
        environment = {**self._environment, **(extra or {})}
        seconds = self._timeout if bounds is None else min(self._timeout, bounds.seconds)
        try:
            if bounds is None:
                done = subprocess.run(
                    command,
                    input=stdin,
                    capture_output=True,
                    check=False,
                    timeout=seconds,
                    env=environment,
                )
            else:
                blocks = str(bounds.size // _BLOCK)
                limited = ["/bin/sh", "-c", _WITH_LIMIT, "sh", blocks, *command]
                done = _run_as_group(limited, environment, seconds)
        except FileNotFoundError as error:
            raise ForgeError("git was not found", hint="install git 2.36 or later") from error
        except (OSError, ValueError) as error:
            raise ForgeError(f"git {arguments[0]} could not be started: {error}") from error
        except subprocess.TimeoutExpired:
            # Not chained: the exception carries the command line.
            raise TooSlow(
                f"git {arguments[0]} took longer than {seconds:g} s in {self.path}"
            ) from None
        if done.returncode not in accept:
            said = done.stderr.decode("utf-8", "replace").strip()
            for secret in secrets:
                said = said.replace(secret, "[redacted]")
            raise GitFailed(
                f"git {arguments[0]} failed in {self.path} (status {done.returncode})", said=said
            )
        return done


def _run_as_group(
    command: Sequence[str], environment: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[bytes]:
    """Runs *command*, and ends it with all that it started after *seconds*.

    The transport and `index-pack` of a fetch are processes of their own, which would go on.
    """
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=seconds)
        except BaseException:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)
