"""The table that travels between the blocks: one row per partition, never data rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import pandas as pd

from nyc_tlc.core.catalog.ledger import Content
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.errors import ReconciliationError
from nyc_tlc.core.month import Month
from nyc_tlc.core.runs.frames import frame_of, records_of


class Status(StrEnum):
    """How far a partition has come in this run."""

    LANDED = "landed"
    CONFORMED = "conformed"
    LOADED = "loaded"
    PUBLISHED = "published"
    RECONCILED = "reconciled"
    BUILT = "built"
    UNCHANGED = "unchanged"
    NOT_PUBLISHED = "not published yet"
    SKIPPED = "skipped"
    PLANNED = "planned"
    FAILED = "failed"


FINAL = frozenset(
    {Status.UNCHANGED, Status.NOT_PUBLISHED, Status.SKIPPED, Status.PLANNED, Status.FAILED}
)
"""Statuses of partitions that no further step touches."""
IN_THE_LAKE = FINAL | {Status.PUBLISHED}
"""Those and the one of partitions that need not be made again to be loaded from the lake."""


_COUNTED = re.compile(r"(\w+) (\d+)")


@dataclass(frozen=True)
class RunRow:
    """One partition on its way through a run.

    Attributes:
        month: ``2024-01``.
        published: Rows of the published file; 0 until it has landed.
        bytes: Size of the published file.
        sha256: Content hash of the published file; empty until it has landed.
        staged: Lake folder of the conformed files; empty until conformed.
        reasons: Quarantined rows by reason, the most frequent first: ``pickup_missing 2, …``.
        unknown_columns: Published columns outside the contract, kept in ``extra_columns``.
        seconds: Time spent on the partition so far, all steps together.
        run: The run that this row belongs to.
        force: Whether to load the month even when nothing changed.
        plan: Whether the run only says what it would do.
        warning: What is odd about the published file, if anything; no failure.
        error: Why it failed; empty otherwise.
        error_type: Name of the error's class, which says what the operator does about it.
    """

    service: str
    month: str
    status: Status
    published: int = 0
    accepted: int = 0
    quarantined: int = 0
    reasons: str = ""
    bytes: int = 0
    sha256: str = ""
    staged: str = ""
    seconds: float = 0.0
    run: str = ""
    force: bool = False
    plan: bool = False
    warning: str = ""
    unknown_columns: str = ""
    error: str = ""
    error_type: str = ""

    @property
    def partition(self) -> Partition:
        return Partition(SERVICES[self.service], Month.parse(self.month))

    @property
    def content(self) -> Content:
        return Content(self.sha256, self.partition.contract_id)

    def failed(self, error: str, error_type: str = "") -> RunRow:
        return replace(self, status=Status.FAILED, error=error, error_type=error_type)


def to_frame(rows: Iterable[RunRow]) -> pd.DataFrame:
    """Rows as a DataFrame whose types survive Mage's way through Parquet."""
    return frame_of(RunRow, rows, enumeration="status")


def from_frame(frame: pd.DataFrame) -> list[RunRow]:
    """The rows of :func:`to_frame`.

    Raises:
        ReconciliationError: the table is empty: Mage hands over an empty one when it could not
            read a block's output.
    """
    records = records_of(frame, "run table")
    return [RunRow(**{**record, "status": Status(record["status"])}) for record in records]


def merge(branches: Sequence[Sequence[RunRow]]) -> list[RunRow]:
    """One row per partition from the rows that parallel blocks return for it.

    A partition that failed in any branch has failed, with every error.

    Raises:
        ReconciliationError: a branch lost or invented a partition.
    """
    keys = [[(row.service, row.month) for row in branch] for branch in branches]
    if any(branch != keys[0] for branch in keys):
        raise ReconciliationError(
            f"the blocks before disagree about the partitions of this run ({keys}). "
            "Run the pipeline again."
        )
    return [_joined(rows) for rows in zip(*branches, strict=True)]


def _joined(rows: Sequence[RunRow]) -> RunRow:
    errors = dict.fromkeys(row.error for row in rows if row.error)
    error_type = next((row.error_type for row in rows if row.error), "")
    status = Status.FAILED if errors else rows[0].status
    seconds = max(row.seconds for row in rows)
    return replace(
        rows[0],
        status=status,
        error=" | ".join(errors),
        error_type=error_type,
        seconds=seconds,
    )


def rows_by_reason(table: pd.DataFrame) -> dict[str, int]:
    """Quarantined rows of a run table by reason, the most frequent first."""
    rows: Counter[str] = Counter()
    for reasons in table["reasons"]:
        for reason, number in _COUNTED.findall(reasons):
            rows[reason] += int(number)
    return dict(rows.most_common())


def seconds_by_step(**tables: pd.DataFrame) -> dict[str, float]:
    """Seconds of each step, from the run tables that the blocks return, in their order.

    A table has the seconds since the run began; ``load`` and ``publish`` both follow ``conform``,
    and ``bigquery`` follows ``publish``.
    """
    since = {"land": None, "conform": "land", "load": "conform", "publish": "conform",
             "bigquery": "publish"}  # fmt: skip
    totals = {step: float(table["seconds"].sum()) for step, table in tables.items()}
    return {
        step: round(total - totals.get(since[step] or "", 0), 3) for step, total in totals.items()
    }


def summary(rows: Sequence[RunRow]) -> str:
    """The table for people, with its sums and what is odd about the published files."""
    header = ("partition", "status", "published", "accepted", "quarantined", "MB", "seconds")
    lines: list[tuple[str, ...]] = [
        (
            f"{row.service} {row.month}",
            row.status.value,
            f"{row.published:,}",
            f"{row.accepted:,}",
            f"{row.quarantined:,}",
            f"{row.bytes / 1e6:,.1f}",
            f"{row.seconds:,.1f}",
        )
        for row in rows
    ]
    sums = [sum(getattr(row, name) for row in rows) for name in header[2:5]]
    lines.append((f"{len(rows)} partitions", "", *(f"{total:,}" for total in sums), "", ""))
    notes = [f"note: {row.service} {row.month}: {row.warning}" for row in rows if row.warning]
    return "\n".join([*aligned([header, *lines]), *notes, *_plan(rows)])


def _plan(rows: Sequence[RunRow]) -> list[str]:
    """What a plan comes to: how many files would be loaded, and their size."""
    if not any(row.plan for row in rows):
        return []
    planned = [row for row in rows if row.status is Status.PLANNED]
    size = sum(row.bytes for row in planned) / 1e6
    return [
        f"plan: {len(planned)} of {len(rows)} partitions would be loaded, from {size:,.1f} MB of "
        "published files. Nothing was loaded or written."
    ]


def aligned(lines: Sequence[tuple[str, ...]], *, left: int = 2) -> list[str]:
    """Columns of equal width: the first ``left`` to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            text.ljust(width) if i < left else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
