"""A month that comes in parts: written side by side, seen as one month or not at all."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

import pytest

from nyc_tlc.adapters.postgres import month_table
from nyc_tlc.adapters.postgres.connection import Database
from nyc_tlc.adapters.postgres.warehouse import PostgresWarehouse
from nyc_tlc.core.errors import ReconciliationError, SourceError
from nyc_tlc.ports.warehouse import RowGroups, StoreCounts
from tests.conftest import Query
from tests.ports.months import SampleMonth, after_its_rows, load, partition, row_groups

MONTH = SampleMonth(rows=10)
SHORT = SampleMonth(rows=4, sha256="b" * 64)
TABLES = (
    "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relname LIKE 'green_%' ORDER BY 1"
)


@pytest.fixture(autouse=True)
def short_months_are_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(month_table, "_WORTH_PARTS", MONTH.rows)


def filled(month: SampleMonth) -> RowGroups:
    """The month's trips without columns that are null throughout and the constant month."""
    table = month.table()
    names = [
        name
        for name in table.column_names
        if name != "source_month" and table[name].null_count < table.num_rows
    ]
    return row_groups(table.select(names), size=6)


def load_in_parts(warehouse: PostgresWarehouse, month: SampleMonth, **changes: object) -> None:
    entry = replace(month.entry, **changes)  # type: ignore[arg-type]
    warehouse.replace_partition(entry, filled(month), month.quarantine(), force=True)


def test_a_month_in_parts_reads_as_one_table_with_every_column(
    warehouse: PostgresWarehouse, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(month_table, "_MOST_PARTS", 1)
        load(warehouse, MONTH)
    rows = "SELECT * FROM green ORDER BY source_row"
    as_one = query(rows)
    load_in_parts(warehouse, MONTH)
    assert query(rows) == as_one
    assert query("SELECT count(*) FROM green_2024_01") == [(10,)]
    assert warehouse.count(MONTH.partition) == StoreCounts(accepted=10, quarantined=0)
    assert query(TABLES) == [("green_2024_01",), ("green_2024_01_0",), ("green_2024_01_1",)]
    indexes = query(
        "SELECT indexname FROM pg_indexes WHERE tablename LIKE 'green_2024%' ORDER BY 1"
    )
    assert ("green_2024_01_0_brin",) in indexes
    assert not any("new" in name for (name,) in indexes)


def test_a_server_that_ends_idle_transactions_waits_for_the_parts(
    warehouse: PostgresWarehouse, database: Database, query: Query
) -> None:
    load(warehouse, MONTH)
    slow = after_its_rows(filled(MONTH), lambda: time.sleep(0.3))
    setting = f"ALTER ROLE {database.user} {{}} idle_in_transaction_session_timeout"
    query(setting.format("SET") + " = '20ms'")
    try:
        warehouse.replace_partition(MONTH.entry, slow, MONTH.quarantine(), force=True)
    finally:
        query(setting.format("RESET"))
    assert warehouse.count(MONTH.partition) == StoreCounts(accepted=10, quarantined=0)


def test_queries_by_pick_up_time_leave_the_parts_of_other_months_out(
    warehouse: PostgresWarehouse, query: Query
) -> None:
    load_in_parts(warehouse, MONTH)
    load(warehouse, SampleMonth(partition("2024-06")))
    plan = query(
        "EXPLAIN SELECT count(*) FROM green WHERE pickup_datetime >= %s",
        MONTH.partition.month.start + timedelta(days=140),
    )
    assert "green_2024_01" not in str(plan)
    assert "green_2024_06" in str(plan)


def test_parts_replace_one_table_and_one_table_replaces_parts(
    warehouse: PostgresWarehouse, query: Query
) -> None:
    for _ in range(2):
        load_in_parts(warehouse, MONTH)
        load(warehouse, SHORT)
        assert query(TABLES) == [("green_2024_01",)]
        assert query("SELECT count(*) FROM green") == [(4,)]


def test_parts_that_are_not_whole_leave_the_old_month_and_nothing_else(
    warehouse: PostgresWarehouse, query: Query
) -> None:
    load(warehouse, SHORT)
    with pytest.raises(ReconciliationError, match="10 accepted rows reached Postgres, expected 11"):
        load_in_parts(warehouse, MONTH, accepted=11, published=11)
    assert query(TABLES) == [("green_2024_01",)]
    assert query("SELECT count(*) FROM green") == [(4,)]


def test_a_part_that_breaks_off_leaves_the_old_month_and_nothing_else(
    warehouse: PostgresWarehouse, query: Query
) -> None:
    load(warehouse, SHORT)

    def break_off() -> None:
        raise SourceError("the file is damaged")

    with pytest.raises(SourceError, match="damaged"):
        warehouse.replace_partition(
            MONTH.entry, after_its_rows(filled(MONTH), break_off), MONTH.quarantine(),
            force=True,
        )  # fmt: skip
    assert query(TABLES) == [("green_2024_01",)]
    assert query("SELECT count(*) FROM green") == [(4,)]


@pytest.mark.parametrize("in_parts", [True, False])
def test_what_a_killed_load_left_behind_is_no_obstacle(
    warehouse: PostgresWarehouse, query: Query, in_parts: bool
) -> None:
    load(warehouse, SHORT)
    for number in range(2):
        query(f"CREATE TABLE green_2024_01_new_{number} AS SELECT * FROM green_2024_01")
    assert query("SELECT count(*) FROM green") == [(4,)]
    month = MONTH if in_parts else replace(SHORT, sha256="c" * 64)
    load_in_parts(warehouse, month)
    assert query("SELECT count(*) FROM green") == [(month.rows,)]
    assert not any("new" in name for (name,) in query(TABLES))


def test_a_row_of_another_part_is_refused(warehouse: PostgresWarehouse, query: Query) -> None:
    trips = filled(MONTH)
    swapped = replace(trips, read=lambda chosen: trips.read(range(1 - chosen[0], 2 - chosen[0])))
    with pytest.raises(Exception, match="source_row_check"):
        warehouse.replace_partition(MONTH.entry, swapped, MONTH.quarantine(), force=True)
    assert query(TABLES) == []
