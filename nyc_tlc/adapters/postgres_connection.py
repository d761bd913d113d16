"""Connections to Postgres, and its refusals in our words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2 import errors as pg
from psycopg2.extensions import connection as Connection  # noqa: N812 - its class names are lower case
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - its class names are lower case

from nyc_tlc.core.errors import (
    ConfigurationError,
    ContractError,
    PipelineError,
    RetryableError,
)

_KEEPALIVES: Mapping[str, Any] = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    # The server, too, is to notice within a minute that we are gone, and let go of our locks.
    "options": "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3",
}
_REFUSALS = ("authentication failed", "does not exist", "no password supplied", "no pg_hba.conf")
"""By which libpq says that trying again is of no use; it gives no code before the connection is."""


@dataclass(frozen=True)
class Database:
    """A database, and who we are there."""

    host: str
    port: int
    dbname: str
    user: str
    password: str
    connect_timeout: int

    def __repr__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}/{self.dbname}"

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """One transaction on a connection of its own; rolled back on any error."""
        with closing(self._connect()) as connection:
            try:
                with connection.cursor() as cursor:
                    yield cursor
                connection.commit()
            except psycopg2.Error as error:
                # Closing the connection rolls back, even where the server is gone.
                raise self._explained(error) from error

    def _explained(self, error: psycopg2.Error) -> PipelineError:
        said = f"Postgres {self!r} refused: {_said(error)}. The transaction was rolled back"
        if isinstance(error, psycopg2.DataError | psycopg2.IntegrityError):
            return ContractError(
                f"{said}; the month stays as it was. The contract lets a value through that the "
                "table does not take: this is a defect to report."
            )
        if isinstance(error, pg.QueryCanceled):
            return ConfigurationError(
                f"{said}; the month stays as it was. Raise statement_timeout for the role."
            )
        if isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
            return RetryableError(f"{said}; the month stays as it was")
        return ConfigurationError(
            f"{said}. The schema must be ours: let the role own it, and move away what is not of "
            "this project."
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
                **_KEEPALIVES,
            )
        except psycopg2.OperationalError as error:
            said = _said(error)
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


def _said(error: psycopg2.Error) -> str:
    return " ".join(str(error).split())
