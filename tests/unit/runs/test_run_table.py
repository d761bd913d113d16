"""The run table: how branches join, and what it says to people."""

from dataclasses import replace
from typing import Any

import pytest

from nyc_tlc.core.errors import ReconciliationError
from nyc_tlc.core.runs.run_table import (
    FINAL,
    RunRow,
    Status,
    aligned,
    merge,
    start,
    summary,
)
from tests.unit.records import LOADED_AT


def _row(month: str = "2024-01", **values: Any) -> RunRow:
    return RunRow(**{"service": "green", "month": month, "status": Status.LOADED, **values})


def test_no_further_step_touches_these():
    assert sorted(FINAL) == ["failed", "not published yet", "planned", "skipped", "unchanged"]


def test_branches_that_succeed_merge_to_their_rows():
    loaded = [_row("2024-01", accepted=3), _row("2024-02")]
    published = [replace(row, status=Status.PUBLISHED) for row in loaded]
    assert merge([loaded, published]) == loaded
    assert merge([loaded]) == loaded


def test_what_failed_in_any_branch_has_failed_with_every_error_once():
    one, other = _row().failed("cut short", "SourceError"), _row().failed("locked", "LockError")
    assert merge([[_row()], [one], [other], [one]]) == [
        _row().failed("cut short | locked", "SourceError")
    ]
    rows = [_row("2024-01"), _row("2024-02")]
    assert merge([rows, [rows[0], rows[1].failed("full")]]) == [rows[0], rows[1].failed("full")]


def test_the_slower_branch_gives_the_time():
    assert merge([[_row(seconds=1.5)], [_row(seconds=4.0)]])[0].seconds == 4.0


@pytest.mark.parametrize(
    "other",
    [
        [],
        [_row("2024-01")],
        [_row("2024-01"), _row("2024-02"), _row("2024-03")],
        [_row("2024-01"), _row("2024-03")],
        [_row("2024-02"), _row("2024-01")],
        [_row("2024-01"), _row("2024-02", service="yellow")],
    ],
    ids=["all lost", "one lost", "one invented", "another month", "reordered", "another service"],
)
def test_branches_that_disagree_about_the_partitions_are_an_error(other):
    rows = [_row("2024-01"), _row("2024-02")]
    for branches in ([rows, other], [other, rows], [rows, rows, other]):
        lengths = ", ".join(str(len(branch)) for branch in branches)
        with pytest.raises(
            ReconciliationError, match=rf"^the blocks .* run \({lengths}\)\. Run the pip"
        ) as error:
            merge(branches)
        assert error.value.details.count("'2024-02'") == sum(
            row.month == "2024-02" for branch in branches for row in branch
        )


def test_the_summary_adds_up_and_notes_what_is_odd_about_a_file():
    large = _row(published=1_000_001, accepted=1_000_000, quarantined=1, bytes=123_456_789_000)
    odd = _row(
        "2024-02", published=20, accepted=17, quarantined=3, seconds=12.34, warning="7, not 8"
    )
    assert summary([large, odd]).splitlines() == [
        "partition      status  published   accepted  quarantined         MB  seconds",
        "green 2024-01  loaded  1,000,001  1,000,000            1  123,456.8      0.0",
        "green 2024-02  loaded         20         17            3        0.0     12.3",
        "2 partitions           1,000,021  1,000,017            4",
        "note: green 2024-02: 7, not 8",
    ]
    assert summary([]).splitlines()[1].split() == ["0", "partitions", "0", "0", "0"]


def test_a_table_has_as_many_texts_in_each_line():
    with pytest.raises(ValueError, match="zip"):
        aligned([("a", "b"), ("c",)])


def test_of_many_that_failed_the_first_are_shown_and_all_that_did_not():
    rows = [_row(f"2024-{n:02}", status=Status.FAILED, only_plan=n == 12) for n in range(1, 13)]
    lines = summary([*rows, *[_row("2023-01")] * 11]).splitlines()
    assert [line.split()[1] for line in lines[1:22]] == [
        *(row.month for row in rows[:10]), *["2023-01"] * 11
    ]  # fmt: skip
    assert lines[23] == "2 more failed"
    assert "0 of 23 partitions would be loaded, 12 could not be asked about" in lines[24]


def test_a_run_begins_with_what_its_parameters_say():
    row = _row(status=Status.LANDED, force=True)
    (begun,) = start([row.partition], force=True, now=LOADED_AT)
    assert begun.run.startswith("20240305T")
    assert replace(begun, run="") == row


def test_summary_of_a_plan_sums_what_would_be_loaded():
    rows = [
        _row("2024-01", status=Status.PLANNED, bytes=123_456_000_000, only_plan=True),
        _row("2024-02", status=Status.PLANNED, bytes=789_000, only_plan=True),
        _row("2024-03", status=Status.UNCHANGED, bytes=9_000_000, only_plan=True),
    ]
    assert summary(rows).splitlines()[-1] == (
        "plan: 2 of 3 partitions would be loaded, from 123,456.8 MB of published files. Nothing "
        "was loaded or written."
    )
    assert "plan:" not in summary([_row("2024-01")])
