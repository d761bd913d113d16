"""A folder with a Postgres of its own, in which every study works; nothing else is touched."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg2

from embedded.servers.ports import HOST
from embedded.servers.postgres import PostgresServer
from qa.benchmarks.measure import CHECKOUT

DEFAULT_FOLDER = CHECKOUT / ".local" / "bench"
SCRATCH_SCHEMA = "scratch"
"""Where the floor and the peers load; dropped before each run."""

_OURS = ("POSTGRES_", "PG", "TLC_", "LAKE_", "STORAGE_", "GOOGLE_", "BIGQUERY_", "MAGE_", "DB_")


class FolderInUseError(RuntimeError):
    """Another benchmark runs in the folder."""


class Workbench:
    """The server, folders and environments of a benchmark; see :func:`open_workbench`."""

    def __init__(self, folder: Path, server: PostgresServer) -> None:
        self.folder = folder
        self._server = server
        self._settings: tuple[tuple[str, str], ...] = ()

    @property
    def postmaster(self) -> psutil.Process:
        return psutil.Process(self._server.pid)

    @property
    def database_url(self) -> str:
        server = self._server
        return (
            f"postgresql://{server.user}:{server.password}@{HOST}:{server.port}/{server.database}"
        )

    def environment(self, *, schema: str = "tlc", lake: str = "lake") -> dict[str, str]:
        """What the pipeline needs to work in a schema and a lake of this workbench."""
        server = self._server
        return {
            **_inherited(os.environ),
            "PYTHONPATH": str(CHECKOUT),
            "PYTHONWARNINGS": "ignore",
            "POSTGRES_HOST": HOST,
            "POSTGRES_PORT": str(server.port),
            "POSTGRES_DBNAME": server.database,
            "POSTGRES_USER": server.user,
            "POSTGRES_PASSWORD": server.password,
            "POSTGRES_SCHEMA": schema,
            "LAKE_URL": str(self.folder / lake),
            "TLC_WORK_DIR": str(self.folder / "work"),
            "TLC_ATTEMPTS": "1",
            "TLC_LOG_LEVEL": "WARNING",
            "MAGE_DATA_DIR": str(self.folder / "mage_data"),
        }

    def psql_environment(self) -> dict[str, str]:
        return {**_inherited(os.environ), **self._server.client_environment()}

    def peer_environment(self) -> dict[str, str]:
        """The database as an address, and a folder for state that every run finds empty."""
        return {
            **_inherited(os.environ),
            "DATABASE_URL": self.database_url,
            "DLT_DATA_DIR": str(self.folder / "scratch"),
        }

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements, each in a transaction of its own; the rows of the last one."""
        with closing(psycopg2.connect(self.database_url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

    def set_server(self, settings: tuple[tuple[str, str], ...]) -> None:
        """Put these settings on top of the embedded ones; restarts the server if need be."""
        if settings == self._settings:
            return
        self.sql(
            "ALTER SYSTEM RESET ALL",
            *(f"ALTER SYSTEM SET {name} = '{value}'" for name, value in settings),
        )
        self._server.stop()
        self._server.start()
        self._settings = settings

    def settle(self) -> None:
        """Give the next run an empty scratch schema and a server and disk with nothing to do."""
        shutil.rmtree(self.folder / "scratch", ignore_errors=True)
        self.sql(
            f"DROP SCHEMA IF EXISTS {SCRATCH_SCHEMA} CASCADE",
            f"CREATE SCHEMA {SCRATCH_SCHEMA}",
            "CHECKPOINT",
        )
        os.sync()
        # The backend that served this is not to end during the measurement.
        self._await_no_backend()

    def clear(self) -> None:
        """Drop every schema and lake; published files, environments and the cluster stay."""
        names = self.sql(
            r"SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema|public)'"
        )
        # One by one: a schema of many partitions needs a lock for each of them.
        self.sql("SELECT 1", *(f'DROP SCHEMA "{name}" CASCADE' for (name,) in names), "CHECKPOINT")
        for path in self.folder.glob("lake*"):
            shutil.rmtree(path)
        for name in ("work", "scratch", "mage_data"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def postgres_version(self) -> str:
        return str(self.sql("SHOW server_version")[0][0])

    def _await_no_backend(self) -> None:
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            # Backends show the address of their client in their title.
            if not any(f" {HOST}(" in _title(child) for child in self.postmaster.children()):
                return
            time.sleep(0.01)


@contextmanager
def open_workbench(folder: Path) -> Iterator[Workbench]:
    """Start the server of a folder; it is stopped at the end, whatever happens.

    Raises:
        FolderInUseError: another benchmark runs there. Wait for it, or name another folder.
    """
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUseError(
                f"another benchmark runs in {folder}. Wait for it, or give another --folder."
            ) from None
        server = PostgresServer(folder / "server", database="bench")
        try:
            server.start()
            bench = Workbench(folder, server)
            bench.clear()
            yield bench
            bench.set_server(())
            bench.clear()
        finally:
            server.stop()


def delete_workbench(folder: Path) -> None:
    """Stop the server of a folder and delete everything in it, the cluster included."""
    PostgresServer(folder / "server").stop()
    record = folder / "server" / "postgres-home"
    if record.exists():
        # Where root's checkout is closed to others, the cluster lies elsewhere.
        shutil.rmtree(record.read_text(encoding="utf-8"), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def _inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without anything that would steer the pipeline or libpq."""
    return {name: value for name, value in environment.items() if not name.startswith(_OURS)}
