"""What is counted of a partition while it is conformed, and which counts cannot be a month's."""

from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest

from nyc_tlc.core.catalog.counts import Counts
from nyc_tlc.core.errors import ReconciliationError, SourceError
from nyc_tlc.core.lake.records import Landing
from nyc_tlc.core.rows.rules import FLAGS
from nyc_tlc.core.rows.tally import Tally, require_whole_month
from tests.partitions import named
from tests.unit.rows.batches import judged

JANUARY = named("green 2024-01")
LANDING = Landing.model_construct(rows=10, source_uri="https://tlc/green.parquet")


def test_rows_are_counted_by_reason_by_flag_and_by_the_day_of_their_pickup():
    days = ((2023, 12, 31, 23), (2024, 1, 1, 0), (2024, 1, 31, 23), (2024, 1, 1, 12), (2009, 1, 1))
    pickups = [datetime(*day) for day in days]  # noqa: DTZ001 - wall clock
    tally = Tally()
    assert tally.counts() == Counts(
        published=0, accepted=0, quarantined=0, by_reason={}, by_flag={}, first_pickup=None,
        last_pickup=None,
    )  # fmt: skip
    for times in (pickups, pickups[::-1], pickups[-1:]):
        tally.add(judged(JANUARY, pickup_datetime=times, dropoff_datetime=times))
    tally.add(judged(JANUARY, pu_location_id=[0], do_location_id=[0]))
    assert tally.counts() == Counts(
        published=12,
        accepted=8,
        quarantined=4,
        by_reason={"location_out_of_range": 1, "pickup_outside_window": 3},
        by_flag={"pickup_outside_month": 2, "zero_duration": 8},
        first_pickup=pickups[0],
        last_pickup=pickups[2],
        by_day={"2023-12-31": 2, "2024-01-01": 4, "2024-01-31": 2},
    )


def test_the_first_row_that_cannot_be_read_is_the_example():
    tally = Tally()
    for reasons in (["pickup_missing"], ["pickup_missing", "code_unmapped"], ["row_irregular"]):
        published = [f"{reason} of {len(reasons)}" for reason in reasons]
        tally.keep_example(pa.RecordBatch.from_pydict({"reason": reasons, "published": published}))
    assert tally.example == "code_unmapped of 2"


def _tally(accepted: int, outside: int = 0, **by_reason: int) -> Tally:
    flags = np.array([outside, *[0] * (len(FLAGS) - 1)])
    published = accepted + sum(by_reason.values())
    return Tally(published, accepted, by_reason, flags, example="b02512")


@pytest.mark.parametrize(
    "tally",
    [_tally(10), _tally(6, value_uncastable=4), _tally(10, 4), _tally(6, pickup_missing=4)],
)
def test_a_month_of_which_most_rows_can_be_read_and_are_its_own_passes(tally):
    require_whole_month(JANUARY, LANDING, tally)


@pytest.mark.parametrize(
    ("tally", "error", "facts"),
    [
        (_tally(9), ReconciliationError,
         ["green 2024-01: 9 rows were read, https://tlc/green.parquet landed with 10",
          "Nothing was staged; the month stays as it was. Look at the file; if it is",
          "defect of conform."]),
        (_tally(11), ReconciliationError, ["11 rows were read"]),
        (_tally(5, value_uncastable=3, row_irregular=2), SourceError,
         ["green 2024-01: 5 of 10 rows of https://tlc/green.parquet cannot be read",
          "(row_irregular 2, value_uncastable 3; for example b02512)", "Nothing was staged; ",
          "the month stays as it was. Look at what the source serves"]),
        (_tally(10, 5), SourceError,
         ["green 2024-01: https://tlc/green.parquet holds another month",
          "only 5 of 10 pick-ups", "in 2024-01, expected more than half", "from None to None",
          "Nothing was staged; the month stays as it was. Look at what the source serves"]),
        (_tally(5, pickup_missing=5), SourceError, ["holds another month", "only 5 of 10"]),
    ],
)  # fmt: skip
def test_a_file_that_lost_rows_cannot_be_read_or_is_of_another_month_is_refused(
    tally, error, facts
):
    with pytest.raises(error) as caught:
        require_whole_month(JANUARY, LANDING, tally)
    assert [fact for fact in facts if fact not in str(caught.value)] == []
