"""Changes of the policies that are fine alone and broken together."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.support_faults import give_up
from tests.e2e.support_world import Acme, grant, path_of, policies

LOGS = ("gcp/sandbox-dev", "log-viewer")
ONE = path_of("erin/one")
REVIEWERS = "policies/settings/reviewers/data.yaml"
NOTED = """package access.decision

_evaluated contains "mfa-missing" if data.lib.note.most > 0
"""
PAIRS = {
    # Settings that stand at two places.
    "settings": (
        {"policies/settings/extra/data.yaml": "most: 1\n"},
        {"policies/settings/data.yaml": "extra: {most: 2}\n"},
    ),
    # A rule with two values: both engines load it, and neither answers.
    "conflict": (
        {
            "policies/lib/note/one.rego": "package lib.note\n\nmost := 1 if input.kind\n",
            "policies/access/decision/noted.rego": NOTED,
        },
        {"policies/lib/note/two.rego": "package lib.note\n\nmost := 2 if input.kind\n"},
    ),
    # What is recursive only OPA refuses, whether anybody asks or not.
    "recursion": (
        {"policies/lib/one/one.rego": "package lib.one\n\na := data.lib.two.b\n"},
        {"policies/lib/two/two.rego": "package lib.two\n\nb := data.lib.one.a\n"},
    ),
}


def break_together(acme: Acme, name: str) -> None:
    """Merges two changes of the policies, each checked before either was there."""
    numbers = []
    for branch, files in zip(("left", "right"), PAIRS[name], strict=True):
        number = acme.request("alice", branch, files, title="Change policies")
        acme.approve(number, "carol")
        checked = acme.check(number, merge=False)
        assert checked.code == 0, checked
        numbers.append(number)
    for number in numbers:
        acme.person("alice").merge(number)


def repair(acme: Acme, name: str) -> int:
    """Asks to take the second change back."""
    files = dict.fromkeys(PAIRS[name][1])
    return acme.request("alice", "repair", files, title="Take it back")


def lived_through(acme: Acme, broken: str) -> None:
    """Policies break, somebody asks, somebody gives up, and the policies are repaired."""
    acme.landed("alice", "alice/one", grant())
    acme.landed("bob", "bob/one", grant("bob"))
    assert acme.apply().code == 0
    break_together(acme, broken)
    # Who asks learns it; who merges all the same is alone in quarantine.
    number = acme.request("erin", "ask", {ONE: grant("erin")})
    asked = acme.check(number)
    assert (asked.code, asked.said["verdict"]) == (2, "invalid")
    assert asked.said["problems"][0]["path"].startswith("policies")
    acme.bypass()
    acme.person("erin").merge(number)
    give_up(acme, "alice", "alice/one")
    applied = acme.apply()
    assert applied.code == 1, applied
    assert list(acme.quarantined(applied)) == [ONE]
    assert not acme.may("alice", *LOGS)
    assert not acme.may("erin", *LOGS)
    assert acme.may("bob", *LOGS)
    number = repair(acme, broken)
    assert acme.check(number).said["verdict"] == "waiting"
    acme.approve(number, "carol")
    assert acme.check(number).code == 0
    acme.person("alice").merge(number)
    acme.landed("carol", "carol/one", grant("carol"))
    assert list(acme.quarantined(acme.apply())) == [ONE]
    assert acme.may("carol", *LOGS)
    assert not acme.may("erin", *LOGS)


def test_broken_together_policies_give_nothing_hold_up_no_removal_and_can_be_repaired(
    acme: Acme,
) -> None:
    lived_through(acme, "conflict")


def test_so_it_is_with_policies_that_only_the_reference_engine_refuses(
    acme: Acme, opa_binary: Path
) -> None:
    lived_through(acme, "recursion")


def test_policies_that_the_reference_engine_would_not_load_are_refused_at_their_line(
    acme: Acme, opa_binary: Path
) -> None:
    files = {path: text for part in PAIRS["recursion"] for path, text in part.items()}
    number = acme.request("alice", "loop", files)
    acme.approve(number, "carol")
    checked = acme.check(number)
    assert (checked.code, checked.said["merged"]) == (2, None)
    told = [(one["path"], one["line"]) for one in checked.said["problems"]]
    assert told == [(path, 3) for path in files]


def test_policies_pushed_around_the_review_never_stand_in_for_broken_ones(acme: Acme) -> None:
    text = policies()["settings/reviewers/data.yaml"]
    weak = text.replace("security_teams: [security]", "security_teams: [security, payments-leads]")
    assert weak != text
    break_together(acme, "settings")
    ((path, extra),) = PAIRS["settings"][1].items()
    acme.bypass()
    # For a moment there were policies that could be read and let payments-leads decide.
    acme.push("mallory", {path: None, REVIEWERS: weak})
    acme.push("mallory", {path: extra, REVIEWERS: text})
    number = acme.request("mallory", "repair", {path: None, REVIEWERS: weak})
    acme.approve(number, "bob")
    assert acme.check(number).said["verdict"] == "waiting"
    acme.person("mallory").merge(number)
    assert set(acme.quarantined(acme.apply())) == {path, REVIEWERS}
