"""The report is one page that needs nothing else; what it says cannot break it."""

import html
import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from unittest.mock import Mock

import pytest

from nyc_tlc import __version__
from nyc_tlc.core.audit.charts import Panel
from nyc_tlc.core.audit.drawing import Chart
from nyc_tlc.core.audit.findings import Finding
from nyc_tlc.core.audit.report import render
from nyc_tlc.core.audit.verdicts import Audit, AuditedMonth, Verdict
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN, SERVICES
from nyc_tlc.core.month import Month
from nyc_tlc.core.rows.rules import REASONS
from tests.partitions import named
from tests.unit.audit import test_charts as charts
from tests.unit.audit.test_charts import LOADED_AT

FEBRUARY = named("yellow 2024-02")
MONTHS = (
    charts.JANUARY,
    replace(charts.FEBRUARY, verdict=Verdict.WRONG),
    charts.proved(GREEN, "2023-11", published=1, raw_bytes=1, lake_bytes=1),
    replace(charts.DECEMBER, verdict=Verdict.REPAIRED),
    AuditedMonth(named("green 2024-01"), Verdict.NOT_LOADED),
    AuditedMonth(named("green 2024-02"), Verdict.NOT_PUBLISHED),
)
AUDIT = Audit(
    MONTHS, (Finding("raw_missing", FEBRUARY, "raw/x"),), LOADED_AT, "gs://lake",
    {"Postgres": "tlc@db"}, "Every month",
)  # fmt: skip
FACTS = """\
Lake audit · 2 June 2024, 03:04 UTC
Every month. Lake gs://lake Postgres tlc@db
months proved 3 of 4 loaded
trips 2.05M 2,049,900
quarantined 1.1k 0.54 ‰ of the published rows
published 52.5MB 52,500,001 bytes in raw/
in the lake 63.2MB 63,200,001 bytes of Parquet
! Wrong · yellow 2024-02 raw_missing The published bytes are gone from raw/. raw/x \
· remedy: load the month again from the source
✓ proved: every store agrees (2)
↻ repaired: was wrong, repaired by this audit (1)
! wrong: something is wrong (1)
· not loaded: no store has it (1)
… not published yet: not due yet (1)
1 month proved, newest 2024-01
2024 ✓ yellow 2024-01: proved, 1,999,000 trips ! yellow 2024-02: wrong, 900 trips
2 months proved, newest 2023-12
2024 · green 2024-01: not loaded … green 2024-02: not published yet
2023 ✓ green 2023-11: proved, 0 trips ↻ green 2023-12: repaired, 50,000 trips
1,999,900 trips
43,502 a day on average
A code given as text is in no published list (code_unmapped, 600 rows)
The pick-up time is missing (pickup_missing, 500 rows)
yellow
0.55 ‰ overall
yellow
green
Published files in raw/
52.5 MB in all, MB per month
195,238 rows a second on average, by time of the load
Every loaded month (4)
month verdict published accepted quarantined raw MB lake MB seconds rows/s loaded (UTC)
yellow 2024-01 proved 2,000,000 1,999,000 1,000 50.00 60.00 8.0 250,000 2024-06-02 03:04
yellow 2024-02 wrong 1,000 900 100 1.00 1.20
green 2023-11 proved 1 0 0 0.00 0.00
green 2023-12 repaired 50,000 50,000 0 1.50 2.00 2.5 20,000 2024-05-30 03:04"""


def _words(page: str) -> str:
    """What is read: a line for each block of the page, without its charts."""
    body = re.sub(r"<svg.*?</svg>", "", page[page.index("<body>") :], flags=re.S)
    body = re.sub(r"</(?:h\d|p|li|dl|summary|tr|footer)>|</div>\s+(?=<div><dt>)", "¶", body)
    lines = html.unescape(re.sub(r"<[^>]+>", " ", body)).split("¶")
    return "\n".join(text for line in lines if (text := " ".join(line.split())))


def test_the_page_says_in_words_what_was_found_and_what_there_is():
    lines = iter(_words(render(AUDIT)).split("\n"))
    assert [fact for fact in FACTS.split("\n") if fact not in lines] == []


def test_marks_and_cells_have_the_classes_that_give_their_colours():
    page = render(AUDIT)
    assert re.findall(r'<td class="([a-z-]+)"', page) == [
        "proved", "wrong", "not-loaded", "not-published-yet", "proved", "repaired",
    ]  # fmt: skip
    assert re.findall(r'<li><svg[^>]*><path class="(\w+)" d="(\w)(\S+)', page) == [
        ("reason2", "M", "-3.2"), ("reason3", "M", "-3.2"), ("yellow", "M", "-4.0"),
        ("green", "M", "-3.2"),
    ]  # fmt: skip
    calendars, _, _ = page.partition("Trips per month")
    assert calendars.count("<td></td>") == 10 + 10 + 10


def test_page_of_nothing_proved_or_of_no_months_says_so():
    months = (AuditedMonth(FEBRUARY, Verdict.WRONG),)
    words = _words(render(Audit(months, (), LOADED_AT, "", {}, "")))
    assert "\nno month proved\n" in words
    assert "\nmonths proved 0 of 0 loaded\ntrips 0 0\nquarantined 0 0.00 ‰ of the" in words
    assert "Trips per month" not in words
    assert "No month is loaded." in _words(render(Audit((), (), LOADED_AT, "", {}, "")))


ORPHAN = Finding("table_orphan", None, "a")


@pytest.mark.parametrize(
    ("findings", "said"),
    [
        ([], "✓ Every store agrees on all 4 months."),
        ([ORPHAN], "! 1 thing is wrong ; 3 of 4 months are sound."),
        ([ORPHAN] * 2, "! 2 things are wrong ; 3 of 4 months"),
        ([replace(ORPHAN, repaired=True)], "↻ 1 thing was wrong and is repaired."),
        ([replace(ORPHAN, repaired=True)] * 2, "↻ 2 things were wrong and are"),
        ([Finding("raw_unreferenced", FEBRUARY, "a", "d")], "Note · yellow 2024-02 raw_unreferenc"),
        ([replace(ORPHAN, trouble="no right")], "The repair failed: no right"),
    ],
)
def test_the_page_says_what_is_wrong_and_what_was_repaired(findings, said):
    assert said in _words(render(replace(AUDIT, findings=tuple(findings))))


class _Page(HTMLParser):
    """Each element is closed before the one around it; ``open`` are those that are not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in {"meta", "link", "br", "img", "input", "hr"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _many(years: int) -> tuple[AuditedMonth, ...]:
    """Every month of every service up to 2023, with trips on 28 of its days."""
    return tuple(
        AuditedMonth(
            Partition(service, month), Verdict.PROVED, published=290, accepted=280, quarantined=10,
            by_reason={rule.code: 1 for rule in REASONS},
            by_day={str((month.start + timedelta(day)).date()): 11 + day for day in range(28)},
            raw_bytes=5_000, lake_bytes=6_000, seconds=1.25,
            loaded_at=LOADED_AT - timedelta(hours=month.month),
        )
        for service in SERVICES.values()
        for month in Month(2024 - years, 1).through(Month(2023, 12))
        if month >= service.first_month
    )  # fmt: skip


@pytest.mark.parametrize("years", [0, 1, 15])
def test_a_page_parses_is_complete_and_refers_to_no_other_host(years):
    page = render(replace(AUDIT, months=_many(years)))
    assert page.startswith("<!DOCTYPE html>")
    assert f" nyc-tlc {__version__}. " in page
    assert all(map(float, re.findall(r" [xy]=.([^\"']*)", page)))
    assert _Page(page).open == []
    assert re.findall(r"<svg(?! [^>]*(?:aria-hidden|role=.img. aria-label=.\w))[^>]*>", page) == []
    assert re.findall(r"(?:src|href|action)=.([^\"' ]*)", page) == ["data:,"]
    ids = re.findall(r" id=.([^\"' ]*)", page)
    assert len(ids) == len(set(ids)) > 1
    assert not re.search(r"@import|url\(|//|<script|<iframe|<img", page.replace("gs://lake", ""))
    assert ("<svg" in page) == (years > 0)
    assert len(page) < 2_000_000  # a phone can hold seventeen years


HOSTILE = """<script>alert("1")</script>'&--><img src=//evil.example/x>"""


def test_every_string_is_escaped(monkeypatch):
    findings = (
        Finding("raw_missing", FEBRUARY, HOSTILE, HOSTILE, trouble=HOSTILE),
        Finding("object_foreign", None, HOSTILE, HOSTILE),
    )
    january = replace(MONTHS[0], by_reason={HOSTILE: 1})
    shapes = [(HOSTILE, [(HOSTILE, HOSTILE)])]
    chart = Chart(HOSTILE, [(1, HOSTILE)], [(1, HOSTILE, HOSTILE)], shapes)
    for name in ("trips_per_month", "trips_per_day", "quarantined_by_reason", "load_speed"):
        panels = Mock(return_value=[Panel(HOSTILE, HOSTILE, chart)], __name__=name)
        monkeypatch.setattr(f"nyc_tlc.core.audit.report.charts.{name}", panels)
    text = render(Audit((january,), findings, LOADED_AT, HOSTILE, {HOSTILE: HOSTILE}, HOSTILE))
    assert _Page(text).open == []
    assert not re.search(r"<script|<img", text)
    assert HOSTILE not in text
