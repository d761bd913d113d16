"""The tables of the warehouse that outlast a month's load."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from psycopg2.sql import SQL, Literal

from nyc_tlc.adapters.postgres.connection import Cursor, commit, one, sql
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.model import Column, Contract
from nyc_tlc.core.contract.schemas import column_comment, postgres_columns
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.month import Month

LOCK_SPACE = 0x544C43
"""First key of our advisory locks ("TLC"), so that they meet nobody else's."""
_READERS_OF_ALL = 10
"""Sessions that are to be able to query every month at once."""
_LOCKS_PER_TRANSACTION = 512
"""What our own servers have: 15 such sessions when every month there ever was is loaded."""

_LEDGER_AND_QUARANTINE = """
CREATE TABLE IF NOT EXISTS ledger (
  service          text        NOT NULL,
  source_month     date        NOT NULL,
  sha256           text        NOT NULL,
  contract         text        NOT NULL,
  rows_published   bigint      NOT NULL,
  rows_accepted    bigint      NOT NULL,
  rows_quarantined bigint      NOT NULL,
  run              text        NOT NULL,
  loaded_at        timestamptz NOT NULL DEFAULT now(),
  reconciled_at    timestamptz,
  seconds          double precision,
  is_sample        boolean,
  version          text,
  PRIMARY KEY (service, source_month),
  CHECK (rows_published = rows_accepted + rows_quarantined)
);
ALTER TABLE ledger ADD COLUMN IF NOT EXISTS seconds double precision,
  ADD COLUMN IF NOT EXISTS is_sample boolean, ADD COLUMN IF NOT EXISTS version text;
COMMENT ON COLUMN ledger.is_sample IS 'Generated for a trial, and never published by TLC';
COMMENT ON COLUMN ledger.version IS 'Of the program that loaded the month';
CREATE TABLE IF NOT EXISTS quarantine (
  service      text    NOT NULL,
  source_month date    NOT NULL,
  source_row   integer NOT NULL,
  reason       text    NOT NULL,
  published    jsonb   NOT NULL,
  PRIMARY KEY (service, source_month, source_row)
)
"""


def key(partition: Partition) -> tuple[str, date]:
    """The ``service`` and ``source_month`` by which the tables of all services know a partition."""
    return partition.service.name, partition.month.start.date()


def by_partition(cursor: Cursor) -> dict[Partition, tuple[Any, ...]]:
    """The rows of a query, by the service and month they begin with; no other services' rows."""
    return {
        Partition(SERVICES[service], Month.of(day)): tuple(rest)
        for service, day, *rest in cursor.fetchall()
        if service in SERVICES
    }


def ensure_schema(cursor: Cursor) -> None:
    """Create the schema, once: two first runs at the same time must not collide."""
    cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [LOCK_SPACE])
    (path,) = one(cursor, "SHOW search_path")
    # Not current_schema(): what that found before the lock was ours may be cached.
    named = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = (parse_ident(%s))[1])"
    if one(cursor, named, [path]) == (False,):
        cursor.execute(sql("CREATE SCHEMA {}", SQL(path)))


def is_attached(cursor: Cursor, partition: Partition) -> bool:
    """Whether readers of the service see the month's table, and there is a ledger."""
    return one(
        cursor,
        "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(%s) "
        "AND inhparent = to_regclass(%s)) AND to_regclass('ledger') IS NOT NULL",
        [partition.table_name, partition.service.name],
    ) == (True,)


def ensure_tables(cursor: Cursor, contract: Contract) -> None:
    """Create what is missing of ledger, quarantine and the service's partitioned table."""
    names = [column.name for column in contract.columns]
    wanted = {
        contract.service: names,
        "ledger": ["seconds", "is_sample", "version"],
        "quarantine": ["published"],
    }
    if are_there(cursor, wanted):
        return
    ensure_schema(cursor)
    # Again, now that it is our turn: to alter what another run has just made would wait for it.
    if not are_there(cursor, wanted):
        cursor.execute(_LEDGER_AND_QUARANTINE)
        service = contract.service
        ensure_table(
            cursor, service, contract.columns, partitioned_by="PARTITION BY LIST (source_month)"
        )
        index = "CREATE INDEX IF NOT EXISTS {} ON {} USING brin (pickup_datetime)"
        cursor.execute(sql(index, f"{service}_pickup_datetime_brin", service))
    commit(cursor)


def lock_warning(cursor: Cursor) -> str:
    """What to raise where few sessions can query every month of all services at once; else empty.

    Such a query locks each month's tables and their indexes until its transaction ends, and the
    locks of all sessions share one table of the server.
    """
    needed, present, sessions = one(
        cursor,
        "SELECT (SELECT count(*) + coalesce(sum((SELECT count(*) FROM pg_index "
        "WHERE indrelid = relid)), 0) FROM unnest(%s) AS parent, "
        "pg_partition_tree(to_regclass(parent)))::int, "
        "current_setting('max_locks_per_transaction')::int, "
        "current_setting('max_connections')::int",
        [list(SERVICES)],
    )
    at_once = present * sessions // max(needed, 1)
    if at_once >= _READERS_OF_ALL:
        return ""
    enough = max(_LOCKS_PER_TRANSACTION, -(-needed * _READERS_OF_ALL // sessions))
    return (
        f"max_locks_per_transaction = {present} is too low: a query over all services locks "
        f"{needed:,} tables and indexes, so no more than {at_once} sessions can run one at once. "
        f"Set it to {enough} and restart the server (docs/runbook.md)"
    )


def are_there(cursor: Cursor, columns: Mapping[str, Iterable[str]]) -> bool:
    """Whether the tables have these columns."""
    wanted = [(table, name) for table, names in columns.items() for name in names]
    return one(
        cursor,
        "SELECT bool_and(EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass(tab) "
        "AND attname = col AND attnum > 0 AND NOT attisdropped)) "
        "FROM unnest(%s::text[], %s::text[]) AS wanted (tab, col)",
        [[table for table, _ in wanted], [name for _, name in wanted]],
    ) == (True,)


def ensure_table(
    cursor: Cursor, name: str, columns: Sequence[Column], *, partitioned_by: str = ""
) -> None:
    """Create a table or add the columns that it lacks, empty; say what each column means."""
    create = "CREATE TABLE IF NOT EXISTS {} (\n  {}\n) {}"
    cursor.execute(sql(create, name, SQL(postgres_columns(columns)), SQL(partitioned_by)))
    for column in columns:
        added = SQL(postgres_columns([replace(column, required=False)]))
        cursor.execute(sql("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {}", name, added))
        comment = Literal(column_comment(column))
        cursor.execute(sql("COMMENT ON COLUMN {}.{} IS {}", name, column.name, comment))
