"""Equal values have one checksum in Arrow, in Postgres and in BigQuery; others have another."""

import io
import json
import uuid
from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud import bigquery as library
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg2.sql import SQL

from nyc_tlc.adapters.bigquery import values
from nyc_tlc.adapters.bigquery.connection import BigQuerySettings, connect
from nyc_tlc.adapters.postgres import inspector
from nyc_tlc.adapters.postgres.copy_stream import copy
from nyc_tlc.core.audit import values as in_arrow
from nyc_tlc.core.audit.values import Projection, of_columns, of_rows
from nyc_tlc.core.contract.model import Column, ColumnType
from nyc_tlc.core.contract.schemas import arrow_type, bigquery_fields, postgres_columns
from nyc_tlc.core.month import Month
from nyc_tlc.ports.warehouse import Batches

KINDS = ("smallint", "integer", "double", "timestamp", "date", "text", "json")
COLUMNS = [
    Column("source_row", ColumnType.INTEGER, ""),
    Column("source_month", ColumnType.DATE, ""),
    *(Column(f"a_{kind}", ColumnType(kind), "") for kind in KINDS),
]
SCHEMA = pa.schema([(column.name, arrow_type(column)) for column in COLUMNS])
MONTH = date(2024, 1, 1)
IN_POSTGRES = tuple((column.name, column.type) for column in COLUMNS)
IN_BIGQUERY = tuple(
    (name, ColumnType.TEXT if kind is ColumnType.JSON else kind) for name, kind in IN_POSTGRES
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
DOCUMENTS = st.dictionaries(
    TEXTS, st.none() | st.booleans() | st.integers() | TEXTS | st.floats(allow_nan=False,
                                                                         allow_infinity=False)
).map(json.dumps)  # fmt: skip
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "smallint": st.integers(-(1 << 15), (1 << 15) - 1),
    "integer": st.integers(-(1 << 31), (1 << 31) - 1),
    "double": st.floats(),
    "timestamp": st.datetimes(),
    "date": st.dates(),
    "text": TEXTS,
    "json": DOCUMENTS,
}
ROWS = st.lists(
    st.tuples(*(st.none() | VALUES[kind] for kind in KINDS)), min_size=1, max_size=6
)  # fmt: skip
at = datetime.fromisoformat
LAST = at("9999-12-31 23:59:59.999999")
HOSTILE = [
    (-32768, -(1 << 31), float("nan"), at("0001-01-01"), date.min, "", '{"b": 1.50, "aa": 1e5}'),
    (32767, (1 << 31) - 1, -0.0, LAST, date.max, "0:,", '{"a": -0.0, "a": -1E-7}'),
    (0, 0, 5e-324, at("1999-12-31 23:59:59.999999"), date(1999, 12, 31), "é😀", '{"": 0e5}'),
    (1, 1, 1.7976931348623157e308, at("2024-03-10 02:30"), MONTH, "a\tb\n\"\\", "[1, [], {}]"),
    (2, 2, -1e308, None, None, "\x7f\x1f", r'"\u00e9\/\u007f\u001f"'),
    (None, None, 2.0**52, None, None, None, "null"),
    (None, None, float("-inf"), None, None, None, "1e308"),
    *((None, None, number, None, None, None, None)
      for number in (2.2250738585072014e-308, 2.225073858507201e-308, 0.1 + 0.2, 1 - 2**-53,
                     2.0**48 - 2**-5, 2.0**-48, float("inf"))),
]  # fmt: skip


def table_of(rows: list[tuple]) -> pa.Table:
    """Rows whose numbers begin with 0."""
    columns = [list(range(len(rows))), [MONTH] * len(rows), *zip(*rows, strict=True)]
    arrays = [pa.array(column, of.type) for column, of in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


Checksums = Callable[[pa.Table, list[Projection]], dict[Projection, int]]


@pytest.fixture
def in_postgres(connect) -> Iterator[Checksums]:
    """Of a table with these columns, in a transaction of its own."""
    with connect() as connection, connection.cursor() as cursor:

        def checksums(rows: pa.Table, projections: list[Projection]) -> dict[Projection, int]:
            cursor.execute(
                "DROP TABLE IF EXISTS valued; "
                f"CREATE TEMPORARY TABLE valued ({postgres_columns(COLUMNS)})"
            )
            batches = Batches(SCHEMA, rows.to_batches())
            copy(cursor, "valued", batches, jsonb=frozenset({"a_json"}))
            return inspector.checksums(cursor, "valued", projections, SQL("true"))

        yield checksums
        connection.rollback()


@pytest.fixture(scope="module")
def in_bigquery(bigquery) -> Checksums:
    """Of a table with these columns in the emulator."""
    name = f"values_{uuid.uuid4().hex[:12]}"
    settings = BigQuerySettings(bigquery.project, name, bigquery.location, "gs://none", 1 << 30)
    dataset = connect(settings, emulator=bigquery.url, storage_emulator=None, key_file=None)
    dataset.client.create_dataset(dataset.reference)
    table = dataset.reference.table("valued")
    fields = [library.SchemaField.from_api_repr(each) for each in bigquery_fields(COLUMNS)]
    dataset.client.create_table(library.Table(table, fields))
    config = library.LoadJobConfig(source_format="PARQUET", write_disposition="WRITE_TRUNCATE")

    def checksums(rows: pa.Table, projections: list[Projection]) -> dict[Projection, int]:
        file = io.BytesIO()
        pq.write_table(rows, file)
        dataset.client.load_table_from_file(file, table, rewind=True, job_config=config).result()
        query = values.checksum_query(str(table), Month.of(MONTH), projections)
        ((row,), _) = dataset.query(query)
        return values.checksums(projections, row)

    return checksums


def require_equal(checksums: Checksums, columns: tuple, rows: list[tuple]) -> None:
    table, projections = table_of(rows), [*of_rows(columns), *of_columns(columns)]
    here = in_arrow.checksums(table.to_batches(max_chunksize=2), projections)
    assert checksums(table, projections) == here


PROPERTY = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@PROPERTY
@given(rows=ROWS)
@example(rows=HOSTILE)
def test_postgres_computes_what_arrow_does(in_postgres, rows):
    require_equal(in_postgres, IN_POSTGRES, rows)


# Each takes the emulator a second or two.
@settings(PROPERTY, max_examples=2)
@given(rows=ROWS)
@example(rows=HOSTILE)
def test_bigquery_computes_what_arrow_does(in_bigquery, rows):
    require_equal(in_bigquery, IN_BIGQUERY, rows)
