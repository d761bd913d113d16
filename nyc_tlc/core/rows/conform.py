"""One batch as published → one batch in the contract's shape, row for row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.schemas import arrow_type
from nyc_tlc.core.contract.source_format import IRREGULAR_ROW
from nyc_tlc.core.rows.as_json import to_json
from nyc_tlc.core.rows.binding import Binding, Bindings
from nyc_tlc.core.rows.cast import Cast, Mask, cast, either
from nyc_tlc.core.rows.rules import CODE_UNMAPPED, ROW_IRREGULAR, VALUE_UNCASTABLE

if TYPE_CHECKING:
    from nyc_tlc.core.zones.polygons import ZonePolygons


@dataclass(frozen=True)
class ConformedBatch:
    """A batch in the contract's shape, not yet judged.

    Attributes:
        trips: Every contract column but ``quality_flags``; row i comes from published row i.
        defects: Per quarantine reason that a cast can give, which rows have it (their value is
            null in ``trips``). A reason that no row has may be absent.
    """

    trips: pa.RecordBatch
    defects: Mapping[str, Mask]


def conform(
    batch: pa.RecordBatch,
    bindings: Bindings,
    *,
    partition: Partition,
    first_row: int,
    polygons: ZonePolygons | None = None,
) -> ConformedBatch:
    """Reshape one published batch to the contract.

    Rows are neither dropped nor reordered. A value that cannot be cast without loss becomes
    null and marks its row in ``ConformedBatch.defects``, for ``Judge`` to judge. The batch begins
    at row ``first_row`` of the file; one that locates by coordinates needs the ``polygons``.
    """
    rows = batch.num_rows
    casts = {binding.column.name: _cast(batch, binding) for binding in bindings.columns}
    arrays = {name: done.values for name, done in casts.items()}
    if polygons is not None:
        arrays |= _zones(arrays, polygons)
    arrays["extra_columns"] = _extra_columns(batch, bindings)
    month_start = partition.month.start.date()
    arrays["source_month"] = pa.repeat(pa.scalar(month_start, pa.date32()), rows)
    arrays["source_row"] = pa.array(np.arange(first_row, first_row + rows, dtype=np.int32))
    return ConformedBatch(pa.RecordBatch.from_pydict(arrays), _defects(batch, casts))


def _cast(batch: pa.RecordBatch, binding: Binding) -> Cast:
    if not binding.published:
        return Cast(pa.nulls(batch.num_rows, arrow_type(binding.column)))
    casts = [cast(batch.column(name), binding.column) for name in binding.published]
    return reduce(_first_filled, casts)


def _first_filled(left: Cast, right: Cast) -> Cast:
    """Two columns for one quantity: where both are filled they must say the same."""
    differ = pc.fill_null(pc.not_equal(left.values, right.values), fill_value=False)
    values = pc.if_else(differ, None, pc.coalesce(left.values, right.values))
    conflict = differ if pc.any(differ).as_py() else None
    marked = either(either(left.uncastable, right.uncastable), conflict)
    return Cast(values, marked, either(left.unmapped, right.unmapped))


def _zones(arrays: Mapping[str, pa.Array], polygons: ZonePolygons) -> Mapping[str, pa.Array]:
    return {
        f"{place}_location_id": polygons.locate(
            arrays[f"{prefix}_longitude"], arrays[f"{prefix}_latitude"]
        )
        for place, prefix in (("pu", "pickup"), ("do", "dropoff"))
    }


def _defects(batch: pa.RecordBatch, casts: Mapping[str, Cast]) -> Mapping[str, Mask]:
    irregular = IRREGULAR_ROW in batch.schema.names
    found = {
        ROW_IRREGULAR: pc.is_valid(batch.column(IRREGULAR_ROW)) if irregular else None,
        VALUE_UNCASTABLE: reduce(either, (done.uncastable for done in casts.values())),
        CODE_UNMAPPED: reduce(either, (done.unmapped for done in casts.values())),
    }
    return {reason: mask for reason, mask in found.items() if mask is not None}


def _extra_columns(batch: pa.RecordBatch, bindings: Bindings) -> pa.StringArray:
    bound = {name for binding in bindings.columns for name in binding.published}
    known = bound | {*bindings.vintage.ignored, IRREGULAR_ROW}
    extra = [name for name in batch.schema.names if name not in known]
    return to_json(batch.select(extra)) if extra else pa.nulls(batch.num_rows, pa.string())
