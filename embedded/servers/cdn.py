"""A web server with the manners of the TLC's CDN (CloudFront before S3) over a local folder.

The folder is laid out as the CDN is: ``trip-data/<file>`` and ``misc/<file>``. Tests run it in
their own process and make it fail by script; ``python -m embedded.servers.cdn`` serves a demo.
"""

import argparse
import socket
import threading
from collections import deque
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from embedded.samples.published_files import PublishedFiles, Selection, Version, select_bytes
from embedded.servers.ports import HOST

_CHUNK_BYTES = 1 << 18
_IDLE_SECONDS = 60


@dataclass
class CdnRequest:
    """One request as it was answered."""

    method: str
    path: str
    headers: Message
    status: int
    bytes_sent: int = 0
    """Bytes of body; counted before they go out, so a client never knows more than this."""


@dataclass(frozen=True)
class _Fault:
    status: int | None = None
    retry_after: int | None = None
    cut_after: int | None = None
    stall_seconds: float = 0.0
    stall_after: int = 0


class CdnServer:
    """The server in this process; a context manager, listening from ``__enter__`` on."""

    def __init__(self, root: Path, port: int = 0) -> None:
        """Bind the port (0: any free one) at once, so that ``url`` is known."""
        self.requests: list[CdnRequest] = []
        self.files = PublishedFiles(root)
        self.closing = threading.Event()
        self._faults: deque[_Fault] = deque()
        self._http = _HttpServer((HOST, port), self)
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Scheme, host and port, without a slash at the end."""
        return f"http://{HOST}:{self._http.server_port}"

    def __enter__(self) -> Self:
        """Serve from a thread of this process."""
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop serving, stalled answers included."""
        self.closing.set()
        if self._thread is not None:
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()

    def serve_forever(self) -> None:
        """Serve from this thread until the process ends."""
        self._http.serve_forever()

    def fail_next(
        self, *, status: int = 503, times: int = 1, retry_after: int | None = None
    ) -> None:
        """Answer the next requests with an error."""
        self._faults.extend([_Fault(status=status, retry_after=retry_after)] * times)

    def cut_next(self, *, after_bytes: int, times: int = 1) -> None:
        """Close the connection inside the next bodies, their full length announced."""
        self._faults.extend([_Fault(cut_after=after_bytes)] * times)

    def stall_next(self, seconds: float, *, after_bytes: int = 0, times: int = 1) -> None:
        """Pause inside the next bodies, headers sent."""
        fault = _Fault(stall_seconds=seconds, stall_after=after_bytes)
        self._faults.extend([fault] * times)

    def next_fault(self) -> _Fault:
        """Take the fault meant for the request at hand."""
        try:
            return self._faults.popleft()
        except IndexError:
            return _Fault()


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], cdn: CdnServer) -> None:
        self.cdn = cdn
        super().__init__(address, _Answer)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up: tests make them do so."""


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "AmazonS3"
    sys_version = ""
    timeout = _IDLE_SECONDS
    # Headers and body are two writes; Nagle would hold the second back for 40 ms.
    disable_nagle_algorithm = True
    server: _HttpServer

    def do_GET(self) -> None:
        fault = self.server.cdn.next_fault()
        file = self.server.cdn.files.find(self.path)
        if fault.status is not None:
            self._refuse(HTTPStatus(fault.status), "InternalError", fault.retry_after)
        elif file is None:
            # S3 does not tell strangers whether a file is absent or forbidden.
            self._refuse(HTTPStatus.FORBIDDEN, "AccessDenied")
        else:
            with file.open("rb") as stream:
                version = self.server.cdn.files.version(file, stream)
                headers = {name.title(): value for name, value in self.headers.items()}
                self._send(select_bytes(version, headers), version, stream, fault)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.close_connection = True  # the body was not read
        self._refuse(HTTPStatus.FORBIDDEN, "AccessDenied")

    def do_PUT(self) -> None:
        self.do_POST()

    def do_DELETE(self) -> None:
        self.do_POST()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (http.server's name)
        """Keep quiet: ``CdnServer.requests`` is the log."""

    def _send(self, chosen: Selection, version: Version, stream: BinaryIO, fault: _Fault) -> None:
        if chosen.status is HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            self._refuse(chosen.status, "InvalidRange", size=version.size)
            return
        if chosen.status is HTTPStatus.PRECONDITION_FAILED:
            self._refuse(chosen.status, "PreconditionFailed")
            return
        headers = {
            "ETag": version.etag,
            "Last-Modified": version.last_modified,
            "Accept-Ranges": "bytes",
        }
        if chosen.status is not HTTPStatus.NOT_MODIFIED:
            headers["Content-Type"] = "binary/octet-stream"
            headers["Content-Length"] = str(chosen.end - chosen.first)
        if chosen.status is HTTPStatus.PARTIAL_CONTENT:
            headers["Content-Range"] = f"bytes {chosen.first}-{chosen.end - 1}/{version.size}"
        record = self._begin(chosen.status, headers)
        if self.command == "GET":
            self._send_body(chosen, stream, fault, record)

    def _send_body(
        self, chosen: Selection, stream: BinaryIO, fault: _Fault, record: CdnRequest
    ) -> None:
        length = chosen.end - chosen.first
        cut = length if fault.cut_after is None else min(length, fault.cut_after)
        pause = min(fault.stall_after, cut) if fault.stall_seconds else cut
        stream.seek(chosen.first)
        self._copy(stream, pause, record)
        if fault.stall_seconds:
            self.server.cdn.closing.wait(fault.stall_seconds)
            self._copy(stream, cut - pause, record)
        if record.bytes_sent < length:
            # Cut by script, or the file shrank: the announced length cannot be kept.
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def _copy(self, stream: BinaryIO, length: int, record: CdnRequest) -> None:
        while length > 0 and (chunk := stream.read(min(_CHUNK_BYTES, length))):
            length -= len(chunk)
            record.bytes_sent += len(chunk)
            self.wfile.write(chunk)

    def _refuse(
        self,
        status: HTTPStatus,
        code: str,
        retry_after: int | None = None,
        size: int | None = None,
    ) -> None:
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{code}</Code><Message>{status.phrase}</Message></Error>"
        ).encode()
        headers = {"Content-Type": "application/xml", "Content-Length": str(len(body))}
        if retry_after is not None:
            headers["Retry-After"] = str(retry_after)
        if size is not None:
            headers["Content-Range"] = f"bytes */{size}"
        if self.close_connection:
            headers["Connection"] = "close"
        record = self._begin(status, headers)
        if self.command != "HEAD":
            record.bytes_sent = len(body)
            self.wfile.write(body)

    def _begin(self, status: HTTPStatus, headers: dict[str, str]) -> CdnRequest:
        record = CdnRequest(self.command, self.path, self.headers, int(status))
        self.server.cdn.requests.append(record)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        return record


def main() -> None:
    """Serve a folder until the process is ended."""
    parser = argparse.ArgumentParser(description="Serve a folder as the TLC's CDN would.")
    parser.add_argument("--root", type=Path, required=True, help="folder with trip-data/ and misc/")
    parser.add_argument("--port", type=int, default=0, help="port of 127.0.0.1 (default: any)")
    arguments = parser.parse_args()
    CdnServer(arguments.root, arguments.port).serve_forever()


if __name__ == "__main__":
    main()
