"""Servers, networks and disks that fail while a month is replaced: what the run makes of it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from qa.chaos.proxies import HttpFault
from qa.chaos.trials import Trial, TwoVersions, run_all
from qa.chaos.world import World

ABSORBED = ""
During = Callable[[World], AbstractContextManager[Callable[[], int]]]


class NotPossibleHereError(RuntimeError):
    """This machine cannot be broken like that; the message says why."""


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        of: Which server, as the report names it.
        during: Breaks it for as long as it is entered; gives how often it really did.
        said: Words of the error with which the run has to end; empty if it has to end well.
    """

    of: str
    what: str
    during: During
    said: str = ABSORBED

    def __str__(self) -> str:
        return f"{self.of}: {self.what}"


def run_faults(months: Sequence[TwoVersions], chosen: Sequence[Fault]) -> list[Trial]:
    return run_all(months, chosen, _try)


def _try(month: TwoVersions, fault: Fault) -> Trial:
    month.offer_other()
    problems = []
    try:
        with fault.during(month.world) as happened:
            ending = month.run()
            reached = happened() > 0
    except NotPossibleHereError as why:
        return Trial(fault.of, fault.what, f"not tried: {why}", (), reached=False)
    if fault.said not in ending.error or (ending.error and not fault.said):
        problems.append(f"the run said {ending.error!r}, expected {fault.said!r}")
    return replace(month.after(fault.of, fault.what, ending, problems), reached=reached)


_UPLOAD, _COPY, _READ = ("POST", "/upload/"), ("POST", "rewriteTo/b/"), ("GET", "conformed.json")
_JOB, _FILE = ("POST", "/jobs"), ("GET", "/trip-data/")
_REQUESTS = {
    "GCS": {
        "an upload": _UPLOAD, "a copy": _COPY, "a look at an object": ("GET", "/o/trips/"),
        "a read": _READ, "a deletion": ("DELETE", "/o/"),
    },
    "BigQuery": {
        "a job": _JOB, "a query's answer": ("GET", "/queries/"), "a look": ("GET", "/tables/green"),
    },
    "source": {"a file": _FILE},
}  # fmt: skip
_STATUSES = {
    "GCS": (500, 503, 408, 429), "BigQuery": (500, 503, 429), "source": (500, 502, 503, 429, 408),
}  # fmt: skip
_SPECIAL: tuple[tuple[str, str, HttpFault, str], ...] = (
    ("GCS", "an upload stalls for 8 s", HttpFault(_UPLOAD, "stall", seconds=8), ABSORBED),
    ("GCS", "every copy answered 503", HttpFault(_COPY, "status", 503, times=9_999),
     "ServiceUnavailable"),
    ("GCS", "an upload is changed on the way", HttpFault(_UPLOAD, "corrupted upload"), ABSORBED),
    ("GCS", "a read is cut short", HttpFault(_READ, "truncated"), ABSORBED),
    ("GCS", "copies are forbidden", HttpFault(_COPY, "status", 403, times=99), "rewriteTo"),
    ("BigQuery", "a job stalls for 5 s", HttpFault(_JOB, "stall", seconds=5), ABSORBED),
    ("BigQuery", "jobs are forbidden", HttpFault(_JOB, "status", 403, times=99),
     "roles/bigquery.dataEditor"),
    ("source", "answered 503 with Retry-After: 2", HttpFault(_FILE, "status", 503, retry_after=2),
     ABSORBED),
    ("source", "broke off before its Content-Length", HttpFault(_FILE, "truncated"), ABSORBED),
    ("source", "broke off without a Content-Length", HttpFault(_FILE, "cut off"), "PAR1"),
    ("source", "stalls for 5 s", HttpFault(_FILE, "stall", seconds=5), ABSORBED),
    ("source", "trickles for 6 s", HttpFault(_FILE, "trickle", seconds=6), ABSORBED),
    ("source", "gzip on top", HttpFault(_FILE, "gzip"), "Content-Encoding"),
    ("source", "redirects to itself for ever", HttpFault(_FILE, "redirect", times=99),
     "TooManyRedirects"),
    ("source", "a page instead of a file", HttpFault(_FILE, "html"), "HTML"),
    ("source", "403 under throttling", HttpFault(_FILE, "status", 403, times=99), "403"),
)  # fmt: skip


def http_faults() -> Iterator[Fault]:
    """Cloud Storage, BigQuery and the source: each kind of request broken in each way."""
    for of, requests in _REQUESTS.items():
        for name, request in requests.items():
            for status in _STATUSES[of]:
                yield _http(of, f"{name} answered {status}", HttpFault(request, "status", status))
            yield _http(of, f"{name}: connection reset", HttpFault(request, "reset"))
            lost = HttpFault(request, "lost answer")
            yield _http(of, f"{name}: done, but the answer is lost", lost)
    for of, what, fault, said in _SPECIAL:
        yield _http(of, what, fault, said)
    yield Fault("source", "another version between two ranges", _changes_between_ranges)


def _http(of: str, what: str, fault: HttpFault, said: str = ABSORBED) -> Fault:
    @contextmanager
    def during(world: World) -> Iterator[Callable[[], int]]:
        proxies = world.proxies
        proxy = {"GCS": proxies.gcs, "BigQuery": proxies.bigquery, "source": proxies.source}[of]
        with proxy.broken_by(fault):
            yield lambda: proxy.broken

    return Fault(of, what, during, said)


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
    with proxy.broken_by(HttpFault(_FILE, "truncated")):
        yield lambda: len(ranges) - 1
    proxy.before_pass = None


def disk_faults() -> Iterator[Fault]:
    """Full disks: a small one is mounted where the server or the run writes."""
    yield Fault("Postgres", "disk full in the midst of a COPY", _full_server, "No space left")
    for megabytes, when in ((1, "in the midst of a download"), (3, "while rows are conformed")):
        yield Fault(
            "work folder", f"disk full {when}", _full_work_folder(megabytes), "TLC_WORK_DIR"
        )


@contextmanager
def _full_server(world: World) -> Iterator[Callable[[], int]]:
    """New tables go to a tablespace of 4 MB; a part of the month has 10."""
    server, role = world.stack.postgres, world.stores.environment["POSTGRES_USER"]
    disk = world.stack.state_dir / "small_disk"
    disk.mkdir(exist_ok=True)
    owner = psutil.Process(server.pid).uids().real
    with _small_disk(disk, f"size=4m,uid={owner},mode=700"):
        server.psql(f"CREATE TABLESPACE small_disk LOCATION '{disk}'")
        try:
            server.psql(f"GRANT CREATE ON TABLESPACE small_disk TO {role}")
            server.psql(f"ALTER ROLE {role} SET default_tablespace = small_disk")
            yield lambda: 1
        finally:
            server.psql(f"ALTER ROLE {role} RESET default_tablespace")
            server.psql("DROP TABLESPACE small_disk")


def _full_work_folder(megabytes: int) -> During:
    @contextmanager
    def during(world: World) -> Iterator[Callable[[], int]]:
        with _small_disk(Path(world.stores.environment["TLC_WORK_DIR"]), f"size={megabytes}m"):
            yield lambda: 1

    return during


@contextmanager
def _small_disk(folder: Path, options: str) -> Iterator[None]:
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError as absent:
        raise NotPossibleHereError("there is no mount") from absent
    if mounted.returncode:
        raise NotPossibleHereError(f"a small disk takes root ({mounted.stderr.strip()})")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)  # noqa: S607
