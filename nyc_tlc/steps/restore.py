"""Restore: load a month into the warehouse from what the lake has published."""

from __future__ import annotations

from dataclasses import replace

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.errors import ReconciliationError
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.lake.records import Manifest
from nyc_tlc.core.runs.run_table import RunRow, Status
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.ports.lake import Lake
from nyc_tlc.steps.land import in_place
from nyc_tlc.steps.load import load_objects
from nyc_tlc.steps.publish import read_manifest


def restore(row: RunRow, ports: Ports) -> RunRow:
    """Load the published rows of a month; neither source nor ``raw/`` is read.

    Raises:
        ReconciliationError: the lake does not hold the month whole, or not under today's contract.
    """
    partition = row.partition
    manifest = _whole(partition, ports.lake)
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
    )
    load_objects(restored, manifest.objects, ports)
    return restored


def _whole(partition: Partition, lake: Lake) -> Manifest:
    manifest = read_manifest(partition, lake)
    if manifest is None:
        problem = f"{lake.url}/{lake_paths.manifest(partition)} is gone"
    elif manifest.contract != partition.contract_id:
        problem = (
            f"the lake holds it under contract {manifest.contract}, today's is "
            f"{partition.contract_id}"
        )
    elif not in_place(manifest, lake):
        problem = f"the objects of {lake.url} are not those of its manifest"
    else:
        return manifest
    raise ReconciliationError(
        f"{partition}: {problem}. Postgres stays as it was. Make the month anew from its published "
        "bytes: `make rebuild MONTHS=…`, or load it from the source."
    )
