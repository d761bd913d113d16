"""Published values → canonical values, without loss: what cannot be cast is null and marked."""

from dataclasses import dataclass
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from nyc_tlc.core.contract.model import CodeList, Column
from nyc_tlc.core.contract.schemas import arrow_type
from nyc_tlc.core.rows.datetimes import END_SECOND, FIRST_SECOND, MICROSECONDS, within_calendar

Mask: TypeAlias = pa.BooleanArray

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_DATETIME = r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:[0-5]\d(\.\d{1,6})?$"
"""Arrow alone reads more (dates without time, hexadecimal), polars cuts nanoseconds off."""


@dataclass(frozen=True)
class Cast:
    """A column's canonical values; a value that is marked is null in them.

    Attributes:
        uncastable: Per row, whether the value could not be cast; None when every value could.
        unmapped: Per row, whether a text is no known spelling of a code; None when all are.
    """

    values: pa.Array
    uncastable: Mask | None = None
    unmapped: Mask | None = None


def cast(array: pa.Array, column: Column) -> Cast:
    """One published column, text in a file that gives numbers as text, as its canonical one.

    Blank text is a missing number, code or datetime.
    """
    target = arrow_type(column)
    if pt.is_null(array.type):
        return Cast(array.cast(target))
    if not (pt.is_string(array.type) or pt.is_large_string(array.type)):
        return _cast_number(array, column)
    text = _valid_text(array)
    if pt.is_string(target):
        return _cast_to_text(text, column)
    trimmed = _trimmed(text.values)
    if column.codes is not None and column.codes.spellings:
        return _both(text, _cast_code(trimmed, column.codes, target))
    return _both(text, _parse(trimmed, target))


def _cast_number(array: pa.Array, column: Column) -> Cast:
    target = arrow_type(column)
    if pt.is_string(target):
        # Yellow 2009 has store_and_forward as a number, and NaN is how pandas says null.
        number = pc.if_else(pc.is_nan(array), None, array)
        return _cast_to_text(Cast(number.cast(pa.string())), column)
    try:
        values = array.cast(target)
    except pa.ArrowInvalid:
        return _cast_what_can_be(array, target)
    return _within_calendar(values) if pt.is_timestamp(target) else Cast(values)


def _cast_what_can_be(array: pa.Array, target: pa.DataType) -> Cast:
    """The rare slow path: some value is fractional, out of range, NaN or finer than a microsecond.

    Comparing the round trip finds which.
    """
    values = array.cast(target, safe=False)
    same = pc.equal(values.cast(array.type, safe=False), array)
    if pt.is_unsigned_integer(array.type):  # 40000 wraps to -25536, and back
        same = pc.and_(same, pc.greater_equal(values, 0))
    return _keep(values, pc.fill_null(same, fill_value=True))


def _within_calendar(times: pa.Array) -> Cast:
    if within_calendar(times):
        return Cast(times)
    microseconds = times.cast(pa.int64())
    inside = pc.and_(
        pc.greater_equal(microseconds, FIRST_SECOND * MICROSECONDS),
        pc.less(microseconds, END_SECOND * MICROSECONDS),
    )
    return _keep(times, pc.fill_null(inside, fill_value=True))


def _valid_text(array: pa.Array) -> Cast:
    """Text that every store can hold: valid UTF-8 without NUL, which Postgres refuses."""
    octets = array.cast(pa.large_binary())
    try:
        # From bytes, because only that cast looks at them.
        text = octets.cast(pa.string())
    except pa.ArrowInvalid:
        decoded = [value if value is None else _decoded(value) for value in octets.to_pylist()]
        return _keep(
            pa.array(decoded, pa.string()),
            pa.array([was is None or now is not None
                      for was, now in zip(octets.to_pylist(), decoded, strict=True)]),
        )  # fmt: skip
    nul = pc.match_substring(text, "\0")
    if not pc.any(nul).as_py():
        return Cast(text)
    return _keep(text, pc.fill_null(pc.invert(nul), fill_value=True))


def _decoded(value: bytes) -> str | None:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _cast_to_text(text: Cast, column: Column) -> Cast:
    """Text that stays text: licence numbers in one form, flags in one spelling."""
    if column.is_base_number:
        return Cast(pc.ascii_upper(_trimmed(text.values)), text.uncastable)
    if column.codes is None or not column.codes.spellings:
        return text
    spelled = _spelled(text.values, column.codes, pa.string())
    return Cast(pc.coalesce(spelled, text.values), text.uncastable)


def _cast_code(text: pa.Array, codes: CodeList, target: pa.DataType) -> Cast:
    spelled = _spelled(text, codes, target)
    rest = pc.if_else(pc.is_valid(spelled), None, text)
    if rest.null_count == len(rest):
        return Cast(spelled)
    parsed = _parse(rest, target)
    return Cast(pc.coalesce(spelled, parsed.values), unmapped=parsed.uncastable)


def _spelled(text: pa.Array, codes: CodeList, target: pa.DataType) -> pa.Array:
    """The codes of the texts that are a known spelling of one; null for the others."""
    spellings = codes.by_folded_spelling
    folded = pc.utf8_upper(pc.ascii_trim_whitespace(text))
    at = pc.index_in(folded, pa.array(spellings.keys(), pa.string()))
    return pa.array(spellings.values(), target).take(at)


def _trimmed(text: pa.Array) -> pa.Array:
    trimmed = pc.ascii_trim_whitespace(text)
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed)


def _parse(text: pa.Array, target: pa.DataType) -> Cast:
    if pt.is_timestamp(target):
        return _parse_time(text, target)
    try:
        numbers = text.cast(target)
    except pa.ArrowInvalid:
        # An integer as a decimal ("1.0"), one too large, or no number at all.
        return _parse_number(text, target)
    is_odd = (
        pc.any(pc.invert(pc.is_finite(numbers)))  # nan, inf and 1e400
        if pt.is_floating(target)
        else pc.any(pc.match_substring(text, "x", ignore_case=True))  # 0x10
    )
    return _parse_number(text, target) if is_odd.as_py() else Cast(numbers)


def _parse_number(text: pa.Array, target: pa.DataType) -> Cast:
    numbers = _matching(text, _NUMBER)
    parsed = numbers.values.cast(pa.float64())
    finite = _keep(parsed, pc.fill_null(pc.is_finite(parsed), fill_value=True))
    return _both(_both(numbers, finite), _cast_what_can_be(finite.values, target))


def _parse_time(text: pa.Array, target: pa.DataType) -> Cast:
    """Datetimes of the form ``2009-01-04 02:52:00``, with or without a fraction of a second."""
    formed = _matching(text, _DATETIME)
    try:
        parsed = formed.values.cast(target)
    except pa.ArrowInvalid:  # 2009-02-30
        return _both(formed, _parse_dates(formed.values, target))
    return _both(formed, _within_calendar(parsed))


def _parse_dates(text: pa.Array, target: pa.DataType) -> Cast:
    import polars as pl  # late: only for a file with a date that is none

    strings = pl.Series(pl.from_arrow(text))
    times = strings.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False)
    parsed = times.to_arrow().cast(target)
    kept = _keep(parsed, pc.or_(pc.is_valid(parsed), pc.is_null(text)))
    return _both(kept, _within_calendar(parsed))


def _matching(text: pa.Array, pattern: str) -> Cast:
    matches = pc.fill_null(pc.match_substring_regex(text, pattern), fill_value=True)
    return Cast(text) if pc.all(matches).as_py() else _keep(text, matches)


def _both(first: Cast, then: Cast) -> Cast:
    """The second cast's values, with what either of the two marked."""
    return Cast(then.values, either(first.uncastable, then.uncastable), then.unmapped)


def either(left: Mask | None, right: Mask | None) -> Mask | None:
    """The union of two marks, where None marks nothing."""
    if left is None or right is None:
        return right if left is None else left
    return pc.or_(left, right)


def _keep(values: pa.Array, kept: Mask) -> Cast:
    return Cast(pc.if_else(kept, values, None), pc.invert(kept))
