"""What a partition's rows are made from, and the ledger's entry that records it."""

from dataclasses import dataclass
from datetime import datetime

from nyc_tlc.core.catalog.partition import Partition


@dataclass(frozen=True)
class Content:
    """A published file, by its hash, and a contract (``yellow/1``): equal content, equal rows."""

    sha256: str
    contract: str


@dataclass(frozen=True)
class LedgerEntry:
    """What a warehouse holds for a partition, written with the rows in one transaction.

    Attributes:
        loaded_at: Set by the warehouse.
        reconciled_at: When every store was proved equal; None until then.
        seconds: Time that the load took, all steps together; None until reconciled.
        is_sample: Whether the month was generated, instead of published by TLC; None in entries
            from before that was recorded.
        version: Of the program that loaded it; empty likewise.
    """

    partition: Partition
    content: Content
    published: int
    accepted: int
    quarantined: int
    run: str
    loaded_at: datetime | None = None
    reconciled_at: datetime | None = None
    seconds: float | None = None
    is_sample: bool | None = None
    version: str = ""
