"""One dataset of BigQuery: who we are there, where it is, and jobs in it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from google.api_core import exceptions as api
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery, storage

from nyc_tlc.adapters.bigquery.errors import BigQueryErrors
from nyc_tlc.adapters.bigquery.region import BucketRegion, bucket_region, require_near
from nyc_tlc.adapters.bigquery.tables import LABELS, REQUEST_TIMEOUT, RETRY, ensure_dataset
from nyc_tlc.adapters.google.credentials import google_credentials
from nyc_tlc.core.errors import ConfigurationError
from nyc_tlc.core.lake.records import WarehouseJob

JOB_TIMEOUT = 3600.0
"""Seconds to wait for a job: loads queue behind the project's others. It goes on without us, and
who loads the same content next finds it."""


@dataclass(frozen=True)
class BigQuerySettings:
    """Which dataset, and what it is loaded from.

    Attributes:
        location: Where a dataset that is not there yet is to be; None: where the bucket is.
        lake_url: ``gs://bucket[/prefix]``.
        maximum_bytes_billed: By one query of ours, in bytes; BigQuery refuses a dearer one.
    """

    project: str
    dataset: str
    location: str | None
    lake_url: str
    maximum_bytes_billed: int

    @property
    def bucket(self) -> str:
        return self.lake_url.removeprefix("gs://").partition("/")[0]


class BigQueryDataset:
    """A dataset, made at first use, and the jobs that work on it."""

    def __init__(
        self,
        client: bigquery.Client,
        settings: BigQuerySettings,
        region: Callable[[], BucketRegion | None],
    ) -> None:
        self.client = client
        self.settings = settings
        self.reference = bigquery.DatasetReference(settings.project, settings.dataset)
        self.errors = BigQueryErrors(settings.project, settings.dataset)
        self._region = region
        self._location: str | None = None
        self._turn = threading.Lock()

    @property
    def address(self) -> str:
        return f"{self.settings.project}.{self.settings.dataset}"

    @property
    def location(self) -> str | None:
        """Where it is; None before it was first worked on."""
        return self._location

    @contextmanager
    def explained(self) -> Iterator[str]:
        """Work on the dataset, which is in the location given; its refusals in our words.

        Raises:
            ConfigurationError: it is not where it should be, or we may not.
        """
        with self.errors.explained():
            yield self._ensured_location()

    def require_near_bucket(self, location: str) -> None:
        """Let no load begin that BigQuery would refuse for its place.

        Raises:
            ConfigurationError: the bucket is elsewhere; says where both are.
        """
        require_near(self._region(), self.settings.bucket, self.address, location)

    def load_config(self, table: bigquery.Table, **labels: str) -> bigquery.LoadJobConfig:
        """Replace what is in the table, or in one partition of it, with a Parquet file's rows."""
        config = bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.PARQUET,
            write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
            create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
            schema=table.schema,
            labels={**LABELS, **labels},
        )
        if table.time_partitioning is not None:
            config.time_partitioning = table.time_partitioning
        if table.clustering_fields:
            config.clustering_fields = table.clustering_fields
        return config

    def loaded(self, job: bigquery.LoadJob) -> WarehouseJob:
        """Wait for a load; what it did."""
        try:
            job.result(retry=RETRY, timeout=JOB_TIMEOUT)
            if job.ended is None:  # a job done at once may be answered without its times
                job.reload(retry=RETRY, timeout=REQUEST_TIMEOUT)
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
        self, sql: str, *parameters: bigquery.ScalarQueryParameter
    ) -> tuple[list[tuple[Any, ...]], WarehouseJob]:
        """Run a statement that bills no more than is allowed; its rows, and what it did."""
        config = bigquery.QueryJobConfig(
            query_parameters=parameters,
            maximum_bytes_billed=self.settings.maximum_bytes_billed,
            labels=LABELS,
            use_query_cache=False,
        )
        job = self.client.query(
            sql,
            job_config=config,
            location=self._location,
            retry=RETRY,
            timeout=REQUEST_TIMEOUT,
            job_retry=None,  # by default the library asks for 40 minutes where nothing answers
        )
        rows = [tuple(row) for row in job.result(retry=RETRY, timeout=JOB_TIMEOUT, job_retry=None)]
        return rows, WarehouseJob(
            id=job.job_id,
            kind="query",
            rows=len(rows),
            bytes_billed=int(job.total_bytes_billed or 0),
            slot_millis=int(job.slot_millis or 0),
            ended_at=job.ended,
        )

    def _ensured_location(self) -> str:
        with self._turn:
            if self._location is None:
                found = ensure_dataset(self.client, self.reference, self._new_location)
                wanted = self.settings.location
                if wanted is not None and wanted.upper() != found.upper():
                    raise ConfigurationError(
                        f"the BigQuery dataset {self.address} is in {found}, BIGQUERY_LOCATION "
                        f"says {wanted}. Nothing was loaded. A dataset cannot be moved: correct "
                        "BIGQUERY_LOCATION, or name another BIGQUERY_DATASET."
                    )
                self._location = found
            return self._location

    def _new_location(self) -> str:
        if self.settings.location is not None:
            return self.settings.location
        region = self._region()
        return "US" if region is None else region.location


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

    def region() -> BucketRegion | None:
        with storage.Client(
            project=settings.project,
            credentials=client._credentials,  # noqa: SLF001 - has no other name
            client_options={"api_endpoint": storage_emulator} if storage_emulator else None,
        ) as buckets:
            return bucket_region(buckets, settings.bucket)

    return BigQueryDataset(client, settings, region)


@lru_cache(maxsize=1)
def _client(project: str, emulator: str | None, key_file: Path | None) -> bigquery.Client:
    """One for all blocks of a process: clients refer to themselves, and are not closed by going."""
    return bigquery.Client(
        project=project,
        credentials=(
            AnonymousCredentials()  # type: ignore[no-untyped-call] # has no types
            if emulator
            else google_credentials(key_file, what_for=f"BigQuery {project}")
        ),
        client_options={"api_endpoint": emulator} if emulator else None,
    )


# A child that shares its parent's connections would read the parent's answers.
os.register_at_fork(after_in_child=_client.cache_clear)
