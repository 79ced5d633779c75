"""The grants of a pull request, and what is wrong with those that are none."""

from __future__ import annotations

import pytest

from pipeline.grants.parse import Parsed, parse_grant
from pipeline.history.proven import Proven
from pipeline.history.sources import Sources
from pipeline.judge.grant_changes import read_items
from pipeline.values.catalogue import Catalogue
from pipeline.values.commits import TreeChange
from tests.unit.support_policies import entitlement, grant
from tests.unit.support_reviews import NOW
from tests.unit.support_values import change, window

PATH = "access/grants/alice/payouts.yaml"
REFUSED = b"""\
subject: alice
reason: Payouts stuck since 14:00
duration: soon
access:
  - {target: aws/nowhere, role: nothing}
"""


class Shelf(Sources):
    """Sources that hold one file."""

    def __init__(self, text: bytes) -> None:
        self._text = text

    def grant_after(self, commit: str, change: TreeChange) -> Parsed | None:
        return parse_grant(self._text, path=change.path)


def proven() -> Proven:
    return Proven(commit="b" * 40, grant=grant(), window=window(), entitlements=(entitlement(),))


@pytest.mark.parametrize(
    "status,before,told",
    [
        ("A", None, ["duration", "unknown-principal", "unknown-role", "unknown-target"]),
        ("M", None, ["duration", "unknown-principal", "unknown-role", "unknown-target"]),
        ("M", proven(), ["duration"]),
    ],
)
def test_a_refused_file_is_held_against_the_catalogue_unless_it_may_be_less(
    status: str, before: Proven | None, told: list[str]
) -> None:
    items, problems = read_items(
        Shelf(REFUSED),
        [change(PATH, status)],
        base="b" * 40,
        head="a" * 40,
        previous={PATH: before},
        catalogue=Catalogue(principals={}, targets={}, roles={}),
        now=NOW,
    )
    assert items == ()
    assert sorted(one.code for one in problems) == told
