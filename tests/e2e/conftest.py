"""One organisation per test: founding it takes a fraction of a second."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.support_world import Acme, founded


@pytest.fixture
def acme(tmp_path: Path) -> Iterator[Acme]:
    """Acme, running, with nothing granted yet."""
    with founded(tmp_path) as running:
        yield running
