"""DuckDB: CREATE TABLE AS into an attached Postgres."""

from pathlib import Path

import duckdb
import duckdb_extension_postgres_scanner as package


def load(parquet: str, database: str, schema: str, table: str) -> None:
    # What INSTALL postgres downloads, from a package: it works where only packages can be had.
    (extension,) = Path(package.__file__).parent.rglob("*.duckdb_extension")
    with duckdb.connect() as connection:
        connection.execute(f"LOAD '{extension}'")
        connection.execute(f"ATTACH '{database}' AS pg (TYPE postgres)")
        connection.execute(f"CREATE TABLE pg.{schema}.{table} AS FROM read_parquet('{parquet}')")
