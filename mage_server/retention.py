"""Deletes what Mage keeps of its runs once its retention period is over."""

import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import delete, func, select
from sqlalchemy.exc import SQLAlchemyError

_logger = logging.getLogger(__name__)
_OUTPUTS = ".variables"
_AT_ONCE = 500
"""Rows of one statement: SQLite takes a thousand values."""
_DAILY = 86_400.0
_FIRST_AFTER = 60.0
"""Seconds: the server is up, and its scheduler has been forked."""


def start_clearing(every: float = _DAILY) -> None:
    """Clear once a day while this process runs.

    Mage 0.9.80 has ``variables_retention_period`` and ``logging_config.retention_period`` and
    applies them only in its commands ``clean-cached-variables`` and ``clean-old-logs``, which
    nobody calls; and those go by the date that a run is about, so that they delete the outputs of
    a backfill of 2009 while it runs.
    """
    threading.Thread(target=_clear_forever, args=(every,), daemon=True, name="retention").start()


def clear_expired(kept: Path, folder: str, seconds: float, now: float) -> int:
    """Delete the runs whose folder has not changed for so long; returns how many.

    Args:
        kept: Where Mage keeps what belongs to its pipelines, a folder for each.
        folder: ``.variables`` or ``.logs``; in it Mage has a folder per trigger, and in that one
            per run.
        seconds: The retention.
        now: Seconds since the epoch.
    """
    expired = [
        run
        for run in kept.glob(f"*/{folder}/[0-9]*/*")
        if run.is_dir() and _last_written(run) < now - seconds
    ]
    for run in expired:
        # Of two servers on one folder the other may be faster.
        shutil.rmtree(run, ignore_errors=True)
    return len(expired)


def forget_runs(before: datetime) -> int:
    """Delete the rows of ended runs that were begun before; returns how many runs.

    The last run of each trigger stays: a trigger that fires once would fire again without it.
    """
    from mage_ai.orchestration.db import engine
    from mage_ai.orchestration.db.models.schedules import BlockRun, PipelineRun

    status = PipelineRun.PipelineRunStatus
    ended = (status.COMPLETED, status.FAILED, status.CANCELLED)
    last = select(func.max(PipelineRun.id)).group_by(PipelineRun.pipeline_schedule_id)
    expired = select(PipelineRun.id).where(
        PipelineRun.created_at < before, PipelineRun.status.in_(ended), PipelineRun.id.not_in(last)
    )
    with engine.begin() as connection:
        ids = list(connection.scalars(expired))
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            connection.execute(delete(BlockRun).where(BlockRun.pipeline_run_id.in_(some)))
            connection.execute(delete(PipelineRun).where(PipelineRun.id.in_(some)))
    return len(ids)


def _clear_forever(every: float) -> None:
    time.sleep(min(every, _FIRST_AFTER))
    while True:
        try:
            for kept, folder, seconds in _retentions():
                removed = clear_expired(kept, folder, seconds, time.time())
                _logger.info("%s of %d runs were older than is kept, in %s", folder, removed, kept)
            # The rows go with the outputs.
            for _, folder, seconds in _retentions():
                if folder == _OUTPUTS:
                    forget_runs(datetime.now(UTC) - timedelta(seconds=seconds))
        except OSError as error:
            _logger.warning("what Mage keeps of its runs was not cleared: %s; next in a day", error)
        except SQLAlchemyError as error:  # the filter of the log has words for a database away
            _logger.warning("rows of old runs were not deleted; next in a day", exc_info=error)
        time.sleep(every)


def _retentions() -> Iterator[tuple[Path, str, float]]:
    """Where, what, and for how many seconds, as ``metadata.yaml`` says."""
    from mage_ai.data_preparation.repo_manager import get_repo_config
    from mage_ai.shared.dates import str_to_timedelta

    config = get_repo_config()
    kept = Path(config.variables_dir) / "pipelines"
    for folder, period in (
        (_OUTPUTS, config.variables_retention_period),
        (".logs", (config.logging_config or {}).get("retention_period")),
    ):
        if period:
            yield kept, folder, str_to_timedelta(period).total_seconds()


def _last_written(folder: Path) -> float:
    """Time of the latest change in a folder that may change meanwhile."""
    latest = 0.0
    for where, _, names in os.walk(folder):
        for path in (Path(where), *(Path(where, name) for name in names)):
            with suppress(FileNotFoundError):
                latest = max(latest, path.lstat().st_mtime)
    return latest
