"""One dataset of BigQuery: its credentials, its location, and the jobs that run in it."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from google.api_core import exceptions as api
from google.cloud import bigquery

from nyc_tlc.adapters.bigquery.errors import BigQueryErrors
from nyc_tlc.adapters.bigquery.tables import CALL, LABELS
from nyc_tlc.adapters.google.credentials import emulator_session, google_credentials
from nyc_tlc.adapters.lake import gcs_bucket
from nyc_tlc.core.errors import ConfigurationError
from nyc_tlc.core.lake.records import WarehouseJob

_JOB: dict[str, Any] = {"retry": CALL["retry"], "timeout": 3600.0}
"""Seconds to wait for a job: loads queue behind the project's others. It goes on without us, and
who loads the same content next finds it."""
_PARAMETER_TYPES = {str: "STRING", int: "INT64", date: "DATE"}
_ANYWHERE = "US"
"""A dataset of this multi-region loads from buckets everywhere (BigQuery's documentation on batch
loading, "Location considerations", November 2026)."""


@dataclass(frozen=True)
class BigQuerySettings:
    """Which dataset, and what it is loaded from.

    Attributes:
        location: Where to create a missing dataset; None: where the bucket is.
        lake_url: ``gs://bucket[/prefix]``.
        maximum_bytes_billed: By one query of ours, in bytes; BigQuery refuses a dearer one.
    """

    project: str
    dataset: str
    location: str | None
    lake_url: str
    maximum_bytes_billed: int


@dataclass(frozen=True)
class BucketRegion:
    """Where a bucket is, in capitals: ``US``, ``EUROPE-WEST4``, ``NAM4``.

    Attributes:
        is_dual: It is in two regions at once, whose names the location does not say.
    """

    location: str
    is_dual: bool

    def may_feed(self, dataset: str) -> bool:
        """Whether a dataset there can be loaded from the bucket, as far as we know."""
        dataset = dataset.upper()
        in_europe = dataset == "EU" and self.location.startswith("EUR")
        return dataset in {_ANYWHERE, self.location} or in_europe or self.is_dual


class BigQueryDataset:
    """A dataset, created at first use, and the jobs that work on it."""

    def __init__(
        self,
        client: bigquery.Client,
        settings: BigQuerySettings,
        storage_emulator: str | None = None,
        key_file: Path | None = None,
    ) -> None:
        self.client = client
        self.settings = settings
        self.reference = bigquery.DatasetReference(settings.project, settings.dataset)
        self.address = f"{settings.project}.{settings.dataset}"
        self.errors = BigQueryErrors(settings.project, settings.dataset)
        self._storage_emulator = storage_emulator
        self._key_file = key_file
        self._location: str | None = None
        self._turn = threading.Lock()

    @contextmanager
    def explained(self) -> Iterator[str]:
        """Work on the dataset, whose location it gives; its refusals are raised as our errors.

        Raises:
            ConfigurationError: it is not where it should be, or access was denied.
        """
        with self.errors.explained():
            with self._turn:
                if self._location is None:
                    self._location = self._ensured_location()
            yield self._location

    def require_near_bucket(self, location: str) -> None:
        """Let no load begin that BigQuery would refuse for its place.

        Raises:
            ConfigurationError: the dataset cannot be loaded from the bucket; says where both are.
        """
        region, bucket = self._bucket_region(), self._bucket
        if region is None or region.may_feed(location):
            return
        raise ConfigurationError(
            f"the bucket gs://{bucket} is in {region.location}, the BigQuery dataset "
            f"{self.address} in {location}: a dataset is loaded from a bucket of its own region. "
            "Nothing was loaded. Name another dataset in BIGQUERY_DATASET with "
            f"BIGQUERY_LOCATION={region.location}, or a bucket in {location} in LAKE_URL."
        )

    def load_config(self, table: bigquery.Table) -> bigquery.LoadJobConfig:
        """Replace what is in the table, or in one partition of it, with a Parquet file's rows."""
        return bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.PARQUET,
            write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
            create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
            schema=table.schema,
            clustering_fields=table.clustering_fields,
            time_partitioning=table.time_partitioning,
            labels=LABELS,
        )

    def loaded(self, job: bigquery.LoadJob) -> WarehouseJob:
        """Wait for a load; what it did."""
        try:
            job.result(**_JOB)
            if job.ended is None:  # a job done at once may be answered without its times
                job.reload(**CALL)
        except api.GoogleAPICallError as error:
            if job.error_result:
                raise self.errors.ended(job.job_id, job.error_result) from error
            raise
        statistics: dict[str, Any] = job._properties.get("statistics", {})  # noqa: SLF001 - the library has no accessor of a load's slot time
        return WarehouseJob(
            id=job.job_id,
            kind="load",
            rows=int(job.output_rows or 0),
            bytes_billed=0,
            slot_millis=int(statistics.get("totalSlotMs", 0)),
            ended_at=job.ended,
        )

    def query(
        self, sql: str, **parameters: str | int | date
    ) -> tuple[list[tuple[Any, ...]], WarehouseJob]:
        """Run a statement that bills no more than is allowed; its rows, and what it did."""
        config = bigquery.QueryJobConfig(
            query_parameters=[
                bigquery.ScalarQueryParameter(name, _PARAMETER_TYPES[type(value)], value)
                for name, value in parameters.items()
            ],
            maximum_bytes_billed=self.settings.maximum_bytes_billed,
            labels=LABELS,
            use_query_cache=False,
        )
        # No job_retry: by default the library asks for 40 minutes where nothing answers.
        job = self.client.query(
            sql, job_config=config, location=self._location, job_retry=None, **CALL
        )
        rows = [tuple(row) for row in job.result(job_retry=None, **_JOB)]
        return rows, WarehouseJob(
            id=job.job_id,
            kind="query",
            rows=len(rows),
            bytes_billed=int(job.total_bytes_billed or 0),
            slot_millis=int(job.slot_millis or 0),
            ended_at=job.ended,
        )

    @property
    def _bucket(self) -> str:
        return self.settings.lake_url.removeprefix("gs://").partition("/")[0]

    def _bucket_region(self) -> BucketRegion | None:
        """Where the bucket is; None when we may not ask (storage.buckets.get)."""
        emulator, key_file = self._storage_emulator, self._key_file
        bucket = gcs_bucket.connect(self.settings.lake_url, emulator=emulator, key_file=key_file)
        try:
            found = bucket.settings()
        except ConfigurationError as error:
            if isinstance(error.__cause__, api.Forbidden):
                return None
            raise
        return BucketRegion(found["location"].upper(), found.get("locationType") == "dual-region")

    def _ensured_location(self) -> str:
        """Where the dataset is, which is created if it is missing."""
        wanted = self.settings.location
        try:
            found = str(self.client.get_dataset(self.reference, **CALL).location)
        except api.NotFound:
            region = None if wanted else self._bucket_region()
            new = bigquery.Dataset(self.reference)
            new.location = wanted or (region.location if region else _ANYWHERE)
            new.labels = LABELS
            new.description = "New York TLC trip records, every month proved to the row"
            made = self.client.create_dataset(new, exists_ok=True, **CALL)
            found = str(made.location or new.location)
        if wanted is not None and wanted.upper() != found.upper():
            raise ConfigurationError(
                f"the BigQuery dataset {self.address} is in {found}, BIGQUERY_LOCATION says "
                f"{wanted}. Nothing was loaded. A dataset cannot be moved: correct "
                "BIGQUERY_LOCATION, or name another BIGQUERY_DATASET."
            )
        return found


def connect(
    settings: BigQuerySettings,
    *,
    emulator: str | None,
    storage_emulator: str | None,
    key_file: Path | None,
) -> BigQueryDataset:
    """A dataset with whatever credentials google-auth finds; anonymous only for an emulator.

    Raises:
        ConfigurationError: there are no usable credentials.
    """
    client = _client(settings.project, emulator, key_file)
    return BigQueryDataset(client, settings, storage_emulator, key_file)


@lru_cache(maxsize=1)
def _client(project: str, emulator: str | None, key_file: Path | None) -> bigquery.Client:
    """One for all blocks of a process: clients refer to themselves, and are not closed by going."""
    return bigquery.Client(
        project=project,
        credentials=google_credentials(key_file, what_for=f"BigQuery {project}", emulator=emulator),
        client_options={"api_endpoint": emulator} if emulator else None,
        _http=emulator_session(emulator),
    )


# A child that shares its parent's connections would read the parent's answers.
os.register_at_fork(after_in_child=_client.cache_clear)
