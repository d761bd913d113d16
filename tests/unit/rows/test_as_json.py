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


def test_published_names_and_values_are_kept_in_order() -> None:
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


@given(st.lists(st.none() | st.text(), min_size=1, max_size=6))
@example(['"', "\\", "\x00", "\n\t\r", "é 🚕 \u2028", "</script>"])
@example(["", " ", "null", "NaN", None, "{}"])
def test_any_text_survives_with_nul_written_out(texts: list[str | None]) -> None:
    """Postgres takes no NUL, in jsonb neither."""
    rows = _read_back(text=pa.array(texts, pa.string()))
    assert [row["text"] for row in rows] == [text and text.replace("\0", "\\x00") for text in texts]


def test_bytes_that_are_no_text_and_datetimes_beyond_the_calendar_are_written_out() -> None:
    offsets = pa.array(["a", "bc"]).buffers()[1]
    text = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"a\xffc")])
    last = 2**63 - 1
    rows = _read_back(text=text, time=pa.array([0, last], pa.timestamp("us")))
    assert [row["text"] for row in rows] == ["a", "\\xffc"]
    assert [row["time"] for row in rows] == ["0", str(last)]


@pytest.mark.parametrize("name", ['a "quoted" name', "back\\slash", "naïve", "with space"])
def test_any_column_name_survives(name: str) -> None:
    assert _read_back(**{name: pa.array([1, 2])}) == [{name: 1}, {name: 2}]


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=6))
@example([2**63 - 1, -(2**63), 2**53 + 1, 0, None])
def test_any_integer_survives(numbers: list[int | None]) -> None:
    rows = _read_back(number=pa.array(numbers, pa.int64()))
    assert [row["number"] for row in rows] == numbers


@given(
    st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=6)
)
@example([168_064.95, 1e300, 5e-324, -0.0, 1e16, None])
def test_any_finite_double_survives_as_a_number(numbers: list[float | None]) -> None:
    rows = _read_back(number=pa.array(numbers, pa.float64()))
    assert [row["number"] for row in rows] == numbers
    assert all(row["number"] is None or type(row["number"]) is float for row in rows)


@given(st.lists(st.none() | st.floats(), max_size=6))
@example([0.1 + 0.2, 168_064.95, 1e300, 5e-324, 1e-7])
def test_a_column_with_nan_or_infinity_is_written_as_text_that_loses_nothing(
    numbers: list[float | None],
) -> None:
    rows = _read_back(number=pa.array([math.nan, *numbers], pa.float64()))
    texts = [row["number"] for row in rows]
    assert all(text is None or isinstance(text, str) for text in texts)
    read = [None if text is None else float(text) for text in texts]
    assert [repr(number) for number in read] == [repr(number) for number in [math.nan, *numbers]]


def test_only_the_column_that_has_no_number_becomes_text() -> None:
    rows = _read_back(
        bad=pa.array([math.nan, math.inf, -math.inf, 1.5, None]),
        good=pa.array([1.0, 2.0, None, 4.5, 5.0]),
    )
    assert [row["bad"] for row in rows] == ["nan", "inf", "-inf", "1.5", None]
    assert [row["good"] for row in rows] == [1.0, 2.0, None, 4.5, 5.0]


def test_a_datetime_is_written_to_the_microsecond() -> None:
    texts = ["2024-01-01 03:04:05.000123", "2009-01-01 00:00:01.999999", None]
    cells = [text and datetime.fromisoformat(text) for text in texts]
    rows = _read_back(at=pa.array(cells, pa.timestamp("us")))
    assert [row["at"] for row in rows] == texts


def test_a_nanosecond_is_written_too() -> None:
    rows = _read_back(at=pa.array([1_704_078_245_000_000_001], pa.timestamp("ns")))
    assert rows == [{"at": "2024-01-01 03:04:05.000000001"}]


@given(st.lists(st.datetimes(), min_size=1, max_size=6))
@example([datetime(3019, 2, 3, 17, 30), datetime(2008, 12, 31)])  # noqa: DTZ001 - as published
def test_any_datetime_survives(times: list[datetime]) -> None:
    rows = _read_back(at=pa.array(times, pa.timestamp("us")))
    assert [datetime.fromisoformat(row["at"]) for row in rows] == times


def test_nulls_of_every_type_are_null() -> None:
    kinds = [
        pa.null(),
        pa.int32(),
        pa.float64(),
        pa.string(),
        pa.large_string(),
        pa.timestamp("us"),
    ]
    rows = _read_back(**{str(kind): pa.nulls(2, kind) for kind in kinds})
    assert rows == [{str(kind): None for kind in kinds}] * 2


def test_no_row_is_no_text() -> None:
    assert _read_back(number=pa.array([], pa.float64()), text=pa.array([], pa.string())) == []


def test_what_parquet_can_hold_beside_numbers_and_text_is_kept_as_text() -> None:
    """Polars writes 1.5 as 150.00 and a dictionary's index, and panics at bytes and far dates."""
    columns = {
        "amount": pa.array([Decimal("1.5")], pa.decimal128(10, 2)),
        "day": pa.array([date(2024, 1, 31)]),
        "far": pa.array([2**31 - 1], pa.int32()).cast(pa.date32()),
        "at": pa.array([time(1, 2, 3)], pa.time64("us")),
        "octets": pa.array([b"a\xff\0"]),
        "four": pa.array([b"abcd"], pa.binary(4)),
        "named": pa.array(["Midtown"]).dictionary_encode(),
        "half": pa.array([0.5]).cast(pa.float16()),
    }
    assert all(is_expressible(pa.field(name, kind.type)) for name, kind in columns.items())
    (row,) = _read_back(**columns)
    assert row == {
        "amount": "1.50",
        "day": "2024-01-31",
        "far": "<value out of range: 2147483647>",
        "at": "01:02:03.000000",
        "octets": "a\\xff\\x00",
        "four": "abcd",
        "named": "Midtown",
        "half": 0.5,
    }
