"""The run table: how branches join, and what it says to people."""

from dataclasses import replace
from typing import Any

import pytest

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.errors import ReconciliationError
from nyc_tlc.core.month import Month
from nyc_tlc.core.runs.run_table import (
    FINAL,
    RunRow,
    Status,
    merge,
    summary,
)


def _row(month: str = "2024-01", **values: Any) -> RunRow:
    return RunRow(**{"service": "green", "month": month, "status": Status.LOADED, **values})


def test_a_row_knows_its_partition() -> None:
    assert _row("2024-03").partition == Partition(GREEN, Month(2024, 3))


def test_a_failed_row_keeps_what_it_had() -> None:
    row = _row(published=5, sha256="ab", run="r")
    assert row.failed("why") == replace(row, status=Status.FAILED, error="why")


def test_no_further_step_touches_these() -> None:
    assert sorted(FINAL) == ["failed", "not published yet", "planned", "skipped", "unchanged"]


def test_branches_that_succeed_merge_to_their_rows() -> None:
    loaded = [_row("2024-01", accepted=3), _row("2024-02")]
    published = [replace(row, status=Status.PUBLISHED) for row in loaded]
    assert merge([loaded, published]) == loaded
    assert merge([loaded]) == loaded


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_a_partition_that_failed_in_any_branch_has_failed(failing: int) -> None:
    branches = [[_row("2024-01"), _row("2024-02")] for _ in range(3)]
    branches[failing][1] = branches[failing][1].failed("the disk is full")
    merged = merge(branches)
    assert [row.status for row in merged] == [Status.LOADED, Status.FAILED]
    assert [row.error for row in merged] == ["", "the disk is full"]


def test_every_error_is_told_once() -> None:
    one, other = _row().failed("no connection"), _row().failed("no bucket")
    assert merge([[one], [other]])[0].error == "no connection | no bucket"
    assert merge([[one], [one]])[0].error == "no connection"


def test_the_first_branch_that_failed_says_of_what_kind_the_error_is() -> None:
    one, other = _row().failed("cut short", "SourceError"), _row().failed("locked", "LockError")
    assert merge([[_row()], [one], [other]])[0].error_type == "SourceError"
    assert merge([[_row()], [_row()]])[0].error_type == ""


def test_the_slower_branch_gives_the_time() -> None:
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
def test_branches_that_disagree_about_the_partitions_are_an_error(other: list[RunRow]) -> None:
    rows = [_row("2024-01"), _row("2024-02")]
    for branches in ([rows, other], [other, rows], [rows, rows, other]):
        with pytest.raises(
            ReconciliationError, match=r"disagree about the partitions.*\. Run the pip"
        ):
            merge(branches)


def test_the_summary_adds_up() -> None:
    lines = summary(
        [
            _row(
                "2024-01",
                published=1_000_001,
                accepted=1_000_000,
                quarantined=1,
                bytes=123_456_789_000,
            ),
            _row("2024-02", published=20, accepted=17, quarantined=3, seconds=12.34),
        ]
    ).splitlines()
    assert len(lines) == 4
    assert lines[0].split() == [
        "partition", "status", "published", "accepted", "quarantined", "MB", "seconds",
    ]  # fmt: skip
    assert lines[1].split() == [
        "green", "2024-01", "loaded", "1,000,001", "1,000,000", "1", "123,456.8", "0.0",
    ]  # fmt: skip
    assert lines[2].split() == ["green", "2024-02", "loaded", "20", "17", "3", "0.0", "12.3"]
    assert lines[3].split() == ["2", "partitions", "1,000,021", "1,000,017", "4"]


def test_what_is_odd_about_a_file_is_noted_below_the_sums() -> None:
    odd = _row("2024-02", service="yellow", warning="7 rows published, 8 when counted")
    lines = summary([_row(), odd]).splitlines()
    assert lines[3].startswith("2 partitions")
    assert lines[4:] == ["note: yellow 2024-02: 7 rows published, 8 when counted"]


def test_the_columns_of_the_summary_stand_under_each_other() -> None:
    lines = summary([_row(published=7), _row(published=1_234_567)]).splitlines()
    ends = {line.index(text) + len(text) for line, text in zip(
        lines, ["published", " 7", "1,234,567", "1,234,574"], strict=True
    )}  # fmt: skip
    assert len(ends) == 1
    assert all(line == line.rstrip() for line in lines)


def test_the_summary_of_nothing_is_a_header_and_zeros() -> None:
    assert summary([]).splitlines()[1].split() == ["0", "partitions", "0", "0", "0"]


def test_summary_of_a_plan_sums_what_would_be_loaded() -> None:
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
