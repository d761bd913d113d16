"""How many locks a query over every month takes, and what the connection check says of them."""

import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

from nyc_tlc.adapters.postgres import schema as ddl
from nyc_tlc.adapters.postgres.warehouse import PostgresWarehouse
from nyc_tlc.core.contract.service import GREEN, SERVICES, YELLOW
from tests.ports.months import SampleMonth, load, load_dimensions, partition

_MONTHS = """
DO $$ BEGIN FOR n IN 0..{} LOOP
  EXECUTE format('CREATE TABLE {}_%s PARTITION OF {} FOR VALUES IN (%L)',
                 n, date '1900-01-01' + n * interval '1 month');
END LOOP; END $$
"""


def _warning(warehouse: PostgresWarehouse) -> str:
    return warehouse.describe().partition("\nWARNING: ")[2]


def _locked(connect: Callable[[], Any], query: str) -> int:
    """The tables and indexes that a query locks."""
    with closing(connect()) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation' "
            "AND relation NOT IN (SELECT oid FROM pg_class WHERE relkind = 'v' "
            "OR relnamespace = 'pg_catalog'::regnamespace)"
        )
        return cursor.fetchone()[0]


def test_a_query_over_all_services_locks_what_the_check_counts(warehouse, connect, monkeypatch):
    load_dimensions(warehouse)
    warehouse.replace_views([service.contract for service in SERVICES.values()])
    for month in ("2024-01", "2024-02"):
        load(warehouse, SampleMonth(partition(month)))
        load(warehouse, SampleMonth(partition(month, YELLOW)))
    locked = _locked(connect, "SELECT count(*) FROM trips")
    assert _warning(warehouse) == ""
    monkeypatch.setattr(ddl, "_READERS_OF_ALL", 10**6)
    counted = int(re.search(r"locks (\d+) tables and indexes", _warning(warehouse))[1])
    # Before version 16, no query locks the indexes of a partitioned table with partitions.
    assert counted - locked in {0, 2}
    # What the runbook advises: two tables with an index each are left out.
    of_a_month = "SELECT count(*) FROM trips WHERE source_month = '2024-01-01'"
    assert _locked(connect, of_a_month) == locked - 4


def test_where_it_is_too_low_the_check_says_what_to_set(primary, database):
    """For all months of one service there are tables here, with the index of the parent."""
    server = replace(database, port=primary.port, password=primary.password)
    warehouse = PostgresWarehouse(server, "tlc")
    load(warehouse, SampleMonth())
    assert _warning(warehouse) == ""
    primary.psql("SET search_path = tlc;" + _MONTHS.format(330, GREEN, GREEN))
    said = _warning(warehouse)
    assert "max_locks_per_transaction = 64 is too low" in said
    assert "no more than 9 sessions" in said
    assert "Set it to 512 and restart the server" in said
