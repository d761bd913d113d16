"""A large file goes up through a line that stalls, in memory that does not grow with it.

The full case, 600 MB and a stall of 90 seconds, is `pytest -m slow`; every run does a smaller one
45 times faster, with the timeouts shortened alike.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path

import pytest

from nyc_tlc.adapters.lake import gcs
from nyc_tlc.adapters.lake.gcs import GcsLake
from qa.chaos.proxies import Proxy, TcpFault, TcpHandler
from tests.ports.lake.gcs_wire import GcsWire
from tests.ports.scripted_http import ScriptedServer, serve

ROOT = Path(__file__).parents[3]
MIB = 1 << 20
STALL = 90.0
HASTE = 45
UPLOAD = """
import json, sys
from pathlib import Path
from nyc_tlc.adapters.lake import gcs

def peak():
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(status["VmHWM"].split()[0]) * 1024

endpoint, file, haste = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
gcs.UPLOAD_TIMEOUT /= haste
gcs.UPLOAD_OUTAGE /= haste
lake = gcs.connect("gs://lake", cache=file.parent / "cache", emulator=endpoint, key_file=None)
before = peak()
stored = lake.upload(file, "x")
print(json.dumps({"bytes": stored.bytes, "before": before, "peak": peak()}))
"""


@contextmanager
def stalling(
    wire: GcsWire, after: int, *, down: bool = False, haste: float = HASTE, remember: bool = True
) -> Iterator[tuple[str, ScriptedServer]]:
    """A store behind a line that falls silent, once so many bytes have gone up, or down."""
    fault = TcpFault(after, partial(time.sleep, STALL / haste), down=down)
    with (
        serve(wire.answer, remember=remember) as server,
        closing(Proxy(server.server_port, TcpHandler)) as line,
        line.broken_by(fault),
    ):
        yield line.url, server


def connect(url: str, folder: Path) -> GcsLake:
    return gcs.connect("gs://lake", cache=folder / "cache", emulator=url, key_file=None)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read of /proc")
@pytest.mark.parametrize(
    ("size", "haste"), [(48 * MIB, HASTE), pytest.param(600 * MIB, 1, marks=pytest.mark.slow)]
)
def test_large_file_outlasts_a_stall_in_flat_memory(tmp_path, size, haste, capsys):
    file = tmp_path / "file"
    file.touch()
    os.truncate(file, size)
    wire = GcsWire()
    began = time.monotonic()
    with stalling(wire, size // 2, haste=haste, remember=False) as (url, _):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", UPLOAD, url, file, str(haste)],
            cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
    seconds = time.monotonic() - began
    said = json.loads(done.stdout)
    with capsys.disabled() if haste == 1 else nullcontext():
        sys.stdout.write(
            f"\n{size // MIB} MiB in {seconds:.0f} s, {STALL / haste:.0f} s of them stalled; "
            f"memory rose by {(said['peak'] - said['before']) / MIB:.0f} MiB "
            f"to {said['peak'] / MIB:.0f} MiB; {wire.chunks} requests\n",
        )
    assert said["bytes"] == len(wire.objects["x"][1]) == size
    assert wire.chunks == size // (8 * MIB)  # none was sent twice
    assert said["peak"] - said["before"] < 4 * 8 * MIB


def test_chunk_that_a_stall_broke_is_sent_again(tmp_path, monkeypatch):
    """With the library's own 60 s the stall does break the chunk: the line is a real hindrance."""
    monkeypatch.setattr(gcs, "UPLOAD_TIMEOUT", 60 / HASTE)
    file = tmp_path / "file"
    content = os.urandom(MIB) * 24
    file.write_bytes(content)
    wire = GcsWire()
    with stalling(wire, 12 * MIB) as (url, _):
        stored = connect(url, tmp_path).upload(file, "x")
    assert wire.objects == {"x": (stored.generation, content)}
    assert wire.chunks > 3


def test_download_outlasts_a_stall(tmp_path, monkeypatch):
    connecting, silence = gcs.TIMEOUT
    monkeypatch.setattr(gcs, "TIMEOUT", (connecting, silence / HASTE))
    wire = GcsWire()
    content = os.urandom(MIB) * 16
    wire.put("x", content)
    with (
        stalling(wire, 8 * MIB, down=True) as (url, server),
        connect(url, tmp_path).open("x") as stream,
    ):
        assert stream.read() == content
    downloads = [request for request in server.requests if request.path.startswith("/download")]
    assert len(downloads) == 1  # none was started again
