"""Real servers for the tests that need one, each started once."""

import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from xdist.scheduler import LoadFileScheduling

from embedded.servers import cluster_home
from embedded.servers import postgres as embedded_postgres
from embedded.servers.bigquery import BigQueryServer
from embedded.servers.environment import NotInstallableError
from embedded.servers.gcs import GcsServer
from embedded.servers.ports import HOST
from embedded.servers.postgres import PostgresServer
from nyc_tlc.adapters.postgres.connection import Database
from nyc_tlc.adapters.postgres.warehouse import PostgresWarehouse
from nyc_tlc.settings import Settings

Query = Callable[..., list[tuple[Any, ...]]]


def pytest_configure() -> None:
    """Run another version: the folder of its programs, such as /usr/lib/postgresql/15/bin."""
    if binaries := os.environ.get("TLC_TEST_POSTGRES"):
        cluster_home._runnable_binaries = lambda *_: Path(binaries).resolve()
        embedded_postgres._LOCALE = ("--locale=C",)  # the builtin provider is of version 17


class _Scheduling(LoadFileScheduling):
    """Keeps a file on one worker; of the files that share `mage start`, those with Chromium on one.

    In the order of collection: by itself xdist begins with the files of the most tests.
    Not `--dist loadgroup`: xdist 3.8 writes groups into names that pytest 9.2 makes again.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        text = (self.config.rootpath / file).read_text("utf-8")
        if not re.search(r"def \w+\([^)]*\bscheduled\b", text):
            return file
        return "Chromium" if re.search(r"def \w+\([^)]*\blooking\b", text) else "mage start"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    config.option.loadscopereorder = False
    return _Scheduling(config, log)


_LONGEST = (
    "integration/test_alerts.py", "integration/test_own_pipeline.py",
    "integration/test_lake_audit.py", "integration/test_demo.py", "chaos/test_chaos.py",
)  # fmt: skip
"""The first files of the two groups that share `mage start`, and what takes most of a minute."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, so that no worker ends long after the others."""

    def turn(item: pytest.Item) -> int:
        file = f"{item.path.parent.name}/{item.path.name}"
        if file in _LONGEST:
            return _LONGEST.index(file)
        return len(_LONGEST) + (item.path.parent.name != "integration")

    items.sort(key=turn)


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A server that runs, in a folder that is gone with it."""
    # pytest's own folders are closed to others; here root's server account can enter.
    with tempfile.TemporaryDirectory(prefix="nyc-tlc-tests-") as folder:
        Path(folder).chmod(0o755)
        server = PostgresServer(Path(folder) / "state")
        try:
            server.start()
            yield server
        finally:
            server.stop()
            home = server.state_dir / "postgres-home"
            if home.exists():
                shutil.rmtree(home.read_text())


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GcsServer]:
    server = GcsServer(tmp_path_factory.mktemp("gcs"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def bigquery(gcs: GcsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BigQueryServer]:
    """BigQuery's emulator, which loads from the objects of GCS's."""
    server = BigQueryServer(tmp_path_factory.mktemp("bigquery"), gcs.objects_dir)
    try:
        server.start()
    except NotInstallableError as absent:
        pytest.skip(str(absent))
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def database(postgres: PostgresServer) -> Database:
    return Database(
        host=HOST,
        port=postgres.port or 0,
        dbname=postgres.database,
        user=postgres.user,
        password=postgres.password,
        connect_timeout=5,
    )


@pytest.fixture
def schema(postgres: PostgresServer) -> Iterator[str]:
    """Name of a schema that does not exist yet; dropped after the test."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield name
    postgres.psql(f"SET lock_timeout = '10s'; DROP SCHEMA IF EXISTS {name} CASCADE")


@pytest.fixture
def warehouse(database: Database, schema: str) -> PostgresWarehouse:
    return PostgresWarehouse(database, schema)


@pytest.fixture
def connect(database: Database, schema: str) -> Callable[[], Any]:
    """Open a psycopg2 connection that looks into the test's schema; close it yourself."""
    return lambda: psycopg2.connect(
        host=database.host,
        port=database.port,
        dbname=database.dbname,
        user=database.user,
        password=database.password,
        options=f"-c search_path={schema}",
        application_name="test",
    )


@pytest.fixture
def query(connect: Callable[[], Any]) -> Query:
    """Run a statement on a connection of its own; returns its rows."""

    def run(statement: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(connect()) as connection, connection, connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    return run


@pytest.fixture
def postgres_environment(database: Database, schema: str) -> dict[str, str]:
    """The test's schema, for a program."""
    names = ("host", "port", "dbname", "user", "password")
    where = {f"POSTGRES_{name.upper()}": str(getattr(database, name)) for name in names}
    return {**where, "POSTGRES_SCHEMA": schema}


@pytest.fixture
def settings(postgres_environment: dict[str, str], tmp_path: Path) -> Settings:
    """A folder of published files, the test's schema and a lake in a folder."""
    (tmp_path / "published").mkdir()
    return Settings.load(
        {
            **postgres_environment,
            "LAKE_URL": str(tmp_path / "lake"),
            "TLC_SOURCE_URL": (tmp_path / "published").as_uri(),
            "TLC_WORK_DIR": str(tmp_path / "work"),
        }
    )
