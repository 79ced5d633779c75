"""Time zones of the IANA database, from the pinned package `tzdata` alone.

A machine's own zone files may be older, patched or absent; a decision that is made twice, in
a check and at the merge, must not depend on where it is made.
"""

from __future__ import annotations

from functools import cache
from zoneinfo import ZoneInfo

# A zone without a place, for machines whose zone nobody has set.
_NO_PLACE = frozenset({"Factory"})


@cache
def zone_names() -> frozenset[str]:
    """Returns the name of every zone; `localtime` and `posixrules` are none."""
    from importlib.resources import files  # slow to load, and only calendars need it

    listed = files("tzdata").joinpath("zones").read_text(encoding="utf-8")
    return frozenset(listed.split()) - _NO_PLACE


@cache
def zone(name: str) -> ZoneInfo:
    """Returns the zone called *name*. Raises `KeyError` where there is none."""
    from importlib.resources import files

    if name not in zone_names():
        raise KeyError(name)
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as stream:
        return ZoneInfo.from_file(stream, key=name)
