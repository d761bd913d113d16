"""Cloud Storage, BigQuery and the source that fail: answers, lines and files that are broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from qa.chaos.fault import ABSORBED, Fault
from qa.chaos.proxies import HttpFault
from qa.chaos.world import World

_UPLOAD, _COPY = ("POST", "/upload/"), ("POST", "rewriteTo/b/")
_STAT, _DELETE = ("GET", "/o/trips/"), ("DELETE", "/o/")
_READ = ("GET", "conformed.json")


def gcs_faults() -> Iterator[Fault]:
    operations = {
        "an upload": _UPLOAD, "a copy": _COPY, "a look at an object": _STAT,
        "a read": _READ, "a deletion": _DELETE,
    }  # fmt: skip
    for name, request in operations.items():
        for status in (500, 503, 408, 429):
            yield _http("GCS", f"{name} answered {status}", HttpFault(request, "status", status))
        yield _http("GCS", f"{name}: connection reset", HttpFault(request, "reset"))
        yield _http(
            "GCS", f"{name}: done, but the answer is lost", HttpFault(request, "lost answer")
        )
    yield _http("GCS", "an upload stalls for 8 s", HttpFault(_UPLOAD, "stall", seconds=8.0))
    yield _http(
        "GCS",
        "every request to copy answered 503",
        HttpFault(_COPY, "status", 503, times=9_999),
        "did not answer well",
    )
    yield _http("GCS", "an upload is changed on the way", HttpFault(_UPLOAD, "corrupted upload"))
    yield _http("GCS", "a read is cut short", HttpFault(_READ, "truncated"))
    yield _http(
        "GCS", "a copy is forbidden", HttpFault(_COPY, "status", 403, times=99), "was refused"
    )


_JOB, _QUERY, _TABLES = ("POST", "/jobs"), ("GET", "/queries/"), ("GET", "/tables/green")


def bigquery_faults() -> Iterator[Fault]:
    for name, request in {"a job": _JOB, "a query's answer": _QUERY, "a look": _TABLES}.items():
        for status in (500, 503, 429):
            yield _http(
                "BigQuery", f"{name} answered {status}", HttpFault(request, "status", status)
            )
        yield _http("BigQuery", f"{name}: connection reset", HttpFault(request, "reset"))
        yield _http(
            "BigQuery", f"{name}: done, but the answer is lost", HttpFault(request, "lost answer")
        )
    yield _http("BigQuery", "a job stalls for 5 s", HttpFault(_JOB, "stall", seconds=5.0))
    yield _http(
        "BigQuery",
        "jobs are forbidden",
        HttpFault(_JOB, "status", 403, times=99),
        "needs the permission",
    )


_FILE = ("GET", "/trip-data/")


def source_faults() -> Iterator[Fault]:
    for status in (500, 502, 503, 429, 408):
        yield _http("source", f"answered {status}", HttpFault(_FILE, "status", status))
    yield _http(
        "source", "answered 503 with Retry-After: 2", HttpFault(_FILE, "status", 503, retry_after=2)
    )
    yield _http("source", "connection reset", HttpFault(_FILE, "reset"))
    yield _http("source", "answer lost", HttpFault(_FILE, "lost answer"))
    yield _http("source", "broke off before its Content-Length", HttpFault(_FILE, "truncated"))
    yield _http(
        "source", "broke off without a Content-Length", HttpFault(_FILE, "cut off"), "not a whole"
    )
    yield _http("source", "stalls for 5 s", HttpFault(_FILE, "stall", seconds=5.0))
    yield _http("source", "trickles for 6 s", HttpFault(_FILE, "trickle", seconds=6.0))
    yield _http("source", "gzip on top", HttpFault(_FILE, "gzip"), "Content-Encoding")
    yield _http(
        "source",
        "redirects to itself for ever",
        HttpFault(_FILE, "redirect", times=99),
        "TooManyRedirects",
    )
    yield _http("source", "a page instead of a file", HttpFault(_FILE, "html"), "Parquet")
    yield _http("source", "403 under throttling", HttpFault(_FILE, "status", 403, times=99), "403")
    yield Fault("source", "another version between two ranges", _changes_between_ranges)


@contextmanager
def _changes_between_ranges(world: World) -> Iterator[Callable[[], int]]:
    """The download breaks off; what it resumes from is another file by then."""
    proxy = world.proxies.source
    files = list((world.stack.cdn_root / "trip-data").glob("green_tripdata_2024-01*"))
    ranges = []

    def touch(_method: str, _path: str) -> None:
        ranges.append(1)
        if len(ranges) == 2:
            for file in files:
                # The same bytes under another validator: what was downloaded counts for nothing.
                data = file.read_bytes()
                file.unlink()
                file.write_bytes(data)

    proxy.before_pass = touch
    try:
        with proxy.broken_by(HttpFault(_FILE, "truncated")):
            yield lambda: len(ranges) - 1
    finally:
        proxy.before_pass = lambda _method, _path: None


def _http(of: str, what: str, fault: HttpFault, said: str = ABSORBED) -> Fault:
    @contextmanager
    def during(world: World) -> Iterator[Callable[[], int]]:
        proxies = world.proxies
        proxy = {"GCS": proxies.gcs, "BigQuery": proxies.bigquery, "source": proxies.source}[of]
        with proxy.broken_by(fault):
            yield lambda: proxy.broken

    return Fault(of, what, during, said)
