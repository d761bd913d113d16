"""Connections to Postgres, and its refusals in our words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
from certifi import where
from psycopg2 import errors as pg
from psycopg2 import extensions
from psycopg2.sql import SQL, Composable, Composed, Identifier

from nyc_tlc.core.errors import ConfigurationError, ContractError, PipelineError, RetryableError

Connection = extensions.connection
Cursor = extensions.cursor
_KEEPALIVES: Mapping[str, Any] = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
_SESSION: Mapping[str, Any] = {
    # The server, too, is to notice within a minute that we are gone, and let go of our locks.
    **{f"tcp_{name}": value for name, value in _KEEPALIVES.items()},
    # The transaction of a month says nothing while others copy its parts: no more than a minute
    # here, but longer than many servers let a transaction be idle.
    "idle_in_transaction_session_timeout": "1h",
}
_REFUSALS = (
    "authentication failed",
    "permission denied",
    "does not exist",
    "no password supplied",
    "no pg_hba.conf",
)
"""By which libpq says that trying again is of no use; it gives no code before the connection is."""
_SESSION_ENDED = (
    "The session was ended; the server's log says why (a restart, an administrator, the role's "
    "transaction_timeout)"
)
_TLS_REFUSALS = ("certificate", "does not support SSL", "SSL error")


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
            try:
                if snapshot:
                    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
                with connection.cursor() as cursor:
                    _enter(cursor, Identifier(schema).as_string(cursor))
                    yield cursor
                connection.commit()
            except psycopg2.Error as error:
                # Closing the connection rolls back, even where the server is gone.
                raise self._explained(error, session_ended=connection.closed != 0) from error

    def _explained(self, error: psycopg2.Error, *, session_ended: bool) -> PipelineError:
        said = f"Postgres {self!r} refused: {_said(error)}. The transaction was rolled back"
        kept = f"{said}; the month stays as it was"
        if isinstance(error, psycopg2.DataError | psycopg2.IntegrityError):
            return ContractError(
                f"{kept}. The contract lets a value through that the table does not take: this is "
                "a defect to report."
            )
        if isinstance(error, pg.QueryCanceled):
            return ConfigurationError(f"{kept}. Raise statement_timeout for the role.")
        if isinstance(error, pg.DiskFull):
            return RetryableError(
                f"{kept}. Make room on the server's disk: the new month is built next to the old "
                "one"
            )
        if isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
            # During a COPY libpq loses the server's last words.
            return RetryableError(f"{kept}. {_SESSION_ENDED}" if session_ended else kept)
        return ConfigurationError(
            f"{said}. The role must own the schema: make it the owner, and move away what is not "
            "of this project."
        )

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
                **self.tls.parameters(),
                options=" ".join(f"-c {name}={value}" for name, value in _SESSION.items()),
                **_KEEPALIVES,
            )
        except psycopg2.OperationalError as error:
            said = _said(error)
            if any(word in said for word in _TLS_REFUSALS):
                raise ConfigurationError(
                    f"Postgres {self!r} and we do not agree about TLS "
                    f"(POSTGRES_SSLMODE={self.tls.mode}): {said}. Nothing was changed and no "
                    "password was sent. Check POSTGRES_SSLMODE and POSTGRES_SSLROOTCERT, which "
                    "has to hold the certificate that signed the server's."
                ) from None
            if any(refusal in said for refusal in _REFUSALS):
                raise ConfigurationError(
                    f"Postgres {self!r} refused us: {said}. Nothing was changed. Check "
                    "POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DBNAME."
                ) from None
            raise RetryableError(
                f"Postgres {self!r} does not answer: {said}. Nothing was changed. Check that "
                "it runs, and POSTGRES_HOST and POSTGRES_PORT"
            ) from None
        return connection


def commit(cursor: Cursor) -> None:
    """End the transaction and begin another in the same schema."""
    (path,) = one(cursor, "SHOW search_path")
    cursor.connection.commit()
    _enter(cursor, path)


def _enter(cursor: Cursor, path: str) -> None:
    # Not for the session: a pooler may give each transaction another one. A schema that the role
    # may not use is refused when it is named; a search path would leave it out.
    cursor.execute(
        "SELECT to_regclass(%s), set_config('search_path', %s, true)", [f"{path}.ledger", path]
    )


def sql(statement: str, *parts: str | Composable, **named: str | Composable) -> Composed:
    """A statement with its parts filled in; those that are texts are identifiers."""
    of_parts, of_named = map(_quoted, parts), {name: _quoted(part) for name, part in named.items()}
    return SQL(statement).format(*of_parts, **of_named)


def _quoted(part: str | Composable) -> Composable:
    return Identifier(part) if isinstance(part, str) else part


def one(
    cursor: Cursor, statement: str | Composable, values: Sequence[object] = ()
) -> tuple[Any, ...]:
    """The row that a statement returns."""
    cursor.execute(statement, values)
    row = cursor.fetchone()
    assert row is not None  # noqa: S101 - every caller's statement returns a row
    return row


def exists(cursor: Cursor, table: str) -> bool:
    return one(cursor, "SELECT to_regclass(%s) IS NOT NULL", [table]) == (True,)


def _said(error: psycopg2.Error) -> str:
    return " ".join(str(error).split()).rstrip(".")
