"""ADBC: adbc_ingest of a stream of record batches."""

import pyarrow.dataset as ds
from adbc_driver_postgresql import dbapi


def load(parquet: str, database: str, schema: str, table: str) -> None:
    batches = ds.dataset(parquet).scanner().to_reader()
    with dbapi.connect(database) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest(table, batches, mode="create", db_schema_name=schema)
        connection.commit()
