"""Rows of the trips in Postgres for a person to look at."""

from collections.abc import Sequence
from functools import partial

import pyarrow as pa

from nyc_tlc.adapters.postgres import ledger
from nyc_tlc.adapters.postgres import schema as ddl
from nyc_tlc.adapters.postgres.connection import Database, sql
from nyc_tlc.core.audit.values import Part
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import Service
from nyc_tlc.core.month import Month
from nyc_tlc.core.rows.preview import typed
from nyc_tlc.core.rows.rules import rows_by_flag
from nyc_tlc.ports.reader import CodeCounts


class PostgresReader:
    """Looks into the schema of a PostgresWarehouse."""

    name = "Postgres"

    def __init__(self, database: Database, schema: str) -> None:
        self._transaction = partial(database.transaction, schema, snapshot=True)

    def months(self, service: Service) -> Sequence[Month]:
        with self._transaction() as cursor:
            entries = ledger.read_attached_entries(cursor)
        return [entry.partition.month for entry in entries if entry.partition.service == service]

    def rows(self, partition: Partition, part: Part, most: int) -> pa.Table:
        with self._transaction() as cursor:
            if part is Part.TRIPS:
                # Without an order: the server stops after as many rows as it finds first.
                cursor.execute(sql("SELECT * FROM {} LIMIT %s", partition.table_name), [most])
            else:
                cursor.execute(
                    "SELECT reason, service, source_month, source_row, published FROM quarantine "
                    "WHERE service = %s AND source_month = %s ORDER BY source_row LIMIT %s",
                    [*ddl.key(partition), most],
                )
            names = [column.name for column in cursor.description or ()]
            return typed(names, cursor.fetchall(), partition.service.contract)

    def count_codes(self, partition: Partition) -> CodeCounts:
        with self._transaction() as cursor:
            by_flags = "SELECT quality_flags, count(*) FROM {} GROUP BY 1"
            cursor.execute(sql(by_flags, partition.table_name))
            rows_by_bits = dict(cursor.fetchall())
            cursor.execute(
                "SELECT reason, count(*) FROM quarantine WHERE service = %s "
                "AND source_month = %s GROUP BY 1",
                ddl.key(partition),
            )
            return CodeCounts(dict(cursor.fetchall()), rows_by_flag(rows_by_bits))
