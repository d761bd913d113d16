"""What conform staged, as the steps after it read it."""

from __future__ import annotations

from datetime import datetime, timedelta

from nyc_tlc.core.errors import ReconciliationError
from nyc_tlc.core.manifest import Conformed, parse_record
from nyc_tlc.core.manifest_table import ManifestRow
from nyc_tlc.ports import Lake, LedgerEntry
from nyc_tlc.steps.run import began

ABANDONED_AFTER = timedelta(days=1)
"""A younger folder may belong to a run under way on another machine."""


def staged_by(path: str) -> str:
    """Name of the run that staged an object."""
    return path.rpartition("/")[0].rpartition("/")[2].partition("_")[2]


def is_abandoned(path: str, now: datetime) -> bool:
    """Whether no run can be at work any more on what is staged there.

    Args:
        path: Of a staged object.
        now: In UTC, without zone.
    """
    try:
        staged_at = datetime.strptime(began(staged_by(path)), "%Y%m%dT%H%M%S")  # noqa: DTZ007
    except ValueError:
        return True  # no run of ours is named so
    return now - staged_at > ABANDONED_AFTER


def read_conformed(row: ManifestRow, lake: Lake) -> Conformed:
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


def ledger_entry(row: ManifestRow) -> LedgerEntry:
    """What the ledger is to say about this row's content."""
    return LedgerEntry(
        partition=row.partition,
        sha256=row.sha256,
        contract=row.partition.contract_id,
        published=row.published,
        accepted=row.accepted,
        quarantined=row.quarantined,
        run=row.run,
    )
