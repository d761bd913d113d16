"""One embedded stack for all integration tests, and `mage run` on it."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery as api

from embedded.samples.months import write_month
from embedded.servers.cdn import CdnServer
from embedded.servers.mage import MageServer, running
from embedded.stack import Stack
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.month import Month
from nyc_tlc.ports.lake import Lake
from nyc_tlc.settings import Settings
from tests.alert_sinks import Webhook, webhook
from tests.integration.browser import browser, looking, signed_in  # noqa: F401 - of every file
from tests.integration.world import World
from tests.repository import ROOT

SHARED = Path(os.environ.get("TLC_SHARED", ROOT.parent / "shared" / "tlc"))


@dataclass(frozen=True)
class Mage:
    """Runs pipelines as a user would, each in a process of its own."""

    environment: Mapping[str, str]

    def run(
        self,
        pipeline: str,
        variables: str = "{}",
        *,
        project: Path = Path("mage_project"),
        **settings: str,
    ) -> subprocess.CompletedProcess:
        return subprocess.run(
            [Path(sys.executable).with_name("mage"), "run", project, pipeline, "--test",
             "--runtime-vars", variables],
            cwd=ROOT, env={**self.environment, **settings}, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
        )  # fmt: skip

    def succeed(self, pipeline: str, variables: str = "{}", **settings: str) -> str:
        """What a run that has to end well prints."""
        run = self.run(pipeline, variables, **settings)
        assert run.returncode == 0, run.stdout
        return run.stdout

    @property
    def world(self) -> World:
        """The same stores without Mage."""
        return World(Settings.load(self.environment))

    @property
    def lake(self) -> Lake:
        return self.world.lake

    def download(self, prefix: str, into: Path) -> Path:
        """Bring every object below a prefix into a folder, for readers that know only files."""
        lake = self.lake
        for stored in lake.list(prefix):
            target = into / stored.path
            target.parent.mkdir(parents=True, exist_ok=True)
            with lake.open(stored.path) as source:
                target.write_bytes(source.read())
        return into / prefix

    def sql(self, statement: str, *values: object) -> list[tuple]:
        return self.world.sql(statement, *values)

    @property
    def has_bigquery(self) -> bool:
        return "BIGQUERY_PROJECT" in self.environment

    def bigquery_sql(self, statement: str) -> list[tuple]:
        project = self.environment["BIGQUERY_PROJECT"]
        client = api.Client(
            project=project,
            credentials=AnonymousCredentials(),
            client_options={"api_endpoint": self.environment["BIGQUERY_EMULATOR_HOST"]},
        )
        dataset = f"{project}.{self.environment['BIGQUERY_DATASET']}"
        config = api.QueryJobConfig(default_dataset=dataset)
        return [tuple(row) for row in client.query(statement, job_config=config).result()]

    def on(self, name: str, tmp_path: Path, source: str, *, bigquery: bool = False) -> "Mage":
        """The same servers with a schema, a lake, folders and, if asked for, a dataset of own."""
        return Mage(
            {
                **self.environment,
                "POSTGRES_SCHEMA": name,
                "BIGQUERY_DATASET": name if bigquery and self.has_bigquery else "",
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
    ours = ("POSTGRES_", "TLC_", "LAKE_", "STORAGE_", "GOOGLE_", "BIGQUERY_", "MAGE_")
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


@dataclass(frozen=True)
class Scheduled:
    """A running Mage, and what it works on.

    Attributes:
        server: Its scheduler, API and web pages.
        on: The same stores for `mage run`, and for SQL.
        cdn: TLC, as it sees it.
        published: Folder of the trip files there.
        alerts: Where alerts of the scheduler's runs arrive.
    """

    server: MageServer
    on: Mage
    cdn: CdnServer
    published: Path
    alerts: Webhook

    def publish(self, service: str, month: str, rows: int, *, seed: int = 0) -> Path:
        partition = Partition(SERVICES[service], Month.parse(month))
        return write_month(partition, rows, self.published, seed=seed)


@pytest.fixture(scope="session")
def scheduled(mage: Mage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scheduled]:
    """`mage start` costs half a minute: one for all tests of a worker, so choose own months."""
    folder = tmp_path_factory.mktemp("scheduled")
    for published in ("trip-data", "misc"):
        (folder / "cdn" / published).mkdir(parents=True)
    with CdnServer(folder / "cdn") as cdn, webhook() as alerts:
        on = mage.on("scheduled", folder, cdn.url)
        with running(on.environment, folder, TLC_ALERT_SLACK_WEBHOOK=alerts.url) as server:
            yield Scheduled(server, on, cdn, folder / "cdn" / "trip-data", alerts)


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is absent: no real TLC files here")
    return SHARED
