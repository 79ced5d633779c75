"""Act as somebody at Acme while a demonstration is kept running.

    python -m pipeline.sandbox DIR alice request FILE
    python -m pipeline.sandbox DIR bob approve NUMBER
    python -m pipeline.sandbox DIR alice merge NUMBER
    python -m pipeline.sandbox DIR clock later MINUTES

DIR is the folder of `daypass demo --keep DIR`. FILE is a grant; its subject says into which
folder it goes.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from datetime import datetime, timedelta
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from pipeline.sandbox.people import Person, PersonRefused

_SUBJECT = re.compile(r"^subject:\s*([a-z0-9][a-z0-9-]*)\s*(?:#.*)?$", re.MULTILINE)


class RemoteClock:
    """The clock of a world in another process."""

    def __init__(self, url: str) -> None:
        self._url = url

    def now(self) -> datetime:
        """Returns the present moment."""
        with urlopen(self._url, timeout=10) as answer:  # noqa: S310 - the stand-in's own
            return datetime.fromisoformat(answer.read().decode("ascii"))

    def advance(self, by: timedelta) -> datetime:
        """Moves the clock on, by whole seconds, and returns the new moment."""
        body = str(int(by.total_seconds())).encode("ascii")
        request = Request(self._url, data=body, method="POST")  # noqa: S310
        with urlopen(request, timeout=10) as answer:  # noqa: S310
            return datetime.fromisoformat(answer.read().decode("ascii"))


def main(arguments: list[str]) -> int:
    """Carries out one command; 0 done, 1 refused, 2 not understood."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.sandbox",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("who", help="alice, bob, carol, dave, erin, mallory; or clock")
    parser.add_argument("deed", choices=("request", "approve", "merge", "later"))
    parser.add_argument("what", help="a file, a pull request's number, or minutes")
    given = parser.parse_args(arguments)
    try:
        people = json.loads((given.folder / "people.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        parser.error(f"{given.folder} holds no running demonstration: {error}")
    clock = RemoteClock(people["clock"])
    try:
        if given.who == "clock":
            print(clock.advance(timedelta(minutes=int(given.what))).isoformat())  # noqa: T201 - its result
            return 0
        if given.who not in people["tokens"]:
            parser.error(f"{given.who} is not at Acme: {', '.join(people['tokens'])}")
        token = people["tokens"][given.who]
        person = Person(
            given.who,
            token=token,
            api=people["api"],
            remote=people["remote"].replace("//", f"//x-access-token:{token}@", 1),
            repository=people["repository"],
            home=given.folder / "people" / given.who,
            clock=clock,
        )
        print(_do(person, given.deed, given.what))  # noqa: T201 - its result
    except (PersonRefused, OSError, ValueError, URLError) as error:
        print(f"{given.who} could not {given.deed}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _do(person: Person, deed: str, what: str) -> str:
    if deed == "approve":
        person.review(int(what))
        return f"{person.login} approved #{what}"
    if deed == "merge":
        return f"{person.login} merged #{what} as {person.merge(int(what))[:12]}"
    file = Path(what)
    text = file.read_text("utf-8")
    # Only to find the folder; what the file says is judged by the check.
    subject = _SUBJECT.search(text)
    folder = subject[1] if subject else person.login
    path = f"access/grants/{folder}/{file.stem}.yaml"
    branch = f"request-{file.stem}"
    person.push(branch, {path: text}, f"Ask for {file.stem}")
    if number := person.opened(branch):
        return f"{person.login} pushed {path} to #{number}"
    return f"{person.login} opened #{person.open(branch, f'Ask for {file.stem}')} with {path}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
