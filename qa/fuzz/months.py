"""The months and services that an operator, a trigger or an API call names."""

from __future__ import annotations

from nyc_tlc.core.catalog.selection import parse_months, parse_services, partitions
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.errors import ConfigurationError
from nyc_tlc.core.month import Month
from qa.fuzz.oracle import require

_LATEST = Month(2024, 6)
_CURRENT = Month(2026, 11)


def read(data: bytes) -> None:
    text = data.decode(errors="replace")
    try:
        services = parse_services(text)
    except ConfigurationError:
        services = tuple(SERVICES.values())
    months = parse_months(text if text not in SERVICES else "latest", latest=_LATEST)
    require(list(months) == sorted(set(months)), "the months are not ascending, each once")
    require(all(1000 <= month.year <= 9999 for month in months), "a month of no such year")
    again = parse_months(",".join(map(str, months)), latest=_LATEST)
    require(again == months, "the months written out are others")
    chosen = partitions(services, months, current=_CURRENT)
    require(all(p.month <= _CURRENT for p in chosen), "a month of the future")
    require(len(set(chosen)) == len(chosen), "a partition twice")
