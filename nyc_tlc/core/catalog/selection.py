"""Which months of which services a run is about; what cannot be read is a ConfigurationError."""

from collections.abc import Iterable, Sequence

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import SERVICES, Service
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.errors import ConfigurationError, shorten
from nyc_tlc.core.month import Month

_GRAMMAR = "2024-01, 2024-01:2024-06, 2024, latest, or a list of these"


def parse_services(text: str | Sequence[str]) -> tuple[Service, ...]:
    """Read one service, a list (or comma-separated text) of them, or ``all``."""
    names = _items(text)
    if names == ["all"]:
        return tuple(SERVICES.values())
    unknown = [name for name in names if name not in SERVICES]
    if unknown or not names:
        raise ConfigurationError(
            f"service {shorten(', '.join(unknown)) or '(empty)'} is unknown: expected "
            f"{', '.join(SERVICES)}, a list of these, or all. Nothing was started."
        )
    return tuple(SERVICES[name] for name in dict.fromkeys(names))


def parse_months(months: str | int | Sequence[str | int], *, latest: Month) -> tuple[Month, ...]:
    """Read the months grammar: ``2024-01``, ``2024-01:2024-06``, ``2024``, ``latest``, a list.

    The months come ascending, each once.
    """
    spans = sorted({_span_of(item, latest) for item in _items(months)})
    if not spans:
        raise ConfigurationError(f"months is empty: expected {_GRAMMAR}. Nothing was started.")
    chosen: list[Month] = []
    for first, last in spans:  # each month once: a thousand ranges of all there are take no longer
        chosen += (max(first, chosen[-1] + 1) if chosen else first).through(last)
    return tuple(chosen)


def partitions(
    services: Iterable[Service],
    months: Sequence[Month],
    *,
    current: Month,
    source_format: SourceFormat = SourceFormat.PARQUET,
) -> tuple[Partition, ...]:
    """Every partition of a run, service by service, ascending.

    A month before a service's first in this format, or after the ``current`` one, is refused; of
    all services together, those that had not begun by then are left out.
    """
    services = tuple(services)
    first = {service.name: service.first_month_in(source_format) for service in services}
    chosen = tuple(Partition(service, month) for service in services for month in months)
    if services == tuple(SERVICES.values()):
        chosen = tuple(p for p in chosen if p.month >= first[p.service.name]) or chosen
    outside = [p for p in chosen if not first[p.service.name] <= p.month <= current]
    if outside:
        raise ConfigurationError(
            "; ".join(
                f"{p} is outside {first[p.service.name]}..{current}, the months of {p.service} as "
                f"{source_format}"
                for p in outside[:3]
            )
            + f"{f' (and {len(outside) - 3} more)' if len(outside) > 3 else ''}. "
            "Nothing was started. Choose months inside the range."
        )
    return chosen


def _items(value: str | int | Sequence[str | int]) -> list[str]:
    values = [value] if isinstance(value, str | int) else value
    return [item.strip() for v in values for item in str(v).split(",") if item.strip()]


def _span_of(item: str, latest: Month) -> tuple[Month, Month]:
    """Its first and last month."""
    if item == "latest":
        return latest, latest
    try:
        if item.isdecimal() and len(item) == 4:
            return Month.parse(f"{item}-01"), Month.parse(f"{item}-12")
        first, colon, last = item.partition(":")
        span = Month.parse(first), Month.parse(last if colon else first)
    except ValueError as error:
        raise ConfigurationError(
            f"months {shorten(item)!r} cannot be read ({error}): expected {_GRAMMAR}. "
            "Nothing was started."
        ) from error
    if span[1] < span[0]:
        raise ConfigurationError(
            f"months {shorten(item)!r} runs backwards: expected the earlier month first. "
            "Nothing was started."
        )
    return span
