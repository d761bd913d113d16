"""Proof that the stores can be reached and written, for people who set the project up.

Each check raises RetryableError where nothing answers, and ConfigurationError where settings are
missing or wrong, or access is refused.
"""

import uuid

from nyc_tlc.core.errors import ReconciliationError
from nyc_tlc.core.os_errors import os_errors_explained
from nyc_tlc.jobs.open import open_job
from nyc_tlc.ports.lake import Lake
from nyc_tlc.wiring import NO_BIGQUERY, connect_stores


def check_postgres() -> str:
    """Ask Postgres for its version; says what answered."""
    return f"Postgres answers: {open_job(connect_stores)[1].warehouse.describe()}"


def check_lake() -> str:
    """Write, read and delete an object in the lake; says where.

    Raises:
        ReconciliationError: it did not give back what was written.
    """
    lake = open_job(connect_stores)[1].lake
    with os_errors_explained(lake.url):
        _round_trip(lake)
    return f"Lake answers: {lake.url}: written, read and deleted"


def check_bigquery() -> str:
    """Ask BigQuery for ``SELECT 1`` and for the place of dataset and bucket; says what answered."""
    bigquery = open_job(connect_stores)[1].bigquery
    return f"BigQuery answers: {bigquery.describe()}" if bigquery else f"BigQuery {NO_BIGQUERY}"


def _round_trip(lake: Lake) -> None:
    path, written = f"staging/check_connections/{uuid.uuid4().hex}", uuid.uuid4().bytes
    lake.write(path, written, if_generation=0)
    found = lake.read(path)
    lake.delete(path)
    if found is None or found[0] != written or lake.read(path) is not None:
        raise ReconciliationError(
            f"{lake.url} did not give back what was written to {path}, or did not delete it. "
            "Check whether another tool writes there."
        )
