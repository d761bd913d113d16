"""Records of the lake: what was landed, what is committed, what a warehouse loaded from it."""

from collections.abc import Set
from datetime import UTC, datetime

from nyc_tlc.core.catalog.ledger import Content
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.errors import ConfigurationError, SourceError
from nyc_tlc.core.files.parquet_file import open_parquet
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.lake.records import (
    Generation,
    Landing,
    Manifest,
    RecordT,
    WarehouseJob,
    WarehouseLoad,
    parse_record,
    render_record,
)
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.ports.lake import Lake


def read(kind: type[RecordT], path: str, lake: Lake) -> tuple[RecordT, Generation] | None:
    """A record and the generation of its object; None where there is none.

    Raises:
        SourceError: the object is not such a record.
    """
    found = lake.read(path)
    return (parse_record(kind, found[0], path), found[1]) if found else None


def landed(partition: Partition, lake: Lake) -> Landing | None:
    """The version landed last, if its bytes are in ``raw/``."""
    return landed_at(lake_paths.landing(partition), lake)


def landed_at(path: str, lake: Lake) -> Landing | None:
    """What this record of a landing names, if its bytes are in ``raw/``."""
    landing, _ = read(Landing, path, lake) or (None, 0)
    stored = lake.stat(landing.raw) if landing else None
    return landing if landing and stored and stored.bytes == landing.bytes else None


def read_manifest(partition: Partition, lake: Lake) -> tuple[Manifest, Generation] | None:
    """What the lake commits for the partition."""
    return read(Manifest, lake_paths.manifest(partition), lake)


def is_in_place(manifest: Manifest, lake: Lake) -> bool:
    """Whether the objects that a manifest names are there, as it describes them."""
    stats = [(lake.stat(stored.path), stored) for stored in manifest.objects]
    return all(
        found is not None and (found.bytes, found.generation) == (stored.bytes, stored.generation)
        for found, stored in stats
    )


def require_ours(path: str, columns: Set[str], lake: Lake) -> None:
    """Let no object of others be replaced where there is no record of what we wrote.

    A run that was killed before its manifest leaves such objects; they have our columns.

    Raises:
        ConfigurationError: the object is no Parquet file with these columns.
    """
    try:
        with lake.open_range(path) as source, open_parquet(source, path) as file:
            found = set(file.schema_arrow.names)
    except SourceError:
        found = set()
    if not columns <= found:
        raise not_ours(path, lake)


def not_ours(path: str, lake: Lake) -> ConfigurationError:
    return ConfigurationError(
        f"{lake.url}/{path} is there, and no record of ours says that we made it. Nothing was "
        "changed. Move it away, or set LAKE_URL to a prefix of our own; then run it again."
    )


def proved_manifest(partition: Partition, landing: Landing, ports: Ports) -> Manifest | None:
    """The manifest, if lake and ledger hold exactly this version under today's contract, proved.

    BigQuery is left out: it reads the lake, and can follow.
    """
    wanted = Content(landing.sha256, partition.contract_id)
    entry = ports.ledger.entry(partition)
    if entry is None or entry.reconciled_at is None or entry.content != wanted:
        return None
    manifest, _ = read_manifest(partition, ports.lake) or (None, 0)
    if manifest is None or manifest.content != wanted or not is_in_place(manifest, ports.lake):
        return None
    return manifest


def has_outdated_zones(manifest: Manifest, lake: Lake) -> bool:
    """Whether other polygons have been landed since than those that located the month's trips."""
    newest = newest_polygons(manifest, lake)
    return newest is not None and newest != manifest.zone_polygons


def newest_polygons(manifest: Manifest, lake: Lake) -> str | None:
    """SHA-256 of the polygons for such a month that were landed last; None where it needs none."""
    own = lake_paths.ZONE_POLYGONS_LANDING
    record = lake_paths.of_samples(own) if manifest.counts.is_sample else own
    found = read(Landing, record, lake) if manifest.zone_polygons else None
    return found[0].sha256 if found else None


def is_proved_in_bigquery(partition: Partition, manifest: Manifest, ports: Ports) -> bool:
    """Whether BigQuery, if there is one, holds exactly what the manifest commits, proved."""
    warehouse = ports.bigquery
    if warehouse is None:
        return True
    load, _ = read_load(partition, ports.lake, warehouse.address) or (None, 0)
    return (
        load is not None
        and load.reconciled_at is not None
        and load.is_of(manifest)
        and warehouse.holds(partition, load)
    )


def read_load(
    partition: Partition, lake: Lake, address: str
) -> tuple[WarehouseLoad, Generation] | None:
    """What the warehouse at this address holds of the partition."""
    return read(WarehouseLoad, lake_paths.warehouse_load(partition, address), lake)


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
