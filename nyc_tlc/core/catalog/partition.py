"""The unit of everything: one service in one month."""

from __future__ import annotations

from dataclasses import dataclass

from nyc_tlc.core.contract.service import SERVICES, Service
from nyc_tlc.core.month import Month


@dataclass(frozen=True)
class Partition:
    """One service in one month: the unit of landing, loading, retry, backfill and proof."""

    service: Service
    month: Month

    @property
    def file_stem(self) -> str:
        """Name of the published file, less its suffix."""
        return f"{self.service}_tripdata_{self.month}"

    @property
    def file_name(self) -> str:
        """Name of the Parquet file, published since 2022 for every month."""
        return f"{self.file_stem}.parquet"

    @property
    def hive_path(self) -> str:
        return f"service={self.service}/year={self.month.year:04d}/month={self.month.month:02d}"

    @property
    def contract_id(self) -> str:
        """Name and version of the contract, as manifests and ledger record it."""
        return f"{self.service}/{self.service.contract.version}"

    @property
    def table_name(self) -> str:
        return f"{self.service}_{self.month.year:04d}_{self.month.month:02d}"

    @classmethod
    def of(cls, service: str, year: str, month: str) -> Partition | None:
        """A partition from the parts of a path or name; None when they are not of one."""
        if service not in SERVICES or not 1 <= int(month) <= 12:
            return None
        return cls(SERVICES[service], Month(int(year), int(month)))

    def __str__(self) -> str:
        return f"{self.service} {self.month}"
