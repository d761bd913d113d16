"""The short form of `make chaos`: a sample of every suite, on servers of its own."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.boundaries import FailPoint
from chaos.crowd import run_crowd
from chaos.faults import faults, run_faults
from chaos.kills import run_kills
from chaos.losses import run_losses
from chaos.report import report
from chaos.two_versions import Trial, TwoVersions
from chaos.world import World, open_world

_FAULTS = (
    "Postgres: connection reset in the midst of a COPY",
    "GCS: a copy: done, but the answer is lost",
    "source: broke off before its Content-Length",
    "source: gzip on top",
)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    # pytest's own folders are closed to others; here root's server account can enter.
    folder = Path(tempfile.mkdtemp(prefix="nyc-tlc-chaos-"))
    folder.chmod(0o755)
    try:
        with open_world(folder / "world") as opened:
            yield opened
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def month(world: World) -> TwoVersions:
    return TwoVersions(world)


def problems(trials: list[Trial]) -> list[str]:
    return [f"{trial.what}: {problem}" for trial in trials for problem in trial.problems]


def test_a_killed_run_leaves_the_old_month_or_the_new_one_and_the_next_repairs_it(
    month: TwoVersions,
):
    trials = run_kills(month, most=3, tell=print)
    assert problems(trials) == []
    assert sum(trial.reached for trial in trials) >= 2


def test_a_fault_is_absorbed_or_refused_in_words(month: TwoVersions):
    chosen = [fault for fault in faults() if f"{fault.of}: {fault.what}" in _FAULTS]
    trials = run_faults(month, chosen, print)
    assert problems(trials) == []
    assert len(trials) == len(_FAULTS)
    assert all(trial.reached for trial in trials)


def test_of_many_runs_at_once_readers_see_whole_months_only(world: World):
    (trial,) = run_crowd(world, processes=3, seconds=6, tell=print)
    assert trial.problems == ()


def test_lost_stores_are_rebuilt_from_the_lake(month: TwoVersions):
    trials = run_losses(month, print)
    assert problems(trials) == []


def test_a_torn_month_would_be_noticed(month: TwoVersions):
    one_row = "source_row = 7 AND source_month = '2024-01-01'"
    month.world.stores.sql(f"DELETE FROM tlc.green WHERE {one_row}")
    assert any("Postgres shows" in problem for problem in month.torn())


def test_the_report_tells_what_was_found():
    good = Trial("kill", str(FailPoint("step: land", 1, "before")), "killed", ())
    bad = Trial("GCS", "a copy | lost", "absorbed", ("a row is gone",), said="x failed:\n  why")
    results = {
        "kills": {"date": "d", "commit": "c", "trials": [vars(good)]},
        "faults": {"date": "d", "commit": "c", "trials": [vars(bad)]},
    }
    text = report(results)
    assert "| step: land | 1 | repaired |" in text
    assert "| GCS | a copy \\| lost | a row is gone | why |" in text
    assert "| Servers and networks that fail | 1 | 1 | 1 |" in text
