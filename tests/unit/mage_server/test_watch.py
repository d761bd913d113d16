"""What Mage's scheduler misses is taken up in its next round; what it cancels is told."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ports.scripted_http import Answer, serve

PROGRAM = """
import os, time
os.environ["MAGE_DATA_DIR"] = {folder!r}
from mage_ai.orchestration.queue.process_queue import ProcessQueue
from mage_ai.orchestration.queue.config import QueueConfig
from mage_server import watch

if {awake}:
    watch._EndedRuns.tell = lambda _: None
    watch.watch_scheduler()
queue = ProcessQueue(QueueConfig.load(config={{"queue_type": "process", "concurrency": 1}}))
# As `enqueue` leaves it where the pool seemed alive and was about to end:
queue.queue.put(["job", open, [{file!r}, "w"], {{}}])
queue.job_dict["job"] = "queued"
while queue.queue.empty():  # a thread hands the job over
    time.sleep(0.01)
deadline = time.monotonic() + ({awake} and 60 or 2)
while not os.path.exists({file!r}) and time.monotonic() < deadline:
    if not queue.queue.empty():  # else Mage may forget a job between its worker's first two steps
        queue.clean_up_jobs()
    time.sleep(0.1)
queue.queue.cancel_join_thread()
"""


@pytest.mark.parametrize("awake", [True, False])
def test_a_missed_job_is_taken_up_but_not_by_mage_itself(tmp_path, awake):
    """When this fails for False, Mage has fixed it, and `_wake_workers` can go."""
    file = tmp_path / "done"
    program = PROGRAM.format(folder=str(tmp_path), file=str(file), awake=awake)
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=180)
    assert file.exists() is awake


LOST = """
import multiprocessing, os, signal, sys, time
from mage_ai.orchestration.queue.process_queue import ProcessQueue
from mage_ai.orchestration.queue.config import QueueConfig
from mage_ai.server.scheduler_manager import scheduler_manager
from mage_server.watch import watch_scheduler

def scheduler():
    queue = ProcessQueue(QueueConfig.load(config={"queue_type": "process", "concurrency": 1}))
    os.kill(queue.mp_manager._process.pid, signal.SIGKILL)
    time.sleep(60)

watch_scheduler()
own = multiprocessing.Process(target=scheduler)
own.start()
own.join()
queue = ProcessQueue(QueueConfig.load(config={"queue_type": "process", "concurrency": 1}))
shared = scheduler_manager.scheduler_process = multiprocessing.Process(target=time.sleep, args=[60])
shared.start()
os.kill(queue.mp_manager._process.pid, signal.SIGKILL)
shared.join()
queue.job_dict["job"] = "queued"
print(own.exitcode, shared.exitcode, dict(queue.job_dict))
"""


def test_a_lost_list_of_jobs_is_made_anew_and_its_scheduler_ended(tmp_path):
    """Mage's server starts an ended scheduler again; one that lives on in vain it leaves alone."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOST],
        env={**os.environ, "MAGE_DATA_DIR": str(tmp_path)},
        stdout=subprocess.PIPE, text=True, check=True, timeout=180,
    )  # fmt: skip
    killed = -signal.SIGKILL
    assert done.stdout.splitlines()[-1] == f"{killed} {killed} {{'job': 'queued'}}"


ENDED = """
import sys, threading, time
from mage_ai.settings.repo import set_repo_path
set_repo_path(sys.argv[1])
from mage_ai.orchestration.db.database_manager import database_manager
database_manager.run_migrations()
from mage_ai.orchestration.db import db_connection
db_connection.start_session()
from mage_ai.orchestration.db.models.schedules import BlockRun, PipelineRun
from mage_server.watch import _EndedRuns
from sqlalchemy.exc import OperationalError

runs = [PipelineRun.create(pipeline_uuid="tlc_trips", create_block_runs=False) for _ in range(4)]
runs[0].update(status="cancelled")
ended = _EndedRuns()
ended.tell()
runs[1].update(status="cancelled")
runs[2].update(status="failed")
BlockRun.create(block_uuid="land_trips", pipeline_run_id=runs[3].id, status="failed")
BlockRun.create(block_uuid="of no run", status="failed")
query, ended._ended = ended._ended, lambda: (_ for _ in ()).throw(OperationalError("", {}, "away"))
ended.tell()  # as Mage's database is away for a moment: the round goes on
ended._ended = query
runs[3].update(status="failed")
for _ in range(3):
    ended.tell()
for thread in threading.enumerate():
    if thread is not threading.current_thread():
        thread.join(60)
"""


def test_a_run_that_ends_without_a_failing_block_is_told_once(tmp_path):
    project = Path(__file__).parents[3] / "mage_project"
    with serve(lambda _request: Answer(200, {}, b"ok")) as channel:
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", ENDED, project],
            check=True, timeout=180,
            env={
                **os.environ, "MAGE_DATA_DIR": str(tmp_path),
                "TLC_ALERT_SLACK_WEBHOOK": channel.url,
                "POSTGRES_HOST": "x", "POSTGRES_DBNAME": "x", "POSTGRES_USER": "x",
                "POSTGRES_PASSWORD": "x", "LAKE_URL": tmp_path.as_uri(),
            },
        )  # fmt: skip
    (told,) = channel.requests
    assert re.findall(rb"run (\d) of tlc_trips was ended", told.body) == [b"2", b"3"]
