"""What conform has seen of a partition, and whether that can be the month it was published for."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nyc_tlc.core.catalog.counts import Counts
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.errors import ReconciliationError, SourceError, shorten
from nyc_tlc.core.lake.records import Landing
from nyc_tlc.core.rows.judge import Judged
from nyc_tlc.core.rows.rules import FLAGS, UNREADABLE

_EPOCH = date(1970, 1, 1)
_DAY = 86_400_000_000
"""Microseconds."""


@dataclass
class Tally:
    """What has been seen of the partition so far.

    Attributes:
        by_day: Days since 1970 to accepted rows picked up on them.
        example: The first row that could not be read, as published.
    """

    published: int = 0
    accepted: int = 0
    by_reason: dict[str, int] = field(default_factory=dict)
    flags: npt.NDArray[np.int64] = field(
        default_factory=lambda: np.zeros(len(FLAGS), dtype=np.int64)
    )
    first_pickup: datetime | None = None
    last_pickup: datetime | None = None
    by_day: dict[int, int] = field(default_factory=dict)
    example: str = ""

    def add(self, judged: Judged) -> None:
        self.accepted += judged.accepted.num_rows
        self.published += judged.accepted.num_rows + judged.rejected.num_rows
        self.flags += judged.flags
        for reason in pc.value_counts(judged.reasons).to_pylist():
            code = reason["values"]
            self.by_reason[code] = self.by_reason.get(code, 0) + reason["counts"]
        bounds = pc.min_max(judged.accepted.column("pickup_datetime")).as_py()
        if bounds["min"] is not None:
            self.first_pickup = min(self.first_pickup or bounds["min"], bounds["min"])
            self.last_pickup = max(self.last_pickup or bounds["max"], bounds["max"])
            self._add_days(judged.accepted.column("pickup_datetime"))

    def _add_days(self, pickups: pa.TimestampArray) -> None:
        days = pickups.view(pa.int64()).to_numpy() // _DAY
        first = int(days.min())
        for offset, rows in enumerate(np.bincount(days - first)):
            if rows:
                self.by_day[first + offset] = self.by_day.get(first + offset, 0) + int(rows)

    def keep_example(self, quarantined: pa.RecordBatch) -> None:
        unreadable = pc.is_in(quarantined.column("reason"), pa.array(UNREADABLE))
        if not self.example and pc.any(unreadable).as_py():
            self.example = quarantined.column("published").filter(unreadable)[0].as_py()

    def counts(self) -> Counts:
        return Counts(
            published=self.published,
            accepted=self.accepted,
            quarantined=sum(self.by_reason.values()),
            by_reason=dict(sorted(self.by_reason.items())),
            by_flag={
                rule.code: int(rows) for rule, rows in zip(FLAGS, self.flags, strict=True) if rows
            },
            first_pickup=self.first_pickup,
            last_pickup=self.last_pickup,
            by_day={str(_EPOCH + timedelta(day)): self.by_day[day] for day in sorted(self.by_day)},
        )


def require_whole_month(partition: Partition, landing: Landing, tally: Tally) -> None:
    """Refuse a file that lost rows on the way, cannot be read, or is of another month.

    Each is true of every row or of hardly any: half of them decides.

    Raises:
        ReconciliationError: rows were lost on the way, which is a defect of ours.
        SourceError: most rows cannot be read, or are of other months.
    """
    if tally.published != landing.rows:
        raise ReconciliationError(
            f"{partition}: {tally.published:,} rows were read, {landing.source_uri} landed with "
            f"{landing.rows:,}. Nothing was staged; the month stays as it was. Look at the "
            "file; if it is complete, this is a defect of conform."
        )
    unreadable = {code: tally.by_reason[code] for code in UNREADABLE if code in tally.by_reason}
    if 2 * sum(unreadable.values()) >= tally.published:
        counted = ", ".join(f"{code} {rows:,}" for code, rows in unreadable.items())
        raise SourceError(
            f"{partition}: {sum(unreadable.values()):,} of {tally.published:,} rows of "
            f"{landing.source_uri} cannot be read ({counted}; for example "
            f"{shorten(tally.example)}), expected hardly any. Nothing was staged; the month "
            "stays as it was. Look at what the source serves under this name."
        )
    outside = int(tally.flags[0])
    if 2 * (tally.accepted - outside) <= tally.published:
        raise SourceError(
            f"{partition}: {landing.source_uri} holds another month: only "
            f"{tally.accepted - outside:,} of {tally.published:,} pick-ups are in "
            f"{partition.month}, expected more than half (those accepted run from "
            f"{tally.first_pickup} to {tally.last_pickup}). Nothing was staged; the month stays "
            "as it was. Look at what the source serves under this name."
        )
