"""`scripts/mutation/mutate_python.py`: what it changes, whom it asks, and what it exits with."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from scripts.mutation import mutate_python as mutate
from scripts.mutation.python_forks import Loaded, Measured, Verdict
from scripts.mutation.python_mutants import Mutant, mutants

ROOT = Path(__file__).parents[2]
TOY = '''"""A toy."""

LIMIT = 3
__all__ = ["1"]


def big(values: list[int], most: int = LIMIT) -> bool:
    """Says so."""
    if not values:
        raise ValueError("no 2")
    for value in values:
        if value is None and most:
            continue
    return len(values) > most


class Box:
    size: int = 5

    def fits(self, others):
        while self.size in others:
            break
        return [one for one in others if one.fits] if others else True
'''


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[ModuleType]:
    (tmp_path / "toy.py").write_text(TOY, "utf-8")
    spec = importlib.util.spec_from_file_location("toy", tmp_path / "toy.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["toy"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["toy"]


def the(before: str, after: str, text: str = TOY) -> Mutant:
    (found,) = [
        one for one in mutants("toy.py", text) if (one.before, one.after) == (before, after)
    ]
    return found


def test_each_place_that_decides_is_changed_by_itself() -> None:
    found = [(one.line, one.function, one.kind, one.before, one.after) for one in mutants("", TOY)]
    both = "value is None and most"
    choice = "[one for one in others if one.fits] if others else True"
    assert sorted(found) == sorted(
        [
            (3, "", "integer", "LIMIT = 3", "LIMIT = 4"),
            (3, "", "integer", "LIMIT = 3", "LIMIT = 2"),
            (9, "big", "condition", "if not values:", "if True:"),
            (9, "big", "condition", "if not values:", "if False:"),
            (9, "big", "not", "if not values:", "if values:"),
            (10, "big", "leaving", "raise ValueError('no 2')", "pass"),
            (12, "big", "condition", f"if {both}:", "if True:"),
            (12, "big", "condition", f"if {both}:", "if False:"),
            (12, "big", "and-or", both, "value is None or most"),
            (12, "big", "condition", both, "True and most"),
            (12, "big", "condition", both, "value is None and True"),
            (12, "big", "comparison", "value is None", "value is not None"),
            (13, "big", "leaving", "continue", "pass"),
            (14, "big", "comparison", "len(values) > most", "len(values) >= most"),
            (21, "Box.fits", "condition", "while self.size in others:", "while False:"),
            (21, "Box.fits", "comparison", "self.size in others", "self.size not in others"),
            (22, "Box.fits", "leaving", "break", "pass"),
            (23, "Box.fits", "condition", choice, choice.replace("if others", "if True")),
            (23, "Box.fits", "condition", choice, choice.replace("if others", "if False")),
            (23, "Box.fits", "truth", choice, choice.replace("else True", "else False")),
            *(
                (23, "Box.fits", "condition", "for one in others if one.fits", after)
                for after in ("for one in others if True", "for one in others if False")
            ),
        ]
    )


def test_a_condition_says_all_there_is_to_say_when_it_always_holds() -> None:
    text = "def f(a, b):\n    match a:\n        case 1 if a or b:\n            return f'{a - 1}'\n"
    found = {(one.kind, one.before, one.after) for one in mutants("", text)}
    assert {
        ("condition", "case 1 if a or b:", "case 1 if True:"),
        ("condition", "case 1 if a or b:", "case 1 if False:"),
        ("condition", "a or b", "False or b"),
        ("condition", "a or b", "a or False"),
        ("and-or", "a or b", "a and b"),
        ("integer", "a - 1", "a - 2"),
        ("integer", "a - 1", "a - 0"),
        ("leaving", "return f'{a - 1}'", "pass"),
    } == found


def test_of_a_long_line_what_differs_is_shown() -> None:
    long = ", ".join(["value"] * 40)
    (more, _) = mutants("", f"def f():\n    return g({long}, 7, {long})\n")
    assert len(more.before) < 140
    assert more.before.replace(", 7,", ", 8,") == more.after
    assert (more.before[0], more.before[-1]) == ("…", "…")


def test_a_mutant_is_the_module_with_its_change_and_leaves_the_tree(toy: ModuleType) -> None:
    widened = the("len(values) > most", "len(values) >= most")
    for _ in range(2):
        space: dict[str, object] = {}
        exec(widened.code(), space)  # noqa: S102
        assert space["big"]([1, 2, 3])  # type: ignore[operator]
    assert not toy.big([1, 2, 3])


def test_a_loaded_function_gets_other_code_wherever_it_is_held(
    toy: ModuleType, tmp_path: Path
) -> None:
    held, fits = toy.big, toy.Box().fits
    loaded = Loaded(tmp_path)
    loaded.change(the("len(values) > most", "len(values) >= most"))
    assert held([1, 2, 3])
    loaded.change(the("self.size in others", "self.size not in others"))
    assert fits([]) is True
    with pytest.raises(LookupError):
        Loaded(tmp_path / "elsewhere").change(the("continue", "pass"))


def test_a_constant_is_changed_where_it_was_imported_and_as_a_default(
    toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = ModuleType("other")
    other.LIMIT = toy.LIMIT  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "other", other)
    Loaded(tmp_path).change(the("LIMIT = 3", "LIMIT = 2"))
    assert (toy.LIMIT, other.LIMIT) == (2, 2)  # type: ignore[attr-defined]
    assert toy.big([1, 2, 3])


def test_the_tests_that_run_a_line_are_asked_and_the_fastest_first() -> None:
    measured = Measured(
        failed=(),
        seconds={"slow": 2.0, "fast": 0.1, "other": 0.2},
        runs={"toy.py": {14: ["", "slow", "fast"], 3: ["other"]}},
    )
    assert measured.tests_of(the("len(values) > most", "len(values) >= most")) == ["fast", "slow"]
    assert measured.tests_of(the("continue", "pass")) == []
    assert measured.tests_of(the("LIMIT = 3", "LIMIT = 4")) == ["fast", "other", "slow"]


def test_a_test_of_a_module_can_notice_and_a_whole_command_is_not_asked() -> None:
    found = mutate.candidates(["pipeline/judge/decide.py"], "test_[dw]*.py")
    assert [path.name for path in found] == ["test_decide.py"]
    there = [path.name for path in (ROOT / "tests" / "unit").glob("test_*.py")]
    assert [
        start
        for start in mutate.WHOLE_COMMANDS
        if not any(name.startswith(start) for name in there)
    ] == []


def test_what_is_said_to_be_equivalent_is_a_mutant() -> None:
    assert [name for name in mutate.MODULES if not (ROOT / f"pipeline/{name}.py").is_file()] == []
    paths = {path for path, *_ in mutate.EQUIVALENT}
    there = {
        (one.path, one.function, one.before, one.after)
        for path in paths
        for one in mutate.chosen_mutants(path)
    }
    assert [key for key in mutate.EQUIVALENT if key not in there] == []


@pytest.mark.parametrize(
    "noticed, equivalent, code",
    [(True, False, 0), (False, False, 1), (False, True, 0), (True, True, 1)],
)
def test_whatever_goes_unnoticed_without_a_reason_fails(
    noticed: bool, equivalent: bool, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = the("continue", "pass")
    if equivalent:
        key = (one.path, one.function, one.before, one.after)
        monkeypatch.setitem(mutate.EQUIVALENT, key, "nothing comes after it")
    out = io.StringIO()
    verdict = Verdict(mutant=one, tests=2, noticed=noticed)
    assert mutate.report([verdict], out, as_json=True) == code
    told = json.loads(out.getvalue())
    assert told["modules"] == {"toy.py": {"noticed": int(noticed), "of": 1}}
    assert len(told["survivors"]) == (not noticed and not equivalent)
    assert len(told["equivalent"]) == (not noticed and equivalent)


def test_no_mutants_prove_nothing() -> None:
    assert mutate.report([], io.StringIO(), as_json=False) == 1


RUN = """
import sys
from pathlib import Path
import pytest
from scripts.mutation.python_forks import Mutating
from scripts.mutation.python_mutants import mutants

here = Path.cwd()
sys.path.insert(0, str(here))
chosen = list(mutants("toy.py", Path("toy.py").read_text()))
mutating = Mutating(here, chosen, 2, lambda verdict, number: None)
pytest.main(["-qq", "-p", "no:cacheprovider", "test_toy.py"], plugins=[mutating])
for one in mutating.verdicts:
    print(one.mutant.kind, one.mutant.after, one.tests, one.noticed, sep="|")
print(mutating.measured.failed)
"""


def test_a_toy_is_tried_from_end_to_end(tmp_path: Path) -> None:
    (tmp_path / "toy.py").write_text(
        "def big(value):\n    return value > 3\n\n\ndef dead():\n    return 1\n", "utf-8"
    )
    (tmp_path / "test_toy.py").write_text(
        "from toy import big\n\ndef test_it():\n    assert big(5)\n    assert not big(3)\n", "utf-8"
    )
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert sorted(done.stdout.splitlines()[-6:]) == [
        "()",
        "comparison|value >= 3|1|True",
        "integer|return 0|0|False",
        "integer|return 2|0|False",
        "integer|value > 2|1|True",
        "integer|value > 4|1|False",
    ], done.stdout + done.stderr
