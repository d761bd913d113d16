"""The short form of `make chaos`: what is killed, broken and lost, on servers of its own."""

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from qa.chaos.crowd import run_crowd
from qa.chaos.faults import http_faults, run_faults
from qa.chaos.kills import run_kills, run_mage_kills, run_random_kills
from qa.chaos.losses import run_losses
from qa.chaos.postgres_faults import POSTGRES_FAULTS
from qa.chaos.report import PAGE, read_results, render
from qa.chaos.trials import TwoVersions
from qa.chaos.world import World, temporary_world

_FAULTS = {
    "Postgres: connection reset during a COPY",
    "GCS: a copy: done, but the answer is lost",
    "source: broke off before its Content-Length",
    "source: gzip on top",
    "BigQuery: a job: done, but the answer is lost",
}
_CHOSEN = [fault for fault in (*POSTGRES_FAULTS, *http_faults()) if str(fault) in _FAULTS]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with temporary_world() as opened:
        yield opened


@pytest.fixture(scope="module")
def month(world) -> TwoVersions:
    # Short, and so loaded in one part; `make chaos` has months of two.
    return TwoVersions(world, rows=25_000)


@pytest.mark.parametrize(
    ("run", "most", "reached"),
    [
        pytest.param(partial(run_kills, most=3), 3, 2, id="at a boundary"),
        pytest.param(partial(run_random_kills, times=1), 1, 1, id="at any moment"),
        pytest.param(partial(run_mage_kills, times=1), 1, 1, id="mage run"),
        pytest.param(partial(run_faults, chosen=_CHOSEN), 5, 5, id="faults"),
        pytest.param(run_losses, 3, 2, id="lost stores"),
        pytest.param(partial(run_crowd, processes=3, seconds=6, months=2), 1, 1, id="crowd"),
    ],
)
def test_a_disturbed_run_leaves_one_version_and_the_next_run_repairs_it(month, run, most, reached):
    trials = run(month)
    assert [str(trial) for trial in trials if trial.problems] == []
    assert reached <= sum(trial.reached for trial in trials) <= most


def test_what_is_left_would_be_noticed(world, month):
    stores = world.stores
    assert stores.orphans() == []
    stores.sql("CREATE TABLE tlc.green_2024_01_new ()")
    Path(stores.environment["TLC_WORK_DIR"], "green.parquet.part").touch()
    with closing(stores.connect()) as session, session.cursor() as cursor:
        cursor.execute("SET application_name = 'nyc_tlc'; SELECT pg_advisory_lock(1, 2)")
        kinds = [orphan.partition(":")[0] for orphan in stores.orphans(patience=0.1)]
    assert kinds == ["session or lock", "table", "file"]


def test_a_torn_month_would_be_noticed(month):
    one_row = "source_row = 7 AND source_month = '2024-01-01'"
    month.world.stores.sql(f"DELETE FROM tlc.green WHERE {one_row}")
    next(month.world.stores.blobs("trips/service=green/year=2024/month=01/")).upload_from_string("")
    problems = list(month.torn())
    assert any("Postgres shows neither" in problem for problem in problems)
    assert any("the lake's trips shows neither" in problem for problem in problems)


def test_the_full_run_was_as_large_as_promised_and_found_nothing():
    trials = {
        suite: [trial for trial in result["trials"] if trial["reached"]]
        for suite, result in read_results().items()
    }
    assert not [trial for kept in trials.values() for trial in kept if trial["problems"]]
    assert len(trials["kills"]) >= 300
    assert len({trial["what"] for trial in trials["faults"]}) >= 60
    assert PAGE.read_text("utf-8") == render()
