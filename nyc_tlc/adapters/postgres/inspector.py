"""What the audit asks of Postgres: the catalog, the ledger, and every row once."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import partial

from psycopg2 import errors as pg

from nyc_tlc.adapters.postgres import ledger, ownership, replication
from nyc_tlc.adapters.postgres import schema as ddl
from nyc_tlc.adapters.postgres.connection import Cursor, Database, exists, one, sql
from nyc_tlc.core.audit.evidence import TableScan
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.errors import RetryableError
from nyc_tlc.core.month import Month
from nyc_tlc.ports.audit import Inventory

_OF_A_MONTH = re.compile(r"([a-z]+)_(\d{4})_(\d{2})(?:_new)?(?:_\d)?")


class PostgresInspector:
    """Looks into the schema of a PostgresWarehouse."""

    def __init__(self, database: Database, schema: str) -> None:
        self._schema = schema
        self._transaction = partial(database.transaction, schema)

    def inventory(self) -> Inventory:
        with self._transaction(snapshot=True) as cursor:
            entries, names = ledger.read_entries(cursor), _attached(cursor)
            ours = ownership.month_tables(cursor, entries)
            months = {name: part for name in ours if (part := _month_of(name))}
            return Inventory(
                ledger=entries,
                attached=frozenset(months[name] for name in names if name in months),
                quarantined=_quarantined(cursor),
                leftovers=self._leftovers(cursor, ours),
                foreign=(foreign := tuple(name for name in names if name not in ours)),
                others=tuple(
                    described
                    for described in ownership.others(cursor, entries)
                    if described not in {f"table {name}" for name in foreign}
                ),
            )

    def scan(self, partition: Partition) -> TableScan | None:
        with self._transaction() as cursor:
            if not ddl.is_attached(cursor, partition):
                return None
            try:
                # The table of the month, or its parts.
                cursor.execute(
                    "SELECT relid::bigint, relname FROM pg_partition_tree(%s) "
                    "JOIN pg_class ON oid = relid WHERE isleaf",
                    [partition.table_name],
                )
                leaves, in_place = cursor.fetchall(), replication.is_published(cursor, partition)
                scans = [_scan(cursor, *leaf, in_place=in_place) for leaf in leaves]
            except pg.UndefinedTable as error:
                raise RetryableError(
                    f"{partition}: a load replaced the month in Postgres while it was counted"
                ) from error
            return TableScan(sum(scan.rows for scan in scans), sum(s.altered for s in scans))

    def drop_leftover(self, name: str) -> bool:
        with self._transaction() as cursor:
            partition = _month_of(name)
            if partition is None or not ledger.is_my_turn(cursor, self._schema, partition):
                return False
            ours = ownership.month_tables(cursor, ledger.read_entries(cursor))
            if name not in self._leftovers(cursor, ours):
                return False
            cursor.execute(sql("DROP TABLE IF EXISTS {}", name))
            return True

    def _leftovers(self, cursor: Cursor, ours: Collection[str]) -> tuple[str, ...]:
        """The tables of months that no reader sees and no load is at work on."""
        cursor.execute(
            "SELECT relname FROM pg_class AS c WHERE relname = ANY (%(ours)s) "
            "AND NOT relispartition AND relnamespace = quote_ident(current_schema())::regnamespace "
            # With a table would go what others have attached to it.
            "AND NOT EXISTS (SELECT FROM pg_partition_tree(c.oid) JOIN pg_class AS p "
            "ON p.oid = relid WHERE p.relname <> ALL (%(ours)s)) ORDER BY 1",
            {"ours": list(ours)},
        )
        alone = {name: _month_of(name) for (name,) in cursor.fetchall()}
        cursor.execute(
            "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted "
            "AND classid = %s AND pid <> pg_backend_pid()",
            [ddl.LOCK_SPACE],
        )
        taken = {key for (key,) in cursor.fetchall()}
        return tuple(
            name
            for name, partition in alone.items()
            if partition and ledger.lock_keys(self._schema, partition)[1] % (1 << 32) not in taken
        )


def _attached(cursor: Cursor) -> list[str]:
    """The tables that readers of the services see, a month's parts apart."""
    cursor.execute(
        "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid "
        "WHERE inhparent IN (SELECT to_regclass(name) FROM unnest(%s) AS name) ORDER BY 1",
        [list(SERVICES)],
    )
    return [name for (name,) in cursor.fetchall()]


def _quarantined(cursor: Cursor) -> Mapping[Partition, int]:
    if not exists(cursor, "quarantine"):
        return {}
    cursor.execute("SELECT service, source_month, count(*) FROM quarantine GROUP BY 1, 2")
    return {
        Partition(SERVICES[service], Month.of(month)): rows
        for service, month, rows in cursor.fetchall()
        if service in SERVICES
    }


def _scan(cursor: Cursor, relid: int, name: str, *, in_place: bool) -> TableScan:
    """Count a table that one COPY filled, and what was done to it since.

    A load writes every row in one transaction, so all have one ``xmin``: other rows were
    inserted or updated by hand. The server's statistics know of updates and deletions too,
    unless it crashed since. With ``xmin`` 3 million rows are counted in 0.24 s, not 0.15.
    """
    rows, rewritten, altered = one(
        cursor,
        sql(
            "SELECT count(*), "
            "count(*) FILTER (WHERE xmin <> (SELECT xmin FROM {table} LIMIT 1)), "
            "pg_stat_get_tuples_updated(%s) + pg_stat_get_tuples_deleted(%s) FROM {table}",
            table=name,
        ),
        [relid, relid],
    )
    # A load in place deletes rows itself, and the statistics do not say who did.
    return TableScan(rows, rewritten if in_place else max(rewritten, altered))


def _month_of(name: str) -> Partition | None:
    """The month with whose table's name this one begins."""
    match = _OF_A_MONTH.fullmatch(name)
    return Partition.of(*match.groups()) if match else None
