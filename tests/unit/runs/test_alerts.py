"""What a run reports: the right months, each once, with reason and next step."""

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
STOPPED = replace(LOADED, month="2024-03").failed(
    "column surge is unknown.", ContractError.__name__
)
KEPT = replace(LOADED, month="2024-04", unknown_columns="surge")
UNCHANGED = replace(LOADED, month="2024-05", status=Status.UNCHANGED)


@pytest.mark.parametrize(
    ("rows", "successes", "alerts"),
    [
        ([LOADED, UNCHANGED], False, {}),
        ([UNCHANGED], True, {}),
        (
            [
                replace(LOADED, reasons={**LOADED.reasons, "code_unmapped": 1}),
                UNCHANGED,
                replace(LOADED, quarantined=0, reasons={}),
            ],
            True,
            {
                "NYC TLC: 2 months loaded": (
                    "green 2024-01: 1,000 rows, 2 of them quarantined (pickup_missing 2, "
                    "code_unmapped 1), in 3 s",
                    "green 2024-01: 1,000 rows, 0 of them quarantined, in 3 s",
                )
            },
        ),
        (
            [LOADED, FAILED, STOPPED, KEPT, UNCHANGED],
            False,
            {
                "NYC TLC: 1 month failed": ("green 2024-02: cut short. Run it again.",),
                "NYC TLC: 2 months with other columns": (
                    "green 2024-03: column surge is unknown.",
                    "green 2024-04: columns that the contract does not know were kept in "
                    "extra_columns: surge. The month is loaded. Declare them in "
                    "nyc_tlc/core/contract/green.py.",
                ),
            },
        ),
    ],
)
def test_each_month_is_reported_once(rows, successes, alerts):
    found = run_alerts(rows, successes=successes)
    assert {alert.title: alert.lines for alert in found} == alerts


def test_late_months_and_failed_months_of_marts_are_reported_with_what_to_do():
    assert late_alert([("green 2026-01", "2026-04-01")]) == Alert(
        "NYC TLC: 1 month late",
        (
            "green 2026-01: expected since 2026-04-01 and not published. Nothing was changed. See "
            "nyc.gov/tlc for an announcement; the next sync looks again.",
        ),
    )
    assert late_alert([]) is None
    built = MartRow("Postgres", "daily_zone_trips", "green", "2024-01", Status.BUILT)
    failed = replace(built, month="2024-02").failed("has 2 trips. Run it again.")
    assert mart_alert([built]) is None
    assert mart_alert([built, failed]) == Alert(
        "NYC TLC: 1 month of marts failed",
        ("daily_zone_trips in Postgres, green 2024-02: has 2 trips. Run it again.",),
    )


def test_a_text_has_sixty_characters_of_room_for_what_it_leaves_out():
    lines = ("a" * 40, "b" * 40)
    assert Alert("", lines).text(60 + 41 + 41) == "\n".join(lines)
    more = "… and 1 more: the log of the run has them all"
    assert Alert("", lines).text(60 + 41 + 40) == f"{lines[0]}\n{more}"
    assert Alert("", lines).text(60 + 40) == f"{'a' * 40}…\n{more}"
    assert Alert("", lines[:1]).text(60 + 39) == "a" * 39 + "…"
    between = ("a" * 10, "b" * 60, *["c" * 10] * 2_000)
    assert Alert("", between).text(60 + 30).startswith(f"{between[0]}\n… and 2,001 more")


def test_a_failed_block_is_reported_unless_its_run_has_done_so(monkeypatch):
    sent = []
    monkeypatch.setattr(
        "nyc_tlc.jobs.alerts.open_job", lambda _: (None, SimpleNamespace(send=sent.append))
    )
    tell_of_failed_block("tlc_trips", PartitionsFailedError("2 of 3"))
    tell_of_failed_block("tlc_zones", ConfigurationError("no lake. Set LAKE_URL."))
    assert sent == [Alert("NYC TLC: tlc_zones failed", ("no lake. Set LAKE_URL.",))]
