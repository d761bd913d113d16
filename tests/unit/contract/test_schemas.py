"""A contract as each system reads it, and the tables that come with it."""

import pyarrow as pa
import pytest

from nyc_tlc.core.contract.code_lists import code_lists, code_table
from nyc_tlc.core.contract.model import CodeList, Column, ColumnType, Contract
from nyc_tlc.core.contract.schemas import (
    arrow_schema,
    bigquery_fields,
    bigquery_quarantine_schema,
    postgres_columns,
    quarantine_arrow_schema,
)
from nyc_tlc.core.contract.service import SERVICES

CONTRACT = Contract(
    "red",
    1,
    (
        Column("at", ColumnType.TIMESTAMP, "When", required=True),
        Column("fare", ColumnType.DOUBLE, "How much", unit="US dollars"),
    ),
    (),
    (),
)
REASON = {
    "name": "reason", "type": "STRING", "mode": "REQUIRED",
    "description": "Code of the first quarantine reason met",
}  # fmt: skip
PUBLISHED = {
    "name": "published", "type": "STRING", "mode": "REQUIRED",
    "description": "The published row as JSON",
}  # fmt: skip


def test_columns_in_postgres_are_quoted_and_as_required_as_declared():
    assert postgres_columns(CONTRACT.columns) == (
        '"at" timestamp without time zone NOT NULL,\n  "fare" double precision'
    )


def test_fields_of_bigquery_say_what_they_mean_and_quarantine_requires_no_trip_column():
    at = {"name": "at", "type": "DATETIME", "mode": "REQUIRED", "description": "When"}
    fare = {
        "name": "fare", "type": "FLOAT64", "mode": "NULLABLE",
        "description": "How much [US dollars]",
    }  # fmt: skip
    assert bigquery_fields(CONTRACT.columns) == [at, fare]
    assert bigquery_quarantine_schema(CONTRACT) == [
        {**at, "mode": "NULLABLE"}, fare, REASON, PUBLISHED,
    ]  # fmt: skip


def test_arrow_schemas_require_what_the_contract_requires():
    assert arrow_schema(CONTRACT) == pa.schema(
        [pa.field("at", pa.timestamp("us"), nullable=False), pa.field("fare", pa.float64())]
    )
    assert quarantine_arrow_schema(CONTRACT) == pa.schema(
        [
            pa.field("at", pa.timestamp("us")),
            pa.field("fare", pa.float64()),
            pa.field("reason", pa.string(), nullable=False),
            pa.field("published", pa.string(), nullable=False),
        ]
    )


@pytest.mark.parametrize(
    ("code", "kind"), [(1, pa.int16()), ("HV0003", pa.string())], ids=["number", "text"]
)
def test_a_code_list_is_a_table_of_codes_and_meanings(code, kind):
    fields = [
        pa.field("code", kind, nullable=False), pa.field("meaning", pa.string(), nullable=False),
    ]  # fmt: skip
    expected = pa.table([pa.array([code], kind), pa.array(["Uber"])], schema=pa.schema(fields))
    assert code_table(CodeList("kind", {code: "Uber"}, "nobody")) == expected


def test_every_code_list_that_a_column_refers_to_is_there_once():
    lists = code_lists()
    assert " ".join(lists) == (
        "hvfhs_license payment_type rate_code shared_ride store_and_fwd_flag trip_type vendor "
        "yes_no"
    )
    for service in SERVICES.values():
        for column in service.contract.columns:
            assert column.codes is None or lists[column.codes.name] == column.codes
