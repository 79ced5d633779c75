"""The lines that people are told to use their access with, run by the tool that they name."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.clouds.interface import Status
from pipeline.clouds.usage import usage
from pipeline.sandbox.aws import MFA_CODE
from pipeline.values.binding import Binding, ChangeKind
from pipeline.values.grant import Window
from tests.contract.support_aws import (
    BOB_ARN,
    END,
    ENTITLEMENT,
    HOME_ACCOUNT,
    START,
    Estate,
    for_bob,
    wanted,
)

# The tool reads the machine's clock, which must not have passed the end of a session yet.
LATER = timedelta(days=36_500)
ALICES, BOBS = (
    wanted(one, window=Window(start=START + LATER, end=END + LATER))
    for one in (ENTITLEMENT, for_bob())
)


@pytest.fixture(scope="module")
def estate() -> Iterator[Estate]:
    estate = Estate.open()
    estate.clock.advance(LATER)
    for binding in (ALICES, BOBS):
        assert estate.write(ChangeKind.CREATE, binding).status is Status.DONE
    yield estate
    estate.sandbox.stop()


class Shell:
    """A terminal of somebody who is signed in to AWS in the profile `default`."""

    def __init__(self, home: Path, estate: Estate, credentials: Mapping[str, str]) -> None:
        keys = "".join(f"{key} = {value}\n" for key, value in credentials.items())
        (home / "credentials").write_text(f"[default]\n{keys}")
        self._home = home
        self._environment = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}",
            "HOME": str(home),
            "AWS_CONFIG_FILE": str(home / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(home / "credentials"),
            "AWS_ENDPOINT_URL": estate.sandbox.url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def run(self, binding: Binding, *, typed: str = "") -> tuple[int, str]:
        """Runs every line for *binding* as one script, where somebody has *typed* something;
        returns its exit code and all that it says."""
        script = "\n".join(["set -e", *usage(binding)])
        done = subprocess.run(
            ["sh", "-c", script],
            cwd=self._home,
            env=self._environment,
            input=typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Without a terminal of its own, the tool reads a code from its input.
            start_new_session=True,
            check=False,
            text=True,
        )
        return done.returncode, done.stdout


def test_somebody_signed_in_through_identity_center_gets_the_role_by_the_lines(
    estate: Estate, tmp_path: Path
) -> None:
    shell = Shell(tmp_path, estate, estate.sandbox.person("alice@example.com", home=HOME_ACCOUNT))
    code, said = shell.run(ALICES)
    assert code == 0, said
    assert f":assumed-role/{ALICES.key}/alice@example.com" in said


def test_an_iam_user_gets_it_with_their_second_factor_and_not_without(
    estate: Estate, tmp_path: Path
) -> None:
    for name in ("right", "wrong"):
        (tmp_path / name).mkdir()
    user = estate.sandbox.user(BOB_ARN)
    code, said = Shell(tmp_path / "right", estate, user).run(BOBS, typed=f"{MFA_CODE}\n")
    assert code == 0, said
    assert f":assumed-role/{BOBS.key}/bob" in said
    code, said = Shell(tmp_path / "wrong", estate, user).run(BOBS, typed="000000\n")
    assert code != 0
    assert "invalid MFA" in said


def test_nobody_else_gets_it_by_the_same_lines(estate: Estate, tmp_path: Path) -> None:
    mallory = estate.sandbox.person("mallory@example.com", home=HOME_ACCOUNT)
    code, said = Shell(tmp_path, estate, mallory).run(ALICES)
    assert code != 0
    assert "AccessDenied" in said
