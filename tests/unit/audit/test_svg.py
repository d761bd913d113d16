"""Small charts, drawn: every number of theirs is where it belongs."""

from __future__ import annotations

import re

import pytest

from nyc_tlc.core.audit import svg
from nyc_tlc.core.audit.svg import (
    Axis,
    Point,
    dots,
    legend_mark,
    mark_path,
    range_line,
    stacked_bars,
    thinned,
)

MONTHS = Axis(0, 3, {0.0: "2024-01", 3.0: "2024-04"})


def _drawn(chart: str) -> list[str]:
    """One element a line, less what frames every chart."""
    lines = re.sub(r"(?<=>)(?=<(?!title|/))", "\n", chart).splitlines()
    return [line for line in lines if '"grid"' not in line and 'class="end">' not in line]


def _levels(chart: str) -> list[tuple[float, float, str]]:
    """Each level of the grid: where its line is, where its number, and the number."""
    found = re.findall(
        r'<line class="grid" x1="44" x2="394" y1="(-?[\d.]+)" y2="\1" />'
        r'<text x="38" y="(-?[\d.]+)" class="end">([^<]+)</text>',
        chart,
    )
    return [(float(line), float(text), number) for line, text, number in found]


def test_bars_stand_on_each_other_in_the_order_of_the_series() -> None:
    points = [
        Point(0, {"yellow": 40, "green": 60}, "January"),
        Point(1, {"yellow": 5, "green": 0, "other": 7}, "February"),
    ]
    chart = stacked_bars(MONTHS, points, ["green", "yellow"], "Trips")
    assert _drawn(chart) == [
        '<svg viewBox="0 0 400 176" role="img" aria-label="Trips">',
        '<text x="87.8" y="171" class="middle">2024-01</text>',
        '<text x="350.2" y="171" class="middle">2024-04</text>',
        "<g><title>January</title>",
        '<rect class="hover" x="44.00" y="10.00" width="87.50" height="144.00" />',
        '<rect class="green" x="52.75" y="67.60" width="70.00" height="86.40" />',
        '<rect class="yellow" x="52.75" y="10.00" width="70.00" height="57.60" /></g>',
        "<g><title>February</title>",
        '<rect class="hover" x="131.50" y="10.00" width="87.50" height="144.00" />',
        '<rect class="yellow" x="140.25" y="146.80" width="70.00" height="7.20" /></g></svg>',
    ]
    assert _levels(chart) == [
        (154.0, 158.0, "0"), (125.2, 129.2, "20"), (96.4, 100.4, "40"), (67.6, 71.6, "60"),
        (38.8, 42.8, "80"), (10.0, 14.0, "100"),
    ]  # fmt: skip


def test_every_part_of_a_bar_stands_on_all_that_are_below_it() -> None:
    point = Point(0, {"a": 20, "b": 30, "c": 50}, "")
    chart = stacked_bars(MONTHS, [point], ["a", "b", "c"], "")
    assert re.findall(r'class="([abc])" x="[\d.]+" y="([\d.]+)"', chart) == [
        ("a", "125.20"), ("b", "82.00"), ("c", "10.00"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("units", "width"), [(58, "4.83"), (60, "5.37"), (400, "0.81"), (10_000, "0.60")]
)
def test_many_bars_are_narrow_but_never_invisible(units: int, width: str) -> None:
    chart = stacked_bars(Axis(1, units, {}), [Point(1, {"green": 1}, "")], ["green"], "")
    assert re.findall(r'class="green" .* width="([\d.]+)"', chart) == [width]


def test_a_line_runs_within_its_band_and_breaks_where_days_are_missing() -> None:
    points = [
        Point(0, {"low": 10, "high": 30, "mean": 20}, "1 January"),
        Point(1, {"low": 20, "high": 40, "mean": 30}, "2 January"),
        Point(3, {"low": 0, "high": 8, "mean": 4}, "4 January"),
    ]
    assert _drawn(range_line(MONTHS, points, "green", "Days"))[3:] == [
        '<polygon class="green band" points="87.8,46.0 175.2,10.0 175.2,82.0 87.8,118.0" />',
        '<polyline class="green line" points="87.8,82.0 175.2,46.0" />',
        '<polygon class="green band" points="350.2,125.2 350.2,154.0" />',
        '<polyline class="green line" points="306.5,139.6 394.0,139.6" />',
        "<g><title>1 January</title>",
        '<rect class="hover" x="44.00" y="10.00" width="87.50" height="144.00" /></g>',
        "<g><title>2 January</title>",
        '<rect class="hover" x="131.50" y="10.00" width="87.50" height="144.00" /></g>',
        "<g><title>4 January</title>",
        '<rect class="hover" x="306.50" y="10.00" width="87.50" height="144.00" /></g></svg>',
    ]


def test_each_series_of_dots_has_a_shape_of_its_own() -> None:
    points = [
        Point(0, {"green": 1000.0}, "January"),
        Point(160, {"fhv": 2000.0, "green": 500.0}, "February"),
    ]
    chart = dots(Axis(0, 320, {}), points, ["yellow", "green", "fhv"], "Speed")
    assert _drawn(chart) == [
        '<svg viewBox="0 0 400 176" role="img" aria-label="Speed">',
        '<path class="green" d="M41.3 78.8 47.7 78.8 47.7 85.2 41.3 85.2z"><title>January</title>'
        "</path>",
        '<path class="green" d="M215.8 114.8 222.2 114.8 222.2 121.2 215.8 121.2z">'
        "<title>February</title></path>",
        '<path class="fhv" d="M219.0 5.2 223.8 10.0 219.0 14.8 214.2 10.0z">'
        "<title>February</title></path></svg>",
    ]
    assert [number for *_, number in _levels(chart)] == ["0", "500", "1k", "1.5k", "2k"]


def test_a_chart_without_points_is_a_grid_up_to_one() -> None:
    empty = [
        stacked_bars(MONTHS, [], ["green"], ""),
        range_line(MONTHS, [], "green", ""),
        dots(MONTHS, [], ["green"], ""),
    ]
    for chart in empty:
        assert [number for *_, number in _levels(chart)] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]


def test_the_four_shapes_surround_their_point() -> None:
    assert [mark_path(number, 10, 20) for number in range(5)] == [
        "M6.0 20.0a4.0 4.0 0 1 0 8.0 0a4.0 4.0 0 1 0 -8.0 0z",
        "M6.8 16.8 13.2 16.8 13.2 23.2 6.8 23.2z",
        "M10.0 15.2 14.8 20.0 10.0 24.8 5.2 20.0z",
        "M10.0 15.6 14.4 23.6 5.6 23.6z",
        mark_path(0, 10, 20),
    ]
    assert legend_mark("fhv", 1) == (
        '<svg viewBox="-6 -6 12 12" aria-hidden="true">'
        '<path class="fhv" d="M-3.2 -3.2 3.2 -3.2 3.2 3.2 -3.2 3.2z" /></svg>'
    )


@pytest.mark.parametrize(
    ("value", "top", "parts"),
    [
        (-1, 1, 5), (0, 1, 5), (0.03, 0.04, 4), (1, 1, 5), (1.1, 2, 4), (2.1, 2.5, 5), (2.6, 4, 4),
        (4.1, 5, 5), (5.1, 8, 4), (8.1, 10, 5), (10, 10, 5), (11, 20, 4), (2_000_100, 2e6, 4),
        (2_000_300, 2.5e6, 5),
    ],
)  # fmt: skip
def test_an_axis_ends_at_the_least_round_number_and_has_round_parts(
    value: float, top: float, parts: int
) -> None:
    assert svg._nice(value) == pytest.approx(top)
    assert svg._ticks(svg._nice(value)) == parts


@pytest.mark.parametrize(
    ("at", "text", "place"),
    [
        (0, "2024-01", '<text x="28.0" y="171" class="start">'),
        (0, "1", '<text x="47.6" y="171" class="middle">'),
        (45, "2024", '<text x="375.8" y="171" class="middle">'),
        (46, "2024-01", '<text x="394.0" y="171" class="end">'),
        (47, "1", '<text x="390.4" y="171" class="middle">'),
    ],
)
def test_a_label_at_an_end_stays_inside(at: int, text: str, place: str) -> None:
    chart = stacked_bars(Axis(0, 47, {at: text}), [], [], "")
    assert f"{place}{text}</text>" in chart


@pytest.mark.parametrize(("many", "kept"), [(0, 0), (6, 6), (7, 4), (12, 6), (13, 5)])
def test_as_many_labels_are_kept_as_fit_on_a_phone(many: int, kept: int) -> None:
    assert len(thinned([(float(x), str(x)) for x in range(many)])) == kept
