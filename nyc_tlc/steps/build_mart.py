"""Build a mart in a warehouse: only the months that changed since, each proved."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from nyc_tlc.core.catalog.ledger import LedgerEntry
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.errors import ReconciliationError
from nyc_tlc.core.marts.model import Mart
from nyc_tlc.core.runs.mart_table import MartRow
from nyc_tlc.core.runs.run_table import Status
from nyc_tlc.ports.marts import MartMonth, MartStore

Entries = Mapping[Partition, LedgerEntry]
_NOT_RECONCILED = "loaded but not proved: run tlc_trips for it; the marts keep what they have of it"
_NO_MONTHS = "the ledger has no month yet: run tlc_trips"


Held = Mapping[Partition, MartMonth]
"""What a mart holds, by month."""


def plan_builds(
    mart: Mart, entries: Iterable[LedgerEntry], held: Held, store: str, *, force: bool
) -> list[MartRow]:
    """A row for each month of the ledger: those that are to be built have status ``reconciled``.

    Never empty, which Mage could not tell from a block's output that is lost.
    """
    rows = [_planned(mart, entry, held, store, force=force) for entry in entries]
    return rows or [MartRow(store, mart.name, "", "", Status.SKIPPED, note=_NO_MONTHS)]


def _planned(mart: Mart, entry: LedgerEntry, held: Held, store: str, *, force: bool) -> MartRow:
    partition = entry.partition
    row = MartRow(
        store, mart.name, partition.service.name, str(partition.month), Status.RECONCILED,
        trips=entry.accepted,
    )  # fmt: skip
    if entry.reconciled_at is None:
        return replace(row, status=Status.SKIPPED, note=_NOT_RECONCILED)
    month = held.get(partition)
    if month is None or force or not month.is_current(mart, entry):
        return row
    return replace(row, status=Status.UNCHANGED, rows=month.rows)


def build(row: MartRow, mart: Mart, entries: Entries, store: MartStore) -> MartRow:
    """Replace the row's month in the mart.

    Raises:
        ReconciliationError: the mart's trips do not add up to the month's accepted rows.
    """
    month = store.replace_month(mart, entries[row.partition])
    return replace(row, status=Status.BUILT, rows=month.rows)


def prove(row: MartRow, held: Held) -> MartRow:
    """Count a month in the mart once more, when all are built.

    Raises:
        ReconciliationError: the mart's trips do not add up to the month's accepted rows.
    """
    month = held.get(row.partition)
    trips = 0 if month is None else month.trips
    if trips != row.trips:
        raise ReconciliationError(
            f"{row.partition}: {row.mart} in {row.store} has {trips:,} trips, expected the "
            f"{row.trips:,} accepted rows of the month: something else wrote to the mart. Run "
            "tlc_marts again, which rebuilds the month."
        )
    return row
