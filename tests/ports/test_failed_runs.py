"""A run that fails ends on one screen, with the cause, whatever has failed, and in bounded time."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from google.cloud.bigquery import DEFAULT_RETRY

from nyc_tlc.adapters.bigquery import connection as bigquery
from nyc_tlc.adapters.bigquery.tables import CALL
from nyc_tlc.adapters.lake import gcs, object_store
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.publication import State
from nyc_tlc.core.contract.service import GREEN, SERVICES
from nyc_tlc.core.errors import (
    ConfigurationError,
    PartitionsFailedError,
    PipelineError,
    RetryableError,
)
from nyc_tlc.core.month import Month
from nyc_tlc.core.runs.failures import NOT_TRIED
from nyc_tlc.core.runs.run_table import summary
from nyc_tlc.jobs.log import configure_logging, on_one_screen
from nyc_tlc.jobs.open import Job
from nyc_tlc.jobs.sync import Sync
from nyc_tlc.jobs.trips import Trips
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.settings import Settings
from nyc_tlc.wiring import connect_stores
from tests.ports.broken_servers import REFUSING, UNREACHABLE, serving

MONTHS = [Partition(GREEN, month) for month in Month(2023, 1).through(Month(2023, 12))]
JobT = TypeVar("JobT", bound=Job)


def _job(kind: Callable[[Settings, Ports], JobT], settings: Settings, source: str) -> JobT:
    """A job for which half a minute is half a second."""
    given = settings.model_copy(update={"tlc_source_url": source, "tlc_source_timeout": 0.4})
    job = kind(given, connect_stores(given))
    job._effort = replace(job._effort, first_wait=0.01, patience=0.5)
    return job


def _failed(run: Callable[[], object]) -> str:
    """The last 25 lines of a run that has to fail."""
    with pytest.raises(PartitionsFailedError) as caught:
        run()
    lines = on_one_screen(caught.value).splitlines()
    assert len(lines) <= 15
    assert max(map(len, lines)) < 900
    return "\n".join(lines)


@pytest.fixture(autouse=True)
def _logged(settings, monkeypatch) -> None:
    """The log as a process of its own has it."""
    logger = logging.getLogger("nyc_tlc")
    for name, value in {"level": logger.level, "handlers": [], "propagate": False}.items():
        monkeypatch.setattr(logger, name, value)
    configure_logging("INFO", settings.tlc_work_dir)


@pytest.mark.parametrize("what", [*UNREACHABLE, *REFUSING])
def test_a_source_that_serves_nothing(settings, what, tmp_path, monkeypatch):
    broken = {**UNREACHABLE, **REFUSING}[what]
    with serving(broken, tmp_path) as (url, says, variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        trips = _job(Trips, settings, url)
        last = _failed(lambda: trips.load(trips.land(MONTHS)))
    assert says in last
    assert "green 2023-01" in last
    assert "12 of 12 partitions failed" in last
    assert "stays as it was" in last
    assert "Log, with all that is not shown here: " in last
    assert "secret" not in last
    log = Path(last.splitlines()[-1].partition(": ")[2])
    assert says in log.read_text("utf-8")
    assert "Traceback (most recent call last)" in log.read_text("utf-8")
    # One that serves nothing, whatever it is asked for, is not asked for each month.
    per_month = not broken.whole or "answered 40" in says or "sends us on" in says
    assert (NOT_TRIED in last) is not per_month


@pytest.mark.parametrize("what", ["closed port", "server that says nothing", "unknown host"])
def test_a_plan_of_every_service_asks_once(what, settings, tmp_path):
    with serving(UNREACHABLE[what], tmp_path) as (url, says, _):
        sync = _job(Sync, settings, url)
        found = sync.find(
            list(SERVICES.values()), first=Month(2024, 1), scope="all", only_plan=True
        )
        months = sum(row.asked for row in found)
        tried = [row for row in found if row.state is State.FAILED and NOT_TRIED not in row.note]
        assert 1 <= len(tried) <= settings.tlc_workers
        trips = _job(Trips, settings, url)
        last = _failed(lambda: trips.reconcile(sync.land(found, only_plan=True)))
    assert months > 4 * 12
    assert f"{months} of {months} partitions failed" in last
    assert last.count(says) == 2


def test_a_plan_that_could_not_ask_does_not_say_that_there_is_nothing(settings):
    trips = _job(Trips, settings, "http://127.0.0.1:1")
    told = summary(trips.land(MONTHS, only_plan=True))
    assert "plan: 0 of 12 partitions would be loaded, 12 could not be asked about" in told
    assert told.count("  failed  ") == 10
    assert "2 more failed" in told


Ask = Callable[[str], object]
_OF_A_CLIENT = {
    "unknown host", "closed port", "untrusted certificate", "TLS to a plain port",
    "server that says nothing", "server that hangs up",
}  # fmt: skip
_LOGIN = "proxy that asks for a login, of TLS"
_CLIENTS = ("gs", "s3", "bigquery")


@pytest.fixture
def ask(request, tmp_path, monkeypatch) -> Iterator[Ask]:
    """The first question of a run to a system of another client library."""
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "REGION"):
        monkeypatch.setenv(f"AWS_{name}", "anything")
    monkeypatch.setattr(gcs, "BLIP", 0.3)
    monkeypatch.setattr(gcs, "ASKING", (0.5, 0.5))
    monkeypatch.setattr(object_store, "_BLIP", timedelta(seconds=0.3))
    monkeypatch.setattr(object_store, "_FIRST_ANSWER", timedelta(seconds=0.5))
    monkeypatch.setitem(CALL, "retry", DEFAULT_RETRY.with_timeout(0.3))
    monkeypatch.setitem(CALL, "timeout", 0.5)

    def of_gcs(url: str) -> object:
        return gcs.connect("gs://lake", cache=tmp_path, emulator=url, key_file=None).stat("x")

    def of_s3(url: str) -> object:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        return object_store.connect("s3://lake", cache=tmp_path).stat("x")

    def of_bigquery(url: str) -> object:
        given = bigquery.BigQuerySettings("project", "tlc", None, "gs://lake", 1)
        dataset = bigquery.connect(given, emulator=url, storage_emulator=url, key_file=None)
        with dataset.explained() as location:
            return location

    yield {"gs": of_gcs, "s3": of_s3, "bigquery": of_bigquery}[request.param]
    gcs._client.cache_clear()
    bigquery._client.cache_clear()


@pytest.mark.parametrize(
    ("ask", "what"),
    # Here the Google clients are an emulator's, which ask no proxy.
    [(client, what) for client in _CLIENTS for what in sorted(_OF_A_CLIENT)] + [("s3", _LOGIN)],
    indirect=["ask"],
)
def test_every_client_names_the_cause(ask, what, tmp_path, monkeypatch):
    broken = UNREACHABLE[what]
    with serving(broken, tmp_path) as (url, says, variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(PipelineError) as caught:
            ask(url)
    error = caught.value
    assert f"cannot be asked: {says.partition(' (TLS: ')[0]}" in str(error)
    assert says.partition(" (TLS: ")[0] in error.outage
    assert isinstance(error, RetryableError if broken.passing else ConfigurationError)
