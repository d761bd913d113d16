"""Watches over Mage's scheduler: what it forgets is taken up, what it drops is told."""

import logging
import os
import signal
import threading
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from nyc_tlc.jobs.alerts import tell_of_cancelled_runs

if TYPE_CHECKING:
    from mage_ai.orchestration.queue.process_queue import ProcessQueue

_logger = logging.getLogger(__name__)


def watch_scheduler() -> None:
    """Mend three silences of Mage 0.9.80, in whatever process becomes its scheduler.

    The scheduler calls ``start`` of its queue once, and ``clean_up_jobs`` after each round.
    """
    from mage_ai.orchestration.queue.process_queue import ProcessQueue

    start, clean_up_jobs = ProcessQueue.start, ProcessQueue.clean_up_jobs
    cancelled = _CancelledRuns()

    def start_watched(queue: "ProcessQueue") -> None:
        start(queue)
        threading.Thread(target=_end_with_manager, args=(queue,), daemon=True).start()

    def clean_up_watched(queue: "ProcessQueue") -> None:
        clean_up_jobs(queue)
        _wake_workers(queue)
        cancelled.tell()

    ProcessQueue.start, ProcessQueue.clean_up_jobs = start_watched, clean_up_watched


def _end_with_manager(queue: "ProcessQueue") -> None:
    """End the scheduler when the process that holds its list of jobs is gone.

    Without that list every round fails, for ever, while the scheduler seems to be alive and the
    runs say ``running``. Mage's server starts an ended scheduler again, within 20 s; that one takes
    up the blocks for which it has no job.
    """
    wait([queue.mp_manager._process.sentinel])  # noqa: SLF001 - has no public name
    _logger.error("the scheduler's list of jobs is lost: it was ended, and is started again")
    os.kill(os.getpid(), signal.SIGKILL)  # an exit would wait for the workers


def _wake_workers(queue: "ProcessQueue") -> None:
    """Start the pool of workers again while jobs wait and it is gone.

    Mage starts its pool when a job is put into the queue and no pool is alive; a pool without work
    ends within a second, so it does between any two blocks. A job that comes while the pool is on
    its way out finds it alive and then waits for whoever puts the next one: a retried block was
    seen to wait four minutes on a busy machine, and would have waited until the next run.
    """
    if not queue.queue.empty() and not queue.is_worker_pool_alive():
        queue.start_worker_pool()


class _CancelledRuns:
    """Tells of runs that were cancelled: no callback of theirs is called.

    Mage cancels every run when the machine's memory is 95 % used, one that its trigger's settings
    leave out, and those that a user cancels.
    """

    def __init__(self) -> None:
        self._known: set[int] | None = None

    def tell(self) -> None:
        from mage_ai.orchestration.db.models.schedules import PipelineRun

        query = PipelineRun.query.filter(
            PipelineRun.status == PipelineRun.PipelineRunStatus.CANCELLED
        )
        runs = {run.id: run.pipeline_uuid for run in query}
        new = {} if self._known is None else {id_: runs[id_] for id_ in runs.keys() - self._known}
        self._known = set(runs)
        if new:
            # Not here: a webhook that does not answer would hold up every other run.
            threading.Thread(target=tell_of_cancelled_runs, args=(new,), daemon=True).start()
