"""A large file goes up through a line that stalls, in memory that does not grow with it.

The full case, 600 MB and a stall of 90 seconds, is `pytest -m slow`; every run does a smaller one
45 times faster, with the timeouts shortened alike.
"""

import json
import os
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import pytest

from nyc_tlc.adapters.lake import gcs
from tests.ports.lake.gcs_wire import GcsWire
from tests.ports.scripted_http import running, serve

ROOT = Path(__file__).parents[3]
MIB = 1 << 20
STALL = 90.0
HASTE = 45
BLOCK = 1 << 16
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


class Line(socketserver.ThreadingTCPServer):
    """Forwards to a server, and falls silent once ``after`` bytes have gone up, or down."""

    daemon_threads = True  # a client may keep its connection for later

    def __init__(self, port: int, after: int, seconds: float, *, down: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Connection, bind_and_activate=False)
        # Inherited by what is accepted: the sender is to feel the stall, and not a buffer of ours.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BLOCK)
        self.server_bind()
        self.server_activate()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.port, self.after, self.seconds, self.down = port, after, seconds, down
        self.carried = 0
        self.stalled = False
        self.lock = threading.Lock()

    def count(self, data: bytes) -> None:
        with self.lock:
            self.carried += len(data)
            if self.carried > self.after and not self.stalled:
                time.sleep(self.seconds)
                self.stalled = True


class _Connection(socketserver.BaseRequestHandler):
    server: Line
    request: socket.socket

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", self.server.port)) as far:
            stalls = (self.server.count, lambda _data: None)
            up, down = reversed(stalls) if self.server.down else stalls
            back = threading.Thread(target=_carry, args=(far, self.request, down))
            back.start()
            _carry(self.request, far, up)
            back.join()


def _carry(sender: socket.socket, receiver: socket.socket, count: Callable[[bytes], None]) -> None:
    with suppress(OSError):
        while data := sender.recv(BLOCK):
            count(data)
            receiver.sendall(data)
    for end in (sender, receiver):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def stalling(port: int, after: int, *, down: bool = False, haste: float = HASTE) -> Iterator[Line]:
    with Line(port, after, STALL / haste, down=down) as line, running(line):
        yield line
    assert line.stalled


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
    with (
        serve(wire.answer, remember=False) as server,
        stalling(server.server_port, size // 2, haste=haste) as line,
    ):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", UPLOAD, line.url, file, str(haste)],
            cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
    seconds = time.monotonic() - began
    said = json.loads(done.stdout)
    with capsys.disabled() if haste == 1 else nullcontext():
        sys.stdout.write(
            f"\n{size // MIB} MiB in {seconds:.0f} s, {line.seconds:.0f} s of them stalled; "
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
    with serve(wire.answer) as server, stalling(server.server_port, 12 * MIB) as line:
        lake = gcs.connect("gs://lake", cache=tmp_path / "cache", emulator=line.url, key_file=None)
        stored = lake.upload(file, "x")
    assert wire.objects == {"x": (stored.generation, content)}
    assert wire.chunks > 3


def test_download_outlasts_a_stall(tmp_path, monkeypatch):
    connecting, silence = gcs.TIMEOUT
    monkeypatch.setattr(gcs, "TIMEOUT", (connecting, silence / HASTE))
    wire = GcsWire()
    content = os.urandom(MIB) * 16
    wire.put("x", content)
    with serve(wire.answer) as server, stalling(server.server_port, 8 * MIB, down=True) as line:
        lake = gcs.connect("gs://lake", cache=tmp_path / "cache", emulator=line.url, key_file=None)
        with lake.open("x") as stream:
            assert stream.read() == content
    downloads = [request for request in server.requests if request.path.startswith("/download")]
    assert len(downloads) == 1  # none was started again
