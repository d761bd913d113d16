"""Mage starts with a safe environment, or not at all."""

import os
import secrets
import subprocess
import sys

import pytest

from mage_server import start
from mage_server.environment import CLOSED, OWNER, SECRETS, safe_environment
from mage_server.logs import VERBOSITY
from nyc_tlc.core.errors import ConfigurationError
from tests.repository import ROOT

SAFE = {
    "DEFAULT_OWNER_EMAIL": "me@example.org",
    "DEFAULT_OWNER_USERNAME": "me",
    **{name: secrets.token_urlsafe(16) for name in SECRETS},
}


def test_switches_that_were_left_alone_are_closed():
    started = safe_environment({**SAFE, "DISABLE_TERMINAL": "", "PATH": "/bin"})
    assert started == {**SAFE, **VERBOSITY, **dict.fromkeys(CLOSED, "1"), "PATH": "/bin"}


REFUSED = [
    *((name, value, "expected 1 or nothing") for name in CLOSED for value in ("0", "false", "no")),
    *(
        (name, value, "set it")
        for name in (*OWNER, *SECRETS)
        for value in ("", "admin", "materia", "admin@admin.com")
    ),
]


@pytest.mark.parametrize(("name", "value", "said"), REFUSED)
def test_an_opened_switch_and_a_default_of_mage_are_refused(name, value, said):
    with pytest.raises(ConfigurationError, match=f"(?m)^  {name}: {said}"):
        safe_environment({**SAFE, name: value})


def test_everything_that_is_wrong_is_listed_and_no_value_is_shown():
    wrong = {"JWT_SECRET": "short-secret", "DEFAULT_OWNER_EMAIL": "", "DISABLE_TERMINAL": "0"}
    with pytest.raises(ConfigurationError) as caught:
        safe_environment({**SAFE, **wrong})
    assert all(f"  {name}: " in str(caught.value) for name in wrong)
    assert "short-secret" not in str(caught.value)


def test_the_process_ends_before_mage_is_there():
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


@pytest.mark.parametrize(("given", "taken"), [(None, "2"), ("", "2"), ("5", "5")])
def test_the_scheduler_looks_every_two_seconds_unless_told_otherwise(monkeypatch, given, taken):
    name = "SCHEDULER_TRIGGER_INTERVAL"
    monkeypatch.setattr(os, "environ", {**SAFE} if given is None else {**SAFE, name: given})
    monkeypatch.setattr(start, "_close_server", lambda project: sys.exit("Mage would start"))
    with pytest.raises(SystemExit, match="Mage would start"):
        start.main([])
    assert os.environ[name] == taken
