"""Which state a month is in, and whether it is worth asking about."""

from datetime import date

import pytest

from nyc_tlc.core.catalog.counts import Counts
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

PUBLICATION = Publication(SourceFormat.PARQUET, lag=2, today=date(2024, 6, 15))
COUNTS = Counts(
    published=3, accepted=3, quarantined=0, by_reason={}, by_flag={},
    first_pickup=None, last_pickup=None,
)  # fmt: skip
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
        ("2024-05", Sighting(bytes=7), "", State.AVAILABLE),
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
    assert (found.state, found.bytes, found.asked) == (state, sighting.bytes, True)


def test_late_and_withdrawn_months_say_what_the_source_answered():
    month, absent = green("2023-01"), Sighting(absent="x 403")
    assert state_of(month, absent, "", PUBLICATION) == MonthState(
        month, State.LATE, note="absent though its publication lag of 2 months is over: x 403"
    )
    assert state_of(month, absent, OLD, PUBLICATION) == MonthState(
        month,
        State.WITHDRAWN,
        note="x 403 (also the CDN's answer when it throttles); it was loaded before and stays as "
        "it is in every store",
    )
    recent = green("2024-05")
    assert state_of(recent, absent, "", PUBLICATION) == MonthState(recent, State.NOT_PUBLISHED)


def test_a_month_that_is_there_keeps_what_the_source_states_of_its_file():
    month = green("2024-05")
    assert state_of(month, Sighting(bytes=7, last_modified="May"), "", PUBLICATION) == MonthState(
        month, State.AVAILABLE, bytes=7, last_modified="May"
    )


@pytest.mark.parametrize(("month", "state"), [("2024-06", "expected"), ("2024-05", "loaded")])
def test_months_that_were_not_asked_about_are_loaded_once_they_are_over(month, state):
    assert unasked_state(green(month), PUBLICATION) == MonthState(
        green(month), State(state), asked=False
    )


def test_expected_are_the_months_of_each_service_up_to_the_current_one():
    expected = expected_partitions([FHVHV, GREEN], Month(2019, 1), PUBLICATION)
    assert str(expected[0]) == "fhvhv 2019-02"
    assert [str(p) for p in expected[-2:]] == ["green 2024-05", "green 2024-06"]
    assert len(expected) == 65 + 66


def test_months_that_are_published_as_csv_only_are_expected_as_csv():
    csv = Publication(SourceFormat.CSV, lag=2, today=date(2024, 6, 15))
    assert str(expected_partitions([GREEN], Month(2013, 1), csv)[0]) == "green 2013-08"
    assert str(expected_partitions([GREEN], Month(2013, 1), PUBLICATION)[0]) == "green 2014-01"


def test_a_first_month_that_is_not_over_is_refused():
    with pytest.raises(ConfigurationError, match="no month from 2024-06 on is over"):
        expected_partitions([GREEN], Month(2024, 6), PUBLICATION)


def asked(loaded, before=None, recent=2, services=(GREEN,)):
    expected = expected_partitions(services, Month(2024, 1), PUBLICATION)
    held = {green(month) for month in loaded}
    found = worth_asking(expected, held, before or {}, PUBLICATION, recent=recent)
    return [str(partition) for partition in found]


def test_every_month_is_asked_about_that_is_over_and_not_loaded():
    assert asked([]) == [f"green 2024-0{month}" for month in range(1, 6)]


def test_of_the_loaded_months_only_the_newest_are_asked_about():
    assert asked(["2024-01", "2024-02", "2024-03", "2024-04"]) == [
        "green 2024-03",
        "green 2024-04",
        "green 2024-05",
    ]
    assert asked(["2024-01", "2024-02", "2024-04"], recent=1) == [
        "green 2024-03",
        "green 2024-04",
        "green 2024-05",
    ]


def test_newest_is_meant_by_service():
    found = asked(["2024-01", "2024-02"], recent=1, services=(GREEN, YELLOW))
    assert [name for name in found if name.startswith("green")] == [
        f"green 2024-0{month}" for month in range(2, 6)
    ]
    assert len(found) == 4 + 5


@pytest.mark.parametrize("state", [State.AVAILABLE, State.REVISED, State.FAILED, State.WITHDRAWN])
def test_work_that_was_left_undone_is_asked_about_again(state):
    loaded = ["2024-01", "2024-02", "2024-03", "2024-04", "2024-05"]
    assert "green 2024-01" not in asked(loaded)
    assert "green 2024-01" in asked(loaded, {green("2024-01"): state})


def test_daily_traffic_for_every_month_of_every_service_is_bounded():
    services = (YELLOW, GREEN, FHVHV)
    expected = expected_partitions(services, Month(2009, 1), PUBLICATION)
    loaded = {p for p in expected if p.month < Month(2024, 4)}
    assert len(expected) > 370
    found = worth_asking(expected, loaded, {}, PUBLICATION, recent=3)
    assert len(found) == 3 * (3 + 2)
