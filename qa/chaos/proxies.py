"""Proxies that break what passes: TCP by bytes, HTTP by requests. Without a fault they pass all."""

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
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import Generic, Literal, TypeVar

from embedded.servers.ports import HOST

_CHUNK = 1 << 16
_TRICKLE = 60
"""Pieces in which a body arrives that trickles."""


class NotReachedError(RuntimeError):
    """What was to break did not; the message says why."""


@dataclass(frozen=True)
class TcpFault:
    """What happens once a client has sent so many bytes on one connection.

    Attributes:
        down: It is bytes of the server that count.
        action: Done while nothing passes; then the connection goes on. None: it is reset.
        times: Connections to which it happens; the others pass.
    """

    after: int
    action: Callable[[], object] | None = None
    times: int = 1
    down: bool = False


@dataclass(frozen=True)
class Answer:
    """What a server says. Without Content-Length the end of the connection is the end of it."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def sized(status: int, headers: Mapping[str, str], body: bytes = b"") -> Answer:
    return Answer(status, {**headers, "Content-Length": str(len(body))}, body)


def truncated(answer: Answer) -> Answer:
    """Fewer bytes than Content-Length says."""
    return replace(answer, body=answer.body[: len(answer.body) // 2])


def cut_off(answer: Answer) -> Answer:
    """Fewer bytes, and no Content-Length to tell."""
    headers = {name: value for name, value in answer.headers.items() if name != "Content-Length"}
    return replace(truncated(answer), headers={**headers, "Connection": "close"})


def gzipped(answer: Answer) -> Answer:
    """A Content-Encoding nobody asked for."""
    headers = {**answer.headers, "Content-Encoding": "gzip"}
    return sized(answer.status, headers, gzip.compress(answer.body, 1))


def flipped(data: bytes) -> bytes:
    """The data with one bit of its middle changed."""
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] if data else data


@dataclass(frozen=True)
class HttpFault:
    """What happens to requests.

    Attributes:
        request: Which requests: ``METHOD`` and a part of the path.
        instead: What the client hears; the server is not asked.
        reset: The connection, before the server hears of the request, or when it has done it.
        upload: Changes what the server gets.
        change: Changes what the client gets.
        stall: Seconds until the server is asked.
        trickle: Seconds in which the answer arrives.
        times: Requests that are broken; the others pass.
    """

    request: tuple[str, str]
    instead: Answer | None = None
    reset: Literal["before", "after"] | None = None
    upload: Callable[[bytes], bytes] = bytes
    change: Callable[[Answer], Answer] = replace
    stall: float = 0.0
    trickle: float = 0.0
    times: int = 1


_HARMLESS = HttpFault(("", ""))
_Fault = TypeVar("_Fault", TcpFault, HttpFault)


class Proxy(Generic[_Fault]):
    """Passes all on to a port of this machine, and counts what it broke."""

    def __init__(self, port: int, handler: type[socketserver.BaseRequestHandler]) -> None:
        self.upstream = port
        self._fault: _Fault | None = None
        self._broken = 0
        self._lock = threading.Lock()
        quiet = {
            "daemon_threads": True,
            # Clients that are gone are no error: killing them is what this is for.
            "handle_error": lambda *_: None,
        }
        self._server = type("Server", (socketserver.ThreadingTCPServer,), quiet)(
            (HOST, 0), type("Handler", (handler,), {"proxy": self})
        )
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @contextmanager
    def broken_by(self, fault: _Fault) -> Iterator[None]:
        """Break what passes meanwhile.

        Raises:
            NotReachedError: nothing passed that the fault concerns.
        """
        self._fault, self._broken = fault, 0
        try:
            yield
        finally:
            self._fault = None
        if not self._broken:
            raise NotReachedError("nothing passed that could be broken")

    def due(self, concerns: Callable[[_Fault], bool]) -> _Fault | None:
        """The fault, if it concerns what passes here and is not spent."""
        with self._lock:
            fault = self._fault
            if fault is None or self._broken >= fault.times or not concerns(fault):
                return None
            self._broken += 1
            return fault

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class TcpHandler(socketserver.BaseRequestHandler):
    """Breaks connections by the bytes that the client has sent."""

    proxy: Proxy[TcpFault]

    def handle(self) -> None:
        client, passed = self.request, {False: 0, True: 0}
        with (
            suppress(OSError),
            closing(socket.create_connection((HOST, self.proxy.upstream))) as server,
        ):

            def break_line(size: int, *, down: bool) -> None:
                passed[down] += size
                fault = self.proxy.due(
                    lambda fault: fault.down is down and passed[down] >= fault.after
                )
                if fault is not None and fault.action is not None:
                    fault.action()
                elif fault is not None:
                    _reset(client)
                    _reset(server)

            answers = (server, client, partial(break_line, down=True))
            back = threading.Thread(target=_pump, args=answers, daemon=True)
            back.start()
            _pump(client, server, partial(break_line, down=False))
            back.join()


class HttpHandler(BaseHTTPRequestHandler):
    """Breaks requests."""

    proxy: Proxy[HttpFault]
    protocol_version = "HTTP/1.1"

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.proxy.due(self._concerns) or _HARMLESS
        answer = fault.instead
        if answer is None and fault.reset != "before":
            time.sleep(fault.stall)
            answer = fault.change(self._ask(fault.upload(body)))
        if answer is None or fault.reset:
            self.close_connection = True
            _reset(self.connection)
        else:
            self._answer(answer, fault.trickle)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = _any  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def _concerns(self, fault: HttpFault) -> bool:
        method, part = fault.request
        return method == self.command and part in self.path.replace("%2F", "/")

    def _ask(self, body: bytes) -> Answer:
        connection = http.client.HTTPConnection(HOST, self.proxy.upstream, timeout=300)
        with closing(connection):
            headers = dict(self.headers.items())
            connection.request(self.command, self.path, body=body or None, headers=headers)
            response = connection.getresponse()
            answer = response.read()
        dropped = {"content-length", "transfer-encoding", "connection"}
        kept = {k: v for k, v in response.getheaders() if k.lower() not in dropped}
        return (Answer if self.command == "HEAD" else sized)(response.status, kept, answer)

    def _answer(self, answer: Answer, trickle: float) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        size = len(answer.body) // _TRICKLE + 1 if trickle else len(answer.body) or 1
        for start in range(0, len(answer.body), size):
            self.wfile.write(answer.body[start : start + size])
            time.sleep(trickle / _TRICKLE)
        self.close_connection |= answer.headers.get("Content-Length") != str(len(answer.body))


def _pump(source: socket.socket, target: socket.socket, passed: Callable[[int], None]) -> None:
    """Pass on what comes until it ends, in order or by a reset; then end the other side."""
    with suppress(OSError):
        while chunk := source.recv(_CHUNK):
            target.sendall(chunk)
            passed(len(chunk))
    # A close alone would not end the other thread's read, nor so the connection.
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _reset(connection: socket.socket) -> None:
    """End a connection as a crashed host or a firewall does."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()
