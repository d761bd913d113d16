"""Small charts, measured: every number of theirs is where it belongs."""

import pytest

from nyc_tlc.core.audit import drawing
from nyc_tlc.core.audit.drawing import Axis, Point, compact, dots, mark, range_line, stacked_bars

MONTHS = Axis(0, 3, {0.0: "2024-01", 3.0: "2024-04"})
COLUMNS = [("hover", f"M{x:.2f} 10.00h87.50v144.00h-87.50z") for x in (44, 131.5, 219, 306.5)]


def test_bars_stand_on_each_other_in_the_order_of_the_series():
    points = [
        Point(0, {"yellow": 20, "green": 30, "fhv": 50}, "January"),
        Point(1, {"yellow": 5, "green": 0, "other": 7}, "February"),
    ]
    chart = stacked_bars(MONTHS, points, ["fhv", "green", "yellow"], "Trips")
    assert chart.label == "Trips"
    assert chart.groups == [
        ("January", [
            COLUMNS[0],
            ("fhv", "M52.75 82.00h70.00v72.00h-70.00z"),
            ("green", "M52.75 38.80h70.00v43.20h-70.00z"),
            ("yellow", "M52.75 10.00h70.00v28.80h-70.00z"),
        ]),
        ("February", [COLUMNS[1], ("yellow", "M140.25 146.80h70.00v7.20h-70.00z")]),
    ]  # fmt: skip
    assert chart.labels == [(87.75, "middle", "2024-01"), (350.25, "middle", "2024-04")]
    assert chart.ticks == [
        (154.0, "0"), (pytest.approx(125.2), "20"), (pytest.approx(96.4), "40"),
        (pytest.approx(67.6), "60"), (pytest.approx(38.8), "80"), (10.0, "100"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("units", "width"), [(58, "4.83"), (60, "5.37"), (400, "0.81"), (10_000, "0.60")]
)
def test_many_bars_are_narrow_but_never_invisible(units, width):
    chart = stacked_bars(Axis(1, units, {}), [Point(1, {"green": 1}, "")], ["green"], "")
    ((_, (_, (_, outline))),) = chart.groups
    assert f"h{width}v" in outline


def test_a_line_runs_within_its_band_and_breaks_where_days_are_missing():
    points = [
        Point(0, {"low": 10, "high": 30, "mean": 20}, "1 January"),
        Point(1, {"low": 20, "high": 40, "mean": 30}, "2 January"),
        Point(3, {"low": 0, "high": 8, "mean": 4}, "4 January"),
    ]
    chart = range_line(MONTHS, points, "green", "Days")
    assert (chart.label, chart.labels[0][2], chart.ticks[-1]) == ("Days", "2024-01", (10, "40"))
    assert chart.groups == [
        ("", [
            ("green band", "M87.8 46.0 175.2 10.0 175.2 82.0 87.8 118.0z"),
            ("green line", "M87.8 82.0 175.2 46.0"),
            ("green band", "M350.2 125.2 350.2 154.0z"),
            ("green line", "M306.5 139.6 394.0 139.6"),
        ]),
        ("1 January", [COLUMNS[0]]), ("2 January", [COLUMNS[1]]), ("4 January", [COLUMNS[3]]),
    ]  # fmt: skip


def test_each_series_of_dots_has_its_own_shape():
    points = [
        Point(0, {"green": 1000.0}, "January"),
        Point(160, {"fhv": 2000.0, "green": 500.0}, "February"),
    ]
    chart = dots(Axis(0, 320, {160: "noon"}), points, ["yellow", "green", "fhv"], "Speed")
    assert chart.groups == [
        ("January", [("green", "M41.3 78.8 47.7 78.8 47.7 85.2 41.3 85.2z")]),
        ("February", [("green", "M215.8 114.8 222.2 114.8 222.2 121.2 215.8 121.2z")]),
        ("February", [("fhv", "M219.0 5.2 223.8 10.0 219.0 14.8 214.2 10.0z")]),
    ]
    assert [number for _, number in chart.ticks] == ["0", "500", "1k", "1.5k", "2k"]
    assert (chart.label, chart.labels[0][1:]) == ("Speed", ("middle", "noon"))


def test_a_chart_without_points_is_a_grid_up_to_one():
    for chart in (
        stacked_bars(MONTHS, [], ["green"], ""), range_line(MONTHS, [], "green", ""),
        dots(MONTHS, [], ["green"], ""),
    ):  # fmt: skip
        assert [number for _, number in chart.ticks] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]


def test_the_four_shapes_surround_their_point():
    assert [mark("fhv", number, 10, 20) for number in range(5)] == [
        ("fhv", "M6.0 20.0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z"),
        ("fhv", "M6.8 16.8 13.2 16.8 13.2 23.2 6.8 23.2z"),
        ("fhv", "M10.0 15.2 14.8 20.0 10.0 24.8 5.2 20.0z"),
        ("fhv", "M10.0 15.6 14.4 23.6 5.6 23.6z"),
        mark("fhv", 0, 10, 20),
    ]
    assert mark("green", drawing.SQUARE) == ("green", "M-3.2 -3.2 3.2 -3.2 3.2 3.2 -3.2 3.2z")


@pytest.mark.parametrize(
    ("value", "top", "parts"),
    [
        (-1, 1, 5), (0, 1, 5), (0.03, 0.04, 4), (1, 1, 5), (1.1, 2, 4), (2.1, 2.5, 5), (2.6, 4, 4),
        (4.1, 5, 5), (5.1, 8, 4), (8.1, 10, 5), (10, 10, 5), (11, 20, 4), (2_000_100, 2e6, 4),
        (2_000_300, 2.5e6, 5),
    ],
)  # fmt: skip
def test_an_axis_ends_at_the_least_round_number_and_has_round_parts(value, top, parts):
    assert drawing._nice(value) == (pytest.approx(top), parts)


@pytest.mark.parametrize(
    ("at", "text", "x", "anchor"),
    [
        (0, "2024-01", 28, "start"),
        (0, "1", 47.65, "middle"),
        (45, "2024", 375.77, "middle"),
        (46, "2024-01", 394, "end"),
        (47, "1", 390.35, "middle"),
    ],
)
def test_a_label_at_an_end_stays_inside(at, text, x, anchor):
    chart = stacked_bars(Axis(0, 47, {at: text}), [], [], "")
    assert chart.labels == [(pytest.approx(x, abs=0.01), anchor, text)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (0.25, "0.25"), (999, "999"), (1e3, "1k"), (1250, "1.25k"), (1e6, "1M"),
        (3_066_766, "3.07M"), (1e9, "1G"), (4.5e9, "4.5G"),
    ],
)  # fmt: skip
def test_numbers_on_axes_are_short(value, text):
    assert compact(value) == text
