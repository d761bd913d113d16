"""Marts in Postgres: tables beside the trips, each month replaced in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from psycopg2.extensions import cursor as Cursor  # noqa: N812 - its class names are lower case
from psycopg2.sql import SQL, Composable, Identifier, Literal

from nyc_tlc.adapters.postgres import ledger
from nyc_tlc.adapters.postgres import schema as ddl
from nyc_tlc.adapters.postgres.connection import Database
from nyc_tlc.core.catalog.ledger import Content, LedgerEntry
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.schemas import postgres_columns
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.errors import ReconciliationError
from nyc_tlc.core.marts.model import Mart
from nyc_tlc.core.marts.query import Dialect, month_query
from nyc_tlc.core.month import Month
from nyc_tlc.ports.marts import MartMonth

_MART_MONTH = """
CREATE TABLE IF NOT EXISTS {} (
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
        self._database = database
        self._schema = schema

    def months(self, mart: Mart) -> Mapping[Partition, MartMonth]:
        with self._database.transaction() as cursor:
            self._ensure_tables(cursor, mart)
            months = self._months(cursor, mart)
        return {month.partition: month for month in months}

    def replace_month(self, mart: Mart, entry: LedgerEntry) -> MartMonth:
        with self._database.transaction() as cursor:
            self._ensure_tables(cursor, mart)
            ledger.take_turn(cursor, self._schema, entry.partition)
            self._require_content(cursor, entry)
            self._build(cursor, mart, entry)
            (built,) = self._months(cursor, mart, entry.partition)
            if not built.is_current(mart, entry):
                raise ReconciliationError(
                    f"{entry.partition}: {mart.name} in Postgres has {built.trips:,} trips of "
                    f"the month, expected its {entry.accepted:,} accepted rows. The transaction "
                    "was rolled back; the mart stays as it was. Load the month again with force."
                )
            return built

    def _require_content(self, cursor: Cursor, entry: LedgerEntry) -> None:
        """Loads of the month wait for this transaction, so it stays what it is found to be."""
        present = ledger.read_entry(cursor, self._schema, entry.partition)
        if present is None or present.content != entry.content:
            raise ReconciliationError(
                f"{entry.partition}: Postgres holds other content by now: another run loaded the "
                "month meanwhile. The mart stays as it was. Run tlc_marts again when that run "
                "is done."
            )

    def _build(self, cursor: Cursor, mart: Mart, entry: LedgerEntry) -> None:
        partition = entry.partition
        month = [partition.service.name, partition.month.start.date()]
        cursor.execute(
            SQL("DELETE FROM {} WHERE service = %s AND source_month = %s").format(
                self._name(mart.name)
            ),
            month,
        )
        columns = SQL(", ").join(Identifier(column.name) for column in mart.columns)
        query = SQL(month_query(mart, partition, Dialect.POSTGRES, self._schema))
        cursor.execute(SQL("INSERT INTO {} ({}) {}").format(self._name(mart.name), columns, query))
        cursor.execute(
            SQL(
                "INSERT INTO {} (mart, service, source_month, version, sha256, contract) "
                "VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (mart, service, source_month) "
                "DO UPDATE SET version = EXCLUDED.version, sha256 = EXCLUDED.sha256, "
                "contract = EXCLUDED.contract, built_at = now()"
            ).format(self._name("mart_month")),
            [mart.name, *month, mart.version, entry.content.sha256, entry.content.contract],
        )

    def _months(
        self, cursor: Cursor, mart: Mart, partition: Partition | None = None
    ) -> list[MartMonth]:
        """What is recorded, with the rows and trips that are really there."""
        only: Composable = SQL("")
        if partition is not None:
            only = SQL("WHERE service = {} AND source_month = {}").format(
                Literal(partition.service.name), Literal(partition.month.start.date())
            )
        cursor.execute(
            SQL(
                "SELECT service, source_month, sha256, contract, version, coalesce(rows, 0), "
                "coalesce(trips, 0)::bigint FROM (SELECT * FROM {record} {only}) AS record "
                "LEFT JOIN (SELECT service, source_month, count(*) AS rows, sum(trips) AS trips "
                "FROM {mart} {only} GROUP BY service, source_month) AS held "
                "USING (service, source_month) WHERE mart = %s"
            ).format(record=self._name("mart_month"), mart=self._name(mart.name), only=only),
            [mart.name],
        )
        return [
            MartMonth(Partition(SERVICES[service], Month.of(day)), Content(sha256, contract), *held)
            for service, day, sha256, contract, *held in cursor.fetchall()
        ]

    def _ensure_tables(self, cursor: Cursor, mart: Mart) -> None:
        """Create what is missing; a column that a later version brings is added, empty."""
        names = [column.name for column in mart.columns]
        if ddl.are_there(cursor, self._schema, {mart.name: names, "mart_month": ["built_at"]}):
            return
        ddl.ensure_schema(cursor, self._schema)
        cursor.execute(SQL(_MART_MONTH).format(self._name("mart_month")))
        table = self._name(mart.name)
        cursor.execute(
            SQL("CREATE TABLE IF NOT EXISTS {} (\n  {}\n)").format(
                table, SQL(postgres_columns(mart.columns))
            )
        )
        ddl.ensure_columns(cursor, table, [replace(c, required=False) for c in mart.columns])
        cursor.execute(SQL("COMMENT ON TABLE {} IS {}").format(table, Literal(mart.meaning)))
        for columns in (("source_month", "service"), mart.clustered_by):
            cursor.execute(
                SQL("CREATE INDEX IF NOT EXISTS {} ON {} ({})").format(
                    Identifier("_".join((mart.name, *columns, "idx"))),
                    table,
                    SQL(", ").join(map(Identifier, columns)),
                )
            )
        cursor.connection.commit()

    def _name(self, table: str) -> Composable:
        return Identifier(self._schema, table)
