"""Marts in Postgres: tables next to the trips, each month replaced in one transaction."""

from collections.abc import Mapping
from functools import partial

from psycopg2.sql import SQL, Composable, Identifier, Literal

from nyc_tlc.adapters.postgres import ledger
from nyc_tlc.adapters.postgres import schema as ddl
from nyc_tlc.adapters.postgres.administrator import ownership
from nyc_tlc.adapters.postgres.connection import Cursor, Database, commit, sql
from nyc_tlc.core.catalog.ledger import Content, LedgerEntry
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.sql import Dialect
from nyc_tlc.core.errors import ReconciliationError
from nyc_tlc.core.marts.model import Mart
from nyc_tlc.core.marts.query import month_query
from nyc_tlc.ports.marts import MartMonth

_MART_MONTH = """
CREATE TABLE IF NOT EXISTS mart_month (
  mart         text        NOT NULL,
  service      text        NOT NULL,
  source_month date        NOT NULL,
  version      integer     NOT NULL,
  sha256       text        NOT NULL,
  contract     text        NOT NULL,
  built_at     timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (mart, service, source_month)
)
"""


class PostgresMarts:
    """Marts in the schema of the trips, and ``mart_month``, the record of what they are made of."""

    name = "Postgres"

    def __init__(self, database: Database, schema: str) -> None:
        self._schema = schema
        self._transaction = partial(database.transaction, schema)

    def months(self, mart: Mart) -> Mapping[Partition, MartMonth]:
        with self._transaction() as cursor:
            _ensure_tables(cursor, mart)
            return _months(cursor, mart)

    def replace_month(self, mart: Mart, entry: LedgerEntry) -> MartMonth:
        with self._transaction() as cursor:
            _ensure_tables(cursor, mart)
            ledger.take_turn(cursor, self._schema, entry.partition)
            _require_content(cursor, entry)
            self._build(cursor, mart, entry)
            built = _months(cursor, mart, entry.partition)[entry.partition]
            if not built.is_current(mart, entry):
                raise ReconciliationError(
                    f"{entry.partition}: {mart.name} in Postgres has {built.trips:,} trips of "
                    f"the month, expected its {entry.accepted:,} accepted rows. The transaction "
                    "was rolled back; the mart stays as it was. Load the month again with force."
                )
            return built

    def _build(self, cursor: Cursor, mart: Mart, entry: LedgerEntry) -> None:
        key = ddl.key(entry.partition)
        cursor.execute(
            sql("DELETE FROM {} WHERE service = %s AND source_month = %s", mart.name), key
        )
        columns = SQL(", ").join(Identifier(column.name) for column in mart.columns)
        query = SQL(month_query(mart, entry.partition, Dialect.POSTGRES, self._schema))
        cursor.execute(sql("INSERT INTO {} ({}) {}", mart.name, columns, query))
        cursor.execute(
            "INSERT INTO mart_month (mart, service, source_month, version, sha256, contract) "
            "VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (mart, service, source_month) "
            "DO UPDATE SET version = EXCLUDED.version, sha256 = EXCLUDED.sha256, "
            "contract = EXCLUDED.contract, built_at = now()",
            [mart.name, *key, mart.version, entry.content.sha256, entry.content.contract],
        )


def _require_content(cursor: Cursor, entry: LedgerEntry) -> None:
    """Loads of the month wait for this transaction, so it stays what it is found to be."""
    cursor.execute("SAVEPOINT looking")
    present = ledger.read_entry(cursor, entry.partition)
    # Lets go of the ledger: loads of other months lock it, too.
    cursor.execute("ROLLBACK TO SAVEPOINT looking")
    if present is None or present.content != entry.content:
        raise ReconciliationError(
            f"{entry.partition}: Postgres holds other content by now: another run loaded the "
            "month meanwhile. The mart stays as it was. Run tlc_marts again when that run "
            "is done."
        )


def _months(
    cursor: Cursor, mart: Mart, partition: Partition | None = None
) -> Mapping[Partition, MartMonth]:
    """What is recorded, with the rows and trips that are really there."""
    only: Composable = SQL("")
    if partition is not None:
        service, month = map(Literal, ddl.key(partition))
        only = sql("WHERE service = {} AND source_month = {}", service, month)
    cursor.execute(
        sql(
            "SELECT service, source_month, sha256, contract, version, coalesce(rows, 0), "
            "coalesce(trips, 0)::bigint FROM (SELECT * FROM mart_month {only}) AS record "
            "LEFT JOIN (SELECT service, source_month, count(*) AS rows, sum(trips) AS trips "
            "FROM {mart} {only} GROUP BY service, source_month) AS held "
            "USING (service, source_month) WHERE mart = %s",
            mart=mart.name,
            only=only,
        ),
        [mart.name],
    )
    return {
        partition: MartMonth(partition, Content(sha256, contract), *held)
        for partition, (sha256, contract, *held) in ddl.by_partition(cursor).items()
    }


def _ensure_tables(cursor: Cursor, mart: Mart) -> None:
    """Create what is missing; a column that a later version brings is added, empty."""
    names = [column.name for column in mart.columns]
    ownership.require_marked(cursor, mart.name, mart.meaning)
    if ddl.are_there(cursor, {mart.name: names, "mart_month": ["built_at"]}):
        return
    ddl.ensure_schema(cursor)
    cursor.execute(_MART_MONTH)
    ddl.ensure_table(cursor, mart.name, mart.columns)
    ownership.mark(cursor, "TABLE", mart.name, mart.meaning)
    for index, indexed in ownership.mart_indexes(mart.name, mart.clustered_by).items():
        columns = map(Identifier, indexed)
        create = "CREATE INDEX IF NOT EXISTS {} ON {} ({})"
        cursor.execute(sql(create, index, mart.name, SQL(", ").join(columns)))
    commit(cursor)
