"""pandas: DataFrame.to_sql in chunks."""

import pandas as pd
from sqlalchemy import create_engine


def load(parquet: str, database: str, schema: str, table: str) -> None:
    frame = pd.read_parquet(parquet)
    engine = create_engine(database)
    frame.to_sql(table, engine, schema=schema, index=False, chunksize=100_000)
