"""A published Parquet file: its ends, its footer, its pages, and what its values become."""

from __future__ import annotations

from qa.fuzz.trips_file import read_trips


def read(data: bytes) -> None:
    read_trips(data, ".parquet")
