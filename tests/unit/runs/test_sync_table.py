"""The table of a sync on its way between the blocks."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from nyc_tlc.core.catalog.publication import State
from nyc_tlc.core.runs.run_table import Status, start
from nyc_tlc.core.runs.sync_table import SyncRow, months_summary, run_row

ROWS = [
    SyncRow("green", "2024-01", State.LOADED, asked=False, published=9, accepted=8, quarantined=1),
    SyncRow("green", "2024-02", State.REVISED, asked=True, published=9, bytes=2_500_000),
    SyncRow("green", "2024-03", State.AVAILABLE, asked=True, bytes=123_456_000_000),
    SyncRow("green", "2024-04", State.LATE, asked=True, note="403"),
    SyncRow("green", "2024-05", State.EXPECTED, asked=False),
]


def test_summary_shows_what_is_not_simply_loaded():
    assert months_summary(ROWS).splitlines() == [
        "month          state             MB  note",
        "green 2024-02  revised          2.5",
        "green 2024-03  available  123,456.0",
        "green 2024-04  late             0.0   403",
        "5 months: 1 expected, 1 late, 1 available, 1 loaded, 1 revised",
        "asked about 3 of them; to load: 2, 123,458.5 MB",
    ]
    quiet = SyncRow("green", "2024-01", State.LOADED, asked=True)
    assert months_summary([quiet]).splitlines() == [
        "1 months: 1 loaded", "asked about 1 of them; to load: 0, 0.0 MB",
    ]  # fmt: skip


def test_of_many_months_that_failed_the_first_are_shown_and_all_that_did_not():
    rows = [SyncRow("green", f"2024-{n:02}", State.FAILED, asked=True) for n in range(1, 13)]
    others = [replace(ROWS[2], month=f"2023-{n:02}") for n in range(1, 13)]
    _, *shown, _, _ = months_summary([*rows, *others]).splitlines()
    assert [line.split()[1] for line in shown] == [row.month for row in (*rows[:10], *others)]


def begun(row, *, only_plan=False):
    (row,) = start([row.partition], force=False, only_plan=only_plan, now=datetime.now(UTC))
    return row


@pytest.mark.parametrize("row", ROWS[1:3], ids=str)
def test_what_is_new_or_revised_goes_on_to_be_landed(row):
    assert run_row(row, begun(row)).status is Status.LANDED
    planned = run_row(row, begun(row, only_plan=True))
    assert (planned.status, planned.bytes) == (Status.PLANNED, row.bytes)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (State.LOADED, Status.UNCHANGED),
        (State.WITHDRAWN, Status.UNCHANGED),
        (State.LATE, Status.NOT_PUBLISHED),
        (State.NOT_PUBLISHED, Status.NOT_PUBLISHED),
        (State.FAILED, Status.FAILED),
    ],
)
@pytest.mark.parametrize("only_plan", [False, True])
def test_everything_else_that_was_asked_about_is_final(state, status, only_plan):
    row = SyncRow(
        "green", "2024-01", state, asked=True, published=9, accepted=8, quarantined=1, note="503"
    )
    ended = run_row(row, begun(row, only_plan=only_plan))
    assert (ended.status, ended.published, ended.accepted, ended.quarantined) == (status, 9, 8, 1)
    assert ended.error == ("503" if state is State.FAILED else "")
