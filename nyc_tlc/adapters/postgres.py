"""The warehouse and its ledger in Postgres."""

from __future__ import annotations

import time
import zlib
from contextlib import closing
from dataclasses import replace

import psycopg2
import pyarrow as pa
from psycopg2 import errors as pg
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - its class names are lower case
from psycopg2.sql import SQL, Composable, Identifier, Literal

from nyc_tlc.adapters import postgres_schema as ddl
from nyc_tlc.adapters.copy_stream import BufferStream, copy_buffers
from nyc_tlc.adapters.postgres_connection import Database
from nyc_tlc.core.contract.model import ColumnType
from nyc_tlc.core.errors import (
    ReconciliationError,
)
from nyc_tlc.core.partition import Partition
from nyc_tlc.ports import Batches, LedgerEntry, StoreCounts
from nyc_tlc.prefetch import prefetch

_COPY_READ = 1 << 20
_LOCK_TIMEOUT = "300ms"
"""How long a swap may wait for readers, and so how long it may make others wait behind it."""
_SWAP_ATTEMPTS = 100
_LONGEST_PAUSE = 3.0
"""Seconds between attempts to swap, so that the readers queued behind one get through: together
some five minutes of patience with a long reader."""
_TURN_TIMEOUT = "30min"
"""How long to wait for another load of the same partition."""


class PostgresWarehouse:
    """Trips in one schema of a Postgres database: a partitioned table per service."""

    def __init__(self, database: Database, schema: str) -> None:
        self._database = database
        self._schema = schema

    def describe(self) -> str:
        with self._database.transaction() as cursor:
            cursor.execute("SELECT 1, version()")
            version = _one(cursor)[1].split(",")[0]
        return f"{self._database!r}, schema {self._schema}: {version}"

    def replace_partition(
        self, entry: LedgerEntry, trips: Batches, quarantine: Batches, *, force: bool
    ) -> LedgerEntry:
        with self._database.transaction() as cursor:
            ddl.ensure_tables(cursor, self._schema, entry.partition.service.contract)
            self._take_turn(cursor, entry.partition)
            present = self._entry(cursor, entry.partition)
            if present is not None and present.same_content(entry) and not force:
                return present
            self._build(cursor, entry, trips)
            self._replace_quarantine(cursor, entry, quarantine)
            self._swap(cursor, entry.partition)
            return self._record(cursor, entry)

    def count(self, partition: Partition) -> StoreCounts:
        with self._database.transaction() as cursor:
            cursor.execute(
                SQL("SELECT count(*) FROM {} WHERE source_month = %s").format(
                    self._name(partition.service.name)
                ),
                [partition.month.start.date()],
            )
            accepted = _one(cursor)[0]
            cursor.execute(
                SQL("SELECT count(*) FROM {} WHERE service = %s AND source_month = %s").format(
                    self._name("quarantine")
                ),
                [partition.service.name, partition.month.start.date()],
            )
            return StoreCounts(accepted, _one(cursor)[0])

    def entry(self, partition: Partition) -> LedgerEntry | None:
        with self._database.transaction() as cursor:
            return self._entry(cursor, partition)

    def mark_reconciled(self, entry: LedgerEntry) -> None:
        with self._database.transaction() as cursor:
            cursor.execute(
                SQL(
                    "UPDATE {} SET reconciled_at = now() WHERE service = %s AND source_month = %s "
                    "AND sha256 = %s AND contract = %s"
                ).format(self._name("ledger")),
                [
                    entry.partition.service.name,
                    entry.partition.month.start.date(),
                    entry.sha256,
                    entry.contract,
                ],
            )
            if cursor.rowcount != 1:
                raise ReconciliationError(
                    f"{entry.partition}: Postgres holds other content by now: another run loaded "
                    "the month meanwhile. Nothing was changed. Run the month again."
                )

    def replace_table(self, name: str, rows: pa.Table, *, key: str, comment: str) -> int:
        with self._database.transaction() as cursor:
            ddl.ensure_schema(cursor, self._schema)
            ddl.ensure_dimension(
                cursor, Identifier(self._schema, name), rows.schema, key=key, comment=comment
            )
            cursor.execute(SQL("DELETE FROM {}").format(self._name(name)))
            copied = self._copy(cursor, name, Batches(rows.schema, rows.to_batches()))
            cursor.execute(SQL("ANALYZE {}").format(self._name(name)))
        return copied

    def _build(self, cursor: Cursor, entry: LedgerEntry, trips: Batches) -> None:
        ddl.create_partition(cursor, self._schema, entry.partition)
        columns = entry.partition.service.contract.columns
        copied = self._copy(
            cursor,
            ddl.new_name(entry.partition),
            trips,
            options=", FREEZE",
            jsonb=frozenset(c.name for c in columns if c.type is ColumnType.JSON),
        )
        _require_rows(entry.partition, "accepted", found=copied, expected=entry.accepted)
        ddl.index_partition(cursor, self._schema, entry.partition)

    def _replace_quarantine(self, cursor: Cursor, entry: LedgerEntry, rows: Batches) -> None:
        partition = entry.partition
        cursor.execute(
            SQL("DELETE FROM {} WHERE service = %s AND source_month = %s").format(
                self._name("quarantine")
            ),
            [partition.service.name, partition.month.start.date()],
        )
        copied = self._copy(cursor, "quarantine", rows, jsonb=frozenset({"published"}))
        _require_rows(partition, "quarantined", found=copied, expected=entry.quarantined)

    def _swap(self, cursor: Cursor, partition: Partition) -> None:
        """Put the new table in the place of the old one; readers wait for milliseconds."""
        for attempt in range(1, _SWAP_ATTEMPTS + 1):
            cursor.execute("SAVEPOINT swap")
            cursor.execute(SQL("SET LOCAL lock_timeout = {}").format(Literal(_LOCK_TIMEOUT)))
            try:
                ddl.attach_partition(cursor, self._schema, partition)
            except (pg.LockNotAvailable, pg.DeadlockDetected):
                cursor.execute("ROLLBACK TO SAVEPOINT swap")
                if attempt == _SWAP_ATTEMPTS:
                    raise
                time.sleep(min(0.1 * attempt, _LONGEST_PAUSE))
            else:
                return

    def _record(self, cursor: Cursor, entry: LedgerEntry) -> LedgerEntry:
        cursor.execute(
            SQL(
                "INSERT INTO {} (service, source_month, sha256, contract, rows_published, "
                "rows_accepted, rows_quarantined, run) VALUES (%s, %s, %s, %s, %s, %s, %s, %s) "
                "ON CONFLICT (service, source_month) DO UPDATE SET sha256 = EXCLUDED.sha256, "
                "contract = EXCLUDED.contract, rows_published = EXCLUDED.rows_published, "
                "rows_accepted = EXCLUDED.rows_accepted, "
                "rows_quarantined = EXCLUDED.rows_quarantined, run = EXCLUDED.run, "
                "loaded_at = now(), reconciled_at = NULL RETURNING loaded_at"
            ).format(self._name("ledger")),
            [
                entry.partition.service.name,
                entry.partition.month.start.date(),
                entry.sha256,
                entry.contract,
                entry.published,
                entry.accepted,
                entry.quarantined,
                entry.run,
            ],
        )
        return replace(entry, loaded_at=_one(cursor)[0], reconciled_at=None)

    def _entry(self, cursor: Cursor, partition: Partition) -> LedgerEntry | None:
        if not ddl.is_attached(cursor, self._schema, partition):
            return None
        cursor.execute(
            SQL(
                "SELECT sha256, contract, rows_published, rows_accepted, rows_quarantined, run, "
                "loaded_at, reconciled_at FROM {} WHERE service = %s AND source_month = %s"
            ).format(self._name("ledger")),
            [partition.service.name, partition.month.start.date()],
        )
        found = cursor.fetchone()
        return None if found is None else LedgerEntry(partition, *found)

    def _copy(
        self,
        cursor: Cursor,
        table: str,
        rows: Batches,
        *,
        options: str = "",
        jsonb: frozenset[str] = frozenset(),
    ) -> int:
        statement = SQL("COPY {} ({}) FROM STDIN (FORMAT binary{})").format(
            self._name(table), SQL(", ").join(map(Identifier, rows.schema.names)), SQL(options)
        )
        with closing(prefetch(copy_buffers(rows.schema, rows.batches, jsonb=jsonb))) as buffers:
            stream = BufferStream(buffers)
            try:
                cursor.copy_expert(statement, stream, size=_COPY_READ)
            except psycopg2.Error:
                # A failure of the producer reaches us as a cancelled query.
                if stream.error is not None:
                    raise stream.error from None
                raise
        return cursor.rowcount

    def _take_turn(self, cursor: Cursor, partition: Partition) -> None:
        """Let loads of the same partition follow one another."""
        key = zlib.crc32(f"{self._schema}.{partition}".encode()) - (1 << 31)
        cursor.execute(SQL("SET LOCAL lock_timeout = {}").format(Literal(_TURN_TIMEOUT)))
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [ddl.LOCK_SPACE, key])

    def _name(self, table: str) -> Composable:
        return Identifier(self._schema, table)


def _require_rows(partition: Partition, part: str, *, found: int, expected: int) -> None:
    if found != expected:
        raise ReconciliationError(
            f"{partition}: {found:,} {part} rows reached Postgres, expected {expected:,}. The "
            "transaction was rolled back; the month stays as it was. Run the month again."
        )


def _one(cursor: Cursor) -> tuple:  # type: ignore[type-arg]
    row = cursor.fetchone()
    assert row is not None  # noqa: S101 - every caller's statement returns a row
    return row
