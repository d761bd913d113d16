"""Inspect: gather what every store says of a month, for comparison. Nothing is changed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import BinaryIO

from nyc_tlc.core.audit.evidence import (
    Evidence,
    LakeWarehouseSays,
    SourceAnswer,
    StoredFile,
    Unreadable,
)
from nyc_tlc.core.audit.findings import Finding
from nyc_tlc.core.audit.values import (
    Checksums,
    Part,
    Projection,
    Typed,
    checksums,
    differing_columns,
    of_columns,
    of_rows,
    typed_columns,
)
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.checksum import crc32c_of, sha256_of
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.errors import SourceError
from nyc_tlc.core.files.parquet_file import open_parquet, read_batches
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.lake.records import Landing, Manifest, RecordT, StoredObject, WarehouseLoad
from nyc_tlc.ports.audit import Inspector, Inventory
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.ports.lake import Lake
from nyc_tlc.ports.source import SourceFileAbsentError
from nyc_tlc.steps.look import find_source_path
from nyc_tlc.steps.records import newest_polygons, read
from nyc_tlc.steps.staging import is_abandoned, staged_by


@dataclass(frozen=True)
class Survey:
    """Everything that is there, by the listings of the stores.

    Attributes:
        objects: Objects of each month in ``raw/``, ``trips/``, ``quarantine/``, ``manifests/``.
        abandoned: What runs that have died left in ``staging/``.
        foreign: Every object below our prefixes that no record of ours tells of.
        in_bigquery: What is beside our tables in BigQuery's dataset.
    """

    objects: Mapping[Partition, Mapping[str, StoredObject]]
    abandoned: tuple[StoredObject, ...]
    foreign: tuple[StoredObject, ...]
    inventory: Inventory
    in_bigquery: tuple[str, ...] = ()

    @property
    def partitions(self) -> frozenset[Partition]:
        """The months of which anything is anywhere."""
        inventory = self.inventory
        return inventory.attached.union(self.objects, inventory.ledger, inventory.quarantined)

    def named(self, partition: Partition) -> set[str]:
        """The objects that a month may have: data only if a record or the warehouse knows it."""
        inventory = self.inventory
        data = {lake_paths.trips(partition), lake_paths.quarantine(partition)}
        is_known = bool(self.objects[partition].keys() - data) or any(
            partition in months
            for months in (inventory.attached, inventory.ledger, inventory.quarantined)
        )
        return {lake_paths.manifest(partition), *(data if is_known else ())}


Ask = Callable[[Sequence[Projection]], Checksums]
"""A store for the checksums of one part of one month."""


_Holders = Mapping[str, tuple[tuple[Typed, ...], Ask]]
"""Warehouses' tables with one part of a month, by the code of the finding should values differ."""


@dataclass(frozen=True)
class Inspection:
    """How the stores are looked at.

    Attributes:
        deep: Read the bytes of every object again, instead of trusting size and generation, and
            compare the values in the warehouses with those in the lake.
        ask_source: Ask the source whether it still has what was landed: a request per month.
    """

    ports: Ports
    inspector: Inspector
    deep: bool = False
    ask_source: bool = False

    def survey(self) -> Survey:
        lake, now = self.ports.lake, datetime.now(UTC)
        objects: dict[Partition, dict[str, StoredObject]] = {}
        abandoned, foreign = [], []
        for stored in (stored for prefix in lake_paths.PREFIXES for stored in lake.list(prefix)):
            path, partition = stored.path, lake_paths.partition_of(stored.path)
            if lake_paths.staged_by(path):
                run = staged_by(path, objects.get(partition, ())) if partition else None
                if run is None:
                    foreign.append(stored)
                elif is_abandoned(run, now):
                    abandoned.append(stored)
            elif not lake_paths.is_ours(path):
                foreign.append(stored)
            elif path.startswith(lake_paths.CHECK_PREFIX):
                abandoned.append(stored)
            elif partition:
                objects.setdefault(partition, {})[path] = stored
        bigquery = self.ports.bigquery
        return Survey(
            objects,
            tuple(abandoned),
            tuple(foreign),
            self.inspector.inventory(),
            bigquery.others() if bigquery else (),
        )

    def evidence(self, partition: Partition, survey: Survey) -> Evidence:
        """What every store says of a month."""
        objects, inventory = survey.objects.get(partition, {}), survey.inventory
        lake, record = self.ports.lake, lake_paths.landing(partition)
        manifest = lake_paths.manifest(partition)
        raw = {
            path: stored
            for path, stored in objects.items()
            if path.startswith(lake_paths.RAW_PREFIX) and path != record
        }
        landing = _record(Landing, record, lake) if record in objects else None
        committed = _record(Manifest, manifest, lake) if manifest in objects else None
        seen = Evidence(
            partition=partition,
            landing=landing,
            manifest=committed,
            raw=raw,
            digests={path: self._checksum(sha256_of, path) for path in raw if self.deep},
            files={
                path: StoredFile(
                    objects[path],
                    _rows(path, lake),
                    self._checksum(crc32c_of, path) if self.deep else None,
                )
                for path in (lake_paths.trips(partition), lake_paths.quarantine(partition))
                if path in objects
            },
            ledger=inventory.ledger.get(partition),
            scan=self.inspector.scan(partition) if partition in inventory.attached else None,
            quarantined=inventory.quarantined.get(partition, 0),
            bigquery=self._in_bigquery(partition),
            polygons=newest_polygons(committed, lake) if isinstance(committed, Manifest) else None,
            source=self._source_answer(partition, landing),
        )
        return replace(seen, other_values=self._other_values(seen)) if self.deep else seen

    def _other_values(self, seen: Evidence) -> Mapping[str, tuple[str, ...]]:
        """Where a warehouse has as many rows as a sound file of the lake: what else differs."""
        manifest, found = seen.committed, dict[str, tuple[str, ...]]()
        if manifest is None or manifest.contract != seen.partition.contract_id:
            return found
        for part, stored in zip(Part, manifest.objects, strict=False):
            file = seen.files.get(stored.path)
            if file is None or file.crc32c != stored.crc32c:
                continue
            holders = self._holders(seen, part, file.rows)
            ask_lake = partial(_checksums_in_the_lake, stored.path, self.ports.lake)
            for code, columns in (_compared(ask_lake, holders) if holders else {}).items():
                # One finding tells of both tables in BigQuery.
                of = f"{part}." if (part, code) == (Part.QUARANTINE, "bigquery_values") else ""
                found[code] = (*found.get(code, ()), *(of + column for column in columns))
        return found

    def _holders(self, seen: Evidence, part: Part, rows: int | Unreadable) -> _Holders:
        """Those with so many rows of it."""
        partition, said, bigquery = seen.partition, seen.bigquery, self.ports.bigquery
        in_postgres, code = {
            Part.TRIPS: (seen.scan.rows if seen.scan else None, "table_values"),
            Part.QUARANTINE: (seen.quarantined, "quarantine_values"),
        }[part]
        columns = partial(typed_columns, partition.service.contract, part)
        holders: dict[str, tuple[tuple[Typed, ...], Ask]] = {}
        if in_postgres == rows:
            ask = partial(self.inspector.checksums, partition, part)
            holders[code] = (columns(as_in_the_lake=False), ask)
        counts = dict(zip(Part, said.rows, strict=True)) if said and said.rows else {}
        if bigquery is not None and counts.get(part) == rows:
            ask = partial(bigquery.checksums, partition, part)
            holders["bigquery_values"] = (columns(as_in_the_lake=True), ask)
        return holders

    def _in_bigquery(self, partition: Partition) -> LakeWarehouseSays | None:
        bigquery = self.ports.bigquery
        if bigquery is None:
            return None
        path = lake_paths.warehouse_load(partition, bigquery.address)
        load = _record(WarehouseLoad, path, self.ports.lake)
        if not isinstance(load, WarehouseLoad) or not bigquery.holds(partition, load):
            return LakeWarehouseSays(path, load, None)
        counts = bigquery.count(partition).counts
        return LakeWarehouseSays(path, load, (counts.accepted, counts.quarantined))

    def _checksum(self, checksum: Callable[[BinaryIO], str], path: str) -> str:
        with self.ports.lake.open(path) as source:
            return checksum(source)

    def _source_answer(
        self, partition: Partition, landing: Landing | Unreadable | None
    ) -> SourceAnswer | None:
        if not self.ask_source or not isinstance(landing, Landing):
            return None
        try:
            found = find_source_path(
                partition,
                landing,
                SourceFormat.of(landing.raw),
                lambda path, etag: self.ports.source.probe(path, unless_etag=etag),
            )
        except SourceFileAbsentError:
            return SourceAnswer.ABSENT
        same = (landing.etag, landing.last_modified, landing.bytes)
        if found is None or (found.etag, found.last_modified, found.bytes) == same:
            return SourceAnswer.UNCHANGED
        return SourceAnswer.REVISED


def beside(survey: Survey) -> tuple[Finding, ...]:
    """What runs have left, and what others keep beside ours."""
    unnamed = [
        stored
        for partition, of_month in survey.objects.items()
        for stored in of_month.values()
        if stored.path.startswith(lake_paths.DATA_PREFIXES)
        and stored.path not in survey.named(partition)
    ]
    # What is of others is of no month, whatever its name says.
    objects = [
        *(("object_foreign", None, stored) for stored in (*survey.foreign, *unnamed)),
        *(
            ("staging_orphan", lake_paths.partition_of(stored.path), stored)
            for stored in survey.abandoned
        ),
    ]
    inventory = survey.inventory
    return (
        *(Finding(code, of, found.path, f"{found.bytes:,} bytes") for code, of, found in objects),
        *(Finding("table_orphan", None, name) for name in inventory.leftovers),
        *(Finding("table_foreign", None, name) for name in inventory.foreign),
        *(
            Finding("object_foreign", None, described)
            for described in (*inventory.others, *survey.in_bigquery)
        ),
    )


def _compared(ask_lake: Ask, holders: _Holders) -> Mapping[str, tuple[str, ...]]:
    """Code of the finding to the columns that differ, which are only asked for where rows do."""
    proofs = {code: of_rows(columns) for code, (columns, _) in holders.items()}
    ours = ask_lake(list(dict.fromkeys(each for of in proofs.values() for each in of)))
    found = {}
    for code, (columns, ask) in holders.items():
        theirs = ask(proofs[code])
        if any(ours[each] != theirs[each] for each in theirs):
            of = of_columns(columns)
            found[code] = differing_columns(ask_lake(of), ask(of))
    return {code: columns for code, columns in found.items() if columns}


def _checksums_in_the_lake(path: str, lake: Lake, projections: Sequence[Projection]) -> Checksums:
    with lake.open(path) as source, open_parquet(source, path) as file:
        return checksums(read_batches(file, path), projections)


def _record(kind: type[RecordT], path: str, lake: Lake) -> RecordT | Unreadable | None:
    try:
        found = read(kind, path, lake)
    except SourceError as error:
        return Unreadable(str(error).partition(". ")[0])
    return found[0] if found else None


def _rows(path: str, lake: Lake) -> int | Unreadable:
    try:
        with lake.open_range(path) as source, open_parquet(source, path) as file:
            return int(file.metadata.num_rows)
    except SourceError as error:
        return Unreadable(str(error).partition(". ")[0])
