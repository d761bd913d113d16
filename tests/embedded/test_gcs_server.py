"""The emulator across restarts; tests/ports/lake tries what it stores."""

from pathlib import Path

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from embedded.servers.gcs import GcsServer


def _bucket(server: GcsServer) -> storage.Bucket:
    client = storage.Client(
        project="local",
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]  # google-auth
        client_options={"api_endpoint": server.url},
    )
    return client.bucket(server.bucket)


def test_restart_keeps_objects_generations_and_bucket(tmp_path: Path) -> None:
    server = GcsServer(tmp_path / "with space", bucket="lake")
    try:
        assert server.start()
        written = _bucket(server).blob("raw/a=1/kept")
        written.upload_from_string(b"1")
        assert (server.objects_dir / "lake" / "raw" / "a=1" / "kept").read_bytes() == b"1"
        url, pid = server.url, server.pid
        assert not GcsServer(server.state_dir, bucket="lake").start()
        assert server.pid == pid
        assert server.stop()
        assert server.start()
        found = _bucket(server).get_blob("raw/a=1/kept")
        assert server.url == url
        assert (found.generation, found.crc32c) == (written.generation, written.crc32c)
    finally:
        server.stop()
