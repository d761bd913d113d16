"""The other promises, through Mage and the real download path."""

import json

import duckdb
import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import shapely

from embedded.samples.months import write_month
from embedded.samples.polygons import write_zone_polygons
from embedded.samples.zones import write_zone_lookup
from embedded.servers.cdn import CdnServer
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.code_lists import code_lists
from nyc_tlc.core.contract.service import GREEN, YELLOW
from nyc_tlc.core.month import Month
from nyc_tlc.settings import Settings
from nyc_tlc.wiring import connect_stores
from tests.integration.lake_files import download

pytestmark = pytest.mark.integration


@pytest.fixture
def cdn(tmp_path):
    for folder in ("trip-data", "misc"):
        (tmp_path / "cdn" / folder).mkdir(parents=True)
    write_zone_lookup(tmp_path / "cdn" / "misc" / "taxi_zone_lookup.csv")
    write_zone_polygons(tmp_path / "cdn" / "misc" / "taxi_zones.zip")
    with CdnServer(tmp_path / "cdn") as server:
        yield server


@pytest.fixture
def publish(tmp_path):
    def write(service, month, rows, seed=0):
        partition = Partition(service, Month.parse(month))
        return write_month(partition, rows, tmp_path / "cdn" / "trip-data", seed=seed)

    return write


def load(here, service, months):
    run = here.run("tlc_trips", json.dumps({"service": service, "months": months}))
    assert run.returncode == 0, run.stdout
    return run.stdout


def build_zones(here):
    run = here.run("tlc_zones")
    assert run.returncode == 0, run.stdout


def test_all_months_of_a_service_read_as_one_table_without_silent_nulls(
    mage, cdn, publish, tmp_path
):
    """Airport_fee was airport_fee before 2023-02; ehail_fee was null, then double."""
    here = mage.on("one_table", tmp_path, cdn.url)
    for service in (YELLOW, GREEN):
        for month in ("2022-12", "2023-01", "2023-02", "2025-01", "2026-06"):
            publish(service, month, 2_000)
    load(here, "yellow,green", "2022-12:2023-02,2025-01,2026-06")
    for service in ("yellow", "green"):
        folder = download(here.environment, f"trips/service={service}/", tmp_path / "lake")
        ((accepted,),) = here.sql(
            "SELECT sum(rows_accepted)::bigint FROM ledger WHERE service = %s", service
        )
        by_pyarrow = ds.dataset(folder, partitioning="hive").count_rows()
        glob = f"read_parquet('{folder}/**/*.parquet', hive_partitioning=true)"
        ((by_duckdb,),) = duckdb.sql(f"SELECT count(*) FROM {glob}").fetchall()
        by_pandas = pd.read_parquet(folder)
        assert accepted == by_pyarrow == by_duckdb == len(by_pandas)
        assert by_pandas["pickup_datetime"].dtype == "datetime64[us]"
        column = "airport_fee" if service == "yellow" else "ehail_fee"
        filled = duckdb.sql(
            f"SELECT year, month, count({column}) FROM {glob} GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        assert [count > 0 for *_, count in filled] == [service == "yellow"] * 5
        if service == "yellow":
            ((published,),) = duckdb.sql(
                f"SELECT sum(airport_fee::DECIMAL(18,2)) FROM read_parquet("
                f"'{tmp_path}/cdn/trip-data/yellow_tripdata_*.parquet', union_by_name=true)"
            ).fetchall()
            total = f"SELECT sum(airport_fee::DECIMAL(18,2)) FROM {glob}"
            ((ours,),) = duckdb.sql(total).fetchall()
            quarantined = here.sql(
                "SELECT coalesce(sum(coalesce((published->>'airport_fee')::numeric, "
                "(published->>'Airport_fee')::numeric)), 0) FROM quarantine "
                "WHERE service = 'yellow'"
            )[0][0]
            assert ours + quarantined == published
        else:
            ((_, kind, *_),) = duckdb.sql(f"DESCRIBE SELECT ehail_fee FROM {glob}").fetchall()
            assert kind == "DOUBLE"


def test_a_revised_month_replaces_the_old_one_everywhere_and_keeps_its_raw_file(
    mage, cdn, publish, tmp_path
):
    here = mage.on("revised", tmp_path, cdn.url)
    publish(GREEN, "2024-05", 1_000)
    publish(GREEN, "2024-06", 1_000)
    load(here, "green", "2024-05:2024-06")
    june = here.sql("SELECT sum(hashtextextended(green::text, 0)::numeric) FROM green "
                    "WHERE source_month = '2024-06-01'")  # fmt: skip
    publish(GREEN, "2024-05", 1_200, seed=1)
    said = load(here, "green", "2024-05:2024-06")
    assert "green 2024-06  unchanged" in said
    assert here.sql("SELECT source_month::text, rows_published FROM ledger ORDER BY 1") == [
        ("2024-05-01", 1_200),
        ("2024-06-01", 1_000),
    ]
    assert here.sql("SELECT sum(hashtextextended(green::text, 0)::numeric) FROM green "
                    "WHERE source_month = '2024-06-01'") == june  # fmt: skip
    lake = connect_stores(Settings.load(here.environment)).lake
    raw = [s.path for s in lake.list("raw/service=green/year=2024/month=05/")]
    assert len([path for path in raw if path.endswith(".parquet")]) == 2
    record = lake.read("manifests/service=green/year=2024/month=05.json")
    manifest = json.loads(record[0])
    assert [version["raw"] in raw for version in manifest["superseded"]] == [True]
    trips = download(here.environment, "trips/", tmp_path / "lake")
    counted = duckdb.sql(f"SELECT count(*) FROM read_parquet('{trips}/**/*.parquet')").fetchall()
    assert counted == here.sql("SELECT count(*) FROM green")


def test_an_unchanged_month_costs_one_conditional_request_and_no_byte(mage, cdn, publish, tmp_path):
    here = mage.on("unchanged", tmp_path, cdn.url)
    publish(GREEN, "2024-07", 1_000)
    load(here, "green", "2024-07")
    asked = len(cdn.requests)
    assert "unchanged" in load(here, "green", "2024-07")
    (request,) = cdn.requests[asked:]
    assert (request.status, request.bytes_sent) == (304, 0)


def test_zones_keep_their_na_as_text_in_both_stores(mage, cdn, tmp_path):
    here = mage.on("zones", tmp_path, cdn.url)
    for _ in range(2):
        build_zones(here)
    assert here.sql("SELECT count(*) FROM taxi_zone") == [(265,)]
    assert here.sql("SELECT code, meaning FROM trip_type ORDER BY 1") == [
        (1, "Street-hail"),
        (2, "Dispatch"),
    ]
    assert ("HV0003", "Uber") in here.sql("SELECT code, meaning FROM hvfhs_license")
    expected = [(264, "Unknown", "N/A", "N/A", None), (265, "N/A", "Outside of NYC", "N/A", None)]
    nowhere = "SELECT {}, geometry FROM {} WHERE location_id > 263 ORDER BY 1"
    names = "location_id, borough, zone, service_zone"
    assert here.sql(nowhere.format(names, "taxi_zone")) == expected
    folder = download(here.environment, "reference/", tmp_path / "lake")
    file = f"read_parquet('{folder}/taxi_zone/part-0.parquet')"
    assert duckdb.sql(nowhere.format(names, file)).fetchall() == expected
    for name, codes in code_lists().items():
        listed = duckdb.sql(f"SELECT * FROM read_parquet('{folder}/{name}/part-0.parquet')")
        assert dict(listed.fetchall()) == codes.meanings == dict(here.sql(f"SELECT * FROM {name}"))


def test_zones_have_the_same_place_on_the_map_in_both_stores(mage, cdn, tmp_path):
    here = mage.on("polygons", tmp_path, cdn.url)
    build_zones(here)
    lake = connect_stores(Settings.load(here.environment)).lake
    landing = json.loads(lake.read("raw/taxi_zones/landing.json")[0])
    assert lake.stat(landing["raw"]).bytes == landing["bytes"]
    folder = download(here.environment, "reference/taxi_zone/", tmp_path / "lake")
    in_lake = pq.read_table(folder / "part-0.parquet").to_pylist()
    placed = here.sql(
        "SELECT location_id, centroid_longitude, centroid_latitude, geometry FROM taxi_zone "
        "WHERE geometry IS NOT NULL ORDER BY 1"
    )
    assert [row[0] for row in placed] == list(range(1, 264))
    for (_, longitude, latitude, geometry), zone in zip(placed, in_lake, strict=False):
        assert (longitude, latitude) == (zone["centroid_longitude"], zone["centroid_latitude"])
        drawn = shapely.from_geojson(json.dumps(geometry))
        assert shapely.equals_exact(drawn, shapely.from_wkb(zone["geometry"]))
        assert shapely.contains_xy(drawn, longitude, latitude)


def test_views_name_the_trips_of_months_loaded_before_and_after(mage, cdn, publish, tmp_path):
    here = mage.on("views", tmp_path, cdn.url)
    publish(GREEN, "2024-05", 300)
    load(here, "green", "2024-05")
    for seed in (1, 2):
        build_zones(here)
        publish(GREEN, "2024-05", 400, seed=seed)
        load(here, "green", "2024-05")
        ((accepted,),) = here.sql("SELECT rows_accepted FROM ledger")
        assert here.sql("SELECT count(*) FROM green_named") == [(accepted,)]
        assert here.sql("SELECT service, count(*) FROM trips GROUP BY 1") == [("green", accepted)]
    unlike = here.sql(
        "SELECT count(*) FROM green_named JOIN taxi_zone ON location_id = do_location_id "
        "WHERE (zone, borough) IS DISTINCT FROM (do_zone, do_borough)"
    )
    assert unlike == [(0,)]
    assert here.sql(
        "SELECT DISTINCT payment_type, payment_type_name FROM green_named "
        "WHERE payment_type IN (1, 2) ORDER BY 1"
    ) == [(1, "Credit card"), (2, "Cash")]


def test_check_connections_says_what_it_is_connected_to_and_no_password(mage, tmp_path):
    here = mage.on("checked", tmp_path, "file:///nowhere")
    run = here.run("check_connections")
    assert run.returncode == 0, run.stdout
    where = f"{here.environment['POSTGRES_HOST']}:{here.environment['POSTGRES_PORT']}/"
    assert where in run.stdout
    assert here.environment["LAKE_URL"] in run.stdout
    assert here.environment["POSTGRES_PASSWORD"] not in run.stdout
