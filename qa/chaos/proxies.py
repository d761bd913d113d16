"""Proxies that break what passes: TCP by bytes, HTTP by requests. Without a fault they pass all."""

from __future__ import annotations

import gzip
import http.client
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

from embedded.servers.ports import HOST

_CHUNK = 1 << 16
_TRICKLE = 60
"""Pieces in which a body arrives that trickles."""


@dataclass(frozen=True)
class TcpFault:
    """What happens once a client has sent so many bytes on one connection.

    Attributes:
        action: Done while nothing passes; then the connection goes on. None: it is reset.
        times: Connections to which it happens; the others pass.
    """

    after: int
    action: Callable[[], object] | None = None
    times: int = 1


class TcpProxy:
    """Passes connections on to a port of this machine."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self.broken = 0
        self._fault: TcpFault | None = None
        self._lock = threading.Lock()
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                proxy._pass(self.request)

        self._server = _ThreadingServer((HOST, 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @contextmanager
    def broken_by(self, fault: TcpFault) -> Iterator[None]:
        self._fault, self.broken = fault, 0
        try:
            yield
        finally:
            self._fault = None

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _pass(self, client: socket.socket) -> None:
        with suppress(OSError), closing(socket.create_connection((HOST, self._upstream))) as server:
            back = threading.Thread(target=_pump, args=(server, client), daemon=True)
            back.start()
            try:
                self._forward(client, server)
            finally:
                # A close alone would not end the other thread's read, nor so the connection.
                with suppress(OSError):
                    server.shutdown(socket.SHUT_WR)
                back.join()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        passed = 0
        while chunk := client.recv(_CHUNK):
            server.sendall(chunk)
            passed += len(chunk)
            fault = self._due(passed)
            if fault is not None and fault.action is not None:
                fault.action()
            elif fault is not None:
                _reset(client)
                _reset(server)
                return

    def _due(self, passed: int) -> TcpFault | None:
        with self._lock:
            fault = self._fault
            if fault is None or passed < fault.after or self.broken >= fault.times:
                return None
            self.broken += 1
            return fault


Breakage = Literal[
    "status", "reset", "lost answer", "stall", "trickle", "truncated", "cut off", "gzip",
    "redirect", "html", "corrupted upload",
]  # fmt: skip


@dataclass(frozen=True)
class HttpFault:
    """What happens to requests.

    Attributes:
        request: Which requests: ``METHOD`` and a part of the path.
        breakage: "lost answer": the server did it, the client does not hear of it; "truncated":
            fewer bytes than Content-Length says; "cut off": fewer bytes and no Content-Length;
            "gzip": a Content-Encoding nobody asked for.
        status: Of the breakage "status".
        retry_after: Seconds; sent with it.
        seconds: Of the breakages "stall" and "trickle".
        times: Requests that are broken; the others pass.
    """

    request: tuple[str, str]
    breakage: Breakage
    status: int = 0
    retry_after: int | None = None
    seconds: float = 0.0
    times: int = 1


class HttpProxy:
    """Passes requests on to a server of this machine, and counts those that it broke."""

    def __init__(self, port: int) -> None:
        self.upstream = port
        self.broken = 0
        self.before_pass: Callable[[str, str], None] = lambda _method, _path: None
        self._fault: HttpFault | None = None
        self._lock = threading.Lock()
        proxy = self

        class Handler(_ProxyHandler):
            through = proxy

        self._server = _HttpServer((HOST, 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._server.server_address[1]}"

    @contextmanager
    def broken_by(self, fault: HttpFault) -> Iterator[None]:
        self._fault, self.broken = fault, 0
        try:
            yield
        finally:
            self._fault = None

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def due(self, method: str, path: str) -> HttpFault | None:
        with self._lock:
            fault = self._fault
            if fault is None or self.broken >= fault.times:
                return None
            wanted, part = fault.request
            if method != wanted or part not in path.replace("%2F", "/"):
                return None
            self.broken += 1
            return fault


class _Quiet:
    """Says nothing of clients that are gone: killing them is what this is for."""

    def handle_error(self, request: object, client_address: object) -> None:
        pass


class _ThreadingServer(_Quiet, socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class _HttpServer(_Quiet, ThreadingHTTPServer):
    daemon_threads = True


class _ProxyHandler(BaseHTTPRequestHandler):
    through: HttpProxy
    protocol_version = "HTTP/1.1"

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.through.due(self.command, self.path)
        if fault is not None and fault.breakage == "status":
            self._refuse(fault)
        elif fault is not None and fault.breakage == "reset":
            self._end()
        else:
            self.through.before_pass(self.command, self.path)
            self._pass(body, fault)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = _any  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def _refuse(self, fault: HttpFault) -> None:
        self.send_response(fault.status)
        if fault.retry_after is not None:
            self.send_header("Retry-After", str(fault.retry_after))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _end(self) -> None:
        self.close_connection = True
        _reset(self.connection)

    def _pass(self, body: bytes, fault: HttpFault | None) -> None:
        if fault is not None and fault.breakage == "stall":
            time.sleep(fault.seconds)
        if fault is not None and fault.breakage == "corrupted upload":
            body = _flipped(body)
        connection = http.client.HTTPConnection(HOST, self.through.upstream, timeout=300)
        with closing(connection):
            headers = dict(self.headers.items())
            connection.request(self.command, self.path, body=body or None, headers=headers)
            response = connection.getresponse()
            answer = response.read()
        if fault is not None and fault.breakage == "lost answer":
            self._end()
        else:
            self._answer(response, answer, fault)

    def _answer(
        self, response: http.client.HTTPResponse, body: bytes, fault: HttpFault | None
    ) -> None:
        dropped = {"content-length", "transfer-encoding", "connection"}
        headers = {k: v for k, v in response.getheaders() if k.lower() not in dropped}
        answer = _Answer(response.status, headers, body, len(body))
        if fault is not None:
            answer = _broken(answer, fault.breakage, self.path)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.length is not None and self.command != "HEAD":
            self.send_header("Content-Length", str(answer.length))
        self.end_headers()
        if self.command != "HEAD":
            self._write(answer.body, fault)
        self.close_connection |= answer.length != len(answer.body)

    def _write(self, body: bytes, fault: HttpFault | None) -> None:
        if fault is None or fault.breakage != "trickle":
            self.wfile.write(body)
            return
        size = len(body) // _TRICKLE + 1
        for start in range(0, len(body), size):
            self.wfile.write(body[start : start + size])
            time.sleep(fault.seconds / _TRICKLE)


@dataclass(frozen=True)
class _Answer:
    """What a server says; ``length`` as its header states it, None for none."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    length: int | None


def _broken(answer: _Answer, breakage: Breakage, path: str) -> _Answer:
    body, headers = answer.body, answer.headers
    half, packed, page = body[: len(body) // 2], gzip.compress(body, 1), b"<html>Sorry</html>"
    broken: Mapping[Breakage, _Answer] = {
        "gzip": _Answer(
            answer.status, {**headers, "Content-Encoding": "gzip"}, packed, len(packed)
        ),
        "redirect": _Answer(302, {"Location": path}, b"", 0),
        "html": _Answer(answer.status, {"Content-Type": "text/html"}, page, len(page)),
        "truncated": replace(answer, body=half),
        "cut off": _Answer(answer.status, {**headers, "Connection": "close"}, half, None),
    }
    return broken.get(breakage, answer)


def _flipped(data: bytes) -> bytes:
    """The data with one bit of its middle changed."""
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] if data else data


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Pass on what comes until it ends, in order or by a reset; then end the other side."""
    with suppress(OSError):
        while chunk := source.recv(_CHUNK):
            target.sendall(chunk)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _reset(connection: socket.socket) -> None:
    """End a connection as a crashed host or a firewall does."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()
