"""The emulator as google-cloud-storage sees it, across restarts."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from embedded.servers.gcs import GcsServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GcsServer]:
    made = GcsServer(tmp_path / "with space", bucket="lake")
    made.start()
    yield made
    made.stop()


def _bucket(server: GcsServer) -> storage.Bucket:
    client = storage.Client(
        project="local",
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]  # google-auth
        client_options={"api_endpoint": server.url},
    )
    return client.bucket(server.bucket)


def test_objects_round_trip_in_chunks_and_ranges(server: GcsServer) -> None:
    content = os.urandom(700_000)
    blob = _bucket(server).blob("raw/a=1/x.parquet", chunk_size=256 * 1024)
    blob.upload_from_file(io.BytesIO(content), size=len(content), checksum="crc32c")
    assert blob.download_as_bytes(checksum="crc32c") == content
    with blob.open("rb", chunk_size=256 * 1024) as stream:
        stream.seek(-10, os.SEEK_END)
        assert stream.read() == content[-10:]
    assert (server.objects_dir / "lake" / "raw" / "a=1" / "x.parquet").read_bytes() == content


def test_restart_keeps_objects_generations_and_bucket(server: GcsServer) -> None:
    written = _bucket(server).blob("kept")
    written.upload_from_string(b"1")
    url = server.url
    assert server.stop()
    assert server.start()
    found = _bucket(server).get_blob("kept")
    assert server.url == url
    assert (found.generation, found.crc32c) == (written.generation, written.crc32c)


def test_start_finds_the_running_server(server: GcsServer) -> None:
    pid = server.pid
    assert not GcsServer(server.state_dir, bucket="lake").start()
    assert server.pid == pid
