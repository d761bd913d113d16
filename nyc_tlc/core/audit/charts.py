"""The charts of the report: which figures of the months they show, and what they say in words."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from math import ceil

from nyc_tlc.core.audit.drawing import Axis, Chart, Point, dots, range_line, stacked_bars
from nyc_tlc.core.audit.verdicts import AuditedMonth
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.month import Month
from nyc_tlc.core.rows.rules import REASONS

_MOST_POINTS = 320
"""Of a line: on a phone nobody could distinguish more."""
_MOST_LABELS = 6
"""On the horizontal axis of a chart that is 360 pixels wide on a phone."""
REASON_CLASSES = {rule.code: f"reason{number}" for number, rule in enumerate(REASONS)}
"""CSS class that colours each quarantine reason."""


@dataclass(frozen=True)
class Panel:
    """One chart with its heading; that of a service is titled by its name."""

    title: str
    note: str
    chart: Chart


def trips_per_month(months: Sequence[AuditedMonth]) -> list[Panel]:
    axis, panels = _month_axis(months), []
    for service, of_service in _by_service(months).items():
        counts = {month.partition.month: month.accepted for month in of_service}
        points = [
            Point(_ordinal(month), {service: trips}, f"{month}: {trips:,} trips")
            for month, trips in counts.items()
        ]
        least, most = (pick(counts, key=lambda month: counts[month]) for pick in (min, max))
        label = (
            f"Trips of {service} per month, {_span(of_service)}: from {counts[least]:,} ({least}) "
            f"to {counts[most]:,} ({most})"
        )
        note = f"{sum(counts.values()):,} trips"
        panels.append(Panel(service, note, stacked_bars(axis, points, [service], label)))
    return panels


def quarantined_by_reason(months: Sequence[AuditedMonth]) -> list[Panel]:
    """Rows set aside per thousand published, each reason a part of the bar."""
    axis, panels = _month_axis(months), []
    for service, of_service in _by_service(months).items():
        points = [_reasons_point(month) for month in of_service]
        published = sum(month.published for month in of_service)
        share = 1000 * sum(month.quarantined for month in of_service) / max(published, 1)
        label = (
            f"Rows of {service} quarantined per thousand, by reason, {_span(of_service)}: "
            f"{share:.2f} overall"
        )
        chart = stacked_bars(axis, points, list(REASON_CLASSES.values()), label)
        panels.append(Panel(service, f"{share:.2f} ‰ overall", chart))
    return panels


def _reasons_point(month: AuditedMonth) -> Point:
    shares = {
        REASON_CLASSES[reason]: 1000 * rows / max(month.published, 1)
        for reason, rows in month.by_reason.items()
        if reason in REASON_CLASSES
    }
    of = f"{month.partition.month}: {month.quarantined:,} of {month.published:,} rows"
    lines = [f"{reason}: {rows:,}" for reason, rows in sorted(month.by_reason.items())]
    return Point(_ordinal(month.partition.month), shares, "\n".join([of, *lines]))


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
    width = max(ceil(((last - first).days + 1) / _MOST_POINTS), 1)
    axis = Axis(0, (last - first).days // width, _day_labels(first, last, width))
    return [_day_panel(service, days, axis, first, width) for service, days in by_service.items()]


def _day_panel(
    service: str, days: Mapping[date, int], axis: Axis, first: date, width: int
) -> Panel:
    bins: dict[int, list[date]] = {}
    for day in sorted(days):
        bins.setdefault((day - first).days // width, []).append(day)
    points = [_day_point(x, of, [days[day] for day in of]) for x, of in bins.items()]
    busiest, quietest = (pick(days, key=lambda day: days[day]) for pick in (max, min))
    mean = sum(days.values()) / len(days)
    label = (
        f"Trips of {service} per day, {min(days)} to {max(days)}: {mean:,.0f} on average, most on "
        f"{busiest} ({days[busiest]:,}), fewest on {quietest} ({days[quietest]:,})"
    )
    chart = range_line(axis, points, service, label)
    return Panel(service, f"{mean:,.0f} a day on average", chart)


def _days(months: Sequence[AuditedMonth]) -> dict[date, int]:
    """Trips by day: of all months together, on the days of those that are loaded."""
    days: Counter[date] = Counter()
    loaded = {month.partition.month for month in months if month.by_day}
    for month in months:
        days.update({date.fromisoformat(day): trips for day, trips in month.by_day.items()})
    return {day: trips for day, trips in days.items() if Month.of(day) in loaded}


def _day_point(x: int, days: Sequence[date], trips: Sequence[int]) -> Point:
    low, high, mean = min(trips), max(trips), sum(trips) / len(trips)
    tip = f"{days[0]}: {high:,} trips"
    if len(days) > 1:
        tip = f"{days[0]} to {days[-1]}: {mean:,.0f} trips a day, from {low:,} to {high:,}"
    return Point(x, {"low": low, "high": high, "mean": mean}, tip)


def _day_labels(first: date, last: date, width: int) -> dict[float, str]:
    return _month_labels(
        Month.of(first), Month.of(last), lambda month: (month.start.date() - first).days / width
    )


def volume(months: Sequence[AuditedMonth]) -> list[Panel]:
    """Megabytes of all services, as published and in the lake."""
    kinds: dict[str, Callable[[AuditedMonth], int]] = {
        "Published files in raw/": lambda month: month.raw_bytes,
        "Trips and quarantine in the lake": lambda month: month.lake_bytes,
    }
    axis, services, panels = _month_axis(months), list(_by_service(months)), []
    for title, size in kinds.items():
        by_month: dict[Month, dict[str, float]] = {}
        for month in months:
            sizes = by_month.setdefault(month.partition.month, {})
            sizes[month.partition.service.name] = size(month) / 1e6
        points = []
        for of, sizes in by_month.items():
            tip = [f"{of}", *(f"{name}: {megabytes:,.2f} MB" for name, megabytes in sizes.items())]
            points.append(Point(_ordinal(of), sizes, "\n".join(tip)))
        total = sum(size(month) for month in months) / 1e6
        label = f"{title}: megabytes per month of the trips, {_span(months)}; {total:,.1f} in all"
        chart = stacked_bars(axis, points, services, label)
        panels.append(Panel(title, f"{total:,.1f} MB in all, MB per month", chart))
    return panels


def load_speed(months: Sequence[AuditedMonth]) -> list[Panel]:
    """Rows per second of each month's load, by when it was loaded."""
    timed = [
        (month, month.loaded_at, month.seconds)
        for month in months
        if month.loaded_at and month.seconds
    ]
    if not timed:
        return []
    first, last = min(at for _, at, _ in timed), max(at for _, at, _ in timed)
    unit = max((last - first).total_seconds(), 1.0) / _MOST_POINTS
    points = [
        Point(
            (at - first).total_seconds() / unit,
            {month.partition.service.name: month.published / seconds},
            f"{month.partition}: {month.published:,} rows in {seconds:,.1f} s, "
            f"loaded {at:%Y-%m-%d %H:%M} UTC",
        )
        for month, at, seconds in timed
    ]
    speed = sum(month.published for month, _, _ in timed) / sum(seconds for *_, seconds in timed)
    mean = f"{speed:,.0f} rows a second on average"
    label = f"Speed of {len(timed)} loads, {first:%Y-%m-%d} to {last:%Y-%m-%d}: {mean}"
    chart = dots(Axis(0, _MOST_POINTS, _time_labels(first, last)), points, list(SERVICES), label)
    return [Panel("Speed of the loads", f"{mean}, by time of the load", chart)]


def _time_labels(first: datetime, last: datetime) -> dict[float, str]:
    seconds = (last - first).total_seconds()
    written = "%H:%M:%S" if seconds < 3_600 else "%H:%M" if seconds < 172_800 else "%Y-%m-%d"
    shares = (0.0, 0.5, 1.0) if first != last else (0.5,)
    return {
        share * _MOST_POINTS: (first + (last - first) * share).strftime(written) for share in shares
    }


def _by_service(months: Iterable[AuditedMonth]) -> dict[str, list[AuditedMonth]]:
    by_service: dict[str, list[AuditedMonth]] = {}
    for month in months:
        by_service.setdefault(month.partition.service.name, []).append(month)
    return by_service


def _month_axis(months: Iterable[AuditedMonth]) -> Axis:
    """From the first to the last; a few bars, as wide as the page would be, get a year's room."""
    among = {month.partition.month for month in months}
    first, last = _ordinal(min(among)), _ordinal(max(among))
    spare = max(11 - (last - first), 0) / 2
    labels = _month_labels(min(among), max(among), _ordinal)
    return Axis(first - spare, last + spare, labels)


def _month_labels(first: Month, last: Month, place: Callable[[Month], float]) -> dict[float, str]:
    """Months that have a place, or Januaries once there are more than two years; as many as fit."""
    months = first.through(last)
    if len(months) > 24:
        labels = [(place(month), f"{month.year}") for month in months if month.month == 1]
    else:
        labels = [(place(month), f"{month}") for month in months]
    labels = [(x, text) for x, text in labels if x >= 0]
    return dict(labels[:: max(ceil(len(labels) / _MOST_LABELS), 1)])


def _ordinal(month: Month) -> int:
    return month.year * 12 + month.month


def _span(months: Sequence[AuditedMonth]) -> str:
    return f"{min(m.partition.month for m in months)} to {max(m.partition.month for m in months)}"
