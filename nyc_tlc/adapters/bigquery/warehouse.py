"""The warehouse in BigQuery, which loads what is published in the lake."""

import io
import re
import threading
from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
from google.api_core import exceptions as api
from google.cloud import bigquery

from nyc_tlc.adapters.bigquery.connection import BigQueryDataset
from nyc_tlc.adapters.bigquery.tables import (
    CALL,
    LABELS,
    ensure_table,
    ensure_view,
    is_ours,
    lake_table,
    new_table,
    service_tables,
)
from nyc_tlc.adapters.bigquery.values import checksum_query, checksums
from nyc_tlc.core.audit.values import Checksums, Part, Projection
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.model import Contract
from nyc_tlc.core.contract.service import SERVICES
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
}


class BigQueryWarehouse:
    """Trips in one dataset: a table per service, partitioned by the published month."""

    def __init__(self, dataset: BigQueryDataset) -> None:
        self._dataset = dataset
        self._client = dataset.client
        self._tables: dict[str, tuple[bigquery.Table, ...]] = {}
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
            # One after the other: trips that are refused leave their quarantine as it was, too.
            jobs = [
                self._dataset.loaded(self._begin(table, partition, manifest, stored, location))
                for table, stored in zip(tables, manifest.objects, strict=True)
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
                for table in tables
            )
            rows, job = self._dataset.query(
                f"SELECT {trips} AS accepted, {quarantine} AS quarantined",
                month=partition.month.start.date(),
            )
        return Counted(StoreCounts(*rows[0]), job)

    def checksums(
        self, partition: Partition, part: Part, projections: Sequence[Projection]
    ) -> Checksums:
        with self._dataset.explained() as location:
            tables = self._ensured(partition.service.contract, location)
            table = dict(zip(Part, tables, strict=True))[part]
            query = checksum_query(str(table.reference), partition.month, projections)
            rows, _ = self._dataset.query(query)
        return checksums(projections, rows[0])

    def replace_table(self, name: str, rows: pa.Table, *, key: str, comment: str) -> int:
        # JSON as text: BigQuery does not load the type from Parquet.
        texts = [pa.string() if f.type == pa.json_() else f.type for f in rows.schema]
        schema = pa.schema([f.with_type(t) for f, t in zip(rows.schema, texts, strict=True)])
        file = io.BytesIO()
        pq.write_table(rows.cast(schema), file)
        fields = [
            {
                "name": field.name,
                "type": _DIMENSION_TYPES[field.type],
                "mode": "NULLABLE" if field.nullable else "REQUIRED",
            }
            for field in schema
        ]
        reference = self._dataset.reference.table(name)
        wanted = new_table(reference, fields, comment, clustered_by=(key,), monthly=False)
        with self._dataset.explained() as location:
            ensure_table(self._client, wanted)
            job = self._client.load_table_from_file(
                file,
                reference,
                rewind=True,
                job_config=self._dataset.load_config(wanted),
                location=location,
                timeout=CALL["timeout"],
            )
            return self._dataset.loaded(job).rows

    def replace_views(self, contracts: Sequence[Contract]) -> tuple[str, ...]:
        # Late: sqlglot costs 0.2 s.
        from nyc_tlc.core.contract.sql import Dialect
        from nyc_tlc.core.contract.view_queries import columns_of, view_queries

        where = self._dataset.settings.project, self._dataset.settings.dataset
        queries = view_queries(contracts, Dialect.BIGQUERY, *where)
        with self._dataset.explained() as location:
            for contract in contracts:
                self._ensured(contract, location)
            for name, query in queries.items():
                view = bigquery.Table(self._dataset.reference.table(name))
                view.view_query, view.labels = query, LABELS
                ensure_view(self._client, view, columns_of(query, Dialect.BIGQUERY))
        return tuple(queries)

    def others(self) -> tuple[str, ...]:
        # Our views are from before they had labels, until tlc_zones runs again.
        views = {*(f"{name}_named" for name in SERVICES), "trips", "quarantine"}
        with self._dataset.errors.explained():
            try:
                found = list(self._client.list_tables(self._dataset.reference, **CALL))
            except api.NotFound:
                return ()
            return tuple(
                f"BigQuery's {item.table_type.lower()} {item.table_id}"
                for item in found
                if (item.table_type, item.table_id in views) != ("VIEW", True)
                # The emulator lists no labels.
                and not (is_ours(item) or is_ours(self._client.get_table(item.reference, **CALL)))
            )

    def _created_at(self, contract: Contract) -> datetime | None:
        """When the younger of the service's tables was created; None while one is missing.

        Asked once for all months of a run: an unchanged month is to cost next to nothing.
        """
        with self._turn, self._dataset.errors.explained():
            if contract.service not in self._created:
                try:
                    self._created[contract.service] = max(
                        self._client.get_table(table.reference, **CALL).created
                        for table in service_tables(self._dataset.reference, contract)
                    )
                except api.NotFound:
                    return None
            return self._created[contract.service]

    def _ensured(self, contract: Contract, location: str) -> tuple[bigquery.Table, ...]:
        """The service's tables, trips and quarantine, looked up or created once in a run."""
        with self._turn:
            if contract.service not in self._tables:
                self._dataset.require_near_bucket(location)
                dataset = self._dataset.reference
                wanted = service_tables(dataset, contract)
                tables = tuple(ensure_table(self._client, table) for table in wanted)
                over_lake = lake_table(dataset, contract, self._dataset.settings.lake_url)
                self._client.create_table(over_lake, exists_ok=True, **CALL)
                self._tables[contract.service] = tables
            return self._tables[contract.service]

    def _begin(
        self,
        table: bigquery.Table,
        partition: Partition,
        manifest: Manifest,
        stored: StoredObject,
        location: str,
    ) -> bigquery.LoadJob:
        """Start the load of this content, or find it: its id says what is loaded where.

        The object's generation is part of the id: without it, a version that comes back would
        find the job that loaded it before the one in between. An id that has failed is used up.
        One that has succeeded counts, unless the table was created again since.
        """
        month = f"{partition.month.year:04d}{partition.month.month:02d}"
        generation = re.sub(r"\W", "_", str(stored.generation))
        content = f"{manifest.landing.sha256[:16]}_{generation}"
        for attempt in range(1, _MOST_FAILURES + 1):
            job_id = f"nyc_tlc_{table.dataset_id}_{table.table_id}_{month}_{content}_{attempt}"
            try:
                return self._client.load_table_from_uri(
                    f"{self._dataset.settings.lake_url}/{stored.path}",
                    f"{table.reference}${month}",
                    job_id=job_id,
                    location=location,
                    job_config=self._dataset.load_config(table),
                    **CALL,
                )
            except api.Conflict:
                job = self._client.get_job(job_id, location=location, **CALL)
            assert isinstance(job, bigquery.LoadJob)  # noqa: S101 - nobody else uses our names
            if job.state != "DONE" or not (job.error_result or job.ended < table.created):
                return job
        raise ReconciliationError(
            f"{partition}: {_MOST_FAILURES} loads of the same content into {self.address} have "
            "failed. The month stays as it was there. Run it with force, which publishes it again."
        )
