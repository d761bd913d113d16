"""Which month comes after which, and how it is written."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nyc_tlc.core.month import Month

MONTHS = st.builds(Month, st.integers(1000, 8000), st.integers(1, 12))
SHIFTS = st.integers(-11_000, 11_000)


@given(MONTHS)
def test_a_month_survives_being_written_and_read(month):
    assert Month.parse(str(month)) == month
    assert str(Month(987, 3)) == "0987-03"


@pytest.mark.parametrize(
    "text",
    ["", "2024", "2024-1", "2024-13", "2024-00", "24-01", "2024-01-01", " 2024-01", "2024-01\n",
     "2024/01", "2024-01:2024-02", "-2024-01"],
)  # fmt: skip
def test_other_forms_are_refused(text):
    with pytest.raises(ValueError, match="2024-01"):
        Month.parse(text)


@pytest.mark.parametrize("number", [0, 13, -1])
def test_there_are_twelve_months(number):
    with pytest.raises(ValueError, match=f"month {number} is not one of 1..12"):
        Month(2024, number)


def test_addition_crosses_the_year():
    assert Month(2023, 12) + 1 == Month(2024, 1)
    assert Month(2024, 1) - 1 == Month(2023, 12)
    assert Month(2024, 1) + 25 == Month(2026, 2)
    assert Month(2024, 11) - 24 == Month(2022, 11)


@given(MONTHS, SHIFTS, SHIFTS)
def test_additions_add_up_and_subtraction_undoes_them(month, first, second):
    assert month + first + second == month + (first + second)
    assert month + first - first == month


@given(MONTHS, st.integers(-400, 400))
def test_a_span_has_every_month_once_in_order_and_backwards_none(month, more):
    span = month.through(month + more)
    assert len(span) == max(more + 1, 0)
    assert span[:1] == ((month,) if more >= 0 else ())
    assert all(before + 1 == after for before, after in pairwise(span))


@given(MONTHS, MONTHS)
def test_months_are_ordered_as_their_texts_are(one, other):
    assert (one < other) == (str(one) < str(other))


@given(MONTHS)
def test_the_data_interval_is_half_open(month):
    assert month.end == (month + 1).start
    assert Month.of(month.start) == month
    assert Month.of(month.end - timedelta(microseconds=1)) == month
    assert Month.of(month.end) == month + 1


def test_the_interval_of_a_leap_february():
    assert Month(2024, 2).start == datetime(2024, 2, 1)  # noqa: DTZ001 - wall clock, as published
    assert (Month(2024, 2).end - Month(2024, 2).start).days == 29
    assert Month(2024, 2).start.tzinfo is None
