"""Inspect: gather what every store says of a month, for comparison. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from nyc_tlc.core.audit.evidence import (
    Evidence,
    LakeWarehouseSays,
    SourceAnswer,
    StoredFile,
    Unreadable,
)
from nyc_tlc.core.audit.findings import Finding
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.checksum import crc32c_of, sha256_of
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.errors import SourceError
from nyc_tlc.core.files.parquet_file import open_parquet
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.lake.records import Landing, Manifest, StoredObject, WarehouseLoad, parse_record
from nyc_tlc.ports.audit import Inspector, Inventory
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.ports.lake import Lake
from nyc_tlc.ports.source import SourceFileAbsentError
from nyc_tlc.steps.look import find_source_path
from nyc_tlc.steps.staging import is_abandoned

RecordT = TypeVar("RecordT", Landing, Manifest, WarehouseLoad)


@dataclass(frozen=True)
class Survey:
    """Everything that is there, by the listings of the stores.

    Attributes:
        objects: Objects of each month in ``raw/``, ``trips/``, ``quarantine/``, ``manifests/``.
        strangers: Objects there whose path is of no month.
        staged: Objects below ``staging/``.
    """

    objects: Mapping[Partition, Mapping[str, StoredObject]]
    strangers: tuple[StoredObject, ...]
    staged: tuple[StoredObject, ...]
    inventory: Inventory

    @property
    def partitions(self) -> frozenset[Partition]:
        """The months of which anything is anywhere."""
        inventory = self.inventory
        return inventory.attached.union(self.objects, inventory.ledger, inventory.quarantined)

    def is_known(self, partition: Partition) -> bool:
        """Whether a record, or the warehouse, tells of a month."""
        inventory, objects = self.inventory, self.objects.get(partition, {})
        records = {lake_paths.landing(partition), lake_paths.manifest(partition)}
        return (
            not records.isdisjoint(objects)
            or partition in inventory.attached
            or partition in inventory.ledger
            or partition in inventory.quarantined
        )


@dataclass(frozen=True)
class Inspection:
    """How the stores are looked at.

    Attributes:
        deep: Read the bytes of every object again, instead of trusting size and generation.
        ask_source: Ask the source whether it still has what was landed: a request per month.
    """

    ports: Ports
    inspector: Inspector
    deep: bool = False
    ask_source: bool = False

    def survey(self) -> Survey:
        lake = self.ports.lake
        objects: dict[Partition, dict[str, StoredObject]] = {}
        strangers = []
        for prefix in (lake_paths.RAW_PREFIX, *lake_paths.DATA_PREFIXES):
            for stored in lake.list(prefix):
                partition = lake_paths.partition_of(stored.path)
                if partition is None:
                    strangers.append(stored)
                else:
                    objects.setdefault(partition, {})[stored.path] = stored
        staged = tuple(lake.list(lake_paths.STAGING_PREFIX))
        return Survey(objects, tuple(strangers), staged, self.inspector.inventory())

    def evidence(self, partition: Partition, survey: Survey) -> Evidence:
        """What every store says of a month."""
        objects, inventory = survey.objects.get(partition, {}), survey.inventory
        lake, record = self.ports.lake, lake_paths.landing(partition)
        raw = {
            path: stored
            for path, stored in objects.items()
            if path.startswith(lake_paths.RAW_PREFIX) and path != record
        }
        landing = _record(Landing, record, objects, lake)
        is_attached = partition in inventory.attached
        return Evidence(
            partition=partition,
            landing=landing,
            manifest=_record(Manifest, lake_paths.manifest(partition), objects, lake),
            raw=raw,
            digests={path: self._sha256(path) for path in raw} if self.deep else {},
            files={
                path: self._file(objects[path])
                for path in (lake_paths.trips(partition), lake_paths.quarantine(partition))
                if path in objects
            },
            ledger=inventory.ledger.get(partition),
            scan=self.inspector.scan(partition) if is_attached else None,
            quarantined=inventory.quarantined.get(partition, 0),
            bigquery=self._in_bigquery(partition),
            source=self._source_answer(partition, landing),
        )

    def _in_bigquery(self, partition: Partition) -> LakeWarehouseSays | None:
        bigquery = self.ports.bigquery
        if bigquery is None:
            return None
        path = lake_paths.warehouse_load(partition, bigquery.address)
        record = self.ports.lake.read(path)
        load = _parsed(WarehouseLoad, record[0], path) if record else None
        if not isinstance(load, WarehouseLoad) or not bigquery.holds(partition, load):
            return LakeWarehouseSays(path, load, None)
        counts = bigquery.count(partition).counts
        return LakeWarehouseSays(path, load, (counts.accepted, counts.quarantined))

    def _file(self, stored: StoredObject) -> StoredFile:
        crc32c = self._crc32c(stored.path) if self.deep else None
        return StoredFile(stored, _rows(stored.path, self.ports.lake), crc32c)

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

    def _sha256(self, path: str) -> str:
        with self.ports.lake.open(path) as source:
            return sha256_of(source)

    def _crc32c(self, path: str) -> str:
        with self.ports.lake.open(path) as source:
            return crc32c_of(source)


def orphans(survey: Survey, now: datetime) -> tuple[Finding, ...]:
    """Objects and tables that nothing refers to; ``now`` is in UTC."""
    objects = [
        *((None, stored) for stored in survey.strangers),
        *((partition, stored) for partition, stored in _data(survey)
          if stored.path not in _named(partition, known=survey.is_known(partition))),
    ]  # fmt: skip
    staged = [stored for stored in survey.staged if is_abandoned(stored.path, now)]
    return (
        *(Finding("object_orphan", of, stored.path, _size(stored)) for of, stored in objects),
        *(
            Finding(
                "staging_orphan", lake_paths.partition_of(stored.path), stored.path, _size(stored)
            )
            for stored in staged
        ),
        *(Finding("table_orphan", None, name) for name in survey.inventory.leftovers),
        *(Finding("table_foreign", None, name) for name in survey.inventory.foreign),
    )


def _data(survey: Survey) -> Iterator[tuple[Partition, StoredObject]]:
    for partition, objects in survey.objects.items():
        for path, stored in objects.items():
            if path.startswith(lake_paths.DATA_PREFIXES):
                yield partition, stored


def _named(partition: Partition, *, known: bool) -> set[str]:
    """The objects that a month may have."""
    files = {lake_paths.trips(partition), lake_paths.quarantine(partition)} if known else set()
    return {lake_paths.manifest(partition), *files}


def _size(stored: StoredObject) -> str:
    return f"{stored.bytes:,} bytes"


def _record(
    kind: type[RecordT], path: str, objects: Mapping[str, StoredObject], lake: Lake
) -> RecordT | Unreadable | None:
    found = lake.read(path) if path in objects else None
    return _parsed(kind, found[0], path) if found else None


def _parsed(kind: type[RecordT], text: bytes, path: str) -> RecordT | Unreadable:
    try:
        return parse_record(kind, text, path)
    except SourceError as error:
        return Unreadable(str(error).partition(". ")[0])


def _rows(path: str, lake: Lake) -> int | Unreadable:
    try:
        with lake.open_range(path) as source, open_parquet(source, path) as file:
            return int(file.metadata.num_rows)
    except SourceError as error:
        return Unreadable(str(error).partition(". ")[0])
