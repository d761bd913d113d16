"""Which rows cannot be a trip of their partition (quarantine), and what is odd about the rest.

Both are data here; :mod:`nyc_tlc.core.rows.judge` evaluates them. A row gets the first reason that
holds, so that the counts by reason add up to the quarantined rows.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from operator import and_, or_
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from nyc_tlc.core.contract.model import Contract
from nyc_tlc.core.month import Month

Expression: TypeAlias = pc.Expression

WINDOW = timedelta(days=31)
"""How far from the file's month a trip can be. Within a month or so it is a late delivery (green
2022-02 has pick-ups of 10 January); beyond, a meter with a dead clock (2009-01-01)."""

ROW_IRREGULAR = "row_irregular"
VALUE_UNCASTABLE = "value_uncastable"
CODE_UNMAPPED = "code_unmapped"
UNREADABLE = (ROW_IRREGULAR, VALUE_UNCASTABLE, CODE_UNMAPPED)
"""Reasons that reading a row gives; the evaluator gets each as a column."""
REFUND_PAIR = "refund_pair"
SAMPLE = "sample"
"""Flags whose conditions the evaluator adds as columns: no single row can say them."""


@dataclass(frozen=True)
class Rule:
    """One thing that can be true of a row.

    Attributes:
        code: Stable name, as counted in manifests.
        sentence: What it means, for people.
        needs: Columns that the condition reads; the rule is skipped for services without them.
        condition: An expression, or what makes one of the month and the contract. Null counts as
            false.
    """

    code: str
    sentence: str
    needs: tuple[str, ...]
    condition: Expression | Callable[[Month, Contract], Expression]


_PICKUP = pc.field("pickup_datetime")
_DROPOFF = pc.field("dropoff_datetime")
_TIMES = ("pickup_datetime", "dropoff_datetime")
_DAY = pa.scalar(timedelta(hours=24), pa.duration("us"))
_DISTANCE = pc.field("trip_distance")
_LOCATIONS = ("pu_location_id", "do_location_id")
_DETAILS = ("passenger_count", "rate_code_id", "store_and_fwd_flag")


def _outside(field: Expression, month: Month, tolerance: timedelta) -> Expression:
    return (field < month.start - tolerance) | (field >= month.end + tolerance)


def _any(conditions: Iterable[Expression]) -> Expression:
    return reduce(or_, conditions)


def _unknown_code(_month: Month, contract: Contract) -> Expression:
    return _any(
        pc.field(column.name).is_valid() & ~pc.field(column.name).isin(list(column.codes.meanings))
        for column in contract.columns
        if column.codes is not None
    )


REASONS = (
    *(
        Rule(reason, sentence, (), pc.field(reason))
        for reason, sentence in (
            (ROW_IRREGULAR, "The line of the CSV has other fields than its header"),
            (VALUE_UNCASTABLE, "A value cannot take the contract's type without loss"),
            (CODE_UNMAPPED, "A code given as text is in no published list"),
        )
    ),
    Rule("pickup_missing", "The pick-up time is missing", _TIMES[:1], _PICKUP.is_null()),
    Rule(
        "pickup_outside_window",
        "The pick-up is more than 31 days outside the month of the file",
        _TIMES[:1],
        lambda month, _: _outside(_PICKUP, month, WINDOW),
    ),
    Rule(
        "dropoff_implausible",
        "The drop-off is more than 31 days outside the month of the file",
        _TIMES[1:],
        lambda month, _: _outside(_DROPOFF, month, WINDOW),
    ),
    Rule(
        "location_out_of_range",
        "A location id is outside 1..265",
        _LOCATIONS,
        _any((pc.field(x) < 1) | (pc.field(x) > 265) for x in _LOCATIONS),
    ),
)

FLAGS = (
    Rule(
        "pickup_outside_month",
        "Picked up outside the month of the file",
        _TIMES[:1],
        lambda month, _: _outside(_PICKUP, month, timedelta(0)),
    ),
    Rule("dropoff_before_pickup", "Dropped off before the pick-up", _TIMES, _DROPOFF < _PICKUP),
    Rule("zero_duration", "Lasted no time", _TIMES, _DROPOFF == _PICKUP),
    Rule(
        "over_24_hours",
        "Lasted more than 24 hours",
        _TIMES,
        # Unchecked: what is null may still have the datetime beyond the calendar that made it so,
        # and a checked subtraction looks there too and stops the month. Others cannot overflow.
        pc.subtract(_DROPOFF, _PICKUP) > _DAY,
    ),
    Rule("zero_distance", "Went no distance", ("trip_distance",), _DISTANCE == 0.0),
    Rule("over_100_miles", "Went more than 100 miles", ("trip_distance",), _DISTANCE > 100.0),
    Rule(
        "zero_passengers",
        "Carried no passenger, as entered",
        ("passenger_count",),
        pc.field("passenger_count") == 0,
    ),
    Rule(
        "negative_amount",
        "The fare or the total is negative",
        ("fare_amount", "total_amount"),
        (pc.field("fare_amount") < 0.0) | (pc.field("total_amount") < 0.0),
    ),
    Rule(
        REFUND_PAIR,
        "The row and its neighbour are a charge and its exact negative",
        ("total_amount",),
        pc.field(REFUND_PAIR),
    ),
    Rule("unknown_code", "A code is in no published list", (), _unknown_code),
    Rule(
        "unknown_location",
        "A location id is 264 (unknown) or 265 (outside the city)",
        _LOCATIONS,
        _any(pc.field(name) >= 264 for name in _LOCATIONS),
    ),
    Rule(
        "details_missing",
        "Passenger count, rate code and store-and-forward flag are all missing",
        _DETAILS,
        reduce(and_, (pc.field(name).is_null() for name in _DETAILS)),
    ),
    Rule(
        "outside_zones",
        "Published coordinates lie in no taxi zone",
        ("pickup_longitude", "dropoff_longitude"),
        (pc.field("pickup_longitude").is_valid() & pc.field("pu_location_id").is_null())
        | (pc.field("dropoff_longitude").is_valid() & pc.field("do_location_id").is_null()),
    ),
    Rule(SAMPLE, "Generated for a trial: no trip that TLC has published", (), pc.field(SAMPLE)),
)
"""Bit i of ``quality_flags`` is entry i. Append only: a stored bit keeps its meaning."""


def rows_by_flag(rows_by_bits: Mapping[int, int]) -> dict[str, int]:
    """How many rows carry each flag, from how many have each value of ``quality_flags``."""
    by_flag = {
        rule.code: sum(rows for bits, rows in rows_by_bits.items() if bits >> at & 1)
        for at, rule in enumerate(FLAGS)
    }
    return {code: rows for code, rows in by_flag.items() if rows}
