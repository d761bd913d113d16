"""A month of a service by its name, as in messages."""

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.month import Month


def named(name: str) -> Partition:
    """``green 2024-01``."""
    service, _, month = name.partition(" ")
    return Partition(SERVICES[service], Month.parse(month))
