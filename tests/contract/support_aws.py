"""A small estate in AWS: two accounts, an SSO person, an IAM user, a role with a parameter."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3

from pipeline.clouds.aws.adapter import Accounts, AwsReader, AwsWriter
from pipeline.clouds.aws.binding import binding
from pipeline.clouds.interface import Observation, Result
from pipeline.sandbox.aws import AwsSandbox
from pipeline.sandbox.clock import Clock
from pipeline.values.binding import Binding, BindingChange, ChangeKind
from pipeline.values.catalogue import (
    AwsIdentity,
    AwsPermissions,
    Entitlement,
    Mfa,
    Principal,
    PrincipalKind,
    Risk,
    Role,
    Target,
)
from pipeline.values.grant import Window
from pipeline.values.ids import Cloud, GrantId, RoleId, TargetId

NOW = datetime(2026, 11, 20, 16, tzinfo=UTC)
START, END = NOW, NOW + timedelta(hours=2)
WINDOW = Window(start=START, end=END)
ACCOUNT, HOME_ACCOUNT = "111122223333", "444455556666"
BOB_ARN = f"arn:aws:iam::{HOME_ACCOUNT}:user/ops/bob"
PATIENCE: dict[str, Any] = {"retry_mode": "standard", "attempts": 1}
"""One attempt: what a retry would hide is what the tests look at."""

INSTANCE = "i-0abc1234def567890"
INSTANCE_ARN = f"arn:aws:ec2:eu-west-1:{ACCOUNT}:instance/{INSTANCE}"
ACTION = "ec2:TerminateInstances"


_SESSION = boto3.Session(region_name="us-east-1")


def target(name: str, account: str) -> Target:
    return Target(
        id=TargetId(f"aws/{name}"),
        cloud=Cloud.AWS,
        name=name,
        locator=account,
        environment="prod",
    )


PAYMENTS = target("payments-prod", ACCOUNT)
IDENTITY = target("identity-prod", HOME_ACCOUNT)

ALICE = Principal(
    name="alice",
    kind=PrincipalKind.PERSON,
    github="alice",
    github_id=1,
    aws=AwsIdentity(
        session_name="alice@example.com", home="identity-prod", mfa=Mfa.IDENTITY_PROVIDER
    ),
)
BOB = Principal(
    name="bob",
    kind=PrincipalKind.PERSON,
    github="bob",
    github_id=2,
    aws=AwsIdentity(arn=BOB_ARN, mfa=Mfa.AWS),
)
TERMINATE = Role(
    id=RoleId("aws/ec2-terminate"),
    cloud=Cloud.AWS,
    name="ec2-terminate",
    title="Terminate one EC2 instance",
    risk=Risk.HIGH,
    max_duration=3600,
    permissions=AwsPermissions(
        actions=(ACTION,), resources=("arn:aws:ec2:*:{account}:instance/{resource}",)
    ),
    mfa_required=True,
    parameters=(("resource", "i-[0-9a-f]{8,17}"),),
)
ENTITLEMENT = Entitlement(
    grant=GrantId("alice/2026-11-20-stuck-payouts"),
    principal=ALICE,
    target=PAYMENTS,
    role=TERMINATE,
    parameters=(("resource", INSTANCE),),
    home=IDENTITY,
)


def for_bob() -> Entitlement:
    """The same access for an IAM user, who shows a second factor to AWS itself."""
    return replace(ENTITLEMENT, grant=GrantId("bob/stuck"), principal=BOB, home=None)


def with_identity(entitlement: Entitlement, **fields: Any) -> Entitlement:
    principal = replace(entitlement.principal, aws=AwsIdentity(**fields))
    return replace(entitlement, principal=principal)


@dataclass(frozen=True)
class Estate:
    """The stand-in with a reader and a writer on it, through real boto3 clients."""

    clock: Clock
    sandbox: AwsSandbox
    accounts: Accounts
    reader: AwsReader
    writer: AwsWriter
    waited: list[float]
    """The seconds that the writer was about to wait."""

    @classmethod
    def open(cls) -> Estate:
        clock = Clock(NOW)
        sandbox = AwsSandbox(clock, accounts={ACCOUNT, HOME_ACCOUNT}, users=[BOB_ARN])
        accounts = Accounts(endpoint=sandbox.url, credentials=sandbox.runner(), **PATIENCE)
        waited: list[float] = []
        writer = AwsWriter(accounts, pause=waited.append)
        return cls(clock, sandbox, accounts, AwsReader(accounts), writer, waited)

    def write(self, kind: ChangeKind, wanted: Binding) -> Result:
        (result,) = self.writer.write(
            [BindingChange(kind=kind, binding=wanted)], clock=self.clock.now
        )
        return result

    def observe(self) -> Observation:
        return self.reader.observe([PAYMENTS, IDENTITY], now=self.clock.now())

    def admin(self, account: str = ACCOUNT) -> Any:
        """An IAM client that may do everything: the hand that changes things behind us."""
        return self.client("iam", self.sandbox.admin(account))

    def client(self, service: str, credentials: dict[str, str]) -> Any:
        return _SESSION.client(service, endpoint_url=self.sandbox.url, **credentials)

    def stored(self, wanted: Binding) -> dict[str, Any]:
        (role,) = [
            role
            for role in self.sandbox.authorization_details(wanted.locator)
            if role["RoleName"] == wanted.key
        ]
        return role


def wanted(entitlement: Entitlement = ENTITLEMENT, *, window: Window = WINDOW) -> Binding:
    return binding(entitlement, window=window)


def extended(by: timedelta = timedelta(hours=1)) -> Window:
    return Window(start=START, end=END + by)
