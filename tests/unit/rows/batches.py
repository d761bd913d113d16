"""Six ordinary trips as TLC publishes them, for a test to spoil one value at a time."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import cycle, islice
from typing import Any

import pyarrow as pa

from embedded.samples.months import published_batches, published_schema
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.source_format import IRREGULAR_ROW, SourceFormat
from nyc_tlc.core.rows.binding import bind
from nyc_tlc.core.rows.conform import ConformedBatch, conform
from nyc_tlc.core.rows.judge import Judge, Judged, Neighbourhood
from nyc_tlc.core.zones.polygons import ZonePolygons


def published(
    partition: Partition,
    types: Mapping[str, pa.DataType] | None = None,
    source_format: SourceFormat = SourceFormat.PARQUET,
    **columns: Sequence[Any],
) -> pa.RecordBatch:
    """Rows as TLC publishes them; ``columns`` and ``types`` go by canonical names."""
    rows = max(map(len, columns.values()), default=6)
    noon = partition.month.start + timedelta(days=14, hours=12)
    schema = published_schema(partition, source_format)
    (ordinary,) = published_batches(partition, 6, schema)
    columns = {
        "pickup_datetime": [noon + timedelta(minutes=7 * i) for i in range(rows)],
        "dropoff_datetime": [noon + timedelta(minutes=7 * i + 11) for i in range(rows)],
        **columns,
    }
    arrays = {}
    for field, array in zip(schema, ordinary, strict=True):
        column = partition.service.contract.by_spelling.get(field.name)
        name = column.name if column else field.name
        kind = (types or {}).get(name, field.type)
        cells = islice(cycle(columns.get(name, array.to_pylist())), rows)
        if pa.types.is_string(kind):
            cells = (cell if cell is None else str(cell) for cell in cells)
        arrays[field.name] = pa.nulls(rows) if pa.types.is_null(kind) else pa.array(cells, kind)
    return pa.RecordBatch.from_pydict(arrays)


def conformed(
    partition: Partition,
    batch: pa.RecordBatch,
    first_row: int = 0,
    source_format: SourceFormat = SourceFormat.PARQUET,
    polygons: ZonePolygons | None = None,
) -> ConformedBatch:
    named = [name for name in batch.schema.names if name != IRREGULAR_ROW]
    bindings = bind(partition, batch.select(named).schema, source_format=source_format)
    return conform(batch, bindings, partition=partition, first_row=first_row, polygons=polygons)


def judged(
    partition: Partition,
    *,
    source_format: SourceFormat = SourceFormat.PARQUET,
    polygons: ZonePolygons | None = None,
    irregular: Sequence[str | None] | None = None,
    **columns: Any,
) -> Judged:
    """Publish, conform and judge rows in one go."""
    batch = published(partition, source_format=source_format, **columns)
    if irregular is not None:
        lines = pa.array(irregular, pa.string())
        batch = batch.slice(0, len(lines)).append_column(IRREGULAR_ROW, lines)
    done = conformed(partition, batch, source_format=source_format, polygons=polygons)
    return Judge(partition).judge(Neighbourhood(None, done, None))
