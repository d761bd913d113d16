"""docs/soak.svg: what every gauge showed for an hour, one small chart each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

_COLUMNS = 3
_WIDTH, _HEIGHT = 300, 110
_PLOT_TOP, _PLOT_HEIGHT, _PLOT_WIDTH = 44, 48, 270


def chart(trials: Sequence[Mapping[str, Any]]) -> str:
    """The gauges of a soak as an SVG; each plot begins at zero."""
    gauges = [trial for trial in trials if trial.get("series")]
    rows = -(-len(gauges) // _COLUMNS)
    width, height = _COLUMNS * _WIDTH, rows * _HEIGHT
    plots = "\n".join(
        line
        for number, gauge in enumerate(gauges)
        for line in _plot(gauge, number % _COLUMNS * _WIDTH, number // _COLUMNS * _HEIGHT)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="11">\n'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n{plots}\n</svg>\n'
    )


def _plot(gauge: Mapping[str, Any], left: int, top: int) -> Iterator[str]:
    series: Sequence[float] = gauge["series"]
    highest = max(series) or 1.0
    points = " ".join(
        f"{left + 15 + _PLOT_WIDTH * at / max(len(series) - 1, 1):.1f},"
        f"{top + _PLOT_TOP + _PLOT_HEIGHT * (1 - value / highest):.1f}"
        for at, value in enumerate(series)
    )
    floor = top + _PLOT_TOP + _PLOT_HEIGHT
    yield (
        f'<text x="{left + 15}" y="{top + 18}" font-weight="bold">{escape(gauge["what"])}</text>'
    )
    yield (
        f'<text x="{left + 15}" y="{top + 34}" fill="#555555">{escape(gauge["outcome"])}, '
        f"at most {highest:,.1f}</text>"
    )
    yield f'<path d="M{left + 15} {floor}h{_PLOT_WIDTH}" stroke="#cccccc"/>'
    yield f'<polyline points="{points}" fill="none" stroke="#1f6feb" stroke-width="1.5"/>'
