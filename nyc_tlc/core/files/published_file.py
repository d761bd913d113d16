"""A published file of either format: checked when it lands, streamed when it is conformed.

A file that is damaged, or not what its name says, is a SourceError.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from nyc_tlc.core.contract.source_format import IRREGULAR_ROW, SourceFormat
from nyc_tlc.core.files import csv_file, parquet_file
from nyc_tlc.core.files.short_text import require_short_text


@dataclass(frozen=True)
class PublishedFile:
    """An open file: its rows in order, to be read once, and whether it was generated."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    is_sample: bool = False


def count_rows(path: Path, uri: str) -> int:
    """Count the rows of a downloaded file, by its footer or by its lines."""
    if SourceFormat.of(path.name) is SourceFormat.PARQUET:
        return parquet_file.count_rows(path, uri)
    return csv_file.count_rows(path, uri)


@contextmanager
def open_published(
    source: BinaryIO, uri: str, source_format: SourceFormat
) -> Iterator[PublishedFile]:
    """Open a landed file for streaming."""
    if source_format is SourceFormat.PARQUET:
        with parquet_file.open_parquet(source, uri) as parquet:
            parquet_file.require_short_texts(parquet, source, uri)
            batches = _with_short_texts(parquet_file.read_batches(parquet, uri), uri)
            yield PublishedFile(parquet.schema_arrow, batches, parquet_file.is_sample(parquet))
        return
    generated = csv_file.is_sample(source)
    with csv_file.open_csv(source, uri) as csv:
        batches = _with_short_texts(csv_file.read_batches(csv, uri), uri)
        yield PublishedFile(csv.schema, batches, generated)


def is_sample(source: BinaryIO, uri: str, source_format: SourceFormat) -> bool:
    """Whether a landed file was generated, instead of published by TLC."""
    if source_format is SourceFormat.CSV:
        return csv_file.is_sample(source)
    with parquet_file.open_parquet(source, uri) as parquet:
        return parquet_file.is_sample(parquet)


def read_published_head(
    source: BinaryIO, uri: str, source_format: SourceFormat, rows: int
) -> pa.Table:
    """The first rows of a landed file as published, without reading what follows them."""
    if source_format is SourceFormat.PARQUET:
        with parquet_file.open_parquet(source, uri) as parquet:
            first = parquet_file.filled_row_groups(parquet)[:1]
            parquet_file.require_short_texts(parquet, source, uri, first)
            head = parquet_file.read_head(parquet, uri, rows)
    else:
        with csv_file.open_csv(source, uri) as csv:
            batches = list(islice(csv_file.read_batches(csv, uri), 1))
            head = pa.Table.from_batches(batches, None if batches else csv.schema)[:rows]
    return pa.Table.from_batches(list(_with_short_texts(head.to_batches(), uri)), head.schema)


def _with_short_texts(batches: Iterable[pa.RecordBatch], uri: str) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for at, name in enumerate(batch.schema.names):
            # An irregular line is quarantined as it is: LONGEST_LINE alone bounds it.
            if name != IRREGULAR_ROW:
                require_short_text(batch.column(at), name, uri)
        yield batch
