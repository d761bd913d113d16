"""The BigQuery emulator: what the stack does where it cannot be had."""

import subprocess
from pathlib import Path

import pytest

from embedded.servers import bigquery as bigquery_server
from embedded.servers.bigquery import BigQueryServer, EmulatorAbsentError
from embedded.stack import Stack


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No emulator is installed, and no package index can be reached."""
    monkeypatch.setattr(bigquery_server, "_HOME", tmp_path / "local" / "emulator")
    monkeypatch.setattr(bigquery_server, "_STAMP", tmp_path / "local" / "emulator" / "stamp")
    run = subprocess.run

    def refuse(words: list[object], **named: object) -> object:
        if "sync" in map(str, words):
            return subprocess.CompletedProcess(words, 1, "", "error: no route to any index")
        return run(words, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(bigquery_server.subprocess, "run", refuse)


@pytest.mark.usefixtures("nowhere")
def test_emulator_that_cannot_be_installed_says_why(tmp_path: Path) -> None:
    server = BigQueryServer(tmp_path, tmp_path / "objects")
    with pytest.raises(EmulatorAbsentError, match="cannot be installed: error: no route"):
        server.start()
    assert server.pid is None


@pytest.mark.usefixtures("nowhere")
def test_stack_does_without_it(own_stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    environment = own_stack.start()
    assert "bigquery: skipped: the BigQuery emulator cannot be installed" in caplog.text
    assert not [name for name in environment if name.startswith("BIGQUERY_")]
    assert own_stack.is_running()
    assert environment["LAKE_URL"]
