"""Who has access now, until when and why."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from pipeline.clouds.desired import desired
from pipeline.clouds.interface import Foreign
from pipeline.values.binding import Binding
from tests.unit.support_estate import a_grant, quarantine, unknown_to_the_clouds
from tests.unit.support_run import OneRun, a_run
from tests.unit.support_values import HOUR, NOON, binding, window

X = a_grant("x", ticket="PAY-1423")


def rows(run: OneRun, *options: str) -> tuple[list[dict[str, Any]], int]:
    said = run.command("status", "--json", *options)
    return said.documents, said.code


def states(run: OneRun) -> tuple[dict[str, str], int]:
    """Grant and target to state, and the exit code."""
    found, code = rows(run)
    return {f"{row['grant']} {row['target']}": row["state"] for row in found}, code


def test_a_live_binding_is_shown_with_its_grant_reason_and_end() -> None:
    run = a_run(live=[X], holding=[X], now=NOON + HOUR / 2)
    found, code = rows(run)
    assert code == 0
    assert found == [
        {
            "subject": "alice",
            "target": "gcp/prod",
            "role": "reader",
            "state": "live",
            "start": "2026-11-20T12:00:00Z",
            "end": "2026-11-20T14:00:00Z",
            "left": "1h30m",
            "ends_in": "cloud",
            "grant": "alice/x",
            "pull": 11,
            "approvers": ["carol"],
            "reason": "Payouts are stuck",
            "ticket": "PAY-1423",
        }
    ]


def test_access_that_begins_later_is_scheduled() -> None:
    ahead = a_grant("x", held=window(1, 2))
    assert states(a_run(live=[ahead], holding=[ahead])) == ({"alice/x gcp/prod": "scheduled"}, 0)
    begun = a_run(live=[ahead], holding=[ahead], now=NOON + HOUR)
    assert states(begun) == ({"alice/x gcp/prod": "live"}, 0)


def test_access_that_is_wanted_and_not_there_is_missing() -> None:
    assert states(a_run(live=[X])) == ({"alice/x gcp/prod": "missing"}, 1)


def test_access_that_reads_otherwise_than_written_is_altered_and_shows_what_is_held() -> None:
    run = a_run(live=[X], holding=[a_grant("x", held=window(0, 5))])
    (row,), code = rows(run)
    assert (row["state"], row["end"], code) == ("altered", "2026-11-20T17:00:00Z", 1)


def test_access_that_nothing_asks_for_is_surplus() -> None:
    run = a_run(holding=[X])
    (row,), code = rows(run)
    assert (row["state"], row["subject"], row["grant"], code) == ("surplus", "alice", "alice/x", 1)
    assert (row["pull"], row["approvers"], row["reason"], row["ticket"]) == (None, [], None, None)


def test_what_lapsed_is_surplus_while_a_cloud_still_lists_it() -> None:
    run = a_run(lapsed=[X], holding=[X], now=NOON + 3 * HOUR)
    (row,), code = rows(run)
    assert (row["state"], row["left"], code) == ("surplus", "ended", 1)


def test_nothing_is_known_of_a_target_that_could_not_be_listed() -> None:
    run = a_run(live=[a_grant("x", "gcp/prod", "aws/prod")], down={"gcp/prod": "503"})
    found = {"alice/x aws/prod": "missing", "alice/x gcp/prod": "unknown"}
    assert states(run) == (found, 3)


def test_three_is_for_any_target_that_could_not_be_listed() -> None:
    run = a_run(live=[X], holding=[X], down={"aws/dev": "503"})
    assert states(run) == ({"alice/x gcp/prod": "live"}, 3)


def test_a_binding_without_an_end_shows_that_only_we_would_end_it() -> None:
    held = binding(target="gcp/dev", endless=True, grants=("alice/old",))
    (row,), code = rows(a_run(holding=[held]))
    assert (row["ends_in"], row["left"], row["start"], row["end"]) == (
        "pipeline",
        "no end",
        None,
        None,
    )
    assert code == 1


def test_a_binding_that_several_grants_share_is_shown_for_each_with_its_own_end() -> None:
    x, y = a_grant("x", "azure/prod"), a_grant("y", "azure/prod", held=window(1, 4))
    run = a_run(live=[x, y], holding=desired([x, y], now=NOON).bindings)
    found, code = rows(run)
    assert [(row["grant"], row["pull"]) for row in found] == [("alice/x", 11), ("alice/y", 12)]
    assert [row["end"] for row in found] == ["2026-11-20T14:00:00Z", "2026-11-20T16:00:00Z"]
    assert code == 0


def test_an_extended_grant_names_the_pull_request_that_extended_it() -> None:
    longer = a_grant("x", held=window(0, 3))
    run = a_run(live=[X]).again(live=[longer], holding=[longer])
    assert [row["pull"] for row in rows(run)[0]] == [12]


@pytest.mark.parametrize(
    "options, expected",
    [
        ((), ["alice/x", "alice/x", "bob/y"]),
        (("--subject", "bob"), ["bob/y"]),
        (("--target", "aws/prod"), ["alice/x"]),
        (("--subject", "bob", "--target", "aws/prod"), []),
        (("--role", "reader"), ["alice/x", "alice/x", "bob/y"]),
    ],
)
def test_one_subject_or_target_may_be_asked_about(
    options: tuple[str, ...], expected: list[str]
) -> None:
    both = [a_grant("x", "gcp/prod", "aws/prod"), a_grant("y", subject="bob")]
    found, code = rows(a_run(live=both, holding=both), *options)
    assert sorted(row["grant"] for row in found) == expected
    assert code == 0


@pytest.mark.parametrize(
    "options, said",
    [
        (("--subject", "alcie"), "'alcie' is no subject .*; did you mean \"alice\"\\?"),
        (("--target", "aws/prd"), "'aws/prd' is no target .*; did you mean \"aws/prod\"\\?"),
        (("--role", "raeder"), "'raeder' is no role .*; did you mean \"reader\"\\?"),
        (("--subject", "nobody-like-that"), "'nobody-like-that' is no subject of the catalogue"),
    ],
)
def test_a_name_that_nobody_knows_is_no_answer(options: tuple[str, ...], said: str) -> None:
    found = a_run(live=[X], holding=[X]).command("status", *options)
    assert found.code == 2
    assert re.search(said, str(found.error))
    assert found.out == ""


def test_who_left_may_still_be_looked_for() -> None:
    held = binding(target="gcp/dev", grants=("zoe/old",))
    run = a_run(holding=[held])
    assert run.command("status", "--subject", run_subject(held)).code == 1
    gone = a_run()
    gone.world.write_state(("yve/old", "c" * 40), "ended")
    said = gone.again().command("status", "--subject", "yve")
    assert (said.out, said.code) == ("nobody has access: subject yve\n", 0)
    assert "only subject yve" in said.err


def run_subject(held: Binding) -> str:
    """Who a binding that nothing asks for is shown for."""
    return held.principal


def test_what_begins_later_says_from_when() -> None:
    ahead = a_grant("x", held=window(1, 2))
    header, line = a_run(live=[ahead], holding=[ahead]).command("status").out.splitlines()
    assert header.split()[4] == "FROM"
    assert line.split()[4] == "2026-11-20T13:00:00Z"


def test_what_was_not_asked_about_does_not_count_for_the_exit_code() -> None:
    run = a_run(live=[X, a_grant("y", subject="bob")], holding=[X])
    assert rows(run, "--subject", "alice")[1] == 0
    assert rows(run, "--subject", "bob")[1] == 1


def test_status_writes_nothing_anywhere() -> None:
    run = a_run(live=[X], quarantined=[quarantine()])
    run.command("status")
    assert run.world.done == ["list aws", "list azure", "list gcp"]


def test_people_see_a_table_and_what_is_wrong() -> None:
    run = a_run(live=[X], holding=[X], quarantined=[quarantine()], down={"aws/dev": "503"})
    said = run.command("status")
    header, line = said.out.splitlines()
    assert " ".join(header.split()) == "SUBJECT TARGET ROLE STATE LEFT UNTIL GRANT PR REASON"
    assert " ".join(line.split()) == (
        "alice gcp/prod reader live 2h00m 2026-11-20T14:00:00Z alice/x #11 Payouts are stuck"
    )
    assert "! access/grants/bob/y.yaml is quarantined: nobody approved it\n" in said.err
    assert "! aws/dev could not be listed: 503\n" in said.err
    assert said.code == 3


def test_people_see_a_dash_for_what_is_not_known() -> None:
    held = binding(target="gcp/dev", endless=True, grants=("alice/old",))
    said = a_run(holding=[held]).command("status")
    assert said.out.splitlines()[1].split()[-5:] == ["end", "–", "alice/old", "–", "–"]


def test_a_long_reason_is_cut_for_people_only() -> None:
    long = replace(X, grant=replace(X.grant, reason="r" * 51))
    run = a_run(live=[long], holding=[long])
    assert f"{'r' * 49}…" in run.command("status").out
    assert rows(a_run(live=[long], holding=[long]))[0][0]["reason"] == "r" * 51


def test_an_empty_estate_says_that_nobody_has_access() -> None:
    said = a_run().command("status")
    assert (said.out, said.code) == ("nobody has access\n", 0)


def test_a_plan_names_its_changes_and_is_one_where_there_are_any() -> None:
    run = a_run(live=[X, a_grant("y", held=window(0, 3))], holding=[a_grant("y"), a_grant("z")])
    said = run.command("plan")
    assert [line[:20] for line in said.out.splitlines()] == [
        "- gcp/prod reader al",
        "~ gcp/prod reader al",
        "+ gcp/prod reader al",
    ]
    assert said.code == 1
    assert run.world.record.messages == []


def test_a_plan_of_an_estate_that_is_right_is_empty() -> None:
    said = a_run(live=[X], holding=[X]).command("plan")
    assert (said.out, said.code) == ("nothing to change\n", 0)


def test_a_plan_is_no_success_while_anything_is_held_quarantined_or_unlisted() -> None:
    down = {"gcp/prod": "503"}
    assert a_run(quarantined=[quarantine()]).command("plan").code == 1
    held = a_run(live=[X], ungoverned=[quarantine("policies/a.rego")]).command("plan")
    assert held.code == 1
    assert "! alice/x waits: policies/a.rego is not proven" in held.out
    assert a_run(live=[X], down=down).command("plan").code == 3


def test_a_plan_tells_people_everything_that_is_not_as_it_should_be() -> None:
    early, late = (
        a_grant("y", "azure/prod", held=window(0, 1)),
        a_grant("z", "azure/prod", held=window(2, 3)),
    )
    run = a_run(
        live=[unknown_to_the_clouds(X), early, late],
        quarantined=[quarantine()],
        down={"aws/dev": "503"},
    )
    run.world.clouds["gcp"].foreign = (  # type: ignore[index]
        Foreign(target="gcp/prod", handle="roles/x", why="no mark"),  # type: ignore[arg-type]
    )
    said = run.command("plan").out
    assert "! alice/x waits: grant alice/x, target gcp/prod" in said
    assert "! alice/z on azure/prod: Azure holds one assignment" in said
    assert "! access/grants/bob/y.yaml is quarantined: nobody approved it\n" in said
    assert "? gcp/prod roles/x: no mark\n" in said
    assert "! aws/dev could not be listed: 503\n" in said


def test_a_plan_is_one_document_for_tools() -> None:
    run = a_run(live=[unknown_to_the_clouds(X), a_grant("y")], quarantined=[quarantine()])
    (document,) = run.command("plan", "--json").documents
    assert document["digest"] == run.plan.digest
    assert [one["binding"]["grants"] for one in document["changes"]] == [["alice/y"]]
    assert document["refused"][0]["grant"] == "alice/x"
    assert document["quarantined"][0]["reasons"] == ["nobody approved it"]
    assert (document["foreign"], document["unreachable"], document["held"]) == ([], [], [])
