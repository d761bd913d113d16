"""Databases that hold the trips, and the ledger of what they hold."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from nyc_tlc.core.audit.values import Checksums, Part, Projection
from nyc_tlc.core.catalog.ledger import LedgerEntry
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.publication import MonthState, State
from nyc_tlc.core.contract.model import Contract
from nyc_tlc.core.lake.records import Manifest, WarehouseJob, WarehouseLoad


@dataclass(frozen=True)
class Batches:
    """Record batches of one schema, to be read once."""

    schema: pa.Schema
    batches: Iterable[pa.RecordBatch]


@dataclass(frozen=True)
class RowGroups:
    """A month's accepted rows, ascending by ``source_row``, in groups that can be read apart.

    Attributes:
        schema: A column that it leaves out is null in every row, or the partition's own month.
        first_rows: Least ``source_row`` of each group.
        read: The rows of these groups, in order; several readers may run at the same time.
    """

    schema: pa.Schema
    first_rows: Sequence[int]
    read: Callable[[range], Iterable[pa.RecordBatch]]


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
        self, entry: LedgerEntry, trips: RowGroups, quarantine: Batches, *, force: bool
    ) -> LedgerEntry:
        """Replace one month, atomically, with these rows.

        A month that already holds the content of ``entry`` is left alone unless ``force``.

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
        """Whether the tables that were loaded are still there, and were not created again since."""

    def count(self, partition: Partition) -> Counted:
        """Count the rows that a reader sees now."""

    def others(self) -> tuple[str, ...]:
        """What is beside ours and no label or description of ours says that we made it."""

    def checksums(
        self, partition: Partition, part: Part, projections: Sequence[Projection]
    ) -> Checksums:
        """The checksums of the values that a reader sees now, of one part of the month."""
