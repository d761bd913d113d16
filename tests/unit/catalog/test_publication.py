"""Which state a month is in, and whether it is worth asking about."""

from dataclasses import replace
from datetime import date

import pytest

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.publication import (
    MonthState,
    Publication,
    Sighting,
    State,
    expected_partitions,
    state_of,
    unasked_state,
    worth_asking,
)
from nyc_tlc.core.contract.service import FHVHV, GREEN, YELLOW
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.errors import ConfigurationError
from nyc_tlc.core.month import Month
from tests.unit.records import COUNTS

PUBLICATION = Publication(SourceFormat.PARQUET, lag=2, today=date(2024, 6, 15))
OLD, NEW = "a" * 64, "b" * 64


def green(month: str) -> Partition:
    return Partition(GREEN, Month.parse(month))


@pytest.mark.parametrize(
    ("month", "sighting", "loaded", "state"),
    [
        ("2024-05", Sighting(absent="403"), "", State.NOT_PUBLISHED),
        ("2024-03", Sighting(absent="403"), "", State.NOT_PUBLISHED),
        ("2024-02", Sighting(absent="403"), "", State.LATE),
        ("2024-02", Sighting(absent="403"), OLD, State.WITHDRAWN),
        ("2024-05", Sighting(bytes=7, last_modified="May"), "", State.AVAILABLE),
        ("2024-05", Sighting(bytes=7), OLD, State.REVISED),
        ("2024-05", Sighting(sha256=OLD, counts=COUNTS), OLD, State.LOADED),
        # Landed by a run that did not come to its end:
        ("2024-05", Sighting(sha256=NEW), "", State.AVAILABLE),
        ("2024-05", Sighting(sha256=NEW), OLD, State.REVISED),
        # The same file, but a store lost it, or the contract is another by now:
        ("2024-05", Sighting(sha256=OLD), OLD, State.AVAILABLE),
    ],
)
def test_state_follows_from_source_and_stores(month, sighting, loaded, state):
    found = state_of(green(month), sighting, loaded, PUBLICATION)
    notes = {
        State.LATE: "absent though its publication lag of 2 months is over: 403",
        State.WITHDRAWN: "403 (also the CDN's answer when it throttles); it was loaded before and "
        "stays as it is in every store",
    }
    assert found == MonthState(
        green(month),
        state,
        bytes=sighting.bytes,
        last_modified=sighting.last_modified,
        note=notes.get(state, ""),
    )


@pytest.mark.parametrize(("month", "state"), [("2024-06", "expected"), ("2024-05", "loaded")])
def test_months_that_were_not_asked_about_are_loaded_once_they_are_over(month, state):
    assert unasked_state(green(month), PUBLICATION) == MonthState(
        green(month), State(state), asked=False
    )


@pytest.mark.parametrize(
    ("services", "first", "source_format", "found"),
    [
        ([FHVHV, GREEN], "2019-01", SourceFormat.PARQUET, ("fhvhv 2019-02", 65 + 66)),
        ([GREEN], "2013-01", SourceFormat.PARQUET, ("green 2014-01", 126)),
        ([GREEN], "2013-01", SourceFormat.CSV, ("green 2013-08", 131)),
        ([GREEN], "2024-05", SourceFormat.PARQUET, ("green 2024-05", 2)),
    ],
)
def test_expected_are_the_months_of_each_service_up_to_the_current_one(
    services, first, source_format, found
):
    publication = replace(PUBLICATION, source_format=source_format)
    expected = expected_partitions(services, Month.parse(first), publication)
    assert (str(expected[0]), len(expected)) == found
    assert str(expected[-1]) == "green 2024-06"


def test_a_first_month_that_is_not_over_is_refused():
    with pytest.raises(
        ConfigurationError,
        match=r"no month from 2024-06 on is over.*Nothing was started.*Set TLC_FIRST_MONTH",
    ):
        expected_partitions([GREEN], Month(2024, 6), PUBLICATION)


def asked(loaded, before=None, recent=2, services=(GREEN,)):
    """Months of 2024 up to June that are worth asking about: service and number."""
    expected = expected_partitions(services, Month(2024, 1), PUBLICATION)
    held = {green(f"2024-0{month}") for month in loaded}
    found = worth_asking(expected, held, before or {}, PUBLICATION, recent=recent)
    return [f"{partition.service} {partition.month.month}" for partition in found]


@pytest.mark.parametrize(
    ("loaded", "recent", "expected"),
    [
        ([], 2, [1, 2, 3, 4, 5]),
        ([1, 2, 3, 4], 2, [3, 4, 5]),
        ([1, 2, 4], 1, [3, 4, 5]),
    ],
)
def test_what_is_not_loaded_and_the_newest_that_are_loaded_are_asked_about(
    loaded, recent, expected
):
    months = [f"green {month}" for month in expected]
    assert asked(loaded, recent=recent) == months
    # The newest of each service: nothing of yellow is loaded.
    yellow = [f"yellow {month}" for month in range(1, 6)]
    assert asked(loaded, recent=recent, services=(GREEN, YELLOW)) == [*months, *yellow]


@pytest.mark.parametrize("state", State)
def test_work_that_was_left_undone_is_asked_about_again(state):
    again = "green 1" in asked(range(1, 6), {green("2024-01"): state})
    assert again == (state in {"available", "revised", "failed", "withdrawn"})


def test_daily_traffic_for_every_month_of_every_service_is_bounded():
    services = (YELLOW, GREEN, FHVHV)
    expected = expected_partitions(services, Month(2009, 1), PUBLICATION)
    loaded = {p for p in expected if p.month < Month(2024, 4)}
    assert len(expected) > 370
    assert len(worth_asking(expected, loaded, {}, PUBLICATION, recent=3)) == 3 * (3 + 2)
