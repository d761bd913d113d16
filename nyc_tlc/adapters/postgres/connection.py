"""Connections to Postgres, straight or through a pooler, and transactions on them."""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
from certifi import where
from psycopg2 import extensions
from psycopg2.sql import SQL, Composable, Composed, Identifier

from nyc_tlc.adapters.postgres.errors import not_connected, refused
from nyc_tlc.core.errors import ConfigurationError, RetryableError

Connection = extensions.connection
Cursor = extensions.cursor
Values = Sequence[object] | Mapping[str, object]
_KEEPALIVES: Mapping[str, Any] = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
_DEFAULTS_OF_LIBPQ: Mapping[str, tuple[str, str]] = {
    "PGCHANNELBINDING": ("channel_binding", "prefer"),
    "PGGSSDELEGATION": ("gssdelegation", "0"),
    "PGGSSENCMODE": ("gssencmode", "prefer"),
    "PGGSSLIB": ("gsslib", ""),
    "PGHOSTADDR": ("hostaddr", ""),
    "PGKRBSRVNAME": ("krbsrvname", "postgres"),
    "PGLOADBALANCEHOSTS": ("load_balance_hosts", "disable"),
    "PGMAXPROTOCOLVERSION": ("max_protocol_version", "3.0"),
    "PGMINPROTOCOLVERSION": ("min_protocol_version", "3.0"),
    "PGOPTIONS": ("options", ""),
    "PGPASSFILE": ("passfile", ""),
    "PGREQUIREAUTH": ("require_auth", "password,md5,gss,sspi,scram-sha-256,none"),
    "PGREQUIREPEER": ("requirepeer", ""),
    "PGSSLCERT": ("sslcert", ""),
    "PGSSLCERTMODE": ("sslcertmode", "allow"),
    "PGSSLCOMPRESSION": ("sslcompression", "0"),
    "PGSSLCRL": ("sslcrl", ""),
    "PGSSLCRLDIR": ("sslcrldir", ""),
    "PGSSLKEY": ("sslkey", ""),
    "PGSSLMAXPROTOCOLVERSION": ("ssl_max_protocol_version", ""),
    "PGSSLMINPROTOCOLVERSION": ("ssl_min_protocol_version", "TLSv1.2"),
    "PGSSLNEGOTIATION": ("sslnegotiation", "postgres"),
    "PGSSLROOTCERT": ("sslrootcert", ""),
    "PGSSLSNI": ("sslsni", "1"),
    "PGTARGETSESSIONATTRS": ("target_session_attrs", "any"),
}
"""By environment variable: the parameter that it stands for, and libpq's value without it.

Source: PostgreSQL 18, "Environment Variables" and "Parameter Key Words" of libpq; the strings of
libpq 17 and 18 (read November 2026). The other variables are of parameters that we always give.
"""
_OF_NO_PARAMETER = ("PGSERVICE", "PGDATESTYLE", "PGGEQO", "PGTZ")
"""Nothing that is said to libpq wins over these: a service must exist, the others are sent as they
are, and PgBouncer refuses them."""
_OF_A_TRANSACTION: Mapping[str, str] = {
    # The server, too, is to notice within a minute that we are gone, and let go of our locks.
    **{f"tcp_{name}": str(value) for name, value in _KEEPALIVES.items()},
    # The transaction of a month says nothing while others copy its parts: no more than a minute
    # here, but longer than many servers let a transaction be idle.
    "idle_in_transaction_session_timeout": "1h",
    # A login trigger or a pooler may have changed what the connection was opened with.
    "client_encoding": "UTF8",
}
_HAS_WRITTEN = "SELECT txid_current_if_assigned() IS NOT NULL"
_STANDBY_PATIENCE = 60.0
"""Seconds."""


@dataclass(frozen=True)
class Tls:
    """How the connection is encrypted, and what proves the server.

    Attributes:
        mode: One of libpq's.
        root_certificates: To trust where the mode asks for proof. None: for ``verify-full`` those
            that browsers trust, for ``verify-ca`` libpq's own file.
    """

    mode: str = "prefer"
    root_certificates: Path | None = None

    def parameters(self) -> Mapping[str, Any]:
        """For libpq."""
        trusted = self.root_certificates
        if trusted is None and self.mode == "verify-full":
            # libpq's "system" means, in psycopg2's wheel, a folder of the machine that built it.
            trusted = Path(where())
        return {"sslmode": self.mode} | ({"sslrootcert": str(trusted)} if trusted else {})


@dataclass(frozen=True)
class Database:
    """A database, and the role that connects to it."""

    host: str
    port: int
    dbname: str
    user: str
    password: str
    connect_timeout: int
    tls: Tls = field(default_factory=Tls)

    def __repr__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}/{self.dbname}"

    @contextmanager
    def transaction(self, schema: str, *, snapshot: bool = False) -> Iterator[Cursor]:
        """One transaction on its own connection; rolled back on any error.

        Args:
            schema: Where the names in its statements are; it need not exist yet.
            snapshot: Only read, and everything as of the same moment.
        """
        with closing(self._connect()) as connection:
            committing = False
            try:
                if snapshot:
                    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
                with connection.cursor() as cursor:
                    has_standby = _enter(cursor, Identifier(schema).as_string(cursor))
                    yield cursor
                    waits = has_standby and one(cursor, _HAS_WRITTEN) == (True,)
                    committing = True
                    connection.commit()
                    if waits:
                        _await_standby(cursor, repr(self))
            except psycopg2.Error as error:
                # Closing the connection rolls back, even where the server is gone.
                raise refused(
                    error, repr(self), committing=committing, ended=connection.closed != 0
                ) from error

    def _connect(self) -> Connection:
        try:
            connection: Connection = psycopg2.connect(
                host=self.host,
                port=self.port,
                dbname=self.dbname,
                user=self.user,
                password=self.password,
                connect_timeout=self.connect_timeout,
                application_name="nyc_tlc",
                **_unsteered(),
                **self.tls.parameters(),
                # What the rows are sent in, whatever database or role are set to.
                client_encoding="UTF8",
                **_KEEPALIVES,
            )
            # A login trigger may have set another, in which psycopg2 would send our statements.
            connection.set_client_encoding("UTF8")
        except psycopg2.OperationalError as error:
            refusal = not_connected(error, repr(self), self.tls.mode)
            refusal.outage = str(refusal).partition(". Nothing was changed")[0]
            raise refusal from None
        return connection


def _unsteered() -> Mapping[str, Any]:
    """Parameters that keep libpq from what its environment says: the settings are all that counts.

    Only of variables that are set: an older libpq does not know all of the parameters.
    """
    for name in _OF_NO_PARAMETER:
        os.environ.pop(name, None)
    present = [_DEFAULTS_OF_LIBPQ[name] for name in _DEFAULTS_OF_LIBPQ.keys() & os.environ.keys()]
    return {name: value for name, value in present if _is_known(name)}


def _is_known(parameter: str) -> bool:
    try:
        extensions.parse_dsn(f"{parameter}=''")
    except psycopg2.ProgrammingError:
        return False
    return True


def commit(cursor: Cursor) -> None:
    """End the transaction and begin another in the same schema."""
    (path,) = one(cursor, "SHOW search_path")
    cursor.connection.commit()
    _enter(cursor, path)


def _await_standby(cursor: Cursor, database: str) -> None:
    """Wait for a synchronous standby, if the role is to, with nothing locked.

    Raises:
        RetryableError: none answers. What was committed is committed.
    """
    gave_up = threading.Event()

    def give_up() -> None:
        gave_up.set()
        # The one way to end that wait: no time-out of the server's does.
        cursor.connection.cancel()

    timer = threading.Timer(_STANDBY_PATIENCE, give_up)
    timer.start()
    try:
        cursor.execute("SELECT pg_logical_emit_message(true, 'nyc_tlc', '')")
        cursor.connection.commit()
    finally:
        timer.cancel()
    if gave_up.is_set():
        raise RetryableError(
            f"Postgres {database} committed, but none of its synchronous_standby_names has "
            f"confirmed that within {_STANDBY_PATIENCE:.0f} s: if this server is lost now, so is "
            "the change. Nobody else waits for it. Start the standby, or take its name out"
        )


def _enter(cursor: Cursor, path: str) -> bool:
    """Set what is ours for the transaction; whether the server has synchronous standbys.

    Raises:
        ConfigurationError: the database has no encoding.
    """
    # Not for the session: a pooler may give each transaction another one, and refuses a start-up
    # packet that asks for more than it knows. A schema that the role may not use is refused when
    # it is named; a search path would leave it out.
    settings = {"search_path": path, **_OF_A_TRANSACTION}
    found = one(
        cursor,
        "SELECT to_regclass(%s), (SELECT count(set_config(name, value, true)) "
        "FROM unnest(%s, %s) AS setting (name, value)), set_config('synchronous_commit', "
        # COMMIT waits for a standby before it lets go of locks: see _await_standby.
        "CASE current_setting('synchronous_commit') WHEN 'off' THEN 'off' ELSE 'local' END, true), "
        "current_setting('synchronous_standby_names') <> '', current_setting('server_encoding')",
        [f"{path}.ledger", list(settings), list(settings.values())],
    )
    *_, has_standby, encoding = found
    if encoding == "SQL_ASCII":  # any other is converted to, or refuses what it lacks
        raise ConfigurationError(
            "the database's encoding is SQL_ASCII, which is none: it keeps bytes, and whoever "
            "reads them in another encoding than UTF8 gets other letters. Nothing was changed. "
            "Create the database with ENCODING 'UTF8', and name it in POSTGRES_DBNAME."
        )
    return bool(has_standby)


def sql(statement: str, *parts: str | Composable, **named: str | Composable) -> Composed:
    """A statement with its parts filled in; those that are texts are identifiers."""
    of_parts, of_named = map(_quoted, parts), {name: _quoted(part) for name, part in named.items()}
    return SQL(statement).format(*of_parts, **of_named)


def _quoted(part: str | Composable) -> Composable:
    return Identifier(part) if isinstance(part, str) else part


def one(cursor: Cursor, statement: str | Composable, values: Values = ()) -> tuple[Any, ...]:
    """The row that a statement returns."""
    cursor.execute(statement, values)
    row = cursor.fetchone()
    assert row is not None  # noqa: S101 - every caller's statement returns a row
    return row


def scalars(cursor: Cursor, statement: str | Composable, values: Values = ()) -> list[Any]:
    """The first column of the rows that a statement returns."""
    cursor.execute(statement, values)
    return [row[0] for row in cursor.fetchall()]


def exists(cursor: Cursor, table: str) -> bool:
    return one(cursor, "SELECT to_regclass(%s) IS NOT NULL", [table]) == (True,)
