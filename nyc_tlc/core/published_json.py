"""Quarantined rows as TLC published them, as JSON: nothing of them is lost."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from nyc_tlc.core.calendar_range import within_calendar


def to_json(rows: pa.RecordBatch) -> pa.StringArray:
    r"""One JSON object per row, published name to published value.

    Datetimes are ``2024-01-01 03:04:05.000123``. What JSON or ``jsonb`` cannot hold is written
    as text: a column with NaN, infinity or a datetime outside the years 1 to 9999 (then as its
    number), and bytes that are not text or are NUL as ``\xNN``.
    """
    import polars as pl  # late: costs 0.2 s, and most months need it for a handful of rows or none

    columns = {name: _expressible(rows.column(name)) for name in rows.schema.names}
    frame = pl.DataFrame(pl.from_arrow(pa.table(columns)))
    encoded = frame.select(pl.struct(pl.all()).struct.json_encode()).to_series()
    return encoded.to_arrow().cast(pa.string())


def _expressible(column: pa.Array) -> pa.Array:
    if pt.is_floating(column.type) and not pc.all(pc.is_finite(column)).as_py():
        return column.cast(pa.string())
    if pt.is_timestamp(column.type) and not within_calendar(column):
        return column.cast(pa.int64()).cast(pa.string())
    if pt.is_string(column.type) or pt.is_large_string(column.type):
        octets = column.cast(pa.large_binary()).to_pylist()
        return pa.array([_text(value) for value in octets], pa.string())
    return column


def _text(value: bytes | None) -> str | None:
    if value is None:
        return None
    return value.decode(errors="backslashreplace").replace("\0", "\\x00")
