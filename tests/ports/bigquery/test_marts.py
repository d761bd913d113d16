"""Marts in BigQuery: the same promises as in Postgres, on the emulator."""

import io
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud import bigquery as api

from embedded.samples.months import write_month
from nyc_tlc.adapters.bigquery.connection import BigQueryDataset, BigQuerySettings, connect
from nyc_tlc.adapters.bigquery.marts import BigQueryMarts
from nyc_tlc.adapters.bigquery.tables import ensure_table, service_tables
from nyc_tlc.core.catalog.ledger import LedgerEntry
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN, SERVICES, YELLOW
from nyc_tlc.core.errors import ReconciliationError
from nyc_tlc.core.lake.records import WarehouseLoad
from nyc_tlc.core.marts.declared import DAILY_ZONE_TRIPS
from nyc_tlc.ports.marts import MartMonth
from tests.ports.marts.marts_answers import daily_zone_trips
from tests.ports.months import SampleMonth, judged, partition

JANUARY = SampleMonth(rows=5)
OTHER_JANUARY = SampleMonth(rows=3, sha256="b" * 64)
FEBRUARY = SampleMonth(partition("2024-02"), rows=2)
CAP = 10**9


@pytest.fixture(scope="module")
def dataset(bigquery) -> BigQueryDataset:
    settings = BigQuerySettings(
        bigquery.project, f"marts_{uuid.uuid4().hex[:8]}", "US", "gs://lake", CAP
    )
    dataset = connect(settings, emulator=bigquery.url, storage_emulator=None, key_file=None)
    BigQueryMarts(dataset, lambda _: None).months(DAILY_ZONE_TRIPS)
    for service in SERVICES.values():
        ensure_table(dataset.client, service_tables(dataset.reference, service.contract)[0])
    return dataset


@dataclass(frozen=True)
class Store:
    """Trips and marts of the dataset, and what the lake's records say of the trips."""

    dataset: BigQueryDataset
    recorded: dict[Partition, WarehouseLoad] = field(default_factory=dict)

    @property
    def marts(self) -> BigQueryMarts:
        return BigQueryMarts(self.dataset, self.recorded.get)

    def load(self, month: SampleMonth, trips: pa.Table | None = None) -> LedgerEntry:
        """Put a month's trips where the load job would."""
        part, file = month.partition, io.BytesIO()
        pq.write_table(month.table() if trips is None else trips, file)
        config = api.LoadJobConfig(source_format="PARQUET", write_disposition="WRITE_TRUNCATE")
        table = f"{self.dataset.address}.{part.service}${part.month.year}{part.month.month:02d}"
        self.dataset.client.load_table_from_file(
            file, table, rewind=True, job_config=config
        ).result()
        self.recorded[part] = WarehouseLoad.model_construct(
            sha256=month.sha256, contract=part.contract_id, service=part.service.name
        )
        return month.entry

    def build(self, month: SampleMonth) -> LedgerEntry:
        self.marts.replace_month(DAILY_ZONE_TRIPS, entry := self.load(month))
        return entry

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement as a reader would, on tables of the dataset."""
        config = api.QueryJobConfig(default_dataset=self.dataset.reference)
        return [tuple(row) for row in self.dataset.client.query(sql, job_config=config).result()]

    def held(self) -> list[tuple[Any, ...]]:
        columns = ", ".join(column.name for column in DAILY_ZONE_TRIPS.columns)
        return sorted(self.ask(f"SELECT {columns} FROM daily_zone_trips"), key=str)

    def months(self) -> Mapping[Partition, MartMonth]:
        return self.marts.months(DAILY_ZONE_TRIPS)


@pytest.fixture
def store(dataset) -> Store:
    """With marts without rows; a month's trips are replaced when it is loaded."""
    store = Store(dataset)
    for table in ("daily_zone_trips", "mart_month"):
        store.ask(f"DELETE FROM {table} WHERE TRUE")
    return store


@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
def test_numbers_are_those_of_another_engine(store, tmp_path, service):
    part = partition("2025-02", service)
    trips, _ = judged(part, write_month(part, 3_000, tmp_path))
    pq.write_table(trips, tmp_path / "canonical.parquet")
    entry = store.load(SampleMonth(part, rows=trips.num_rows), trips)
    assert store.marts.replace_month(DAILY_ZONE_TRIPS, entry).trips == trips.num_rows
    found = store.held()
    assert len(found) == len(set(found)) > 100
    assert set(found) == daily_zone_trips(service.name, [tmp_path / "canonical.parquet"])


def test_month_is_replaced_alone_and_once(store):
    entry = store.build(JANUARY)
    store.build(FEBRUARY)
    store.build(SampleMonth(partition(service=YELLOW), rows=4))
    before = store.held()
    assert store.marts.replace_month(DAILY_ZONE_TRIPS, entry).is_current(DAILY_ZONE_TRIPS, entry)
    assert store.held() == before

    revised = store.build(OTHER_JANUARY)
    months = store.months()
    assert not months[JANUARY.partition].is_current(DAILY_ZONE_TRIPS, entry)
    assert months[JANUARY.partition].is_current(DAILY_ZONE_TRIPS, revised)
    assert {part: month.trips for part, month in months.items()} == {
        JANUARY.partition: 3, FEBRUARY.partition: 2, partition(service=YELLOW): 4,
    }  # fmt: skip


def test_trips_without_a_zone_and_amounts_that_are_none(store):
    amounts = [1.1, float("nan"), 2.2, 1e300]
    store.build(SampleMonth(rows=4, values={"total_amount": amounts, "pu_location_id": [None] * 4}))
    assert [row[3:] for row in store.held()] == [(None, 4, 2, Decimal("3.30"))]


def test_trips_that_are_not_all_change_nothing(store):
    store.build(JANUARY)
    before = store.held(), store.ask("SELECT * FROM mart_month")
    entry = store.load(OTHER_JANUARY)
    with pytest.raises(ReconciliationError, match=r"in BigQuery are 3, expected .* 4 accepted"):
        store.marts.replace_month(DAILY_ZONE_TRIPS, replace(entry, accepted=4, published=4))
    assert (store.held(), store.ask("SELECT * FROM mart_month")) == before


def test_month_that_bigquery_does_not_hold_is_not_built(store):
    january = store.build(JANUARY)
    before = store.held()
    for entry in (OTHER_JANUARY.entry, FEBRUARY.entry):
        with pytest.raises(ReconciliationError, match="not recorded to hold the content"):
            store.marts.replace_month(DAILY_ZONE_TRIPS, entry)
    assert store.held() == before
    store.ask("DELETE FROM daily_zone_trips WHERE TRUE")
    months = store.months()
    assert not months[JANUARY.partition].is_current(DAILY_ZONE_TRIPS, january)


def test_table_is_partitioned_clustered_and_described(store):
    table = store.dataset.client.get_table(f"{store.dataset.address}.daily_zone_trips")
    assert table.time_partitioning.to_api_repr() == {"type": "MONTH", "field": "source_month"}
    assert table.clustering_fields == ["service", "pickup_date", "pu_location_id"]
    assert table.description == DAILY_ZONE_TRIPS.meaning
    assert [field.name for field in table.schema] == [c.name for c in DAILY_ZONE_TRIPS.columns]
    assert all(field.description for field in table.schema)


def test_every_query_has_a_limit_of_what_it_may_bill(store):
    client = store.dataset.client
    with mock.patch.object(client, "query", wraps=client.query) as query:
        store.build(SampleMonth(partition("2024-05", GREEN)))
    configs = [call.kwargs["job_config"] for call in query.call_args_list]
    assert [config.maximum_bytes_billed for config in configs] == [CAP] * 3
