"""Mage starts with a safe environment, or not at all."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from embedded.environment import keep_secrets
from mage_server.environment import CLOSED, OWNER, SECRETS, safe_environment
from nyc_tlc.core.errors import ConfigurationError

ROOT = Path(__file__).parents[3]
SAFE = {
    "DEFAULT_OWNER_EMAIL": "me@example.org",
    "DEFAULT_OWNER_USERNAME": "me",
    **{name: secrets.token_urlsafe(16) for name in SECRETS},
}


def _complaint(**changes: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        safe_environment({**SAFE, **changes})
    return str(caught.value)


def test_switches_that_were_left_alone_are_closed() -> None:
    started = safe_environment({**SAFE, "DISABLE_TERMINAL": "", "PATH": "/bin"})
    assert started == {**SAFE, **dict.fromkeys(CLOSED, "1"), "PATH": "/bin"}


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("value", ["0", "false", "no"])
def test_an_opened_switch_is_refused(name: str, value: str) -> None:
    assert f"{name}: expected 1 or nothing" in _complaint(**{name: value})


@pytest.mark.parametrize("name", [*OWNER, *SECRETS])
@pytest.mark.parametrize("value", ["", "admin", "materia", "admin@admin.com"])
def test_a_default_of_mage_is_refused(name: str, value: str) -> None:
    assert f"  {name}: set it" in _complaint(**{name: value})


def test_everything_that_is_wrong_is_listed_and_no_value_is_shown() -> None:
    said = _complaint(JWT_SECRET="short-secret", DEFAULT_OWNER_EMAIL="", DISABLE_TERMINAL="0")
    for name in ("JWT_SECRET", "DEFAULT_OWNER_EMAIL", "DISABLE_TERMINAL"):
        assert f"  {name}: " in said
    assert "short-secret" not in said


def test_the_embedded_stack_makes_secrets_that_pass() -> None:
    safe_environment({**SAFE, **keep_secrets({})})


def test_the_process_ends_before_mage_is_there() -> None:
    bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "mage_server"],
        cwd=ROOT, env={**bare, "DEFAULT_OWNER_PASSWORD": "admin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "Mage was not started, because it would be open" in ended.stderr
    assert "mage_ai" not in ended.stderr
    assert "Traceback" not in ended.stderr


def test_every_variable_of_a_safe_start_is_in_dev_env() -> None:
    lines = (ROOT / "dev.env").read_text().splitlines()
    listed = {line.partition("=")[0] for line in lines if line and not line.startswith("#")}
    assert {*OWNER, *SECRETS} <= listed
