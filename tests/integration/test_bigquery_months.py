"""Months on their way into BigQuery: revised, interrupted, or wanted there later than elsewhere."""

import gc
import json
import pkgutil
from collections.abc import Callable

import psutil
import pytest

from nyc_tlc.adapters.bigquery.warehouse import BigQueryWarehouse
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.errors import PartitionsFailedError
from nyc_tlc.core.month import Month
from nyc_tlc.jobs.connections import check_bigquery
from tests.integration.world import World

MONTHS = [Partition(GREEN, Month(2024, month)) for month in (1, 2)]
REVISED = {"2024-01": "reconciled", "2024-02": "unchanged"}


class Pipeline(World):
    """tlc_trips without Mage, on the servers of the tests and its own stores."""

    def run(self, *, force: bool = False, bigquery: bool = True) -> dict[str, str]:
        """Each month's status in the end, in stores that are connected to anew."""
        changes = {} if bigquery else {"bigquery_dataset": None}
        anew = World(self.settings.model_copy(update=changes))
        return {row.month: row.status for row in anew.load(*MONTHS, force=force)}

    def revise(self) -> None:
        self.publish(MONTHS[0], rows=500, seed=7)

    @property
    def warehouse(self) -> BigQueryWarehouse:
        return self.ports.bigquery

    def in_bigquery(self) -> list[int]:
        counts = [self.warehouse.count(partition).counts for partition in MONTHS]
        return [count.accepted + count.quarantined for count in counts]

    def records(self) -> list[dict]:
        """What the lake says that BigQuery holds, January first."""
        paths = [stored.path for stored in self.lake.list("loads/bigquery/")]
        return [json.loads(found[0]) for path in paths if (found := self.lake.read(path))]


@pytest.fixture
def pipeline(settings, gcs, bigquery, schema) -> Pipeline:
    changes = {
        "lake_url": f"gs://{gcs.bucket}/{schema}",
        "storage_emulator_host": gcs.url,
        "bigquery_project": bigquery.project,
        "bigquery_dataset": schema,
        "bigquery_emulator_host": bigquery.url,
        "tlc_attempts": 1,
    }
    pipeline = Pipeline(settings.model_copy(update=changes))
    for partition, rows in zip(MONTHS, (400, 300), strict=True):
        pipeline.publish(partition, rows=rows)
    return pipeline


def _all(status: str) -> dict[str, str]:
    return {str(partition.month): status for partition in MONTHS}


def test_a_process_that_loads_for_hours_opens_no_more_connections(pipeline, bigquery, gcs):
    """Each run had its own clients, which Python closes when it comes to look for cycles."""

    def connections() -> int:
        found = psutil.Process().connections("tcp")
        return sum(bool(one.raddr) and one.raddr.port in {bigquery.port, gcs.port} for one in found)

    pipeline.run()
    before = connections()
    gc.disable()
    try:
        for _ in range(2):
            pipeline.run(force=True)
        assert connections() <= before
    finally:
        gc.enable()


def test_only_what_is_new_or_forced_is_loaded_proved_and_recorded(pipeline):
    assert pipeline.run() == _all("reconciled")
    assert pipeline.in_bigquery() == [400, 300]
    january, february = before = pipeline.records()
    loads = [(job["kind"], job["rows"]) for job in january["jobs"]]
    assert loads == [("load", 398), ("load", 2), ("query", 1)]
    assert all(job["slot_millis"] >= 0 == job["bytes_billed"] for job in january["jobs"])
    assert january["reconciled_at"]
    assert february["month"] == "2024-02"
    assert pipeline.run() == _all("unchanged")
    assert pipeline.records() == before
    pipeline.revise()
    assert pipeline.run() == REVISED
    assert pipeline.records()[1] == february
    assert pipeline.run(force=True) == _all("reconciled")
    assert pipeline.in_bigquery() == [500, 300]
    jobs = [{job["id"] for job in record["jobs"]} for record in (february, pipeline.records()[1])]
    assert jobs[0].isdisjoint(jobs[1])


def test_bigquery_that_is_wanted_later_gets_the_months_that_are_there(
    pipeline, monkeypatch, caplog
):
    assert pipeline.run(bigquery=False) == _all("reconciled")
    with caplog.at_level("INFO", logger="nyc_tlc.jobs.trips"):
        assert pipeline.run(bigquery=False) == _all("unchanged")
    assert "skipped: BIGQUERY_DATASET is not set" in caplog.text
    # From what is published: nothing is read again, judged again or sent to Postgres again.
    for step in ("conform", "load", "publish"):
        monkeypatch.setattr(f"nyc_tlc.jobs.trips.{step}", _dies(step))
    assert pipeline.run() == _all("reconciled")
    assert pipeline.in_bigquery() == [400, 300]
    assert pipeline.run() == _all("unchanged")


def _dies(before: str, after: Callable | None = None) -> Callable:
    def die(*given: object, **named: object) -> None:
        if after is not None:
            after(*given, **named)
        raise KeyboardInterrupt(before)

    return die


KILLS = {
    "before a job": ("google.cloud.bigquery.Client.load_table_from_uri", False),
    "after a job began": ("google.cloud.bigquery.Client.load_table_from_uri", True),
    "after the jobs": ("nyc_tlc.steps.load_from_lake.is_in_place", False),
    "after the record": ("nyc_tlc.steps.load_from_lake.replace", False),
    "before the proof is recorded": ("nyc_tlc.steps.reconcile.mark_reconciled", False),
    "after it is, here and not in Postgres": ("nyc_tlc.steps.reconcile.mark_reconciled", True),
}


@pytest.mark.parametrize(("moment", "carried_out"), KILLS.values(), ids=KILLS)
def test_run_killed_at_any_point_is_repaired_by_the_next(
    pipeline, monkeypatch, moment, *, carried_out
):
    pipeline.run()
    pipeline.revise()
    with monkeypatch.context() as patch:
        patch.setattr(moment, _dies(moment, pkgutil.resolve_name(moment) if carried_out else None))
        with pytest.raises(KeyboardInterrupt):
            pipeline.run()
    assert pipeline.run() == REVISED
    assert pipeline.in_bigquery() == [500, 300]
    assert pipeline.run() == _all("unchanged")


def test_rows_that_somebody_removed_are_found_by_the_proof(pipeline, monkeypatch):
    """The load did its work; before the proof somebody deletes rows."""
    count = BigQueryWarehouse.count

    def after_deleting(warehouse: BigQueryWarehouse, partition: Partition) -> object:
        table = f"`{warehouse.address}.green`"
        warehouse._client.query(f"DELETE FROM {table} WHERE source_row < 10").result()
        return count(warehouse, partition)

    with monkeypatch.context() as patch:
        patch.setattr(BigQueryWarehouse, "count", after_deleting)
        with pytest.raises(PartitionsFailedError, match=r"BigQuery \(.*\) holds 3\d\d accepted"):
            pipeline.run()
    assert all(record["reconciled_at"] is None for record in pipeline.records())
    assert pipeline.run(force=True) == _all("reconciled")
    assert pipeline.in_bigquery() == [400, 300]


def test_connection_is_proved(pipeline, monkeypatch):
    for name, value in pipeline.settings.model_dump(exclude_none=True).items():
        monkeypatch.setenv(name.upper(), str(value))
    dataset, lake = pipeline.settings.bigquery_dataset, pipeline.settings.lake_url
    answer = f"BigQuery answers: emulated.{dataset} in US, loaded from {lake}"
    assert check_bigquery() == answer
    monkeypatch.setenv("BIGQUERY_DATASET", "")
    assert check_bigquery() == "BigQuery skipped: BIGQUERY_DATASET is not set"
