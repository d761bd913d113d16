"""The BigQuery emulator: what the stack does where it cannot be installed."""

import subprocess
from pathlib import Path

import pytest

from embedded.servers import environment
from embedded.stack import Stack


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No emulator is installed, and no package index can be reached."""
    monkeypatch.setattr(environment, "_LOCAL", tmp_path / "local")
    run = subprocess.run

    def refuse(words: list[object], **named: object) -> object:
        if "sync" in map(str, words):
            return subprocess.CompletedProcess(words, 1, "", "error: no route to any index")
        return run(words, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(environment.subprocess, "run", refuse)


@pytest.mark.usefixtures("nowhere")
def test_stack_does_without_it_and_says_why(
    own_stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    settings = own_stack.start()
    assert "bigquery: skipped: bigquery_emulator cannot be installed: error: no route" in (
        caplog.text
    )
    assert own_stack.bigquery.pid is None
    assert not [name for name in settings if name.startswith("BIGQUERY_")]
    assert own_stack.is_running()
    assert settings["LAKE_URL"]
