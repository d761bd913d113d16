"""One batch as published → one batch in the contract's shape, row for row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from nyc_tlc.core.contract.columns import LINEAGE
from nyc_tlc.core.contract.model import Column, ColumnType
from nyc_tlc.core.errors import ContractError
from nyc_tlc.core.partition import Partition
from nyc_tlc.core.render import arrow_type

_LINEAGE_NAMES = {column.name for column in LINEAGE}


@dataclass(frozen=True)
class Binding:
    """Where a canonical column comes from in one published file.

    Attributes:
        published: The published name; None when the vintage does not have the column.
    """

    column: Column
    published: str | None


@dataclass(frozen=True)
class Conformed:
    """A batch in the contract's shape, not yet judged.

    Attributes:
        trips: Every contract column but ``quality_flags``; row i comes from published row i.
        uncastable: Per row, whether a value could not be cast without loss (it is null in
            ``trips``); None when every value could.
    """

    trips: pa.RecordBatch
    uncastable: pa.BooleanArray | None


def bind(partition: Partition, published: pa.Schema) -> tuple[Binding, ...]:
    """Match the columns of a published file with the contract.

    Raises:
        ContractError: a column is unknown, missing, doubled or of a type that cannot be cast;
            the message lists all of them.
    """
    contract = partition.service.contract
    vintage = contract.vintage_of(partition.month)
    found: dict[str, list[pa.Field]] = {}
    problems = []
    for field in published:
        if field.name in vintage.ignored:
            continue
        column = contract.by_spelling.get(field.name)
        if column is None:
            problems.append(f"column {field.name} ({field.type}) is unknown")
        else:
            found.setdefault(column.name, []).append(field)
    expected = {contract.by_spelling[name].name: name for name in vintage.published}
    problems += [
        f"column {spelling} ({vintage.published[spelling]}) is missing"
        for name, spelling in expected.items()
        if name not in found
    ]
    problems += [
        problem
        for name, fields in found.items()
        for problem in _field_problems(contract.by_name[name], fields)
    ]
    if problems:
        raise ContractError(
            f"{partition}: {partition.file_name} does not fit the {contract.service} contract, "
            f"vintage {vintage.first}: {'; '.join(problems)}. Expected the columns "
            f"{', '.join(vintage.published)}. Nothing was written; the month stays as it was. "
            f"If TLC changed its schema, declare it in nyc_tlc/core/contract/{contract.service}.py."
        )
    return tuple(
        Binding(column, found[column.name][0].name if column.name in found else None)
        for column in contract.columns
        if column.name not in _LINEAGE_NAMES
    )


def conform(
    batch: pa.RecordBatch, bindings: Sequence[Binding], *, partition: Partition, first_row: int
) -> Conformed:
    """Reshape one published batch to the contract.

    Rows are neither dropped nor reordered. A value that cannot be cast without loss becomes
    null and marks its row in ``Conformed.uncastable``, for :mod:`nyc_tlc.core.quality` to judge.

    Args:
        batch: Rows as published.
        bindings: From :func:`bind` on the file's schema.
        partition: The month that the file was published for.
        first_row: 0-based row of the file at which the batch begins.
    """
    rows = batch.num_rows
    arrays: dict[str, pa.Array] = {}
    lost: list[pa.Array] = []
    for binding in bindings:
        target = arrow_type(binding.column)
        if binding.published is None:
            arrays[binding.column.name] = pa.nulls(rows, target)
            continue
        arrays[binding.column.name], mask = _cast(batch.column(binding.published), target)
        lost += [] if mask is None else [mask]
    month_start = partition.month.start.date()
    arrays["source_month"] = pa.repeat(pa.scalar(month_start, pa.date32()), rows)
    arrays["source_row"] = pa.array(np.arange(first_row, first_row + rows, dtype=np.int32))
    uncastable = None
    for mask in lost:
        uncastable = mask if uncastable is None else pc.or_(uncastable, mask)
    return Conformed(pa.RecordBatch.from_pydict(arrays), uncastable)


def _field_problems(column: Column, fields: Sequence[pa.Field]) -> list[str]:
    if len(fields) > 1:
        return [f"columns {', '.join(f.name for f in fields)} are all {column.name}"]
    field = fields[0]
    if _castable(field.type, column):
        return []
    return [f"column {field.name} is {field.type}, which cannot become {column.type.value}"]


def _castable(published: pa.DataType, column: Column) -> bool:
    if pt.is_null(published):
        return not column.required
    if column.type is ColumnType.TIMESTAMP:
        return bool(pt.is_timestamp(published)) and published.tz is None
    if column.type is ColumnType.TEXT:
        return bool(pt.is_string(published) or pt.is_large_string(published))
    return bool(pt.is_integer(published) or pt.is_floating(published))


def _cast(array: pa.Array, target: pa.DataType) -> tuple[pa.Array, pa.Array | None]:
    """The array as ``target``, and which values were lost on the way (None: none were)."""
    try:
        return array.cast(target), None
    except pa.ArrowInvalid:
        # The rare slow path: some value is fractional, out of range, NaN or finer than a
        # microsecond. Comparing the round trip finds which.
        cast = array.cast(target, safe=False)
        same = pc.equal(cast.cast(array.type, safe=False), array)
        kept = pc.fill_null(same, fill_value=True)
        return pc.if_else(kept, cast, pa.scalar(None, target)), pc.invert(kept)
