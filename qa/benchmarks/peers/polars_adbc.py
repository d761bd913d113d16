"""polars: DataFrame.write_database through ADBC."""

import polars as pl


def load(parquet: str, database: str, schema: str, table: str) -> None:
    frame = pl.read_parquet(parquet)
    frame.write_database(f"{schema}.{table}", database, engine="adbc")
