"""A web server that answers as a test says, even what no honest server would, and remembers."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: Message
    body: bytes

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query).items()}


@dataclass(frozen=True)
class Answer:
    """Content-Length is added unless ``headers`` have one or ``framed`` is off.

    Attributes:
        framed: Off: the end of the connection is the end of the body.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    framed: bool = True


class ScriptedServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answer: Callable[[Request], Answer], *, remember: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.remember = remember
        self.requests: list[Request] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: ScriptedServer

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        request = Request(self.command, self.path, self.headers, self.rfile.read(length))
        if self.server.remember:
            self.server.requests.append(request)
        given = self.server.answer(request)
        headers = {name.title(): value for name, value in given.headers.items()}
        if given.framed:
            headers.setdefault("Content-Length", str(len(given.body)))
        self.send_response(given.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(given.body)
            # A body that breaks its own framing can only be ended by hanging up.
            self.close_connection = headers.get("Content-Length") != str(len(given.body))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
        """Keep quiet: ``requests`` is the log."""


@contextmanager
def serve(
    answer: Callable[[Request], Answer], *, remember: bool = True
) -> Iterator[ScriptedServer]:
    with ScriptedServer(answer, remember=remember) as server, running(server):
        yield server


@contextmanager
def running(server: socketserver.BaseServer) -> Iterator[None]:
    """Serve from threads of this process."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
