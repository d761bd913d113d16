"""What each store says of one month, gathered for comparison."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from nyc_tlc.core.catalog.ledger import LedgerEntry
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.lake.records import Landing, Manifest, StoredObject, WarehouseLoad


class SourceAnswer(StrEnum):
    """What the source says when asked for the version that was landed."""

    UNCHANGED = "unchanged"
    REVISED = "revised"
    ABSENT = "absent"


@dataclass(frozen=True)
class Unreadable:
    """A record that is there but is none; ``reason`` says why."""

    reason: str


@dataclass(frozen=True)
class TableScan:
    """What a warehouse really holds of a month.

    Attributes:
        rows: Counted, not remembered.
        altered: Rows that were written or removed by another transaction than the load, as far
            as the warehouse can tell.
    """

    rows: int
    altered: int


@dataclass(frozen=True)
class LakeWarehouseSays:
    """What a warehouse that loads from the lake has of a month.

    Attributes:
        record: Lake path of the record of what it loaded.
        load: That record; None when there is none.
        rows: Accepted and quarantined, counted; None when its tables are gone or created again.
    """

    record: str
    load: WarehouseLoad | Unreadable | None
    rows: tuple[int, int] | None


@dataclass(frozen=True)
class StoredFile:
    """A data file of the lake, looked into.

    Attributes:
        rows: By its footer; Unreadable when it has none.
        crc32c: Of the bytes just read; None unless they were.
    """

    stored: StoredObject
    rows: int | Unreadable
    crc32c: str | None = None


@dataclass(frozen=True)
class Evidence:
    """One month as every store has it.

    Attributes:
        raw: The objects with published bytes, by path.
        digests: SHA-256 of raw objects whose bytes were just read, by path.
        files: The data files that are there, by path.
        ledger: The entry, whether or not the month's table is there.
        scan: None when readers of the warehouse do not see the month.
        quarantined: Rows of the month in the quarantine table.
        bigquery: None where there is no BigQuery.
        polygons: SHA-256 of the newest polygons of the zones; None where the month needs none.
        source: None unless the source was asked.
        other_values: Code of the finding to the columns whose values are not those of the lake;
            only columns that were compared.
    """

    partition: Partition
    landing: Landing | Unreadable | None = None
    manifest: Manifest | Unreadable | None = None
    raw: Mapping[str, StoredObject] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, StoredFile] = field(default_factory=dict)
    ledger: LedgerEntry | None = None
    scan: TableScan | None = None
    quarantined: int = 0
    bigquery: LakeWarehouseSays | None = None
    polygons: str | None = None
    source: SourceAnswer | None = None
    other_values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def landed(self) -> Landing | None:
        """The landing, if it can be read."""
        return None if isinstance(self.landing, Unreadable) else self.landing

    @property
    def committed(self) -> Manifest | None:
        """The manifest, if it can be read."""
        return None if isinstance(self.manifest, Unreadable) else self.manifest

    @property
    def is_recorded(self) -> bool:
        """Whether it is known, or published bytes of it are kept: its records are ours."""
        return self.is_known or bool(self.raw)

    @property
    def is_held(self) -> bool:
        """Whether the warehouse has something of the month."""
        return bool(self.ledger or self.scan or self.quarantined)

    @property
    def is_known(self) -> bool:
        """Whether a record that can be read, or the warehouse, knows the month."""
        return bool(self.landed or self.committed or self.is_held)
