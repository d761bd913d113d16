"""Files in flight: what a run stages in the lake, and its work folder on local disk."""

import fcntl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from nyc_tlc import __version__
from nyc_tlc.core.catalog.ledger import LedgerEntry
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.errors import PipelineError, ReconciliationError
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.lake.records import Conformed
from nyc_tlc.core.os_errors import os_errors_explained
from nyc_tlc.core.runs.run import Run
from nyc_tlc.core.runs.run_table import RunRow, Status
from nyc_tlc.ports.lake import Lake
from nyc_tlc.steps.records import read

ABANDONED_AFTER = timedelta(days=1)
"""A younger folder may belong to a run under way on another machine, and a younger part of a
download to one on this."""


def staging_folder(row: RunRow) -> str:
    """Where a run stages a month: by content and run, so that two runs stage side by side."""
    return f"{lake_paths.staging(row.partition)}{row.sha256[:16]}_{row.run}/"


def staged_by(path: str, landed: Iterable[str]) -> Run | None:
    """The run that staged an object; None when no record of ours tells of one.

    The object's name has the run and the hash of what it conformed, one of ``landed`` in ``raw/``.
    """
    named = lake_paths.staged_by(path)
    if named is None or not any(PurePosixPath(of).name.startswith(named[0]) for of in landed):
        return None
    try:
        return Run.parse(named[1])
    except ValueError:
        return None


def is_abandoned(run: Run, now: datetime) -> bool:
    """Whether the run cannot be at work any more; ``now`` is in UTC.

    One that begins more than a day from now had a wrong clock, and would be the newest until then.
    """
    return abs(now - run.began) > ABANDONED_AFTER


def read_conformed(row: RunRow, lake: Lake) -> Conformed:
    """The record that conform left with the staged files.

    Raises:
        ReconciliationError: it is gone.
    """
    path = f"{row.staged}conformed.json"
    record = read(Conformed, path, lake)
    if record is None:
        raise ReconciliationError(
            f"{row.partition}: {lake.url}/{path} is gone: a run that began later has finished the "
            "month and cleared up. Nothing was changed by this step. Run the month again."
        )
    return record[0]


def ledger_entry(row: RunRow) -> LedgerEntry:
    """What the ledger is to say about this row's content."""
    return LedgerEntry(
        partition=row.partition,
        content=row.content,
        published=row.published,
        accepted=row.accepted,
        quarantined=row.quarantined,
        run=row.run,
        is_sample=row.is_sample,
        version=__version__,
    )


def clear_failed(rows: Iterable[RunRow], lake: Lake) -> None:
    """Delete what this run staged of the months that failed; their next run stages them again.

    A lake that refuses it must not hide why they failed: the audit finds what is left.
    """
    with suppress(PipelineError):
        for row in rows:
            if row.status is Status.FAILED and row.staged:
                for run, path in _staged(row.partition, lake):
                    if str(run) == row.run:
                        lake.delete(path)


def clear_superseded(row: RunRow, lake: Lake) -> None:
    """Delete what is staged of a month now proved, by this run and by those that began before it.

    Those have died, or are late: what they staged is older than what the stores hold by now, so a
    late one has to fail rather than load it. What is left of them on local disk goes, too; a run
    that is alive downloads again what it misses.
    """
    own, now = Run.parse(row.run), datetime.now(UTC)
    for run, path in _staged(row.partition, lake):
        had_a_wrong_clock = run.began - now > ABANDONED_AFTER
        if str(run) == row.run or run.began < own.began or had_a_wrong_clock:
            lake.delete(path)
    lake.drop_cached(lake_paths.landed(row.partition))
    lake.drop_cached(lake_paths.staging(row.partition))


def _staged(partition: Partition, lake: Lake) -> list[tuple[Run, str]]:
    """What runs of ours have staged of a month: the run, and the object's path."""
    paths = [stored.path for stored in lake.list(lake_paths.staging(partition))]
    landed = [stored.path for stored in lake.list(lake_paths.landed(partition))] if paths else []
    return [(run, path) for path in paths if (run := staged_by(path, landed))]


@contextmanager
def work_folder(work_dir: Path, name: str) -> Iterator[Path]:
    """The folder ``name``, created if need be; waits while another process works in it.

    What is left in it (a download in part) is found again at the next attempt; an empty folder
    is removed. Parts that nobody came back for within a day are deleted from every folder: they
    would keep the disk full.

    Raises:
        PipelineError: the operating system refuses something, here or in the lake.
    """
    folder = work_dir / name
    with os_errors_explained(f"TLC_WORK_DIR {work_dir}"):
        folder.mkdir(parents=True, exist_ok=True)
        # Another run may remove a file or a folder meanwhile: the rest is for the next to clear.
        with suppress(FileNotFoundError):
            for part in work_dir.rglob("*.part*"):
                if time.time() - part.stat().st_mtime > ABANDONED_AFTER.total_seconds():
                    part.unlink()
        with folder.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            folder.mkdir(parents=True, exist_ok=True)
            yield folder
            if not any(folder.iterdir()):
                folder.rmdir()
