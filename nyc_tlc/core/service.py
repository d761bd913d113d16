"""The TLC's own division of its trip records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nyc_tlc.core.contract import fhv, fhvhv, green, yellow
from nyc_tlc.core.contract.model import Contract
from nyc_tlc.core.month import Month


@dataclass(frozen=True)
class Service:
    """One kind of trip record that TLC publishes.

    Attributes:
        first_month: First month for which a Parquet file is loaded.
    """

    name: str
    first_month: Month
    contract: Contract

    def file_name(self, month: Month) -> str:
        return f"{self.name}_tripdata_{month}.parquet"

    def __str__(self) -> str:
        return self.name


YELLOW = Service("yellow", Month(2011, 1), yellow.CONTRACT)
GREEN = Service("green", Month(2014, 1), green.CONTRACT)
FHV = Service("fhv", Month(2015, 1), fhv.CONTRACT)
FHVHV = Service("fhvhv", Month(2019, 2), fhvhv.CONTRACT)

SERVICES: Mapping[str, Service] = {service.name: service for service in (YELLOW, GREEN, FHV, FHVHV)}
