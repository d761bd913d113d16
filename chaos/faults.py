"""Servers and networks that fail while a month is replaced: what the run makes of it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial

from chaos.kills import Tell
from chaos.proxies import HttpFault, TcpFault
from chaos.two_versions import Trial, TwoVersions
from chaos.world import World
from embedded.daemon import ServerStartError

_ABSORBED = ""
_MID_COPY = 1_500_000
"""Bytes of one connection: in the midst of the COPY of either part."""


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
    during: Callable[[World], AbstractContextManager[Callable[[], int]]]
    said: str = _ABSORBED


def faults() -> list[Fault]:
    return [*_postgres_faults(), *_gcs_faults(), *_source_faults()]


def run_faults(month: TwoVersions, chosen: list[Fault], tell: Tell) -> list[Trial]:
    trials = []
    for number, fault in enumerate(chosen, 1):
        trials.append(_trial(month, fault))
        verdict = "; ".join(trials[-1].problems) or trials[-1].outcome
        tell(f"fault {number}/{len(chosen)}  {fault.of}: {fault.what}: {verdict}")
    return trials


def _trial(month: TwoVersions, fault: Fault) -> Trial:
    month.offer_other()
    with fault.during(month.world) as happened:
        ending = month.run()
        reached = happened() > 0
    problems = list(month.torn())
    if fault.said not in ending.error or (ending.error and not fault.said):
        problems.append(f"the run said {ending.error!r}, expected {fault.said!r}")
    month.load()
    problems += month.unlike_undisturbed()
    outcome = "refused, then repaired by the next run" if ending.error else "absorbed"
    return Trial(fault.of, fault.what, outcome, tuple(problems), reached, ending.error)


# --- Postgres ---


def _postgres_faults() -> Iterator[Fault]:
    yield from (
        Fault("Postgres", f"{what}, in the midst of a COPY", _while_copying(action))
        for what, action in (
            ("stopped fast and started", _restart_fast),
            ("stopped at once (immediate) and started", partial(_restart_by, signal.SIGQUIT)),
            ("postmaster killed with SIGKILL and started", partial(_restart_by, signal.SIGKILL)),
            ("backend killed with SIGKILL", _kill_backend),
            ("backend terminated by an administrator", _terminate_backend),
            ("line stalls for 5 seconds", lambda _world: time.sleep(5)),
        )
    )
    yield Fault("Postgres", "connection reset in the midst of a COPY", _reset_postgres(_MID_COPY))
    yield Fault("Postgres", "first connection reset at its start", _reset_postgres(0))
    yield Fault("Postgres", "every connection reset", _reset_postgres(0, times=99), "Tried 5 times")
    yield Fault("Postgres", "no connection left for 1.5 s", _crowd(seconds=1.5))
    yield Fault("Postgres", "no connection left at all", _crowd(seconds=60.0), "too many clients")
    yield Fault("Postgres", "a writer locks the table for 2 s", _locked(seconds=2.0))
    yield Fault("Postgres", "a reader has the month open for 3 s", _read(seconds=3.0))
    for setting, value, said in (
        ("statement_timeout", "50ms", "Raise statement_timeout"),
        ("default_transaction_read_only", "on", "read-only"),
        ("default_transaction_isolation", "serializable", _ABSORBED),
        ("idle_in_transaction_session_timeout", "5ms", "idle-in-transaction"),
    ):
        yield Fault("Postgres", f"{setting} = {value}", _role_setting(setting, value), said)


def _while_copying(
    action: Callable[[World], None],
) -> Callable[[World], AbstractContextManager[Callable[[], int]]]:
    @contextmanager
    def during(world: World) -> Iterator[Callable[[], int]]:
        proxy = world.proxies.postgres
        with proxy.broken_by(TcpFault(_MID_COPY, action=lambda: action(world))):
            yield lambda: proxy.broken

    return during


def _reset_postgres(
    after: int, times: int = 1
) -> Callable[[World], AbstractContextManager[Callable[[], int]]]:
    @contextmanager
    def during(world: World) -> Iterator[Callable[[], int]]:
        proxy = world.proxies.postgres
        with proxy.broken_by(TcpFault(after, times=times)):
            yield lambda: proxy.broken

    return during


def _restart_fast(world: World) -> None:
    world.stack.postgres.stop()
    world.stack.postgres.start()


def _restart_by(number: int, world: World) -> None:
    server = world.stack.postgres
    os.kill(server.pid or 0, number)
    server.await_end(20)
    deadline = time.monotonic() + 20
    while True:
        try:
            server.start()
        except ServerStartError:
            # Its backends outlive a killed postmaster for a moment.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


_COPYING = "FROM pg_stat_activity WHERE application_name = 'nyc_tlc' AND query LIKE 'COPY%%_new%%'"


def _kill_backend(world: World) -> None:
    for (pid,) in world.sql(f"SELECT pid {_COPYING} LIMIT 1"):
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.5)


def _terminate_backend(world: World) -> None:
    world.sql(f"SELECT pg_terminate_backend(pid) {_COPYING} LIMIT 1")


def _crowd(seconds: float) -> Callable[[World], AbstractContextManager[Callable[[], int]]]:
    @contextmanager
    def during(world: World) -> Iterator[Callable[[], int]]:
        name = world.environment["POSTGRES_USER"]
        ((most,),) = world.sql("SELECT setting::int FROM pg_settings WHERE name='max_connections'")
        with ExitStack() as crowd:
            held = [crowd.enter_context(closing(world.connect())) for _ in range(most - 5)]
            # A superuser has reserved places; those are taken, too.
            while True:
                try:
                    held.append(crowd.enter_context(closing(world.connect())))
                except Exception:  # noqa: BLE001 - full is what it is meant to be
                    break
            leaving = threading.Timer(seconds, crowd.close)
            leaving.start()
            try:
                yield lambda: len(held) if name else 0
            finally:
                leaving.cancel()
                leaving.join()

    return during


def _locked(seconds: float) -> Callable[[World], AbstractContextManager[Callable[[], int]]]:
    return _holding("LOCK TABLE tlc.green IN ACCESS EXCLUSIVE MODE", seconds)


def _read(seconds: float) -> Callable[[World], AbstractContextManager[Callable[[], int]]]:
    return _holding("SELECT count(*) FROM tlc.green", seconds)


def _holding(
    statement: str, seconds: float
) -> Callable[[World], AbstractContextManager[Callable[[], int]]]:
    """A transaction that keeps its locks for some time."""

    @contextmanager
    def during(world: World) -> Iterator[Callable[[], int]]:
        with closing(world.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            leaving = threading.Timer(seconds, connection.commit)
            leaving.start()
            yield lambda: 1
            leaving.join()

    return during


def _role_setting(
    name: str, value: str
) -> Callable[[World], AbstractContextManager[Callable[[], int]]]:
    @contextmanager
    def during(world: World) -> Iterator[Callable[[], int]]:
        role = world.environment["POSTGRES_USER"]
        world.sql(f"ALTER ROLE {role} SET {name} = '{value}'")
        try:
            yield lambda: 1
        finally:
            world.sql(f"BEGIN READ WRITE; ALTER ROLE {role} RESET {name}; COMMIT")

    return during


# --- GCS ---

_UPLOAD, _COPY = ("POST", "/upload/"), ("POST", "rewriteTo/b/")
_STAT, _DELETE = ("GET", "/o/trips/"), ("DELETE", "/o/")
_READ = ("GET", "conformed.json")


def _gcs_faults() -> Iterator[Fault]:
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


# --- The source ---

_FILE = ("GET", "/trip-data/")


def _source_faults() -> Iterator[Fault]:
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


def _http(of: str, what: str, fault: HttpFault, said: str = _ABSORBED) -> Fault:
    @contextmanager
    def during(world: World) -> Iterator[Callable[[], int]]:
        proxy = world.proxies.gcs if of == "GCS" else world.proxies.source
        with proxy.broken_by(fault):
            yield lambda: proxy.broken

    return Fault(of, what, during, said)
