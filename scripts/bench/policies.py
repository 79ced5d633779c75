"""What judging many grants costs: the embedded engine, OPA, and conftest, as ratios in one run.

Each engine starts from nothing, reads every grant's file and asks the full pack of `policies/`
about it. The embedded engine and OPA parse strictly and put the question together as
`daypass check` does; conftest reads the same files, puts the same question together in Rego
(`conftest/full`) and asks the same rules. All must deny the same grants for the same codes. For
scale, conftest also asks three small rules (`conftest/small`). Exit 1 when the answers differ or
the embedded engine takes longer than conftest. What is not installed is left out, and said.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pipeline.policy.engine import PolicyBundle, PolicyEngine
    from pipeline.policy.question import Calendars, OtherLife
    from pipeline.values.catalogue import Catalogue

ROOT = Path(__file__).resolve().parents[2]
SIZES = (1_000, 10_000)
NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
SUBJECTS = 200
TEAMS = ("engineering", "payments-leads")
FULL, SMALL = (Path(__file__).parent / "conftest" / name for name in ("full", "small"))

# Target, role, and what else the line says. Cycles of lengths without a common divisor mix.
LINES = (
    ("aws/payments-prod", "rds-reader", ""),
    ("gcp/payments-prod", "log-viewer", ""),
    ("aws/sandbox-dev", "s3-logs-reader", ""),
    ("aws/payments-prod", "ec2-terminate", "i-0abc1234def567890"),
    ("azure/sandbox-dev", "reader", ""),
    ("gcp/payments-prod", "bigquery-reader", ""),
    ("azure/payments-prod", "vm-contributor", ""),
    ("aws/payments-prod", "break-glass-admin", ""),
)
DURATIONS = ("30m", "1h", "2h", "1h30m", "4h", "45m", "13h")
REASONS = (
    "Payouts stuck since 14:00, need to read the ledger and the worker logs",
    "Disk of the settlement database is filling up, look for what grows",
    "Customer reports a double charge, compare the ledger with the bank's file",
    "Production access required.",
    "Deploy of the invoice service hangs, see why its instances do not start",
)
TICKETS = ("PAY-{number}", "OPS-{number}", "")
PRINCIPAL = """\
github: person-{number}
github_id: {id}
kind: person
identities:
  aws: {{session_name: person-{number}@example.com, home: identity-prod, mfa: identity-provider}}
  azure: {{object_id: 6f1c0000-0000-4000-8000-{id:012}, type: User, mfa: identity-provider}}
  gcp: {{member: "user:person-{number}@example.com", mfa: identity-provider}}
"""


class Run(NamedTuple):
    """One engine over one tree."""

    seconds: float
    cpu: float
    """Seconds of all its processes together."""

    files: int
    denied: Mapping[str, list[str]]
    """Path to the codes of its violations, sorted; grants that have some."""


def make_tree(folder: Path, grants: int) -> None:
    """Makes an access repository with *grants* grants of up to `SUBJECTS` people."""
    assets = ROOT / "pipeline" / "sandbox" / "acme" / "access"
    for name in ("principals", "roles", "targets"):
        shutil.copytree(assets / name, folder / "access" / name)
    shutil.copy(assets / "teams.yaml", folder / "access")
    for number in range(min(SUBJECTS, grants)):
        path = folder / "access" / "principals" / f"person-{number}.yaml"
        path.write_text(PRINCIPAL.format(number=number, id=20_000 + number), encoding="utf-8")
    for number in range(grants):
        subject = f"person-{number % SUBJECTS}"
        path = folder / "access" / "grants" / subject / f"2026-11-20-grant-{number}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_grant(number, subject), encoding="utf-8")


def _grant(number: int, subject: str) -> str:
    def pick(choices: Sequence[Any], stride: int = 1) -> Any:
        return choices[number // stride % len(choices)]

    lines = [
        f"subject: {subject}",
        f'reason: "{pick(REASONS)}"',
        f"duration: {pick(DURATIONS)}",
    ]
    if ticket := pick(TICKETS):
        lines.append(f"ticket: {ticket.format(number=number + 1)}")
    if number % 4 == 3:
        lines.append(f"start: 2026-11-{21 + number % 9}T09:00:00Z")
    lines.append("access:")
    # Every third grant asks for two things.
    asked = [pick(LINES), LINES[number // 3 % len(LINES)]][: 2 if number % 3 == 0 else 1]
    for target, role, instance in dict.fromkeys(asked):
        lines += [f"  - target: {target}", f"    role: {role}"]
        if instance:
            lines.append(f"    resource: {instance}")
    return "\n".join(lines) + "\n"


def read_tree(folder: Path) -> tuple[Catalogue, PolicyBundle]:
    """Returns the catalogue of a tree, and the policies that it is judged by: our own."""
    from pipeline.run.offline import read_catalogue, read_policies

    return read_catalogue(folder), read_policies(ROOT)


def question(folder: Path, path: str, catalogue: Catalogue) -> dict[str, Any]:
    """Returns what the policies are asked about the grant at *path*, read and parsed strictly."""
    from pipeline.grants.catalogue import entitlements
    from pipeline.policy.question import Requester, input_document
    from pipeline.run.offline import parse_file
    from pipeline.values.grant import window_of

    parsed = parse_file(folder, path)
    if parsed.grant is None:
        raise SystemExit("\n".join(map(str, parsed.problems)))
    grant = parsed.grant
    teams = frozenset(TEAMS)
    return input_document(
        change="create",
        grant=grant,
        entitlements=entitlements(grant, catalogue),
        window=window_of(grant, merged_at=NOW),
        now=NOW,
        requester=Requester(actor=None, principal=grant.subject, teams=teams),
        subject=catalogue.principals[grant.subject],
        subject_teams=teams,
        lives=earlier_lives(grant.subject),
        calendars=calendars(),
    )


def earlier_lives(subject: str) -> list[OtherLife]:
    """Returns what git's history would tell: two lives in the last days, of other grants."""
    from pipeline.policy.question import OtherLife
    from pipeline.values.grant import Window

    begun = {ago: NOW - timedelta(days=ago) for ago in (1, 3)}
    return [
        OtherLife(
            grant=f"{subject}/earlier-{ago}",
            target="aws/payments-prod",
            role="aws/rds-reader",
            window=Window(start=start, end=start + timedelta(hours=1)),
            added=start,
        )
        for ago, start in begun.items()
    ]


@cache
def calendars() -> Calendars:
    """Returns two calendars with office hours on ten days."""
    from pipeline.policy.question import Calendars
    from pipeline.values.grant import Window

    ends = [NOW + timedelta(days=number) for number in range(1, 11)]
    office = [Window(start=end - timedelta(hours=11), end=end) for end in ends]
    day = timedelta(days=1)
    return Calendars(
        start=NOW - day, end=NOW + 11 * day, open={"office": office, "office-oslo": office}
    )


def judge(
    folder: Path, paths: Iterable[str], catalogue: Catalogue, engine: PolicyEngine, rules: Any
) -> dict[str, list[str]]:
    """Returns the codes of every violation, by the path of the grant that has some."""
    from pipeline.policy.answer import evaluate

    denied = {}
    for path in paths:
        document = question(folder, path, catalogue)
        if found := evaluate(document, [engine], rules).violations:
            denied[path] = sorted({violation.code for violation in found})
    return denied


def judge_tree(folder: Path, engine: str, processes: int) -> dict[str, Any]:
    """Judges all grants of a tree; what the processes that are measured do."""
    from pipeline.policy.bundle import load_rules
    from pipeline.run.offline import all_grants

    catalogue, bundle = read_tree(folder)
    rules = load_rules(bundle)
    paths = list(all_grants(folder))
    if engine == "opa":
        from pipeline.policy.opa import OpaEngine

        with OpaEngine.serve(bundle, binary=shutil.which("opa") or "opa") as opa:
            denied = judge(folder, paths, catalogue, opa, rules)
    else:
        # In turns: neighbours are alike, so pieces of the list would differ in weight.
        shares = [
            (folder, paths[number::processes], catalogue, bundle, rules)
            for number in range(processes)
        ]
        with multiprocessing.get_context("fork").Pool(processes) as pool:
            parts = pool.starmap(_share, shares, chunksize=1)
        denied = {path: codes for part in parts for path, codes in part.items()}
    return {"files": len(paths), "denied": denied}


def _share(
    folder: Path, paths: list[str], catalogue: Catalogue, bundle: PolicyBundle, rules: Any
) -> dict[str, list[str]]:
    from pipeline.policy.rego import RegorusEngine

    return judge(folder, paths, catalogue, RegorusEngine(bundle), rules)


def prepare_conftest(folder: Path, beside: Path) -> None:
    """Writes what conftest is given: the policies without tests, and what Python would add.

    The catalogue is put together beforehand, by target and role and by subject, and none of it
    is on conftest's clock.
    """
    from pipeline.run.offline import all_grants

    catalogue, bundle = read_tree(folder)
    for path, text in bundle.modules.items():
        file = beside / "policies" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    bench: dict[str, Any] = {"bindings": {}, "subjects": {}, "requesters": {}, "lives": {}}
    for path in all_grants(folder):
        document = question(folder, path, catalogue)
        for line in document["bindings"]:
            name = f"{line['target']['id']} {line['role']['name']}"
            bench["bindings"][name] = {**line, "index": None, "parameters": None}
        subject = document["subject"]["name"]
        bench["subjects"][subject] = document["subject"]
        bench["requesters"][subject] = document["requester"]
        bench["lives"][subject] = document["lives"]
        bench |= {"now": document["now"], "calendars": document["calendars"]}
    data = {**bundle.data, "bench": bench}
    (beside / "data").mkdir()
    (beside / "data" / "data.json").write_text(json.dumps(data), encoding="utf-8")


def measured(command: Sequence[str], cwd: Path) -> tuple[float, float, str]:
    """Returns seconds, seconds of all processors, and what *command* printed."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
    took, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return took, cpu, done.stdout


def run_own(folder: Path, engine: str, processes: int) -> Run:
    """Runs the embedded engine or OPA in a process of its own, from its start to its end."""
    command = [sys.executable, __file__, "--judge", engine, str(folder), str(processes)]
    seconds, cpu, out = measured(command, folder)
    return Run(seconds, cpu, **json.loads(out))


def run_conftest(folder: Path, beside: Path, *, small: bool) -> Run:
    """Runs conftest over the grants of a tree."""
    policies = [SMALL] if small else [FULL, beside / "policies"]
    command = ["conftest", "test", "access/grants", "--parser", "yaml", "--no-fail"]
    command += ["--output", "json"]
    if not small:
        command += ["--data", str(beside / "data")]
    for path in policies:
        command += ["--policy", str(path)]
    seconds, cpu, out = measured(command, folder)
    results = json.loads(out)
    denied = {
        one["filename"]: sorted({failure["msg"] for failure in one["failures"]})
        for one in results
        if one.get("failures")
    }
    return Run(seconds, cpu, len(results), denied)


def compare(grants: int, repeats: int, processes: int, engines: Sequence[str]) -> dict[str, Any]:
    """Returns what each of *engines* took over one tree, asked in turns, the quickest each."""
    with tempfile.TemporaryDirectory(prefix="daypass-bench-") as name:
        folder, beside = Path(name) / "tree", Path(name) / "conftest"
        make_tree(folder, grants)
        if "conftest" in engines:
            prepare_conftest(folder, beside)
        runs: dict[str, list[Run]] = {engine: [] for engine in engines}
        for _ in range(repeats):
            for engine in engines:
                if engine.startswith("conftest"):
                    run = run_conftest(folder, beside, small=engine == "conftest-small")
                else:
                    run = run_own(folder, engine, processes)
                runs[engine].append(run)
    best = {engine: min(tried, key=lambda run: run.seconds) for engine, tried in runs.items()}
    cpu = {engine: min(run.cpu for run in tried) for engine, tried in runs.items()}
    base = best.get("conftest")
    codes = Counter(code for found in best["regorus"].denied.values() for code in found)
    return {
        "grants": grants,
        "engines": {
            engine: {
                "seconds": round(run.seconds, 3),
                "cpu_seconds": round(cpu[engine], 3),
                "ratio": _ratio(run.seconds, base and base.seconds),
                "cpu_ratio": _ratio(cpu[engine], base and cpu["conftest"]),
                "files": run.files,
                "evaluations": run.files,
                "denied": len(run.denied),
            }
            for engine, run in best.items()
        },
        "codes": dict(sorted(codes.items())),
        "differ": sorted(
            engine
            for engine, run in best.items()
            if engine != "conftest-small" and run.denied != best["regorus"].denied
        ),
    }


def _ratio(part: float, whole: float | None) -> float | None:
    return None if whole is None else round(part / whole, 3)


def broken_promises(results: Sequence[dict[str, Any]]) -> list[str]:
    """Returns the promises that were not kept."""
    broken = []
    for one in results:
        at, engines = f"{one['grants']} grants", one["engines"]
        broken += [f"{at}: {engine} and regorus deny differently" for engine in one["differ"]]
        denied = engines["regorus"]["denied"]
        if not 0 < denied < one["grants"]:
            broken.append(f"{at}: {denied} are denied, so nothing is compared")
        ratio = engines["regorus"]["ratio"]
        if ratio is not None and ratio > 1:
            broken.append(f"{at}: embedded takes {ratio} times what conftest takes")
    return broken


TITLES = {
    "regorus": "embedded",
    "opa": "OPA, one connection",
    "conftest": "conftest, full pack",
    "conftest-small": "conftest, three small rules",
}


def main() -> int:
    """Measures, prints, and says by its exit code whether every promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="GRANTS")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--engines", nargs="+", choices=TITLES, default=list(TITLES))
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    parser.add_argument("--judge", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.judge:
        engine, tree, processes = options.judge
        print(json.dumps(judge_tree(Path(tree), engine, int(processes))))
        return 0
    needs = {"opa": "opa", "conftest": "conftest", "conftest-small": "conftest"}
    absent = sorted({tool for tool in needs.values() if shutil.which(tool) is None})
    asked = {"regorus", *options.engines}
    engines = [engine for engine in TITLES if engine in asked and needs.get(engine) not in absent]
    for tool in absent:
        print(f"{tool} is not installed, so it is left out", file=sys.stderr)
    results = []
    for size in options.sizes:
        print(f"judging {size} grants with {', '.join(engines)}", file=sys.stderr)
        results.append(compare(size, options.repeats, options.processes, engines))
    broken = broken_promises(results)
    if options.json:
        report = {"processes": options.processes, "left_out": absent}
        print(json.dumps({**report, "results": results, "broken": broken}))
        return 1 if broken else 0
    for one in results:
        print(f"{one['grants']} grants, embedded in {options.processes} processes")
        for engine, run in one["engines"].items():
            ratios = ""
            if run["ratio"] is not None:
                ratios = f"{run['ratio']:7.2f} of conftest, {run['cpu_ratio']:.2f} of its CPU"
            print(
                f"  {TITLES[engine]:<28}{run['seconds']:9.2f} s{run['cpu_seconds']:9.2f} s CPU"
                f"{ratios}; {run['files']} files, {run['denied']} denied"
            )
    for line in broken:
        print(f"broken: {line}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
