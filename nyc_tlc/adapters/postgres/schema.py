"""The tables of the warehouse, and how a month's table takes its place among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - its class names are lower case
from psycopg2.sql import SQL, Composable, Identifier, Literal

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.model import Column, Contract
from nyc_tlc.core.contract.schemas import column_comment, postgres_columns
from nyc_tlc.core.rows.rules import WINDOW

LOCK_SPACE = 0x544C43
"""First key of our advisory locks ("TLC"), so that they meet nobody else's."""

_LEDGER = """
CREATE TABLE IF NOT EXISTS {} (
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
  PRIMARY KEY (service, source_month),
  CHECK (rows_published = rows_accepted + rows_quarantined)
)
"""
_QUARANTINE = """
CREATE TABLE IF NOT EXISTS {} (
  service      text    NOT NULL,
  source_month date    NOT NULL,
  source_row   integer NOT NULL,
  reason       text    NOT NULL,
  published    jsonb   NOT NULL,
  PRIMARY KEY (service, source_month, source_row)
)
"""
_DIMENSION_TYPES = {
    pa.int16(): "smallint",
    pa.int32(): "integer",
    pa.float64(): "double precision",
    pa.string(): "text",
    pa.json_(): "jsonb",
}


def new_name(partition: Partition) -> str:
    """The table in which a month is built before it takes its place."""
    return f"{partition.table_name}_new"


def ensure_schema(cursor: Cursor, schema: str) -> None:
    """Create the schema, once: two first runs at the same time must not collide."""
    cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [LOCK_SPACE])
    cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [schema])
    if cursor.fetchone() is None:
        cursor.execute(SQL("CREATE SCHEMA {}").format(Identifier(schema)))


def is_attached(cursor: Cursor, schema: str, partition: Partition) -> bool:
    """Whether readers of the service see the month's table, and there is a ledger."""
    names = [partition.table_name, partition.service.name, "ledger"]
    cursor.execute(
        "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(%s) "
        "AND inhparent = to_regclass(%s)) AND to_regclass(%s) IS NOT NULL",
        [Identifier(schema, name).as_string(cursor) for name in names],
    )
    return cursor.fetchone() == (True,)


def ensure_tables(cursor: Cursor, schema: str, contract: Contract) -> None:
    """Create what is missing of ledger, quarantine and the service's partitioned table."""
    names = [column.name for column in contract.columns]
    wanted = {contract.service: names, "ledger": ["seconds"], "quarantine": ["published"]}
    if are_there(cursor, schema, wanted):
        return
    ensure_schema(cursor, schema)
    # Again, now that it is our turn: to alter what another run has just made would wait for it.
    if not are_there(cursor, schema, wanted):
        _create_tables(cursor, schema, contract)
    cursor.connection.commit()


def _create_tables(cursor: Cursor, schema: str, contract: Contract) -> None:
    ledger = Identifier(schema, "ledger")
    cursor.execute(SQL(_LEDGER).format(ledger))
    cursor.execute(
        SQL("ALTER TABLE {} ADD COLUMN IF NOT EXISTS seconds double precision").format(ledger)
    )
    cursor.execute(SQL(_QUARANTINE).format(Identifier(schema, "quarantine")))
    _ensure_service_table(cursor, Identifier(schema, contract.service), contract)


def are_there(cursor: Cursor, schema: str, columns: Mapping[str, Iterable[str]]) -> bool:
    """Whether the tables have these columns."""
    wanted = [(table, name) for table, names in columns.items() for name in names]
    cursor.execute(
        "SELECT bool_and(EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass(tab) "
        "AND attname = col AND attnum > 0 AND NOT attisdropped)) "
        "FROM unnest(%s::text[], %s::text[]) AS wanted (tab, col)",
        [
            [Identifier(schema, table).as_string(cursor) for table, _ in wanted],
            [name for _, name in wanted],
        ],
    )
    return cursor.fetchone() == (True,)


def _ensure_service_table(cursor: Cursor, table: Composable, contract: Contract) -> None:
    cursor.execute(
        SQL("CREATE TABLE IF NOT EXISTS {} (\n  {}\n) PARTITION BY LIST (source_month)").format(
            table, SQL(postgres_columns(contract.columns))
        )
    )
    ensure_columns(cursor, table, contract.columns)
    cursor.execute(
        SQL("CREATE INDEX IF NOT EXISTS {} ON {} USING brin (pickup_datetime)").format(
            Identifier(f"{contract.service}_pickup_datetime_brin"), table
        )
    )


def ensure_columns(cursor: Cursor, table: Composable, columns: Iterable[Column]) -> None:
    """Add the columns that a table lacks, and say what each means."""
    for column in columns:
        cursor.execute(
            SQL("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {}").format(
                table, SQL(postgres_columns([column]))
            )
        )
        cursor.execute(
            SQL("COMMENT ON COLUMN {}.{} IS {}").format(
                table, Identifier(column.name), Literal(column_comment(column))
            )
        )


def part_name(partition: Partition, number: int) -> str:
    """A table with some of a month's rows, until it is united with the others."""
    return f"{new_name(partition)}_{number}"


def create_partition(
    cursor: Cursor, schema: str, partition: Partition, name: str, rows: Composable | None = None
) -> None:
    """A stand-alone table for one month, or for a part of one.

    Its CHECKs are declared before the rows arrive: those of month and rows spare ATTACH a scan,
    that of the pick-up time lets the planner leave the month out of queries by it.

    Args:
        cursor: The transaction that fills the table.
        schema: Schema of the table.
        partition: The month.
        name: Name of the table.
        rows: The CHECK of a part.
    """
    month = partition.month
    cursor.execute(
        SQL(
            "CREATE TABLE {table} (\n  {columns},\n"
            "  CONSTRAINT source_month_check CHECK (source_month = {month}),\n"
            "  CONSTRAINT pickup_datetime_check"
            " CHECK (pickup_datetime >= {first} AND pickup_datetime < {end}){rows}\n)"
        ).format(
            table=Identifier(schema, name),
            columns=SQL(postgres_columns(partition.service.contract.columns)),
            month=Literal(month.start.date()),
            first=Literal(month.start - WINDOW),
            end=Literal(month.end + WINDOW),
            rows=rows or SQL(""),
        )
    )
    cursor.execute(
        SQL("ALTER TABLE {} ALTER source_month SET DEFAULT {}").format(
            Identifier(schema, name), Literal(month.start.date())
        )
    )


def rows_between(first: int, end: int | None) -> Composable:
    """The CHECK of a part that has the rows from ``first`` to before ``end``, None in the last."""
    upper = SQL("") if end is None else SQL(" AND source_row < {}").format(Literal(end))
    return SQL(",\n  CONSTRAINT source_row_check CHECK (source_row >= {}{})").format(
        Literal(first), upper
    )


def index_partition(cursor: Cursor, schema: str, name: str, *, parts: int = 1) -> None:
    """Index and analyse a table; ``parts`` of a month share the sample that one table would get."""
    table = Identifier(schema, name)
    cursor.execute(
        SQL("CREATE INDEX {} ON {} USING brin (pickup_datetime)").format(
            Identifier(f"{name}_brin"), table
        )
    )
    cursor.execute(
        "SELECT set_config('default_statistics_target', "
        "greatest(current_setting('default_statistics_target')::int / %s, 1)::text, true)",
        [parts],
    )
    cursor.execute(SQL("ANALYZE {}").format(table))


def drop_parts(cursor: Cursor, schema: str, partition: Partition, parts: int) -> None:
    """Drop what a load that was killed left behind."""
    for number in range(parts):
        cursor.execute(
            SQL("DROP TABLE IF EXISTS {}").format(Identifier(schema, part_name(partition, number)))
        )


def unite_parts(
    cursor: Cursor, schema: str, partition: Partition, bounds: Sequence[tuple[int, int | None]]
) -> None:
    """Make one table of a month's parts, which are its partitions by ``source_row``."""
    new = Identifier(schema, new_name(partition))
    columns = SQL(postgres_columns(partition.service.contract.columns))
    cursor.execute(
        SQL("CREATE TABLE {} (\n  {}\n) PARTITION BY RANGE (source_row)").format(new, columns)
    )
    cursor.execute(
        SQL("CREATE INDEX {} ON {} USING brin (pickup_datetime)").format(
            Identifier(f"{new_name(partition)}_brin"), new
        )
    )
    for number, (first, end) in enumerate(bounds):
        upper = SQL("MAXVALUE") if end is None else Literal(end)
        cursor.execute(
            SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
                new, Identifier(schema, part_name(partition, number)), Literal(first), upper
            )
        )


def attach_partition(cursor: Cursor, schema: str, partition: Partition) -> None:
    """Drop the month's old table and attach the new one in its place.

    The parent is locked first, so that two loads cannot wait for each other's locks; a month that
    is new does not lock out readers at all.
    """
    parent = Identifier(schema, partition.service.name)
    names = {
        "parent": parent,
        "old": Identifier(schema, partition.table_name),
        "new": Identifier(schema, new_name(partition)),
        "name": Identifier(partition.table_name),
        "new_index": Identifier(schema, f"{new_name(partition)}_brin"),
        "index": Identifier(f"{partition.table_name}_brin"),
        "month": Literal(partition.month.start.date()),
    }
    cursor.execute("SELECT to_regclass(%s) IS NULL", [names["old"].as_string(cursor)])
    is_new = cursor.fetchone() == (True,)
    for statement in (
        "LOCK TABLE ONLY {parent} IN SHARE UPDATE EXCLUSIVE MODE"
        if is_new
        else "LOCK TABLE ONLY {parent} IN ACCESS EXCLUSIVE MODE",
        "DROP TABLE IF EXISTS {old}",
        "ALTER TABLE {new} RENAME TO {name}",
        "ALTER INDEX {new_index} RENAME TO {index}",
        "ALTER TABLE {parent} ATTACH PARTITION {old} FOR VALUES IN ({month})",
    ):
        cursor.execute(SQL(statement).format(**names))
    _name_parts(cursor, schema, partition)


def _name_parts(cursor: Cursor, schema: str, partition: Partition) -> None:
    """Give the parts of the month, if it has any, and their indexes the month's name."""
    cursor.execute(
        "SELECT relname FROM pg_partition_tree(%s) JOIN pg_class ON oid = relid WHERE level > 0",
        [Identifier(schema, partition.table_name).as_string(cursor)],
    )
    for (name,) in cursor.fetchall():
        for suffix, kind in (("", "TABLE"), ("_brin", "INDEX")):
            lasting = name.replace(new_name(partition), partition.table_name) + suffix
            cursor.execute(
                SQL("ALTER {} {} RENAME TO {}").format(
                    SQL(kind), Identifier(schema, name + suffix), Identifier(lasting)
                )
            )


def empty_dimension(
    cursor: Cursor, table: Identifier, rows: pa.Schema, *, key: str, comment: str
) -> None:
    """Create the table, or empty it and add the columns that it does not have yet.

    It is never dropped: views of others may depend on it.
    """
    cursor.execute(
        SQL("CREATE TABLE IF NOT EXISTS {} (\n  {},\n  PRIMARY KEY ({})\n)").format(
            table, SQL(",\n  ").join(map(_dimension_column, rows)), Identifier(key)
        )
    )
    cursor.execute(SQL("DELETE FROM {}").format(table))
    cursor.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0",
        [table.as_string(cursor)],
    )
    present = {name for (name,) in cursor.fetchall()}
    for field in rows:
        if field.name not in present:
            cursor.execute(
                SQL("ALTER TABLE {} ADD COLUMN {}").format(table, _dimension_column(field))
            )
    cursor.execute(SQL("COMMENT ON TABLE {} IS {}").format(table, Literal(comment)))


def _dimension_column(field: pa.Field) -> Composable:
    return SQL("{} {} {}").format(
        Identifier(field.name),
        SQL(_DIMENSION_TYPES[field.type]),
        SQL("NULL" if field.nullable else "NOT NULL"),
    )
