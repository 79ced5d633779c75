"""`daypass policy`: work on the policies."""

from __future__ import annotations

import click

from pipeline.cli.lazy import LazyGroup

# By name: the module that holds the command, and its line of help.
_COMMANDS = {
    "explain": (
        "pipeline.cli.explain",
        "Show what every rule saw in one grant, and why it says so.",
    ),
    "lint": ("pipeline.cli.lint", "Check the policies: words, form, built-ins, settings, tests."),
    "simulate": ("pipeline.cli.simulate", "Show what changed policies would decide otherwise."),
    "test": ("pipeline.cli.test", "Run the tests of the policies on the embedded engine."),
    "who-can": ("pipeline.cli.who_can", "Show who could get what, with whose approval."),
}


@click.group(cls=LazyGroup, commands=_COMMANDS)
def policy() -> None:
    """Work on the policies: test, lint and explain them.

    Exit codes: 0 fine; 1 failed, denied or found something; 2 usage or invalid input;
    3 could not decide.
    """
