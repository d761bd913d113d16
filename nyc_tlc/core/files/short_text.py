"""Refuse a text that is longer than any of TLC's, however small its file is."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from nyc_tlc.core.errors import SourceError
from nyc_tlc.core.limits import LONGEST_TEXT


def is_text(kind: pa.DataType) -> bool:
    return bool(pt.is_string(kind) or pt.is_large_string(kind) or pt.is_binary(kind)
                or pt.is_large_binary(kind))  # fmt: skip


def require_short_text(column: pa.Array, name: str, uri: str) -> None:
    """Check every value of a column, if it is text."""
    if pt.is_dictionary(column.type):
        column = column.dictionary
    if not is_text(column.type):
        return
    longest = pc.max(pc.binary_length(column)).as_py() or 0
    if longest > LONGEST_TEXT:
        raise SourceError(
            f"{uri} is not a valid trip file: a value of {name} has {longest:,} bytes, expected at "
            f"most {LONGEST_TEXT:,}. The month stays as it was. Check what the source serves."
        )
