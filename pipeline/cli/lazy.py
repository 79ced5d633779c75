"""Groups whose commands are loaded when they are used."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """Loads a command when it is used: `check` never waits for the SDKs of others.

    *commands* gives each command's module and its line of help, by name. The module holds the
    command under its name, with `_` for `-`.
    """

    def __init__(
        self, *arguments: Any, commands: Mapping[str, tuple[str, str]], **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self._table = dict(commands)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._table:
            return None
        name = self._table[cmd_name][0]
        attribute = cmd_name.replace("-", "_")
        command = getattr(importlib.import_module(name), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{name}.{attribute} is no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # From the table, so that --help loads no command either.
        if not self._table:
            return
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._table[name][1]) for name in sorted(self._table)])
