"""What Mage keeps of its runs is removed by its age, not by the date that a run is about."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mage_server.retention import clear_expired

DAY = 86_400.0


def kept_run(kept: Path, folder: str, partition: str, *, days_ago: float) -> Path:
    """Outputs of a run as Mage lays them: trigger, run, block, output."""
    run = kept / "tlc_trips" / folder / "7" / partition
    output = run / "land_trips" / "output_0" / "data.json"
    output.parent.mkdir(parents=True)
    output.write_text("{}")
    written = time.time() - days_ago * DAY
    for path in (output, *output.parents):
        if path.is_relative_to(run):
            os.utime(path, (written, written))
    return run


@pytest.mark.parametrize("folder", [".variables", ".logs"])
def test_runs_older_than_the_retention_are_removed(tmp_path, folder):
    old = kept_run(tmp_path, folder, "20260101T000000", days_ago=91)
    # Mage 0.9.80 itself would take the backfill: it compares the name, which is the month's date.
    kept = [kept_run(tmp_path, folder, f"{year}1101T000000", days_ago=89) for year in (2009, 2026)]
    assert clear_expired(tmp_path, folder, 90 * DAY, time.time()) == 1
    assert [run.exists() for run in (old, *kept)] == [False, True, True]


def test_a_run_that_still_writes_is_kept_complete_and_what_is_of_no_run_is_left_alone(tmp_path):
    """`mage run` has one folder for each block, which the next run overwrites."""
    run = kept_run(tmp_path, ".variables", "20260101T000000", days_ago=91)
    (run / "conform_trips").mkdir()
    output = tmp_path / "tlc_trips" / ".variables" / "land_trips" / "output_0"
    output.mkdir(parents=True)
    os.utime(output, (0, 0))
    assert clear_expired(tmp_path, ".variables", 90 * DAY, time.time()) == 0
    assert output.exists()


PROGRAM = """
import os, sys, time
from mage_ai.settings.repo import set_repo_path
set_repo_path(sys.argv[1])
from mage_server.retention import start_clearing
start_clearing(every=0.1)
deadline = time.monotonic() + 120
while os.path.exists(sys.argv[2]) and time.monotonic() < deadline:
    time.sleep(0.1)
"""


def test_the_server_clears_by_the_periods_of_the_project(tmp_path):
    kept = tmp_path / "kept" / "mage_project" / "pipelines"
    outputs = kept_run(kept, ".variables", "20260101T000000", days_ago=91)
    younger = kept_run(kept, ".variables", "20260201T000000", days_ago=31)
    logs = kept_run(kept, ".logs", "20260201T000000", days_ago=31)
    project = Path(__file__).parents[3] / "mage_project"
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, project, logs],
        check=True, timeout=300, env={**os.environ, "MAGE_DATA_DIR": str(tmp_path / "kept")},
    )  # fmt: skip
    assert [path.exists() for path in (outputs, younger, logs)] == [False, True, False]


FORGET = """
import sys
from datetime import UTC, datetime, timedelta
from mage_ai.settings.repo import set_repo_path
set_repo_path(sys.argv[1])
from mage_ai.orchestration.db.database_manager import database_manager
database_manager.run_migrations()
from mage_ai.orchestration.db import db_connection
db_connection.start_session()
from mage_ai.orchestration.db.models.schedules import BlockRun, PipelineRun, PipelineSchedule
from mage_server.retention import forget_runs

now = datetime.now(UTC)
once = PipelineSchedule.create(name="once", pipeline_uuid="tlc_trips")
daily = PipelineSchedule.create(name="daily", pipeline_uuid="tlc_sync")
for schedule, status, days in (
    (daily, "completed", 91), (daily, "failed", 200), (daily, "running", 300),
    (daily, "cancelled", 89), (daily, "completed", 1), (once, "completed", 400),
):
    run = PipelineRun.create(
        pipeline_uuid=schedule.pipeline_uuid, pipeline_schedule_id=schedule.id,
        create_block_runs=False,
    )
    run.update(status=status, created_at=now - timedelta(days=days))
    BlockRun.create(block_uuid="land_trips", pipeline_run_id=run.id)
print(forget_runs(now - timedelta(days=90)))
db_connection.session.expire_all()
print(sorted(run.id for run in PipelineRun.query.all()))
print(sorted(block.pipeline_run_id for block in BlockRun.query.all()))
"""


def test_rows_of_old_runs_go_but_for_the_last_of_each_trigger(tmp_path):
    """A trigger that fires once would fire again if its run were forgotten."""
    project = Path(__file__).parents[3] / "mage_project"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORGET, project],
        check=True, timeout=300, env={**os.environ, "MAGE_DATA_DIR": str(tmp_path)},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert done.stdout.split("\n")[-4:-1] == ["2", "[3, 4, 5, 6]", "[3, 4, 5, 6]"]
