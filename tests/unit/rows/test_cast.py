"""Published values as canonical ones: equal, or missing and marked; never bent."""

import math
import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nyc_tlc.core.contract import codes, columns
from nyc_tlc.core.contract.model import CodeList, Column
from nyc_tlc.core.contract.schemas import arrow_type
from nyc_tlc.core.rows.cast import Cast, cast, either

TEXTS = pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)


def _marks(mask: pa.Array | None, rows: int) -> list[bool]:
    return [False] * rows if mask is None else mask.to_pylist()


def _cast(values: Sequence[Any], column: Column, kind: pa.DataType | None = None) -> Cast:
    """A cast of texts, checked for what is true of every cast."""
    done = cast(pa.array(values, kind or pa.string()), column)
    assert done.values.type == arrow_type(column)
    assert len(done.values) == len(values)
    for mask in (done.uncastable, done.unmapped):
        marked = [i for i, is_marked in enumerate(_marks(mask, len(values))) if is_marked]
        assert [done.values[i].as_py() for i in marked] == [None] * len(marked)
    return done


def _good(values: Sequence[Any], column: Column, kind: pa.DataType | None = None) -> list[Any]:
    """The values of a cast that must mark nothing."""
    done = _cast(values, column, kind)
    assert not any(_marks(done.uncastable, len(values)))
    assert not any(_marks(done.unmapped, len(values)))
    return list(done.values.to_pylist())


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


@TEXTS
def test_datetimes_are_read_with_and_without_a_fraction(kind: pa.DataType) -> None:
    texts = [
        "2009-01-04 02:52:00",
        "2020-04-24 08:20:17.000000",
        "2020-04-24 08:20:17.5",
        "2020-04-24 08:20:17.000001",
        "9999-12-31 23:59:59.999999",
        "0001-01-01 00:00:00",
        "2012-02-29 00:00:00",
        "2009-03-08 02:30:00",  # an hour that daylight saving time skips in New York
    ]
    assert _good(texts, columns.PICKUP_DATETIME, kind) == [_time(text) for text in texts]


@pytest.mark.parametrize(
    "text",
    [
        "1/1/2020 0:30", "01/01/2020 00:30", "1/1/2020 0:30:00 AM", "Jan 1 2020", "43831.02",
        "2009-02-30 00:00:00", "2010-02-29 12:00:00", "2009-13-01 00:00:00",
        "2009-00-10 00:00:00", "2009-01-00 00:00:00", "2009-01-04 24:00:00",
        "2009-01-04 02:60:00", "2009-01-04 02:52:00 PM", "2009-01-04 02:52:00.",
        "2009-01-04 02:52:00Z", "2009-01-04 02:52:00+00:00", "2009-01-04 02:52:00-05:00",
        "20090104 02:52:00", "20090104025200", "1231037520", "0000-01-04 02:52:00",
        "10000-01-01 00:00:00", "-2009-01-04 00:00:00", "VTS", "NULL", "N/A", "-", "2009",
        "2009-01-04 02:52:00,5", "2009-01-04 02:52:00 2009-01-04 02:52:00",
    ],
)  # fmt: skip
def test_text_that_is_no_datetime_is_uncastable(text: str) -> None:
    whole = "2009-01-04 02:52:00"
    done = _cast([whole, text, None, whole], columns.DROPOFF_DATETIME)
    assert done.values.to_pylist() == [_time(whole), None, None, _time(whole)]
    assert _marks(done.uncastable, 4) == [False, True, False, False]
    assert _marks(_cast([text], columns.DROPOFF_DATETIME).uncastable, 1) == [True]


@pytest.mark.parametrize(
    "text",
    ["2009-01-04", "2009-01-04 02", "2009-01-04 02:52", "2009-01-04T02:52:00"],
)
def test_how_a_datetime_is_read_does_not_depend_on_its_neighbours(text: str) -> None:
    alone = _cast([text], columns.PICKUP_DATETIME)
    beside = _cast([text, "bad"], columns.PICKUP_DATETIME)
    assert alone.values.to_pylist() == beside.values.to_pylist()[:1]
    assert _marks(alone.uncastable, 1) == _marks(beside.uncastable, 2)[:1]


@pytest.mark.parametrize(
    "text",
    ["2009-01-04 02:52:00.1234567", "2009-01-04 02:52:00.123456789", "2009-01-04 23:59:60"],
)
def test_a_datetime_that_microseconds_cannot_hold_is_uncastable(text: str) -> None:
    done = _cast([text], columns.PICKUP_DATETIME)
    assert done.values.to_pylist() == [None]
    assert _marks(done.uncastable, 1) == [True]


@pytest.mark.parametrize(
    "column",
    [
        columns.PICKUP_DATETIME, columns.PASSENGER_COUNT, columns.TRIP_DISTANCE, columns.TRIP_TIME,
        columns.VENDOR_ID, columns.RATE_CODE_ID, columns.SR_FLAG,
    ],
    ids=lambda column: column.name,
)  # fmt: skip
@TEXTS
def test_blank_text_is_a_missing_number_code_or_datetime(kind: pa.DataType, column: Column) -> None:
    assert _good(["", " ", "  ", "\t", "\r", None], column, kind) == [None] * 6
    assert _good([""], column, kind) == [None]
    assert _good([], column, kind) == []


@pytest.mark.parametrize(
    ("column", "texts", "expected"),
    [
        (columns.PASSENGER_COUNT, ["1", "1.0", "1.", "+1", "-1", "007", "1e2", "0.0", "-0"],
         [1, 1, 1, 1, -1, 7, 100, 0, 0]),
        (columns.PASSENGER_COUNT, ["32767", "-32768", "32767.0", "-32768.0"],
         [32767, -32768, 32767, -32768]),
        (columns.TRIP_TIME, ["2147483647", "-2147483648", "2147483647.0", "70000"],
         [2147483647, -2147483648, 2147483647, 70000]),
        (columns.TRIP_DISTANCE, [".50", "-.5", "1.", "2.6299999999999999", "0", "1e-3", "-0.0"],
         [0.5, -0.5, 1.0, 2.63, 0.0, 0.001, -0.0]),
        (columns.PICKUP_LONGITUDE, ["-73.991956999999999", "-73.993896484375", "0"],
         [-73.991957, -73.993896484375, 0.0]),
        (columns.RATE_CODE_ID, ["1", "1.0", "99"], [1, 1, 99]),
        (columns.PU_LOCATION_ID, ["264", "1"], [264, 1]),
    ],
    ids=str,
)  # fmt: skip
@TEXTS
def test_numbers_are_read_from_text(
    kind: pa.DataType, column: Column, texts: list[str], expected: list[Any]
) -> None:
    assert _good(texts, column, kind) == expected
    for text, value in zip(texts, expected, strict=True):
        assert _good([text], column, kind) == [value]


@pytest.mark.parametrize(
    "column",
    [columns.PASSENGER_COUNT, columns.TRIP_DISTANCE, columns.PICKUP_DATETIME, columns.VENDOR_ID],
    ids=lambda column: column.name,
)
def test_spaces_around_a_value_do_not_matter(column: Column) -> None:
    bare = "2009-01-04 02:52:00" if column is columns.PICKUP_DATETIME else "3"
    expected = _good([bare], column) * 3
    assert _good([f" {bare}", f"{bare}  ", f"\t{bare}\r"], column) == expected


_NO_NUMBERS = [
    "abc", "nan", "NaN", "-nan", "inf", "-inf", "Infinity", "1.5.5", "1,5", "1 2", "--1", "1-",
    "1_0", "1e", ".", "-", "e5", "$1", "1%", "\u0661", "\u00bd", "N/A", "NULL", "None",
]  # fmt: skip


@pytest.mark.parametrize(
    ("column", "text"),
    [
        *((column, text) for text in _NO_NUMBERS
          for column in (columns.PASSENGER_COUNT, columns.TRIP_TIME, columns.TRIP_DISTANCE,
                         columns.RATE_CODE_ID)),
        *((columns.PASSENGER_COUNT, text)
          for text in ("1.5", "70000", "32768", "-32769", "1e300", "1e400", "9" * 400, ".5")),
        *((columns.TRIP_TIME, text) for text in ("0.5", "2147483648", "-2147483649", "1e10")),
    ],
    # In ASCII: pytest escapes other names once more when it collects again, as mutmut has it do.
    ids=lambda value: getattr(value, "name", value)[:20].encode("ascii", "replace").decode(),
)  # fmt: skip
def test_text_that_is_no_such_number_is_uncastable(column: Column, text: str) -> None:
    done = _cast(["1", text, None, "2"], column)
    assert done.values.to_pylist() == [1, None, None, 2]
    assert _marks(done.uncastable, 4) == [False, True, False, False]
    assert _marks(_cast([text], column).uncastable, 1) == [True]


@pytest.mark.parametrize(
    "column",
    [
        columns.PASSENGER_COUNT,
        columns.TRIP_TIME,
        columns.TRIP_DISTANCE,
    ],
    ids=lambda column: column.name,
)
@pytest.mark.parametrize("text", ["0x10", "0X1F"])
def test_hexadecimal_text_is_no_number(text: str, column: Column) -> None:
    for neighbour in ("1", "1.0", "bad"):
        done = _cast([text, neighbour], column)
        assert done.values.to_pylist()[0] is None
        assert _marks(done.uncastable, 2)[0]


@pytest.mark.parametrize("text", ["1e400", "-1e400", "9" * 400], ids=["1e400", "-1e400", "nines"])
def test_a_number_too_large_for_a_double_is_uncastable(text: str) -> None:
    done = _cast([text], columns.FARE_AMOUNT)
    assert done.values.to_pylist() == [None]
    assert _marks(done.uncastable, 1) == [True]


def _of_bytes(values: Sequence[bytes], kind: pa.DataType) -> pa.Array:
    """Text as Parquet gives it: nobody has looked whether it is UTF-8."""
    octets = pa.large_binary() if pa.types.is_large_string(kind) else pa.binary()
    return pa.Array.from_buffers(kind, len(values), pa.array(values, octets).buffers())


@pytest.mark.parametrize(
    ("column", "good", "value"),
    [
        (columns.PICKUP_DATETIME, b"2009-01-04 02:52:00", _time("2009-01-04 02:52:00")),
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
    *, kind: pa.DataType, bad: bytes, column: Column, good: bytes, value: object
) -> None:
    """Not UTF-8, or with NUL, which Postgres refuses."""
    done = cast(_of_bytes([good, bad, good, b"1"], kind), column)
    assert done.values.to_pylist()[:3] == [value, None, value]
    assert _marks(done.uncastable, 4) == [
        False, True, False, column is columns.PICKUP_DATETIME,
    ]  # fmt: skip
    assert not any(_marks(done.unmapped, 4))
    assert _marks(cast(_of_bytes([good, bad, good], kind).slice(1, 1), column).uncastable, 1) == [
        True
    ]


def test_an_unsigned_nothing_stays_beside_what_is_too_large() -> None:
    done = cast(pa.array([0, 1, 40_000, None], pa.uint16()), columns.PASSENGER_COUNT)
    assert done.values.to_pylist() == [0, 1, None, None]
    assert _marks(done.uncastable, 4) == [False, False, True, False]


@TEXTS
def test_nul_is_uncastable_beside_bytes_that_are_no_text_at_all(kind: pa.DataType) -> None:
    done = cast(_of_bytes([b"\xff", b"HV\0", b"HV", None], kind), columns.REQUEST_SOURCE)
    assert done.values.to_pylist() == [None, None, "HV", None]
    assert _marks(done.uncastable, 4) == [True, True, False, False]


PAYMENTS = {
    1: ["Credit", "CREDIT", "Cre", "CRD"],
    2: ["Cash", "CASH", "CAS", "CSH"],
    3: ["No Charge", "No", "NOC"],
    4: ["Dispute", "Dis"],
    5: ["NA"],
}
"""As published in 2009 and 2010 (tlc-facts.md, C.7)."""
VENDORS = {1: ["CMT"], 2: ["VTS"], 3: ["DDS"]}
_SPELLED = [
    (column, code, spelling)
    for column, spellings in ((columns.PAYMENT_TYPE, PAYMENTS), (columns.VENDOR_ID, VENDORS))
    for code, texts in spellings.items()
    for spelling in texts
]


@pytest.mark.parametrize(("column", "code", "spelling"), _SPELLED)
def test_every_published_spelling_of_a_code_is_that_code(
    column: Column, code: int, spelling: str
) -> None:
    forms = [spelling, spelling.upper(), spelling.lower(), spelling.title(), f" {spelling}  "]
    assert _good(forms, column) == [code] * 5


@pytest.mark.parametrize(
    ("column", "texts", "expected"),
    [
        (columns.VENDOR_ID, ["1", "2.0", "CMT", None, "", " vts "], [1, 2, 1, None, None, 2]),
        (columns.PAYMENT_TYPE, ["0", "CSH", "5", "3.0"], [0, 2, 5, 3]),
        (columns.PAYMENT_TYPE, ["1", "2"], [1, 2]),
        (columns.PAYMENT_TYPE, ["7"], [7]),
    ],
    ids=str,
)  # fmt: skip
def test_codes_may_be_numbers_in_text(
    column: Column, texts: list[str], expected: list[int | None]
) -> None:
    """A number outside the list is no defect of the text: it is flagged later."""
    assert _good(texts, column) == expected


@pytest.mark.parametrize("text", ["XYZ", "CMTT", "C", "nan", "1.5", "70000", "Cash?", "N/A"])
@pytest.mark.parametrize(
    "column", [columns.VENDOR_ID, columns.PAYMENT_TYPE], ids=lambda column: column.name
)
def test_text_that_is_no_spelling_of_a_code_is_unmapped(column: Column, text: str) -> None:
    done = _cast(["1", text, None, "", "2"], column)
    assert done.values.to_pylist() == [1, None, None, None, 2]
    assert _marks(done.unmapped, 5) == [False, True, False, False, False]
    assert not any(_marks(done.uncastable, 5))


def test_the_spelling_of_one_list_is_not_that_of_another() -> None:
    for column, text in ((columns.VENDOR_ID, "CSH"), (columns.PAYMENT_TYPE, "CMT")):
        assert _marks(_cast([text], column).unmapped, 1) == [True]


def test_a_code_that_has_no_spellings_is_a_number_like_any_other() -> None:
    done = _cast(["1", "JFK"], columns.RATE_CODE_ID)
    assert (_marks(done.uncastable, 2), done.unmapped) == ([False, True], None)


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (pa.float64(), [0.0, 1.0, None], ["N", "Y", None]),
        (pa.float32(), [0.0, 1.0, None], ["N", "Y", None]),
        (pa.int64(), [0, 1, None], ["N", "Y", None]),
        (pa.string(), ["0", "0.0", "1", "1.0", "N", "Y", " ", None, "", " 0 "],
         ["N", "N", "Y", "Y", "N", "Y", " ", None, "", "N"]),
        (pa.large_string(), ["0", "N"], ["N", "N"]),
        (pa.null(), [None, None], [None, None]),
    ],
    ids=str,
)  # fmt: skip
def test_store_and_forward_is_y_or_n_in_every_published_form(
    kind: pa.DataType, values: list[Any], expected: list[str | None]
) -> None:
    assert _good(values, columns.STORE_AND_FWD_FLAG, kind) == expected


def test_a_flag_in_no_published_form_is_kept_to_be_flagged() -> None:
    assert _good(["*", "y", "2"], columns.STORE_AND_FWD_FLAG) == ["*", "y", "2"]
    assert _good([2.0], columns.STORE_AND_FWD_FLAG, pa.float64()) == ["2"]


def test_only_flags_with_spellings_are_spelled() -> None:
    texts = ["0", "1", " n", "Y"]
    assert _good(texts, columns.ACCESS_A_RIDE_FLAG) == texts
    assert _good(texts, columns.REQUEST_SOURCE) == texts


def test_codes_as_text_are_read_alike_by_a_list_of_any_names() -> None:
    """The mechanism is the list's, not that of two columns."""
    colours = CodeList("colour", {1: "Red", 2: "Blue"}, "made up", {"rouge": 1, " BLEU": 2})
    column = columns.TRIP_TYPE.spelled("colour")
    made_up = Column(column.name, column.type, column.meaning, codes=colours)
    assert _good(["Rouge", "bleu", "2", None], made_up) == [1, 2, 2, None]
    assert codes.TRIP_TYPE.spellings == {}


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (None, None, None),
        ([True, False], None, [True, False]),
        (None, [True, False], [True, False]),
        ([True, False, False], [False, False, True], [True, False, True]),
    ],
)
def test_either_is_the_union(
    left: list[bool] | None, right: list[bool] | None, expected: list[bool] | None
) -> None:
    made = either(
        None if left is None else pa.array(left), None if right is None else pa.array(right)
    )
    assert (None if made is None else made.to_pylist()) == expected


_BAD = "bad"
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
    """What Python makes of a text; ``_BAD`` where it is no such number."""
    if text is None or not text.strip():
        return None
    if not _NUMBER.fullmatch(text.strip()):
        return _BAD
    number = float(text)
    if column is columns.FARE_AMOUNT:
        return number
    bits = (pa.types.is_int16(arrow_type(column)) and 15) or 31
    whole = number.is_integer() and -(2**bits) <= number < 2**bits
    return int(Decimal(number)) if whole else _BAD


def _python_time(text: str | None) -> Any:
    if text is None or not text.strip():
        return None
    form = "%Y-%m-%d %H:%M:%S.%f" if "." in text else "%Y-%m-%d %H:%M:%S"
    try:
        return datetime.strptime(text.strip(), form)  # noqa: DTZ007 - wall clock, as published
    except ValueError:
        return _BAD


def _check(texts: list[str | None], column: Column, python: list[Any], cuts: list[int]) -> None:
    expected = [None if value == _BAD else value for value in python]
    marks = [value == _BAD for value in python]
    whole = _cast(texts, column)
    assert whole.values.to_pylist() == expected
    assert _marks(_all_marks(whole), len(texts)) == marks
    array = pa.array(texts, pa.string())
    borders = [0, *sorted(min(cut, len(texts)) for cut in cuts), len(texts)]
    parts = [cast(array.slice(first, last - first), column) for first, last in pairwise(borders)]
    assert [value for part in parts for value in part.values.to_pylist()] == expected
    found = [mark for part in parts for mark in _marks(_all_marks(part), len(part.values))]
    assert found == marks


def _all_marks(done: Cast) -> pa.Array | None:
    return either(done.uncastable, done.unmapped)


_CUTS = st.lists(st.integers(0, 12), max_size=4)


@pytest.mark.parametrize(
    "column",
    [columns.PASSENGER_COUNT, columns.TRIP_TIME, columns.FARE_AMOUNT],
    ids=lambda column: column.name,
)
@given(texts=_padded(_NUMERALS), cuts=_CUTS)
def test_numbers_in_text_are_what_python_reads_wherever_batches_end(
    column: Column, texts: list[str | None], cuts: list[int]
) -> None:
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
def test_datetimes_in_text_are_what_python_reads_wherever_batches_end(
    texts: list[str | None], cuts: list[int]
) -> None:
    _check(texts, columns.PICKUP_DATETIME, [_python_time(text) for text in texts], cuts)


_CODED = {spelling.upper(): code for column, code, spelling in _SPELLED
          if column is columns.PAYMENT_TYPE}  # fmt: skip
_PAYMENTS = (
    st.sampled_from([*_CODED, *map(str.lower, _CODED), *map(str.title, _CODED)])
    | st.sampled_from(["1", "2.0", "1.5", "abc", "", "nan", "70000"])
    | st.text("CASHNO ", max_size=4)
)


@given(texts=_padded(_PAYMENTS), cuts=_CUTS)
def test_codes_in_text_are_spelled_or_numbers_wherever_batches_end(
    texts: list[str | None], cuts: list[int]
) -> None:
    python = [
        _CODED.get(text.strip().upper(), _python_number(text, columns.PAYMENT_TYPE))
        if text
        else None
        for text in texts
    ]
    _check(texts, columns.PAYMENT_TYPE, python, cuts)
