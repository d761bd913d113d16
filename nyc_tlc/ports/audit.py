"""What the audit asks of a warehouse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from nyc_tlc.core.audit.evidence import TableScan
from nyc_tlc.core.audit.values import Checksums, Part, Projection
from nyc_tlc.core.catalog.ledger import LedgerEntry
from nyc_tlc.core.catalog.partition import Partition


@dataclass(frozen=True)
class Inventory:
    """What a warehouse has of the trips, seen at one time.

    Attributes:
        ledger: Every entry, those whose table is gone included.
        attached: Months that readers see.
        quarantined: Rows in the quarantine table by month.
        leftovers: Tables of months that we made, that no reader sees and no load works on.
        foreign: Tables that readers of a service see, and that we did not make.
        others: Everything else beside ours that we did not make: ``view mine``.
    """

    ledger: Mapping[Partition, LedgerEntry]
    attached: frozenset[Partition]
    quarantined: Mapping[Partition, int]
    leftovers: tuple[str, ...]
    foreign: tuple[str, ...]
    others: tuple[str, ...] = ()


class Inspector(Protocol):
    """What the audit asks of a warehouse. Nothing is created or changed unless it says so.

    To read a month raises RetryableError if a load replaces it meanwhile.
    """

    def inventory(self) -> Inventory:
        """What is there, by the catalog and the ledger."""

    def scan(self, partition: Partition) -> TableScan | None:
        """Count the month's rows, reading all of them; None when readers do not see it."""

    def checksums(
        self, partition: Partition, part: Part, projections: Sequence[Projection]
    ) -> Checksums:
        """The checksums of the values that readers see, of one part of the month."""

    def drop_leftover(self, name: str) -> bool:
        """Drop a table of ``Inventory.leftovers``; False when it is none by now."""
