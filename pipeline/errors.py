"""Errors: each with its message, a hint at the way out, and an exit code.

Exit codes (one place, `cli/main.py`, maps them): 0 fine; 1 denied, drifted or not
converged; 2 usage or invalid input; 3 could not decide (an outage).
"""

from __future__ import annotations

from typing import Any

from pipeline.values.problem import Problem


class PipelineError(Exception):
    """Base of everything raised on purpose; never raised itself.

    *message* says what happened, *hint* what to try.
    """

    exit_code = 3

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.facts: dict[str, Any] = {}
        """For tools: what was done before it was raised, by name."""

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class UsageError(PipelineError):
    """Raised when a command or its configuration cannot be carried out as given."""

    exit_code = 2


class WrongArguments(UsageError):
    """Raised when arguments cannot be used; carries everything that is wrong with them.

    *reasons* are pairs of an argument, as it is called on the command line, and a message.
    """

    def __init__(self, reasons: tuple[tuple[str, str], ...], *, hint: str = "") -> None:
        count = len(reasons)
        super().__init__(
            f"{count} problem{'' if count == 1 else 's'} found, nothing is written", hint=hint
        )
        self.reasons = reasons


class InvalidInput(PipelineError):
    """Raised when files are malformed or inconsistent; carries every problem found."""

    exit_code = 2

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        count = len(problems)
        super().__init__(f"{count} problem{'' if count == 1 else 's'} found")
        self.problems = problems


class Denied(PipelineError):
    """Raised when the answer is no, with its reason."""

    exit_code = 1


class Disputed(Denied):
    """Raised while the tip of the default branch does not continue its first-parent line."""


class Undecided(PipelineError):
    """Raised when something outside did not answer, so nothing may be concluded."""

    exit_code = 3


class EngineError(Undecided):
    """Raised when a policy engine crashed, timed out or gave an unusable answer."""


class Unanswerable(EngineError):
    """Raised when policies were asked and gave no usable answer, as they would on every try."""


class CloudError(Undecided):
    """Raised when a cloud's API refused or failed; the SDK's error is its cause."""


class CloudRefused(CloudError):
    """Raised when a cloud said no to the pipeline: so it will on every try, until somebody acts."""

    exit_code = 1


class ForgeError(Undecided):
    """Raised when git or GitHub refused, failed or answered beyond a known limit."""


class RefMoved(ForgeError):
    """Raised when a branch moved between reading it and appending to it: read again."""


class Incomplete(ForgeError):
    """Raised when GitHub's account of something contradicts itself: it may lag behind."""
