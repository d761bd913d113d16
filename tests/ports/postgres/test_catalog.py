"""What analysts and the planner find in the warehouse once months are loaded."""

from __future__ import annotations

import pytest

from nyc_tlc.adapters.postgres.warehouse import PostgresWarehouse
from nyc_tlc.core.contract.schemas import postgres_columns
from nyc_tlc.core.contract.service import GREEN, YELLOW
from tests.conftest import Query
from tests.ports.months import SampleMonth, load, partition

MONTHS = ("2024-01", "2024-06", "2024-12")
CHILDREN = [f"green_{month.replace('-', '_')}" for month in MONTHS]


@pytest.fixture(autouse=True)
def loaded(warehouse: PostgresWarehouse) -> PostgresWarehouse:
    """Three green months, the first of them loaded twice, and a yellow one."""
    for month in MONTHS:
        load(warehouse, SampleMonth(partition(month), rows=6, quarantined=[{}]))
    load(warehouse, SampleMonth(partition(MONTHS[0]), rows=5, sha256="b" * 64))
    load(warehouse, SampleMonth(partition(MONTHS[0], YELLOW), rows=4))
    return warehouse


def _plan(query: Query, statement: str) -> str:
    return "\n".join(line for (line,) in query(f"EXPLAIN (COSTS OFF) {statement}"))


def _scanned(query: Query, condition: str) -> list[str]:
    plan = _plan(query, f"SELECT * FROM green WHERE {condition}")
    return [child for child in CHILDREN if child in plan]


def test_tables_are_the_ones_that_readers_are_promised(query: Query, schema: str) -> None:
    tables = query("SELECT tablename FROM pg_tables WHERE schemaname = %s", schema)
    assert {name for (name,) in tables} == {
        *("green", *CHILDREN, "yellow", "yellow_2024_01", "ledger", "quarantine"),
    }


@pytest.mark.parametrize("service", [GREEN, YELLOW], ids=str)
def test_columns_are_those_of_the_contract(query: Query, schema: str, service) -> None:
    columns = query(
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
        f"{schema}.{service}",
    )
    declared = [
        f'"{name}" {kind}{" NOT NULL" if required else ""}' for name, kind, required in columns
    ]
    assert ",\n  ".join(declared) == postgres_columns(service.contract.columns)


@pytest.mark.parametrize("service", [GREEN, YELLOW], ids=str)
def test_every_column_says_what_it_means(query: Query, schema: str, service) -> None:
    comments = query(
        "SELECT attname, col_description(attrelid, attnum) FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0",
        f"{schema}.{service}",
    )
    assert dict(comments) == {
        column.name: f"{column.meaning} [{column.unit}]" if column.unit else column.meaning
        for column in service.contract.columns
    }


def test_every_month_is_a_partition(query: Query) -> None:
    bounds = query(
        "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i "
        "JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'green'::regclass ORDER BY 1"
    )
    assert bounds == [
        (child, f"FOR VALUES IN ('{month}-01')")
        for child, month in zip(CHILDREN, MONTHS, strict=True)
    ]


def test_checks_that_spare_a_scan_are_there_and_valid(query: Query) -> None:
    for child in CHILDREN:
        checks = query(
            "SELECT conname, convalidated, connoinherit FROM pg_constraint "
            "WHERE conrelid = %s::regclass AND contype = 'c' ORDER BY 1",
            child,
        )
        assert checks == [
            ("pickup_datetime_check", True, False),
            ("source_month_check", True, False),
        ]


def test_pickup_range_reads_the_months_that_can_hold_it(query: Query) -> None:
    june = "pickup_datetime >= '2024-06-10' AND pickup_datetime < '2024-06-11'"
    assert _scanned(query, june) == ["green_2024_06"]
    assert _scanned(query, "pickup_datetime >= '2024-08-01'") == ["green_2024_12"]
    assert _scanned(query, "pickup_datetime < '2024-06-10'") == CHILDREN[:2]
    assert _scanned(query, "pickup_datetime = '2030-01-01'") == []


def test_source_month_reads_one_partition(query: Query) -> None:
    assert _scanned(query, "source_month = date '2024-12-01'") == ["green_2024_12"]


def test_index_of_every_month_belongs_to_the_table_s_own(query: Query) -> None:
    indexes = query(
        "SELECT child.relname, parent.relname, am.amname, ix.indisvalid FROM pg_inherits i "
        "JOIN pg_class child ON child.oid = i.inhrelid "
        "JOIN pg_class parent ON parent.oid = i.inhparent "
        "JOIN pg_index ix ON ix.indexrelid = child.oid JOIN pg_am am ON am.oid = child.relam "
        "WHERE ix.indrelid = ANY(%s::regclass[]) ORDER BY 1",
        CHILDREN,
    )
    assert indexes == [
        (f"{child}_brin", "green_pickup_datetime_brin", "brin", True) for child in CHILDREN
    ]


def test_every_month_has_statistics(query: Query, schema: str) -> None:
    assert query(
        "SELECT relname, reltuples FROM pg_class WHERE oid = ANY(%s::regclass[]) ORDER BY 1",
        CHILDREN,
    ) == [("green_2024_01", 5), ("green_2024_06", 6), ("green_2024_12", 6)]
    analyzed = query(
        "SELECT tablename, count(*) FROM pg_stats WHERE schemaname = %s "
        "AND tablename = ANY(%s) GROUP BY 1 ORDER BY 1",
        schema,
        CHILDREN,
    )
    assert analyzed == [(child, len(GREEN.contract.columns)) for child in CHILDREN]


def test_ledger_of_every_month_adds_up(query: Query) -> None:
    assert query(
        "SELECT service, source_month::text, rows_published, rows_accepted, rows_quarantined "
        "FROM ledger ORDER BY 1, 2"
    ) == [
        ("green", "2024-01-01", 5, 5, 0),
        ("green", "2024-06-01", 7, 6, 1),
        ("green", "2024-12-01", 7, 6, 1),
        ("yellow", "2024-01-01", 4, 4, 0),
    ]


def test_view_on_a_service_outlives_its_months(loaded: PostgresWarehouse, query: Query) -> None:
    query("CREATE VIEW fares AS SELECT source_month, total_amount FROM green")
    load(loaded, SampleMonth(partition(MONTHS[0]), rows=9, sha256="c" * 64))
    assert query("SELECT count(*) FROM fares") == [(21,)]
