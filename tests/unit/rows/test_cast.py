"""Published values as canonical ones: equal, or missing and marked; never bent."""

import math
import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nyc_tlc.core.contract import codes, columns
from nyc_tlc.core.contract.model import CodeList, Column
from nyc_tlc.core.contract.schemas import arrow_type
from nyc_tlc.core.rows.cast import cast

Mark = Enum("Mark", ["UNCASTABLE", "UNMAPPED"])
UNCASTABLE, UNMAPPED = Mark
TEXTS = pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)


def _marks(mask: pa.Array | None, rows: int) -> list[bool]:
    return [False] * rows if mask is None else mask.to_pylist()


def _values(array: pa.Array, column: Column) -> list[Any]:
    """What a cast makes of each value: a canonical one, or the mark of a value that is lost."""
    done = cast(array, column)
    assert done.values.type == arrow_type(column)
    values: list[Any] = done.values.to_pylist()
    assert len(values) == len(array)
    for mask, mark in ((done.uncastable, UNCASTABLE), (done.unmapped, UNMAPPED)):
        for i, is_marked in enumerate(_marks(mask, len(values))):
            if is_marked:
                assert values[i] is None
                values[i] = mark
    return values


def _cast(values: Sequence[Any], column: Column, kind: pa.DataType | None = None) -> list[Any]:
    return _values(pa.array(values, kind or pa.string()), column)


_TIMES_READ = (
    "2009-01-04 02:52:00", "2020-04-24 08:20:17.000000", "2020-04-24 08:20:17.5",
    "2020-04-24 08:20:17.000001", "9999-12-31 23:59:59.999999", "0001-01-01 00:00:00",
    "2012-02-29 00:00:00",
    "2009-03-08 02:30:00",  # an hour that daylight saving time skips in New York
)  # fmt: skip
_NO_TIMES = (
    "1/1/2020 0:30", "01/01/2020 00:30", "1/1/2020 0:30:00 AM", "Jan 1 2020", "43831.02",
    "2009-02-30 00:00:00", "2010-02-29 12:00:00", "2009-13-01 00:00:00", "2009-00-10 00:00:00",
    "2009-01-00 00:00:00", "2009-01-04 24:00:00", "2009-01-04 02:60:00", "2009-01-04 23:59:60",
    "2009-01-04 02:52:00 PM", "2009-01-04 02:52:00.", "2009-01-04 02:52:00Z",
    "2009-01-04 02:52:00+00:00", "2009-01-04 02:52:00-05:00", "2009-01-04 02:52:00,5",
    "2009-01-04 02:52:00 2009-01-04 02:52:00", "2009-01-04T02:52:00", "2009-01-04 02:52",
    "2009-01-04 02", "2009-01-04", "2009", "20090104 02:52:00", "20090104025200", "1231037520",
    "0000-01-04 02:52:00", "10000-01-01 00:00:00", "-2009-01-04 00:00:00", "VTS", "NULL", "N/A",
    "-",
    # Finer than a microsecond.
    "2009-01-04 02:52:00.1234567", "2009-01-04 02:52:00.123456789",
)  # fmt: skip
_NO_NUMBERS = (
    "abc", "nan", "NaN", "-nan", "inf", "-inf", "Infinity", "1.5.5", "1,5", "1 2", "--1", "1-",
    "1_0", "1e", ".", "-", "e5", "$1", "1%", "\u0661", "\u00bd", "N/A", "NULL", "None", "0x10",
    "0X1F", "1e400", "-1e400", "9" * 400,
)  # fmt: skip
_NO_CODES = ("XYZ", "CMTT", "C", "nan", "1.5", "70000", "Cash?", "N/A")
_BLANKS = ("", " ", "  ", "\t", "\r")
_PAYMENTS_SPELLED = {
    1: ("Credit", "CREDIT", "Cre", "CRD"),
    2: ("Cash", "CASH", "Cas", "CAS", "CSH"),
    3: ("No Charge", "No", "NOC"),
    4: ("Dispute", "Dis"),
    5: ("NA", "UNK"),
}
"""As published in 2009 and 2010 (tlc-facts.md, C.7)."""
_PAYMENTS = {text: code for code, texts in _PAYMENTS_SPELLED.items() for text in texts}
_VENDORS = {"CMT": 1, "VTS": 2, "DDS": 3}


def _in_any_case(spelled: dict[str, int]) -> dict[str, int]:
    return {
        form: code
        for text, code in spelled.items()
        for form in (text, text.upper(), text.lower(), text.title(), f" {text}  ")
    }


_READ: list[tuple[Column, dict[str, Any]]] = [
    *(
        (column, dict.fromkeys(_BLANKS))
        for column in (
            columns.PICKUP_DATETIME, columns.PASSENGER_COUNT, columns.TRIP_DISTANCE,
            columns.TRIP_TIME, columns.VENDOR_ID, columns.RATE_CODE_ID, columns.SR_FLAG,
        )
    ),
    *(
        (column, dict.fromkeys(_NO_NUMBERS, UNCASTABLE))
        for column in (
            columns.PASSENGER_COUNT, columns.TRIP_TIME, columns.FARE_AMOUNT, columns.RATE_CODE_ID,
        )
    ),
    (columns.PICKUP_DATETIME, {f" {text}\t": datetime.fromisoformat(text) for text in _TIMES_READ}),
    (columns.DROPOFF_DATETIME, {text: datetime.fromisoformat(text) for text in _TIMES_READ}),
    (columns.DROPOFF_DATETIME, dict.fromkeys(_NO_TIMES, UNCASTABLE)),
    (columns.PASSENGER_COUNT,
     {"1": 1, "1.0": 1, "1.": 1, "+1": 1, "-1": -1, "007": 7, "1e2": 100, "0.0": 0, "-0": 0}),
    (columns.PASSENGER_COUNT, {" 3": 3, "3  ": 3, "\t3\r": 3}),
    (columns.PASSENGER_COUNT,
     {"32767": 32767, "-32768": -32768, "32767.0": 32767, "-32768.0": -32768}),
    (columns.PASSENGER_COUNT,
     dict.fromkeys(("1.5", "70000", "32768", "-32769", "1e300", ".5"), UNCASTABLE)),
    (columns.TRIP_TIME,
     {"2147483647": 2147483647, "-2147483648": -2147483648, "2147483647.0": 2147483647}),
    (columns.TRIP_TIME, dict.fromkeys(("0.5", "2147483648", "-2147483649", "1e10"), UNCASTABLE)),
    (columns.TRIP_DISTANCE,
     {".50": 0.5, "-.5": -0.5, "1.": 1.0, "2.6299999999999999": 2.63, "1e-3": 0.001, " 3 ": 3.0}),
    (columns.PICKUP_LONGITUDE,
     {"-73.991956999999999": -73.991957, "-73.993896484375": -73.993896484375, "0": 0.0}),
    (columns.VENDOR_ID, _in_any_case(_VENDORS)),
    (columns.PAYMENT_TYPE, _in_any_case(_PAYMENTS)),
    # A number outside the list is no defect of the text: it is flagged later.
    (columns.PAYMENT_TYPE, {"0": 0, "5": 5, "3.0": 3, "7": 7, "CMT": UNMAPPED}),
    (columns.VENDOR_ID, {"1": 1, "2.0": 2, " 3": 3, "CSH": UNMAPPED}),
    (columns.VENDOR_ID, dict.fromkeys(_NO_CODES, UNMAPPED)),
    (columns.PAYMENT_TYPE, dict.fromkeys(_NO_CODES, UNMAPPED)),
    (columns.RATE_CODE_ID, {"1": 1, "1.0": 1, "99": 99, "JFK": UNCASTABLE}),
    (columns.STORE_AND_FWD_FLAG,
     {"0": "N", "0.0": "N", "1": "Y", "1.0": "Y", " 0 ": "N", "N": "N", "Y": "Y"}),
    (columns.STORE_AND_FWD_FLAG, {text: text for text in ("", " ", "*", "y", "2")}),
    (columns.ACCESS_A_RIDE_FLAG, {text: text for text in ("", " ", "0", "1", " n", "y ", "Y")}),
    (columns.REQUEST_SOURCE, {text: text for text in ("", " ", "0", " n", "\u00e9")}),
    (columns.DISPATCHING_BASE_NUM,
     {"b02512 ": "B02512", " \tb02512": "B02512", "B00477-a": "B00477-A",
      "\u00e9 b1": "\u00e9 B1", "": None}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("column", "texts"), _READ, ids=[f"{column.name}-{i}" for i, (column, _) in enumerate(_READ)]
)
@TEXTS
def test_text_becomes_a_value_or_is_marked_whatever_its_neighbours(kind, column, texts):
    assert _cast([*texts, None], column, kind) == [*texts.values(), None]
    for text, expected in texts.items():
        for neighbours in ([], ["1"], ["1.0"], ["bad"]):
            assert _cast([text, *neighbours], column, kind)[0] == expected, text
    assert _cast([], column, kind) == []


def test_the_spellings_are_all_that_the_lists_know():
    assert codes.PAYMENT_TYPE.spellings == _PAYMENTS
    assert codes.VENDOR.spellings == _VENDORS
    assert codes.STORE_AND_FWD.spellings == {"0": "N", "0.0": "N", "1": "Y", "1.0": "Y"}


_SMALL = (columns.PASSENGER_COUNT, columns.PU_LOCATION_ID, columns.VENDOR_ID)
_FLAG, _PICKUP = columns.STORE_AND_FWD_FLAG, columns.PICKUP_DATETIME
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The microseconds of 0001-01-01 and of the end of 9999-12-31."""


@pytest.mark.parametrize(
    ("column", "kind", "values"),
    [
        *(
            (column, kind, values)
            for column in _SMALL
            for kind, values in (
                (pa.float64(), {2.0: 2, -0.0: 0, 1.5: UNCASTABLE, 1e-9: UNCASTABLE, None: None}),
                (pa.float64(), dict.fromkeys((math.nan, math.inf, -math.inf), UNCASTABLE)),
                (pa.float64(), {32767.0: 32767, 32768.0: UNCASTABLE, -32769.0: UNCASTABLE}),
                (pa.float64(), {2.0: 2, 70000.0: UNCASTABLE, 65538.0: UNCASTABLE}),
                (pa.float64(), {1e300: UNCASTABLE}),
                (pa.float32(), {2.0: 2, 1.5: UNCASTABLE, 1e30: UNCASTABLE, -32768.0: -32768}),
                (pa.int64(), {32767: 32767, -32768: -32768, 32768: UNCASTABLE, None: None}),
                (pa.int64(), {1: 1, 65538: UNCASTABLE, 2**62: UNCASTABLE, -(2**63): UNCASTABLE}),
                (pa.int32(), {5: 5, 40000: UNCASTABLE, None: None}),
                (pa.int8(), {5: 5, 127: 127, -128: -128, None: None}),
                # Unsigned, 40000 would wrap to -25536 and back.
                (pa.uint16(), {0: 0, 1: 1, 40_000: UNCASTABLE, None: None}),
                (pa.uint32(), {5: 5, 2**32 - 1: UNCASTABLE}),
                (pa.uint64(), {5: 5, 2**64 - 1: UNCASTABLE}),
            )
        ),
        (columns.EXTRA, pa.int64(), {2**53: 2.0**53, 2**53 + 1: UNCASTABLE, 1: 1.0}),
        (columns.TRIP_DISTANCE, pa.float64(), {math.inf: math.inf, 1.0: 1.0}),
        (_FLAG, pa.float64(), {0.0: "N", 1.0: "Y", 2.0: "2", math.nan: None, None: None}),
        (_FLAG, pa.float32(), {0.0: "N", 1.0: "Y", None: None}),
        (_FLAG, pa.int64(), {0: "N", 1: "Y", None: None}),
        *((column, pa.null(), {None: None}) for column in (*_SMALL, _FLAG, _PICKUP)),
    ],
    ids=str,
)  # fmt: skip
def test_a_number_becomes_a_value_of_the_contract_or_is_marked(column, kind, values):
    assert _cast(list(values), column, kind) == list(values.values())


@given(st.lists(st.none() | st.floats() | st.integers(-40_000, 40_000).map(float), max_size=9))
def test_a_double_becomes_the_integer_that_it_is(numbers):
    def is_kept(number):
        return number is None or (number % 1 == 0 and -(2**15) <= number < 2**15)

    expected = [number if is_kept(number) else UNCASTABLE for number in numbers]
    assert _cast(numbers, columns.PASSENGER_COUNT, pa.float64()) == expected


def test_nan_stays_nan_where_a_double_is_wanted():
    (value,) = _cast([math.nan], columns.TRIP_DISTANCE, pa.float64())
    assert math.isnan(value)


@pytest.mark.parametrize(("unit", "ticks"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_datetimes_of_every_unit_become_microseconds(unit, ticks):
    noon = datetime(2024, 1, 15, 12)  # noqa: DTZ001 - wall clock, as published
    seconds = (noon - datetime(1970, 1, 1)).days * 86_400 + 43_200  # noqa: DTZ001
    times = pa.array([seconds * ticks, None], pa.timestamp(unit))
    assert _values(times, _PICKUP) == [noon, None]


@pytest.mark.parametrize(
    ("unit", "ticks", "lost"),
    [
        ("us", [-(2**63), _FIRST - 1, _FIRST, None, 0, _LAST, _LAST + 1, 2**63 - 1],
         [True, True, False, False, False, False, True, True]),
        # A nanosecond is not cut off.
        ("ns", [0, 1, 1_000], [False, True, False]),
    ],
)  # fmt: skip
def test_a_datetime_that_microseconds_or_the_calendar_cannot_hold_is_uncastable(unit, ticks, lost):
    done = cast(pa.array(ticks, pa.int64()).cast(pa.timestamp(unit)), columns.DROPOFF_DATETIME)
    assert _marks(done.uncastable, len(ticks)) == lost
    missing = [tick is None or is_lost for tick, is_lost in zip(ticks, lost, strict=True)]
    assert done.values.is_null().to_pylist() == missing


def _of_bytes(values: Sequence[bytes | None], kind: pa.DataType) -> pa.Array:
    """Text as Parquet gives it: nobody has looked whether it is UTF-8."""
    octets = pa.large_binary() if pa.types.is_large_string(kind) else pa.binary()
    return pa.Array.from_buffers(kind, len(values), pa.array(values, octets).buffers())


@pytest.mark.parametrize(
    ("column", "good", "value"),
    [
        (_PICKUP, b"2009-01-04 02:52:00", datetime(2009, 1, 4, 2, 52)),  # noqa: DTZ001
        (columns.PASSENGER_COUNT, b"2", 2),
        (columns.TRIP_DISTANCE, b".5", 0.5),
        (columns.VENDOR_ID, b"CMT", 1),
        (columns.STORE_AND_FWD_FLAG, b"Y", "Y"),
        (columns.DISPATCHING_BASE_NUM, b"b00013 ", "B00013"),
        (columns.REQUEST_SOURCE, "caf\u00e9".encode(), "caf\u00e9"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
@pytest.mark.parametrize(
    "bad", [b"\xff", b"1\xff", b"\xc3", b"\0", b"1\0", b"CMT\0", b"\xed\xa0\x80"]
)
@TEXTS
def test_bytes_that_no_store_can_hold_are_uncastable_in_every_column(
    *, kind, bad, column, good, value
):
    """Not UTF-8, or with NUL, which Postgres refuses."""
    array = _of_bytes([good, bad, good, None], kind)
    assert _values(array, column) == [value, UNCASTABLE, value, None]
    assert _values(array.slice(1, 1), column) == [UNCASTABLE]


@TEXTS
def test_nul_is_uncastable_beside_bytes_that_are_no_text_at_all(kind):
    array = _of_bytes([b"\xff", b"HV\0", b"HV", None], kind)
    assert _values(array, columns.REQUEST_SOURCE) == [UNCASTABLE, UNCASTABLE, "HV", None]


def test_codes_as_text_are_read_alike_by_a_list_of_any_names():
    """The mechanism is the list's, not that of two columns."""
    colours = CodeList("colour", {1: "Red", 2: "Blue"}, "made up", {"rouge": 1, " BLEU": 2})
    made_up = Column("colour", columns.TRIP_TYPE.type, "Colour", codes=colours)
    assert _cast(["Rouge", "bleu", "2", None], made_up) == [1, 2, 2, None]
    assert codes.TRIP_TYPE.spellings == {}


_SPACES = st.sampled_from(["", "", "", " ", "  ", "\t"])
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NUMERALS = (
    st.integers(-40_000, 40_000).map(str)
    | st.decimals(-1000, 1000, places=2).map(str)
    | st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.text("0123456789.+-eE ", max_size=7).filter(lambda text: not _is_infinite(text))
    | st.sampled_from(["1.0", ".50", "1.", "-0", "abc", "nan", "inf", "1.5", "70000", "", " "])
)


def _is_infinite(text: str) -> bool:
    """What the test of numbers too large is about."""
    return bool(_NUMBER.fullmatch(text.strip())) and math.isinf(float(text))


def _padded(texts: st.SearchStrategy[str]) -> st.SearchStrategy[list[str | None]]:
    padded = st.tuples(_SPACES, texts, _SPACES).map("".join)
    return st.lists(st.none() | padded, max_size=12)


def _python_number(text: str | None, column: Column) -> Any:
    """What Python makes of a text."""
    if text is None or not text.strip():
        return None
    if not _NUMBER.fullmatch(text.strip()):
        return UNCASTABLE
    number = float(text)
    if column is columns.FARE_AMOUNT:
        return number
    bits = (pa.types.is_int16(arrow_type(column)) and 15) or 31
    whole = number.is_integer() and -(2**bits) <= number < 2**bits
    return int(Decimal(number)) if whole else UNCASTABLE


def _python_time(text: str | None) -> Any:
    if text is None or not text.strip():
        return None
    form = "%Y-%m-%d %H:%M:%S.%f" if "." in text else "%Y-%m-%d %H:%M:%S"
    try:
        return datetime.strptime(text.strip(), form)  # noqa: DTZ007 - wall clock, as published
    except ValueError:
        return UNCASTABLE


def _check(texts: list[str | None], column: Column, python: list[Any], cuts: list[int]) -> None:
    array = pa.array(texts, pa.string())
    assert _values(array, column) == python
    borders = [0, *sorted(min(cut, len(texts)) for cut in cuts), len(texts)]
    parts = [array.slice(first, last - first) for first, last in pairwise(borders)]
    assert [value for part in parts for value in _values(part, column)] == python


_CUTS = st.lists(st.integers(0, 12), max_size=4)


@pytest.mark.parametrize(
    "column",
    [columns.PASSENGER_COUNT, columns.TRIP_TIME, columns.FARE_AMOUNT],
    ids=lambda column: column.name,
)
@given(texts=_padded(_NUMERALS), cuts=_CUTS)
def test_numbers_in_text_are_what_python_reads_wherever_batches_end(column, texts, cuts):
    _check(texts, column, [_python_number(text, column) for text in texts], cuts)


_TIMES = (
    st.datetimes().map(lambda time: time.isoformat(" "))
    | st.datetimes().map(lambda time: time.isoformat(" ", "seconds"))
    | st.datetimes(datetime(2009, 1, 1), datetime(2010, 12, 31)).map(  # noqa: DTZ001
        lambda time: time.isoformat(" ", "milliseconds")
    )
    | st.sampled_from(
        ["2009-02-30 00:00:00", "1/1/2020 0:30", "", " ", "CMT", "2009-01-04 25:00:00",
         "2009-01-04 02:52:00Z"]
    )
)  # fmt: skip


@given(texts=_padded(_TIMES), cuts=_CUTS)
def test_datetimes_in_text_are_what_python_reads_wherever_batches_end(texts, cuts):
    _check(texts, columns.PICKUP_DATETIME, [_python_time(text) for text in texts], cuts)
