"""JSON Schemas of the files in `access/`, from the tables that the parser reads by.

Editors complete and check with them while people type. They say less than the parser:
positions, look-alike letters and what only the whole catalogue shows are for `daypass check`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipeline.grants.forms import GRANT, PRINCIPAL
from pipeline.grants.tables import ROLES, TARGETS, TEAMS
from pipeline.grants.teams import TEAMS_FILE
from pipeline.grants.timetables import CALENDAR, DELEGATION, REVIEW, ROTATION, STANDING
from pipeline.reading.fields import MapOf, Object
from pipeline.values.ids import Cloud

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FOLDER = "access/schemas"
"""Where the generated files lie in a repository."""


def schemas() -> Mapping[str, dict[str, Any]]:
    """Returns the schema of every kind of file by name: `grant`, `roles-aws`, …"""
    kinds: dict[str, Object | MapOf] = {
        "grant": GRANT,
        "principal": PRINCIPAL,
        "teams": TEAMS,
        "calendar": CALENDAR,
        "oncall": ROTATION,
        "delegation": DELEGATION,
        "standing": STANDING,
        "review": REVIEW,
    }
    for cloud in Cloud:
        kinds[f"targets-{cloud}"] = TARGETS[cloud]
        kinds[f"roles-{cloud}"] = ROLES[cloud]
    return {
        name: {"$schema": DIALECT, "title": f"Daypass: {name.replace('-', ' of ')}"} | kind.schema()
        for name, kind in kinds.items()
    }


def render_schemas() -> Mapping[str, str]:
    """Returns the text of every schema file by repository path, the same on every run."""
    return {
        f"{FOLDER}/{name}.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for name, schema in schemas().items()
    }


def kind_of(path: str) -> str | None:
    """Returns the name of the schema for the file at a repository *path*, None for no kind."""
    if path == TEAMS_FILE:
        return "teams"
    top, *below = path.split("/")
    if top != "access" or len(below) < 2 or not path.endswith(".yaml"):
        return None
    # Teams are one file; in a folder of that name nothing is read.
    folder, known = below[0], schemas().keys() - {"teams"}
    names = [folder, folder.removesuffix("s")]
    if len(below) == 2:
        names.insert(0, f"{folder}-{below[1].removesuffix('.yaml')}")
    return next((name for name in names if name in known), None)


def editor_line(path: str) -> str | None:
    """Returns the first line that makes an editor check the file at *path*, None for no kind.

    Editors that know https://github.com/redhat-developer/yaml-language-server read it.
    """
    kind = kind_of(path)
    if kind is None:
        return None
    up = "../" * (path.count("/") - 1)
    folder = FOLDER.removeprefix("access/")
    return f"# yaml-language-server: $schema={up}{folder}/{kind}.schema.json"
