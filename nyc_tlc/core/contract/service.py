"""The TLC's own division of its trip records."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from nyc_tlc.core.contract import fhv, fhvhv, green, yellow
from nyc_tlc.core.contract.model import Contract
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.month import Month


@dataclass(frozen=True)
class Service:
    """One kind of trip record that TLC publishes, since which month as Parquet and as CSV."""

    name: str
    first_month: Month
    first_csv_month: Month
    contract: Contract = field(hash=False)

    @property
    def earliest_month(self) -> Month:
        return min(self.first_month, self.first_csv_month)

    def first_month_in(self, source_format: SourceFormat) -> Month:
        return self.first_csv_month if source_format is SourceFormat.CSV else self.first_month

    def __str__(self) -> str:
        return self.name


YELLOW = Service("yellow", Month(2009, 1), Month(2009, 1), yellow.CONTRACT)
GREEN = Service("green", Month(2014, 1), Month(2013, 8), green.CONTRACT)
FHV = Service("fhv", Month(2015, 1), Month(2015, 1), fhv.CONTRACT)
FHVHV = Service("fhvhv", Month(2019, 2), Month(2019, 2), fhvhv.CONTRACT)

SERVICES: Mapping[str, Service] = {service.name: service for service in (YELLOW, GREEN, FHV, FHVHV)}
