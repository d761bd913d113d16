"""The short form of `make chaos`: many runs at once, and a process that stays."""

from qa.chaos.crowd import run_crowd
from qa.chaos.soak import GAUGES, run_soak
from qa.chaos.world import World


def test_of_many_runs_at_once_readers_see_complete_months_only(world: World):
    (trial,) = run_crowd(world, processes=3, seconds=6, months=2)
    assert trial.problems == ()


def test_loads_by_a_process_that_stays_and_by_the_scheduler_are_measured(world: World):
    work, *gauges = run_soak(world, seconds=6)
    assert work.problems == ()
    assert "by the process that stays" in work.outcome
    # Whether they have grown shows in an hour only.
    assert [gauge.what for gauge in gauges] == list(GAUGES)
