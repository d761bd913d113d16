"""What analysts and the planner find in the warehouse once months are loaded."""

import pytest

from nyc_tlc.core.contract.schemas import column_comment, postgres_columns
from nyc_tlc.core.contract.service import GREEN, YELLOW
from tests.ports.months import SampleMonth, load, partition

MONTHS = ("2024-01", "2024-06", "2024-12")
CHILDREN = [f"green_{month.replace('-', '_')}" for month in MONTHS]


@pytest.fixture(autouse=True)
def loaded(warehouse) -> None:
    """Three green months, the first of them loaded twice, and a yellow one."""
    for month in MONTHS:
        load(warehouse, SampleMonth(partition(month), rows=6, quarantined=[{}]))
    load(warehouse, SampleMonth(partition(MONTHS[0]), rows=5, sha256="b" * 64))
    load(warehouse, SampleMonth(partition(MONTHS[0], YELLOW), rows=4))


def test_tables_are_the_ones_that_readers_are_promised(query, schema):
    tables = query("SELECT tablename FROM pg_tables WHERE schemaname = %s", schema)
    promised = {"green", *CHILDREN, "yellow", "yellow_2024_01", "ledger", "quarantine"}
    assert {name for (name,) in tables} == promised


@pytest.mark.parametrize("service", [GREEN, YELLOW], ids=str)
def test_columns_are_those_of_the_contract_and_say_what_they_mean(query, service):
    columns = query(
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull, "
        "col_description(attrelid, attnum) FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
        service.name,
    )
    declared = [
        f'"{name}" {kind}{" NOT NULL" if required else ""}' for name, kind, required, _ in columns
    ]
    assert ",\n  ".join(declared) == postgres_columns(service.contract.columns)
    assert [meaning for *_, meaning in columns] == [*map(column_comment, service.contract.columns)]


@pytest.mark.parametrize(
    ("condition", "children"),
    [
        ("pickup_datetime >= '2024-06-10' AND pickup_datetime < '2024-06-11'", CHILDREN[1:2]),
        ("pickup_datetime >= '2024-08-01'", CHILDREN[2:]),
        ("pickup_datetime < '2024-06-10'", CHILDREN[:2]),
        ("pickup_datetime = '2030-01-01'", []),
        ("source_month = date '2024-12-01'", CHILDREN[2:]),
    ],
)
def test_a_query_reads_the_months_that_can_hold_its_rows(query, condition, children):
    plan = str(query(f"EXPLAIN (COSTS OFF) SELECT * FROM green WHERE {condition}"))
    assert [child for child in CHILDREN if child in plan] == children


def test_every_month_has_the_index_of_the_service_and_statistics(query, schema):
    indexes = query(
        "SELECT child.relname, parent.relname, am.amname, ix.indisvalid FROM pg_inherits i "
        "JOIN pg_class child ON child.oid = i.inhrelid "
        "JOIN pg_class parent ON parent.oid = i.inhparent "
        "JOIN pg_index ix ON ix.indexrelid = child.oid JOIN pg_am am ON am.oid = child.relam "
        "WHERE ix.indrelid = ANY(%s::regclass[]) ORDER BY 1",
        CHILDREN,
    )
    of_service = ("green_pickup_datetime_brin", "brin", True)
    assert indexes == [(f"{child}_brin", *of_service) for child in CHILDREN]
    analyzed = query(
        "SELECT tablename, reltuples, count(*) FROM pg_stats "
        "JOIN pg_class ON oid = tablename::regclass WHERE schemaname = %s "
        "AND tablename = ANY(%s) GROUP BY 1, 2 ORDER BY 1",
        schema,
        CHILDREN,
    )
    width = len(GREEN.contract.columns)
    assert analyzed == list(zip(CHILDREN, (5, 6, 6), [width] * 3, strict=True))
