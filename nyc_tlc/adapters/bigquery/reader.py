"""Rows of the trips in BigQuery for a person to look at."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from google.cloud import bigquery

from nyc_tlc.adapters.bigquery.connection import BigQueryDataset
from nyc_tlc.adapters.bigquery.tables import CALL, service_tables
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

    def accepted(self, partition: Partition, most: int) -> pa.Table:
        return self._head(partition, 0, most)

    def quarantined(self, partition: Partition, most: int) -> pa.Table:
        return self._head(partition, 1, most)

    def count_codes(self, partition: Partition) -> CodeCounts:
        trips, quarantine = service_tables(self._dataset.reference, partition.service.contract)
        return CodeCounts(
            self._count(partition, quarantine, "reason"),
            rows_by_flag(self._count(partition, trips, "quality_flags")),
        )

    def _head(self, partition: Partition, which: int, most: int) -> pa.Table:
        """The first rows of a partition, listed: a query with a LIMIT would bill all of them."""
        contract = partition.service.contract
        table = service_tables(self._dataset.reference, contract)[which]
        month = f"{partition.month.year:04d}{partition.month.month:02d}"
        client = self._dataset.client
        with self._dataset.explained():
            # By the schema that the table has: the rows come without names.
            schema = client.get_table(table.reference, **CALL).schema
            part = bigquery.Table(f"{table.reference}${month}", schema=schema)
            rows = client.list_rows(part, max_results=most, **CALL)
            return typed([f.name for f in schema], (row.values() for row in rows), contract)

    def _count(self, partition: Partition, table: bigquery.Table, column: str) -> dict[Any, int]:
        with self._dataset.explained():
            rows, _ = self._dataset.query(
                f"SELECT {column}, COUNT(*) FROM `{table.reference}` "  # noqa: S608
                "WHERE source_month = @month GROUP BY 1",
                bigquery.ScalarQueryParameter("month", "DATE", partition.month.start.date()),
            )
        return dict(rows)
