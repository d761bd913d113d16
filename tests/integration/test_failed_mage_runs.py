"""A `mage run` that cannot be meant, or cannot be done, ends non-zero and on one screen."""

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.conftest import Mage
from tests.repository import ROOT

pytestmark = pytest.mark.integration
UNSET = {"POSTGRES_PASSWORD": "", "LAKE_URL": "", "TLC_WORKERS": "many"}
RUNS = {
    "a plan without a network": (
        "tlc_sync", '{"plan": true}', {"TLC_SOURCE_URL": "https://tlc.invalid"},
        ["the name tlc.invalid does not resolve (DNS)", "not tried, because the name",
         "partitions failed; none is done"],
    ),
    "a wrong month": (
        "tlc_trips", '{"service": "green", "months": "2024-13"}', {},
        ["'2024-13' is not a month", "Nothing was started"],
    ),
    "settings that are not set": (
        "check_connections", "{}", UNSET, ["Nothing was started", *(f"  {n}: " for n in UNSET)],
    ),
    "variables that are no JSON": ("tlc_sync", "{plan: true}", {}, ["no JSON"]),
    "a variable that nothing reads": (
        "tlc_sync", '{"mouths": "2024-01"}', {}, ["tlc_sync has no variable 'mouths'"],
    ),
    "variables that are no object": (
        "tlc_sync", "[1]", {}, ["TypeError: cannot convert dictionary"],
    ),
}  # fmt: skip
OF_MAGE = {"variables that are no JSON", "variables that are no object"}
"""Of these Mage itself prints a traceback, at the start."""


@pytest.fixture(scope="module")
def ended(postgres, tmp_path_factory):
    """Every run, on a lake and, but for the plan, a Postgres of which nothing may be asked."""
    folder = tmp_path_factory.mktemp("failed")

    def run(name, port):
        pipeline, variables, settings, _ = RUNS[name]
        if "TLC_SOURCE_URL" in settings:
            settings = settings | {
                "POSTGRES_PORT": str(postgres.port), "POSTGRES_DBNAME": postgres.database,
                "POSTGRES_USER": postgres.user, "POSTGRES_PASSWORD": postgres.password,
            }  # fmt: skip
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "LAKE_URL": f"{folder}/lake",
            "POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": str(port), "POSTGRES_DBNAME": "d",
            "POSTGRES_USER": "u", "POSTGRES_PASSWORD": "not-used", "TLC_ATTEMPTS": "2",
            "TLC_WORK_DIR": f"{folder}/work", "MAGE_DATA_DIR": f"{folder}/mage of {name}",
            "TLC_SOURCE_URL": "http://127.0.0.1:1",
        }  # fmt: skip
        return Mage(environment | settings).run(pipeline, variables)

    with socket.create_server(("127.0.0.1", 0)) as nobody, ThreadPoolExecutor(2) as pool:
        port = nobody.getsockname()[1]
        runs = dict(zip(RUNS, pool.map(lambda name: run(name, port), RUNS), strict=True))
        nobody.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has connected
            nobody.accept()
    assert not (folder / "lake").exists()
    return runs


@pytest.mark.parametrize("name", RUNS)
def test_its_last_lines_say_why(ended, name):
    assert ended[name].returncode == 1
    lines = ended[name].stdout.strip().splitlines()
    told = "\n".join(lines[-25:])
    assert [words for words in RUNS[name][-1] if words not in told] == []
    if name in OF_MAGE:
        return
    assert "Traceback" not in ended[name].stdout
    assert "Warning" not in "\n".join(lines[3:])
    assert len(lines) < 50
    log = Path(lines[-1].partition("Log, with all that is not shown here: ")[2])
    assert log.parent.name == "logs"
    assert "Traceback (most recent call last)" in log.read_text("utf-8")
