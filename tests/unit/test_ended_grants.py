"""Live grants that a change of the catalogue ends, as its reviewers are told."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.errors import ForgeError
from pipeline.history.proven import BranchState
from pipeline.history.sources import Sources
from pipeline.judge.assessment import Assessment
from pipeline.judge.ended_grants import EndedGrant, ended_grants
from pipeline.output.assessments import assessment_document
from pipeline.output.ended import MOST_NAMED, ended_texts
from pipeline.output.markdown import check_comment
from pipeline.run.check_pull import with_ended_grants
from tests.unit.support_branch import NOON, PAYOUTS, REPORTS, Branch
from tests.unit.support_memory import Files
from tests.unit.support_tiny_rules import (
    BOB,
    CAROL,
    ROLES,
    START,
    TARGETS,
    TEAMS,
    grant,
    principal,
)

ALICES = "access/principals/alice.yaml"
BOTH = grant(roles=("log-viewer", "table-reader"))


@pytest.fixture
def branch() -> Branch:
    """A branch on which alice holds two roles, and bob one of them."""
    found = Branch()
    found.bring({PAYOUTS: BOTH}, approved_by=[BOB])
    found.bring({"access/grants/bob/logs.yaml": grant("bob")}, author=BOB)
    return found


def ended(branch: Branch, files: Files, *, behind: bool = False) -> list[str]:
    """Returns in words what a change of *files* ends; with *behind*, of a branch that began before
    the last commit of main."""
    number = branch.propose(files, author=CAROL)
    head = branch.forge.pulls[number].head_sha
    if behind:
        branch.govern({ROLES: START[ROLES] + "new: {title: N, risk: low, max_duration: 1h, "
                       "permissions: {role: roles/new.viewer}}\n"})  # fmt: skip
    before = branch.git.merge_base(branch.tip, head)
    found = ended_grants(branch.stand().live, Sources(branch.git), before=before, head=head)
    return [text.replace(" UTC", "").partition(": ")[2] or text for text in ended_texts(found)]


def without(text: str, name: str) -> str:
    return "".join(line for line in text.splitlines(True) if not line.startswith(name))


@pytest.mark.parametrize(
    "files, ends",
    [
        ({ROLES: without(START[ROLES], "table-reader")}, ["gcp/prod table-reader"]),
        (
            {ROLES: START[ROLES].replace("logging.viewer", "logging.admin")},
            ["gcp/prod log-viewer", "all of it"],
        ),
        ({TARGETS: START[TARGETS].replace("acme-prod", "acme-else")}, ["all of it"] * 2),
        ({ALICES: None}, ["all of it"]),
        ({ALICES: START[ALICES] + "disabled: true\n"}, ["all of it"]),
        ({ALICES: principal("alice", 77)}, ["all of it"]),
        ({ALICES: START[ALICES].replace("alice@", "alice2@")}, ["all of it"]),
        # What only new requests are asked for ends nothing.
        ({ROLES: START[ROLES].replace("risk: low", "risk: high")}, []),
        ({"access/principals/carol.yaml": None}, []),
        ({"README.md": "words\n"}, []),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else None,
)
@pytest.mark.parametrize("behind", [False, True])
def test_a_change_of_the_catalogue_names_what_it_ends_and_nothing_else(
    branch: Branch, files: dict[str, Any], ends: list[str], behind: bool
) -> None:
    assert ended(branch, files, behind=behind) == ends


def test_what_main_took_off_since_is_not_the_doing_of_an_older_branch(branch: Branch) -> None:
    number = branch.propose({"access/principals/carol.yaml": None}, author=CAROL)
    head = branch.forge.pulls[number].head_sha
    before = branch.git.merge_base(branch.tip, head)
    branch.govern({ROLES: without(START[ROLES], "table-reader")})
    live = branch.stand().live
    assert ended_grants(live, Sources(branch.git), before=before, head=head) == ()


class Run:
    """A run that proves the branch only when it is asked about it."""

    def __init__(self, proven: Branch, error: Exception | None = None) -> None:
        self._proven, self._error = proven, error
        self.workspace = SimpleNamespace(repository=proven.git, sources=Sources(proven.git))

    @property
    def branch(self) -> BranchState:
        if self._error:
            raise self._error
        return self._proven.stand()


def told_of(branch: Branch, assessment: Assessment, error: Exception | None = None) -> Assessment:
    run: Any = Run(branch, error)
    return with_ended_grants(run, assessment)


def test_reviewers_are_told_and_the_verdict_stays_as_it_is(branch: Branch) -> None:
    number = branch.propose({ROLES: without(START[ROLES], "table-reader")}, author=CAROL)
    plain = branch.assess(number)
    told = told_of(branch, plain)
    (one,) = told.ends
    assert told.decision == plain.decision
    assert told.digest == plain.digest
    assert "**Merging it ends access that people have now:**" in check_comment(told)
    (document,) = assessment_document(told)["ends"]
    assert document["lines"] == [{"target": "gcp/prod", "role": "table-reader", "whole": True}]
    assert (document["grant"], document["whole"]) == ("alice/payouts", False)
    assert one.end > NOON


def test_what_cannot_be_found_out_is_said_and_holds_up_nothing(branch: Branch) -> None:
    number = branch.propose({ROLES: without(START[ROLES], "table-reader")}, author=CAROL)
    plain = branch.assess(number)
    told = told_of(branch, plain, ForgeError("GitHub is away"))
    assert told == replace(plain, ends_unknown="GitHub is away")
    assert "is not known: GitHub is away" in check_comment(told)


@pytest.mark.parametrize(
    "files",
    [
        {REPORTS: grant()},
        {"access/principals/erin.yaml": principal("erin", 8)},
        {TEAMS: START[TEAMS] + "more: {id: 73, title: More}\n"},
    ],
)
def test_of_what_only_adds_to_the_catalogue_nothing_is_asked(branch: Branch, files: Files) -> None:
    number = branch.propose(files, author=CAROL)
    plain = branch.assess(number)
    assert told_of(branch, plain, AssertionError("asked")) == plain


def test_only_so_many_are_named_and_the_number_of_the_others(branch: Branch) -> None:
    number = branch.propose({ROLES: without(START[ROLES], "table-reader")}, author=CAROL)
    (one,) = told_of(branch, branch.assess(number)).ends
    many: list[EndedGrant] = [one] * (MOST_NAMED + 3)
    texts = ended_texts(many)
    assert (len(texts), texts[-1]) == (MOST_NAMED + 1, "and 3 more")
    assert len(ended_texts(many[:MOST_NAMED])) == MOST_NAMED
