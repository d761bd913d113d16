"""Every target: what it reads, and how much of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from qa.fuzz import (
    csv_file,
    gcs_answers,
    http_source,
    lake_paths,
    lake_records,
    months,
    parquet_file,
    zone_lookup,
    zone_polygons,
)
from qa.fuzz.oracle import check

CORPUS = Path(__file__).with_name("corpus")


@dataclass(frozen=True)
class Target:
    """A reader of outside bytes.

    Attributes:
        reads: What it is, for people.
        read: Hands bytes to it, and says what must hold of the value.
        most_bytes: Longest input that the fuzzer makes.
    """

    reads: str
    read: Callable[[bytes], None]
    most_bytes: int

    def check(self, data: bytes) -> str:
        """See :func:`qa.fuzz.oracle.check`."""
        return check(self.read, data)


TARGETS: Mapping[str, Target] = {
    "parquet_file": Target("a published Parquet file", parquet_file.read, 16_384),
    "csv_file": Target("a published CSV file, plain or gzip", csv_file.read, 4_096),
    "lake_records": Target("JSON records of the lake", lake_records.read, 4_096),
    "lake_paths": Target("names of objects in the lake", lake_paths.read, 256),
    "http_source": Target("HTTP answers of the source", http_source.read, 4_096),
    "gcs_answers": Target("HTTP answers of Cloud Storage", gcs_answers.read, 4_096),
    "months": Target("months and services of a run", months.read, 128),
    "zone_polygons": Target("the polygons of the taxi zones", zone_polygons.read, 32_768),
    "zone_lookup": Target("the lookup of the taxi zones", zone_lookup.read, 16_384),
}
