"""The mark that tells our Privileged Identity Management requests from everybody else's.

A request is ours when all of it agrees with itself:
- `justification` reads `daypass <principal> <role> <end> <number>: <grant> <grant> …`, each part
  percent-encoded, with `-` for no end, and ` +<n>` at its end where *n* grants did not fit;
- its name is the version-5 UUID of what it asks for (scope, principal, role definition, kind and
  justification), so a request that somebody edits, copies to another principal, or labels by hand
  is not ours.
What Azure may echo otherwise takes no part: the start and the end, which advance while a request
is processed, the ticket, and the form of the scope. Earlier releases wrote neither end nor number
there; of theirs the name holds the end and `ticketInfo.ticketNumber`.

Names can be computed by anybody who reads this. Who may write requests at a scope is for the
cloud's own access control; where the pipeline's object id is known, `requestorId`, which
Azure itself fills in, is compared as well (see `pipeline.clouds.azure.adapter`).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, unquote

from pipeline.values.canonical import canonical, timestamp
from pipeline.values.ids import GrantId

SYSTEM = "daypass"
"""The value of `ticketInfo.ticketSystem`."""

JUSTIFICATION_LIMIT = 480
"""Characters. Ours: no limit is published, and portals cut longer texts."""

_NAMESPACE = uuid.UUID("6f0d3c0e-6c3b-5e0e-9a54-1b6f5a3f7a11")
_JUSTIFICATION = re.compile(
    r"daypass (?P<principal>\S+) (?P<role>[^\s:]+)(?: (?P<end>-|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)"
    r" (?P<number>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\.[1-9]\d*))?:(?P<grants>(?: \S+)*)"
)
_ROOM = len(" 2026-11-20T18:00:00Z 2026-11-20T16:00:00Z.100")
"""Characters of the end and the number, which every request has."""

_PROVIDER = "providers/microsoft.subscription/"
"""In front of a scope, where Azure writes it so."""
_UNLISTED = re.compile(r"\+[1-9][0-9]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureMark:
    """The grants and the window that a request names as its reasons."""

    principal: str
    """Name in the catalogue."""

    role: str
    """Name in the catalogue."""

    grants: tuple[GrantId, ...]
    """Sorted; as many as fit."""

    unlisted: int = 0
    """How many more the assignment serves."""

    end: datetime | None = None
    """When the assignment shall end; None where that was not asked, or an earlier release did."""

    number: str = ""
    """See `ticket_number`; empty in requests of earlier releases."""

    @property
    def justification(self) -> str:
        """The text of the request."""
        words = [_encode(grant) for grant in self.grants]
        if self.unlisted:
            words.append(f"+{self.unlisted}")
        about = f"daypass {_encode(self.principal)} {_encode(self.role)}"
        if self.number:
            about += f" {timestamp(self.end) if self.end else '-'} {self.number}"
        return " ".join([f"{about}:", *words])


def mark(*, principal: str, role: str, grants: Iterable[GrantId]) -> AzureMark:
    """Returns the mark that names *grants*, sorted, as far as `JUSTIFICATION_LIMIT` allows.

    Raises `ValueError` when there is no grant: nothing is assigned without a reason.
    """
    ordered = tuple(sorted(set(grants)))
    if not ordered:
        raise ValueError("an assignment needs a grant that it serves")
    for count in range(len(ordered), 0, -1):
        tried = AzureMark(
            principal=principal,
            role=role,
            grants=ordered[:count],
            unlisted=len(ordered) - count,
        )
        if len(tried.justification) + _ROOM <= JUSTIFICATION_LIMIT:
            return tried
    return AzureMark(principal=principal, role=role, grants=(), unlisted=len(ordered))


def read_mark(justification: str | None) -> AzureMark | None:
    """Returns what *justification* says; None where `AzureMark.justification` did not write it."""
    match = _JUSTIFICATION.fullmatch(justification or "")
    if match is None:
        return None
    words = match["grants"].split()
    unlisted = 0
    if words and _UNLISTED.fullmatch(words[-1]):
        unlisted = int(words.pop())
    try:
        end = datetime.fromisoformat(match["end"]) if match["end"] not in (None, "-") else None
    except ValueError:
        return None
    found = AzureMark(
        principal=unquote(match["principal"]),
        role=unquote(match["role"]),
        grants=tuple(GrantId(unquote(word)) for word in words),
        unlisted=unlisted,
        end=end,
        number=match["number"] or "",
    )
    return found if found.justification == justification else None


def request_name(
    *, scope: str, principal_id: str, role_definition: str, kind: str, justification: str
) -> str:
    """Returns the GUID that a request of ours with these contents carries as its name.

    *role_definition* is the GUID alone; letter case of ids and the form of the scope do not count.
    """
    contents = [plain_scope(scope), principal_id.lower(), role_definition.lower(), kind]
    return str(uuid.uuid5(_NAMESPACE, canonical([*contents, justification])))


def former_request_name(
    *,
    scope: str,
    principal_id: str,
    role_definition: str,
    kind: str,
    end: datetime | None,
    justification: str,
    ticket_number: str,
) -> str:
    """Returns the GUID that such a request of an earlier release carries; *end* counts in whole
    seconds."""
    contents = [
        plain_scope(scope),
        principal_id.lower(),
        role_definition.lower(),
        kind,
        timestamp(end) if end else None,
        justification,
        ticket_number,
    ]
    return str(uuid.uuid5(_NAMESPACE, canonical(contents)))


def plain_scope(scope: str) -> str:
    """Returns *scope* in lower case, without slashes around it and the provider that Azure may
    write in front."""
    return scope.lower().strip("/").removeprefix(_PROVIDER)


def ticket_number(now: datetime, known: Iterable[str]) -> str:
    """Returns a ticket number not among *known*: the moment, a dot, and a count from 1.

    It makes the names of requests that ask for the same thing again differ, and orders ours.
    """
    moment = timestamp(now)
    used = [0]
    for number in known:
        at, _, ordinal = number.rpartition(".")
        if at == moment and ordinal.isdecimal():
            used.append(int(ordinal))
    return f"{moment}.{max(used) + 1}"


def _encode(text: str) -> str:
    # `+` would read as the count of unlisted grants; `quote` encodes it.
    return quote(text, safe="/")
