"""Warehouses in which marts are built."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from nyc_tlc.core.catalog.ledger import Content, LedgerEntry
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.marts.model import Mart
from nyc_tlc.ports.warehouse import Ledger


@dataclass(frozen=True)
class MartMonth:
    """What a mart holds of one month, and what that was built from.

    Attributes:
        version: Of the mart, when the month was built.
        trips: Sum of the rows that are there now.
    """

    partition: Partition
    content: Content
    version: int
    rows: int
    trips: int

    def is_current(self, mart: Mart, entry: LedgerEntry) -> bool:
        """Whether it was built by this version of the mart from this content, and is complete."""
        built = (self.version, self.content, self.trips)
        return built == (mart.version, entry.content, entry.accepted)


class MartStore(Protocol):
    """A warehouse in which marts are built from the trips that it holds."""

    @property
    def name(self) -> str:
        """For people: Postgres."""

    def months(self, mart: Mart) -> Mapping[Partition, MartMonth]:
        """What the mart holds; a month without a record of what it was built from is left out."""

    def replace_month(self, mart: Mart, entry: LedgerEntry) -> MartMonth:
        """Build one month of a mart from the trips and put it in the old one's place.

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
