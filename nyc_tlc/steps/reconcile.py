"""Reconcile: prove that published = accepted + quarantined = every store, then clear up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.errors import ReconciliationError
from nyc_tlc.core.files.parquet_file import open_parquet
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.lake.records import Generation, Manifest, WarehouseLoad
from nyc_tlc.core.runs.run import Run
from nyc_tlc.core.runs.run_table import RunRow, Status
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.ports.lake import Lake
from nyc_tlc.ports.warehouse import Counted, StoreCounts
from nyc_tlc.steps.land import in_place
from nyc_tlc.steps.publish import read_manifest
from nyc_tlc.steps.staging import ledger_entry, staged_by
from nyc_tlc.steps.warehouse_load import mark_reconciled, read_load


@dataclass(frozen=True)
class _InBigQuery:
    load: WarehouseLoad
    generation: Generation
    counted: Counted


def reconcile(row: RunRow, ports: Ports) -> RunRow:
    """Count the month in every store; only equal counts make it loaded.

    The ledger is told last: a run that is killed before that is repeated, and one that is killed
    after it has left nothing behind that the next, which finds the month unchanged, would not see.

    Raises:
        ReconciliationError: a store disagrees; the month is not recorded as reconciled, and
            the next run loads it again.
    """
    partition = row.partition
    manifest = read_manifest(partition, ports.lake)
    problems = _manifest_problems(row, manifest, ports.lake)
    expected = StoreCounts(row.accepted, row.quarantined)
    entry = ledger_entry(row)
    present = ports.ledger.entry(partition)
    if present is None or present.content != entry.content:
        problems.append("Postgres is not recorded to hold this version")
    held = {"Postgres": ports.warehouse.count(partition)}
    in_bigquery = _in_bigquery(partition, manifest, ports)
    if in_bigquery is not None:
        held[f"BigQuery ({in_bigquery.load.warehouse})"] = in_bigquery.counted.counts
    elif ports.bigquery is not None:
        problems.append(f"BigQuery ({ports.bigquery.address}) is not recorded to hold this version")
    if manifest is not None:
        held[f"the lake ({ports.lake.url})"] = _lake_counts(manifest, ports.lake)
    problems += [
        f"{store} holds {found.accepted:,} accepted and {found.quarantined:,} quarantined"
        for store, found in held.items()
        if found != expected
    ]
    if row.published != row.accepted + row.quarantined:
        problems.append(f"{row.published:,} were published")
    if problems:
        raise ReconciliationError(
            f"{partition}: {'; '.join(problems)}; expected {row.accepted:,} accepted and "
            f"{row.quarantined:,} quarantined of {row.published:,} published. The month is not "
            "recorded as reconciled. Run it again; if that does not help, with force."
        )
    if in_bigquery is not None:
        record = (in_bigquery.load, in_bigquery.generation)
        mark_reconciled(partition, ports.lake, record, in_bigquery.counted.job)
    clear_superseded(row, ports.lake)
    ports.ledger.mark_reconciled(replace(entry, seconds=row.seconds))
    return replace(row, status=Status.RECONCILED)


def _in_bigquery(
    partition: Partition, manifest: Manifest | None, ports: Ports
) -> _InBigQuery | None:
    """What BigQuery is recorded to hold of the published version, counted."""
    if ports.bigquery is None or manifest is None:
        return None
    record = read_load(partition, ports.lake, ports.bigquery.address)
    if record is None or not record[0].is_of(manifest):
        return None
    return _InBigQuery(*record, ports.bigquery.count(partition))


def _manifest_problems(row: RunRow, manifest: Manifest | None, lake: Lake) -> list[str]:
    if manifest is None:
        return ["the lake has no manifest of it"]
    if manifest.content != row.content:
        return ["the lake's manifest is of another version"]
    return [] if in_place(manifest, lake) else ["the lake's objects are not the manifest's"]


def _lake_counts(manifest: Manifest, lake: Lake) -> StoreCounts:
    rows = []
    for stored in manifest.objects:
        with lake.open_range(stored.path) as source, open_parquet(source, stored.path) as file:
            rows.append(int(file.metadata.num_rows))
    return StoreCounts(*rows)


def clear_failed(rows: Iterable[RunRow], lake: Lake) -> None:
    """Delete what this run staged of the months that failed; their next run stages anew."""
    for row in rows:
        if row.status is Status.FAILED and row.staged:
            for run, path in _staged(row.partition, lake):
                if str(run) == row.run:
                    lake.delete(path)


def clear_superseded(row: RunRow, lake: Lake) -> None:
    """Delete what is staged of a month now proved, by this run and by those that began before it.

    Those have died, or are late: what they staged is older than what the stores hold by now, so a
    late one has to fail rather than load it. What is left of them on local disk goes, too; a run
    that is alive downloads again what it misses.
    """
    own = Run.parse(row.run)
    for run, path in _staged(row.partition, lake):
        if run is not None and (str(run) == row.run or run.began < own.began):
            lake.delete(path)
    lake.drop_cached(lake_paths.landed(row.partition))
    lake.drop_cached(lake_paths.staging(row.partition))


def _staged(partition: Partition, lake: Lake) -> list[tuple[Run | None, str]]:
    """The staged objects of a month: which run staged it, and its path."""
    return [
        (staged_by(stored.path), stored.path) for stored in lake.list(lake_paths.staging(partition))
    ]
