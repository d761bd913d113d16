"""A folder with its own Postgres, in which every study works; nothing else is touched."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil
import psycopg2

from embedded.servers.ports import HOST
from embedded.servers.postgres import PostgresServer
from qa.benchmarks.measure import CHECKOUT, CaseFailedError, Command, measured

DEFAULT_FOLDER = CHECKOUT / ".local" / "bench"
SCRATCH_SCHEMA = "scratch"
"""Where the floor and the peers load; dropped before each run."""

_OURS = ("POSTGRES_", "PG", "TLC_", "LAKE_", "STORAGE_", "GOOGLE_", "BIGQUERY_", "MAGE_", "DB_")


class Workbench:
    """The server and the folders of a benchmark; see :func:`open_workbench`.

    Attributes:
        checkout: Whose pipeline is measured: this one's, or that of another to compare it with.
        suffix: Of the schemas and lakes that its pipeline loads.
    """

    def __init__(
        self, folder: Path, server: PostgresServer, checkout: Path = CHECKOUT, suffix: str = ""
    ) -> None:
        self.folder = folder
        self.server = server
        self.checkout = checkout
        self.suffix = suffix
        self._settings: Mapping[str, str] = {}

    @property
    def postmaster(self) -> psutil.Process:
        return psutil.Process(self.server.pid)

    @property
    def database_url(self) -> str:
        server = self.server
        return (
            f"postgresql://{server.user}:{server.password}@{HOST}:{server.port}/{server.database}"
        )

    def published(self, service: str, months: str, rows: int) -> Path:
        """The folder with published months of so many rows each; made at first use."""
        folder = self.folder / "published" / f"{service}-{rows}-{_generator()}"
        finished = folder / f"{months.replace(':', '_')}.finished"
        if not finished.exists():
            folder.mkdir(parents=True, exist_ok=True)
            words = ("--service", service, "--months", months, "--rows", str(rows))
            self.run(self.program("tlc", folder, "generate", *words, "--into", folder))
            finished.touch()
        return folder

    def lake(self, schema: str) -> Path:
        return self.folder / f"lake_{schema}{self.suffix}"

    def program(self, schema: str, source: Path, name: str, *words: str | Path) -> Command:
        """One of :mod:`qa.benchmarks.programs`, to load what a folder publishes into a schema."""
        now = (self.checkout / "qa" / "benchmarks").exists()
        module = ("qa.benchmarks.programs", name) if now else (f"benchmarks.programs.{name}",)
        server = self.server
        settings = {
            "PYTHONPATH": str(self.checkout),
            "PYTHONWARNINGS": "ignore",
            "POSTGRES_HOST": HOST,
            "POSTGRES_PORT": str(server.port),
            "POSTGRES_DBNAME": server.database,
            "POSTGRES_USER": server.user,
            "POSTGRES_PASSWORD": server.password,
            "POSTGRES_SCHEMA": schema + self.suffix,
            "LAKE_URL": str(self.lake(schema)),
            "TLC_SOURCE_URL": source.as_uri(),
            "TLC_WORK_DIR": str(self.folder / "work"),
            "TLC_ATTEMPTS": "1",
            "TLC_LOG_LEVEL": "WARNING",
            "MAGE_DATA_DIR": str(self.folder / "mage_data"),
        }
        python = (sys.executable, "-m", *module)
        return Command((*python, *words), inherited() | settings, self.checkout)

    def run(self, command: Command) -> dict[str, Any]:
        """Run a command, unmeasured; the JSON object of its last line, if it is one."""
        print("running", *command.words[2:], file=sys.stderr, flush=True)
        return measured(command, self.postmaster)[1]

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements, each in its own transaction; the rows of the last one."""
        with closing(psycopg2.connect(self.database_url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

    def save_rows(self, table: str, target: Path) -> None:
        """Write the rows of a table as a binary COPY."""
        with (
            closing(psycopg2.connect(self.database_url)) as connection,
            connection.cursor() as cursor,
            target.open("wb") as file,
        ):
            cursor.copy_expert(f"COPY (SELECT * FROM {table}) TO STDOUT (FORMAT binary)", file)

    def settle(self, settings: Mapping[str, str] = MappingProxyType({})) -> None:
        """Give the next run an empty scratch schema and a server and disk with nothing to do.

        Args:
            settings: Of the server, on top of the embedded ones; restarts it where they change.
        """
        if settings != self._settings:
            changes = (f"ALTER SYSTEM SET {name} = '{value}'" for name, value in settings.items())
            self.sql("ALTER SYSTEM RESET ALL", *changes)
            self.server.stop()
            self.server.start()
            self._settings = settings
        shutil.rmtree(self.folder / "scratch", ignore_errors=True)
        self.sql(
            f"DROP SCHEMA IF EXISTS {SCRATCH_SCHEMA} CASCADE",
            f"CREATE SCHEMA {SCRATCH_SCHEMA}",
            "CHECKPOINT",
        )
        os.sync()

    def clear(self) -> None:
        """Drop every schema and lake; published months and the cluster stay."""
        names = self.sql(
            r"SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema|public)'"
        )
        # One by one: a schema of many partitions needs a lock for each of them.
        self.sql("SELECT 1", *(f'DROP SCHEMA "{name}" CASCADE' for (name,) in names), "CHECKPOINT")
        old = [f for f in self.folder.glob("published/*") if not f.name.endswith(_generator())]
        rest = [self.folder / name for name in ("work", "scratch", "mage_data")]
        for path in (*self.folder.glob("lake*"), *old, *rest):
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def open_workbench(folder: Path) -> Iterator[Workbench]:
    """Start the server of a folder; it is stopped at the end, whatever happens.

    Raises:
        CaseFailedError: another benchmark runs there. Wait for it, or name another folder.
    """
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CaseFailedError(
                f"another benchmark runs in {folder}. Wait for it, or give another --folder."
            ) from None
        server = PostgresServer(folder / "server", database="bench")
        try:
            server.start()
            bench = Workbench(folder, server)
            bench.clear()
            yield bench
            bench.settle()
            bench.clear()
        finally:
            server.stop()


def delete_workbench(folder: Path) -> None:
    """Stop the server of a folder and delete everything in it, the cluster included."""
    PostgresServer(folder / "server").stop()
    record = folder / "server" / "postgres-home"
    if record.exists():
        # Where root's checkout is closed to others, the cluster is elsewhere.
        shutil.rmtree(record.read_text(encoding="utf-8"), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def inherited() -> dict[str, str]:
    """The caller's environment without anything that would steer the pipeline or libpq."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}


def _generator() -> str:
    """A short hash that changes whenever the generator of months does."""
    sources = sorted((CHECKOUT / "embedded" / "samples").glob("*.py"))
    text = b"".join(source.read_bytes() for source in sources)
    return hashlib.sha256(text).hexdigest()[:8]
