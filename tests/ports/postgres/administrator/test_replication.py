"""A subscriber gets every load of a service that is published via its root, and of no other."""

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest

from embedded.servers.cluster_home import find_home
from nyc_tlc.adapters.postgres import month_table
from nyc_tlc.adapters.postgres.inspector import PostgresInspector
from nyc_tlc.adapters.postgres.warehouse import PostgresWarehouse
from nyc_tlc.core.contract.schemas import postgres_columns
from nyc_tlc.core.contract.service import GREEN, YELLOW
from tests.ports.meanwhile import wait_until
from tests.ports.months import SampleMonth, load, partition
from tests.ports.postgres.servers import sql, started

JANUARY, FEBRUARY = SampleMonth(rows=6), SampleMonth(partition("2024-02"), rows=5)
REVISED = replace(JANUARY, rows=4, sha256="b" * 64, values={"fare_amount": [1.0, 2.0, None, 4.0]})
LONG = replace(JANUARY, rows=9, sha256="c" * 64)
ROWS = "SELECT source_month, source_row, fare_amount, total_amount, extra_columns FROM tlc.green"


@pytest.fixture(scope="module")
def subscribed(postgres) -> Iterator[SimpleNamespace]:
    """A publisher with months that were loaded before, and a subscriber, in one cluster."""
    binaries = find_home(postgres.state_dir).binaries
    with started(binaries, "wal_level=logical", "max_wal_senders=10") as database:
        reader = replace(database, dbname="subscriber")
        warehouse = PostgresWarehouse(database, "tlc")
        load(warehouse, JANUARY)
        load(warehouse, SampleMonth(partition(service=YELLOW), rows=3))
        sql(database, "ALTER TABLE tlc.green ADD PRIMARY KEY (source_month, source_row)")
        sql(database, "CREATE PUBLICATION rooted FOR TABLE tlc.green "
                      "WITH (publish_via_partition_root = true)")  # fmt: skip
        sql(database, "CREATE PUBLICATION plain FOR TABLE tlc.yellow")
        sql(database, "CREATE DATABASE subscriber")
        key = "PRIMARY KEY (source_month, source_row)"
        for table, contract in (("green", GREEN.contract), ("yellow_2024_01", YELLOW.contract)):
            sql(reader, "CREATE SCHEMA IF NOT EXISTS tlc")
            sql(reader, f"CREATE TABLE tlc.{table} ({postgres_columns(contract.columns)}, {key})")
        for name in ("rooted", "plain"):
            # Within one cluster the slot has to be there before.
            sql(database, f"SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')")
            sql(reader, f"CREATE SUBSCRIPTION {name} CONNECTION 'host={database.host} "
                        f"port={database.port} dbname={database.dbname} user={database.user} "
                        f"password={database.password}' PUBLICATION {name} "
                        f"WITH (create_slot = false, slot_name = '{name}')")  # fmt: skip
        yield SimpleNamespace(
            database=database,
            warehouse=warehouse,
            published=lambda statement: sql(database, statement),
            received=lambda statement: sql(reader, statement),
        )
        for name in ("rooted", "plain"):
            sql(reader, f"DROP SUBSCRIPTION {name}")


def test_every_load_reaches_a_subscriber_of_the_root(subscribed, monkeypatch):
    rows = f"{ROWS} ORDER BY 1, 2"
    wait_until(lambda: len(subscribed.received(rows)) == JANUARY.rows)
    table = "SELECT 'tlc.green_2024_01'::regclass::oid"
    before = subscribed.published(table)
    monkeypatch.setattr(month_table, "_WORTH_PARTS", 8)
    for month in (REVISED, FEBRUARY, LONG, JANUARY):
        load(subscribed.warehouse, month, force=True)
        held = subscribed.published(rows)
        wait_until(lambda held=held: subscribed.received(rows) == held)
    assert len(held) == JANUARY.rows + FEBRUARY.rows
    assert subscribed.published(table) == before


def test_a_month_that_was_replaced_in_place_is_as_loaded(subscribed):
    load(subscribed.warehouse, REVISED, force=True)
    load(subscribed.warehouse, JANUARY, force=True)
    scan = PostgresInspector(subscribed.database, "tlc").scan(JANUARY.partition)
    assert (scan.rows, scan.altered) == (JANUARY.rows, 0)


def test_a_load_in_place_keeps_a_view_on_the_month_and_ignores_defaults(subscribed):
    subscribed.published("CREATE VIEW tlc.mine AS SELECT fare_amount FROM tlc.green_2024_02")
    subscribed.published("ALTER TABLE tlc.green ALTER fare_amount SET DEFAULT 7")
    try:
        load(subscribed.warehouse, replace(FEBRUARY, rows=2, sha256="d" * 64))
        assert subscribed.published("SELECT * FROM tlc.mine") == [(None,), (None,)]
    finally:
        subscribed.published("DROP VIEW tlc.mine")
        subscribed.published("ALTER TABLE tlc.green ALTER fare_amount DROP DEFAULT")


def test_a_load_does_not_reach_a_subscriber_of_the_partitions(subscribed):
    count = "SELECT count(*) FROM tlc.yellow_2024_01"
    wait_until(lambda: subscribed.received(count) == [(3,)])
    month = SampleMonth(partition(service=YELLOW), rows=8, sha256="e" * 64)
    load(subscribed.warehouse, month)
    ((now,),) = subscribed.published("SELECT pg_current_wal_lsn()")
    caught_up = (
        f"SELECT confirmed_flush_lsn >= '{now}' FROM pg_replication_slots WHERE slot_name = 'plain'"
    )
    wait_until(lambda: subscribed.published(caught_up) == [(True,)])
    assert subscribed.received(count) == [(3,)]
    # What the page for the database administrator says to do.
    subscribed.received("TRUNCATE tlc.yellow_2024_01")
    subscribed.received("ALTER SUBSCRIPTION plain SET PUBLICATION rooted")
    subscribed.received("ALTER SUBSCRIPTION plain SET PUBLICATION plain")
    wait_until(lambda: subscribed.received(count) == [(8,)])
