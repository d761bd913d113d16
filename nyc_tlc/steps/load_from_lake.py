"""Load from the lake: BigQuery loads what is published, and Postgres is restored from it."""

from dataclasses import replace
from datetime import UTC, datetime

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.errors import ContractError, ReconciliationError
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.lake.records import Manifest, WarehouseJob, WarehouseLoad, render_record
from nyc_tlc.core.runs.run_table import RunRow, Status
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.ports.lake import Lake
from nyc_tlc.ports.warehouse import LakeWarehouse
from nyc_tlc.steps.land import require_same_origin
from nyc_tlc.steps.load import load_objects
from nyc_tlc.steps.records import is_in_place, read_load, read_manifest


def load_from_lake(row: RunRow, lake: Lake, warehouse: LakeWarehouse) -> RunRow:
    """Replace one month in the warehouse with what is published, and record that in the lake.

    The record is removed before the month is replaced and written when it is: a run that dies in
    between leaves a month without one, which the next run loads.

    Raises:
        ReconciliationError: the lake does not hold this run's version, or another run published
            the month meanwhile.
        ContractError: the warehouse cannot read what is published.
    """
    partition = row.partition
    manifest = _published(row, lake)
    known, _ = read_load(partition, lake, warehouse.address) or (None, 0)
    if known is None or not known.is_of(manifest) or not warehouse.holds(partition, known):
        path = lake_paths.warehouse_load(partition, warehouse.address)
        lake.delete(path)
        record = WarehouseLoad(
            service=row.service,
            month=row.month,
            warehouse=warehouse.address,
            contract=manifest.contract,
            sha256=manifest.landing.sha256,
            objects=manifest.objects,
            jobs=_loaded(partition, manifest, lake, warehouse),
            run=row.run,
            loaded_at=datetime.now(UTC),
        )
        lake.write(path, render_record(record), if_generation=None)
    return replace(row, status=Status.LOADED)


def _loaded(
    partition: Partition, manifest: Manifest, lake: Lake, warehouse: LakeWarehouse
) -> tuple[WarehouseJob, ...]:
    """What the jobs did, if they read what the manifest names to their end."""
    jobs: tuple[WarehouseJob, ...] = ()
    refused: ContractError | ReconciliationError | None = None
    try:
        jobs = warehouse.load_partition(partition, manifest)
    except (ContractError, ReconciliationError) as error:
        # Other rows, or bytes that it cannot read, may be another run's that were there by then.
        refused = error
    if not is_in_place(manifest, lake):
        lake.delete(lake_paths.warehouse_load(partition, warehouse.address))
        raise ReconciliationError(
            f"{partition}: another run published the month while {warehouse.address} loaded "
            "it. It is not recorded as loaded there. Run the month again."
        ) from refused
    if refused is not None:
        raise refused
    return jobs


def _published(row: RunRow, lake: Lake) -> Manifest:
    manifest, _ = read_manifest(row.partition, lake) or (None, 0)
    if manifest is None or manifest.content != row.content:
        raise ReconciliationError(
            f"{row.partition}: {lake.url} does not hold the version of this run "
            f"({row.sha256[:12]}): another run published the month. Nothing was loaded from it. "
            "Run the month again."
        )
    return manifest


def restore(row: RunRow, ports: Ports) -> RunRow:
    """Load the published rows of a month; neither source nor ``raw/`` is read.

    Raises:
        ReconciliationError: the lake does not hold the complete month under today's contract.
    """
    partition = row.partition
    manifest = _complete_month(partition, ports.lake)
    counts, landing = manifest.counts, manifest.landing
    restored = replace(
        row,
        status=Status.LOADED,
        published=landing.rows,
        accepted=counts.accepted,
        quarantined=counts.quarantined,
        bytes=landing.bytes,
        sha256=landing.sha256,
        warning=manifest.warning,
        is_sample=counts.is_sample,
    )
    require_same_origin(restored, None, ports)
    load_objects(restored, manifest.objects, ports)
    return restored


def _complete_month(partition: Partition, lake: Lake) -> Manifest:
    manifest, _ = read_manifest(partition, lake) or (None, 0)
    if manifest is None:
        problem = f"{lake.url}/{lake_paths.manifest(partition)} is gone"
    elif manifest.contract != partition.contract_id:
        problem = (
            f"the lake holds it under contract {manifest.contract}, today's is "
            f"{partition.contract_id}"
        )
    elif not is_in_place(manifest, lake):
        problem = f"the objects of {lake.url} are not those of its manifest"
    else:
        return manifest
    raise ReconciliationError(
        f"{partition}: {problem}. Postgres stays as it was. Rebuild the month from its published "
        "bytes: `make rebuild MONTHS=…`, or load it from the source."
    )
