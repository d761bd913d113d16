"""Published CSV files, gzip or not: checked for completeness, and streamed batch by batch.

Whatever is damaged, incomplete or out of bounds is a SourceError, in which ``uri`` names the file.
"""

import csv
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from nyc_tlc.core.errors import SourceError
from nyc_tlc.core.files.csv_rows import (
    OverlongLineError,
    count_lines,
    cut_at_line_ends,
    parse_header,
    parse_rows,
)
from nyc_tlc.core.files.file_kind import GZIP_MAGIC, HEAD_BYTES, SAMPLE_LINES, known_kind
from nyc_tlc.core.files.parquet_file import BATCH_ROWS
from nyc_tlc.core.limits import MOST_COLUMNS, MOST_GZIP_RATIO
from nyc_tlc.core.prefetch import prefetch

CHUNK_BYTES = 1 << 18
"""Read at once: what stays in the processor's cache is counted and parsed fastest, a million rows
in 0.49 s of processor time. Chunks of a megabyte take 0.64 s: the kernel maps each again."""
_AHEAD = 32
"""Chunks decompressed ahead of the parser: 1.7 million rows a second instead of 0.85."""
_PIECES = 64
"""At most, in a batch: of a chunk each. 65,536 rows of 170 bytes, as in yellow 2009, are 43."""


class GzipBombError(Exception):
    """A file unpacks to more than ``MOST_GZIP_RATIO`` times its bytes."""


@dataclass(frozen=True)
class CsvFile:
    """An open file: the header's columns, all of them text, and the lines after it, read once."""

    schema: pa.Schema
    pieces: Iterator[bytes]


def count_rows(path: Path, uri: str) -> int:
    """Count the rows of a downloaded file: its lines without the header's, all of them read.

    They are counted without being parsed, so that the rows that :func:`read_batches` yields can
    be compared with them.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if (path.suffix == ".gz") is not head.startswith(GZIP_MAGIC):
        raise _not_csv(path, uri, known_kind(head) or "an unknown kind of file", head)
    with (
        _as_source_errors(uri, "It was not landed; the month stays as it was"),
        _text(path) as text,
    ):
        start = text.read(HEAD_BYTES)
        found = known_kind(start)
        if found:
            raise _not_csv(path, uri, f"gzip of {found}" if path.suffix == ".gz" else found, start)
        chunks = _bounded(chain([start], _chunks(text)), MOST_GZIP_RATIO * path.stat().st_size)
        rows = sum(map(count_lines, cut_at_line_ends(chunks))) - 1
    if rows < 1:
        raise SourceError(
            f"{uri} holds no rows, expected a header and a month of trips. It was not landed; the "
            "month stays as it was. Check what the source serves."
        )
    return rows


def _chunks(text: BinaryIO) -> Iterator[bytes]:
    while chunk := text.read(CHUNK_BYTES):
        yield chunk


def _bounded(chunks: Iterable[bytes], most: int) -> Iterator[bytes]:
    """Yield the same chunks, up to the size that no gzip of trips unpacks to."""
    text_bytes = 0
    for chunk in chunks:
        text_bytes += len(chunk)
        if text_bytes > most + CHUNK_BYTES:
            raise GzipBombError(f"more than {most:,} bytes of text, {MOST_GZIP_RATIO} per byte")
        yield chunk


@contextmanager
def open_csv(source: Path | BinaryIO, uri: str) -> Iterator[CsvFile]:
    """Open a CSV file for streaming, as gzip if it begins like gzip; a stream must be seekable."""
    with (
        _text(source) as text,
        closing(prefetch(cut_at_line_ends(_chunks(text)), _AHEAD)) as ahead,
    ):
        with _as_source_errors(uri):
            header, pieces = _split_header(ahead)
            schema = parse_header(header)
        if len(schema) > MOST_COLUMNS:
            raise SourceError(
                f"{uri} is not a valid trip file: {len(schema):,} columns, expected at "
                f"most {MOST_COLUMNS}. The month stays as it was. Check what the source serves."
            )
        if not schema.names:
            raise SourceError(
                f"{uri} has no header, expected a line of column names. The month stays as it "
                "was. Check what the source serves."
            )
        yield CsvFile(schema, pieces)


def is_sample(source: BinaryIO) -> bool:
    """Whether the month was generated: it says so itself, wherever it is copied to."""
    start = source.read(CHUNK_BYTES)
    source.seek(0)
    if start.startswith(GZIP_MAGIC):
        with suppress(zlib.error):
            start = zlib.decompressobj(wbits=31).decompress(start, len(SAMPLE_LINES))
    return start.startswith(SAMPLE_LINES)


def read_batches(file: CsvFile, uri: str) -> Iterator[pa.RecordBatch]:
    """Stream a file's rows in order: one for each line that is not blank.

    A batch with irregular rows has one more column, ``IRREGULAR_ROW``; see
    :func:`nyc_tlc.core.files.csv_rows.parse_rows`.
    """
    with _as_source_errors(uri):
        parsed = (parse_rows(piece, file.schema) for piece in file.pieces)
        for batch in _gathered(parsed):
            for first in range(0, batch.num_rows, BATCH_ROWS):
                yield _without_empty_irregular(batch.slice(first, BATCH_ROWS), file.schema)


def _gathered(pieces: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the same rows in fewer batches: of at most ``BATCH_ROWS`` unless a piece has more."""
    gathered: list[pa.RecordBatch] = []
    rows = 0
    for piece in pieces:
        if gathered and (len(gathered) == _PIECES or rows + piece.num_rows > BATCH_ROWS):
            yield pa.concat_batches(gathered)
            gathered, rows = [], 0
        gathered.append(piece)
        rows += piece.num_rows
    if gathered:
        yield pa.concat_batches(gathered)


def _without_empty_irregular(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    *columns, irregular = batch.columns
    if irregular.null_count < batch.num_rows:
        return batch
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _split_header(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the first line that is not blank, and what follows it."""
    for piece in pieces:
        rest = piece
        while rest:
            line, _, rest = rest.partition(b"\n")
            if header := line.removesuffix(b"\r"):
                return header, chain([rest], pieces)
    return b"", pieces


@contextmanager
def _text(source: Path | BinaryIO) -> Iterator[BinaryIO]:
    """Open a file's text, decompressed."""
    opened = source.open("rb") if isinstance(source, Path) else nullcontext(source)
    with opened as file:
        gzipped = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        file.seek(0)
        # 425 MB/s; Python's own gzip module reads 310 MB/s.
        yield pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "gzip") if gzipped else file


def _not_csv(path: Path, uri: str, found: str, head: bytes) -> SourceError:
    expected = "gzip of a header and rows" if path.suffix == ".gz" else "a header and rows"
    return SourceError(
        f"{uri} is not a CSV file: found {found} ({path.stat().st_size:,} bytes, beginning with "
        f"{head[:24]!r}), expected {expected}. It was not landed; the month stays as it was. "
        "Check what the source serves, then run the month again."
    )


@contextmanager
def _as_source_errors(uri: str, untouched: str = "The month stays as it was") -> Iterator[None]:
    try:
        yield
    except (OSError, OverlongLineError, GzipBombError, csv.Error) as error:
        if isinstance(error, OSError) and (type(error) is not OSError or error.errno is not None):
            raise  # the machine or the network failed; Arrow's own have neither kind nor number
        raise SourceError(
            f"{uri} cannot be read to its end as CSV ({error}). {untouched}. Check what the "
            "source serves, then run the month again."
        ) from error
