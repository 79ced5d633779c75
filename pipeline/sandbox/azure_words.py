"""How Azure Resource Manager says no, and writes times. Sources as in `azure_rules`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")


class ArmError(Exception):
    """Raised when a rule says no; becomes an ARM error body."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def read_time(text: str) -> datetime:
    """Reads an ISO 8601 date-time with an offset. Raises `ArmError` for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        # SPEC: date-time. The code is ARM's.
        raise ArmError(400, "InvalidRequestContent", f"{text!r} is no date-time")
    return moment.astimezone(UTC)


def write_time(moment: datetime | None) -> str | None:
    """Writes a date-time as the examples of SPEC do: UTC, fraction without trailing zeros."""
    if moment is None:
        return None
    text = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".")
    return f"{text}Z"


def read_duration(text: str) -> timedelta:
    """Reads an ISO 8601 duration of days and less. Raises `ArmError` for anything else."""
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise ArmError(400, "InvalidRequestContent", f"{text!r} is no duration")  # SPEC: TimeSpan
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def policy_failed(rule: str) -> ArmError:
    """Returns the refusal by the role's settings (ERRORS)."""
    return ArmError(
        400,
        "RoleAssignmentRequestPolicyValidationFailed",
        f'The following policy rules failed: ["{rule}"]',
    )


def does_not_exist() -> ArmError:
    """Returns the refusal to change what is not there (GOVERNANCE)."""
    return ArmError(400, "RoleAssignmentDoesNotExist", "The Role assignment does not exist.")


def too_short() -> ArmError:
    """Returns the refusal of anything under five minutes (ASSIGN)."""
    return ArmError(
        400,
        "ActiveDurationTooShort",
        "The Active duration is too short. Minimum Required is 5 minutes.",
    )
