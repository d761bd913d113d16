"""What a run tells: the right months, each once, with reason and next step."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from nyc_tlc.core.errors import ConfigurationError, ContractError, PartitionsFailedError
from nyc_tlc.core.runs.alerts import Alert, late_alert, mart_alert, run_alerts
from nyc_tlc.core.runs.mart_table import MartRow
from nyc_tlc.core.runs.run_table import RunRow, Status
from nyc_tlc.jobs.alerts import tell_of_failed_block

LOADED = RunRow(
    "green", "2024-01", Status.RECONCILED, published=1_000, accepted=998, quarantined=2,
    reasons={"pickup_missing": 2}, seconds=3.2,
)  # fmt: skip
FAILED = replace(LOADED, month="2024-02").failed("cut short. Run it again.", "SourceError")
STOPPED = replace(LOADED, month="2024-03").failed("column surge is unknown.", "ContractError")
KEPT = replace(LOADED, month="2024-04", unknown_columns="surge")
UNCHANGED = replace(LOADED, month="2024-05", status=Status.UNCHANGED)


def test_a_run_without_news_tells_nothing():
    assert run_alerts([LOADED, UNCHANGED], successes=False) == []
    assert run_alerts([UNCHANGED], successes=True) == []


def test_each_month_is_told_of_once():
    failed, changed = run_alerts([LOADED, FAILED, STOPPED, KEPT, UNCHANGED], successes=False)
    assert failed == Alert("NYC TLC: 1 month failed", ("green 2024-02: cut short. Run it again.",))
    assert changed.title == "NYC TLC: 2 months with other columns"
    stopped, kept = changed.lines
    assert stopped == "green 2024-03: column surge is unknown."
    assert "kept in extra_columns: surge" in kept
    assert "nyc_tlc/core/contract/green.py" in kept


def test_successes_are_told_where_asked_for():
    (loaded,) = run_alerts([LOADED, UNCHANGED], successes=True)
    assert loaded.title == "NYC TLC: 1 month loaded"
    assert loaded.lines == (
        "green 2024-01: 1,000 rows, 2 of them quarantined (pickup_missing 2), in 3 s",
    )
    (clean,) = run_alerts([replace(LOADED, quarantined=0, reasons={})], successes=True)
    assert clean.lines == ("green 2024-01: 1,000 rows, 0 of them quarantined, in 3 s",)


def test_the_type_that_is_told_as_a_schema_change_is_the_one_that_is_raised():
    assert STOPPED.error_type == ContractError.__name__


def test_late_months_are_told_with_what_to_do():
    alert = late_alert([("green 2026-01", "2026-04-01")])
    assert alert.title == "NYC TLC: 1 month late"
    assert alert.lines == (
        "green 2026-01: expected since 2026-04-01 and not published. Nothing was changed. See "
        "nyc.gov/tlc for an announcement; the next sync looks again.",
    )
    assert late_alert([]) is None


@pytest.mark.parametrize("limit", [200, 500, 3_000])
def test_a_text_fits_and_counts_what_it_leaves_out(limit):
    lines = tuple(f"month {number}: " + "x" * 50 for number in range(100))
    text = Alert("", lines).text(limit)
    assert len(text) <= limit
    named = text.splitlines()[:-1]
    assert named == list(lines[: len(named)])
    assert f"and {100 - len(named)} more" in text
    assert len(Alert("", ("y" * 10_000,)).text(limit)) <= limit


def test_a_text_has_sixty_characters_of_room_for_what_it_leaves_out():
    lines = ("a" * 40, "b" * 40)
    assert Alert("", lines).text(60 + 41 + 41) == "\n".join(lines)
    more = "… and 1 more: the log of the run has them all"
    assert Alert("", lines).text(60 + 41 + 40) == f"{lines[0]}\n{more}"
    assert Alert("", lines).text(60 + 40) == f"{'a' * 40}…\n{more}"
    assert Alert("", lines[:1]).text(60 + 39) == "a" * 39 + "…"


def test_a_failed_block_is_told_unless_its_run_has_told(monkeypatch):
    sent = []
    monkeypatch.setattr(
        "nyc_tlc.jobs.alerts.open_job", lambda _: (None, SimpleNamespace(send=sent.append))
    )
    tell_of_failed_block("tlc_trips", PartitionsFailedError("2 of 3"))
    tell_of_failed_block("tlc_zones", ConfigurationError("no lake. Set LAKE_URL."))
    assert sent == [Alert("NYC TLC: tlc_zones failed", ("no lake. Set LAKE_URL.",))]


def test_only_failed_months_of_marts_are_told():
    built = MartRow("Postgres", "daily_zone_trips", "green", "2024-01", Status.BUILT)
    assert mart_alert([built]) is None
    failed = replace(built, month="2024-02").failed("has 2 trips. Run it again.")
    assert mart_alert([built, failed]) == Alert(
        "NYC TLC: 1 month of marts failed",
        ("daily_zone_trips in Postgres, green 2024-02: has 2 trips. Run it again.",),
    )
