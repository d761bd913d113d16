"""The table between the blocks: it arrives as it was sent, or the run stops."""

import io
from dataclasses import fields, replace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.errors import ReconciliationError
from nyc_tlc.core.month import Month
from nyc_tlc.core.runs.run_table import (
    FINAL,
    RunRow,
    Status,
    from_frame,
    merge,
    rows_by_reason,
    seconds_by_step,
    summary,
    to_frame,
)

_COUNT = st.integers(0, 2**63 - 1)
_ROWS = st.builds(
    RunRow,
    service=st.sampled_from(["yellow", "green"]),
    month=st.sampled_from(["2009-01", "2013-08", "2026-08"]),
    status=st.sampled_from(Status),
    published=_COUNT,
    accepted=_COUNT,
    quarantined=_COUNT,
    bytes=_COUNT,
    seconds=st.floats(0, 1e9),
    sha256=st.text(),
    staged=st.text(),
    run=st.text(),
    warning=st.text(),
    error=st.text(),
)


def _row(month: str = "2024-01", **values: Any) -> RunRow:
    return RunRow(**{"service": "green", "month": month, "status": Status.LOADED, **values})


def _through_parquet(frame: pd.DataFrame) -> pd.DataFrame:
    """As Mage stores a block's output and reads it for the next."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return pd.read_parquet(io.BytesIO(buffer.getvalue()))


@given(st.lists(_ROWS, min_size=1, max_size=12))
def test_rows_survive_the_way_between_two_blocks(rows: list[RunRow]) -> None:
    assert from_frame(to_frame(rows)) == rows
    assert from_frame(_through_parquet(to_frame(rows))) == rows


@given(st.lists(_ROWS, min_size=1, max_size=12))
def test_values_keep_their_python_types(rows: list[RunRow]) -> None:
    for row in from_frame(_through_parquet(to_frame(rows))):
        for field in fields(RunRow):
            expected = type(getattr(rows[0], field.name))
            assert type(getattr(row, field.name)) is expected, field.name


def test_the_frame_has_a_column_for_each_field_and_plain_types() -> None:
    frame = to_frame([_row(), _row("2024-02", status=Status.FAILED, force=True)])
    assert list(frame.columns) == [field.name for field in fields(RunRow)]
    assert frame["status"].tolist() == ["loaded", "failed"]
    assert frame["published"].dtype == "int64"
    assert frame["force"].dtype == "bool"
    assert frame["seconds"].dtype == "float64"


def test_more_rows_than_mage_leaves_in_order_as_a_list_keep_their_order() -> None:
    rows = [_row(str(Month(2022, 1) + i)) for i in range(30)]
    assert from_frame(_through_parquet(to_frame(rows))) == rows


@pytest.mark.parametrize("empty", [to_frame([]), pd.DataFrame()], ids=["no row", "no column"])
def test_an_empty_table_is_an_error(empty: pd.DataFrame) -> None:
    with pytest.raises(ReconciliationError, match=r"the run table .* is empty"):
        from_frame(empty)


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


STEPS = {"land": 1.0, "conform": 3.5, "load": 7.5, "publish": 4.0, "bigquery": 6.0}
"""Seconds of one month when each step has ended; another month takes a second in all."""


def test_charts_count_reasons_over_the_months_and_seconds_by_step() -> None:
    rows = [_row("2024-01", reasons="pickup_missing 2, code_unmapped 1"), _row("2024-02"),
            _row("2024-03", reasons="code_unmapped 7")]  # fmt: skip
    assert list(rows_by_reason(to_frame(rows)).items()) == [
        ("code_unmapped", 8),
        ("pickup_missing", 2),
    ]
    tables = {
        step: to_frame([_row("2024-01", seconds=seconds), _row("2024-02", seconds=1.0)])
        for step, seconds in STEPS.items()
    }
    seconds = {"land": 2.0, "conform": 2.5, "load": 4.0, "publish": 0.5, "bigquery": 2.0}
    assert seconds_by_step(**tables) == seconds
    assert seconds_by_step(land=to_frame([_row(seconds=1 / 3)])) == {"land": 0.333}


def test_summary_of_a_plan_sums_what_would_be_loaded() -> None:
    rows = [
        _row("2024-01", status=Status.PLANNED, bytes=123_456_000_000, plan=True),
        _row("2024-02", status=Status.PLANNED, bytes=789_000, plan=True),
        _row("2024-03", status=Status.UNCHANGED, bytes=9_000_000, plan=True),
    ]
    assert summary(rows).splitlines()[-1] == (
        "plan: 2 of 3 partitions would be loaded, from 123,456.8 MB of published files. Nothing "
        "was loaded or written."
    )
    assert "plan:" not in summary([_row("2024-01")])
