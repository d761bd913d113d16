"""Small months of trips, as they lie published in a lake."""

import io
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq

from nyc_tlc.core.catalog.counts import Counts
from nyc_tlc.core.contract.schemas import quarantine_arrow_schema
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.lake.records import (
    Landing,
    Manifest,
    StoredObject,
    WarehouseJob,
    WarehouseLoad,
)
from nyc_tlc.core.rows.rules import FLAGS
from nyc_tlc.ports.lake import Lake
from tests.ports.months import SampleMonth


def publish(lake: Lake, month: SampleMonth) -> Manifest:
    """Write the month's objects, and give what its manifest says."""
    partition = month.partition
    rejected = pa.Table.from_batches(month.quarantine().batches, month.quarantine().schema)
    schema = quarantine_arrow_schema(partition.service.contract)
    quarantine = pa.Table.from_pylist(rejected.drop_columns(["service"]).to_pylist(), schema)
    return Manifest(
        service=partition.service.name,
        month=str(partition.month),
        contract=partition.contract_id,
        vintage="2024-01",
        landing=_landing(month),
        counts=_counts(month),
        objects=(
            write(lake, lake_paths.trips(partition), month.table()),
            write(lake, lake_paths.quarantine(partition), quarantine),
        ),
        superseded=(),
        run="test",
        published_at=datetime.now(UTC),
    )


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


def _landing(month: SampleMonth) -> Landing:
    return Landing(
        source_uri="https://example.org/file",
        etag=None,
        last_modified=None,
        bytes=1,
        sha256=month.sha256,
        rows=month.entry.published,
        raw="raw/file",
    )


def _counts(month: SampleMonth) -> Counts:
    """As conform counts: every flag, also those that no row has."""
    rejected, flags = len(month.quarantined), month.values.get("quality_flags", ())
    return Counts(
        published=month.entry.published,
        accepted=month.rows,
        quarantined=rejected,
        by_reason={"pickup_missing": rejected} if rejected else {},
        by_flag={
            flag.code: sum(bits >> bit & 1 for bits in flags) for bit, flag in enumerate(FLAGS)
        },
        first_pickup=None,
        last_pickup=None,
    )
