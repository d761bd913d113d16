"""Dimension tables: rows are updated in place, since rows of others may refer to them."""

import logging
from collections.abc import Iterator, Sequence

import pyarrow as pa
from psycopg2 import errors as pg
from psycopg2.extras import execute_values
from psycopg2.sql import SQL, Composable, Identifier, Placeholder

from nyc_tlc.adapters.postgres import schema as ddl
from nyc_tlc.adapters.postgres.administrator import ownership
from nyc_tlc.adapters.postgres.connection import Cursor, one, scalars, sql
from nyc_tlc.core.errors import ContractError

_logger = logging.getLogger(__name__)
_TYPES = {
    pa.int16(): "smallint",
    pa.int32(): "integer",
    pa.float64(): "double precision",
    pa.string(): "text",
    pa.json_(): "jsonb",
}
_REFERRING = """
SELECT conname, conrelid::regclass::text,
  ARRAY(SELECT attname::text FROM unnest(conkey) WITH ORDINALITY AS k (num, at)
        JOIN pg_attribute ON attrelid = conrelid AND attnum = num ORDER BY at),
  ARRAY(SELECT attname::text FROM unnest(confkey) WITH ORDINALITY AS k (num, at)
        JOIN pg_attribute ON attrelid = confrelid AND attnum = num ORDER BY at)
FROM pg_constraint WHERE confrelid = to_regclass(%s) AND contype = 'f' AND conparentid = 0
"""


def replace_rows(cursor: Cursor, name: str, rows: pa.Table, *, key: str, comment: str) -> int:
    """Let the table have these rows; returns how many of them it has.

    Rows that are no longer among them go, unless something refers to them. The table is never
    dropped, nor emptied: views and foreign keys of others may depend on it.
    """
    ownership.require_marked(cursor, name, comment)
    _ensure_table(cursor, name, rows.schema, key)
    ownership.mark(cursor, "TABLE", name, comment)
    keys = rows.column(key).to_pylist()
    if len(set(keys)) < len(keys):
        raise ContractError(
            f"{name} would have a duplicate key: two rows with the same {key}. The table stays as "
            "it was. This is a defect to report."
        )
    _upsert(cursor, name, rows, key)
    _withdraw(cursor, name, key, keys)
    _require_values(cursor, name, rows.schema)
    cursor.execute(sql("ANALYZE {}", name))
    count = sql("SELECT count(*) FROM {} WHERE {} = ANY (%s)", name, key)
    return int(one(cursor, count, [keys])[0])


def _ensure_table(cursor: Cursor, name: str, rows: pa.Schema, key: str) -> None:
    columns = {field.name: sql("{} {}", field.name, SQL(_TYPES[field.type])) for field in rows}
    declared = SQL(",\n  ").join(columns.values())
    create = "CREATE TABLE IF NOT EXISTS {} (\n  {},\n  PRIMARY KEY ({})\n)"
    cursor.execute(sql(create, name, declared, key))
    # Asked first: to alter a table waits for those who read it.
    if not ddl.are_there(cursor, {name: columns}):
        for column in columns.values():
            cursor.execute(sql("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {}", name, column))


def _upsert(cursor: Cursor, name: str, rows: pa.Table, key: str) -> None:
    """Insert what is new and update what differs; what is the same is not written again."""
    columns = rows.schema.names
    others = [column for column in columns if column != key]
    statement = sql(
        "INSERT INTO {table} AS held ({columns}) VALUES %s ON CONFLICT ({key}) DO UPDATE SET "
        "{set} WHERE ({old}) IS DISTINCT FROM ({new})",
        table=name,
        columns=_listed(columns),
        key=key,
        set=SQL(", ").join(sql("{0} = excluded.{0}", column) for column in others),
        old=_listed(others, of="held"),
        new=_listed(others, of="excluded"),
    )
    template = SQL("({})").format(
        SQL(", ").join(
            sql("{}::{}", Placeholder(), SQL(_TYPES[field.type])) for field in rows.schema
        )
    )
    values = [tuple(row.values()) for row in rows.sort_by(key).to_pylist()]
    execute_values(cursor, statement, values, template.as_string(cursor))


def _listed(columns: Sequence[str], of: str = "") -> Composable:
    return SQL(", ").join(Identifier(*([of] if of else []), column) for column in columns)


def _withdraw(cursor: Cursor, name: str, key: str, keys: Sequence[object]) -> None:
    """Delete the rows that are not published any more and to which nothing refers."""
    # Locked first: nobody can begin to refer to one between our look and its end.
    gone = sql("SELECT {key} FROM {table} WHERE {key} <> ALL (%s) FOR UPDATE", key=key, table=name)
    withdrawn = scalars(cursor, gone, [keys])
    if not withdrawn:
        return
    kept: set[object] = set()
    for constraint, table, referred in _references(cursor, name, key, withdrawn):
        kept.update(referred)
        if referred:
            _logger.warning(
                "%s: %s %s not published any more and kept, because %s of %s refers to it. Delete "
                "what refers to it; the next run then removes it",
                name, ", ".join(sorted(map(str, referred))),
                "is" if len(referred) == 1 else "are", constraint, table,
            )  # fmt: skip
    delete = sql("DELETE FROM {} WHERE {} = ANY (%s)", name, key)
    cursor.execute(delete, [[found for found in withdrawn if found not in kept]])


def _references(
    cursor: Cursor, name: str, key: str, withdrawn: Sequence[object]
) -> Iterator[tuple[str, str, list[object]]]:
    """Each foreign key of others, its table, and to which of these rows it may refer."""
    cursor.execute(_REFERRING, [name])
    for constraint, table, referring, referred in cursor.fetchall():
        pairs = [
            sql("held.{} = other.{}", to, column)
            for column, to in zip(referring, referred, strict=True)
        ]
        statement = sql(
            "SELECT DISTINCT held.{} FROM {} AS held JOIN {} AS other ON {} "
            "WHERE held.{} = ANY (%s)",
            key, name, SQL(table), SQL(" AND ").join(pairs), key,
        )  # fmt: skip
        cursor.execute("SAVEPOINT looking")
        try:
            yield constraint, table, scalars(cursor, statement, [list(withdrawn)])
        except pg.InsufficientPrivilege:
            cursor.execute("ROLLBACK TO SAVEPOINT looking")
            yield constraint, table, list(withdrawn)


def _require_values(cursor: Cursor, name: str, rows: pa.Schema) -> None:
    """Let no column be null that never is, unless a row is kept from before the column."""
    nullable = (
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND NOT attnotnull "
        "AND attname = ANY (%s)"
    )
    never = [field.name for field in rows if not field.nullable]
    for column in scalars(cursor, nullable, [name, never]):
        empty = sql("SELECT EXISTS (SELECT FROM {} WHERE {} IS NULL)", name, column)
        if one(cursor, empty) == (False,):
            cursor.execute(sql("ALTER TABLE {} ALTER {} SET NOT NULL", name, column))
