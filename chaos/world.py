"""Real servers, a month in two versions, and what every store shows of it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from psycopg2.sql import SQL, Identifier

from chaos.pipeline import Ending, Order
from chaos.proxies import HttpProxy, TcpProxy
from embedded.sample_months import write_month
from embedded.stack import CHECKOUT, Stack
from nyc_tlc.core.partition import Partition
from nyc_tlc.core.service import SERVICES
from nyc_tlc.steps import lake_paths

_QUIET_SECONDS = 20.0
"""In which the server has to notice that a client is gone."""


@dataclass(frozen=True)
class Shown:
    """What a reader sees of one month; equal values mean equal rows and bytes.

    Attributes:
        postgres: Rows and hash of the trips, then of the quarantine; None where there is none.
        lake: SHA-256 of the trips' and the quarantine's object; None where there is none.
        manifest: Published content and counts that it names; None where there is none.
    """

    postgres: tuple[int, int, int, int] | None
    lake: tuple[str | None, str | None]
    manifest: tuple[str, str] | None


class Pipeline:
    """A process that has imported the pipeline, and forks one run after the other."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        with log.open("a", encoding="utf-8") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "chaos.pipeline"],
                cwd=CHECKOUT, env=environment, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
            )  # fmt: skip

    def run(self, order: Order) -> Ending:
        """Run the pipeline once, to its end or its death."""
        process = self._process
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        process.stdin.write(order.to_json() + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the process of the trials has ended; pipeline.log says why")
        return Ending(**json.loads(line))

    def close(self) -> None:
        self._process.communicate(timeout=60)


@dataclass(frozen=True)
class Proxies:
    """Between the pipeline and its servers."""

    postgres: TcpProxy
    gcs: HttpProxy
    source: HttpProxy


@dataclass
class World:
    """The servers of a trial. The pipeline runs in processes of its own.

    Attributes:
        environment: In which the servers are reached directly; the pipeline goes by the proxies.
    """

    stack: Stack
    environment: dict[str, str]
    proxies: Proxies
    _pipeline: Pipeline | None = None

    def publish(self, partition: Partition, rows: int, seed: int) -> None:
        """Let the CDN have this version of the month from now on."""
        kept = self.stack.state_dir / "versions" / f"{seed}-{rows}"
        kept.mkdir(parents=True, exist_ok=True)
        if not (kept / partition.file_name).exists():
            write_month(partition, rows, kept, seed=seed)
        target = self.stack.cdn_root / "trip-data" / partition.file_name
        incoming = target.with_suffix(".incoming")
        shutil.copyfile(kept / partition.file_name, incoming)
        incoming.replace(target)

    def run(self, order: Order) -> Ending:
        """Run the pipeline once, to its end or its death."""
        if self._pipeline is None:
            self._pipeline = self.pipeline()
        return self._pipeline.run(order)

    def pipeline(self) -> Pipeline:
        """A further process that runs the pipeline; close it yourself."""
        log = self.stack.state_dir / "pipeline.log"
        return Pipeline(self.environment | self._through_proxies(), log)

    def shown(self, partition: Partition) -> Shown:
        return Shown(
            self.shown_by_postgres(partition),
            (
                self.digest(lake_paths.trips(partition)),
                self.digest(lake_paths.quarantine(partition)),
            ),
            self._manifest(partition),
        )

    def orphans(self) -> list[str]:
        """What nobody refers to: tables, objects, files, locks, sessions."""
        found = [f"session or lock: {name}" for name in self._sessions()]
        found += [f"table: {name}" for name in self._stray_tables()]
        found += [f"object: {blob.name}" for blob in self.blobs("staging/")]
        work = Path(self.environment["TLC_WORK_DIR"])
        files = (path for path in work.rglob("*") if path.is_file() and path.suffix != ".lock")
        return found + [f"file: {path.relative_to(work)}" for path in files]

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

    def blobs(self, prefix: str) -> Iterator[storage.Blob]:
        yield from self._bucket().list_blobs(prefix=prefix)

    def forget_raw(self, partition: Partition) -> None:
        """Delete the published bytes that the lake keeps, so that a version lands anew."""
        for blob in list(self.blobs(f"raw/{partition.hive_path}/")):
            blob.delete()

    def close(self) -> None:
        if self._pipeline is not None:
            self._pipeline.close()

    def _through_proxies(self) -> dict[str, str]:
        return {
            "POSTGRES_PORT": str(self.proxies.postgres.port),
            "STORAGE_EMULATOR_HOST": self.proxies.gcs.url,
            "TLC_SOURCE_URL": self.proxies.source.url,
        }

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

    def digest(self, path: str) -> str | None:
        blob = self._bucket().get_blob(path)
        return None if blob is None else hashlib.sha256(blob.download_as_bytes()).hexdigest()

    def _manifest(self, partition: Partition) -> tuple[str, str] | None:
        blob = self._bucket().get_blob(lake_paths.manifest(partition))
        if blob is None:
            return None
        manifest = json.loads(blob.download_as_bytes())
        return manifest["landing"]["sha256"], json.dumps(manifest["counts"], sort_keys=True)

    def _bucket(self) -> storage.Bucket:
        client = storage.Client(
            project="chaos",
            credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call] # has no types
            client_options={"api_endpoint": self.environment["STORAGE_EMULATOR_HOST"]},
        )
        return client.bucket(self.stack.gcs.bucket)

    def _sessions(self) -> list[str]:
        deadline = time.monotonic() + _QUIET_SECONDS
        while True:
            rows = self.sql(
                "SELECT DISTINCT a.pid, a.state FROM pg_stat_activity a LEFT JOIN pg_locks l "
                "ON l.pid = a.pid AND l.locktype = 'advisory' "
                "WHERE a.application_name = 'nyc_tlc' OR l.pid IS NOT NULL"
            )
            if not rows or time.monotonic() > deadline:
                return [f"backend {pid} ({state})" for pid, state in rows]
            time.sleep(0.05)

    def _stray_tables(self) -> list[str]:
        rows = self.sql(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = 'tlc' AND c.relkind IN ('r', 'p') AND NOT c.relispartition "
            "AND c.relname ~ %s",
            rf"^({'|'.join(SERVICES)})_\d{{4}}_\d{{2}}",
        )
        return [name for (name,) in rows]


@contextmanager
def open_world(folder: Path) -> Iterator[World]:
    """Start the servers of a folder; they are stopped at the end, whatever happens."""
    folder.mkdir(parents=True, exist_ok=True)
    stack = Stack(folder)
    try:
        environment = {
            **{name: value for name, value in os.environ.items() if not _steers(name)},
            **stack.start(),
            "PYTHONPATH": str(CHECKOUT),
            "BIGQUERY_DATASET": "",
            "TLC_LOG_LEVEL": "WARNING",
        }
        proxies = Proxies(
            TcpProxy(stack.postgres.port or 0),
            HttpProxy(stack.gcs.port or 0),
            HttpProxy(stack.cdn.port or 0),
        )
        world = World(stack, environment, proxies)
        try:
            yield world
        finally:
            world.close()
            for proxy in (proxies.postgres, proxies.gcs, proxies.source):
                proxy.close()
    finally:
        stack.stop()


def _steers(name: str) -> bool:
    return name.startswith(("POSTGRES_", "PG", "TLC_", "LAKE_", "STORAGE_", "GOOGLE_", "BIGQUERY_"))
