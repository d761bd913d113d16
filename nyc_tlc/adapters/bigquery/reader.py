"""Rows of the trips in BigQuery for a person to look at."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from google.cloud import bigquery

from nyc_tlc.adapters.bigquery.connection import BigQueryDataset
from nyc_tlc.adapters.bigquery.tables import CALL, service_tables
from nyc_tlc.core.audit.values import Part
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import Service
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.month import Month
from nyc_tlc.core.rows.preview import typed
from nyc_tlc.core.rows.rules import rows_by_flag
from nyc_tlc.ports.lake import Lake
from nyc_tlc.ports.reader import CodeCounts


class BigQueryReader:
    """Looks into the dataset of a BigQueryWarehouse, and into the lake's records of its loads."""

    name = "BigQuery"

    def __init__(self, dataset: BigQueryDataset, lake: Lake) -> None:
        self._dataset = dataset
        self._lake = lake

    def months(self, service: Service) -> Sequence[Month]:
        address = self._dataset.address
        records = self._lake.list(lake_paths.warehouse_loads(service, address))
        found = (lake_paths.loaded_partition(stored.path, address) for stored in records)
        return [partition.month for partition in found if partition]

    def rows(self, partition: Partition, part: Part, most: int) -> pa.Table:
        contract, client = partition.service.contract, self._dataset.client
        tables = dict(zip(Part, service_tables(self._dataset.reference, contract), strict=True))
        table = tables[part].reference
        month = f"{partition.month.year:04d}{partition.month.month:02d}"
        with self._dataset.explained():
            # By the schema that the table has: the rows come without names.
            schema = client.get_table(table, **CALL).schema
            # Listed: a query with a LIMIT would bill the month.
            of_month = bigquery.Table(f"{table}${month}", schema=schema)
            rows = client.list_rows(of_month, max_results=most, **CALL)
            return typed([f.name for f in schema], (row.values() for row in rows), contract)

    def count_codes(self, partition: Partition) -> CodeCounts:
        trips, quarantine = service_tables(self._dataset.reference, partition.service.contract)
        return CodeCounts(
            self._count(partition, quarantine, "reason"),
            rows_by_flag(self._count(partition, trips, "quality_flags")),
        )

    def _count(self, partition: Partition, table: bigquery.Table, column: str) -> dict[Any, int]:
        with self._dataset.explained():
            rows, _ = self._dataset.query(
                f"SELECT {column}, COUNT(*) FROM `{table.reference}` "  # noqa: S608
                "WHERE source_month = @month GROUP BY 1",
                month=partition.month.start.date(),
            )
        return dict(rows)
