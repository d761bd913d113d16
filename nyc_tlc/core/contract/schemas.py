"""A contract rendered for each system: Arrow schema, Postgres DDL, BigQuery schema."""

from collections.abc import Sequence

import pyarrow as pa

from nyc_tlc.core.contract.model import Column, ColumnType, Contract

_TYPES = {
    ColumnType.SMALLINT: (pa.int16(), "smallint", "INT64"),
    ColumnType.INTEGER: (pa.int32(), "integer", "INT64"),
    ColumnType.BIGINT: (pa.int64(), "bigint", "INT64"),
    ColumnType.NUMERIC: (pa.decimal128(38, 9), "numeric", "NUMERIC"),
    ColumnType.DOUBLE: (pa.float64(), "double precision", "FLOAT64"),
    ColumnType.TIMESTAMP: (pa.timestamp("us"), "timestamp without time zone", "DATETIME"),
    ColumnType.DATE: (pa.date32(), "date", "DATE"),
    ColumnType.TEXT: (pa.string(), "text", "STRING"),
    # BigQuery's load from Parquet answers "Unsupported field type: JSON" (python-bigquery issue
    # 2377); JSON_VALUE and its like read text just as well.
    ColumnType.JSON: (pa.string(), "jsonb", "STRING"),
}
"""Of Arrow, Postgres and BigQuery."""
QUARANTINE_COLUMNS = (
    Column("reason", ColumnType.TEXT, "Code of the first quarantine reason met", required=True),
    Column("published", ColumnType.TEXT, "The published row as JSON", required=True),
)


def arrow_type(column: Column) -> pa.DataType:
    return _TYPES[column.type][0]


def arrow_schema(contract: Contract) -> pa.Schema:
    """Schema of ``trips/``, the same for every month of the service."""
    return _schema(contract.columns)


def quarantine_arrow_schema(contract: Contract) -> pa.Schema:
    """Schema of ``quarantine/``: every canonical column, as far as castable, and the reason."""
    castable = [(column.name, arrow_type(column)) for column in contract.columns]
    return pa.schema([*castable, *_schema(QUARANTINE_COLUMNS)])


def column_comment(column: Column) -> str:
    """What a catalog is to say of the column."""
    return f"{column.meaning} [{column.unit}]" if column.unit else column.meaning


def bigquery_fields(columns: Sequence[Column]) -> list[dict[str, str]]:
    """Fields of a table with these columns, in the words of BigQuery's API."""
    return [_bigquery_field(column, required=column.required) for column in columns]


def bigquery_quarantine_schema(contract: Contract) -> list[dict[str, str]]:
    """Fields of a service's quarantine: those of its Parquet files, so that they load as they are.

    As nullable as there, too: BigQuery refuses a column that the file calls optional where the
    table requires it.
    """
    castable = [_bigquery_field(column, required=False) for column in contract.columns]
    return [*castable, *bigquery_fields(QUARANTINE_COLUMNS)]


def postgres_columns(columns: Sequence[Column]) -> str:
    """Column definitions of a CREATE TABLE, names quoted."""
    return ",\n  ".join(
        f'"{column.name}" {_TYPES[column.type][1]}{" NOT NULL" if column.required else ""}'
        for column in columns
    )


def _bigquery_field(column: Column, *, required: bool) -> dict[str, str]:
    return {
        "name": column.name,
        "type": _TYPES[column.type][2],
        "mode": "REQUIRED" if required else "NULLABLE",
        "description": column_comment(column),
    }


def _schema(columns: Sequence[Column]) -> pa.Schema:
    return pa.schema(
        [
            pa.field(column.name, arrow_type(column), nullable=not column.required)
            for column in columns
        ]
    )
