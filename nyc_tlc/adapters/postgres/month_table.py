"""A month's table: built where no reader sees it, in one piece or in parts, then put in place."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass

from psycopg2.sql import SQL, Composable, Literal

from nyc_tlc.adapters.postgres.administrator import additions
from nyc_tlc.adapters.postgres.administrator.inherited import (
    ServiceChangedError,
    inherited_by_months,
    make_inherited,
    take_names,
)
from nyc_tlc.adapters.postgres.administrator.ownership import mark
from nyc_tlc.adapters.postgres.connection import Cursor, exists, scalars, sql
from nyc_tlc.adapters.postgres.copy_stream import copy
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.model import ColumnType
from nyc_tlc.core.contract.schemas import postgres_columns
from nyc_tlc.core.rows.rules import WINDOW
from nyc_tlc.ports.warehouse import Batches, RowGroups

_MOST_PARTS = 2
"""A third COPY at the same time makes none faster."""
_WORTH_PARTS = 500_000
"""Rows: a smaller month is loaded in half a second, and stays one plain table."""


Transaction = AbstractContextManager[Cursor]


@dataclass(frozen=True)
class Part:
    """Some of a month's trips: those with ``source_row`` from ``first`` to before ``end``.

    Attributes:
        end: None in the last part.
    """

    trips: Batches
    first: int
    end: int | None

    def check(self) -> Composable:
        """The CHECK of its table."""
        end = SQL("") if self.end is None else sql(" AND source_row < {}", Literal(self.end))
        check = ",\n  CONSTRAINT source_row_check CHECK (source_row >= {}{})"
        return sql(check, Literal(self.first), end)


def cut(trips: RowGroups, rows: int, *, one_table: bool) -> list[Part]:
    """The parts in which a month of so many rows is copied; those of a long one at the same time.

    One server process needs 2.6 s for the COPY of 3 million rows, two on two cores 1.9.
    """
    groups = len(trips.first_rows)
    parts = 1 if one_table or rows < _WORTH_PARTS else max(min(_MOST_PARTS, groups), 1)
    starts = [groups * number // parts for number in range(parts)]
    firsts = [0, *(trips.first_rows[start] for start in starts[1:])]
    return [
        Part(Batches(trips.schema, trips.read(range(start, end))), first, next_first)
        for start, end, first, next_first in zip(
            starts, [*starts[1:], groups], firsts, [*firsts[1:], None], strict=True
        )
    ]


def build(
    cursor: Cursor, partition: Partition, parts: Sequence[Part], begin: Callable[[], Transaction]
) -> int:
    """Make the month's new table; returns its rows.

    Parts are tables that no reader knows, each made in its own transaction, until this one unites
    them and puts them in the month's place.
    """
    if len(parts) == 1:
        drop_parts(cursor, partition)
        return _fill(cursor, partition, _new_name(partition), parts[0], share=1)

    def build_part(number: int) -> int:
        name = _part_name(partition, number)
        with begin() as own:
            own.execute(sql("DROP TABLE IF EXISTS {}", name))
            return _fill(own, partition, name, parts[number], share=len(parts))

    with ThreadPoolExecutor(len(parts), thread_name_prefix="copy") as pool:
        copied = sum(pool.map(build_part, range(len(parts))))
    _unite(cursor, partition, parts)
    return copied


def names(partition: Partition) -> list[str]:
    """Every table that a load of the month drops, makes or renames."""
    ends = ["", *(f"_{number}" for number in range(_MOST_PARTS))]
    return [name + end for name in (partition.table_name, _new_name(partition)) for end in ends]


def drop_parts(cursor: Cursor, partition: Partition) -> None:
    """Drop what a load that was killed left behind."""
    for number in range(_MOST_PARTS):
        cursor.execute(sql("DROP TABLE IF EXISTS {}", _part_name(partition, number)))


def prepare(cursor: Cursor, partition: Partition) -> Sequence[int]:
    """Give the new table what it is to inherit; returns what that is, for :func:`attach`."""
    inherited = inherited_by_months(cursor, partition.service)
    make_inherited(cursor, partition, _new_name(partition))
    return inherited


def attach(cursor: Cursor, partition: Partition, inherited: Sequence[int]) -> None:
    """Drop the month's old table and attach the new one in its place.

    The parent is locked first, so that two loads cannot wait for each other's locks; a month that
    is new does not lock out its readers at all. The ledger is locked, too, unless the rows are of
    this very transaction: a reader who has looked into it, in one snapshot, is to count what it
    was told of.

    Raises:
        ServiceChangedError: the service's table has other indexes or constraints than prepared for.
    """
    old, new = partition.table_name, _new_name(partition)
    kept = additions.in_place(cursor, partition, new)
    if exists(cursor, old):
        lock = "LOCK TABLE ONLY {parent}, ONLY ledger IN ACCESS EXCLUSIVE MODE"
    else:
        lock = "LOCK TABLE ONLY {parent} IN SHARE UPDATE EXCLUSIVE MODE"
        if exists(cursor, _part_name(partition, 0)):
            lock += "; LOCK TABLE ONLY ledger IN ACCESS EXCLUSIVE MODE"
    parent, month = partition.service.name, Literal(partition.month.start.date())
    cursor.execute(sql(lock, parent=parent))
    if inherited_by_months(cursor, partition.service) != inherited:
        raise ServiceChangedError
    for statement in (
        "DROP TABLE IF EXISTS {old}",
        "ALTER TABLE {parent} ATTACH PARTITION {new} FOR VALUES IN ({month})",
    ):
        cursor.execute(sql(statement, parent=parent, old=old, new=new, month=month))
    # The month's table and its parts, if it has any, with their indexes.
    take_names(cursor, new, old)
    tree = "SELECT relname FROM pg_partition_tree(%s) JOIN pg_class ON oid = relid"
    for name in scalars(cursor, tree, [new]):
        cursor.execute(sql("ALTER TABLE {} RENAME TO {}", name, name.replace(new, old)))
        mark(cursor, "TABLE", name.replace(new, old))
    for statement in kept:
        cursor.execute(statement)


def _new_name(partition: Partition) -> str:
    """The table in which a month is built before it takes its place."""
    return f"{partition.table_name}_new"


def _part_name(partition: Partition, number: int) -> str:
    """A table with some of a month's rows, until it is united with the others."""
    return f"{_new_name(partition)}_{number}"


def _fill(cursor: Cursor, partition: Partition, name: str, part: Part, *, share: int) -> int:
    """Make a stand-alone table of the rows, indexed and analysed.

    Its CHECKs are declared before the rows arrive: those of month and rows spare ATTACH a scan,
    that of the pick-up time lets the planner leave the month out of queries by it. ``share`` tables
    together get the sample that one table would get.

    A reader whose snapshot is older than the load must not see a month that its ledger lacks, nor
    miss one that it has: only the rows of a month that is replaced are visible to all (FREEZE).
    """
    month, columns = partition.month, partition.service.contract.columns
    cursor.execute(
        sql(
            "CREATE TABLE {table} (\n  {columns},\n"
            "  CONSTRAINT source_month_check CHECK (source_month = {month}),\n"
            "  CONSTRAINT pickup_datetime_check"
            " CHECK (pickup_datetime >= {earliest} AND pickup_datetime < {end}){rows}\n);\n"
            "ALTER TABLE {table} ALTER source_month SET DEFAULT {month}",
            table=name,
            columns=SQL(postgres_columns(columns)),
            month=Literal(month.start.date()),
            earliest=Literal(month.start - WINDOW),
            end=Literal(month.end + WINDOW),
            rows=part.check() if share > 1 else SQL(""),
        )
    )
    mark(cursor, "TABLE", name)
    additions.carry_settings(cursor, partition, name, whole=False)
    jsonb = frozenset(column.name for column in columns if column.type is ColumnType.JSON)
    options = ", FREEZE" if exists(cursor, partition.table_name) else ""
    copied = copy(cursor, name, part.trips, jsonb=jsonb, options=options)
    _index(cursor, name)
    make_inherited(cursor, partition, name)
    if share == 1:
        additions.carry_indexes(cursor, partition, name)
    cursor.execute(
        "SELECT set_config('default_statistics_target', "
        "greatest(current_setting('default_statistics_target')::int / %s, 1)::text, true)",
        [share],
    )
    cursor.execute(sql("ANALYZE {}", name))
    return copied


def _index(cursor: Cursor, name: str) -> None:
    cursor.execute(sql("CREATE INDEX {} ON {} USING brin (pickup_datetime)", f"{name}_brin", name))


def _unite(cursor: Cursor, partition: Partition, parts: Sequence[Part]) -> None:
    """Make one table of a month's parts, which are its partitions by ``source_row``."""
    new = _new_name(partition)
    columns = SQL(postgres_columns(partition.service.contract.columns))
    cursor.execute(sql("CREATE TABLE {} (\n  {}\n) PARTITION BY RANGE (source_row)", new, columns))
    mark(cursor, "TABLE", new)
    additions.carry_settings(cursor, partition, new, whole=True)
    _index(cursor, new)
    for number, part in enumerate(parts):
        end = SQL("MAXVALUE") if part.end is None else Literal(part.end)
        attach = "ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})"
        cursor.execute(sql(attach, new, _part_name(partition, number), Literal(part.first), end))
    if additions.carry_indexes(cursor, partition, new):
        cursor.execute(sql("ANALYZE {}", new))
