"""Which regular expressions a role may declare for its parameters.

A pattern comes from a reviewed file, its values from anybody's request: matching must end
soon whatever the value is. So only a plain subset is accepted, and the number of ways in
which a pattern can try to match is bounded.
"""

from __future__ import annotations

import re
from functools import lru_cache

PATTERN_LIMIT = 200
"""Characters of a pattern."""

VALUE_LIMIT = 256
"""Characters of a value."""

_WAYS = VALUE_LIMIT**3
"""Upper bound of the ways to match: three open repetitions, some ten milliseconds."""

_TOKEN = re.compile(
    r"(?P<escape>\\[-.\\^$|?*+()\[\]{}/:@_dws])"
    r"|(?P<charset>\[\^?(?:[^\[\]\\]|\\[-.\\^\]\[/:dws])+\])"
    r"|(?P<repeat>(?:[*+?]|\{[0-9]{1,3}(?:,[0-9]{0,3})?\}))"
    r"|(?P<open>\((?:\?:)?)"
    r"|(?P<close>\))"
    r"|(?P<or>\|)"
    r"|(?P<plain>[^\\\[\](){}*+?|^$])"
)


@lru_cache(maxsize=1024)
def pattern_problem(pattern: str) -> str | None:
    """Returns why *pattern* may not stand in a role, and the way out; None when it may.

    Accepted: characters, `[…]`, `.`, `\\d \\w \\s` and escaped punctuation, `* + ? {n,m}`,
    groups and `|`. A group may be optional, never repeated; no look-around, no references.
    """
    if len(pattern) > PATTERN_LIMIT:
        return f"has {len(pattern)} characters, the most is {PATTERN_LIMIT}; simplify it"
    if not pattern.isascii() or not pattern.isprintable():
        return "holds characters that are not printable ASCII; remove them"
    ways, place, last = 1, 0, ""
    while place < len(pattern):
        token = _TOKEN.match(pattern, place)
        if token is None:
            return (
                f"has {pattern[place]!r} at character {place + 1}, where only characters, […],"
                " groups, | and repetitions may stand; it is matched in full without ^ and $"
            )
        kind, text, place = str(token.lastgroup), token.group(), token.end()
        if kind == "repeat":
            if last in {"", "open", "or", "repeat"}:
                return f"repeats nothing with {text} before character {place + 1}; correct it"
            if last == "close" and text != "?":
                return f"repeats a group with {text}; write the repetition as one […]"
            ways *= _width(text)
        elif kind == "or":
            ways *= 2
        last = kind
    if re.search(r"--|&&|~~|\|\|", pattern):
        return "holds a doubled -, &, ~ or |, which readers take for set arithmetic; write it once"
    if ways > _WAYS:
        return "can match in too many ways; use fewer or shorter repetitions"
    try:
        re.compile(pattern, re.ASCII)
    except re.error as error:
        return f"is no regular expression: {error.msg}; correct it"
    return None


def _width(repeat: str) -> int:
    """Returns in how many lengths *repeat* can match."""
    if repeat == "?":
        return 2
    if repeat in "*+":
        return VALUE_LIMIT
    least, _, most = repeat[1:-1].partition(",")
    if "," not in repeat:
        return 1
    return max(1, int(most or VALUE_LIMIT) - int(least) + 1)


def matches(pattern: str, value: str) -> bool:
    """Whether all of *value* matches *pattern*; an unacceptable pattern matches nothing."""
    return (
        len(value) <= VALUE_LIMIT
        and pattern_problem(pattern) is None
        and re.fullmatch(pattern, value, re.ASCII) is not None
    )


def example_of(pattern: str) -> str | None:
    """Returns a short value that matches all of *pattern*, or None where none was found.

    The first of every choice is taken, `^` and `$` at the ends are passed over.
    """
    if len(pattern) > PATTERN_LIMIT:
        return None
    try:
        made = _first_choice(pattern.removeprefix("^").removesuffix("$"))
        fits = made and len(made) <= VALUE_LIMIT and re.fullmatch(pattern, made, re.ASCII)
    except re.error:
        return None
    return made if fits else None


def _first_choice(pattern: str) -> str | None:
    # One list of parts for each group that is open; a choice that is not the first is dropped.
    groups: list[list[str]] = [[]]
    first: list[list[str] | None] = [None]
    place = 0
    while place < len(pattern):
        token = _TOKEN.match(pattern, place)
        if token is None:
            return None
        kind, text, place = str(token.lastgroup), token.group(), token.end()
        match kind:
            case "open":
                groups.append([])
                first.append(None)
            case "close" if len(groups) > 1:
                parts, choice = groups.pop(), first.pop()
                groups[-1].append("".join(parts if choice is None else choice))
            case "or":
                first[-1] = groups[-1] if first[-1] is None else first[-1]
                groups[-1] = []
            case "repeat" if groups[-1]:
                groups[-1][-1] *= _least(text)
            case "plain" | "escape" | "charset":
                groups[-1].append(_one(kind, text))
            case _:
                return None
    return "".join(groups[0] if first[0] is None else first[0]) if len(groups) == 1 else None


def _one(kind: str, text: str) -> str:
    """Returns one character that *text* stands for."""
    if kind == "escape":
        return {"d": "1", "w": "a", "s": " "}.get(text[1], text[1])
    if kind == "plain":
        return "a" if text == "." else text
    letters = "a1A-_./:@" + "".join(map(chr, range(33, 127)))
    return next((one for one in letters if re.fullmatch(text, one, re.ASCII)), "")


def _least(repeat: str) -> int:
    """Returns how often to repeat: as seldom as allowed, but once where that would be never."""
    if repeat in "*+?":
        return 1
    return max(1, int(repeat[1:-1].partition(",")[0]))
