"""Restarts Mage's pool of worker processes where Mage forgets to."""


def keep_awake() -> None:
    """Start the pool again while jobs wait and it is gone.

    Mage 0.9.80 starts its pool when a job is put into the queue and no pool is alive; a pool
    without work ends within a second, so it does between any two blocks. A job that comes while
    the pool is on its way out finds it alive and then waits for whoever puts the next one: a
    retried block was seen to wait four minutes on a busy machine, and would have waited until the
    next run. The scheduler calls ``clean_up_jobs`` at the end of each of its rounds.
    """
    from mage_ai.orchestration.queue.process_queue import ProcessQueue

    clean_up_jobs = ProcessQueue.clean_up_jobs

    def clean_up_and_wake(queue: ProcessQueue) -> None:
        clean_up_jobs(queue)
        if not queue.queue.empty() and not queue.is_worker_pool_alive():
            queue.start_worker_pool()

    ProcessQueue.clean_up_jobs = clean_up_and_wake
