"""Which rows are set aside and why, and what is said of the others."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.schemas import quarantine_arrow_schema
from nyc_tlc.core.contract.service import GREEN, SERVICES, YELLOW
from nyc_tlc.core.contract.source_format import IRREGULAR_ROW, SourceFormat
from nyc_tlc.core.month import Month
from nyc_tlc.core.rows.conform import ConformedBatch
from nyc_tlc.core.rows.judge import _PAIR_KEY, Judge, Judged, Neighbourhood, neighbourhoods
from nyc_tlc.core.rows.rules import FLAGS, REASONS, UNREADABLE, rows_by_flag
from nyc_tlc.steps.conform import _quarantined
from tests.partitions import named
from tests.unit.rows.batches import conformed, judged, published

PARQUET, CSV = SourceFormat.PARQUET, SourceFormat.CSV
YELLOW_2024 = named("yellow 2024-01")
EVERY = [Partition(service, Month(2024, 1)) for service in SERVICES.values()]
CSV_MONTHS = [*map(named, (
    "yellow 2009-06", "yellow 2014-06", "yellow 2019-06", "green 2013-08", "green 2020-12",
    "fhv 2018-06", "fhvhv 2019-06",
))]  # fmt: skip
of_every_service = pytest.mark.parametrize("service", SERVICES.values(), ids=str)
START, END = YELLOW_2024.month.start, YELLOW_2024.month.end
NOON = START + timedelta(days=14, hours=12)
INSTANT = timedelta(microseconds=1)
MINUTES = timedelta(minutes=10)
DAYS_31 = timedelta(days=31)
DAY = timedelta(hours=24)

_NEEDS = {rule.code: {*rule.needs} for rule in (*REASONS, *FLAGS)}
_NEEDS["refund_pair"] |= {*_PAIR_KEY}


def _trip(pickup: datetime, lasted: timedelta = MINUTES) -> dict[str, Any]:
    return {"pickup_datetime": pickup, "dropoff_datetime": pickup + lasted}


def _has(partition: Partition, names: Iterable[str], source_format: SourceFormat = PARQUET) -> bool:
    """Whether a month's file has all of these canonical columns."""
    contract = partition.service.contract
    vintage = contract.vintage_of(partition.month, source_format)
    return {*names} <= {contract.by_spelling[name].name for name in vintage.published}


def _flags_of(judged: Judged) -> list[set[str]]:
    """Per accepted row, the codes of its flags."""
    return [
        {rule.code for bit, rule in enumerate(FLAGS) if bits >> bit & 1}
        for bits in judged.accepted.column("quality_flags").to_pylist()
    ]


def _one(partition: Partition, row: dict[str, Any], form: SourceFormat = PARQUET) -> Judged:
    """One trip; its passengers and zones come as doubles, as they did in fhv until 2023-01."""
    doubles = ("passenger_count", "pu_location_id", "do_location_id")
    types = dict.fromkeys(doubles, pa.float64())
    columns = {name: [value] for name, value in row.items()}
    return judged(partition, types=types if form is PARQUET else {}, source_format=form, **columns)


_OF_2024 = [
    ("pickup_missing", "pickup_datetime", None, NOON),
    ("pickup_outside_window", "pickup_datetime", START - DAYS_31 - INSTANT, START - DAYS_31),
    ("pickup_outside_window", "pickup_datetime", END + DAYS_31, END + DAYS_31 - INSTANT),
    ("dropoff_implausible", "dropoff_datetime", START - DAYS_31 - INSTANT, START - DAYS_31),
    ("dropoff_implausible", "dropoff_datetime", END + DAYS_31, END + DAYS_31 - INSTANT),
    # fhv 2019-02 has such a drop-off.
    ("dropoff_implausible", "dropoff_datetime", START.replace(year=3019), None),
    ("value_uncastable", "passenger_count", 1.5, 2.0),
    ("value_uncastable", "passenger_count", 32768.0, 32767.0),
    ("value_uncastable", "passenger_count", float("nan"), None),
    ("value_uncastable", "pu_location_id", 1.5, 2.0),
    ("value_uncastable", "do_location_id", 65_537.0, None),
    ("value_uncastable", "trip_time", 2**31, 2**31 - 1),
    ("value_uncastable", "dispatching_base_num", "b\0", "b "),
    ("location_out_of_range", "pu_location_id", 0, 1),
    ("location_out_of_range", "pu_location_id", 266, 265),
    ("location_out_of_range", "pu_location_id", -1, None),
    ("location_out_of_range", "do_location_id", 0, 1),
    ("location_out_of_range", "do_location_id", 266, 265),
]
_OF_CSV = [
    ("row_irregular", "irregular", "1,2", None),
    ("row_irregular", "irregular", "", None),
    ("code_unmapped", "vendor_id", "XYZ", "CMT"),
    ("code_unmapped", "vendor_id", "1.5", "1.0"),
    ("code_unmapped", "payment_type", "Barter", "Dispute"),
    ("code_unmapped", "payment_type", "70000", " "),
    ("value_uncastable", "passenger_count", "two", ""),
    ("value_uncastable", "rate_code_id", "JFK", " 2"),
    ("value_uncastable", "sr_flag", "Y", "1"),
    ("value_uncastable", "dropoff_datetime", "2009-02-30 00:00:00", ""),
    ("value_uncastable", "trip_distance", "nan", ".50"),
    ("value_uncastable", "pickup_longitude", "W", "-73.97"),
    ("value_uncastable", "store_and_fwd_flag", "N\0", "N"),
    ("dropoff_implausible", "dropoff_datetime", "3019-02-03 17:30:00", ""),
    ("location_out_of_range", "pu_location_id", "0", "265"),
    ("location_out_of_range", "do_location_id", "266", ""),
]


@pytest.mark.parametrize(
    ("code", "name", "spoiled", "sound", "partition", "form"),
    [
        pytest.param(*case, partition, form, id=f"{partition}-{form}-{case[0]}-{i}")
        for form, partitions, cases in ((PARQUET, EVERY, _OF_2024), (CSV, CSV_MONTHS, _OF_CSV))
        for partition in partitions
        for i, case in enumerate(cases)
        if _has(partition, {case[1], *_NEEDS[case[0]]} - {"irregular"}, form)
    ],
)
def test_a_row_that_has_a_reason_is_set_aside_and_one_that_just_has_not_is_kept(
    code, name, spoiled, sound, partition, form
):
    aside = _one(partition, {name: spoiled}, form)
    assert (aside.reasons.to_pylist(), aside.accepted.num_rows) == ([code], 0)
    kept = _one(partition, {name: sound}, form)
    assert (kept.reasons.to_pylist(), kept.accepted.num_rows) == ([], 1)


def test_of_two_locations_one_alone_may_be_missing_and_flags_of_a_row_set_aside_are_not_counted():
    row = {"do_location_id": 0, "pu_location_id": None, "trip_distance": 0.0}
    verdict = _one(YELLOW_2024, row)
    assert verdict.reasons.to_pylist() == ["location_out_of_range"]
    assert not verdict.flags.any()


_NO_DETAILS = {"passenger_count": None, "rate_code_id": None, "store_and_fwd_flag": None}
_FLAGGED: dict[str, list[dict[str, Any]]] = {
    "": [
        _trip(START), _trip(END - INSTANT), _trip(NOON, INSTANT), _trip(NOON, DAY),
        {"trip_distance": 0.01}, {"trip_distance": -0.01}, {"trip_distance": 100.0},
        {"passenger_count": 1.0}, {"fare_amount": 0.0}, {"total_amount": 0.0},
        {"tip_amount": -1.0}, {"base_passenger_fare": -10.0, "driver_pay": -1.0},
        {"store_and_fwd_flag": "1.0"}, {"dispatching_base_num": "not a base"},
        {"pu_location_id": 263}, {"do_location_id": 263},
        _NO_DETAILS | {"store_and_fwd_flag": "N"}, _NO_DETAILS | {"rate_code_id": 1},
        _NO_DETAILS | {"passenger_count": 1.0},
    ],
    "pickup_outside_month": [_trip(START - INSTANT), _trip(END)],
    "dropoff_before_pickup": [_trip(NOON, -INSTANT)],
    "zero_duration": [_trip(NOON, timedelta(0))],
    "over_24_hours": [_trip(NOON, DAY + INSTANT)],
    "zero_distance": [{"trip_distance": 0.0}, {"trip_distance": -0.0}],
    "over_100_miles": [{"trip_distance": 100.01}],
    "zero_passengers": [{"passenger_count": 0.0}],
    "negative_amount": [{"fare_amount": -0.01}, {"fare_amount": None, "total_amount": -0.01}],
    "unknown_code": [
        {"vendor_id": 4}, {"rate_code_id": 7}, {"vendor_id": None, "payment_type": 7},
        {"store_and_fwd_flag": "y"}, {"store_and_fwd_flag": ""}, {"trip_type": 3}, {"sr_flag": 0},
        {"hvfhs_license_num": "HV0001"}, {"hvfhs_license_num": "hv0003"},
        {"hvfhs_license_num": "HV0003 "}, {"access_a_ride_flag": ""}, {"wav_match_flag": "y"},
    ],
    "unknown_location": [
        {"pu_location_id": 264}, {"pu_location_id": 265},
        {"do_location_id": 264, "pu_location_id": None},
    ],
    "details_missing": [_NO_DETAILS],
    "pickup_outside_month zero_duration zero_distance zero_passengers negative_amount unknown_code "
    "unknown_location": [
        _trip(START - INSTANT, timedelta(0))
        | {"trip_distance": 0.0, "passenger_count": 0.0, "fare_amount": -1.0}
        | {"vendor_id": 5, "do_location_id": 265},
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("row", "expected", "partition"),
    [
        pytest.param(row, {*flags.split()}, partition, id=f"{partition}-{flags or 'none'}-{i}")
        for partition in EVERY
        for flags, rows in _FLAGGED.items()
        for i, row in enumerate(rows)
        if _has(partition, {*row}.union(*(_NEEDS[code] for code in flags.split())))
    ],
)
def test_a_row_has_exactly_the_flags_that_hold(row, expected, partition):
    verdict = _one(partition, row)
    assert _flags_of(verdict) == [expected]
    assert {rule.code for rule, rows in zip(FLAGS, verdict.flags, strict=True) if rows} == expected


@of_every_service
def test_every_published_code_is_known(service):
    for column in service.contract.columns:
        if column.codes is not None:
            codes = list(column.codes.meanings)
            verdict = judged(Partition(service, Month(2024, 1)), **{column.name: codes})
            assert _flags_of(verdict) == [set()] * len(codes), column.name


_OF_METERS = {
    "zero_passengers", "negative_amount", "refund_pair", "details_missing", "outside_zones",
}  # fmt: skip
_NOT_APPLICABLE: dict[str, set[str]] = {
    "yellow": set(),
    "green": set(),
    "fhv": {*_OF_METERS, "zero_distance", "over_100_miles"},
    "fhvhv": _OF_METERS,
}


@of_every_service
def test_which_rules_do_not_apply_to_a_service(service):
    """Spelled out once: the cases above follow what the rules themselves say that they need."""
    names = service.contract.by_name.keys()
    lacking = {code for code, needs in _NEEDS.items() if not needs <= names}
    assert lacking == _NOT_APPLICABLE[service.name]
    # Where no code is published in words, no row can be code_unmapped.
    worded = {c.name for c in service.contract.columns if c.codes and c.codes.spellings}
    taxi = {"vendor_id", "payment_type", "store_and_fwd_flag"}
    assert worded == (taxi if service in (YELLOW, GREEN) else set())


@pytest.mark.parametrize("partition", EVERY, ids=str)
def test_ordinary_rows_have_neither_reason_nor_flag(partition):
    verdict = judged(partition)
    assert (verdict.accepted.num_rows, verdict.rejected.num_rows) == (6, 0)
    assert _flags_of(verdict) == [set()] * 6
    assert not verdict.flags.any()


@of_every_service
def test_a_null_is_neither_a_reason_nor_a_flag_but_for_missing_details(service):
    partition = Partition(service, Month(2026, 6))
    names = [c.name for c in service.contract.columns if c.published_as and not c.required]
    for name in names:
        assert _flags_of(judged(partition, **{name: [None]})) == [set()], name
    verdict = judged(partition, **{name: [None] for name in names})
    assert _flags_of(verdict) == [{"details_missing"} - _NOT_APPLICABLE[service.name]]


@pytest.mark.parametrize("first", [rule.code for rule in REASONS])
def test_the_first_reason_wins(first):
    """In a CSV of 2019 a row can have them all."""
    spoiled = {
        "row_irregular": ("irregular", "a line"),
        "value_uncastable": ("passenger_count", "1.5"),
        "code_unmapped": ("vendor_id", "XYZ"),
        "pickup_missing": ("pickup_datetime", ""),
        "pickup_outside_window": ("pickup_datetime", "2001-01-01 00:00:00"),
        "dropoff_implausible": ("dropoff_datetime", "3019-02-03 17:30:00"),
        "location_out_of_range": ("do_location_id", "0"),
    }
    codes = [rule.code for rule in REASONS]
    row = dict(spoiled[code] for code in reversed(codes[codes.index(first) :]))
    verdict = _one(named("yellow 2019-06"), row, CSV)
    assert verdict.reasons.to_pylist() == [first]


def test_every_row_has_its_own_reason_and_its_published_fields_or_its_line():
    partition = named("green 2020-12")
    lines = [None, 'B02884,"2018-06-01', None, "a\tb\\xff,\u00e9", None, ""]
    values = {"pu_location_id": ["0", "1", "2", "3", "266", "5"]}
    verdict = judged(partition, source_format=CSV, irregular=lines, **values)
    outside, irregular = "location_out_of_range", "row_irregular"
    assert verdict.reasons.to_pylist() == [outside, irregular, irregular, outside, irregular]
    assert verdict.rejected_rows.to_pylist() == [0, 1, 3, 4, 5]
    assert verdict.rejected.column("source_row").to_pylist() == [0, 1, 3, 4, 5]
    assert verdict.accepted.column("source_row").to_pylist() == [2]
    batch = published(partition, source_format=CSV, **values)
    rows = _quarantined(
        batch.append_column(IRREGULAR_ROW, pa.array(lines, pa.string())),
        verdict,
        quarantine_arrow_schema(partition.service.contract),
    )
    fields = batch.to_pylist()
    assert list(map(json.loads, rows.column("published").to_pylist())) == [
        {IRREGULAR_ROW: line} if line is not None else fields[row]
        for row, line in enumerate(lines) if row != 2
    ]  # fmt: skip


_PLACES = [
    ((-73.97, 40.75, -73.96, 40.76), False),
    ((0.0, 0.0, -73.96, 40.76), True),
    ((-73.97, 40.75, 0.0, 0.0), True),
    ((-74.172, 40.735, -73.96, 40.76), True),
    ((40.75, -73.97, -73.96, 40.76), True),
    ((None, None, -73.96, 40.76), False),
    ((-73.97, 40.75, None, None), False),
    ((None, None, None, None), False),
    ((None, None, 1.0, 40.76), True),
]
"""Longitude and latitude of the pick-up and of the drop-off, and whether one is in no zone."""


@pytest.mark.parametrize(
    ("service", "month", "form"),
    [(YELLOW, "2010-06", PARQUET), (YELLOW, "2016-06", CSV), (GREEN, "2013-08", CSV)],
    ids=str,
)
def test_coordinates_in_no_zone_are_flagged_not_refused(service, month, form, polygons):
    names = ("pickup_longitude", "pickup_latitude", "dropoff_longitude", "dropoff_latitude")
    columns = dict(zip(names, zip(*(place for place, _ in _PLACES), strict=True), strict=True))
    partition = Partition(service, Month.parse(month))
    verdict = judged(partition, source_format=form, polygons=polygons, **columns)
    outside = ["outside_zones" in flags for flags in _flags_of(verdict)]
    assert outside == [is_outside for _, is_outside in _PLACES]


CHARGE = {
    **_trip(NOON), "vendor_id": 2, "pu_location_id": 74, "do_location_id": 75,
    "fare_amount": 10.0, "total_amount": 12.5,
}  # fmt: skip
REFUND = {**CHARGE, "fare_amount": -10.0, "total_amount": -12.5}


def _pairs(*rows: dict[str, Any], partition: Partition = YELLOW_2024) -> list[bool]:
    """Per row, whether it is one of a charge and its refund."""
    verdict = judged(partition, **{name: [row[name] for row in rows] for name in CHARGE})
    return ["refund_pair" in flags for flags in _flags_of(verdict)]


@pytest.mark.parametrize("partition", EVERY, ids=str)
def test_a_charge_beside_its_refund_is_a_pair_where_totals_are_published(partition):
    expected = [partition.service in (YELLOW, GREEN)] * 2
    assert _pairs(CHARGE, REFUND, partition=partition) == expected
    assert _pairs(REFUND, CHARGE, partition=partition) == expected


_DIFFERENT = [
    {"vendor_id": 1}, {"vendor_id": None},
    {"pickup_datetime": NOON + INSTANT}, {"dropoff_datetime": NOON + MINUTES + INSTANT},
    {"dropoff_datetime": None}, {"pu_location_id": 75}, {"pu_location_id": None},
    {"do_location_id": 74}, {"do_location_id": None},
]  # fmt: skip
_TOTALS = [(12.5, -12.49), (12.5, 12.5), (12.5, None), (None, None), (0.0, 0.0), (0.0, -0.0)]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        *(([CHARGE, REFUND | different], [False, False]) for different in _DIFFERENT),
        *(([CHARGE | different, REFUND], [False, False]) for different in _DIFFERENT),
        *(
            ([CHARGE | {"total_amount": one}, REFUND | {"total_amount": other}], [False, False])
            for one, other in _TOTALS
        ),
        # CSV files have no vendor where details are missing, and 2010 no zone at 0/0: what both
        # rows lack does not tell them apart.
        *(
            ([CHARGE | {name: None}, REFUND | {name: None}], [True, True])
            for name in _PAIR_KEY
            if name != "pickup_datetime"
        ),
        ([CHARGE, REFUND, CHARGE | {"vendor_id": None}], [True, True, False]),
        ([CHARGE, CHARGE | {"vendor_id": 1}, REFUND], [False, False, False]),
    ],
)
def test_only_neighbours_that_differ_in_the_sign_alone_are_a_pair(rows, expected):
    assert _pairs(*rows) == expected


def _in_batches(batch: pa.RecordBatch, borders: list[int]) -> Iterator[ConformedBatch]:
    for first, last in zip([0, *borders], [*borders, batch.num_rows], strict=True):
        yield conformed(YELLOW_2024, batch.slice(first, last - first), first)


@given(data=st.data(), totals=st.lists(st.sampled_from([10.0, -10.0, 0.0, None]), min_size=1))
def test_a_pair_across_the_border_of_batches_is_a_pair_like_any_other(data, totals):
    rows = len(totals)
    same = {name: [value] * rows for name, value in CHARGE.items()}
    vendors = data.draw(st.lists(st.sampled_from([1, 2]), min_size=rows, max_size=rows))
    batch = published(YELLOW_2024, **{**same, "total_amount": totals, "vendor_id": vendors})
    borders = data.draw(st.sets(st.integers(1, rows - 1))) if rows > 1 else set()
    judge = Judge(YELLOW_2024)
    whole = judge.judge(Neighbourhood(None, conformed(YELLOW_2024, batch), None))
    batches = neighbourhoods(_in_batches(batch, sorted(borders)))
    parts = [judge.judge(neighbourhood) for neighbourhood in batches]
    assert len(parts) == len(borders) + 1
    assert pa.Table.from_batches([part.accepted for part in parts]).equals(
        pa.Table.from_batches([whole.accepted])
    )
    assert sum(part.flags for part in parts).tolist() == whole.flags.tolist()
    pairs = [
        vendors[i] == vendors[i + 1] and {totals[i], totals[i + 1]} == {10.0, -10.0}
        for i in range(rows - 1)
    ]
    assert ["refund_pair" in flags for flags in _flags_of(whole)] == [
        before or after for before, after in zip([False, *pairs], [*pairs, False], strict=True)
    ]


def test_each_batch_stands_between_the_last_row_before_and_the_first_after():
    batch = published(YELLOW_2024, trip_distance=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])

    def distances(rows):
        return None if rows is None else rows.column("trip_distance").to_pylist()

    assert [
        (distances(one.before), distances(one.batch.trips), distances(one.after))
        for one in neighbourhoods(_in_batches(batch, [2, 4]))
    ] == [
        (None, [1.0, 2.0], [3.0]),
        ([2.0], [3.0, 4.0], [5.0]),
        ([4.0], [5.0, 6.0], None),
    ]
    assert list(neighbourhoods([])) == []


@pytest.mark.parametrize("microseconds", [-(2**63), -(2**63) + 1, 2**63 - 1])
@pytest.mark.parametrize("name", ["tpep_pickup_datetime", "tpep_dropoff_datetime"])
def test_one_datetime_at_the_end_of_the_numbers_does_not_stop_the_month(name, microseconds):
    """The least of them is NaT, if somebody writes it as it is."""
    batch = published(YELLOW_2024)
    times = batch.column(name).cast(pa.int64()).to_pylist()
    times[2] = microseconds
    spoilt = batch.set_column(
        batch.schema.get_field_index(name), name, pa.array(times, pa.int64()).cast("timestamp[us]")
    )
    verdict = Judge(YELLOW_2024).judge(Neighbourhood(None, conformed(YELLOW_2024, spoilt), None))
    assert verdict.rejected_rows.to_pylist() == [2]
    assert verdict.reasons.to_pylist() == ["value_uncastable"]


def test_a_long_batch_keeps_its_order():
    """The evaluator works on pieces of 32,768 rows."""
    rows = 150_000
    places = [0 if row % 1000 == 7 else 1 + row % 265 for row in range(rows)]
    constant = {name: [time] * rows for name, time in _trip(NOON).items()}
    verdict = judged(YELLOW_2024, pu_location_id=places, **constant)
    expected = [row for row in range(rows) if row % 1000 != 7]
    assert verdict.accepted.column("source_row").to_pylist() == expected
    assert verdict.accepted.column("pu_location_id").to_pylist() == [places[i] for i in expected]
    unknown = ["unknown_location" in flags for flags in _flags_of(verdict)]
    assert unknown == [places[row] >= 264 for row in expected]
    assert verdict.rejected_rows.to_pylist() == list(range(7, rows, 1000))


def test_the_meaning_of_a_stored_bit_and_the_precedence_of_reasons_are_frozen():
    """Append to the flags; a change before their end would change the meaning of stored months.

    What reading a row gives comes first: such a row lacks values that rules would miss.
    """
    assert " ".join(rule.code for rule in FLAGS) == (
        "pickup_outside_month dropoff_before_pickup zero_duration over_24_hours zero_distance "
        "over_100_miles zero_passengers negative_amount refund_pair unknown_code "
        "unknown_location details_missing outside_zones sample"
    )
    assert len(FLAGS) <= 31  # of a signed integer of 32 bits
    stored = {0: 5, 0b1: 2, 0b101: 3, 1 << 13: 4}
    assert rows_by_flag(stored) == {"pickup_outside_month": 5, "zero_duration": 3, "sample": 4}
    assert UNREADABLE == ("row_irregular", "value_uncastable", "code_unmapped")
    assert " ".join(rule.code for rule in REASONS) == (
        "row_irregular value_uncastable code_unmapped pickup_missing pickup_outside_window "
        "dropoff_implausible location_out_of_range"
    )
