"""Deletes what Mage keeps of its runs once its retention period is over."""

import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_logger = logging.getLogger(__name__)
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


def _clear_forever(every: float) -> None:
    time.sleep(min(every, _FIRST_AFTER))
    while True:
        try:
            for kept, folder, seconds in _retentions():
                removed = clear_expired(kept, folder, seconds, time.time())
                _logger.info("%s of %d runs were older than is kept, in %s", folder, removed, kept)
        except OSError as error:
            _logger.warning("what Mage keeps of its runs was not cleared: %s; next in a day", error)
        time.sleep(every)


def _retentions() -> Iterator[tuple[Path, str, float]]:
    """Where, what, and for how many seconds, as ``metadata.yaml`` says."""
    from mage_ai.data_preparation.repo_manager import get_repo_config
    from mage_ai.shared.dates import str_to_timedelta

    config = get_repo_config()
    kept = Path(config.variables_dir) / "pipelines"
    for folder, period in (
        (".variables", config.variables_retention_period),
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
