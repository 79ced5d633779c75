"""What the check workflow does before any job holds a key: find the pull request, parse it.

`find` writes `number=N` (or `number=`) for the event to $GITHUB_OUTPUT. `parse N` reads the
grant files of the pull request's head through the blob API, as data, into this checkout of
the default branch, and has `daypass check --form` parse them; problems become annotations at
their lines. Whether they fit the catalogue the next job says: what only takes away need not.
Standard library only. Nothing of the head is ever run.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

GRANT = re.compile(r"access/grants/[a-z0-9][a-z0-9._-]*/[a-z0-9][a-z0-9._-]*\.yaml")
PAGE = 100
BLOB_LIMIT = 1 << 20
"""Bytes; the parser's own limit is far below it, so a longer file is cut and then refused."""

Get = Callable[[str, str], bytes]
"""Answers an API path, in a media type."""


def api(path: str, media: str) -> bytes:
    """Asks GitHub, with the job's own token."""
    base = os.environ["GITHUB_API_URL"]
    repository = os.environ["GITHUB_REPOSITORY"]
    request = urllib.request.Request(f"{base}/repos/{repository}/{path}")  # noqa: S310 - GitHub's
    request.add_header("Accept", media)
    request.add_header("Authorization", f"Bearer {os.environ['GITHUB_TOKEN']}")
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
        content: bytes = answer.read(64 * BLOB_LIMIT)
    return content


def find(name: str, event: Mapping[str, Any], get: Get) -> int | None:
    """Returns the open pull request that an event is about; None when there is none."""
    branch = event["repository"]["default_branch"]
    if name == "pull_request_target":
        number: int = event["pull_request"]["number"]
        return number
    if name == "issue_comment":
        asked = event["comment"]["body"].strip() == "/check"
        return event["issue"]["number"] if asked and "pull_request" in event["issue"] else None
    if name == "workflow_dispatch":
        return int(event["inputs"]["number"])
    # A review's run says nothing that can be trusted but which commit it was for.
    head = event["workflow_run"]["head_sha"]
    pulls = json.loads(get(f"commits/{head}/pulls?per_page={PAGE}", "application/vnd.github+json"))
    fitting = (
        pull["number"]
        for pull in pulls
        if pull["state"] == "open" and pull["head"]["sha"] == head and pull["base"]["ref"] == branch
    )
    return max(fitting, default=None)


def grant_files(number: int, get: Get) -> dict[str, bytes]:
    """Returns path and content of the grants that a pull request adds or changes.

    Raises `ValueError` beyond one page: nobody asks for that many at once.
    """
    media = "application/vnd.github+json"
    listed = json.loads(get(f"pulls/{number}/files?per_page={PAGE}", media))
    present = [file for file in listed if file["status"] != "removed"]
    if len(listed) == PAGE and present:
        raise ValueError(f"the pull request changes {PAGE} files or more: split it")
    return {
        file["filename"]: get(f"git/blobs/{file['sha']}", "application/vnd.github.raw+json")[
            :BLOB_LIMIT
        ]
        for file in present
        if GRANT.fullmatch(file["filename"])
    }


def commands(problems: Iterable[Mapping[str, Any]]) -> list[str]:
    """Returns workflow commands that show problems at their lines; their text stays data."""

    def data(text: object) -> str:
        escapes = str(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
        return re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]", "?", escapes)

    def value(text: object) -> str:
        return data(text).replace(":", "%3A").replace(",", "%2C")

    return [
        f"::error file={value(one['path'])},line={value(one['line'])},"
        f"col={value(one['column'])},title={value(one['code'])}::{data(one['message'])}"
        for one in problems
    ]


def parse(number: int, get: Get) -> int:
    """Parses the head's grants with this checkout's code; 0 when they are well-formed."""
    files = grant_files(number, get)
    for path, content in files.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(content)
    if not files:
        return 0
    done = subprocess.run(
        ["daypass", "check", "--form", "--json", *sorted(files)], stdout=subprocess.PIPE
    )
    answer = json.loads(done.stdout)
    if done.returncode == 0:
        return 0
    for line in commands(answer["problems"]):
        print(line)
    return done.returncode


def main() -> int:
    """Runs one of the two steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    steps.add_parser("find")
    steps.add_parser("parse").add_argument("number", type=int)
    options = parser.parse_args()
    if options.step == "parse":
        return parse(options.number, api)
    event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_bytes())
    number = find(os.environ["GITHUB_EVENT_NAME"], event, api)
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as output:
        output.write(f"number={number or ''}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
