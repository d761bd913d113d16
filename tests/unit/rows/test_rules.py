"""Which rows are set aside and why, and what is said of the others."""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.schemas import arrow_schema, quarantine_arrow_schema
from nyc_tlc.core.contract.service import FHV, FHVHV, GREEN, SERVICES, YELLOW, Service
from nyc_tlc.core.contract.source_format import IRREGULAR_ROW, SourceFormat
from nyc_tlc.core.month import Month
from nyc_tlc.core.rows.conform import ConformedBatch
from nyc_tlc.core.rows.judge import _PAIR_KEY, Judge, Judged, Neighbourhood, neighbourhoods
from nyc_tlc.core.rows.rules import FLAGS, REASONS, UNREADABLE
from nyc_tlc.core.zones.polygons import ZonePolygons
from nyc_tlc.steps.conform import _quarantined

YELLOW_2024 = Partition(YELLOW, Month(2024, 1))
GREEN_2024 = Partition(GREEN, Month(2024, 1))
FHV_2024 = Partition(FHV, Month(2024, 1))
FHVHV_2024 = Partition(FHVHV, Month(2024, 1))
EVERY = [YELLOW_2024, GREEN_2024, FHV_2024, FHVHV_2024]
CSV = SourceFormat.CSV
CSV_MONTHS = [
    Partition(YELLOW, Month(2009, 6)),
    Partition(YELLOW, Month(2014, 6)),
    Partition(YELLOW, Month(2019, 6)),
    Partition(GREEN, Month(2013, 8)),
    Partition(GREEN, Month(2020, 12)),
    Partition(FHV, Month(2018, 6)),
    Partition(FHVHV, Month(2019, 6)),
]
YELLOW_2010 = Partition(YELLOW, Month(2010, 6))
START, END = YELLOW_2024.month.start, YELLOW_2024.month.end
NOON = START + timedelta(days=14, hours=12)
INSTANT = timedelta(microseconds=1)
MINUTES = timedelta(minutes=10)
DAYS_31 = timedelta(days=31)
DAY = timedelta(hours=24)

Judging = Callable[..., Judged]
Conforming = Callable[..., ConformedBatch]
Published = Callable[..., pa.RecordBatch]


def _trip(pickup: datetime | None, lasted: timedelta = MINUTES) -> dict[str, Any]:
    return {"pickup_datetime": pickup, "dropoff_datetime": (pickup or NOON) + lasted}


_NEEDS = {rule.code: set(rule.needs) for rule in (*REASONS, *FLAGS)}
_NEEDS["refund_pair"] |= set(_PAIR_KEY)


def _columns(partition: Partition, source_format: SourceFormat) -> set[str]:
    """Canonical columns that a month's file has."""
    contract = partition.service.contract
    vintage = contract.vintage_of(partition.month, source_format)
    return {contract.by_spelling[name].name for name in vintage.published}


def _apply(
    codes: set[str],
    names: Iterable[str],
    partition: Partition,
    source_format: SourceFormat = SourceFormat.PARQUET,
) -> bool:
    """Whether a file has the columns that a case sets and those that its rules need."""
    needs = set[str]().union(*(_NEEDS[code] for code in codes))
    return {*names, *needs} <= _columns(partition, source_format)


def _is_possible(code: str, service: Service) -> bool:
    """Whether a service has the columns that a rule needs, in some month."""
    return _NEEDS[code] <= service.contract.by_name.keys()


def _flags_of(judged: Judged) -> list[set[str]]:
    """Per accepted row, the codes of its flags."""
    return [
        {rule.code for bit, rule in enumerate(FLAGS) if bits >> bit & 1}
        for bits in judged.accepted.column("quality_flags").to_pylist()
    ]


def _one(judged: Callable[..., Judged], partition: Partition, row: dict[str, Any]) -> Judged:
    """One trip; its passengers and zones come as doubles, as they did in fhv until 2023-01."""
    doubles = ("passenger_count", "pu_location_id", "do_location_id")
    types = {**dict.fromkeys(doubles, pa.float64()), "pickup_datetime": pa.timestamp("us")}
    return judged(partition, types=types, **{name: [value] for name, value in row.items()})


REASON_CASES = [
    ("pickup_missing", {"pickup_datetime": None}, {"pickup_datetime": NOON}),
    (
        "pickup_outside_window",
        {"pickup_datetime": START - DAYS_31 - INSTANT},
        {"pickup_datetime": START - DAYS_31},
    ),
    (
        "pickup_outside_window",
        {"pickup_datetime": END + DAYS_31},
        {"pickup_datetime": END + DAYS_31 - INSTANT},
    ),
    (
        "pickup_outside_window",
        {"pickup_datetime": datetime(2009, 1, 1, 0, 30)},  # noqa: DTZ001 - as published
        {"pickup_datetime": datetime(2023, 12, 10)},  # noqa: DTZ001 - as published
    ),
    (
        "dropoff_implausible",
        {"dropoff_datetime": START - DAYS_31 - INSTANT},
        {"dropoff_datetime": START - DAYS_31},
    ),
    (
        "dropoff_implausible",
        {"dropoff_datetime": END + DAYS_31},
        {"dropoff_datetime": END + DAYS_31 - INSTANT},
    ),
    (
        "dropoff_implausible",
        {"dropoff_datetime": datetime(3019, 2, 3, 17, 30)},  # noqa: DTZ001 - fhv 2019-02 has it
        {"dropoff_datetime": None},
    ),
    ("value_uncastable", {"passenger_count": 1.5}, {"passenger_count": 2.0}),
    ("value_uncastable", {"passenger_count": 32768.0}, {"passenger_count": 32767.0}),
    ("value_uncastable", {"passenger_count": float("nan")}, {"passenger_count": None}),
    ("value_uncastable", {"pu_location_id": 1.5}, {"pu_location_id": 2.0}),
    ("value_uncastable", {"do_location_id": 65_537.0}, {"do_location_id": None}),
    ("value_uncastable", {"trip_time": 2**31}, {"trip_time": 2**31 - 1}),
    ("value_uncastable", {"dispatching_base_num": "b\0"}, {"dispatching_base_num": "b "}),
    ("location_out_of_range", {"pu_location_id": 0}, {"pu_location_id": 1}),
    ("location_out_of_range", {"pu_location_id": 266}, {"pu_location_id": 265}),
    ("location_out_of_range", {"pu_location_id": -1}, {"pu_location_id": None}),
    ("location_out_of_range", {"do_location_id": 0}, {"do_location_id": 1}),
    ("location_out_of_range", {"do_location_id": 266}, {"do_location_id": 265}),
    (
        "location_out_of_range",
        {"do_location_id": 0, "pu_location_id": None},
        {"do_location_id": None, "pu_location_id": None},
    ),
]


@pytest.mark.parametrize(
    ("code", "spoiled", "neighbour", "partition"),
    [
        pytest.param(code, spoiled, neighbour, partition, id=f"{partition}-{code}-{i}")
        for partition in EVERY
        for i, (code, spoiled, neighbour) in enumerate(REASON_CASES)
        if _apply({code}, [*spoiled, *neighbour], partition)
    ],
)
def test_a_row_that_has_a_reason_is_set_aside_and_one_that_just_has_not_is_kept(
    code: str,
    spoiled: dict[str, Any],
    neighbour: dict[str, Any],
    partition: Partition,
    judged: Judging,
) -> None:
    aside = _one(judged, partition, spoiled)
    assert (aside.reasons.to_pylist(), aside.accepted.num_rows) == ([code], 0)
    kept = _one(judged, partition, neighbour)
    assert (kept.reasons.to_pylist(), kept.accepted.num_rows) == ([], 1)


FLAG_CASES = [
    (_trip(START - INSTANT), {"pickup_outside_month"}),
    (_trip(START), set()),
    (_trip(END), {"pickup_outside_month"}),
    (_trip(END - INSTANT), set()),
    (_trip(NOON, -INSTANT), {"dropoff_before_pickup"}),
    (_trip(NOON, timedelta(0)), {"zero_duration"}),
    (_trip(NOON, INSTANT), set()),
    (_trip(NOON, DAY), set()),
    (_trip(NOON, DAY + INSTANT), {"over_24_hours"}),
    ({"trip_distance": 0.0}, {"zero_distance"}),
    ({"trip_distance": -0.0}, {"zero_distance"}),
    ({"trip_distance": 0.01}, set()),
    ({"trip_distance": -0.01}, set()),
    ({"trip_distance": 100.0}, set()),
    ({"trip_distance": 100.01}, {"over_100_miles"}),
    ({"trip_distance": 398_608.0}, {"over_100_miles"}),
    ({"passenger_count": 0.0}, {"zero_passengers"}),
    ({"passenger_count": 1.0}, set()),
    ({"fare_amount": -0.01}, {"negative_amount"}),
    ({"fare_amount": 0.0}, set()),
    ({"total_amount": -0.01}, {"negative_amount"}),
    ({"total_amount": 0.0}, set()),
    ({"tip_amount": -1.0}, set()),
    ({"fare_amount": None, "total_amount": -0.01}, {"negative_amount"}),
    ({"vendor_id": 4}, {"unknown_code"}),
    ({"vendor_id": 5}, {"unknown_code"}),
    ({"vendor_id": 3}, set()),  # Digital Dispatch, until 2010
    ({"vendor_id": 7}, set()),
    ({"rate_code_id": 7}, {"unknown_code"}),
    ({"rate_code_id": 99}, set()),
    ({"payment_type": 7}, {"unknown_code"}),
    ({"payment_type": 0}, set()),
    ({"store_and_fwd_flag": "y"}, {"unknown_code"}),
    ({"store_and_fwd_flag": ""}, {"unknown_code"}),
    ({"store_and_fwd_flag": "Y"}, set()),
    ({"vendor_id": None, "payment_type": 7}, {"unknown_code"}),
    ({"trip_type": 3}, {"unknown_code"}),
    ({"trip_type": 2}, set()),
    ({"sr_flag": 2}, {"unknown_code"}),
    ({"sr_flag": 0}, {"unknown_code"}),
    ({"sr_flag": 1}, set()),
    ({"store_and_fwd_flag": "0"}, set()),
    ({"store_and_fwd_flag": "1.0"}, set()),
    ({"store_and_fwd_flag": " "}, set()),
    ({"store_and_fwd_flag": "*"}, {"unknown_code"}),
    ({"hvfhs_license_num": "HV0001"}, {"unknown_code"}),
    ({"hvfhs_license_num": "hv0003"}, {"unknown_code"}),
    ({"hvfhs_license_num": "HV0004"}, set()),
    ({"access_a_ride_flag": " "}, set()),
    ({"access_a_ride_flag": "Y"}, set()),
    ({"access_a_ride_flag": ""}, {"unknown_code"}),
    ({"wav_match_flag": "y"}, {"unknown_code"}),
    ({"base_passenger_fare": -10.0, "driver_pay": -1.0}, set()),
    ({"request_datetime": None, "on_scene_datetime": None}, set()),
    ({"dispatching_base_num": "not a base"}, set()),
    ({"pu_location_id": 263}, set()),
    ({"pu_location_id": 264}, {"unknown_location"}),
    ({"pu_location_id": 265}, {"unknown_location"}),
    ({"do_location_id": 263}, set()),
    ({"do_location_id": 264}, {"unknown_location"}),
    ({"do_location_id": 265, "pu_location_id": None}, {"unknown_location"}),
    (
        {"passenger_count": None, "rate_code_id": None, "store_and_fwd_flag": None},
        {"details_missing"},
    ),
    ({"passenger_count": None, "rate_code_id": None, "store_and_fwd_flag": "N"}, set()),
    ({"passenger_count": None, "rate_code_id": 1, "store_and_fwd_flag": None}, set()),
    ({"passenger_count": 1.0, "rate_code_id": None, "store_and_fwd_flag": None}, set()),
]


@pytest.mark.parametrize(
    ("row", "expected", "partition"),
    [
        pytest.param(row, expected, partition, id=f"{partition}-{i}")
        for partition in EVERY
        for i, (row, expected) in enumerate(FLAG_CASES)
        if _apply(expected, row, partition)
    ],
)
def test_a_row_has_exactly_the_flags_that_hold(
    row: dict[str, Any], expected: set[str], partition: Partition, judged: Judging
) -> None:
    verdict = _one(judged, partition, row)
    assert _flags_of(verdict) == [expected]
    assert {rule.code for rule, rows in zip(FLAGS, verdict.flags, strict=True) if rows} == expected


def test_a_drop_off_in_the_year_3019_is_set_aside_in_fhv(judged: Judging) -> None:
    partition = Partition(FHV, Month(2019, 2))
    far = datetime(3019, 2, 3, 17, 30)  # noqa: DTZ001 - as published
    near = datetime(2019, 2, 15, 12, 11)  # noqa: DTZ001 - as published
    verdict = judged(partition, dropoff_datetime=[near, far, None])
    assert verdict.reasons.to_pylist() == ["dropoff_implausible"]
    assert verdict.rejected.column("dropoff_datetime").to_pylist() == [far]
    assert verdict.accepted.column("source_row").to_pylist() == [0, 2]
    assert _flags_of(verdict) == [set(), set()]


def test_an_unknown_licence_is_flagged_and_a_blank_access_a_ride_flag_is_not(
    judged: Judging,
) -> None:
    licences = ["HV0003", "HV0009", None, "HV0003 "]
    verdict = judged(FHVHV_2024, hvfhs_license_num=licences, access_a_ride_flag=[" "] * 4)
    assert _flags_of(verdict) == [set(), {"unknown_code"}, set(), {"unknown_code"}]
    assert verdict.accepted.column("hvfhs_license_num").to_pylist() == licences
    assert verdict.accepted.column("access_a_ride_flag").to_pylist() == [" "] * 4


@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
def test_every_published_code_is_known(service: Service, judged: Judging) -> None:
    for column in service.contract.columns:
        if column.codes is not None:
            codes = list(column.codes.meanings)
            verdict = judged(Partition(service, Month(2024, 1)), **{column.name: codes})
            assert _flags_of(verdict) == [set()] * len(codes), column.name


CSV_CASES = [
    ("row_irregular", {"irregular": "1,2"}, {"irregular": None}),
    ("row_irregular", {"irregular": ""}, {}),
    ("code_unmapped", {"vendor_id": "XYZ"}, {"vendor_id": "CMT"}),
    ("code_unmapped", {"vendor_id": "1.5"}, {"vendor_id": "1.0"}),
    ("code_unmapped", {"payment_type": "Barter"}, {"payment_type": "Dispute"}),
    ("code_unmapped", {"payment_type": "70000"}, {"payment_type": " "}),
    ("value_uncastable", {"passenger_count": "1.5"}, {"passenger_count": "1.0"}),
    ("value_uncastable", {"passenger_count": "two"}, {"passenger_count": ""}),
    ("value_uncastable", {"rate_code_id": "JFK"}, {"rate_code_id": " 2"}),
    ("value_uncastable", {"sr_flag": "Y"}, {"sr_flag": "1"}),
    ("value_uncastable", {"pickup_datetime": "1/1/2020 0:30"}, {}),
    ("value_uncastable", {"dropoff_datetime": "2009-02-30 00:00:00"}, {"dropoff_datetime": ""}),
    ("value_uncastable", {"trip_distance": "nan"}, {"trip_distance": ".50"}),
    ("value_uncastable", {"pickup_longitude": "W"}, {"pickup_longitude": "-73.97"}),
    ("value_uncastable", {"store_and_fwd_flag": "N\0"}, {"store_and_fwd_flag": "N"}),
    ("pickup_missing", {"pickup_datetime": " "}, {}),
    ("pickup_outside_window", {"pickup_datetime": "2001-01-01 00:00:00"}, {}),
    ("dropoff_implausible", {"dropoff_datetime": "3019-02-03 17:30:00"}, {}),
    ("location_out_of_range", {"pu_location_id": "0"}, {"pu_location_id": "265"}),
    ("location_out_of_range", {"do_location_id": "266"}, {"do_location_id": ""}),
]


@pytest.mark.parametrize(
    ("code", "spoiled", "neighbour", "partition"),
    [
        pytest.param(code, spoiled, neighbour, partition, id=f"{partition}-{code}-{i}")
        for partition in CSV_MONTHS
        for i, (code, spoiled, neighbour) in enumerate(CSV_CASES)
        if _apply(set(), {*spoiled, *neighbour} - {"irregular"}, partition, CSV)
    ],
)
def test_a_row_of_a_csv_that_has_a_reason_is_set_aside(
    code: str,
    spoiled: dict[str, Any],
    neighbour: dict[str, Any],
    partition: Partition,
    judged: Judging,
) -> None:
    noon = {"pickup_datetime": str(partition.month.start + timedelta(days=14, hours=12))}
    for row, reasons in ((spoiled, [code]), (neighbour, [])):
        columns = {name: [value] for name, value in {**noon, **row}.items()}
        verdict = judged(partition, source_format=CSV, **columns)
        assert verdict.reasons.to_pylist() == reasons
        assert verdict.accepted.num_rows == 1 - len(reasons)
        if spoiled.keys() & {"vendor_id", "payment_type"} and reasons:
            name = next(iter(row))
            assert verdict.rejected.column(name).to_pylist() == [None]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_a_code_of_2010_that_is_in_no_list_is_set_aside(kind: pa.DataType, judged: Judging) -> None:
    verdict = judged(
        YELLOW_2010,
        types={"payment_type": kind, "vendor_id": kind},
        payment_type=["CAS", "Cre", "???", "", "NA"],
        vendor_id=["CMT", "???", "VTS", None, "DDS"],
    )
    assert verdict.reasons.to_pylist() == ["code_unmapped", "code_unmapped"]
    assert verdict.rejected_rows.to_pylist() == [1, 2]
    assert verdict.rejected.column("vendor_id").to_pylist() == [None, 2]
    assert verdict.rejected.column("payment_type").to_pylist() == [1, None]
    assert verdict.accepted.column("vendor_id").to_pylist() == [1, None, 3]
    assert verdict.accepted.column("payment_type").to_pylist() == [2, None, 5]


_OF_METERS = {"zero_passengers", "negative_amount", "refund_pair", "details_missing"}
_NOT_APPLICABLE: dict[str, set[str]] = {
    "yellow": set(),
    "green": set(),
    "fhv": {*_OF_METERS, "zero_distance", "over_100_miles", "outside_zones"},
    "fhvhv": {*_OF_METERS, "outside_zones"},
}


@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
def test_which_rules_do_not_apply_to_a_service(service: Service) -> None:
    """Spelled out once: the cases above follow what the rules themselves say that they need."""
    rules = {rule.code for rule in (*REASONS, *FLAGS)}
    assert {code for code in rules if not _is_possible(code, service)} == _NOT_APPLICABLE[
        service.name
    ]


@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
def test_only_the_taxis_have_codes_in_words(service: Service) -> None:
    """In the others no row can be code_unmapped: numbers are numbers, and texts stay texts."""
    worded = {
        column.name
        for column in service.contract.columns
        if column.codes is not None and column.codes.spellings
    }
    taxi = {"vendor_id", "payment_type", "store_and_fwd_flag"}
    assert worded == (taxi if service in (YELLOW, GREEN) else set())


@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
def test_every_reason_and_flag_has_a_case_in_every_service_to_which_it_applies(
    service: Service,
) -> None:
    absent = _NOT_APPLICABLE[service.name]
    partition = Partition(service, Month(2024, 1))
    reasons = {code for code, spoiled, neighbour in REASON_CASES
               if _apply({code}, [*spoiled, *neighbour], partition)}  # fmt: skip
    of_csv = {
        code
        for each in CSV_MONTHS
        if each.service is service
        for code, spoiled, neighbour in CSV_CASES
        if _apply(set(), {*spoiled, *neighbour} - {"irregular"}, each, CSV)
    }
    unmapped = {"code_unmapped"} if service in (YELLOW, GREEN) else set()
    every = {rule.code for rule in REASONS}
    assert reasons == every - absent - {"row_irregular", "code_unmapped"}
    assert of_csv == every - absent - ({"code_unmapped"} - unmapped)
    flagged = {code for row, codes in FLAG_CASES for code in codes if _apply(codes, row, partition)}
    elsewhere = {"refund_pair", "outside_zones"}
    assert flagged - absent == {rule.code for rule in FLAGS} - absent - elsewhere


@pytest.mark.parametrize("partition", EVERY, ids=str)
def test_ordinary_rows_have_neither_reason_nor_flag(partition: Partition, judged: Judging) -> None:
    verdict = judged(partition)
    assert (verdict.accepted.num_rows, verdict.rejected.num_rows) == (6, 0)
    assert _flags_of(verdict) == [set()] * 6
    assert not verdict.flags.any()


def test_a_row_can_have_many_flags(judged: Judging) -> None:
    row = {
        **_trip(START - INSTANT, timedelta(0)), "trip_distance": 0.0, "passenger_count": 0.0,
        "fare_amount": -1.0, "vendor_id": 5, "do_location_id": 265,
    }  # fmt: skip
    assert _flags_of(_one(judged, YELLOW_2024, row)) == [
        {
            "pickup_outside_month", "zero_duration", "zero_distance", "zero_passengers",
            "negative_amount", "unknown_code", "unknown_location",
        }
    ]  # fmt: skip


@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
def test_a_null_is_neither_a_reason_nor_a_flag(service: Service, judged: Judging) -> None:
    partition = Partition(service, Month(2026, 6))
    for column in service.contract.columns:
        if column.published_as and not column.required:
            verdict = judged(partition, **{column.name: [None] * 6})
            assert _flags_of(verdict) == [set()] * 6, column.name


@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
def test_a_trip_of_which_only_the_pickup_is_known_lacks_no_more_than_details(
    service: Service, judged: Judging
) -> None:
    names = [c.name for c in service.contract.columns if c.published_as and not c.required]
    verdict = judged(Partition(service, Month(2026, 6)), **{name: [None] for name in names})
    assert _flags_of(verdict) == [{"details_missing"} - _NOT_APPLICABLE[service.name]]


_SPOILERS = {
    "pickup_outside_window": {"pickup_datetime": START - DAYS_31 - INSTANT},
    "dropoff_implausible": {"dropoff_datetime": END + DAYS_31},
    "value_uncastable": {"passenger_count": 1.5},
    "location_out_of_range": {"do_location_id": 0},
}


@pytest.mark.parametrize("first", [rule.code for rule in REASONS])
def test_the_first_reason_wins(first: str, judged: Judging) -> None:
    """In a CSV of 2019 a row can have them all."""
    spoilers: dict[str, dict[str, Any]] = {
        "row_irregular": {"irregular": "a line"},
        "value_uncastable": {"passenger_count": "1.5"},
        "code_unmapped": {"vendor_id": "XYZ"},
        "pickup_missing": {"pickup_datetime": ""},
        "pickup_outside_window": {"pickup_datetime": "2001-01-01 00:00:00"},
        "dropoff_implausible": {"dropoff_datetime": "3019-02-03 17:30:00"},
        "location_out_of_range": {"do_location_id": "0"},
    }
    codes = [rule.code for rule in REASONS]
    row: dict[str, Any] = {}
    for code in reversed(codes[codes.index(first) :]):
        row |= spoilers[code]
    verdict = judged(
        Partition(YELLOW, Month(2019, 6)),
        source_format=CSV,
        **{name: [value] for name, value in row.items()},
    )
    assert verdict.reasons.to_pylist() == [first]


@pytest.mark.parametrize("partition", CSV_MONTHS, ids=str)
def test_an_irregular_row_is_quarantined_with_its_line(
    partition: Partition, judged: Judging, published: Published
) -> None:
    lines = [None, 'B02884,"2018-06-01', None, "a\tb\\xff,\u00e9", None, ""]
    columns = published(partition, source_format=CSV).to_pydict()
    empty = {
        name: [None if lines[i] is not None else value for i, value in enumerate(values)]
        for name, values in columns.items()
    }
    batch = pa.RecordBatch.from_pydict(
        {**{name: pa.array(values, pa.string()) for name, values in empty.items()},
         IRREGULAR_ROW: pa.array(lines, pa.string())}
    )  # fmt: skip
    by_name = {
        partition.service.contract.by_spelling[name].name: values for name, values in empty.items()
    }
    verdict = judged(partition, source_format=CSV, irregular=lines, **by_name)
    assert verdict.reasons.to_pylist() == ["row_irregular"] * 3
    assert verdict.rejected_rows.to_pylist() == [1, 3, 5]
    rows = _quarantined(batch, verdict, quarantine_arrow_schema(partition.service.contract))
    told = [json.loads(row) for row in rows.column("published").to_pylist()]
    assert told == [{IRREGULAR_ROW: lines[row]} for row in (1, 3, 5)]


def test_a_regular_row_is_quarantined_with_its_published_fields_only(
    judged: Judging, published: Published
) -> None:
    partition = Partition(GREEN, Month(2020, 12))
    values = {"pu_location_id": ["0"] * 6}
    batch = published(partition, source_format=CSV, **values)
    lines = pa.nulls(6, pa.string())
    verdict = judged(partition, source_format=CSV, irregular=lines.to_pylist(), **values)
    rows = _quarantined(
        batch.append_column(IRREGULAR_ROW, lines),
        verdict,
        quarantine_arrow_schema(partition.service.contract),
    )
    assert [json.loads(row) for row in rows.column("published").to_pylist()] == batch.to_pylist()


_PLACE = {
    "pickup_longitude": -73.97, "pickup_latitude": 40.75,
    "dropoff_longitude": -73.96, "dropoff_latitude": 40.76,
}  # fmt: skip


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ({}, set()),
        ({"pickup_longitude": 0.0, "pickup_latitude": 0.0}, {"outside_zones"}),
        ({"dropoff_longitude": 0.0, "dropoff_latitude": 0.0}, {"outside_zones"}),
        ({"pickup_longitude": -74.172, "pickup_latitude": 40.735}, {"outside_zones"}),
        ({"pickup_longitude": 40.75, "pickup_latitude": -73.97}, {"outside_zones"}),
        ({"pickup_longitude": None, "pickup_latitude": None}, set()),
        ({"dropoff_longitude": None, "dropoff_latitude": None}, set()),
        (dict.fromkeys(_PLACE), set()),
        (
            {"pickup_longitude": None, "pickup_latitude": None, "dropoff_longitude": 1.0},
            {"outside_zones"},
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("partition", "source_format"),
    [
        (YELLOW_2010, SourceFormat.PARQUET),
        (Partition(YELLOW, Month(2016, 6)), CSV),
        (Partition(GREEN, Month(2013, 8)), CSV),
    ],
    ids=str,
)
def test_coordinates_in_no_zone_are_flagged_not_refused(
    *,
    partition: Partition,
    source_format: SourceFormat,
    place: dict[str, float | None],
    expected: set[str],
    judged: Judging,
    polygons: ZonePolygons,
) -> None:
    verdict = judged(
        partition,
        source_format=source_format,
        polygons=polygons,
        **{name: [value] for name, value in {**_PLACE, **place}.items()},
    )
    assert _flags_of(verdict) == [expected]


@pytest.mark.parametrize("partition", EVERY, ids=str)
def test_a_missing_zone_is_not_outside_the_zones_where_zones_are_published(
    partition: Partition, judged: Judging
) -> None:
    verdict = judged(partition, pu_location_id=[None] * 6, do_location_id=[None] * 6)
    assert _flags_of(verdict) == [set()] * 6


def test_every_reason_is_told_for_its_own_row_in_order(judged: Judging) -> None:
    spoiled = list(_SPOILERS.items())
    rows = [*(values for _, values in spoiled), {}, {"pickup_datetime": None}]
    ordinary = {
        "pickup_datetime": NOON, "dropoff_datetime": NOON + MINUTES,
        "passenger_count": 1.0, "do_location_id": 1,
    }  # fmt: skip
    verdict = judged(
        YELLOW_2024,
        types={"passenger_count": pa.float64()},
        **{name: [row.get(name, usual) for row in rows] for name, usual in ordinary.items()},
    )
    assert verdict.reasons.to_pylist() == [*(code for code, _ in spoiled), "pickup_missing"]
    assert verdict.rejected_rows.to_pylist() == [0, 1, 2, 3, 5]
    assert verdict.rejected.column("source_row").to_pylist() == [0, 1, 2, 3, 5]
    assert verdict.accepted.column("source_row").to_pylist() == [4]


def test_the_flags_of_a_row_set_aside_are_not_counted(judged: Judging) -> None:
    verdict = _one(judged, YELLOW_2024, {"trip_distance": 0.0, "pu_location_id": 0})
    assert verdict.reasons.to_pylist() == ["location_out_of_range"]
    assert not verdict.flags.any()


@pytest.mark.parametrize("partition", EVERY, ids=str)
def test_both_parts_are_in_the_contracts_schema(partition: Partition, judged: Judging) -> None:
    verdict = judged(partition, pu_location_id=[0, 1, 2, 266, 3, 4])
    assert (verdict.accepted.num_rows, verdict.rejected.num_rows) == (4, 2)
    assert verdict.accepted.schema == arrow_schema(partition.service.contract)
    assert verdict.rejected.schema == verdict.accepted.schema


def _pair(**second: Any) -> dict[str, list[Any]]:
    """A charge, and a refund of it that differs as stated."""
    first = {
        **_trip(NOON), "vendor_id": 2, "pu_location_id": 74, "do_location_id": 75,
        "fare_amount": 10.0, "total_amount": 12.5,
    }  # fmt: skip
    refund = {**first, "fare_amount": -10.0, "total_amount": -12.5, **second}
    return {name: [first[name], refund[name]] for name in first}


def _is_pair(verdict: Judged) -> list[bool]:
    return ["refund_pair" in flags for flags in _flags_of(verdict)]


@pytest.mark.parametrize("partition", [YELLOW_2024, GREEN_2024], ids=str)
def test_a_charge_beside_its_refund_is_a_pair(partition: Partition, judged: Judging) -> None:
    verdict = judged(partition, **_pair())
    assert _flags_of(verdict) == [{"refund_pair"}, {"refund_pair", "negative_amount"}]


@pytest.mark.parametrize("partition", [FHV_2024, FHVHV_2024], ids=str)
def test_there_are_no_pairs_where_no_total_is_published(
    partition: Partition, judged: Judging
) -> None:
    fares = {"base_passenger_fare": [10.0, -10.0], "driver_pay": [8.0, -8.0]}
    assert _flags_of(judged(partition, **_pair(), **fares)) == [set(), set()]


def test_a_refund_before_its_charge_is_a_pair(judged: Judging) -> None:
    backwards = {name: values[::-1] for name, values in _pair().items()}
    assert _is_pair(judged(YELLOW_2024, **backwards)) == [True, True]


@pytest.mark.parametrize(
    "second",
    [
        {"total_amount": -12.49}, {"total_amount": 12.5}, {"total_amount": None},
        {"vendor_id": 1}, {"vendor_id": None},
        {"pickup_datetime": NOON + INSTANT}, {"dropoff_datetime": NOON + MINUTES + INSTANT},
        {"dropoff_datetime": None}, {"pu_location_id": 75}, {"do_location_id": 74},
        {"do_location_id": None},
    ],
    ids=str,
)  # fmt: skip
def test_rows_that_differ_in_more_than_the_sign_are_no_pair(
    second: dict[str, Any], judged: Judging
) -> None:
    assert _is_pair(judged(YELLOW_2024, **_pair(**second))) == [False, False]


@pytest.mark.parametrize("name", _PAIR_KEY)
def test_what_both_rows_lack_does_not_tell_them_apart(name: str, judged: Judging) -> None:
    """CSV files have no vendor where details are missing, and 2010 no zone at 0/0."""
    nulls = {**_pair(), name: [None, None]}
    verdict = judged(YELLOW_2024, **nulls)
    if name == "pickup_datetime":
        assert verdict.reasons.to_pylist() == ["pickup_missing"] * 2
    else:
        assert _is_pair(verdict) == [True, True]


@pytest.mark.parametrize("name", [name for name in _PAIR_KEY if name != "pickup_datetime"])
def test_what_one_row_lacks_tells_it_from_the_other(name: str, judged: Judging) -> None:
    for side in (0, 1):
        pair = _pair()
        pair[name] = [None if i == side else value for i, value in enumerate(pair[name])]
        assert _is_pair(judged(YELLOW_2024, **pair)) == [False, False]


def test_a_pair_is_one_beside_a_row_that_lacks_what_identifies_it(judged: Judging) -> None:
    rows = {name: [charge, refund, charge] for name, (charge, refund) in _pair().items()}
    rows["vendor_id"] = [2, 2, None]
    assert _is_pair(judged(YELLOW_2024, **rows)) == [True, True, False]


def test_two_missing_totals_are_no_charge_and_its_refund(judged: Judging) -> None:
    nulls = {**_pair(), "total_amount": [None, None]}
    assert _is_pair(judged(YELLOW_2024, **nulls)) == [False, False]


def test_nothing_charged_twice_is_no_pair(judged: Judging) -> None:
    for zeros in ([0.0, 0.0], [0.0, -0.0]):
        assert _is_pair(judged(YELLOW_2024, **{**_pair(), "total_amount": zeros})) == [False, False]


def test_a_row_between_keeps_two_rows_from_being_a_pair(judged: Judging) -> None:
    apart = {name: [charge, charge, refund] for name, (charge, refund) in _pair().items()}
    apart["vendor_id"] = [2, 1, 2]
    assert _is_pair(judged(YELLOW_2024, **apart)) == [False, False, False]


def _in_batches(
    conformed: Conforming, batch: pa.RecordBatch, borders: list[int]
) -> Iterator[ConformedBatch]:
    for first, last in zip([0, *borders], [*borders, batch.num_rows], strict=True):
        yield conformed(YELLOW_2024, batch.slice(first, last - first), first)


@given(data=st.data(), totals=st.lists(st.sampled_from([10.0, -10.0, 0.0, None]), min_size=1))
def test_a_pair_across_the_border_of_batches_is_a_pair_like_any_other(
    data: st.DataObject, totals: list[float | None], published: Published, conformed: Conforming
) -> None:
    rows = len(totals)
    same = {name: values[:1] * rows for name, values in _pair().items()}
    vendors = data.draw(st.lists(st.sampled_from([1, 2]), min_size=rows, max_size=rows))
    batch = published(YELLOW_2024, **{**same, "total_amount": totals, "vendor_id": vendors})
    borders = data.draw(st.sets(st.integers(1, rows - 1))) if rows > 1 else set()
    judge = Judge(YELLOW_2024)
    whole = judge.judge(Neighbourhood(None, conformed(YELLOW_2024, batch), None))
    parts = [
        judge.judge(neighbourhood)
        for neighbourhood in neighbourhoods(_in_batches(conformed, batch, sorted(borders)))
    ]
    assert len(parts) == len(borders) + 1
    assert pa.Table.from_batches([part.accepted for part in parts]).equals(
        pa.Table.from_batches([whole.accepted])
    )
    assert sum(part.flags for part in parts).tolist() == whole.flags.tolist()
    pairs = [
        vendors[i] == vendors[i + 1] and {totals[i], totals[i + 1]} == {10.0, -10.0}
        for i in range(rows - 1)
    ]
    assert _is_pair(whole) == [
        before or after for before, after in zip([False, *pairs], [*pairs, False], strict=True)
    ]


def test_each_batch_stands_between_the_last_row_before_and_the_first_after(
    published: Published, conformed: Conforming
) -> None:
    batch = published(YELLOW_2024, trip_distance=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])

    def distances(rows: pa.RecordBatch | None) -> list[float] | None:
        return None if rows is None else rows.column("trip_distance").to_pylist()

    assert [
        (distances(one.before), distances(one.batch.trips), distances(one.after))
        for one in neighbourhoods(_in_batches(conformed, batch, [2, 4]))
    ] == [
        (None, [1.0, 2.0], [3.0]),
        ([2.0], [3.0, 4.0], [5.0]),
        ([4.0], [5.0, 6.0], None),
    ]


def test_no_batch_has_no_neighbourhood() -> None:
    assert list(neighbourhoods([])) == []


_ROW = st.fixed_dictionaries(
    {
        "pickup_datetime": st.sampled_from(
            [NOON, START, END, START - INSTANT, START - DAYS_31 - INSTANT, END + DAYS_31, None]
        ),
        "dropoff_datetime": st.sampled_from([NOON, NOON + DAY, START, END + DAYS_31, None]),
        "passenger_count": st.sampled_from([1.0, 0.0, 1.5, None]),
        "trip_distance": st.sampled_from([1.0, 0.0, 100.5, None]),
        "pu_location_id": st.sampled_from([1, 264, 0, 266, None]),
        "total_amount": st.sampled_from([10.0, -10.0, None]),
        "vendor_id": st.sampled_from([1, 2, 3, None]),
    }
)


@given(rows=st.lists(_ROW, min_size=1, max_size=20))
def test_accepted_and_rejected_are_a_partition_of_the_rows_in_order(
    rows: list[dict[str, Any]], judged: Judging
) -> None:
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    verdict = judged(YELLOW_2024, types={"passenger_count": pa.float64()}, **columns)
    accepted = verdict.accepted.column("source_row").to_pylist()
    rejected = verdict.rejected.column("source_row").to_pylist()
    assert sorted(accepted + rejected) == list(range(len(rows)))
    assert accepted == sorted(accepted)
    assert rejected == sorted(rejected) == verdict.rejected_rows.to_pylist()
    assert len(verdict.reasons) == len(rejected)
    assert set(verdict.reasons.to_pylist()) <= {rule.code for rule in REASONS}
    for part, numbers in ((verdict.accepted, accepted), (verdict.rejected, rejected)):
        for name in ("pickup_datetime", "trip_distance", "vendor_id"):
            assert part.column(name).to_pylist() == [rows[i][name] for i in numbers]
    recount = [sum(rule.code in flags for flags in _flags_of(verdict)) for rule in FLAGS]
    assert verdict.flags.tolist() == recount


@pytest.mark.parametrize("microseconds", [-(2**63), -(2**63) + 1, 2**63 - 1])
def test_one_datetime_at_the_end_of_the_numbers_does_not_stop_the_month(
    microseconds: int, published: Published, conformed: Conforming
) -> None:
    """The least of them is NaT, if somebody writes it as it is."""
    batch = published(YELLOW_2024)
    for field in ("tpep_pickup_datetime", "tpep_dropoff_datetime"):
        at = batch.schema.get_field_index(field)
        times = batch.column(at).cast(pa.int64()).to_pylist()
        times[2] = microseconds
        spoilt = batch.set_column(
            at, batch.schema.field(at), pa.array(times, pa.int64()).cast(pa.timestamp("us"))
        )
        verdict = Judge(YELLOW_2024).judge(
            Neighbourhood(None, conformed(YELLOW_2024, spoilt), None)
        )
        assert verdict.rejected_rows.to_pylist() == [2]
        assert verdict.reasons.to_pylist() == ["value_uncastable"]


def test_a_long_batch_keeps_its_order(published: Published, judged: Judging) -> None:
    """The evaluator works on pieces of 32,768 rows."""
    rows = 150_000
    places = [0 if row % 1000 == 7 else 1 + row % 265 for row in range(rows)]
    verdict = judged(
        YELLOW_2024,
        pu_location_id=places,
        pickup_datetime=[NOON] * rows,
        dropoff_datetime=[NOON + MINUTES] * rows,
    )
    expected = [row for row in range(rows) if row % 1000 != 7]
    assert verdict.accepted.column("source_row").to_pylist() == expected
    assert verdict.accepted.column("pu_location_id").to_pylist() == [places[i] for i in expected]
    unknown = ["unknown_location" in flags for flags in _flags_of(verdict)]
    assert unknown == [places[row] >= 264 for row in expected]
    assert verdict.rejected_rows.to_pylist() == list(range(7, rows, 1000))


def test_the_meaning_of_a_stored_bit_is_frozen() -> None:
    """Append to this list; a change before its end would change the meaning of stored months."""
    assert [rule.code for rule in FLAGS] == [
        "pickup_outside_month",
        "dropoff_before_pickup",
        "zero_duration",
        "over_24_hours",
        "zero_distance",
        "over_100_miles",
        "zero_passengers",
        "negative_amount",
        "refund_pair",
        "unknown_code",
        "unknown_location",
        "details_missing",
        "outside_zones",
    ]


def test_the_reasons_and_their_precedence_are_frozen() -> None:
    """What reading a row gives comes first: such a row lacks values that rules would miss."""
    assert [rule.code for rule in REASONS] == [
        "row_irregular",
        "value_uncastable",
        "code_unmapped",
        "pickup_missing",
        "pickup_outside_window",
        "dropoff_implausible",
        "location_out_of_range",
    ]
    assert UNREADABLE == ("row_irregular", "value_uncastable", "code_unmapped")


def test_every_rule_has_a_code_and_a_sentence_of_its_own() -> None:
    rules = (*REASONS, *FLAGS)
    assert len({rule.code for rule in rules}) == len(rules)
    assert len({rule.sentence for rule in rules}) == len(rules)
    for rule in rules:
        assert rule.code.isidentifier()
        assert rule.code == rule.code.lower()
        assert rule.sentence.strip() == rule.sentence != ""
        assert not rule.sentence.endswith(".")


def test_the_flags_fit_their_column() -> None:
    assert len(FLAGS) <= 31
