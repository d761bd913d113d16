"""Write months in the CSV forms that TLC published until 2021, oddities of their layout included.

But for the blank lines before the header, which mark them as samples.

Deterministic: the same rows give the same bytes, compressed or not.
"""

import gzip
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.files.file_kind import SAMPLE_LINES
from nyc_tlc.core.month import Month

_CRLF = "\r\n"
_LF_AND_BLANK = "\n\r\n"


@dataclass(frozen=True)
class Layout:
    """How the lines of a service's files look from a month on.

    Attributes:
        header_end: What follows the column names: a line's end, or one and an empty line. Rows
            end in CRLF.
        header_comma: What stands between the column names.
        surplus: Empty fields that each row has beyond the header's.
        quote: What stands around names and values, empty ones too.
    """

    first: Month
    header_end: str = _CRLF
    header_comma: str = ","
    surplus: int = 0
    quote: str = ""


LAYOUTS = {
    "yellow": (
        Layout(Month(2009, 1), _LF_AND_BLANK),
        Layout(Month(2014, 1), _LF_AND_BLANK, header_comma=", "),
        Layout(Month(2015, 1)),
        Layout(Month(2016, 7), surplus=2),
        Layout(Month(2017, 1), _LF_AND_BLANK),
        Layout(Month(2019, 1)),
    ),
    "green": (
        Layout(Month(2013, 8), " " + _LF_AND_BLANK, surplus=2),
        Layout(Month(2015, 1), " " + _CRLF, surplus=2),
        Layout(Month(2015, 7), " " + _CRLF),
        Layout(Month(2016, 1), " " + _LF_AND_BLANK),
        Layout(Month(2016, 7), _LF_AND_BLANK, surplus=2),
        Layout(Month(2017, 1), _LF_AND_BLANK),
        Layout(Month(2019, 1)),
    ),
    "fhv": (
        Layout(Month(2015, 1)),
        Layout(Month(2017, 7), quote='"'),
        Layout(Month(2019, 1)),
    ),
    "fhvhv": (Layout(Month(2019, 2)),),
}
"""By service, ascending.

Source: the first lines of every monthly file 2009-01..2020-06 but fhvhv 2019-10, and three complete
files of green 2020 (read 2026-11).
"""


def layout_of(partition: Partition) -> Layout:
    """The layout of a month's file; after the last known change, that of the last."""
    layouts = LAYOUTS[partition.service.name]
    return [layouts[0], *(layout for layout in layouts if layout.first <= partition.month)][-1]


def write_csv_month(
    partition: Partition,
    rows: pa.Table | Iterable[pa.RecordBatch],
    folder: Path,
    *,
    compressed: bool = True,
) -> Path:
    """Write the CSV file of a month into a folder; returns its path.

    Args:
        partition: Decides name and layout of the file.
        rows: At least one batch, under the file's own column names. Values are written as TLC
            wrote them: datetimes to the second, numbers without exponent, nulls as nothing.
            Texts must hold neither commas nor quotes; none of TLC's do.
        folder: Where to.
        compressed: ``.csv.gz`` as mirrors have it, or ``.csv`` as TLC published it.
    """
    layout, quote = layout_of(partition), layout_of(partition).quote
    if isinstance(rows, pa.Table):
        rows = rows.to_batches() or [pa.RecordBatch.from_pylist([], schema=rows.schema)]
    path = folder / f"{partition.file_stem}.csv{'.gz' if compressed else ''}"
    with (
        path.open("wb") as file,
        # Neither name nor time in the gzip header, so that the same rows give the same bytes.
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0)
        if compressed
        else nullcontext(file) as target,
    ):
        header = b""
        for batch in rows:
            if not header:
                names = [f"{quote}{name}{quote}" for name in batch.schema.names]
                header = (layout.header_comma.join(names) + layout.header_end).encode()
                target.write(SAMPLE_LINES + header)
            target.write(_lines(batch, layout))
    return path


def _lines(batch: pa.RecordBatch, layout: Layout) -> bytes:
    quote = layout.quote
    texts = [pc.fill_null(_text(column), "") for column in batch.columns]
    lines = pc.binary_join_element_wise(*texts, f"{quote},{quote}").to_pylist()
    end = quote + "," * layout.surplus + _CRLF
    return "".join(f"{quote}{line}{end}" for line in lines).encode()


def _text(column: pa.Array) -> pa.Array:
    if pt.is_timestamp(column.type):
        column = column.cast(pa.timestamp("s"), safe=False)
    text = column.cast(pa.string())
    if pt.is_floating(column.type) and pc.any(pc.match_substring(text, "e")).as_py():
        plain = [value if value is None else f"{Decimal(value):f}" for value in text.to_pylist()]
        return pa.array(plain, pa.string())
    return text
