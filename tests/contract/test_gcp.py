"""Google Cloud through its real SDK, against a stand-in held to Google's own description."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.oauth2.credentials import Credentials

from pipeline.clouds.gcp.adapter import GcpReader, GcpWriter
from pipeline.clouds.interface import Status
from pipeline.sandbox.clock import Clock
from pipeline.sandbox.gcp import LOST, GcpSandbox
from pipeline.sandbox.server import Server
from pipeline.values.binding import ChangeKind
from pipeline.values.canonical import canonical
from pipeline.values.grant import Window
from pipeline.values.ids import Cloud, GrantId
from tests.contract.support_gcp import Contract
from tests.contract.support_gcp_scenario import (
    ACCOUNTS,
    ALICE,
    BOT,
    END,
    FOREIGN,
    MILLISECOND,
    NOW,
    PROJECT,
    PROJECTS,
    ROLE,
    START,
    WINDOW,
    altered,
    change,
    held,
    may,
    statuses,
    target,
)


@pytest.fixture
def contract() -> Iterator[Contract]:
    judge = Contract()
    yield judge
    assert judge.violations == []


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def cloud(clock: Clock, contract: Contract) -> Iterator[GcpSandbox]:
    with GcpSandbox(
        clock,
        projects=PROJECTS,
        members=ACCOUNTS,
        observer=contract,
    ) as sandbox:
        yield sandbox


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def reader(cloud: GcpSandbox, pauses: list[float]) -> GcpReader:
    return GcpReader(credentials=AnonymousCredentials(), endpoint=cloud.url, pause=pauses.append)


@pytest.fixture
def writer(cloud: GcpSandbox, pauses: list[float]) -> GcpWriter:
    return GcpWriter(credentials=AnonymousCredentials(), endpoint=cloud.url, pause=pauses.append)


def void(_: object) -> None:
    """Discards a value where a callback returns nothing."""


class TestAccessEndsInTheCloud:
    def test_access_holds_inside_the_window_only(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock
    ) -> None:
        assert statuses(writer.write([change()], clock=clock.now)) == [Status.DONE]
        cloud.stop()

        assert not may(cloud, START - MILLISECOND)
        assert may(cloud, START)
        assert may(cloud, END - MILLISECOND)
        assert not may(cloud, END)
        assert not may(cloud, END + timedelta(days=3650))

    def test_without_its_condition_access_would_hold_for_ever(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock
    ) -> None:
        writer.write([change()], clock=clock.now)
        stripped = [{"role": one["role"], "members": one["members"]} for one in held(cloud)]
        cloud.set_policy(PROJECT, stripped)

        assert may(cloud, END + timedelta(days=3650))

    def test_a_service_account_loses_access_at_its_end_too(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock
    ) -> None:
        writer.write([change(member=BOT)], clock=clock.now)

        assert may(cloud, END - MILLISECOND, member=BOT)
        assert not may(cloud, END, member=BOT)
        assert not may(cloud, END - MILLISECOND, member=ALICE)

    def test_an_extension_moves_the_end_in_one_write_and_opens_no_gap(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock, contract: Contract
    ) -> None:
        cloud.set_policy(PROJECT, FOREIGN)
        writer.write([change()], clock=clock.now)
        index = len(held(cloud)) - 1
        later = Window(start=START, end=END + timedelta(hours=1))
        results = writer.write([change(ChangeKind.UPDATE, window=later)], clock=clock.now)

        assert statuses(results) == [Status.DONE]
        assert cloud.count("setIamPolicy") == 2
        assert len(held(cloud)) == index + 1
        assert may(cloud, START)
        assert may(cloud, END)
        assert not may(cloud, later.end)

    def test_a_window_that_has_ended_is_never_written(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock
    ) -> None:
        clock.advance(END - NOW)
        results = writer.write([change(), change(ChangeKind.UPDATE)], clock=clock.now)

        assert statuses(results) == [Status.FAILED, Status.FAILED]
        assert "ended" in results[0].message
        assert cloud.count("setIamPolicy") == 0

    def test_a_window_that_ends_while_waiting_for_a_retry_is_not_written(
        self, cloud: GcpSandbox, clock: Clock
    ) -> None:
        writer = GcpWriter(
            credentials=AnonymousCredentials(),
            endpoint=cloud.url,
            pause=lambda _: void(clock.advance(END - NOW)),
        )
        cloud.fail_next("setIamPolicy", 503)
        (result,) = writer.write([change()], clock=clock.now)

        assert result.status is Status.FAILED
        assert "ended" in result.message
        assert held(cloud) == []

    @pytest.mark.parametrize(
        "document",
        [
            '{"member":"user:alice@example.com","role":"roles/logging.viewer"}',
            "not json",
            "[]",
        ],
    )
    def test_a_document_without_a_condition_is_never_written(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock, document: str
    ) -> None:
        asked = change()
        forged = replace(asked, binding=replace(asked.binding, document=document))

        assert statuses(writer.write([forged], clock=clock.now)) == [Status.FAILED]
        assert cloud.count("setIamPolicy") == 0

    def test_a_condition_that_states_another_end_is_never_written(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock
    ) -> None:
        asked = change()
        for text in ("true", 'request.time < timestamp("2099-01-01T00:00:00Z")'):
            said = json.loads(asked.binding.document)
            said["condition"]["expression"] = text
            forged = replace(asked, binding=replace(asked.binding, document=canonical(said)))
            (result,) = writer.write([forged], clock=clock.now)
            assert result.status is Status.FAILED
        no_end = replace(asked, binding=replace(asked.binding, window=None))
        assert statuses(writer.write([no_end], clock=clock.now)) == [Status.FAILED]
        assert held(cloud) == []


class TestRepeatable:
    def test_creating_what_is_there_writes_nothing(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock
    ) -> None:
        writer.write([change()], clock=clock.now)
        results = writer.write([change(), change()], clock=clock.now)

        assert statuses(results) == [Status.DONE, Status.DONE]
        assert cloud.count("setIamPolicy") == 1
        assert len(held(cloud)) == 1

    def test_deleting_what_is_gone_succeeds(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock
    ) -> None:
        assert statuses(writer.write([change(ChangeKind.DELETE)], clock=clock.now)) == [Status.DONE]
        assert cloud.count("setIamPolicy") == 0

    def test_deleting_works_after_the_end(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock
    ) -> None:
        writer.write([change()], clock=clock.now)
        clock.advance(timedelta(days=2))

        assert statuses(writer.write([change(ChangeKind.DELETE)], clock=clock.now)) == [Status.DONE]
        assert held(cloud) == []

    def test_an_update_of_what_was_removed_by_hand_creates_it(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock
    ) -> None:
        assert statuses(writer.write([change(ChangeKind.UPDATE)], clock=clock.now)) == [Status.DONE]
        assert may(cloud, START)

    def test_an_update_that_only_takes_away_makes_nothing_anew(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock
    ) -> None:
        held_before, sooner = change(), Window(start=START, end=END - timedelta(minutes=30))
        less = replace(change(ChangeKind.UPDATE, window=sooner), before=held_before.binding)
        (result,) = writer.write([less], clock=clock.now)
        assert result.status is Status.FAILED
        assert "it went since it was listed" in result.message
        assert held(cloud) == []
        writer.write([held_before], clock=clock.now)
        assert statuses(writer.write([less], clock=clock.now)) == [Status.DONE]
        assert may(cloud, START)
        assert not may(cloud, sooner.end)

    def test_an_account_that_google_spells_otherwise_is_no_difference(
        self, cloud: GcpSandbox, reader: GcpReader, writer: GcpWriter, clock: Clock
    ) -> None:
        bob = "user:bob.builder@example.com"
        wanted = change(grant="bob/logs", member=bob)
        assert statuses(writer.write([wanted, wanted], clock=clock.now)) == [Status.DONE] * 2
        (seen,) = reader.observe([target()], now=NOW).bindings

        assert held(cloud)[0]["members"] == ["user:Bob.Builder@Example.com"]
        assert seen.document == wanted.binding.document

    def test_what_was_written_reads_back_as_desired(
        self, reader: GcpReader, writer: GcpWriter, clock: Clock
    ) -> None:
        wanted = change()
        writer.write([wanted], clock=clock.now)
        observation = reader.observe([target()], now=NOW)

        assert [one.identity for one in observation.bindings] == [wanted.binding.identity]
        assert observation.bindings[0].document == wanted.binding.document
        assert observation.bindings[0].window == WINDOW
        assert observation.bindings[0].grants == (GrantId("alice/ledger"),)
        assert observation.foreign == ()
        assert observation.unreachable == ()

    def test_overlapping_grants_of_the_same_access_end_apart(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock
    ) -> None:
        longer = Window(start=START, end=END + timedelta(hours=1))
        first, second = change(), change(grant="alice/other", window=longer)
        writer.write([first, second], clock=clock.now)
        writer.write([change(ChangeKind.DELETE)], clock=clock.now)

        assert may(cloud, END)
        assert not may(cloud, longer.end)


class TestCalls:
    def test_200_grants_of_one_project_cost_one_read_and_one_write(
        self, cloud: GcpSandbox, reader: GcpReader, writer: GcpWriter, clock: Clock
    ) -> None:
        cloud.set_policy(PROJECT, FOREIGN)
        changes = [change(grant=f"alice/g{n}", role=f"roles/custom.r{n % 20}") for n in range(200)]
        results = writer.write(changes, clock=clock.now)

        assert statuses(results) == [Status.DONE] * 200
        assert [result.change for result in results] == changes
        assert cloud.count("getIamPolicy") == 1
        assert cloud.count("setIamPolicy") == 1
        assert len(reader.observe([target()], now=NOW).bindings) == 200
        assert cloud.count("getIamPolicy") == 2
        assert held(cloud)[: len(FOREIGN)] == FOREIGN

    def test_projects_are_written_one_by_one_and_fail_apart(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock
    ) -> None:
        dev = target("acme-sandbox-dev", "sandbox-dev")
        gone = target("acme-unknown-zz", "unknown")
        results = writer.write(
            [change(to=dev), change(to=gone), change(), change(grant="alice/two", to=dev)],
            clock=clock.now,
        )

        assert statuses(results) == [Status.DONE, Status.FAILED, Status.DONE, Status.DONE]
        assert "permission" in results[1].message
        assert cloud.count("setIamPolicy", project="acme-sandbox-dev") == 1
        assert cloud.count("setIamPolicy", project="acme-unknown-zz") == 0

    def test_a_change_of_another_cloud_is_refused(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock
    ) -> None:
        asked = change()
        stray = replace(asked, binding=replace(asked.binding, cloud=Cloud.AWS))

        assert statuses(writer.write([stray], clock=clock.now)) == [Status.FAILED]
        assert cloud.exchanges == []

    def test_every_write_carries_etag_and_version_3(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock
    ) -> None:
        writer.write([change()], clock=clock.now)
        read, write = cloud.exchanges

        assert read.request == {"options": {"requestedPolicyVersion": 3}}
        assert write.request["policy"]["version"] == 3
        assert write.request["policy"]["etag"] == read.response["etag"]

    def test_a_bearer_token_is_sent_and_an_unknown_one_fails(
        self, clock: Clock, contract: Contract
    ) -> None:
        with GcpSandbox(
            clock, projects=[PROJECT], members=ACCOUNTS, tokens=["good"], observer=contract
        ) as cloud:
            for token, status in (("good", Status.DONE), ("bad", Status.FAILED)):
                writer = GcpWriter(credentials=Credentials(token=token), endpoint=cloud.url)
                assert statuses(writer.write([change()], clock=clock.now)) == [status]


class TestOthers:
    def test_a_foreign_writer_between_read_and_write_loses_nothing(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock, pauses: list[float]
    ) -> None:
        newcomer = {"role": "roles/browser", "members": ["user:new@example.com"]}
        cloud.set_policy(PROJECT, FOREIGN)
        cloud.before_next("setIamPolicy", lambda: cloud.set_policy(PROJECT, [*FOREIGN, newcomer]))
        results = writer.write([change()], clock=clock.now)

        assert statuses(results) == [Status.DONE]
        assert held(cloud)[:-1] == [*FOREIGN, newcomer]
        assert may(cloud, START)
        assert cloud.count("getIamPolicy") == cloud.count("setIamPolicy") == 2
        assert pauses == [1.0]

    def test_endless_conflicts_are_given_up(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock, pauses: list[float]
    ) -> None:
        cloud.fail_next("setIamPolicy", 409, times=100)
        (result,) = writer.write([change()], clock=clock.now)

        assert result.status is Status.FAILED
        assert "gave up after 6 attempts" in result.message
        assert cloud.count("setIamPolicy") == 6
        assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0]

    def test_foreign_bindings_and_deleted_members_stay_as_they_are(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock
    ) -> None:
        cloud.set_policy(PROJECT, FOREIGN)
        writer.write([change()], clock=clock.now)
        assert held(cloud)[:-1] == FOREIGN
        writer.write([change(ChangeKind.DELETE)], clock=clock.now)
        assert held(cloud) == FOREIGN

    def test_standing_access_beside_ours_is_reported(
        self, cloud: GcpSandbox, reader: GcpReader, writer: GcpWriter, clock: Clock
    ) -> None:
        cloud.set_policy(PROJECT, [{"role": ROLE, "members": ["user:ALICE@example.com"]}])
        writer.write([change()], clock=clock.now)
        (foreign,) = reader.observe([target()], now=NOW).foreign

        assert foreign.why == "no mark"
        assert "(no condition)" in foreign.handle

    def test_a_binding_that_only_claims_our_mark_is_foreign(
        self, cloud: GcpSandbox, reader: GcpReader, writer: GcpWriter, clock: Clock
    ) -> None:
        key = change().binding.key
        claims = [
            {"title": "daypass-please", "description": "alice/ledger", "expression": "true"},
            {"title": key, "description": "mallory/other", "expression": "true"},
            {"title": key, "expression": "true"},
            {"title": key.upper(), "description": "alice/ledger", "expression": "true"},
        ]
        entries = [{"role": ROLE, "members": [BOT], "condition": one} for one in claims]
        cloud.set_policy(PROJECT, entries)
        observation = reader.observe([target()], now=NOW)
        writer.write([change(ChangeKind.DELETE)], clock=clock.now)

        assert observation.bindings == ()
        assert len(observation.foreign) == len(claims)
        assert {"our mark" in one.why for one in observation.foreign} == {True}
        assert held(cloud) == entries


ALTERATIONS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a member added": lambda e: e["members"].append(BOT),
    "the end removed": lambda e: e["condition"].update(expression="true"),
    "the end moved": lambda e: e["condition"].update(
        expression=e["condition"]["expression"].replace("T18:", "T19:")
    ),
    "another role": lambda e: e.update(role="roles/storage.admin"),
    "a location": lambda e: e["condition"].update(location="somewhere"),
}


class TestAltered:
    @pytest.mark.parametrize("edit", ALTERATIONS.values(), ids=ALTERATIONS.keys())
    def test_an_altered_binding_is_ours_and_is_put_right_in_place(
        self,
        cloud: GcpSandbox,
        reader: GcpReader,
        writer: GcpWriter,
        clock: Clock,
        edit: Callable[[dict[str, Any]], Any],
    ) -> None:
        cloud.set_policy(PROJECT, [FOREIGN[0], altered(edit), FOREIGN[1]])
        wanted = change(ChangeKind.UPDATE)
        (seen,) = reader.observe([target()], now=NOW).bindings
        assert seen.identity == wanted.binding.identity
        assert seen.document != wanted.binding.document

        assert statuses(writer.write([wanted], clock=clock.now)) == [Status.DONE]
        assert held(cloud) == [FOREIGN[0], altered(lambda _: None), FOREIGN[1]]

    def test_an_unreadable_end_is_no_window(self, cloud: GcpSandbox, reader: GcpReader) -> None:
        cloud.set_policy(PROJECT, [altered(ALTERATIONS["the end removed"])])
        (seen,) = reader.observe([target()], now=NOW).bindings
        assert seen.window is None

    def test_an_undated_twin_does_not_survive_an_update_or_a_delete(
        self, cloud: GcpSandbox, reader: GcpReader, writer: GcpWriter, clock: Clock
    ) -> None:
        twins = [
            altered(lambda _: None),
            altered(ALTERATIONS["the end removed"]),
            altered(ALTERATIONS["another role"]),
        ]
        for kind, left in (
            (ChangeKind.UPDATE, [twins[0]]),
            (ChangeKind.CREATE, [twins[0]]),
            (ChangeKind.DELETE, []),
        ):
            cloud.set_policy(PROJECT, [FOREIGN[0], *twins])
            (seen,) = reader.observe([target()], now=NOW).bindings
            assert seen.window is None
            assert seen.document != change().binding.document
            results = writer.write([change(kind)], clock=clock.now)
            assert statuses(results) == [Status.DONE]
            assert held(cloud) == [FOREIGN[0], *left]

    def test_a_deleted_account_makes_ours_altered_and_removable(
        self, cloud: GcpSandbox, reader: GcpReader, writer: GcpWriter, clock: Clock
    ) -> None:
        writer.write([change()], clock=clock.now)
        cloud.delete_member(ALICE, uid="1234")
        (seen,) = reader.observe([target()], now=NOW).bindings
        assert "deleted:user:alice@example.com?uid=1234" in seen.document

        (result,) = writer.write([change(ChangeKind.UPDATE)], clock=clock.now)
        assert result.status is Status.FAILED
        assert "does not exist" in result.message
        assert statuses(writer.write([change(ChangeKind.DELETE)], clock=clock.now)) == [Status.DONE]
        assert held(cloud) == []


def answering(*policies: dict[str, Any]) -> Server:
    """Serves one policy after another, whatever is asked."""
    waiting = list(policies)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        body = json.dumps(waiting.pop(0)).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    return Server(app)


class TestOddAnswers:
    @pytest.mark.parametrize(
        "body", [{}, {"version": 1, "bindings": [{"role": ROLE, "members": [BOT]}]}]
    )
    def test_a_policy_without_an_etag_is_no_policy(
        self, clock: Clock, body: dict[str, Any]
    ) -> None:
        # `{}` would read as a project in which nobody has access.
        tries: dict[str, Any] = {"attempts": 2, "pause": lambda _: None}
        with answering(body, body) as odd:
            reader = GcpReader(credentials=AnonymousCredentials(), endpoint=odd.url, **tries)
            seen = reader.observe([target()], now=NOW)
        assert seen.bindings == ()
        ((_, why),) = seen.unreachable
        assert "has no etag" in why
        with answering(body, body, body) as odd:
            writer = GcpWriter(credentials=AnonymousCredentials(), endpoint=odd.url, **tries)
            (result,) = writer.write([change(ChangeKind.DELETE)], clock=clock.now)
        assert result.status is Status.FAILED
        assert "has no etag" in result.message

    def test_an_answer_without_an_etag_is_asked_for_again(self, clock: Clock) -> None:
        tries: dict[str, Any] = {"attempts": 2, "pause": lambda _: None}
        with answering({}, {"etag": "BwE="}) as odd:
            reader = GcpReader(credentials=AnonymousCredentials(), endpoint=odd.url, **tries)
            seen = reader.observe([target()], now=NOW)
        assert (seen.bindings, seen.unreachable) == ((), ())

    def test_a_write_whose_answer_does_not_show_it_has_failed(self, clock: Clock) -> None:
        with answering({"etag": "BwE="}, {"etag": "BwI="}) as odd:
            writer = GcpWriter(credentials=AnonymousCredentials(), endpoint=odd.url)
            (result,) = writer.write([change()], clock=clock.now)

        assert result.status is Status.FAILED
        assert "does not show it" in result.message

    def test_exemptions_from_audit_logs_count_towards_the_limit(self, clock: Clock) -> None:
        crowd = [f"user:u{n}@example.com" for n in range(1500)]
        audited = {
            "service": "allServices",
            "auditLogConfigs": [{"logType": "DATA_READ", "exemptedMembers": crowd}],
        }
        with answering({"etag": "BwE=", "auditConfigs": [audited]}) as odd:
            writer = GcpWriter(credentials=AnonymousCredentials(), endpoint=odd.url)
            (result,) = writer.write([change()], clock=clock.now)

        assert "Google allows 1500 principals" in result.message

    def test_a_400_is_read_and_tried_once_more_and_no_oftener(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock
    ) -> None:
        # An account of another binding may be deleted between reading and writing.
        cloud.fail_next("setIamPolicy", 400)
        assert statuses(writer.write([change()], clock=clock.now)) == [Status.DONE]
        cloud.fail_next("setIamPolicy", 400, times=2)
        asked = cloud.count("setIamPolicy")
        wanted = [change(ChangeKind.DELETE)]
        assert statuses(writer.write(wanted, clock=clock.now)) == [Status.FAILED]
        assert cloud.count("setIamPolicy") == asked + 2


class TestOutages:
    @pytest.mark.parametrize("status", [409, 429, 500, 503, LOST])
    @pytest.mark.parametrize("takes_effect", [False, True])
    def test_a_failed_write_is_repeated_from_the_read(
        self,
        cloud: GcpSandbox,
        writer: GcpWriter,
        clock: Clock,
        status: int,
        takes_effect: bool,
    ) -> None:
        cloud.set_policy(PROJECT, FOREIGN)
        cloud.fail_next("setIamPolicy", status, takes_effect=takes_effect)
        assert statuses(writer.write([change()], clock=clock.now)) == [Status.DONE]
        assert cloud.count("setIamPolicy") == (1 if takes_effect else 2)
        assert held(cloud)[:-1] == FOREIGN

    def test_a_lost_removal_is_seen_as_done(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock
    ) -> None:
        writer.write([change()], clock=clock.now)
        cloud.fail_next("setIamPolicy", LOST, takes_effect=True)
        assert statuses(writer.write([change(ChangeKind.DELETE)], clock=clock.now)) == [Status.DONE]
        assert held(cloud) == []

    def test_what_the_last_attempt_did_is_looked_up(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock
    ) -> None:
        cloud.fail_next("setIamPolicy", 503, times=5)
        cloud.fail_next("setIamPolicy", 503, takes_effect=True)
        assert statuses(writer.write([change()], clock=clock.now)) == [Status.DONE]
        assert cloud.count("setIamPolicy") == 6

    def test_a_write_that_cannot_even_be_read_back_has_failed(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock
    ) -> None:
        cloud.fail_next("getIamPolicy", 503, times=100)
        assert statuses(writer.write([change()], clock=clock.now)) == [Status.FAILED]
        assert cloud.count("setIamPolicy") == 0

    @pytest.mark.parametrize("status", [401, 403, 404])
    def test_what_waiting_does_not_cure_is_not_repeated(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock, status: int
    ) -> None:
        cloud.fail_next("getIamPolicy", status)
        assert statuses(writer.write([change()], clock=clock.now)) == [Status.FAILED]
        assert len(cloud.exchanges) == 1

    def test_an_unreachable_project_is_named_and_the_others_are_listed(
        self, cloud: GcpSandbox, reader: GcpReader, writer: GcpWriter, clock: Clock
    ) -> None:
        writer.write([change()], clock=clock.now)
        gone = target("acme-unknown-zz", "a-unknown")
        twice = target("acme-unknown-zz", "b-unknown")
        observation = reader.observe([target(), gone, twice], now=NOW)

        assert len(observation.bindings) == 1
        assert [one for one, _ in observation.unreachable] == [gone.id, twice.id]
        assert observation.refused == {gone.id, twice.id}
        assert cloud.count("getIamPolicy", project="acme-unknown-zz") == 1

    def test_reading_is_repeated_when_google_is_busy(
        self, cloud: GcpSandbox, reader: GcpReader, pauses: list[float]
    ) -> None:
        cloud.fail_next("getIamPolicy", 429, times=2)
        assert reader.observe([target()], now=NOW).unreachable == ()
        assert pauses == [1.0, 2.0]
        cloud.fail_next("getIamPolicy", LOST, times=100)
        lost = reader.observe([target()], now=NOW)
        assert (len(lost.unreachable), lost.refused) == (1, frozenset())

    def test_an_answer_without_conditions_is_not_taken_for_the_policy(
        self, cloud: GcpSandbox, reader: GcpReader, writer: GcpWriter, clock: Clock
    ) -> None:
        mangled = [{"role": f"{ROLE}_withcond_2b17cc25d2cd9e2c54d8", "members": [ALICE]}]
        cloud.set_policy(PROJECT, mangled)

        assert len(reader.observe([target()], now=NOW).unreachable) == 1
        assert statuses(writer.write([change()], clock=clock.now)) == [Status.FAILED]
        assert held(cloud) == mangled

    def test_a_stopped_cloud_is_unreachable_and_fails(
        self, cloud: GcpSandbox, reader: GcpReader, writer: GcpWriter, clock: Clock
    ) -> None:
        cloud.stop()
        assert len(reader.observe([target()], now=NOW).unreachable) == 1
        assert statuses(writer.write([change()], clock=clock.now)) == [Status.FAILED]

    def test_one_unknown_account_does_not_hold_up_the_others(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock
    ) -> None:
        ended = change(grant="alice/old", role="roles/browser")
        writer.write([ended], clock=clock.now)
        ghost = change(grant="ghost/g", member="user:ghost@example.com")
        changes = [
            replace(ended, kind=ChangeKind.DELETE),
            *(change(grant=f"alice/{n}") for n in range(5)),
            ghost,
            *(change(grant=f"alice/{n}") for n in range(5, 9)),
        ]
        results = writer.write(changes, clock=clock.now)

        failed = [one.change for one in results if one.status is Status.FAILED]
        assert failed == [ghost]
        assert "ghost@example.com does not exist" in results[6].message
        assert len(held(cloud)) == 9

    def test_one_role_that_we_may_not_grant_does_not_hold_up_the_others(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock
    ) -> None:
        cloud.fail_next("setIamPolicy", 403, times=2)
        results = writer.write([change(), change(grant="alice/two")], clock=clock.now)

        assert statuses(results) == [Status.FAILED, Status.DONE]
        assert "403" in results[0].message

    def test_looking_for_refused_changes_is_bounded(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock
    ) -> None:
        changes = [
            change(grant=f"ghost/{n}", member=f"user:ghost{n}@example.com") for n in range(100)
        ]
        results = writer.write(changes, clock=clock.now)

        assert {one.status for one in results} == {Status.FAILED}
        assert cloud.count("setIamPolicy") == 64


class TestLimits:
    def test_the_21st_condition_for_one_role_and_account_is_refused_before_writing(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock
    ) -> None:
        results = writer.write([change(grant=f"alice/{n}") for n in range(21)], clock=clock.now)

        assert statuses(results) == [Status.DONE] * 20 + [Status.FAILED]
        assert "Google allows 20 bindings" in results[-1].message
        assert cloud.count("setIamPolicy") == 1

    def test_a_removal_in_the_same_write_makes_room(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock
    ) -> None:
        writer.write([change(grant=f"alice/{n}") for n in range(20)], clock=clock.now)
        results = writer.write(
            [change(ChangeKind.DELETE, grant="alice/0"), change(grant="alice/20")], clock=clock.now
        )
        assert statuses(results) == [Status.DONE, Status.DONE]

    def test_the_1501st_principal_is_refused_before_writing(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock
    ) -> None:
        crowd = [f"user:u{n}@example.com" for n in range(1499)]
        cloud.set_policy(PROJECT, [{"role": ROLE, "members": crowd}])
        results = writer.write([change(), change(grant="alice/two")], clock=clock.now)

        assert statuses(results) == [Status.DONE, Status.FAILED]
        assert "Google allows 1500 principals" in results[1].message

    def test_more_groups_than_google_allows_are_named(
        self, cloud: GcpSandbox, writer: GcpWriter, clock: Clock
    ) -> None:
        groups = [f"group:g{n}@example.com" for n in range(251)]
        cloud.set_policy(PROJECT, [{"role": ROLE, "members": groups}])
        (result,) = writer.write([change()], clock=clock.now)

        assert result.status is Status.FAILED
        assert "Google allows 250 domains and groups" in result.message
        assert cloud.count("setIamPolicy") == 0
