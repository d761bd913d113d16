"""The pipeline in a process that a trial may kill: forked from one that has imported everything."""

import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from signal import SIGKILL

from embedded.stack import CHECKOUT
from nyc_tlc.adapters.bigquery import warehouse as bigquery  # noqa: F401 - once, not in every run
from nyc_tlc.adapters.lake import gcs  # noqa: F401 - once, not in every run
from nyc_tlc.adapters.postgres import month_table
from nyc_tlc.adapters.source import cdn  # noqa: F401 - once, not in every run
from nyc_tlc.core.catalog.selection import parse_months, parse_services, partitions
from nyc_tlc.core.errors import PipelineError
from nyc_tlc.core.month import Month
from nyc_tlc.jobs.trips import Trips
from nyc_tlc.settings import Settings
from qa.chaos.boundaries import FailPoint, Watch

_LAST = Month(2026, 12)
_PARTS_FROM = 100_000
"""Rows: the months of most trials are short, but are to be loaded in parts."""
_LONGEST_RUN = 300.0
"""Seconds: a run that waits for something that never comes must not end the trials."""


@dataclass(frozen=True)
class Order:
    """One run of the pipeline.

    Attributes:
        fail_point: Where the process is to die; None to let it live.
        kill_after: Seconds after which it is killed, wherever it is; None to let it live.
    """

    service: str
    months: str
    force: bool = False
    fail_point: FailPoint | None = None
    kill_after: float | None = None


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    Attributes:
        signal: That killed it; 0 if none did.
        error: What it said; empty if it succeeded.
        statuses: Of every month, if it succeeded.
        passed: Boundaries and how often each was passed; empty if it was killed.
    """

    signal: int
    error: str
    statuses: Mapping[str, str]
    passed: Mapping[str, int]


def pipeline_process(environment: Mapping[str, str], log: Path) -> ProcessPoolExecutor:
    """A process that has imported the pipeline; submit it ``run``, one order after the other."""
    return ProcessPoolExecutor(
        1, get_context("spawn"), initializer=_settle, initargs=(dict(environment), log)
    )


def run(order: Order) -> Ending:
    """Run the pipeline once, in a fork of this process, to its end or its death."""
    answers, answer = Pipe(duplex=False)
    child = get_context("fork").Process(target=_answer, args=(order, answer))
    child.start()
    # The child's copy is the only one now: with its death the pipe ends.
    answer.close()
    with answers:
        in_time = answers.poll(order.kill_after or _LONGEST_RUN)
        if not in_time:
            child.kill()
        child.join()
        if child.exitcode == 0:
            ending: Ending = answers.recv()
            return ending
    if (child.exitcode or 0) > 0:
        raise RuntimeError("the trial itself failed; pipeline.log says why")
    endless = not (in_time or order.kill_after)
    said = f"it had not ended after {_LONGEST_RUN:.0f} s, and was killed" if endless else ""
    return Ending(-(child.exitcode or -SIGKILL), said, {}, {})


def _settle(environment: Mapping[str, str], log: Path) -> None:
    """Give this process the pipeline's environment and log, which its forks inherit."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(CHECKOUT)
    with log.open("a") as kept:
        os.dup2(kept.fileno(), 1)
        os.dup2(kept.fileno(), 2)
    month_table._WORTH_PARTS = _PARTS_FROM  # noqa: SLF001 - there is no setting


def _answer(order: Order, answer: Connection) -> None:
    watch = Watch(order.fail_point, Settings.load().tlc_work_dir)
    watch.install()
    months = parse_months(order.months, latest=_LAST)
    chosen = partitions(parse_services(order.service), months, current=_LAST)
    error, statuses = "", {}
    try:
        trips = Trips.open()
        done = trips.load(trips.land(chosen, force=order.force))
        statuses = {str(row.partition): row.status.value for row in done}
    except PipelineError as failed:
        error = str(failed)
    answer.send(Ending(0, error, statuses, dict(watch.passed)))
