"""The table of a sync: one row per month, what is known of it and what the stores hold."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nyc_tlc.core.catalog.publication import TO_LOAD, State
from nyc_tlc.core.errors import shorten
from nyc_tlc.core.runs.run_table import MonthRow, RunRow, Status, aligned, few_of

_STATUS = {
    State.LOADED: Status.UNCHANGED,
    State.WITHDRAWN: Status.UNCHANGED,
    State.NOT_PUBLISHED: Status.NOT_PUBLISHED,
    State.LATE: Status.NOT_PUBLISHED,
    State.FAILED: Status.FAILED,
}
_QUIET = frozenset({State.LOADED, State.EXPECTED})


@dataclass(frozen=True)
class SyncRow(MonthRow):
    """What is known of a month when a sync begins to load.

    Attributes:
        published: Rows of the published file, as loaded last; 0 when it was not.
        bytes: Size of the published file as the source states it; 0 when it was not asked or
            does not say.
        note: What is worth knowing of the state, or why asking failed.
    """

    service: str
    month: str
    state: State
    asked: bool
    published: int = 0
    accepted: int = 0
    quarantined: int = 0
    bytes: int = 0
    last_modified: str = ""
    note: str = ""


def run_row(row: SyncRow, begun: RunRow) -> RunRow:
    """The row with which a month that was asked about goes on: final, unless it is to be loaded."""
    if row.state in TO_LOAD and not begun.only_plan:
        return begun
    return replace(
        begun,
        status=Status.PLANNED if row.state in TO_LOAD else _STATUS[row.state],
        published=row.published,
        accepted=row.accepted,
        quarantined=row.quarantined,
        bytes=row.bytes,
        error=row.note if row.state is State.FAILED else "",
    )


def months_summary(rows: Sequence[SyncRow]) -> str:
    """The months that are not simply loaded, and how many are in each state, for people."""
    lines = [
        (
            f"{row.service} {row.month}",
            row.state.value,
            f"{row.bytes / 1e6:,.1f}",
            shorten(row.note),
        )
        for row in few_of(rows, lambda row: row.state is State.FAILED)
        if row.state not in _QUIET
    ]
    counts = Counter(row.state for row in rows)
    states = ", ".join(f"{counts[state]} {state}" for state in State if counts[state])
    to_load = [row for row in rows if row.state in TO_LOAD]
    size = sum(row.bytes for row in to_load) / 1e6
    table = aligned([("month", "state", "MB", "note"), *lines]) if lines else []
    return "\n".join(
        [
            *table,
            f"{len(rows)} months: {states}",
            f"asked about {sum(row.asked for row in rows)} of them; to load: {len(to_load)}, "
            f"{size:,.1f} MB",
        ]
    )
