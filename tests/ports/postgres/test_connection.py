"""What the warehouse makes of a server that is absent, refuses us, or goes away."""

import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from nyc_tlc.adapters.postgres.warehouse import PostgresWarehouse
from nyc_tlc.core.errors import ConfigurationError, RetryableError
from tests.ports.months import SampleMonth, after_its_rows, load
from tests.ports.postgres.conftest import COPYING, NOTHING_IS_OPEN

MONTH = SampleMonth(rows=7, quarantined=[{}])
SECRET = "not-the-passw0rd"
CALLS: dict[str, Callable[[PostgresWarehouse], object]] = {
    "describe": lambda warehouse: warehouse.describe(),
    "replace_partition": lambda warehouse: load(warehouse, MONTH),
    "count": lambda warehouse: warehouse.count(MONTH.partition),
    "entry": lambda warehouse: warehouse.entry(MONTH.partition),
    "mark_reconciled": lambda warehouse: warehouse.mark_reconciled(MONTH.entry),
}


def _everything_said(error: BaseException | None) -> str:
    said = ""
    while error is not None:
        said += f"{error} {error!r} {error.args} "
        error = error.__cause__ or error.__context__
    return said


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_server_that_is_not_there_is_retryable(database, call):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(RetryableError, match=f"127.0.0.1:{port}.*POSTGRES_PORT") as failure:
        call(PostgresWarehouse(replace(database, port=port, password=SECRET), "tlc"))
    assert SECRET not in _everything_said(failure.value)


def test_host_that_has_no_address_is_retryable(database):
    with pytest.raises(RetryableError, match="POSTGRES_HOST"):
        PostgresWarehouse(replace(database, host="absent.invalid"), "tlc").describe()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"password": SECRET}, "POSTGRES_PASSWORD"),
        ({"password": ""}, "POSTGRES_PASSWORD"),
        ({"password": f"{SECRET} and 'quote' and \\"}, "POSTGRES_PASSWORD"),
        ({"dbname": "absent"}, "absent.*POSTGRES_DBNAME"),
        ({"user": "nobody at all"}, "nobody at all.*POSTGRES_USER"),
    ],
    ids=str,
)
def test_server_that_refuses_us_is_a_configuration_error(database, other, said):
    warehouse = PostgresWarehouse(replace(database, **other), "tlc")
    with pytest.raises(ConfigurationError, match=said) as failure:
        load(warehouse, MONTH)
    assert SECRET not in _everything_said(failure.value)
    assert SECRET not in repr(warehouse)


@pytest.mark.parametrize("owns", [True, False], ids=["owner", "stranger"])
def test_role_needs_to_own_its_schema_and_nothing_else(database, postgres, schema, owns):
    role = f"role_{schema}"
    postgres.psql(
        f"CREATE ROLE {role} LOGIN PASSWORD '{SECRET}'; "
        f"GRANT CONNECT ON DATABASE {database.dbname} TO {role}"
    )
    warehouse = PostgresWarehouse(replace(database, user=role, password=SECRET), schema)
    try:
        if owns:
            postgres.psql(f"CREATE SCHEMA {schema} AUTHORIZATION {role}")
            for _ in range(2):
                load(warehouse, MONTH, force=True)
            assert warehouse.count(MONTH.partition).accepted == 7
        else:
            with pytest.raises(ConfigurationError, match="role must own the schema") as failure:
                load(warehouse, MONTH)
            assert SECRET not in _everything_said(failure.value)
    finally:
        postgres.psql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


def test_nothing_stays_open_after_use(warehouse, eventually):
    load(warehouse, MONTH)
    for call in CALLS.values():
        call(warehouse)
    eventually(NOTHING_IS_OPEN)


def test_server_that_ends_the_session_is_retryable(warehouse, query, eventually):
    load(warehouse, MONTH)
    release = threading.Event()
    trips = after_its_rows(MONTH.trips(), lambda: release.wait(60))
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(
            warehouse.replace_partition, MONTH.entry, trips, MONTH.quarantine(), force=True
        )
        eventually(COPYING)
        query(COPYING.replace("count(*) > 0", "pg_terminate_backend(pid)"))
        release.set()
        with pytest.raises(RetryableError, match=r"rolled back.*the server's log says why"):
            loading.result()
    assert warehouse.count(MONTH.partition).accepted == 7
    eventually(NOTHING_IS_OPEN)
