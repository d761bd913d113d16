"""Watch a warehouse while it changes."""

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from embedded.servers.postgres import PostgresServer

BLOCKED = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND locktype = %s"
COPYING = "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'COPY %green%'"
NOTHING_IS_OPEN = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'nyc_tlc'"

_DEFAULTS = {"wal_level": "replica", "max_wal_senders": 4, "max_locks_per_transaction": 64}


def everything_said(error: BaseException | None) -> str:
    """By an error and its causes."""
    said = ""
    while error is not None:
        said += f"{error} {error!r} {error.args} "
        error = error.__cause__ or error.__context__
    return said


@pytest.fixture
def eventually(query) -> Callable[..., None]:
    """Wait until a statement says true; a minute is for ever here."""

    def wait(statement: str, *values: object) -> None:
        deadline = time.monotonic() + 60
        while query(statement, *values) != [(True,)]:
            assert time.monotonic() < deadline, statement
            time.sleep(0.01)

    return wait


@pytest.fixture
def seen_while(query) -> Callable[..., set[tuple]]:
    """What a reader in a loop sees while changes are made; it gets to see every version."""

    def read(statement: str, *changes: Callable[[], object]) -> set[tuple]:
        rows, done = [], threading.Event()

        def loop() -> None:
            while not done.is_set():
                rows.extend(query(statement))

        with ThreadPoolExecutor(1) as pool:
            reader = pool.submit(loop)
            for change in changes:
                before = len(rows)
                change()
                while len(rows) < before + 2 and not reader.done():
                    time.sleep(0.001)
            done.set()
            reader.result()
        return set(rows)

    return read


@pytest.fixture(scope="session")
def primary() -> Iterator[PostgresServer]:
    """A server with PostgreSQL's defaults where ours has others: replicas, and few locks."""
    with tempfile.TemporaryDirectory(prefix="nyc-tlc-primary-") as folder:
        Path(folder).chmod(0o755)
        server = PostgresServer(Path(folder) / "state")
        try:
            server.start()
            for name in ("wal_level", "max_wal_senders", "max_locks_per_transaction"):
                server.psql(f"ALTER SYSTEM SET {name} = {_DEFAULTS[name]}")
            server.stop()
            server.start()
            yield server
        finally:
            server.stop()
            shutil.rmtree((server.state_dir / "postgres-home").read_text())
