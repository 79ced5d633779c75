"""Text for people on a terminal. Colours only where a terminal shows them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TextIO

_CODES = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "bold": "1", "dim": "2"}
# The second set of controls drives terminals too; marks of direction make text read as other
# text; bytes that are no text cannot be written at all.
_CONTROL = {
    code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
    for codes in (
        range(32),
        range(127, 160),
        (0x061C, 0x200E, 0x200F),
        range(0x202A, 0x202F),
        range(0x2066, 0x206A),
        range(0xDC80, 0xDD00),
    )
    for code in codes
    if chr(code) not in "\n\t"
}


def plain(text: str) -> str:
    """Returns *text* with what is not to be seen spelled out: it cannot drive a terminal."""
    return text.translate(_CONTROL)


class Painter:
    """Writes to one stream, in colour if it is a terminal that wants it."""

    def __init__(self, stream: TextIO, *, colour: bool | None = None) -> None:
        self.stream = stream
        self.colour = stream.isatty() if colour is None else colour

    def paint(self, text: str, *styles: str) -> str:
        """Returns *text* in the named styles."""
        if not self.colour or not styles:
            return text
        codes = ";".join(_CODES[style] for style in styles)
        return f"\x1b[{codes}m{text}\x1b[0m"

    def line(self, text: str = "", *styles: str) -> None:
        """Writes one line."""
        self.stream.write(self.paint(plain(text), *styles) + "\n")
        self.stream.flush()


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Returns the lines of a left-aligned table without frames."""
    body = [[plain(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(header), *body]) for i in range(len(header))]
    lines = []
    for row in [list(header), *body]:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return lines


def left(end: datetime, *, now: datetime) -> str:
    """Returns how long until *end*, as people say it: `1h05m`, `4m`, `ended`."""
    rest = end - now
    if rest <= timedelta(0):
        return "ended"
    minutes = int(rest.total_seconds() // 60)
    days, minutes = divmod(minutes, 24 * 60)
    hours, minutes = divmod(minutes, 60)
    if days:
        return f"{days}d{hours:02d}h"
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m" if minutes else "under 1m"


def stderr() -> Painter:
    """Returns the painter for progress and diagnostics."""
    return Painter(sys.stderr)


def stdout() -> Painter:
    """Returns the painter for results."""
    return Painter(sys.stdout)
