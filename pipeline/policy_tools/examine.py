"""Examines the files of policies that nobody may have reviewed yet, as a check does before they
merge.

What only tidies is left to `policy lint`: a repair must not wait for it.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.errors import EngineError, InvalidInput
from pipeline.policy.bundle import load_bundle
from pipeline.policy.engine import PolicyBundle
from pipeline.policy.rego import RegorusEngine
from pipeline.policy_tools.lint import lint_files
from pipeline.policy_tools.run_tests import try_tests
from pipeline.policy_tools.setting_checks import wrong_settings
from pipeline.policy_tools.setting_names import unknown_names
from pipeline.values.catalogue import Catalogue
from pipeline.values.problem import Problem

TIDY = frozenset({"setting-unchecked", "setting-unread", "untested", "unused"})
"""Codes of `lint_files` for what makes no answer wrong."""


def faults_of_text(files: Mapping[str, str]) -> tuple[Problem, ...]:
    """Returns what the text of *files*, path below `policies/` to text, shows: faults of form that
    could make an answer wrong, and foreign built-ins."""
    return tuple(one for one in lint_files(files) if one.code not in TIDY)


def faults_of_answers(files: Mapping[str, str]) -> tuple[Problem, ...]:
    """Returns the settings that are not usable, and where there are none, the tests that fail."""
    try:
        return wrong_settings(files, RegorusEngine) or _failing(files)
    except InvalidInput as error:
        return error.problems
    except EngineError:
        # Told as what the policies do not answer.
        return ()


def misnamed(files: Mapping[str, str], catalogue: Catalogue) -> tuple[Problem, ...]:
    """Returns the names in the settings of *files* that *catalogue* does not know."""
    return unknown_names(
        files,
        calendars=catalogue.calendars,
        rotations=catalogue.rotations,
        teams=catalogue.teams,
    )


def _failing(files: Mapping[str, str]) -> tuple[Problem, ...]:
    bundle = PolicyBundle(
        modules={path: text for path, text in files.items() if path.endswith(".rego")},
        data=load_bundle(files).data,
    )
    return tuple(
        Problem(
            path=one.path,
            line=one.mark.line,
            column=one.mark.column,
            code="test-failed",
            message=f"{one.name} does not pass: {one.why}",
        )
        for one in try_tests(bundle, wanted=lambda _: True, coverage=False)
        if one.why
    )
