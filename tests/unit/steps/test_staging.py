"""What a run that is done leaves in the staging of its month."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from nyc_tlc.adapters.lake.folder import FolderLake
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.runs.run_table import Status, start
from nyc_tlc.steps.staging import clear_failed, clear_superseded
from tests.partitions import named

_GREEN = named("green 2024-01")
_NEIGHBOUR = named("green 2024-02")
_NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)


def staged(lake, partition, now):
    """A row of a run that began then, with a file that it staged."""
    (row,) = start([partition], force=False, now=now)
    folder = f"{lake_paths.staging(partition)}{'0' * 16}_{row.run}/"
    lake.write(lake_paths.raw(partition, "0" * 64, ".parquet"), b"", if_generation=None)
    lake.write(f"{folder}conformed.json", b"{}", if_generation=None)
    return replace(row, staged=folder)


def kept(lake):
    return {stored.path.removesuffix("conformed.json") for stored in lake.list("staging/")}


@pytest.mark.parametrize("apart", [timedelta(microseconds=1), timedelta(days=3)])
def test_a_proved_month_clears_what_earlier_runs_staged_of_it_and_not_later_ones(tmp_path, apart):
    lake = FolderLake(tmp_path)
    staged(lake, _GREEN, _NOW - apart)
    own = staged(lake, _GREEN, _NOW)
    later = staged(lake, _GREEN, _NOW + apart)
    neighbour = staged(lake, _NEIGHBOUR, _NOW - apart)
    clear_superseded(own, lake)
    assert kept(lake) == {later.staged, neighbour.staged}


def test_a_month_that_failed_clears_its_own_only_for_an_earlier_run_may_be_right(tmp_path):
    lake = FolderLake(tmp_path)
    earlier = staged(lake, _GREEN, _NOW - timedelta(minutes=1))
    own = staged(lake, _GREEN, _NOW)
    clear_failed([replace(own, status=Status.FAILED)], lake)
    assert kept(lake) == {earlier.staged}
