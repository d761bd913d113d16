"""What an administrator added to a month's table: carried to the new one, or a reason to refuse.

docs/database-administrator.md has the table of what is kept and what is refused.
"""

from collections.abc import Sequence

from psycopg2.sql import Literal

from nyc_tlc.adapters.postgres.connection import Cursor, exists, one, scalars, sql
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.errors import ConfigurationError

# Each selects statements that give the table named %(new)s what is special about %(old)s.
_OF_COLUMNS = """
pg_attribute AS a
JOIN pg_attribute AS n ON n.attname = a.attname AND n.attrelid = to_regclass(%(new)s)
WHERE a.attrelid = to_regclass(%(old)s) AND a.attnum > 0 AND NOT a.attisdropped
"""
_SETTINGS = f"""
SELECT format('ALTER TABLE %%I SET TABLESPACE %%I', %(new)s, spcname)
FROM pg_class AS c JOIN pg_tablespace AS t ON t.oid = reltablespace
WHERE c.oid = to_regclass(%(old)s)
UNION ALL
SELECT format('ALTER TABLE %%I SET (%%s)', %(new)s, string_agg(
  format('%%s%%s = %%L', prefix, split_part(setting, '=', 1),
    substr(setting, strpos(setting, '=') + 1)), ', '))
FROM (
  SELECT '' AS prefix, unnest(reloptions) AS setting FROM pg_class WHERE oid = to_regclass(%(old)s)
  UNION ALL
  SELECT 'toast.', unnest(t.reloptions)
  FROM pg_class AS c JOIN pg_class AS t ON t.oid = c.reltoastrelid
  WHERE c.oid = to_regclass(%(old)s)
) AS settings
WHERE EXISTS (SELECT FROM pg_class WHERE oid = to_regclass(%(new)s) AND relkind = 'r')
HAVING count(*) > 0
UNION ALL
SELECT format('ALTER TABLE %%I ALTER %%I SET %%s', %(new)s, attname, setting)
FROM (
  SELECT a.attname, unnest(ARRAY[
    CASE WHEN a.attstattarget >= 0 THEN 'STATISTICS ' || a.attstattarget END,
    '(' || array_to_string(a.attoptions, ', ') || ')',
    CASE WHEN a.attstorage <> n.attstorage THEN 'STORAGE ' || CASE a.attstorage
      WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END,
    CASE WHEN a.attcompression NOT IN ('', n.attcompression)
      THEN 'COMPRESSION ' || CASE a.attcompression WHEN 'l' THEN 'lz4' ELSE 'pglz' END END,
    CASE WHEN a.attnotnull AND NOT n.attnotnull THEN 'NOT NULL' END]) AS setting
  FROM {_OF_COLUMNS}
) AS settings WHERE setting IS NOT NULL
"""  # noqa: S608 - of constants
_OF_THE_PARENT = f"""
SELECT format('ALTER TABLE %%I ADD CONSTRAINT %%I %%s', %(new)s, conname,
  regexp_replace(pg_get_constraintdef(oid), ' NOT VALID$', ''))
FROM pg_constraint WHERE conrelid = to_regclass(%(old)s) AND contype = 'c'
UNION ALL
SELECT format('ALTER TABLE %%I ALTER %%I SET NOT NULL', %(new)s, a.attname)
FROM {_OF_COLUMNS} AND a.attnotnull AND NOT n.attnotnull
"""  # noqa: S608 - of constants
_GRANTS = """
WITH old AS (SELECT * FROM pg_class WHERE oid = to_regclass(%(old)s)), given AS (
  SELECT relowner, '' AS col, (aclexplode(relacl)).* FROM old
  UNION ALL
  SELECT relowner, format(' (%%I)', attname), (aclexplode(attacl)).*
  FROM old JOIN pg_attribute ON attrelid = old.oid AND NOT attisdropped
)
SELECT format('REVOKE ALL ON %%I FROM %%s', %(new)s,
  CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END)
FROM (
  SELECT relowner, (aclexplode(relacl)).grantee FROM pg_class WHERE oid = to_regclass(%(new)s)
) AS n
WHERE grantee <> relowner AND EXISTS (SELECT FROM old WHERE relacl IS NOT NULL)
UNION ALL
SELECT format('GRANT %%s%%s ON %%I TO %%s%%s', privilege_type, col, %(new)s,
  CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
  CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM given WHERE grantee <> relowner
UNION ALL
SELECT format('COMMENT ON COLUMN %%I.%%I IS %%L', %(new)s, attname, description)
FROM pg_description JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid
WHERE objoid = to_regclass(%(old)s) AND classoid = 'pg_class'::regclass AND objsubid > 0
"""
# Named for the time being after the new table: the old one's still have their names.
_INDEXED = """
pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid
JOIN pg_class AS c ON c.oid = x.indrelid JOIN pg_namespace AS s ON s.oid = c.relnamespace
WHERE c.oid = to_regclass(%(old)s) AND NOT i.relispartition AND i.relname <> c.relname || '_brin'
  AND indisvalid
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.oid AND conrelid = c.oid)
"""
_DESCRIBED = """
pg_statistic_ext AS e WHERE stxrelid = to_regclass(%(old)s)
  AND stxnamespace = quote_ident(current_schema())::regnamespace
"""
_INDEXES = f"""
SELECT format('CREATE %%sINDEX %%I ON %%I ', unique_, %(new)s || '_of_' || number, %(new)s)
  || substr(definition, length(head) + 1)
FROM (
  SELECT row_number() OVER (ORDER BY i.relname) AS number, pg_get_indexdef(i.oid) AS definition,
    CASE WHEN indisunique THEN 'UNIQUE ' ELSE '' END AS unique_,
    format('CREATE %%sINDEX %%I ON %%s%%I.%%I ', CASE WHEN indisunique THEN 'UNIQUE ' ELSE '' END,
      i.relname, CASE i.relkind WHEN 'I' THEN 'ONLY ' ELSE '' END, s.nspname, c.relname) AS head
  FROM {_INDEXED}
) AS kept
UNION ALL
SELECT format('CREATE STATISTICS %%I %%sON %%s FROM %%I', %(new)s || '_of_' || stxname,
  CASE WHEN kinds <> '' THEN format('(%%s) ', kinds) ELSE '' END,
  pg_get_statisticsobjdef_columns(oid), %(new)s)
FROM (
  SELECT *, concat_ws(', ', CASE WHEN 'd' = ANY (stxkind) THEN 'ndistinct' END,
    CASE WHEN 'f' = ANY (stxkind) THEN 'dependencies' END,
    CASE WHEN 'm' = ANY (stxkind) THEN 'mcv' END) AS kinds
  FROM {_DESCRIBED}
) AS kept
"""  # noqa: S608 - of constants
# What can only be said of the month's table itself, when it has taken its place.
_IN_PLACE = f"""
SELECT format('ALTER INDEX %%I RENAME TO %%I',
  %(new)s || '_of_' || row_number() OVER (ORDER BY i.relname), i.relname)
FROM {_INDEXED}
UNION ALL
SELECT format('ALTER STATISTICS %%I RENAME TO %%I', %(new)s || '_of_' || stxname, stxname)
FROM {_DESCRIBED}
UNION ALL
SELECT format('ALTER TABLE %%I REPLICA IDENTITY %%s', %(old)s, CASE relreplident
  WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING' ELSE (
    SELECT format('USING INDEX %%I', i.relname) FROM pg_index
    JOIN pg_class AS i ON i.oid = indexrelid WHERE indrelid = c.oid AND indisreplident) END)
FROM pg_class AS c WHERE oid = to_regclass(%(old)s) AND relreplident <> 'd'
UNION ALL
SELECT format('ALTER PUBLICATION %%I ADD TABLE %%I%%s%%s', pubname, %(old)s,
  (SELECT format(' (%%s)', string_agg(quote_ident(attname), ', ')) FROM pg_attribute
   WHERE attrelid = prrelid AND attnum = ANY (prattrs) HAVING count(*) > 0),
  ' WHERE (' || pg_get_expr(prqual, prrelid) || ')')
FROM pg_publication_rel JOIN pg_publication AS p ON p.oid = prpubid
WHERE prrelid = to_regclass(%(old)s)
UNION ALL
SELECT format('COMMENT ON TABLE %%I IS %%L', %(old)s, said)
FROM (SELECT obj_description(to_regclass(%(old)s), 'pg_class') AS said) AS comment
WHERE said <> 'Made by nyc_tlc as ' || %(old)s
UNION ALL
SELECT format('ALTER TABLE %%I OWNER TO %%I', %(old)s, relowner::regrole)
FROM pg_class WHERE oid = to_regclass(%(old)s) AND relowner <> current_user::regrole
"""  # noqa: S608 - of constants
# Of everything that depends on the month's table, or is said of it, what is not known above.
_REFUSED = r"""
WITH tree AS (
  SELECT relid AS oid FROM pg_partition_tree(to_regclass(%(old)s))
  UNION SELECT to_regclass(%(old)s)
), rows AS (
  SELECT t.oid FROM pg_type AS r JOIN tree ON r.typrelid = tree.oid
  JOIN pg_type AS t ON t.oid IN (r.oid, r.typarray)
)
SELECT DISTINCT coalesce(pg_describe_object('pg_class'::regclass, view.ev_class, 0),
  pg_describe_object(d.classid, coalesce(nullif(k.conparentid, 0), d.objid), d.objsubid))
FROM pg_depend AS d
LEFT JOIN pg_rewrite AS view ON d.classid = 'pg_rewrite'::regclass AND view.oid = d.objid
  AND view.rulename = '_RETURN'
LEFT JOIN pg_class AS c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
LEFT JOIN pg_constraint AS k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
LEFT JOIN pg_trigger AS t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
LEFT JOIN pg_statistic_ext AS e ON d.classid = 'pg_statistic_ext'::regclass AND e.oid = d.objid
LEFT JOIN pg_publication_rel AS p ON d.classid = 'pg_publication_rel'::regclass AND p.oid = d.objid
LEFT JOIN pg_publication AS pub ON pub.oid = p.prpubid
LEFT JOIN pg_attrdef AS f ON d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
LEFT JOIN pg_attribute AS col ON col.attrelid = f.adrelid AND col.attnum = f.adnum
WHERE d.deptype IN ('n', 'a') AND (
    d.refclassid = 'pg_class'::regclass AND d.refobjid IN (SELECT oid FROM tree)
    OR d.refclassid = 'pg_type'::regclass AND d.refobjid IN (SELECT oid FROM rows))
  AND (c.oid IS NULL OR c.relkind NOT IN ('i', 'I')
       AND NOT (c.oid IN (SELECT oid FROM tree) AND c.relname = ANY (%(names)s)))
  AND (k.oid IS NULL OR k.conrelid NOT IN (SELECT oid FROM tree) OR NOT (
       k.contype = 'n' OR k.coninhcount > 0 OR k.conparentid <> 0
       OR k.conname IN ('source_month_check', 'pickup_datetime_check', 'source_row_check')))
  AND (t.oid IS NULL OR NOT (t.tgisinternal OR t.tgparentid <> 0))
  AND (e.oid IS NULL OR e.stxnamespace <> quote_ident(current_schema())::regnamespace)
  AND (p.oid IS NULL OR NOT pg_has_role(pub.pubowner, 'USAGE'))
  AND (f.oid IS NULL OR f.adrelid NOT IN (SELECT oid FROM tree) OR NOT (
       col.attname = 'source_month' OR EXISTS (
         SELECT FROM pg_attribute AS above WHERE above.attrelid = to_regclass(%(service)s)
         AND above.attname = col.attname AND above.atthasdef)))
UNION ALL
SELECT 'row level security of table ' || relname FROM pg_class JOIN tree USING (oid)
WHERE relrowsecurity OR relforcerowsecurity
UNION ALL
SELECT format('the security label %%L of table %%s', label, objoid::regclass)
FROM pg_seclabel WHERE classoid = 'pg_class'::regclass AND objoid IN (SELECT oid FROM tree)
UNION ALL
SELECT format('ownership by %%s of table %%s', relowner::regrole, relname)
FROM pg_class JOIN tree USING (oid)
WHERE NOT pg_has_role(relowner, 'USAGE') AND pg_has_role((
  SELECT relowner FROM pg_class WHERE oid = to_regclass(%(service)s)), 'USAGE')
ORDER BY 1 LIMIT 3
"""
_MONTH_TAKEN = """
SELECT inhrelid::regclass::text, bound = 'DEFAULT' FROM (
  SELECT inhrelid, pg_get_expr(relpartbound, oid) AS bound
  FROM pg_inherits JOIN pg_class ON oid = inhrelid
  WHERE inhparent = to_regclass(%(service)s) AND inhrelid IS DISTINCT FROM to_regclass(%(old)s)
) AS others
WHERE bound = 'DEFAULT' OR bound LIKE '%%''' || %(month)s || '''%%'
"""
_COLUMNS_OF_OTHERS = """
SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0
AND NOT attisdropped AND attname <> ALL (%s) ORDER BY attnum LIMIT 3
"""


def require_replaceable(cursor: Cursor, partition: Partition, names: Sequence[str]) -> None:
    """Let no load begin at whose end something of others would be lost, or be in the way.

    It replaces the tables with these names, the month's and its parts.

    Raises:
        ConfigurationError: names what an administrator has to move first, and where to.
    """
    table, service = partition.table_name, partition.service.name
    named = {"old": table, "names": names, "service": service}
    if found := ", ".join(scalars(cursor, _REFUSED, named)):
        raise ConfigurationError(
            f"{partition}: {found} would be lost, or is in the way: a load replaces the table "
            f"{table}. Nothing was changed. Remove it and put it on {service} instead, where the "
            f"month's rows have source_month = '{partition.month.start.date()}'; then run the "
            "month again. docs/database-administrator.md says what is kept."
        )
    declared = [column.name for column in partition.service.contract.columns]
    if columns := ", ".join(scalars(cursor, _COLUMNS_OF_OTHERS, [service, declared])):
        raise ConfigurationError(
            f"{partition}: {service} has columns that are not of the contract "
            f"{partition.contract_id}: {columns}. Their values would be lost with the month's "
            "rows. Nothing was changed. Keep them in a table of your own, by source_month and "
            f"source_row; then ALTER TABLE {service} DROP COLUMN …, and run the month again."
        )
    _require_month_free(cursor, partition)


def _require_month_free(cursor: Cursor, partition: Partition) -> None:
    month, service = str(partition.month.start.date()), partition.service.name
    named = {"service": service, "old": partition.table_name, "month": month}
    cursor.execute(_MONTH_TAKEN, named)
    for other, is_default in cursor.fetchall():
        rows = "SELECT EXISTS (SELECT FROM {} WHERE source_month = {})"
        schema_and_name = other.replace('"', "").split(".")
        if is_default and one(cursor, sql(rows, schema_and_name[-1], Literal(month))) == (False,):
            continue
        raise ConfigurationError(
            f"{partition}: the partition {other} of {service} has the month's rows, and no record "
            f"of ours says that we made it. Nothing was changed. ALTER TABLE {service} DETACH "
            f"PARTITION {other}, then run the month again."
        )


def carry_settings(cursor: Cursor, partition: Partition, new: str, *, whole: bool) -> None:
    """Give a new, empty table of the month the settings of the one that it will replace.

    A table with rows takes after one with rows; ``whole``, it unites parts, as the month's may.
    """
    table, part = partition.table_name, f"{partition.table_name}_0"
    old = part if not whole and exists(cursor, part) else table
    _carry(cursor, _OF_THE_PARENT, partition.service.name, new)
    _carry(cursor, _SETTINGS, old, new)
    _carry(cursor, _GRANTS, old, new)


def carry_indexes(cursor: Cursor, partition: Partition, new: str) -> bool:
    """Give the new table, now with its rows, the indexes and extended statistics of the old one.

    Returns:
        Whether there is something for ANALYZE to fill.
    """
    carried = _carry(cursor, _INDEXES, partition.table_name, new)
    return any(statement.startswith("CREATE STATISTICS") for statement in carried)


def in_place(cursor: Cursor, partition: Partition, new: str) -> Sequence[str]:
    """What is to be said of the month's new table once it has the old one's place and name."""
    return scalars(cursor, _IN_PLACE, {"old": partition.table_name, "new": new})


def _carry(cursor: Cursor, selected: str, old: str, new: str) -> Sequence[str]:
    statements = scalars(cursor, selected, {"old": old, "new": new})
    for statement in statements:
        cursor.execute(statement)
    return statements
