"""Small builders of values, so that tests name only what matters to them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipeline.values.binding import Binding
from pipeline.values.commits import MainlineCommit, TreeChange
from pipeline.values.grant import Window
from pipeline.values.ids import Cloud, GrantId, TargetId

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def window(start: float = 0, end: float = 2) -> Window:
    """Hours after noon."""
    return Window(start=NOON + start * HOUR, end=NOON + end * HOUR)


def binding(
    key: str = "one",
    *,
    cloud: Cloud = Cloud.GCP,
    grants: tuple[str, ...] = ("alice/x",),
    target: str = "gcp/prod",
    document: str = "{}",
    held: Window | None = None,
    endless: bool = False,
) -> Binding:
    return Binding(
        cloud=cloud,
        target=TargetId(target),
        locator=target,
        key=key,
        grants=tuple(GrantId(grant) for grant in grants),
        principal="alice",
        role="viewer",
        window=None if endless else held or window(),
        document=document,
    )


def change(path: str, status: str = "A", blob: str = "b" * 40, old: str = "a" * 40) -> TreeChange:
    return TreeChange(
        path=path,
        status=status,
        old_mode="000000" if status == "A" else "100644",
        new_mode="000000" if status == "D" else "100644",
        old_blob=None if status == "A" else old,
        new_blob=None if status == "D" else blob,
    )


def commit(number: int, *changes: TreeChange, at: datetime | None = None) -> MainlineCommit:
    return MainlineCommit(
        sha=f"{number:040x}",
        parents=(f"{number - 1:040x}",),
        committed_at=at or NOON + number * HOUR,
        changes=changes,
    )
