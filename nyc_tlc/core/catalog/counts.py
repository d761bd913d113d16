"""How many rows a month has, and what became of them."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Rows = Annotated[int, Field(ge=0)]


class Record(BaseModel):
    """What is kept as JSON in the lake: checked when it is read, never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Counts(Record):
    """Rows of one partition: published = accepted + quarantined.

    Attributes:
        by_reason: Quarantine reason to rows; adds up to ``quarantined``.
        by_flag: Quality flag to accepted rows that carry it; a row may carry several.
        first_pickup: Earliest accepted pick-up; None when no row was accepted.
        last_pickup: Latest accepted pick-up.
        by_day: Day of the pick-up, ``2024-01-31``, to accepted rows; adds up to ``accepted``. Empty
            in manifests from before it was counted.
    """

    published: Rows
    accepted: Rows
    quarantined: Rows
    by_reason: dict[str, int]
    by_flag: dict[str, int]
    first_pickup: datetime | None
    last_pickup: datetime | None
    by_day: dict[str, int] = {}

    @property
    def is_sample(self) -> bool:
        """Whether the month was generated: each accepted row of such a one says so."""
        return self.by_flag.get("sample", 0) > 0

    @property
    def reasons(self) -> dict[str, int]:
        """``by_reason``, the most frequent first."""
        return dict(sorted(self.by_reason.items(), key=lambda item: (-item[1], item[0])))
