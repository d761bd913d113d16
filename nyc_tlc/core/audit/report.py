"""The audit as one HTML page that needs nothing else: no network, no script, no font."""

from collections.abc import Sequence
from importlib import resources

import jinja2

from nyc_tlc import __version__
from nyc_tlc.core.audit import charts, drawing
from nyc_tlc.core.audit.verdicts import Audit, AuditedMonth, Verdict
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.rows.rules import REASONS

_SIGNS = {
    Verdict.PROVED: ("✓", "every store agrees"),
    Verdict.REPAIRED: ("↻", "was wrong, repaired by this audit"),
    Verdict.WRONG: ("!", "something is wrong"),
    Verdict.NOT_LOADED: ("·", "no store has it"),
    Verdict.NOT_PUBLISHED: ("…", "not due yet"),
}
"""Verdict to its sign in the calendar, and what it means."""
MARK = "Written by the pipeline lake_audit"
"""In every page that an audit has written, by whatever version: what lacks it is of others."""


def render(audit: Audit) -> str:
    """The page. Every text in it is escaped; charts are measured here, not in the browser."""
    template = resources.files("nyc_tlc.core.audit").joinpath("report.html.j2").read_text("utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters["commas"] = "{:,}".format
    environment.filters["compact"] = drawing.compact
    environment.filters["px"] = "{:.1f}".format
    loaded = [month for month in audit.months if month.published]
    shown = (
        charts.trips_per_month, charts.trips_per_day, charts.quarantined_by_reason, charts.volume,
        charts.load_speed,
    )  # fmt: skip
    return environment.from_string(template).render(
        audit=audit,
        mark=MARK,
        version=__version__,
        loaded=loaded,
        signs=_SIGNS,
        calendars=_calendars(audit.months),
        frame=drawing,
        panels={panels.__name__: panels(loaded) if loaded else [] for panels in shown},
        reasons=_reasons(loaded),
        services=[
            (drawing.mark(name, number), name)
            for number, name in enumerate(SERVICES)
            if name in {month.partition.service.name for month in loaded}
        ],
    )


def _calendars(months: Sequence[AuditedMonth]) -> dict[str, dict[tuple[int, int], AuditedMonth]]:
    """Service to its months, by year and number."""
    calendars: dict[str, dict[tuple[int, int], AuditedMonth]] = {name: {} for name in SERVICES}
    for month in months:
        of = month.partition
        calendars[of.service.name][of.month.year, of.month.month] = month
    return {name: calendar for name, calendar in calendars.items() if calendar}


def _reasons(loaded: Sequence[AuditedMonth]) -> list[tuple[drawing.Shape, str]]:
    """Marks of the reasons for which rows are in quarantine, and what they mean."""
    marks = []
    for rule in REASONS:
        if rows := sum(month.by_reason.get(rule.code, 0) for month in loaded):
            mark = drawing.mark(charts.REASON_CLASSES[rule.code], drawing.SQUARE)
            marks.append((mark, f"{rule.sentence} ({rule.code}, {rows:,} rows)"))
    return marks
