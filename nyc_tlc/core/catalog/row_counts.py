"""How many rows TLC's files had when they were last counted.

Source: the footers of all 487 Parquet files of 2009-01..2024-05 (read August 2024), and of yellow
2024-06..12 and 2026-01..08 and green 2026-01..08 (read October 2026).
"""

import csv
from collections.abc import Mapping
from functools import cache
from importlib import resources

from nyc_tlc.core.catalog.partition import Partition


def expected_rows(partition: Partition) -> int | None:
    """Rows of the month's file when it was counted; None when nobody has."""
    return _row_counts().get((partition.service.name, str(partition.month)))


def row_count_warning(partition: Partition, rows: int) -> str:
    """What to say about a file with ``rows`` rows; empty when there is nothing to say.

    A difference is no error: TLC revises its files.
    """
    expected = expected_rows(partition)
    if expected is None or expected == rows:
        return ""
    return f"{rows:,} rows published, {expected:,} when TLC's files were counted"


@cache
def _row_counts() -> Mapping[tuple[str, str], int]:
    text = resources.files("nyc_tlc.core.catalog").joinpath("row_counts.csv").read_text("utf-8")
    return {
        (row["service"], row["month"]): int(row["rows"])
        for row in csv.DictReader(text.splitlines())
    }
