"""From spans and month-by-month type flips to the list of vintages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from nyc_tlc.core.contract.model import Vintage
from nyc_tlc.core.month import Month

LAST_KNOWN_MONTH = Month(2026, 8)
"""Newest month seen at TLC (read 2026-10-02)."""


def months(*texts: str) -> frozenset[Month]:
    """Months and ``2024-01:2024-06`` ranges, as a set."""
    spans = (text.partition(":") for text in texts)
    return frozenset(
        month
        for first, _, last in spans
        for month in Month.parse(first).through(Month.parse(last or first))
    )


def csv_vintage(first: str, header: str) -> Vintage:
    """The vintage of CSV files that begins in ``first``, by the header line as published."""
    names = [name.strip(' "') for name in header.split(",")]
    return Vintage(Month.parse(first), dict.fromkeys(names, "string"))


def flip(
    vintages: Sequence[Vintage], types_in: Callable[[Month], Mapping[str, str]]
) -> tuple[Vintage, ...]:
    """Split spans wherever TLC changed a column's physical type for some months.

    Args:
        vintages: The spans, ascending.
        types_in: The types that differ from the span's own in a given month.
    """
    split: list[Vintage] = []
    for month in vintages[0].first.through(LAST_KNOWN_MONTH):
        span = [vintage for vintage in vintages if vintage.first <= month][-1]
        published = {**span.published, **types_in(month)}
        if not split or published != split[-1].published or span.ignored != split[-1].ignored:
            split.append(replace(span, first=month, published=published))
    return tuple(split)
