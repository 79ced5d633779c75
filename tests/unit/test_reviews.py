"""Which uses of emergency access still need their review, and what is proposed."""

from __future__ import annotations

from pipeline.ending.reviews import Use, review_text, unreviewed
from pipeline.grants.annexes import Annexes
from pipeline.reading.scalars import Reading
from pipeline.reading.yaml_strict import Report
from pipeline.values.ids import GrantId

FIRE = Use(grant=GrantId("alice/fire"), commit="1" * 40)
AGAIN = Use(grant=GrantId("alice/fire"), commit="2" * 40)


def test_each_life_of_a_path_needs_its_own_review() -> None:
    reviewed = {("alice/fire", "1" * 40)}
    assert unreviewed([AGAIN, FIRE, FIRE], reviewed=reviewed, open_paths=()) == (AGAIN,)
    assert unreviewed([FIRE, AGAIN], reviewed=(), open_paths=()) == (FIRE, AGAIN)


def test_a_review_that_is_open_is_not_opened_again() -> None:
    assert unreviewed([FIRE], reviewed=(), open_paths=[FIRE.path]) == ()
    assert FIRE.path != AGAIN.path


def test_the_review_says_what_it_is_about() -> None:
    assert FIRE.path == "access/reviews/alice/fire-11111111.yaml"
    assert "grant: alice/fire\n" in FIRE.file
    assert f"commit: {'1' * 40}\n" in FIRE.file
    title, body = review_text(FIRE)
    assert title == "Review the emergency access alice/fire"
    assert "Two people" in body


def test_a_grant_with_the_longest_name_gets_a_review_that_can_be_read() -> None:
    long = Use(grant=GrantId(f"alice/{'x' * 100}"), commit="1" * 40)
    report = Report(long.path)
    annexes = Annexes()
    assert annexes.file(long.path, long.file.encode(), Reading(report))
    assert report.problems == ()
    (review,) = annexes.parts()["reviews"]
    assert (review.grant, review.commit) == (long.grant, long.commit)


def test_branches_of_reviews_cannot_be_taken_beforehand() -> None:
    assert FIRE.branch("a") != FIRE.branch("b")
