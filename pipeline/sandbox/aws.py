"""A stand-in for AWS: IAM and STS of several accounts, on a clock that is moved by hand.

moto keeps the state. In front of it stand botocore's service models (`aws_contract`), the
documented rules that moto leaves out (`aws_rules`), and what moto does not do at all: who
may call, roles whose trust is read before they are assumed, sessions that expire.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote

from pipeline.sandbox.aws_check import Caller, UnknownForm, assumable
from pipeline.sandbox.aws_contract import (
    ContractRefused,
    ContractViolation,
    error_body,
    read_request,
    read_response,
    service_model,
    success_body,
    without_roles,
)
from pipeline.sandbox.aws_faults import AwsFault, Faults
from pipeline.sandbox.aws_moto import Moto
from pipeline.sandbox.aws_rules import check_permissions, check_trust
from pipeline.sandbox.aws_sessions import Part, Session, Sessions
from pipeline.sandbox.clock import Clock
from pipeline.sandbox.server import Server

_ARN = re.compile(r"arn:aws:iam::([0-9]{12}):(?:(root)|(user|role)/(?:.*/)?([^/]+))")
_READS = ("Get", "List")
_RUNNER = "daypass-runner"
_SSO_ROLE = "aws-reserved/sso.amazonaws.com/AWSReservedSSO_Engineer_0123456789abcdef"


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsCall:
    """One request as it was answered."""

    account: str
    action: str
    caller: str
    at: datetime
    code: str
    """Empty for success, AWS's error code otherwise."""


MFA_CODE = "123456"
"""The code that every second factor shows."""


def _with_factor(caller: Caller, params: Mapping[str, Any]) -> Caller:
    """Returns *caller* as IAM sees them where a call names a device and its code.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html (SerialNumber,
    TokenCode). Each user's one device is called as they are.
    """
    serial = params.get("SerialNumber")
    if serial is None:
        return caller
    account, _, user = caller.arn.removeprefix("arn:aws:iam::").partition(":user/")
    own = f"arn:aws:iam::{account}:mfa/{user.rpartition('/')[2]}"
    if not user or serial != own or params.get("TokenCode") != MFA_CODE:
        raise ContractRefused(
            "AccessDenied",
            "MultiFactorAuthentication failed with invalid MFA one time pass code.",
            status=403,
        )
    return replace(caller, mfa_age=0)


class AwsSandbox:
    """AWS on loopback. Stop it when done.

    *accounts* are account numbers, *users* ARNs of IAM users in them. Every account holds the
    role *pipeline_role*, which the runner may assume and which may write below `/daypass/`.

    *lag* is how long IAM takes to agree with itself after a role was made: listings leave it out,
    and the first policy for it is refused. IAM User Guide, "Troubleshoot IAM", "Changes that I
    make are not always immediately visible".
    """

    def __init__(
        self,
        clock: Clock,
        *,
        accounts: Iterable[str],
        users: Iterable[str] = (),
        pipeline_role: str = "daypass-pipeline",
        lag: timedelta = timedelta(0),
    ) -> None:
        self._clock = clock
        self._moto = Moto(clock)
        self._lock = threading.RLock()
        self._accounts = tuple(sorted(accounts))
        self._pipeline_role = pipeline_role
        self._sessions = Sessions(clock)
        self._faults = Faults()
        self._lag = lag
        self._settling: dict[tuple[str, str], datetime] = {}
        """Account and name of each new role, until when listings leave it out."""

        self._unknown: set[tuple[str, str]] = set()
        """New roles that the next policy is refused for."""

        self.log: list[AwsCall] = []
        """Every request over the wire, in order."""

        self.violations: list[str] = []
        """Answers of the stand-in that AWS's own description does not allow."""

        hub = self._accounts[0]
        self._make_role(hub, _RUNNER, f"arn:aws:iam::{hub}:root")
        for account in self._accounts:
            self._make_role(account, pipeline_role, f"arn:aws:iam::{hub}:role/{_RUNNER}")
        for user in users:
            match = _ARN.fullmatch(user)
            if match is None or match[3] != "user" or match[1] not in self._accounts:
                raise ValueError(f"{user} is no IAM user in the accounts of the sandbox")
            path = user.partition(":user")[2].rpartition("/")[0] + "/"
            self._inside(match[1], "CreateUser", UserName=match[4], Path=path)
        self.server = Server(self._answer)
        self.url = self.server.url

    def stop(self) -> None:
        """Stops listening; safe to call twice."""
        self.server.stop()

    def runner(self) -> dict[str, str]:
        """Returns credentials of the CI job, as boto3 takes them; it may assume our role."""
        return self._sessions.issue_for_role(
            Part.RUNNER, account=self._accounts[0], path=_RUNNER, session_name="run"
        )

    def admin(self, account: str) -> dict[str, str]:
        """Returns credentials of an administrator, whose hand changes what it likes."""
        return self._sessions.issue_for_role(
            Part.ADMIN, account=account, path="admin", session_name="root"
        )

    def person(self, session_name: str, *, home: str) -> dict[str, str]:
        """Returns credentials of a person signed in through Identity Center in *home*."""
        return self._sessions.issue_for_role(
            Part.PERSON, account=home, path=_SSO_ROLE, session_name=session_name
        )

    def user(self, arn: str, *, mfa_age: int | None = None) -> dict[str, str]:
        """Returns credentials of an IAM user, with the age of its second factor if any."""
        match = _ARN.fullmatch(arn)
        if match is None or match[3] != "user":
            raise ValueError(f"{arn} is no IAM user")
        user = self._inside(match[1], "GetUser", UserName=match[4])["User"]
        caller = Caller(account=match[1], arn=arn, userid=user["UserId"], mfa_age=mfa_age)
        return self._sessions.issue(Part.PERSON, caller, arn)

    def caller(self, credentials: Mapping[str, str]) -> Caller:
        """Returns whom *credentials* stand for, for the evaluators."""
        return self._sessions.get(credentials["aws_access_key_id"]).caller

    def authorization_details(self, account: str) -> list[dict[str, Any]]:
        """Returns `RoleDetailList` of *account* as stored, with decoded policies."""
        details = self._inside(
            account, "GetAccountAuthorizationDetails", **{"Filter.member.1": "Role"}
        )
        roles: list[dict[str, Any]] = details["RoleDetailList"]
        for role in roles:
            role["AssumeRolePolicyDocument"] = json.loads(unquote(role["AssumeRolePolicyDocument"]))
            for policy in role.get("RolePolicyList", ()):
                policy["PolicyDocument"] = json.loads(unquote(policy["PolicyDocument"]))
        return roles

    def counts(self, account: str | None = None) -> Counter[str]:
        """Returns how often each action was asked for."""
        return Counter(call.action for call in self.log if account in (None, call.account))

    def fail_next(
        self,
        action: str,
        code: str,
        *,
        account: str | None = None,
        times: int = 1,
        status: int = 400,
        after: bool = False,
    ) -> None:
        """Makes the next *times* calls of *action* fail with *code*.

        With *after* they take effect first: the answer is lost, not the deed.
        """
        with self._lock:
            fault = AwsFault(action=action, code=code, account=account, status=status, after=after)
            self._faults.add(fault, times=times)

    # What comes over the wire.

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        form = dict(parse_qsl(environ["wsgi.input"].read(length).decode(), keep_blank_values=True))
        service, action = "sts", form.get("Action", "")
        account, who, code = "", "", ""
        with self._lock:
            try:
                service, key, session = self._sessions.authenticate(environ)
                account, who = session.caller.account, session.arn
                action, params = read_request(service, form)
                wanted = _ARN.fullmatch(params.get("RoleArn", ""))
                fault = self._faults.take(action, wanted[1] if wanted else account)
                if fault and not fault.after:
                    raise ContractRefused(fault.code, "as asked for", status=fault.status)
                status, body = self._perform(service, action, params, form, session, key)
                if fault:
                    raise ContractRefused(
                        fault.code, "as asked for, after the deed", status=fault.status
                    )
                read_response(service, action, status, body)
            except ContractRefused as refusal:
                code = refusal.code
                status, body = refusal.status, error_body(service, refusal)
            except ContractViolation as violation:
                code = "InternalFailure"
                self.violations.append(str(violation))
                status, body = 500, error_body(service, ContractRefused(code, str(violation)))
            self.log.append(
                AwsCall(
                    account=account,
                    action=action,
                    caller=who,
                    at=self._clock.now(),
                    code=code or self._code(service, action, status, body),
                )
            )
        start_response(
            f"{status} AWS",
            [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))],
        )
        return [body]

    def _perform(
        self,
        service: str,
        action: str,
        params: Mapping[str, Any],
        form: Mapping[str, str],
        session: Session,
        key: str,
    ) -> tuple[int, bytes]:
        account = session.caller.account
        if service == "sts":
            return self._sts(action, params, form, session, key)
        role = self._role(account, params["RoleName"]) if "RoleName" in params else None
        self._authorize(action, params, session, role)
        self._check_policies(action, params, account, role)
        deleted = None
        if action == "DeleteUser":
            deleted = self._inside(account, "GetUser", UserName=params["UserName"])["User"]
        if session.part is Part.PIPELINE:
            self._refuse_unknown(action, params, account)
        status, body = self._moto.call(service, form, account=account, key=key)
        if session.part is Part.PIPELINE and status < 300:
            body = self._lagging(action, params, account, body)
        if deleted and status < 300:
            # Trust policies keep the unique id of a principal that is gone, see the source of
            # `check_trust`: a new user of the same name does not inherit the access.
            self._moto.replace_in_trust(deleted["Arn"], deleted["UserId"])
        return status, body

    def _refuse_unknown(self, action: str, params: Mapping[str, Any], account: str) -> None:
        name = params.get("RoleName", "")
        if action == "PutRolePolicy" and (account, name) in self._unknown:
            self._unknown.discard((account, name))
            raise ContractRefused(
                "NoSuchEntity", f"The role with name {name} cannot be found.", status=404
            )

    def _lagging(self, action: str, params: Mapping[str, Any], account: str, body: bytes) -> bytes:
        """Returns the answer *body* as IAM gives it before it agrees with itself."""
        now = self._clock.now()
        if action == "CreateRole" and self._lag:
            self._settling[account, params["RoleName"]] = now + self._lag
            self._unknown.add((account, params["RoleName"]))
        if action != "GetAccountAuthorizationDetails":
            return body
        new = {
            name
            for (where, name), until in self._settling.items()
            if where == account and now < until
        }
        return without_roles(body, new) if new else body

    def _check_policies(
        self,
        action: str,
        params: Mapping[str, Any],
        account: str,
        role: Mapping[str, Any] | None,
    ) -> None:
        if action == "CreateRole":
            check_trust(params["AssumeRolePolicyDocument"], exists=self._exists)
        elif action == "UpdateAssumeRolePolicy":
            check_trust(params["PolicyDocument"], exists=self._exists)
        elif action == "PutRolePolicy" and role is not None:
            name = params["RoleName"]
            others = self._inline(account, name)
            others.pop(params["PolicyName"], None)
            check_permissions(params["PolicyDocument"], others=others.values(), role=name)

    def _authorize(
        self,
        action: str,
        params: Mapping[str, Any],
        session: Session,
        role: Mapping[str, Any] | None,
    ) -> None:
        """What the set-up allows: the pipeline reads all, and writes below `/daypass/` only."""
        if session.part is Part.ADMIN:
            return
        path = params.get("Path", "/") if action == "CreateRole" else (role or {}).get("Path")
        ours = path is None or path.startswith("/daypass/")
        if session.part is Part.PIPELINE and (action.startswith(_READS) or ours):
            return
        raise ContractRefused(
            "AccessDenied",
            f"User: {session.arn} is not authorized to perform: iam:{action}",
            status=403,
        )

    def _sts(
        self,
        action: str,
        params: Mapping[str, Any],
        form: Mapping[str, str],
        session: Session,
        key: str,
    ) -> tuple[int, bytes]:
        if action == "GetCallerIdentity":
            return 200, success_body(
                "sts",
                action,
                {
                    "Arn": session.arn,
                    "UserId": session.caller.userid,
                    "Account": session.caller.account,
                },
            )
        if action != "AssumeRole":
            raise ContractRefused("AccessDenied", f"sts:{action} is not spoken here", status=403)
        match = _ARN.fullmatch(params["RoleArn"])
        account, name = (match[1], match[4]) if match else ("", "")
        role = self._role(account, name) if account in self._accounts else None
        caller = _with_factor(session.caller, params)
        session = replace(session, caller=caller)
        if role is None or role["Arn"] != params["RoleArn"] or not self._may_assume(session, role):
            raise ContractRefused(
                "AccessDenied",
                f"User: {session.arn} is not authorized to perform: sts:AssumeRole"
                f" on resource: {params['RoleArn']}",
                status=403,
            )
        seconds = params.get("DurationSeconds", 3600)
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_terms-and-concepts.html
        # "Role chaining limits your session to a maximum of one hour."
        longest = 3600 if session.token else role.get("MaxSessionDuration", 3600)
        if seconds > longest:
            raise ContractRefused(
                "ValidationError",
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            )
        status, body = self._moto.call("sts", form, account=account, key=key)
        answer = read_response("sts", action, status, body)
        given = answer["Credentials"]
        pipeline = name == self._pipeline_role and role["Path"] == "/"
        self._sessions.add(
            given["AccessKeyId"],
            Session(
                part=Part.PIPELINE if pipeline else Part.ROLE,
                caller=Caller(
                    account=account,
                    arn=role["Arn"],
                    userid=answer["AssumedRoleUser"]["AssumedRoleId"],
                ),
                arn=answer["AssumedRoleUser"]["Arn"],
                secret=given["SecretAccessKey"],
                token=given["SessionToken"],
                expires=self._clock.now() + timedelta(seconds=seconds),
            ),
        )
        return status, body

    def _may_assume(self, session: Session, role: Mapping[str, Any]) -> bool:
        """The caller's own policies, then the role's trust; what cannot be read is no."""
        own = {Part.RUNNER: f"/{self._pipeline_role}", Part.PERSON: "/daypass/"}.get(session.part)
        if own is None or not role["Arn"].partition(":role")[2].startswith(own):
            return False
        try:
            return assumable(role, caller=session.caller, at=self._clock.now())
        except UnknownForm:
            return False

    # What the stand-in knows of itself.

    def _inside(self, account: str, action: str, **form: str) -> dict[str, Any]:
        """Calls IAM behind the front door: no log, no faults, no rules."""
        version = service_model("iam").api_version
        with self._lock:
            status, body = self._moto.call(
                "iam", {"Action": action, "Version": version, **form}, account=account, key="A" * 20
            )
            answer = read_response("iam", action, status, body)
        if status >= 300:
            raise LookupError(f"{action} in {account}: {answer['Error']}")
        return answer

    def _role(self, account: str, name: str) -> dict[str, Any] | None:
        try:
            role: dict[str, Any] = self._inside(account, "GetRole", RoleName=name)["Role"]
        except LookupError:
            return None
        role["AssumeRolePolicyDocument"] = json.loads(unquote(role["AssumeRolePolicyDocument"]))
        return role

    def _inline(self, account: str, name: str) -> dict[str, str]:
        names = self._inside(account, "ListRolePolicies", RoleName=name)["PolicyNames"]
        return {
            one: unquote(
                self._inside(account, "GetRolePolicy", RoleName=name, PolicyName=one)[
                    "PolicyDocument"
                ]
            )
            for one in names
        }

    def _exists(self, arn: str) -> bool:
        match = _ARN.fullmatch(arn)
        if match is None or match[1] not in self._accounts:
            return False
        if match[2]:
            return True
        try:
            kind, name = match[3].capitalize(), match[4]
            found = self._inside(match[1], f"Get{kind}", **{f"{kind}Name": name})[kind]
        except LookupError:
            return False
        return bool(found["Arn"] == arn)

    def _make_role(self, account: str, name: str, trusted: str) -> None:
        statement = {"Effect": "Allow", "Principal": {"AWS": trusted}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._inside(account, "CreateRole", RoleName=name, AssumeRolePolicyDocument=trust)

    @staticmethod
    def _code(service: str, action: str, status: int, body: bytes) -> str:
        if status < 300:
            return ""
        return str(read_response(service, action, status, body)["Error"]["Code"])
