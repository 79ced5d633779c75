"""Names by which values refer to one another."""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

GrantId = NewType("GrantId", str)
"""Path below `access/grants/`, without its suffix: `alice/2026-11-20-stuck-payouts`."""

TargetId = NewType("TargetId", str)
"""Cloud and name: `aws/payments-prod`."""

RoleId = NewType("RoleId", str)
"""Cloud and name: `aws/rds-reader`."""


class Cloud(StrEnum):
    """The clouds Daypass provisions in."""

    AWS = "aws"
    AZURE = "azure"
    GCP = "gcp"
