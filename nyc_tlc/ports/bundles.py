"""The outside world of one run."""

from dataclasses import dataclass
from pathlib import Path

from nyc_tlc.ports.lake import Lake
from nyc_tlc.ports.source import Source
from nyc_tlc.ports.warehouse import LakeWarehouse, Ledger, Warehouse


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
