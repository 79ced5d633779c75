"""Files that are no grants, and names that look like others."""

from __future__ import annotations

import pytest

from pipeline.reading.yaml_strict import visible
from tests.e2e.support_world import Acme, grant, path_of

LOGS = ("gcp/sandbox-dev", "log-viewer")
TABLES = ("gcp/sandbox-dev", "bigquery-reader")
TEXT = grant("mallory")
FILE, EXECUTABLE, LINK, MODULE = "100644", "100755", "120000", "160000"
FOLDER = "access/grants"

ODD = [
    (f"{FOLDER}/mallory/executable.yaml", EXECUTABLE, TEXT),
    (f"{FOLDER}/mallory/link.yaml", LINK, "../alice/one.yaml"),
    (f"{FOLDER}/mallory/module.yaml", MODULE, "a" * 40),
    (f"{FOLDER}/mallory/huge.yaml", FILE, "# big\n" * 400_000 + TEXT),
    (f"{FOLDER}/mallory/broken.yaml", FILE, "subject: ["),
    (f"{FOLDER}/mallory/empty.yaml", FILE, ""),
    (f"{FOLDER}/mallory/unknown-key.yaml", FILE, TEXT + "more: 1\n"),
    (f"{FOLDER}/mallory/nested.yaml", FILE, "[" * 20_000),
    (f"{FOLDER}/alice/two.yaml", FILE, TEXT),
    (f"{FOLDER}/Mallory/one.yaml", FILE, TEXT),
    (f"{FOLDER}/m\N{CYRILLIC SMALL LETTER A}llory/one.yaml", FILE, TEXT),
    (f"{FOLDER}/one.yaml", FILE, TEXT),
    (f"{FOLDER}/mallory/deep/one.yaml", FILE, TEXT),
    (f"{FOLDER}/mallory/one\x07\x1b[2J.yaml", FILE, TEXT),
    (f"{FOLDER}/mallory/a b\ttab.yaml", FILE, TEXT),
    (f"{FOLDER}/mallory/line\nbreak.yaml", FILE, TEXT),
    (f"{FOLDER}/mallory/back\\slash.yaml", FILE, TEXT),
    (f"{FOLDER}/mallory/:(glob)*.yaml", FILE, TEXT),
    (f"{FOLDER}/mallory/-x.yaml", FILE, TEXT),
    (f"{FOLDER}/mallory/\udcff.yaml", FILE, TEXT),
    (f"{FOLDER}/mallory/file.yaml/two.yaml", FILE, TEXT),
]


def test_odd_files_on_the_default_branch_harm_nothing_but_themselves(acme: Acme) -> None:
    acme.landed("alice", "alice/one", grant())
    acme.bypass()
    for path, mode, content in ODD:
        made = acme.commit("mallory", {path: (mode, content)}, parents=[acme.tip()])
        acme.send("mallory", made)
    applied = acme.apply()
    assert applied.code == 1, applied
    assert sorted(acme.quarantined(applied)) == sorted(visible(path) for path, *_ in ODD)
    assert acme.may("alice", *LOGS)
    assert not acme.may("mallory", *LOGS)
    assert acme.daypass("expire", "--json").code in (0, 1)
    assert acme.daypass("status").code == 0
    assert acme.daypass("audit", "verify").code == 0
    assert acme.daypass("audit", "log").code == 0


def test_each_odd_file_is_refused_by_the_check(acme: Acme) -> None:
    for place, (path, mode, content) in enumerate(ODD):
        made = acme.commit("mallory", {path: (mode, content)}, parents=[acme.tip()])
        acme.send("mallory", made, f"odd-{place}")
        number = acme.person("mallory").open(f"odd-{place}", "Odd")
        checked = acme.check(number)
        assert checked.code in (1, 2), (path, checked)
        assert not checked.said.get("merged"), path


def test_a_file_that_is_no_grant_can_be_deleted_again(acme: Acme) -> None:
    acme.bypass()
    acme.push("mallory", {f"{FOLDER}/mallory/notes.txt": "x\n"})
    assert acme.apply().code == 0
    number = acme.request("alice", "tidy", {f"{FOLDER}/mallory/notes.txt": None})
    acme.approve(number, "carol")
    assert acme.check(number).code == 0


def test_a_file_that_is_no_grant_is_refused_beside_grants(acme: Acme) -> None:
    checked = acme.check(acme.request("mallory", "x", {f"{FOLDER}/mallory/notes.txt": "x\n"}))
    assert checked.code == 2


def test_a_look_alike_of_the_grants_folder_is_a_change_for_security(acme: Acme) -> None:
    number = acme.request("mallory", "x", {"access/Grants/mallory/one.yaml": TEXT})
    checked = acme.check(number)
    assert (checked.code, checked.said["kind"]) == (1, "governance")
    acme.approve(number, "carol")
    assert acme.check(number).code == 0
    acme.person("mallory").merge(number)
    assert acme.apply().code == 0
    assert not acme.may("mallory", *LOGS)


def test_two_grants_in_one_pull_request_are_refused(acme: Acme) -> None:
    files: dict[str, str | None] = {path_of("mallory/a"): TEXT, path_of("mallory/b"): TEXT}
    checked = acme.check(acme.request("mallory", "two", files))
    assert checked.code == 2
    assert "one grant in one" in str(checked.said["problems"])


def test_moving_a_grant_to_another_subject_is_refused(acme: Acme) -> None:
    text = grant(access=[" ".join(TABLES)])
    acme.landed("alice", "alice/one", text, "bob")
    moved: dict[str, str | None] = {
        path_of("alice/one"): None,
        path_of("mallory/one"): text.replace("alice", "mallory"),
    }
    checked = acme.check(acme.request("mallory", "move", moved))
    assert checked.code == 2


def test_requested_by_is_nobodys_to_write_but_the_apps(acme: Acme) -> None:
    text = grant("mallory", requested_by="bob")
    checked = acme.check(acme.request("mallory", "x", {path_of("mallory/one"): text}))
    assert (checked.code, checked.said["verdict"]) == (1, "denied")
    assert "requested_by" in str(checked.said["reasons"])


def test_emergency_is_no_way_in(acme: Acme) -> None:
    text = grant(access=["aws/sandbox-dev break-glass-admin"], duration="1h", emergency="true")
    number = acme.request("alice", "x", {path_of("alice/one"): text})
    acme.approve(number, "bob", "carol", "dave")
    checked = acme.check(number)
    assert (checked.code, checked.said["verdict"]) == (1, "denied")


@pytest.mark.parametrize(
    "start", ["2026-11-20T13:00:00Z", "2026-11-28T14:00:00Z", "2199-12-31T23:59:59Z"]
)
def test_a_start_in_the_past_or_too_far_ahead_is_denied(acme: Acme, start: str) -> None:
    text = grant(duration="8h", start=start)
    checked = acme.check(acme.request("alice", "x", {path_of("alice/one"): text}))
    assert (checked.code, checked.said["verdict"]) == (1, "denied")


def test_a_sum_of_lives_over_the_maximum_is_denied(acme: Acme) -> None:
    acme.landed("alice", "alice/one", grant(duration="6h"))
    checked = acme.check(acme.request("alice", "x", {path_of("alice/two"): grant(duration="3h")}))
    assert (checked.code, checked.said["verdict"]) == (1, "denied")
    less = acme.check(acme.request("alice", "y", {path_of("alice/two"): grant(duration="2h")}))
    assert less.code == 0
