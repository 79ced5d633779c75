"""What the check workflow does before any job holds a key: find the pull request, parse it, try
its rules.

`find` writes `number=N` (or `number=`) for the event to $GITHUB_OUTPUT. `parse N` reads the
grant files of the pull request's head through the blob API, as data, into this checkout of
the default branch, and has `daypass check --form` parse them; problems become annotations at
their lines. Whether they fit the catalogue the next job says: what only takes away need not.
Where policies, settings or catalogue change, those of the head are put into the checkout, and
`daypass check --changed-from` tries them, in a process with bounds; `tried=…` in $GITHUB_OUTPUT
tells the next job what it found, so that nothing of them runs beside a key.
Standard library only. Nothing else of the head is ever run.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

GRANT = re.compile(r"access/grants/[a-z0-9][a-z0-9._-]*/[a-z0-9][a-z0-9._-]*\.yaml")
RULE = re.compile(r"policies/.+|access/(?!grants/|schemas/).+", re.DOTALL)
PAGE = 100
MOST_PAGES = 30
"""GitHub lists no more files than that."""

MOST_PROBLEMS = 50
"""Of a trial, so that they fit into a job's output."""

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
        changed = event.get("action") in ("edited", "deleted")
        asked = changed or event["comment"]["body"].strip() == "/check"
        return event["issue"]["number"] if asked and "pull_request" in event["issue"] else None
    if name == "workflow_dispatch":
        return int(event["inputs"]["number"])
    # A review's run says nothing that can be trusted but which commit it was for.
    head = event["workflow_run"]["head_sha"]
    pulls = json.loads(get(f"commits/{head}/pulls?per_page={PAGE}", "application/vnd.github+json"))
    fitting = [
        # What comes from a fork, or goes to another branch, is allowed by nobody, and holds up
        # nobody. It is told so where it is alone.
        (
            (pull["head"]["repo"] or {}).get("id") != pull["base"]["repo"]["id"],
            pull["base"]["ref"] != branch,
            pull["draft"],
            pull["number"],
        )
        for pull in pulls
        if pull["state"] == "open" and pull["head"]["sha"] == head
    ]
    # Of several with one head the first that is ready is the one that is judged.
    return min(fitting)[-1] if fitting else None


def changed_files(number: int, get: Get) -> list[dict[str, Any]]:
    """Returns what GitHub lists of the files that a pull request changes."""
    media = "application/vnd.github+json"
    listed: list[dict[str, Any]] = []
    for page in range(1, MOST_PAGES + 1):
        path = f"pulls/{number}/files?per_page={PAGE}&page={page}"
        found = json.loads(get(path, media))
        listed += found
        if len(found) < PAGE:
            break
    return listed


def content(file: Mapping[str, Any], get: Get) -> bytes:
    """Returns what a listed file holds at the head, cut at `BLOB_LIMIT`."""
    return get(f"git/blobs/{file['sha']}", "application/vnd.github.raw+json")[:BLOB_LIMIT]


def grant_files(listed: Iterable[Mapping[str, Any]], get: Get) -> dict[str, bytes]:
    """Returns path and content of the grants that a pull request adds or changes.

    Raises `ValueError` for `PAGE` and more: nobody asks for that many at once.
    """
    present = [
        file for file in listed if file["status"] != "removed" and GRANT.fullmatch(file["filename"])
    ]
    if len(present) >= PAGE:
        raise ValueError(f"the pull request changes {PAGE} grants or more: split it")
    return {file["filename"]: content(file, get) for file in present}


def rule_files(listed: Iterable[Mapping[str, Any]], get: Get) -> dict[str, bytes | None]:
    """Returns path and content of policies, settings and catalogue that a pull request changes;
    None for what it removes."""
    found: dict[str, bytes | None] = {}
    for file in listed:
        former = file.get("previous_filename") if file["status"] == "renamed" else None
        for path in (former, file["filename"]):
            if path and RULE.fullmatch(path) and ".." not in path.split("/"):
                gone = path == former or file["status"] == "removed"
                found[path] = None if gone else content(file, get)
    return found


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


def put(files: Mapping[str, bytes | None]) -> None:
    """Makes this checkout hold *files*, and lack those without content."""
    for path, held in files.items():
        if held is None:
            Path(path).unlink(missing_ok=True)
    for path, held in files.items():
        if held is not None:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_bytes(held)


def asked(*arguments: str) -> tuple[int, list[Mapping[str, Any]]]:
    """Returns how `daypass check` ends, and the problems that it tells."""
    done = subprocess.run(["daypass", "check", "--json", *arguments], stdout=subprocess.PIPE)
    return done.returncode, json.loads(done.stdout).get("problems", []) if done.returncode else []


def parse(number: int, get: Get) -> int:
    """Parses the head's grants with this checkout's code; 0 when they are well-formed."""
    files = grant_files(changed_files(number, get), get)
    put(files)
    code, problems = asked("--form", *sorted(files)) if files else (0, [])
    for line in commands(problems):
        print(line)
    return code


def try_rules(number: int, get: Get) -> tuple[int, dict[str, Any]]:
    """Tries the head's rules; returns how that ended, 0 also where something is wrong with them,
    and the report: the head, and the problems."""
    media = "application/vnd.github+json"
    head = json.loads(get(f"pulls/{number}", media))["head"]["sha"]
    files = rule_files(changed_files(number, get), get)
    if json.loads(get(f"pulls/{number}", media))["head"]["sha"] != head:
        raise ValueError("somebody pushed meanwhile: its own run looks at that")
    if not files:
        return 0, {"head": head, "problems": []}
    with tempfile.TemporaryDirectory() as before:
        for folder in ("policies", "access"):
            if Path(folder).is_dir():
                shutil.copytree(folder, Path(before) / folder)
        put(files)
        code, problems = asked("--changed-from", before)
    for line in commands(problems):
        print(line)
    # What is wrong the next job shows on the pull request.
    return (0 if code == 2 and problems else code), {
        "head": head,
        "problems": problems[:MOST_PROBLEMS],
    }


def main() -> int:
    """Runs one of the three steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    steps.add_parser("find")
    steps.add_parser("parse").add_argument("number", type=int)
    steps.add_parser("try").add_argument("number", type=int)
    options = parser.parse_args()
    if options.step == "parse":
        return parse(options.number, api)
    if options.step == "try":
        code, report = try_rules(options.number, api)
        output(f"tried={json.dumps(report)}")
        return code
    event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_bytes())
    number = find(os.environ["GITHUB_EVENT_NAME"], event, api)
    output(f"number={number or ''}")
    return 0


def output(line: str) -> None:
    """Adds a line to the step's outputs."""
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
