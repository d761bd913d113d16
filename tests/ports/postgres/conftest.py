"""Watch a warehouse while it changes."""

from collections.abc import Callable, Iterator

import pytest

from embedded.servers.postgres import PostgresServer
from nyc_tlc.adapters.postgres import month_table
from nyc_tlc.adapters.postgres.inspector import PostgresInspector
from tests.conftest import postgres_server
from tests.ports.meanwhile import meanwhile, wait_until

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
    """Wait until a statement says true."""
    return lambda statement, *values: wait_until(lambda: query(statement, *values) == [(True,)])


@pytest.fixture
def seen_while(query) -> Callable[..., set[tuple]]:
    """What a reader in a loop sees while changes are made; it gets to see every version."""

    def read(statement: str, *changes: Callable[[], object]) -> set[tuple]:
        rows: list[tuple] = []
        with meanwhile(lambda: rows.extend(query(statement))):
            for change in changes:
                before = len(rows)
                change()
                wait_until(lambda before=before: len(rows) >= before + 2)
        return set(rows)

    return read


@pytest.fixture
def parts(request, monkeypatch) -> int:
    """In how many parts every month is loaded: two, or what the test is parametrized with."""
    parts = getattr(request, "param", 2)
    monkeypatch.setattr(month_table, "_WORTH_PARTS", 1)
    monkeypatch.setattr(month_table, "_MOST_PARTS", parts)
    return parts


@pytest.fixture
def inspector(database, schema) -> PostgresInspector:
    return PostgresInspector(database, schema)


@pytest.fixture(scope="session")
def primary() -> Iterator[PostgresServer]:
    """A server with PostgreSQL's defaults where ours has others: replicas, and few locks."""
    with postgres_server() as server:
        for name, value in _DEFAULTS.items():
            server.psql(f"ALTER SYSTEM SET {name} = {value}")
        server.stop()
        server.start()
        yield server
