"""Who an access key of the AWS stand-in stands for, and until when."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pipeline.sandbox.aws_check import Caller
from pipeline.sandbox.aws_contract import ContractRefused
from pipeline.sandbox.clock import Clock

_CREDENTIAL = re.compile(r"Credential=([A-Z0-9]+)/[0-9]{8}/[a-z0-9-]+/(iam|sts)/aws4_request")


class Part(StrEnum):
    """What the set-up lets a session do."""

    ADMIN = "admin"
    """Everything in IAM."""

    RUNNER = "runner"
    """Assume the pipeline's role, as the CI job does."""

    PIPELINE = "pipeline"
    """Read all of IAM, write below `/daypass/`."""

    PERSON = "person"
    """Assume roles below `/daypass/` that trust it."""

    ROLE = "role"
    """Whatever its role's policies say; nothing in IAM."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """One access key."""

    part: Part
    caller: Caller
    arn: str
    """As `GetCallerIdentity` answers."""

    secret: str
    token: str
    """Empty for the long-lived key of an IAM user."""

    expires: datetime | None = None


class Sessions:
    """The access keys that the stand-in knows. Signatures are not verified, tokens are."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_key: dict[str, Session] = {}

    def add(self, key: str, session: Session) -> None:
        """Makes *key* stand for *session*."""
        self._by_key[key] = session

    def get(self, key: str) -> Session:
        """Returns whom *key* stands for; raises `KeyError`."""
        return self._by_key[key]

    def issue(self, part: Part, caller: Caller, arn: str) -> dict[str, str]:
        """Makes a key that does not expire and returns it as boto3 takes it."""
        temporary = ":assumed-role/" in arn
        session = Session(
            part=part,
            caller=caller,
            arn=arn,
            secret=secrets.token_hex(20),
            token=secrets.token_hex(20) if temporary else "",
        )
        key = ("ASIA" if temporary else "AKIA") + secrets.token_hex(8).upper()
        self.add(key, session)
        credentials = {"aws_access_key_id": key, "aws_secret_access_key": session.secret}
        return credentials | ({"aws_session_token": session.token} if temporary else {})

    def issue_for_role(
        self, part: Part, *, account: str, path: str, session_name: str
    ) -> dict[str, str]:
        """Makes a key for a session of the role at *path* (`a/b/name`); see `issue`."""
        caller = Caller(
            account=account,
            arn=f"arn:aws:iam::{account}:role/{path}",
            userid=f"AROA{secrets.token_hex(8).upper()}:{session_name}",
        )
        name = path.rpartition("/")[2]
        return self.issue(
            part, caller, f"arn:aws:sts::{account}:assumed-role/{name}/{session_name}"
        )

    def authenticate(self, environ: Mapping[str, Any]) -> tuple[str, str, Session]:
        """Returns service, access key and session of a signed WSGI request.

        Raises `ContractRefused` for keys that are unknown or have expired.
        """
        match = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
        session = self._by_key.get(match[1]) if match else None
        token = environ.get("HTTP_X_AMZ_SECURITY_TOKEN", "")
        if match is None or session is None or token != session.token:
            raise ContractRefused(
                "InvalidClientTokenId", "The security token is invalid.", status=403
            )
        if session.expires is not None and self._clock.now() >= session.expires:
            raise ContractRefused("ExpiredToken", "The security token has expired", status=403)
        return match[2], match[1], session
