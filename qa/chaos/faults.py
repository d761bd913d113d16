"""Servers, networks and disks that fail while a month is replaced: what the run makes of it."""

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import psutil

from qa.chaos.pipeline import Ending
from qa.chaos.proxies import (
    Answer,
    HttpFault,
    NotReachedError,
    cut_off,
    flipped,
    gzipped,
    sized,
    truncated,
)
from qa.chaos.trials import Trial, TwoVersions, run_all
from qa.chaos.world import World

ABSORBED = ""


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        of: Which server, as the report names it.
        during: Breaks it for as long as it is entered; raises NotReachedError if it did not.
        said: Words of the error with which the run has to end; empty if it has to succeed.
    """

    of: str
    what: str
    during: Callable[[World], AbstractContextManager[None]]
    said: str = ABSORBED

    def __str__(self) -> str:
        return f"{self.of}: {self.what}"


def run_faults(month: TwoVersions, chosen: Sequence[Fault]) -> list[Trial]:
    return run_all(chosen, partial(_try, month))


def _try(month: TwoVersions, fault: Fault) -> Trial:
    month.offer_other()
    ending: Ending | None = None
    missed = ""
    try:
        with fault.during(month.world):
            ending = month.run()
    except NotReachedError as why:
        missed = str(why)
    if ending is None:
        return Trial(fault.of, fault.what, fault.what, f"not tried: {missed}", (), reached=False)
    problems = []
    if fault.said not in ending.error or (ending.error and not fault.said):
        problems.append(f"the run said {ending.error!r}, expected {fault.said!r}")
    return replace(month.after(fault.of, fault.what, ending, problems), reached=not missed)


_UPLOAD, _COPY, _READ = ("POST", "/upload/"), ("POST", "rewriteTo/b/"), ("GET", "conformed.json")
_JOB, _FILE = ("POST", "/jobs"), ("GET", "/trip-data/")
_REQUESTS = (
    ("GCS", (500, 503, 408, 429), (
        ("an upload", _UPLOAD), ("a copy", _COPY), ("a look at an object", ("GET", "/o/trips/")),
        ("a read", _READ), ("a deletion", ("DELETE", "/o/")),
    )),
    ("BigQuery", (500, 503, 429), (
        ("a job", _JOB), ("a query's answer", ("GET", "/queries/")),
        ("a look", ("GET", "/tables/green")),
    )),
    ("source", (500, 502, 503, 429, 408), (("a file", _FILE),)),
)  # fmt: skip
_UNAVAILABLE, _FORBIDDEN = sized(503, {}), sized(403, {})
_PAGE = sized(200, {"Content-Type": "text/html"}, b"<html>Sorry</html>")


def http_faults() -> Iterator[Fault]:
    """Cloud Storage, BigQuery and the source: each kind of request broken in each way."""
    for of, statuses, requests in _REQUESTS:
        for name, request in requests:
            for what, fault in (
                *((f" answered {status}", HttpFault(request, sized(status, {})))
                  for status in statuses),
                (": connection reset", HttpFault(request, reset="before")),
                (": done, but the answer is lost", HttpFault(request, reset="after")),
            ):  # fmt: skip
                yield Fault(of, name + what, partial(_http, of=of, fault=fault))
    for of, what, fault, said in (
        ("GCS", "an upload stalls for 8 s", HttpFault(_UPLOAD, stall=8), ABSORBED),
        ("GCS", "every copy answered 503", HttpFault(_COPY, _UNAVAILABLE, times=9_999),
         "ServiceUnavailable"),
        ("GCS", "an upload is changed on the way", HttpFault(_UPLOAD, upload=flipped), ABSORBED),
        ("GCS", "a read is cut short", HttpFault(_READ, change=truncated), ABSORBED),
        ("GCS", "copies are forbidden", HttpFault(_COPY, _FORBIDDEN, times=99), "rewriteTo"),
        ("BigQuery", "a job stalls for 5 s", HttpFault(_JOB, stall=5), ABSORBED),
        ("BigQuery", "jobs are forbidden", HttpFault(_JOB, _FORBIDDEN, times=99),
         "roles/bigquery.dataEditor"),
        ("source", "answered 503 with Retry-After: 2",
         HttpFault(_FILE, sized(503, {"Retry-After": "2"})), ABSORBED),
        ("source", "broke off before its Content-Length", HttpFault(_FILE, change=truncated),
         ABSORBED),
        ("source", "broke off without a Content-Length", HttpFault(_FILE, change=cut_off), "PAR1"),
        ("source", "stalls for 5 s", HttpFault(_FILE, stall=5), ABSORBED),
        ("source", "trickles for 6 s", HttpFault(_FILE, trickle=6), ABSORBED),
        ("source", "gzip on top", HttpFault(_FILE, change=gzipped), "Content-Encoding"),
        ("source", "redirects to itself for ever",
         HttpFault(_FILE, sized(302, {"Location": "?"}), times=99), "sends us on to"),
        ("source", "a page instead of a file", HttpFault(_FILE, _PAGE), "HTML"),
        ("source", "403 under throttling", HttpFault(_FILE, _FORBIDDEN, times=99), "403"),
    ):  # fmt: skip
        yield Fault(of, what, partial(_http, of=of, fault=fault), said)
    yield Fault("source", "another version between two ranges", _changes_between_ranges)


def _http(world: World, of: str, fault: HttpFault) -> AbstractContextManager[None]:
    return world.http[of].broken_by(fault)


def _changes_between_ranges(world: World) -> AbstractContextManager[None]:
    """The download breaks off; what it resumes from is another file by then."""
    (file,) = (world.stack.cdn_root / "trip-data").glob("green_tripdata_2024-01*.parquet")

    def replaced(answer: Answer) -> Answer:
        # The same bytes under another validator: what was downloaded counts for nothing.
        data = file.read_bytes()
        file.unlink()
        file.write_bytes(data)
        return truncated(answer)

    return world.http["source"].broken_by(HttpFault(_FILE, change=replaced))


@contextmanager
def _full_server(world: World) -> Iterator[None]:
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
            yield
        finally:
            server.psql(f"ALTER ROLE {role} RESET default_tablespace")
            server.psql("DROP TABLESPACE small_disk")


def _full_work_folder(world: World, size: str) -> AbstractContextManager[None]:
    return _small_disk(Path(world.stores.environment["TLC_WORK_DIR"]), f"size={size}")


@contextmanager
def _small_disk(folder: Path, options: str) -> Iterator[None]:
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError as absent:
        raise NotReachedError("there is no mount") from absent
    if mounted.returncode:
        raise NotReachedError(f"a small disk takes root ({mounted.stderr.strip()})")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)  # noqa: S607


DISK_FAULTS = (
    Fault("Postgres", "disk full during a COPY", _full_server, "No space left"),
    Fault("work folder", "disk full during a download", partial(_full_work_folder, size="1m"),
          "TLC_WORK_DIR"),
    Fault("work folder", "disk full while rows are conformed",
          partial(_full_work_folder, size="3m"), "TLC_WORK_DIR"),
)  # fmt: skip
"""Small disks are mounted where the server or the run writes."""
