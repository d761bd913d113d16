"""The charts of the report: which figures of the months they show, and what they say in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from math import ceil

from nyc_tlc.core.audit import svg
from nyc_tlc.core.audit.svg import Axis, Point
from nyc_tlc.core.audit.verdicts import AuditedMonth
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.month import Month
from nyc_tlc.core.rows.rules import REASONS

_MOST_POINTS = 320
"""Of a line: more could not be told apart on a phone."""


@dataclass(frozen=True)
class Panel:
    """One chart with its heading.

    Attributes:
        name: Class by which the heading gets the colour of its service; may be empty.
        svg: Markup that is safe as it is.
    """

    title: str
    name: str
    note: str
    svg: str


def trips_per_month(months: Sequence[AuditedMonth]) -> list[Panel]:
    axis = _month_axis(months)
    return [
        _trips_panel(service, of_service, axis)
        for service, of_service in _by_service(months).items()
    ]


def _trips_panel(service: str, months: Sequence[AuditedMonth], axis: Axis) -> Panel:
    points = [
        Point(
            _index(month),
            {service: month.accepted},
            f"{month.partition.month}: {month.accepted:,} trips",
        )
        for month in months
    ]
    note = f"{sum(month.accepted for month in months):,} trips"
    label = f"Trips of {service} per month, {_span(months)}: {_extremes(months)}"
    return Panel(service, service, note, svg.stacked_bars(axis, points, [service], label))


def quarantined_by_reason(months: Sequence[AuditedMonth]) -> list[Panel]:
    """Rows set aside per thousand published, each reason a part of the bar."""
    axis, panels = _month_axis(months), []
    for service, of_service in _by_service(months).items():
        points = [
            Point(_index(month), _per_thousand(month), _reasons_tip(month)) for month in of_service
        ]
        published = sum(month.published for month in of_service)
        share = 1000 * sum(month.quarantined for month in of_service) / max(published, 1)
        label = (
            f"Rows of {service} quarantined per thousand, by reason, {_span(of_service)}: "
            f"{share:.2f} on the whole"
        )
        names = list(reason_classes().values())
        note = f"{share:.2f} ‰ on the whole"
        panels.append(Panel(service, service, note, svg.stacked_bars(axis, points, names, label)))
    return panels


def reason_classes() -> Mapping[str, str]:
    """Quarantine reason to the class that gives its colour."""
    return {rule.code: f"reason{number}" for number, rule in enumerate(REASONS)}


def _per_thousand(month: AuditedMonth) -> dict[str, float]:
    classes = reason_classes()
    return {
        classes[reason]: 1000 * rows / max(month.published, 1)
        for reason, rows in month.by_reason.items()
        if reason in classes
    }


def _reasons_tip(month: AuditedMonth) -> str:
    lines = [f"{reason}: {rows:,}" for reason, rows in sorted(month.by_reason.items())]
    of = f"{month.quarantined:,} of {month.published:,} rows"
    return "\n".join([f"{month.partition.month}: {of}", *lines])


def trips_per_day(months: Sequence[AuditedMonth]) -> list[Panel]:
    """The mean of the days at each point, and their range; only days of months that are loaded."""
    by_service = {
        service: days
        for service, of_service in _by_service(months).items()
        if (days := _days(of_service))
    }
    if not by_service:
        return []
    first = min(min(days) for days in by_service.values())
    last = max(max(days) for days in by_service.values())
    width = max(ceil((last - first + 1) / _MOST_POINTS), 1)
    axis = Axis(0, (last - first) // width, _day_labels(first, last, width))
    return [_day_panel(service, days, axis, first, width) for service, days in by_service.items()]


def _day_panel(service: str, days: Mapping[int, int], axis: Axis, first: int, width: int) -> Panel:
    bins: dict[int, list[int]] = {}
    for day in sorted(days):
        bins.setdefault((day - first) // width, []).append(day)
    points = [Point(x, _range([days[d] for d in of]), _day_tip(of, days)) for x, of in bins.items()]
    busiest = max(days, key=lambda day: days[day])
    quietest = min(days, key=lambda day: days[day])
    mean = sum(days.values()) / len(days)
    label = (
        f"Trips of {service} per day, {_day(min(days))} to {_day(max(days))}: {mean:,.0f} on "
        f"average, most on {_day(busiest)} ({days[busiest]:,}), fewest on {_day(quietest)} "
        f"({days[quietest]:,})"
    )
    return Panel(
        service,
        service,
        f"{mean:,.0f} a day on average",
        svg.range_line(axis, points, service, label),
    )


def _days(months: Iterable[AuditedMonth]) -> dict[int, int]:
    """Trips by ordinal day: of all months together, on the days of those that are loaded."""
    days: dict[int, int] = {}
    loaded = set()
    for month in months:
        loaded.add(month.partition.month if month.by_day else None)
        for text, trips in month.by_day.items():
            day = date.fromisoformat(text).toordinal()
            days[day] = days.get(day, 0) + trips
    return {day: trips for day, trips in days.items() if Month.of(date.fromordinal(day)) in loaded}


def _range(trips: Sequence[int]) -> dict[str, float]:
    return {"low": min(trips), "high": max(trips), "mean": sum(trips) / len(trips)}


def _day_tip(of: Sequence[int], days: Mapping[int, int]) -> str:
    trips = [days[day] for day in of]
    if len(of) == 1:
        return f"{_day(of[0])}: {trips[0]:,} trips"
    mean = sum(trips) / len(trips)
    return (
        f"{_day(of[0])} to {_day(of[-1])}: {mean:,.0f} trips a day, from {min(trips):,} to "
        f"{max(trips):,}"
    )


def _day_labels(first: int, last: int, width: int) -> dict[float, str]:
    start, end = Month.of(date.fromordinal(first)), Month.of(date.fromordinal(last))
    months = start.through(end)
    many = len(months) > 24
    places = [
        ((month.start.toordinal() - first) / width, _month_label(month, years=many))
        for month in months
        if not many or month.month == 1
    ]
    return svg.thinned([(x, text) for x, text in places if x >= 0])


def volume(months: Sequence[AuditedMonth]) -> list[Panel]:
    """Megabytes of all services, as published and in the lake."""
    services = list(_by_service(months))
    kinds: dict[str, Callable[[AuditedMonth], int]] = {
        "Published files in raw/": lambda month: month.raw_bytes,
        "Trips and quarantine in the lake": lambda month: month.lake_bytes,
    }
    return [_volume_panel(title, months, services, size) for title, size in kinds.items()]


def _volume_panel(
    title: str,
    months: Sequence[AuditedMonth],
    services: Sequence[str],
    size: Callable[[AuditedMonth], int],
) -> Panel:
    by_month: dict[Month, dict[str, float]] = {}
    for month in months:
        by_month.setdefault(month.partition.month, {})[month.partition.service.name] = (
            size(month) / 1e6
        )
    points = [
        Point(_ordinal(month), sizes, _sizes_tip(month, sizes)) for month, sizes in by_month.items()
    ]
    total = sum(size(month) for month in months) / 1e6
    label = f"{title}: megabytes per month of the trips, {_span(months)}; {total:,.1f} in all"
    chart = svg.stacked_bars(_month_axis(months), points, services, label)
    return Panel(title, "", f"{total:,.1f} MB in all, MB per month", chart)


def _sizes_tip(month: Month, sizes: Mapping[str, float]) -> str:
    return "\n".join([str(month), *(f"{name}: {size:,.2f} MB" for name, size in sizes.items())])


def load_speed(months: Sequence[AuditedMonth]) -> list[Panel]:
    """Rows per second of each month's load, by when it was loaded."""
    timed = [(month, month.loaded_at) for month in months if month.loaded_at and month.seconds]
    if not timed:
        return []
    services = list(SERVICES)
    first, last = min(at for _, at in timed), max(at for _, at in timed)
    span = max((last - first).total_seconds(), 1.0)
    unit = span / _MOST_POINTS
    axis = Axis(0, _MOST_POINTS, _time_labels(first, last))
    points = [
        Point(
            (at - first).total_seconds() / unit,
            {month.partition.service.name: month.published / (month.seconds or 1)},
            f"{month.partition}: {month.published:,} rows in {month.seconds:,.1f} s, "
            f"loaded {at:%Y-%m-%d %H:%M} UTC",
        )
        for month, at in timed
    ]
    rows = sum(month.published for month, _ in timed)
    seconds = sum(month.seconds or 0 for month, _ in timed)
    mean = f"{rows / seconds:,.0f} rows a second on average"
    label = f"Speed of {len(timed)} loads, {first:%Y-%m-%d} to {last:%Y-%m-%d}: {mean}"
    chart = svg.dots(axis, points, services, label)
    return [Panel("Speed of the loads", "", f"{mean}, by time of the load", chart)]


def _time_labels(first: datetime, last: datetime) -> dict[float, str]:
    seconds = (last - first).total_seconds()
    written = "%H:%M:%S" if seconds < 3_600 else "%H:%M" if seconds < 172_800 else "%Y-%m-%d"
    places = [
        (share * _MOST_POINTS, (first + (last - first) * share).strftime(written))
        for share in (0.0, 0.5, 1.0)
    ]
    return dict(places if first != last else places[1:2])


def _by_service(months: Sequence[AuditedMonth]) -> dict[str, list[AuditedMonth]]:
    """The months that have figures."""
    by_service: dict[str, list[AuditedMonth]] = {}
    for month in months:
        by_service.setdefault(month.partition.service.name, []).append(month)
    return by_service


def _month_axis(months: Sequence[AuditedMonth]) -> Axis:
    indexes = [_index(month) for month in months]
    first, last = min(indexes), max(indexes)
    many = last - first >= 24
    labels = [
        (index, _month_label(_month(index), years=many))
        for index in range(first, last + 1)
        if not many or index % 12 == 0
    ]
    # A few bars as wide as the page would be: at least a year's worth of room.
    spare = max(11 - (last - first), 0) / 2
    return Axis(first - spare, last + spare, svg.thinned([(float(x), text) for x, text in labels]))


def _month_label(month: Month, *, years: bool) -> str:
    return f"{month.year}" if years else f"{month}"


def _ordinal(month: Month) -> int:
    return month.year * 12 + month.month - 1


def _month(ordinal: int) -> Month:
    return Month(ordinal // 12, ordinal % 12 + 1)


def _index(month: AuditedMonth) -> int:
    return _ordinal(month.partition.month)


def _span(months: Sequence[AuditedMonth]) -> str:
    return f"{min(m.partition.month for m in months)} to {max(m.partition.month for m in months)}"


def _extremes(months: Sequence[AuditedMonth]) -> str:
    least, most = (choose(months, key=lambda month: month.accepted) for choose in (min, max))
    return (
        f"from {least.accepted:,} ({least.partition.month}) to {most.accepted:,} "
        f"({most.partition.month})"
    )


def _day(ordinal: int) -> str:
    return date.fromordinal(ordinal).isoformat()
