"""The warehouse and its ledger in Postgres."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial

import psycopg2
import pyarrow as pa
from psycopg2 import errors as pg
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - its class names are lower case
from psycopg2.sql import SQL, Composable, Identifier, Literal

from nyc_tlc.adapters.postgres import ledger
from nyc_tlc.adapters.postgres import month_states as postgres_publication
from nyc_tlc.adapters.postgres import schema as ddl
from nyc_tlc.adapters.postgres import views as postgres_views
from nyc_tlc.adapters.postgres.connection import Database
from nyc_tlc.adapters.postgres.copy_stream import BufferStream, copy_buffers
from nyc_tlc.core.catalog.ledger import LedgerEntry
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.publication import MonthState, State
from nyc_tlc.core.contract.model import ColumnType, Contract
from nyc_tlc.core.errors import PipelineError, ReconciliationError
from nyc_tlc.core.prefetch import prefetch
from nyc_tlc.ports.warehouse import MOST_PARTS, Batches, StoreCounts

_COPY_READ = 1 << 20
_LOCK_TIMEOUT = "300ms"
"""How long a swap may wait for readers, and so how long it may make others wait behind it."""
_SWAP_ATTEMPTS = 100
_LONGEST_PAUSE = 3.0
"""Seconds between attempts to swap, so that the readers queued behind one get through: together
some five minutes of patience with a long reader."""


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
        self, entry: LedgerEntry, trips: Sequence[Batches], quarantine: Batches, *, force: bool
    ) -> LedgerEntry:
        try:
            return self._replace_partition(entry, trips, quarantine, force=force)
        except BaseException:
            if len(trips) > 1:
                self._drop_parts(entry.partition)
            raise

    def _replace_partition(
        self, entry: LedgerEntry, trips: Sequence[Batches], quarantine: Batches, *, force: bool
    ) -> LedgerEntry:
        with self._database.transaction() as cursor:
            ddl.ensure_tables(cursor, self._schema, entry.partition.service.contract)
            ledger.take_turn(cursor, self._schema, entry.partition)
            present = ledger.read_entry(cursor, self._schema, entry.partition)
            if present is not None and present.content == entry.content and not force:
                return present
            copied = self._build(cursor, entry.partition, trips)
            _require_rows(entry.partition, "accepted", found=copied, expected=entry.accepted)
            self._replace_quarantine(cursor, entry, quarantine)
            self._swap(cursor, lambda: ddl.attach_partition(cursor, self._schema, entry.partition))
            return self._record(cursor, entry)

    def count(self, partition: Partition) -> StoreCounts:
        with self._database.transaction() as cursor:
            accepted = self._count_accepted(cursor, partition)
            cursor.execute(
                SQL("SELECT count(*) FROM {} WHERE service = %s AND source_month = %s").format(
                    self._name("quarantine")
                ),
                [partition.service.name, partition.month.start.date()],
            )
            return StoreCounts(accepted, _one(cursor)[0])

    def _count_accepted(self, cursor: Cursor, partition: Partition) -> int:
        """The rows of the month's table, which is all that readers of the service see of it."""
        if not ddl.is_attached(cursor, self._schema, partition):
            return 0
        cursor.execute(SQL("SELECT count(*) FROM {}").format(self._name(partition.table_name)))
        return int(_one(cursor)[0])

    def entry(self, partition: Partition) -> LedgerEntry | None:
        with self._database.transaction() as cursor:
            return ledger.read_entry(cursor, self._schema, partition)

    def entries(self) -> list[LedgerEntry]:
        with self._database.transaction() as cursor:
            return ledger.read_attached_entries(cursor, self._schema)

    def month_states(self) -> Mapping[Partition, State]:
        with self._database.transaction() as cursor:
            return postgres_publication.read(cursor, self._schema)

    def record_month_states(self, states: Sequence[MonthState]) -> None:
        with self._database.transaction() as cursor:
            postgres_publication.record(cursor, self._schema, states)

    def mark_reconciled(self, entry: LedgerEntry) -> None:
        with self._database.transaction() as cursor:
            cursor.execute(
                SQL(
                    "UPDATE {} SET reconciled_at = now(), seconds = %s WHERE service = %s "
                    "AND source_month = %s AND sha256 = %s AND contract = %s"
                ).format(self._name("ledger")),
                [
                    entry.seconds,
                    entry.partition.service.name,
                    entry.partition.month.start.date(),
                    entry.content.sha256,
                    entry.content.contract,
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
            ddl.empty_dimension(
                cursor, Identifier(self._schema, name), rows.schema, key=key, comment=comment
            )
            copied = self._copy(
                cursor,
                name,
                Batches(rows.schema, rows.to_batches()),
                jsonb=frozenset(field.name for field in rows.schema if field.type == pa.json_()),
            )
            cursor.execute(SQL("ANALYZE {}").format(self._name(name)))
        return copied

    def replace_views(self, contracts: Sequence[Contract]) -> tuple[str, ...]:
        views = postgres_views.render(self._schema, contracts)
        with self._database.transaction() as cursor:
            for contract in contracts:
                ddl.ensure_tables(cursor, self._schema, contract)
            ddl.ensure_schema(cursor, self._schema)
            self._swap(cursor, lambda: postgres_views.replace(cursor, self._schema, views))
        return tuple(views)

    def _build(self, cursor: Cursor, partition: Partition, trips: Sequence[Batches]) -> int:
        """Make the month's new table; returns its rows.

        Parts are built by connections of their own, at the same time: one server process needs
        2.6 s for the COPY of 3 million rows, two on two cores 1.9. They are tables that no reader
        knows until this transaction unites them and puts them in the month's place.
        """
        if len(trips) == 1:
            name = ddl.new_name(partition)
            ddl.drop_parts(cursor, self._schema, partition, MOST_PARTS)
            ddl.create_partition(cursor, self._schema, partition, name)
            return self._fill(cursor, partition, name, trips[0], parts=1)
        ends = [part.first_row for part in trips[1:]]
        bounds = list(zip([0, *ends], [*ends, None], strict=True))
        with ThreadPoolExecutor(len(trips), thread_name_prefix="copy") as pool:
            numbers = range(len(trips))
            copied = sum(pool.map(partial(self._build_part, partition), numbers, bounds, trips))
        ddl.unite_parts(cursor, self._schema, partition, bounds)
        return copied

    def _build_part(
        self, partition: Partition, number: int, bounds: tuple[int, int | None], trips: Batches
    ) -> int:
        name = ddl.part_name(partition, number)
        with self._database.transaction() as cursor:
            cursor.execute(SQL("DROP TABLE IF EXISTS {}").format(self._name(name)))
            rows = ddl.rows_between(*bounds)
            ddl.create_partition(cursor, self._schema, partition, name, rows)
            return self._fill(cursor, partition, name, trips, parts=MOST_PARTS)

    def _fill(
        self, cursor: Cursor, partition: Partition, name: str, trips: Batches, *, parts: int
    ) -> int:
        columns = partition.service.contract.columns
        jsonb = frozenset(c.name for c in columns if c.type is ColumnType.JSON)
        copied = self._copy(cursor, name, trips, options=", FREEZE", jsonb=jsonb)
        ddl.index_partition(cursor, self._schema, name, parts=parts)
        return copied

    def _drop_parts(self, partition: Partition) -> None:
        """Clear up after a load that failed, unless the next one has begun, which does it too."""
        with suppress(PipelineError), self._database.transaction() as cursor:
            if ledger.is_my_turn(cursor, self._schema, partition):
                ddl.drop_parts(cursor, self._schema, partition, MOST_PARTS)

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

    def _swap(self, cursor: Cursor, change: Callable[[], None]) -> None:
        """Put the new in the place of what readers use; they wait for milliseconds."""
        for attempt in range(1, _SWAP_ATTEMPTS + 1):
            cursor.execute("SAVEPOINT swap")
            cursor.execute(SQL("SET LOCAL lock_timeout = {}").format(Literal(_LOCK_TIMEOUT)))
            try:
                change()
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
                "loaded_at = now(), reconciled_at = NULL, seconds = NULL RETURNING loaded_at"
            ).format(self._name("ledger")),
            [
                entry.partition.service.name,
                entry.partition.month.start.date(),
                entry.content.sha256,
                entry.content.contract,
                entry.published,
                entry.accepted,
                entry.quarantined,
                entry.run,
            ],
        )
        return replace(entry, loaded_at=_one(cursor)[0], reconciled_at=None)

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
