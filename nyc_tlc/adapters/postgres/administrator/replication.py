"""Months that a publication sends to subscribers: their rows are replaced in place.

A new table that takes the old one's place is not sent: the subscriber would see neither the new
rows nor the end of the old ones. Whoever publishes a service's table via its root
(``publish_via_partition_root``) chooses to have its months loaded by DELETE and COPY instead.
"""

from collections.abc import Iterator

import pyarrow as pa

from nyc_tlc.adapters.postgres.connection import Cursor, one, sql
from nyc_tlc.adapters.postgres.copy_stream import copy
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.model import ColumnType
from nyc_tlc.core.contract.schemas import arrow_schema
from nyc_tlc.ports.warehouse import Batches, RowGroups


def is_published(cursor: Cursor, partition: Partition) -> bool:
    """Whether a publication sends the rows of the service's table under its own name."""
    return one(
        cursor,
        "SELECT EXISTS (SELECT FROM pg_publication_tables JOIN pg_publication USING (pubname) "
        "WHERE pubviaroot AND schemaname = current_schema() AND tablename = %s)",
        [partition.service.name],
    ) == (True,)


def replace_rows(cursor: Cursor, partition: Partition, trips: RowGroups) -> int:
    """Replace the rows of the month's table, which is there; returns how many it has then."""
    table, contract = partition.table_name, partition.service.contract
    cursor.execute(sql("DELETE FROM {}", table))
    every_group = range(len(trips.first_rows))
    whole = Batches(arrow_schema(contract), _whole(partition, trips, every_group))
    jsonb = frozenset(column.name for column in contract.columns if column.type is ColumnType.JSON)
    copied = copy(cursor, table, whole, jsonb=jsonb)
    cursor.execute(sql("ANALYZE {}", table))
    return copied


def _whole(partition: Partition, trips: RowGroups, groups: range) -> Iterator[pa.RecordBatch]:
    """The rows with every column: one that is left out would get the default of somebody's."""
    schema, month = arrow_schema(partition.service.contract), partition.month.start.date()
    for batch in trips.read(groups):
        arrays = [
            batch.column(field.name)
            if field.name in batch.schema.names
            else pa.array([month if field.name == "source_month" else None], field.type).take(
                pa.array([0] * batch.num_rows, pa.int32())
            )
            for field in schema
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
