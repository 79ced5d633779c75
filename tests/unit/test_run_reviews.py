"""Every use of emergency access gets its review, opened once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipeline.errors import ForgeError
from pipeline.values.live import LiveGrant
from tests.unit.support_estate import a_grant
from tests.unit.support_run import OneRun, World, a_run
from tests.unit.support_values import NOON, window

FIRE = a_grant("fire", emergency=True)
CALM = a_grant("fire")
DAY = timedelta(days=1)


def review_of(run: OneRun, grant: str = "alice/fire") -> str:
    """Where the review of a grant's present life lies."""
    return f"access/reviews/{grant}-{run.life(grant)[1][:8]}.yaml"


def reviewed(commit: str) -> str:
    return f"grant: alice/fire\ncommit: {commit}\nfinding: justified\nnotes: It was a fire.\n"


def test_a_use_of_emergency_access_gets_a_pull_request_that_adds_its_review() -> None:
    run = a_run(live=[FIRE])
    assert run.opens_reviews() == {"alice/fire": 900}
    opened = run.world.forge.opened[900]
    commit = run.life("alice/fire")[1]
    assert list(opened.write) == [review_of(run)]
    assert f"grant: alice/fire\ncommit: {commit}\n" in opened.write[review_of(run)]
    assert (opened.base, opened.base_sha, opened.delete) == ("main", run.world.tip, ())
    assert opened.branch.startswith(f"daypass/review-{commit[:8]}-")
    assert opened.title == "Review the emergency access alice/fire"


def test_ordinary_grants_get_no_review() -> None:
    run = a_run(live=[a_grant("x"), a_grant("y")])
    assert run.opens_reviews() == {}
    assert run.world.forge.opened == {}


def test_every_use_gets_a_pull_request_of_its_own() -> None:
    flood = a_grant("flood", emergency=True, subject="bob")
    run = a_run(live=[FIRE, a_grant("x"), flood])
    assert run.opens_reviews() == {"alice/fire": 900, "bob/flood": 901}


def test_a_review_is_opened_whether_the_use_is_live_lapsed_or_unproven() -> None:
    lapsed = a_grant("fire", emergency=True, held=window(-2, 0))
    assert list(a_run(lapsed=[lapsed]).opens_reviews()) == ["alice/fire"]
    # A grant that nothing proves stands in no list of the run, and was used all the same.
    assert list(a_run(burning(), unproven=["alice/fire"]).opens_reviews()) == ["alice/fire"]


def burning() -> World:
    return a_run(live=[FIRE]).world


def test_a_review_that_is_open_is_not_opened_again() -> None:
    first = a_run(live=[FIRE])
    first.opens_reviews()
    assert first.again(live=[FIRE]).opens_reviews() == {}
    assert list(first.world.forge.opened) == [900]


def test_a_use_that_was_reviewed_needs_no_other_review() -> None:
    first = a_run(live=[FIRE])
    first.world.merge({review_of(first): reviewed(first.life("alice/fire")[1])})
    assert first.again(live=[FIRE]).opens_reviews() == {}


def test_the_review_of_one_life_is_not_that_of_the_next() -> None:
    first = a_run(live=[FIRE])
    first.world.merge({review_of(first): reviewed(first.life("alice/fire")[1])})
    first.again()
    run = first.again(live=[FIRE])
    assert run.opens_reviews() == {"alice/fire": 900}
    assert list(run.world.forge.opened[900].write) == [review_of(run)]


def test_two_lives_of_one_path_are_both_reviewed() -> None:
    first = a_run(live=[FIRE])
    first.again()
    run = first.again(live=[FIRE])
    run.opens_reviews()
    paths = {path for one in run.world.forge.opened.values() for path in one.write}
    assert paths == {review_of(first), review_of(run)}


@pytest.mark.parametrize("first, last", [(FIRE, CALM), (CALM, FIRE)])
def test_one_version_that_says_emergency_is_enough(first: LiveGrant, last: LiveGrant) -> None:
    run = a_run(live=[first]).again(live=[last])
    assert list(run.opens_reviews()) == ["alice/fire"]


def test_a_use_that_was_removed_is_looked_back_at_for_a_week() -> None:
    world = burning()
    a_run(world)
    just_before = a_run(world, now=NOON + 7 * DAY - timedelta(seconds=1))
    assert list(just_before.opens_reviews()) == ["alice/fire"]
    world.forge.opened.clear()
    assert a_run(world, now=NOON + 7 * DAY).opens_reviews() == {}


def test_a_use_that_stands_on_the_branch_is_never_too_old() -> None:
    world = burning()
    run = a_run(world, lapsed=[FIRE], now=NOON + 365 * DAY)
    assert list(run.opens_reviews()) == ["alice/fire"]


def test_a_broken_catalogue_asks_for_one_review_too_many_never_too_few() -> None:
    first = a_run(live=[FIRE])
    first.world.merge({review_of(first): reviewed(first.life("alice/fire")[1])})
    first.world.merge({"access/targets/gcp.yaml": "prod: ["})
    assert list(first.again(live=[FIRE]).opens_reviews()) == ["alice/fire"]


def test_a_review_pull_request_that_was_pushed_too_much_to_counts_as_none() -> None:
    first = a_run(live=[FIRE])
    first.opens_reviews()
    first.world.forge.endless.add(900)
    run = first.again(live=[FIRE])
    assert run.opens_reviews() == {"alice/fire": 901}
    assert "#900 is left aside" in run.err


def test_a_file_that_cannot_be_read_is_no_use() -> None:
    world = World()
    world.merge({"access/grants/alice/fire.yaml": "emergency: ["})
    assert a_run(world, unproven=["alice/fire"]).opens_reviews() == {}


def test_a_pull_request_that_cannot_be_opened_is_left_to_a_later_run() -> None:
    run = a_run(live=[FIRE])
    run.world.forge.closed = True
    with pytest.raises(ForgeError):
        run.opens_reviews()
    run.world.forge.closed = False
    assert run.again(live=[FIRE]).opens_reviews() == {"alice/fire": 900}


def test_apply_opens_reviews_after_it_has_converged_and_says_so() -> None:
    run = a_run(live=[FIRE])
    said = run.command("apply")
    assert run.world.done[-2:] == ["Record the state of 1 grants", "open #900"]
    assert "#900 asks two people to review the emergency access alice/fire\n" in said.out
    assert said.code == 0
    assert run.again(live=[FIRE]).command("apply", "--json").documents[0]["reviews"] == {}
