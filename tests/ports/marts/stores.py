"""Warehouses with trips, and the marts that are built of them."""

import io
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq
from google.cloud import bigquery as api

from embedded.servers.bigquery import BigQueryServer
from nyc_tlc.adapters.bigquery.connection import BigQueryDataset, BigQuerySettings, connect
from nyc_tlc.adapters.bigquery.marts import BigQueryMarts
from nyc_tlc.adapters.bigquery.tables import ensure_table, service_tables
from nyc_tlc.core.catalog.ledger import LedgerEntry
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.lake.records import WarehouseLoad
from nyc_tlc.core.marts.declared import DAILY_ZONE_TRIPS
from nyc_tlc.ports.marts import MartMonth, MartStore
from tests.ports.months import SampleMonth

CAP = 10**9
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Store:
    """A warehouse that is empty at first.

    Attributes:
        load: Put a month's trips where a run would.
        ask: Run a statement as a reader would.
    """

    marts: MartStore
    load: Callable[[SampleMonth], LedgerEntry]
    ask: Callable[[str], Rows]

    def build(self, month: SampleMonth) -> LedgerEntry:
        entry = self.load(month)
        self.marts.replace_month(DAILY_ZONE_TRIPS, entry)
        return entry

    def held(self) -> Rows:
        columns = ", ".join(column.name for column in DAILY_ZONE_TRIPS.columns)
        return sorted(self.ask(f"SELECT {columns} FROM daily_zone_trips"), key=str)

    def months(self) -> Mapping[Partition, MartMonth]:
        return self.marts.months(DAILY_ZONE_TRIPS)


def bigquery_dataset(server: BigQueryServer) -> BigQueryDataset:
    """A dataset with the tables of trips and marts."""
    name = f"marts_{uuid.uuid4().hex[:8]}"
    settings = BigQuerySettings(server.project, name, "US", "gs://lake", CAP)
    dataset = connect(settings, emulator=server.url, storage_emulator=None, key_file=None)
    BigQueryMarts(dataset, lambda _: None).months(DAILY_ZONE_TRIPS)
    for service in SERVICES.values():
        ensure_table(dataset.client, service_tables(dataset.reference, service.contract)[0])
    return dataset


def in_bigquery(dataset: BigQueryDataset) -> Store:
    """The dataset, with marts without rows; a month's trips are replaced when it is loaded."""
    recorded: dict[Partition, WarehouseLoad] = {}

    def load(month: SampleMonth) -> LedgerEntry:
        part, file = month.partition, io.BytesIO()
        pq.write_table(month.table(), file)
        config = api.LoadJobConfig(source_format="PARQUET", write_disposition="WRITE_TRUNCATE")
        table = f"{dataset.address}.{part.service}${part.month.year}{part.month.month:02d}"
        dataset.client.load_table_from_file(file, table, rewind=True, job_config=config).result()
        recorded[part] = WarehouseLoad.model_construct(
            sha256=month.sha256, contract=part.contract_id, service=part.service.name
        )
        return month.entry

    def ask(statement: str) -> Rows:
        config = api.QueryJobConfig(default_dataset=dataset.reference)
        return [tuple(row) for row in dataset.client.query(statement, job_config=config).result()]

    for table in ("daily_zone_trips", "mart_month"):
        ask(f"DELETE FROM {table} WHERE TRUE")
    return Store(BigQueryMarts(dataset, recorded.get), load, ask)
