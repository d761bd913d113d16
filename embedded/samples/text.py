"""Values in the physical type of their vintage: codes and times as text where TLC had them so."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from embedded.samples.trips import Nullable
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.model import CodeList, Column, ColumnType
from nyc_tlc.core.month import Month

_CODES_AS_NUMBERS_SINCE = {"yellow": Month(2015, 1)}
"""Before, yellow's CSV files have vendors and payments in words (CMT, CRD); the others never had.
Its Parquet files have them in words until 2010, which their types say."""


def published_array(
    nullable: Nullable, column: Column, target: pa.DataType, partition: Partition
) -> pa.Array:
    """A column's values as a file publishes them; every spelling of a code takes its turn."""
    values, missing = nullable
    if pt.is_null(target):
        return pa.nulls(values.size)
    array = pa.array(values, mask=missing)
    numbers_since = _CODES_AS_NUMBERS_SINCE.get(partition.service.name)
    in_words = numbers_since is not None and partition.month < numbers_since
    if column.codes is not None and column.codes.spellings and in_words:
        array = _spelled(array, column.codes, target)
    if column.type is ColumnType.TIMESTAMP and pt.is_string(target):
        return pc.strftime(
            array.cast(pa.timestamp("us")).cast(pa.timestamp("s"), safe=False),
            format="%Y-%m-%d %H:%M:%S",
        )
    return array.cast(target)


def _spelled(array: pa.Array, codes: CodeList, target: pa.DataType) -> pa.Array:
    """Each code in one of its texts, as far as the target can hold them."""
    if pt.is_integer(target):
        return array
    text = array.cast(pa.string())
    for code in dict.fromkeys(codes.spellings.values()):
        spellings = [spelling for spelling, of in codes.spellings.items() if of == code]
        if isinstance(code, str) and pt.is_string(target):
            spellings.append(code)
        turns = pa.array(spellings).take(pa.array(np.arange(len(array)) % len(spellings)))
        text = pc.if_else(pc.equal(array, pa.scalar(code, array.type)), turns, text)
    return text
