"""The numbers that stand for several runs."""

import pytest

from qa.benchmarks import summary
from qa.benchmarks.run import Outcome, Run


def _run(seconds: float, process: float, peak: float = 100.0, other: float = 0.0) -> Run:
    return Run(seconds, process, client_cpu=2.0, server_cpu=4.0, other_cpu=other, peak_mb=peak,
               steps={"land": seconds / 4, "load": seconds / 2})  # fmt: skip


WHOLE = Outcome("a", "A", rows=6_000, runs=(_run(4, 5), _run(2, 3, peak=130), _run(3, 4)))
TENTH = Outcome("b", "B", rows=600, share=0.1, runs=(_run(4, 5), _run(2, 3), _run(3, 4)))


def test_seconds_are_the_median_and_the_fastest_is_the_minimum():
    assert (summary.seconds(WHOLE), summary.fastest(WHOLE)) == (3, 2)


def test_a_part_of_the_rows_is_scaled_up_but_not_the_start_of_the_process_nor_the_memory():
    assert summary.seconds(TENTH) == pytest.approx(30)
    assert summary.whole_process(TENTH) == pytest.approx(31)
    assert summary.client_cpu(TENTH) == pytest.approx(20)
    assert summary.peak(TENTH) == 100


def test_the_pace_is_that_of_the_rows_really_loaded():
    assert summary.rows_per_second(WHOLE) == pytest.approx(2_000)
    assert summary.rows_per_second(TENTH) == pytest.approx(200)
    assert summary.microseconds_per_row(WHOLE) == pytest.approx(500)


def test_the_peak_is_that_of_the_worst_run():
    assert summary.peak(WHOLE) == 130


def test_steps_have_medians_of_their_own():
    assert summary.steps(WHOLE) == {"land": 0.75, "load": 1.5}
    assert summary.steps(Outcome("c", "C")) == {}


def test_other_work_is_averaged_over_all_runs():
    disturbed = Outcome("d", "D", runs=(_run(1, 10, other=5), _run(1, 10)))
    assert summary.other_cores([disturbed]) == pytest.approx(0.25)
    assert summary.other_cores([]) == 0
