"""Judging a working tree before anything is pushed."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.grants.parse import Parsed
from pipeline.run import offline

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
GRANT = """\
subject: alice
reason: Payouts stuck since 14:00, need to read the worker logs
ticket: PAY-{number}
duration: 7h
access:
  - {{target: gcp/sandbox-dev, role: log-viewer}}
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    assets = ROOT / "pipeline" / "sandbox" / "acme" / "access"
    shutil.copytree(assets, tmp_path / "access", dirs_exist_ok=True)
    (tmp_path / "policies").symlink_to(ROOT / "policies")
    folder = tmp_path / "access" / "grants" / "alice"
    folder.mkdir(parents=True)
    for number in (1, 2, 3):
        (folder / f"{number}.yaml").write_text(GRANT.format(number=number), encoding="utf-8")
    return tmp_path


def test_each_file_of_a_folder_is_read_once_for_the_sums_of_all(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = list(offline.all_grants(tree))
    grants = [found for path in paths if (found := offline.parse_file(tree, path).grant)]
    seen: Counter[str] = Counter()
    parse = offline.parse_file

    def counted(root: Path, path: str) -> Parsed:
        seen[path] += 1
        return parse(root, path)

    monkeypatch.setattr(offline, "parse_file", counted)
    judged = offline.judge_offline(tree, grants, offline.read_catalogue(tree), now=NOW)
    assert dict.fromkeys(paths, 1) == seen
    for _, evaluation in judged:
        (over,) = [v for v in evaluation.violations if v.code == "duration-over-role"]
        assert over.values["seconds"] == 3 * 7 * 3600
