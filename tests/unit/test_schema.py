"""The generated schemas say what the parser says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from pipeline.grants.catalogue import load_catalogue
from pipeline.grants.parse import parse_grant
from pipeline.grants.schema import render_schemas, schemas

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "pipeline" / "sandbox" / "acme" / "access"


def kind_of(path: str) -> str:
    """Returns the schema's name for the file at *path*, from `access/` on."""
    if path == TEAMS:
        return "teams"
    folder, *rest = path.removeprefix("access/").split("/")
    if folder in {"targets", "roles"}:
        return f"{folder}-{rest[0].removesuffix('.yaml')}"
    return folder.removesuffix("s")


def plain(text: str) -> Any:
    """Returns *text* as an editor reads it: YAML 1.2's core types, dates as text."""

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers = {  # noqa: RUF012
            first: [(tag, rule) for tag, rule in rules if not tag.endswith(":timestamp")]
            for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    loader = Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def accepted(path: str, text: str) -> bool:
    """Whether the schema of *path*'s kind accepts *text*."""
    return Draft202012Validator(schemas()[kind_of(path)]).is_valid(plain(text))


def examples() -> dict[str, str]:
    """Returns the commented examples of `access/README.md` by the path each names."""
    text = (ROOT / "access" / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n# (access/\S+)\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == text.count("```yaml")
    return dict(blocks)


def test_every_kind_of_file_has_a_valid_schema() -> None:
    assert set(schemas()) == {
        *("grant", "principal", "teams", "calendar", "oncall", "delegation", "standing", "review"),
        *(f"{kind}-{cloud}" for kind in ("targets", "roles") for cloud in ("aws", "azure", "gcp")),
    }
    for schema in schemas().values():
        Draft202012Validator.check_schema(schema)


def test_the_shipped_schemas_are_those_generated() -> None:
    shipped = {
        file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8")
        for file in (ROOT / "access" / "schemas").iterdir()
    }

    assert shipped == render_schemas()
    assert render_schemas() == render_schemas()


def test_every_key_is_described() -> None:
    for schema in schemas().values():
        stack: list[Any] = [schema]
        while stack:
            found = stack.pop()
            if isinstance(found, dict):
                if found.get("additionalProperties") is False:
                    assert all(field["description"] for field in found["properties"].values())
                stack.extend(found.values())
            elif isinstance(found, list):
                stack.extend(found)


def test_the_read_me_s_examples_are_good_together() -> None:
    found = examples()
    grants = {path: text for path, text in found.items() if path.startswith("access/grants/")}
    rest = {path: text.encode() for path, text in found.items() if path not in grants}

    assert load_catalogue(rest)[1] == ()
    assert len(rest) == 15
    assert len(grants) == 1
    for path, text in grants.items():
        assert parse_grant(text.encode(), path=path).problems == ()


def test_an_example_s_line_for_editors_names_its_own_schema() -> None:
    told = set()
    for path, text in examples().items():
        for line in re.findall(r"^# yaml-language-server: \$schema=(\S+)$", text, re.MULTILINE):
            schema = (ROOT / path).parent.joinpath(line).resolve()
            assert schema == ROOT / "access" / "schemas" / f"{kind_of(path)}.schema.json"
            told.add(kind_of(path))

    assert told == {"calendar", "oncall", "delegation", "standing", "review"}


def test_schemas_accept_the_examples_and_the_miniature() -> None:
    files = examples() | {
        f"access/{file.relative_to(ASSETS).as_posix()}": file.read_text(encoding="utf-8")
        for file in ASSETS.rglob("*.yaml")
    }

    assert [path for path, text in files.items() if not accepted(path, text)] == []


GRANT = "access/grants/alice/x.yaml"
PERSON = "access/principals/alice.yaml"
TARGETS = "access/targets/gcp.yaml"
TEAMS = "access/teams.yaml"
CALENDAR = "access/calendars/x.yaml"
ONCALL = "access/oncall/x.yaml"
DELEGATION = "access/delegations/x.yaml"
STANDING = "access/standing/x.yaml"
REVIEW = "access/reviews/alice/x.yaml"
GOOD = {
    CALENDAR: "title: x\ntimezone: Europe/London\n"
    "weekly: [{days: [mon], from: '09:00', to: '24:00'}]\n"
    "exceptions: [{date: 2026-12-25, closed: true}, {date: 2026-12-24, from: '00:00', to: '23:59'},"
    " {from: 2026-12-26T00:00:00Z, to: 2026-12-27T00:00:00Z, open: false}]\n",
    ONCALL: "title: x\ntimezone: Europe/London\nstart: 2026-01-05T09:00\nshift: 7d\n"
    "members: [alice]\noverrides:"
    " [{from: 2026-12-26T00:00:00Z, to: 2026-12-27T00:00:00Z, member: bob}]\n",
    DELEGATION: "from: alice\nto: bob\nstart: 2026-12-26T00:00:00Z\nend: 2026-12-27T00:00:00Z\n"
    "reason: on leave\n",
    STANDING: "alice: [{target: gcp/x, role: y}]\n",
    REVIEW: f"grant: alice/x\ncommit: {'a' * 40}\nfinding: justified\nnotes: looked at it all\n",
    GRANT: "subject: alice\nreason: why not\nduration: 1h\naccess: [{target: gcp/x, role: y}]\n",
    PERSON: "kind: person\ngithub: alice\ngithub_id: 1\n",
    TEAMS: "a: {id: 1, title: x}\n",
    TARGETS: "x: {project: acme-x, environment: dev, owners: [a]}\n",
}


@pytest.mark.parametrize("path", GOOD)
def test_parser_and_schema_accept_the_same(path: str) -> None:
    assert accepted(path, GOOD[path])
    assert not problems(path, GOOD[path])


OTHERS = {
    "access/principals/alice.yaml": b"kind: person\ngithub: alice\ngithub_id: 1\n",
    "access/principals/bob.yaml": b"kind: person\ngithub: bob\ngithub_id: 2\n",
    "access/teams.yaml": b"a: {id: 1, title: A}\n",
    "access/targets/gcp.yaml": b"x: {project: acme-x, environment: dev, owners: [a]}\n",
    "access/roles/gcp.yaml": b"y: {title: y, risk: low, max_duration: 1h,"
    b" permissions: {role: roles/y}}\n",
}


def problems(path: str, text: str) -> int:
    """Returns how many problems the parser tells."""
    if path == GRANT:
        return len(parse_grant(text.encode(), path=path).problems)
    return len(load_catalogue(OTHERS | {path: text.encode()})[1])


@pytest.mark.parametrize(
    "path,old,new",
    [
        (GRANT, "reason:", "reasn:"),
        (GRANT, "subject: alice", "subject: Alice"),
        (GRANT, "duration: 1h", "duration: 4 hours"),
        (GRANT, "duration: 1h", "duration: 1h\nstart: 2026-11-20T22:00:00"),
        (GRANT, "duration: 1h", "duration: 1h\nstart: 2026-11-20"),
        (GRANT, "duration: 1h", "duration: 1h\nemergency: 'true'"),
        (GRANT, "duration: 1h", "duration: 1h\nversion: 2"),
        (GRANT, "target: gcp/x", "target: oci/x"),
        (GRANT, "role: y", "role: y, resource: '*'"),
        (GRANT, "role: y", "role: y, Resource: x"),
        (GRANT, "[{target: gcp/x, role: y}]", "[]"),
        (GRANT, "[{target: gcp/x, role: y}]", "all"),
        (GRANT, "}]", "}, {target: gcp/x, role: y}]"),
        (PERSON, "kind: person", "kind: persn"),
        (PERSON, "github: alice\n", ""),
        (PERSON, "github_id: 1", "github_id: 1\nowner: bob"),
        (PERSON, "github_id: 1", "github_id: '1'"),
        (PERSON, "kind: person", "kind: workload\nowner: bob"),
        (PERSON, "github_id: 1", "github_id: 1\nidentities: {aws: {session_name: alice}}"),
        (PERSON, "github_id: 1", "github_id: 1\nidentities: {aws: {home: a, arn: b}}"),
        (PERSON, "github_id: 1", "github_id: 1\nidentities: {gcp: {member: allUsers}}"),
        (TARGETS, "acme-x", "Acme"),
        (TARGETS, "[a]", "[]"),
        (TARGETS, "[a]", "[a, a]"),
        (TARGETS, "[a]", "[a], tags: {a: [b]}"),
        (TARGETS, "x:", "X:"),
        (TEAMS, "a:", "A:"),
        (TEAMS, "a:", "acme/a:"),
        (TEAMS, "id: 1", "id: '1'"),
        (TEAMS, "id: 1", "id: 0"),
        (TEAMS, "id: 1, ", ""),
        (TEAMS, ", title: x", ""),
        (TEAMS, "title: x", "title: x, members: [alice]"),
        (TEAMS, "{id: 1, title: x}", "1"),
        (CALENDAR, "title: x\n", ""),
        (CALENDAR, "Europe/London", "Europe London"),
        (CALENDAR, "[mon]", "[monday]"),
        (CALENDAR, "[mon]", "[mon, mon]"),
        (CALENDAR, "[mon]", "[]"),
        (CALENDAR, "'09:00'", "9"),
        (CALENDAR, "'09:00'", "'9:00'"),
        (CALENDAR, "'09:00'", "'24:00'"),
        (CALENDAR, "'24:00'", "'24:01'"),
        (CALENDAR, "closed: true", "closed: false"),
        (CALENDAR, "closed: true", "open: true"),
        (CALENDAR, "closed: true", "closed: true, from: '09:00', to: '10:00'"),
        (CALENDAR, "2026-12-25", "25.12.2026"),
        (CALENDAR, "2026-12-26T00:00:00Z", "2026-12-26"),
        (CALENDAR, ", open: false", ""),
        (CALENDAR, "weekly:", "weakly:"),
        (ONCALL, "2026-01-05T09:00", "2026-01-05T09:00:00Z"),
        (ONCALL, "2026-01-05T09:00", "2026-01-05"),
        (ONCALL, "7d", "12h"),
        (ONCALL, "7d", "366d"),
        (ONCALL, "7d", "0d"),
        (ONCALL, "[alice]", "[alice, alice]"),
        (ONCALL, "[alice]", "[]"),
        (ONCALL, "member: bob", "members: bob"),
        (DELEGATION, "reason: on leave\n", ""),
        (DELEGATION, "start: 2026-12-26T00:00:00Z", "start: 2026-12-26T00:00:00"),
        (DELEGATION, "to: bob", "to: [bob]"),
        (STANDING, "role: y", "roles: [y]"),
        (STANDING, "alice", "Alice"),
        (STANDING, "[{target: gcp/x, role: y}]", "[]"),
        (REVIEW, "justified", "fine"),
        (REVIEW, "a" * 40, "a" * 39),
        (REVIEW, "alice/x", "x"),
        (REVIEW, "looked at it all", "fine"),
    ],
)
def test_parser_and_schema_refuse_the_same(path: str, old: str, new: str) -> None:
    text = GOOD[path].replace(old, new)
    assert text != GOOD[path]

    assert problems(path, text)
    assert not accepted(path, text)
