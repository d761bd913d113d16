"""Write months as TLC publishes them: names, physical types, row groups and defects alike.

Deterministic: service, month, rows and seed give the same bytes (with the same pyarrow).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from embedded.sample_trips import Nullable, Values, trips
from embedded.sample_zones import write_zone_lookup
from nyc_tlc.core.month import Month
from nyc_tlc.core.partition import Partition, parse_months, parse_services, partitions
from nyc_tlc.core.service import SERVICES

_ROW_GROUP = 1_000_000
"""TLC's own row groups since 2024; also what bounds the generator's memory."""
_ZSTD_SINCE = Month(2023, 2)
"""Before, TLC's files are gzip (footers of 2020-03..2025-11)."""


def published_schema(partition: Partition) -> pa.Schema:
    """The exact Arrow schema in which TLC publishes this month."""
    vintage = partition.service.contract.vintage_of(partition.month)
    return pa.schema([(name, _arrow_type(kind)) for name, kind in vintage.published.items()])


def write_month(partition: Partition, rows: int, folder: Path, *, seed: int = 0) -> Path:
    """Write the published file of a month with ``rows`` rows into a folder; returns its path."""
    schema = published_schema(partition)
    path = folder / partition.file_name
    compression = "zstd" if partition.month >= _ZSTD_SINCE else "gzip"
    with pq.ParquetWriter(path, schema, compression=compression) as writer:
        for group in range(0, max(rows, 1), _ROW_GROUP):
            rng = np.random.default_rng(
                [seed, *partition.service.name.encode(), partition.month.year,
                 partition.month.month, group]
            )  # fmt: skip
            values = trips(partition, min(_ROW_GROUP, rows - group), rng)
            writer.write_batch(_published(partition, schema, values))
    return path


def _published(partition: Partition, schema: pa.Schema, values: Values) -> pa.RecordBatch:
    contract = partition.service.contract
    arrays = [_array(values[contract.by_spelling[field.name].name], field.type) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(nullable: Nullable, target: pa.DataType) -> pa.Array:
    values, missing = nullable
    if pa.types.is_null(target):
        return pa.nulls(values.size)
    return pa.array(values, mask=missing).cast(target)


def _arrow_type(kind: str) -> pa.DataType:
    return pa.timestamp("us") if kind == "timestamp[us]" else pa.type_for_alias(kind)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service", default="all", help=f"{', '.join(SERVICES)}, a list, or all")
    parser.add_argument("--months", required=True, help="2024-01, 2024-01:2024-06, 2024, a list")
    parser.add_argument("--rows", type=int, default=50_000, help="rows of each month")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other trips")
    parser.add_argument("--into", type=Path, required=True, help="root of a folder like the CDN's")
    options = parser.parse_args(arguments)
    last = Month(2026, 12)
    chosen = partitions(
        parse_services(options.service), parse_months(options.months, latest=last), current=last
    )
    for folder in ("trip-data", "misc"):
        (options.into / folder).mkdir(parents=True, exist_ok=True)
    write_zone_lookup(options.into / "misc" / "taxi_zone_lookup.csv")
    for partition in chosen:
        path = write_month(partition, options.rows, options.into / "trip-data", seed=options.seed)
        print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
