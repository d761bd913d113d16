"""Small charts as inline SVG: bars, a line with its range, dots. Nothing but text comes out.

Colours are classes, so that the page decides them for light and dark. Elements are built as a
tree: whatever a label says is escaped when it is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, log10
from xml.etree.ElementTree import Element, SubElement, tostring

_WIDTH, _HEIGHT = 400.0, 176.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 6.0, 10.0, 22.0
_TICKS = {1.0: 5, 2.0: 4, 2.5: 5, 4.0: 4, 5.0: 5, 8.0: 4, 10.0: 5}
"""Where the vertical axis may end, times a power of ten, and its parts, which are round then."""
_MOST_LABELS = 6
"""On the horizontal axis of a chart that is 360 pixels wide on a phone."""


@dataclass(frozen=True)
class Point:
    """One place on the horizontal axis.

    Attributes:
        x: Position, in units of the axis.
        values: Height by series; a series that is missing has none.
        tip: What the tooltip says.
    """

    x: float
    values: Mapping[str, float]
    tip: str


@dataclass(frozen=True)
class Axis:
    """The horizontal axis.

    Attributes:
        first: Left end.
        last: Right end, included.
        labels: Position to what is written there.
    """

    first: float
    last: float
    labels: Mapping[float, str]

    def position(self, x: float) -> float:
        """The middle of a unit's column."""
        return _LEFT + (x - self.first + 0.5) * self.step

    @property
    def step(self) -> float:
        """Width of a unit."""
        return (_WIDTH - _LEFT - _RIGHT) / max(self.last - self.first + 1, 1e-9)


def stacked_bars(axis: Axis, points: Sequence[Point], series: Sequence[str], label: str) -> str:
    """A bar per point, its series from the bottom up; ``series`` are the classes of the parts."""
    top = _nice(max((sum(point.values.values()) for point in points), default=0))
    svg = _frame(axis, top, label)
    width = max(axis.step * (0.92 if axis.step < 6 else 0.8), 0.6)
    for point in points:
        group = SubElement(svg, "g")
        SubElement(group, "title").text = point.tip
        _hover(group, axis, point.x, axis.step)
        bottom = 0.0
        for name in series:
            value = point.values.get(name, 0)
            if value:
                upper = _y(bottom + value, top)
                _rect(group, name, (axis.position(point.x) - width / 2, upper, width),
                      _y(bottom, top) - upper)  # fmt: skip
                bottom += value
    return _text(svg)


def range_line(axis: Axis, points: Sequence[Point], name: str, label: str) -> str:
    """A line through ``mean`` within a band from ``low`` to ``high``; gaps in x break it."""
    top = _nice(max((point.values["high"] for point in points), default=0))
    svg = _frame(axis, top, label)
    for run in _unbroken(points):
        x = [axis.position(point.x) for point in run]
        high = [_y(point.values["high"], top) for point in run]
        low = [_y(point.values["low"], top) for point in run]
        mean = [_y(point.values["mean"], top) for point in run]
        outline = [*zip(x, high, strict=True), *reversed(list(zip(x, low, strict=True)))]
        SubElement(svg, "polygon", {"class": f"{name} band", "points": _pairs(outline)})
        line = list(zip(x, mean, strict=True))
        if len(line) == 1:
            line = [(x[0] - axis.step / 2, mean[0]), (x[0] + axis.step / 2, mean[0])]
        SubElement(svg, "polyline", {"class": f"{name} line", "points": _pairs(line)})
    for point in points:
        group = SubElement(svg, "g")
        SubElement(group, "title").text = point.tip
        _hover(group, axis, point.x, axis.step)
    return _text(svg)


_SHAPES = ("circle", "square", "diamond", "triangle")


def dots(axis: Axis, points: Sequence[Point], series: Sequence[str], label: str) -> str:
    """A mark per point and series, each series with a shape of its own."""
    values = [value for point in points for value in point.values.values()]
    top = _nice(max(values, default=0))
    svg = _frame(axis, top, label)
    for point in points:
        for number, name in enumerate(series):
            if name in point.values:
                x, y = axis.position(point.x), _y(point.values[name], top)
                mark = SubElement(svg, "path", {"class": name, "d": mark_path(number, x, y)})
                SubElement(mark, "title").text = point.tip
    return _text(svg)


def mark_path(number: int, x: float, y: float, size: float = 4.0) -> str:
    """The outline of a series' mark around a point."""
    corners = {
        "square": ((-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)),
        "diamond": ((0, -1.2), (1.2, 0), (0, 1.2), (-1.2, 0)),
        "triangle": ((0, -1.1), (1.1, 0.9), (-1.1, 0.9)),
    }
    shape = _SHAPES[number % len(_SHAPES)]
    if shape == "circle":
        half = f"a{size} {size} 0 1 0"
        return f"M{x - size:.1f} {y:.1f}{half} {2 * size} 0{half} {-2 * size} 0z"
    around = " ".join(f"{x + dx * size:.1f} {y + dy * size:.1f}" for dx, dy in corners[shape])
    return f"M{around}z"


def legend_mark(name: str, number: int) -> str:
    """The mark of a series, for a legend."""
    svg = Element("svg", {"viewBox": "-6 -6 12 12", "aria-hidden": "true"})
    SubElement(svg, "path", {"class": name, "d": mark_path(number, 0, 0)})
    return _text(svg)


def compact(value: float) -> str:
    """A number in three figures at most: 1.2k, 35M."""
    for factor, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g}{suffix}"
    return f"{value:.3g}"


def thinned(labels: Sequence[tuple[float, str]]) -> dict[float, str]:
    """As many of the labels as fit, evenly spaced."""
    every = max(ceil(len(labels) / _MOST_LABELS), 1)
    return dict(labels[::every])


def _frame(axis: Axis, top: float, label: str) -> Element:
    svg = Element(
        "svg", {"viewBox": f"0 0 {_WIDTH:g} {_HEIGHT:g}", "role": "img", "aria-label": label}
    )
    ticks = _ticks(top)
    for number in range(ticks + 1):
        value = top * number / ticks
        y = _y(value, top)
        SubElement(svg, "line", {"class": "grid", "x1": f"{_LEFT:g}", "x2": f"{_WIDTH - _RIGHT:g}",
                                 "y1": f"{y:.1f}", "y2": f"{y:.1f}"})  # fmt: skip
        text = SubElement(svg, "text", {"x": f"{_LEFT - 6:g}", "y": f"{y + 4:.1f}", "class": "end"})
        text.text = compact(value)
    for x, written in axis.labels.items():
        at = axis.position(x)
        room = 3.5 * len(written)
        anchor = "end" if at + room > _WIDTH else "start" if at - room < _LEFT - 20 else "middle"
        place = {"end": _WIDTH - _RIGHT, "start": _LEFT - 16}.get(anchor, at)
        text = SubElement(
            svg, "text", {"x": f"{place:.1f}", "y": f"{_HEIGHT - 5:g}", "class": anchor}
        )
        text.text = written
    return svg


def _y(value: float, top: float) -> float:
    return _HEIGHT - _BOTTOM - value / top * (_HEIGHT - _TOP - _BOTTOM)


def _nice(value: float) -> float:
    """The least round number that holds the value."""
    if value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    return next(power * step for step in _TICKS if power * step >= value * 0.9999)


def _ticks(top: float) -> int:
    """Into how many parts an axis that ends at a round number is divided."""
    step = top / 10.0 ** floor(log10(top) + 1e-9)
    return _TICKS[min(_TICKS, key=lambda known: abs(known - step))]


def _hover(group: Element, axis: Axis, x: float, width: float) -> None:
    """The whole column answers to the pointer, however low its bar."""
    _rect(group, "hover", (axis.position(x) - width / 2, _TOP, width), _HEIGHT - _TOP - _BOTTOM)


def _rect(group: Element, name: str, place: tuple[float, float, float], height: float) -> None:
    x, y, width = place
    SubElement(group, "rect", {"class": name, "x": f"{x:.2f}", "y": f"{y:.2f}",
                               "width": f"{width:.2f}", "height": f"{height:.2f}"})  # fmt: skip


def _unbroken(points: Sequence[Point]) -> list[list[Point]]:
    runs = [[points[0]]] if points else []
    for before, point in pairwise(points):
        if point.x - before.x > 1:
            runs.append([])
        runs[-1].append(point)
    return runs


def _pairs(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _text(svg: Element) -> str:
    return tostring(svg, encoding="unicode")
