"""The emulator across restarts; tests/ports/lake tries what it stores."""

from pathlib import Path

from embedded.servers.gcs import GcsServer
from nyc_tlc.adapters.lake import gcs


def test_restart_keeps_objects_generations_and_bucket(tmp_path: Path) -> None:
    server = GcsServer(tmp_path / "with space", bucket="lake")
    try:
        assert server.start()
        lake = gcs.connect("gs://lake", cache=tmp_path, emulator=server.url, key_file=None)
        written = lake.write("raw/a=1/kept", b"1", if_generation=None)
        assert (server.objects_dir / "lake" / "raw" / "a=1" / "kept").read_bytes() == b"1"
        url, pid = server.url, server.pid
        assert not GcsServer(server.state_dir, bucket="lake").start()
        assert server.pid == pid
        assert server.stop()
        assert server.start()
        assert server.url == url
        assert list(lake.list("")) == [written]
    finally:
        server.stop()
