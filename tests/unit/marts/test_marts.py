"""What a mart's query says in each warehouse's dialect, and the table of what came of it."""

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import FHV
from nyc_tlc.core.contract.sql import Dialect
from nyc_tlc.core.marts.model import Mart
from nyc_tlc.core.marts.query import month_query
from nyc_tlc.core.month import Month
from nyc_tlc.core.runs.mart_table import MartRow, summary
from nyc_tlc.core.runs.run_table import Status

MART = Mart("daily_zone_trips", 1, "", (), ())
ROWS = [
    MartRow("Postgres", "daily_zone_trips", "green", "2024-01", Status.BUILT,
            trips=1_234, rows=5_678, seconds=1_007.89),
    MartRow("BigQuery", "", "", "", Status.SKIPPED, note="it is not set up"),
    MartRow("BigQuery", "x", "fhv", "2024-02", Status.SKIPPED, note="not loaded"),
]  # fmt: skip
POSTGRES = """\
SELECT
  "source_month",
  "service",
  CAST("pickup_datetime" AS DATE) AS "pickup_date",
  "pu_location_id",
  COUNT(*) AS "trips",
  COUNT("amount") AS "priced_trips",
  SUM("amount") AS "revenue"
FROM (
  SELECT
    "source_month",
    "service",
    "pickup_datetime",
    "pu_location_id",
    CASE
      WHEN "charged" BETWEEN -1e9 AND 1e9
      THEN ROUND(CAST("charged" AS DECIMAL(38, 9)), 2)
    END AS "amount"
  FROM (
    SELECT
      'fhv' AS "service",
      "source_month",
      "pickup_datetime",
      "dropoff_datetime",
      "pu_location_id",
      "do_location_id",
      CAST(NULL AS DOUBLE PRECISION) AS "trip_distance",
      CAST(NULL AS DOUBLE PRECISION) AS "charged"
    FROM "tlc"."fhv"
    WHERE
      "source_month" = CAST('2024-02-01' AS DATE)
  ) AS "service_trips"
) AS "priced"
GROUP BY
  "source_month",
  "service",
  CAST("pickup_datetime" AS DATE),
  "pu_location_id\""""


def test_a_query_reads_one_month_of_one_service_in_each_dialect() -> None:
    february = Partition(FHV, Month(2024, 2))
    assert month_query(MART, february, Dialect.POSTGRES, "tlc") == POSTGRES
    bigquery = (
        POSTGRES.replace('"tlc"', '"some-project"."tlc"')
        .replace("DECIMAL(38, 9)", "NUMERIC")
        .replace("DOUBLE PRECISION", "FLOAT64")
        .replace('"', "`")
    )
    assert month_query(MART, february, Dialect.BIGQUERY, "some-project", "tlc") == bigquery


def test_the_summary_names_what_was_built_and_why_the_rest_was_not() -> None:
    assert summary(ROWS).splitlines() == [
        "mart              month          store     status   trips   rows  seconds",
        "daily_zone_trips  green 2024-01  Postgres  built    1,234  5,678  1,007.9",
        "                                 BigQuery  skipped      0      0      0.0",
        "x                 fhv 2024-02    BigQuery  skipped      0      0      0.0",
        "note: BigQuery: it is not set up",
        "note: BigQuery fhv 2024-02: not loaded",
    ]


def test_a_failed_row_keeps_what_it_had_and_says_why() -> None:
    failed = ROWS[0].failed("cut short", "SourceError")
    assert (failed.status, failed.error, failed.error_type) == (
        Status.FAILED, "cut short", "SourceError",
    )  # fmt: skip
    assert (failed.trips, ROWS[0].failed("x").error_type) == (1_234, "")
