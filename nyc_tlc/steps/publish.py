"""Publish: let the staged month take its place in the lake, and commit it by its manifest."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.errors import ReconciliationError
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.lake.records import Conformed, Manifest, StoredObject, render_record
from nyc_tlc.core.runs.run_table import RunRow, Status
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.ports.lake import Lake
from nyc_tlc.steps.records import is_in_place, read_manifest, require_ours
from nyc_tlc.steps.staging import read_conformed


def publish(row: RunRow, ports: Ports) -> RunRow:
    """Replace the month in ``trips/`` and ``quarantine/``, then write its manifest.

    Each object is replaced at once, on the condition that it is still the one seen before. Of two
    runs with different content the slower one fails; should they cross between the objects, both
    fail to reconcile, and the next run repairs the month.

    Raises:
        ReconciliationError: another run was faster, or the staged files are gone.
        ConfigurationError: an object of others has the name of the month's.
    """
    partition, lake = row.partition, ports.lake
    conformed = read_conformed(row, lake)
    # Seen before the manifest is: whoever commits from now on changes one of them.
    targets = (lake_paths.trips(partition), lake_paths.quarantine(partition))
    seen = {target: lake.stat(target) for target in targets}
    previous, generation = read_manifest(partition, lake) or (None, 0)
    if previous is None:
        for stored in filter(None, seen.values()):
            require_ours(stored.path, {"source_month", "source_row"}, lake)
    elif not row.force and previous.content == conformed.content and is_in_place(previous, lake):
        return replace(row, status=Status.PUBLISHED)
    manifest = Manifest(
        **conformed.model_dump(exclude={"staged"}),
        objects=_replace(partition, conformed, seen, lake),
        superseded=previous.superseded_by(conformed.landing) if previous else (),
        warning=row.warning,
        run=row.run,
        published_at=datetime.now(UTC),
    )
    lake.write(lake_paths.manifest(partition), render_record(manifest), if_generation=generation)
    return replace(row, status=Status.PUBLISHED)


def _replace(
    partition: Partition,
    conformed: Conformed,
    seen: Mapping[str, StoredObject | None],
    lake: Lake,
) -> tuple[StoredObject, ...]:
    objects = []
    for staged, (target, before) in zip(conformed.staged, seen.items(), strict=True):
        stored = lake.copy(staged.path, target, if_generation=before.generation if before else 0)
        if (stored.bytes, stored.crc32c) != (staged.bytes, staged.crc32c):
            raise ReconciliationError(
                f"{partition}: {lake.url}/{target} has checksum {stored.crc32c}, its staged file "
                f"{staged.crc32c}. The manifest was not written. Run the month again."
            )
        objects.append(stored)
    return tuple(objects)
