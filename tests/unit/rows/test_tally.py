"""What is counted of a partition while it is conformed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.month import Month
from nyc_tlc.core.rows.judge import Judged
from nyc_tlc.core.rows.tally import Tally

JANUARY = Partition(GREEN, Month(2024, 1))


def test_accepted_rows_are_counted_by_the_day_of_their_pickup(
    judged: Callable[..., Judged],
) -> None:
    days = ((2023, 12, 31, 23), (2024, 1, 1, 0), (2024, 1, 31, 23), (2024, 1, 1, 12), (2009, 1, 1))
    pickups = [datetime(*day) for day in days]  # noqa: DTZ001 - wall clock
    tally = Tally()
    for _ in range(2):
        tally.add(judged(JANUARY, pickup_datetime=pickups, dropoff_datetime=pickups))
    counts = tally.counts()
    assert counts.by_day == {"2023-12-31": 2, "2024-01-01": 4, "2024-01-31": 2}
    assert sum(counts.by_day.values()) == counts.accepted == 8
