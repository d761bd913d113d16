"""Lines of TLC's CSV → rows: many at once where they are regular, one by one where not.

A line ends in LF or CRLF, the last one perhaps in nothing. A line without anything before its
end is blank; one of spaces is not.

``pyarrow.csv.open_csv`` with ``invalid_row_handler`` streams a million rows in 0.24 s, this module
in 0.45 s, but it loses rows: a quote left open swallows the regular lines up to the next quote, a
stray CR makes two rows of a line, and one line that is not UTF-8 fails all lines of its block.
"""

import csv
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.csv

from nyc_tlc.core.contract.source_format import IRREGULAR_ROW
from nyc_tlc.core.limits import LONGEST_LINE

_LF, _CR = b"\n\r"


class OverlongLineError(Exception):
    """A line does not end within ``LONGEST_LINE``."""


def cut_at_line_ends(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes, cut so that every piece consists of complete lines.

    Raises:
        OverlongLineError: a line never ends; the pieces before it have been yielded.
    """
    rest = b""
    for chunk in chunks:
        end = chunk.rfind(b"\n") + 1
        if end:
            yield b"".join((rest, memoryview(chunk)[:end]))
            rest = chunk[end:]
            continue
        rest += chunk
        if len(rest) > LONGEST_LINE:
            raise OverlongLineError(f"a line of more than {LONGEST_LINE:,} bytes")
    if rest:
        yield rest


def count_lines(lines: bytes) -> int:
    """Count the lines that are not blank."""
    octets = np.frombuffer(lines, np.uint8)
    ends = np.flatnonzero(octets == _LF)
    lengths = np.diff(ends, prepend=-1)  # with the line's end
    blank = (lengths == 1) | (lengths == 2) & (octets[ends - 1] == _CR)
    unended = lines[lines.rfind(b"\n") + 1 :] not in (b"", b"\r")
    return ends.size - int(np.count_nonzero(blank)) + unended


def parse_header(line: bytes) -> pa.Schema:
    """Return the columns that a header names, all of them text.

    TLC quotes some headers, puts a space after the commas of others (2014), and ends others in a
    space (green until 2016).

    Raises:
        csv.Error: a name has more than 128 KB.
    """
    text = line.removeprefix(BOM_UTF8).decode(errors="backslashreplace").replace("\r", " ")
    names = next(csv.reader([text.strip()], skipinitialspace=True))
    return pa.schema([(name.strip(), pa.string()) for name in names])


def parse_rows(lines: bytes, schema: pa.Schema) -> pa.RecordBatch:
    """Return one row for each line that is not blank, in order.

    A regular line has a field for each column, and perhaps more that are all empty: yellow and
    green of 2016 have two, which no header names. Empty fields are null, whether quoted or not;
    spaces around values stay.

    Returns:
        The schema's columns and, last, ``IRREGULAR_ROW``: null for regular lines. For others it
        is the line, and every other column is null: a line with too few fields or with a value
        beyond the header's, with a quote left open, or not in UTF-8.
    """
    width = len(schema)
    columns = _parse_all(lines, width) or _parse_each(lines, width)
    with_irregular = schema.append(pa.field(IRREGULAR_ROW, pa.string()))
    return pa.RecordBatch.from_arrays(columns, schema=with_irregular)


def _parse_all(lines: bytes, width: int) -> list[pa.Array] | None:
    """Return the columns of lines that are all regular and as wide as the first, or None."""
    # Arrow takes a stray CR for a line's end, and drops a BOM at the beginning of the lines.
    if _has_stray_return(lines) or lines.startswith(BOM_UTF8):
        return None
    first = _fields(lines.lstrip(b"\r\n").partition(b"\n")[0].removesuffix(b"\r"), width)
    last = _fields(lines.rstrip(b"\r\n").rpartition(b"\n")[2], width)
    if first is None or last is None:
        return None
    names = [str(i) for i in range(len(first))]
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(lines),
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False, block_size=len(lines), column_names=names
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid:
        return None
    # An open quote swallows the lines after it; Arrow forgives only that of the last line.
    rows = count_lines(lines)
    if table.num_rows != rows or any(c.null_count < rows for c in table.columns[width:]):
        return None
    columns = [column.combine_chunks() for column in table.columns[:width]]
    return [*columns, pa.nulls(rows, pa.string())]


def _has_stray_return(lines: bytes) -> bool:
    """Whether a carriage return is elsewhere than at a line's end."""
    octets = np.frombuffer(lines, np.uint8)
    returns = np.flatnonzero(octets[:-1] == _CR)
    return bool((octets[returns + 1] != _LF).any())


def _parse_each(lines: bytes, width: int) -> list[pa.Array]:
    """Return the columns of any lines: five times slower."""
    rows: list[list[str]] = []
    irregular: list[str | None] = []
    empty = [""] * width
    for ended in lines.split(b"\n"):
        line = ended.removesuffix(b"\r")
        if not line:
            continue
        fields = _fields(line, width)
        rows.append(fields or empty)
        irregular.append(None if fields else line.decode(errors="backslashreplace"))
    columns = [pa.array([row[i] or None for row in rows], pa.string()) for i in range(width)]
    return [*columns, pa.array(irregular, pa.string())]


def _fields(line: bytes, width: int) -> list[str] | None:
    """Return the fields of a regular line, with those beyond ``width``; None for another line."""
    try:
        text = line.decode()
        fields = _unquoted(text) if '"' in text or "\r" in text else text.split(",")
    except (UnicodeDecodeError, csv.Error):
        return None
    return None if len(fields) < width or any(fields[width:]) else fields


def _unquoted(text: str) -> list[str]:
    reader = csv.reader((text, ""))
    fields = next(reader)
    if reader.line_num > 1:  # an open quote continues in the empty line that follows
        raise csv.Error("a quote is left open")
    return fields
