"""The few numbers that stand for the runs of a case."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from qa.benchmarks.run import Outcome


def seconds(outcome: Outcome) -> float:
    """Median of the work itself, for all rows of the study."""
    return median(run.seconds for run in outcome.runs) / outcome.share


def fastest(outcome: Outcome) -> float:
    return min(run.seconds for run in outcome.runs) / outcome.share


def whole_process(outcome: Outcome) -> float:
    """Median of the whole process; what does not grow with the rows is not scaled up."""
    start = median(run.process - run.seconds for run in outcome.runs)
    return start + seconds(outcome)


def client_cpu(outcome: Outcome) -> float:
    return median(run.client_cpu for run in outcome.runs) / outcome.share


def server_cpu(outcome: Outcome) -> float:
    return median(run.server_cpu for run in outcome.runs) / outcome.share


def peak(outcome: Outcome) -> float:
    """Megabytes that every run stayed within; of the rows really loaded, never scaled."""
    return max(run.peak_mb for run in outcome.runs)


def other_cores(outcomes: Iterable[Outcome]) -> float:
    """Cores that other work kept busy during the runs, on average."""
    runs = [run for outcome in outcomes for run in outcome.runs]
    wall = sum(run.process for run in runs)
    return sum(run.other_cpu for run in runs) / wall if wall else 0.0


def rows_per_second(outcome: Outcome) -> float:
    return outcome.rows / outcome.share / seconds(outcome)


def microseconds_per_row(outcome: Outcome) -> float:
    return 1e6 / rows_per_second(outcome)


def steps(outcome: Outcome) -> dict[str, float]:
    """Median seconds of each part of the work; empty where the program does not say."""
    names = outcome.runs[0].steps if outcome.runs else ()
    return {name: median(run.steps[name] for run in outcome.runs) for name in names}
