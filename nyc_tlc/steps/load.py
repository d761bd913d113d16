"""Load: replace the month in the warehouse with the staged rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa

from nyc_tlc.core.manifest_table import ManifestRow, Status
from nyc_tlc.core.partition import Partition
from nyc_tlc.core.render import arrow_schema
from nyc_tlc.ports import Batches, Ports
from nyc_tlc.steps.parquet_file import open_parquet, read_batches
from nyc_tlc.steps.staged import ledger_entry, read_conformed

_QUARANTINE_SCHEMA = pa.schema(
    [
        ("service", pa.string()),
        ("source_month", pa.date32()),
        ("source_row", pa.int32()),
        ("reason", pa.string()),
        ("published", pa.string()),
    ]
)


def load(row: ManifestRow, ports: Ports) -> ManifestRow:
    """Replace one month in the warehouse, atomically, rows and ledger together.

    Raises:
        ReconciliationError: the rows that arrived are not the conformed ones; rolled back.
    """
    partition, lake = row.partition, ports.lake
    trips, quarantine = read_conformed(row, lake).staged
    with (
        lake.open(trips.path) as trips_bytes,
        lake.open(quarantine.path) as quarantine_bytes,
        open_parquet(trips_bytes, trips.path) as trips_file,
        open_parquet(quarantine_bytes, quarantine.path) as quarantine_file,
    ):
        ports.warehouse.replace_partition(
            ledger_entry(row),
            Batches(
                arrow_schema(partition.service.contract),
                read_batches(trips_file, trips.path),
            ),
            Batches(
                _QUARANTINE_SCHEMA,
                _quarantine(partition, read_batches(quarantine_file, quarantine.path)),
            ),
            force=row.force,
        )
    return replace(row, status=Status.LOADED)


def _quarantine(
    partition: Partition, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        service = pa.repeat(pa.scalar(partition.service.name), batch.num_rows)
        columns = [batch.column(name) for name in _QUARANTINE_SCHEMA.names[1:]]
        yield pa.RecordBatch.from_arrays([service, *columns], schema=_QUARANTINE_SCHEMA)
