"""Durations: `30m`, `2h`, `1h30m`, `3d`, as people write them, and as seconds."""

from __future__ import annotations

import re

SHORTEST = 5 * 60
"""Seconds. No cloud ends access sooner: Azure PIM answers `ActiveDurationTooShort`."""

LONGEST = 365 * 86400
"""Seconds. A bound against slips of the finger; roles and policies set the real ones."""

PATTERN = r"^(?=[0-9])(?:[0-9]+d)?(?:[0-9]+h)?(?:[0-9]+m)?$"
"""The form in JSON Schema's dialect."""

_FORM = re.compile(r"(?=[0-9])(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?")
_UNITS = (86400, 3600, 60)
_DIGITS = 6


def parse_duration(text: str) -> int | str:
    """Returns the seconds that *text* says, or what is wrong with it and the way out.

    Days, hours and minutes in this order, each at most once, in ASCII digits; from five
    minutes to 365 days.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        advice = _suggest(text)
        tip = f"; write {advice}" if advice else ""
        return f"is not of the form 30m, 2h, 1h30m or 3d{tip}"
    numbers = [(number or "0").lstrip("0") for number in match.groups()]
    # Compared by length first: Python refuses to convert very long numbers.
    if any(len(number) > _DIGITS for number in numbers):
        return "is longer than 365d, the most that a grant can ask for; write less"
    seconds = sum(int(number or "0") * unit for number, unit in zip(numbers, _UNITS, strict=True))
    if seconds < SHORTEST:
        return "is shorter than 5m, the least that every cloud can end by itself; write 5m or more"
    if seconds > LONGEST:
        return "is longer than 365d, the most that a grant can ask for; write less"
    return seconds


def format_duration(seconds: int) -> str:
    """Returns *seconds* in the form that `parse_duration` reads; `0m` for nothing.

    Seconds beyond whole minutes, which a grant never has, are shown as `30s`. Raises
    `ValueError` when negative.
    """
    if seconds < 0:
        raise ValueError("a duration is not negative")
    parts = []
    for unit, letter in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        number, seconds = divmod(seconds, unit)
        if number:
            parts.append(f"{number}{letter}")
    return "".join(parts) or "0m"


def _suggest(text: str) -> str:
    """Returns what the writer of *text* probably meant, or nothing."""
    import unicodedata  # only on the way to a refusal

    plain = unicodedata.normalize("NFKC", text[:40]).lower().strip()
    plain = re.sub(r"^pt?(?=[0-9])", "", plain.replace("t", "") if plain[:1] == "p" else plain)
    plain = re.sub(r"(?<![a-z])(in|for)\s+", "", plain)
    plain = re.sub(r"\s*(,|\band\b)\s*", " ", plain)
    found = re.fullmatch(
        r"(?:([0-9]{1,6})\s*d(?:ays?)?)?\s*(?:([0-9]{1,6})\s*h(?:(?:ou)?rs?)?)?"
        r"\s*(?:([0-9]{1,6})\s*m(?:in(?:ute)?s?)?)?",
        plain,
    )
    if found is None:
        return ""
    seconds = sum(int(n or "0") * unit for n, unit in zip(found.groups(), _UNITS, strict=True))
    return format_duration(seconds) if SHORTEST <= seconds <= LONGEST else ""
