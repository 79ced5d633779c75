"""`daypass demo`: the whole life of a grant on local stand-ins. Needs the `sandbox` extra."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.context import Context
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.sandbox.story import Ran, StoryStep
    from pipeline.sandbox.world import World


@click.command()
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep everything in this new folder, and the stand-ins running until interrupted.",
)
@click.option("--no-story", is_flag=True, help="With --keep: only start the stand-ins.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object a step to stdout.")
@click.pass_obj
def demo(context: Context, keep: Path | None, no_story: bool, as_json: bool) -> int:
    """Tell the whole life of a grant, step by step, on clouds and a GitHub of your own.

    Nothing outside this machine is touched. Without --keep nothing is left behind. With
    --keep DIR the stand-ins go on running, to be used from another terminal: DIR/acme.sh has
    the commands.

    Exit codes: 0 every step held, 1 one did not, 2 the sandbox is not installed.
    """
    if no_story and keep is None:
        raise UsageError("--no-story needs --keep DIR")
    try:
        from pipeline.sandbox.story import Story
        from pipeline.sandbox.world import START, World
    except ImportError as error:
        raise UsageError(
            f"the sandbox is not installed ({error.name} is missing)",
            hint="pip install 'daypass[sandbox]'",
        ) from error
    if shutil.which("git") is None:
        raise UsageError("git was not found", hint="install git 2.38 or later")
    with _folder(keep) as root, World(root, now=START, policies=_policies()) as world:
        told = no_story or _tell(context, Story(world=world, daypass=_runner(world)).steps, as_json)
        if keep is not None:
            _linger(context, world)
        return 0 if told else 1


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="daypass-demo-") as name:
            yield Path(name)
        return
    if keep.exists() and any(keep.iterdir()):
        raise UsageError(f"{keep} is not empty", hint="give a new folder")
    keep.mkdir(parents=True, exist_ok=True)
    yield keep.resolve()


def _tell(context: Context, steps: Callable[[], Iterator[StoryStep]], as_json: bool) -> bool:
    """Tells each step as it happens; returns whether every one held."""
    out = context.out
    held = True
    number = 0
    try:
        for number, step in enumerate(steps(), start=1):
            held = held and step.ok
            if as_json:
                told = {"step": step.step, "ok": step.ok, "evidence": step.evidence}
                out.stream.write(json.dumps(told, ensure_ascii=False) + "\n")
                out.stream.flush()
                continue
            mark = "✓" if step.ok else "✗"
            out.line(f"{mark} {number:>2}. {step.title}", "green" if step.ok else "red", "bold")
            for line in step.lines:
                out.line(f"      {line}")
            if not step.ok:
                out.line(f"      evidence: {json.dumps(step.evidence)}", "red")
    except Exception as error:
        held = False
        if as_json:
            context.emit({"step": "stopped", "ok": False, "evidence": {"error": str(error)}})
        context.err.line(f"the story stopped after step {number}: {error}", "red")
    if held and not as_json:
        out.line("Every step held.", "green", "bold")
    return held and number > 0


def _runner(world: World) -> Callable[..., Ran]:
    """Returns a function that runs one of our own commands as a user would."""
    from pipeline.cli.main import run
    from pipeline.sandbox.story import Ran

    prefix = ["-C", str(world.checkout), "--sandbox", str(world.sandbox_file)]

    def daypass(*arguments: str) -> Ran:
        said, complaints = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complaints):
            code = run([*prefix, *arguments, "--json"])
        objects = tuple(json.loads(line) for line in said.getvalue().splitlines())
        return Ran(
            arguments=arguments,
            code=code,
            document=objects[-1] if objects else {"stderr": complaints.getvalue()},
            objects=objects,
        )

    return daypass


def _policies() -> dict[str, str]:
    """Returns the policies that come with the distribution: path below policies/ to text."""
    here = Path(__file__).resolve().parents[1]
    folder = next(
        (one for one in (here / "policies", here.parent / "policies") if one.is_dir()), None
    )
    if folder is None:
        raise UsageError("the policies that come with Daypass were not found")
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".rego", ".yaml")
    }


_FIRST = """\
# A grant to try. Change what you like: access/README.md has the formats.
subject: alice
reason: Look at why the nightly build of the sandbox fails
duration: 30m
access:
  - target: gcp/sandbox-dev
    role: log-viewer
"""


def _linger(context: Context, world: World) -> None:
    """Says how to go on from another terminal, and waits to be interrupted."""
    python = shlex.quote(sys.executable)
    root, checkout, file = (
        shlex.quote(str(path)) for path in (world.root, world.checkout, world.sandbox_file)
    )
    (world.root / "mine.yaml").write_text(_FIRST, "utf-8")
    functions = world.root / "acme.sh"
    functions.write_text(
        f'acme() {{ {python} -m pipeline.cli -C {checkout} --sandbox {file} "$@"; }}\n'
        f'person() {{ {python} -m pipeline.sandbox {root} "$@"; }}\n',
        "utf-8",
    )
    say = context.err.line
    say("")
    say("Acme is running; Ctrl-C stops it. In another terminal:", "bold")
    say(f"  . {functions}")
    say(f"  person alice request {world.root / 'mine.yaml'}")
    say("  acme check --pr NUMBER --post --merge")
    say("  acme apply")
    say("  acme status")
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()
