"""What every store shows of a month, as a reader sees it, and what nobody refers to."""

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

Shown = Mapping[str, object]
"""What a reader sees of one month, by store and table; equal values mean equal rows and bytes, and
None that there is nothing. Each is replaced atomically, not all at once: docs/bigquery.md."""

POSTGRES, LAKE_TRIPS = "Postgres", "the lake's trips"
_QUIET_SECONDS = 20.0
_SUMS = {
    "": "SUM(source_row), SUM(quality_flags), SUM(pu_location_id * do_location_id), "
    "SUM(CAST(ROUND(total_amount * 100) AS INT64)), COUNT(DISTINCT pickup_datetime)",
    "quarantine_": "SUM(source_row), SUM(LENGTH(reason)), SUM(LENGTH(published))",
}
"""What tells two versions of a month apart, by the prefix of the table in BigQuery; the emulator
takes 20 s to make JSON of every row."""
# One statement is one snapshot: trips and quarantine as of the same moment.
_MONTH = """
SELECT count(*), sum(hashtextextended(t::text, 0)),
  (SELECT count(*) FROM tlc.quarantine WHERE {this}),
  (SELECT sum(hashtextextended(q::text, 0)) FROM tlc.quarantine AS q WHERE {this})
FROM tlc.{table} AS t WHERE source_month = {month}
"""
_STRAY_TABLES = r"""
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'tlc' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relname ~ '^[a-z]+_\d{4}_\d{2}'
"""
_SESSIONS = """
SELECT DISTINCT a.pid, a.state FROM pg_stat_activity AS a
LEFT JOIN pg_locks AS l ON l.pid = a.pid AND l.locktype = 'advisory'
WHERE a.application_name = 'nyc_tlc' OR l.pid IS NOT NULL
"""


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
        return {
            POSTGRES: self.shown_by_postgres(partition),
            LAKE_TRIPS: self.digest(lake_paths.trips(partition)),
            "the lake's quarantine": self.digest(lake_paths.quarantine(partition)),
            "the manifest": self._manifest(partition),
            **(self._shown_by_bigquery(partition) if self.has_bigquery else {}),
        }

    def orphans(self, patience: float = _QUIET_SECONDS) -> list[str]:
        """What nobody refers to: sessions, locks, tables, objects, files.

        Args:
            patience: Seconds in which the server has to notice that a client is gone.
        """
        work = Path(self.environment["TLC_WORK_DIR"])
        files = (
            path
            for path in work.rglob("*")
            if path.is_file() and path.suffix not in {".lock", ".log"}
        )
        return [
            *(f"session or lock: backend {pid} ({state})" for pid, state in self._left(patience)),
            *(f"table: {name}" for (name,) in self.sql(_STRAY_TABLES)),
            *(f"object: {blob.name}" for blob in self.blobs("staging/")),
            *(f"file: {path.relative_to(work)}" for path in files),
        ]

    def sql(self, statement: Any) -> list[tuple[Any, ...]]:
        with closing(self._connect_patiently()) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def connect(self) -> Any:
        """A connection as a reader has it; close it yourself."""
        server: dict[str, Any] = {
            name: self.environment[f"POSTGRES_{name.upper()}"]
            for name in ("host", "port", "dbname", "user", "password")
        }
        return psycopg2.connect(**server, application_name="chaos")

    def blobs(self, prefix: str) -> Iterator[storage.Blob]:
        yield from self._bucket.list_blobs(prefix=prefix)

    def delete_blobs(self, prefix: str) -> None:
        for blob in list(self.blobs(prefix)):
            blob.delete()

    def digest(self, path: str) -> str | None:
        blob = self._bucket.get_blob(path)
        return None if blob is None else hashlib.sha256(blob.download_as_bytes()).hexdigest()

    def drop_bigquery(self) -> None:
        """Delete the dataset and all that is in it."""
        self._bigquery.delete_dataset(
            self.environment["BIGQUERY_DATASET"], delete_contents=True, not_found_ok=True
        )

    def shown_by_postgres(self, partition: Partition) -> tuple[int, ...] | None:
        """Rows and hash of the trips, then of the quarantine."""
        if not self.sql(f"SELECT to_regclass('tlc.{partition.service}')")[0][0]:
            return None
        month = SQL(f"DATE '{partition.month.start.date()}'")
        this = SQL(f"service = '{partition.service}' AND source_month = {{}}").format(month)
        table = Identifier(partition.service.name)
        (row,) = self.sql(SQL(_MONTH).format(this=this, table=table, month=month))
        return tuple(int(number or 0) for number in row) if row[0] else None

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

    def _left(self, patience: float) -> list[tuple[Any, ...]]:
        deadline = time.monotonic() + patience
        while (sessions := self.sql(_SESSIONS)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return sessions

    def _manifest(self, partition: Partition) -> tuple[str, str] | None:
        """Published content and counts that it names."""
        blob = self._bucket.get_blob(lake_paths.manifest(partition))
        if blob is None:
            return None
        manifest = json.loads(blob.download_as_bytes())
        return manifest["landing"]["sha256"], json.dumps(manifest["counts"], sort_keys=True)

    def _shown_by_bigquery(self, partition: Partition) -> Shown:
        """Rows and sums of either table."""
        dataset = f"{self._bigquery.project}.{self.environment['BIGQUERY_DATASET']}"
        shown = {}
        for prefix, sums in _SUMS.items():
            query = (
                f"SELECT COUNT(*), {sums} FROM `{dataset}.{prefix}{partition.service}` "  # noqa: S608 - our names
                f"WHERE source_month = DATE '{partition.month.start.date()}'"
            )
            (row,) = self._bigquery.query(query).result()
            shown[f"BigQuery's {prefix}trips"] = tuple(int(number or 0) for number in row)
        return shown

    @cached_property
    def _bucket(self) -> storage.Bucket:
        client = storage.Client(
            project="chaos", **_reached_at(self.environment["STORAGE_EMULATOR_HOST"])
        )
        return client.bucket(self.bucket_name)

    @cached_property
    def _bigquery(self) -> bigquery.Client:
        return bigquery.Client(
            project=self.environment["BIGQUERY_PROJECT"],
            **_reached_at(self.environment["BIGQUERY_EMULATOR_HOST"]),
        )


def _reached_at(endpoint: str) -> dict[str, Any]:
    return {
        "credentials": AnonymousCredentials(),  # type: ignore[no-untyped-call] # has no types
        "client_options": {"api_endpoint": endpoint},
    }
