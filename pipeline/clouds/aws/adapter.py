"""AWS through boto3: lists the roles of ours, creates, updates and deletes them."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from pipeline.clouds.aws.binding import PATH, POLICY_NAME, session_seconds
from pipeline.clouds.aws.observed import not_ours, observed, read_window
from pipeline.clouds.interface import (
    CLOSED,
    WENT,
    Foreign,
    Observation,
    Result,
    Status,
    unforeseen,
)
from pipeline.errors import CloudError, CloudRefused
from pipeline.values.binding import Binding, BindingChange, ChangeKind
from pipeline.values.canonical import canonical
from pipeline.values.catalogue import Target
from pipeline.values.ids import Cloud, TargetId

PATIENCE = 60.0
"""Seconds that one run waits, over all of its changes, for IAM to catch up with itself."""

_CHANGE_PATIENCE = 30.0
"""Seconds of these for one change, so that one that never succeeds leaves some to others."""

# IAM is eventually consistent: each of these may be different on the next try. botocore retries
# none of them (terraform-provider-aws, `internal/service/iam`, waits for the same ones).
_PASSING = frozenset(
    {"NoSuchEntity", "ConcurrentModification", "EntityTemporarilyUnmodifiable", "DeleteConflict"}
)

_REFUSALS = frozenset({"AccessDenied", "AccessDeniedException", "OptInRequired"})

_WORKERS = 8
"""Accounts listed at the same time; within one account calls follow each other."""


class Accounts:
    """Gives one IAM client per account, by assuming the pipeline's role there.

    Without *credentials* the ambient ones are used (in CI: those that GitHub's OIDC token was
    exchanged for). *credentials* are boto3's `aws_access_key_id`, `aws_secret_access_key` and
    `aws_session_token`. *endpoint* is for stand-ins only: configured endpoints are ignored.
    Sessions last one hour, which is AWS's limit for chained roles, and are not renewed: make
    one object per run. IAM publishes no rates, so botocore's retry mode is `adaptive`: clients
    slow down when they are told to.
    """

    def __init__(
        self,
        *,
        role: str = "daypass-pipeline",
        session_name: str = "daypass",
        region: str = "us-east-1",
        endpoint: str | None = None,
        credentials: Mapping[str, str] | None = None,
        retry_mode: str = "adaptive",
        attempts: int = 8,
        timeout: float = 20,
    ) -> None:
        self._role = role
        self._session_name = session_name
        self._region = region
        self._endpoint = endpoint
        self._credentials = dict(credentials or {})
        self._retries = {"mode": retry_mode, "total_max_attempts": attempts}
        self._timeout = timeout
        self._lock = threading.Lock()
        self._ambient: Any = None
        self._sts: Any = None
        self._clients: dict[str, Any] = {}

    def iam(self, account: str) -> Any:
        """Returns the IAM client of *account*.

        Raises `CloudError` when the pipeline's role cannot be assumed there.
        """
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            # Clients are thread-safe, making them is not; nobody waits for another's request.
            with self._lock:
                if account in self._clients:
                    return self._clients[account]
                if self._sts is None:
                    self._ambient = boto3.Session(region_name=self._region, **self._credentials)
                    self._sts = self._client("sts")
            assumed = self._sts.assume_role(
                RoleArn=f"arn:aws:iam::{account}:role/{self._role}",
                RoleSessionName=self._session_name,
                DurationSeconds=3600,
            )["Credentials"]
            with self._lock:
                self._clients[account] = self._client(
                    "iam",
                    aws_access_key_id=assumed["AccessKeyId"],
                    aws_secret_access_key=assumed["SecretAccessKey"],
                    aws_session_token=assumed["SessionToken"],
                )
                return self._clients[account]
        except (BotoCoreError, ClientError) as error:
            raise _listing_error(f"cannot work in AWS account {account}", error) from error

    def _client(self, service: str, **credentials: str) -> Any:
        from botocore.config import Config

        # One session for all: it reads AWS's service descriptions once.
        return self._ambient.client(
            service,
            **credentials,
            endpoint_url=self._endpoint,
            config=Config(
                connect_timeout=self._timeout,
                read_timeout=self._timeout,
                retries=self._retries,
                # A planted AWS_ENDPOINT_URL must not receive the pipeline's requests.
                ignore_configured_endpoint_urls=True,
            ),
        )


class AwsReader:
    """See `CloudReader`. One listing per account; *boundary* names the managed policy in each
    account that roles of ours must carry as their permissions boundary."""

    cloud = Cloud.AWS

    def __init__(self, accounts: Accounts, *, boundary: str | None = None) -> None:
        self._accounts = accounts
        self._boundary = boundary

    def observe(self, targets: Sequence[Target], *, now: datetime) -> Observation:
        """See `CloudReader.observe`. *now* plays no part: AWS keeps what has ended."""
        names: dict[str, list[TargetId]] = defaultdict(list)
        for target in targets:
            names[target.locator].append(target.id)
        bindings: list[Binding] = []
        foreign: list[Foreign] = []
        unreachable: list[tuple[TargetId, str]] = []
        refused: set[TargetId] = set()
        with ThreadPoolExecutor(max_workers=_WORKERS) as pool:
            listings = pool.map(lambda item: self._account(*item), names.items())
            for ids, listing in zip(names.values(), listings, strict=True):
                if isinstance(listing, CloudError):
                    unreachable.extend((target, str(listing)) for target in ids)
                    refused.update(ids if isinstance(listing, CloudRefused) else ())
                    continue
                bindings.extend(one for one in listing if isinstance(one, Binding))
                foreign.extend(one for one in listing if isinstance(one, Foreign))
        return Observation(
            cloud=Cloud.AWS,
            bindings=tuple(sorted(bindings, key=lambda one: one.identity)),
            foreign=tuple(sorted(foreign, key=lambda one: (one.target, one.handle))),
            unreachable=tuple(sorted(unreachable)),
            refused=frozenset(refused),
        )

    def _account(
        self, account: str, targets: Sequence[TargetId]
    ) -> list[Binding | Foreign] | CloudError:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            pages = (
                self._accounts.iam(account)
                .get_paginator("get_account_authorization_details")
                .paginate(Filter=["Role"])
            )
            return [
                self._read(account, targets, role)
                for page in pages
                for role in page["RoleDetailList"]
                if role["Path"].startswith(PATH)
            ]
        except CloudError as error:
            return error
        except (BotoCoreError, ClientError) as error:
            return _listing_error(f"cannot list the roles of AWS account {account}", error)
        except Exception as error:  # an answer that botocore lets through and nobody foresaw
            return CloudError(f"AWS account {account}: {unforeseen(error)}")

    def _read(
        self, account: str, targets: Sequence[TargetId], role: Mapping[str, Any]
    ) -> Binding | Foreign:
        boundary = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", "")
        wrong = self._boundary is not None and boundary != _policy_arn(account, self._boundary)
        read = observed(
            account=account,
            targets=targets,
            name=role["RoleName"],
            path=role["Path"],
            trust=role.get("AssumeRolePolicyDocument"),
            inline={
                policy["PolicyName"]: policy["PolicyDocument"]
                for policy in role.get("RolePolicyList", ())
            },
            attached=[policy["PolicyArn"] for policy in role.get("AttachedManagedPolicies", ())],
            tags=_pairs(role.get("Tags", ())),
            handle=role["Arn"],
            wrong_boundary=boundary if wrong else None,
        )
        if isinstance(read, Binding):
            return read
        return Foreign(target=targets[0], handle=role["Arn"], why=read)


class _CatchingUp(CloudError):
    """Raised when IAM contradicts itself, as it does for some seconds after a write."""


class AwsWriter:
    """See `CloudWriter`. *boundary* names the managed policy in each account that becomes the
    permissions boundary of every role.

    What IAM refuses only until it has caught up with itself is tried again, at most for
    `PATIENCE` seconds in a run; what is there already is then compared with what is wanted.
    *pause* waits that many seconds.
    """

    cloud = Cloud.AWS

    def __init__(
        self,
        accounts: Accounts,
        *,
        boundary: str | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._accounts = accounts
        self._boundary = boundary
        self._pause = pause
        self._left = PATIENCE

    def write(
        self, changes: Sequence[BindingChange], *, clock: Callable[[], datetime]
    ) -> tuple[Result, ...]:
        """See `CloudWriter.write`."""
        return tuple(self._write(change, clock) for change in changes)

    def _write(self, change: BindingChange, clock: Callable[[], datetime]) -> Result:
        binding = change.binding
        why = self._why_not(change, clock)
        if not why:
            return Result(change=change, status=Status.DONE)
        where = f"{change.kind} {binding.key} in AWS account {binding.locator}"
        return Result(change=change, status=Status.FAILED, message=f"{where}: {why}")

    def _why_not(self, change: BindingChange, clock: Callable[[], datetime]) -> str:
        """Carries out *change*, and returns why that was not possible; empty where it was."""
        from botocore.exceptions import BotoCoreError, ClientError

        waited = 0.0
        while True:
            try:
                self._carry_out(change, clock)
                return ""
            except (BotoCoreError, ClientError, CloudError) as error:
                delay = min(1.0 + waited, self._left, _CHANGE_PATIENCE - waited)
                if delay <= 0 or not _passing(error):
                    return str(error)
            except Exception as error:  # an answer that botocore lets through, unforeseen
                return unforeseen(error)
            self._pause(delay)
            waited += delay
            self._left -= delay

    def _carry_out(self, change: BindingChange, clock: Callable[[], datetime]) -> None:
        binding = change.binding
        iam = self._accounts.iam(binding.locator)
        if change.kind is ChangeKind.DELETE:
            _delete(iam, binding.key)
            return
        # Before every try: a window may end while IAM catches up.
        now = clock()
        if binding.window is None or binding.window.ended(now):
            raise CloudError("its window has ended; nothing was written")
        fresh, gives = change.kind is ChangeKind.CREATE, not change.narrows(now=now)
        self._put(iam, binding, fresh=fresh, gives=gives)

    def _put(self, iam: Any, binding: Binding, *, fresh: bool, gives: bool) -> None:
        """Makes the role what *binding* says, whatever there is of it already; with nothing there
        only where that *gives* access."""
        document = json.loads(binding.document)
        name, own = binding.key, document["inline"].get(POLICY_NAME)
        if own is None or read_window(document["trust"], document["inline"]) != binding.window:
            raise CloudError("its document does not carry its window; nothing was written")
        policy = canonical(own)
        role = None if fresh else _ours(iam, name)
        if role is None and not gives:
            raise CloudError(WENT)
        if role is None:
            if self._create(iam, binding, document):
                # Without this second call the role may be assumed and allows nothing; a run
                # that stops here leaves a difference that the next one completes.
                iam.put_role_policy(RoleName=name, PolicyName=POLICY_NAME, PolicyDocument=policy)
                return
            role = _ours(iam, name)
            if role is None:
                raise _CatchingUp("it is there and not there; IAM is still catching up")
        if self._boundary is not None:
            edge = _policy_arn(binding.locator, self._boundary)
            iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=edge)
        # Less first: what somebody added goes before our own access is extended.
        _strip(iam, name, keep=(POLICY_NAME,))
        wanted: dict[str, str] = document["tags"]
        tags = _pairs(role.get("Tags", ()))
        extra = [key for key in tags if key not in wanted and not key.startswith("aws:")]
        if extra:
            iam.untag_role(RoleName=name, TagKeys=extra)
        if any(tags.get(key) != value for key, value in wanted.items()):
            iam.tag_role(RoleName=name, Tags=_tag_list(wanted))
        # Permissions before trust: an extended session never meets the old end.
        iam.put_role_policy(RoleName=name, PolicyName=POLICY_NAME, PolicyDocument=policy)
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=canonical(document["trust"]))
        seconds = _seconds(binding)
        if role.get("MaxSessionDuration") != seconds:
            iam.update_role(RoleName=name, MaxSessionDuration=seconds)

    def _create(self, iam: Any, binding: Binding, document: Mapping[str, Any]) -> bool:
        """Creates the role; returns False when there is one already."""
        more = {}
        if self._boundary is not None:
            more["PermissionsBoundary"] = _policy_arn(binding.locator, self._boundary)
        try:
            iam.create_role(
                Path=document["path"],
                RoleName=binding.key,
                AssumeRolePolicyDocument=canonical(document["trust"]),
                MaxSessionDuration=_seconds(binding),
                Tags=_tag_list(document["tags"]),
                **more,
            )
        except iam.exceptions.EntityAlreadyExistsException:
            return False
        return True


def _policy_arn(account: str, name: str) -> str:
    return f"arn:aws:iam::{account}:policy/{name}"


def _listing_error(what: str, error: Exception) -> CloudError:
    """Returns what kept an account from being listed. A closed account answers as one does that
    does not know the pipeline's role: https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
    """
    code = getattr(error, "response", {}).get("Error", {}).get("Code")
    text = f"{what}: {error}"
    return CloudRefused(text, hint=CLOSED) if code in _REFUSALS else CloudError(text)


def _passing(error: Exception) -> bool:
    """Whether IAM may answer otherwise in some seconds."""
    if isinstance(error, _CatchingUp):
        return True
    said = getattr(error, "response", {}).get("Error", {})
    # A principal that was made a moment ago is not yet known to policies.
    new = said.get("Code") == "MalformedPolicyDocument"
    return said.get("Code") in _PASSING or (new and "Invalid principal" in said.get("Message", ""))


def _ours(iam: Any, name: str) -> Mapping[str, Any] | None:
    """Returns the role *name*, None when there is none.

    Raises `CloudError` when it does not carry our mark: it is never taken over.
    """
    try:
        role: Mapping[str, Any] = iam.get_role(RoleName=name)["Role"]
    except iam.exceptions.NoSuchEntityException:
        return None
    why = not_ours(name, role["Path"], _pairs(role.get("Tags", ())))
    if why:
        raise CloudError(f"{role['Arn']} is not ours ({why}); it was left alone")
    return role


def _delete(iam: Any, name: str) -> None:
    """Deletes the role *name* with all that hangs on it; each step may have been done before."""
    if _ours(iam, name) is None:
        return
    gone = iam.exceptions.NoSuchEntityException
    for page in iam.get_paginator("list_instance_profiles_for_role").paginate(RoleName=name):
        for profile in page["InstanceProfiles"]:
            _unless(
                gone,
                iam.remove_role_from_instance_profile,
                InstanceProfileName=profile["InstanceProfileName"],
                RoleName=name,
            )
    # Our own policy goes last: it denies outside the window as long as anything is left.
    _strip(iam, name, keep=(POLICY_NAME,))
    _unless(gone, iam.delete_role_policy, RoleName=name, PolicyName=POLICY_NAME)
    _unless(gone, iam.delete_role, RoleName=name)


def _strip(iam: Any, name: str, *, keep: Iterable[str]) -> None:
    """Takes every policy off the role but the inline ones to *keep*."""
    gone = iam.exceptions.NoSuchEntityException
    for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=name):
        for policy in page["AttachedPolicies"]:
            _unless(gone, iam.detach_role_policy, RoleName=name, PolicyArn=policy["PolicyArn"])
    for page in iam.get_paginator("list_role_policies").paginate(RoleName=name):
        for policy in page["PolicyNames"]:
            if policy not in keep:
                _unless(gone, iam.delete_role_policy, RoleName=name, PolicyName=policy)


def _unless(gone: type[Exception], call: Callable[..., Any], **arguments: str) -> None:
    try:
        call(**arguments)
    except gone:
        return


def _seconds(binding: Binding) -> int:
    if binding.window is None:
        raise CloudError("it has no window")
    return session_seconds(binding.window)


def _pairs(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
