"""Copies of a bucket's objects on local disk, which another run may drop at any moment."""

import pytest

from nyc_tlc.adapters.lake.bucket import LakeCache
from nyc_tlc.core.lake.records import StoredObject
from tests.ports.meanwhile import meanwhile

DATA = b"trips"
MONTH = "raw/service=green/year=2024/month=01/"


def stored(name, generation=1):
    return StoredObject(path=f"{MONTH}{name}", bytes=len(DATA), generation=generation, crc32c="")


def download(_stored, file):
    file.write_bytes(DATA)


def refuse(_stored, _file):
    raise AssertionError("a copy is there")


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_all_copies_below_a_prefix_are_dropped_and_no_others(tmp_path):
    cache = LakeCache(tmp_path / "cache", url="gs://lake")
    neighbour = StoredObject(
        path="raw/service=green/year=2024/month=02/a", bytes=len(DATA), generation=1, crc32c=""
    )
    for number, one in enumerate((stored("a"), stored("b", 2), neighbour)):
        file = tmp_path / str(number)
        file.write_bytes(DATA)
        cache.keep(file, one)
    cache.drop(MONTH)
    (left,) = files(tmp_path)
    assert "month=02" in str(left)
    with cache.open(neighbour, refuse) as copy:
        assert copy.read() == DATA


def test_a_download_is_dropped_when_it_was_read_and_a_kept_file_stays(tmp_path):
    cache = LakeCache(tmp_path / "cache", url="gs://lake")
    with cache.open(stored("a"), download) as copy, cache.open(stored("a"), refuse) as second:
        assert copy.read() == second.read() == DATA
    assert files(tmp_path) == []


def test_a_copy_that_is_not_whole_is_not_used(tmp_path):
    cache = LakeCache(tmp_path / "cache", url="gs://lake")
    (tmp_path / "short").write_bytes(b"tr")
    cache.keep(tmp_path / "short", stored("a"))
    with cache.open(stored("a"), download) as copy:
        assert copy.read() == DATA


@pytest.mark.parametrize("round_", range(3))
def test_runs_that_drop_and_runs_that_keep_do_not_trip_over_one_another(tmp_path, round_):
    cache = LakeCache(tmp_path / "cache", url="gs://lake")
    with meanwhile(lambda: cache.drop(MONTH)):
        for number in range(300):
            file = tmp_path / "made"
            file.write_bytes(DATA)
            cache.keep(file, stored("a", number))
            with cache.open(stored("a", number), download) as copy:
                assert copy.read() == DATA
