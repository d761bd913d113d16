"""The name of a run: what one step writes, every other reads."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.month import Month
from nyc_tlc.core.runs.run import Run
from nyc_tlc.core.runs.run_table import start
from nyc_tlc.steps.staging import is_abandoned, staged_by, staging_folder

_GREEN = Partition(GREEN, Month(2024, 1))
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
    path = f"{staging_folder(row)}trips.parquet"
    assert str(staged_by(path)) == row.run
    assert not is_abandoned(path, began)
    assert not is_abandoned(path, began + timedelta(days=1))
    assert is_abandoned(path, began + timedelta(days=1, microseconds=1))


def test_what_no_run_staged_is_abandoned():
    assert is_abandoned("staging/reviewed.csv", datetime.now(UTC))
