"""The ledger's entries in Postgres, and the turns that runs take at a partition."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from psycopg2.extensions import cursor as Cursor  # noqa: N812 - its class names are lower case
from psycopg2.sql import SQL, Composable, Identifier, Literal

from nyc_tlc.adapters.postgres import schema as ddl
from nyc_tlc.core.catalog.ledger import Content, LedgerEntry
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.month import Month

_TURN_TIMEOUT = "30min"
"""How long to wait for another run that is at the same partition."""


def read_entry(cursor: Cursor, schema: str, partition: Partition) -> LedgerEntry | None:
    """The entry of a partition whose table is there; None otherwise."""
    if not ddl.is_attached(cursor, schema, partition):
        return None
    month = SQL("WHERE service = {} AND source_month = {}").format(
        Literal(partition.service.name), Literal(partition.month.start.date())
    )
    return read_entries(cursor, schema, month).get(partition)


def read_attached_entries(cursor: Cursor, schema: str) -> list[LedgerEntry]:
    """The entries of every partition whose table is there, by service and month."""
    attached = SQL(
        "JOIN pg_namespace ON nspname = {} "
        "JOIN pg_class AS month ON month.relnamespace = pg_namespace.oid "
        "AND month.relname = service || to_char(source_month, '_YYYY_MM') "
        "JOIN pg_inherits ON inhrelid = month.oid "
        "JOIN pg_class AS parent ON parent.oid = inhparent AND parent.relname = service "
        "ORDER BY service, source_month"
    ).format(Literal(schema))
    return list(read_entries(cursor, schema, attached).values())


def read_entries(
    cursor: Cursor, schema: str, which: Composable | None = None
) -> Mapping[Partition, LedgerEntry]:
    """The entries of our services, by default every one, those whose table is gone included.

    Args:
        cursor: Of the transaction.
        schema: Schema of the ledger; there may be none yet.
        which: Joins, condition and order.
    """
    table = Identifier(schema, "ledger")
    cursor.execute("SELECT to_regclass(%s) IS NULL", [table.as_string(cursor)])
    if cursor.fetchone() == (True,):
        return {}
    cursor.execute(
        SQL(
            "SELECT service, source_month, sha256, contract, rows_published, rows_accepted, "
            "rows_quarantined, run, loaded_at, reconciled_at, "
            # Not by name: a ledger from before it had the column is read before it gets it.
            "(to_jsonb(ledger) ->> 'seconds')::double precision FROM {} AS ledger {}"
        ).format(table, which or SQL(""))
    )
    entries = (
        LedgerEntry(Partition(SERVICES[service], Month.of(day)), Content(sha256, contract), *rest)
        for service, day, sha256, contract, *rest in cursor.fetchall()
        if service in SERVICES
    )
    return {entry.partition: entry for entry in entries}


def take_turn(cursor: Cursor, schema: str, partition: Partition) -> None:
    """Let runs at the same partition follow one another, until the transaction ends."""
    cursor.execute(SQL("SET LOCAL lock_timeout = {}").format(Literal(_TURN_TIMEOUT)))
    cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", lock_keys(schema, partition))


def is_my_turn(cursor: Cursor, schema: str, partition: Partition) -> bool:
    """Take the turn if nobody has it; says whether it is ours."""
    cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", lock_keys(schema, partition))
    return cursor.fetchone() == (True,)


def lock_keys(schema: str, partition: Partition) -> list[int]:
    """The keys of the partition's advisory lock."""
    return [ddl.LOCK_SPACE, zlib.crc32(f"{schema}.{partition}".encode()) - (1 << 31)]
