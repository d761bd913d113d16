"""What is ours in the schema: what a record of ours says we made. Everything else is others'.

The record is the comment of a table or view, which names it: whoever renames it, or copies it
under another name, has made it theirs. Tables from before there was such a comment are known by
the ledger, as long as readers see them, and parts of months that a killed load left by the
transaction that made them.
"""

from collections.abc import Collection, Iterable
from typing import Any

from psycopg2.sql import SQL, Literal

from nyc_tlc.adapters.postgres.connection import Cursor, one, scalars, sql
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.code_lists import code_lists
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.errors import ConfigurationError
from nyc_tlc.core.marts.declared import MARTS

_MARK = "Made by nyc_tlc as "
_ADOPT = f"If you know that a {{0}} is ours: COMMENT ON {{0}} {{1}} IS '{_MARK}{{1}}'."
_SCHEMA = "quote_ident(current_schema())::regnamespace"
_MONTHS = rf"^({'|'.join(SERVICES)})_\d{{4}}_\d{{2}}(_new)?(_\d)?$"
_OURS = f"""
SELECT c.oid, c.relname FROM pg_class AS c
WHERE c.relnamespace = {_SCHEMA} AND c.relkind IN ('r', 'p') AND c.relname ~ %(months)s AND (
  obj_description(c.oid, 'pg_class') = %(mark)s || c.relname
  OR EXISTS (
    SELECT FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid
    WHERE x.indrelid = c.oid AND i.relname = c.relname || '_brin' AND (
      c.relispartition AND (
        regexp_replace(c.relname, '_[0-9]$', '') = ANY (%(recorded)s)
        OR 2 = (
          SELECT count(*) FROM pg_constraint AS k JOIN pg_attrdef AS d ON d.adrelid = k.conrelid
          WHERE k.conrelid = c.oid AND k.xmin = d.xmin
          AND k.conname IN ('source_month_check', 'pickup_datetime_check'))
      ) AND EXISTS (SELECT FROM pg_partition_ancestors(c.oid) AS above
                  WHERE above.relid = to_regclass(split_part(c.relname, '_', 1)))
      OR NOT c.relispartition AND c.relname ~ '_new_[0-9]$' AND i.xmin = c.xmin AND 3 = (
        SELECT count(*) FROM pg_constraint AS k WHERE k.conrelid = c.oid AND k.xmin = c.xmin
        AND k.conname IN ('source_month_check', 'pickup_datetime_check', 'source_row_check')
      )
    )
  )
)
"""  # noqa: S608 - of constants
_TAKEN = f"""
WITH ours AS ({_OURS})
SELECT pg_describe_object('pg_class'::regclass, c.oid, 0) FROM pg_class AS c
WHERE c.relnamespace = {_SCHEMA} AND c.relname = ANY (%(names)s)
  AND c.oid NOT IN (SELECT oid FROM ours)
  AND NOT EXISTS (SELECT FROM pg_index JOIN ours ON ours.oid = indrelid WHERE indexrelid = c.oid)
UNION ALL
SELECT pg_describe_object('pg_type'::regclass, oid, 0) FROM pg_type
WHERE typnamespace = {_SCHEMA} AND typname = ANY (%(names)s) AND typrelid = 0 AND typelem = 0
ORDER BY 1 LIMIT 5
"""  # noqa: S608 - of constants
_OTHERS = f"""
WITH ours AS (
  SELECT oid, relname FROM pg_class AS c
  WHERE relnamespace = {_SCHEMA} AND relkind IN ('r', 'p', 'v')
    AND (relname = ANY (%(known)s) OR oid IN (SELECT oid FROM ({_OURS}) AS months))
)
SELECT pg_describe_object('pg_class'::regclass, c.oid, 0) FROM pg_class AS c
LEFT JOIN pg_index AS x ON x.indexrelid = c.oid
LEFT JOIN ours AS indexed ON indexed.oid = x.indrelid
WHERE c.relnamespace = {_SCHEMA} AND c.oid NOT IN (SELECT oid FROM ours)
  AND (c.relkind NOT IN ('i', 'I') OR indexed.oid IS NOT NULL AND NOT c.relispartition
       AND c.relname NOT IN (indexed.relname || '_brin', indexed.relname || '_pkey')
       AND c.relname <> ALL (%(known)s))
UNION ALL
SELECT pg_describe_object('pg_type'::regclass, oid, 0) FROM pg_type
WHERE typnamespace = {_SCHEMA} AND typrelid = 0 AND typelem = 0 AND typtype IN ('b', 'd', 'e', 'r')
UNION ALL
SELECT pg_describe_object('pg_proc'::regclass, oid, 0) FROM pg_proc WHERE pronamespace = {_SCHEMA}
UNION ALL
SELECT pg_describe_object('pg_statistic_ext'::regclass, oid, 0) FROM pg_statistic_ext
WHERE stxnamespace = {_SCHEMA}
ORDER BY 1
"""  # noqa: S608 - of constants


def mark(cursor: Cursor, kind: str, name: str, meaning: str = "") -> None:
    """Record with a table or view that we made it under this name."""
    said = f"{meaning}\n{_MARK}{name}" if meaning else f"{_MARK}{name}"
    cursor.execute(sql("COMMENT ON {} {} IS {}", SQL(kind), name, Literal(said)))


def month_tables(cursor: Cursor, recorded: Iterable[Partition]) -> frozenset[str]:
    """The tables of months that are ours, parts and what a load left included.

    ``recorded``: the months of which the ledger says that we loaded them.
    """
    cursor.execute(_OURS, _months(recorded))
    return frozenset(name for _, name in cursor.fetchall())


def others(cursor: Cursor, recorded: Iterable[Partition]) -> tuple[str, ...]:
    """Everything in the schema that is not ours, as Postgres describes it: ``view mine``."""
    known = [
        *SERVICES, *(f"{name}_pickup_datetime_brin" for name in SERVICES),
        *(f"{name}_named" for name in SERVICES), "trips", "ledger", "quarantine", "publication",
        "taxi_zone", *code_lists(), "mart_month", *(mart.name for mart in MARTS),
        *(name for mart in MARTS for name in mart_indexes(mart.name, mart.clustered_by)),
    ]  # fmt: skip
    return tuple(scalars(cursor, _OTHERS, {**_months(recorded), "known": known}))


def mart_indexes(name: str, clustered_by: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Name and columns of each index of a mart."""
    indexed = (("source_month", "service"), tuple(clustered_by))
    return {"_".join((name, *columns, "idx")): columns for columns in indexed}


def require_free(
    cursor: Cursor, partition: Partition, names: Iterable[str], *, recorded: bool
) -> None:
    """Let no load begin that would drop something of others, or meet it under its own name.

    It drops, makes or renames the tables with these names; ``recorded``: the ledger says that we
    loaded the month.

    Raises:
        ConfigurationError: one of the names is taken by something that is not ours.
    """
    wanted = [name + end for name in names for end in ("", "_brin", "_twin")]
    of_months = _months([partition] if recorded else [])
    if taken := ", ".join(scalars(cursor, _TAKEN, {**of_months, "names": wanted})):
        raise ConfigurationError(
            f"{partition}: a load needs the name of {taken}, and no record of ours says that we "
            "made it. Nothing was changed. Rename it or move it to another schema, then run the "
            f"month again. {_ADOPT.format('TABLE', partition.table_name)}"
        )


def require_marked(cursor: Cursor, name: str, meaning: str) -> None:
    """Let nothing be written to a table that is there and is not ours.

    Raises:
        ConfigurationError: its comment says nothing of us.
    """
    there, kind, said = one(
        cursor,
        "SELECT oid IS NOT NULL, relkind, obj_description(oid, 'pg_class') "
        "FROM (SELECT to_regclass(%s)) AS named (oid) LEFT JOIN pg_class USING (oid)",
        [name],
    )
    # The comment without the mark: a table from before there were marks.
    if there and (kind not in {"r", "p"} or not is_marked(name, said, before={meaning})):
        raise not_ours("table", name)


def is_marked(name: str, said: str | None, *, before: Collection[str] = ()) -> bool:
    """Whether a comment records that we made this; ``before``: as it was before marks were."""
    return said is not None and (said in before or said.splitlines()[-1:] == [f"{_MARK}{name}"])


def not_ours(kind: str, name: str) -> ConfigurationError:
    """Something of others has a name that we need."""
    return ConfigurationError(
        f"the {kind} {name} is there, and its comment does not say that we made it. Nothing was "
        "changed. Rename it or move it to another schema, then run it again. "
        f"{_ADOPT.format(kind.upper(), name)}"
    )


def _months(recorded: Iterable[Partition]) -> dict[str, Any]:
    return {
        "months": _MONTHS,
        "mark": _MARK,
        "recorded": [partition.table_name for partition in recorded],
    }
