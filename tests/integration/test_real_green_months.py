"""Ten real months through `mage run`, against an independent reader of the published files."""

import json
import random

import duckdb
import pyarrow.parquet as pq
import pytest

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.month import Month
from nyc_tlc.settings import Settings
from tests.integration.world import World
from tests.ports.marts.marts_answers import daily_zone_trips

pytestmark = pytest.mark.integration

MONTHS = [
    "2020-12", "2021-01", "2022-02", "2023-01", "2023-02",
    "2023-03", "2023-12", "2024-01", "2025-01", "2025-02",
]  # fmt: skip
PUBLISHED = {
    spelling: column.name for column in GREEN.contract.columns for spelling in column.published_as
}


@pytest.fixture(scope="module")
def green(mage, shared, tmp_path_factory):
    """All ten months, loaded in one run from the folder that holds them."""
    source = (shared / "green").as_uri()
    loaded = mage.on("real_green", tmp_path_factory.mktemp("real"), source, bigquery=True)
    loaded.succeed("tlc_trips", json.dumps({"service": "green", "months": MONTHS}))
    return loaded


@pytest.fixture(scope="module")
def lake(green, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lake")
    for prefix in ("trips/", "quarantine/", "manifests/"):
        green.download(prefix, folder)
    return folder


def published(shared, month):
    return f"read_parquet('{shared}/green/green_tripdata_{month}.parquet')"


def part(lake, zone, month):
    return f"{lake}/{zone}/service=green/year={month[:4]}/month={month[5:]}/part-0.parquet"


@pytest.mark.parametrize("month", MONTHS)
def test_every_published_row_is_in_every_store(green, lake, shared, month):
    footer = pq.read_metadata(f"{shared}/green/green_tripdata_{month}.parquet").num_rows
    of_month = f"WHERE source_month = '{month}-01'"
    ((rows, *judged),) = green.sql(
        f"SELECT rows_published, rows_accepted, rows_quarantined FROM ledger {of_month} "
        "AND reconciled_at IS NOT NULL"
    )
    assert rows == footer == sum(judged)
    tables = [green.sql(f"SELECT count(*) FROM {t} {of_month}") for t in ("green", "quarantine")]
    assert tables == [[(count,)] for count in judged]
    in_lake = [pq.read_metadata(part(lake, z, month)).num_rows for z in ("trips", "quarantine")]
    assert in_lake == judged
    manifest = lake / "manifests" / f"service=green/year={month[:4]}/month={month[5:]}.json"
    counts = json.loads(manifest.read_text())["counts"]
    assert (counts["published"], sum(counts["by_reason"].values())) == (footer, judged[1])


@pytest.mark.parametrize("month", MONTHS)
def test_values_equal_those_of_an_independent_reader(green, lake, shared, month):
    sums = "sum(total_amount::DECIMAL(38,6)), sum(trip_distance::DECIMAL(38,6))"
    columns = duckdb.sql(f"DESCRIBE SELECT * FROM {published(shared, month)}").fetchall()
    names = [row[0] for row in columns]
    expected = duckdb.sql(
        f"SELECT {sums}, min(lpep_pickup_datetime), max(lpep_pickup_datetime), "
        + ", ".join(f'count(*) - count("{name}")' for name in names)
        + f" FROM {published(shared, month)}"
    ).fetchall()[0]
    canonical = [PUBLISHED[name] for name in names]
    aggregates = f"{sums}, min(pickup_datetime), max(pickup_datetime), " + ", ".join(
        f"count(*) - count({name})" for name in canonical
    )
    both = f"{part(lake, 'trips', month)}', '{part(lake, 'quarantine', month)}"
    in_lake = duckdb.sql(
        f"SELECT {aggregates} FROM read_parquet(['{both}'], union_by_name=true, "
        "hive_partitioning=false)"
    ).fetchall()[0]
    assert in_lake == expected

    fields = ", ".join(
        f"(published->>'{name}')::{_postgres_type(PUBLISHED[name])} AS {PUBLISHED[name]}"
        for name in names
    )
    (in_postgres,) = green.sql(
        f"SELECT {aggregates.replace('DECIMAL(38,6)', 'numeric(38,6)')} FROM ("
        f"SELECT {', '.join(canonical)} FROM green WHERE source_month = %s UNION ALL "
        f"SELECT {fields} FROM quarantine WHERE source_month = %s) AS both_parts",
        f"{month}-01", f"{month}-01",
    )  # fmt: skip
    assert in_postgres == expected


def _postgres_type(column):
    kind = GREEN.contract.by_name[column].type.value
    return {"smallint": "numeric", "double": "double precision"}.get(kind, kind)


def test_each_partition_is_in_bigquery_once(green):
    if not green.has_bigquery:
        pytest.skip("BigQuery's emulator cannot be had here")
    ledger = green.sql(
        "SELECT source_month, rows_accepted, rows_quarantined FROM ledger "
        "WHERE reconciled_at IS NOT NULL ORDER BY 1"
    )
    assert len(ledger) == len(MONTHS)
    months = "SELECT source_month, COUNT(*), COUNT(DISTINCT source_row) FROM {} GROUP BY 1"
    found = {month: (rows, different) for month, rows, different in
             green.bigquery_sql(months.format("green"))}  # fmt: skip
    assert found == {month: (accepted, accepted) for month, accepted, _ in ledger}
    quarantined = {month: rows for month, rows, _ in
                   green.bigquery_sql(months.format("quarantine_green"))}  # fmt: skip
    assert quarantined == {month: rows for month, _, rows in ledger if rows}
    sums = "sum(total_amount), max(trip_distance), min(pickup_datetime), max(dropoff_datetime)"
    ((amount, *others),) = green.bigquery_sql(f"SELECT {sums} FROM green")
    ((expected, *theirs),) = green.sql(f"SELECT {sums} FROM green")
    assert (amount, others) == (pytest.approx(expected, rel=1e-12), theirs)


def fingerprint(green, tmp_path):
    """Rows of Postgres and BigQuery by month, and the bytes of the lake."""
    rows = green.sql(
        "SELECT source_month, count(*), sum(hashtextextended(green::text, 0)::numeric) "
        "FROM green GROUP BY 1 ORDER BY 1"
    )
    files = [
        (path.relative_to(tmp_path).as_posix(), path.read_bytes())
        for zone in ("trips/", "quarantine/")
        for path in sorted(green.download(zone, tmp_path).rglob("*.parquet"))
    ]
    by_month = "SELECT source_month, COUNT(*), SUM(source_row) FROM green GROUP BY 1 ORDER BY 1"
    return rows, files, green.bigquery_sql(by_month) if green.has_bigquery else []


def test_loading_again_in_another_order_and_with_force_changes_no_row(green, tmp_path):
    before, world = fingerprint(green, tmp_path / "before"), World(Settings.load(green.environment))
    months = [Partition(GREEN, Month.parse(month)) for month in MONTHS]
    again = world.load(*random.Random(1).sample(months, len(months)))
    assert [row.status for row in again] == ["unchanged"] * len(months)
    assert [row.status for row in world.load(months[6], force=True)] == ["reconciled"]
    assert fingerprint(green, tmp_path / "after") == before


def test_marts_equal_an_independent_query_over_the_lake(green, lake):
    said = green.succeed("tlc_marts")
    expected = daily_zone_trips("green", [part(lake, "trips", month) for month in MONTHS])
    columns = "source_month, service, pickup_date, pu_location_id, trips, priced_trips, revenue"
    rows = green.sql(f"SELECT {columns} FROM daily_zone_trips")
    assert len(rows) == len(set(rows)) > 10_000
    assert set(rows) == expected
    accepted = green.sql("SELECT sum(rows_accepted) FROM ledger")
    assert green.sql("SELECT sum(trips) FROM daily_zone_trips") == accepted

    if not green.has_bigquery:
        pytest.skip("the marts in Postgres are right; BigQuery's emulator cannot be had here")
    assert said.count("  built  ") == 2 * len(MONTHS)
    in_bigquery = green.bigquery_sql(f"SELECT {columns} FROM daily_zone_trips")
    assert len(in_bigquery) == len(rows)
    assert set(in_bigquery) == expected
