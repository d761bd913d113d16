"""Write published months with a number of rows each."""

from __future__ import annotations

import argparse
from pathlib import Path

from embedded.samples.months import write_month
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.selection import parse_months
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.month import Month


def chosen(service: str, months: str) -> list[Partition]:
    """The partitions of a service; months that are still to come are as good as any here."""
    return [Partition(SERVICES[service], m) for m in parse_months(months, latest=Month(2024, 1))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service", required=True)
    parser.add_argument("--months", required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--into", type=Path, required=True)
    options = parser.parse_args()
    for partition in chosen(options.service, options.months):
        write_month(partition, options.rows, options.into)


if __name__ == "__main__":
    main()
