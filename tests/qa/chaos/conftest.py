"""Servers for each file of trials: two files run at the same time."""

from collections.abc import Iterator

import pytest

from qa.chaos.world import World, temporary_world


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with temporary_world() as opened:
        yield opened
