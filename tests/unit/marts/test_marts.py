"""What a mart's query says in each warehouse's dialect, and the table of what came of it."""

from nyc_tlc.core.contract.sql import Dialect
from nyc_tlc.core.marts.model import Mart
from nyc_tlc.core.marts.query import month_query
from nyc_tlc.core.runs.mart_table import MartRow, summary
from nyc_tlc.core.runs.run_table import Status
from tests.partitions import named

MART = Mart("daily_zone_trips", 1, "", (), ())
ROWS = [
    MartRow("Postgres", "daily_zone_trips", "green", "2024-01", Status.BUILT,
            trips=1_234, rows=5_678, seconds=1_007.89),
    MartRow("BigQuery", "", "", "", Status.SKIPPED, note="it is not set up"),
    MartRow("BigQuery", "x", "fhv", "2024-02", Status.SKIPPED, note="not loaded"),
]  # fmt: skip


def test_a_query_reads_one_month_of_one_service_in_each_dialect():
    february = named("fhv 2024-02")
    postgres = month_query(MART, february, Dialect.POSTGRES, "tlc")
    assert postgres.startswith('SELECT\n  "source_month",\n  "service",\n')
    for part in (
        """'fhv' AS "service",""",
        """FROM "tlc"."fhv"\n    WHERE\n      "source_month" = CAST('2024-02-01' AS DATE)\n""",
        """ROUND(CAST("charged" AS DECIMAL(38, 9)), 2)""",
        """CAST(NULL AS DOUBLE PRECISION) AS "charged\"""",
    ):
        assert postgres.count(part) == 1
    assert "--" not in postgres
    assert "/*" not in postgres
    assert month_query(MART, february, Dialect.BIGQUERY, "some-project", "tlc") == (
        postgres.replace('"tlc"', '"some-project"."tlc"')
        .replace("DECIMAL(38, 9)", "NUMERIC")
        .replace("DOUBLE PRECISION", "FLOAT64")
        .replace('"', "`")
    )


def test_the_summary_names_what_was_built_and_why_the_rest_was_not():
    assert summary(ROWS).splitlines() == [
        "mart              month          store     status   trips   rows  seconds",
        "daily_zone_trips  green 2024-01  Postgres  built    1,234  5,678  1,007.9",
        "                                 BigQuery  skipped      0      0      0.0",
        "x                 fhv 2024-02    BigQuery  skipped      0      0      0.0",
        "note: BigQuery: it is not set up",
        "note: BigQuery fhv 2024-02: not loaded",
    ]


def test_a_failed_row_keeps_what_it_had_and_says_why():
    failed = ROWS[0].failed("cut short", "SourceError")
    assert (failed.status, failed.error, failed.error_type) == (
        Status.FAILED, "cut short", "SourceError",
    )  # fmt: skip
    assert (failed.trips, ROWS[0].failed("x").error_type) == (1_234, "")
