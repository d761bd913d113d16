"""One stack for the tests that only look at it; what a test breaks, it starts itself."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded.servers.postgres import PostgresServer
from embedded.stack import Stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory) -> Iterator[Stack]:
    running = Stack(tmp_path_factory.mktemp("a state dir") / "lo'cal")
    running.start()
    yield running
    running.stop()
    _remove_home(running.state_dir)


@pytest.fixture
def own_stack(tmp_path) -> Iterator[Stack]:
    unstarted = Stack(tmp_path / "state")
    yield unstarted
    unstarted.stop()
    _remove_home(unstarted.state_dir)


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    # pytest's own folders are closed to others; here root's server account can enter.
    with tempfile.TemporaryDirectory(prefix="open to all ") as folder:
        Path(folder).chmod(0o755)
        made = PostgresServer(Path(folder) / "state")
        yield made
        made.stop()
        _remove_home(made.state_dir)


def _remove_home(state_dir: Path) -> None:
    record = state_dir / "postgres-home"
    if record.exists():
        shutil.rmtree(record.read_text())
