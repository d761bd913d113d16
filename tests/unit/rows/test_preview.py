"""Rows that a person looks at: nothing of them is rounded, cut or lost on the way to the page."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from mage_project.frames import shown
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.rows.preview import as_published, as_shown, note, typed

_NIGHT = datetime(2024, 3, 10, 2, 30)  # noqa: DTZ001 - wall clock
_US = pa.timestamp("us")
COLUMNS = {
    "a code": (pa.array([2, None], pa.int16()), 2),
    "a count as float": (pa.array([1.0, None]), 1.0),
    "money": (pa.array([-12.5, None]), -12.5),
    "money that is no binary fraction": (pa.array([13.35, None]), 13.35),
    "money of single precision": (pa.array([2.3, None], pa.float32()), 2.3),
    "coordinates": (pa.array([-73.991957, None]), -73.991957),
    "not a number": (pa.array([float("nan"), None]), "nan"),
    "a decimal": (pa.array([Decimal("1.50"), None]), "1.50"),
    "a time": (pa.array([_NIGHT, None], _US), "2024-03-10 02:30:00"),
    "a midnight": (pa.array([datetime(2024, 1, 1), None], _US), "2024-01-01 00:00:00"),  # noqa: DTZ001
    "nanoseconds": (pa.array([_NIGHT, None], pa.timestamp("ns")), "2024-03-10 02:30:00"),
    "microseconds": (
        pa.array([_NIGHT.replace(microsecond=123), None], _US), "2024-03-10 02:30:00.000123",
    ),
    "a zone": (
        pa.array([datetime(2024, 1, 1, tzinfo=UTC), None], pa.timestamp("s", "UTC")),
        "2024-01-01 00:00:00Z",
    ),
    "beyond the calendar": (pa.array([9 * 10**17, None], _US), "900000000000000000"),
    "a date": (pa.array([date(2024, 1, 1), None]), "2024-01-01"),
    "a blank": (pa.array([" ", None]), " "),
    "empty text": (pa.array(["", None], pa.large_string()), ""),
    "repeated text": (pa.array(["Y", None]).dictionary_encode(), "Y"),
    "bytes": (pa.array([b"\xff", None]), "\\xff"),
    "a truth value": (pa.array([True, None]), True),
    "a list": (pa.array([[1, 2], None]), "[1, 2]"),
    "nothing": (pa.nulls(2), None),
}  # fmt: skip


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_value_is_shown_as_it_is_and_a_null_as_a_null(kind):
    column, expected = COLUMNS[kind]
    frame = shown(as_shown(pa.table({kind: pa.chunked_array([column])})))
    # As Mage's API sends it to the page (mage_ai/data_preparation/models/block/outputs.py).
    sent = json.loads(frame.to_json(orient="split", date_format="iso"))
    assert sent["columns"] == [kind]
    assert sent["data"] == [[expected], [None]]
    assert type(sent["data"][0][0]) is type(expected) or expected == int(expected)


def test_a_quarantined_row_is_shown_with_the_columns_of_its_file():
    rows = [
        ("pickup_missing", 7, {"VendorID": 2, "Extra": 1.5, "Fare_amount": "nan", "ehail": None}),
        ("row_irregular", 9, {"VendorID": 1, "Extra": None, "Fare_amount": 3, "line": "1,2"}),
    ]
    table = pa.table(
        {
            "published": [json.dumps(row) for _, _, row in rows],
            "source_month": [date(2024, 1, 1)] * 2,
            "source_row": pa.array([row for _, row, _ in rows], pa.int32()),
            "reason": [reason for reason, _, _ in rows],
            "vendor_id": [None, None],
        }
    )
    lineage = {"source_month": "2024-01-01"}
    assert as_shown(as_published(table)).to_pylist() == [
        {"reason": "pickup_missing", **lineage, "source_row": 7, "VendorID": 2, "Extra": 1.5,
         "Fare_amount": "nan", "ehail": None, "line": None},
        {"reason": "row_irregular", **lineage, "source_row": 9, "VendorID": 1, "Extra": None,
         "Fare_amount": "3", "ehail": None, "line": "1,2"},
    ]  # fmt: skip


def test_columns_of_one_name_are_told_apart():
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["Extra", "Extra"])
    assert as_shown(twice).to_pylist() == [{"Extra": 1, "Extra (2)": 2}]


def test_a_table_without_rows_keeps_its_columns():
    for kind in (_US, pa.list_(pa.int8()), pa.null()):
        for rows in (pa.table({"a": pa.array([], kind)}), pa.schema({"a": kind}).empty_table()):
            assert as_shown(rows) == pa.table({"a": pa.array([], pa.string())})
    assert shown(note("why")).to_dict("records") == [{"note": "why"}]


def test_what_a_warehouse_answers_gets_the_contracts_types():
    names = ["vendor_id", "fare_amount", "source_month", "extra_columns", "of_others"]
    rows = [(1, 2, date(2024, 1, 1), {"é": [1.5, _NIGHT]}, 7), (None, None, None, None, None)]
    table = typed(names, rows, GREEN.contract)
    assert [str(kind) for kind in table.schema.types] == [
        "int16", "double", "date32[day]", "string", "string",
    ]  # fmt: skip
    first, nothing = table.to_pylist()
    json_text = '{"é": [1.5, "2024-03-10 02:30:00"]}'
    assert list(first.values()) == [1, 2.0, date(2024, 1, 1), json_text, "7"]
    assert set(nothing.values()) == {None}
    assert typed(names, [], GREEN.contract).num_rows == 0
    for names, rows in ((["a"], [(1, 2)]), (["a", "b"], [(1, 2), (3, 4, 5)])):
        with pytest.raises(ValueError, match="zip"):
            typed(names, rows, GREEN.contract)
