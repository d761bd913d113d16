"""Reconcile: prove that published = accepted + quarantined = every store, then clear up."""

from collections.abc import Sequence
from dataclasses import replace

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.errors import PipelineError, ReconciliationError
from nyc_tlc.core.files.parquet_file import open_parquet
from nyc_tlc.core.lake.records import Generation, Manifest, WarehouseLoad
from nyc_tlc.core.runs.run_table import RunRow, Status
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.ports.lake import Lake
from nyc_tlc.ports.warehouse import Counted, StoreCounts
from nyc_tlc.steps.records import is_in_place, mark_reconciled, read_load, read_manifest
from nyc_tlc.steps.staging import clear_superseded, ledger_entry

_NEW, _MIXED = "the new version", "files that its manifest does not name"


def reconcile(row: RunRow, ports: Ports) -> RunRow:
    """Count the month in every store; only equal counts make it loaded.

    The ledger is told last: a run that is killed before that is repeated, and one that is killed
    after it has left nothing behind that the next, which finds the month unchanged, would not see.

    Raises:
        ReconciliationError: a store disagrees; the month is not recorded as reconciled, and
            the next run loads it again.
    """
    partition = row.partition
    manifest, _ = read_manifest(partition, ports.lake) or (None, 0)
    problems = _manifest_problems(row, manifest, ports.lake)
    expected = StoreCounts(row.accepted, row.quarantined)
    entry = ledger_entry(row)
    present = ports.ledger.entry(partition)
    if present is None or present.content != entry.content:
        problems.append("Postgres is not recorded to hold this version")
    held = {"Postgres": ports.warehouse.count(partition)}
    in_bigquery = _in_bigquery(partition, manifest, ports)
    if in_bigquery is not None:
        (load, _), counted = in_bigquery
        held[f"BigQuery ({load.warehouse})"] = counted.counts
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
        record, counted = in_bigquery
        mark_reconciled(partition, ports.lake, record, counted.job)
    clear_superseded(row, ports.lake)
    ports.ledger.mark_reconciled(replace(entry, seconds=row.seconds))
    return replace(row, status=Status.RECONCILED)


def _in_bigquery(
    partition: Partition, manifest: Manifest | None, ports: Ports
) -> tuple[tuple[WarehouseLoad, Generation], Counted] | None:
    """What BigQuery is recorded to hold of the published version, counted."""
    if ports.bigquery is None or manifest is None:
        return None
    record = read_load(partition, ports.lake, ports.bigquery.address)
    if record is None or not record[0].is_of(manifest):
        return None
    return record, ports.bigquery.count(partition)


def _manifest_problems(row: RunRow, manifest: Manifest | None, lake: Lake) -> list[str]:
    if manifest is None:
        return ["the lake has no manifest of it"]
    if manifest.content != row.content:
        return ["the lake's manifest is of another version"]
    return [] if is_in_place(manifest, lake) else ["the lake's objects are not the manifest's"]


def _lake_counts(manifest: Manifest, lake: Lake) -> StoreCounts:
    rows = []
    for stored in manifest.objects:
        with lake.open_range(stored.path) as source, open_parquet(source, stored.path) as file:
            rows.append(int(file.metadata.num_rows))
    return StoreCounts(*rows)


def tell_where_failed_months_stand(rows: Sequence[RunRow], ports: Ports) -> list[RunRow]:
    """The rows; the error of a month that only some of the stores have taken says which.

    Each store commits for itself: when one refuses after another has committed, they stand apart
    until the next run of the month, which makes them equal.
    """
    stores = ("Postgres", "the lake", *(("BigQuery",) if ports.bigquery else ()))
    silent: set[str] = set()

    def held(row: RunRow, store: str) -> str:
        # Once for all months: a store that is down takes its time to say nothing.
        if store not in silent:
            try:
                return _version(row, store, ports)
            except PipelineError:
                silent.add(store)
        return "it does not say"

    def told(row: RunRow) -> RunRow:
        if row.status is not Status.FAILED or not row.staged:
            return row
        versions = {store: held(row, store) for store in stores}
        if len(set(versions.values())) == 1 or not {_NEW, _MIXED}.intersection(versions.values()):
            return row
        said = ", ".join(f"{store}: {version}" for store, version in versions.items())
        error = f"{row.error} The stores stand apart ({said}) until the next run of the month."
        return row.failed(error, row.error_type)

    return list(map(told, rows))


def _version(row: RunRow, store: str, ports: Ports) -> str:
    """Which version a store is recorded to hold."""
    partition, held = row.partition, None
    if store == "Postgres":
        entry = ports.ledger.entry(partition)
        held = entry.content if entry else None
    elif store == "the lake":
        manifest, _ = read_manifest(partition, ports.lake) or (None, 0)
        if manifest is not None and not is_in_place(manifest, ports.lake):
            return _MIXED
        held = manifest.content if manifest else None
    elif ports.bigquery is not None:
        load, _ = read_load(partition, ports.lake, ports.bigquery.address) or (None, 0)
        held = load.content if load else None
    if held is None:
        return "none on record"
    return _NEW if held == row.content else "an earlier version"
