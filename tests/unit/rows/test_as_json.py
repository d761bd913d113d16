"""A row set aside is kept as TLC published it: nothing of it is lost in the JSON."""

import json
import math
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nyc_tlc.core.rows.as_json import is_expressible, to_json


def _read_back(**columns: pa.Array) -> list[dict[str, Any]]:
    encoded = to_json(pa.RecordBatch.from_pydict(columns))
    assert encoded.type == pa.string()
    assert encoded.null_count == 0
    return [json.loads(text, parse_constant=_refuse) for text in encoded.to_pylist()]


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def _cells(values: list[Any], kind: pa.DataType) -> list[Any]:
    return [row["cell"] for row in _read_back(cell=pa.array(values, kind))]


def test_published_names_and_values_are_kept_in_order():
    rows = _read_back(
        VendorID=pa.array([2, 1], pa.int32()),
        Airport_fee=pa.array([1.75, 0.1 + 0.2]),
        store_and_fwd_flag=pa.array(["N", None], pa.large_string()),
    )
    assert rows == [
        {"VendorID": 2, "Airport_fee": 1.75, "store_and_fwd_flag": "N"},
        {"VendorID": 1, "Airport_fee": 0.30000000000000004, "store_and_fwd_flag": None},
    ]
    assert list(rows[0]) == ["VendorID", "Airport_fee", "store_and_fwd_flag"]
    assert _read_back(number=pa.array([], pa.float64()), text=pa.array([], pa.string())) == []


@given(st.lists(st.none() | st.text(), min_size=1, max_size=6))
@example(['"', "\\", "\x00", "\n\t\r", "é 🚕 \u2028", "</script>"])
@example(["", " ", "null", "NaN", None, "{}"])
def test_any_text_survives_with_nul_written_out(texts):
    """Postgres takes no NUL, in jsonb neither."""
    assert _cells(texts, pa.string()) == [text and text.replace("\0", "\\x00") for text in texts]


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=6))
@example([2**63 - 1, -(2**63), 2**53 + 1, 0, None])
def test_any_integer_survives(numbers):
    assert _cells(numbers, pa.int64()) == numbers


@given(st.lists(st.none() | st.floats(), min_size=1, max_size=6))
@example([168_064.95, 1e300, 5e-324, -0.0, 1e16, 0.1 + 0.2, 1e-7, None])
@example([math.nan, math.inf, -math.inf, 1.5, 168_064.95, 1e300, 5e-324, 1e-7, None])
def test_any_double_survives_as_text_in_a_column_with_nan_or_infinity(numbers):
    cells = _cells(numbers, pa.float64())
    kind = float if all(math.isfinite(number or 0.0) for number in numbers) else str
    assert {type(cell) for cell in cells if cell is not None} <= {kind}
    read = [None if cell is None else float(cell) for cell in cells]
    assert list(map(repr, read)) == list(map(repr, numbers))


def test_only_the_column_that_has_no_number_becomes_text():
    rows = _read_back(bad=pa.array([math.nan, -math.inf, 1.5]), good=pa.array([1.0, None, 4.5]))
    assert [tuple(row.values()) for row in rows] == [("nan", 1.0), ("-inf", None), ("1.5", 4.5)]


@given(st.lists(st.datetimes(), min_size=1, max_size=6))
@example([datetime(3019, 2, 3, 17, 30), datetime(2008, 12, 31)])  # noqa: DTZ001 - as published
def test_any_datetime_survives(times):
    cells = _cells(times, pa.timestamp("us"))
    assert [datetime.fromisoformat(cell) for cell in cells] == times


@pytest.mark.parametrize(
    ("unit", "ticks", "text"),
    [
        ("us", 1_704_078_245_000_123, "2024-01-01 03:04:05.000123"),
        ("ns", 1_704_078_245_000_000_001, "2024-01-01 03:04:05.000000001"),
        ("us", 2**63 - 1, str(2**63 - 1)),  # beyond the calendar
        ("us", -(2**63) + 1, str(-(2**63) + 1)),
        ("us", None, None),
    ],
)
def test_a_datetime_is_written_to_its_last_digit(unit, ticks, text):
    times = pa.array([ticks], pa.int64()).cast(pa.timestamp(unit))
    assert _read_back(at=times) == [{"at": text}]


@pytest.mark.parametrize("name", ['a "quoted" name', "back\\slash", "naïve", "with space"])
def test_any_column_name_survives(name):
    assert _read_back(**{name: pa.array([1, 2])}) == [{name: 1}, {name: 2}]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(
            (pa.nulls(1, kind), None)
            for kind in (pa.null(), pa.int32(), pa.float64(), pa.string(), pa.large_string())
        ),
        # Polars writes 1.5 as 150.00 and a dictionary's index, and panics at bytes and far dates.
        (pa.array([Decimal("1.5")], pa.decimal128(10, 2)), "1.50"),
        (pa.array([date(2024, 1, 31)]), "2024-01-31"),
        (pa.array([2**31 - 1], pa.int32()).cast(pa.date32()), "<value out of range: 2147483647>"),
        (pa.array([time(1, 2, 3)], pa.time64("us")), "01:02:03.000000"),
        (pa.array([b"a\xff\0"]), "a\\xff\\x00"),
        (pa.array([b"a\xff\0"], pa.large_binary()), "a\\xff\\x00"),
        (pa.array([b"a\xffc"]).view(pa.string()), "a\\xffc"),
        (pa.array([b"abcd"], pa.binary(4)), "abcd"),
        (pa.array([b"a" * 4096], pa.binary(4096)), "a" * 4096),
        (pa.array(["Midtown"]).dictionary_encode(), "Midtown"),
        (pa.array([0.5]).cast(pa.float16()), 0.5),
        (pa.array([True]), True),
    ],
    ids=lambda value: str(getattr(value, "type", ""))[:20],
)
def test_what_parquet_can_hold_besides_numbers_is_kept(column, value):
    assert is_expressible(pa.field("cell", column.type))
    assert _read_back(cell=column) == [{"cell": value}]
