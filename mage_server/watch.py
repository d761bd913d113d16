"""Watches over Mage's scheduler: what it forgets is taken up, what it drops is told."""

import logging
import multiprocessing
import os
import signal
import threading
from multiprocessing.context import BaseContext
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from nyc_tlc.jobs.alerts import tell_of_ended_runs

if TYPE_CHECKING:
    from mage_ai.orchestration.queue.process_queue import ProcessQueue

_logger = logging.getLogger(__name__)


def watch_scheduler() -> None:
    """Mend what Mage 0.9.80 keeps silent about, in what becomes its server or its scheduler.

    The scheduler calls ``clean_up_jobs`` of its queue after each round.
    """
    from mage_ai.orchestration.queue.process_queue import ProcessQueue
    from mage_ai.server.scheduler_manager import SchedulerManager

    start, context = SchedulerManager.start_scheduler, multiprocessing.get_context()
    make, clean_up_jobs = ProcessQueue.__init__, ProcessQueue.clean_up_jobs
    ended = _EndedRuns()

    def start_as_before(manager: SchedulerManager, **options: bool) -> None:
        # Mage sets "spawn" for all later processes: of a scheduler started again, each block would
        # begin by importing Mage, and months that took 17 s took two minutes.
        multiprocessing.set_start_method(context.get_start_method(), force=True)
        start(manager, **options)

    def make_watched(queue: "ProcessQueue", *arguments: object) -> None:
        make(queue, *arguments)
        threading.Thread(target=_keep_manager, args=(queue, context), daemon=True).start()

    def clean_up_watched(queue: "ProcessQueue") -> None:
        clean_up_jobs(queue)
        _wake_workers(queue)
        ended.tell()

    SchedulerManager.start_scheduler = start_as_before
    ProcessQueue.__init__, ProcessQueue.clean_up_jobs = make_watched, clean_up_watched


def _keep_manager(queue: "ProcessQueue", context: BaseContext) -> None:
    """Replace the process that holds the list of jobs when it is gone, and the scheduler with it.

    Without that list every round of the scheduler fails, for ever, while it seems to be alive and
    the runs say ``running``. Server and scheduler share the list: the server makes a new one, and
    starts an ended scheduler again within 20 s. That one takes up the blocks that have no job.
    """
    from mage_ai.server.scheduler_manager import scheduler_manager

    while True:
        holder = queue.mp_manager._process  # noqa: SLF001 - has no public name
        holder.join()
        if not threading.main_thread().is_alive():  # this process ends, and it with it
            return
        _logger.error("the scheduler's list of jobs is lost: both are made anew")
        if multiprocessing.parent_process() is not None:  # a scheduler that has made its own
            os.kill(os.getpid(), signal.SIGKILL)  # an exit would wait for the workers
        queue.mp_manager = context.Manager()
        queue.job_dict = queue.mp_manager.dict()
        if scheduler_manager.is_alive:
            scheduler_manager.scheduler_process.kill()


def _wake_workers(queue: "ProcessQueue") -> None:
    """Start the pool of workers again while jobs wait and it is gone.

    Mage starts its pool when a job is put into the queue and no pool is alive; a pool without work
    ends within a second, so it does between any two blocks. A job that comes while the pool is on
    its way out finds it alive and then waits for whoever puts the next one: a retried block was
    seen to wait four minutes on a busy machine, and would have waited until the next run.
    """
    if not queue.queue.empty() and not queue.is_worker_pool_alive():
        queue.start_worker_pool()


class _EndedRuns:
    """Tells of runs that ended without a failing block: no callback of theirs is called.

    Mage cancels every run when the machine's memory is 95 % used, one that its trigger's settings
    leave out, and those that a user cancels; and it fails a run that it cannot start.
    """

    def __init__(self) -> None:
        self._known: set[int] | None = None

    def tell(self) -> None:
        from mage_ai.orchestration.db import db_connection

        try:
            runs = self._ended()
        except SQLAlchemyError as error:
            # Mage would end its scheduler, and every job with it, for an error in this place.
            db_connection.session.rollback()
            _logger.warning("ended runs were not looked for", exc_info=error)
            return
        new = {} if self._known is None else {id_: runs[id_] for id_ in runs.keys() - self._known}
        self._known = set(runs)
        if new:
            # Not here: a webhook that does not answer would hold up every other run.
            threading.Thread(target=tell_of_ended_runs, args=(new,), daemon=True).start()

    def _ended(self) -> dict[int, str]:
        """The pipeline of each, by the number of the run."""
        from mage_ai.orchestration.db.models.schedules import BlockRun, PipelineRun

        of_run, of_block = PipelineRun.PipelineRunStatus, BlockRun.BlockRunStatus
        failing = BlockRun.query.filter(
            BlockRun.status == of_block.FAILED, BlockRun.pipeline_run_id.is_not(None)
        )
        query = PipelineRun.query.filter(
            PipelineRun.status.in_((of_run.CANCELLED, of_run.FAILED)),
            PipelineRun.id.not_in(failing.with_entities(BlockRun.pipeline_run_id)),
        )
        return {run.id: run.pipeline_uuid for run in query}
