"""Who may import whom. Read from the source, so that no import has to happen to be seen."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).parents[2] / "pipeline"
FILES = sorted(PACKAGE.rglob("*.py"))

# The drawing, from the inside out: each layer may import itself and those before it. The
# longest name that fits decides.
LAYERS = (
    ("values", ("errors", "values")),
    ("pure", ("grants", "judge", "provision.plan", "provision.desired", "provision.documents")),
    ("pure", ("ending", "record", "forge.plumbing")),
    ("interface", ("provision.clouds.interface",)),
    ("effects", ("provision.apply", "provision.verify", "record.journal")),
    (
        "effects",
        ("judge.aftermath", "judge.arrival", "judge.askers", "judge.assess", "judge.electorate"),
    ),
    ("effects", ("judge.items", "judge.leftover", "judge.past", "judge.replay")),
    ("effects", ("judge.provenance", "judge.rulebook", "judge.shape", "judge.sources")),
    (
        "adapters",
        ("provision.clouds", "judge.rego", "judge.rego_tests", "judge.opa", "forge", "output"),
    ),
    ("top", ("cli", "config", "")),
    ("sandbox", ("sandbox",)),
)
ORDER = ("values", "pure", "interface", "effects", "adapters", "top")

# The only files that may know a library, and then only inside functions.
LIBRARIES = {
    "boto3": ("provision.clouds.aws", "cli.clouds"),
    "botocore": ("provision.clouds.aws", "cli.clouds"),
    "azure": ("provision.clouds.azure_api", "provision.clouds.azure", "cli.clouds"),
    "google": ("provision.clouds.gcp", "cli.clouds"),
    "grpc": ("provision.clouds.gcp",),
    "github": ("forge.github_api",),
    "opa_client": ("judge.opa",),
    "regorus": ("judge.rego",),
    # What the clients raise when the network fails comes from it.
    "requests": (
        "judge.opa",
        "provision.clouds.gcp",
        "forge.github_api",
    ),
}
# These load fast and are needed at once.
EARLY = {"yaml": ("grants.yaml_strict",), "click": ("cli", "output.text")}

OUTSIDE_WORLD = {
    *("asyncio", "concurrent", "ftplib", "http", "multiprocessing", "os", "random", "secrets"),
    *("shutil", "signal", "smtplib", "socket", "ssl", "subprocess", "tempfile", "threading"),
    *("time", "urllib.request"),
}


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


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def layer(module: str) -> str:
    """Returns the layer of a module below `pipeline`; the most exact name wins."""
    fitting = [
        (len(prefix), name)
        for name, prefixes in LAYERS
        for prefix in prefixes
        if module == prefix or module.startswith(f"{prefix}.") or not prefix
    ]
    return max(fitting)[1]


def own(found: Import) -> str | None:
    """Returns the module of ours that an import names, below `pipeline`."""
    if found.module != "pipeline" and not found.module.startswith("pipeline."):
        return None
    module = found.module.removeprefix("pipeline").removeprefix(".")
    longer = f"{module}.{found.name}".strip(".")
    path = PACKAGE.joinpath(*longer.split("."))
    return longer if path.with_suffix(".py").exists() or path.is_dir() else module


def family(module: str) -> str:
    """Returns which adapter a file belongs to: one service may take several files."""
    for several in ("forge.github", "judge.rego", "provision.clouds.azure"):
        if module.startswith(several):
            return several
    return {"forge.answers": "forge.github"}.get(module, module)


each_file = pytest.mark.parametrize("path", FILES, ids=[module_name(path) or "." for path in FILES])


@each_file
def test_imports_point_inwards(path: Path) -> None:
    importer = module_name(path)
    here = layer(importer)
    for found in imports(parsed(path)):
        imported = own(found)
        if imported is None:
            continue
        there = layer(imported)
        where = f"{path}:{found.line}: {importer} ({here}) imports {imported} ({there})"
        if here == "sandbox":
            assert there in ("sandbox", "values"), where
        elif there == "sandbox":
            assert importer.startswith("cli.demo"), where
        else:
            assert ORDER.index(there) <= ORDER.index(here), where
            if here == there == "adapters" and not imported.startswith("output"):
                assert family(importer) == family(imported), where


@each_file
def test_libraries_stay_in_their_own_file(path: Path) -> None:
    importer = module_name(path)
    if layer(importer) == "sandbox":
        return
    for found in imports(parsed(path)):
        library = found.module.partition(".")[0]
        if library == "pipeline" or library in sys.stdlib_module_names:
            continue
        where = f"{path}:{found.line}: {importer} imports {library}"
        if any(importer.startswith(allowed) for allowed in EARLY.get(library, ())):
            continue
        assert importer in LIBRARIES.get(library, ()), where
        assert found.inside_function or found.for_types, f"{where} when it is loaded"


@each_file
def test_pure_steps_reach_nothing_outside(path: Path) -> None:
    if layer(module_name(path)) not in ("values", "pure", "interface"):
        return
    for found in imports(parsed(path)):
        names = {found.module, found.module.partition(".")[0], f"{found.module}.{found.name}"}
        assert not names & OUTSIDE_WORLD, f"{path}:{found.line}: imports {found.module}"


@each_file
def test_only_the_configuration_reads_the_environment(path: Path) -> None:
    if module_name(path) == "config":
        return
    for node in ast.walk(parsed(path)):
        names = ("environ", "environb", "getenv", "expandvars")
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("os", "os.path"):
            assert node.attr not in names, f"{path}:{node.lineno}: reads the environment"
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            assert not {alias.name for alias in node.names} & set(names), f"{path}:{node.lineno}"


@each_file
def test_only_commands_read_the_clock(path: Path) -> None:
    if module_name(path).startswith("cli"):
        return
    for node in ast.walk(parsed(path)):
        where = f"{path}:{getattr(node, 'lineno', 0)}: reads the clock"
        if isinstance(node, ast.Attribute):
            names = ast.unparse(node.value).rpartition(".")[2], node.attr
            assert names not in {
                *(("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today")),
                *(("date", "today"), ("time", "time"), ("time", "time_ns")),
            }, where
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            assert not {alias.name for alias in node.names} & {"time", "time_ns"}, where


def test_the_drawing_names_files_that_exist() -> None:
    modules = {module_name(path) for path in FILES}
    named = [prefix for _, prefixes in LAYERS for prefix in prefixes]
    assert [name for name in named if name not in modules] == []


@pytest.mark.parametrize(
    "module, expected",
    [
        ("judge.decide", "pure"),
        ("judge.opa", "adapters"),
        ("provision.clouds.interface", "interface"),
        ("provision.clouds.aws", "adapters"),
        ("provision.documents.aws", "pure"),
        ("record.journal", "effects"),
        ("sandbox.github.pulls", "sandbox"),
        ("config", "top"),
    ],
)
def test_the_most_exact_name_decides_the_layer(module: str, expected: str) -> None:
    assert layer(module) == expected


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
