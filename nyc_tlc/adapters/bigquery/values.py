"""Checksums over values, in BigQuery's SQL: :mod:`nyc_tlc.core.audit.values` has their rules."""

from collections.abc import Mapping, Sequence

from nyc_tlc.core.audit.values import HALF, Projection, Typed
from nyc_tlc.core.contract.model import ColumnType
from nyc_tlc.core.month import Month

_FUNCTIONS = """
CREATE TEMP FUNCTION hexadecimal(n INT64) AS (
  FORMAT('%08x%08x', (n >> 32) & 4294967295, n & 4294967295)
);
-- No function gives the bytes of a FLOAT64, but multiplying by a power of two changes no digit.
-- The exponent is corrected, where the logarithm was rounded over a power of two.
CREATE TEMP FUNCTION exponent(a FLOAT64, guess INT64) AS (
  GREATEST(guess - IF(POW(2, guess) > a, 1, 0) + IF(a / 2 >= POW(2, guess), 1, 0), -1022)
);
CREATE TEMP FUNCTION scaled(a FLOAT64, k INT64) AS (
  CAST(a * POW(2, DIV(k, 2)) * POW(2, k - DIV(k, 2)) AS INT64)
);
CREATE TEMP FUNCTION bits(a FLOAT64, e INT64) AS (
  (e + 1022) * 4503599627370496 + scaled(a, 52 - e)
);
CREATE TEMP FUNCTION bits_of_positive(a FLOAT64) AS (
  CASE
    WHEN IS_NAN(a) THEN 9221120237041090560
    WHEN IS_INF(a) THEN 9218868437227405312
    WHEN a = 0 THEN 0
    ELSE bits(a, exponent(a, LEAST(GREATEST(CAST(FLOOR(LOG(a, 2)) AS INT64), -1022), 1023)))
  END
);
CREATE TEMP FUNCTION ieee(x FLOAT64) AS (
  bits_of_positive(ABS(x)) + IF(x < 0, -9223372036854775807 - 1, 0)
);
CREATE TEMP FUNCTION number(written STRING) AS (
  CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5(written)), 1, 15)) AS INT64)
);
"""
_AS_NUMBER: Mapping[ColumnType, str] = {
    ColumnType.DOUBLE: "ieee({0})",
    ColumnType.TIMESTAMP: "DATETIME_DIFF({0}, DATETIME '2000-01-01 00:00:00', MICROSECOND)",
    ColumnType.DATE: "DATE_DIFF({0}, DATE '2000-01-01', DAY)",
}
_WRITTEN: Mapping[ColumnType, str] = {
    ColumnType.SMALLINT: "CAST({0} AS STRING)",
    ColumnType.INTEGER: "CAST({0} AS STRING)",
    ColumnType.DOUBLE: "hexadecimal({0})",
    ColumnType.TIMESTAMP: "hexadecimal({0})",
    ColumnType.DATE: "SUBSTR(hexadecimal({0}), 9)",
    ColumnType.TEXT: "CONCAT(CAST(BYTE_LENGTH({0}) AS STRING), ':', {0})",
}


def checksum_query(table: str, month: Month, projections: Sequence[Projection]) -> str:
    """A query for two numbers of each projection: the sums of the halves of its rows' numbers.

    The month is no parameter: the emulator knows none beside functions.
    """
    columns = dict.fromkeys(column for each in projections for column in each.columns)
    as_numbers = ", ".join(_formed(_AS_NUMBER, column) for column in columns)
    written = ", ".join(_formed(_WRITTEN, column) for column in columns)
    numbers = ", ".join(f"number({_row(each)}) AS n{i}" for i, each in enumerate(projections))
    sums = ", ".join(
        f"SUM(DIV(n{i}, {HALF})), SUM(MOD(n{i}, {HALF}))" for i in range(len(projections))
    )
    # A value is written once for all projections, and a number computed once to be written.
    of_month = f"source_month = DATE '{month.start.date()}'"
    rows = f"SELECT {as_numbers} FROM `{table}` WHERE {of_month}"  # noqa: S608 - our names
    rows = f"SELECT {written} FROM ({rows})"  # noqa: S608
    return f"{_FUNCTIONS}SELECT {sums} FROM (SELECT {numbers} FROM ({rows}))"  # noqa: S608


def checksums(
    projections: Sequence[Projection], row: Sequence[int | None]
) -> dict[Projection, int]:
    """What the query's row says."""
    halves = [int(half or 0) for half in row]
    return {
        each: high * HALF + low
        for each, high, low in zip(projections, halves[::2], halves[1::2], strict=True)
    }


def _formed(forms: Mapping[ColumnType, str], column: Typed) -> str:
    name, kind = column
    return f"{forms.get(kind, '{0}').format(f'`{name}`')} AS `{name}`"


def _row(projection: Projection) -> str:
    texts = [f"`{name}`" for name, _ in projection.columns]
    if projection.only_filled:  # null in, null out
        return "CONCAT({})".format(", ',', ".join(texts))
    return f"ARRAY_TO_STRING([{', '.join(texts)}], ',', '')"
