"""The records, in the lake, of what a warehouse that loads from there holds."""

from __future__ import annotations

from datetime import UTC, datetime

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.lake.records import (
    Generation,
    Manifest,
    WarehouseJob,
    WarehouseLoad,
    parse_record,
    render_record,
)
from nyc_tlc.ports.lake import Lake
from nyc_tlc.ports.warehouse import LakeWarehouse


def read_load(
    partition: Partition, lake: Lake, address: str
) -> tuple[WarehouseLoad, Generation] | None:
    """What the warehouse holds of the partition, and the generation of the record that says so."""
    path = lake_paths.warehouse_load(partition, address)
    record = lake.read(path)
    return (parse_record(WarehouseLoad, record[0], path), record[1]) if record else None


def is_proved(
    partition: Partition, manifest: Manifest, lake: Lake, warehouse: LakeWarehouse
) -> bool:
    """Whether the warehouse holds, proved, exactly what the manifest commits."""
    load, _ = read_load(partition, lake, warehouse.address) or (None, 0)
    return (
        load is not None
        and load.reconciled_at is not None
        and load.is_of(manifest)
        and warehouse.holds(partition, load)
    )


def mark_reconciled(
    partition: Partition,
    lake: Lake,
    record: tuple[WarehouseLoad, Generation],
    proof: WarehouseJob,
) -> None:
    """Record that the stores agree about what was loaded, and the job that showed it.

    Raises:
        ReconciliationError: another run has loaded the month meanwhile.
    """
    load, generation = record
    proved = load.model_copy(
        update={"jobs": (*load.jobs, proof), "reconciled_at": datetime.now(UTC)}
    )
    path = lake_paths.warehouse_load(partition, load.warehouse)
    lake.write(path, render_record(proved), if_generation=generation)
