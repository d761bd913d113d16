"""A folder with its own Postgres, in which every study works; nothing else is touched."""

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from embedded.servers.ports import HOST
from embedded.servers.postgres import PostgresServer
from qa.benchmarks.measure import CHECKOUT, CaseFailedError, Command, measured

SCRATCH_SCHEMA = "scratch"
"""Where the floor and the peers load; dropped before each run."""

_OURS = ("POSTGRES_", "PG", "TLC_", "LAKE_", "STORAGE_", "GOOGLE_", "BIGQUERY_", "MAGE_", "DB_")


@dataclass(eq=False)
class Workbench:
    """The server and the folder of a benchmark; see :func:`open_workbench`.

    Attributes:
        checkout: Whose pipeline is measured: this one's, or that of another to compare it with.
        suffix: Of the schemas and lakes that its pipeline loads.
    """

    folder: Path
    server: PostgresServer
    checkout: Path = CHECKOUT
    suffix: str = ""
    _settings: Mapping[str, str] = field(default_factory=dict)

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
        folder = self.folder / f"published_{service}_{months.replace(':', '_')}_{rows}"
        if not folder.exists():
            folder.mkdir()
            words = ("--service", service, "--months", months, "--rows", str(rows))
            self.run(self.program("generate", "none", folder, *words, "--into", folder))
        return folder

    def program(
        self, name: str, schema: str, source: Path, *words: str | Path, **settings: str
    ) -> Command:
        """One of :mod:`qa.benchmarks.programs`, to load what a folder publishes into a schema."""
        environment = {
            "PYTHONPATH": str(self.checkout),
            "PYTHONWARNINGS": "ignore",
            "POSTGRES_HOST": HOST,
            "POSTGRES_PORT": str(self.server.port),
            "POSTGRES_DBNAME": self.server.database,
            "POSTGRES_USER": self.server.user,
            "POSTGRES_PASSWORD": self.server.password,
            "POSTGRES_SCHEMA": schema + self.suffix,
            "LAKE_URL": str(self.folder / f"lake_{schema}{self.suffix}"),
            "TLC_SOURCE_URL": source.as_uri(),
            "TLC_WORK_DIR": str(self.folder / "work"),
            "TLC_ATTEMPTS": "1",
            "TLC_LOG_LEVEL": "WARNING",
            "MAGE_DATA_DIR": str(self.folder / "mage_data"),
        }
        python = (sys.executable, "-m", "qa.benchmarks.programs", name)
        return Command((*python, *words), inherited() | environment | settings, self.checkout)

    def run(self, command: Command) -> dict[str, Any]:
        """Run a command, unmeasured; the JSON object of its last line, if it is one."""
        print("running", *command.words[2:], file=sys.stderr, flush=True)
        return measured(command, self.postmaster)[1]

    def settle(self, settings: Mapping[str, str]) -> None:
        """Give the next run an empty scratch schema and a server and disk with nothing to do.

        Args:
            settings: Of the server, on top of the embedded ones; restarts it where they change.
        """
        if settings != self._settings:
            changes = (f"ALTER SYSTEM SET {name} = '{value}';" for name, value in settings.items())
            self.server.psql("\n".join(("ALTER SYSTEM RESET ALL;", *changes)))
            self.server.stop()
            self.server.start()
            self._settings = settings
        shutil.rmtree(self.folder / "scratch", ignore_errors=True)
        self.server.psql(
            f"DROP SCHEMA IF EXISTS {SCRATCH_SCHEMA} CASCADE;\n"
            f"CREATE SCHEMA {SCRATCH_SCHEMA};\n"
            "CHECKPOINT;"
        )
        os.sync()


@contextmanager
def open_workbench(folder: Path) -> Iterator[Workbench]:
    """Start a new server in a new folder; both are deleted at the end, whatever happens.

    Raises:
        CaseFailedError: another benchmark runs there.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CaseFailedError(
                f"another benchmark uses {folder}. Wait for it, or give another --folder."
            ) from None
        delete_workbench(folder)  # what a killed run left
        folder.mkdir()
        server = PostgresServer(folder / "server", database="bench")
        try:
            server.start()
            yield Workbench(folder, server)
        finally:
            delete_workbench(folder)


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
