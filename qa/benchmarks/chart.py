"""Bars of seconds as SVG, short ones comparable although one is a hundred times longer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from qa.benchmarks.run import Kind

_WIDTH, _LEFT, _RIGHT = 860, 330, 90
_TOP, _ROW, _BAR = 72, 30, 18
_COLOURS = {"floor": "#8a8f98", "ours": "#c2410c", "peer": "#5b8db8"}
_CUT = 6.0
"""Bars are cut at so many times the shortest of ours."""


@dataclass(frozen=True)
class Bar:
    """One case of the chart."""

    label: str
    seconds: float
    kind: Kind


def bar_chart(title: str, remark: str, bars: Sequence[Bar]) -> str:
    """An SVG document; bars in the order given, one that is too long is cut and says so."""
    limit = _limit(bars)
    height = _TOP + _ROW * len(bars) + 14
    rows = "\n".join(_row(bar, number, limit) for number, bar in enumerate(bars))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" \
width="{_WIDTH}" height="{height}" font-family="system-ui, sans-serif" font-size="13" role="img">
<title>{escape(title)}</title>
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="16" y="28" font-size="16" font-weight="600" fill="#1f2328">{escape(title)}</text>
<text x="16" y="48" fill="#59636e">{escape(remark)}</text>
{rows}
</svg>
"""


def _limit(bars: Sequence[Bar]) -> float:
    ours = [bar.seconds for bar in bars if bar.kind == "ours"] or [bar.seconds for bar in bars]
    longest = max((bar.seconds for bar in bars), default=1.0)
    return min(longest, _CUT * min(ours, default=1.0))


def _row(bar: Bar, number: int, limit: float) -> str:
    y = _TOP + _ROW * number
    middle = y + _BAR // 2 + 5
    room = _WIDTH - _LEFT - _RIGHT
    cut = bar.seconds > limit
    width = room if cut else max(room * bar.seconds / limit, 1)
    weight = ' font-weight="600"' if bar.kind == "ours" else ""
    parts = [
        f'<text x="{_LEFT - 10}" y="{middle}" text-anchor="end" fill="#1f2328"{weight}>'
        f"{escape(bar.label)}</text>",
        f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="2" '
        f'fill="{_COLOURS[bar.kind]}"/>',
        f'<text x="{_LEFT + width + 8:.1f}" y="{middle}" fill="#1f2328"{weight}>'
        f"{bar.seconds:.{0 if bar.seconds >= 100 else 1}f} s</text>",
    ]
    if cut:
        x = _LEFT + room - 26
        parts.append(
            f'<path d="M{x} {y + _BAR + 3} l10 -{_BAR + 6} M{x + 7} {y + _BAR + 3} '
            f'l10 -{_BAR + 6}" stroke="#ffffff" stroke-width="3"/>'
        )
    return "\n".join(parts)
