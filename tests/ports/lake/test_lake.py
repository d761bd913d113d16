"""What the steps rely on in a lake, whichever it is."""

import io
import os
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from embedded.servers.gcs import GcsServer
from nyc_tlc.adapters.lake import gcs as gcs_adapter
from nyc_tlc.adapters.lake import object_store
from nyc_tlc.adapters.lake.folder import FolderLake
from nyc_tlc.adapters.lake.gcs import GcsLake
from nyc_tlc.core.errors import ConfigurationError, ReconciliationError
from nyc_tlc.core.lake.records import Generation
from nyc_tlc.ports.lake import Lake
from tests.ports.meanwhile import meanwhile
from tests.ports.months import at_once

PATH = "trips/service=green/year=2024/month=01/green 2024-01.parquet"
CHECK = b"123456789"
CHECK_CRC32C = "4waSgw=="
"""The check value of CRC-32C, 0xE3069283 (RFC 3720's polynomial), as GCS writes it."""


@pytest.fixture
def prefix() -> str:
    return f"test {uuid.uuid4().hex[:12]}/lake"


@pytest.fixture
def gcs_lake(gcs, tmp_path, prefix) -> GcsLake:
    return _gcs_lake(gcs, tmp_path / "cache", prefix)


def _gcs_lake(server: GcsServer, cache: Path, prefix: str) -> GcsLake:
    return gcs_adapter.connect(
        f"gs://{server.bucket}/{prefix}", cache=cache, emulator=server.url, key_file=None
    )


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "a lake"


@pytest.fixture
def folder_lake(root) -> FolderLake:
    return FolderLake(root)


@pytest.fixture
def cloud_lake(tmp_path, prefix) -> Iterator[Lake]:
    """A lake of `TLC_TEST_LAKE_URL`, below a prefix that is emptied afterwards."""
    bucket, cache = os.environ.get("TLC_TEST_LAKE_URL", ""), tmp_path / "cache"
    if not bucket:
        pytest.skip("TLC_TEST_LAKE_URL is not set; see docs/lake.md")
    url = f"{bucket.rstrip('/')}/{prefix}"
    lake: Lake = (
        gcs_adapter.connect(url, cache=cache, emulator=None, key_file=None)
        if url.startswith("gs://")
        else object_store.connect(url, cache=cache)
    )
    yield lake
    for stored in list(lake.list("")):
        lake.delete(stored.path)


@pytest.fixture(
    params=["folder", "gcs", "s3", "azure", pytest.param("cloud", marks=pytest.mark.cloud)]
)
def lake(request, cloud_url, tmp_path, prefix) -> Lake:
    if request.param in {"s3", "azure"}:
        url = f"{cloud_url(request.param)}/{prefix}"
        return object_store.connect(url, cache=tmp_path / "cache")
    return request.getfixturevalue(f"{request.param}_lake")


@pytest.fixture
def file(tmp_path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        file = tmp_path / f"{uuid.uuid4().hex}.tmp"
        file.write_bytes(content)
        return file

    return write


def _read(lake: Lake, path: str) -> bytes:
    with lake.open(path) as stream:
        return stream.read()


def _paths(lake: Lake, prefix: str) -> list[str]:
    return [stored.path for stored in lake.list(prefix)]


def _generation(lake: Lake, path: str) -> Generation:
    return lake.stat(path).generation


def test_what_was_never_written_or_is_a_folder_is_none(lake):
    lake.write("trips/x", b"", if_generation=None)
    for path in (PATH, "trips"):
        assert lake.stat(path) is None
        assert lake.read(path) is None


@pytest.mark.parametrize("content", [CHECK, b""])
def test_written_object_is_read_back_with_its_generation(lake, content):
    written = lake.write(PATH, content, if_generation=0)
    assert written.crc32c == (CHECK_CRC32C if content else "AAAAAA==")
    assert lake.read(PATH) == (content, written.generation)
    found = lake.stat(PATH)
    assert (found.path, found.bytes, found.generation) == (PATH, len(content), written.generation)
    (listed,) = lake.list("trips/")
    assert (listed.bytes, listed.generation) == (len(content), written.generation)
    lake.write(PATH, b"2", if_generation=written.generation)
    assert _read(lake, PATH) == b"2"


def test_every_write_changes_the_generation(lake, file):
    """Of S3 only that of other bytes: the same ETag for the same bytes harms nobody."""
    contents = [b"%d" % (n if lake.url.startswith("s3://") else 0) for n in range(12)]
    generations = [lake.write(PATH, one, if_generation=None).generation for one in contents[:10]]
    generations.append(lake.upload(file(contents[10]), PATH).generation)
    lake.write("other", contents[11], if_generation=None)
    generations.append(lake.copy("other", PATH, if_generation=generations[-1]).generation)
    assert len(set(generations)) == 12
    assert 0 not in generations


@pytest.mark.parametrize(
    "change",
    [
        lambda lake, generation: lake.write(PATH, b"ours", if_generation=generation),
        lambda lake, generation: lake.copy("staged", PATH, if_generation=generation),
    ],
    ids=["write", "copy"],
)
@pytest.mark.parametrize("expected", ["none", "an older one", "one that is gone"])
def test_object_of_another_generation_than_expected_stays(request, lake, change, expected):
    if request.node.callspec.params["lake"] == "gcs":
        pytest.skip("gcp-storage-emulator ignores ifGenerationMatch; see test_gcs_wire.py")
    lake.write("staged", b"ours", if_generation=None)
    seen = lake.write(PATH, b"seen", if_generation=0)
    if expected == "one that is gone":
        lake.delete(PATH)
    else:
        lake.write(PATH, b"theirs", if_generation=None)
    before = lake.read(PATH)
    with pytest.raises(ReconciliationError, match="changed by another run"):
        change(lake, 0 if expected == "none" else seen.generation)
    assert lake.read(PATH) == before


def test_uploaded_file_is_moved_and_replaces_what_is_there(lake, file):
    lake.upload(file(b"a long first version"), PATH)
    second = file(CHECK)
    stored = lake.upload(second, PATH)
    assert not second.exists()
    assert (stored.path, stored.bytes, stored.crc32c) == (PATH, 9, CHECK_CRC32C)
    assert _read(lake, PATH) == CHECK
    assert _generation(lake, PATH) == stored.generation
    assert _paths(lake, "") == [PATH]


def test_copy_and_its_source_are_independent(lake, file):
    source = "staged/a=1/x"
    staged = lake.upload(file(CHECK), source)
    copied = lake.copy(source, PATH, if_generation=0)
    assert (copied.path, copied.bytes, copied.crc32c) == (PATH, 9, CHECK_CRC32C)
    lake.copy(source, "second target", if_generation=0)
    assert _generation(lake, source) == staged.generation
    assert _generation(lake, PATH) == copied.generation
    again = lake.copy(source, PATH, if_generation=copied.generation)
    assert _generation(lake, PATH) == again.generation
    lake.upload(file(b"others"), source)
    assert _read(lake, PATH) == CHECK
    lake.delete(source)
    assert _read(lake, PATH) == CHECK
    assert _paths(lake, "") == ["second target", PATH]


@pytest.mark.parametrize(
    "call",
    [
        lambda lake: lake.copy("staged", PATH, if_generation=0),
        lambda lake: lake.open(PATH).__enter__(),
        lambda lake: lake.open_range(PATH).__enter__(),
    ],
    ids=["copy", "open", "open_range"],
)
def test_object_that_is_gone_is_refused(lake, call):
    with pytest.raises(ReconciliationError, match="is gone"):
        call(lake)
    assert lake.stat(PATH) is None


@pytest.mark.parametrize("method", ["open", "open_range"])
def test_open_object_can_be_read_from_any_place(lake, method):
    lake.write(PATH, bytes(range(256)) * 4, if_generation=None)
    with getattr(lake, method)(PATH) as stream:
        assert stream.seek(-4, io.SEEK_END) == 1020
        assert stream.read() == bytes([252, 253, 254, 255])
        stream.seek(2)
        assert stream.read(3) == bytes([2, 3, 4])
        assert stream.tell() == 5


def test_reader_keeps_the_version_it_opened(lake):
    lake.write(PATH, b"old", if_generation=None)
    with lake.open(PATH) as stream:
        lake.write(PATH, b"new", if_generation=None)
        assert stream.read() == b"old"


def test_deleting_twice_is_as_good_as_once(lake):
    lake.delete(PATH)
    lake.write(PATH, b"1", if_generation=0)
    lake.write(f"{PATH}.manifest", b"stays", if_generation=None)
    lake.delete(PATH)
    lake.delete(PATH)
    assert lake.stat(PATH) is None
    assert _paths(lake, "trips/") == [f"{PATH}.manifest"]
    lake.write(PATH, b"2", if_generation=0)
    assert _read(lake, PATH) == b"2"


def test_list_is_what_is_below_a_prefix_ascending_by_path(lake, tmp_path):
    (tmp_path / "not in the lake").write_text("")
    ours = ["a-b", "a.json", "a/z", "raw/a=1/x"]  # folders would put `a` before `a-b`
    trips = ["trips/a=1/x", "trips/a=1/y z", "trips/a=10/x"]
    for path in [trips[2], trips[1], *reversed(ours), trips[0], "trips-old/x"]:
        lake.write(path, path.encode(), if_generation=None)
    assert _paths(lake, "") == [*ours, "trips-old/x", *trips]
    assert _paths(lake, "a") == ours[:3]
    assert _paths(lake, "trips/") == _paths(lake, "trips/a=1") == trips
    assert _paths(lake, "trips/a=1/") == trips[:2]
    assert _paths(lake, "trips/a=1/y") == trips[1:2]
    assert _paths(lake, "trips/b") == _paths(lake, "nothing/here/") == []


def test_neighbouring_lakes_do_not_meet(lake, gcs, tmp_path):
    lake.write("x", b"ours", if_generation=None)
    folder = FolderLake(tmp_path / "another")
    bucket = _gcs_lake(gcs, tmp_path / "another cache", uuid.uuid4().hex)
    assert folder.url == (tmp_path / "another").as_uri()
    assert bucket.url.startswith("gs://nyc-tlc-lake/")
    for other in (folder, bucket):
        assert other.stat("x") is None
        assert _paths(other, "x") == []


class TestFolderLake:
    """What only a folder can do wrong."""

    def test_files_whose_names_are_no_paths_are_left_out(self, folder_lake, root):
        folder_lake.write("trips/ok", b"1", if_generation=None)
        for name in ("a\nb", "a\\b", "a\u200bb"):
            (root / "trips" / name).write_bytes(b"1")
        assert _paths(folder_lake, "trips/") == ["trips/ok"]

    def test_reader_never_sees_half_an_object(self, folder_lake, file):
        size = 300_000
        folder_lake.write("x", b"0" * size, if_generation=None)

        def read() -> None:
            content = _read(folder_lake, "x")
            assert (len(content), len(set(content))) == (size, 1)

        with meanwhile(read):
            for version in range(150):
                folder_lake.upload(file(b"%d" % (version % 10) * size), "x")

    def test_of_writers_at_once_one_wins_and_the_others_know(self, folder_lake):
        def write(number: int) -> bytes | None:
            try:
                folder_lake.write("x", b"%d" % number, if_generation=0)
            except ReconciliationError:
                return None
            return b"%d" % number

        (winner,) = filter(None, at_once([partial(write, number) for number in range(8)]))
        assert _read(folder_lake, "x") == winner

    def test_nothing_is_left_behind(self, folder_lake, root, file):
        folder_lake.upload(file(b"rows"), "staged")
        first = folder_lake.copy("staged", "x", if_generation=0)
        folder_lake.copy("staged", "x", if_generation=first.generation)
        with pytest.raises(ReconciliationError):
            folder_lake.write("x", b"", if_generation=0)
        with pytest.raises(ReconciliationError):
            folder_lake.copy("staged", "x", if_generation=0)
        assert _incoming(root) == []

    @pytest.mark.parametrize("permissions", [0o755, 0o2770, 0o700], ids=oct)
    def test_everything_has_the_permissions_of_the_top_folder(
        self, folder_lake, root, file, permissions
    ):
        """Who shares a lake in a folder decides there, whatever the umask of a run is."""
        root.mkdir()
        root.chmod(permissions)
        umask = os.umask(0o077)
        try:
            folder_lake.write(PATH, b"1", if_generation=None)
            folder_lake.upload(file(b"rows"), "staging/a/b")
            folder_lake.copy("staging/a/b", "raw/b", if_generation=0)
        finally:
            os.umask(umask)
        found = {path: path.stat().st_mode & 0o7777 for path in root.rglob("*")}
        assert found == {p: permissions if p.is_dir() else permissions & 0o666 for p in found}

    def test_lake_can_be_opened_while_others_write(self, folder_lake, root):
        with meanwhile(lambda: folder_lake.write("x", b"", if_generation=None), threads=2):
            for _ in range(1000):
                assert FolderLake(root).url == folder_lake.url

    def test_delete_removes_the_folders_it_empties(self, folder_lake, root):
        folder_lake.write("raw/x", b"", if_generation=None)
        folder_lake.write(PATH, b"", if_generation=None)
        folder_lake.delete(PATH)
        assert not (root / "trips").exists()
        assert (root / "raw" / "x").exists()

    @pytest.mark.parametrize(
        "call",
        [
            lambda lake, _: lake.stat("../x"),
            lambda lake, _: lake.read("../x"),
            lambda lake, _: lake.write("a/../../x", b"", if_generation=None),
            lambda lake, file: lake.upload(file, "../x"),
            lambda lake, _: lake.copy("../x", "y", if_generation=0),
            lambda lake, _: lake.copy("there", "../x", if_generation=0),
            lambda lake, _: lake.open("../x").__enter__(),
            lambda lake, _: lake.delete("../x"),
        ],
    )
    def test_path_out_of_the_lake_is_refused(self, folder_lake, root, file, call):
        (root.parent / "x").write_text("not ours")
        folder_lake.write("there", b"", if_generation=None)
        ours = file(b"rows")
        with pytest.raises(ValueError, match="leaves the lake"):
            call(folder_lake, ours)
        assert (root.parent / "x").read_text() == "not ours"
        assert ours.read_bytes() == b"rows"
        assert _incoming(root) == []

    def test_lake_that_is_no_folder_is_a_configuration_error(self, root):
        root.write_text("")
        with pytest.raises(ConfigurationError):
            FolderLake(root).write("x", b"", if_generation=None)


def test_uploaded_file_is_read_from_local_disk_while_the_bucket_holds_its_generation(
    gcs, gcs_lake, tmp_path, prefix, file
):
    gcs_lake.upload(file(b"ours"), PATH)
    with gcs_lake.open(PATH) as stream:
        assert Path(stream.name).is_relative_to(tmp_path / "cache")
        assert stream.read() == b"ours"
    _gcs_lake(gcs, tmp_path / "theirs", prefix).write(PATH, b"theirs", if_generation=None)
    assert _read(gcs_lake, PATH) == b"theirs"


def test_written_dropped_and_deleted_objects_have_no_copy_on_local_disk(gcs_lake, tmp_path, file):
    gcs_lake.write("written", b"small", if_generation=None)
    for path in ("dropped", "dropped", "deleted", "other"):
        gcs_lake.upload(file(b"rows"), path)
    for path in ("dropped", "never written"):
        gcs_lake.drop_cached(path)
    gcs_lake.delete("deleted")
    (kept,) = [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]
    assert kept.parent.name == "other"
    assert (_read(gcs_lake, "written"), _read(gcs_lake, "dropped")) == (b"small", b"rows")


def _incoming(root: Path) -> list[str]:
    return [file.name for file in (root / ".incoming").glob("*") if file.name != "lock"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has it")
def test_a_full_disk_of_the_emulator_is_said_at_once(gcs, gcs_lake, prefix):
    gcs_lake.write("other", b"1", if_generation=None)
    (gcs.objects_dir / gcs.bucket / prefix / ".full.unfinished").symlink_to("/dev/full")
    with pytest.raises(ConfigurationError, match=r"No space left.*the volume gcs-data"):
        gcs_lake.write("full", b"1", if_generation=None)
    gcs_lake.write("other", b"2", if_generation=None)
