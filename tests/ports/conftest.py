"""Servers of other clouds, each started once, skipped where they are not to be had."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import pytest

from tests.ports.lake.object_stores import NotToBeHadError, ObjectStore, azure_server, s3_server


@pytest.fixture(scope="session")
def s3() -> Iterator[ObjectStore]:
    with _or_skip(s3_server()) as server:
        yield server


@pytest.fixture(scope="session")
def azure() -> Iterator[ObjectStore]:
    with _or_skip(azure_server()) as server:
        yield server


@contextmanager
def _or_skip(server: AbstractContextManager[ObjectStore]) -> Iterator[ObjectStore]:
    with ExitStack() as stack:
        try:
            running = stack.enter_context(server)
        except NotToBeHadError as reason:
            pytest.skip(str(reason))
        yield running
