"""A large file goes up through a line that stalls, in memory that does not grow with it.

The whole thing, 600 MB and a stall of 90 seconds, is `pytest -m slow`; every run does less of it
45 times faster, with the timeouts shortened alike.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from nyc_tlc.adapters.lake import gcs
from tests.ports.lake.gcs_wire import GcsWire, serve_wire
from tests.ports.lake.stalling_line import Stall, stalling_line, upload_sink

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


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read of /proc")
@pytest.mark.parametrize(
    ("size", "haste"), [(48 * MIB, HASTE), pytest.param(600 * MIB, 1, marks=pytest.mark.slow)]
)
def test_large_file_outlasts_a_stall_in_flat_memory(
    tmp_path: Path, size: int, haste: int, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.touch()
    os.truncate(file, size)
    stall = Stall(after=size // 2, seconds=STALL / haste)
    began = time.monotonic()
    with upload_sink() as sink, stalling_line(sink.port, stall) as endpoint:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", UPLOAD, endpoint, file, str(haste)],
            cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
    seconds = time.monotonic() - began
    told = json.loads(done.stdout)
    with capsys.disabled() if haste == 1 else nullcontext():
        sys.stdout.write(
            f"\n{size // MIB} MiB in {seconds:.0f} s, {stall.seconds:.0f} s of them stalled; "
            f"memory rose by {(told['peak'] - told['before']) / MIB:.0f} MiB "
            f"to {told['peak'] / MIB:.0f} MiB; {sink.chunks} requests\n",
        )
    assert stall.over
    assert (told["bytes"], sink.received) == (size, size)
    assert sink.chunks == size // (8 * MIB)  # none was sent twice
    assert told["peak"] - told["before"] < 4 * 8 * MIB


def test_chunk_that_a_stall_broke_is_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the library's own 60 s the stall does break the chunk: the line is a real hindrance."""
    monkeypatch.setattr(gcs, "UPLOAD_TIMEOUT", 60 / HASTE)
    file = tmp_path / "file"
    content = os.urandom(MIB) * 24
    file.write_bytes(content)
    stall = Stall(after=12 * MIB, seconds=STALL / HASTE)
    with upload_sink() as sink, stalling_line(sink.port, stall) as endpoint:
        lake = gcs.connect("gs://lake", cache=tmp_path / "cache", emulator=endpoint, key_file=None)
        stored = lake.upload(file, "x")
    assert (stored.bytes, sink.received) == (len(content), len(content))
    assert sink.chunks > 3


def test_download_outlasts_a_stall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connecting, silence = gcs.TIMEOUT
    monkeypatch.setattr(gcs, "TIMEOUT", (connecting, silence / HASTE))
    wire = GcsWire()
    content = os.urandom(MIB) * 16
    wire.put("x", content)
    stall = Stall(after=8 * MIB, seconds=STALL / HASTE, down=True)
    with serve_wire(wire) as server, stalling_line(server.port, stall) as endpoint:
        lake = gcs.connect("gs://lake", cache=tmp_path / "cache", emulator=endpoint, key_file=None)
        with lake.open("x") as stream:
            assert stream.read() == content
    assert stall.over
    downloads = [request for request in server.requests if request.path.startswith("/download")]
    assert len(downloads) == 1  # none was begun again
