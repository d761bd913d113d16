"""Loads among readers and other loads: whoever looks sees a complete month, old or new."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial

import pytest

from nyc_tlc.adapters.postgres import warehouse as adapter
from nyc_tlc.adapters.postgres.warehouse import PostgresWarehouse
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.errors import RetryableError
from nyc_tlc.ports.warehouse import StoreCounts
from tests.ports.months import (
    SampleMonth,
    after_its_rows,
    at_once,
    load,
    load_dimensions,
    partition,
)
from tests.ports.postgres.conftest import BLOCKED, COPYING

OLD = SampleMonth(rows=100, quarantined=[{}])
NEW = SampleMonth(rows=150, sha256="b" * 64, quarantined=[{}] * 3)
FEBRUARY = SampleMonth(partition("2024-02"), rows=30)


@pytest.fixture
def attempts(monkeypatch) -> Callable[[int], None]:
    """Let swaps wait for readers in short turns, as many as the test says."""
    monkeypatch.setattr(adapter, "_LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr(adapter, "_LONGEST_PAUSE", 0.01)
    return lambda number: monkeypatch.setattr(adapter, "_SWAP_ATTEMPTS", number)


@pytest.fixture
def loaded(warehouse) -> PostgresWarehouse:
    for month in (OLD, FEBRUARY):
        load(warehouse, month)
    return warehouse


def test_reader_in_a_loop_sees_the_old_month_or_the_new(loaded, seen_while):
    counts = (
        "SELECT (SELECT count(*) FROM green), (SELECT count(*) FROM quarantine), "
        "(SELECT sum(rows_accepted)::int FROM ledger)"
    )
    changes = [partial(load, loaded, month) for month in (NEW, OLD)] * 5
    assert seen_while(counts, *changes) == {(130, 1, 130), (180, 3, 180)}


_COUNTS = "SELECT (SELECT count(*) FROM green), (SELECT sum(rows_accepted)::int FROM ledger)"
_BEFORE, _MIXED = (130, 130), (180, 130)
MARCH = SampleMonth(partition("2024-03"), rows=50)


@pytest.mark.parametrize("parts", [1, 2], indirect=True)
@pytest.mark.parametrize("during", [False, True], ids=["before the load", "during the COPY"])
@pytest.mark.parametrize(
    ("month", "snapshot", "seen"),
    [
        (MARCH, "SELECT 1", _BEFORE),
        (MARCH, "SELECT count(*) FROM ledger", _BEFORE),
        (MARCH, "SELECT count(*) FROM green", _BEFORE),
        (NEW, "SELECT count(*) FROM ledger", _BEFORE),
        (NEW, "SELECT count(*) FROM green", _BEFORE),
        # As docs/database-administrator.md says: the whole new month, told of by an older ledger.
        (NEW, "SELECT 1", _MIXED),
        # What it advises: the lock first, then the snapshot.
        (NEW, "LOCK TABLE green IN ACCESS SHARE MODE", _BEFORE),
    ],
)
def test_reader_with_an_older_snapshot_sees_whole_months(
    loaded, connect, query, eventually, attempts, parts, during, month, snapshot, seen
):
    attempts(1000)
    release = threading.Event()
    trips = after_its_rows(month.trips(), lambda: release.wait(60))
    with ThreadPoolExecutor(1) as pool, closing(connect()) as connection:
        connection.set_session(isolation_level="REPEATABLE READ")
        if during:
            loading = pool.submit(load, loaded, month, trips=trips)
            eventually(COPYING)
        with connection.cursor() as cursor:
            cursor.execute(snapshot)
            if not during:
                loading = pool.submit(load, loaded, month, trips=trips)
                eventually(COPYING)
            found = [_read(cursor, snapshot)]
            release.set()
            while not loading.done() and query(BLOCKED, "relation") == [(False,)]:
                time.sleep(0.005)
            found += [_read(cursor, snapshot), _read(cursor, snapshot)]
            # Before the swap nothing has changed; a reader of nothing of ours sees it by then.
            assert set(found[1:]) == {seen}
            assert found[0] == _BEFORE
        connection.rollback()
        loading.result()
    assert query(_COUNTS) == [(180, 180)]


@pytest.mark.usefixtures("parts")
def test_reader_of_the_ledger_is_waited_for_where_parts_were_committed(
    loaded, connect, query, eventually, attempts
):
    attempts(1000)
    with ThreadPoolExecutor(1) as pool, closing(connect()) as other, closing(connect()) as reader:
        with other.cursor() as cursor:
            cursor.execute("LOCK TABLE green IN SHARE UPDATE EXCLUSIVE MODE")
            loading = pool.submit(load, loaded, MARCH)
            eventually(BLOCKED, "relation")
        reader.set_session(isolation_level="REPEATABLE READ")
        with reader.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM ledger")
            other.rollback()
            eventually(BLOCKED, "relation")
            assert not loading.done()
            assert _read(cursor, "") == _BEFORE
        reader.rollback()
        loading.result()
    assert query(_COUNTS) == [(180, 180)]


def _read(cursor, snapshot):
    """What the reader counts; one that has locked nothing goes on locking nothing."""
    cursor.execute("SAVEPOINT reading")
    cursor.execute(_COUNTS)
    found = cursor.fetchone()
    if snapshot == "SELECT 1":
        cursor.execute("ROLLBACK TO SAVEPOINT reading")
    return found


@pytest.mark.parametrize(
    ("read", "change"),
    [
        ("green", lambda warehouse: load(warehouse, NEW)),
        ("green_named", lambda warehouse: warehouse.replace_views([GREEN.contract])),
    ],
    ids=["month", "views"],
)
def test_swap_waits_for_a_long_reader_and_lets_others_through(
    loaded, connect, query, eventually, attempts, read, change
):
    attempts(1000)
    load_dimensions(loaded)
    loaded.replace_views([GREEN.contract])
    count = f"SELECT count(*) FROM {read}"
    with ThreadPoolExecutor(1) as pool:
        with closing(connect()) as connection, connection.cursor() as cursor:
            cursor.execute(count)
            changing = pool.submit(change, loaded)
            for _ in range(3):
                eventually(BLOCKED, "relation")
                assert query(count) == [(130,)]
            assert not changing.done()
            cursor.execute(count)
            assert cursor.fetchone() == (130,)
        changing.result()


def test_swap_that_gives_up_leaves_the_old_month(loaded, connect, attempts):
    attempts(2)
    with closing(connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM green")
        with pytest.raises(RetryableError, match="lock timeout"):
            load(loaded, NEW)
    assert loaded.count(OLD.partition) == StoreCounts(100, 1)
    load(loaded, NEW)
    assert loaded.count(OLD.partition) == StoreCounts(150, 3)


@pytest.mark.parametrize(
    ("read", "month"),
    [("green_2024_02", NEW), ("green", OLD)],
    ids=["another month", "what is there already"],
)
def test_reader_does_not_hold_up_a_load_of(loaded, connect, attempts, read, month):
    attempts(3)
    with closing(connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {read}")
        load(loaded, month)
        assert loaded.entry(OLD.partition) is not None
        loaded.mark_reconciled(month.entry)
    assert loaded.count(OLD.partition) == StoreCounts(month.rows, len(month.quarantined))


@pytest.mark.parametrize(
    "months",
    [[SampleMonth(rows=10 + i, sha256=str(i) * 64) for i in range(4)], [NEW] * 4],
    ids=["versions", "the same"],
)
def test_a_month_loaded_at_once_is_one_of_its_versions_loaded_once(loaded, months):
    entries = at_once([partial(load, loaded, month) for month in months])
    assert len({entry.loaded_at for entry in entries}) == len({month.sha256 for month in months})
    entry = loaded.entry(OLD.partition)
    assert entry in entries
    assert loaded.count(OLD.partition) == StoreCounts(entry.accepted, entry.quarantined)


def test_months_loaded_at_once_share_the_making_of_the_schema(warehouse, query):
    parts = [partition(f"2024-{number:02d}") for number in range(1, 9)]
    months = [SampleMonth(part, rows=i, quarantined=[{}]) for i, part in enumerate(parts, 1)]
    for _ in range(2):  # the second time they replace what is there
        at_once([partial(load, warehouse, month, force=True) for month in months])
        for month in months:
            assert warehouse.count(month.partition) == StoreCounts(month.rows, 1)
        assert query("SELECT count(*), sum(rows_accepted) FROM ledger") == [(8, 36)]


def test_second_load_of_a_month_waits_for_the_first(warehouse, eventually):
    release = threading.Event()
    slow = after_its_rows(OLD.trips(), lambda: release.wait(60))
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(load, warehouse, OLD, trips=slow)
        eventually(COPYING)
        second = pool.submit(load, warehouse, NEW)
        eventually(BLOCKED, "advisory")
        load(warehouse, FEBRUARY)  # another month does not wait
        release.set()
        first.result()
        assert second.result().content == NEW.entry.content
    assert warehouse.count(NEW.partition) == StoreCounts(150, 3)
