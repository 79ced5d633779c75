"""Google Cloud: project IAM bindings, read and written through Resource Manager v3.

One read-modify-write per project carries all its changes. It is repeated from the read when
somebody else wrote in between (409), when Google is busy, and when an answer was lost: what
took effect is seen by the next read and not written again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.clouds.gcp.iam_policy import edit, holds, survey
from pipeline.clouds.interface import CLOSED, Foreign, Observation, Result, Status, unforeseen
from pipeline.errors import CloudError, CloudRefused
from pipeline.values.binding import Binding, BindingChange, ChangeKind
from pipeline.values.catalogue import Target
from pipeline.values.ids import Cloud, TargetId

TIMEOUT = 30.0
"""Seconds for one call."""

ATTEMPTS = 6
"""Calls of one kind for one step, before giving up."""

MAX_WRITES = 64
"""Writes of one project in one run; only refused changes in a batch use more than a few."""

_LONGEST_PAUSE = 32.0
# What Google puts in the place of a condition when an answer leaves conditions out
# (cloud.google.com/iam/docs/troubleshooting-withcond).
_CONDITION_LEFT_OUT = re.compile(r".*_withcond_[0-9a-f]+")


class _Busy(CloudError):
    """Raised when a call may succeed later, or may have taken effect unseen."""


class _Refused(CloudError):
    """Raised when Google refuses a write: one change may have spoilt the batch.

    400 is an invalid policy, 412 an organisation policy, 403 also the condition on the
    pipeline's own role that limits which roles it may grant (`modifiedGrantsByRole`).
    """


class _Raced(_Refused):
    """Raised for a 400 to a write: the policy may be right by the next reading."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Policy:
    etag: str
    bindings: tuple[Mapping[str, Any], ...]
    exempted: int
    """Principals in audit-logging exemptions; they count towards a limit."""


class _Projects:
    """Resource Manager's projects, in plain values; errors as `CloudError`."""

    def __init__(self, *, credentials: Any, endpoint: str | None, timeout: float) -> None:
        from google.api_core.client_options import ClientOptions
        from google.cloud.resourcemanager_v3 import ProjectsClient

        self._client = ProjectsClient(
            credentials=credentials,
            transport="rest",
            client_options=ClientOptions(api_endpoint=endpoint),
        )
        self._timeout = timeout

    def read(self, project: str) -> _Policy:
        request = {"resource": f"projects/{project}", "options": {"requested_policy_version": 3}}
        return self._call(self._client.get_iam_policy, request, writing=False)

    def write(self, project: str, policy: _Policy) -> _Policy:
        """Replaces the project's bindings, unless they changed since *policy* was read."""
        from google.iam.v1 import policy_pb2
        from google.protobuf import json_format

        # Version 3 keeps conditions; audit settings stay, as they are not in the default mask.
        body = {"version": 3, "etag": policy.etag, "bindings": list(policy.bindings)}
        message = json_format.ParseDict(body, policy_pb2.Policy())
        request = {"resource": f"projects/{project}", "policy": message}
        return self._call(self._client.set_iam_policy, request, writing=True)

    def _call(
        self, method: Callable[..., Any], request: dict[str, Any], *, writing: bool
    ) -> _Policy:
        from google.api_core.exceptions import GoogleAPICallError
        from google.auth.exceptions import GoogleAuthError, TransportError
        from google.protobuf import json_format
        from requests.exceptions import RequestException

        what = request["resource"]
        try:
            # The library's own retries neither cover 409 and 429 nor re-read in between.
            answer = method(request=request, retry=None, timeout=self._timeout)
        except GoogleAPICallError as error:
            raise _translated(what, error.code, str(error.message), writing=writing) from error
        except (RequestException, TransportError, json_format.ParseError) as error:
            raise _Busy(f"{what}: no usable answer: {error}") from error
        except GoogleAuthError as error:
            raise CloudError(f"{what}: {error}", hint="check the federated credentials") from error
        except Exception as error:  # an answer that the library lets through and nobody foresaw
            raise _Busy(f"{what}: {unforeseen(error)}") from error
        said = json_format.MessageToDict(answer)
        if not said.get("etag"):
            # `{}`, or a page of something else: it would read as a project without bindings, and
            # a write without an etag overwrites whatever is there, conditions included.
            raise _Busy(f"{what}: the answer is no policy: it has no etag")
        bindings = tuple(said.get("bindings", ()))
        if any(_CONDITION_LEFT_OUT.fullmatch(entry.get("role", "")) for entry in bindings):
            raise CloudError(f"{what}: the policy came back without its conditions")
        return _Policy(
            etag=said["etag"],
            bindings=bindings,
            exempted=sum(
                len(kind.get("exemptedMembers", ()))
                for audited in said.get("auditConfigs", ())
                for kind in audited.get("auditLogConfigs", ())
            ),
        )


class GcpReader:
    """Lists what projects hold: one call per project. See `CloudReader`."""

    cloud = Cloud.GCP

    def __init__(
        self,
        *,
        credentials: Any,
        endpoint: str | None = None,
        timeout: float = TIMEOUT,
        attempts: int = ATTEMPTS,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._projects = _Projects(credentials=credentials, endpoint=endpoint, timeout=timeout)
        self._attempts = attempts
        self._pause = pause

    def observe(self, targets: Sequence[Target], *, now: datetime) -> Observation:
        """See `CloudReader.observe`. A project under two names is listed under the first."""
        bindings: list[Binding] = []
        foreign: list[Foreign] = []
        unreachable: list[tuple[Any, str]] = []
        refused: set[TargetId] = set()
        closed: set[str] = set()
        read: dict[str, str] = {}
        for target in sorted(targets, key=lambda one: one.id):
            if target.locator in read:
                if read[target.locator]:
                    unreachable.append((target.id, read[target.locator]))
                    refused.update({target.id} if target.locator in closed else ())
                continue
            read[target.locator] = ""
            try:
                policy = self._read(target.locator)
            except CloudError as error:
                read[target.locator] = str(error)
                unreachable.append((target.id, str(error)))
                if isinstance(error, CloudRefused):
                    closed.add(target.locator)
                    refused.add(target.id)
                continue
            found = survey(policy.bindings, target=target.id, locator=target.locator)
            bindings.extend(found.bindings)
            foreign.extend(
                Foreign(target=target.id, handle=handle, why=why) for handle, why in found.foreign
            )
        return Observation(
            cloud=self.cloud,
            bindings=tuple(sorted(bindings, key=lambda one: one.identity)),
            foreign=tuple(foreign),
            unreachable=tuple(unreachable),
            refused=frozenset(refused),
        )

    def _read(self, project: str) -> _Policy:
        for attempt in range(1, self._attempts):
            try:
                return self._projects.read(project)
            except _Busy:
                self._pause(_delay(attempt))
        return self._projects.read(project)


class GcpWriter:
    """Changes projects' bindings, in one write per project. See `CloudWriter`."""

    cloud = Cloud.GCP

    def __init__(
        self,
        *,
        credentials: Any,
        endpoint: str | None = None,
        timeout: float = TIMEOUT,
        attempts: int = ATTEMPTS,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._projects = _Projects(credentials=credentials, endpoint=endpoint, timeout=timeout)
        self._attempts = attempts
        self._pause = pause

    def write(
        self, changes: Sequence[BindingChange], *, clock: Callable[[], datetime]
    ) -> tuple[Result, ...]:
        """See `CloudWriter.write`. Within a project, the order given is kept."""
        batches: dict[str, list[int]] = {}
        results: dict[int, Result] = {}
        for position, change in enumerate(changes):
            if change.binding.cloud is Cloud.GCP:
                batches.setdefault(change.binding.locator, []).append(position)
            else:
                results[position] = _failed(change, "it is not a change of Google Cloud's")
        for project, positions in batches.items():
            chosen = [changes[position] for position in positions]
            outcome = self._write_project(project, chosen, clock=clock)
            results.update(zip(positions, outcome, strict=True))
        return tuple(results[position] for position in range(len(changes)))

    def _write_project(
        self, project: str, changes: Sequence[BindingChange], *, clock: Callable[[], datetime]
    ) -> tuple[Result, ...]:
        """Writes all at once; where Google refuses the whole, looks for what it refuses.

        A policy is refused as one, so a single unknown account would otherwise hold up every
        other grant of the project, and its removals with them.
        """
        results: dict[int, Result] = {}
        waiting: list[list[int]] = [list(range(len(changes)))]
        writes = 0
        while waiting:
            batch = waiting.pop(0)
            chosen = [changes[position] for position in batch]
            if writes >= MAX_WRITES:
                outcome = [_failed(one, f"not tried: {MAX_WRITES} writes used") for one in chosen]
                results.update(zip(batch, outcome, strict=True))
                continue
            writes += 1
            try:
                done = self._write_batch(project, chosen, clock=clock)
            except _Refused as error:
                if isinstance(error, _Raced) and writes == 1:
                    # Once: an account may have been deleted between reading and writing.
                    self._pause(_delay(writes))
                    waiting.insert(0, batch)
                    continue
                if len(batch) > 1:
                    waiting[:0] = _parts(batch, changes)
                    continue
                done = [_failed(chosen[0], str(error))]
            except CloudError as error:
                done = [_failed(one, str(error)) for one in chosen]
            results.update(zip(batch, done, strict=True))
        return tuple(results[position] for position in range(len(changes)))

    def _write_batch(
        self, project: str, changes: Sequence[BindingChange], *, clock: Callable[[], datetime]
    ) -> list[Result]:
        for attempt in range(1, self._attempts + 1):
            try:
                return self._read_modify_write(project, changes, clock=clock)
            except _Busy as error:
                if attempt == self._attempts:
                    return self._last_look(project, changes, error)
                self._pause(_delay(attempt))
        raise CloudError(f"project {project}: no attempt was allowed")

    def _read_modify_write(
        self, project: str, changes: Sequence[BindingChange], *, clock: Callable[[], datetime]
    ) -> list[Result]:
        policy = self._projects.read(project)
        edited = edit(policy.bindings, changes, now=clock(), exempted=policy.exempted)
        after = policy
        if edited.changed:
            wanted = _Policy(etag=policy.etag, bindings=edited.bindings, exempted=policy.exempted)
            after = self._projects.write(project, wanted)
        return [
            _failed(change, edited.refused[position])
            if position in edited.refused
            else _judged(change, after)
            for position, change in enumerate(changes)
        ]

    def _last_look(
        self, project: str, changes: Sequence[BindingChange], error: _Busy
    ) -> list[Result]:
        """Tells after the last attempt what took effect although no answer said so."""
        try:
            policy = self._projects.read(project)
        except CloudError:
            return [_failed(change, str(error)) for change in changes]
        return [
            Result(change=change, status=Status.DONE)
            if holds(policy.bindings, change)
            else _failed(change, f"gave up after {self._attempts} attempts: {error}")
            for change in changes
        ]


def _translated(what: str, code: int | None, message: str, *, writing: bool) -> CloudError:
    text = f"{what}: {code} {message}"
    match code:
        case 409 | 429 | 500 | 502 | 503 | 504:
            return _Busy(text)
        case 400 if writing:
            return _Raced(text)
        case 403 | 412 if writing:
            return _Refused(text)
        case 403 | 404:
            # A project that is being deleted answers so, too:
            # https://cloud.google.com/resource-manager/docs/core_errors
            return CloudRefused(text, hint=CLOSED)
        case _:
            return CloudError(
                text, hint="the project id and the pipeline's role on it are the usual causes"
            )


def _judged(change: BindingChange, policy: _Policy) -> Result:
    if holds(policy.bindings, change):
        return Result(change=change, status=Status.DONE)
    return _failed(change, "the policy that came back does not show it")


def _failed(change: BindingChange, message: str) -> Result:
    return Result(change=change, status=Status.FAILED, message=message)


def _delay(attempt: int) -> float:
    return min(2.0 ** (attempt - 1), _LONGEST_PAUSE)


def _parts(batch: list[int], changes: Sequence[BindingChange]) -> list[list[int]]:
    """Returns the removals and the rest, or two halves: what ends access never waits."""
    removals = [position for position in batch if changes[position].kind is ChangeKind.DELETE]
    if removals and len(removals) < len(batch):
        gone = set(removals)
        return [removals, [position for position in batch if position not in gone]]
    middle = len(batch) // 2
    return [batch[:middle], batch[middle:]]
