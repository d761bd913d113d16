"""Published Parquet files: checked for completeness, and streamed batch by batch.

Whatever is damaged, incomplete or out of bounds is a SourceError, in which ``uri`` names the file.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from nyc_tlc.core.errors import SourceError
from nyc_tlc.core.files.file_kind import HEAD_BYTES, PARQUET_MAGIC, SAMPLE_KEY, known_kind
from nyc_tlc.core.files.short_text import is_text, require_short_text
from nyc_tlc.core.limits import (
    MOST_BYTES_PER_ROW,
    MOST_COLUMNS,
    MOST_FOOTER_BYTES,
    MOST_ROW_GROUPS,
)

BATCH_ROWS = 65_536
"""Rows decoded at once, and rows of a row group written: 7 MB of a yellow month. Twice as many cost
70 MB more memory and are no faster."""

_TAIL_BYTES = 2 * len(PARQUET_MAGIC)
"""The footer's length, in four bytes, and the magic."""
_PAGE = 1 << 20
"""Bytes of a page, the least that a column may take. Parquet's writers agree on a megabyte."""


def count_rows(path: Path, uri: str) -> int:
    """Return the number of rows of a downloaded file, from its footer."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        file.seek(max(size - _TAIL_BYTES, 0))
        tail = file.read()
    begins = head.startswith(PARQUET_MAGIC)
    if not (begins and tail.endswith(PARQUET_MAGIC)):
        found = "Parquet cut short" if begins else known_kind(head) or "an unknown kind of file"
        raise SourceError(
            f"{uri} is not a whole Parquet file: found {found} ({size:,} bytes, beginning with "
            f"{head[:24]!r}), expected PAR1 at both ends. It was not landed; the month stays as "
            "it was. Check what the source serves, then run the month again."
        )
    footer_bytes = int.from_bytes(tail[: -len(PARQUET_MAGIC)], "little")
    if footer_bytes > MOST_FOOTER_BYTES:
        raise _out_of_bounds(uri, "bytes of footer", footer_bytes, MOST_FOOTER_BYTES)
    with open_parquet(path, uri) as file:
        _require_bounds(file.metadata, uri)
        rows = int(file.metadata.num_rows)
    if rows < 1:
        raise SourceError(
            f"{uri} holds no rows, expected a month of trips. It was not landed; the month stays "
            "as it was. Check what the source serves."
        )
    return rows


def _require_bounds(metadata: pq.FileMetaData, uri: str) -> None:
    """Refuse a file whose footer announces more than memory should hold, or contradicts itself.

    Only row groups are asked: of a damaged column chunk, ``row_group(i).column(j)`` and
    ``to_dict()`` of pyarrow 25 end the process, with every month in it.
    """
    for what, found, most in (
        ("columns", metadata.num_columns, MOST_COLUMNS),
        ("row groups", metadata.num_row_groups, MOST_ROW_GROUPS),
    ):
        if found > most:
            raise _out_of_bounds(uri, what, found, most)
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    rows = sum(group.num_rows for group in groups)
    if rows != metadata.num_rows or any(group.num_rows < 0 for group in groups):
        raise SourceError(
            f"{uri} contradicts itself: its footer says {metadata.num_rows:,} rows, its row groups "
            f"have {rows:,}. It was not landed; the month stays as it was. Check what the source "
            "serves."
        )
    for group in groups:
        most = _PAGE * metadata.num_columns + MOST_BYTES_PER_ROW * group.num_rows
        if not 0 <= group.total_byte_size <= most:
            what = f"bytes in a row group of {group.num_rows:,} rows"
            raise _out_of_bounds(uri, what, group.total_byte_size, most)


def _out_of_bounds(uri: str, what: str, found: int, most: int) -> SourceError:
    return SourceError(
        f"{uri} is not a valid trip file: {found:,} {what}, expected at most {most:,}. It was not "
        "landed; the month stays as it was. Check what the source serves."
    )


@contextmanager
def open_parquet(source: Path | BinaryIO, uri: str) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file for streaming."""
    with _as_source_errors(uri):
        # Without pre-buffering, memory is bounded by a batch and not by a row group.
        file = pq.ParquetFile(source, pre_buffer=False, buffer_size=1 << 20)
        file.schema_arrow.names  # noqa: B018 - names that are not UTF-8 show here
    with file:
        yield file


def is_sample(file: pq.ParquetFile) -> bool:
    """Whether the month was generated: it says so itself, wherever it is copied to."""
    return SAMPLE_KEY in (file.metadata.metadata or {})


def require_short_texts(
    file: pq.ParquetFile,
    source: Path | BinaryIO,
    uri: str,
    row_groups: Sequence[int] | None = None,
) -> None:
    """Check the dictionaries of a file's texts before any row is decoded; ``source`` is the file.

    A dictionary holds a text once and its rows repeat a number: with one text of a megabyte, a
    file of some kilobytes becomes 64 GB in a batch.
    """
    texts = [field.name for field in file.schema_arrow if is_text(field.type)]
    if not texts:
        return
    with _as_source_errors(uri):
        coded = pq.ParquetFile(source, read_dictionary=texts, pre_buffer=False, buffer_size=_PAGE)
        for group in range(coded.num_row_groups) if row_groups is None else row_groups:
            rows = coded.iter_batches(1, row_groups=[group], columns=texts, use_threads=False)
            for batch in islice(rows, 1):
                for name in batch.schema.names:
                    column = batch.column(name)
                    if pa.types.is_dictionary(column.type):
                        require_short_text(column.dictionary, name, uri)


def read_batches(
    file: pq.ParquetFile,
    uri: str,
    *,
    row_groups: Sequence[int] | None = None,
    columns: Sequence[str] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Stream a file's rows in order."""
    with _as_source_errors(uri):
        yield from file.iter_batches(
            BATCH_ROWS, row_groups=row_groups, columns=columns, use_threads=False
        )


def read_head(file: pq.ParquetFile, uri: str, rows: int) -> pa.Table:
    """A file's first rows; of each column, no more is read than the pages that hold them."""
    head = pa.Table.from_batches([], file.schema_arrow)
    for group in filled_row_groups(file):
        if head.num_rows == rows:
            break
        with _as_source_errors(uri):
            found = file.iter_batches(rows - head.num_rows, row_groups=[group], use_threads=False)
            head = pa.concat_tables([head, pa.Table.from_batches([next(found)])])
    return head


def filled_row_groups(file: pq.ParquetFile) -> list[int]:
    """Without those of batches in which no row was accepted, or none rejected."""
    groups = range(file.num_row_groups)
    return [group for group in groups if file.metadata.row_group(group).num_rows]


_MOST_SHOWN = 500
"""Characters of Arrow's own message, which may repeat names of the file."""


@contextmanager
def _as_source_errors(uri: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the machine failed, not the file
        (found, *_) = str(error).splitlines() or [type(error).__name__]
        raise SourceError(
            f"{uri} cannot be read as Parquet ({found[:_MOST_SHOWN]}). The month stays as it was. "
            "Check what the source serves, then run the month again."
        ) from error
