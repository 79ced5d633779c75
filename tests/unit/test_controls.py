"""`scripts/mutation/controls.py`: every control that it switches off is there, with its tests."""

from __future__ import annotations

import pytest

from scripts.mutation.controls import CONTROLS, ROOT, Control


@pytest.mark.parametrize("one", CONTROLS, ids=lambda one: f"{one.path}: {one.threat}")
def test_a_control_can_be_switched_off_and_has_tests_beside_it(one: Control) -> None:
    text = (ROOT / "pipeline" / one.path).read_text("utf-8")
    off = one.switched_off(text)
    assert off != text
    compile(off, one.path, "exec")
    assert one.tests()


def test_what_stands_nowhere_or_twice_is_no_control() -> None:
    odd = Control(threat="No such threat", path="x.py", on="a", off="b")
    for text in ("", "aa"):
        with pytest.raises(LookupError, match=r"x\.py holds [02] times"):
            odd.switched_off(text)
    with pytest.raises(LookupError, match="0 rows"):
        odd.row()
