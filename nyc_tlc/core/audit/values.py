"""Checksums over values: stores that hold the same rows, in any order, have the same.

The same number comes from Arrow here, from SQL in Postgres and from SQL in BigQuery. A row's values
become one text, the first 60 bits of its MD5 a number, and the numbers of all rows a sum:

* integers in decimal; datetimes (microseconds since 2000), dates (days since 2000) and doubles
  (IEEE 754) as the hexadecimal digits of their bytes; texts after the length of their UTF-8;
* JSON as PostgreSQL's ``jsonb`` writes it;
* nothing for null, and a comma between two values.

No two rows that differ have the same text, but for doubles that every store calls equal: 0.0 and
-0.0, and every NaN.
"""

import json
from binascii import hexlify
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from hashlib import md5
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nyc_tlc.core.contract.model import Column, ColumnType, Contract
from nyc_tlc.core.contract.schemas import QUARANTINE_COLUMNS

Typed: TypeAlias = tuple[str, ColumnType]
"""A column by name, and the type by which its values are written."""

ROW: Typed = ("source_row", ColumnType.INTEGER)
HALF = 1 << 30
"""By which numbers of 60 bits are cut in two, so that their sums stay within 64."""
_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001 - wall clock
_MICROSECONDS = int(np.datetime64(_EPOCH, "us").astype(np.int64))
_DAYS = (_EPOCH.date() - date(1970, 1, 1)).days


class Part(StrEnum):
    """One of the two tables of a month."""

    TRIPS = "trips"
    QUARANTINE = "quarantine"


@dataclass(frozen=True)
class Projection:
    """Columns whose values are written together, row by row.

    Attributes:
        only_filled: Leave out the rows in which one of them is null.
    """

    columns: tuple[Typed, ...]
    only_filled: bool = False


Checksums: TypeAlias = Mapping[Projection, int]


def typed_columns(contract: Contract, part: Part, *, as_in_the_lake: bool) -> tuple[Typed, ...]:
    """The columns of a part, with what they are: JSON is a text in the lake and in BigQuery.

    As in the lake, every column of the file; otherwise those of the table in Postgres.
    """
    columns: tuple[Column, ...] = contract.columns
    json_names = {column.name for column in columns if column.type is ColumnType.JSON}
    if part is Part.QUARANTINE:
        kept = contract.columns if as_in_the_lake else (contract.by_name[ROW[0]],)
        columns = (*kept, *QUARANTINE_COLUMNS)
        json_names.add("published")
    of_json = ColumnType.TEXT if as_in_the_lake else ColumnType.JSON
    return tuple((c.name, of_json if c.name in json_names else c.type) for c in columns)


def of_rows(columns: Sequence[Typed]) -> list[Projection]:
    """What proves that rows are equal: all of their values together, JSON apart.

    Most rows have no JSON, which costs the most.
    """
    plain = tuple(column for column in columns if column[1] is not ColumnType.JSON)
    apart = [column for column in columns if column[1] is ColumnType.JSON]
    return [Projection(plain), *(Projection((ROW, column), only_filled=True) for column in apart)]


def of_columns(columns: Sequence[Typed]) -> list[Projection]:
    """What shows which columns differ: their values alone, and with the number of their row."""
    return [
        *(Projection((column,), only_filled=True) for column in columns),
        *(Projection((ROW, column), only_filled=True) for column in columns if column != ROW),
    ]


def differing_columns(ours: Checksums, theirs: Checksums) -> tuple[str, ...]:
    """The columns whose values differ, or stand in other rows, by the checksums of columns.

    Where the rows themselves have other numbers, only values can be compared.
    """
    differing = [projection for projection in ours if ours[projection] != theirs[projection]]
    same_rows = all(projection.columns != (ROW,) for projection in differing)
    named = [p.columns[-1][0] for p in differing if same_rows or len(p.columns) == 1]
    return tuple(dict.fromkeys(named))


def checksums(
    batches: Iterable[pa.RecordBatch], projections: Sequence[Projection]
) -> dict[Projection, int]:
    """The checksums of rows; a column that they lack is null."""
    sums = dict.fromkeys(projections, 0)
    columns = {column for projection in projections for column in projection.columns}
    for batch in batches:
        texts = {(name, kind): _texts(batch, name, kind) for name, kind in columns}
        for projection in sums:
            sums[projection] += _sum(projection, texts)
    return sums


def _sum(projection: Projection, texts: Mapping[Typed, pa.StringArray]) -> int:
    nulls = (
        {"null_handling": "emit_null"}
        if projection.only_filled
        else {"null_handling": "replace", "null_replacement": ""}
    )
    written = (texts[column] for column in projection.columns)
    rows = pc.binary_join_element_wise(*written, ",", **nulls).drop_null()
    hashes = b"".join(md5(row).digest() for row in rows.cast(pa.binary()).to_pylist())  # noqa: S324
    numbers = np.frombuffer(hashes, ">u8")[::2] >> np.uint64(4)
    return int((numbers // HALF).sum()) * HALF + int((numbers % HALF).sum())


def _texts(batch: pa.RecordBatch, name: str, kind: ColumnType) -> pa.StringArray:
    if name not in batch.schema.names:
        return pa.nulls(batch.num_rows, pa.string())
    values = batch.column(name)
    if kind in {ColumnType.SMALLINT, ColumnType.INTEGER}:
        return values.cast(pa.string())
    if kind in {ColumnType.TEXT, ColumnType.JSON}:
        texts = values
        if kind is ColumnType.JSON:
            documents = (None if text is None else jsonb(text) for text in values.to_pylist())
            texts = pa.array(documents, pa.string())
        return pc.binary_join_element_wise(pc.binary_length(texts).cast(pa.string()), texts, ":")
    return _hexadecimal(_fixed(values, kind), pc.is_valid(values))


_WHOLE = {ColumnType.TIMESTAMP: (pa.int64(), _MICROSECONDS), ColumnType.DATE: (pa.int32(), _DAYS)}
"""The number that Arrow counts with, and the one at which ours begins."""


def _fixed(values: pa.Array, kind: ColumnType) -> npt.NDArray[Any]:
    """The numbers, big-endian; any number where a value is null."""
    whole, start = _WHOLE.get(kind, (pa.float64(), 0.0))
    numbers: npt.NDArray[Any] = values.cast(whole).fill_null(0).to_numpy()
    if kind is ColumnType.DOUBLE:
        return np.where(np.isnan(numbers), np.nan, numbers + 0.0).astype(">f8")
    return (numbers - start).astype(numbers.dtype.newbyteorder(">"))


def _hexadecimal(numbers: npt.NDArray[Any], is_valid: pa.BooleanArray) -> pa.StringArray:
    digits = hexlify(numbers.tobytes())
    width = 2 * numbers.itemsize
    offsets = np.arange(0, len(digits) + 1, width, np.int32)
    texts = pa.StringArray.from_buffers(len(numbers), pa.py_buffer(offsets), pa.py_buffer(digits))
    return pc.if_else(is_valid, texts, None)


def jsonb(document: str) -> str:
    """A JSON document as PostgreSQL writes its ``jsonb``: keys and values have one form."""
    return _written(json.loads(document, parse_float=Decimal, parse_int=Decimal))


def _written(value: object) -> str:
    if isinstance(value, Mapping):
        keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
        return "{" + ", ".join(f"{_written(key)}: {_written(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    if isinstance(value, Decimal):
        return format(abs(value) if value.is_zero() else value, "f")
    return json.dumps(value, ensure_ascii=False)
