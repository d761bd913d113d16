"""Small months of trips, as they lie published in a lake."""

import io

import pyarrow as pa
import pyarrow.parquet as pq

from nyc_tlc.core.catalog.counts import Counts
from nyc_tlc.core.contract.schemas import quarantine_arrow_schema
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.lake.records import (
    Manifest,
    StoredObject,
    WarehouseJob,
    WarehouseLoad,
)
from nyc_tlc.core.rows.rules import FLAGS
from nyc_tlc.ports.lake import Lake
from tests.ports.months import SampleMonth
from tests.unit.records import COUNTS, LANDING, MANIFEST


def publish(lake: Lake, month: SampleMonth) -> Manifest:
    """Write the month's objects, and give what its manifest says."""
    partition = month.partition
    rejected = pa.Table.from_batches(month.quarantine().batches, month.quarantine().schema)
    schema = quarantine_arrow_schema(partition.service.contract)
    quarantine = pa.Table.from_pylist(rejected.drop_columns(["service"]).to_pylist(), schema)
    changed = {
        "service": partition.service.name,
        "month": str(partition.month),
        "contract": partition.contract_id,
        "landing": LANDING.model_copy(
            update={"sha256": month.sha256, "rows": month.entry.published}
        ),
        "counts": _counts(month),
        "objects": (
            write(lake, lake_paths.trips(partition), month.table()),
            write(lake, lake_paths.quarantine(partition), quarantine),
        ),
    }
    return MANIFEST.model_copy(update=changed)


def write(lake: Lake, path: str, rows: pa.Table) -> StoredObject:
    file = io.BytesIO()
    pq.write_table(rows, file, compression="zstd")
    return lake.write(path, file.getvalue(), if_generation=None)


def recorded(manifest: Manifest, jobs: tuple[WarehouseJob, ...], warehouse: str) -> WarehouseLoad:
    """The record of these jobs, as the step that loads writes it."""
    return WarehouseLoad(
        service=manifest.service,
        month=manifest.month,
        warehouse=warehouse,
        contract=manifest.contract,
        sha256=manifest.landing.sha256,
        objects=manifest.objects,
        jobs=jobs,
        run="test",
        loaded_at=max(job.ended_at for job in jobs),
    )


def _counts(month: SampleMonth) -> Counts:
    """As conform counts: every flag, also those that no row has."""
    rejected, flags = len(month.quarantined), month.values.get("quality_flags", ())
    return COUNTS.model_copy(
        update={
            "published": month.entry.published,
            "accepted": month.rows,
            "quarantined": rejected,
            "by_reason": {"pickup_missing": rejected} if rejected else {},
            "by_flag": {
                flag.code: sum(bits >> bit & 1 for bits in flags) for bit, flag in enumerate(FLAGS)
            },
        }
    )
