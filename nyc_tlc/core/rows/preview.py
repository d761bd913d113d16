"""A few rows as a person is to see them: what they are, whatever shows them."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from nyc_tlc.core.contract.model import Contract
from nyc_tlc.core.contract.schemas import arrow_type
from nyc_tlc.core.rows.as_json import expressible, is_expressible

MOST_ACCEPTED = 100
MOST_QUARANTINED = 20
_KEPT = (pt.is_boolean, pt.is_integer, pt.is_floating, pt.is_string)


def as_shown(rows: pa.Table) -> pa.Table:
    """The same rows in numbers, truth values and text, each null still null.

    Times and all that JSON cannot hold become text (``2024-01-31 23:59:59``): what shows them may
    cut a datetime to milliseconds, or have no word for NaN. Names stay, but no two are the same.
    """
    columns = list(map(_shown, rows.schema, rows))
    return pa.Table.from_arrays(columns, _apart(rows.schema.names))


def typed(names: Sequence[str], rows: Iterable[Sequence[Any]], contract: Contract) -> pa.Table:
    """Rows that a warehouse answered, in the contract's types; other columns are text."""
    kinds = [
        arrow_type(contract.by_name[name]) if name in contract.by_name else pa.string()
        for name in names
    ]
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    arrays = [
        pa.array(map(_text, column) if kind == pa.string() else column, kind)
        for column, kind in zip(columns, kinds, strict=True)
    ]
    return pa.Table.from_arrays(arrays, list(names))


def as_published(quarantined: pa.Table) -> pa.Table:
    """Quarantined rows of any store: why, which row of the file, and that row as published.

    The published row is JSON, whose names become columns again.
    """
    published = [json.loads(text) for text in quarantined["published"].to_pylist()]
    names = dict.fromkeys(name for row in published for name in row)
    columns = {name: _of_json([row.get(name) for row in published]) for name in names}
    lineage = quarantined.select(["reason", "source_month", "source_row"])
    return pa.Table.from_arrays(
        [*lineage.combine_chunks().columns, *columns.values()], [*lineage.schema.names, *columns]
    )


def note(text: str) -> pa.Table:
    """Why there are no rows to be seen."""
    return pa.table({"note": [text]})


def _shown(field: pa.Field, chunked: pa.ChunkedArray) -> pa.Array:
    column = chunked.combine_chunks()
    if not is_expressible(field) and not pt.is_timestamp(field.type):
        return pa.array([None if v is None else str(v) for v in column.to_pylist()], pa.string())
    shown = expressible(column)
    if pt.is_timestamp(shown.type):
        # Without the zeros of a fraction that says nothing.
        return pc.replace_substring_regex(shown.cast(pa.string()), r"\.0*$", "")
    if pt.is_float16(shown.type) or pt.is_float32(shown.type):
        # By its own digits: as a double 2.3 would become 2.299999952.
        return shown.cast(pa.string()).cast(pa.float64())
    return shown if any(is_kind(shown.type) for is_kind in _KEPT) else shown.cast(pa.string())


def _apart(names: list[str]) -> list[str]:
    seen: Counter[str] = Counter()
    apart = []
    for name in names:
        seen[name] += 1
        apart.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return apart


def _of_json(values: Sequence[Any]) -> pa.Array:
    """Numbers where all are numbers, else text."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array(map(_text, values))


def _text(value: object) -> str | None:
    """Text as it is, and what else there may be as JSON: a driver reads ``jsonb``."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
