"""What every store shows of a month, as a reader sees it, and what nobody refers to."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg2
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery, storage
from psycopg2.sql import SQL, Identifier

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.lake import paths as lake_paths

_QUIET_SECONDS = 20.0
_SUMS = (
    "SUM(source_row), SUM(quality_flags), SUM(pu_location_id * do_location_id), "
    "SUM(CAST(ROUND(total_amount * 100) AS INT64)), COUNT(DISTINCT pickup_datetime)"
)
"""What tells two versions of a month apart; the emulator takes 20 s to make JSON of every row."""
_STRAY_TABLES = r"""
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'tlc' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relname ~ '^[a-z]+_\d{4}_\d{2}'
"""
_QUARANTINE_SUMS = "SUM(source_row), SUM(LENGTH(reason)), SUM(LENGTH(published))"


@dataclass(frozen=True)
class Shown:
    """What a reader sees of one month; equal values mean equal rows and bytes.

    Attributes:
        postgres: Rows and hash of the trips, then of the quarantine; None where there is none.
        lake: SHA-256 of the trips' and the quarantine's object; None where there is none.
        manifest: Published content and counts that it names; None where there is none.
        bigquery: Rows and sums of the trips, then of the quarantine; None where there is none.
    """

    postgres: tuple[int, int, int, int] | None
    lake: tuple[str | None, str | None]
    manifest: tuple[str, str] | None
    bigquery: tuple[tuple[int, ...], tuple[int, ...]] | None


@dataclass(frozen=True)
class Stores:
    """The stores, reached directly and not through the proxies of a trial.

    Attributes:
        environment: As of the pipeline.
        bucket_name: Of the lake.
    """

    environment: Mapping[str, str]
    bucket_name: str

    @property
    def has_bigquery(self) -> bool:
        return bool(self.environment.get("BIGQUERY_DATASET"))

    def shown(self, partition: Partition) -> Shown:
        return Shown(
            self.shown_by_postgres(partition),
            (
                self.digest(lake_paths.trips(partition)),
                self.digest(lake_paths.quarantine(partition)),
            ),
            self._manifest(partition),
            self._shown_by_bigquery(partition) if self.has_bigquery else None,
        )

    def orphans(self, patience: float = _QUIET_SECONDS) -> list[str]:
        """What nobody refers to: sessions, locks, tables, objects, files.

        Args:
            patience: Seconds in which the server has to notice that a client is gone.
        """
        work = Path(self.environment["TLC_WORK_DIR"])
        files = (path for path in work.rglob("*") if path.is_file() and path.suffix != ".lock")
        return [
            *(f"session or lock: {name}" for name in self._sessions(patience)),
            *(f"table: {name}" for (name,) in self.sql(_STRAY_TABLES)),
            *(f"object: {blob.name}" for blob in self.blobs("staging/")),
            *(f"file: {path.relative_to(work)}" for path in files),
        ]

    def sql(self, statement: Any, *values: object) -> list[tuple[Any, ...]]:
        with closing(self._connect_patiently()) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def connect(self) -> Any:
        """A connection as a reader has it; close it yourself."""
        env = self.environment
        return psycopg2.connect(
            host=env["POSTGRES_HOST"],
            port=env["POSTGRES_PORT"],
            dbname=env["POSTGRES_DBNAME"],
            user=env["POSTGRES_USER"],
            password=env["POSTGRES_PASSWORD"],
            application_name="chaos",
        )

    def blobs(self, prefix: str) -> Iterator[storage.Blob]:
        yield from self._bucket.list_blobs(prefix=prefix)

    def digest(self, path: str) -> str | None:
        blob = self._bucket.get_blob(path)
        return None if blob is None else hashlib.sha256(blob.download_as_bytes()).hexdigest()

    def drop_bigquery(self) -> None:
        """Delete the dataset and all that is in it."""
        self._bigquery.delete_dataset(
            self.environment["BIGQUERY_DATASET"], delete_contents=True, not_found_ok=True
        )

    def shown_by_postgres(self, partition: Partition) -> tuple[int, int, int, int] | None:
        service, month = partition.service.name, partition.month.start.date()
        if not self.sql("SELECT to_regclass(%s)", f"tlc.{service}")[0][0]:
            return None
        # One statement is one snapshot: trips and quarantine as of the same moment.
        ((rows, trips, rejected, quarantine),) = self.sql(
            SQL(
                "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0), q.rows, q.hash "
                "FROM (SELECT count(*) AS rows, coalesce(sum(hashtextextended(x::text, 0)), 0) "
                "AS hash FROM tlc.quarantine x WHERE service = %s AND source_month = %s) q "
                "LEFT JOIN tlc.{} t ON t.source_month = %s GROUP BY q.rows, q.hash"
            ).format(Identifier(service)),
            service, month, month,
        )  # fmt: skip
        empty = trips == 0
        return None if empty else (int(rows), int(trips), int(rejected), int(quarantine))

    def _connect_patiently(self) -> Any:
        """A connection, when a server that was killed has recovered."""
        deadline = time.monotonic() + _QUIET_SECONDS
        while True:
            try:
                return self.connect()
            except psycopg2.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _shown_by_bigquery(
        self, partition: Partition
    ) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        service, month = partition.service.name, partition.month.start.date()
        dataset = f"{self._bigquery.project}.{self.environment['BIGQUERY_DATASET']}"
        found = [
            next(
                self._bigquery.query(
                    f"SELECT COUNT(*), {sums} FROM `{dataset}.{table}` "  # noqa: S608 - our names
                    f"WHERE source_month = DATE '{month}'"
                ).result()
            )
            for table, sums in ((service, _SUMS), (f"quarantine_{service}", _QUARANTINE_SUMS))
        ]
        trips, quarantine = (tuple(int(number or 0) for number in row) for row in found)
        return None if trips[0] == 0 else (trips, quarantine)

    def _manifest(self, partition: Partition) -> tuple[str, str] | None:
        blob = self._bucket.get_blob(lake_paths.manifest(partition))
        if blob is None:
            return None
        manifest = json.loads(blob.download_as_bytes())
        return manifest["landing"]["sha256"], json.dumps(manifest["counts"], sort_keys=True)

    @cached_property
    def _bucket(self) -> storage.Bucket:
        return storage.Client(
            project="chaos",
            credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call] # has no types
            client_options={"api_endpoint": self.environment["STORAGE_EMULATOR_HOST"]},
        ).bucket(self.bucket_name)

    @cached_property
    def _bigquery(self) -> bigquery.Client:
        return bigquery.Client(
            project=self.environment["BIGQUERY_PROJECT"],
            credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call] # has no types
            client_options={"api_endpoint": self.environment["BIGQUERY_EMULATOR_HOST"]},
        )

    def _sessions(self, patience: float) -> list[str]:
        deadline = time.monotonic() + patience
        while True:
            rows = self.sql(
                "SELECT DISTINCT a.pid, a.state FROM pg_stat_activity a LEFT JOIN pg_locks l "
                "ON l.pid = a.pid AND l.locktype = 'advisory' "
                "WHERE a.application_name = 'nyc_tlc' OR l.pid IS NOT NULL"
            )
            if not rows or time.monotonic() > deadline:
                return [f"backend {pid} ({state})" for pid, state in rows]
            time.sleep(0.05)
