"""What a person may look at of the trips that a store holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from nyc_tlc.core.audit.values import Part
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import Service
from nyc_tlc.core.month import Month


@dataclass(frozen=True)
class CodeCounts:
    """How many rows of a month a store holds by each code.

    Attributes:
        by_reason: Quarantine reason to rows.
        by_flag: Quality flag to accepted rows that carry it; a row may carry several.
    """

    by_reason: Mapping[str, int]
    by_flag: Mapping[str, int]


class TripReader(Protocol):
    """Shows a few rows of a month. However long the month is, no more than those are read.

    Every method raises as the store's other methods do.
    """

    @property
    def name(self) -> str:
        """The store, for people."""

    def months(self, service: Service) -> Sequence[Month]:
        """The months of a service that the store holds, ascending."""

    def rows(self, partition: Partition, part: Part, most: int) -> pa.Table:
        """The first rows of a month that the store holds; quarantined ones with their reason."""

    def count_codes(self, partition: Partition) -> CodeCounts:
        """Count the month's rows by reason and by flag."""
