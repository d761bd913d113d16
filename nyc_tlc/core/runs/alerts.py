"""What is worth an alert: failures, schema changes, late months."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nyc_tlc.core.errors import ContractError
from nyc_tlc.core.runs.mart_table import MartRow
from nyc_tlc.core.runs.run_table import RunRow, Status


@dataclass(frozen=True)
class Alert:
    """A title that names no partition, and a line for each: which, why, and the next step."""

    title: str
    lines: tuple[str, ...]

    def text(self, limit: int) -> str:
        """The lines, within a number of characters; the ones left out are counted."""
        kept: list[str] = []
        room = limit - 60
        for line in self.lines:
            if len(line) + 1 > room:
                break
            kept.append(line)
            room -= len(line) + 1
        left_out = len(self.lines) - len(kept)
        if not kept:
            kept, left_out = [self.lines[0][:room] + "…"], left_out - 1
        more = [f"… and {left_out:,} more: the log of the run has them all"] if left_out else []
        return "\n".join([*kept, *more])


def run_alerts(rows: Sequence[RunRow], *, successes: bool) -> list[Alert]:
    """The alerts of a run that has ended.

    A month whose columns are not the contract's is reported once, as a schema change, whether it
    stopped the month or its columns were kept. Months that were loaded are ``successes``.
    """
    changed = [row for row in rows if _schema_changed(row)]
    failed = [row for row in rows if row.status is Status.FAILED and row not in changed]
    loaded = [row for row in rows if row.status is Status.RECONCILED] if successes else []
    reported = (
        ("failed", [f"{row.partition}: {row.error}" for row in failed]),
        ("with other columns", [f"{row.partition}: {_schema_change(row)}" for row in changed]),
        ("loaded", [f"{row.partition}: {_loaded(row)}" for row in loaded]),
    )
    return [
        Alert(f"NYC TLC: {_months(len(lines))} {what}", tuple(lines))
        for what, lines in reported
        if lines
    ]


def mart_alert(rows: Iterable[MartRow]) -> Alert | None:
    """The alert of the months that could not be built in a mart."""
    lines = tuple(
        f"{row.mart} in {row.store}, {row.service} {row.month}: {row.error}"
        for row in rows
        if row.status is Status.FAILED
    )
    return Alert(f"NYC TLC: {_months(len(lines))} of marts failed", lines) if lines else None


def late_alert(months: Iterable[tuple[str, str]]) -> Alert | None:
    """The alert of months not published in TLC's usual time, with when they were expected."""
    lines = tuple(
        f"{partition}: expected since {since} and not published. Nothing was changed. See "
        "nyc.gov/tlc for an announcement; the next sync looks again."
        for partition, since in months
    )
    return Alert(f"NYC TLC: {_months(len(lines))} late", lines) if lines else None


def overdue_alert(months: Iterable[tuple[str, str]]) -> Alert | None:
    """The alert of months that every store should hold by now.

    Args:
        months: Partition, and the month in which TLC publishes it at the latest.
    """
    lines = tuple(
        f"{partition}: expected since {since}, and not proved in every store. TLC is late, or no "
        "run has loaded it: `nyc-tlc sync --plan` says which."
        for partition, since in months
    )
    return Alert(f"NYC TLC: {_months(len(lines))} overdue", lines) if lines else None


def _schema_changed(row: RunRow) -> bool:
    if row.status is Status.FAILED:
        return row.error_type == ContractError.__name__
    return row.status is Status.RECONCILED and bool(row.unknown_columns)


def _schema_change(row: RunRow) -> str:
    return row.error or (
        f"columns that the contract does not know were kept in extra_columns: "
        f"{row.unknown_columns}. The month is loaded. Declare them in "
        f"nyc_tlc/core/contract/{row.service}.py."
    )


def _loaded(row: RunRow) -> str:
    reasons = ", ".join(f"{reason} {rows}" for reason, rows in row.reasons.items())
    why = f" ({reasons})" if reasons else ""
    return (
        f"{row.published:,} rows, {row.quarantined:,} of them quarantined{why}, in "
        f"{row.seconds:,.0f} s"
    )


def _months(number: int) -> str:
    return f"{number:,} month" if number == 1 else f"{number:,} months"
