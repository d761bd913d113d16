"""Write months as TLC publishes them: names, physical types, row groups and defects alike.

Deterministic: service, month, rows and seed give the same bytes (with the same pyarrow).
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from embedded.samples.polygons import write_zone_polygons
from embedded.samples.trips import Nullable, Values, trips
from embedded.samples.zones import write_zone_lookup
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.selection import parse_months, parse_services, partitions
from nyc_tlc.core.contract.model import CodeList, Column, ColumnType
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.files.file_kind import SAMPLE_KEY
from nyc_tlc.core.month import Month

_ROW_GROUP = 1_000_000
"""TLC's own row groups since 2024; also what bounds the generator's memory."""
_ZSTD_SINCE = Month(2023, 2)
"""Before, TLC's files are gzip (footers of 2020-03..2025-11)."""

_CODES_AS_NUMBERS_SINCE = {"yellow": Month(2015, 1)}
"""Before, yellow's CSV files have vendors and payments in words (CMT, CRD); the others never had.
Its Parquet files have them in words until 2010, which their types say."""


def published_schema(
    partition: Partition, source_format: SourceFormat = SourceFormat.PARQUET
) -> pa.Schema:
    """The Arrow schema in which TLC publishes this month; of a CSV, text throughout.

    Its metadata say that what is written with it is a sample.
    """
    vintage = partition.service.contract.vintage_of(partition.month, source_format)
    published = [(name, _arrow_type(kind)) for name, kind in vintage.published.items()]
    ignored = ((name, pa.int64()) for name in vintage.ignored)
    return pa.schema([*published, *ignored], metadata={SAMPLE_KEY: b"true"})


def write_month(partition: Partition, rows: int, folder: Path, *, seed: int = 0) -> Path:
    """Write the published file of a month with ``rows`` rows into a folder; returns its path."""
    path = folder / partition.file_name
    schema = published_schema(partition)
    compression = "zstd" if partition.month >= _ZSTD_SINCE else "gzip"
    with pq.ParquetWriter(path, schema, compression=compression) as writer:
        for batch in published_batches(partition, rows, schema, seed=seed):
            writer.write_batch(batch)
    return path


def write_cdn(root: Path, chosen: Iterable[Partition], rows: int, *, keep: bool = False) -> None:
    """Lay out zones and months as on the CDN; ``keep`` leaves months that are there as they are."""
    for folder in ("trip-data", "misc"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    write_zone_lookup(root / "misc" / "taxi_zone_lookup.csv")
    write_zone_polygons(root / "misc" / "taxi_zones.zip")
    for partition in chosen:
        path = root / "trip-data" / partition.file_name
        if not (keep and path.exists()):
            write_month(partition, rows, path.parent)
        print(f"{path.name}: {rows:,} rows ({path.stat().st_size / 1e6:.1f} MB)")


def published_batches(
    partition: Partition, rows: int, schema: pa.Schema, *, seed: int = 0
) -> Iterator[pa.RecordBatch]:
    """The rows of a month in one of its published schemas: the same trips in each."""
    for group in range(0, max(rows, 1), _ROW_GROUP):
        rng = np.random.default_rng(
            [seed, *partition.service.name.encode(), partition.month.year,
             partition.month.month, group]
        )  # fmt: skip
        values = trips(partition, min(_ROW_GROUP, rows - group), rng)
        yield _published(partition, schema, values)


def _published(partition: Partition, schema: pa.Schema, values: Values) -> pa.RecordBatch:
    by_spelling = partition.service.contract.by_spelling
    rows = values["pickup_datetime"][0].size
    arrays: list[pa.Array] = []
    filled: set[str] = set()
    for field in schema:
        column = by_spelling.get(field.name)
        if column is None:  # a stray index
            arrays.append(pa.array(np.arange(rows), field.type))
        elif column.name in filled:  # fhv 2018 has an empty second base column
            arrays.append(pa.nulls(rows, field.type))
        else:
            arrays.append(_published_array(values[column.name], column, field.type, partition))
            filled.add(column.name)
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _published_array(
    nullable: Nullable, column: Column, target: pa.DataType, partition: Partition
) -> pa.Array:
    """A column's values as a file publishes them; every spelling of a code takes its turn."""
    values, missing = nullable
    if pt.is_null(target):
        return pa.nulls(values.size)
    array = pa.array(values, mask=missing)
    numbers_since = _CODES_AS_NUMBERS_SINCE.get(partition.service.name)
    in_words = numbers_since is not None and partition.month < numbers_since
    if column.codes is not None and column.codes.spellings and in_words:
        array = _spelled(array, column.codes, target)
    if column.type is ColumnType.TIMESTAMP and pt.is_string(target):
        return pc.strftime(
            array.cast(pa.timestamp("us")).cast(pa.timestamp("s"), safe=False),
            format="%Y-%m-%d %H:%M:%S",
        )
    return array.cast(target)


def _spelled(array: pa.Array, codes: CodeList, target: pa.DataType) -> pa.Array:
    """Each code in one of its texts, as far as the target can hold them."""
    if pt.is_integer(target):
        return array
    text = array.cast(pa.string())
    for code in dict.fromkeys(codes.spellings.values()):
        spellings = [spelling for spelling, of in codes.spellings.items() if of == code]
        if isinstance(code, str) and pt.is_string(target):
            spellings.append(code)
        turns = pa.array(spellings).take(pa.array(np.arange(len(array)) % len(spellings)))
        text = pc.if_else(pc.equal(array, pa.scalar(code, array.type)), turns, text)
    return text


def _arrow_type(kind: str) -> pa.DataType:
    return pa.timestamp("us") if kind == "timestamp[us]" else pa.type_for_alias(kind)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service", default="all", help=f"{', '.join(SERVICES)}, a list, or all")
    parser.add_argument("--months", required=True, help="2024-01, 2024-01:2024-06, 2024, a list")
    parser.add_argument("--rows", type=int, default=50_000, help="rows of each month")
    parser.add_argument("--into", type=Path, required=True, help="root of a folder like the CDN's")
    options = parser.parse_args(arguments)
    last = Month(2026, 12)
    chosen = partitions(
        parse_services(options.service), parse_months(options.months, latest=last), current=last
    )
    write_cdn(options.into, chosen, options.rows)


if __name__ == "__main__":
    main()
