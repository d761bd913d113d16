"""What the steps rely on in a lake, whichever it is."""

from __future__ import annotations

import io
import os
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded.servers.gcs import GcsServer
from nyc_tlc.adapters.lake import gcs as gcs_adapter
from nyc_tlc.adapters.lake import object_store
from nyc_tlc.adapters.lake.folder import FolderLake
from nyc_tlc.adapters.lake.gcs import GcsLake
from nyc_tlc.adapters.lake.object_store import ObjectStoreLake
from nyc_tlc.core.errors import ConfigurationError, ReconciliationError
from nyc_tlc.ports.lake import Lake
from tests.ports.lake.object_stores import ObjectStore

PATH = "trips/service=green/year=2024/month=01/green 2024-01.parquet"
CHECK = b"123456789"
CHECK_CRC32C = "4waSgw=="
"""The check value of CRC-32C, 0xE3069283 (RFC 3720's polynomial), as GCS writes it."""


def _gcs_lake(server: GcsServer, cache: Path, prefix: str) -> GcsLake:
    return gcs_adapter.connect(
        f"gs://{server.bucket}/{prefix}", cache=cache, emulator=server.url, key_file=None
    )


@pytest.fixture
def prefix() -> str:
    return f"test {uuid.uuid4().hex[:12]}/lake"


@pytest.fixture
def gcs_lake(gcs: GcsServer, tmp_path: Path, prefix: str) -> GcsLake:
    return _gcs_lake(gcs, tmp_path / "cache", prefix)


@pytest.fixture
def folder_lake(tmp_path: Path) -> FolderLake:
    return FolderLake(tmp_path / "a lake")


@pytest.fixture
def s3_lake(
    s3: ObjectStore, tmp_path: Path, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> ObjectStoreLake:
    return _object_store_lake(s3, tmp_path, prefix, monkeypatch)


@pytest.fixture
def azure_lake(
    azure: ObjectStore, tmp_path: Path, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> ObjectStoreLake:
    return _object_store_lake(azure, tmp_path, prefix, monkeypatch)


def _object_store_lake(
    server: ObjectStore, tmp_path: Path, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> ObjectStoreLake:
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    return object_store.connect(f"{server.url}/{prefix}", cache=tmp_path / "cache")


@pytest.fixture
def cloud_lake(tmp_path: Path, prefix: str) -> Iterator[Lake]:
    """A lake of `TLC_TEST_LAKE_URL`, below a prefix that is emptied afterwards."""
    url = os.environ.get("TLC_TEST_LAKE_URL")
    if not url:
        pytest.skip("TLC_TEST_LAKE_URL is not set; see docs/lake.md")
    url = f"{url.rstrip('/')}/{prefix}"
    if url.startswith("gs://"):
        lake: Lake = gcs_adapter.connect(
            url, cache=tmp_path / "cache", emulator=None, key_file=None
        )
    else:
        lake = object_store.connect(url, cache=tmp_path / "cache")
    yield lake
    for stored in list(lake.list("")):
        lake.delete(stored.path)


@pytest.fixture(
    params=["folder", "gcs", "s3", "azure", pytest.param("cloud", marks=pytest.mark.cloud)]
)
def lake(request: pytest.FixtureRequest) -> Lake:
    return request.getfixturevalue(f"{request.param}_lake")


@pytest.fixture
def guarded_lake(request: pytest.FixtureRequest, lake: Lake) -> Lake:
    """A lake whose store heeds preconditions."""
    if request.node.callspec.params["lake"] == "gcs":
        pytest.skip("gcp-storage-emulator ignores ifGenerationMatch; see test_gcs_wire.py")
    return lake


@pytest.fixture
def counting_lake(lake: Lake) -> Lake:
    """A lake that tells two writes of the same bytes apart."""
    if lake.url.startswith("s3://"):
        pytest.skip("an ETag of S3 is the same for the same bytes, which harms nobody")
    return lake


def _file(folder: Path, content: bytes) -> Path:
    file = folder / f"{uuid.uuid4().hex}.tmp"
    file.write_bytes(content)
    return file


def _read(lake: Lake, path: str) -> bytes:
    with lake.open(path) as stream:
        return stream.read()


def _paths(lake: Lake, prefix: str) -> list[str]:
    return [stored.path for stored in lake.list(prefix)]


def test_files_whose_names_are_no_paths_are_left_out(tmp_path: Path) -> None:
    lake = FolderLake(tmp_path)
    lake.write("trips/ok", b"1", if_generation=None)
    for name in ("a\nb", "a\\b", "a\u200bb"):
        (tmp_path / "trips" / name).write_bytes(b"1")
    assert _paths(lake, "trips/") == ["trips/ok"]


def test_object_that_was_never_written_is_none(lake: Lake) -> None:
    assert lake.stat(PATH) is None
    assert lake.read(PATH) is None


def test_written_object_is_read_back_with_its_generation(lake: Lake) -> None:
    written = lake.write(PATH, b'{"rows": 1}', if_generation=None)
    assert lake.read(PATH) == (b'{"rows": 1}', written.generation)
    found = lake.stat(PATH)
    assert found is not None
    assert (found.path, found.bytes, found.generation) == (PATH, 11, written.generation)


def test_empty_object_is_an_object(lake: Lake) -> None:
    written = lake.write(PATH, b"", if_generation=None)
    assert lake.read(PATH) == (b"", written.generation)


def test_every_write_changes_the_generation(counting_lake: Lake, tmp_path: Path) -> None:
    lake = counting_lake
    generations = [lake.write(PATH, b"same", if_generation=None).generation for _ in range(10)]
    generations.append(lake.upload(_file(tmp_path, b"same"), PATH).generation)
    lake.write("other", b"same", if_generation=None)
    generations.append(lake.copy("other", PATH, if_generation=generations[-1]).generation)
    assert len(set(generations)) == 12
    assert 0 not in generations


def test_write_replaces_the_generation_it_was_given(lake: Lake) -> None:
    first = lake.write(PATH, b"1", if_generation=0)
    lake.write(PATH, b"2", if_generation=first.generation)
    assert _read(lake, PATH) == b"2"


def test_write_of_a_new_object_refuses_one_that_is_there(guarded_lake: Lake) -> None:
    before = guarded_lake.write(PATH, b"theirs", if_generation=0)
    with pytest.raises(ReconciliationError, match="changed by another run"):
        guarded_lake.write(PATH, b"ours", if_generation=0)
    assert guarded_lake.read(PATH) == (b"theirs", before.generation)
    assert _paths(guarded_lake, "") == [PATH]


def test_write_over_a_stale_generation_changes_nothing(guarded_lake: Lake) -> None:
    stale = guarded_lake.write(PATH, b"seen", if_generation=None)
    now = guarded_lake.write(PATH, b"theirs", if_generation=None)
    with pytest.raises(ReconciliationError, match="changed by another run"):
        guarded_lake.write(PATH, b"ours", if_generation=stale.generation)
    assert guarded_lake.read(PATH) == (b"theirs", now.generation)


@pytest.mark.parametrize("stale", [0, 12345])
def test_copy_over_a_changed_target_changes_nothing(guarded_lake: Lake, stale: int) -> None:
    guarded_lake.write("staged", b"ours", if_generation=None)
    now = guarded_lake.write(PATH, b"theirs", if_generation=None)
    with pytest.raises(ReconciliationError, match="changed by another run"):
        guarded_lake.copy("staged", PATH, if_generation=stale)
    assert guarded_lake.read(PATH) == (b"theirs", now.generation)


def test_write_expecting_an_object_that_is_gone_is_refused(guarded_lake: Lake) -> None:
    seen = guarded_lake.write(PATH, b"seen", if_generation=0)
    guarded_lake.delete(PATH)
    with pytest.raises(ReconciliationError, match="changed by another run"):
        guarded_lake.write(PATH, b"ours", if_generation=seen.generation)
    assert guarded_lake.stat(PATH) is None


def test_take_moves_the_file_and_knows_its_checksum(lake: Lake, tmp_path: Path) -> None:
    file = _file(tmp_path, CHECK)
    stored = lake.upload(file, PATH)
    assert not file.exists()
    assert (stored.path, stored.bytes, stored.crc32c) == (PATH, 9, CHECK_CRC32C)
    assert _read(lake, PATH) == CHECK


def test_write_and_copy_know_the_same_checksum(lake: Lake) -> None:
    assert lake.write("staged", CHECK, if_generation=None).crc32c == CHECK_CRC32C
    copied = lake.copy("staged", PATH, if_generation=0)
    assert (copied.path, copied.bytes, copied.crc32c) == (PATH, 9, CHECK_CRC32C)


def test_take_replaces_what_is_there(lake: Lake, tmp_path: Path) -> None:
    lake.upload(_file(tmp_path, b"a long first version"), PATH)
    second = lake.upload(_file(tmp_path, b"second"), PATH)
    assert _read(lake, PATH) == b"second"
    assert lake.stat(PATH).generation == second.generation  # type: ignore[union-attr]
    assert _paths(lake, "") == [PATH]


def test_copy_leaves_its_source_as_it_was(lake: Lake, tmp_path: Path) -> None:
    staged = lake.upload(_file(tmp_path, b"rows"), "staged/a=1/x")
    copied = lake.copy("staged/a=1/x", PATH, if_generation=0)
    assert _read(lake, PATH) == b"rows"
    assert lake.stat("staged/a=1/x").generation == staged.generation  # type: ignore[union-attr]
    lake.copy("staged/a=1/x", "second target", if_generation=0)
    assert lake.stat(PATH).generation == copied.generation  # type: ignore[union-attr]


def test_copy_and_its_source_live_on_their_own(lake: Lake, tmp_path: Path) -> None:
    lake.upload(_file(tmp_path, b"rows"), "staged")
    lake.copy("staged", PATH, if_generation=0)
    lake.upload(_file(tmp_path, b"others"), "staged")
    assert _read(lake, PATH) == b"rows"
    lake.delete("staged")
    assert _read(lake, PATH) == b"rows"


def test_copy_of_an_object_that_is_gone_is_refused(lake: Lake) -> None:
    with pytest.raises(ReconciliationError, match="is gone"):
        lake.copy("staged", PATH, if_generation=0)
    assert lake.stat(PATH) is None


def test_changed_bytes_change_the_generation(lake: Lake, tmp_path: Path) -> None:
    generations = [
        lake.write(PATH, b"%d" % number, if_generation=None).generation for number in range(4)
    ]
    generations.append(lake.upload(_file(tmp_path, b"taken"), PATH).generation)
    assert len(set(generations)) == 5
    assert 0 not in generations


def test_copying_twice_leaves_one_object_each(lake: Lake, tmp_path: Path) -> None:
    lake.upload(_file(tmp_path, b"rows"), "staged")
    first = lake.copy("staged", PATH, if_generation=0)
    second = lake.copy("staged", PATH, if_generation=first.generation)
    assert lake.stat(PATH).generation == second.generation  # type: ignore[union-attr]
    assert _paths(lake, "") == ["staged", PATH]


def test_open_object_can_be_read_from_any_place(lake: Lake) -> None:
    lake.write(PATH, bytes(range(256)) * 4, if_generation=None)
    with lake.open(PATH) as stream:
        assert stream.seek(-4, io.SEEK_END) == 1020
        assert stream.read() == bytes([252, 253, 254, 255])
        stream.seek(2)
        assert stream.read(3) == bytes([2, 3, 4])
        assert stream.tell() == 5


def test_opening_an_object_that_is_gone_is_refused(lake: Lake) -> None:
    with pytest.raises(ReconciliationError, match="is gone"), lake.open(PATH):
        pytest.fail("there is nothing to read")


def test_deleting_twice_is_as_good_as_once(lake: Lake) -> None:
    lake.write(PATH, b"x", if_generation=None)
    lake.write(f"{PATH}.manifest", b"stays", if_generation=None)
    lake.delete(PATH)
    lake.delete(PATH)
    assert lake.stat(PATH) is None
    assert _paths(lake, "trips/") == [f"{PATH}.manifest"]


def test_deleting_from_an_empty_lake_does_nothing(lake: Lake) -> None:
    lake.delete(PATH)
    assert _paths(lake, "trips/") == []


def test_deleted_object_can_be_written_again(lake: Lake) -> None:
    lake.write(PATH, b"1", if_generation=0)
    lake.delete(PATH)
    lake.write(PATH, b"2", if_generation=0)
    assert _read(lake, PATH) == b"2"


def test_released_object_stays_in_the_lake(lake: Lake, tmp_path: Path) -> None:
    lake.upload(_file(tmp_path, b"rows"), PATH)
    lake.drop_cached(PATH)
    lake.drop_cached(PATH)
    lake.drop_cached("never written")
    assert _read(lake, PATH) == b"rows"


def test_list_is_what_lies_below_a_prefix(lake: Lake) -> None:
    for path in ("trips/a=10/x", "trips/a=1/y z", "trips/a=1/x", "raw/a=1/x", "trips-old/x"):
        lake.write(path, path.encode(), if_generation=None)
    assert _paths(lake, "trips/") == ["trips/a=1/x", "trips/a=1/y z", "trips/a=10/x"]
    assert _paths(lake, "trips/a=1") == ["trips/a=1/x", "trips/a=1/y z", "trips/a=10/x"]
    assert _paths(lake, "trips/a=1/") == ["trips/a=1/x", "trips/a=1/y z"]
    assert _paths(lake, "trips/a=1/y") == ["trips/a=1/y z"]
    assert _paths(lake, "trips/b") == []
    assert _paths(lake, "nothing/here/") == []


def test_list_knows_size_and_generation(lake: Lake) -> None:
    written = lake.write(PATH, b"12345", if_generation=None)
    (listed,) = lake.list("trips/")
    assert (listed.bytes, listed.generation) == (5, written.generation)


def test_list_of_everything_is_every_object(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "not in the lake").write_text("")
    lake.write("raw/x", b"", if_generation=None)
    lake.write("top", b"", if_generation=None)
    assert _paths(lake, "") == ["raw/x", "top"]


def test_list_ascends_by_path_even_where_folders_would_not(lake: Lake) -> None:
    for path in ("a/z", "a-b", "a.json"):
        lake.write(path, b"", if_generation=None)
    assert _paths(lake, "a") == ["a-b", "a.json", "a/z"]


def test_folder_is_not_an_object(lake: Lake) -> None:
    lake.write("trips/x", b"", if_generation=None)
    assert lake.stat("trips") is None
    assert lake.read("trips") is None


def test_lakes_side_by_side_do_not_meet(lake: Lake, gcs: GcsServer, tmp_path: Path) -> None:
    lake.write("x", b"ours", if_generation=None)
    folder = FolderLake(tmp_path / "another")
    bucket = _gcs_lake(gcs, tmp_path / "another cache", uuid.uuid4().hex)
    for other in (folder, bucket):
        assert other.stat("x") is None
        assert _paths(other, "x") == []


def test_url_names_the_lake(folder_lake: FolderLake, gcs_lake: GcsLake, prefix: str) -> None:
    assert folder_lake.url.startswith("file:///")
    assert gcs_lake.url == f"gs://nyc-tlc-lake/{prefix}"


class TestFolderLake:
    """What only a folder can do wrong."""

    def test_reader_never_sees_half_an_object(self, folder_lake: FolderLake, tmp_path: Path):
        size, torn, done = 300_000, [], threading.Event()
        folder_lake.write("x", b"0" * size, if_generation=None)

        def read() -> None:
            while not done.is_set():
                with folder_lake.open("x") as stream:
                    content = stream.read()
                if len(content) != size or len(set(content)) != 1:
                    torn.append(content[:10])

        reader = threading.Thread(target=read)
        reader.start()
        for version in range(150):
            folder_lake.upload(_file(tmp_path, b"%d" % (version % 10) * size), "x")
        done.set()
        reader.join()
        assert torn == []

    def test_reader_keeps_the_version_it_opened(self, folder_lake: FolderLake) -> None:
        folder_lake.write("x", b"old", if_generation=None)
        with folder_lake.open("x") as stream:
            folder_lake.write("x", b"new", if_generation=None)
            assert stream.read() == b"old"

    def test_of_writers_at_once_one_wins_and_the_others_know(self, folder_lake: FolderLake) -> None:
        start, outcomes = threading.Barrier(8), []

        def write(number: int) -> None:
            start.wait()
            try:
                folder_lake.write("x", b"%d" % number, if_generation=0)
            except ReconciliationError:
                outcomes.append("refused")
            else:
                outcomes.append(number)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (winner,) = [outcome for outcome in outcomes if outcome != "refused"]
        assert len(outcomes) == 8
        assert _read(folder_lake, "x") == b"%d" % winner

    def test_nothing_is_left_behind(self, folder_lake: FolderLake, tmp_path: Path) -> None:
        folder_lake.upload(_file(tmp_path, b"rows"), "staged")
        first = folder_lake.copy("staged", "x", if_generation=0)
        folder_lake.copy("staged", "x", if_generation=first.generation)
        folder_lake.delete("staged")
        with pytest.raises(ReconciliationError):
            folder_lake.write("x", b"", if_generation=0)
        with pytest.raises(ReconciliationError):
            folder_lake.copy("staged", "x", if_generation=0)
        assert _incoming(tmp_path / "a lake") == []

    def test_lake_can_be_opened_while_others_write(
        self, folder_lake: FolderLake, tmp_path: Path
    ) -> None:
        done = threading.Event()

        def write() -> None:
            while not done.is_set():
                folder_lake.write("x", b"", if_generation=None)

        writers = [threading.Thread(target=write) for _ in range(2)]
        for writer in writers:
            writer.start()
        try:
            for _ in range(1000):
                assert FolderLake(tmp_path / "a lake").url == folder_lake.url
        finally:
            done.set()
            for writer in writers:
                writer.join()

    def test_delete_removes_the_folders_it_empties(self, folder_lake: FolderLake, tmp_path: Path):
        folder_lake.write("raw/x", b"", if_generation=None)
        folder_lake.write(PATH, b"", if_generation=None)
        folder_lake.delete(PATH)
        assert not (tmp_path / "a lake" / "trips").exists()
        assert (tmp_path / "a lake" / "raw" / "x").exists()

    @pytest.mark.parametrize(
        "call",
        [
            lambda lake: lake.stat("../x"),
            lambda lake: lake.read("../x"),
            lambda lake: lake.write("a/../../x", b"", if_generation=None),
            lambda lake: lake.copy("../x", "y", if_generation=0),
            lambda lake: lake.copy("there", "../x", if_generation=0),
            lambda lake: lake.open("../x").__enter__(),
            lambda lake: lake.delete("../x"),
        ],
    )
    def test_path_out_of_the_lake_is_refused(self, folder_lake: FolderLake, tmp_path: Path, call):
        (tmp_path / "x").write_text("not ours")
        folder_lake.write("there", b"", if_generation=None)
        with pytest.raises(ValueError, match="leaves the lake"):
            call(folder_lake)
        assert (tmp_path / "x").read_text() == "not ours"
        assert _incoming(tmp_path / "a lake") == []

    def test_file_refused_for_its_path_stays_where_it_was(
        self, folder_lake: FolderLake, tmp_path: Path
    ) -> None:
        file = _file(tmp_path, b"rows")
        with pytest.raises(ValueError, match="leaves the lake"):
            folder_lake.upload(file, "../x")
        assert file.read_bytes() == b"rows"
        assert _incoming(tmp_path / "a lake") == []

    def test_lake_that_is_no_folder_is_a_configuration_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(ConfigurationError):
            FolderLake(tmp_path / "file").write("x", b"", if_generation=None)


class TestGcsLakeCache:
    """The copies that the bucket's lake keeps on local disk."""

    def test_taken_file_is_opened_from_local_disk(self, gcs_lake: GcsLake, tmp_path: Path) -> None:
        gcs_lake.upload(_file(tmp_path, b"rows"), PATH)
        with gcs_lake.open(PATH) as stream:
            assert Path(stream.name).is_relative_to(tmp_path / "cache")
            assert stream.read() == b"rows"

    def test_copy_is_not_used_once_somebody_else_wrote(
        self, gcs: GcsServer, gcs_lake: GcsLake, tmp_path: Path, prefix: str
    ) -> None:
        gcs_lake.upload(_file(tmp_path, b"ours"), PATH)
        _gcs_lake(gcs, tmp_path / "theirs", prefix).write(PATH, b"theirs", if_generation=None)
        assert _read(gcs_lake, PATH) == b"theirs"

    def test_released_object_is_read_from_the_bucket(
        self, gcs_lake: GcsLake, tmp_path: Path
    ) -> None:
        gcs_lake.upload(_file(tmp_path, b"first"), PATH)
        gcs_lake.upload(_file(tmp_path, b"second"), PATH)
        gcs_lake.drop_cached(PATH)
        assert _files(tmp_path / "cache") == []
        assert _read(gcs_lake, PATH) == b"second"

    def test_deleted_object_leaves_no_copy(self, gcs_lake: GcsLake, tmp_path: Path) -> None:
        gcs_lake.upload(_file(tmp_path, b"rows"), PATH)
        gcs_lake.upload(_file(tmp_path, b"rows"), "other")
        gcs_lake.delete(PATH)
        (kept,) = _files(tmp_path / "cache")
        assert kept.parent.name == "other"

    def test_written_object_is_read_from_the_bucket(self, gcs_lake: GcsLake, tmp_path: Path):
        gcs_lake.write(PATH, b"small", if_generation=None)
        assert _files(tmp_path / "cache") == []
        assert _read(gcs_lake, PATH) == b"small"


def _incoming(root: Path) -> list[str]:
    return [file.name for file in (root / ".incoming").glob("*") if file.name != "lock"]


def _files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]
