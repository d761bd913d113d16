"""Which rows cannot be a trip of their partition (quarantine), and what is odd about the rest.

Both are data here; :mod:`nyc_tlc.core.rows.judge` evaluates them. A row gets the first reason that
holds, so that the counts by reason add up to the quarantined rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from nyc_tlc.core.contract.model import Contract
from nyc_tlc.core.month import Month

Expression: TypeAlias = pc.Expression

WINDOW = timedelta(days=31)
"""How far from the file's month a trip can lie. Within a month or so it is a late delivery (green
2022-02 has pick-ups of 10 January); beyond, a meter with a dead clock (2009-01-01)."""

ROW_IRREGULAR = "row_irregular"
VALUE_UNCASTABLE = "value_uncastable"
CODE_UNMAPPED = "code_unmapped"
UNREADABLE = (ROW_IRREGULAR, VALUE_UNCASTABLE, CODE_UNMAPPED)
"""Reasons that reading a row gives, and columns by which the evaluator is told of them."""
REFUND_PAIR = "refund_pair"
"""A flag whose condition the evaluator adds as a column: no single row can say it."""


@dataclass(frozen=True)
class Rule:
    """One thing that can be true of a row.

    Attributes:
        code: Stable name, as counted in manifests.
        sentence: What it means, for people.
        needs: Columns that the expression reads; the rule is skipped for services without them.
        expression: Month and contract → the condition. Null counts as false.
    """

    code: str
    sentence: str
    needs: tuple[str, ...]
    expression: Callable[[Month, Contract], Expression]


_PICKUP = pc.field("pickup_datetime")
_DROPOFF = pc.field("dropoff_datetime")
_DAY = pa.scalar(timedelta(hours=24), pa.duration("us"))
_BOTH_TIMES = ("pickup_datetime", "dropoff_datetime")
_LOCATIONS = ("pu_location_id", "do_location_id")


def _outside(field: Expression, month: Month, tolerance: timedelta) -> Expression:
    return (field < month.start - tolerance) | (field >= month.end + tolerance)


def _any(conditions: Sequence[Expression]) -> Expression:
    return reduce(lambda left, right: left | right, conditions)


def _not_a_zone(field: Expression) -> Expression:
    return (field < pa.scalar(1, pa.int16())) | (field > pa.scalar(265, pa.int16()))


def _nowhere(prefix: str, place: str) -> Expression:
    return pc.field(f"{prefix}_longitude").is_valid() & pc.field(f"{place}_location_id").is_null()


def _unknown_code(_month: Month, contract: Contract) -> Expression:
    return _any(
        [
            pc.field(column.name).is_valid()
            & ~pc.field(column.name).isin(list(column.codes.meanings))
            for column in contract.columns
            if column.codes is not None
        ]
    )


def _reading(reason: str, sentence: str) -> Rule:
    return Rule(reason, sentence, (), lambda _m, _c: pc.field(reason))


REASONS = (
    _reading(ROW_IRREGULAR, "The line of the CSV has other fields than its header"),
    _reading(VALUE_UNCASTABLE, "A value cannot take the contract's type without loss"),
    _reading(CODE_UNMAPPED, "A code given as text is in no published list"),
    Rule(
        "pickup_missing",
        "The pick-up time is missing",
        ("pickup_datetime",),
        lambda _m, _c: _PICKUP.is_null(),
    ),
    Rule(
        "pickup_outside_window",
        "The pick-up is more than 31 days outside the month of the file",
        ("pickup_datetime",),
        lambda month, _c: _outside(_PICKUP, month, WINDOW),
    ),
    Rule(
        "dropoff_implausible",
        "The drop-off is more than 31 days outside the month of the file",
        ("dropoff_datetime",),
        lambda month, _c: _outside(_DROPOFF, month, WINDOW),
    ),
    Rule(
        "location_out_of_range",
        "A location id is outside 1..265",
        _LOCATIONS,
        lambda _m, _c: _any([_not_a_zone(pc.field(name)) for name in _LOCATIONS]),
    ),
)

FLAGS = (
    Rule(
        "pickup_outside_month",
        "Picked up outside the month of the file",
        ("pickup_datetime",),
        lambda month, _c: _outside(_PICKUP, month, timedelta(0)),
    ),
    Rule(
        "dropoff_before_pickup",
        "Dropped off before the pick-up",
        _BOTH_TIMES,
        lambda _m, _c: _DROPOFF < _PICKUP,
    ),
    Rule("zero_duration", "Lasted no time", _BOTH_TIMES, lambda _m, _c: _DROPOFF == _PICKUP),
    Rule(
        "over_24_hours",
        "Lasted more than 24 hours",
        _BOTH_TIMES,
        # Unchecked: what is null may still have the datetime beyond the calendar that made it so,
        # and a checked subtraction looks there too and stops the month. Others cannot overflow.
        lambda _m, _c: pc.subtract(_DROPOFF, _PICKUP) > _DAY,
    ),
    Rule(
        "zero_distance",
        "Went no distance",
        ("trip_distance",),
        lambda _m, _c: pc.field("trip_distance") == 0.0,
    ),
    Rule(
        "over_100_miles",
        "Went more than 100 miles",
        ("trip_distance",),
        lambda _m, _c: pc.field("trip_distance") > 100.0,
    ),
    Rule(
        "zero_passengers",
        "Carried no passenger, as entered",
        ("passenger_count",),
        lambda _m, _c: pc.field("passenger_count") == pa.scalar(0, pa.int16()),
    ),
    Rule(
        "negative_amount",
        "The fare or the total is negative",
        ("fare_amount", "total_amount"),
        lambda _m, _c: (pc.field("fare_amount") < 0.0) | (pc.field("total_amount") < 0.0),
    ),
    Rule(
        REFUND_PAIR,
        "The row and its neighbour are a charge and its exact negative",
        ("total_amount",),
        lambda _m, _c: pc.field(REFUND_PAIR),
    ),
    Rule("unknown_code", "A code is in no published list", (), _unknown_code),
    Rule(
        "unknown_location",
        "A location id is 264 (unknown) or 265 (outside the city)",
        _LOCATIONS,
        lambda _m, _c: _any([pc.field(name) >= pa.scalar(264, pa.int16()) for name in _LOCATIONS]),
    ),
    Rule(
        "details_missing",
        "Passenger count, rate code and store-and-forward flag are all missing",
        ("passenger_count", "rate_code_id", "store_and_fwd_flag"),
        lambda _m, _c: (
            pc.field("passenger_count").is_null()
            & pc.field("rate_code_id").is_null()
            & pc.field("store_and_fwd_flag").is_null()
        ),
    ),
    Rule(
        "outside_zones",
        "Published coordinates lie in no taxi zone",
        ("pickup_longitude", "dropoff_longitude"),
        lambda _m, _c: _any([_nowhere("pickup", "pu"), _nowhere("dropoff", "do")]),
    ),
)
"""Bit i of ``quality_flags`` is entry i. Append only: a stored bit keeps its meaning."""
