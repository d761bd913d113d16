"""The warehouse in BigQuery, which loads what is published in the lake."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
from google.api_core import exceptions as api
from google.cloud import bigquery

from nyc_tlc.adapters.bigquery import views as bigquery_views
from nyc_tlc.adapters.bigquery.connection import BigQueryDataset
from nyc_tlc.adapters.bigquery.tables import (
    LABELS,
    REQUEST_TIMEOUT,
    RETRY,
    ServiceTables,
    ensure_table,
    lake_table,
    service_tables,
)
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.model import Contract
from nyc_tlc.core.errors import ConfigurationError, ReconciliationError
from nyc_tlc.core.lake.records import Manifest, StoredObject, WarehouseJob, WarehouseLoad
from nyc_tlc.ports.warehouse import Counted, StoreCounts

_MOST_FAILURES = 20
"""Jobs of the same content that may have failed; each takes a job id for good."""
_DIMENSION_TYPES = {
    pa.int16(): "INT64",
    pa.int32(): "INT64",
    pa.float64(): "FLOAT64",
    pa.string(): "STRING",
    pa.json_(): "STRING",
}


class BigQueryWarehouse:
    """Trips in one dataset: a table per service, partitioned by the published month."""

    def __init__(self, dataset: BigQueryDataset) -> None:
        self._dataset = dataset
        self._client = dataset.client
        self._tables: dict[str, ServiceTables] = {}
        self._created: dict[str, datetime] = {}
        self._turn = threading.Lock()

    @property
    def address(self) -> str:
        return self._dataset.address

    def describe(self) -> str:
        with self._dataset.explained() as location:
            self._dataset.require_near_bucket(location)
            rows, _ = self._dataset.query("SELECT 1 AS one")
        if rows != [(1,)]:
            raise ConfigurationError(f"{self.address} answered SELECT 1 with {rows}, not with 1.")
        return f"{self.address} in {location}, loaded from {self._dataset.settings.lake_url}"

    def load_partition(self, partition: Partition, manifest: Manifest) -> tuple[WarehouseJob, ...]:
        with self._dataset.explained() as location:
            tables = self._ensured(partition.service.contract, location)
            trips, quarantine = manifest.objects
            # One after the other: trips that are refused leave their quarantine as it was, too.
            jobs = [
                self._dataset.loaded(self._begin(table, partition, manifest, stored))
                for table, stored in ((tables.trips, trips), (tables.quarantine, quarantine))
            ]
        expected = (manifest.counts.accepted, manifest.counts.quarantined)
        for job, rows in zip(jobs, expected, strict=True):
            if job.rows != rows:
                raise ReconciliationError(
                    f"{partition}: BigQuery's load job {job.id} wrote {job.rows:,} rows, the lake "
                    f"has {rows:,}. The partition in {self.address} holds them; the month is not "
                    "recorded as loaded. Run it again with force."
                )
        return tuple(jobs)

    def holds(self, partition: Partition, load: WarehouseLoad) -> bool:
        created = self._created_at(partition.service.contract)
        return created is not None and created <= min(job.ended_at for job in load.jobs)

    def count(self, partition: Partition) -> Counted:
        with self._dataset.explained() as location:
            tables = self._ensured(partition.service.contract, location)
            trips, quarantine = (
                f"(SELECT COUNT(*) FROM `{table.reference}` WHERE source_month = @month)"  # noqa: S608
                for table in (tables.trips, tables.quarantine)
            )
            rows, job = self._dataset.query(
                f"SELECT {trips} AS accepted, {quarantine} AS quarantined",
                bigquery.ScalarQueryParameter("month", "DATE", partition.month.start.date()),
            )
        return Counted(StoreCounts(*rows[0]), job)

    def replace_table(self, name: str, rows: pa.Table, *, key: str, comment: str) -> int:
        file = io.BytesIO()
        pq.write_table(_without_json(rows), file)
        wanted = bigquery.Table(
            self._dataset.reference.table(name), schema=[_field(field) for field in rows.schema]
        )
        wanted.description, wanted.labels = comment, LABELS
        wanted.clustering_fields = [key]
        with self._dataset.explained() as location:
            ensure_table(self._client, wanted)
            job = self._client.load_table_from_file(
                file,
                wanted.reference,
                rewind=True,
                job_config=self._dataset.load_config(wanted),
                location=location,
                timeout=REQUEST_TIMEOUT,
            )
            return self._dataset.loaded(job).rows

    def replace_views(self, contracts: Sequence[Contract]) -> tuple[str, ...]:
        views = bigquery_views.render(self.address, contracts)
        with self._dataset.explained() as location:
            for contract in contracts:
                self._ensured(contract, location)
            for statement in views.values():
                self._dataset.query(statement)
        return tuple(views)

    def _created_at(self, contract: Contract) -> datetime | None:
        """When the younger of the service's tables was made; None while one is not there.

        Asked once for all months of a run: an unchanged month is to cost next to nothing.
        """
        with self._turn, self._dataset.errors.explained():
            if contract.service not in self._created:
                tables = service_tables(self._dataset.reference, contract)
                try:
                    found = [
                        self._client.get_table(
                            table.reference, retry=RETRY, timeout=REQUEST_TIMEOUT
                        )
                        for table in (tables.trips, tables.quarantine)
                    ]
                except api.NotFound:
                    return None
                self._created[contract.service] = max(table.created for table in found)
            return self._created[contract.service]

    def _ensured(self, contract: Contract, location: str) -> ServiceTables:
        """The service's tables, looked up or made once in a run."""
        with self._turn:
            if contract.service not in self._tables:
                self._dataset.require_near_bucket(location)
                wanted = service_tables(self._dataset.reference, contract)
                over_lake = lake_table(
                    self._dataset.reference, contract, self._dataset.settings.lake_url
                )
                tables = ServiceTables(
                    ensure_table(self._client, wanted.trips),
                    ensure_table(self._client, wanted.quarantine),
                )
                self._client.create_table(
                    over_lake, exists_ok=True, retry=RETRY, timeout=REQUEST_TIMEOUT
                )
                self._tables[contract.service] = tables
            return self._tables[contract.service]

    def _begin(
        self, table: bigquery.Table, partition: Partition, manifest: Manifest, stored: StoredObject
    ) -> bigquery.LoadJob:
        """Start the load of this content, or find it: its id says what is loaded where.

        An id that has failed is used up. One that has succeeded counts, unless the table was made
        anew since.
        """
        month = f"{partition.month.year:04d}{partition.month.month:02d}"
        name = _job_name(table, month, manifest, stored)
        for attempt in range(1, _MOST_FAILURES + 1):
            job_id = f"{name}_{attempt}"
            try:
                return self._submit(table, month, stored, job_id)
            except api.Conflict:
                found = self._found(job_id)
            if not _is_spent(found, table):
                return found
        raise ReconciliationError(
            f"{partition}: {_MOST_FAILURES} loads of the same content into {self.address} have "
            "failed. The month stays as it was there. Run it with force, which publishes it anew."
        )

    def _submit(
        self, table: bigquery.Table, month: str, stored: StoredObject, job_id: str
    ) -> bigquery.LoadJob:
        return self._client.load_table_from_uri(
            f"{self._dataset.settings.lake_url}/{stored.path}",
            f"{table.reference}${month}",
            job_id=job_id,
            location=self._dataset.location,
            job_config=self._dataset.load_config(table),
            retry=RETRY,
            timeout=REQUEST_TIMEOUT,
        )

    def _found(self, job_id: str) -> bigquery.LoadJob:
        found = self._client.get_job(
            job_id, location=self._dataset.location, retry=RETRY, timeout=REQUEST_TIMEOUT
        )
        assert isinstance(found, bigquery.LoadJob)  # noqa: S101 - nobody else uses our names
        return found


def _job_name(table: bigquery.Table, month: str, manifest: Manifest, stored: StoredObject) -> str:
    """Names content and place.

    The generation keeps a version that comes back from finding the job that loaded it before the
    one in between.
    """
    generation = re.sub(r"\W", "_", str(stored.generation))
    sha256 = manifest.landing.sha256[:16]
    return f"nyc_tlc_{table.dataset_id}_{table.table_id}_{month}_{sha256}_{generation}"


def _is_spent(job: bigquery.LoadJob, table: bigquery.Table) -> bool:
    if job.state != "DONE":
        return False
    return bool(job.error_result) or job.ended < table.created


def _field(field: pa.Field) -> bigquery.SchemaField:
    mode = "NULLABLE" if field.nullable else "REQUIRED"
    return bigquery.SchemaField(field.name, _DIMENSION_TYPES[field.type], mode)


def _without_json(rows: pa.Table) -> pa.Table:
    """JSON as text: BigQuery does not load the type from Parquet."""
    schema = pa.schema(
        [
            pa.field(f.name, pa.string(), f.nullable) if f.type == pa.json_() else f
            for f in rows.schema
        ]
    )
    return rows.cast(schema)
