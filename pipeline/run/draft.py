"""The arguments of `daypass request`, read into a grant with all that is wrong told at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pipeline.errors import WrongArguments
from pipeline.grants.parse import path_problem
from pipeline.grants.validate import validate_grant
from pipeline.grants.write import HEAD, lines_of, marked, unreadable
from pipeline.reading.duration import format_duration, parse_duration
from pipeline.reading.scalars import is_name, parse_moment
from pipeline.reading.yaml_strict import closest, quote
from pipeline.run.files import is_taken
from pipeline.run.offline import all_grants, parse_file
from pipeline.run.workspace import Workspace
from pipeline.values.catalogue import Catalogue
from pipeline.values.grant import Access, Grant
from pipeline.values.ids import GrantId, RoleId, TargetId

_FORM = "TARGET:ROLE[,PARAMETER=VALUE...]"
_EXAMPLE = "aws/payments-prod:rds-reader"
_FOLDER = "access/grants"
_HOUR = 3600
# What stands in for an argument that is wrong or missing, so that the others are judged too.
_ANY = "any"
_ANY_REASON = "the reason that is asked for"


class GrantDraft:
    """The arguments, read part by part; the faults of all parts are told together."""

    def __init__(self, workspace: Workspace, catalogue: Catalogue) -> None:
        self._workspace = workspace
        self._catalogue = catalogue
        self._wrong: list[tuple[str, str]] = []
        self._lines: list[tuple[str, Access]] = []
        self._subject: str | None = None
        self._start: datetime | None = None
        self._duration = _HOUR
        self.proposal = ""
        """The duration that was not given, and why it is this one."""

    def refuse(self, argument: str, message: str) -> None:
        """Notes what is wrong with *argument*."""
        self._wrong.append((argument, message))

    def read_access(self, given: Sequence[str]) -> None:
        """Reads each ACCESS."""
        for text in given:
            found = _access(text)
            if isinstance(found, str):
                self.refuse(text, found)
            else:
                self._lines.append((text, found))

    def read_subject(self, given: str | None) -> None:
        """Reads who gets access; from the clone's configuration where nobody was given."""
        self._subject = self._configured() if given is None else given

    def _configured(self) -> str | None:
        """Returns the principal that the clone names, or tells both ways to name one."""
        is_clone = (self._workspace.root / ".git").exists()
        login = self._workspace.repository.configured("github.user") if is_clone else None
        if login is None:
            self.refuse(
                "--for",
                "who gets access is not known; write --for PRINCIPAL, or say once who you are: "
                "git config github.user LOGIN",
            )
            return None
        # GitHub takes logins in any case for the same.
        logins = {
            one.github.lower(): one.name
            for one in self._catalogue.principals.values()
            if one.github
        }
        if login.lower() not in logins:
            tip = closest(login.lower(), logins) or "; write --for PRINCIPAL"
            self.refuse(
                "--for", f"git config github.user is {quote(login)}, the login of no principal{tip}"
            )
        return logins.get(login.lower())

    def read_start(self, given: str | None) -> None:
        """Reads when it starts."""
        if given is None:
            return
        found = parse_moment(given)
        if isinstance(found, str):
            self.refuse("--start", f"{quote(given)} {found}")
        else:
            self._start = found

    def read_duration(self, given: str | None) -> None:
        """Reads how long; proposes the usual where nothing was given. After `read_access`."""
        if given is None:
            if self._lines:
                self._propose()
            return
        found = parse_duration(given)
        if isinstance(found, str):
            self.refuse("--duration", f"{quote(given)} {found}")
        else:
            self._duration = found

    def _propose(self) -> None:
        access = [line for _, line in self._lines]
        role = access[0].role_id
        usual, times, count = _usual(self._workspace.root, role)
        roles = [found for line in access if (found := self._catalogue.roles.get(line.role_id))]
        shortest = min(roles, key=lambda one: one.max_duration, default=None)
        if shortest is not None and shortest.max_duration < usual:
            self._duration = shortest.max_duration
            why = f"the most that {shortest.id} allows"
        else:
            self._duration = usual
            why = (
                f"as {times} of {count} grants of {role} here ask for"
                if count
                else f"there is no grant of {role} here to go by"
            )
        self.proposal = (
            f"duration {format_duration(self._duration)}, {why}; --duration says another"
        )

    def grant(
        self, name: str | None, *, reason: str | None, ticket: str | None, emergency: bool
    ) -> Grant:
        """Returns the grant that was asked for, with stand-ins for what was refused."""
        subject = _ANY if self._subject is None else self._subject
        slug = self._name(subject, name)
        # A subject that is no name is told as such, not as a folder.
        folder = subject if is_name(subject) else _ANY
        return Grant(
            id=GrantId(f"{folder}/{slug}"),
            path=f"{_FOLDER}/{folder}/{slug}.yaml",
            subject=subject,
            reason=_ANY_REASON if reason is None else reason,
            ticket=ticket,
            duration=self._duration,
            start=self._start,
            access=tuple(line for _, line in self._lines)
            or (Access(target=TargetId(f"aws/{_ANY}"), role=_ANY),),
            emergency=emergency,
        )

    def _name(self, subject: str, given: str | None) -> str:
        root = self._workspace.root
        if given is not None:
            path = f"{_FOLDER}/{_ANY}/{given}.yaml"
            misplaced = path_problem(path)
            if given.endswith(".yaml") or "/" in given:
                misplaced = f"{quote(given)} is no name alone; leave out folders and .yaml"
            elif misplaced is None and is_taken(root, f"{_FOLDER}/{subject}/{given}.yaml"):
                misplaced = (
                    f"{_FOLDER}/{subject}/{given}.yaml exists, and nothing is overwritten; choose "
                    "another name, or edit that file"
                )
            if misplaced is None:
                return given
            self.refuse("--name", misplaced)
            return _ANY
        role = self._lines[0][1].role if self._lines else ""
        if not is_name(role):
            return _ANY
        usual = f"{self._workspace.now():%Y-%m-%d}-{role}"
        slug, number = usual, 1
        while is_name(subject) and is_taken(root, f"{_FOLDER}/{subject}/{slug}.yaml"):
            number += 1
            slug = f"{usual}-{number}"
        return slug

    def finish(self, grant: Grant) -> None:
        """Raises `WrongArguments` with all that is wrong: form, names, what was told before."""
        found = list(self._wrong)
        malformed = set()
        for field, problem in unreadable(grant):
            malformed.add(field)
            # Too many stand, for the parser, where the first of them does.
            argument = "ACCESS" if problem.code == "too-many" else self._argument(field)
            found.append((argument, problem.message + self._tip(field, problem.code, grant)))
        lines = lines_of(grant)
        for problem in validate_grant(marked(grant), self._catalogue):
            field = lines[problem.line - 1][0]
            message = problem.message
            if problem.code == "missing-parameter":
                # The way out in a file is a line of its own; here it is another.
                message = f"{message.rpartition('; ')[0]}; write ,PARAMETER=VALUE after the role"
            if field not in malformed:
                found.append((self._argument(field), message))
        told = tuple(dict.fromkeys(one for one in found if one[0]))
        if told:
            named = [text for text, _ in self._lines]
            about_access = any(argument in named for argument, _ in told)
            raise WrongArguments(
                told, hint=f"ACCESS is {_FORM}, such as {_EXAMPLE}" if about_access else ""
            )

    def _argument(self, field: str) -> str:
        """Returns what the command line calls *field*; nothing for a stand-in."""
        if field in (HEAD, "access"):
            return "the file" if field == HEAD else "ACCESS"
        if field.startswith("access."):
            index = int(field.split(".")[1])
            return self._lines[index][0] if index < len(self._lines) else ""
        if field == "subject":
            return "--for" if self._subject is not None else ""
        return f"--{field}"

    def _tip(self, field: str, code: str, grant: Grant) -> str:
        """Returns advice on a name whose form is wrong, which the parser cannot give."""
        if code not in ("form", "look-alike"):
            return ""
        _, index, what, *_ = [*field.split("."), "", ""]
        # In lower case, as names are: capitals would make every name as far away as another.
        if field == "subject":
            return closest(grant.subject.lower(), self._catalogue.principals)
        if what == "target":
            return closest(grant.access[int(index)].target.lower(), self._catalogue.targets)
        if what == "role":
            roles = {role.name for role in self._catalogue.roles.values()}
            return closest(grant.access[int(index)].role.lower(), roles)
        return ""


def _access(text: str) -> Access | str:
    """Returns the line of a grant that an ACCESS asks for, or what is wrong with its form."""
    head, *parameters = text.split(",")
    target, colon, role = head.partition(":")
    if not (colon and target and role):
        return f"names no target and role; write {_FORM}"
    found: dict[str, str] = {}
    for part in parameters:
        name, equals, value = part.partition("=")
        if not (equals and name and value):
            return (
                f"{quote(part)} is no PARAMETER=VALUE; a value with a comma can only be written in "
                "the file"
            )
        if name in found or name in ("target", "role"):
            return f"{name} is given twice; write it once"
        found[name] = value
    return Access(target=TargetId(target), role=role, parameters=tuple(sorted(found.items())))


def _usual(root: Path, role: RoleId) -> tuple[int, int, int]:
    """Returns the duration that grants of *role* mostly ask for, how many do, and of how many.

    The shorter one where several are as frequent; an hour where the tree has no such grant.
    """
    asked = Counter(
        grant.duration
        for path in all_grants(root)
        if (grant := parse_file(root, path).grant)
        and any(line.role_id == role for line in grant.access)
    )
    if not asked:
        return _HOUR, 0, 0
    duration, times = min(asked.items(), key=lambda one: (-one[1], one[0]))
    return duration, times, asked.total()
