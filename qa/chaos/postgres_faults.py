"""PostgreSQL that fails: servers that stop, lines that break, sessions that are in the way."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from functools import partial

import psycopg2

from embedded.servers.daemon import ServerStartError
from nyc_tlc.adapters.postgres.ledger import lock_keys
from qa.chaos.faults import ABSORBED, During, Fault
from qa.chaos.proxies import TcpFault
from qa.chaos.trials import MONTH
from qa.chaos.world import World

_MID_COPY = 1_500_000
"""Bytes of one connection: in the midst of the COPY of either part."""
_COPYING = "FROM pg_stat_activity WHERE application_name = 'nyc_tlc' AND query LIKE 'COPY%%_new%%'"


def postgres_faults() -> Iterator[Fault]:
    for what, during, said in (
        ("stopped fast and started, in the midst of a COPY", _mid_copy(_restart_fast), ABSORBED),
        ("stopped at once (immediate) and started, in the midst of a COPY",
         _mid_copy(partial(_restart_by, signal.SIGQUIT)), ABSORBED),
        ("postmaster killed with SIGKILL and started, in the midst of a COPY",
         _mid_copy(partial(_restart_by, signal.SIGKILL)), ABSORBED),
        ("backend killed with SIGKILL, in the midst of a COPY", _mid_copy(_kill_backend), ABSORBED),
        ("backend terminated by an administrator, in the midst of a COPY",
         _mid_copy(_terminate_backend), ABSORBED),
        ("line stalls for 5 seconds, in the midst of a COPY",
         _mid_copy(lambda _world: time.sleep(5)), ABSORBED),
        ("connection reset in the midst of a COPY", _reset(TcpFault(_MID_COPY)), ABSORBED),
        ("first connection reset at its start", _reset(TcpFault(0)), ABSORBED),
        ("every connection reset", _reset(TcpFault(0, times=99)), "Tried 5 times"),
        ("no connection left for 1.5 s", _crowd(1.5), ABSORBED),
        ("no connection left at all", _crowd(60.0), "remaining connection slots are reserved"),
        ("a writer locks the table for 2 s",
         _holding("LOCK TABLE tlc.green IN ACCESS EXCLUSIVE MODE", 2.0), ABSORBED),
        ("a reader has the month open for 3 s",
         _holding("SELECT count(*) FROM tlc.green", 3.0), ABSORBED),
        ("a deadlock with another transaction", _deadlock, ABSORBED),
        ("serialisation failure: the ledger changes under the load", _unserial, ABSORBED),
        ("another run has the month's turn for 3 s",
         _holding("SELECT pg_advisory_xact_lock({}, {})".format(*lock_keys("tlc", MONTH)), 3.0),
         ABSORBED),
        *((f"{setting} = {value}", _role_setting(setting, value), said)
          for setting, value, said in _SETTINGS),
    ):  # fmt: skip
        yield Fault("Postgres", what, during, said)


_SETTINGS = (
    ("statement_timeout", "50ms", "statement_timeout"),
    ("default_transaction_read_only", "on", "read-only"),
    ("default_transaction_isolation", "serializable", ABSORBED),
    ("idle_in_transaction_session_timeout", "5ms", ABSORBED),
    ("transaction_timeout", "50ms", "transaction_timeout"),
    ("idle_session_timeout", "1ms", ABSORBED),
    ("lock_timeout", "1ms", ABSORBED),
)


def _reset(fault: TcpFault) -> During:
    @contextmanager
    def during(world: World) -> Iterator[Callable[[], int]]:
        proxy = world.proxies.postgres
        with proxy.broken_by(fault):
            yield lambda: proxy.broken

    return during


def _mid_copy(action: Callable[[World], object]) -> During:
    def during(world: World) -> AbstractContextManager[Callable[[], int]]:
        return _reset(TcpFault(_MID_COPY, action=partial(action, world)))(world)

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


def _kill_backend(world: World) -> None:
    for (pid,) in world.stores.sql(f"SELECT pid {_COPYING} LIMIT 1"):
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.5)


def _terminate_backend(world: World) -> None:
    world.stores.sql(f"SELECT pg_terminate_backend(pid) {_COPYING} LIMIT 1")


def _crowd(seconds: float) -> During:
    @contextmanager
    def during(world: World) -> Iterator[Callable[[], int]]:
        ((most,),) = world.stores.sql(
            "SELECT setting::int FROM pg_settings WHERE name='max_connections'"
        )
        with ExitStack() as crowd:
            held = [crowd.enter_context(closing(world.stores.connect())) for _ in range(most - 5)]
            # What is left is for superusers, and for those who came before us.
            with suppress(psycopg2.OperationalError):
                while True:
                    held.append(crowd.enter_context(closing(world.stores.connect())))
            leaving = threading.Timer(seconds, crowd.close)
            leaving.start()
            try:
                yield lambda: len(held)
            finally:
                leaving.cancel()
                leaving.join()

    return during


def _holding(statement: str, seconds: float) -> During:
    """A transaction that keeps its locks for some time."""

    @contextmanager
    def during(world: World) -> Iterator[Callable[[], int]]:
        with closing(world.stores.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            leaving = threading.Timer(seconds, connection.commit)
            leaving.start()
            yield lambda: 1
            leaving.join()

    return during


def _role_setting(name: str, value: str) -> During:
    @contextmanager
    def during(world: World) -> Iterator[Callable[[], int]]:
        server, role = world.stack.postgres, world.stores.environment["POSTGRES_USER"]
        server.psql(f"ALTER ROLE {role} SET {name} = '{value}'")
        try:
            yield lambda: 1
        finally:
            server.psql(f"ALTER ROLE {role} RESET {name}")

    return during


@contextmanager
def _deadlock(world: World) -> Iterator[Callable[[], int]]:
    """Somebody has the ledger and then wants the trips; the load has those and wants the ledger.

    The load is the one that is ended: it looks after 20 ms, the other only after a second.
    """
    server, role = world.stack.postgres, world.stores.environment["POSTGRES_USER"]
    found = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    before = world.stores.sql(found)
    with closing(world.stores.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE tlc.ledger IN EXCLUSIVE MODE")
        server.psql(f"ALTER ROLE {role} SET deadlock_timeout = '20ms'")
        other = threading.Thread(target=_want_trips, args=(world, connection), daemon=True)
        other.start()
        try:
            yield lambda: int(world.stores.sql(found) != before)
        finally:
            server.psql(f"ALTER ROLE {role} RESET deadlock_timeout")
            other.join()


def _want_trips(world: World, connection: psycopg2.extensions.connection) -> None:
    waits = (
        "SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted "
        "AND relation = 'tlc.ledger'::regclass AND application_name = 'nyc_tlc'"
    )
    deadline = time.monotonic() + 60
    with closing(world.stores.connect()) as looker, looker.cursor() as look:
        looker.autocommit = True
        look.execute(waits)
        while not look.fetchall() and time.monotonic() < deadline:
            look.execute(waits)
    with connection.cursor() as cursor, suppress(psycopg2.Error):
        cursor.execute("LOCK TABLE tlc.green IN ACCESS SHARE MODE")
    connection.rollback()


@contextmanager
def _unserial(world: World) -> Iterator[Callable[[], int]]:
    """The load sees the ledger as of its beginning, and writes what has changed since."""
    change = "UPDATE tlc.ledger SET seconds = seconds WHERE service = 'green'"
    with (
        _role_setting("default_transaction_isolation", "repeatable read")(world),
        _mid_copy(lambda world: world.stores.sql(change))(world),
    ):
        before = _serialisation_failures(world)
        yield lambda: _serialisation_failures(world) - before


def _serialisation_failures(world: World) -> int:
    log = world.stack.postgres.log.read_text("utf-8")
    return log.count("could not serialize access due to concurrent update")
