"""What the audit asks of Postgres: the catalog, the ledger, and every row once."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from psycopg2 import errors as pg
from psycopg2.sql import SQL, Composable, Identifier, Literal

from nyc_tlc.adapters.postgres import ledger
from nyc_tlc.adapters.postgres import schema as ddl
from nyc_tlc.adapters.postgres.administrator import ownership, replication
from nyc_tlc.adapters.postgres.connection import Cursor, Database, exists, one, scalars, sql
from nyc_tlc.core.audit.evidence import TableScan
from nyc_tlc.core.audit.values import Checksums, Part, Projection, Typed
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.model import ColumnType
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.errors import RetryableError
from nyc_tlc.ports.audit import Inventory

_OF_A_MONTH = re.compile(r"([a-z]+)_(\d{4})_(\d{2})(?:_new)?(?:_\d)?")
_TEXT = "octet_length(convert_to({0}::text, 'UTF8')) || ':' || {0}::text"
_WRITTEN: Mapping[ColumnType, str] = {
    ColumnType.SMALLINT: "{}::text",
    ColumnType.INTEGER: "{}::text",
    # 0.0 added to -0.0 is 0.0; a NaN from outside may have any sign and payload.
    ColumnType.DOUBLE: "encode(float8send(CASE WHEN {0}::float8 = 'NaN' THEN 'NaN' "
    "ELSE {0}::float8 + 0.0 END), 'hex')",
    ColumnType.TIMESTAMP: "encode(timestamp_send({}::timestamp), 'hex')",
    ColumnType.DATE: "encode(date_send({}::date), 'hex')",
    ColumnType.TEXT: _TEXT,
    ColumnType.JSON: _TEXT,
}
"""How each type is written: :mod:`nyc_tlc.core.audit.values` has the rules."""


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
            with _not_replaced(partition):
                # The table of the month, or its parts.
                cursor.execute(
                    "SELECT relid::bigint, relname FROM pg_partition_tree(%s) "
                    "JOIN pg_class ON oid = relid WHERE isleaf",
                    [partition.table_name],
                )
                leaves, in_place = cursor.fetchall(), replication.is_published(cursor, partition)
                scans = [_scan(cursor, *leaf, in_place=in_place) for leaf in leaves]
            return TableScan(sum(scan.rows for scan in scans), sum(s.altered for s in scans))

    def checksums(
        self, partition: Partition, part: Part, projections: Sequence[Projection]
    ) -> Checksums:
        table: str = partition.table_name
        which: Composable = SQL("true")
        if part is Part.QUARANTINE:
            service, month = map(Literal, ddl.key(partition))
            table, which = part, sql("service = {} AND source_month = {}", service, month)
        with self._transaction() as cursor, _not_replaced(partition):
            return checksums(cursor, table, projections, which)

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
        alone = scalars(
            cursor,
            "SELECT relname FROM pg_class AS c WHERE relname = ANY (%(ours)s) "
            "AND NOT relispartition AND relnamespace = quote_ident(current_schema())::regnamespace "
            # With a table would go what others have attached to it.
            "AND NOT EXISTS (SELECT FROM pg_partition_tree(c.oid) JOIN pg_class AS p "
            "ON p.oid = relid WHERE p.relname <> ALL (%(ours)s)) ORDER BY 1",
            {"ours": list(ours)},
        )
        taken = scalars(
            cursor,
            "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted "
            "AND classid = %s AND pid <> pg_backend_pid()",
            [ddl.LOCK_SPACE],
        )
        return tuple(
            name
            for name in alone
            if (partition := _month_of(name))
            and ledger.lock_keys(self._schema, partition)[1] % (1 << 32) not in taken
        )


@contextmanager
def _not_replaced(partition: Partition) -> Iterator[None]:
    try:
        yield
    except pg.UndefinedTable as error:
        raise RetryableError(
            f"{partition}: a load replaced the month in Postgres while it was counted"
        ) from error


def _attached(cursor: Cursor) -> list[str]:
    """The tables that readers of the services see, a month's parts apart."""
    return scalars(
        cursor,
        "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid "
        "WHERE inhparent IN (SELECT to_regclass(name) FROM unnest(%s) AS name) ORDER BY 1",
        [list(SERVICES)],
    )


def _quarantined(cursor: Cursor) -> Mapping[Partition, int]:
    if not exists(cursor, "quarantine"):
        return {}
    cursor.execute("SELECT service, source_month, count(*) FROM quarantine GROUP BY 1, 2")
    return {partition: rows for partition, (rows,) in ddl.by_partition(cursor).items()}


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


def checksums(
    cursor: Cursor, table: str, projections: Sequence[Projection], which: Composable
) -> dict[Projection, int]:
    """The checksums of those rows of a table; a column that it lacks is null."""
    known = scalars(
        cursor,
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) "
        "AND attnum > 0 AND NOT attisdropped",
        [table],
    )
    sums = SQL(", ").join(_sum(projection, known) for projection in projections)
    statement = sql("SELECT {sums} FROM {table} WHERE {which}", sums=sums, table=table, which=which)
    found = one(cursor, statement)
    return {each: int(total or 0) for each, total in zip(projections, found, strict=True)}


def _sum(projection: Projection, known: Collection[str]) -> Composable:
    texts = SQL(", ").join(_written(column, known) for column in projection.columns)
    form = Literal(",".join(["%%s"] * len(projection.columns)))
    # format() writes nothing for null.
    row = sql("format({}, {})", form, texts)
    number = sql("('x' || left(md5(convert_to({}, 'UTF8')), 15))::bit(60)::bigint", row)
    if not projection.only_filled:
        return sql("sum({})", number)
    names = SQL(", ").join(_value(name, known) for name, _ in projection.columns)
    return sql("sum({}) FILTER (WHERE num_nulls({}) = 0)", number, names)


def _written(column: Typed, known: Collection[str]) -> Composable:
    name, kind = column
    return SQL(_WRITTEN[kind]).format(_value(name, known))


def _value(name: str, known: Collection[str]) -> Composable:
    return Identifier(name) if name in known else SQL("NULL")
