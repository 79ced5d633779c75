"""What `daypass check` of one grant costs, in a repository of 10 grants and of 10,000.

Three promises, each measured in processes of its own: no cloud SDK is loaded; nothing is read
but the subject's folder, the catalogue and the policies; and it takes at most three times what
Python needs to import the three libraries that it cannot do without. Exit 1 when one is broken.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
GRANT = "access/grants/alice/2026-11-20-stuck-payouts.yaml"
TEXT = """\
subject: {subject}
reason: Payouts stuck since 14:00, need to read the worker logs
ticket: PAY-1423
duration: 1h
access:
  - target: gcp/payments-prod
    role: log-viewer
"""
SIZES = (10, 10_000)
SUBJECTS = 200
LIMIT = 3.0
SDKS = ("boto3", "botocore", "azure", "google", "grpc", "github", "moto", "opa_client", "requests")
CATALOGUE = ("principals", "targets", "roles", "calendars", "oncall", "teams.yaml")
READABLE = (
    *("access/grants/alice", "access/teams.yaml"),
    *(f"access/{folder}" for folder in CATALOGUE),
)

BASELINE = "import yaml, click, regorus"
COMMAND = "from pipeline.cli.main import main; main()"
# Runs before the command: notes what is opened, listed and started, and what is loaded by the end.
WATCH = """
import atexit, json, os, sys
root, report = os.getcwd() + os.sep, sys.argv.pop(1)
seen = {"read": set(), "listed": set(), "started": set()}
kinds = {"open": "read", "os.listdir": "listed", "os.scandir": "listed",
         "subprocess.Popen": "started"}
def watch(event, arguments):
    if event in kinds and isinstance(arguments[0], (str, bytes, os.PathLike)):
        path = os.path.abspath(os.fsdecode(arguments[0]))
        if path.startswith(root) or event == "subprocess.Popen":
            seen[kinds[event]].add(path.removeprefix(root))
def tell():
    found = {kind: sorted(paths) for kind, paths in seen.items()}
    with open(report, "w") as file:
        json.dump({**found, "modules": sorted(sys.modules)}, file)
atexit.register(tell)
sys.addaudithook(watch)
"""


def make_repository(folder: Path, grants: int) -> None:
    """Makes an access repository with *grants* grants, one of them the one that is checked."""
    assets = ROOT / "pipeline" / "sandbox" / "acme" / "access"
    for name in ("principals", "roles", "targets"):
        shutil.copytree(assets / name, folder / "access" / name)
    shutil.copy(assets / "teams.yaml", folder / "access" / "teams.yaml")
    shutil.copytree(ROOT / "policies", folder / "policies")
    for number in range(grants - 1):
        subject = f"person-{number % SUBJECTS}"
        path = folder / "access" / "grants" / subject / f"2026-11-20-grant-{number}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TEXT.format(subject=subject), encoding="utf-8")
    (folder / GRANT).parent.mkdir(parents=True)
    (folder / GRANT).write_text(TEXT.format(subject="alice"), encoding="utf-8")


def surroundings(folder: Path) -> dict[str, str]:
    """Returns an environment in which compiled code is kept, as an installation keeps it."""
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    cache = str(folder.parent / "bytecode")
    return {**inherited, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": cache}


def run(code: str, *arguments: str, cwd: Path, flags: tuple[str, ...] = ()) -> float:
    """Runs Python with *code* and returns the seconds it took. Raises when it fails."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *flags, "-c", code, *arguments],
        cwd=cwd,
        env=surroundings(cwd),
        capture_output=True,
        text=True,
    )
    took = time.perf_counter() - started
    if done.returncode != 0:
        raise SystemExit(f"{code!r} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return took


def look(folder: Path, report: Path) -> dict[str, Any]:
    """Returns what one check read, listed, started and loaded."""
    run(WATCH + COMMAND, str(report), "check", GRANT, cwd=folder)
    found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    loaded = {module.partition(".")[0] for module in found["modules"]}
    touched = [*found["read"], *found["listed"]]
    return {
        "files": len(found["read"]),
        "folders": len(found["listed"]),
        "started": found["started"],
        "sdks": sorted(loaded & set(SDKS)),
        "strange": [path for path in touched if not path.startswith((*READABLE, "policies"))],
        "read": found["read"],
    }


def measure(folder: Path, repeats: int) -> dict[str, Any]:
    """Returns how long a check takes beside the baseline, measured in turns."""
    check, baseline = [], []
    for _ in range(repeats):
        baseline.append(run(BASELINE, cwd=folder))
        check.append(run(COMMAND, "check", GRANT, cwd=folder))
    return {
        "check_ms": round(median(check) * 1000, 1),
        "baseline_ms": round(median(baseline) * 1000, 1),
        # The quickest of each: what else the machine did can only have added to it.
        "ratio": round(min(check) / min(baseline), 2),
    }


def judge(results: list[dict[str, Any]]) -> list[str]:
    """Returns the promises that were not kept."""
    broken = []
    for one in results:
        at = f"{one['grants']} grants"
        if one["sdks"]:
            broken.append(f"{at}: loaded {', '.join(one['sdks'])}")
        if one["started"]:
            broken.append(f"{at}: started {', '.join(one['started'])}")
        if one["strange"]:
            broken.append(f"{at}: read {', '.join(one['strange'][:5])}")
        if one["ratio"] > LIMIT:
            broken.append(f"{at}: {one['ratio']} times the baseline, at most {LIMIT} are allowed")
    if len({tuple(one["read"]) for one in results}) > 1:
        broken.append("what is read depends on the size of the repository")
    return broken


def main() -> int:
    """Measures, prints, and says by its exit code whether every promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    parser.add_argument("--importtime", action="store_true", help="show the slowest imports")
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory(prefix="daypass-bench-") as name:
        for size in SIZES:
            folder = Path(name) / str(size)
            make_repository(folder, size)
            report = Path(name) / f"{size}.json"
            run(BASELINE, cwd=folder)  # both once for the caches
            run(COMMAND, "check", GRANT, cwd=folder)
            results.append(
                {"grants": size, **look(folder, report), **measure(folder, options.repeats)}
            )
        if options.importtime:
            command = [sys.executable, "-X", "importtime", "-c", COMMAND, "check", GRANT]
            folder = Path(name) / "10"
            told = subprocess.run(
                command, cwd=folder, env=surroundings(folder), capture_output=True, text=True
            )
            lines = [line for line in told.stderr.splitlines() if line.startswith("import time:")]
            lines.sort(key=lambda line: line.split("|")[0].removeprefix("import time:").rjust(20))
            print("\n".join(lines[-20:]), file=sys.stderr)
    broken = judge(results)
    if options.json:
        print(json.dumps({"results": results, "broken": broken}))
        return 1 if broken else 0
    for one in results:
        print(
            f"{one['grants']:>6} grants: check {one['check_ms']} ms, baseline "
            f"{one['baseline_ms']} ms, ratio {one['ratio']}; "
            f"{one['files']} files and {one['folders']} folders read, no SDK"
            if not one["sdks"]
            else f"{one['grants']:>6} grants: loaded {one['sdks']}"
        )
    for line in broken:
        print(f"broken: {line}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
