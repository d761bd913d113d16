"""A long month is written in parts at the same time, and seen as one month or not at all."""

import threading
import time
from contextlib import ExitStack
from dataclasses import replace

import pytest

from nyc_tlc.adapters.postgres import month_table
from nyc_tlc.adapters.postgres.ledger import take_turn
from nyc_tlc.adapters.postgres.warehouse import PostgresWarehouse
from nyc_tlc.core.errors import ReconciliationError, SourceError
from nyc_tlc.ports.warehouse import RowGroups, StoreCounts
from tests.ports.months import SampleMonth, after_its_rows, load, row_groups

MONTH = SampleMonth(rows=10)
SHORT = SampleMonth(rows=4, sha256="b" * 64)
TABLES = (
    "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relname LIKE 'green_%' ORDER BY 1"
)
NAMES = [
    "vendor_id", "pickup_datetime", "total_amount", "source_row", "quality_flags",
]  # fmt: skip
TRIPS = row_groups(MONTH.table().select(NAMES), size=6)
"""Without most columns that are null throughout, and the constant month."""


@pytest.fixture(autouse=True)
def worth_parts(monkeypatch) -> None:
    monkeypatch.setattr(month_table, "_WORTH_PARTS", MONTH.rows)


def load_long(warehouse: PostgresWarehouse, trips: RowGroups = TRIPS, **changes: object) -> None:
    load(warehouse, MONTH, force=True, trips=trips, entry=replace(MONTH.entry, **changes))


def test_a_month_in_parts_reads_as_one_table_with_every_column(warehouse, query):
    load_long(warehouse, row_groups(MONTH.table(), size=10))
    rows = "SELECT * FROM green ORDER BY source_row"
    as_one = query(rows)
    assert query(TABLES) == [("green_2024_01",)]
    load_long(warehouse)
    assert query(rows) == as_one
    assert query("SELECT count(*) FROM green_2024_01") == [(10,)]
    assert warehouse.count(MONTH.partition) == StoreCounts(accepted=10, quarantined=0)
    assert query(TABLES) == [("green_2024_01",), ("green_2024_01_0",), ("green_2024_01_1",)]
    indexes = "SELECT indexname FROM pg_indexes WHERE tablename LIKE 'green_2024%' ORDER BY 1"
    assert query(indexes) == [(f"green_2024_01{part}_brin",) for part in ("_0", "_1", "")]
    by_pick_up = "EXPLAIN SELECT * FROM green WHERE pickup_datetime >= '{}'"
    assert "green_2024_01_1" in str(query(by_pick_up.format("2024-01-31")))
    assert "green_2024_01" not in str(query(by_pick_up.format("2024-05-01")))


def test_two_copies_run_at_the_same_time(warehouse):
    both_are_at_work = threading.Barrier(2, timeout=10)
    load_long(warehouse, after_its_rows(TRIPS, both_are_at_work.wait))


def test_a_server_that_ends_idle_transactions_waits_for_the_parts(warehouse, database, query):
    setting = f"ALTER ROLE {database.user} {{}} idle_in_transaction_session_timeout"
    query(setting.format("SET") + " = '200ms'")
    try:
        load_long(warehouse, after_its_rows(TRIPS, lambda: time.sleep(0.5)))
    finally:
        query(setting.format("RESET"))
    assert warehouse.count(MONTH.partition) == StoreCounts(accepted=10, quarantined=0)


def test_parts_replace_one_table_and_one_table_replaces_parts(warehouse, query):
    for _ in range(2):
        load_long(warehouse)
        load(warehouse, SHORT)
        assert query(TABLES) == [("green_2024_01",)]
        assert query("SELECT count(*) FROM green") == [(4,)]


def _break_off() -> None:
    raise SourceError("the file is damaged")


@pytest.mark.parametrize(
    ("trips", "changes", "error", "said"),
    [
        (
            TRIPS,
            {"accepted": 11, "published": 11},
            ReconciliationError,
            "10 accepted rows reached Postgres, expected 11",
        ),
        (after_its_rows(TRIPS, _break_off), {}, SourceError, "damaged"),
        # The rows of the other part.
        (
            replace(TRIPS, read=lambda chosen: TRIPS.read(range(1 - chosen[0], 2 - chosen[0]))),
            {},
            Exception,
            "source_row_check",
        ),
    ],
    ids=["too few rows", "breaks off", "rows of another part"],
)
def test_parts_that_fail_leave_the_old_month_and_nothing_else(
    warehouse, query, trips, changes, error, said
):
    load(warehouse, SHORT)
    with pytest.raises(error, match=said):
        load_long(warehouse, trips, **changes)
    assert query(TABLES) == [("green_2024_01",)]
    assert query("SELECT count(*) FROM green") == [(4,)]


def test_parts_are_dropped_though_the_server_is_slow_to_roll_back(warehouse, schema, query):
    """Its turn is taken for a moment longer than our connection is open."""
    load(warehouse, SHORT)
    query("CREATE TABLE green_2024_01_new_1 AS SELECT * FROM green_2024_01")
    with ExitStack() as dying:
        take_turn(dying.enter_context(warehouse._transaction()), schema, MONTH.partition)
        threading.Timer(0.3, dying.close).start()
        warehouse._drop_parts(MONTH.partition)
    assert query(TABLES) == [("green_2024_01",)]


@pytest.mark.parametrize("month", [MONTH, replace(SHORT, sha256="c" * 64)], ids=["long", "short"])
def test_what_a_killed_load_left_behind_is_no_obstacle(warehouse, query, month):
    load(warehouse, SHORT)
    for number in range(2):
        name = f"green_2024_01_new_{number}"
        query(f"CREATE TABLE {name} AS SELECT * FROM green_2024_01")
        query(f"COMMENT ON TABLE {name} IS 'Made by nyc_tlc as {name}'")
    assert query("SELECT count(*) FROM green") == [(4,)]
    load(warehouse, month)
    assert query("SELECT count(*) FROM green") == [(month.rows,)]
    assert not any("new" in name for (name,) in query(TABLES))
