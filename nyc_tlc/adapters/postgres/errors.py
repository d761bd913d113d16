"""Postgres's refusals as the pipeline's errors, each with its next step: one table of SQLSTATEs."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import psycopg2

from nyc_tlc.core.errors import ConfigurationError, ContractError, PipelineError, RetryableError


class Refusal(NamedTuple):
    """What we make of a SQLSTATE; the step is a sentence without its full stop."""

    kind: type[PipelineError]
    next_step: str

    def of(self, what: str) -> PipelineError:
        """The error; to those that are tried again is added how often that was."""
        return self.kind(f"{what} {self.next_step}{'' if self.kind is RetryableError else '.'}")


REFUSALS: Mapping[str, Refusal] = {
    code: Refusal(kind, next_step)
    for codes, kind, next_step in (
        ("03 0B 0F 0L 0P 0Z 10 20 21 24 25 26 2D 34 3B 42601", ContractError, "None of our "
         "statements should meet this: report it with this message"),
        ("01 02 09 27 2F 38 39 44 HV P0", ConfigurationError, "A trigger, rule or function that "
         "is not of this project raised it: correct it, or take it off our tables"),
        ("08", RetryableError, "The connection broke: check the server, the network, and a pooler "
         "between us: it needs three connections for each of TLC_WORKERS"),
        ("0A", ConfigurationError, "The server, or something that was added to our tables, does "
         "not allow it: docs/database-administrator.md says what may be added"),
        ("22 23", ContractError, "The contract lets a value through that the table does not take: "
         "this is a defect to report, unless the constraint is not of this project: then drop "
         "it or correct it"),
        ("22021 22P05", ConfigurationError, "The encoding of the database lacks a character of "
         "the data: create the database with ENCODING 'UTF8'"),
        ("23001 23503 23P01", ConfigurationError, "The constraint that is named is not of this "
         "project: a month is replaced as a whole, so drop the constraint, or let a foreign key "
         "be ON DELETE CASCADE, or refer to a copy of the rows"),
        ("25006", ConfigurationError, "The server is a standby (SELECT pg_is_in_recovery()), or "
         "our session is read-only: point POSTGRES_HOST at the primary, or set "
         "default_transaction_read_only = off for the role and the database"),
        ("25P03", RetryableError, "Raise idle_in_transaction_session_timeout where it is forced "
         "on us"),
        ("25P04 57", RetryableError, "The session was ended; the server's log says why (a "
         "restart, an administrator, the role's transaction_timeout), or a pooler's (PgBouncer "
         "needs pool_mode session or transaction, and three connections for each of "
         "TLC_WORKERS)"),
        ("28", ConfigurationError, "Check POSTGRES_USER and POSTGRES_DBNAME; the server's "
         "pg_hba.conf says who may connect from where to which database, and whether with TLS"),
        ("28P01", ConfigurationError, "Check POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DBNAME"),
        ("2B", ConfigurationError, "Something of yours is built on what is to be replaced: drop "
         "what is named, run it again, and create it again on the service's table or view"),
        ("3D", ConfigurationError, "Check POSTGRES_DBNAME, or create the database"),
        ("3F", ConfigurationError, "Check POSTGRES_SCHEMA: somebody dropped or renamed it"),
        ("40", RetryableError, "Another transaction was in the way"),
        ("42", ConfigurationError, "Our tables are not as we made them: undo the change that is "
         "named, or report this message if there was none"),
        ("42501", ConfigurationError, "The role must own the schema: make it the owner, and move "
         "away what is not of this project"),
        ("42701 42710 42723 42P04 42P06 42P07", ConfigurationError, "Something that is not of "
         "this project has a name that we need: move it away, or set POSTGRES_SCHEMA to a "
         "schema of our own"),
        ("42703 42704 42883 42P01", ConfigurationError, "Something that we made is gone or has "
         "another name: run lake_audit, which says what of the months; run tlc_zones for zones, "
         "codes and views"),
        ("53", RetryableError, "The server is short of resources: see its log"),
        ("53100", RetryableError, "Make room on the server's disk (of the containers' server, the "
         "volume postgres-data): the new month is built next to the old one"),
        ("53200", RetryableError, "The server is short of memory; if its hint is "
         "max_locks_per_transaction, raise that to 512 and restart it: docs/runbook.md says why"),
        ("53300", RetryableError, "Raise max_connections, or the limit of role or database, or "
         "end idle sessions: a run needs three connections for each of TLC_WORKERS"),
        ("54", ConfigurationError, "A limit of the server, often of an index that was added to "
         "our tables: drop that index"),
        ("55", ConfigurationError, "The state of the object does not allow it: the server's hint "
         "says what would (a publication needs a REPLICA IDENTITY)"),
        ("55006", RetryableError, "Somebody uses the object: see pg_stat_activity"),
        ("55P03", RetryableError, "Somebody holds a lock that we need: pg_blocking_pids() and "
         "pg_stat_activity say who"),
        ("57014", ConfigurationError, "It took longer than the role's statement_timeout, or "
         "somebody cancelled it. Raise statement_timeout for the role"),
        ("57P03", RetryableError, "The server is starting, stopping or recovering"),
        ("57P04", ConfigurationError, "Somebody dropped the database: check POSTGRES_DBNAME"),
        ("58", RetryableError, "The server cannot use its own files: see its log, its disk and "
         "its mounts"),
        ("72", RetryableError, "The server no longer has what our transaction was to see"),
        ("F0", ConfigurationError, "The server's configuration files are wrong: see its log"),
        ("XX", ConfigurationError, "The server found itself or its files damaged: see its log, "
         "check it with pg_amcheck, and restore it, or fill another by `make rebuild-postgres`"),
    )
    for code in codes.split()
}  # fmt: skip
"""By SQLSTATE, or by its class: its first two characters. No class of PostgreSQL is missing."""

_UNKNOWN = Refusal(ConfigurationError, "The server's log and its administrator know more")
_BEFORE_A_CODE = {
    "28P01": r"authentication failed|no password supplied",
    "28000": r"pg_hba\.conf|not permitted to log in|role .* does not exist|no such user",
    "3D000": r"database .* (does not exist|is disabled)|no such database|invalid database",
    "42501": r"permission denied",
    "53300": r"too many (clients|connections)|connection slots are reserved|no more connections",
    "57P03": r"database system is|accepting connections",
    "08P01": r"_timeout|server login failed|server (conn|DNS|connect)|pgbouncer",
    "0A000": r"unsupported (startup|frontend|protocol)",
}
"""How servers and PgBouncer say it to a client that has no connection yet: libpq gives no code."""
_TLS_REFUSALS = ("certificate", "does not support SSL", "SSL error", "SSL negotiation")


def refused(
    error: psycopg2.Error, database: str, *, committing: bool, ended: bool
) -> PipelineError:
    """The error of a transaction; ``ended``: the connection is gone."""
    if committing and ended:
        return RetryableError(
            f"Postgres {database} went away during COMMIT: {said(error)}. Whether the transaction "
            "was committed is not known; running it again finds out, and changes nothing twice"
        )
    code = error.pgcode
    refusal = _refusal(code, error, ended=ended)
    return refusal.of(
        f"Postgres {database} refused: {said(error)}{_named(code, refusal)}. The transaction was "
        "rolled back: what was there stays as it was."
    )


def not_connected(error: psycopg2.OperationalError, database: str, sslmode: str) -> PipelineError:
    """The error of a connection that was not made."""
    text = said(error)
    if any(words in text for words in _TLS_REFUSALS):
        return ConfigurationError(
            f"Postgres {database} and we do not agree about TLS (POSTGRES_SSLMODE={sslmode}): "
            f"{text}. Nothing was changed and no password was sent. Check POSTGRES_SSLMODE and "
            "POSTGRES_SSLROOTCERT, which has to hold the certificate that signed the server's."
        )
    code = next((code for code, words in _BEFORE_A_CODE.items() if re.search(words, text)), None)
    if code is not None:
        refusal = _refusal(code, error, ended=False)
        return refusal.of(f"Postgres {database} refused us: {text}. Nothing was changed.")
    unknown = " (not recognised)" if "FATAL" in text else ""
    return RetryableError(
        f"Postgres {database} does not answer: {text}{unknown}. Nothing was changed. Check that "
        "it runs, and POSTGRES_HOST and POSTGRES_PORT"
    )


def said(error: psycopg2.Error) -> str:
    """What the server said, on one line."""
    return " ".join(str(error).split()).rstrip(".")


def _refusal(code: str | None, error: psycopg2.Error, *, ended: bool) -> Refusal:
    if code is not None:
        return REFUSALS.get(code) or REFUSALS.get(code[:2]) or _UNKNOWN
    # During a COPY libpq loses the server's last words.
    if ended or isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
        return REFUSALS["57"]
    return REFUSALS["03"]


def _named(code: str | None, refusal: Refusal) -> str:
    if code is None:
        return ""
    return f" (SQLSTATE {code}{', not recognised' if refusal is _UNKNOWN else ''})"
