"""`daypass schema`: kinds, one schema, what is written, and the line for editors."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.main import run
from pipeline.grants.schema import editor_line, kind_of, render_schemas, schemas

ROOT = Path(__file__).parents[2]


@pytest.fixture
def schema(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["-C", str(tmp_path), "schema", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_the_kinds_are_listed(schema: Any) -> None:
    code, out, _ = schema()
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1:]] == sorted(schemas())
    told = json.loads(schema("--json")[1])
    assert [kind["name"] for kind in told["kinds"]] == sorted(schemas())


def test_a_kind_is_shown_as_it_is_written(schema: Any) -> None:
    assert schema("grant")[1] == render_schemas()["access/schemas/grant.schema.json"]
    assert json.loads(schema("grant", "--json")[1]) == schemas()["grant"]


def test_what_is_missing_or_differs_is_written_and_then_is_fine(
    tmp_path: Path, schema: Any
) -> None:
    code, out, _ = schema("--check")
    assert (code, out.count("differs")) == (1, len(render_schemas()))
    assert schema("--write")[0] == 0
    assert {
        path: (tmp_path / path).read_text("utf-8") for path in render_schemas()
    } == render_schemas()
    assert schema("--check") == (0, f"{len(render_schemas())} schemas are as generated\n", "")
    (tmp_path / "access/schemas/grant.schema.json").write_bytes(b"\xff")
    code, out, _ = schema("--check", "--json")
    assert (code, json.loads(out)) == (1, {"differing": ["access/schemas/grant.schema.json"]})
    assert schema("--check", "principal") == (0, "1 schema is as generated\n", "")
    assert schema("--check", "grant")[0] == 1
    assert json.loads(schema("--write", "grant", "--json")[1]) == {
        "written": ["access/schemas/grant.schema.json"]
    }


def test_this_repository_s_schemas_are_as_generated(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", str(ROOT), "schema", "--check"]) == 0
    assert "as generated" in capsys.readouterr().out


def test_a_file_is_told_its_line(tmp_path: Path, schema: Any) -> None:
    line = "# yaml-language-server: $schema=../../schemas/grant.schema.json\n"
    assert schema("--line", "access/grants/alice/x.yaml") == (0, line, "")
    assert schema("--line", str(tmp_path / "access/grants/alice/x.yaml"))[1] == line
    told = json.loads(schema("--line", "access/roles/aws.yaml", "--json")[1])
    assert (told["kind"], told["path"]) == ("roles-aws", "access/roles/aws.yaml")


@pytest.mark.parametrize(
    "path, kind",
    [
        ("access/grants/alice/x.yaml", "grant"),
        ("access/grants/alice/deep/x.yaml", "grant"),
        ("access/principals/alice.yaml", "principal"),
        ("access/roles/gcp.yaml", "roles-gcp"),
        ("access/targets/azure.yaml", "targets-azure"),
        ("access/teams.yaml", "teams"),
        ("access/teams/aws.yaml", None),
        ("access/roles/oci.yaml", None),
        ("access/other/x.yaml", None),
        ("access/schemas/grant.schema.json", None),
        ("access/grants.yaml", None),
        ("access/README.md", None),
        ("grants/alice/x.yaml", None),
        ("", None),
    ],
)
def test_a_path_has_its_kind(path: str, kind: str | None) -> None:
    assert kind_of(path) == kind
    assert (editor_line(path) is None) is (kind is None)


def test_the_line_leads_to_the_schema() -> None:
    files = [
        *(ROOT / "access").rglob("*.yaml"),
        ROOT / "access" / "grants" / "alice" / "x.yaml",
    ]
    for file in files:
        line = editor_line(file.relative_to(ROOT).as_posix())
        assert line is not None
        found = re.search(r"\$schema=(.*)$", line)
        assert found
        named = (file.parent / found[1]).resolve().relative_to(ROOT.resolve())
        assert named.as_posix() in render_schemas()
        if file.exists():
            assert file.read_text("utf-8").startswith(f"{line}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("grnt",),
        ("--write", "--check"),
        ("--line", "access/x.md"),
        ("--line", "../access/grants/x.yaml"),
        ("grant", "--line", "access/grants/alice/x.yaml"),
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_2(schema: Any, arguments: tuple[str, ...]) -> None:
    code, out, err = schema(*arguments)
    assert (code, out) == (2, "")
    assert err
