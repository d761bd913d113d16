"""The run table: one row per partition on its way through a run, never data rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Self, TypeVar

from nyc_tlc.core.catalog.ledger import Content
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.errors import MOST_LISTED, ReconciliationError
from nyc_tlc.core.month import Month
from nyc_tlc.core.runs.run import Run

T = TypeVar("T")


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


class MonthRow:
    """A row about one month of one service: a frozen dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    service: str
    month: str

    @property
    def partition(self) -> Partition:
        return Partition(SERVICES[self.service], Month.parse(self.month))


class WorkedRow(MonthRow):
    """A row of a table whose months are worked on one by one."""

    status: Status
    seconds: float
    error: str

    def failed(self, error: str, error_type: str = "") -> Self:
        return replace(self, status=Status.FAILED, error=error, error_type=error_type)


@dataclass(frozen=True)
class RunRow(WorkedRow):
    """One partition on its way through a run.

    Attributes:
        published: Rows of the published file; 0 until it has landed.
        sha256: Content hash of the published file; empty until it has landed.
        staged: Lake folder of the conformed files; empty until conformed.
        reasons: Quarantined rows by reason, the most frequent first.
        unknown_columns: Published columns outside the contract, kept in ``extra_columns``.
        seconds: Time spent on the partition so far, all steps together.
        force: Whether to load the month even when nothing changed.
        only_plan: Whether the run only says what it would do.
        is_sample: Whether the month was generated, instead of published by TLC.
        warning: What is odd about the published file, if anything; no failure.
        error_type: Name of the error's class, which says what the operator does about it.
    """

    service: str
    month: str
    status: Status
    published: int = 0
    accepted: int = 0
    quarantined: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    bytes: int = 0
    sha256: str = ""
    staged: str = ""
    seconds: float = 0.0
    run: str = ""
    force: bool = False
    only_plan: bool = False
    is_sample: bool = False
    warning: str = ""
    unknown_columns: str = ""
    error: str = ""
    error_type: str = ""

    @property
    def content(self) -> Content:
        return Content(self.sha256, self.partition.contract_id)


def start(
    partitions: Iterable[Partition], *, force: bool, only_plan: bool = False, now: datetime
) -> list[RunRow]:
    """The rows with which a run begins."""
    run = str(Run(now))
    return [
        RunRow(
            service=partition.service.name,
            month=str(partition.month),
            status=Status.LANDED,
            run=run,
            force=force,
            only_plan=only_plan,
        )
        for partition in partitions
    ]


def merge(branches: Sequence[Sequence[RunRow]]) -> list[RunRow]:
    """One row per partition from the rows that parallel blocks return for it.

    A partition that failed in any branch has failed, with every error.

    Raises:
        ReconciliationError: a branch lost or invented a partition.
    """
    keys = [[(row.service, row.month) for row in branch] for branch in branches]
    if any(branch != keys[0] for branch in keys):
        raise ReconciliationError(
            "the blocks before disagree about the partitions of this run "
            f"({', '.join(str(len(branch)) for branch in keys)}). Run the pipeline again.",
            details=repr(keys),
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


def summary(rows: Sequence[RunRow]) -> str:
    """The table for people, with its sums and what is odd about the published files."""
    header = ("partition", "status", "published", "accepted", "quarantined", "MB", "seconds")
    shown = few_of(rows, lambda row: row.status is Status.FAILED)
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
        for row in shown
    ]
    sums = [sum(getattr(row, name) for row in rows) for name in header[2:5]]
    lines.append((f"{len(rows)} partitions", "", *(f"{total:,}" for total in sums), "", ""))
    notes = [f"note: {row.service} {row.month}: {row.warning}" for row in rows if row.warning]
    more = [f"{len(rows) - len(shown):,} more failed"] if len(shown) < len(rows) else []
    return "\n".join([*aligned([header, *lines]), *more, *notes, *_plan(rows)])


def _plan(rows: Sequence[RunRow]) -> list[str]:
    """What a plan comes to: how many files would be loaded, and their size."""
    if not any(row.only_plan for row in rows):
        return []
    planned = [row for row in rows if row.status is Status.PLANNED]
    failed = sum(row.status is Status.FAILED for row in rows)
    unknown = f", {failed:,} could not be asked about" if failed else ""
    size = sum(row.bytes for row in planned) / 1e6
    return [
        f"plan: {len(planned)} of {len(rows)} partitions would be loaded{unknown}, from "
        f"{size:,.1f} MB of published files. Nothing was loaded or written."
    ]


def few_of(rows: Sequence[T], is_many: Callable[[T], bool]) -> list[T]:
    """The rows, but of those of one kind only the first that a list may have."""
    many = [row for row in rows if is_many(row)][MOST_LISTED:]
    return [row for row in rows if row not in many]


def aligned(lines: Sequence[tuple[str, ...]], *, left: int = 2) -> list[str]:
    """Columns of equal width: the first ``left`` to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            text.ljust(widths[i]) if i < left else text.rjust(widths[i])
            for i, text in enumerate(line)
        ).rstrip()
        for line in lines
    ]
