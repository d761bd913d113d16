"""A web server that answers as the TLC's CDN does (CloudFront before S3), over a local folder.

The folder is laid out as the CDN is: ``trip-data/<file>`` and ``misc/<file>``. Tests run it in
their own process and script its failures; ``python -m embedded.servers.cdn`` serves a demo.
"""

import argparse
import hashlib
import os
import re
import socket
import threading
from collections import deque
from dataclasses import dataclass
from email.message import Message
from email.utils import formatdate
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedReader
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

from embedded.servers.ports import HOST

_CHUNK_BYTES = 1 << 18
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass
class CdnRequest:
    """One request as it was answered."""

    method: str
    path: str
    headers: Message
    status: int
    bytes_sent: int = 0  # of the body; counted before they go out: no client knows more


@dataclass(frozen=True)
class _Fault:
    fails: bool = False
    cut_after: int | None = None
    stall_seconds: float = 0.0
    stall_after: int = 0


class CdnServer(ThreadingHTTPServer):
    """The server in this process; a context manager that serves from a thread."""

    daemon_threads = True

    def __init__(self, root: Path, port: int = 0) -> None:
        self.requests: list[CdnRequest] = []
        self.closing = threading.Event()
        self._root = root.resolve()
        self._faults: deque[_Fault] = deque()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,))
        super().__init__((HOST, port), _Answer)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving, stalled answers included."""
        self.closing.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def fail_next(self) -> None:
        """Answer the next request with an error."""
        self._faults.append(_Fault(fails=True))

    def cut_next(self, *, after_bytes: int, times: int = 1) -> None:
        """Close the connection inside the next bodies, their full length announced."""
        self._faults.extend([_Fault(cut_after=after_bytes)] * times)

    def stall_next(self, seconds: float, *, after_bytes: int = 0) -> None:
        """Pause inside the next body, headers sent."""
        self._faults.append(_Fault(stall_seconds=seconds, stall_after=after_bytes))

    def next_fault(self) -> _Fault:
        """Take the fault meant for the request at hand."""
        return self._faults.popleft() if self._faults else _Fault()

    def find(self, target: str) -> Path | None:
        """Return the file a request means, or None for anything that is not a file below root."""
        try:
            relative = unquote(urlsplit(target).path, errors="strict").lstrip("/")
            file = (self._root / relative).resolve()
            return file if file.is_relative_to(self._root) and file.is_file() else None
        except (ValueError, OSError):
            # Not UTF-8, a NUL byte, a name longer than the file system allows.
            return None

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up: tests make them do so."""


@cache
def _etag(file: Path, _size: int, _modified: int) -> str:
    """The tag of a file's content, read once per version of the file."""
    # MD5 is what S3 uses for files sent in one part.
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False))
    return f'"{digest.hexdigest()}"'


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "AmazonS3"
    sys_version = ""
    timeout = 60
    # Headers and body are two writes; Nagle would hold the second back for 40 ms.
    disable_nagle_algorithm = True
    server: CdnServer

    def do_GET(self) -> None:
        fault = self.server.next_fault()
        file = self.server.find(self.path)
        if fault.fails:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "InternalError")
        elif file is None:
            # S3 does not reveal to strangers whether a file is absent or forbidden.
            self._refuse(HTTPStatus.FORBIDDEN, "AccessDenied")
        else:
            with file.open("rb") as stream:
                self._send(file, stream, fault)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (http.server's name)
        """Keep quiet: ``CdnServer.requests`` is the log."""

    def _send(self, file: Path, stream: BufferedReader, fault: _Fault) -> None:
        status = os.fstat(stream.fileno())
        etag = _etag(file, status.st_size, status.st_mtime_ns)
        headers = {
            "ETag": etag,
            "Last-Modified": formatdate(status.st_mtime, usegmt=True),
            "Accept-Ranges": "bytes",
        }
        if self.headers.get("If-None-Match") == etag:
            self._begin(HTTPStatus.NOT_MODIFIED, headers)
            return
        answer, first, end = HTTPStatus.OK, 0, status.st_size
        asked = _RANGE.fullmatch(self.headers.get("Range", ""))
        # Another version is sent from its start; so is a range that does not parse.
        if asked and self.headers.get("If-Range", etag) == etag:
            first = int(asked[1])
            if first >= end:
                size = {"Content-Range": f"bytes */{end}"}
                self._refuse(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "InvalidRange", size)
                return
            answer, end = HTTPStatus.PARTIAL_CONTENT, min(int(asked[2] or end) + 1, end)
            headers["Content-Range"] = f"bytes {first}-{end - 1}/{status.st_size}"
        headers["Content-Type"] = "binary/octet-stream"
        headers["Content-Length"] = str(end - first)
        record = self._begin(answer, headers)
        if self.command == "GET":
            stream.seek(first)
            self._send_body(stream, end - first, fault, record)

    def _send_body(
        self, stream: BufferedReader, length: int, fault: _Fault, record: CdnRequest
    ) -> None:
        cut = length if fault.cut_after is None else min(length, fault.cut_after)
        pause = min(fault.stall_after, cut) if fault.stall_seconds else cut
        self._copy(stream, pause, record)
        if fault.stall_seconds:
            self.server.closing.wait(fault.stall_seconds)
            self._copy(stream, cut - pause, record)
        if record.bytes_sent < length:
            # Cut by script, or the file shrank: the announced length cannot be kept.
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def _copy(self, stream: BufferedReader, length: int, record: CdnRequest) -> None:
        while length > 0 and (chunk := stream.read(min(_CHUNK_BYTES, length))):
            length -= len(chunk)
            record.bytes_sent += len(chunk)
            self.wfile.write(chunk)

    def _refuse(self, status: HTTPStatus, code: str, extra: dict[str, str] | None = None) -> None:
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{code}</Code><Message>{status.phrase}</Message></Error>"
        ).encode()
        headers = {"Content-Type": "application/xml", "Content-Length": str(len(body))}
        record = self._begin(status, headers | (extra or {}))
        if self.command != "HEAD":
            record.bytes_sent = len(body)
            self.wfile.write(body)

    def _begin(self, status: HTTPStatus, headers: dict[str, str]) -> CdnRequest:
        record = CdnRequest(self.command, self.path, self.headers, int(status))
        self.server.requests.append(record)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        return record


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a folder as the TLC's CDN would.")
    parser.add_argument("--root", type=Path, required=True, help="folder with trip-data/ and misc/")
    parser.add_argument("--port", type=int, required=True, help="port of 127.0.0.1")
    arguments = parser.parse_args()
    CdnServer(arguments.root, arguments.port).serve_forever()


if __name__ == "__main__":
    main()
