"""The two forms in which trip records are published."""

from __future__ import annotations

from enum import StrEnum

IRREGULAR_ROW = "irregular_row"
"""Column of a batch read from CSV: the whole line where it does not have the header's fields."""


class SourceFormat(StrEnum):
    """Parquet as TLC publishes since May 2022, or the CSV that it published before."""

    PARQUET = "parquet"
    CSV = "csv"

    @classmethod
    def of(cls, path: str) -> SourceFormat:
        """The format of a published file, by its name."""
        return cls.PARQUET if path.endswith(".parquet") else cls.CSV


def published_paths(source_format: SourceFormat, service: str, file_stem: str) -> tuple[str, ...]:
    """Where a month's file may lie below the source's address, likeliest first.

    Parquet as on TLC's CDN; CSV as on the DataTalksClub mirror (releases per service), or not
    compressed as TLC's bucket had it.
    """
    if source_format is SourceFormat.PARQUET:
        return (f"trip-data/{file_stem}.parquet",)
    return (f"{service}/{file_stem}.csv.gz", f"{service}/{file_stem}.csv")
