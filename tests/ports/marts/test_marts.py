"""What a mart promises in a warehouse: the trips' own numbers, one month replaced at a time."""

import re
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from unittest import mock

import pyarrow.parquet as pq
import pytest

from nyc_tlc.adapters.bigquery.connection import BigQueryDataset
from nyc_tlc.adapters.postgres.marts import PostgresMarts
from nyc_tlc.core.contract.model import Column, ColumnType
from nyc_tlc.core.contract.service import FHV, FHVHV, GREEN, SERVICES, YELLOW
from nyc_tlc.core.errors import ReconciliationError
from nyc_tlc.core.marts import query as mart_query
from nyc_tlc.core.marts.declared import DAILY_ZONE_TRIPS
from nyc_tlc.core.marts.model import Mart
from tests.ports.marts.marts_answers import daily_zone_trips
from tests.ports.marts.stores import CAP, Store, bigquery_dataset, in_bigquery
from tests.ports.months import SampleMonth, judged, load, partition

JANUARY = SampleMonth(rows=5)
OTHER_JANUARY = SampleMonth(rows=3, sha256="b" * 64)
FEBRUARY = SampleMonth(partition("2024-02"), rows=2)
YELLOW_JANUARY = SampleMonth(partition(service=YELLOW), rows=4)
START = JANUARY.partition.month.start


@pytest.fixture
def in_postgres(warehouse, database, schema, query) -> Store:
    return Store(PostgresMarts(database, schema), partial(load, warehouse), query)


@pytest.fixture(scope="module")
def dataset(bigquery) -> BigQueryDataset:
    return bigquery_dataset(bigquery)


@pytest.fixture(params=["Postgres", "BigQuery"])
def store(request) -> Store:
    if request.param == "Postgres":
        return request.getfixturevalue("in_postgres")
    return in_bigquery(request.getfixturevalue("dataset"))


@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
def test_numbers_are_those_of_another_engine(store, tmp_path, service):
    files = []
    for month in ("2024-03", "2025-02"):
        sample = judged(partition(month, service), 3_000, tmp_path)
        files.append(tmp_path / f"{month}.canonical.parquet")
        pq.write_table(sample.table(), files[-1])
        built = store.marts.replace_month(DAILY_ZONE_TRIPS, store.load(sample))
        assert built.trips == sample.rows
        assert 0 < built.rows < sample.rows
    found = store.held()
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
def test_revenue_of_one_trip(in_postgres, service, columns, expected):
    """A passenger of an app pays the sum of the parts; an amount that is none prices no trip."""
    values = {name: [value] for name, value in columns.items()}
    in_postgres.build(SampleMonth(partition(service=service), rows=1, values=values))
    priced, revenue = expected
    found = in_postgres.ask("SELECT trips, priced_trips, revenue::text FROM daily_zone_trips")
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
def test_trips_of_a_day_and_zone_are_one_row(in_postgres, values, group, rows):
    in_postgres.build(SampleMonth(rows=4, values=values))
    query = in_postgres.ask
    assert query(f"SELECT {group}, trips FROM daily_zone_trips ORDER BY 1") == rows
    assert query("SELECT DISTINCT source_month FROM daily_zone_trips") == [(START.date(),)]


def test_trips_without_a_zone_and_amounts_that_are_none(store):
    amounts = [1.1, float("nan"), 2.2, 1e300]
    store.build(SampleMonth(rows=4, values={"total_amount": amounts, "pu_location_id": [None] * 4}))
    assert [row[3:] for row in store.held()] == [(None, 4, 2, Decimal("3.30"))]


def test_month_is_replaced_alone_and_not_current_until_it_is_built_again(store):
    entries = {month.partition: store.build(month) for month in (JANUARY, FEBRUARY, YELLOW_JANUARY)}
    before, january = store.held(), JANUARY.partition
    assert store.marts.replace_month(DAILY_ZONE_TRIPS, entries[january]).trips == 5
    assert store.held() == before
    held = store.months()
    assert all(held[p].is_current(DAILY_ZONE_TRIPS, entry) for p, entry in entries.items())
    assert not held[january].is_current(replace(DAILY_ZONE_TRIPS, version=99), entries[january])

    revised = store.load(OTHER_JANUARY)
    assert not store.months()[january].is_current(DAILY_ZONE_TRIPS, revised)
    built = store.marts.replace_month(DAILY_ZONE_TRIPS, revised)
    assert built.is_current(DAILY_ZONE_TRIPS, revised)
    trips = "SELECT service, source_month, SUM(trips) FROM daily_zone_trips GROUP BY 1, 2"
    assert sorted(store.ask(trips)) == [
        ("green", date(2024, 1, 1), 3),
        ("green", date(2024, 2, 1), 2),
        ("yellow", date(2024, 1, 1), 4),
    ]
    store.ask("DELETE FROM daily_zone_trips WHERE TRUE")
    assert not store.months()[january].is_current(DAILY_ZONE_TRIPS, revised)


def test_month_without_trips_is_built_too(store):
    entry = store.build(SampleMonth(rows=0, quarantined=[{}]))
    assert store.months()[entry.partition].is_current(DAILY_ZONE_TRIPS, entry)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (JANUARY.entry, "other content by now|not recorded to hold the content"),
        (FEBRUARY.entry, "other content by now|not recorded to hold the content"),
        (OTHER_JANUARY.entry, "2.* expected .*3 accepted"),
    ],
    ids=["another version", "a month that is not there", "a row is lost"],
)
def test_month_that_is_not_what_the_record_says_changes_nothing(store, entry, said):
    store.build(JANUARY)
    before = store.held(), store.ask("SELECT * FROM mart_month")
    store.load(OTHER_JANUARY)
    if entry == OTHER_JANUARY.entry:
        store.ask("DELETE FROM green WHERE source_row = 0")
    with pytest.raises(ReconciliationError, match=said):
        store.marts.replace_month(DAILY_ZONE_TRIPS, entry)
    assert (store.held(), store.ask("SELECT * FROM mart_month")) == before


def test_reader_sees_the_old_month_until_the_new_one_is_there(in_postgres, connect):
    in_postgres.build(JANUARY)
    entry, total = in_postgres.load(OTHER_JANUARY), "SELECT sum(trips) FROM daily_zone_trips"
    with closing(connect()) as reader, reader.cursor() as cursor:
        reader.set_session(isolation_level="REPEATABLE READ")
        cursor.execute(total)
        assert cursor.fetchone() == (5,)
        in_postgres.marts.replace_month(DAILY_ZONE_TRIPS, entry)  # and waits for no reader
        cursor.execute(total)
        assert cursor.fetchone() == (5,)
    assert in_postgres.ask(total) == [(3,)]


def test_tables_say_what_they_hold_and_get_the_columns_of_later_versions(in_postgres):
    entry = in_postgres.build(JANUARY)
    added = Column("x", ColumnType.BIGINT, "New", required=True)
    later = replace(DAILY_ZONE_TRIPS, columns=(*DAILY_ZONE_TRIPS.columns, added))
    assert in_postgres.marts.months(later)[entry.partition].rows == 1
    assert in_postgres.ask("SELECT x FROM daily_zone_trips") == [(None,)]
    comments = "SELECT obj_description('{0}'::regclass), col_description('{0}'::regclass, 8)"
    assert in_postgres.ask(comments.format("daily_zone_trips")) == [
        (f"{later.meaning}\nMade by nyc_tlc as daily_zone_trips", "New")
    ]


def test_table_of_bigquery_is_partitioned_clustered_and_described(dataset):
    table = dataset.client.get_table(f"{dataset.address}.daily_zone_trips")
    assert table.time_partitioning.to_api_repr() == {"type": "MONTH", "field": "source_month"}
    assert table.clustering_fields == ["service", "pickup_date", "pu_location_id"]
    assert table.description == DAILY_ZONE_TRIPS.meaning
    assert [field.name for field in table.schema] == [c.name for c in DAILY_ZONE_TRIPS.columns]
    assert all(field.description for field in table.schema)


def test_every_query_of_bigquery_has_a_limit_of_what_it_may_bill(dataset):
    store = in_bigquery(dataset)
    with mock.patch.object(dataset.client, "query", wraps=dataset.client.query) as query:
        store.build(SampleMonth(partition("2024-05")))
    configs = [call.kwargs["job_config"] for call in query.call_args_list]
    assert [config.maximum_bytes_billed for config in configs] == [CAP] * 3


def test_example_of_the_page_is_answered(in_postgres):
    in_postgres.build(SampleMonth(rows=3, values={"pu_location_id": [7, None, 7]}))
    in_postgres.ask("CREATE TABLE taxi_zone AS SELECT 7 AS location_id, 'Astoria' AS zone")
    page = (Path(__file__).parents[3] / "docs" / "marts.md").read_text("utf-8")
    (example,) = re.findall(r"```sql\n(.+?)```", page, re.DOTALL)
    assert in_postgres.ask(example.replace("tlc.", "")) == [
        (date(2024, 1, 1), "Astoria", 2, Decimal("4.00")),
        (date(2024, 1, 1), None, 1, Decimal("2.00")),
    ]


HOURLY = """
SELECT source_month, service, EXTRACT(HOUR FROM pickup_datetime) AS pickup_hour, COUNT(*) AS trips
FROM service_trips
GROUP BY source_month, service, EXTRACT(HOUR FROM pickup_datetime)
"""


def test_another_mart_takes_a_query_and_a_declaration(in_postgres, monkeypatch):
    text = mart_query._text
    monkeypatch.setattr(
        mart_query, "_text", lambda name: HOURLY if name == "hourly.sql" else text(name)
    )
    month, service, *_ = DAILY_ZONE_TRIPS.columns
    hour = Column("pickup_hour", ColumnType.SMALLINT, "Hour", required=True)
    trips = next(column for column in DAILY_ZONE_TRIPS.columns if column.name == "trips")
    hourly = Mart("hourly", 1, "By hour", (month, service, hour, trips), ("pickup_hour",))
    entry, marts = in_postgres.load(JANUARY), in_postgres.marts
    assert marts.replace_month(hourly, entry).is_current(hourly, entry)
    assert marts.months(DAILY_ZONE_TRIPS) == {}
    assert in_postgres.ask("SELECT service, pickup_hour, trips FROM hourly") == [("green", 0, 5)]
