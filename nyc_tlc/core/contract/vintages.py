"""From what TLC changed, month by month, to the list of vintages."""

from collections.abc import Mapping, Sequence
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


def parquet_vintages(
    first: str, layout: str, changes: Mapping[str, str] | None = None
) -> tuple[Vintage, ...]:
    """The vintages of Parquet files that begin with one layout.

    Args:
        first: The month in which the layout begins.
        layout: ``VendorID int64, trip_distance double``: names and Arrow types as published.
        changes: By month, the columns that come, go (``absent``) or change their type.
    """
    published = _types(layout)
    vintages = [Vintage(Month.parse(first), published)]
    for month, changed in (changes or {}).items():
        all_types = {**published, **_types(changed)}
        published = {name: kind for name, kind in all_types.items() if kind != "absent"}
        vintages.append(Vintage(Month.parse(month), published))
    return tuple(vintages)


def _types(layout: str) -> Mapping[str, str]:
    return dict(column.split() for column in layout.split(","))


def csv_vintages(headers: Mapping[str, str]) -> tuple[Vintage, ...]:
    """The vintages of CSV files, by the month in which each header line was first published."""
    return tuple(
        Vintage(Month.parse(first), {name.strip(' "'): "string" for name in header.split(",")})
        for first, header in headers.items()
    )


def with_nulls(
    vintages: Sequence[Vintage], null_months: Mapping[str, frozenset[Month]]
) -> tuple[Vintage, ...]:
    """Split the vintages where TLC wrote a column without values, which makes its type ``null``.

    By published name, ``null_months`` has the months in which the column is all null.
    """
    split: list[Vintage] = []
    for month in vintages[0].first.through(LAST_KNOWN_MONTH):
        span = [vintage for vintage in vintages if vintage.first <= month][-1]
        nulls = {name: "null" for name, empty in null_months.items() if month in empty}
        published = {**span.published, **nulls}
        if not split or published != split[-1].published or span.ignored != split[-1].ignored:
            split.append(replace(span, first=month, published=published))
    return tuple(split)
