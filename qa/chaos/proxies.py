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
from typing import Generic, Literal, TypeVar

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
        status: Of the breakage "status"; with ``retry_after``, in seconds, if it is not None.
        seconds: Of the breakages "stall" and "trickle".
        times: Requests that are broken; the others pass.
    """

    request: tuple[str, str]
    breakage: Breakage
    status: int = 0
    retry_after: int | None = None
    seconds: float = 0.0
    times: int = 1


_Fault = TypeVar("_Fault", TcpFault, HttpFault)


class _Proxy(Generic[_Fault]):
    """Passes all on to a port of this machine, and counts what it broke."""

    def __init__(self, port: int, server: type[socketserver.TCPServer], handler: type) -> None:
        self.upstream = port
        self.broken = 0
        self._fault: _Fault | None = None
        self._lock = threading.Lock()
        quiet = {
            "daemon_threads": True,
            # Clients that are gone are no error: killing them is what this is for.
            "handle_error": lambda *_: None,
        }
        self._server = type("Server", (server,), quiet)(
            (HOST, 0), type("Handler", (handler,), {"proxy": self})
        )
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @contextmanager
    def broken_by(self, fault: _Fault) -> Iterator[None]:
        self._fault, self.broken = fault, 0
        try:
            yield
        finally:
            self._fault = None

    def due(self, concerns: Callable[[_Fault], bool]) -> _Fault | None:
        """The fault, if it concerns what passes here and is not spent."""
        with self._lock:
            fault = self._fault
            if fault is None or self.broken >= fault.times or not concerns(fault):
                return None
            self.broken += 1
            return fault

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class TcpProxy(_Proxy[TcpFault]):
    """Breaks connections by the bytes that the client has sent."""

    def __init__(self, port: int) -> None:
        super().__init__(port, socketserver.ThreadingTCPServer, _TcpHandler)


class HttpProxy(_Proxy[HttpFault]):
    """Breaks requests; ``before_pass`` gets method and path of each that goes on to the server."""

    def __init__(self, port: int) -> None:
        self.before_pass: Callable[[str, str], None] | None = None
        super().__init__(port, ThreadingHTTPServer, _HttpHandler)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


class _TcpHandler(socketserver.BaseRequestHandler):
    proxy: TcpProxy

    def handle(self) -> None:
        with (
            suppress(OSError),
            closing(socket.create_connection((HOST, self.proxy.upstream))) as server,
        ):
            back = threading.Thread(target=_pump, args=(server, self.request), daemon=True)
            back.start()
            try:
                self._forward(self.request, server)
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
            fault = self.proxy.due(lambda fault: passed >= fault.after)  # noqa: B023 - called now
            if fault is not None and fault.action is not None:
                fault.action()
            elif fault is not None:
                _reset(client)
                _reset(server)
                return


class _HttpHandler(BaseHTTPRequestHandler):
    proxy: HttpProxy
    protocol_version = "HTTP/1.1"

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.proxy.due(self._concerns)
        breakage = fault.breakage if fault else None
        if fault is not None and breakage == "status":
            after = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            self._answer(_Answer(fault.status, after, b"", 0))
        elif breakage == "reset":
            self._end()
        else:
            if self.proxy.before_pass is not None:
                self.proxy.before_pass(self.command, self.path)
            if fault is not None and breakage == "stall":
                time.sleep(fault.seconds)
            answer = self._asked(_flipped(body) if breakage == "corrupted upload" else body)
            if breakage == "lost answer":
                self._end()
            else:
                self._answer(
                    _broken(answer, breakage, self.path),
                    fault.seconds if fault is not None and breakage == "trickle" else 0.0,
                )

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = _any  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def _concerns(self, fault: HttpFault) -> bool:
        method, part = fault.request
        return method == self.command and part in self.path.replace("%2F", "/")

    def _end(self) -> None:
        self.close_connection = True
        _reset(self.connection)

    def _asked(self, body: bytes) -> _Answer:
        """What the server makes of the request."""
        connection = http.client.HTTPConnection(HOST, self.proxy.upstream, timeout=300)
        with closing(connection):
            headers = dict(self.headers.items())
            connection.request(self.command, self.path, body=body or None, headers=headers)
            response = connection.getresponse()
            answer = response.read()
        dropped = {"content-length", "transfer-encoding", "connection"}
        kept = {k: v for k, v in response.getheaders() if k.lower() not in dropped}
        return _Answer(response.status, kept, answer, len(answer))

    def _answer(self, answer: _Answer, trickle: float = 0.0) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.length is not None and self.command != "HEAD":
            self.send_header("Content-Length", str(answer.length))
        self.end_headers()
        if self.command != "HEAD":
            size = len(answer.body) // _TRICKLE + 1 if trickle else len(answer.body) or 1
            for start in range(0, len(answer.body), size):
                self.wfile.write(answer.body[start : start + size])
                time.sleep(trickle / _TRICKLE)
        self.close_connection |= answer.length != len(answer.body)


@dataclass(frozen=True)
class _Answer:
    """What a server says; ``length`` as its header states it, None for none."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    length: int | None


def _broken(answer: _Answer, breakage: Breakage | None, path: str) -> _Answer:
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
    return broken.get(breakage, answer) if breakage else answer


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
