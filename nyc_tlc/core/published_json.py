"""Quarantined rows as TLC published them, as JSON: nothing of them is lost."""

from __future__ import annotations

import pyarrow as pa


def to_json(rows: pa.RecordBatch) -> pa.StringArray:
    """One JSON object per row, published name to published value.

    Datetimes are ``2024-01-01 03:04:05.000123``. JSON has no NaN or infinity: a column that
    holds one is written as text.
    """
    import polars as pl  # late: costs 0.2 s, and most months need it for a handful of rows or none
    import polars.selectors as cs

    frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([rows])))
    finite = frame.select(cs.float().is_finite().all(ignore_nulls=True))
    frame = frame.with_columns(
        pl.col(name).cast(pl.String) for name in finite.columns if not finite[name][0]
    )
    encoded = frame.select(pl.struct(pl.all()).struct.json_encode()).to_series()
    return encoded.to_arrow().cast(pa.string())
