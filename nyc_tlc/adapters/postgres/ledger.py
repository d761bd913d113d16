"""The ledger in Postgres: its entries, how far months are published, and the turns of runs."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace

from psycopg2.extras import execute_values
from psycopg2.sql import SQL, Literal

from nyc_tlc.adapters.postgres import schema as ddl
from nyc_tlc.adapters.postgres.connection import Cursor, exists, one, sql
from nyc_tlc.core.catalog.ledger import Content, LedgerEntry
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.publication import MonthState, State
from nyc_tlc.core.errors import ReconciliationError

_TURN_TIMEOUT = "30min"
"""How long to wait for another run that is at the same partition."""
_PUBLICATION = """
CREATE TABLE IF NOT EXISTS publication (
  service       text        NOT NULL,
  source_month  date        NOT NULL,
  state         text        NOT NULL CHECK (state IN ({})),
  since         timestamptz NOT NULL DEFAULT now(),
  asked_at      timestamptz,
  bytes         bigint,
  last_modified text,
  note          text        NOT NULL,
  PRIMARY KEY (service, source_month)
)
"""
_RECORD_STATE = """
INSERT INTO publication AS known
  (service, source_month, state, asked_at, bytes, last_modified, note)
VALUES %s
ON CONFLICT (service, source_month) DO UPDATE SET
  state = EXCLUDED.state,
  since = CASE WHEN known.state = EXCLUDED.state THEN known.since ELSE now() END,
  asked_at = coalesce(EXCLUDED.asked_at, known.asked_at),
  bytes = coalesce(EXCLUDED.bytes, known.bytes),
  last_modified = coalesce(EXCLUDED.last_modified, known.last_modified),
  note = CASE WHEN EXCLUDED.asked_at IS NULL AND known.state = EXCLUDED.state
              THEN known.note ELSE EXCLUDED.note END
"""


def read_entry(cursor: Cursor, partition: Partition) -> LedgerEntry | None:
    """The entry of a partition whose table is there; None otherwise."""
    if not ddl.is_attached(cursor, partition):
        return None
    entries = read_entries(cursor, "WHERE service = %s AND source_month = %s", ddl.key(partition))
    return entries.get(partition)


def read_attached_entries(cursor: Cursor) -> list[LedgerEntry]:
    """The entries of every partition whose table is there, by service and month."""
    attached = (
        "JOIN pg_inherits ON inhparent = to_regclass(service) "
        "AND inhrelid = to_regclass(service || to_char(source_month, '_YYYY_MM')) "
        "ORDER BY service, source_month"
    )
    return list(read_entries(cursor, attached).values())


def read_entries(
    cursor: Cursor, which: str = "", values: Sequence[object] = ()
) -> Mapping[Partition, LedgerEntry]:
    """The entries, those whose table is gone included; none where there is no ledger yet."""
    if not exists(cursor, "ledger"):
        return {}
    statement = sql(
        "SELECT service, source_month, sha256, contract, rows_published, rows_accepted, "
        "rows_quarantined, run, loaded_at, reconciled_at, "
        # Not by name: a ledger from before it had the columns is read before it gets them.
        "(to_jsonb(ledger) ->> 'seconds')::double precision, "
        "(to_jsonb(ledger) ->> 'is_sample')::boolean, "
        "coalesce(to_jsonb(ledger) ->> 'version', '') FROM ledger {}",
        SQL(which),
    )
    cursor.execute(statement, values)
    return {
        partition: LedgerEntry(partition, Content(sha256, contract), *rest)
        for partition, (sha256, contract, *rest) in ddl.by_partition(cursor).items()
    }


def record(cursor: Cursor, entry: LedgerEntry) -> LedgerEntry:
    """Write the entry of a partition that was loaded; says when."""
    (loaded_at,) = one(
        cursor,
        "INSERT INTO ledger (service, source_month, sha256, contract, rows_published, "
        "rows_accepted, rows_quarantined, run, is_sample, version) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
        "ON CONFLICT (service, source_month) DO UPDATE SET sha256 = EXCLUDED.sha256, "
        "contract = EXCLUDED.contract, rows_published = EXCLUDED.rows_published, "
        "rows_accepted = EXCLUDED.rows_accepted, "
        "rows_quarantined = EXCLUDED.rows_quarantined, run = EXCLUDED.run, "
        "is_sample = EXCLUDED.is_sample, version = EXCLUDED.version, "
        "loaded_at = now(), reconciled_at = NULL, seconds = NULL RETURNING loaded_at",
        [*ddl.key(entry.partition), *astuple(entry.content), entry.published, entry.accepted,
         entry.quarantined, entry.run, entry.is_sample, entry.version],
    )  # fmt: skip
    return replace(entry, loaded_at=loaded_at, reconciled_at=None)


def mark_reconciled(cursor: Cursor, entry: LedgerEntry) -> None:
    cursor.execute(
        "UPDATE ledger SET reconciled_at = now(), seconds = %s WHERE service = %s "
        "AND source_month = %s AND sha256 = %s AND contract = %s",
        [entry.seconds, *ddl.key(entry.partition), *astuple(entry.content)],
    )
    if cursor.rowcount != 1:
        raise ReconciliationError(
            f"{entry.partition}: Postgres holds other content by now: another run loaded the "
            "month meanwhile. Nothing was changed. Run the month again."
        )


def record_month_states(cursor: Cursor, states: Sequence[MonthState]) -> None:
    """Record states; what they leave open stays as it was."""
    if not exists(cursor, "publication"):
        ddl.ensure_schema(cursor)
        cursor.execute(sql(_PUBLICATION, SQL(", ").join(map(Literal, State))))
    # In one order, so that two runs cannot wait for each other's rows.
    ordered = sorted(states, key=lambda state: state.partition.table_name)
    rows = [
        (*ddl.key(of.partition), of.state.value, of.asked, of.bytes, of.last_modified, of.note)
        for of in ordered
    ]
    template = "(%s, %s, %s, CASE WHEN %s THEN now() END, %s, %s, %s)"
    execute_values(cursor, _RECORD_STATE, rows, template)


def read_month_states(cursor: Cursor) -> Mapping[Partition, State]:
    """Every recorded state; none where nothing was recorded yet."""
    if not exists(cursor, "publication"):
        return {}
    cursor.execute("SELECT service, source_month, state FROM publication")
    return {month: State(state) for month, (state,) in ddl.by_partition(cursor).items()}


def take_turn(
    cursor: Cursor, schema: str, partition: Partition, *, within: str = _TURN_TIMEOUT
) -> None:
    """Let runs at the same partition follow one another, until the transaction ends."""
    cursor.execute("SET LOCAL lock_timeout = %s", [within])
    cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", lock_keys(schema, partition))


def is_my_turn(cursor: Cursor, schema: str, partition: Partition) -> bool:
    """Take the turn if nobody has it; says whether it is ours."""
    keys = lock_keys(schema, partition)
    return one(cursor, "SELECT pg_try_advisory_xact_lock(%s, %s)", keys) == (True,)


def lock_keys(schema: str, partition: Partition) -> list[int]:
    """The keys of the partition's advisory lock."""
    return [ddl.LOCK_SPACE, zlib.crc32(f"{schema}.{partition}".encode()) - (1 << 31)]
