"""What the warehouse makes of a server that is absent, refuses us, or goes away."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from nyc_tlc.adapters.postgres.warehouse import PostgresWarehouse
from nyc_tlc.core.errors import ConfigurationError, RetryableError
from tests.ports.months import SampleMonth, after_its_rows, load
from tests.ports.postgres.conftest import COPYING, NOTHING_IS_OPEN, everything_said

MONTH = SampleMonth(rows=7, quarantined=[{}])
SECRET = "not-the-passw0rd"


@pytest.mark.parametrize(
    ("other", "error", "said"),
    [
        ({"port": 1}, RetryableError, "127.0.0.1:1/.*POSTGRES_PORT"),
        ({"host": "absent.invalid"}, RetryableError, "absent.invalid.*POSTGRES_HOST"),
        ({"password": SECRET}, ConfigurationError, "POSTGRES_PASSWORD"),
        ({"password": ""}, ConfigurationError, "POSTGRES_PASSWORD"),
        ({"password": f"{SECRET} ' and \\"}, ConfigurationError, "POSTGRES_PASSWORD"),
        ({"dbname": "absent"}, ConfigurationError, "absent.*POSTGRES_DBNAME"),
        ({"user": "nobody at all"}, ConfigurationError, "nobody at all.*POSTGRES_USER"),
    ],
    ids=str,
)
def test_server_that_is_absent_or_refuses_us_is_named_without_the_password(
    database, other, error, said
):
    warehouse = PostgresWarehouse(replace(database, **{"password": SECRET, **other}), "tlc")
    with pytest.raises(error, match=said) as failure:
        warehouse.entry(MONTH.partition)
    assert SECRET not in everything_said(failure.value)
    assert SECRET not in repr(warehouse)


def test_nothing_stays_open_after_use(warehouse, eventually):
    warehouse.describe()
    load(warehouse, MONTH)
    warehouse.mark_reconciled(MONTH.entry)
    assert warehouse.count(MONTH.partition).accepted == 7
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
