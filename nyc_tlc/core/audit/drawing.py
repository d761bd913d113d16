"""Lay out small charts: bars, a line with its range, dots.

The page's template writes them as SVG and escapes every text. Colours are CSS classes, so that the
page chooses them for light and dark mode.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, log10

WIDTH, HEIGHT = 400.0, 176.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 394.0, 10.0, 154.0
"""The edges of the grid; its numbers are to the left of it, the labels below."""
_TICKS = {1.0: 5, 2.0: 4, 2.5: 5, 4.0: 4, 5.0: 5, 8.0: 4, 10.0: 5}
"""Where the vertical axis may end, times a power of ten, and into how many parts it divides."""
_MARKS = (
    (),  # a circle
    ((-3.2, -3.2), (3.2, -3.2), (3.2, 3.2), (-3.2, 3.2)),
    ((0, -4.8), (4.8, 0), (0, 4.8), (-4.8, 0)),
    ((0, -4.4), (4.4, 3.6), (-4.4, 3.6)),
)
SQUARE = 1
"""Number of the mark that stands for a part of a bar."""

Shape = tuple[str, str]
"""Its classes, and its outline as SVG's ``d``."""


@dataclass(frozen=True)
class Point:
    """A place on the horizontal axis: the heights of the series that have one, and its tooltip."""

    x: float
    values: Mapping[str, float]
    tip: str


@dataclass(frozen=True)
class Axis:
    """The horizontal axis: its ends, both included, and what is written at which position."""

    first: float
    last: float
    labels: Mapping[float, str]

    def position(self, x: float) -> float:
        """The middle of a unit's column."""
        return LEFT + (x - self.first + 0.5) * self.step

    @property
    def step(self) -> float:
        """Width of a unit."""
        return (RIGHT - LEFT) / max(self.last - self.first + 1, 1e-9)

    def column(self, point: Point) -> Shape:
        """What reacts to the pointer: the full height, however low the bar."""
        return "hover", _box(self.position(point.x), self.step, TOP, BOTTOM)


@dataclass(frozen=True)
class Chart:
    """A chart, laid out in the units of its SVG, and what it shows in words.

    Attributes:
        ticks: Height and number of each level of the grid.
        labels: Position, anchor and text of what is written below it.
        groups: Tooltip, which may be empty, and the shapes that it belongs to.
    """

    label: str
    ticks: Sequence[tuple[float, str]]
    labels: Sequence[tuple[float, str, str]]
    groups: Sequence[tuple[str, Sequence[Shape]]]


class _Height:
    """The vertical axis, from 0 to the least round number that holds every value."""

    def __init__(self, values: Iterable[float]) -> None:
        self._top, self._parts = _nice(max(values, default=0))

    def __call__(self, value: float) -> float:
        return BOTTOM - value / self._top * (BOTTOM - TOP)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        values = [self._top * number / self._parts for number in range(self._parts + 1)]
        return [(self(value), compact(value)) for value in values]


def stacked_bars(axis: Axis, points: Sequence[Point], series: Sequence[str], label: str) -> Chart:
    """A bar per point, its series from the bottom up; ``series`` are the classes of the parts."""
    y = _Height(sum(point.values.values()) for point in points)
    width = max(axis.step * (0.92 if axis.step < 6 else 0.8), 0.6)

    def bar(point: Point) -> list[Shape]:
        parts, below = [axis.column(point)], 0.0
        for name in series:
            if value := point.values.get(name, 0):
                box = _box(axis.position(point.x), width, y(below + value), y(below))
                parts.append((name, box))
                below += value
        return parts

    groups = [(point.tip, bar(point)) for point in points]
    return Chart(label, y.ticks, _placed(axis), groups)


def range_line(axis: Axis, points: Sequence[Point], name: str, label: str) -> Chart:
    """A line through ``mean`` within a band from ``low`` to ``high``; gaps in x break it."""
    y = _Height(point.values["high"] for point in points)
    shapes: list[Shape] = []
    for run in _unbroken(points):
        high, low, line = (
            [(axis.position(point.x), y(point.values[which])) for point in run]
            for which in ("high", "low", "mean")
        )
        if len(line) == 1:
            ((x, mean),) = line
            line = [(x - axis.step / 2, mean), (x + axis.step / 2, mean)]
        shapes.append((f"{name} band", f"{_outline([*high, *reversed(low)])}z"))
        shapes.append((f"{name} line", _outline(line)))
    columns = [(point.tip, [axis.column(point)]) for point in points]
    return Chart(label, y.ticks, _placed(axis), [("", shapes), *columns])


def dots(axis: Axis, points: Sequence[Point], series: Sequence[str], label: str) -> Chart:
    """A mark per point and series, each series with its own shape."""
    y = _Height(value for point in points for value in point.values.values())
    groups = [
        (point.tip, [mark(name, number, axis.position(point.x), y(point.values[name]))])
        for point in points
        for number, name in enumerate(series)
        if name in point.values
    ]
    return Chart(label, y.ticks, _placed(axis), groups)


def mark(name: str, number: int, x: float = 0, y: float = 0) -> Shape:
    """The mark of a series around a point; around the origin for a legend."""
    corners = _MARKS[number % len(_MARKS)]
    if not corners:
        return name, f"M{x - 4:.1f} {y:.1f}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z"
    return name, f"{_outline([(x + dx, y + dy) for dx, dy in corners])}z"


def compact(value: float) -> str:
    """A number in three figures at most: 1.2k, 35M."""
    for factor, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g}{suffix}"
    return f"{value:.3g}"


def _placed(axis: Axis) -> list[tuple[float, str, str]]:
    """The labels, centred, or at an end where they would not fit."""
    placed = []
    for x, text in axis.labels.items():
        at, room = axis.position(x), 3.5 * len(text)
        if at + room > WIDTH:
            placed.append((RIGHT, "end", text))
        elif at - room < LEFT - 20:
            placed.append((LEFT - 16, "start", text))
        else:
            placed.append((at, "middle", text))
    return placed


def _nice(value: float) -> tuple[float, int]:
    """The least round number that holds the value, and into how many round parts it divides."""
    if value <= 0:
        return 1.0, 5
    power = 10.0 ** floor(log10(value))
    return next(
        (power * top, parts) for top, parts in _TICKS.items() if power * top >= value * 0.9999
    )


def _unbroken(points: Sequence[Point]) -> list[list[Point]]:
    runs = [[points[0]]] if points else []
    for before, point in pairwise(points):
        if point.x - before.x > 1:
            runs.append([])
        runs[-1].append(point)
    return runs


def _box(middle: float, width: float, top: float, bottom: float) -> str:
    height = bottom - top
    return f"M{middle - width / 2:.2f} {top:.2f}h{width:.2f}v{height:.2f}h{-width:.2f}z"


def _outline(points: Sequence[tuple[float, float]]) -> str:
    return "M" + " ".join(f"{x:.1f} {y:.1f}" for x, y in points)
