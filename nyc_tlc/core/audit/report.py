"""The audit as one HTML page that needs nothing else: no network, no script, no font."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import jinja2
from markupsafe import Markup

from nyc_tlc.core.audit import charts, svg
from nyc_tlc.core.audit.verdicts import Audit, AuditedMonth, Verdict
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.rows.rules import REASONS

_SIGNS = {
    Verdict.PROVED: "✓",
    Verdict.REPAIRED: "↻",
    Verdict.WRONG: "!",
    Verdict.NOT_LOADED: "·",
    Verdict.NOT_PUBLISHED: "…",
}
_MEANINGS = {
    Verdict.PROVED: "every store agrees",
    Verdict.REPAIRED: "was wrong, repaired by this audit",
    Verdict.WRONG: "something is wrong",
    Verdict.NOT_LOADED: "no store has it",
    Verdict.NOT_PUBLISHED: "not due yet",
}


_SQUARE = 1
"""Number of the mark that stands for a part of a bar."""


@dataclass(frozen=True)
class _Cell:
    """A month of the calendar."""

    verdict: str
    sign: str
    tip: str


@dataclass(frozen=True)
class _Calendar:
    """A service's years, each with twelve months; None before its first and after the last."""

    service: str
    note: str
    years: tuple[tuple[int, tuple[_Cell | None, ...]], ...]


@dataclass(frozen=True)
class _Section:
    title: str
    text: str
    panels: Sequence[charts.Panel]
    legend: Sequence[tuple[str, str]] = ()


def render(audit: Audit) -> str:
    """The page. Every text in it is escaped; charts are drawn here, not in the browser."""
    template = resources.files("nyc_tlc.core.audit").joinpath("report.html.j2").read_text("utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["chart"] = Markup  # made by an XML writer, which escapes
    environment.filters["commas"] = lambda number: f"{number:,}"
    loaded = [month for month in audit.months if month.published]
    return environment.from_string(template).render(
        audit=audit,
        sound=sum(month.verdict is not Verdict.WRONG for month in loaded),
        figures=_figures(loaded, audit),
        calendars=_calendars(audit.months),
        legend=[
            (verdict.value, _SIGNS[verdict], _MEANINGS[verdict], audit.verdicts.get(verdict, 0))
            for verdict in Verdict
        ],
        classes={verdict: _class(verdict) for verdict in Verdict},
        sections=_sections(loaded) if loaded else [],
        loaded=loaded,
    )


def _class(verdict: Verdict) -> str:
    return verdict.value.replace(" ", "-")


def _figures(loaded: Sequence[AuditedMonth], audit: Audit) -> list[tuple[str, str, str]]:
    """Number, what it is, and more about it."""
    accepted = sum(month.accepted for month in loaded)
    quarantined = sum(month.quarantined for month in loaded)
    share = 1000 * quarantined / max(accepted + quarantined, 1)
    proved = audit.verdicts.get(Verdict.PROVED, 0) + audit.verdicts.get(Verdict.REPAIRED, 0)
    raw, lake = (sum(getattr(m, name) for m in loaded) for name in ("raw_bytes", "lake_bytes"))
    return [
        (f"{proved:,}", "months proved", f"of {len(loaded):,} loaded"),
        (svg.compact(accepted), "trips", f"{accepted:,}"),
        (svg.compact(quarantined), "quarantined", f"{share:.2f} ‰ of the published rows"),
        (f"{svg.compact(raw)}B", "published", f"{raw:,} bytes in raw/"),
        (f"{svg.compact(lake)}B", "in the lake", f"{lake:,} bytes of Parquet"),
    ]


def _calendars(months: Sequence[AuditedMonth]) -> list[_Calendar]:
    calendars = []
    for name in SERVICES:
        of_service = {m.partition.month: m for m in months if m.partition.service.name == name}
        if not of_service:
            continue
        years = range(min(of_service).year, max(of_service).year + 1)
        by_place = {(month.year, month.month): m for month, m in of_service.items()}
        calendars.append(
            _Calendar(
                name,
                _watermark(list(of_service.values())),
                tuple(
                    (year, tuple(_cell(by_place.get((year, number))) for number in range(1, 13)))
                    for year in reversed(years)
                ),
            )
        )
    return calendars


def _watermark(months: Sequence[AuditedMonth]) -> str:
    proved = [m.partition.month for m in months if m.verdict in {Verdict.PROVED, Verdict.REPAIRED}]
    if not proved:
        return "no month proved"
    return (
        f"{len(proved):,} {'month' if len(proved) == 1 else 'months'} proved, newest {max(proved)}"
    )


def _cell(month: AuditedMonth | None) -> _Cell | None:
    if month is None:
        return None
    rows = f", {month.accepted:,} trips" if month.published else ""
    tip = f"{month.partition}: {month.verdict}{rows}"
    return _Cell(_class(month.verdict), _SIGNS[month.verdict], tip)


def _sections(loaded: Sequence[AuditedMonth]) -> list[_Section]:
    present = {m.partition.service.name for m in loaded}
    services = [
        (svg.legend_mark(name, number), name)
        for number, name in enumerate(SERVICES)
        if name in present
    ]
    rows = {
        rule.code: sum(month.by_reason.get(rule.code, 0) for month in loaded) for rule in REASONS
    }
    reasons = [
        (
            svg.legend_mark(charts.reason_classes()[rule.code], _SQUARE),
            f"{rule.sentence} ({rule.code}, {rows[rule.code]:,} rows)",
        )
        for rule in REASONS
        if rows[rule.code]
    ]
    sections = [
        _Section(
            "Trips per month",
            "Accepted trips by the month of their file. Each service has a scale of its own.",
            charts.trips_per_month(loaded),
        ),
        _Section(
            "Trips per day",
            "Accepted trips by the day of their pick-up: mean and range of the days at each point.",
            charts.trips_per_day(loaded),
        ),
        _Section(
            "Quarantined, by reason",
            "Rows per thousand published that cannot be a trip of their month, and why.",
            charts.quarantined_by_reason(loaded),
            reasons,
        ),
        _Section(
            "Volume and speed",
            "By the month of the trips; the speed by when they were loaded, all steps together.",
            [*charts.volume(loaded), *charts.load_speed(loaded)],
            services,
        ),
    ]
    return [section for section in sections if section.panels]
