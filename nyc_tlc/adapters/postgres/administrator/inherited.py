"""What a month's table takes over from the service's: made before ATTACH, which then only looks.

ATTACH makes what is missing by itself, but while readers wait: 3.5 s for five indexes on 3 million
rows.
"""

from collections.abc import Sequence

from psycopg2.sql import Literal

from nyc_tlc.adapters.postgres.connection import Cursor, one, scalars, sql
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import Service

_NOT_BY_ROW = """
SELECT EXISTS (SELECT FROM pg_index WHERE indrelid = to_regclass(%(service)s)
AND (indisunique OR indisexclusion) AND NOT (
  SELECT attnum FROM pg_attribute WHERE attrelid = indrelid AND attname = 'source_row'
) = ANY ((indkey::int2[])[0:indnkeyatts - 1]))
"""
_TO_MAKE = """
SELECT ARRAY(
  SELECT format('ALTER TABLE %%I ADD CONSTRAINT %%I %%s', %(name)s, conname,
    pg_get_constraintdef(oid))
  FROM pg_constraint AS wanted WHERE conrelid = to_regclass(%(service)s) AND contype = 'f'
  AND NOT EXISTS (SELECT FROM pg_constraint AS made
    WHERE made.conrelid = to_regclass(%(name)s) AND made.conname = wanted.conname)
), EXISTS (
  SELECT FROM pg_index WHERE indrelid = to_regclass(%(service)s)
  AND indexrelid IS DISTINCT FROM to_regclass(%(service)s || '_pickup_datetime_brin')
)
"""
_INHERITED = """
SELECT array_agg(id::bigint ORDER BY id) FROM (
  SELECT indexrelid AS id FROM pg_index WHERE indrelid = to_regclass(%(service)s)
  UNION ALL SELECT oid FROM pg_constraint WHERE conrelid = to_regclass(%(service)s)
) AS inherited
"""


class ServiceChangedError(Exception):
    """The service's table got or lost an index or constraint since the month's was made."""


def inherited_by_months(cursor: Cursor, service: Service) -> Sequence[int]:
    """Which indexes and constraints the service's table has."""
    (ids,) = one(cursor, _INHERITED, {"service": service.name})
    return tuple(ids or ())


def has_one_table_a_month(cursor: Cursor, service: Service) -> bool:
    """Whether parts by ``source_row`` cannot keep a unique index or exclusion of the service."""
    return one(cursor, _NOT_BY_ROW, {"service": service.name}) == (True,)


def make_inherited(cursor: Cursor, partition: Partition, name: str) -> None:
    """Give a month's new table, or a part of it, the service's indexes and foreign keys.

    PostgreSQL itself makes them, as partitions of a twin of the service's table get them: so that
    they match whatever there is (expressions, predicates, INCLUDE, operator classes, constraints).
    What the table has already stays.
    """
    service, month = partition.service.name, Literal(partition.month.start.date())
    foreign_keys, has_indexes = one(cursor, _TO_MAKE, {"service": service, "name": name})
    for statement in foreign_keys:
        cursor.execute(statement)
    if not has_indexes:
        return
    twin = f"{name}_twin"
    for step in (
        "CREATE TABLE {twin} (LIKE {service} INCLUDING INDEXES) PARTITION BY LIST (source_month)",
        "ALTER TABLE {twin} ATTACH PARTITION {name} FOR VALUES IN ({month})",
        "ALTER TABLE {twin} DETACH PARTITION {name}",
        "DROP TABLE {twin}",
    ):
        cursor.execute(sql(step, twin=twin, service=service, name=name, month=month))


def take_names(cursor: Cursor, new: str, old: str) -> None:
    """Name the inherited indexes of the table that was ``new``, and of its parts, as the old ones.

    One whose name somebody else has taken keeps its own.
    """
    movable = (
        "SELECT c.relname FROM pg_partition_tree(%(new)s) JOIN pg_index ON indrelid = relid "
        "JOIN pg_class AS c ON c.oid = indexrelid WHERE c.relispartition "
        "AND starts_with(c.relname, %(new)s) "
        "AND to_regclass(quote_ident(%(old)s || substr(c.relname, length(%(new)s) + 1))) IS NULL"
    )
    for name in scalars(cursor, movable, {"new": new, "old": old}):
        cursor.execute(sql("ALTER INDEX {} RENAME TO {}", name, old + name.removeprefix(new)))
