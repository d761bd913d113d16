"""What a run that is done leaves in the staging of its month."""

import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from nyc_tlc.adapters.lake.folder import FolderLake
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.runs.run_table import Status, start
from nyc_tlc.steps.staging import clear_failed, clear_superseded, work_folder
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
    staged(lake, _GREEN, datetime.now(UTC) + timedelta(days=400))  # by a clock that was ahead
    clear_superseded(own, lake)
    assert kept(lake) == {later.staged, neighbour.staged}


def test_a_month_that_failed_clears_its_own_only_for_an_earlier_run_may_be_right(tmp_path):
    lake = FolderLake(tmp_path)
    earlier = staged(lake, _GREEN, _NOW - timedelta(minutes=1))
    own = staged(lake, _GREEN, _NOW)
    clear_failed([replace(own, status=Status.FAILED)], lake)
    assert kept(lake) == {earlier.staged}


def test_a_part_that_nobody_came_back_for_is_deleted_whoever_works_next(tmp_path):
    yesterday = time.time() - 90_000
    old, new = tmp_path / "land_green_2024_01", tmp_path / "land_green_2024_02"
    cached = tmp_path / "lake_cache" / "gs%3A%2F%2Flake"
    for folder in (old, new, cached):
        folder.mkdir(parents=True)
        for name in ("a.parquet.part", "a.parquet.part.etag", "a.parquet"):
            (folder / name).touch()
            if folder != new:
                os.utime(folder / name, (yesterday, yesterday))
    with work_folder(tmp_path, "other"):
        pass
    left = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.parquet*"))
    assert left == [
        "lake_cache/gs%3A%2F%2Flake/a.parquet",
        "land_green_2024_01/a.parquet",
        "land_green_2024_02/a.parquet",
        "land_green_2024_02/a.parquet.part",
        "land_green_2024_02/a.parquet.part.etag",
    ]
