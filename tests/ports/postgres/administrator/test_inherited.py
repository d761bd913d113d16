"""Indexes and constraints on a service's table: made before readers wait, then taken over."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest

from nyc_tlc.adapters.postgres import month_table
from nyc_tlc.adapters.postgres.warehouse import PostgresWarehouse
from nyc_tlc.core.errors import PipelineError
from tests.ports.months import SampleMonth, load, partition

OLD = SampleMonth(rows=4)
NEW = SampleMonth(rows=9, sha256="b" * 64)
NEXT = SampleMonth(partition("2024-02"), rows=9)
WORK_OF_ATTACH = re.compile(
    r"building index|verifying table|validating foreign key|rewriting table"
)
"""What the server says, at DEBUG1, when ATTACH has to do what should have been done before."""


in_one_table_or_parts = pytest.mark.parametrize("parts", [1, 2], indirect=True)


@pytest.fixture
def said(monkeypatch) -> list[str]:
    """What the server says while months are put in place, down to DEBUG1."""
    said: list[str] = []
    attach = month_table.attach

    def listening(cursor, *of) -> None:
        cursor.execute("SET LOCAL client_min_messages = debug1")
        cursor.connection.notices.clear()
        attach(cursor, *of)
        said.extend(cursor.connection.notices)
        cursor.execute("SET LOCAL client_min_messages = notice")

    monkeypatch.setattr(month_table, "attach", listening)
    return said


@pytest.fixture
def loaded(warehouse, query) -> PostgresWarehouse:
    load(warehouse, OLD)
    query("CREATE TABLE zone (id smallint PRIMARY KEY)")
    return warehouse


KINDS = {
    "plain": "CREATE INDEX added ON green (fare_amount)",
    "unique": "CREATE UNIQUE INDEX added ON green (source_month, source_row)",
    "nulls not distinct": "CREATE UNIQUE INDEX added ON green (source_row, source_month, trip_type)"
    " NULLS NOT DISTINCT",
    "partial": "CREATE INDEX added ON green (fare_amount) WHERE tip_amount > 0",
    "expression": "CREATE INDEX added ON green ((total_amount - tip_amount), "
    "lower(extra_columns::text))",
    "include": "CREATE INDEX added ON green (pu_location_id) INCLUDE (total_amount)",
    "hash": "CREATE INDEX added ON green USING hash (do_location_id)",
    "gin": "CREATE INDEX added ON green USING gin (extra_columns jsonb_path_ops)",
    "brin with options": "CREATE INDEX added ON green USING brin "
    "(dropoff_datetime timestamp_minmax_multi_ops) WITH (pages_per_range = 8)",
    "opclass, collation and order": "CREATE INDEX added ON green "
    '(store_and_fwd_flag COLLATE "C" text_pattern_ops DESC NULLS LAST) WITH (fillfactor = 70)',
    "a name that needs quotes": 'CREATE INDEX "Added USING (1)" ON green (fare_amount)',
    "primary key": "ALTER TABLE green ADD CONSTRAINT added PRIMARY KEY (source_month, source_row)",
    "unique constraint": "ALTER TABLE green ADD CONSTRAINT added UNIQUE (source_row, source_month)",
    "check": "ALTER TABLE green ADD CONSTRAINT added CHECK (passenger_count < 100)",
    "not null": "ALTER TABLE green ALTER total_amount SET NOT NULL",
    "foreign key": "ALTER TABLE green ADD CONSTRAINT added FOREIGN KEY (pu_location_id) "
    "REFERENCES zone ON DELETE SET NULL",
}


@pytest.mark.parametrize("kind", KINDS)
@in_one_table_or_parts
def test_attach_finds_everything_made(loaded, query, said, parts, kind):
    query(KINDS[kind])
    for month in (NEW, NEXT):
        load(loaded, month)
    assert [words for words in said if WORK_OF_ATTACH.search(words)] == []
    assert len([words for words in said if "implied by existing constraints" in words]) >= 2
    # Everything that hangs on the parent hangs on each month, and nothing more.
    of = "SELECT count(*), bool_and(indisvalid) FROM pg_index WHERE indrelid = %s::regclass"
    for table in ("green_2024_01", "green_2024_02"):
        assert query(of, table) == query(of, "green")
    inherited = "SELECT count(*) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'f'"
    assert query(inherited, "green_2024_01") == query(inherited, "green")
    assert query("SELECT count(*) FROM green") == [(18,)]
    left = (
        "SELECT relname FROM pg_class WHERE relname ~ '_new|_twin' AND relnamespace = "
        "current_schema::regnamespace"
    )
    assert query(left) == []


def test_a_unique_index_not_by_row_keeps_the_month_in_one_table(loaded, query, monkeypatch):
    monkeypatch.setattr(month_table, "_WORTH_PARTS", 1)
    query("CREATE UNIQUE INDEX added ON green (source_month, pickup_datetime)")
    load(loaded, NEW)
    assert query("SELECT count(*) FROM pg_partition_tree('green_2024_01')") == [(1,)]
    query("DROP INDEX added")
    load(loaded, replace(NEW, sha256="c" * 64))
    assert query("SELECT count(*) FROM pg_partition_tree('green_2024_01')") == [(3,)]


@pytest.mark.parametrize(
    ("addition", "words"),
    [
        ("CREATE UNIQUE INDEX added ON green (source_month, pickup_datetime)", "23505"),
        ("ALTER TABLE green ADD CONSTRAINT added CHECK (total_amount < 5)", "added.*23514"),
        ("ALTER TABLE green ADD CONSTRAINT added FOREIGN KEY (pu_location_id) "
         "REFERENCES zone", "added.*23503.*not of this project"),
    ],
    ids=["unique", "check", "foreign key"],
)  # fmt: skip
def test_rows_that_an_addition_refuses_leave_the_old_month(loaded, query, addition, words):
    query(addition)
    start = OLD.partition.month.start
    wrong = {"pickup_datetime": [start] * 9, "pu_location_id": [77] * 9}
    with pytest.raises(PipelineError, match=words):
        load(loaded, replace(NEW, values=wrong))
    assert query("SELECT count(*) FROM green") == [(4,)]


@pytest.mark.parametrize("month", [NEW, NEXT], ids=["replaced", "new"])
@in_one_table_or_parts
def test_readers_go_on_while_an_index_is_built(loaded, query, connect, eventually, parts, month):
    """The index calls a function that waits for a lock of ours: the load is in the midst of it."""
    query(
        "CREATE FUNCTION slow(float8) RETURNS float8 IMMUTABLE LANGUAGE plpgsql AS "
        "$$BEGIN PERFORM pg_advisory_xact_lock_shared(17); RETURN $1; END$$"
    )
    query("CREATE INDEX added ON green (slow(fare_amount))")
    with (
        ThreadPoolExecutor(1) as pool,
        closing(connect()) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT pg_advisory_lock(17)")
        loading = pool.submit(load, loaded, month)
        eventually(
            "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND locktype = 'advisory' "
            "AND objid = 17"
        )
        # What others hold or want on what readers use.
        locks = query(
            "SELECT DISTINCT mode FROM pg_locks WHERE pid <> pg_backend_pid() AND relation = "
            "ANY (SELECT relid FROM pg_partition_tree('green') UNION SELECT 'ledger'::regclass)"
        )
        assert locks == [("AccessShareLock",)]
        assert query("SELECT count(*), (SELECT count(*) FROM ledger) FROM green") == [(4, 1)]
        cursor.execute("SELECT pg_advisory_unlock(17)")
        loading.result()
    assert query("SELECT count(*) FROM green") == [(9 if month is NEW else 13,)]


def test_an_index_that_is_added_during_the_load_is_made_before_the_swap(
    loaded, query, connect, said, eventually
):
    """It appears while the load waits for its turn at the table."""
    with ThreadPoolExecutor(1) as pool, closing(connect()) as connection:
        with connection.cursor() as cursor:
            cursor.execute("CREATE INDEX added ON green (fare_amount)")
            loading = pool.submit(load, loaded, NEW)
            eventually(
                "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = "
                "'green'::regclass"
            )
        connection.commit()
        loading.result()
    assert [words for words in said if WORK_OF_ATTACH.search(words)] == []
    assert query("SELECT count(*) FROM pg_inherits WHERE inhparent = 'added'::regclass") == [(1,)]
