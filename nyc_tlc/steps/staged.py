"""What conform staged, as the steps after it read it."""

from __future__ import annotations

from nyc_tlc.core.errors import ReconciliationError
from nyc_tlc.core.manifest import Conformed, parse_record
from nyc_tlc.core.manifest_table import ManifestRow
from nyc_tlc.ports import Lake, LedgerEntry


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
