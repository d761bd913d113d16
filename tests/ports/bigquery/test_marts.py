"""Marts in BigQuery: the same promises as in Postgres, on the emulator."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud import bigquery as api

from embedded.samples.months import write_month
from embedded.servers.bigquery import BigQueryServer
from nyc_tlc.adapters.bigquery.connection import BigQueryDataset, BigQuerySettings, connect
from nyc_tlc.adapters.bigquery.marts import BigQueryMarts
from nyc_tlc.adapters.bigquery.tables import ensure_table, service_tables
from nyc_tlc.core.catalog.ledger import LedgerEntry
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN, SERVICES, YELLOW, Service
from nyc_tlc.core.errors import ReconciliationError
from nyc_tlc.core.lake.records import WarehouseLoad
from nyc_tlc.core.marts.declared import DAILY_ZONE_TRIPS
from tests.ports.marts.marts_answers import daily_zone_trips
from tests.ports.months import SampleMonth, judged, partition

JANUARY = SampleMonth(rows=5)
OTHER_JANUARY = SampleMonth(rows=3, sha256="b" * 64)
FEBRUARY = SampleMonth(partition("2024-02"), rows=2)
CAP = 10**9


@pytest.fixture(scope="module")
def dataset(bigquery: BigQueryServer) -> BigQueryDataset:
    settings = BigQuerySettings(
        bigquery.project, f"marts_{uuid.uuid4().hex[:8]}", "US", "gs://lake", CAP
    )
    dataset = connect(settings, emulator=bigquery.url, storage_emulator=None, key_file=None)
    BigQueryMarts(dataset, lambda _: None).months(DAILY_ZONE_TRIPS)
    for service in SERVICES.values():
        ensure_table(dataset.client, service_tables(dataset.reference, service.contract)[0])
    return dataset


@pytest.fixture
def recorded() -> dict[Partition, WarehouseLoad]:
    """What the lake's records say that BigQuery holds."""
    return {}


@pytest.fixture
def marts(dataset: BigQueryDataset, recorded: Mapping[Partition, WarehouseLoad]) -> BigQueryMarts:
    """On marts without rows; a month's trips are replaced when it is loaded."""
    for table in ("daily_zone_trips", "mart_month"):
        ask(dataset, f"DELETE FROM {table} WHERE TRUE")
    return BigQueryMarts(dataset, recorded.get)


@pytest.fixture
def load(dataset: BigQueryDataset, marts: BigQueryMarts, recorded: dict[Partition, Any]):
    """Put a month's trips where the load job would."""

    def load(month: SampleMonth, trips: pa.Table | None = None) -> LedgerEntry:
        part, file = month.partition, io.BytesIO()
        pq.write_table(month.table() if trips is None else trips, file)
        dataset.client.load_table_from_file(
            file,
            f"{dataset.address}.{part.service}${part.month.year}{part.month.month:02d}",
            rewind=True,
            job_config=api.LoadJobConfig(
                source_format="PARQUET", write_disposition="WRITE_TRUNCATE"
            ),
        ).result()
        recorded[part] = WarehouseLoad.model_construct(
            sha256=month.sha256, contract=part.contract_id, service=part.service.name
        )
        return month.entry

    return load


@pytest.fixture
def build(load, marts: BigQueryMarts) -> Callable[[SampleMonth], LedgerEntry]:
    def load_and_build(month: SampleMonth) -> LedgerEntry:
        entry = load(month)
        marts.replace_month(DAILY_ZONE_TRIPS, entry)
        return entry

    return load_and_build


def ask(dataset: BigQueryDataset, sql: str) -> list[tuple[Any, ...]]:
    """Run a statement as a reader would, on tables of the dataset."""
    config = api.QueryJobConfig(default_dataset=dataset.reference)
    return [tuple(row) for row in dataset.client.query(sql, job_config=config).result()]


def held(dataset: BigQueryDataset) -> list[tuple[Any, ...]]:
    columns = ", ".join(column.name for column in DAILY_ZONE_TRIPS.columns)
    return sorted(ask(dataset, f"SELECT {columns} FROM daily_zone_trips"), key=str)


@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
def test_numbers_are_those_of_another_engine(
    dataset, marts: BigQueryMarts, load, tmp_path: Path, service: Service
) -> None:
    part = partition("2025-02", service)
    trips, _ = judged(part, write_month(part, 3_000, tmp_path))
    pq.write_table(trips, tmp_path / "canonical.parquet")
    entry = load(SampleMonth(part, rows=trips.num_rows), trips)
    assert marts.replace_month(DAILY_ZONE_TRIPS, entry).trips == trips.num_rows
    found = held(dataset)
    assert len(found) == len(set(found)) > 100
    assert set(found) == daily_zone_trips(service.name, [tmp_path / "canonical.parquet"])


def test_month_is_replaced_alone_and_once(build, dataset, marts: BigQueryMarts) -> None:
    entry = build(JANUARY)
    build(FEBRUARY)
    build(SampleMonth(partition(service=YELLOW), rows=4))
    before = held(dataset)
    assert marts.replace_month(DAILY_ZONE_TRIPS, entry).is_current(DAILY_ZONE_TRIPS, entry)
    assert held(dataset) == before

    revised = build(OTHER_JANUARY)
    months = marts.months(DAILY_ZONE_TRIPS)
    assert not months[JANUARY.partition].is_current(DAILY_ZONE_TRIPS, entry)
    assert months[JANUARY.partition].is_current(DAILY_ZONE_TRIPS, revised)
    assert {part: month.trips for part, month in months.items()} == {
        JANUARY.partition: 3, FEBRUARY.partition: 2, partition(service=YELLOW): 4,
    }  # fmt: skip


def test_trips_without_a_zone_and_amounts_that_are_none(build, dataset) -> None:
    amounts = [1.1, float("nan"), 2.2, 1e300]
    build(SampleMonth(rows=4, values={"total_amount": amounts, "pu_location_id": [None] * 4}))
    assert [row[3:] for row in held(dataset)] == [(None, 4, 2, Decimal("3.30"))]


def test_trips_that_are_not_all_change_nothing(build, load, dataset, marts: BigQueryMarts) -> None:
    build(JANUARY)
    before = held(dataset), ask(dataset, "SELECT * FROM mart_month")
    entry = load(OTHER_JANUARY)
    with pytest.raises(ReconciliationError, match=r"in BigQuery are 3, expected .* 4 accepted"):
        marts.replace_month(DAILY_ZONE_TRIPS, replace(entry, accepted=4, published=4))
    assert (held(dataset), ask(dataset, "SELECT * FROM mart_month")) == before


def test_month_that_bigquery_does_not_hold_is_not_built(
    build, dataset, marts: BigQueryMarts
) -> None:
    january = build(JANUARY)
    before = held(dataset)
    for entry in (OTHER_JANUARY.entry, FEBRUARY.entry):
        with pytest.raises(ReconciliationError, match="not recorded to hold the content"):
            marts.replace_month(DAILY_ZONE_TRIPS, entry)
    assert held(dataset) == before
    ask(dataset, "DELETE FROM daily_zone_trips WHERE TRUE")
    months = marts.months(DAILY_ZONE_TRIPS)
    assert not months[JANUARY.partition].is_current(DAILY_ZONE_TRIPS, january)


def test_table_is_partitioned_clustered_and_described(marts, dataset) -> None:
    table = dataset.client.get_table(f"{dataset.address}.daily_zone_trips")
    assert table.time_partitioning.to_api_repr() == {"type": "MONTH", "field": "source_month"}
    assert table.clustering_fields == ["service", "pickup_date", "pu_location_id"]
    assert table.description == DAILY_ZONE_TRIPS.meaning
    assert [field.name for field in table.schema] == [c.name for c in DAILY_ZONE_TRIPS.columns]
    assert all(field.description for field in table.schema)


def test_every_query_has_a_limit_of_what_it_may_bill(build, dataset, monkeypatch) -> None:
    limits = []
    query = dataset.client.query

    def watched(sql, **options):
        limits.append(options["job_config"].maximum_bytes_billed)
        return query(sql, **options)

    monkeypatch.setattr(dataset.client, "query", watched)
    build(SampleMonth(partition("2024-05", GREEN)))
    assert limits == [CAP] * 3
