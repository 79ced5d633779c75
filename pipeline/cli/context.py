"""The context of every command: a workspace, and the terminal that it talks to."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.output.text import Painter, stderr, stdout
from pipeline.run.workspace import Workspace


class Context(Workspace):
    """One command's workspace; what is noted on the way goes to stderr."""

    def __init__(self, *, root: Path, sandbox_file: Path | None, verbose: bool) -> None:
        super().__init__(root=root, sandbox_file=sandbox_file, clock=_present)
        self.verbose = verbose

    @cached_property
    def err(self) -> Painter:
        """Progress and diagnostics."""
        return stderr()

    @cached_property
    def out(self) -> Painter:
        """Results."""
        return stdout()

    def progress(self, text: str) -> None:
        """Shows what goes on, to a terminal or when asked to be verbose."""
        if self.verbose or self.err.stream.isatty():
            self.err.line(f"… {text}", "dim")

    def warn(self, text: str) -> None:
        """Shows what people should know although the run goes on."""
        self.err.line(text, "yellow")

    def alert(self, lines: Iterable[str]) -> None:
        """Shows what somebody has to do something about."""
        for line in lines:
            self.err.line(f"! {line}", "red")

    def emit(self, document: Any) -> None:
        """Writes one JSON document, on one line, to stdout."""
        self.out.stream.write(json.dumps(document, ensure_ascii=False, sort_keys=True) + "\n")
        self.out.stream.flush()


def _present() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the one place that reads the clock
