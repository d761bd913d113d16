"""Quarantined rows as TLC published them, as JSON: nothing of them is lost."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from nyc_tlc.core.limits import LONGEST_TEXT
from nyc_tlc.core.rows.datetimes import within_calendar


def to_json(rows: pa.RecordBatch) -> pa.StringArray:
    r"""One JSON object per row, published name to published value.

    Datetimes are ``2024-01-01 03:04:05.000123``. What JSON or ``jsonb`` cannot hold is written
    as text: a column with NaN, infinity or a datetime outside the years 1 to 9999 (then as its
    number), decimals, dates and times of day, and bytes that are not text or are NUL as ``\xNN``.
    Every column must be one that :func:`is_expressible`.
    """
    import polars as pl  # late: costs 0.2 s, and most months need it for a handful of rows or none

    columns = {name: expressible(rows.column(name)) for name in rows.schema.names}
    frame = pl.DataFrame(pl.from_arrow(pa.table(columns)))
    encoded = frame.select(pl.struct(pl.all()).struct.json_encode()).to_series()
    return encoded.to_arrow().cast(pa.string())


def is_expressible(field: pa.Field) -> bool:
    """Whether a column can be written without loss, and as ``jsonb``, which takes no NUL in a name.

    Of other types polars panics (bytes in a list), or writes another value (NaN in a list as null).
    """
    return "\0" not in field.name and _is_flat(field.type)


def _is_flat(kind: pa.DataType) -> bool:
    if pt.is_dictionary(kind):
        return _is_flat(kind.value_type)
    if pt.is_timestamp(kind):
        return kind.tz is None
    if pt.is_fixed_size_binary(kind):
        return bool(kind.byte_width <= LONGEST_TEXT)
    plain = (pt.is_null, pt.is_boolean, pt.is_integer, pt.is_floating)
    return any(is_kind(kind) for is_kind in (*plain, *_TEXT, *_AS_TEXT))


_TEXT = (pt.is_string, pt.is_large_string, pt.is_binary, pt.is_large_binary,
         pt.is_fixed_size_binary)  # fmt: skip
_AS_TEXT = (pt.is_decimal, pt.is_date, pt.is_time)
"""Arrow writes them so that nothing is lost; polars 1.5 as 150.00, and panics at a far date."""


def expressible(column: pa.Array) -> pa.Array:
    """The column, or as text what JSON cannot hold, as :func:`to_json` says."""
    kind = column.type
    if pt.is_dictionary(kind):  # polars writes the index
        return expressible(column.dictionary_decode())
    if pt.is_floating(kind) and not pc.all(pc.is_finite(column)).as_py():
        return column.cast(pa.string())
    if pt.is_timestamp(kind) and not within_calendar(column):
        return column.cast(pa.int64()).cast(pa.string())
    if any(is_kind(kind) for is_kind in _AS_TEXT):
        return column.cast(pa.string())
    if any(is_kind(kind) for is_kind in _TEXT):
        octets = column.cast(pa.large_binary()).to_pylist()
        return pa.array([_text(value) for value in octets], pa.string())
    return column


def _text(value: bytes | None) -> str | None:
    if value is None:
        return None
    return value.decode(errors="backslashreplace").replace("\0", "\\x00")
