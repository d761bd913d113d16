"""The rows of each month as each store has them, asked of the stores themselves."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Mapping

import psycopg2
import pyarrow.parquet as pq
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery, storage

_BY_MONTH = """
    SELECT '{service}' AS service, source_month, COUNT(*) AS n FROM {table} GROUP BY 2"""

Counts = Mapping[tuple[str, str], int]
"""Rows by service and month, accepted and quarantined together."""


def stores(environment: Mapping[str, str], services: tuple[str, ...]) -> dict[str, Counts]:
    """What each store holds; BigQuery only where there is one."""
    held = {
        "Postgres": _in_postgres(environment, services),
        "the lake": _in_the_lake(environment),
    }
    if environment.get("BIGQUERY_DATASET"):
        held["BigQuery"] = _in_bigquery(environment, services)
    return held


def counts_table(held: Mapping[str, Counts]) -> str:
    """For people: a line for each month, a column for each store."""
    months = sorted({month for counts in held.values() for month in counts})
    lines = [f"{'partition':<16}" + "".join(f"{store:>10}" for store in held)]
    lines += [
        f"{service} {month}".ljust(16)
        + "".join(f"{counts.get((service, month), 0):>10,}" for counts in held.values())
        for service, month in months
    ]
    return "\n".join(lines)


def _in_postgres(environment: Mapping[str, str], services: tuple[str, ...]) -> Counts:
    connection = psycopg2.connect(
        host=environment["POSTGRES_HOST"],
        port=environment["POSTGRES_PORT"],
        dbname=environment["POSTGRES_DBNAME"],
        user=environment["POSTGRES_USER"],
        password=environment["POSTGRES_PASSWORD"],
        options=f"-c search_path={environment['POSTGRES_SCHEMA']}",
    )
    parts = [_BY_MONTH.format(service=service, table=service) for service in services]
    parts.append("SELECT service, source_month, COUNT(*) FROM quarantine GROUP BY 1, 2")
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(parts))
            return _summed([(service, str(month)[:7], n) for service, month, n in cursor])
    finally:
        connection.close()


def _in_bigquery(environment: Mapping[str, str], services: tuple[str, ...]) -> Counts:
    client = bigquery.Client(
        project=environment["BIGQUERY_PROJECT"],
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call] # has no types
        client_options={"api_endpoint": environment["BIGQUERY_EMULATOR_HOST"]},
    )
    dataset = f"{environment['BIGQUERY_PROJECT']}.{environment['BIGQUERY_DATASET']}"
    parts = [
        _BY_MONTH.format(service=service, table=f"`{dataset}.{prefix}{service}`")
        for service in services
        for prefix in ("", "quarantine_")
    ]
    rows = client.query(" UNION ALL ".join(parts)).result()
    return _summed([(service, str(month)[:7], n) for service, month, n in rows])


def _in_the_lake(environment: Mapping[str, str]) -> Counts:
    client = storage.Client(
        project="emulated",
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call] # has no types
        client_options={"api_endpoint": environment["STORAGE_EMULATOR_HOST"]},
    )
    found = []
    for blob in client.list_blobs(environment["LAKE_URL"].removeprefix("gs://")):
        zone, *place = blob.name.split("/")
        if zone in {"trips", "quarantine"}:
            service, year, month = (part.partition("=")[2] for part in place[:3])
            rows = pq.read_metadata(io.BytesIO(blob.download_as_bytes())).num_rows
            found.append((service, f"{year}-{month}", rows))
    return _summed(found)


def _summed(rows: list[tuple[str, str, int]]) -> Counts:
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for service, month, n in rows:
        sums[service, month] += n
    return dict(sums)
