"""Lines of TLC's CSV → rows: many at once where they are regular, one by one where not."""

from __future__ import annotations

import csv
from codecs import BOM_UTF8

import pyarrow as pa
import pyarrow.csv

from nyc_tlc.core.contract.source_format import IRREGULAR_ROW
from nyc_tlc.core.files.text_lines import count_lines, has_stray_return


def parse_header(line: bytes) -> pa.Schema:
    """The columns that a header names, all of them text.

    TLC quotes some headers, puts a space after the commas of others (2014), and ends others in a
    space (green until 2016).

    Raises:
        csv.Error: a name has more than 128 KB.
    """
    text = line.removeprefix(BOM_UTF8).decode(errors="backslashreplace").replace("\r", " ")
    names = next(csv.reader([text.strip()], skipinitialspace=True), [])
    return pa.schema([(name.strip(), pa.string()) for name in names])


def parse_rows(lines: bytes, schema: pa.Schema) -> pa.RecordBatch:
    """One row for each line that is not blank, in order.

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
    """The columns of lines that are all regular and as wide as the first; otherwise None."""
    # Arrow takes a stray CR for a line's end, and drops a BOM where the lines begin.
    if has_stray_return(lines) or lines.startswith(BOM_UTF8):
        return None
    first = _fields(lines.lstrip(b"\r\n").partition(b"\n")[0].removesuffix(b"\r"), width)
    last = _fields(lines.rstrip(b"\r\n").rpartition(b"\n")[2], width)
    if first is None or last is None:
        return None
    try:
        table = _read(lines, len(first))
    except pa.ArrowInvalid:
        return None
    # An open quote swallows the lines after it; Arrow forgives only that of the last line.
    rows = count_lines([lines])
    if table.num_rows != rows or any(c.null_count < rows for c in table.columns[width:]):
        return None
    columns = [column.combine_chunks() for column in table.columns[:width]]
    return [*columns, pa.nulls(rows, pa.string())]


def _read(lines: bytes, width: int) -> pa.Table:
    names = [str(i) for i in range(width)]
    return pyarrow.csv.read_csv(
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


def _parse_each(lines: bytes, width: int) -> list[pa.Array]:
    """The columns of any lines: five times slower."""
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
    """The fields of a regular line, with those beyond ``width``; None for another line."""
    try:
        text = line.decode()
        fields = _unquoted(text) if '"' in text or "\r" in text else text.split(",")
    except (UnicodeDecodeError, csv.Error):
        return None
    return None if len(fields) < width or any(fields[width:]) else fields


def _unquoted(text: str) -> list[str]:
    reader = csv.reader((text, ""))
    fields = next(reader)
    if reader.line_num > 1:  # an open quote goes on in the empty line that follows
        raise csv.Error("a quote is left open")
    return fields
