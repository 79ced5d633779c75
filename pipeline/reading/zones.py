"""Time zones of the IANA database, from the pinned package `tzdata` alone.

A machine's own zone files may be older, patched or absent; a decision that is made twice, in
a check and at the merge, must not depend on where it is made.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

# A zone without a place, for machines whose zone nobody has set.
_NO_PLACE = frozenset({"Factory"})


@cache
def zone_names() -> frozenset[str]:
    """Returns the name of every zone; `localtime` and `posixrules` are none."""
    return frozenset(_data("zones").decode("utf-8").split()) - _NO_PLACE


@cache
def zone(name: str) -> ZoneInfo:
    """Returns the zone called *name*. Raises `KeyError` where there is none."""
    if name not in zone_names():
        raise KeyError(name)
    # Loaded for a catalogue that names a zone: most checks need none.
    from zoneinfo import ZoneInfo

    return ZoneInfo.from_file(BytesIO(_data("zoneinfo", *name.split("/"))), key=name)


def _data(*parts: str) -> bytes:
    # Not by `importlib.resources`, which takes longer to load than the zones to read.
    found = find_spec("tzdata")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("the package tzdata is not installed")
    return Path(found.origin).parent.joinpath(*parts).read_bytes()
