"""The name of a run: what one step writes, every other reads."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.runs.run import Run
from nyc_tlc.core.runs.run_table import start
from nyc_tlc.steps.staging import is_abandoned, staged_by, staging_folder
from tests.partitions import named

_GREEN = named("green 2024-01")
_SHA256 = "ab" * 32
_LANDED = lake_paths.raw(_GREEN, _SHA256, ".parquet")
_NAME = "20240101T000000000000-12345678"
_NO_INSTANT = _NAME.replace("20240101", "20241399")
_INSTANTS = st.datetimes(datetime(2009, 1, 1), datetime(2999, 1, 1)).map(  # noqa: DTZ001
    lambda at: at.replace(tzinfo=UTC)
)


@given(began=_INSTANTS, other=_INSTANTS)
def test_a_run_is_read_from_its_own_name_and_sorts_by_when_it_began(began, other):
    run = Run(began)
    assert Run.parse(str(run)) == run
    assert (str(run) < str(Run(other))) == (began < other) or began == other


@pytest.mark.parametrize("name", ["", "20240101T000000", "20240101T000000-12345678", "x-y", "-"])
def test_a_name_of_nobody_is_no_run(name):
    with pytest.raises(ValueError, match=r"match|not a run"):
        Run.parse(name)


@given(began=_INSTANTS)
def test_what_a_run_stages_is_its_own_until_a_day_has_passed(began):
    (row,) = start([_GREEN], force=False, now=began)
    path = f"{staging_folder(replace(row, sha256=_SHA256))}trips.parquet"
    run = staged_by(path, [_LANDED])
    assert str(run) == row.run
    assert not is_abandoned(run, began)
    assert not is_abandoned(run, began + timedelta(days=1))
    for apart in (timedelta(days=1, microseconds=1), -timedelta(days=1, microseconds=1)):
        assert is_abandoned(run, began + apart)


@pytest.mark.parametrize(
    ("path", "landed"),
    [
        ("staging/reviewed.csv", [_LANDED]),
        (f"{lake_paths.staging(_GREEN)}reviewed.csv", [_LANDED]),
        (f"{lake_paths.staging(_GREEN)}{_SHA256[:16]}_{_NAME}/trips.parquet", []),
        (f"{lake_paths.staging(_GREEN)}{'0' * 16}_{_NAME}/trips.parquet", [_LANDED]),
        (f"{lake_paths.staging(_GREEN)}{_SHA256[:16]}_{_NO_INSTANT}/trips.parquet", [_LANDED]),
    ],
    ids=["of no month", "no folder", "nothing landed", "other content", "at no instant"],
)
def test_what_no_run_of_ours_staged_has_no_run(path, landed):
    assert staged_by(path, landed) is None
