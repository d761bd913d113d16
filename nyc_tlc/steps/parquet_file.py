"""Published Parquet files: whole, readable, and streamed batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from nyc_tlc.core.errors import SourceError
from nyc_tlc.steps.file_kind import HEAD_BYTES, PARQUET_MAGIC, known_kind

BATCH_ROWS = 65_536
"""Rows decoded at once, and rows of a row group written: 7 MB of a yellow month. Twice as many cost
70 MB more memory and are no faster."""


def published_rows(path: Path, uri: str) -> int:
    """Rows of a downloaded file, by its footer.

    Raises:
        SourceError: it is not a whole Parquet file; says what it begins with.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        file.seek(max(size - len(PARQUET_MAGIC), 0))
        tail = file.read(len(PARQUET_MAGIC))
    begins = head.startswith(PARQUET_MAGIC)
    if not (begins and tail == PARQUET_MAGIC):
        found = "Parquet cut short" if begins else known_kind(head) or "an unknown kind of file"
        raise SourceError(
            f"{uri} is not a whole Parquet file: found {found} ({size:,} bytes, beginning with "
            f"{head[:24]!r}), expected PAR1 at both ends. It was not landed; the month stays as "
            "it was. Look at what the source serves, and run the month again when it is mended."
        )
    with open_parquet(path, uri) as file:
        rows = int(file.metadata.num_rows)
    if rows == 0:
        raise SourceError(
            f"{uri} holds no rows, expected a month of trips. It was not landed; the month stays "
            "as it was. Look at what the source serves."
        )
    return rows


@contextmanager
def open_parquet(source: Path | BinaryIO, uri: str) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file for streaming.

    Raises:
        SourceError: its footer is damaged.
    """
    with _as_source_errors(uri):
        # Without pre-buffering, memory is bounded by a batch and not by a row group.
        file = pq.ParquetFile(source, pre_buffer=False, buffer_size=1 << 20)
        file.schema_arrow.names  # noqa: B018 - names that are not UTF-8 show here
    with file:
        yield file


def read_batches(
    file: pq.ParquetFile,
    uri: str,
    *,
    row_groups: Sequence[int] | None = None,
    columns: Sequence[str] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Stream a file's rows in order.

    Args:
        file: An open file.
        uri: What errors call it.
        row_groups: Only these; None for all.
        columns: Only these; None for all.

    Raises:
        SourceError: a page of the file is damaged.
    """
    with _as_source_errors(uri):
        yield from file.iter_batches(
            BATCH_ROWS, row_groups=row_groups, columns=columns, use_threads=False
        )


@contextmanager
def _as_source_errors(uri: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the machine's trouble, not the file's
        raise SourceError(
            f"{uri} cannot be read as Parquet ({str(error).splitlines()[0]}). The month stays as "
            "it was. Look at what the source serves, and run the month again when it is mended."
        ) from error
