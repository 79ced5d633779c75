"""The surroundings of one run: settings, the clock, and the adapters, each made when first used."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipeline.config import Settings, load_settings
from pipeline.errors import ForgeError, Undecided, UsageError

if TYPE_CHECKING:
    # Loaded when first used: `daypass check` waits for none of them.
    from pipeline.forge.git import Repository
    from pipeline.forge.github import GitHubReader
    from pipeline.forge.github_write import GitHubWriter
    from pipeline.forge.heads import HeadFetcher
    from pipeline.history.sources import Sources
    from pipeline.judge.assess import Assessor
    from pipeline.judge.rulebook import Trial
    from pipeline.policy.engine import PolicyBundle, PolicyEngine
    from pipeline.record.journal import AuditStore

_ELSEWHERE = ("http://", "https://")

CHECK_NAME = "daypass"
"""Name of the check run that the ruleset requires, pinned to the checker App."""


class Workspace:
    """An access repository, and all that a run over it reads and writes.

    *root* is the repository's folder, *sandbox_file* names stand-ins to use in place of GitHub
    and the clouds, which then have a clock of their own; else *clock* gives the present moment.
    """

    def __init__(
        self, *, root: Path, sandbox_file: Path | None, clock: Callable[[], datetime]
    ) -> None:
        self.root = root.resolve()
        self._sandbox_file = sandbox_file
        self._clock = clock
        self._main: str | None = None

    def progress(self, text: str) -> None:
        """Notes what the run is about to do. Nobody listens here; a command shows it."""

    def warn(self, text: str) -> None:
        """Notes what people should know although the run goes on. A command shows it."""

    @cached_property
    def settings(self) -> Settings:
        """The settings, read once."""
        return load_settings(sandbox=self._sandbox_file)

    def now(self) -> datetime:
        """Returns the present moment: the sandbox's where there is one."""
        sandbox = self.settings.sandbox
        if sandbox is None:
            return self._clock()
        return _sandbox_moment(sandbox.clock)

    def pause(self, seconds: float) -> None:
        """Waits for a service to catch up; on stand-ins their clock moves on instead."""
        sandbox = self.settings.sandbox
        if sandbox is None:
            time.sleep(seconds)
        else:
            _move_sandbox_clock(sandbox.clock, seconds)

    @cached_property
    def repository(self) -> Repository:
        """The local clone."""
        from pipeline.forge.git import Repository

        if not (self.root / ".git").exists() and not (self.root / "HEAD").exists():
            raise UsageError(f"{self.root} is no git repository", hint="give one with --repo DIR")
        return Repository(self.root, environment=self.settings.environment)

    @cached_property
    def sources(self) -> Sources:
        """Catalogue, policies and grants at commits."""
        from pipeline.history.sources import Sources

        return Sources(self.repository)

    @property
    def slug(self) -> str:
        """`owner/name`. Raises `UsageError` where it is not known."""
        if not self.settings.repository:
            raise UsageError(
                "which GitHub repository is not known", hint="set GITHUB_REPOSITORY=owner/name"
            )
        return self.settings.repository

    @cached_property
    def reader(self) -> GitHubReader:
        """GitHub, reading."""
        from pipeline.forge.github import GitHubReader
        from pipeline.run.read_back import LISTS_CATCH_UP, Patience

        token = self.settings.reader_token
        if token is None:
            raise UsageError(
                "no token to read GitHub with",
                hint="set DAYPASS_CHECKER_TOKEN (or DAYPASS_KEEPER_TOKEN in the apply job)",
            )
        return GitHubReader(
            self.slug,
            token,
            api_url=self.settings.github_api,
            pace=self._on_github,
            wait=Patience(self.pause, whole=LISTS_CATCH_UP).wait,
        )

    def writer(self, who: str) -> GitHubWriter:
        """GitHub, writing, as *who*: `checker` or `keeper`."""
        from pipeline.forge.github_write import GitHubWriter

        token = {
            "checker": self.settings.checker_token,
            "keeper": self.settings.keeper_token,
        }[who]
        if token is None:
            raise UsageError(
                f"no token of the {who}", hint=f"set DAYPASS_{who.upper()}_TOKEN in its job"
            )
        return GitHubWriter(
            self.slug, token, api_url=self.settings.github_api, pace=self._on_github
        )

    @property
    def _on_github(self) -> bool:
        return self.settings.sandbox is None

    @property
    def remote(self) -> str:
        """URL of the repository for git."""
        base = "https://github.com" if self._on_github else self.settings.github_api
        return f"{base}/{self.slug}.git"

    def fetch(self, refspecs: Sequence[str]) -> None:
        """Fetches branches of the repository on GitHub, with their history, into the clone.

        An object that git refuses is there on every try, and as an outage it would stop every
        run: it is told, and fetched all the same. What is read of it is compared with what was
        approved.
        """
        from pipeline.forge.fetching import Refused

        try:
            self._fetch(refspecs, "lenient")
        except Refused as error:
            what = ", ".join(one.removeprefix("+").partition(":")[0] for one in refspecs)
            self.warn(f"{what} is read all the same: {error.message}")
            self._fetch(refspecs, "none")

    def _fetch(self, refspecs: Sequence[str], check: Literal["lenient", "none"]) -> None:
        token = self.settings.reader_token
        self.repository.fetch(self.remote, refspecs, token=token, check=check)

    @cached_property
    def heads(self) -> HeadFetcher:
        """Heads of pull requests, fetched beside the clone."""
        from pipeline.forge.heads import HeadFetcher

        branch = self.settings.default_branch
        answers = [f"+refs/heads/{branch}:refs/daypass/answers"]
        return HeadFetcher(
            self.repository,
            self.remote,
            token=self.settings.reader_token,
            answers=lambda: self.fetch(answers),
        )

    def fetch_main(self) -> str:
        """Fetches the default branch and returns its tip."""
        branch = self.settings.default_branch
        ref = f"refs/daypass/{branch}"
        self.fetch([f"+refs/heads/{branch}:{ref}"])
        self._main = self.repository.resolve(ref)
        return self._main

    def fetch_head(self, number: int, sha: str) -> None:
        """Makes *sha*, the head of a merged pull request, available; raises as `HeadFetcher`."""
        # A merge commit brought it along.
        if not self._on_main(sha):
            self.heads.newest(number, sha)

    def fetch_open(self, number: int, sha: str) -> None:
        """Makes *sha*, the head of an open pull request, available with the commits before it;
        raises as `HeadFetcher`."""
        self.heads.commits(number, sha)
        self.heads.newest(number, sha)

    def fetch_commit(self, sha: str) -> bool:
        """Makes the commit *sha* of any branch available; see `HeadFetcher.commit`."""
        return self._on_main(sha) or self.heads.commit(sha)

    def _on_main(self, sha: str) -> bool:
        try:
            return self._main is not None and self.repository.is_ancestor(sha, self._main)
        except ForgeError:
            # A commit that the clone does not hold.
            return False

    @property
    def checker_app(self) -> int:
        """The checker App's id. Raises `UsageError` where it is not known."""
        if self.settings.checker_app is None:
            raise UsageError(
                "which App posts the check is not known",
                hint="set DAYPASS_CHECKER_APP_ID to its App id, the one the ruleset pins",
            )
        return self.settings.checker_app

    @property
    def anchor(self) -> str:
        """The trusted commit. Raises `UsageError` where none is set."""
        if self.settings.anchor is None:
            raise UsageError(
                "no trusted commit is set, so nothing can be proven",
                hint="set DAYPASS_ANCHOR to the commit of the default branch that you trust, "
                "in the protected environment",
            )
        return self.settings.anchor

    @contextmanager
    def engines(self, *, both: bool) -> Iterator[Callable[[PolicyBundle], Sequence[PolicyEngine]]]:
        """Gives a function from policies to engines: regorus, and OPA where it is found.

        With *both*, under GitHub Actions, an OPA must be there: two engines decide what is
        applied. Elsewhere regorus decides alone where there is none, and that is said.
        """
        from pipeline.policy.opa import OpaEngine
        from pipeline.policy.rego import RegorusEngine

        opa = self._opa if both else None
        if both and opa is None:
            if self.settings.on_actions:
                raise Undecided(
                    "no OPA was found, and two engines decide what is applied",
                    hint="install OPA in the job, or name it in DAYPASS_OPA",
                )
            self.warn("policies are judged by regorus alone: no OPA was found")
        made: dict[str, Sequence[PolicyEngine]] = {}
        with ExitStack() as stack:

            def engines_for(bundle: PolicyBundle) -> Sequence[PolicyEngine]:
                if bundle.digest not in made:
                    engines: list[PolicyEngine] = [RegorusEngine(bundle)]
                    if opa is not None and opa.startswith(_ELSEWHERE):
                        engines.append(
                            stack.enter_context(
                                OpaEngine.connect(
                                    opa,
                                    token=self.settings.opa_token,
                                    ca=self.settings.opa_ca,
                                )
                            )
                        )
                    elif opa is not None:
                        binary = Path(opa).resolve()
                        engines.append(stack.enter_context(OpaEngine.serve(bundle, binary=binary)))
                    made[bundle.digest] = engines
                return made[bundle.digest]

            yield engines_for

    @cached_property
    def _opa(self) -> str | None:
        """The OPA that is configured or installed: a binary, or where one runs."""
        import shutil

        return self.settings.opa or shutil.which("opa")

    @cached_property
    def trial(self) -> Trial:
        """The means to try policies."""
        from pipeline.judge.rulebook import Trial
        from pipeline.policy.opa import refusals
        from pipeline.policy.rego import RegorusEngine
        from pipeline.policy_tools.examine import faults_of_text, misnamed
        from pipeline.run.bounded_trial import BoundedEngines, examine_bounded

        opa = self._opa
        # An OPA that runs elsewhere holds policies of its own, and takes none from here.
        binary = Path(opa).resolve() if opa and not opa.startswith(_ELSEWHERE) else None
        return Trial(
            embedded=RegorusEngine,
            compiled=lambda bundle: refusals(bundle, binary=binary) if binary else (),
            bounded=BoundedEngines(),
            written=faults_of_text,
            examined=examine_bounded,
            misnamed=misnamed,
        )

    def assessor(self, engines: Callable[[PolicyBundle], Sequence[PolicyEngine]]) -> Assessor:
        """The judge of pull requests."""
        from pipeline.judge.assess import Assessor
        from pipeline.values.pull_request import Checker

        return Assessor(
            sources=self.sources,
            forge=self.reader,
            engines=engines,
            trial=self.trial,
            default_branch=self.settings.default_branch,
            app_id=self.settings.keeper_id,
            checker=Checker(
                name=CHECK_NAME, app=self.checker_app, account=self.settings.checker_id
            ),
            fetch_commit=self.fetch_commit,
        )

    @cached_property
    def audit_store(self) -> AuditStore:
        """The audit branch on GitHub, read through git."""
        from pipeline.run.audit_store import BranchStore

        return BranchStore(
            reader=self.reader,
            repository=self.repository,
            fetch=self.fetch,
            writer=lambda: self.writer("keeper"),
        )


def _move_sandbox_clock(url: str, seconds: float) -> None:
    from urllib.error import URLError
    from urllib.request import Request, urlopen

    # Whole seconds, rounded up: whoever waits for a moment must not stop short of it.
    body = str(math.ceil(seconds)).encode("ascii")
    try:
        request = Request(url, data=body, method="POST")  # noqa: S310 - loopback, see config
        with urlopen(request, timeout=5):  # noqa: S310
            return
    except (URLError, OSError) as error:
        raise Undecided(
            f"the sandbox clock at {url} did not answer", hint="is the sandbox running?"
        ) from error


def _sandbox_moment(url: str) -> datetime:
    from urllib.error import URLError
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback, checked in config
            text = answer.read(64).decode("ascii")
        return datetime.fromisoformat(text.strip())
    except (URLError, OSError, ValueError) as error:
        raise Undecided(
            f"the sandbox clock at {url} did not answer", hint="is the sandbox running?"
        ) from error
