"""Servers of other clouds, each started once, skipped where they cannot be installed."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack

import pytest

from embedded.servers.environment import NotInstallableError
from tests.ports.lake.object_stores import ObjectStore, azure_server, s3_server
from tests.ports.scripted_http import ScriptedServer, serve


@pytest.fixture(scope="session")
def s3() -> Iterator[ObjectStore]:
    yield from _running(s3_server())


@pytest.fixture(scope="session")
def azure() -> Iterator[ObjectStore]:
    yield from _running(azure_server())


def _running(server: AbstractContextManager[ObjectStore]) -> Iterator[ObjectStore]:
    with ExitStack() as stack:
        try:
            running = stack.enter_context(server)
        except NotInstallableError as reason:
            pytest.skip(str(reason))
        yield running


@pytest.fixture
def server(wire) -> Iterator[ScriptedServer]:
    """Answers as the ``wire`` of the test does."""
    with serve(wire.answer) as server:
        yield server


@pytest.fixture
def cloud_url(request, monkeypatch) -> Callable[[str], str]:
    """Point this process at the server ``s3`` or ``azure``, and give its bucket's URL."""

    def use(cloud: str) -> str:
        server: ObjectStore = request.getfixturevalue(cloud)
        for name, value in server.variables.items():
            monkeypatch.setenv(name, value)
        return server.url

    return use
