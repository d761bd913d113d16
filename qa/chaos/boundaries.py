"""Where a pipeline process touches the outside world, seen from inside the process.

Nothing of this is in the pipeline: a trial's process wraps the libraries that it calls through.
Every request, statement, COPY buffer, commit and change of a file is a boundary with a name; the
n-th of a name is a place at which the process can be made to die.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, unquote

import psycopg2
import psycopg2.extensions
import requests
from pyarrow import parquet as pq

Side = Literal["before", "after"]

_RUN = re.compile(r"(?:[0-9a-f]{16}_)?\d{8}T\d{12}-[0-9a-f]{8}")
_HEX = re.compile(r"[0-9a-f]{32,64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_GENERATION = re.compile(r"/\d{12,}$")
_FILE_EVENTS = {"os.rename": 1, "os.remove": 0, "os.rmdir": 0}
"""Audit events that change the file system, and which argument names the file."""


@dataclass(frozen=True)
class FailPoint:
    """A place at which a process dies.

    Attributes:
        boundary: Name of the boundary.
        occurrence: Which passage of it, from 1.
        side: Before it happens, or when it has happened and nobody has noticed yet.
    """

    boundary: str
    occurrence: int
    side: Side

    def __str__(self) -> str:
        return f"{self.side} {self.boundary} #{self.occurrence}"


class Watch:
    """Counts the boundaries that this process passes, and ends it at one of them."""

    def __init__(self, fatal: FailPoint | None, work_dir: Path) -> None:
        self._fatal = fatal
        self._work_dir = str(work_dir)
        self._passed: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._inside = threading.local()

    @property
    def passed(self) -> Mapping[str, int]:
        return self._passed

    def install(self) -> None:
        """Wrap the libraries, in this process and for good."""
        self._watch_requests()
        self._watch_postgres()
        self._watch_parquet()
        sys.addaudithook(self._file_event)

    @contextmanager
    def crossing(self, boundary: str) -> Iterator[None]:
        """Pass a boundary; the process may not live to see the other side."""
        with self._lock:
            self._passed[boundary] += 1
            occurrence = self._passed[boundary]
        self._die_at(FailPoint(boundary, occurrence, "before"))
        yield
        self._die_at(FailPoint(boundary, occurrence, "after"))

    def _die_at(self, here: FailPoint) -> None:
        if here == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def _watch_requests(self) -> None:
        send = requests.Session.send

        def sent(
            session: requests.Session, request: requests.PreparedRequest, **options: Any
        ) -> requests.Response:
            with self.crossing(_request_name(request)):
                return send(session, request, **options)

        requests.Session.send = sent  # type: ignore[method-assign,assignment]

    def _watch_postgres(self) -> None:
        watch = self
        connect = psycopg2.connect

        class WatchedCursor(psycopg2.extensions.cursor):
            def execute(self, query: Any, values: Any = None) -> None:
                with watch.crossing(_statement_name(_text(query, self))):
                    super().execute(query, values)

            def copy_expert(self, sql: Any, file: Any, size: int = 8192) -> None:
                name = _statement_name(sql.as_string(self))
                with watch.crossing(name):
                    super().copy_expert(sql, _WatchedStream(file, watch, name), size)

        class WatchedConnection(psycopg2.extensions.connection):
            def commit(self) -> None:
                with watch.crossing("postgres: COMMIT"):
                    super().commit()

        def connected(**options: Any) -> Any:
            return connect(
                connection_factory=WatchedConnection, cursor_factory=WatchedCursor, **options
            )

        psycopg2.connect = connected  # type: ignore[assignment]

    def _watch_parquet(self) -> None:
        for name, what in (("write_batch", "a batch"), ("close", "the footer")):
            written = getattr(pq.ParquetWriter, name)
            setattr(pq.ParquetWriter, name, self._watched(written, f"parquet: write {what}"))

    def _watched(self, function: Callable[..., Any], boundary: str) -> Callable[..., Any]:
        def watched(*words: Any, **options: Any) -> Any:
            with self.crossing(boundary):
                return function(*words, **options)

        return watched

    def _file_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if getattr(self._inside, "busy", False):
            return
        self._inside.busy = True
        try:
            if (name := self._file_name(event, arguments)) is not None:
                # Raised before the event itself: the other side is the next boundary.
                with self.crossing(name):
                    pass
        finally:
            self._inside.busy = False

    def _file_name(self, event: str, arguments: tuple[Any, ...]) -> str | None:
        if event == "open" and isinstance(arguments[1], str):
            verb, path = "open", arguments[0] if set(arguments[1]) & set("wax+") else None
        else:
            at = _FILE_EVENTS.get(event)
            verb, path = event.removeprefix("os."), None if at is None else arguments[at]
        if not isinstance(path, str | os.PathLike) or self._work_dir not in os.fspath(path):
            return None
        return f"file: {verb} {_plain(os.fspath(path).split(self._work_dir)[1])}"


class _WatchedStream:
    """What COPY reads from: each buffer that the server asks for is a boundary."""

    def __init__(self, stream: Any, watch: Watch, statement: str) -> None:
        self._stream = stream
        self._watch = watch
        self._name = f"{statement}, a buffer"

    def read(self, size: int = -1, /) -> bytes:
        with self._watch.crossing(self._name):
            return bytes(self._stream.read(size))

    def readline(self, size: int = -1, /) -> bytes:
        """Psycopg asks for it, and never calls it."""
        raise NotImplementedError


def _request_name(request: requests.PreparedRequest) -> str:
    """``gcs: GET raw/…``, ``source: GET trip-data/…``: what is asked, of whom."""
    path, _, query = request.path_url.partition("?")
    path = unquote(path)
    if path.startswith(("/trip-data/", "/misc/")):
        return f"source: {request.method} {_plain(path)}"
    if path.startswith("/bigquery/"):
        return f"bigquery: {request.method} {_plain(path.partition('/projects/')[2])}"
    if "/rewriteTo/" in path:
        return f"gcs: copy to {_plain(path.rpartition('/o/')[2])}"
    if path.startswith("/upload/"):
        body = request.body if isinstance(request.body, bytes) else b""
        named = re.search(rb'"name": ?"([^"]+)"', body[:2_000])
        return f"gcs: upload {_plain(named[1].decode()) if named else 'a chunk'}"
    prefix = parse_qs(query).get("prefix", [""])[0]
    what = path.partition("/o/")[2] or prefix or path
    return f"gcs: {'list' if prefix else request.method} {_plain(what)}"


def _text(query: Any, cursor: Any) -> str:
    if isinstance(query, bytes):
        return query.decode()
    return query if isinstance(query, str) else str(query.as_string(cursor))


def _statement_name(text: str) -> str:
    """``postgres: ALTER TABLE ATTACH …``: the words in capitals, less the identifiers."""
    words = re.findall(r"\b[A-Z]{2,}\b|pg_\w+", re.sub(r"'[^']*'", "", text))
    table = re.search(r'"([a-z_0-9]+)"(?!\.)', text)
    verb = " ".join(words[:3])
    return f"postgres: {verb}{f' {_plain(table[1])}' if table else ''}"


def _plain(text: str) -> str:
    """Without what differs from run to run."""
    return _HEX.sub("<hash>", _RUN.sub("<run>", _GENERATION.sub("", text))).strip("/")
