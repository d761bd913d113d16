"""The short form of `make chaos`: what is killed, broken and lost, on servers of its own."""

from contextlib import closing
from pathlib import Path

import pytest

from qa.chaos.faults import faults, run_faults
from qa.chaos.kills import run_kills, run_random_kills
from qa.chaos.losses import run_losses
from qa.chaos.mage_kills import run_mage_kills
from qa.chaos.two_versions import Trial, TwoVersions
from qa.chaos.world import World

_FAULTS = (
    "Postgres: connection reset in the midst of a COPY",
    "GCS: a copy: done, but the answer is lost",
    "source: broke off before its Content-Length",
    "source: gzip on top",
    "BigQuery: a job: done, but the answer is lost",
)


@pytest.fixture(scope="module")
def month(world: World) -> TwoVersions:
    # Short, and so loaded in one part; `make chaos` has months of two.
    return TwoVersions(world, rows=25_000)


def problems(trials: list[Trial]) -> list[str]:
    return [f"{trial.what}: {problem}" for trial in trials for problem in trial.problems]


def test_a_killed_run_leaves_the_old_month_or_the_new_one_and_the_next_repairs_it(
    month: TwoVersions,
):
    trials = run_kills(month, most=3, tell=print)
    assert problems(trials) == []
    assert sum(trial.reached for trial in trials) >= 2


def test_a_run_killed_at_any_moment_is_repaired_and_so_is_mage_run(month: TwoVersions):
    trials = [
        *run_random_kills(month, times=1, tell=print),
        *run_mage_kills(month, times=1, tell=print),
    ]
    assert problems(trials) == []
    assert all(trial.reached for trial in trials)


def test_a_fault_is_absorbed_or_refused_in_words(month: TwoVersions):
    chosen = [fault for fault in faults() if f"{fault.of}: {fault.what}" in _FAULTS]
    trials = run_faults(month, chosen, print)
    assert problems(trials) == []
    assert len(trials) == len(_FAULTS)
    assert all(trial.reached for trial in trials)


def test_lost_stores_are_rebuilt_from_the_lake(month: TwoVersions):
    trials = run_losses(month, print)
    assert problems(trials) == []


def test_what_is_left_would_be_noticed(world: World, month: TwoVersions):
    stores = world.stores
    assert stores.orphans() == []
    stores.sql("CREATE TABLE tlc.green_2024_01_new ()")
    Path(stores.environment["TLC_WORK_DIR"], "green.parquet.part").touch()
    with closing(stores.connect()) as session, session.cursor() as cursor:
        cursor.execute("SET application_name = 'nyc_tlc'; SELECT pg_advisory_lock(1, 2)")
        kinds = [orphan.partition(":")[0] for orphan in stores.orphans(patience=0.1)]
    assert kinds == ["session or lock", "table", "file"]


def test_a_torn_month_would_be_noticed(month: TwoVersions):
    one_row = "source_row = 7 AND source_month = '2024-01-01'"
    month.world.stores.sql(f"DELETE FROM tlc.green WHERE {one_row}")
    next(month.world.stores.blobs("trips/service=green/year=2024/month=01/")).upload_from_string("")
    problems = list(month.torn())
    assert any("Postgres shows" in problem for problem in problems)
    assert any("the lake's trips are of neither" in problem for problem in problems)
