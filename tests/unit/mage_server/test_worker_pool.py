"""A job that Mage's pool of workers missed is taken up in the scheduler's next round."""

import subprocess
import sys

import pytest

PROGRAM = """
import os, time
os.environ["MAGE_DATA_DIR"] = {folder!r}
from mage_ai.orchestration.queue.process_queue import ProcessQueue
from mage_ai.orchestration.queue.config import QueueConfig
from mage_server.worker_pool import keep_awake

if {awake}:
    keep_awake()
queue = ProcessQueue(QueueConfig.load(config={{"queue_type": "process", "concurrency": 1}}))
# As `enqueue` leaves it where the pool seemed alive and was about to end:
queue.queue.put(["job", open, [{file!r}, "w"], {{}}])
queue.job_dict["job"] = "queued"
while queue.queue.empty():  # a thread hands the job over
    time.sleep(0.01)
deadline = time.monotonic() + ({awake} and 60 or 2)
while not os.path.exists({file!r}) and time.monotonic() < deadline:
    queue.clean_up_jobs()
    time.sleep(0.1)
queue.queue.cancel_join_thread()
"""


@pytest.mark.parametrize("awake", [True, False])
def test_a_missed_job_is_taken_up_but_not_by_mage_itself(tmp_path, awake):
    """When this fails for False, Mage has fixed it, and mage_server/worker_pool.py can go."""
    file = tmp_path / "done"
    program = PROGRAM.format(folder=str(tmp_path), file=str(file), awake=awake)
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=180)
    assert file.exists() is awake
