"""Settings, read once: the only place that looks at the environment.

On the real services everything comes from the environment that GitHub Actions gives.
With `--sandbox FILE` endpoints, tokens and the clock come from that file instead, which is
refused under GitHub Actions, as is any endpoint but the vendors' own without it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.errors import UsageError

GITHUB_API = "https://api.github.com"

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Sandbox:
    """Where the local stand-ins listen."""

    clock: str
    """URL that answers the present moment as RFC 3339 text."""

    aws: Mapping[str, str] = field(repr=False)
    """`endpoint`, and credentials as boto3 names them."""

    azure: Mapping[str, str] = field(repr=False)
    """`endpoint`, `token`, `requestor`."""

    gcp: Mapping[str, str] = field(repr=False)
    """`endpoint`, `token`."""


AWS_ROLE = "daypass-pipeline"
"""The role that the pipeline takes in each AWS account, where no other is named."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Everything a command may need to know about where it runs."""

    repository: str | None
    """`owner/name` on GitHub."""

    github_api: str = GITHUB_API
    checker_token: str | None = field(default=None, repr=False)
    keeper_token: str | None = field(default=None, repr=False)
    checker_id: int | None = None
    """Account id of the checker App's bot: whose comments are ours."""

    checker_app: int | None = None
    """App id of the checker: whose check runs the ruleset requires."""

    keeper_id: int | None = None
    anchor: str | None = None
    """The commit of the default branch from which on everything must be proven."""

    default_branch: str = "main"
    aws_role: str = AWS_ROLE
    aws_boundary: str | None = None
    """Name of the managed policy, in each AWS account, that bounds every role of ours."""

    azure_requestor: str | None = None
    """Object id of the pipeline's identity in Azure: only its requests count as ours."""

    opa: str | None = None
    """Path of the OPA binary, or URL of a running OPA."""

    opa_token: str | None = field(default=None, repr=False)
    opa_ca: str | None = None
    """File of certificates to trust for a running OPA, instead of the usual ones."""

    actor: str = "local"
    actor_id: int | None = None
    """Account id of whoever started this run on GitHub."""

    event: str = ""
    """The event that started it: `workflow_dispatch`, `schedule`, `push`."""

    run: str = "local"
    on_actions: bool = False
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The environment as it was read, of which git is given what it needs."""

    sandbox: Sandbox | None = None

    @property
    def reader_token(self) -> str | None:
        """The token that reads: the checker's, else the keeper's."""
        return self.checker_token or self.keeper_token


def load_settings(
    environment: Mapping[str, str] | None = None, *, sandbox: Path | None = None
) -> Settings:
    """Returns the settings of this run.

    Raises `UsageError` for values that cannot be used and for endpoints that are refused.
    """
    env = os.environ if environment is None else environment  # noqa: TID251 - the one place
    on_actions = env.get("GITHUB_ACTIONS", "").lower() == "true"
    if sandbox is not None:
        if on_actions:
            raise UsageError(
                "--sandbox is refused under GitHub Actions",
                hint="the sandbox is for trying things on your own machine",
            )
        return _sandbox_settings(sandbox, env)
    redirected = sorted(
        name
        for name in env
        if name.startswith("AWS_ENDPOINT_URL") or name == "CLOUDSDK_API_ENDPOINT_OVERRIDES"
    )
    if redirected:
        raise UsageError(
            f"{', '.join(redirected)} points at another endpoint than the vendor's own",
            hint="unset it, or use --sandbox FILE for local stand-ins",
        )
    api = (env.get("GITHUB_API_URL") or GITHUB_API).rstrip("/")
    if api != GITHUB_API:
        raise UsageError(
            f"GITHUB_API_URL is {api}; only {GITHUB_API} is accepted",
            hint="use --sandbox FILE for a local stand-in",
        )
    return Settings(
        # A variable that is not set arrives empty from a workflow, and means its default.
        repository=env.get("GITHUB_REPOSITORY") or None,
        checker_token=env.get("DAYPASS_CHECKER_TOKEN") or None,
        keeper_token=env.get("DAYPASS_KEEPER_TOKEN") or None,
        checker_id=_number(env, "DAYPASS_CHECKER_ID"),
        checker_app=_number(env, "DAYPASS_CHECKER_APP_ID"),
        keeper_id=_number(env, "DAYPASS_KEEPER_ID"),
        anchor=_sha(env.get("DAYPASS_ANCHOR")),
        default_branch=env.get("DAYPASS_DEFAULT_BRANCH") or "main",
        aws_role=env.get("DAYPASS_AWS_ROLE") or AWS_ROLE,
        aws_boundary=_policy_name(env, "DAYPASS_AWS_BOUNDARY"),
        azure_requestor=env.get("DAYPASS_AZURE_REQUESTOR") or None,
        opa=env.get("DAYPASS_OPA") or None,
        opa_token=env.get("DAYPASS_OPA_TOKEN") or None,
        opa_ca=env.get("DAYPASS_OPA_CA") or None,
        actor=env.get("GITHUB_ACTOR") or "local",
        actor_id=_number(env, "GITHUB_ACTOR_ID"),
        event=env.get("GITHUB_EVENT_NAME") or "",
        run=env.get("GITHUB_RUN_ID") or "local",
        on_actions=on_actions,
        environment=dict(env),
    )


def _number(env: Mapping[str, str], name: str) -> int | None:
    text = env.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"{name} is {text!r}, expected an account id in digits")
    return int(text)


def _sha(text: str | None) -> str | None:
    if not text:
        return None
    if len(text) != 40 or set(text) - set("0123456789abcdef"):
        raise UsageError(
            f"DAYPASS_ANCHOR is {text!r}, expected a full commit SHA",
            hint="git rev-parse main, at the commit that you trust",
        )
    return text


def _policy_name(env: Mapping[str, str], name: str) -> str | None:
    """Returns the name of a managed policy of IAM, with its path, that *env* has under *name*."""
    text = env.get(name) or None
    if text is not None and not re.fullmatch(r"(?:[\w+=,.@-]+/)*[\w+=,.@-]{1,128}", text):
        raise UsageError(
            f"{name} is {text!r}, expected the name of a managed policy",
            hint="the part of its ARN after `policy/`: it must exist in every account",
        )
    return text


def _sandbox_settings(path: Path, env: Mapping[str, str]) -> Settings:
    try:
        document: Any = json.loads(path.read_text("utf-8"))
        github = document["github"]
        settings = Settings(
            repository=github["repository"],
            github_api=_local(github["api"]),
            checker_token=github["checker_token"],
            keeper_token=github["keeper_token"],
            checker_id=github["checker_id"],
            checker_app=github["checker_app"],
            keeper_id=github["keeper_id"],
            anchor=_sha(github["anchor"]),
            azure_requestor=document["azure"]["requestor"],
            opa=env.get("DAYPASS_OPA") or None,
            opa_token=env.get("DAYPASS_OPA_TOKEN") or None,
            opa_ca=env.get("DAYPASS_OPA_CA") or None,
            environment=dict(env),
            actor="sandbox",
            run="sandbox",
            sandbox=Sandbox(
                clock=_local(document["clock"]),
                aws=_local_part(document["aws"]),
                azure=_local_part(document["azure"]),
                gcp=_local_part(document["gcp"]),
            ),
        )
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", hint="daypass demo --keep writes one") from (
            error
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is no sandbox file: {error}") from error
    return settings


def _local_part(part: Mapping[str, str]) -> Mapping[str, str]:
    _local(part["endpoint"])
    return dict(part)


def _local(url: str) -> str:
    host = urlsplit(url).hostname
    if host not in _LOOPBACK:
        raise ValueError(f"{url} is not on this machine")
    return url
