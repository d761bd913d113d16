"""The BigQuery emulator: what the stack does where it cannot be installed."""

from pathlib import Path

import pytest

from embedded.servers import environment
from embedded.stack import Stack


def test_stack_does_without_it_and_says_why(
    own_stack: Stack,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(environment, "_LOCAL", tmp_path / "local")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_OFFLINE", "1")
    settings = own_stack.start()
    assert "bigquery: skipped: bigquery_emulator cannot be installed: " in caplog.text
    assert "network was disabled" in caplog.text
    assert own_stack.bigquery.pid is None
    assert not [name for name in settings if name.startswith("BIGQUERY_")]
    assert own_stack.is_running()
    assert settings["LAKE_URL"]
