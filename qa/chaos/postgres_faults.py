"""PostgreSQL that fails: servers that stop, lines that break, sessions that are in the way."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from functools import partial
from typing import Any

import psycopg2

from embedded.servers.daemon import ServerStartError
from nyc_tlc.adapters.postgres.ledger import lock_keys
from qa.chaos.faults import ABSORBED, Fault
from qa.chaos.proxies import NotReachedError, TcpFault
from qa.chaos.trials import MONTH
from qa.chaos.world import World

_MID_COPY = 1_500_000
"""Bytes of one connection: in the midst of the COPY of either part."""
_COPYING = "FROM pg_stat_activity WHERE application_name = 'nyc_tlc' AND query LIKE 'COPY%_new%'"
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


@contextmanager
def _broken_line(
    world: World,
    action: Callable[[World], object] | None = None,
    after: int = _MID_COPY,
    times: int = 1,
) -> Iterator[None]:
    """Do something to the server after so many bytes; without an action the line is reset."""
    act = None if action is None else partial(action, world)
    with world.postgres.broken_by(TcpFault(after, act, times)):
        yield


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


@contextmanager
def _no_connection_left(world: World, seconds: float) -> Iterator[None]:
    # The rest is for superusers, and for those who came before us.
    with ExitStack() as crowd:
        with suppress(psycopg2.OperationalError):
            while True:
                crowd.enter_context(closing(world.stores.connect()))
        leaving = threading.Timer(seconds, crowd.close)
        leaving.start()
        try:
            yield
        finally:
            leaving.cancel()
            leaving.join()


@contextmanager
def _locked(world: World, statement: str, seconds: float) -> Iterator[None]:
    """A transaction that keeps its locks for some time."""
    with closing(world.stores.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        leaving = threading.Timer(seconds, connection.commit)
        leaving.start()
        yield
        leaving.join()


@contextmanager
def _role_setting(world: World, name: str, value: str) -> Iterator[None]:
    server, role = world.stack.postgres, world.stores.environment["POSTGRES_USER"]
    server.psql(f"ALTER ROLE {role} SET {name} = '{value}'")
    try:
        yield
    finally:
        server.psql(f"ALTER ROLE {role} RESET {name}")


@contextmanager
def _deadlock(world: World) -> Iterator[None]:
    """Somebody has the ledger and then wants the trips; the load has those and wants the ledger.

    The load is the one that is ended: it looks after 20 ms, the other only after a second.
    """
    before = world.stores.sql(_DEADLOCKS)
    with closing(world.stores.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE tlc.ledger IN EXCLUSIVE MODE")
        other = threading.Thread(target=_want_trips, args=(world, connection), daemon=True)
        with _role_setting(world, "deadlock_timeout", "20ms"):
            other.start()
            yield
            found = world.stores.sql(_DEADLOCKS)
        other.join()
    if found == before:
        raise NotReachedError("PostgreSQL counted no deadlock")


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
def _unserial(world: World) -> Iterator[None]:
    """The load sees the ledger as of its beginning, and writes what has changed since."""
    change = "UPDATE tlc.ledger SET seconds = seconds WHERE service = 'green'"
    failure = "could not serialize access due to concurrent update"
    log = world.stack.postgres.log
    with (
        _role_setting(world, "default_transaction_isolation", "repeatable read"),
        _broken_line(world, lambda world: world.stores.sql(change)),
    ):
        before = log.read_text("utf-8").count(failure)
        yield
        if log.read_text("utf-8").count(failure) == before:
            raise NotReachedError("PostgreSQL refused no update")


def _fault(
    what: str,
    during: Callable[..., AbstractContextManager[None]],
    said: str = ABSORBED,
    **options: Any,
) -> Fault:
    return Fault("Postgres", what, partial(during, **options), said)


_TURN = "SELECT pg_advisory_xact_lock({}, {})".format(*lock_keys("tlc", MONTH))
POSTGRES_FAULTS = (
    *(
        _fault(f"{what} during a COPY", _broken_line, action=action)
        for what, action in (
            ("stopped fast and started", partial(_restart_by, signal.SIGINT)),
            ("stopped at once (immediate) and started", partial(_restart_by, signal.SIGQUIT)),
            ("postmaster killed with SIGKILL and started", partial(_restart_by, signal.SIGKILL)),
            ("backend killed with SIGKILL", _kill_backend),
            ("backend terminated by an administrator", _terminate_backend),
            ("line stalls for 5 seconds", lambda _world: time.sleep(5)),
            ("connection reset", None),
        )
    ),
    _fault("first connection reset at its start", _broken_line, after=0),
    _fault("every connection reset", _broken_line, "Tried 5 times", after=0, times=99),
    _fault("no connection left for 1.5 s", _no_connection_left, seconds=1.5),
    _fault(
        "no connection left at all", _no_connection_left,
        "remaining connection slots are reserved", seconds=60,
    ),
    _fault(
        "a writer locks the table for 2 s", _locked,
        statement="LOCK TABLE tlc.green IN ACCESS EXCLUSIVE MODE", seconds=2,
    ),
    _fault(
        "a reader has the month open for 3 s", _locked,
        statement="SELECT count(*) FROM tlc.green", seconds=3,
    ),
    _fault("another run has the month's turn for 3 s", _locked, statement=_TURN, seconds=3),
    _fault("a deadlock with another transaction", _deadlock),
    _fault("serialisation failure: the ledger changes under the load", _unserial),
    *(
        _fault(f"{name} = {value}", _role_setting, said, name=name, value=value)
        for name, value, said in (
            ("statement_timeout", "50ms", "statement_timeout"),
            ("default_transaction_read_only", "on", "read-only"),
            ("default_transaction_isolation", "serializable", ABSORBED),
            ("idle_in_transaction_session_timeout", "5ms", ABSORBED),
            ("transaction_timeout", "50ms", "transaction_timeout"),
            ("idle_session_timeout", "1ms", ABSORBED),
            ("lock_timeout", "1ms", ABSORBED),
        )
    ),
)  # fmt: skip
