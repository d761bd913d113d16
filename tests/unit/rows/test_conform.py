"""A published batch in the contract's shape: nothing lost, nothing moved, nothing guessed."""

import json
from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.model import ColumnType
from nyc_tlc.core.contract.schemas import arrow_schema
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.contract.source_format import IRREGULAR_ROW, SourceFormat
from nyc_tlc.core.rows.binding import bind
from nyc_tlc.core.rows.cast import Cast
from nyc_tlc.core.rows.conform import ConformedBatch, _first_filled, conform
from nyc_tlc.core.rows.rules import CODE_UNMAPPED, ROW_IRREGULAR, VALUE_UNCASTABLE
from tests.partitions import named
from tests.unit.rows.batches import conformed, published

PARQUET, CSV = SourceFormat.PARQUET, SourceFormat.CSV
YELLOW_2024 = named("yellow 2024-01")
GREEN_2020 = named("green 2020-12")
FHV_2018 = named("fhv 2018-06")
of_every_service = pytest.mark.parametrize("service", SERVICES.values(), ids=str)


def _lost(result: ConformedBatch, reason: str = VALUE_UNCASTABLE) -> list[bool]:
    """Per row, whether a value was lost."""
    mask = result.defects.get(reason)
    return [False] * result.trips.num_rows if mask is None else mask.to_pylist()


def _is_sound(result: ConformedBatch) -> bool:
    return not any(any(mask.to_pylist()) for mask in result.defects.values())


def _column(result: ConformedBatch, name: str) -> list[Any]:
    values: list[Any] = result.trips.column(name).to_pylist()
    return values


@pytest.mark.parametrize("form", SourceFormat, ids=str)
@of_every_service
def test_every_vintage_takes_the_same_shape(service, form):
    expected = {field.name: field.type for field in arrow_schema(service.contract)}
    del expected["quality_flags"]
    contract = service.contract
    for vintage in contract.csv_vintages if form is CSV else contract.vintages:
        partition = Partition(service, vintage.first)
        batch = published(partition, source_format=form)
        result = conformed(partition, batch, source_format=form)
        assert {field.name: field.type for field in result.trips.schema} == expected
        assert _is_sound(result), vintage.first
        assert result.trips.num_rows == 6


_NUMBERS = (ColumnType.SMALLINT, ColumnType.INTEGER, ColumnType.DOUBLE)


@pytest.mark.parametrize(
    "kind", [pa.null(), pa.int32(), pa.int64(), pa.float32(), pa.float64()], ids=str
)
@of_every_service
def test_a_number_may_be_null_integer_or_double_in_every_vintage_that_has_it(service, kind):
    """And is null in the others. TLC's types flip, so that no vintage is held to its own."""
    contract = service.contract
    values = [1, 2, None, 0, 1, 5]
    for vintage in contract.vintages:
        partition = Partition(service, vintage.first)
        names = {contract.by_spelling[name].name for name in vintage.published}
        numbers = {name for name in names if contract.by_name[name].type in _NUMBERS}
        result = conformed(
            partition,
            published(partition, dict.fromkeys(numbers, kind), **dict.fromkeys(numbers, values)),
        )
        for column in contract.columns:
            if column.name in numbers:
                expected = [None] * 6 if pa.types.is_null(kind) else values
                assert _column(result, column.name) == expected, (vintage.first, column.name)
            elif column.name not in names and column.published_as:
                assert _column(result, column.name) == [None] * 6, (vintage.first, column.name)
        assert _is_sound(result), vintage.first


@pytest.mark.parametrize(
    ("partition", "spellings"),
    [
        (YELLOW_2024,
         "VendorID vendor_id, tpep_pickup_datetime pickup_datetime, RatecodeID rate_code_id, "
         "tpep_dropoff_datetime dropoff_datetime, PULocationID pu_location_id, "
         "DOLocationID do_location_id, Airport_fee airport_fee, "
         "store_and_fwd_flag store_and_fwd_flag"),
        (named("fhv 2024-01"),
         "pickup_datetime pickup_datetime, dropOff_datetime dropoff_datetime, "
         "PUlocationID pu_location_id, DOlocationID do_location_id, SR_Flag sr_flag, "
         "Affiliated_base_number affiliated_base_number"),
        (named("fhvhv 2024-01"),
         "hvfhs_license_num hvfhs_license_num, PULocationID pu_location_id, "
         "DOLocationID do_location_id, trip_miles trip_distance, trip_time trip_time, "
         "tolls tolls_amount, tips tip_amount, on_scene_datetime on_scene_datetime, "
         "access_a_ride_flag access_a_ride_flag"),
    ],
    ids=str,
)  # fmt: skip
def test_values_arrive_under_their_canonical_names(partition, spellings):
    distinct = {"sr_flag": [1, None] * 3, "tip_amount": [2.5, 0.0] * 3, "airport_fee": [1.75] * 6}
    batch = published(partition, **distinct)
    result = conformed(partition, batch)
    for was, becomes in (spelling.split() for spelling in spellings.split(",")):
        assert _column(result, becomes) == batch.column(was).to_pylist(), becomes


@pytest.mark.parametrize("month", [2, 3])
def test_lineage_says_which_row_of_which_month_and_a_stray_index_is_no_extra_column(month):
    partition = named(f"yellow 2010-{month:02}")
    batch = published(partition)
    assert "__index_level_0__" in batch.schema.names
    result = conformed(partition, batch, 131_072)
    assert _column(result, "source_row") == list(range(131_072, 131_078))
    assert set(_column(result, "source_month")) == {date(2010, month, 1)}
    assert _column(result, "extra_columns") == [None] * 6
    assert "__index_level_0__" not in result.trips.schema.names


def test_columns_may_come_in_any_order_under_any_spelling_and_from_later_months():
    batch = published(YELLOW_2024)
    trips = conformed(YELLOW_2024, batch).trips
    assert conformed(YELLOW_2024, batch.select(batch.schema.names[::-1])).trips == trips
    older = [{"Airport_fee": "airport_fee"}.get(name, name) for name in batch.schema.names]
    assert conformed(YELLOW_2024, batch.rename_columns(older)).trips == trips
    later = batch.append_column("cbd_congestion_fee", pa.array([0.75] * 6))
    assert _column(conformed(YELLOW_2024, later), "cbd_congestion_fee") == [0.75] * 6


def test_values_lost_in_several_columns_mark_every_row_once():
    batch = published(
        YELLOW_2024,
        {"passenger_count": pa.float64()},
        passenger_count=[1.5, 1.0, 2.5, 1.0, None, 1.0],
        pu_location_id=[1, 1, 70000, 70000, None, 1],
    )
    result = conformed(YELLOW_2024, batch)
    assert _lost(result) == [True, False, True, True, False, False]
    assert _column(result, "passenger_count") == [None, 1, None, 1, None, 1]
    assert _column(result, "pu_location_id") == [1, 1, None, None, None, 1]


@pytest.mark.parametrize("form", SourceFormat, ids=str)
def test_unknown_columns_can_be_kept_as_json_with_their_values_intact(form):
    batch = published(GREEN_2020, source_format=form)
    surges = ["1.25", None, "x", "", " ", "0"] if form is CSV else [1.25, None, 0.0, -1.0, 2.0, 3.0]
    robots = ["yes", 'say "no"', None, "", " ", "0"]
    unknown = batch.append_column("surge", pa.array(surges)).append_column(
        "robot", pa.array(robots)
    )
    bindings = bind(GREEN_2020, unknown.schema, source_format=form, keep_unknown=True)
    if form is CSV:
        unknown = unknown.append_column(IRREGULAR_ROW, pa.nulls(6, pa.string()))
    trips = conform(unknown, bindings, partition=GREEN_2020, first_row=0).trips
    assert [json.loads(extra) for extra in trips["extra_columns"].to_pylist()] == [
        {"surge": surge, "robot": robot} for surge, robot in zip(surges, robots, strict=True)
    ]


@pytest.mark.parametrize("partition", [named("yellow 2009-03"), named("yellow 2010-01")], ids=str)
def test_vendors_payments_and_times_of_2009_and_2010_come_as_text(partition):
    batch = published(
        partition,
        vendor_id=["CMT", "vts", "DDS ", "XYZ", None, "2"],
        payment_type=["Credit", "CASH", "No Charge", "Dis", "", "1.5"],
        pickup_datetime=[
            "2009-03-04 02:52:00", "3/4/2009 2:52", "2009-02-30 00:00:00", "", None,
            "2009-03-04 02:52:00.25",
        ],
    )  # fmt: skip
    result = conformed(partition, batch)
    assert _column(result, "vendor_id") == [1, 2, 3, None, None, 2]
    assert _column(result, "payment_type") == [1, 2, 3, 4, None, None]
    assert [time and time.isoformat() for time in _column(result, "pickup_datetime")] == [
        "2009-03-04T02:52:00", None, None, None, None, "2009-03-04T02:52:00.250000",
    ]  # fmt: skip
    assert _lost(result) == [False, True, True, False, False, False]
    assert _lost(result, CODE_UNMAPPED) == [False, False, False, True, False, True]


_PLACES = {
    "pickup_longitude": [-73.97, 0.0, None, -74.172, -73.97],
    "pickup_latitude": [40.75, 0.0, None, 40.735, None],
    "dropoff_longitude": [-73.96, -73.96, 40.76, None, -73.96],
    "dropoff_latitude": [40.76, 40.76, -73.96, None, 40.76],
}


@pytest.mark.parametrize(
    ("partition", "form"),
    [
        (named("yellow 2009-03"), PARQUET),
        (named("yellow 2010-01"), PARQUET),
        (named("yellow 2015-08"), CSV),
        (named("green 2013-08"), CSV),
    ],
    ids=str,
)
def test_coordinates_are_kept_and_give_the_zones(partition, form, polygons):
    batch = published(partition, source_format=form, **_PLACES)
    result = conformed(partition, batch, source_format=form, polygons=polygons)
    assert {name: _column(result, name) for name in _PLACES} == _PLACES
    assert _is_sound(result)
    pickup, dropoff = (
        polygons.locate(
            pa.array(_PLACES[f"{place}_longitude"]), pa.array(_PLACES[f"{place}_latitude"])
        )
        for place in ("pickup", "dropoff")
    )
    assert result.trips.column("pu_location_id") == pickup
    assert result.trips.column("do_location_id") == dropoff
    assert pickup.is_null().to_pylist() == [False, True, True, True, True]
    assert dropoff.is_null().to_pylist() == [False, False, True, True, False]
    assert result.trips.schema.field("pu_location_id").type == pa.int16()


_LOST = "lost"


def test_of_the_two_bases_of_fhv_2018_the_filled_one_counts():
    """Two that differ, or one that no store can hold, mark the row."""
    rows = [
        ("B02884", None, "B02884"),
        (None, "B02884", "B02884"),
        ("b02884 ", "B02884", "B02884"),
        (None, None, None),
        ("B02884", "B00001", _LOST),
        ("B1", "b\0", _LOST),
        ("b\0", "B1", _LOST),
        ("b\0", None, _LOST),
        (None, "b\0", _LOST),
    ]
    times = ["2018-06-01 00:00:00"] * len(rows)
    batch = published(FHV_2018, source_format=CSV, pickup_datetime=times)
    for i, name in enumerate(("Dispatching_base_number", "Dispatching_base_num")):
        at = batch.schema.get_field_index(name)
        batch = batch.set_column(at, name, pa.array([row[i] for row in rows], pa.string()))
    result = conformed(FHV_2018, batch, source_format=CSV)
    assert _lost(result) == [base == _LOST for _, _, base in rows]
    bases = _column(result, "dispatching_base_num")
    assert bases[:5] == [base if base != _LOST else None for _, _, base in rows[:5]]


def test_a_code_that_one_of_two_columns_cannot_map_marks_the_row():
    values = pa.array([1, 2, None], pa.int16())
    first = Cast(values, unmapped=pa.array([False, False, True]))
    second = Cast(values, unmapped=pa.array([True, False, False]))
    both = _first_filled(first, second)
    assert (both.unmapped.to_pylist(), both.uncastable) == ([True, False, True], None)
    assert _first_filled(first, Cast(values)).unmapped == first.unmapped
    assert _first_filled(Cast(values), second).unmapped == second.unmapped


def test_an_irregular_row_is_marked_and_its_line_is_no_extra_column():
    lines = [None, "1,2,3", None, "", None, None]
    batch = published(GREEN_2020, source_format=CSV)
    batch = batch.append_column(IRREGULAR_ROW, pa.array(lines, pa.string()))
    result = conformed(GREEN_2020, batch, source_format=CSV)
    assert _lost(result, ROW_IRREGULAR) == [False, True, False, True, False, False]
    assert _column(result, "extra_columns") == [None] * 6
    assert IRREGULAR_ROW not in result.trips.schema.names
