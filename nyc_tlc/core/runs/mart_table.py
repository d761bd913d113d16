"""The table that says what came of each month of each mart: one row per store, mart and month."""

from collections.abc import Sequence
from dataclasses import dataclass

from nyc_tlc.core.runs.run_table import Status, WorkedRow, aligned


@dataclass(frozen=True)
class MartRow(WorkedRow):
    """One month of a mart in one store.

    Attributes:
        store: Warehouse that holds the mart.
        service: Empty, like mart and month, where a whole store is skipped.
        trips: Accepted rows of the month, which is what the mart's trips must add up to.
        rows: Rows of the mart; 0 until it is built.
        note: Why the month is skipped, if it is; no failure.
    """

    store: str
    mart: str
    service: str
    month: str
    status: Status
    trips: int = 0
    rows: int = 0
    seconds: float = 0.0
    note: str = ""
    error: str = ""
    error_type: str = ""


def summary(rows: Sequence[MartRow]) -> str:
    """The table for people."""
    header = ("mart", "month", "store", "status", "trips", "rows", "seconds")
    lines = [
        (
            row.mart,
            f"{row.service} {row.month}",
            row.store,
            row.status.value,
            f"{row.trips:,}",
            f"{row.rows:,}",
            f"{row.seconds:,.1f}",
        )
        for row in rows
    ]
    notes = [
        f"note: {' '.join(filter(None, (row.store, row.service, row.month)))}: {row.note}"
        for row in rows
        if row.note
    ]
    return "\n".join([*aligned([header, *lines], left=4), *notes])
