"""Runs of `mage run` in Mage's list of runs, where Mage 0.9.80 keeps only those of its scheduler.

A `mage run` is recorded when it ends, if Mage's database is there: where the UI was never opened
and the demo never run, there is no list to be in.
"""

import atexit
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1] / "mage_project"
TRIGGER = "mage run"
"""Under which Mage lists these runs: it knows no run without a trigger."""
_OF_PART = ("block_uuid", "execution_partition", "block_run_id", "pipeline_run_id")
"""Options of a block, or of a run that Mage has recorded itself."""


@dataclass(frozen=True)
class CommandLineRun:
    """One `mage run` of a whole pipeline.

    Attributes:
        variables: Those it was given.
    """

    pipeline: str
    variables: dict[str, Any]
    began: datetime


def record_this_run() -> None:
    """If this process is a `mage run`, record it at its end: completed, or failed."""
    run = parse_run(sys.argv)
    if run is None:
        return
    ended_well: list[bool] = []
    leave = sys.exit

    def leaving(status: object = None) -> None:
        # Typer leaves by this when all went well, or the user broke off; errors pass it by.
        ended_well.append(not status)
        leave(status)  # type: ignore[arg-type] # whatever it was given

    sys.exit = leaving  # type: ignore[assignment] # returns no more than the original
    atexit.register(lambda: _record(run, completed=ended_well == [True]))


def parse_run(words: Sequence[str]) -> CommandLineRun | None:
    """What a command line runs; None when it is no `mage run`, or one of a part."""
    if len(words) < 2 or Path(words[0]).stem != "mage" or words[1] != "run":
        return None
    from click.exceptions import ClickException
    from mage_ai.cli.main import app
    from typer.main import get_group

    try:
        given = get_group(app).commands["run"].make_context("run", list(words[2:])).params
        variables = json.loads(given["runtime_vars"] or "{}")
    except (ClickException, ValueError):
        return None
    if not isinstance(variables, dict) or any(given[name] for name in _OF_PART):
        return None
    return CommandLineRun(given["pipeline_uuid"], variables, datetime.now(UTC))


def _record(run: CommandLineRun, *, completed: bool) -> None:
    from mage_ai.orchestration.db import db_connection, engine
    from mage_ai.orchestration.db.models.schedules import PipelineRun
    from sqlalchemy import inspect
    from sqlalchemy.exc import SQLAlchemyError

    try:
        if not inspect(engine).has_table(PipelineRun.__tablename__):
            return
        db_connection.start_session()
        _write(run, completed=completed)
    except (SQLAlchemyError, OSError) as error:
        # The run is over and its work done: that it is in no list changes nothing about it.
        sys.stderr.write(f"Mage's list of runs does not have this one: {error}\n")


def _write(run: CommandLineRun, *, completed: bool) -> None:
    from mage_ai.data_preparation.models.triggers import ScheduleStatus, ScheduleType
    from mage_ai.orchestration.db.models.schedules import BlockRun, PipelineRun, PipelineSchedule

    status = PipelineRun.PipelineRunStatus
    known = {"name": TRIGGER, "pipeline_uuid": run.pipeline}
    trigger = PipelineSchedule.query.filter_by(**known).first() or PipelineSchedule.create(
        **known,
        description="Runs that were started on the command line",
        schedule_type=ScheduleType.API,
        status=ScheduleStatus.INACTIVE,
    )
    ended = datetime.now(UTC)
    recorded = PipelineRun.create(
        create_block_runs=False,
        pipeline_schedule_id=trigger.id,
        pipeline_uuid=run.pipeline,
        execution_date=run.began,
        started_at=run.began,
        completed_at=ended,
        status=status.COMPLETED if completed else status.FAILED,
        variables=run.variables,
    )
    if completed:  # else nobody knows which blocks were
        for block in recorded.pipeline.get_executable_blocks():
            BlockRun.create(
                pipeline_run_id=recorded.id,
                block_uuid=block.uuid,
                status=BlockRun.BlockRunStatus.COMPLETED,
                completed_at=ended,
            )
        _keep_outputs(run.pipeline, recorded.execution_partition)


def _keep_outputs(pipeline: str, run: str) -> None:
    """Copy the blocks' outputs to where the run's page looks; the next `mage run` replaces them."""
    from mage_ai.settings.repo import get_variables_dir

    outputs = Path(get_variables_dir()) / "pipelines" / pipeline / ".variables"
    for variable in outputs.glob("*/output_*"):
        shutil.copytree(variable, outputs / run / variable.parent.name / variable.name)


def main() -> None:
    """Make Mage's database, as its server does when it starts for the first time."""
    from mage_ai.settings.repo import set_repo_path

    set_repo_path(str(PROJECT))
    from mage_ai.orchestration.db.database_manager import database_manager

    database_manager.run_migrations()


if __name__ == "__main__":
    main()
