"""What conform staged, as the steps after it read it."""

from __future__ import annotations

from datetime import datetime, timedelta

from nyc_tlc.core.catalog.ledger import LedgerEntry
from nyc_tlc.core.errors import ReconciliationError
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.lake.records import Conformed, parse_record
from nyc_tlc.core.runs.run import Run
from nyc_tlc.core.runs.run_table import RunRow
from nyc_tlc.ports.lake import Lake

ABANDONED_AFTER = timedelta(days=1)
"""A younger folder may belong to a run under way on another machine."""


def staging_folder(row: RunRow) -> str:
    """Where a run stages a month: by content and run, so that two runs stage side by side."""
    return f"{lake_paths.staging(row.partition)}{row.sha256[:16]}_{row.run}/"


def staged_by(path: str) -> Run | None:
    """The run that staged an object; None when no run of ours is named so."""
    try:
        return Run.parse(path.rpartition("/")[0].rpartition("/")[2].partition("_")[2])
    except ValueError:
        return None


def is_abandoned(path: str, now: datetime) -> bool:
    """Whether no run can be at work any more on what is staged there.

    Args:
        path: Of a staged object.
        now: In UTC.
    """
    run = staged_by(path)
    return run is None or now - run.began > ABANDONED_AFTER


def read_conformed(row: RunRow, lake: Lake) -> Conformed:
    """The record that conform left beside the staged files.

    Raises:
        ReconciliationError: it is gone.
    """
    path = f"{row.staged}conformed.json"
    record = lake.read(path)
    if record is None:
        raise ReconciliationError(
            f"{row.partition}: {lake.url}/{path} is gone: a run that began later has finished the "
            "month and cleared up. Nothing was changed by this step. Run the month again."
        )
    return parse_record(Conformed, record[0], path)


def ledger_entry(row: RunRow) -> LedgerEntry:
    """What the ledger is to say about this row's content."""
    return LedgerEntry(
        partition=row.partition,
        content=row.content,
        published=row.published,
        accepted=row.accepted,
        quarantined=row.quarantined,
        run=row.run,
    )
