"""A TCP line that stops carrying bytes for a while, and a bucket at its end that keeps none."""

from __future__ import annotations

import json
import re
import socket
import socketserver
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import google_crc32c

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_BLOCK = 1 << 16


@dataclass
class Stall:
    """A silence of ``seconds`` once ``after`` bytes have gone up, or down.

    Attributes:
        down: The direction that counts and falls silent.
        over: When it was over, by the monotonic clock; 0 until then.
    """

    after: int
    seconds: float
    down: bool = False
    over: float = 0.0


class _Line(socketserver.ThreadingTCPServer):
    daemon_threads = True  # a client may keep its connection for later

    def __init__(self, port: int, stall: Stall) -> None:
        super().__init__(("127.0.0.1", 0), _Connection, bind_and_activate=False)
        # Inherited by what is accepted: the sender is to feel the stall, and not a buffer of ours.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BLOCK)
        self.server_bind()
        self.server_activate()
        self.port = port
        self.stall = stall
        self.carried = 0
        self.lock = threading.Lock()

    def count(self, data: bytes) -> None:
        with self.lock:
            self.carried += len(data)
            if self.carried > self.stall.after and not self.stall.over:
                time.sleep(self.stall.seconds)
                self.stall.over = time.monotonic()


class _Connection(socketserver.BaseRequestHandler):
    server: _Line
    request: socket.socket

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", self.server.port)) as far:
            stalls = (self.server.count, lambda _data: None)
            up, down = reversed(stalls) if self.server.stall.down else stalls
            back = threading.Thread(target=_carry, args=(far, self.request, down))
            back.start()
            _carry(self.request, far, up)
            back.join()


def _carry(sender: socket.socket, receiver: socket.socket, count: Callable[[bytes], None]) -> None:
    with suppress(OSError):
        while data := sender.recv(_BLOCK):
            count(data)
            receiver.sendall(data)
    for end in (sender, receiver):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def stalling_line(port: int, stall: Stall) -> Iterator[str]:
    """Forward to a port of this machine; yields the address to use instead."""
    with _Line(port, stall) as line, _serving(line):
        yield f"http://127.0.0.1:{line.server_address[1]}"


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


@dataclass
class Sink:
    """One resumable upload, checksummed and thrown away.

    Attributes:
        received: Bytes kept so far.
        chunks: Requests that brought bytes, broken ones included.
    """

    port: int
    received: int = 0
    chunks: int = 0
    checksum: Any = field(default_factory=google_crc32c.Checksum)

    def keep(self, start: int, data: bytes) -> None:
        new = data[self.received - start :]
        self.checksum.update(new)
        self.received += len(new)


class _Bucket(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sink = Sink(self.server_port)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Bucket

    def do_GET(self) -> None:  # the library looks the bucket up, from a thread of its own
        self._answer(403, {})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, {}, Location=f"http://{self.headers['Host']}/session")

    def do_PUT(self) -> None:
        sink, length = self.server.sink, int(self.headers["Content-Length"])
        sink.chunks += 1
        data = self.rfile.read(length)
        if len(data) < length:
            self.close_connection = True
            return
        match = _CONTENT_RANGE.fullmatch(self.headers["Content-Range"])
        assert match is not None
        start, _, total = map(int, match.groups())
        sink.keep(start, data)
        if sink.received < total:
            self._answer(308, {}, Range=f"bytes=0-{sink.received - 1}")
            return
        name = {"bucket": "lake", "name": "x", "generation": "1", "size": str(total)}
        self._answer(200, {**name, "crc32c": b64encode(sink.checksum.digest()).decode()})

    def _answer(self, status: int, content: dict[str, str], **headers: str) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        for header, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(header, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
        """Keep quiet."""


@contextmanager
def upload_sink() -> Iterator[Sink]:
    with _Bucket() as server, _serving(server):
        yield server.sink
