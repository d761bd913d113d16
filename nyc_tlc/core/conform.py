"""One batch as published → one batch in the contract's shape, row for row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from nyc_tlc.core.calendar_range import END_SECOND, FIRST_SECOND, MICROSECONDS, within_calendar
from nyc_tlc.core.contract.columns import LINEAGE
from nyc_tlc.core.contract.model import Column, ColumnType
from nyc_tlc.core.errors import ContractError
from nyc_tlc.core.partition import Partition
from nyc_tlc.core.published_json import to_json
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


def bind(
    partition: Partition, published: pa.Schema, *, keep_unknown: bool = False
) -> tuple[Binding, ...]:
    """Match the columns of a published file with the contract.

    Args:
        partition: The month that the file was published for.
        published: The file's schema.
        keep_unknown: Let columns that the contract does not know pass; :func:`conform` keeps
            them in ``extra_columns``.

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
        if column is not None:
            found.setdefault(column.name, []).append(field)
        elif not keep_unknown:
            problems.append(f"column {field.name} ({field.type}) is unknown")
        elif published.names.count(field.name) > 1:
            problems.append(f"column {field.name} ({field.type}) is there more than once")
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
            f"If TLC changed its schema, declare it in nyc_tlc/core/contract/{contract.service}.py "
            "(TLC_UNKNOWN_COLUMNS=keep loads unknown columns meanwhile)."
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
        cast, mask = _cast(batch.column(binding.published), target)
        if binding.column.is_base_number:
            cast = pc.ascii_upper(pc.ascii_trim_whitespace(cast))
        arrays[binding.column.name] = cast
        lost += [] if mask is None else [mask]
    arrays["extra_columns"] = _extra_columns(batch, bindings, partition)
    month_start = partition.month.start.date()
    arrays["source_month"] = pa.repeat(pa.scalar(month_start, pa.date32()), rows)
    arrays["source_row"] = pa.array(np.arange(first_row, first_row + rows, dtype=np.int32))
    uncastable = None
    for mask in lost:
        uncastable = mask if uncastable is None else pc.or_(uncastable, mask)
    return Conformed(pa.RecordBatch.from_pydict(arrays), uncastable)


def _extra_columns(
    batch: pa.RecordBatch, bindings: Sequence[Binding], partition: Partition
) -> pa.StringArray:
    ignored = partition.service.contract.vintage_of(partition.month).ignored
    known = {binding.published for binding in bindings} | set(ignored)
    extra = [name for name in batch.schema.names if name not in known]
    return to_json(batch.select(extra)) if extra else pa.nulls(batch.num_rows, pa.string())


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
    if pt.is_string(target):
        return _cast_text(array)
    try:
        cast = array.cast(target)
    except pa.ArrowInvalid:
        return _cast_what_can_be(array, target)
    return _cast_time(cast) if pt.is_timestamp(target) else (cast, None)


def _cast_what_can_be(array: pa.Array, target: pa.DataType) -> tuple[pa.Array, pa.Array]:
    """The rare slow path: some value is fractional, out of range, NaN or finer than a microsecond.

    Comparing the round trip finds which.
    """
    cast = array.cast(target, safe=False)
    same = pc.equal(cast.cast(array.type, safe=False), array)
    if pt.is_unsigned_integer(array.type):  # 40000 wraps to -25536, and back
        same = pc.and_(same, pc.greater_equal(cast, pa.scalar(0, target)))
    return _keep(cast, pc.fill_null(same, fill_value=True))


def _cast_time(times: pa.Array) -> tuple[pa.Array, pa.Array | None]:
    if within_calendar(times):
        return times, None
    microseconds = times.cast(pa.int64())
    inside = pc.and_(
        pc.greater_equal(microseconds, FIRST_SECOND * MICROSECONDS),
        pc.less(microseconds, END_SECOND * MICROSECONDS),
    )
    return _keep(times, pc.fill_null(inside, fill_value=True))


def _cast_text(array: pa.Array) -> tuple[pa.Array, pa.Array | None]:
    """Text that every store can hold: valid UTF-8 without NUL, which Postgres refuses."""
    if pt.is_null(array.type):
        return array.cast(pa.string()), None
    octets = array.cast(pa.large_binary())
    try:
        # From bytes, because only that cast looks at them.
        text = octets.cast(pa.string())
    except pa.ArrowInvalid:
        decoded = [value if value is None else _decoded(value) for value in octets.to_pylist()]
        return _keep(
            pa.array(decoded, pa.string()),
            pa.array([was is None or now is not None
                      for was, now in zip(octets.to_pylist(), decoded, strict=True)]),
        )  # fmt: skip
    nul = pc.match_substring(text, "\0")
    if not pc.any(nul).as_py():
        return text, None
    return _keep(text, pc.fill_null(pc.invert(nul), fill_value=True))


def _decoded(value: bytes) -> str | None:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _keep(values: pa.Array, kept: pa.Array) -> tuple[pa.Array, pa.Array]:
    return pc.if_else(kept, values, pa.scalar(None, values.type)), pc.invert(kept)
