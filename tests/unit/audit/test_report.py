"""The report is one page that needs nothing else, and what it says cannot break it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from nyc_tlc.core.audit.findings import Finding
from nyc_tlc.core.audit.report import render
from nyc_tlc.core.audit.svg import Axis, Point, compact, dots, range_line, stacked_bars, thinned
from nyc_tlc.core.audit.verdicts import Audit, AuditedMonth, Verdict, require_sound, to_frame
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import FHVHV, GREEN, SERVICES, Service
from nyc_tlc.core.errors import ReconciliationError
from nyc_tlc.core.month import Month
from nyc_tlc.core.rows.rules import REASONS

AT = datetime(2024, 6, 2, 3, 4, tzinfo=UTC)
HOSTILE = """<script>alert("1")</script>'&--><img src=//evil.example/x>"""
VOID = {"meta", "link", "br", "img", "input", "hr"}


class _Page(HTMLParser):
    """Elements as they nest, with what each refers to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.refers: list[str] = []
        self.unlabelled: list[str] = []
        self.ids: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags[tag] += 1
        self.refers += [v or "" for k, v in attrs if k in {"src", "href", "action", "xlink:href"}]
        self.ids += [named["id"] or ""] if "id" in named else []
        if (
            tag == "svg"
            and "aria-hidden" not in named
            and not (named.get("role") == "img" and named.get("aria-label"))
        ):
            self.unlabelled.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _month(service: Service, month: Month, verdict: Verdict = Verdict.PROVED) -> AuditedMonth:
    days = [(month.start + timedelta(day)).date() for day in range(28)]
    return AuditedMonth(
        Partition(service, month), verdict, published=290, accepted=280, quarantined=10,
        by_reason={REASONS[0].code: 7, REASONS[3].code: 3},
        by_day={str(day): 10 + day.day for day in days}, raw_bytes=5_000, lake_bytes=6_000,
        seconds=1.25, loaded_at=AT - timedelta(hours=month.month),
    )  # fmt: skip


def _audit(months: Sequence[AuditedMonth], findings: Sequence[Finding] = (), **other: str) -> Audit:
    said = {"lake": "gs://lake", "scope": "all", **other}
    warehouses = {said.pop("name", "Postgres"): said.pop("address", "tlc@db:5432/tlc")}
    return Audit(tuple(months), tuple(findings), AT, warehouses=warehouses, **said)


def _many(years: int) -> list[AuditedMonth]:
    return [
        _month(service, month)
        for service in SERVICES.values()
        for month in Month(2024 - years, 1).through(Month(2023, 12))
        if month >= service.first_month
    ]


@pytest.mark.parametrize("years", [0, 1, 3, 15])
def test_page_parses_is_complete_and_refers_to_no_other_host(years: int) -> None:
    html = render(_audit(_many(years)))
    page = _Page(html)
    assert page.open == []
    assert page.unlabelled == []
    assert page.refers == ["data:,"]
    assert len(page.ids) == len(set(page.ids))
    assert page.tags["script"] == page.tags["iframe"] == page.tags["img"] == 0
    assert not re.search(r"@import|url\(|//", re.sub(r"gs://lake", "", html))
    assert (page.tags["svg"] > 0) == (years > 0)


def test_every_month_is_in_the_calendar_and_says_in_words_what_its_colour_means() -> None:
    months = [
        _month(GREEN, Month(2024, 1 + number), verdict) for number, verdict in enumerate(Verdict)
    ]
    html = render(_audit(months))
    for month in months:
        assert f'<span class="sr">{month.partition}: {month.verdict}, 280 trips</span>' in html
    signs = re.findall(
        r'<td class="[a-z-]+" title="[^"]+"><span aria-hidden="true">(.*?)</span>', html
    )
    assert signs == ["✓", "↻", "!", "·", "…"]


@pytest.mark.parametrize(
    ("accepted", "quarantined", "share"),
    [(280, 10, "34.48"), (0, 1, "1000.00"), (2_000, 1_000, "333.33")],
)
def test_rows_set_aside_are_told_per_thousand_published(
    accepted: int, quarantined: int, share: str
) -> None:
    month = AuditedMonth(
        Partition(GREEN, Month(2024, 1)), Verdict.PROVED, accepted=accepted,
        quarantined=quarantined, published=accepted + quarantined,
    )  # fmt: skip
    assert f"{share} ‰ of the published rows" in render(_audit([month]))


def test_the_legend_counts_the_months_of_each_verdict() -> None:
    html = render(_audit([_month(GREEN, Month(2024, 1)), _month(GREEN, Month(2024, 2))]))
    counts = re.findall(r'<li><span class="sign [^\n]*<span class="muted">\((\d+)\)', html)
    assert counts == ["2", "0", "0", "0", "0"]


def test_every_string_is_escaped() -> None:
    findings = [
        Finding("raw_missing", Partition(GREEN, Month(2024, 1)), HOSTILE, HOSTILE, trouble=HOSTILE),
        Finding("object_orphan", None, HOSTILE, HOSTILE),
    ]
    html = render(
        _audit(_many(1), findings, lake=HOSTILE, name=HOSTILE, address=HOSTILE, scope=HOSTILE)
    )
    page = _Page(html)
    assert page.open == []
    assert page.tags["script"] == page.tags["img"] == 0
    assert HOSTILE not in html


def test_labels_of_a_chart_are_escaped() -> None:
    axis = Axis(0, 2, {0: HOSTILE})
    bars = stacked_bars(axis, [Point(0, {HOSTILE: 1}, HOSTILE)], [HOSTILE], HOSTILE)
    line = range_line(axis, [Point(0, {"low": 0, "high": 2, "mean": 1}, HOSTILE)], "green", HOSTILE)
    marks = dots(axis, [Point(0, {HOSTILE: 1}, HOSTILE)], [HOSTILE], HOSTILE)
    for svg in (bars, line, marks):
        assert HOSTILE not in svg
        assert _Page(svg).tags["script"] == _Page(svg).tags["img"] == 0


@pytest.mark.parametrize(
    ("findings", "said"),
    [
        ([], "✓ Every store agrees"),
        ([Finding("raw_missing", Partition(GREEN, Month(2023, 1)), "a")], "! 1 thing is wrong"),
        ([Finding("table_orphan", None, "a")] * 2, "! 2 things are wrong"),
        (
            [Finding("table_orphan", None, "a", repaired=True)],
            "↻ 1 thing was wrong and is repaired.",
        ),
    ],
)
def test_the_first_line_is_the_verdict(findings: list[Finding], said: str) -> None:
    assert said in render(_audit(_many(1), findings))


def test_a_page_without_months_says_so() -> None:
    assert "No month is loaded." in render(_audit([]))


def test_seventeen_years_are_a_page_that_a_phone_can_hold() -> None:
    assert len(render(_audit(_many(15)))) < 2_000_000


def test_days_are_shown_for_loaded_months_only() -> None:
    strays = {"2023-12-31": 2, **_month(GREEN, Month(2024, 1)).by_day}
    month = AuditedMonth(Partition(GREEN, Month(2024, 1)), Verdict.PROVED, 290, 280, by_day=strays)
    html = render(_audit([month]))
    assert "2024-01-02: 12 trips" in html
    assert "2023-12-31" not in html


def test_a_long_line_is_drawn_by_few_points() -> None:
    html = render(_audit([m for m in _many(15) if m.partition.service is FHVHV]))
    assert re.search(r"\d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d: [\d,]+ trips a day, from", html)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.25, "0.25"),
        (999, "999"),
        (1e3, "1k"),
        (1e6, "1M"),
        (1e9, "1G"),
        (1250, "1.25k"),
        (3_066_766, "3.07M"),
        (4.5e9, "4.5G"),
    ],
)
def test_numbers_on_axes_are_short(value: float, text: str) -> None:
    assert compact(value) == text


def test_labels_are_thinned_to_what_fits() -> None:
    assert list(thinned([(float(x), str(x)) for x in range(17)])) == [0, 3, 6, 9, 12, 15]


def test_the_table_has_a_row_per_month_and_one_per_finding_of_none() -> None:
    january = Partition(GREEN, Month(2023, 1))
    findings = [
        Finding("raw_missing", january, "a"), Finding("lake_rows", january, "b", repaired=True),
        Finding("table_orphan", None, "c"),
    ]  # fmt: skip
    months = [_month(GREEN, Month(2023, 1), Verdict.WRONG), _month(GREEN, Month(2023, 2))]
    frame = to_frame(_audit(months, findings))
    assert frame[["month", "verdict", "findings"]].to_numpy().tolist() == [
        ["2023-01", "wrong", "raw_missing a; lake_rows (repaired) b"],
        ["2023-02", "proved", ""],
        ["", "wrong", "table_orphan c"],
    ]
    assert frame.drop(columns=["month", "verdict", "findings", "wrong"]).to_dict("split") == {
        "index": [0, 1, 2],
        "columns": ["service", "published", "accepted", "quarantined", "megabytes", "seconds"],
        "data": [
            ["green", 290, 280, 10, 0.005, 1.25],
            ["green", 290, 280, 10, 0.005, 1.25],
            ["", 0, 0, 0, 0.0, 0.0],
        ],
    }
    assert [text.partition(":")[0] for text in frame["wrong"]] == [
        "green 2023-01", "", "table_orphan",
    ]  # fmt: skip


def test_a_month_that_was_not_audited_is_a_row_of_its_own_with_what_was_found() -> None:
    january = Partition(GREEN, Month(2023, 1))
    findings = [
        Finding("table_orphan", january, "a"),
        Finding("object_orphan", january, "b", repaired=True),
    ]
    frame = to_frame(_audit([], findings))
    assert frame[["service", "month", "verdict", "findings", "wrong"]].to_numpy().tolist() == [
        ["green", "2023-01", "wrong", "table_orphan a", str(findings[0])],
        ["green", "2023-01", "repaired", "object_orphan (repaired) b", ""],
    ]
    untimed = AuditedMonth(january, Verdict.PROVED, raw_bytes=12_345_678_901)
    frame = to_frame(_audit([untimed]))
    assert frame[["megabytes", "seconds"]].to_numpy().tolist() == [[12_345.679, 0.0]]
    assert list(to_frame(_audit([])).columns) == list(frame.columns)


def test_a_run_ends_with_an_error_that_names_everything_that_is_wrong() -> None:
    months = [_month(GREEN, Month(2023, 1), Verdict.WRONG)]
    findings = [
        Finding("raw_missing", months[0].partition, "a"),
        Finding("lake_missing", months[0].partition, "b"),
        Finding("raw_unreferenced", months[0].partition, "c"),
        Finding("table_orphan", None, "d", repaired=True),
    ]
    rest = (
        "\nAll stays as it is. Run lake_audit with repair=true: it loads the months again and "
        "removes what nothing refers to, but nothing from raw/. docs/audit.md says what to do "
        "about what it leaves."
    )
    with pytest.raises(ReconciliationError) as error:
        require_sound(to_frame(_audit(months, findings)))
    lines = f"  {findings[0]}\n  {findings[1]}"
    assert str(error.value) == f"2 things are wrong in the stores:\n{lines}{rest}"
    with pytest.raises(ReconciliationError, match=r"^1 thing is wrong in the stores:\n"):
        require_sound(to_frame(_audit(months, findings[:1])))
    require_sound(to_frame(_audit(months, findings[2:])))
