"""Who may import whom: the folder is the layer. Read from the source, so that no import has to
happen to be seen, and none is hidden inside a function or behind `TYPE_CHECKING`."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).parents[2] / "pipeline"
FILES = sorted(PACKAGE.rglob("*.py"))

ROOMS = (
    "values",
    "errors",
    "reading",
    "clouds",
    "grants",
    "policy",
    "approvals",
    "history",
    "provision",
    "record",
    "judge",
    "proof",
    "policy_tools",
    "ending",
    "forge",
    "output",
    "config",
    "run",
    "cli",
)
"""From the ground up. A file imports from its own room and from those before it."""

SANDBOX = "sandbox"
"""Stand-ins for clouds and GitHub: they share the product's values, and only `cli` starts them."""

QUIET = frozenset(ROOMS) - {"forge", "config", "run", "cli"}
"""Rooms that reach nothing outside, but for the files that hold a library."""

# The only files that may know a library, and then only inside functions.
LIBRARIES = {
    "boto3": ("clouds.aws.adapter", "run.connect"),
    "botocore": ("clouds.aws.adapter", "run.connect"),
    "azure": ("clouds.azure.adapter", "clouds.azure.api", "run.connect"),
    "google": ("clouds.gcp.adapter", "run.connect"),
    "grpc": ("clouds.gcp.adapter",),
    "github": ("forge.github_api",),
    "opa_client": ("policy.opa",),
    "regorus": ("policy.rego",),
    # What the clients raise when the network fails comes from it.
    "requests": ("policy.opa", "clouds.gcp.adapter", "forge.github_api"),
}
# These load fast and are needed at once.
EARLY = {"yaml": ("reading.yaml_strict",), "click": ("cli", "output.text")}

OUTSIDE_WORLD = {
    *("asyncio", "concurrent", "ftplib", "http", "multiprocessing", "os", "random", "secrets"),
    *("shutil", "signal", "smtplib", "socket", "ssl", "subprocess", "tempfile", "threading"),
    *("time", "urllib.request"),
}


ENVIRONMENT = frozenset({"environ", "environb", "getenv", "expandvars"})
CLOCK = frozenset(
    {
        *(("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today")),
        *(("date", "today"), ("time", "time"), ("time", "time_ns")),
    }
)
WATCHED = ENVIRONMENT | {name for _, name in CLOCK}


class Import(NamedTuple):
    """One import, as written in one place."""

    module: str
    name: str
    line: int
    inside_function: bool
    for_types: bool


def module_name(path: Path) -> str:
    """Returns the dotted name below `pipeline`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def room_of(module: str) -> str:
    """Returns the room of a module below `pipeline`: its folder, or its own name at the top."""
    return module.partition(".")[0]


def imports(tree: ast.AST) -> Iterator[Import]:
    """Yields every import below *tree*."""

    def walk(node: ast.AST, inside: bool, types: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, "", node.lineno, inside, types)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative imports hide the direction"
            for alias in node.names:
                yield Import(node.module or "", alias.name, node.lineno, inside, types)
        inside = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for child in node.body:
                yield from walk(child, inside, True)
            for child in node.orelse:
                yield from walk(child, inside, types)
            return
        for child in ast.iter_child_nodes(node):
            yield from walk(child, inside, types)

    return walk(tree, False, False)


class Source(NamedTuple):
    """What the rules here look at in one file."""

    imports: tuple[Import, ...]
    classes: tuple[str, ...]
    """At the top of the file."""

    attributes: tuple[tuple[str, str, int], ...]
    """Of what, as written, which one of `WATCHED`, and in which line."""


@cache
def read(path: Path) -> Source:
    """Returns what stands in the file at *path*."""
    return source(path.read_text(encoding="utf-8"), str(path))


def source(text: str, name: str = "") -> Source:
    """Returns what stands in *text*."""
    tree = ast.parse(text, filename=name)
    return Source(
        imports=tuple(imports(tree)),
        classes=tuple(node.name for node in tree.body if isinstance(node, ast.ClassDef)),
        attributes=tuple(
            (ast.unparse(node.value), node.attr, node.lineno)
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and node.attr in WATCHED
        ),
    )


def own(found: Import) -> str | None:
    """Returns the module of ours that an import names, below `pipeline`."""
    if found.module != "pipeline" and not found.module.startswith("pipeline."):
        return None
    module = found.module.removeprefix("pipeline").removeprefix(".")
    longer = f"{module}.{found.name}".strip(".")
    path = PACKAGE.joinpath(*longer.split("."))
    return longer if path.with_suffix(".py").exists() or path.is_dir() else module


def circles(edges: Mapping[str, Set[str]]) -> list[list[str]]:
    """Returns every group of names that reach each other, sorted (Tarjan's algorithm)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = lowest[name] = len(order)
        stack.append(name)
        for other in sorted(edges.get(name, ())):
            if other not in order:
                visit(other)
                lowest[name] = min(lowest[name], lowest[other])
            elif other in stack:
                lowest[name] = min(lowest[name], order[other])
        if lowest[name] == order[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1 or name in edges.get(name, ()):
                found.append(sorted(group))

    for name in sorted(edges):
        if name not in order:
            visit(name)
    return sorted(found)


def may_import(here: str, there: str) -> bool:
    """Returns whether a file of the room *here* may import one of the room *there*."""
    if here == SANDBOX:
        return there in (SANDBOX, "values")
    if there == SANDBOX:
        return here == "cli"
    return not here or ROOMS.index(there) <= ROOMS.index(here)


def test_a_file_imports_from_its_own_room_and_those_above_it() -> None:
    assert [
        f"{path}:{found.line}: imports {imported}"
        for path in FILES
        for found in read(path).imports
        if (imported := own(found)) is not None
        and not may_import(room_of(module_name(path)), room_of(imported))
    ] == []


@pytest.mark.parametrize(
    "here, there, fine",
    [
        ("values", "values", True),
        ("judge", "policy", True),
        ("policy", "judge", False),
        ("values", "cli", False),
        ("sandbox", "values", True),
        ("sandbox", "sandbox", True),
        ("sandbox", "grants", False),
        ("cli", "sandbox", True),
        ("run", "sandbox", False),
        ("", "cli", True),
    ],
)
def test_which_room_may_import_which(here: str, there: str, fine: bool) -> None:
    assert may_import(here, there) == fine


def test_no_file_reaches_itself_not_even_for_types() -> None:
    edges: dict[str, set[str]] = defaultdict(set)
    for path in FILES:
        for found in read(path).imports:
            if (imported := own(found)) is not None:
                edges[module_name(path)].add(imported)
    assert circles(edges) == []


def test_circles_of_two_of_three_and_of_one_are_found() -> None:
    edges = {
        "a": {"b"},
        "b": {"a"},
        "c": {"d", "a"},
        "d": {"e"},
        "e": {"c"},
        "f": {"f"},
        "g": {"a"},
    }
    assert circles(edges) == [["a", "b"], ["c", "d", "e"], ["f"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}}) == []


def test_every_room_is_drawn_and_every_drawn_room_is_there() -> None:
    there = {room_of(module_name(path)) for path in FILES} - {"", SANDBOX}
    assert there == set(ROOMS)


def test_no_class_name_stands_twice() -> None:
    where: dict[str, list[str]] = defaultdict(list)
    for path in FILES:
        for name in read(path).classes:
            where[name].append(module_name(path))
    assert {name: places for name, places in where.items() if len(places) > 1} == {}


def misplaced(importer: str, found: Import) -> str | None:
    """Returns what is wrong with importing a library there, None where nothing is."""
    library = found.module.partition(".")[0]
    if library == "pipeline" or library in sys.stdlib_module_names:
        return None
    if any(importer.startswith(allowed) for allowed in EARLY.get(library, ())):
        return None
    if importer not in LIBRARIES.get(library, ()):
        return f"{importer} imports {library}"
    if not (found.inside_function or found.for_types):
        return f"{importer} imports {library} when it is loaded"
    return None


def test_libraries_stay_in_their_own_file() -> None:
    assert [
        f"{path}:{found.line}: {wrong}"
        for path in FILES
        if room_of(module_name(path)) != SANDBOX
        for found in read(path).imports
        if (wrong := misplaced(module_name(path), found)) is not None
    ] == []


@pytest.mark.parametrize(
    "importer, text, wrong",
    [
        ("judge.decide", "import json\nimport pipeline.errors", None),
        ("judge.decide", "import yaml", "judge.decide imports yaml"),
        ("reading.yaml_strict", "import yaml", None),
        ("cli.check", "import click", None),
        ("run.connect", "def f():\n    import boto3", None),
        ("run.connect", "if TYPE_CHECKING:\n    import boto3", None),
        ("run.connect", "import boto3", "run.connect imports boto3 when it is loaded"),
        ("run.estate", "def f():\n    import boto3", "run.estate imports boto3"),
    ],
)
def test_a_misplaced_library_is_told(importer: str, text: str, wrong: str | None) -> None:
    told = [misplaced(importer, found) for found in source(text).imports]
    assert [one for one in told if one is not None] == ([] if wrong is None else [wrong])


HOLDERS = frozenset(module for modules in LIBRARIES.values() for module in modules)


def test_files_that_hold_libraries_exist_and_know_only_their_own_service() -> None:
    modules = {module_name(path): path for path in FILES}
    assert HOLDERS - modules.keys() == set()
    for module in HOLDERS - {"run.connect"}:
        for found in read(modules[module]).imports:
            imported = own(found)
            if imported in HOLDERS:
                same = imported.rpartition(".")[0] == module.rpartition(".")[0]
                assert same, f"{module} imports {imported}"


def reaches_outside(found: Import) -> bool:
    """Returns whether an import is of what reaches outside."""
    names = {found.module, found.module.partition(".")[0], f"{found.module}.{found.name}"}
    return bool(names & OUTSIDE_WORLD)


def test_quiet_rooms_reach_nothing_outside() -> None:
    modules = {path: module_name(path) for path in FILES}
    assert [
        f"{path}:{found.line}: imports {found.module}"
        for path, module in modules.items()
        if room_of(module) in QUIET and module not in HOLDERS
        for found in read(path).imports
        if reaches_outside(found)
    ] == []


@pytest.mark.parametrize(
    "text, outside",
    [
        ("import os", True),
        ("import os.path", True),
        ("from os import path", True),
        ("from urllib import request", True),
        ("import urllib.request", True),
        ("from urllib.parse import quote", False),
        ("import json", False),
    ],
)
def test_an_import_that_reaches_outside_is_told(text: str, outside: bool) -> None:
    (found,) = source(text).imports
    assert reaches_outside(found) == outside


def environment_readers(found: Source) -> list[int]:
    """Returns the lines where the environment is read."""
    used = [
        line
        for of, name, line in found.attributes
        if of in ("os", "os.path") and name in ENVIRONMENT
    ]
    taken = [one.line for one in found.imports if one.module == "os" and one.name in ENVIRONMENT]
    return used + taken


def clock_readers(found: Source) -> list[int]:
    """Returns the lines where the clock is read."""
    used = [line for of, name, line in found.attributes if (of.rpartition(".")[2], name) in CLOCK]
    taken = [
        one.line
        for one in found.imports
        if one.module == "time" and (one.module, one.name) in CLOCK
    ]
    return used + taken


def test_only_the_configuration_reads_the_environment() -> None:
    found = {path: environment_readers(read(path)) for path in FILES}
    assert [module_name(path) for path, lines in found.items() if lines] == ["config"]


def test_only_commands_read_the_clock() -> None:
    found = {path: clock_readers(read(path)) for path in FILES}
    assert {room_of(module_name(path)) for path, lines in found.items() if lines} == {"cli"}


@pytest.mark.parametrize(
    "text, environment, clock",
    [
        ("import os\nos.environ['A']\n", [2], []),
        ("import os\ndef f():\n    return os.path.expandvars('$A')\n", [3], []),
        ("from os import path, getenv\n", [1], []),
        ("import os\nos.getpid(), work.environ, datetime.now\n", [], [2]),
        ("import datetime\nx = 1\ndatetime.datetime.now(UTC)\n", [], [3]),
        ("def f():\n    from time import time_ns\n", [], [2]),
        ("import time\ntime.monotonic(); time.time()\n", [], [2]),
        ("from datetime import datetime\ndatetime.fromtimestamp(1)\n", [], []),
    ],
)
def test_readers_of_the_environment_and_of_the_clock_are_found(
    text: str, environment: list[int], clock: list[int]
) -> None:
    assert environment_readers(source(text)) == environment
    assert clock_readers(source(text)) == clock


def test_imports_in_functions_and_for_types_are_told_apart() -> None:
    text = (
        "import yaml\n"
        "if TYPE_CHECKING:\n    import boto3\n"
        "def f():\n    from google.cloud import x\n"
    )
    assert list(imports(ast.parse(text))) == [
        Import("yaml", "", 1, False, False),
        Import("boto3", "", 3, False, True),
        Import("google.cloud", "x", 5, True, False),
    ]
