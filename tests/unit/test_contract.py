"""The contracts against what is known of TLC's files, month by month (tlc-facts.md, C.5)."""

import csv
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embedded.sample_months import published_schema
from nyc_tlc.core.contract.columns import LINEAGE
from nyc_tlc.core.contract.model import ColumnType
from nyc_tlc.core.errors import ContractError
from nyc_tlc.core.month import Month
from nyc_tlc.core.partition import Partition
from nyc_tlc.core.service import FHV, FHVHV, GREEN, SERVICES, YELLOW, Service

LAST = Month(2026, 8)
"""Newest month seen at TLC when the contracts were written."""
EVERY = pytest.mark.parametrize("service", SERVICES.values(), ids=str)
TAXIS = pytest.mark.parametrize("service", [YELLOW, GREEN], ids=str)

_YELLOW_2011 = (
    "VendorID", "tpep_pickup_datetime", "tpep_dropoff_datetime", "passenger_count",
    "trip_distance", "RatecodeID", "store_and_fwd_flag", "PULocationID", "DOLocationID",
    "payment_type", "fare_amount", "extra", "mta_tax", "tip_amount", "tolls_amount",
    "improvement_surcharge", "total_amount", "congestion_surcharge",
)  # fmt: skip
_GREEN_2014 = (
    "VendorID", "lpep_pickup_datetime", "lpep_dropoff_datetime", "store_and_fwd_flag",
    "RatecodeID", "PULocationID", "DOLocationID", "passenger_count", "trip_distance",
    "fare_amount", "extra", "mta_tax", "tip_amount", "tolls_amount", "ehail_fee",
    "improvement_surcharge", "total_amount", "payment_type", "trip_type", "congestion_surcharge",
)  # fmt: skip
_FHV_2015 = (
    "dispatching_base_num", "pickup_datetime", "dropOff_datetime", "PUlocationID", "DOlocationID",
    "SR_Flag", "Affiliated_base_number",
)  # fmt: skip
_FHVHV_2019 = (
    "hvfhs_license_num", "dispatching_base_num", "originating_base_num", "request_datetime",
    "on_scene_datetime", "pickup_datetime", "dropoff_datetime", "PULocationID", "DOLocationID",
    "trip_miles", "trip_time", "base_passenger_fare", "tolls", "bcf", "sales_tax",
    "congestion_surcharge", "airport_fee", "tips", "driver_pay", "shared_request_flag",
    "shared_match_flag", "access_a_ride_flag", "wav_request_flag", "wav_match_flag",
)  # fmt: skip
_TEXTS = {
    "yellow": {"store_and_fwd_flag", "request_source"},
    "green": {"store_and_fwd_flag", "request_source"},
    "fhv": {"dispatching_base_num", "Affiliated_base_number"},
    "fhvhv": {
        "hvfhs_license_num", "dispatching_base_num", "originating_base_num",
        "shared_request_flag", "shared_match_flag", "access_a_ride_flag", "wav_request_flag",
        "wav_match_flag",
    },
}  # fmt: skip
_CONGESTION_BEFORE_2019 = {
    "2011-01", "2011-03", "2012-12", "2013-05", "2014-01", "2018-01", "2018-06", "2018-09",
    "2018-11",
}  # fmt: skip
_AIRPORT_BEFORE_2020_11 = {"2011-01", "2018-01", "2020-08", "2020-09"}


def _months(service: Service) -> tuple[Month, ...]:
    return service.first_month.through(LAST)


def _types(service: Service, column: str) -> Iterator[tuple[str, str]]:
    """Each month as text, and the column's type in it."""
    for month in _months(service):
        published = service.contract.vintage_of(month).published
        if column in published:
            yield str(month), published[column]


def _first_month_of(service: Service, column: str) -> str:
    return next(_types(service, column))[0]


@EVERY
def test_every_month_has_a_vintage_whose_names_map_to_columns(service: Service) -> None:
    contract = service.contract
    for month in _months(service):
        vintage = contract.vintage_of(month)
        assert vintage.first <= month
        unmapped = [name for name in vintage.published if name not in contract.by_spelling]
        assert unmapped == [], month
        names = [contract.by_spelling[name].name for name in vintage.published]
        assert [name for name, count in Counter(names).items() if count > 1] == [], month


@EVERY
def test_vintages_ascend_and_each_differs_from_the_one_before(service: Service) -> None:
    vintages = service.contract.vintages
    firsts = [vintage.first for vintage in vintages]
    assert firsts == sorted(set(firsts))
    assert firsts[0] == service.first_month
    for before, after in pairwise(vintages):
        assert (before.published, before.ignored) != (after.published, after.ignored), after.first


@EVERY
def test_a_month_before_the_first_vintage_is_refused(service: Service) -> None:
    before = service.first_month - 1
    with pytest.raises(ContractError) as caught:
        service.contract.vintage_of(before)
    assert f"{service} {before}: the contract begins with {service.first_month}" in str(
        caught.value
    )


@EVERY
def test_a_month_not_seen_yet_is_read_as_the_newest_vintage(service: Service) -> None:
    newest = service.contract.vintages[-1]
    assert service.contract.vintage_of(LAST + 1) == newest
    assert service.contract.vintage_of(Month(2099, 1)) == newest


@EVERY
def test_no_spelling_maps_to_two_columns(service: Service) -> None:
    spellings = Counter(s for column in service.contract.columns for s in column.published_as)
    assert [spelling for spelling, count in spellings.items() if count > 1] == []


@EVERY
def test_every_spelling_is_published_in_some_vintage(service: Service) -> None:
    published = {name for vintage in service.contract.vintages for name in vintage.published}
    assert set(service.contract.by_spelling) == published


@EVERY
def test_canonical_names_are_unique_and_every_column_but_lineage_is_published(
    service: Service,
) -> None:
    names = [column.name for column in service.contract.columns]
    assert len(names) == len(set(names))
    assert all(name == name.lower() and name.isidentifier() for name in names)
    unpublished = [column for column in service.contract.columns if not column.published_as]
    assert unpublished == list(LINEAGE)
    assert names[-3:] == ["source_month", "source_row", "quality_flags"]


@EVERY
def test_the_pickup_is_what_a_trip_cannot_be_without(service: Service) -> None:
    required = [column.name for column in service.contract.columns if column.required]
    assert required == ["pickup_datetime", "source_month", "source_row", "quality_flags"]


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [(YELLOW, GREEN, 24), (YELLOW, FHV, 8), (YELLOW, FHVHV, 14), (FHV, FHVHV, 9)],
    ids=str,
)
def test_a_column_of_several_services_is_the_same_column(
    one: Service, other: Service, shared: int
) -> None:
    names = one.contract.by_name.keys() & other.contract.by_name.keys()
    assert len(names) == shared
    for name in names:
        assert one.contract.by_name[name].spelled() == other.contract.by_name[name].spelled()


@EVERY
def test_types_are_narrow_and_amounts_are_dollars(service: Service) -> None:
    for column in service.contract.columns:
        if column.name.endswith("_id") or column.name == "passenger_count":
            assert column.type is ColumnType.SMALLINT, column.name
        if column.name.endswith(("_amount", "_fee", "surcharge")):
            assert (column.type, column.unit) == (ColumnType.DOUBLE, "US dollars"), column.name
        if column.codes is not None:
            wanted = str if column.type is ColumnType.TEXT else int
            assert all(isinstance(code, wanted) for code in column.codes.meanings), column.name


def test_columns_that_only_one_service_has() -> None:
    assert YELLOW.contract.by_name.keys() - GREEN.contract.by_name.keys() == {"airport_fee"}
    assert GREEN.contract.by_name.keys() - YELLOW.contract.by_name.keys() == {
        "ehail_fee", "trip_type",
    }  # fmt: skip
    taxi = YELLOW.contract.by_name.keys() | GREEN.contract.by_name.keys()
    assert FHV.contract.by_name.keys() - FHVHV.contract.by_name.keys() - taxi == {
        "affiliated_base_number", "sr_flag",
    }  # fmt: skip
    assert FHVHV.contract.by_name.keys() - FHV.contract.by_name.keys() - taxi == {
        "hvfhs_license_num", "originating_base_num", "request_datetime", "on_scene_datetime",
        "trip_time", "base_passenger_fare", "bcf", "sales_tax", "driver_pay",
        "shared_request_flag", "shared_match_flag", "access_a_ride_flag", "wav_request_flag",
        "wav_match_flag",
    }  # fmt: skip


@EVERY
def test_base_numbers_are_those_of_the_for_hire_services(service: Service) -> None:
    expected = {
        "fhv": {"dispatching_base_num", "affiliated_base_number"},
        "fhvhv": {"dispatching_base_num", "originating_base_num"},
    }
    columns = [column for column in service.contract.columns if column.is_base_number]
    assert {column.name for column in columns} == expected.get(service.name, set())
    assert {column.type for column in columns} <= {ColumnType.TEXT}


def test_yellow_columns_by_era() -> None:
    for month in _months(YELLOW):
        airport_fee = "airport_fee" if month < Month(2023, 2) else "Airport_fee"
        expected = [*_YELLOW_2011, airport_fee]
        expected += ["cbd_congestion_fee"] if month >= Month(2025, 1) else []
        expected += ["request_source"] if month >= Month(2026, 6) else []
        assert list(YELLOW.contract.vintage_of(month).published) == expected, month


def test_green_columns_by_era() -> None:
    for month in _months(GREEN):
        expected = list(_GREEN_2014)
        expected += ["cbd_congestion_fee"] if month >= Month(2025, 1) else []
        expected += ["request_source"] if month >= Month(2026, 6) else []
        assert list(GREEN.contract.vintage_of(month).published) == expected, month


def test_fhv_columns_are_the_same_in_every_month() -> None:
    for month in _months(FHV):
        assert list(FHV.contract.vintage_of(month).published) == list(_FHV_2015), month


def test_fhvhv_columns_by_era() -> None:
    for month in _months(FHVHV):
        expected = list(_FHVHV_2019)
        expected += ["cbd_congestion_fee"] if month >= Month(2025, 1) else []
        assert list(FHVHV.contract.vintage_of(month).published) == expected, month


def test_yellow_airport_fee_is_null_until_it_was_charged() -> None:
    for month, kind in _types(YELLOW, "airport_fee"):
        filled = month in _AIRPORT_BEFORE_2020_11 or month >= "2020-11"
        assert kind == ("double" if filled else "null"), month
    assert _first_month_of(YELLOW, "Airport_fee") == "2023-02"
    assert {kind for _, kind in _types(YELLOW, "Airport_fee")} == {"double"}


def test_yellow_congestion_surcharge_is_null_until_2019_but_for_nine_months() -> None:
    for month, kind in _types(YELLOW, "congestion_surcharge"):
        filled = month in _CONGESTION_BEFORE_2019 or month >= "2019-01"
        assert kind == ("double" if filled else "null"), month


def test_yellow_improvement_surcharge_is_null_in_2014_08_only() -> None:
    nulls = [month for month, kind in _types(YELLOW, "improvement_surcharge") if kind != "double"]
    assert nulls == ["2014-08"]


@pytest.mark.parametrize("column", ["passenger_count", "RatecodeID"])
def test_yellow_counts_are_double_from_2018_07_through_2023_01(column: str) -> None:
    for month, kind in _types(YELLOW, column):
        assert kind == ("double" if "2018-07" <= month <= "2023-01" else "int64"), month


@pytest.mark.parametrize(
    ("service", "column"),
    [
        *((taxi, name) for taxi in (YELLOW, GREEN)
          for name in ("VendorID", "PULocationID", "DOLocationID")),
        (FHVHV, "PULocationID"),
        (FHVHV, "DOLocationID"),
    ],
    ids=str,
)  # fmt: skip
def test_ids_are_32_bits_from_2023_02(service: Service, column: str) -> None:
    kinds = dict(_types(service, column))
    assert len(kinds) == len(_months(service))
    for month, kind in kinds.items():
        assert kind == ("int32" if month >= "2023-02" else "int64"), month


@EVERY
def test_strings_are_large_from_2023_02(service: Service) -> None:
    texts = {name for name, column in service.contract.by_spelling.items()
             if column.type is ColumnType.TEXT}  # fmt: skip
    assert texts == _TEXTS[service.name]
    for column in texts:
        for month, kind in _types(service, column):
            if (column, month) in {("wav_match_flag", "2019-02"), ("wav_match_flag", "2019-03")}:
                continue
            expected = "large_string" if month >= "2023-02" else "string"
            assert kind == expected, (column, month)


@pytest.mark.parametrize("service", [YELLOW, GREEN, FHVHV], ids=str)
def test_cbd_congestion_fee_begins_in_2025_01(service: Service) -> None:
    assert _first_month_of(service, "cbd_congestion_fee") == "2025-01"
    assert {kind for _, kind in _types(service, "cbd_congestion_fee")} == {"double"}


@TAXIS
def test_request_source_begins_in_2026_06(service: Service) -> None:
    assert _first_month_of(service, "request_source") == "2026-06"
    assert {kind for _, kind in _types(service, "request_source")} == {"large_string"}


def test_what_the_for_hire_services_are_never_charged_or_asked() -> None:
    assert {"cbd_congestion_fee", "request_source"}.isdisjoint(FHV.contract.by_name)
    assert "request_source" not in FHVHV.contract.by_name


@pytest.mark.parametrize("column", ["payment_type", "passenger_count", "RatecodeID", "trip_type"])
def test_green_codes_are_double_from_2019_01_through_2023_01(column: str) -> None:
    for month, kind in _types(GREEN, column):
        if month >= "2019-01":
            assert kind == ("double" if month <= "2023-01" else "int64"), month


def test_green_ehail_fee_is_double_null_and_double_again() -> None:
    for month, kind in _types(GREEN, "ehail_fee"):
        if "2019-01" <= month <= "2019-08" or month >= "2023-02":
            assert kind == "double", month
        if "2019-09" <= month <= "2023-01" or month == "2014-02":
            assert kind == "null", month


def test_green_improvement_surcharge_is_null_in_2014_02() -> None:
    nulls = [month for month, kind in _types(GREEN, "improvement_surcharge") if kind != "double"]
    assert nulls == ["2014-02"]


def test_fhv_pickup_zones_are_integers_in_two_months_of_2019_and_from_2023_02() -> None:
    for month, kind in _types(FHV, "PUlocationID"):
        whole = month in {"2019-05", "2019-06"} or month >= "2023-02"
        assert kind == ("int64" if whole else "double"), month


def test_fhv_dropoff_zones_are_integers_in_2020_07_too() -> None:
    for month, kind in _types(FHV, "DOlocationID"):
        whole = month in {"2019-05", "2019-06", "2020-07"} or month >= "2023-02"
        assert kind == ("int64" if whole else "double"), month


def test_fhv_shared_ride_flag_is_null_double_null_and_integer() -> None:
    for month, kind in _types(FHV, "SR_Flag"):
        if "2017-05" <= month <= "2019-02":
            assert kind == "double", month
        else:
            assert kind == ("int64" if month >= "2023-02" else "null"), month


def test_fhv_types_change_in_eight_months() -> None:
    assert [str(vintage.first) for vintage in FHV.contract.vintages] == [
        "2015-01", "2017-05", "2019-03", "2019-05", "2019-07", "2020-07", "2020-08", "2023-02",
    ]  # fmt: skip


def test_fhvhv_airport_fee_is_null_until_2019_06_and_in_two_months_of_2020() -> None:
    for month, kind in _types(FHVHV, "airport_fee"):
        empty = month <= "2019-06" or month in {"2020-04", "2020-10"}
        assert kind == ("null" if empty else "double"), month


def test_fhvhv_wav_match_flag_is_null_in_its_first_two_months() -> None:
    nulls = [month for month, kind in _types(FHVHV, "wav_match_flag") if kind == "null"]
    assert nulls == ["2019-02", "2019-03"]


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        (("trip_miles", "base_passenger_fare", "tolls", "bcf", "sales_tax",
          "congestion_surcharge", "tips", "driver_pay"), "double"),
        (("trip_time",), "int64"),
    ],
)  # fmt: skip
def test_fhvhv_measures_keep_their_type(columns: tuple[str, ...], kind: str) -> None:
    for column in columns:
        kinds = dict(_types(FHVHV, column))
        assert len(kinds) == len(_months(FHVHV))
        assert set(kinds.values()) == {kind}, column


@pytest.mark.parametrize(
    ("service", "names"),
    [
        (YELLOW, ["tpep_pickup_datetime", "tpep_dropoff_datetime"]),
        (GREEN, ["lpep_pickup_datetime", "lpep_dropoff_datetime"]),
        (FHV, ["pickup_datetime", "dropOff_datetime"]),
        (FHVHV, ["request_datetime", "on_scene_datetime", "pickup_datetime", "dropoff_datetime"]),
    ],
    ids=str,
)
def test_times_are_naive_microseconds_in_every_month(service: Service, names: list[str]) -> None:
    timestamps = [name for name, column in service.contract.by_spelling.items()
                  if column.type is ColumnType.TIMESTAMP]  # fmt: skip
    assert timestamps == names
    for name in names:
        kinds = dict(_types(service, name))
        assert len(kinds) == len(_months(service))
        assert set(kinds.values()) == {"timestamp[us]"}


@pytest.mark.parametrize(
    "month",
    ["2020-12", "2021-01", "2022-02", "2023-01", "2023-02", "2023-03", "2023-12", "2024-01",
     "2025-01", "2025-02"],
)  # fmt: skip
def test_published_schema_is_exactly_that_of_the_real_file(month: str, shared_tlc: Path) -> None:
    partition = Partition(GREEN, Month.parse(month))
    real = pq.read_schema(shared_tlc / "green" / partition.file_name).remove_metadata()
    assert _fields(published_schema(partition)) == _fields(real)


def _fields(schema: pa.Schema) -> list[tuple[str, str]]:
    return [(field.name, str(field.type)) for field in schema]


@EVERY
def test_every_vintage_has_as_many_columns_as_the_published_files(
    service: Service, shared_tlc: Path
) -> None:
    with (shared_tlc / "published_files.csv").open(newline="") as file:
        listed = {
            Month(int(row["year"]), int(row["month"])): int(row["columns"])
            for row in csv.DictReader(file)
            if row["service"] == service.name
        }
    months = [month for month in listed if month >= service.first_month]
    assert len(months) >= {"yellow": 161, "green": 125, "fhv": 113, "fhvhv": 64}[service.name]
    assert {month: len(service.contract.vintage_of(month).published) for month in months} == {
        month: listed[month] for month in months
    }
