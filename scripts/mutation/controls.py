"""Whether each control of the threat model has a test that fails without it.

For every entry of `CONTROLS` the control is switched off in a copy of this tree, and the tests
that `.github/SECURITY.md` names beside its threat are run there: one of them must fail. Before
that all of them must pass. It takes two minutes. Exit 1 where a control may be switched off
unnoticed, 2 where tests fail without any change.
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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
THREATS = ROOT / ".github" / "SECURITY.md"

_LEFT_OUT = (".git", ".venv", ".tools", "node_modules", "__pycache__", ".*_cache", ".hypothesis")
_TEST = re.compile(r"`((?:unit|contract|e2e)/\w+\.py::\w+)`")


@dataclass(frozen=True, kw_only=True)
class Control:
    """One control, and how to switch it off."""

    threat: str
    """How the threat begins in `SECURITY.md`."""

    path: str
    """Below `pipeline/`."""

    on: str
    """A part of that file that stands there once."""

    off: str
    """What takes its place."""

    def tests(self) -> tuple[tuple[str, str], ...]:
        """Returns file and name of the tests that stand beside the threat."""
        return tuple(
            (f"tests/{file}", name)
            for file, _, name in (one.partition("::") for one in _TEST.findall(self.row()))
        )

    def row(self) -> str:
        """Returns the threat's row. Raises `LookupError` where there is not exactly one."""
        rows = THREATS.read_text("utf-8").splitlines()
        found = [one for one in rows if one.startswith(f"| {self.threat}")]
        if len(found) != 1:
            raise LookupError(f"{len(found)} rows of SECURITY.md begin with {self.threat!r}")
        return found[0]

    def switched_off(self, text: str) -> str:
        """Returns *text*, the file's, without the control. Raises `LookupError` where that does
        not hold it once."""
        if text.count(self.on) != 1:
            raise LookupError(f"{self.path} holds {text.count(self.on)} times {self.on!r}")
        return text.replace(self.on, self.off)


CONTROLS = (
    Control(
        threat="A pull request shows a harmless difference",
        path="approvals/tally.py",
        on="if self.base_changed is not None and review.submitted_at <= self.base_changed:",
        off="if False:",
    ),
    Control(
        threat="A role grows after the approval",
        path="approvals/tally.py",
        on="if not any(since < at and (until is None or at < until) "
        "for since, until in self.on_show):",
        off="if False:",
    ),
    Control(
        threat="A role grows after the approval",
        path="judge/offer.py",
        on='"document": _unordered(json.loads(timeless(one.document))),',
        off="",
    ),
    Control(
        threat="Somebody approves what no check has shown yet",
        path="approvals/tally.py",
        on="if not self.on_show:",
        off="if False:",
    ),
    Control(
        threat="A member of security lets a workflow push",
        path="approvals/pushers.py",
        on='for bot in sorted(one for one in pushers if one.type != "User"):',
        off="for bot in ():",
    ),
    Control(
        threat="Somebody merges another one's approved head",
        path="proof/commit_prover.py",
        on="for number in self._shown_on(through.head_sha, at):",
        off="for number in ():",
    ),
    Control(
        threat="Somebody merges another one's approved head",
        path="proof/twins.py",
        on="    if pull.head_sha != head:",
        off='    return ""\n    if pull.head_sha != head:',
    ),
    Control(
        threat="Somebody merges another one's approved head",
        path="proof/twins.py",
        on="    if last is None or last.sha != head or last.former or last.at >= at:",
        off="    if False:",
    ),
    Control(
        threat="An approver changes a request while bringing",
        path="judge/head_line.py",
        on="push.before in known and self._keeps_changes(push)",
        off="push.before is not None",
    ),
    Control(
        threat="An approver changes a request while bringing",
        path="judge/head_line.py",
        on="(push.former and not self._shares(push.sha))",
        off="push.former",
    ),
    Control(
        threat="So is a deletion that its author had withdrawn",
        path="proof/twins.py",
        on='if not merged and not _was("closed", "reopened", pull.state == "open", since, at):',
        off="if False:",
    ),
    Control(
        threat="A second pull request with one head",
        path="run/check_pull.py",
        on="    ready = [",
        off="    return pull.number\n    ready = [",
    ),
    Control(
        threat="A second pull request with one head",
        path="run/check_pull.py",
        on="    if pull.base_ref != base or not pull.same_repository:",
        off="    if False:",
    ),
    Control(
        threat="Somebody dismisses an approval after the merge",
        path="approvals/voters.py",
        on="later = {one.review: one.state for one in dismissals if one.at > merged_at}",
        off="later: dict[int, str] = {}",
    ),
    Control(
        threat="GitHub forgets its check runs",
        path="run/verify_record.py",
        on="        if shown is None:",
        off="        if False:",
    ),
    Control(
        threat="What is given is so long that GitHub cuts",
        path="judge/shown.py",
        on="MOST_SHOWN = 50_000",
        off="MOST_SHOWN = 5_000_000",
    ),
    Control(
        threat="A writer edits the App's comment",
        path="judge/counting.py",
        on="    if not later or not _edited(forge, pull, checker, since=last):",
        off="    if True:",
    ),
    Control(
        threat="A writer edits the App's comment",
        path="run/edited_comment.py",
        on="    if not edited or last.external_id == name_of_run(number, EDITED):",
        off="    if True:",
    ),
    Control(
        threat="A principal's name is used again",
        path="proof/life_fold.py",
        on="if seen and self._rules.changes_rules(commit.sha):",
        off="if False:",
    ),
    Control(
        threat="A principal's name is used again",
        path="grants/later_catalogues.py",
        on="return (principal.github_id, *there[cloud])",
        off="return ()",
    ),
    Control(
        threat="A grant is shortened by a push, so that a sum",
        path="proof/life_fold.py",
        on="= version.narrowed(grant, commit=step.commit.sha)\n        return",
        off="= version\n        return",
    ),
    Control(
        threat="What the removals lane is about to shorten goes",
        path="clouds/gcp/iam_policy.py",
        on='            reason = "" if there else WENT',
        off='            reason = ""',
    ),
    Control(
        threat="Somebody takes away or shortens many grants",
        path="ending/removals.py",
        on="    most = _who_has_most(asked, alive=alive)",
        off="    most: Collection[str] = ()",
    ),
    Control(
        threat="The removals lane takes what another grant",
        path="ending/removals.py",
        on="    if not binding.unlisted:\n",
        off="    if True:\n",
    ),
    Control(
        threat="A cut is pushed on top of a narrowing",
        path="run/situation.py",
        on="rest.beside(self._instead(surprise))",
        off="rest",
    ),
    Control(
        threat="Something pushed is covered up by something proven",
        path="run/situation.py",
        on="(*self.branch.unproven, *self.branch.healed, *alarms)",
        off="(*self.branch.unproven, *alarms)",
    ),
)


def passes(folder: Path, tests: Sequence[tuple[str, str]]) -> bool:
    """Whether *tests* pass in the copy in *folder*."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    # Some stand in classes, which the threat model leaves out.
    named = " or ".join(sorted({name for _, name in tests}))
    files = sorted({file for file, _ in tests})
    done = subprocess.run(  # noqa: S603 - our own tests
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", named, *files],
        cwd=folder,
        env=environment,
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def main() -> int:
    """Tries every control; see the file's beginning."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-k", dest="part", default="", help="only threats that hold this text")
    parser.add_argument("--json", action="store_true", help="write JSON to stdout")
    given = parser.parse_args()
    chosen = [one for one in CONTROLS if given.part in one.threat]
    unnoticed: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "tree"
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        every = sorted({test for one in chosen for test in one.tests()})
        if not passes(folder, every):
            print("tests fail without any change", file=sys.stderr)  # noqa: T201 - its result
            return 2
        for number, one in enumerate(chosen, start=1):
            file = folder / "pipeline" / one.path
            text = file.read_text("utf-8")
            file.write_text(one.switched_off(text), "utf-8")
            noticed = not passes(folder, one.tests())
            file.write_text(text, "utf-8")
            said = f"{number} of {len(chosen)} {one.path}: {'noticed' if noticed else 'UNNOTICED'}"
            print(f"{said}: {one.threat}", file=sys.stderr)  # noqa: T201 - its progress
            if not noticed:
                unnoticed.append(f"{one.path}: {one.threat}")
    if given.json:
        print(json.dumps({"controls": len(chosen), "unnoticed": unnoticed}))  # noqa: T201
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
