"""Every month of every service, in the exact physical types of its vintage, through the steps."""

import hashlib
import json
from datetime import UTC, datetime
from functools import partial

import duckdb
import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from embedded.samples.csv_months import LAYOUTS, write_csv_month
from embedded.samples.months import published_batches, published_schema, write_month
from embedded.samples.polygons import write_zone_polygons
from embedded.samples.trips import trips as sample_trips
from nyc_tlc.adapters.postgres import month_table
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.publication import Publication
from nyc_tlc.core.contract.schemas import arrow_schema
from nyc_tlc.core.contract.service import FHV, SERVICES
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.contract.vintages import LAST_KNOWN_MONTH
from nyc_tlc.core.files import parquet_file
from nyc_tlc.core.month import Month
from nyc_tlc.core.rows.rules import FLAGS
from nyc_tlc.core.runs.run_table import Status, start
from nyc_tlc.steps.conform import conform
from nyc_tlc.steps.land import land
from nyc_tlc.steps.load import load
from nyc_tlc.steps.publish import publish
from nyc_tlc.steps.reconcile import reconcile
from nyc_tlc.steps.run_each import Effort, run_each
from nyc_tlc.wiring import connect_stores

ROWS = 120
EFFORT = Effort(workers=2, attempts=1)
LAST_CSV_MONTH = Month(2021, 7)
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def every_month(service):
    # fhv 2026-08 was not there yet on 2026-10-02.
    last = LAST_KNOWN_MONTH - 1 if service is FHV else LAST_KNOWN_MONTH
    return [Partition(service, month) for month in service.first_month.through(last)]


def test_there_are_594_months():
    assert sum(len(every_month(service)) for service in SERVICES.values()) == 594


@pytest.fixture
def ports(settings, tmp_path):
    write_zone_polygons(tmp_path / "published" / "taxi_zones.zip")
    return connect_stores(settings)


def run(step, rows, ports, **options):
    done = run_each(step.__name__, partial(step, ports=ports, **options), rows, EFFORT)
    assert [row.error for row in done if row.error] == []
    return done


def land_as(source_format, partitions, ports):
    publication = Publication(source_format, lag=2, today=NOW.date())
    return run(land, start(partitions, force=False, now=NOW), ports, publication=publication)


def write_csv(partition, folder):
    schema = published_schema(partition, SourceFormat.CSV)
    batches = published_batches(partition, ROWS, schema)
    write_csv_month(partition, batches, folder, compressed=partition.month.month % 2 == 0)


@pytest.mark.parametrize("source_format", SourceFormat)
@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
def test_every_month_is_published_as_one_table_and_every_vintage_reconciles(
    service, source_format, ports, tmp_path
):
    if source_format is SourceFormat.PARQUET:
        chosen, vintages = every_month(service), service.contract.vintages
        for partition in chosen:
            write_month(partition, ROWS, tmp_path / "published")
    else:
        months = service.first_csv_month.through(LAST_CSV_MONTH)
        chosen, vintages = [Partition(service, m) for m in months], service.contract.csv_vintages
        for partition in chosen:
            write_csv(partition, tmp_path / "published")
    firsts = {vintage.first for vintage in vintages}
    conformed = run(conform, land_as(source_format, chosen, ports), ports)
    assert {(row.published, row.accepted + row.quarantined) for row in conformed} == {(ROWS, ROWS)}
    published = run(publish, conformed, ports)
    of_vintages = [row for row in published if row.partition.month in firsts]
    assert len(of_vintages) == len(firsts)
    reconciled = run(reconcile, run(load, of_vintages, ports), ports)
    assert {row.status for row in reconciled} == {Status.RECONCILED}

    folder = tmp_path / "lake" / "trips" / f"service={service}"
    accepted = sum(row.accepted for row in conformed)
    types = {pq.read_schema(file).remove_metadata() for file in folder.rglob("*.parquet")}
    assert types == {arrow_schema(service.contract)}
    assert ds.dataset(folder, partitioning="hive").count_rows() == accepted
    glob = f"read_parquet('{folder}/**/*.parquet', hive_partitioning=true)"
    counted = duckdb.sql(f"SELECT count(*), count(DISTINCT source_month) FROM {glob}").fetchall()
    assert counted == [(accepted, len(chosen))]
    by_pandas = pd.read_parquet(folder)
    assert (len(by_pandas), by_pandas["pickup_datetime"].dtype) == (accepted, "datetime64[us]")


@pytest.mark.parametrize("month", ["2022-12", "2023-01", "2023-02", "2025-01", "2026-06"])
def test_a_renamed_column_has_its_values_before_and_after(month, ports, tmp_path):
    """Airport_fee was airport_fee before 2023-02; to DuckDB they are one name."""
    partition = Partition(SERVICES["yellow"], Month.parse(month))
    file = write_month(partition, ROWS, tmp_path / "published")
    (row,) = run(conform, land_as(SourceFormat.PARQUET, [partition], ports), ports)
    found = duckdb.sql(
        f"SELECT count(*), count(t.airport_fee) > 0 "
        f"FROM read_parquet('{tmp_path}/lake/{row.staged}trips.parquet') AS t "
        f"JOIN read_parquet('{file}', file_row_number=true) AS p ON p.file_row_number = source_row "
        "WHERE t.airport_fee IS NOT DISTINCT FROM p.airport_fee"
    )
    assert found.fetchall() == [(row.accepted, True)]


BOTH_FORMS = [
    Partition(service, month)
    for service in SERVICES.values()
    for month in sorted(
        {vintage.first for vintage in service.contract.csv_vintages}
        | {layout.first for layout in LAYOUTS[service.name]}
        | {vintage.first for vintage in service.contract.vintages}
    )
    if service.first_month <= month <= LAST_CSV_MONTH
]


@pytest.mark.parametrize("partition", BOTH_FORMS, ids=str)
def test_the_same_trips_as_csv_and_as_parquet_take_the_same_values(partition, ports, tmp_path):
    contract = partition.service.contract
    write_month(partition, ROWS, tmp_path / "published")
    write_csv(partition, tmp_path / "published")
    tables = []
    for source_format in SourceFormat:
        (row,) = run(conform, land_as(source_format, [partition], ports), ports)
        with ports.lake.open(f"{row.staged}trips.parquet") as file:
            tables.append(pq.read_table(file))
    parquet, csv = tables
    # fhv had no drop-off in its first CSV files, and so none that is implausible.
    csv = csv.filter(pc.is_in(csv["source_row"], parquet["source_row"]))
    assert parquet["source_row"].equals(csv["source_row"])
    for column in contract.columns:
        forms = [contract.vintage_of(partition.month, form).published for form in SourceFormat]
        kinds = [next((of[n] for n in column.published_as if n in of), None) for of in forms]
        if None not in kinds and "null" not in kinds:
            assert parquet[column.name].equals(csv[column.name]), column.name


@pytest.mark.parametrize("month", ["2009-01", "2010-01", "2010-02", "2010-12"])
def test_trips_with_coordinates_get_the_zones_in_which_they_lie(month, ports, tmp_path):
    partition = Partition(SERVICES["yellow"], Month.parse(month))
    write_month(partition, ROWS, tmp_path / "published")
    (row,) = run(conform, land_as(SourceFormat.PARQUET, [partition], ports), ports)
    with ports.lake.open(f"{row.staged}trips.parquet") as file:
        trips = pq.read_table(file).to_pylist()
    seed = [0, *b"yellow", partition.month.year, partition.month.month, 0]
    true = sample_trips(partition, ROWS, np.random.default_rng(seed))
    for trip in trips:
        for place in ("pu", "do"):
            zone = int(true[f"{place}_location_id"][0][trip["source_row"]])
            assert trip[f"{place}_location_id"] == (zone if zone <= 263 else None)
    outside = [rule.code for rule in FLAGS].index("outside_zones")
    flagged = [bool(trip["quality_flags"] >> outside & 1) for trip in trips]
    nowhere = [None in (trip["pu_location_id"], trip["do_location_id"]) for trip in trips]
    assert flagged == nowhere
    assert any(flagged)
    assert not all(flagged)
    manifest = json.loads((tmp_path / "lake" / row.staged / "conformed.json").read_text())
    zones = (tmp_path / "published" / "taxi_zones.zip").read_bytes()
    assert manifest["zone_polygons"] == hashlib.sha256(zones).hexdigest()


@pytest.mark.parametrize("month", ["2009-01", "2024-01"])
def test_a_long_month_is_loaded_in_parts_with_every_value(
    month, ports, tmp_path, monkeypatch, query
):
    monkeypatch.setattr(parquet_file, "BATCH_ROWS", 500)
    monkeypatch.setattr(month_table, "_WORTH_PARTS", 2_000)
    partition = Partition(SERVICES["yellow"], Month.parse(month))
    write_month(partition, 3_000, tmp_path / "published")
    rows = run(conform, land_as(SourceFormat.PARQUET, [partition], ports), ports)
    (row,) = run(reconcile, run(load, run(publish, rows, ports), ports), ports)
    assert row.status is Status.RECONCILED
    assert query("SELECT count(*) FROM pg_class WHERE relname ~ '^yellow_2.*_[01]$'") == [(2,)]
    (file,) = (tmp_path / "lake" / "trips").rglob("*.parquet")
    lake = pq.read_table(file, partitioning=None)
    names = ", ".join(lake.column_names)
    stored = query(f"SELECT {names} FROM yellow ORDER BY source_row")
    assert stored == list(zip(*lake.to_pydict().values(), strict=True))


def test_a_file_of_other_length_than_when_it_was_counted_is_noted_not_refused(ports, tmp_path):
    known = Partition(SERVICES["green"], LAST_KNOWN_MONTH)
    uncounted = Partition(SERVICES["green"], LAST_KNOWN_MONTH - 12)
    for partition in (known, uncounted):
        file = write_month(partition, ROWS, tmp_path / "published")
        as_published = pq.read_table(file).replace_schema_metadata(None)  # no sample
        pq.write_table(as_published, file)
    landed = land_as(SourceFormat.PARQUET, [known, uncounted], ports)
    assert [row.warning for row in landed] == [
        "120 rows published, 40,687 when TLC's files were counted",
        "",
    ]
    run(publish, run(conform, landed, ports), ports)
    manifest = (tmp_path / "lake/manifests/service=green/year=2026/month=08.json").read_text()
    assert landed[0].warning in manifest
