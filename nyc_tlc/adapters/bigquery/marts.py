"""Marts in BigQuery: tables next to the trips, each month replaced by one statement."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from google.api_core import exceptions as api

from nyc_tlc.adapters.bigquery.connection import BigQueryDataset
from nyc_tlc.adapters.bigquery.tables import ensure_table, new_table
from nyc_tlc.core.catalog.ledger import Content, LedgerEntry
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.schemas import bigquery_fields
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.contract.sql import Dialect
from nyc_tlc.core.errors import ReconciliationError
from nyc_tlc.core.lake.records import WarehouseLoad
from nyc_tlc.core.marts.model import Mart
from nyc_tlc.core.marts.query import month_query
from nyc_tlc.core.month import Month
from nyc_tlc.ports.marts import MartMonth

_NOT_ALL = "not the accepted trips of the month but "
"""Marks our own refusal among BigQuery's errors."""
_RECORD = "mart_month"
_RECORD_FIELDS = [
    {"name": name, "type": kind, "mode": "REQUIRED"}
    for name, kind in (
        ("mart", "STRING"), ("service", "STRING"), ("source_month", "DATE"), ("version", "INT64"),
        ("sha256", "STRING"), ("contract", "STRING"), ("built_at", "TIMESTAMP"),
    )
]  # fmt: skip

_MERGE = """
MERGE `{mart}` AS mart USING (
  SELECT {columns} FROM (SELECT *, SUM(trips) OVER () AS all_trips FROM ({query}) AS built)
  WHERE IF(all_trips = @trips, TRUE, ERROR(CONCAT('{refusal}', CAST(all_trips AS STRING))))
) AS month ON FALSE
WHEN NOT MATCHED BY SOURCE AND mart.service = @service AND mart.source_month = @month THEN DELETE
WHEN NOT MATCHED THEN INSERT ({columns}) VALUES ({columns})
"""
_RECORD_MONTH = """
MERGE `{record}` AS record
USING (SELECT @mart AS mart, @service AS service, @month AS source_month) AS built
ON record.mart = built.mart AND record.service = built.service
  AND record.source_month = built.source_month AND record.source_month = @month
WHEN MATCHED THEN UPDATE SET version = @version, sha256 = @sha256, contract = @contract,
  built_at = CURRENT_TIMESTAMP()
WHEN NOT MATCHED THEN INSERT (mart, service, source_month, version, sha256, contract, built_at)
  VALUES (@mart, @service, @month, @version, @sha256, @contract, CURRENT_TIMESTAMP())
"""
"""BigQuery joins by an equality of both sides only; the constant lets it read one partition."""
_MONTHS = """
SELECT service, source_month, sha256, contract, version, COALESCE(held.mart_rows, 0),
  COALESCE(held.trips, 0)
FROM (SELECT * FROM `{record}` WHERE mart = @mart AND {which}) AS record LEFT JOIN (
  SELECT service, source_month, COUNT(*) AS mart_rows, SUM(trips) AS trips
  FROM `{mart}` WHERE {which} GROUP BY service, source_month
) AS held USING (service, source_month)
"""


class BigQueryMarts:
    """Marts in the dataset of the trips, and ``mart_month``, the record of what they are made of.

    A month is replaced by one MERGE, which is atomic, and which fails, changing nothing, when the
    trips that it is to put there are not the month's. The record follows; a month that was
    replaced and not recorded is built again.
    """

    name = "BigQuery"

    def __init__(
        self, dataset: BigQueryDataset, loaded: Callable[[Partition], WarehouseLoad | None]
    ) -> None:
        """Nothing is contacted yet; ``loaded``: what the dataset is recorded to hold of a month."""
        self._dataset = dataset
        self._loaded = loaded
        self._ensured: set[str] = set()
        self._turn = threading.Lock()

    def months(self, mart: Mart) -> Mapping[Partition, MartMonth]:
        with self._dataset.explained():
            self._ensure_tables(mart)
            return self._months(mart)

    def replace_month(self, mart: Mart, entry: LedgerEntry) -> MartMonth:
        self._require_content(entry)
        with self._dataset.explained():
            self._ensure_tables(mart)
            self._merge(mart, entry)
            self._dataset.query(
                _RECORD_MONTH.format(record=self._table(_RECORD)),
                **_key(entry.partition),
                mart=mart.name,
                version=mart.version,
                **asdict(entry.content),
            )
            built = self._months(mart, entry.partition)[entry.partition]
        if not built.is_current(mart, entry):
            raise _not_all(mart, entry, f"{built.trips:,}")
        return built

    def _require_content(self, entry: LedgerEntry) -> None:
        load = self._loaded(entry.partition)
        if load is None or load.content != entry.content:
            raise ReconciliationError(
                f"{entry.partition}: BigQuery ({self._dataset.address}) is not recorded to hold "
                "the content that Postgres holds. The mart stays as it was. Run tlc_trips for the "
                "month, then tlc_marts again."
            )

    def _merge(self, mart: Mart, entry: LedgerEntry) -> None:
        settings = self._dataset.settings
        statement = _MERGE.format(
            mart=self._table(mart.name),
            columns=", ".join(column.name for column in mart.columns),
            query=month_query(
                mart, entry.partition, Dialect.BIGQUERY, settings.project, settings.dataset
            ),
            refusal=_NOT_ALL,
        )
        try:
            self._dataset.query(statement, **_key(entry.partition), trips=entry.accepted)
        except api.BadRequest as error:
            _, refused, found = error.message.partition(_NOT_ALL)
            if not refused:
                raise
            raise _not_all(mart, entry, found.split(";")[0]) from error

    def _months(
        self, mart: Mart, partition: Partition | None = None
    ) -> Mapping[Partition, MartMonth]:
        """What is recorded, with the rows and trips that are really there."""
        which = "TRUE" if partition is None else "service = @service AND source_month = @month"
        rows, _ = self._dataset.query(
            _MONTHS.format(record=self._table(_RECORD), mart=self._table(mart.name), which=which),
            mart=mart.name,
            **(_key(partition) if partition else {}),
        )
        months = (
            MartMonth(Partition(SERVICES[service], Month.of(day)), Content(sha256, contract), *held)
            for service, day, sha256, contract, *held in rows
        )
        return {month.partition: month for month in months}

    def _ensure_tables(self, mart: Mart) -> None:
        """Create what is missing, once in a run; a column of a later version is added, empty."""
        with self._turn:
            if mart.name in self._ensured:
                return
            for wanted in (
                new_table(
                    self._table(mart.name),
                    bigquery_fields(mart.columns),
                    mart.meaning,
                    clustered_by=("service", *mart.clustered_by),
                ),
                # By month, so that statements on different months do not collide.
                new_table(
                    self._table(_RECORD),
                    _RECORD_FIELDS,
                    "What each month of each mart was built from, and when",
                ),
            ):
                ensure_table(self._dataset.client, wanted)
            self._ensured.add(mart.name)

    def _table(self, name: str) -> str:
        return f"{self._dataset.address}.{name}"


def _key(partition: Partition) -> dict[str, Any]:
    return {"service": partition.service.name, "month": partition.month.start.date()}


def _not_all(mart: Mart, entry: LedgerEntry, found: str) -> ReconciliationError:
    return ReconciliationError(
        f"{entry.partition}: the trips that {mart.name} would get in BigQuery are {found}, "
        f"expected the month's {entry.accepted:,} accepted rows. The month is not recorded as "
        "built. Load it again with force, then run tlc_marts again."
    )
