"""`daypass schema`: the JSON Schemas that editors complete and check files with."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import click

from pipeline.cli.context import Context
from pipeline.errors import UsageError
from pipeline.output.text import table


@click.command()
@click.argument("kind", required=False)
@click.option("--write", is_flag=True, help="Write them to access/schemas.")
@click.option("--check", is_flag=True, help="Say which of those in access/schemas differ.")
@click.option(
    "--line", "file", type=click.Path(path_type=Path), help="The line that FILE starts with."
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout, on one line.")
@click.pass_obj
def schema(
    context: Context, kind: str | None, write: bool, check: bool, file: Path | None, as_json: bool
) -> int:
    """Show the JSON Schema of a KIND of file, or list the kinds.

    With --line, show how a file names its schema, for editors that know the YAML language
    server.

    Exit codes: 0 fine; 1 what is written differs; 2 usage.
    """
    from pipeline.grants.schema import FOLDER, render_schemas, schemas
    from pipeline.reading.yaml_strict import closest

    if sum((write, check, file is not None)) > 1 or (file is not None and kind is not None):
        raise UsageError("give one of KIND, --write, --check and --line")
    known = schemas()
    if kind is not None and kind not in known:
        raise UsageError(
            f"there is no kind {kind}{closest(kind, known)}", hint="daypass schema lists them"
        )
    if file is not None:
        return _show_line(context, file, as_json)
    if not (write or check):
        if kind is not None:
            if as_json:
                context.emit(known[kind])
            else:
                context.out.stream.write(render_schemas()[f"{FOLDER}/{kind}.schema.json"])
        elif as_json:
            context.emit(
                {"kinds": [{"name": name, "title": known[name]["title"]} for name in sorted(known)]}
            )
        else:
            rows = [(name, f"{FOLDER}/{name}.schema.json") for name in sorted(known)]
            for line in table(("kind", "written to"), rows):
                context.out.line(line)
        return 0
    wanted = {
        path: text
        for path, text in render_schemas().items()
        if kind is None or path == f"{FOLDER}/{kind}.schema.json"
    }
    differing = [path for path, text in wanted.items() if _text(context.root / path) != text]
    if write:
        for path in differing:
            place = context.root / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(wanted[path], "utf-8")
    if as_json:
        context.emit({"written" if write else "differing": differing})
    else:
        said = "written" if write else "differs from what is generated; run daypass schema --write"
        for path in differing:
            context.out.line(f"{path}: {said}", *(() if write else ("red",)))
        if not differing:
            count = len(wanted)
            said = "1 schema is" if count == 1 else f"{count} schemas are"
            context.out.line(f"{said} as generated", "green")
    return 1 if check and differing else 0


def _show_line(context: Context, file: Path, as_json: bool) -> int:
    from pipeline.grants.schema import editor_line, kind_of

    # The file need not be there yet.
    place = (context.root / file).resolve()
    path = place.relative_to(context.root) if place.is_relative_to(context.root) else file
    name = PurePosixPath(path).as_posix()
    line = editor_line(name)
    if line is None:
        raise UsageError(
            f"{name} is of no kind that has a schema",
            hint="name a YAML file below access/, such as access/grants/alice/x.yaml",
        )
    if as_json:
        context.emit({"path": name, "kind": kind_of(name), "line": line})
    else:
        context.out.line(line)
    return 0


def _text(file: Path) -> str | None:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
