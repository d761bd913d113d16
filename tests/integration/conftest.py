"""One embedded stack for all integration tests, and `mage run` on it."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest

from embedded.stack import Stack

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("TLC_SHARED", ROOT.parent / "shared" / "tlc"))


@dataclass(frozen=True)
class Mage:
    """Runs pipelines as a user would, each in a process of its own."""

    environment: Mapping[str, str]

    def run(
        self, pipeline: str, variables: str = "{}", **settings: str
    ) -> subprocess.CompletedProcess:
        return subprocess.run(
            [Path(sys.executable).with_name("mage"), "run", "mage_project", pipeline, "--test",
             "--runtime-vars", variables],
            cwd=ROOT, env={**self.environment, **settings}, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
        )  # fmt: skip

    def sql(self, statement: str, *values: object) -> list[tuple]:
        where = {
            "host": self.environment["POSTGRES_HOST"],
            "port": self.environment["POSTGRES_PORT"],
            "dbname": self.environment["POSTGRES_DBNAME"],
            "user": self.environment["POSTGRES_USER"],
            "password": self.environment["POSTGRES_PASSWORD"],
        }
        schema = self.environment["POSTGRES_SCHEMA"]
        connection = psycopg2.connect(**where, options=f"-c search_path={schema}")
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return cursor.fetchall()
        finally:
            connection.close()

    def on(self, name: str, tmp_path: Path, source: str) -> "Mage":
        """The same servers with a schema, a lake and folders of their own."""
        return Mage(
            {
                **self.environment,
                "POSTGRES_SCHEMA": name,
                "LAKE_URL": f"{self.environment['LAKE_URL']}/{name}",
                "TLC_WORK_DIR": str(tmp_path / "work"),
                "MAGE_DATA_DIR": str(tmp_path / "mage_data"),
                "TLC_SOURCE_URL": source,
            }
        )


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("stack"))
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="session")
def mage(stack: Stack) -> Mage:
    ours = ("POSTGRES_", "TLC_", "LAKE_", "STORAGE_", "GOOGLE_", "MAGE_")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return Mage(
        {
            **inherited,
            **stack.start(),
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
            "TLC_ATTEMPTS": "2",
        }
    )


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is absent: no real TLC files here")
    return SHARED
