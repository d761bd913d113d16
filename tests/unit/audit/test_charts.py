"""What the charts of the report show of the months, and what they say in words."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest

from nyc_tlc.core.audit import charts
from nyc_tlc.core.audit.verdicts import AuditedMonth, Verdict
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN, YELLOW, Service
from nyc_tlc.core.month import Month

LOADED_AT = datetime(2024, 6, 2, 3, 4, tzinfo=UTC)


def proved(service: Service, month: str, **figures: object) -> AuditedMonth:
    return AuditedMonth(Partition(service, Month.parse(month)), Verdict.PROVED, **figures)


JANUARY = proved(
    YELLOW, "2024-01", published=2_000_000, accepted=1_999_000, quarantined=1_000,
    by_reason={"pickup_missing": 400, "code_unmapped": 600},
    by_day={"2024-01-01": 60_000, "2024-01-02": 70_000, "2024-02-01": 5},
    raw_bytes=50_000_000, lake_bytes=60_000_000, seconds=8.0, loaded_at=LOADED_AT,
)  # fmt: skip
FEBRUARY = proved(
    YELLOW, "2024-02", published=1_000, accepted=900, quarantined=100,
    by_reason={"pickup_missing": 100}, by_day={"2024-02-01": 500, "2024-03-01": 1},
    raw_bytes=1_000_000, lake_bytes=1_200_000,
)  # fmt: skip
DECEMBER = proved(
    GREEN, "2023-12", published=50_000, accepted=50_000, by_day={"2023-12-31": 2_000},
    raw_bytes=1_500_000, lake_bytes=2_000_000, seconds=2.5,
    loaded_at=LOADED_AT - timedelta(days=3),
)  # fmt: skip
MONTHS = [JANUARY, FEBRUARY, DECEMBER]


def _said(panel: charts.Panel) -> tuple[str, str, str, list[str], list[str]]:
    """What a reader gets from one chart: heading, label, what is written below, and tooltips."""
    chart = panel.chart
    below = [text for _, _, text in chart.labels]
    return panel.title, panel.note, chart.label, below, _tips(panel)


def _tips(panel: charts.Panel) -> list[str]:
    return [tip for tip, _ in panel.chart.groups if tip]


def _bars(panel: charts.Panel) -> list[tuple[str, float, float]]:
    """Class, left end and height of each part of a bar."""
    parts = [shape for _, shapes in panel.chart.groups for shape in shapes if shape[0] != "hover"]
    found = [(name, re.fullmatch(r"M(\S+) \S+h\S+v(\S+)h\S+z", outline)) for name, outline in parts]
    return [(name, float(box[1]), float(box[2])) for name, box in found if box]


def test_trips_per_month_are_those_of_each_service_on_one_axis():
    yellow, green = charts.trips_per_month(MONTHS)
    assert _said(yellow) == (
        "yellow",
        "1,999,900 trips",
        "Trips of yellow per month, 2024-01 to 2024-02: from 900 (2024-02) to 1,999,000 (2024-01)",
        ["2023-12", "2024-01", "2024-02"],
        ["2024-01: 1,999,000 trips", "2024-02: 900 trips"],
    )
    assert _tips(green) == ["2023-12: 50,000 trips"]
    assert _bars(yellow) == [("yellow", 207.33, 143.93), ("yellow", 236.5, 0.06)]
    assert _bars(green) == [("green", 178.17, 144.0)]


def test_quarantined_rows_are_shown_per_thousand_published_and_by_reason():
    yellow, green = charts.quarantined_by_reason(MONTHS)
    assert _said(yellow) == (
        "yellow",
        "0.55 ‰ overall",
        "Rows of yellow quarantined per thousand, by reason, 2024-01 to 2024-02: 0.55 overall",
        ["2023-12", "2024-01", "2024-02"],
        [
            "2024-01: 1,000 of 2,000,000 rows\ncode_unmapped: 600\npickup_missing: 400",
            "2024-02: 100 of 1,000 rows\npickup_missing: 100",
        ],
    )
    assert (green.note, _tips(green)) == ("0.00 ‰ overall", ["2023-12: 0 of 50,000 rows"])
    assert [(name, high) for name, _, high in _bars(yellow)] == [
        ("reason2", 0.43), ("reason3", 0.29), ("reason3", 144.0),
    ]  # fmt: skip


def test_a_month_without_rows_and_a_reason_nobody_knows_are_left_out_of_the_bars():
    strange = proved(GREEN, "2024-01", quarantined=1, by_reason={"pickup_missing": 1, "moon": 9})
    (panel,) = charts.quarantined_by_reason([strange])
    assert charts._reasons_point(strange).values == {"reason3": 1000.0}
    assert panel.note == "1000.00 ‰ overall"


def test_trips_per_day_are_summed_over_the_files_that_have_some():
    yellow, green = charts.trips_per_day(MONTHS)
    assert _said(yellow) == (
        "yellow",
        "43,502 a day on average",
        "Trips of yellow per day, 2024-01-01 to 2024-02-01: 43,502 on average, most on 2024-01-02 "
        "(70,000), fewest on 2024-02-01 (505)",
        ["2024-01", "2024-02"],
        ["2024-01-01: 60,000 trips", "2024-01-02: 70,000 trips", "2024-02-01: 505 trips"],
    )
    assert _tips(green) == ["2023-12-31: 2,000 trips"]
    assert ("yellow line", "M59.9 46.0 70.5 28.0") in yellow.chart.groups[0][1]
    assert charts.trips_per_day([proved(GREEN, "2024-01")]) == []


def test_a_month_of_which_no_day_is_known_shows_none_of_its_neighbours():
    january = proved(YELLOW, "2024-01", by_day={"2024-01-31": 70, "2024-02-01": 5})
    (panel,) = charts.trips_per_day([january, proved(YELLOW, "2024-02")])
    assert _tips(panel) == ["2024-01-31: 70 trips"]


@pytest.mark.parametrize(
    ("days", "points", "first", "labels"),
    [
        (319, 319, "2022-01-01: 1 trips", 6),
        (320, 320, "2022-01-01: 1 trips", 6),
        (321, 161, "2022-01-01 to 2022-01-02: 2 trips a day, from 1 to 2", 6),
        (640, 320, "2022-01-01 to 2022-01-02: 2 trips a day, from 1 to 2", 6),
        (790, 264, "2022-01-01 to 2022-01-03: 2 trips a day, from 1 to 3", 3),
    ],
)
def test_a_line_has_as_many_points_as_days_up_to_320(days, points, first, labels):
    by_day = {date(2022, 1, 1) + timedelta(day): day + 1 for day in range(days)}
    months = [
        proved(GREEN, str(month), by_day={
            str(day): trips for day, trips in by_day.items() if Month.of(day) == month
        })
        for month in Month.parse("2022-01").through(Month.parse("2024-12"))
    ]  # fmt: skip
    (panel,) = charts.trips_per_day(months)
    assert (len(_tips(panel)), _tips(panel)[0]) == (points, first)
    assert len(panel.chart.labels) == labels


@pytest.mark.parametrize(
    ("first", "last", "width", "labels"),
    [
        (date(2023, 1, 15), date(2023, 3, 2), 2, {8.5: "2023-02", 22.5: "2023-03"}),
        (date(2022, 1, 1), date(2024, 1, 1), 5, {0: "2022", 73: "2023", 146: "2024"}),
    ],
)
def test_days_are_labelled_by_months_and_by_years_once_there_are_more_than_two(
    first, last, width, labels
):
    assert charts._day_labels(first, last, width) == labels


@pytest.mark.parametrize(
    ("first", "last", "ends", "labels"),
    [
        ("2024-03", "2024-03", (-5.5, 5.5), {0: "2024-03"}),
        ("2024-01", "2024-12", (0, 11), {0: "2024-01", 2: "2024-03", 4: "2024-05", 6: "2024-07",
                                         8: "2024-09", 10: "2024-11"}),
        ("2024-01", "2025-01", (0, 12), {0: "2024-01", 3: "2024-04", 6: "2024-07", 9: "2024-10",
                                         12: "2025-01"}),
        ("2024-01", "2024-06", (-3, 8), {x: f"2024-0{x + 1}" for x in range(6)}),
        ("2023-01", "2024-12", (0, 23), {0: "2023-01", 4: "2023-05", 8: "2023-09", 12: "2024-01",
                                         16: "2024-05", 20: "2024-09"}),
        ("2022-12", "2024-12", (0, 24), {1: "2023", 13: "2024"}),
    ],
)  # fmt: skip
def test_an_axis_of_months_names_years_once_there_are_more_than_two(first, last, ends, labels):
    axis = charts._month_axis([proved(GREEN, first), proved(YELLOW, last)])
    begin = charts._ordinal(Month.parse(first))
    assert (axis.first - begin, axis.last - begin) == ends
    assert {x - begin: text for x, text in axis.labels.items()} == labels


def test_volume_is_shown_in_megabytes_of_all_services_together():
    raw, lake = charts.volume([*MONTHS, proved(GREEN, "2024-01", raw_bytes=25_000_000_000)])
    assert _said(raw) == (
        "Published files in raw/", "25,052.5 MB in all, MB per month",
        "Published files in raw/: megabytes per month of the trips, 2023-12 to 2024-02; "
        "25,052.5 in all",
        ["2023-12", "2024-01", "2024-02"],
        ["2024-01\nyellow: 50.00 MB\ngreen: 25,000.00 MB", "2024-02\nyellow: 1.00 MB",
         "2023-12\ngreen: 1.50 MB"],
    )  # fmt: skip
    assert (lake.title, lake.note) == (
        "Trips and quarantine in the lake", "63.2 MB in all, MB per month",
    )  # fmt: skip
    assert _bars(raw) == [
        ("yellow", 207.33, 0.18), ("green", 207.33, 90.0), ("yellow", 236.5, 0.0),
        ("green", 178.17, 0.01),
    ]  # fmt: skip


def test_speed_is_shown_of_the_loads_that_were_timed():
    (panel,) = charts.load_speed(MONTHS)
    assert _said(panel) == (
        "Speed of the loads",
        "195,238 rows a second on average, by time of the load",
        "Speed of 2 loads, 2024-05-30 to 2024-06-02: 195,238 rows a second on average",
        ["2024-05-30", "2024-05-31", "2024-06-02"],
        [
            "yellow 2024-01: 2,000,000 rows in 8.0 s, loaded 2024-06-02 03:04 UTC",
            "green 2023-12: 50,000 rows in 2.5 s, loaded 2024-05-30 03:04 UTC",
        ],
    )
    assert [(name, outline[:11]) for _, ((name, outline),) in panel.chart.groups] == [
        ("yellow", "M389.5 10.0"), ("green", "M41.3 139.3"),
    ]  # fmt: skip
    assert charts.load_speed([FEBRUARY]) == []
    assert charts.load_speed([proved(GREEN, "2024-01", loaded_at=LOADED_AT)]) == []
    assert charts.load_speed([proved(GREEN, "2024-01", seconds=1.0)]) == []


@pytest.mark.parametrize(
    ("span", "written"),
    [
        (timedelta(0), {160: "03:04:00"}),
        (timedelta(seconds=3_598), {0: "03:04:00", 160: "03:33:59", 320: "04:03:58"}),
        (timedelta(seconds=3_600), {0: "03:04", 160: "03:34", 320: "04:04"}),
        (timedelta(hours=47), {0: "03:04", 160: "02:34", 320: "02:04"}),
        (timedelta(hours=48), {0: "2024-06-02", 160: "2024-06-03", 320: "2024-06-04"}),
    ],
)
def test_times_below_the_speeds_are_as_fine_as_their_span(span, written):
    assert charts._time_labels(LOADED_AT, LOADED_AT + span) == written
