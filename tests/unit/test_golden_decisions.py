"""What is asked and decided about many requests is what it was: a guard for moving code.

`tests/golden/decisions.json` holds, for every case of `support_golden_offline` and
`support_golden_pulls`, a few words and the digests of four parts: the questions that the policies
were asked, their whole evaluation, the bindings that the clouds would hold, and the decision with
the approvals counted. Its section `rules` holds how often each code was denied, and two digests
that every new rule changes: of the codes, and of what says which rules `ran` (in evaluations'
and assessments' own digests).

A difference is a change of behaviour. To see which, run

    python -m tests.unit.test_golden_decisions --show 'NAME OF A CASE'

here and in a checkout of the commit before, and compare. Where the change is meant,

    python -m tests.unit.test_golden_decisions --renew

writes the file anew, and says what changed; nothing else does, `scripts/generate` neither.
"""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.values.canonical import canonical, digest
from tests.unit.support_golden import Court
from tests.unit.support_golden_kinds import Case
from tests.unit.support_golden_offline import damaged, offline_cases
from tests.unit.support_golden_pulls import pull_cases
from tests.unit.support_golden_records import Record

pytestmark = pytest.mark.uncounted

GOLDEN = Path(__file__).parents[1] / "golden" / "decisions.json"
PARTS = ("question", "evaluation", "bindings", "decision")
LENGTH = 32
"""Of a digest in the file, in hex."""

LEAST_CASES = 400
LEAST_REACHED = 0.8
"""Of the codes, denied or warned of in some case."""

Lines = Mapping[str, Mapping[str, Any]]


def cases() -> list[Case]:
    """Returns every case; what is damaged comes after what it is made of."""
    return [*offline_cases(), *pull_cases(), *damaged()]


def judged() -> tuple[Mapping[str, Record], frozenset[str]]:
    """Returns the record of every case by name, and the codes of all rules."""
    court = Court()
    return {case.name: _judge(court, case) for case in cases()}, frozenset(court.rules())


def _judge(court: Court, case: Case) -> Record:
    try:
        return court.judge(case)
    except Exception as error:  # one case that breaks must not hide the others
        raised = f"{type(error).__name__}: {error}"
        return {"answer": f"raises {raised}", "raised": traceback.format_exc()}


def lines_of(records: Mapping[str, Record]) -> dict[str, dict[str, str]]:
    """Returns what the golden file says of each case."""
    return {
        name: {
            "answer": record["answer"],
            **{part: digest(record[part])[:LENGTH] for part in PARTS if part in record},
        }
        for name, record in sorted(records.items())
    }


def rules_of(records: Mapping[str, Record], codes: frozenset[str]) -> dict[str, Any]:
    """Returns what the golden file says of the rules."""
    denied = Counter(
        found["code"]
        for record in records.values()
        for evaluation in record.get("evaluation", ())
        for found in (*evaluation["violations"], *evaluation["warnings"])
    )
    return {
        "codes": digest(sorted(codes))[:LENGTH],
        "denied": {code: denied[code] for code in sorted(codes)},
        "ran": digest({name: record.get("ran") for name, record in records.items()})[:LENGTH],
    }


def written(lines: Lines, rules: Mapping[str, Any]) -> str:
    """Returns the golden file: a line for each case, so that a difference can be read."""
    told = [f"{canonical(name)}: {canonical(dict(line))}" for name, line in lines.items()]
    return (
        '{\n"cases": {\n' + ",\n".join(told) + '\n},\n"rules": '
        f"{json.dumps(rules, indent=1, sort_keys=True)}\n}}\n"
    )


def differences(golden: Lines, found: Lines) -> list[str]:
    """Returns a line for each case that is not as in the golden file."""
    told = []
    for name in sorted(golden.keys() | found.keys()):
        was, now = golden.get(name, {}), found.get(name, {})
        if not was or not now:
            told.append(f"{name}: {'is gone' if was else 'is new'}")
        elif was != now:
            parts = [part for part in PARTS if was.get(part) != now.get(part)]
            told.append(f"{name}: {', '.join(parts)}")
            if was["answer"] != now["answer"]:
                told[-1] += f" (was {was['answer']}; is {now['answer']})"
    return told


def differences_of_rules(golden: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Returns a line for each code that was denied more or less often, and for each digest."""
    was, now = golden["denied"], found["denied"]
    told = [
        f"{code}: was denied {was.get(code)} times, is denied {now.get(code)} times"
        for code in sorted(was.keys() | now.keys())
        if was.get(code) != now.get(code)
    ]
    return told + [f"{key} of rules" for key in ("codes", "ran") if golden[key] != found[key]]


def shown(different: list[str]) -> str:
    """Returns the first of many differences, and what to do about them."""
    more = [f"and {len(different) - 10} more"] if len(different) > 10 else []
    head = f"{len(different)} differ from {GOLDEN.name}:"
    return "\n".join([head, *different[:10], *more, "", __doc__ or ""])


def test_what_is_asked_and_decided_is_as_in_the_golden_file() -> None:
    # The one test that judges: several would do it once in every process that tests run in.
    golden = json.loads(GOLDEN.read_text("utf-8"))
    records, codes = judged()
    different = differences(golden["cases"], lines_of(records))
    different += differences_of_rules(golden["rules"], rules_of(records, codes))
    assert not different, shown(different)
    ran = {name: record.get("ran", {}).get("codes") for name, record in records.items()}
    assert [name for name, some in ran.items() if some and set(some) != codes] == []


def test_the_golden_file_is_written_in_one_way_and_reaches_most_rules() -> None:
    golden = json.loads(GOLDEN.read_text("utf-8"))
    assert GOLDEN.read_text("utf-8") == written(golden["cases"], golden["rules"])
    denied = golden["rules"]["denied"]
    never = [code for code, count in denied.items() if not count]
    assert len(never) <= (1 - LEAST_REACHED) * len(denied), f"never denied: {', '.join(never)}"


def test_there_are_many_cases_each_with_a_name_of_its_own() -> None:
    names = Counter(case.name for case in cases())
    assert [name for name, count in names.items() if count > 1] == []
    assert len(names) >= LEAST_CASES


def main() -> int:
    """Shows a case, or writes the golden file; exit code 2 for a name that no case has, and
    for a case that raises, which is nothing to compare with."""
    parser = argparse.ArgumentParser(prog="python -m tests.unit.test_golden_decisions")
    parser.add_argument("--renew", action="store_true", help="write the golden file anew")
    parser.add_argument("--show", metavar="NAME", help="print all that is digested of a case")
    given = parser.parse_args()
    records, codes = judged()
    say = sys.stdout.write
    if given.show is not None:
        if given.show not in records:
            say(f"no case is called {given.show}\n")
            return 2
        say(json.dumps(records[given.show], indent=1, sort_keys=True, ensure_ascii=False) + "\n")
        return 0
    lines, rules = lines_of(records), rules_of(records, codes)
    raising = [name for name, record in records.items() if "raised" in record]
    if raising:
        say(f"nothing is written, as these raise: {', '.join(raising)}\n")
        return 2
    if given.renew:
        golden = json.loads(GOLDEN.read_text("utf-8")) if GOLDEN.exists() else {"cases": {}}
        for line in differences(golden["cases"], lines):
            say(f"{line}\n")
        GOLDEN.write_text(written(lines, rules), "utf-8")
    reached = [code for code, count in rules["denied"].items() if count]
    say(f"{len(lines)} cases, {len(reached)} of {len(codes)} codes denied or warned of\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
