"""What a mart promises in a warehouse: the trips' own numbers, one month replaced at a time."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from embedded.samples.months import write_month
from nyc_tlc.adapters.postgres.connection import Database
from nyc_tlc.adapters.postgres.marts import PostgresMarts
from nyc_tlc.adapters.postgres.warehouse import PostgresWarehouse
from nyc_tlc.core.catalog.ledger import LedgerEntry
from nyc_tlc.core.contract.model import Column, ColumnType
from nyc_tlc.core.contract.service import FHV, FHVHV, GREEN, SERVICES, YELLOW, Service
from nyc_tlc.core.errors import ReconciliationError
from nyc_tlc.core.marts import query as mart_query
from nyc_tlc.core.marts.declared import DAILY_ZONE_TRIPS
from nyc_tlc.core.marts.model import Mart
from tests.conftest import Query
from tests.ports.marts.marts_answers import daily_zone_trips
from tests.ports.months import SampleMonth, judged, load, partition, row_groups

ROWS = (
    "SELECT source_month, service, pickup_date, pu_location_id, trips, priced_trips, revenue "
    "FROM daily_zone_trips"
)
JANUARY = SampleMonth(rows=5)
OTHER_JANUARY = SampleMonth(rows=3, sha256="b" * 64)
FEBRUARY = SampleMonth(partition("2024-02"), rows=2)


@pytest.fixture
def marts(database: Database, schema: str) -> PostgresMarts:
    return PostgresMarts(database, schema)


@pytest.fixture
def build(
    warehouse: PostgresWarehouse, marts: PostgresMarts
) -> Callable[[SampleMonth], LedgerEntry]:
    """Load a month and build it in the mart."""

    def load_and_build(month: SampleMonth) -> LedgerEntry:
        entry = load(warehouse, month)
        marts.replace_month(DAILY_ZONE_TRIPS, entry)
        return entry

    return load_and_build


@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
def test_numbers_are_those_of_another_engine(
    warehouse: PostgresWarehouse,
    marts: PostgresMarts,
    query: Query,
    tmp_path: Path,
    service: Service,
) -> None:
    files = []
    for month in ("2024-03", "2025-02"):
        part = partition(month, service)
        accepted, _ = judged(part, write_month(part, 3_000, tmp_path))
        files.append(tmp_path / f"{month}.canonical.parquet")
        pq.write_table(accepted, files[-1])
        entry = replace(
            SampleMonth(part).entry, published=accepted.num_rows, accepted=accepted.num_rows
        )
        trips = row_groups(accepted, size=1000)
        warehouse.replace_partition(entry, trips, SampleMonth(part).quarantine(), force=False)
        built = marts.replace_month(DAILY_ZONE_TRIPS, entry)
        assert built.trips == accepted.num_rows
        assert 0 < built.rows < accepted.num_rows
    found = query(ROWS)
    assert len(found) == len(set(found))
    assert set(found) == daily_zone_trips(service.name, files)
    assert all((row[-1] is None) == (service is FHV) for row in found)


def charged(columns: Mapping[str, Any], query: Query, build: Any, service: Service) -> list[Any]:
    """What the mart says of one trip."""
    values = {name: [value] for name, value in columns.items()}
    build(SampleMonth(partition(service=service), rows=1, values=values))
    return list(query("SELECT trips, priced_trips, revenue FROM daily_zone_trips")[0])


def test_revenue_of_an_app_trip_is_the_sum_of_what_the_passenger_paid(build, query: Query) -> None:
    parts = {
        "base_passenger_fare": 10.0, "tolls_amount": 6.94, "bcf": 0.3, "sales_tax": 0.89,
        "congestion_surcharge": 2.75, "airport_fee": 2.5, "cbd_congestion_fee": 1.5,
        "tip_amount": 3.01, "driver_pay": 1000.0, "trip_time": 500,
    }  # fmt: skip
    assert charged(parts, query, build, FHVHV) == [1, 1, Decimal("27.89")]


def test_empty_parts_of_a_fare_count_nothing(build, query: Query) -> None:
    assert charged({"base_passenger_fare": 7.25}, query, build, FHVHV) == [1, 1, Decimal("7.25")]


def test_app_trip_without_a_fare_is_not_priced(build, query: Query) -> None:
    assert charged({"tolls_amount": 7.25}, query, build, FHVHV) == [1, 0, None]


@pytest.mark.parametrize("amount", [float("nan"), float("inf"), -float("inf"), 1e300, 1.1e9])
def test_amount_that_is_none_keeps_its_trip_and_no_other_from_being_counted(
    build, query: Query, amount: float
) -> None:
    build(SampleMonth(rows=3, values={"total_amount": [1.1, amount, 2.2]}))
    assert query("SELECT trips, priced_trips, revenue FROM daily_zone_trips") == [
        (3, 2, Decimal("3.30"))
    ]


def test_refund_takes_back_what_was_charged(build, query: Query) -> None:
    build(SampleMonth(rows=3, values={"total_amount": [12.35, -12.35, 8.0]}))
    assert query("SELECT trips, revenue FROM daily_zone_trips") == [(3, Decimal("8.00"))]


def test_trip_counts_on_the_day_of_its_pickup_in_the_month_of_its_file(build, query: Query) -> None:
    start = JANUARY.partition.month.start
    moments = [start - timedelta(microseconds=1), start, start + timedelta(days=31)]
    build(SampleMonth(rows=3, values={"pickup_datetime": moments}))
    assert query("SELECT source_month, pickup_date FROM daily_zone_trips ORDER BY 2") == [
        (date(2024, 1, 1), date(2023, 12, 31)),
        (date(2024, 1, 1), date(2024, 1, 1)),
        (date(2024, 1, 1), date(2024, 2, 1)),
    ]


def test_trips_without_a_zone_have_a_row_of_their_own(build, query: Query) -> None:
    build(SampleMonth(rows=4, values={"pu_location_id": [None, 265, None, 7]}))
    assert query("SELECT pu_location_id, trips FROM daily_zone_trips ORDER BY 1") == [
        (7, 1), (265, 1), (None, 2),
    ]  # fmt: skip


def test_building_a_month_again_leaves_one_copy(build, marts: PostgresMarts, query: Query) -> None:
    entry = build(JANUARY)
    before = query(ROWS)
    assert marts.replace_month(DAILY_ZONE_TRIPS, entry).trips == 5
    assert query(ROWS) == before


def test_month_that_changed_is_not_current_until_it_is_built_again(
    build, warehouse: PostgresWarehouse, marts: PostgresMarts, query: Query
) -> None:
    entries = {month.partition: build(month) for month in (JANUARY, FEBRUARY)}
    held = marts.months(DAILY_ZONE_TRIPS)
    assert all(held[p].is_current(DAILY_ZONE_TRIPS, entry) for p, entry in entries.items())
    assert not held[JANUARY.partition].is_current(
        replace(DAILY_ZONE_TRIPS, version=99), entries[JANUARY.partition]
    )

    revised = load(warehouse, OTHER_JANUARY)
    held = marts.months(DAILY_ZONE_TRIPS)
    assert not held[JANUARY.partition].is_current(DAILY_ZONE_TRIPS, revised)
    assert marts.replace_month(DAILY_ZONE_TRIPS, revised).is_current(DAILY_ZONE_TRIPS, revised)
    assert query("SELECT source_month, trips FROM daily_zone_trips ORDER BY 1") == [
        (date(2024, 1, 1), 3), (date(2024, 2, 1), 2),
    ]  # fmt: skip


def test_month_of_which_rows_were_lost_is_not_current(
    build, marts: PostgresMarts, query: Query
) -> None:
    entry = build(JANUARY)
    query("DELETE FROM daily_zone_trips")
    assert not marts.months(DAILY_ZONE_TRIPS)[JANUARY.partition].is_current(DAILY_ZONE_TRIPS, entry)


def test_month_without_trips_is_built_too(build, marts: PostgresMarts) -> None:
    entry = build(SampleMonth(rows=0, quarantined=[{}]))
    assert marts.months(DAILY_ZONE_TRIPS)[entry.partition].is_current(DAILY_ZONE_TRIPS, entry)


def test_services_of_one_month_do_not_touch_each_other(build, query: Query) -> None:
    for service in (GREEN, YELLOW, GREEN):
        build(SampleMonth(partition(service=service), rows=4))
    assert query("SELECT service, sum(trips) FROM daily_zone_trips GROUP BY 1 ORDER BY 1") == [
        ("green", 4), ("yellow", 4),
    ]  # fmt: skip


def test_content_that_is_no_longer_there_is_refused(
    build, marts: PostgresMarts, warehouse: PostgresWarehouse, query: Query
) -> None:
    entry = build(JANUARY)
    before = query(ROWS)
    load(warehouse, OTHER_JANUARY)
    with pytest.raises(ReconciliationError, match="other content by now"):
        marts.replace_month(DAILY_ZONE_TRIPS, entry)
    with pytest.raises(ReconciliationError, match="other content by now"):
        marts.replace_month(DAILY_ZONE_TRIPS, FEBRUARY.entry)
    assert query(ROWS) == before


def test_count_that_is_not_the_ledgers_is_rolled_back(
    build, marts: PostgresMarts, warehouse: PostgresWarehouse, query: Query
) -> None:
    build(JANUARY)
    before = query(ROWS), query("SELECT * FROM mart_month")
    entry = load(warehouse, OTHER_JANUARY)
    query("DELETE FROM green WHERE source_row = 0")
    with pytest.raises(ReconciliationError, match=r"has 2 trips .* expected its 3 accepted"):
        marts.replace_month(DAILY_ZONE_TRIPS, entry)
    assert (query(ROWS), query("SELECT * FROM mart_month")) == before


def test_reader_sees_the_old_month_until_the_new_one_is_whole(
    build, marts: PostgresMarts, warehouse: PostgresWarehouse, connect, query: Query
) -> None:
    build(JANUARY)
    entry = load(warehouse, OTHER_JANUARY)
    with closing(connect()) as reader, reader.cursor() as cursor:
        reader.set_session(isolation_level="REPEATABLE READ")
        cursor.execute("SELECT sum(trips) FROM daily_zone_trips")
        assert cursor.fetchone() == (5,)
        building = threading.Thread(target=marts.replace_month, args=(DAILY_ZONE_TRIPS, entry))
        building.start()
        building.join(timeout=10)
        assert not building.is_alive()  # a reader does not keep a month from being built
        cursor.execute("SELECT sum(trips) FROM daily_zone_trips")
        assert cursor.fetchone() == (5,)
    assert query("SELECT sum(trips) FROM daily_zone_trips") == [(3,)]


def test_column_of_a_later_version_is_added_to_a_mart_with_rows(
    build, marts: PostgresMarts, query: Query
) -> None:
    entry = build(JANUARY)
    later = replace(
        DAILY_ZONE_TRIPS,
        columns=(*DAILY_ZONE_TRIPS.columns, Column("x", ColumnType.BIGINT, "New", required=True)),
    )
    assert marts.months(later)[entry.partition].rows == 1
    assert query("SELECT x FROM daily_zone_trips") == [(None,)]


def test_tables_say_what_they_hold(build, query: Query, schema: str) -> None:
    build(JANUARY)
    table = f"{schema}.daily_zone_trips"
    assert query("SELECT obj_description(%s::regclass)", table) == [(DAILY_ZONE_TRIPS.meaning,)]
    said = query(
        "SELECT col_description(attrelid, attnum) FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum", table,
    )  # fmt: skip
    for (comment,), column in zip(said, DAILY_ZONE_TRIPS.columns, strict=True):
        assert comment.startswith(column.meaning)


def test_ledger_lists_the_months_whose_tables_are_there(
    warehouse: PostgresWarehouse, query: Query
) -> None:
    assert warehouse.entries() == []
    entries = [load(warehouse, month) for month in (FEBRUARY, JANUARY)]
    entries.append(load(warehouse, SampleMonth(partition(service=YELLOW))))
    assert warehouse.entries() == [entries[1], entries[0], entries[2]]
    query("DROP TABLE green_2024_02")
    assert warehouse.entries() == [entries[1], entries[2]]


def test_example_of_the_page_is_answered(build, query: Query) -> None:
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


def test_another_mart_takes_a_query_and_a_declaration(
    warehouse: PostgresWarehouse, marts: PostgresMarts, query: Query, monkeypatch
) -> None:
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
