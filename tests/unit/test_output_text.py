"""What reaches a terminal."""

from __future__ import annotations

import io

import pytest

from pipeline.output.text import Painter


@pytest.mark.parametrize(
    "text, written",
    [
        ("a\x1b[31mb\x7f", "a\\x1b[31mb\\x7f"),
        ("a\x9b31mb", "a\\x9b31mb"),
        ("deny\u202eyned", "deny\\u202eyned"),
        ("file\udcff", "file\\udcff"),
        ("two\n\tlines, é ✅", "two\n\tlines, é ✅"),
    ],
)
def test_nothing_written_drives_a_terminal_or_cannot_be_encoded(text: str, written: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, "utf-8")
    Painter(stream, colour=False).line(text)
    assert raw.getvalue().decode() == f"{written}\n"
