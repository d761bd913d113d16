"""What the steps need from the outside world, as Protocols."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

import pyarrow as pa

from nyc_tlc.core.alert import Alert
from nyc_tlc.core.audit.evidence import LedgerRecord, TableScan
from nyc_tlc.core.contract.model import Contract
from nyc_tlc.core.manifest import Generation, Manifest, StoredObject, WarehouseJob, WarehouseLoad
from nyc_tlc.core.marts.model import Mart
from nyc_tlc.core.partition import Partition
from nyc_tlc.core.publication import MonthState, State


@dataclass(frozen=True)
class Fetched:
    """A published file on local disk, whole.

    Attributes:
        etag: Opaque version tag of the source; None when it gives none.
        last_modified: As the source states it.
    """

    path: Path
    uri: str
    etag: str | None
    last_modified: str | None
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Published:
    """A published file as the source describes it, without its content.

    Attributes:
        etag: Opaque version tag of the source; None when it gives none.
        last_modified: As the source states it.
        bytes: Its size; None when the source does not say.
    """

    uri: str
    etag: str | None
    last_modified: str | None
    bytes: int | None


class SourceFileAbsentError(Exception):
    """The source answered 403 or 404: the CDN says 403 for every file that does not exist."""

    def __init__(self, uri: str, answer: str) -> None:
        super().__init__(f"{uri} answered {answer}")


class Source(Protocol):
    """Where TLC's published files come from."""

    def fetch(self, name: str, folder: Path, *, unless_etag: str | None) -> Fetched | None:
        """Download ``trip-data/…`` or ``misc/…`` into a folder, resuming what is there in part.

        Args:
            name: Path below the source's address.
            folder: Existing local folder; the file gets the last component of ``name``.
            unless_etag: Version that we have; None to fetch in any case.

        Returns:
            The file, or None when the source still has ``unless_etag``.

        Raises:
            SourceFileAbsentError: there is no such file.
            RetryableError: the network or the server failed; what has come is kept.
            SourceError: the file came whole but is not what its name promises.
        """

    def probe(self, name: str, *, unless_etag: str | None) -> Published | None:
        """Ask about ``trip-data/…`` or ``misc/…`` without transferring any of it.

        Args:
            name: Path below the source's address.
            unless_etag: Version that we have; None when we have none.

        Returns:
            What the source says of the file, or None when it still has ``unless_etag``.

        Raises:
            SourceFileAbsentError: there is no such file.
            RetryableError: the network or the server failed.
            SourceError: the source cannot be asked like this.
        """


class Lake(Protocol):
    """A bucket or folder of objects. Every write is atomic: old bytes or new, nothing between.

    Every method raises RetryableError when the store does not answer and ConfigurationError
    when it refuses us or does not exist.
    """

    @property
    def url(self) -> str:
        """Address for people, without credentials."""

    def stat(self, path: str) -> StoredObject | None:
        """Size and generation of an object; None when there is none.

        ``crc32c`` may be empty where the store would have to read the object for it.
        """

    def read(self, path: str) -> tuple[bytes, Generation] | None:
        """A small object and its generation; None when there is none."""

    def write(self, path: str, data: bytes, *, if_generation: Generation | None) -> StoredObject:
        """Write a small object.

        Args:
            path: Object to write.
            data: Its new bytes.
            if_generation: Only if the object still has it (0: does not exist; None: always).

        Raises:
            ReconciliationError: somebody else changed the object.
        """

    def take(self, file: Path, path: str) -> StoredObject:
        """Move a local file into the lake, replacing what is there."""

    def copy(self, source: str, target: str, *, if_generation: Generation) -> StoredObject:
        """Copy inside the store.

        Raises:
            ReconciliationError: somebody else changed the target, or the source is gone.
        """

    def open(self, path: str) -> AbstractContextManager[BinaryIO]:
        """Open an object for seeking reads of most of it: whole, and verified by its checksum.

        Raises:
            ReconciliationError: there is no such object.
        """

    def peek(self, path: str) -> AbstractContextManager[BinaryIO]:
        """Open an object for reading a small part of it, such as a footer, where it lies.

        Raises:
            ReconciliationError: there is no such object.
        """

    def delete(self, path: str) -> None:
        """Delete an object; nothing happens when there is none."""

    def release(self, path: str) -> None:
        """Drop the copies that were kept on local disk for the steps to come.

        Args:
            path: Of an object, or of all whose paths begin with it if it ends in ``/``.
        """

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """The objects below a prefix, ascending by path.

        Without those whose path is none of the lake's, such as ``trips/``, by which Google's
        console marks a folder.
        """


@dataclass(frozen=True)
class Batches:
    """Record batches of one schema, to be read once.

    Attributes:
        schema: A column that it leaves out is null in every row, or the partition's own month.
        first_row: Least ``source_row`` of trips; no earlier part has as high a one.
    """

    schema: pa.Schema
    batches: Iterable[pa.RecordBatch]
    first_row: int = 0


MOST_PARTS = 2
"""In which a warehouse is given a month: a third COPY at the same time makes none faster."""


@dataclass(frozen=True)
class LedgerEntry:
    """What a warehouse holds for a partition, written with the rows in one transaction.

    Attributes:
        contract: Name and version, ``yellow/1``.
        loaded_at: Set by the warehouse.
        reconciled_at: When every store was proved equal; None until then.
        seconds: Time that the load took, all steps together; None until reconciled.
    """

    partition: Partition
    sha256: str
    contract: str
    published: int
    accepted: int
    quarantined: int
    run: str
    loaded_at: datetime | None = None
    reconciled_at: datetime | None = None
    seconds: float | None = None

    def same_content(self, other: LedgerEntry) -> bool:
        return (self.sha256, self.contract) == (other.sha256, other.contract)


@dataclass(frozen=True)
class StoreCounts:
    """Rows that a store really holds for a partition."""

    accepted: int
    quarantined: int


@dataclass(frozen=True)
class Counted:
    """The rows of a partition, and the job that counted them."""

    counts: StoreCounts
    job: WarehouseJob


class Ledger(Protocol):
    """The record of what each partition of the warehouse was made from."""

    def entry(self, partition: Partition) -> LedgerEntry | None:
        """The entry of a partition whose table is there; None otherwise."""

    def entries(self) -> list[LedgerEntry]:
        """The entries of every partition whose table is there, by service and month."""

    def month_states(self) -> Mapping[Partition, State]:
        """How far each month's publication had come when it was last recorded."""

    def record_month_states(self, states: Sequence[MonthState]) -> None:
        """Record how far these months have come; says since when where a state is new."""

    def mark_reconciled(self, entry: LedgerEntry) -> None:
        """Record that the stores agree about exactly this content, and ``seconds``.

        Raises:
            ReconciliationError: the partition holds other content by now.
        """


class AnyWarehouse(Protocol):
    """What every warehouse does, however the trips reach it."""

    def describe(self) -> str:
        """Prove the connection; says what it is connected to, never a password."""

    def replace_table(self, name: str, rows: pa.Table, *, key: str, comment: str) -> int:
        """Replace a dimension table, atomically; returns its rows.

        Columns are as nullable as their fields; JSON is ``pa.json_()``. Columns that a table of an
        earlier shape lacks are added.
        """

    def replace_views(self, contracts: Sequence[Contract]) -> tuple[str, ...]:
        """Replace the views over the trips of these services, each atomically; returns their names.

        ``<service>_named`` has every column, and the names of its zones and codes from the
        dimension tables, which must be there; ``trips`` has what all services share.
        """


class Warehouse(AnyWarehouse, Protocol):
    """A database that is sent the trips."""

    def replace_partition(
        self, entry: LedgerEntry, trips: Sequence[Batches], quarantine: Batches, *, force: bool
    ) -> LedgerEntry:
        """Replace one month, atomically, with these rows.

        A month that already holds the content of ``entry`` is left alone unless ``force``.

        Args:
            entry: What the rows are.
            trips: The accepted rows in one part or several, ascending; parts are written at the
                same time.
            quarantine: The others.
            force: Replace equal content too.

        Raises:
            ReconciliationError: the rows that arrived are not the counts of ``entry``.
            RetryableError: the server, the network or a lock.
        """

    def count(self, partition: Partition) -> StoreCounts:
        """Count the rows that a reader sees now."""


class LakeWarehouse(AnyWarehouse, Protocol):
    """A database that loads published months from the lake by itself.

    Every method raises RetryableError when the service does not answer and ConfigurationError when
    it refuses us.
    """

    @property
    def address(self) -> str:
        """Which one it is, for people and for the path of its records."""

    def load_partition(self, partition: Partition, manifest: Manifest) -> tuple[WarehouseJob, ...]:
        """Replace one month with the objects that the manifest names; trips, then quarantine.

        Each of the two is replaced atomically. The same objects loaded again find the job that
        loaded them, also one that is still under way.

        Raises:
            ReconciliationError: a job wrote other than the manifest's rows.
            ContractError: the service does not take the file.
        """

    def holds(self, partition: Partition, load: WarehouseLoad) -> bool:
        """Whether the tables that were loaded are still there, and not made anew since."""

    def count(self, partition: Partition) -> Counted:
        """Count the rows that a reader sees now."""


class Alerts(Protocol):
    """Where somebody reads who is not looking at the runs."""

    def send(self, alert: Alert) -> None:
        """Send a message to every channel that is configured."""


@dataclass(frozen=True)
class MartMonth:
    """What a mart holds of one month, and what that was built from.

    Attributes:
        version: Of the mart, when the month was built.
        trips: Sum of the rows that are there now.
    """

    partition: Partition
    version: int
    sha256: str
    contract: str
    rows: int
    trips: int

    def is_current(self, mart: Mart, entry: LedgerEntry) -> bool:
        """Whether it was built by this version of the mart from this content, and is whole."""
        built = (self.version, self.sha256, self.contract, self.trips)
        return built == (mart.version, entry.sha256, entry.contract, entry.accepted)


class MartStore(Protocol):
    """A warehouse in which marts are built from the trips that it holds."""

    @property
    def name(self) -> str:
        """For people: Postgres."""

    def months(self, mart: Mart) -> Mapping[Partition, MartMonth]:
        """What the mart holds; a month without a record of what it was built from is left out."""

    def replace_month(self, mart: Mart, entry: LedgerEntry) -> MartMonth:
        """Build one month of a mart anew from the trips and put it in the old one's place.

        A reader sees the old rows or the new ones. No other month is read or changed.

        Raises:
            ReconciliationError: the warehouse holds other content than ``entry`` by now, or the
                mart's trips do not add up to its accepted rows; the mart stays as it was.
            RetryableError: the server, the network or a lock.
        """


@dataclass(frozen=True)
class MartPorts:
    """What a run over the marts needs: it moves no files.

    Attributes:
        ledger: Which months there are, and whether they are proved.
        bigquery: None where it is not configured.
    """

    ledger: Ledger
    postgres: MartStore
    bigquery: MartStore | None = None


@dataclass(frozen=True)
class Inventory:
    """What a warehouse has of the trips, seen at one time.

    Attributes:
        ledger: Every entry, those whose table is gone included.
        attached: Months that readers see.
        quarantined: Rows in the quarantine table by month.
        leftovers: Tables named like a month's that no reader sees and no load works on.
        foreign: Tables that readers of a service see, and that are no month's.
    """

    ledger: Mapping[Partition, LedgerRecord]
    attached: frozenset[Partition]
    quarantined: Mapping[Partition, int]
    leftovers: tuple[str, ...]
    foreign: tuple[str, ...]


class Inspector(Protocol):
    """What the audit asks of a warehouse. Nothing is created or changed unless it says so."""

    def inventory(self) -> Inventory:
        """What is there, by the catalog and the ledger."""

    def scan(self, partition: Partition) -> TableScan | None:
        """Count the month's rows, reading all of them; None when readers do not see it.

        Raises:
            RetryableError: a load replaced the month meanwhile.
        """

    def drop_leftover(self, name: str) -> bool:
        """Drop a table of ``Inventory.leftovers``; False when it is none by now."""


@dataclass(frozen=True)
class Ports:
    """The outside world of one run.

    Attributes:
        work_dir: Local folder for files on their way.
        bigquery: None where it is not configured.
    """

    source: Source
    lake: Lake
    warehouse: Warehouse
    ledger: Ledger
    work_dir: Path
    bigquery: LakeWarehouse | None = None
