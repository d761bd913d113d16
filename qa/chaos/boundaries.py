"""Where a pipeline process touches the outside world, seen from inside the process.

Nothing of this is in the pipeline: a trial's process wraps the libraries that it calls through.
Every request, statement, COPY buffer, commit and change of a file is a boundary with a name; the
n-th of a name is a place at which the process can be made to die.
"""

import os
import re
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal
from urllib.parse import parse_qs, unquote

import psycopg2
import psycopg2.extensions
import requests
from psycopg2.sql import Composable
from pyarrow import parquet as pq

from nyc_tlc.jobs.trips import Trips

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
    """Counts the boundaries that this process passes, and ends it at one of them.

    Attributes:
        passed: Boundaries, and how often each was passed.
    """

    def __init__(self, fatal: FailPoint | None, work_dir: Path) -> None:
        self._fatal = fatal
        self._work_dir = str(work_dir)
        self.passed: Counter[str] = Counter()
        self._lock = threading.Lock()

    def install(self) -> None:
        """Wrap the libraries, in this process and for good."""
        psycopg2.connect = partial(
            psycopg2.connect, connection_factory=_Connection, cursor_factory=_Cursor
        )
        for owner, attribute, name in _BOUNDARIES:
            setattr(owner, attribute, self._watched(getattr(owner, attribute), name))
        copy = _Cursor.copy_expert

        def copy_by_buffer(cursor: _Cursor, query: Any, file: Any, *size: int) -> None:
            """Pass a boundary with each buffer that the server asks COPY for."""
            name = f"{_statement(cursor, query)}, a buffer"
            read = self._watched(file.read, lambda *_: name)
            # Psycopg asks for readline, too, and never calls it.
            copy(cursor, query, SimpleNamespace(read=read, readline=file.readline), *size)

        setattr(_Cursor, "copy_expert", copy_by_buffer)  # noqa: B010 - mypy would object
        sys.addaudithook(self._file_event)

    @contextmanager
    def crossing(self, boundary: str) -> Iterator[None]:
        """Pass a boundary; the process may not live to see the other side."""
        with self._lock:
            self.passed[boundary] += 1
            occurrence = self.passed[boundary]
        self._die_at(FailPoint(boundary, occurrence, "before"))
        yield
        self._die_at(FailPoint(boundary, occurrence, "after"))

    def _die_at(self, here: FailPoint) -> None:
        if here == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def _watched(
        self, function: Callable[..., Any], name: Callable[..., str]
    ) -> Callable[..., Any]:
        def watched(*words: Any, **options: Any) -> Any:
            with self.crossing(name(*words, **options)):
                return function(*words, **options)

        return watched

    def _file_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if (name := self._file_name(event, arguments)) is not None:
            # Raised before the event itself: the other side is the next boundary.
            with self.crossing(name):
                pass

    def _file_name(self, event: str, arguments: tuple[Any, ...]) -> str | None:
        if event == "open" and isinstance(arguments[1], str):
            verb, path = "open", arguments[0] if set(arguments[1]) & set("wax+") else None
        else:
            at = _FILE_EVENTS.get(event)
            verb, path = event.removeprefix("os."), None if at is None else arguments[at]
        if not isinstance(path, str | os.PathLike) or self._work_dir not in os.fspath(path):
            return None
        return f"file: {verb} {_plain(os.fspath(path).split(self._work_dir)[1])}"


class _Cursor(psycopg2.extensions.cursor):
    """One whose methods can be wrapped: those of the class in C cannot."""


class _Connection(psycopg2.extensions.connection):
    """One whose methods can be wrapped."""


def _request(_session: Any, request: requests.PreparedRequest, **_options: Any) -> str:
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


def _statement(cursor: Any, query: Any, *_values: Any) -> str:
    """``postgres: ALTER TABLE ATTACH …``: the words in capitals, and the first table."""
    text = query.as_string(cursor) if isinstance(query, Composable) else query
    text = text.decode() if isinstance(text, bytes) else text
    words = re.findall(r"\b[A-Z]{2,}\b|pg_\w+", re.sub(r"'[^']*'", "", text))
    table = re.search(r'(?:"|\b(?:FROM|INTO|UPDATE) )([a-z_0-9]+)\b(?!"?\.)', text)
    verb = " ".join(words[:3])
    return f"postgres: {verb}{f' {_plain(table[1])}' if table else ''}"


def _plain(text: str) -> str:
    """Without what differs from run to run."""
    return _HEX.sub("<hash>", _RUN.sub("<run>", _GENERATION.sub("", text))).strip("/")


def _constant(name: str) -> Callable[..., str]:
    return lambda *_, **__: name


_BOUNDARIES: Sequence[tuple[type, str, Callable[..., str]]] = (
    *(
        (Trips, step, _constant(f"step: {step}"))
        for step in (
            "land", "conform", "load_to_postgres", "publish_to_lake", "load_to_bigquery",
            "reconcile",
        )
    ),
    (requests.Session, "send", _request),
    (_Connection, "commit", _constant("postgres: COMMIT")),
    (_Cursor, "execute", _statement),
    (_Cursor, "copy_expert", _statement),
    (pq.ParquetWriter, "write_batch", _constant("parquet: write a batch")),
    (pq.ParquetWriter, "close", _constant("parquet: write the footer")),
)  # fmt: skip
"""Methods, and the name of the boundary that a call of each is, by what it is called with."""
