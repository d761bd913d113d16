"""A job that Mage's pool of workers missed is taken up in the scheduler's next round."""

import subprocess
import sys
from pathlib import Path

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
deadline = time.monotonic() + 10
time.sleep(0.5)
while not os.path.exists({file!r}) and time.monotonic() < deadline:
    queue.clean_up_jobs()
    if not {awake} and time.monotonic() > deadline - 8:
        break
    time.sleep(0.1)
queue.queue.cancel_join_thread()
"""


def run(folder: Path, *, awake: bool) -> bool:
    file = folder / "done"
    program = PROGRAM.format(folder=str(folder), file=str(file), awake=awake)
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=60)
    return file.exists()


def test_a_missed_job_is_taken_up(tmp_path):
    assert run(tmp_path, awake=True)


def test_mage_by_itself_leaves_it(tmp_path):
    """When this fails, Mage has mended it and mage_server/worker_pool.py can go."""
    assert not run(tmp_path, awake=False)
