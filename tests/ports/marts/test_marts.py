"""What a mart promises in a warehouse: the trips' own numbers, one month replaced at a time."""

import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from embedded.samples.months import write_month
from nyc_tlc.adapters.postgres.marts import PostgresMarts
from nyc_tlc.core.catalog.ledger import LedgerEntry
from nyc_tlc.core.contract.model import Column, ColumnType
from nyc_tlc.core.contract.service import FHV, FHVHV, GREEN, SERVICES, YELLOW
from nyc_tlc.core.errors import ReconciliationError
from nyc_tlc.core.marts import query as mart_query
from nyc_tlc.core.marts.declared import DAILY_ZONE_TRIPS
from nyc_tlc.core.marts.model import Mart
from tests.ports.marts.marts_answers import daily_zone_trips
from tests.ports.months import SampleMonth, judged, load, partition

ROWS = "SELECT * FROM daily_zone_trips"
JANUARY = SampleMonth(rows=5)
OTHER_JANUARY = SampleMonth(rows=3, sha256="b" * 64)
FEBRUARY = SampleMonth(partition("2024-02"), rows=2)
YELLOW_JANUARY = SampleMonth(partition(service=YELLOW), rows=4)
START = JANUARY.partition.month.start


@pytest.fixture
def marts(database, schema) -> PostgresMarts:
    return PostgresMarts(database, schema)


@pytest.fixture
def build(warehouse, marts) -> Callable[[SampleMonth], LedgerEntry]:
    """Load a month and build it in the mart."""

    def load_and_build(month: SampleMonth) -> LedgerEntry:
        entry = load(warehouse, month)
        marts.replace_month(DAILY_ZONE_TRIPS, entry)
        return entry

    return load_and_build


@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
def test_numbers_are_those_of_another_engine(warehouse, marts, query, tmp_path, service):
    files = []
    for month in ("2024-03", "2025-02"):
        part = partition(month, service)
        accepted, _ = judged(part, write_month(part, 3_000, tmp_path))
        files.append(tmp_path / f"{month}.canonical.parquet")
        pq.write_table(accepted, files[-1])
        sample = SampleMonth(part, accepted.num_rows, values=accepted.to_pydict())
        built = marts.replace_month(DAILY_ZONE_TRIPS, load(warehouse, sample))
        assert built.trips == accepted.num_rows
        assert 0 < built.rows < accepted.num_rows
    found = query(ROWS)
    assert len(found) == len(set(found))
    assert set(found) == daily_zone_trips(service.name, files)
    assert all((row[-1] is None) == (service is FHV) for row in found)


@pytest.mark.parametrize(
    ("service", "columns", "expected"),
    [
        (
            FHVHV,
            {
                "base_passenger_fare": 10.0, "tolls_amount": 6.94, "bcf": 0.3, "sales_tax": 0.89,
                "congestion_surcharge": 2.75, "airport_fee": 2.5, "cbd_congestion_fee": 1.5,
                "tip_amount": 3.01, "driver_pay": 1000.0, "trip_time": 500,
            },
            (1, "27.89"),
        ),
        (FHVHV, {"base_passenger_fare": 7.25}, (1, "7.25")),
        (FHVHV, {"tolls_amount": 7.25}, (0, None)),
        (FHV, {}, (0, None)),
        (GREEN, {"total_amount": float("nan")}, (0, None)),
        (GREEN, {"total_amount": float("inf")}, (0, None)),
        (GREEN, {"total_amount": -float("inf")}, (0, None)),
        (GREEN, {"total_amount": 1e300}, (0, None)),
        (GREEN, {"total_amount": 1.1e9}, (0, None)),
        (GREEN, {"total_amount": -12.35}, (1, "-12.35")),
    ],
    ids=str,
)  # fmt: skip
def test_revenue_of_one_trip(build, query, service, columns, expected):
    """A passenger of an app pays the sum of the parts; an amount that is none prices no trip."""
    values = {name: [value] for name, value in columns.items()}
    build(SampleMonth(partition(service=service), rows=1, values=values))
    priced, revenue = expected
    found = query("SELECT trips, priced_trips, revenue::text FROM daily_zone_trips")
    assert found == [(1, priced, revenue)]


@pytest.mark.parametrize(
    ("values", "group", "rows"),
    [
        (
            {"total_amount": [1.1, float("nan"), 2.2, -1.1]},
            "pickup_date, priced_trips, revenue",
            [(date(2024, 1, 1), 3, Decimal("2.20"), 4)],
        ),
        (
            {"pickup_datetime": [
                START - timedelta(microseconds=1), START, START, START + timedelta(days=31),
            ]},
            "pickup_date",
            [(date(2023, 12, 31), 1), (date(2024, 1, 1), 2), (date(2024, 2, 1), 1)],
        ),
        ({"pu_location_id": [None, 265, None, 7]}, "pu_location_id", [(7, 1), (265, 1), (None, 2)]),
    ],
    ids=["odd amounts among others", "days outside the month", "no zone"],
)  # fmt: skip
def test_trips_of_a_day_and_zone_are_one_row(build, query, values, group, rows):
    build(SampleMonth(rows=4, values=values))
    assert query(f"SELECT {group}, trips FROM daily_zone_trips ORDER BY 1") == rows
    assert query("SELECT DISTINCT source_month FROM daily_zone_trips") == [(START.date(),)]


def test_month_that_changed_is_not_current_until_it_is_built_again(build, warehouse, marts, query):
    entries = {month.partition: build(month) for month in (JANUARY, FEBRUARY, YELLOW_JANUARY)}
    before = query(ROWS)
    assert marts.replace_month(DAILY_ZONE_TRIPS, entries[JANUARY.partition]).trips == 5
    assert sorted(query(ROWS)) == sorted(before)
    held = marts.months(DAILY_ZONE_TRIPS)
    assert all(held[p].is_current(DAILY_ZONE_TRIPS, entry) for p, entry in entries.items())
    assert not held[JANUARY.partition].is_current(
        replace(DAILY_ZONE_TRIPS, version=99), entries[JANUARY.partition]
    )

    revised = load(warehouse, OTHER_JANUARY)
    held = marts.months(DAILY_ZONE_TRIPS)
    assert not held[JANUARY.partition].is_current(DAILY_ZONE_TRIPS, revised)
    assert marts.replace_month(DAILY_ZONE_TRIPS, revised).is_current(DAILY_ZONE_TRIPS, revised)
    assert query("SELECT service, source_month, trips FROM daily_zone_trips ORDER BY 1, 2") == [
        ("green", date(2024, 1, 1), 3),
        ("green", date(2024, 2, 1), 2),
        ("yellow", date(2024, 1, 1), 4),
    ]
    query("DELETE FROM daily_zone_trips")
    held = marts.months(DAILY_ZONE_TRIPS)
    assert not held[JANUARY.partition].is_current(DAILY_ZONE_TRIPS, revised)


def test_month_without_trips_is_built_too(build, marts):
    entry = build(SampleMonth(rows=0, quarantined=[{}]))
    assert marts.months(DAILY_ZONE_TRIPS)[entry.partition].is_current(DAILY_ZONE_TRIPS, entry)


@pytest.mark.parametrize(
    ("entry", "lost", "said"),
    [
        (JANUARY.entry, None, "other content by now"),
        (FEBRUARY.entry, None, "other content by now"),
        (OTHER_JANUARY.entry, 0, r"has 2 trips .* expected its 3 accepted"),
    ],
    ids=["another version", "a month that is not there", "a row is lost"],
)
def test_month_that_is_not_what_the_ledger_says_changes_nothing(
    build, marts, warehouse, query, entry, lost, said
):
    build(JANUARY)
    before = query(ROWS), query("SELECT * FROM mart_month")
    load(warehouse, OTHER_JANUARY)
    query("DELETE FROM green WHERE source_row = %s", lost)
    with pytest.raises(ReconciliationError, match=said):
        marts.replace_month(DAILY_ZONE_TRIPS, entry)
    assert (query(ROWS), query("SELECT * FROM mart_month")) == before


def test_reader_sees_the_old_month_until_the_new_one_is_there(
    build, marts, warehouse, connect, query
):
    build(JANUARY)
    entry, total = load(warehouse, OTHER_JANUARY), "SELECT sum(trips) FROM daily_zone_trips"
    with closing(connect()) as reader, reader.cursor() as cursor:
        reader.set_session(isolation_level="REPEATABLE READ")
        cursor.execute(total)
        assert cursor.fetchone() == (5,)
        marts.replace_month(DAILY_ZONE_TRIPS, entry)  # and does not wait for the reader
        cursor.execute(total)
        assert cursor.fetchone() == (5,)
    assert query(total) == [(3,)]


def test_tables_say_what_they_hold_and_get_the_columns_of_later_versions(build, marts, query):
    entry = build(JANUARY)
    added = Column("x", ColumnType.BIGINT, "New", required=True)
    later = replace(DAILY_ZONE_TRIPS, columns=(*DAILY_ZONE_TRIPS.columns, added))
    assert marts.months(later)[entry.partition].rows == 1
    assert query("SELECT x FROM daily_zone_trips") == [(None,)]
    comments = "SELECT obj_description('{0}'::regclass), col_description('{0}'::regclass, 8)"
    assert query(comments.format("daily_zone_trips")) == [
        (f"{later.meaning}\nMade by nyc_tlc as daily_zone_trips", "New")
    ]


def test_example_of_the_page_is_answered(build, query):
    build(SampleMonth(rows=3, values={"pu_location_id": [7, None, 7]}))
    query("CREATE TABLE taxi_zone AS SELECT 7 AS location_id, 'Astoria' AS zone")
    page = (Path(__file__).parents[3] / "docs" / "marts.md").read_text("utf-8")
    (example,) = re.findall(r"```sql\n(.+?)```", page, re.DOTALL)
    assert query(example.replace("tlc.", "")) == [
        (date(2024, 1, 1), "Astoria", 2, Decimal("4.00")),
        (date(2024, 1, 1), None, 1, Decimal("2.00")),
    ]


HOURLY = """
SELECT source_month, service, EXTRACT(HOUR FROM pickup_datetime) AS pickup_hour, COUNT(*) AS trips
FROM service_trips
GROUP BY source_month, service, EXTRACT(HOUR FROM pickup_datetime)
"""


def test_another_mart_takes_a_query_and_a_declaration(warehouse, marts, query, monkeypatch):
    text = mart_query._text
    monkeypatch.setattr(
        mart_query, "_text", lambda name: HOURLY if name == "hourly.sql" else text(name)
    )
    month, service, *_ = DAILY_ZONE_TRIPS.columns
    hour = Column("pickup_hour", ColumnType.SMALLINT, "Hour", required=True)
    trips = next(column for column in DAILY_ZONE_TRIPS.columns if column.name == "trips")
    hourly = Mart("hourly", 1, "By hour", (month, service, hour, trips), ("pickup_hour",))
    entry = load(warehouse, JANUARY)
    assert marts.replace_month(hourly, entry).is_current(hourly, entry)
    assert marts.months(DAILY_ZONE_TRIPS) == {}
    assert query("SELECT service, pickup_hour, trips FROM hourly") == [("green", 0, 5)]
