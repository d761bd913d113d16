"""Rows have one checksum in any order; whatever is done to a value is seen, and in its column."""

import io
from datetime import date, datetime, timedelta
from hashlib import md5

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nyc_tlc.core.audit.values import (
    ROW,
    Part,
    Projection,
    checksums,
    differing_columns,
    jsonb,
    of_columns,
    of_rows,
    typed_columns,
)
from nyc_tlc.core.contract.model import ColumnType
from nyc_tlc.core.contract.schemas import arrow_schema, quarantine_arrow_schema
from nyc_tlc.core.contract.service import GREEN, SERVICES

START = datetime(2024, 1, 5, 12, 30, 15, 250_001)  # noqa: DTZ001 - wall clock
TRIPS = pa.table(
    {
        "pickup_datetime": [START, START + timedelta(hours=1), START, START],
        "trip_distance": [1.5, 2.5, 0.0, float("nan")],
        "fare_amount": [10.0, 12.5, None, 0.1 + 0.2],
        "passenger_count": [1, 2, None, 0],
        "store_and_fwd_flag": ["N", "Y", None, ""],
        "extra_columns": ['{"a": 1}', None, None, '{"b": 1.50}'],
        "source_row": [0, 1, 2, 3],
        "quality_flags": [0, 4, 4, 0],
    }
)
IN_POSTGRES = typed_columns(GREEN.contract, Part.TRIPS, as_in_the_lake=False)


def checked(rows: pa.Table, projections: list[Projection]) -> dict[Projection, int]:
    return checksums(rows.to_batches(max_chunksize=3), projections)


def put(column: str, row: int, value: object):
    def change(rows: pa.Table) -> pa.Table:
        values = rows.column(column).to_pylist()
        values[row] = value
        at = rows.schema.get_field_index(column)
        return rows.set_column(at, column, pa.array(values, rows.schema.field(column).type))

    return change


def swapped(column: str, one: int, other: int):
    def change(rows: pa.Table) -> pa.Table:
        values = rows.column(column).to_pylist()
        return put(column, one, values[other])(put(column, other, values[one])(rows))

    return change


def in_place_of(copied: int, replaced: int):
    def change(rows: pa.Table) -> pa.Table:
        numbers = [copied if row == replaced else row for row in range(rows.num_rows)]
        return rows.take(numbers)

    return change


@pytest.mark.parametrize(
    ("change", "columns"),
    [
        *((put(column, row, value), {column}) for column, row, value in [
            ("fare_amount", 1, 12.51), ("fare_amount", 1, 12.500000000000002),
            ("fare_amount", 1, -12.5), ("fare_amount", 2, 0.0), ("fare_amount", 3, 0.3),
            ("trip_distance", 2, float("nan")), ("trip_distance", 3, float("inf")),
            ("trip_distance", 3, None), ("passenger_count", 2, 0), ("passenger_count", 3, None),
            ("pickup_datetime", 0, START + timedelta(microseconds=1)),
            ("store_and_fwd_flag", 0, "n"), ("store_and_fwd_flag", 0, "N "),
            ("store_and_fwd_flag", 2, ""), ("store_and_fwd_flag", 3, None),
            ("extra_columns", 3, '{"b": 1.5}'), ("extra_columns", 0, None),
            ("quality_flags", 1, 5), ("source_row", 3, 4),
        ]),
        *((swapped(column, one, other), {column}) for column, one, other in [
            ("fare_amount", 0, 1), ("store_and_fwd_flag", 2, 3), ("extra_columns", 0, 3),
        ]),
        (in_place_of(0, 1), {*TRIPS.column_names}),
        (in_place_of(1, 2), {*TRIPS.column_names} - {"extra_columns", "quality_flags"}),
    ],
)  # fmt: skip
def test_whatever_is_done_to_a_value_is_seen_in_its_column(change, columns):
    changed, rows, named = change(TRIPS), of_rows(IN_POSTGRES), of_columns(IN_POSTGRES)
    assert checked(TRIPS, rows) != checked(changed, rows)
    differing = differing_columns(checked(TRIPS, named), checked(changed, named))
    assert sorted(differing) == sorted(columns)


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.take([3, 1, 0, 2]),
        put("trip_distance", 2, -0.0),
        put("extra_columns", 3, ' {"b":1.50}'),
    ],
)
def test_equal_rows_have_one_checksum(change):
    for projections in (of_rows(IN_POSTGRES), of_columns(IN_POSTGRES)):
        assert checked(change(TRIPS), projections) == checked(TRIPS, projections)


def test_columns_do_not_run_into_each_other():
    both = Projection((("a", ColumnType.TEXT), ("b", ColumnType.TEXT)))
    schema = pa.schema([("a", pa.string()), ("b", pa.string())])
    pairs = [("x,1:y", "z"), ("x", "y,1:z"), ("", None), (None, ""), (None, None)]
    rows = [pa.Table.from_pylist([{"a": a, "b": b}], schema) for a, b in pairs]
    assert len({checked(row, [both])[both] for row in rows}) == len(pairs)


@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
@pytest.mark.parametrize("as_in_the_lake", [True, False])
@pytest.mark.parametrize("part", Part)
def test_every_column_of_every_service_is_compared(service, part, as_in_the_lake):
    schemas = {Part.TRIPS: arrow_schema, Part.QUARANTINE: quarantine_arrow_schema}
    file = io.BytesIO()
    schema = schemas[part](service.contract)
    pq.write_table(schema.empty_table(), file)
    columns = typed_columns(service.contract, part, as_in_the_lake=as_in_the_lake)
    names = [name for name, _ in columns]
    in_postgres = part is Part.QUARANTINE and not as_in_the_lake
    assert names == (["source_row", "reason", "published"] if in_postgres else schema.names)
    texts = {name for name, kind in columns if kind in {ColumnType.TEXT, ColumnType.JSON}}
    assert texts == {name for name in names if pa.types.is_string(schema.field(name).type)}
    as_json = {name for name, kind in columns if kind is ColumnType.JSON}
    assert as_json == (set() if as_in_the_lake else {"extra_columns", "published"} & {*names})
    asked = [*of_rows(columns), *of_columns(columns)]
    assert {name for each in of_rows(columns) for name, _ in each.columns} == {*names}
    assert set(checksums(schema.empty_table().to_batches(), asked).values()) == {0}


def test_json_and_single_columns_are_compared_where_they_are_filled():
    number, text, document = ROW, ("a", ColumnType.TEXT), ("b", ColumnType.JSON)
    columns = (number, text, document)
    of_row = [Projection((ROW, column), only_filled=True) for column in (text, document)]
    assert of_rows(columns) == [Projection((number, text)), of_row[1]]
    alone = [Projection((column,), only_filled=True) for column in columns]
    assert of_columns(columns) == [*alone, *of_row]


def test_a_checksum_sums_60_bits_of_the_md5_of_each_rows_text():
    values = {
        "integer": 7, "text": "é,", "timestamp": datetime(2000, 1, 1, 0, 0, 1),  # noqa: DTZ001
        "date": date(1999, 12, 31), "double": -1.5, "json": '{"b":1,"a":2}',
    }  # fmt: skip
    texts = ['7,3:é,,00000000000f4240,ffffffff,bff8000000000000,16:{"a": 2, "b": 1}', "8,,,,,"]
    numbers = [int(md5(text.encode()).hexdigest()[:15], 16) for text in texts]
    rows = pa.Table.from_pylist([values, {"integer": 8}])
    columns = tuple((name, ColumnType[name.upper()]) for name in values)
    every, filled = Projection(columns), Projection(columns, only_filled=True)
    assert checked(rows, [every, filled]) == {every: sum(numbers), filled: numbers[0]}


def test_a_sum_beyond_64_bits_is_exact():
    numbers = Projection((ROW,))
    rows = pa.table({"source_row": pa.array(range(100), pa.int32())})
    parts = [checked(part, [numbers])[numbers] for part in (rows.slice(0, 31), rows.slice(31))]
    assert checked(rows, [numbers])[numbers] == sum(parts) > 1 << 64


@pytest.mark.parametrize(
    ("document", "written"),
    [
        ('{"bb":1,"a":2,"é":3,"c":4}', '{"a": 2, "c": 4, "bb": 1, "é": 3}'),
        ('{"a":1,"a":2.50}', '{"a": 2.50}'),
        ('[1e5, 1E-7, -0.0, -1.50e1, true, null, "\\u00e9\\/\\n"]',
         '[100000, 0.0000001, 0.0, -15.0, true, null, "é/\\n"]'),
        ("{}", "{}"), *[("9" * 5_000,) * 2],
    ],
)  # fmt: skip
def test_json_is_written_as_jsonb_is(document, written):
    assert jsonb(document) == written
