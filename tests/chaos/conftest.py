"""Servers for each file of trials: two files run at the same time."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.world import World, open_world


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    # pytest's own folders are closed to others; here root's server account can enter.
    folder = Path(tempfile.mkdtemp(prefix="nyc-tlc-chaos-"))
    folder.chmod(0o755)
    try:
        with open_world(folder / "world") as opened:
            yield opened
    finally:
        shutil.rmtree(folder)
