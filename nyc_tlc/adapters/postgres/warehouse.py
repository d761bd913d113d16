"""The warehouse and its ledger in Postgres."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial

import pyarrow as pa
from psycopg2 import errors as pg
from psycopg2.sql import SQL

from nyc_tlc.adapters.postgres import dimensions, ledger, month_table
from nyc_tlc.adapters.postgres import schema as ddl
from nyc_tlc.adapters.postgres.administrator import additions, ownership, replication
from nyc_tlc.adapters.postgres.administrator.inherited import (
    ServiceChangedError,
    has_one_table_a_month,
)
from nyc_tlc.adapters.postgres.connection import Cursor, Database, one, sql
from nyc_tlc.adapters.postgres.copy_stream import copy
from nyc_tlc.core.catalog.ledger import LedgerEntry
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.publication import MonthState, State
from nyc_tlc.core.contract.model import Contract
from nyc_tlc.core.errors import ConfigurationError, PipelineError, ReconciliationError
from nyc_tlc.ports.warehouse import Batches, RowGroups, StoreCounts

_LOCK_TIMEOUT = "300ms"
"""How long a swap may wait for readers, and so how long it may make others wait behind it."""
_SWAP_ATTEMPTS = 100
_ROLLED_BACK_WITHIN = "5s"
_LONGEST_PAUSE = 3.0
"""Seconds between attempts to swap, so that the readers queued behind one get through: together
some five minutes of patience with a long reader."""


class PostgresWarehouse:
    """Trips in one schema of a Postgres database: a partitioned table per service."""

    def __init__(self, database: Database, schema: str) -> None:
        self._database = database
        self._schema = schema
        self._transaction = partial(database.transaction, schema)

    def describe(self) -> str:
        with self._transaction() as cursor:
            version = one(cursor, "SELECT version()")[0].split(",")[0]
            warning = ddl.lock_warning(cursor)
        return f"{self._database!r}, schema {self._schema}: {version}" + (
            f"\nWARNING: {warning}" if warning else ""
        )

    def replace_partition(
        self, entry: LedgerEntry, trips: RowGroups, quarantine: Batches, *, force: bool
    ) -> LedgerEntry:
        partition, in_parts = entry.partition, False
        try:
            with self._transaction() as cursor:
                ddl.ensure_tables(cursor, partition.service.contract)
                ledger.take_turn(cursor, self._schema, partition)
                cursor.execute("SAVEPOINT looking")
                present = ledger.read_entry(cursor, partition)
                if present is not None and present.content == entry.content and not force:
                    return present
                in_place = replication.is_published(cursor, partition)
                _require_ours(cursor, partition, in_place=in_place)
                whole = has_one_table_a_month(cursor, partition.service)
                # Lets go of the ledger: its readers' locks would keep other months from their swap.
                cursor.execute("ROLLBACK TO SAVEPOINT looking")
                if in_place:
                    copied = _replace_in_place(cursor, partition, trips)
                else:
                    parts = month_table.cut(trips, entry.accepted, one_table=whole)
                    in_parts = len(parts) > 1
                    copied = month_table.build(cursor, partition, parts, self._transaction)
                _require_rows(partition, "accepted", found=copied, expected=entry.accepted)
                cursor.execute(
                    "DELETE FROM quarantine WHERE service = %s AND source_month = %s",
                    ddl.key(partition),
                )
                copied = copy(cursor, "quarantine", quarantine, jsonb=frozenset({"published"}))
                _require_rows(partition, "quarantined", found=copied, expected=entry.quarantined)
                if not in_place:
                    _swap_month(cursor, partition)
                return ledger.record(cursor, entry)
        except BaseException:
            if in_parts:
                self._drop_parts(partition)
            raise

    def _drop_parts(self, partition: Partition) -> None:
        """Clear up after a load that failed, unless the next one has begun, which does it too."""
        with suppress(PipelineError), self._transaction() as cursor:
            # The server rolls back what failed, and gives up its turn, a moment after we hung up.
            ledger.take_turn(cursor, self._schema, partition, within=_ROLLED_BACK_WITHIN)
            month_table.drop_parts(cursor, partition)

    def count(self, partition: Partition) -> StoreCounts:
        with self._transaction() as cursor:
            accepted = 0
            # All that readers of the service see of the month is in its own table.
            if ddl.is_attached(cursor, partition):
                (accepted,) = one(cursor, sql("SELECT count(*) FROM {}", partition.table_name))
            (quarantined,) = one(
                cursor,
                "SELECT count(*) FROM quarantine WHERE service = %s AND source_month = %s",
                ddl.key(partition),
            )
            return StoreCounts(accepted, quarantined)

    def entry(self, partition: Partition) -> LedgerEntry | None:
        with self._transaction() as cursor:
            return ledger.read_entry(cursor, partition)

    def entries(self) -> list[LedgerEntry]:
        with self._transaction() as cursor:
            return ledger.read_attached_entries(cursor)

    def month_states(self) -> Mapping[Partition, State]:
        with self._transaction() as cursor:
            return ledger.read_month_states(cursor)

    def record_month_states(self, states: Sequence[MonthState]) -> None:
        with self._transaction() as cursor:
            ledger.record_month_states(cursor, states)

    def mark_reconciled(self, entry: LedgerEntry) -> None:
        with self._transaction() as cursor:
            ledger.mark_reconciled(cursor, entry)

    def replace_table(self, name: str, rows: pa.Table, *, key: str, comment: str) -> int:
        with self._transaction() as cursor:
            ddl.ensure_schema(cursor)
            return dimensions.replace_rows(cursor, name, rows, key=key, comment=comment)

    def replace_views(self, contracts: Sequence[Contract]) -> tuple[str, ...]:
        # Late: sqlglot costs 0.2 s.
        from nyc_tlc.core.contract.sql import Dialect
        from nyc_tlc.core.contract.view_queries import view_queries

        queries = view_queries(contracts, Dialect.POSTGRES, self._schema)
        with self._transaction() as cursor:
            for contract in contracts:
                ddl.ensure_tables(cursor, contract)
            ddl.ensure_schema(cursor)
            _swap(cursor, lambda _: _replace_views(cursor, queries))
        return tuple(queries)


def _replace_in_place(cursor: Cursor, partition: Partition, trips: RowGroups) -> int:
    if not ddl.is_attached(cursor, partition):
        nothing = month_table.cut(replace(trips, first_rows=[]), 0, one_table=True)
        month_table.build(cursor, partition, nothing, lambda: nullcontext(cursor))
        _swap_month(cursor, partition)
    return replication.replace_rows(cursor, partition, trips)


def _require_ours(cursor: Cursor, partition: Partition, *, in_place: bool) -> None:
    """Let no load begin that would take something of others away, or fail for it in the end."""
    names, recorded = month_table.names(partition), partition in ledger.read_entries(cursor)
    ownership.require_free(cursor, partition, names, recorded=recorded)
    if not in_place:
        additions.require_replaceable(cursor, partition, names)


def _swap_month(cursor: Cursor, partition: Partition) -> None:
    _swap(
        cursor,
        lambda inherited: month_table.attach(cursor, partition, inherited),
        prepare=lambda: month_table.prepare(cursor, partition),
    )


def _swap(
    cursor: Cursor,
    change: Callable[[Sequence[int]], None],
    *,
    prepare: Callable[[], Sequence[int]] = tuple,
) -> None:
    """Put the new in the place of what readers use; they wait for milliseconds.

    Args:
        cursor: In the transaction.
        change: Locks, and is undone if it has to wait for too long; gets what was prepared for.
        prepare: What takes time, and no lock that a reader would wait for.
    """
    for attempt in range(1, _SWAP_ATTEMPTS + 1):
        prepared = prepare()
        cursor.execute("SAVEPOINT swap")
        cursor.execute("SET LOCAL lock_timeout = %s", [_LOCK_TIMEOUT])
        try:
            change(prepared)
        except (pg.LockNotAvailable, pg.DeadlockDetected, ServiceChangedError):
            cursor.execute("ROLLBACK TO SAVEPOINT swap")
            if attempt == _SWAP_ATTEMPTS:
                raise
            time.sleep(min(0.1 * attempt, _LONGEST_PAUSE))
        else:
            return


def _replace_views(cursor: Cursor, queries: Mapping[str, str]) -> None:
    """Create or replace the views. What they query must be there.

    Raises:
        ConfigurationError: others' views keep one of ours from getting other columns.
    """
    for name, query in queries.items():
        _require_our_view(cursor, name, query)
        cursor.execute("SAVEPOINT view")
        try:
            # Keeps what was granted, and what depends on the view.
            cursor.execute(sql("CREATE OR REPLACE VIEW {} AS {}", name, SQL(query)))
        except pg.InvalidTableDefinition:
            # It has other columns than before, not just more of them at the end.
            cursor.execute("ROLLBACK TO SAVEPOINT view")
            _drop_view(cursor, name)
            cursor.execute(sql("CREATE VIEW {} AS {}", name, SQL(query)))
        ownership.mark(cursor, "VIEW", name)


def _require_our_view(cursor: Cursor, name: str, query: str) -> None:
    """Let no view of others be replaced.

    One from before views had a comment of ours is known by its columns, which are ours.

    Raises:
        ConfigurationError: what is there is not ours.
    """
    cursor.execute(
        "SELECT relkind, obj_description(c.oid, 'pg_class'), array_agg(attname::text "
        "ORDER BY attnum) FROM pg_class AS c JOIN pg_attribute ON attrelid = c.oid AND attnum > 0 "
        "WHERE c.oid = to_regclass(%s) GROUP BY c.oid, relkind",
        [name],
    )
    found = cursor.fetchone()
    if found is None:
        return
    kind, said, columns = found
    if kind == "v" and ownership.is_marked(name, said):
        return
    cursor.execute(sql("SELECT * FROM ({}) AS new LIMIT 0", SQL(query)))
    ours = iter(column.name for column in cursor.description or ())
    if kind != "v" or said is not None or not all(column in ours for column in columns):
        raise ownership.not_ours("view", name)


def _drop_view(cursor: Cursor, name: str) -> None:
    try:
        cursor.execute(sql("DROP VIEW {}", name))
    except pg.DependentObjectsStillExist as error:
        raise ConfigurationError(
            f"the view {name} must change its columns, but something of yours is built on it: "
            f"{error.diag.message_detail}. The views stay as they were. Drop what is named, run "
            "the pipeline tlc_zones again, and create it again."
        ) from error


def _require_rows(partition: Partition, part: str, *, found: int, expected: int) -> None:
    if found != expected:
        raise ReconciliationError(
            f"{partition}: {found:,} {part} rows reached Postgres, expected {expected:,}. The "
            "transaction was rolled back; the month stays as it was. Run the month again."
        )
