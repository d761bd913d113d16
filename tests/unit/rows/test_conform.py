"""A published batch in the contract's shape: nothing lost, nothing moved, nothing guessed."""

import json
import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract import columns
from nyc_tlc.core.contract.schemas import arrow_schema
from nyc_tlc.core.contract.service import FHV, FHVHV, GREEN, SERVICES, YELLOW, Service
from nyc_tlc.core.contract.source_format import IRREGULAR_ROW, SourceFormat
from nyc_tlc.core.errors import ContractError
from nyc_tlc.core.month import Month
from nyc_tlc.core.rows.binding import bind
from nyc_tlc.core.rows.cast import Cast, cast
from nyc_tlc.core.rows.conform import ConformedBatch, _first_filled, conform
from nyc_tlc.core.rows.rules import CODE_UNMAPPED, ROW_IRREGULAR, VALUE_UNCASTABLE
from nyc_tlc.core.zones.polygons import ZonePolygons

YELLOW_2024 = Partition(YELLOW, Month(2024, 1))
GREEN_2024 = Partition(GREEN, Month(2024, 1))
FHV_2024 = Partition(FHV, Month(2024, 1))
FHVHV_2024 = Partition(FHVHV, Month(2024, 1))
YELLOW_2009 = Partition(YELLOW, Month(2009, 3))
YELLOW_2010 = Partition(YELLOW, Month(2010, 1))
FHV_2018 = Partition(FHV, Month(2018, 6))
CSV = SourceFormat.CSV
GREEN_2026 = Partition(GREEN, Month(2026, 6))
NOON = datetime(2024, 1, 15, 12)  # noqa: DTZ001 - wall clock, as published

Conforming = Callable[..., ConformedBatch]
Published = Callable[..., pa.RecordBatch]


def _lost(result: ConformedBatch, reason: str = VALUE_UNCASTABLE) -> list[bool]:
    """Per row, whether a value was lost."""
    mask = result.defects.get(reason)
    return [False] * result.trips.num_rows if mask is None else mask.to_pylist()


def _sound(result: ConformedBatch) -> bool:
    return not any(any(mask.to_pylist()) for mask in result.defects.values())


def _column(result: ConformedBatch, name: str) -> list[Any]:
    values: list[Any] = result.trips.column(name).to_pylist()
    return values


@pytest.fixture
def cast_of(published: Published, conformed: Conforming) -> Conforming:
    """Yellow rows whose one column comes in another type."""

    def of(name: str, kind: pa.DataType, values: list[Any]) -> ConformedBatch:
        return conformed(YELLOW_2024, published(YELLOW_2024, {name: kind}, **{name: values}))

    return of


def _renamed(batch: pa.RecordBatch, old: str, new: str) -> pa.RecordBatch:
    return batch.rename_columns([new if name == old else name for name in batch.schema.names])


@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
def test_every_vintage_takes_the_same_shape(
    service: Service, published: Published, conformed: Conforming
) -> None:
    expected = arrow_schema(service.contract)
    for vintage in service.contract.vintages:
        partition = Partition(service, vintage.first)
        result = conformed(partition, published(partition))
        found = {field.name: field.type for field in result.trips.schema}
        assert found == {f.name: f.type for f in expected if f.name != "quality_flags"}
        assert not result.defects
        assert result.trips.num_rows == 6


@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
def test_every_csv_takes_the_same_shape(
    service: Service, published: Published, conformed: Conforming
) -> None:
    expected = arrow_schema(service.contract)
    for vintage in service.contract.csv_vintages:
        partition = Partition(service, vintage.first)
        batch = published(partition, source_format=CSV)
        result = conformed(partition, batch, source_format=CSV)
        found = {field.name: field.type for field in result.trips.schema}
        assert found == {f.name: f.type for f in expected if f.name != "quality_flags"}
        assert _sound(result), vintage.first
        assert result.trips.num_rows == 6


@pytest.mark.parametrize(
    "partition",
    [
        *(Partition(YELLOW, Month.parse(m)) for m in ("2009-03", "2010-01", "2010-02", "2019-05")),
        Partition(GREEN, Month(2017, 1)),
        Partition(GREEN, Month(2020, 12)),
        Partition(FHV, Month(2018, 4)),
        Partition(FHV, Month(2020, 7)),
        Partition(FHVHV, Month(2020, 5)),
    ],
    ids=str,
)
def test_a_months_csv_and_parquet_give_the_same_values(
    partition: Partition, published: Published, conformed: Conforming
) -> None:
    """In the columns that both have filled."""
    parquet = conformed(partition, published(partition)).trips
    csv = published(partition, source_format=CSV)
    from_csv = conformed(partition, csv, source_format=CSV).trips
    contract = partition.service.contract
    in_csv = {contract.by_spelling[name].name for name in csv.schema.names}
    in_parquet = {
        contract.by_spelling[name].name
        for name, kind in contract.vintage_of(partition.month).published.items()
        if kind != "null"
    }
    shared = in_csv & in_parquet
    assert len(shared) >= 5
    for name in (*shared, "source_row", "source_month"):
        assert from_csv.column(name).equals(parquet.column(name)), name


def test_values_arrive_under_their_canonical_names(
    published: Published, conformed: Conforming
) -> None:
    batch = published(YELLOW_2024)
    result = conformed(YELLOW_2024, batch)
    for was, becomes in (
        ("VendorID", "vendor_id"),
        ("tpep_pickup_datetime", "pickup_datetime"),
        ("tpep_dropoff_datetime", "dropoff_datetime"),
        ("PULocationID", "pu_location_id"),
        ("DOLocationID", "do_location_id"),
        ("RatecodeID", "rate_code_id"),
        ("Airport_fee", "airport_fee"),
        ("store_and_fwd_flag", "store_and_fwd_flag"),
    ):
        assert _column(result, becomes) == batch.column(was).to_pylist(), becomes


@pytest.mark.parametrize(
    ("partition", "spellings"),
    [
        (FHV_2024, {
            "pickup_datetime": "pickup_datetime", "dropOff_datetime": "dropoff_datetime",
            "PUlocationID": "pu_location_id", "DOlocationID": "do_location_id",
            "SR_Flag": "sr_flag", "Affiliated_base_number": "affiliated_base_number",
        }),
        (FHVHV_2024, {
            "hvfhs_license_num": "hvfhs_license_num", "PULocationID": "pu_location_id",
            "DOLocationID": "do_location_id", "trip_miles": "trip_distance",
            "trip_time": "trip_time", "tolls": "tolls_amount", "tips": "tip_amount",
            "on_scene_datetime": "on_scene_datetime", "access_a_ride_flag": "access_a_ride_flag",
        }),
    ],
    ids=str,
)  # fmt: skip
def test_values_of_the_for_hire_services_arrive_under_the_names_of_the_taxis(
    partition: Partition,
    spellings: dict[str, str],
    published: Published,
    conformed: Conforming,
) -> None:
    batch = published(partition)
    result = conformed(partition, batch)
    for was, becomes in spellings.items():
        assert _column(result, becomes) == batch.column(was).to_pylist(), becomes


@pytest.mark.parametrize(
    ("partition", "name"),
    [
        (FHV_2024, "dispatching_base_num"),
        (FHV_2024, "affiliated_base_number"),
        (FHVHV_2024, "dispatching_base_num"),
        (FHVHV_2024, "originating_base_num"),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_base_numbers_are_trimmed_and_in_upper_case(
    kind: pa.DataType,
    partition: Partition,
    name: str,
    published: Published,
    conformed: Conforming,
) -> None:
    typed = ["b02512 ", "B02512", None, " \tb02512", "B00477-a", "\u00e9 b1"]
    result = conformed(partition, published(partition, {name: kind}, **{name: typed}))
    assert _column(result, name) == ["B02512", "B02512", None, "B02512", "B00477-A", "\u00e9 B1"]
    assert result.trips.schema.field(name).type == pa.string()
    assert not result.defects


def test_a_base_number_that_no_store_can_hold_is_lost(
    published: Published, conformed: Conforming
) -> None:
    batch = published(FHV_2024, dispatching_base_num=["b02512 ", "b0\0 ", None])
    result = conformed(FHV_2024, batch)
    assert _column(result, "dispatching_base_num") == ["B02512", None, None]
    assert _lost(result) == [False, True, False]


def test_a_column_of_base_numbers_may_be_all_null(
    published: Published, conformed: Conforming
) -> None:
    result = conformed(FHV_2024, published(FHV_2024, {"affiliated_base_number": pa.null()}))
    assert result.trips.schema.field("affiliated_base_number").type == pa.string()
    assert _column(result, "affiliated_base_number") == [None] * 6


def test_text_that_is_no_base_number_is_kept_as_it_is(
    published: Published, conformed: Conforming
) -> None:
    texts = [" ", "y ", "Y", None, "", "n"]
    result = conformed(FHVHV_2024, published(FHVHV_2024, access_a_ride_flag=texts))
    assert _column(result, "access_a_ride_flag") == texts


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (pa.int64(), [132, None, 265, 1]),
        (pa.float64(), [132, None, 265, 1]),
        (pa.null(), [None] * 4),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["pu_location_id", "do_location_id"])
def test_fhv_zones_may_be_integer_double_or_null_in_every_vintage(
    name: str,
    kind: pa.DataType,
    expected: list[Any],
    published: Published,
    conformed: Conforming,
) -> None:
    for vintage in FHV.contract.vintages:
        partition = Partition(FHV, vintage.first)
        batch = published(partition, {name: kind}, **{name: [132, None, 265, 1]})
        result = conformed(partition, batch)
        assert result.trips.schema.field(name).type == pa.int16()
        assert _column(result, name) == expected, vintage.first
        assert not result.defects


def test_lineage_says_which_row_of_which_month(published: Published, conformed: Conforming) -> None:
    result = conformed(GREEN_2024, published(GREEN_2024), 131_072)
    assert _column(result, "source_row") == list(range(131_072, 131_078))
    assert set(_column(result, "source_month")) == {date(2024, 1, 1)}


def test_a_column_that_the_vintage_does_not_have_is_null(
    published: Published, conformed: Conforming
) -> None:
    result = conformed(GREEN_2024, published(GREEN_2024))
    assert _column(result, "cbd_congestion_fee") == [None] * 6
    assert _column(result, "request_source") == [None] * 6


def test_columns_may_come_in_any_order(published: Published, conformed: Conforming) -> None:
    batch = published(GREEN_2026)
    backwards = batch.select(batch.schema.names[::-1])
    assert conformed(GREEN_2026, backwards).trips == conformed(GREEN_2026, batch).trips


_FEES = [0.0, 2.0, None, -1.0, 1.0, 5.0]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (pa.null(), [None] * 6),
        (pa.int32(), _FEES),
        (pa.int64(), _FEES),
        (pa.float32(), _FEES),
        (pa.float64(), _FEES),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("service", "fee", "since"),
    [
        (YELLOW, "mta_tax", Month(2009, 1)),
        (YELLOW, "improvement_surcharge", Month(2011, 1)),
        (YELLOW, "congestion_surcharge", Month(2011, 1)),
        (YELLOW, "airport_fee", Month(2011, 1)),
        (YELLOW, "cbd_congestion_fee", Month(2025, 1)),
        (GREEN, "ehail_fee", Month(2014, 1)),
        (GREEN, "improvement_surcharge", Month(2014, 1)),
        (GREEN, "congestion_surcharge", Month(2014, 1)),
        (GREEN, "cbd_congestion_fee", Month(2025, 1)),
        (FHVHV, "congestion_surcharge", Month(2019, 2)),
        (FHVHV, "airport_fee", Month(2019, 2)),
        (FHVHV, "cbd_congestion_fee", Month(2025, 1)),
    ],
    ids=str,
)
def test_a_fee_may_be_null_integer_or_double_in_every_vintage_that_has_it(
    *,
    service: Service,
    fee: str,
    since: Month,
    kind: pa.DataType,
    expected: list[Any],
    published: Published,
    conformed: Conforming,
) -> None:
    """And is null in those before it was charged."""
    for vintage in service.contract.vintages:
        partition = Partition(service, vintage.first)
        batch = published(partition, {fee: kind}, **{fee: [0, 2, None, -1, 1, 5]})
        result = conformed(partition, batch)
        assert _column(result, fee) == (expected if vintage.first >= since else [None] * 6)
        assert not result.defects


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (pa.float64(), [2.0, 0.0, None, -0.0], [2, 0, None, 0]),
        (pa.float64(), [1.0, 1.5, 2.0, None], [1, None, 2, None]),
        (pa.float64(), [1.0, math.nan, math.inf, -math.inf], [1, None, None, None]),
        (pa.float64(), [70000.0, 32767.0, 32768.0, -32769.0], [None, 32767, None, None]),
        (pa.float64(), [65538.0, 1e300, 2.0, 1e-9], [None, None, 2, None]),
        (pa.float32(), [2.0, 1.5, 1e30, -32768.0], [2, None, None, -32768]),
        (pa.int64(), [70000, 32767, -32768, 65538], [None, 32767, -32768, None]),
        (pa.int64(), [1, None, 2**62, -(2**63)], [1, None, None, None]),
        (pa.int32(), [5, None, 40000, 6], [5, None, None, 6]),
        (pa.int8(), [5, None, 127, -128], [5, None, 127, -128]),
    ],
)
@pytest.mark.parametrize("name", ["passenger_count", "pu_location_id", "vendor_id"])
def test_what_a_smallint_cannot_hold_is_lost(
    name: str,
    kind: pa.DataType,
    values: list[Any],
    expected: list[Any],
    cast_of: Callable[..., ConformedBatch],
) -> None:
    result = cast_of(name, kind, values)
    assert _column(result, name) == expected
    assert _lost(result) == [
        was is not None and became is None for was, became in zip(values, expected, strict=True)
    ]


@pytest.mark.parametrize(
    ("kind", "too_large"),
    [(pa.uint16(), 40_000), (pa.uint32(), 2**32 - 1), (pa.uint64(), 2**64 - 1)],
)
def test_an_unsigned_integer_does_not_wrap_around(
    kind: pa.DataType, too_large: int, cast_of: Callable[..., ConformedBatch]
) -> None:
    result = cast_of("passenger_count", kind, [5, too_large, None])
    assert _column(result, "passenger_count") == [5, None, None]
    assert _lost(result) == [False, True, False]


def test_values_lost_in_several_columns_mark_every_row_once(
    published: Published, conformed: Conforming
) -> None:
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


def test_an_integer_too_large_for_a_double_is_not_rounded(
    published: Published, conformed: Conforming
) -> None:
    batch = published(YELLOW_2024, {"extra": pa.int64()}, extra=[2**53, 2**53 + 1, 1])
    result = conformed(YELLOW_2024, batch)
    assert _column(result, "extra") == [2.0**53, None, 1.0]
    assert _lost(result) == [False, True, False]


def test_nan_stays_nan_where_a_double_is_wanted(
    published: Published, conformed: Conforming
) -> None:
    result = conformed(YELLOW_2024, published(YELLOW_2024, trip_distance=[math.nan, math.inf, 1.0]))
    nan, infinite, one = _column(result, "trip_distance")
    assert math.isnan(nan)
    assert (infinite, one) == (math.inf, 1.0)
    assert not result.defects


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_timestamps_of_every_unit_become_microseconds(
    unit: str, published: Published, conformed: Conforming
) -> None:
    kind = pa.timestamp(unit)
    result = conformed(YELLOW_2024, published(YELLOW_2024, {"pickup_datetime": kind}))
    assert result.trips.schema.field("pickup_datetime").type == pa.timestamp("us")
    assert _column(result, "pickup_datetime")[0] == NOON
    assert not result.defects


def test_a_nanosecond_is_lost_not_cut_off(published: Published, conformed: Conforming) -> None:
    noon = int(NOON.replace(tzinfo=UTC).timestamp()) * 10**9
    batch = published(
        YELLOW_2024, {"pickup_datetime": pa.int64()}, pickup_datetime=[noon, noon + 1]
    )
    at = batch.schema.get_field_index("tpep_pickup_datetime")
    exact = batch.column(at).cast(pa.timestamp("ns"))
    result = conformed(YELLOW_2024, batch.set_column(at, "tpep_pickup_datetime", exact))
    assert _column(result, "pickup_datetime") == [NOON, None]
    assert _lost(result) == [False, True]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_text_of_either_size_becomes_text(
    kind: pa.DataType, published: Published, conformed: Conforming
) -> None:
    texts = ["N", "Y", None, "", " ", "é"]
    batch = published(
        GREEN_2026,
        {"store_and_fwd_flag": kind, "request_source": kind},
        store_and_fwd_flag=texts,
        request_source=texts,
    )
    result = conformed(GREEN_2026, batch)
    for name in ("store_and_fwd_flag", "request_source"):
        assert result.trips.schema.field(name).type == pa.string()
        assert _column(result, name) == texts


def test_a_column_known_from_later_months_is_kept(
    published: Published, conformed: Conforming
) -> None:
    batch = published(GREEN_2024)
    fees = pa.array([0.75] * 6)
    result = conformed(GREEN_2024, batch.append_column("cbd_congestion_fee", fees))
    assert _column(result, "cbd_congestion_fee") == [0.75] * 6


def test_an_empty_batch_stays_empty(published: Published, conformed: Conforming) -> None:
    result = conformed(YELLOW_2024, published(YELLOW_2024).slice(0, 0))
    assert result.trips.num_rows == 0
    assert result.trips.schema.names[-2:] == ["source_month", "source_row"]


_COUNTS = st.none() | st.sampled_from([0.0, 1.0, 2.0, 1.5, math.nan, math.inf, 7e4]) | st.floats()
_IDS = st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(-40_000, 40_000)
_ROWS = st.lists(st.tuples(_COUNTS, _IDS, st.none() | st.floats(allow_nan=False)), max_size=12)


def _fits(value: float | None) -> bool:
    return value is None or (
        math.isfinite(value) and value == int(value) and -32768 <= value <= 32767
    )


def _hostile(published: Published, rows: list[tuple[Any, Any, Any]]) -> pa.RecordBatch:
    batch = published(YELLOW_2024).slice(0, 0)
    if not rows:
        return batch
    counts, ids, distances = zip(*rows, strict=True)
    return published(
        YELLOW_2024,
        {"passenger_count": pa.float64(), "pu_location_id": pa.int64()},
        passenger_count=counts,
        pu_location_id=ids,
        trip_distance=distances,
    )


@given(rows=_ROWS)
def test_rows_are_kept_in_order_and_values_equal_where_they_fit(
    rows: list[tuple[Any, Any, Any]], published: Published, conformed: Conforming
) -> None:
    result = conformed(YELLOW_2024, _hostile(published, rows), 100)
    assert _column(result, "source_row") == list(range(100, 100 + len(rows)))
    assert _column(result, "passenger_count") == [c if _fits(c) else None for c, _, _ in rows]
    assert _column(result, "pu_location_id") == [i if _fits(i) else None for _, i, _ in rows]
    assert _column(result, "trip_distance") == [distance for _, _, distance in rows]
    assert _lost(result) == [not (_fits(c) and _fits(i)) for c, i, _ in rows]


@given(rows=_ROWS, cuts=st.lists(st.integers(0, 12), max_size=4))
def test_slices_conform_as_the_whole_does(
    rows: list[tuple[Any, Any, Any]],
    cuts: list[int],
    published: Published,
    conformed: Conforming,
) -> None:
    batch = _hostile(published, rows)
    whole = conformed(YELLOW_2024, batch)
    borders = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    bindings = bind(YELLOW_2024, batch.schema)
    parts = [
        conform(batch.slice(first, last - first), bindings, partition=YELLOW_2024, first_row=first)
        for first, last in pairwise(borders)
    ]
    together = pa.Table.from_batches([part.trips for part in parts])
    assert together.equals(pa.Table.from_batches([whole.trips]))
    assert [lost for part in parts for lost in _lost(part)] == _lost(whole)


def test_text_that_postgres_would_refuse_is_uncastable() -> None:
    offsets = pa.array(["a", "bc", "d"]).buffers()[1]
    invalid = pa.Array.from_buffers(pa.string(), 3, [None, offsets, pa.py_buffer(b"a\xffcd")])
    for flags in (invalid, pa.array(["N", "Y\0", "N"])):
        done = cast(flags, columns.REQUEST_SOURCE)
        assert done.uncastable.to_pylist() == [False, True, False]
        assert done.values.to_pylist()[1] is None
        assert done.values.null_count == 1


def test_a_datetime_beyond_the_calendar_is_uncastable() -> None:
    first, last = -(2**63) + 1, 2**63 - 1
    times = pa.array([first, 0, None, last], pa.timestamp("us"))
    done = cast(times, columns.DROPOFF_DATETIME)
    assert done.uncastable.to_pylist() == [True, False, False, True]
    assert done.values.null_count == 3


def test_unknown_columns_can_be_kept_as_json_with_their_values_intact() -> None:
    partition = Partition(GREEN, Month(2024, 1))
    published = pa.RecordBatch.from_pydict(
        {
            **{name: pa.nulls(2, pa.float64()) for name in _published_names(partition)},
            "lpep_pickup_datetime": pa.array([1_704_412_800_000_000] * 2, pa.timestamp("us")),
            "lpep_dropoff_datetime": pa.array([1_704_412_800_000_000] * 2, pa.timestamp("us")),
            "store_and_fwd_flag": pa.array(["N", None]),
            "surge": [1.25, None],
            "robot": ["yes", 'say "no"'],
        }
    )
    with pytest.raises(ContractError, match=r"column surge \(double\) is unknown.*robot"):
        bind(partition, published.schema)
    bindings = bind(partition, published.schema, keep_unknown=True)
    trips = conform(published, bindings, partition=partition, first_row=0).trips
    assert [json.loads(extra) for extra in trips["extra_columns"].to_pylist()] == [
        {"surge": 1.25, "robot": "yes"},
        {"surge": None, "robot": 'say "no"'},
    ]


def _published_names(partition: Partition) -> list[str]:
    return list(partition.service.contract.vintage_of(partition.month).published)


@pytest.mark.parametrize("partition", [YELLOW_2009, YELLOW_2010], ids=str)
def test_vendors_payments_and_times_of_2009_and_2010_come_as_text(
    partition: Partition, published: Published, conformed: Conforming
) -> None:
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


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.string(), ["1", "2.0", None, "99"]),
        (pa.int64(), [1, 2, None, 99]),
        (pa.float64(), [1.0, 2.0, None, 99.0]),
    ],
    ids=str,
)
@pytest.mark.parametrize("month", ["2009-01", "2010-01", "2010-02", "2010-03", "2010-04"])
def test_rate_codes_of_2009_and_2010_are_the_same_in_every_type(
    month: str, kind: pa.DataType, values: list[Any], published: Published, conformed: Conforming
) -> None:
    partition = Partition(YELLOW, Month.parse(month))
    result = conformed(partition, published(partition, {"rate_code_id": kind}, rate_code_id=values))
    assert _column(result, "rate_code_id") == [1, 2, None, 99]
    assert _sound(result)


@pytest.mark.parametrize(
    ("partition", "kind", "values", "expected"),
    [
        (YELLOW_2009, pa.float64(), [0.0, 1.0, None], ["N", "Y", None]),
        (YELLOW_2010, pa.string(),
         ["0", "0.0", "1", "N", "Y", " "], ["N", "N", "Y", "N", "Y", " "]),
    ],
    ids=str,
)  # fmt: skip
def test_store_and_forward_of_2009_and_2010_is_y_or_n(
    *,
    partition: Partition,
    kind: pa.DataType,
    values: list[Any],
    expected: list[Any],
    published: Published,
    conformed: Conforming,
) -> None:
    batch = published(partition, {"store_and_fwd_flag": kind}, store_and_fwd_flag=values)
    result = conformed(partition, batch)
    assert _column(result, "store_and_fwd_flag") == expected
    assert _sound(result)


@pytest.mark.parametrize("month", [2, 3])
def test_the_stray_index_of_two_months_is_no_extra_column(
    month: int, published: Published, conformed: Conforming
) -> None:
    partition = Partition(YELLOW, Month(2010, month))
    batch = published(partition)
    assert "__index_level_0__" in batch.schema.names
    result = conformed(partition, batch)
    assert _column(result, "extra_columns") == [None] * 6
    assert "__index_level_0__" not in result.trips.schema.names


_PLACES = {
    "pickup_longitude": [-73.97, 0.0, None, -74.172, -73.97],
    "pickup_latitude": [40.75, 0.0, None, 40.735, None],
    "dropoff_longitude": [-73.96, -73.96, 40.76, None, -73.96],
    "dropoff_latitude": [40.76, 40.76, -73.96, None, 40.76],
}


@pytest.mark.parametrize(
    ("partition", "source_format"),
    [
        (YELLOW_2009, SourceFormat.PARQUET),
        (YELLOW_2010, SourceFormat.PARQUET),
        (Partition(YELLOW, Month(2015, 8)), CSV),
        (Partition(GREEN, Month(2013, 8)), CSV),
    ],
    ids=str,
)
def test_coordinates_are_kept_and_give_the_zones(
    *,
    partition: Partition,
    source_format: SourceFormat,
    published: Published,
    conformed: Conforming,
    polygons: ZonePolygons,
) -> None:
    batch = published(partition, source_format=source_format, **_PLACES)
    result = conformed(partition, batch, source_format=source_format, polygons=polygons)
    for name, degrees in _PLACES.items():
        assert _column(result, name) == degrees
    assert _sound(result)
    zones = {name: _column(result, name) for name in ("pu_location_id", "do_location_id")}
    expected = {
        f"{place}_location_id": polygons.locate(
            *(pa.array(_PLACES[f"{prefix}_{axis}"], pa.float64())
              for axis in ("longitude", "latitude"))
        ).to_pylist()
        for place, prefix in (("pu", "pickup"), ("do", "dropoff"))
    }  # fmt: skip
    assert zones == expected
    assert [zone is None for zone in zones["pu_location_id"]] == [False, True, True, True, True]
    assert [zone is None for zone in zones["do_location_id"]] == [False, False, True, True, False]
    assert result.trips.schema.field("pu_location_id").type == pa.int16()


def test_zones_that_are_published_are_not_looked_for(
    published: Published, conformed: Conforming
) -> None:
    result = conformed(YELLOW_2024, published(YELLOW_2024))
    assert _column(result, "pickup_longitude") == [None] * 6
    assert None not in _column(result, "pu_location_id")


def _two_bases(
    published: Published, numbers: list[str | None], nums: list[str | None]
) -> pa.RecordBatch:
    batch = published(FHV_2018, source_format=CSV, pickup_datetime=["2018-06-01 00:00:00"] * 6)
    for name, values in (("Dispatching_base_number", numbers), ("Dispatching_base_num", nums)):
        at = batch.schema.get_field_index(name)
        batch = batch.set_column(at, name, pa.array(values, pa.string()))
    return batch


def test_of_the_two_bases_of_fhv_2018_the_filled_one_counts(
    published: Published, conformed: Conforming
) -> None:
    batch = _two_bases(
        published,
        ["B02884", "B02884", None, None, "b02884 ", "B02884"],
        [None, "B02884", "B02884", None, "B02884", "B00001"],
    )
    result = conformed(FHV_2018, batch, source_format=CSV)
    base = "B02884"
    assert _column(result, "dispatching_base_num") == [base, base, base, None, base, None]
    assert _lost(result) == [False, False, False, False, False, True]


def test_a_base_that_no_store_can_hold_marks_the_row_whichever_it_is(
    published: Published, conformed: Conforming
) -> None:
    batch = _two_bases(
        published,
        ["b\0", "B1", "B1", "b\0", None, None],
        ["B1", "b\0", None, None, "b\0", None],
    )
    result = conformed(FHV_2018, batch, source_format=CSV)
    assert _lost(result) == [True, True, False, True, True, False]
    assert _column(result, "dispatching_base_num")[2:] == ["B1", None, None, None]


def test_a_code_that_one_of_two_columns_cannot_map_marks_the_row() -> None:
    values = pa.array([1, 2, None], pa.int16())
    first = Cast(values, unmapped=pa.array([False, False, True]))
    second = Cast(values, unmapped=pa.array([True, False, False]))
    both = _first_filled(first, second)
    assert (both.unmapped.to_pylist(), both.uncastable) == ([True, False, True], None)
    assert _first_filled(first, Cast(values)).unmapped == first.unmapped
    assert _first_filled(Cast(values), second).unmapped == second.unmapped


def test_an_irregular_row_is_marked_and_its_line_is_no_extra_column(
    published: Published, conformed: Conforming
) -> None:
    partition = Partition(GREEN, Month(2020, 12))
    lines = [None, "1,2,3", None, "", None, None]
    batch = published(partition, source_format=CSV)
    batch = batch.append_column(IRREGULAR_ROW, pa.array(lines, pa.string()))
    result = conformed(partition, batch, source_format=CSV)
    assert _lost(result, ROW_IRREGULAR) == [False, True, False, True, False, False]
    assert _column(result, "extra_columns") == [None] * 6
    assert IRREGULAR_ROW not in result.trips.schema.names


def test_unknown_columns_of_a_csv_are_kept_without_its_own(published: Published) -> None:
    partition = Partition(GREEN, Month(2020, 12))
    batch = published(partition, source_format=CSV)
    batch = batch.append_column("surge", pa.array(["1.25", None, "x", "", " ", "0"]))
    bindings = bind(partition, batch.schema, source_format=CSV, keep_unknown=True)
    lines = pa.nulls(6, pa.string())
    whole = batch.append_column(IRREGULAR_ROW, lines)
    trips = conform(whole, bindings, partition=partition, first_row=0).trips
    assert [json.loads(extra) for extra in trips["extra_columns"].to_pylist()] == [
        {"surge": value} for value in ("1.25", None, "x", "", " ", "0")
    ]
