"""The answer of a mart worked out another way: in DuckDB, over the lake's files."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb

_CHARGED = {
    "yellow": "total_amount",
    "green": "total_amount",
    "fhv": "NULL",
    "fhvhv": "CASE WHEN base_passenger_fare IS NOT NULL THEN list_sum([base_passenger_fare, "
    "tolls_amount, bcf, sales_tax, congestion_surcharge, airport_fee, cbd_congestion_fee, "
    "tip_amount]) END",
}


def daily_zone_trips(service: str, files: Iterable[Path]) -> set[tuple[Any, ...]]:
    """Rows of ``daily_zone_trips``, from Parquet files in the contract's shape."""
    names = ", ".join(f"'{path}'" for path in files)
    cents = f"round(100 * ({_CHARGED[service]}))::HUGEINT"
    return set(
        duckdb.sql(
            f"SELECT source_month, '{service}', pickup_datetime::DATE AS day, pu_location_id, "
            f"count(*), count({cents}), (sum({cents}) / 100)::DECIMAL(18, 2) "
            f"FROM read_parquet([{names}], hive_partitioning = false) "
            "GROUP BY source_month, day, pu_location_id"
        ).fetchall()
    )
