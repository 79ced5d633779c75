"""Examples of what a pattern accepts."""

from __future__ import annotations

import pytest

from pipeline.reading.patterns import example_of


@pytest.mark.parametrize(
    "pattern, example",
    [
        ("i-[0-9a-f]{8,17}", "i-aaaaaaaa"),
        ("^[A-Z][A-Z0-9]{1,9}-[0-9]{1,7}$", "A1-1"),
        (r"\d+\.\w*", "1.a"),
        ("(?:prod|dev)-[^a1]+", "prod-A"),
        ("(a(b|c)|d)e?", "abe"),
        ("a|", "a"),
        ("x{0,3}y{2}", "xyy"),
        (".[@-Z]", "aA"),
    ],
)
def test_an_example_takes_the_first_of_every_choice(pattern: str, example: str) -> None:
    assert example_of(pattern) == example


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "^$",
        "a{300}",
        "(?=a)b",
        "a)",
        "(a",
        "*a",
        "(?i)a",
        "[b-a]",
        "[^!-~]",
        "xz{0}",
        "a^b",
        "x" * 300,
        "\\n",
    ],
)
def test_where_no_example_is_found_none_is_given(pattern: str) -> None:
    assert example_of(pattern) is None
