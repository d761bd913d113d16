"""What loading and reconciling rely on in a warehouse: complete months, one at a time."""

import math
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta

import pyarrow as pa
import pytest

from nyc_tlc.adapters.postgres.warehouse import PostgresWarehouse
from nyc_tlc.core.catalog.ledger import Content
from nyc_tlc.core.catalog.publication import MonthState, State
from nyc_tlc.core.contract.model import Column, ColumnType
from nyc_tlc.core.contract.service import GREEN, SERVICES, YELLOW
from nyc_tlc.core.errors import PipelineError, ReconciliationError
from nyc_tlc.ports.warehouse import Batches, StoreCounts
from tests.ports.months import SampleMonth, after_its_rows, judged, load, partition
from tests.ports.postgres.conftest import NOTHING_IS_OPEN

JANUARY = SampleMonth(rows=7, quarantined=[{"total_amount": 1.5}, {}])
OTHER_JANUARY = SampleMonth(rows=4, sha256="b" * 64)
FEBRUARY = SampleMonth(partition("2024-02"), rows=3)
YELLOW_JANUARY = SampleMonth(partition(service=YELLOW), rows=6, quarantined=[{"a": 1}])

UNREADABLE = RuntimeError("the staged file cannot be read")


def _counts(month: SampleMonth) -> StoreCounts:
    return StoreCounts(month.rows, len(month.quarantined))


@pytest.fixture
def loaded(warehouse) -> PostgresWarehouse:
    """A warehouse with two green months and a yellow one."""
    for month in (JANUARY, FEBRUARY, YELLOW_JANUARY):
        load(warehouse, month)
    return warehouse


@pytest.fixture
def unchanged(loaded, query, eventually) -> Iterator[None]:
    """Check after the test that it left no trace in the warehouse."""
    everything = [
        "SELECT * FROM green ORDER BY source_month, source_row",
        "SELECT * FROM yellow ORDER BY source_row",
        "SELECT * FROM quarantine ORDER BY service, source_row",
        "SELECT * FROM ledger ORDER BY service, source_month",
    ]
    before = [query(statement) for statement in everything]
    yield
    assert [query(statement) for statement in everything] == before
    assert query("SELECT count(*) FROM pg_class WHERE relname LIKE '%\\_new%'") == [(0,)]
    assert [t.name for t in threading.enumerate() if t.name.startswith("prefetch")] == []
    eventually(NOTHING_IS_OPEN)


def test_connection_is_described_without_its_password(warehouse, schema, database):
    said = warehouse.describe()
    assert f"tlc@127.0.0.1:{database.port}/nyc_tlc, schema {schema}: PostgreSQL" in said
    assert database.password not in said + repr(database) + repr(warehouse)


@pytest.mark.parametrize("month", [JANUARY, replace(JANUARY, rows=0)], ids=["trips", "no trips"])
def test_loaded_month_is_counted_and_recorded(warehouse, month):
    assert warehouse.entry(month.partition) is None
    load(warehouse, FEBRUARY)
    assert warehouse.entry(month.partition) is None
    assert warehouse.count(month.partition) == StoreCounts(accepted=0, quarantined=0)
    entry = load(warehouse, month)
    assert warehouse.count(month.partition) == StoreCounts(accepted=month.rows, quarantined=2)
    assert replace(entry, loaded_at=None) == month.entry
    assert entry.loaded_at is not None
    assert warehouse.entry(month.partition) == entry


@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
def test_real_rows_arrive_as_they_were_judged(warehouse, query, tmp_path, service):
    month = judged(partition("2024-03", service), 5_000, tmp_path)
    load(warehouse, month)
    stored = query(f"SELECT {', '.join(month.values)} FROM {service} ORDER BY source_row")
    assert stored == list(zip(*month.values.values(), strict=True))


@pytest.mark.parametrize("force", [False, True])
def test_rerunning_a_month_leaves_one_copy(loaded, force):
    before = loaded.entry(JANUARY.partition)
    again = load(loaded, JANUARY, force=force)
    assert again == loaded.entry(JANUARY.partition)
    assert (again != before) is force
    assert loaded.count(JANUARY.partition) == _counts(JANUARY)


@pytest.mark.parametrize(
    "content",
    [Content("b" * 64, "green/2"), Content(JANUARY.sha256, "green/99")],
    ids=["file", "contract"],
)
def test_other_content_replaces_that_month_and_no_other(loaded, query, content):
    others = [loaded.entry(month.partition) for month in (FEBRUARY, YELLOW_JANUARY)]
    load(loaded, OTHER_JANUARY, entry=replace(OTHER_JANUARY.entry, content=content))
    for month in (OTHER_JANUARY, FEBRUARY, YELLOW_JANUARY):
        assert loaded.count(month.partition) == _counts(month)
    assert [loaded.entry(month.partition) for month in (FEBRUARY, YELLOW_JANUARY)] == others
    assert query("SELECT count(*) FROM green") == [(7,)]
    assert loaded.entry(JANUARY.partition).content == content


def _revised(**values: object) -> SampleMonth:
    """A revision of January, with the same value in every row of some columns."""
    columns = {name: [value] * OTHER_JANUARY.rows for name, value in values.items()}
    return replace(OTHER_JANUARY, quarantined=[{}, {}], values=columns)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("month", "counts", "said"),
    [
        (_revised(), {"accepted": 3}, "4 accepted rows reached Postgres, expected 3"),
        (_revised(), {"accepted": 5}, "4 accepted rows reached Postgres, expected 5"),
        (_revised(), {"quarantined": 1}, "2 quarantined rows reached Postgres, expected 1"),
        (_revised(), {"quarantined": 3}, "2 quarantined rows reached Postgres, expected 3"),
        (_revised(pickup_datetime=datetime(2023, 11, 1)), {}, "pickup_datetime_check"),  # noqa: DTZ001
        (_revised(source_month=date(2024, 2, 1)), {}, "source_month_check"),
        (_revised(pickup_datetime=None), {}, "null value"),
    ],
)
def test_month_that_is_refused_leaves_the_old_one(loaded, month, counts, said):
    with pytest.raises((PipelineError, pa.ArrowException), match=said):
        load(loaded, month, entry=replace(month.entry, published=99, **counts))


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("broken", ["trips", "quarantine"])
def test_month_that_breaks_off_leaves_the_old_one(loaded, broken):
    month = replace(OTHER_JANUARY, quarantined=[{}, {}, {}])

    def break_off() -> Iterator[pa.RecordBatch]:
        yield from month.quarantine().batches
        raise UNREADABLE

    rows = {
        "trips": after_its_rows(month.trips(), lambda: list(break_off())),
        "quarantine": Batches(month.quarantine().schema, break_off()),
    }
    with pytest.raises(RuntimeError) as failure:
        load(loaded, month, **{broken: rows[broken]})
    assert failure.value is UNREADABLE


def test_reconciled_month_is_marked_until_it_changes(loaded, query, eventually):
    before = {entry.partition: entry for entry in loaded.entries()}
    assert {entry.reconciled_at for entry in before.values()} == {None}
    query("ALTER TABLE ledger DROP COLUMN seconds")  # as in a ledger of an earlier shape
    assert loaded.entries() == list(before.values())
    load(loaded, JANUARY)
    loaded.mark_reconciled(replace(JANUARY.entry, seconds=12.5))
    marked = {entry.partition: entry for entry in loaded.entries()}
    january = marked[JANUARY.partition]
    assert january.reconciled_at is not None
    unmarked = replace(january, reconciled_at=None, seconds=None)
    assert {**marked, JANUARY.partition: unmarked} == before
    assert january.seconds == 12.5
    load(loaded, OTHER_JANUARY)
    again = loaded.entry(JANUARY.partition)
    assert (again.reconciled_at, again.seconds) == (None, None)
    eventually(NOTHING_IS_OPEN)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "entry",
    [
        OTHER_JANUARY.entry,
        replace(JANUARY.entry, content=Content(JANUARY.sha256, "green/99")),
        SampleMonth(partition("2024-05")).entry,
    ],
    ids=["other file", "other contract", "other month"],
)
def test_other_content_is_not_marked_reconciled(loaded, entry):
    with pytest.raises(ReconciliationError, match="holds other content"):
        loaded.mark_reconciled(entry)


def test_ledger_lists_the_months_whose_tables_are_there(warehouse, query):
    assert warehouse.entries() == []
    months = (FEBRUARY, YELLOW_JANUARY, JANUARY)
    february, yellow, january = (load(warehouse, month) for month in months)
    assert warehouse.entries() == [january, february, yellow]
    query("DROP TABLE green_2024_01")
    assert warehouse.entries() == [february, yellow]
    assert warehouse.entry(JANUARY.partition) is None
    load(warehouse, JANUARY)
    assert warehouse.count(JANUARY.partition) == _counts(JANUARY)


def test_quarantined_rows_keep_what_was_published(warehouse, query):
    published = [
        {"flag": 'quote " and \' and \\ and {"a": 1}', "zone": "Δ 東京 🚕", "line": "a\nb\tc"},
        {"n": None, "amount": -0.5, "nested": [1, {"x": ""}]},
    ]
    load(warehouse, SampleMonth(rows=1, quarantined=published))
    rows = query(
        "SELECT service, source_month, source_row, reason, published FROM quarantine ORDER BY 3"
    )
    assert rows == [
        ("green", date(2024, 1, 1), 1 + row, "pickup_missing", published[row]) for row in range(2)
    ]
    zones = query("SELECT published ->> 'zone' FROM quarantine WHERE published ? 'zone'")
    assert zones == [("Δ 東京 🚕",)]


def test_values_arrive_exactly(warehouse, query):
    doubles = [math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308, 0.1, None]
    shorts = [-32768, 32767, 0, None, 1, 2, 3, 4]
    texts = ["", None, "N", "Δ🚕", "\\N", "\t", " ", "'"]
    month, window, step = JANUARY.partition.month, timedelta(days=31), timedelta(microseconds=1)
    edges = [month.start - window, month.end + window - step]
    times = [*edges, *(month.start + n * step for n in range(6))]
    values = {
        "trip_distance": doubles,
        "vendor_id": shorts,
        "store_and_fwd_flag": texts,
        "pickup_datetime": times,
        "dropoff_datetime": [datetime(2262, 4, 11, 23, 47, 16, 854775), None] * 4,  # noqa: DTZ001
        "quality_flags": [2**31 - 1, 0] * 4,
    }
    load(warehouse, SampleMonth(rows=8, values=values))
    rows = query(f"SELECT {', '.join(values)} FROM green ORDER BY source_row")
    assert repr(list(zip(*rows, strict=True))) == repr([tuple(v) for v in values.values()])


def test_contract_that_gained_a_column_keeps_the_old_months(loaded, query):
    added = Column("surge_factor", ColumnType.DOUBLE, "Factor on the fare", unit="none")
    columns = (*GREEN.contract.columns[:5], added, *GREEN.contract.columns[5:])
    service = replace(GREEN, contract=replace(GREEN.contract, version=2, columns=columns))
    march = SampleMonth(partition("2024-03", service), rows=2, values={"surge_factor": [1.5, None]})
    load(loaded, march)
    load(loaded, replace(OTHER_JANUARY, partition=partition("2024-01", service)))
    load(loaded, march, force=True)
    assert query("SELECT source_month, count(*) FROM green GROUP BY 1 ORDER BY 1") == [
        (date(2024, 1, 1), 4),
        (date(2024, 2, 1), 3),
        (date(2024, 3, 1), 2),
    ]
    assert query("SELECT surge_factor FROM green WHERE surge_factor IS NOT NULL") == [(1.5,)]
    assert query("SELECT count(*) FROM green WHERE total_amount IS NULL") == [(0,)]


def test_schema_needs_no_plain_name(database, query):
    name = 'Tables of "TLC"'
    try:
        for month in (JANUARY, OTHER_JANUARY):
            load(PostgresWarehouse(database, name), month)
        assert PostgresWarehouse(database, name).count(JANUARY.partition).accepted == 4
    finally:
        query('DROP SCHEMA "Tables of ""TLC""" CASCADE')


def test_states_are_recorded_and_replaced(warehouse):
    assert warehouse.month_states() == {}
    states = [MonthState(partition(f"2024-{n:02d}"), state) for n, state in enumerate(State, 1)]
    warehouse.record_month_states(states)
    assert warehouse.month_states() == {state.partition: state.state for state in states}
    warehouse.record_month_states([replace(states[0], state=State.LATE)])
    assert warehouse.month_states()[states[0].partition] is State.LATE
    warehouse.record_month_states([])
    assert len(warehouse.month_states()) == len(State)


def test_a_service_of_a_later_version_is_left_alone(warehouse, query):
    warehouse.record_month_states([MonthState(JANUARY.partition, State.LOADED)])
    query("UPDATE publication SET service = 'uber'")
    assert warehouse.month_states() == {}


def row(query):
    columns = "state, since, asked_at, bytes, last_modified, note"
    ((state, since, asked_at, *known),) = query(f"SELECT {columns} FROM publication")
    return state, since, asked_at, tuple(known)


def test_since_when_is_kept_while_the_state_lasts(warehouse, query):
    late = MonthState(JANUARY.partition, State.LATE, note="403")
    warehouse.record_month_states([late])
    query("UPDATE publication SET since = since - interval '1 day', asked_at = since")
    _, first, asked, _ = row(query)
    warehouse.record_month_states([late])
    state, since, again, known = row(query)
    assert (state, since, known) == ("late", first, (None, None, "403"))
    assert again > asked
    warehouse.record_month_states([replace(late, state=State.AVAILABLE, bytes=9, note="")])
    state, since, _, known = row(query)
    assert (state, known) == ("available", (9, None, ""))
    assert since - first > timedelta(hours=23)


@pytest.mark.parametrize("state", [State.LOADED, State.WITHDRAWN])
def test_a_month_not_asked_about_keeps_what_was_known(warehouse, query, state):
    known = MonthState(JANUARY.partition, state, bytes=9, last_modified="May", note="why")
    warehouse.record_month_states([known])
    before = row(query)
    warehouse.record_month_states([MonthState(JANUARY.partition, state, asked=False)])
    assert row(query) == before
