"""Mage: io.postgres.Postgres.export, as its data exporter template writes it."""

from urllib.parse import urlsplit

import pandas as pd
from mage_ai.io.postgres import Postgres


def load(parquet: str, database: str, schema: str, table: str) -> None:
    frame = pd.read_parquet(parquet)
    url = urlsplit(database)
    with Postgres(
        dbname=url.path.lstrip("/"),
        user=url.username,
        password=url.password,
        host=url.hostname,
        port=url.port,
        schema=schema,
    ) as loader:
        loader.export(frame, schema, table, index=False, if_exists="replace")
