"""The contracts against what is known of TLC's files, month by month (tlc-facts.md, C.5)."""

import csv
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embedded.samples.months import published_schema
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract import codes
from nyc_tlc.core.contract.columns import LINEAGE
from nyc_tlc.core.contract.model import CodeList, Column, ColumnType, Vintage
from nyc_tlc.core.contract.schemas import arrow_schema, postgres_columns
from nyc_tlc.core.contract.service import FHV, FHVHV, GREEN, SERVICES, YELLOW, Service
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.contract.vintages import csv_vintage
from nyc_tlc.core.errors import ContractError
from nyc_tlc.core.month import Month

LAST = Month(2026, 8)
"""Newest month seen at TLC when the contracts were written."""
EVERY = pytest.mark.parametrize("service", SERVICES.values(), ids=str)
FORMATS = pytest.mark.parametrize("source_format", SourceFormat, ids=str)
TAXIS = pytest.mark.parametrize("service", [YELLOW, GREEN], ids=str)

_YELLOW_2009 = (
    "vendor_name", "Trip_Pickup_DateTime", "Trip_Dropoff_DateTime", "Passenger_Count",
    "Trip_Distance", "Start_Lon", "Start_Lat", "Rate_Code", "store_and_forward", "End_Lon",
    "End_Lat", "Payment_Type", "Fare_Amt", "surcharge", "mta_tax", "Tip_Amt", "Tolls_Amt",
    "Total_Amt",
)  # fmt: skip
_YELLOW_2010 = (
    "vendor_id", "pickup_datetime", "dropoff_datetime", "passenger_count", "trip_distance",
    "pickup_longitude", "pickup_latitude", "rate_code", "store_and_fwd_flag",
    "dropoff_longitude", "dropoff_latitude", "payment_type", "fare_amount", "surcharge",
    "mta_tax", "tip_amount", "tolls_amount", "total_amount",
)  # fmt: skip
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
    "fhv": {"dispatching_base_num", "affiliated_base_number"},
    "fhvhv": {
        "hvfhs_license_num", "dispatching_base_num", "originating_base_num",
        "shared_request_flag", "shared_match_flag", "access_a_ride_flag", "wav_request_flag",
        "wav_match_flag",
    },
}  # fmt: skip
_COORDINATES = {"pickup_longitude", "pickup_latitude", "dropoff_longitude", "dropoff_latitude"}
_CONGESTION_BEFORE_2019 = {
    "2011-01", "2011-03", "2012-12", "2013-05", "2014-01", "2018-01", "2018-06", "2018-09",
    "2018-11",
}  # fmt: skip
_AIRPORT_BEFORE_2020_11 = {"2011-01", "2018-01", "2020-08", "2020-09"}


def _months(service: Service, since: str = "2009-01") -> tuple[Month, ...]:
    """Every month that TLC has published as Parquet."""
    # fhv 2026-08 was not there yet on 2026-10-02.
    last = LAST - 1 if service is FHV else LAST
    return max(service.first_month, Month.parse(since)).through(last)


def _types(service: Service, column: str, since: str = "2009-01") -> Iterator[tuple[str, str]]:
    """Each month as text, and the type in it of the column of that published name."""
    for month in _months(service, since):
        published = service.contract.vintage_of(month).published
        if column in published:
            yield str(month), published[column]


def _first_month_of(service: Service, column: str) -> str:
    return next(_types(service, column))[0]


def _vintages(service: Service, source_format: SourceFormat) -> tuple[Vintage, ...]:
    contract = service.contract
    return contract.csv_vintages if source_format is SourceFormat.CSV else contract.vintages


def test_the_whole_published_record_is_594_files() -> None:
    assert {service.name: len(_months(service)) for service in SERVICES.values()} == {
        "yellow": 212, "green": 152, "fhv": 139, "fhvhv": 91,
    }  # fmt: skip
    assert sum(len(_months(service)) for service in SERVICES.values()) == 594


@FORMATS
@EVERY
def test_every_month_has_a_vintage_whose_names_map_to_columns(
    service: Service, source_format: SourceFormat
) -> None:
    contract = service.contract
    for month in service.first_month_in(source_format).through(LAST):
        vintage = contract.vintage_of(month, source_format)
        assert vintage.first <= month
        unmapped = [name for name in vintage.published if name not in contract.by_spelling]
        assert unmapped == [], month
        names = Counter(contract.by_spelling[name].name for name in vintage.published)
        twice = [name for name, count in names.items() if count > 1]
        two_bases = (
            service is FHV and source_format is SourceFormat.CSV and str(month)[:4] == "2018"
        )
        assert twice == (["dispatching_base_num"] if two_bases else []), month
        assert "pickup_datetime" in names, month


@FORMATS
@EVERY
def test_vintages_ascend_and_each_differs_from_the_one_before(
    service: Service, source_format: SourceFormat
) -> None:
    vintages = _vintages(service, source_format)
    firsts = [vintage.first for vintage in vintages]
    assert firsts == sorted(set(firsts))
    assert firsts[0] == service.first_month_in(source_format)
    for before, after in pairwise(vintages):
        assert (before.published, before.ignored) != (after.published, after.ignored), after.first


@FORMATS
@EVERY
def test_a_month_before_the_first_vintage_is_refused(
    service: Service, source_format: SourceFormat
) -> None:
    first = service.first_month_in(source_format)
    with pytest.raises(ContractError) as caught:
        service.contract.vintage_of(first - 1, source_format)
    assert f"{service} {first - 1}: the contract begins with {first}" in str(caught.value)


@FORMATS
@EVERY
def test_a_month_not_seen_yet_is_read_as_the_newest_vintage(
    service: Service, source_format: SourceFormat
) -> None:
    newest = _vintages(service, source_format)[-1]
    assert service.contract.vintage_of(LAST + 1, source_format) == newest
    assert service.contract.vintage_of(Month(2099, 1), source_format) == newest


@EVERY
def test_version_was_raised_with_the_shape(service: Service) -> None:
    assert service.contract.version == 2


@EVERY
def test_everything_in_a_csv_is_text(service: Service) -> None:
    for vintage in service.contract.csv_vintages:
        assert set(vintage.published.values()) == {"string"}
        assert vintage.ignored == ()


@EVERY
def test_csv_vintages_are_the_published_headers_month_by_month(
    service: Service, shared_tlc: Path
) -> None:
    headers = _csv_headers(service, shared_tlc)
    assert len(headers) == {"yellow": 138, "green": 83, "fhv": 66, "fhvhv": 16}[service.name]
    assert next(iter(headers)) == service.first_csv_month
    for month, header in headers.items():
        vintage = service.contract.vintage_of(month, SourceFormat.CSV)
        assert list(vintage.published) == [name.strip(' "') for name in header.split(",")], month
    changes = [
        later
        for (_, before), (later, after) in pairwise(headers.items())
        if [name.strip(' "') for name in before.split(",")]
        != [name.strip(' "') for name in after.split(",")]
    ]
    assert [vintage.first for vintage in service.contract.csv_vintages][1:] == changes


def _csv_headers(service: Service, shared_tlc: Path) -> dict[Month, str]:
    lines = (shared_tlc / "csv_headers" / f"{service}.tsv").read_text("utf-8").splitlines()
    files = [line.split("\t") for line in lines if line]
    stem = f"{service}_tripdata_"
    return {
        Month.parse(name.removeprefix(stem).removesuffix(".csv")): header
        for name, header in files
        if header
    }


@EVERY
def test_no_spelling_maps_to_two_columns(service: Service) -> None:
    spellings = Counter(s for column in service.contract.columns for s in column.published_as)
    assert [spelling for spelling, count in spellings.items() if count > 1] == []


@EVERY
def test_every_spelling_is_published_in_some_vintage(service: Service) -> None:
    contract = service.contract
    vintages = (*contract.vintages, *contract.csv_vintages)
    published = {name for vintage in vintages for name in vintage.published}
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
    [(YELLOW, GREEN, 28), (YELLOW, FHV, 8), (YELLOW, FHVHV, 14), (FHV, FHVHV, 10)],
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
        "affiliated_base_number",
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


def test_coordinates_are_the_taxis_only_and_beside_the_zones() -> None:
    for service in SERVICES.values():
        names = service.contract.by_name.keys()
        assert names & _COORDINATES == (_COORDINATES if service in (YELLOW, GREEN) else set())
        assert {"pu_location_id", "do_location_id"} <= names
    for name in _COORDINATES:
        column = YELLOW.contract.by_name[name]
        assert (column.type, column.unit, column.required) == (ColumnType.DOUBLE, "degrees", False)


@FORMATS
@EVERY
def test_a_month_has_coordinates_or_zones_and_not_both(
    service: Service, source_format: SourceFormat
) -> None:
    """The fhv files of 2015 and 2016 have no drop-off zone; only the coordinates come in fours."""
    with_coordinates = set()
    for month in service.first_month_in(source_format).through(LAST):
        vintage = service.contract.vintage_of(month, source_format)
        names = {service.contract.by_spelling[name].name for name in vintage.published}
        assert names & _COORDINATES in (set(), _COORDINATES), month
        assert bool(names & _COORDINATES) != ("pu_location_id" in names), month
        if names & _COORDINATES:
            with_coordinates.add(month)
    last = {
        ("yellow", SourceFormat.PARQUET): Month(2010, 12),
        ("yellow", SourceFormat.CSV): Month(2016, 6),
        ("green", SourceFormat.CSV): Month(2016, 6),
    }.get((service.name, source_format))
    first = service.first_month_in(source_format)
    assert with_coordinates == set(first.through(last) if last else ())


def test_yellow_columns_of_2009_and_2010() -> None:
    for month in Month(2009, 1).through(Month(2010, 12)):
        expected = _YELLOW_2009 if month.year == 2009 else _YELLOW_2010
        vintage = YELLOW.contract.vintage_of(month)
        assert list(vintage.published) == list(expected), month
        stray = month in (Month(2010, 2), Month(2010, 3))
        assert vintage.ignored == (("__index_level_0__",) if stray else ()), month


@EVERY
def test_only_two_months_have_a_stray_index(service: Service) -> None:
    stray = [str(m) for m in _months(service) if service.contract.vintage_of(m).ignored]
    assert stray == (["2010-02", "2010-03"] if service is YELLOW else [])


def test_yellow_types_of_2009_and_2010() -> None:
    for month in Month(2009, 1).through(Month(2010, 12)):
        published = YELLOW.contract.vintage_of(month).published
        kinds = {YELLOW.contract.by_spelling[name].name: kind for name, kind in published.items()}
        texts = {"vendor_id", "pickup_datetime", "dropoff_datetime", "payment_type"}
        assert {kinds.pop(name) for name in texts} == {"string"}, month
        assert kinds.pop("passenger_count") == "int64", month
        if month.year == 2009:
            rate, flag = "double", "double"
        else:
            whole = month in (Month(2010, 2), Month(2010, 3))
            rate, flag = "int64" if whole else "string", "string"
        assert (kinds.pop("rate_code_id"), kinds.pop("store_and_fwd_flag")) == (rate, flag), month
        assert set(kinds.values()) == {"double"}, month


def test_yellow_vintages_of_2009_and_2010_begin_in_four_months() -> None:
    firsts = [str(v.first) for v in YELLOW.contract.vintages if v.first < Month(2011, 1)]
    assert firsts == ["2009-01", "2010-01", "2010-02", "2010-04"]


def test_yellow_columns_by_era_since_2011() -> None:
    for month in _months(YELLOW, "2011-01"):
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
    for month, kind in _types(YELLOW, column, "2011-01"):
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
def test_ids_are_integers_since_2011_and_of_32_bits_from_2023_02(
    service: Service, column: str
) -> None:
    kinds = dict(_types(service, column))
    assert len(kinds) == len(_months(service, "2011-01"))
    for month, kind in kinds.items():
        assert kind == ("int32" if month >= "2023-02" else "int64"), month


@EVERY
def test_strings_are_large_from_2023_02(service: Service) -> None:
    texts = {name: column for name, column in service.contract.by_spelling.items()
             if column.type is ColumnType.TEXT}  # fmt: skip
    assert {column.name for column in texts.values()} == _TEXTS[service.name]
    for column in texts:
        for month, kind in _types(service, column):
            if (column, month) in {("wav_match_flag", "2019-02"), ("wav_match_flag", "2019-03")}:
                continue
            if column == "store_and_forward":  # yellow 2009
                assert kind == "double", month
                continue
            expected = "large_string" if month >= "2023-02" else "string"
            assert kind == expected, (column, month)


@EVERY
def test_only_yellow_of_2009_and_2010_gives_numbers_or_times_as_text(service: Service) -> None:
    by_spelling = service.contract.by_spelling
    months = {
        str(month)
        for month in _months(service)
        for name, kind in service.contract.vintage_of(month).published.items()
        if kind.endswith("string") and by_spelling[name].type is not ColumnType.TEXT
    }
    expected = map(str, Month(2009, 1).through(Month(2010, 12))) if service is YELLOW else ()
    assert months == set(expected)


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
    nulls = [month for month, kind in _types(GREEN, "improvement_surcharge") if kind == "null"]
    assert nulls == ["2014-02"]


def test_fhv_pickup_zones_are_integers_in_two_months_of_2019_and_from_2023_02() -> None:
    for month, kind in _types(FHV, "PUlocationID"):
        whole = month in {"2019-05", "2019-06"} or month >= "2023-02"
        assert kind == ("int64" if whole else "double"), month


def test_fhv_dropoff_zones_are_integers_in_2020_07_too() -> None:
    for month, kind in _types(FHV, "DOlocationID"):
        whole = month in {"2019-05", "2019-06", "2020-07"} or month >= "2023-02"
        assert kind == ("int64" if whole else "double"), month


def test_a_header_is_read_without_its_quotes_and_spaces() -> None:
    assert list(csv_vintage("2017-01", '"base", "Pickup time" ,zone').published) == [
        "base", "Pickup time", "zone",
    ]  # fmt: skip


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
def test_times_are_naive_microseconds_in_every_month_since_2011(
    service: Service, names: list[str]
) -> None:
    """In 2009 and 2010 they are text: see the types of those years above."""
    by_spelling = service.contract.by_spelling
    for month in _months(service, "2011-01"):
        published = service.contract.vintage_of(month).published
        times = {name: kind for name, kind in published.items()
                 if by_spelling[name].type is ColumnType.TIMESTAMP}  # fmt: skip
        assert times == dict.fromkeys(names, "timestamp[us]"), month


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
    assert len(months) == {"yellow": 185, "green": 125, "fhv": 113, "fhvhv": 64}[service.name]
    assert len(months) == len(listed)
    assert {month: _width(service.contract.vintage_of(month)) for month in months} == listed


def _width(vintage: Vintage) -> int:
    return len(vintage.published) + len(vintage.ignored)


_ENUMERATED = [
    pytest.param(column, id=f"{service}-{column.name}")
    for service in SERVICES.values()
    for column in service.contract.columns
    if column.codes is not None
]


@pytest.mark.parametrize("column", _ENUMERATED)
def test_every_spelling_stands_for_a_code_that_has_a_meaning(column: Column) -> None:
    assert column.codes is not None
    assert set(column.codes.spellings.values()) <= set(column.codes.meanings)


@pytest.mark.parametrize("column", _ENUMERATED)
def test_no_spelling_stands_for_two_codes_case_and_spaces_aside(column: Column) -> None:
    assert column.codes is not None
    folded: dict[str, set[int | str]] = {}
    for spelling, code in column.codes.spellings.items():
        folded.setdefault(spelling.strip().upper(), set()).add(code)
    assert all(len(codes_of) == 1 for codes_of in folded.values())
    assert {name: {code} for name, code in column.codes.by_folded_spelling.items()} == folded


@pytest.mark.parametrize(
    ("code_list", "spellings"),
    [
        (codes.VENDOR, {1: ["CMT"], 2: ["VTS"], 3: ["DDS"]}),
        (codes.PAYMENT_TYPE, {
            1: ["Credit", "CREDIT", "Cre", "CRD"],
            2: ["Cash", "CASH", "Cas", "CAS", "CSH"],
            3: ["No Charge", "No", "NOC"],
            4: ["Dispute", "Dis"],
            5: ["NA", "UNK"],
        }),
        (codes.STORE_AND_FWD, {"N": ["0", "0.0"], "Y": ["1", "1.0"]}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)  # fmt: skip
def test_published_spellings_are_known(
    code_list: CodeList, spellings: dict[int | str, list[str]]
) -> None:
    found: dict[int | str, list[str]] = {}
    for spelling, code in code_list.spellings.items():
        found.setdefault(code, []).append(spelling)
    assert found == spellings


@EVERY
def test_postgres_has_the_columns_of_the_files_and_the_same_of_them_may_be_missing(
    service: Service,
) -> None:
    """BigQuery's are held against the files' in tests/ports/bigquery/test_warehouse.py."""
    lines = postgres_columns(service.contract.columns).split(",\n  ")
    postgres = [(line.split('"')[1], not line.endswith(" NOT NULL")) for line in lines]
    stored = arrow_schema(service.contract)
    assert postgres == [(field.name, field.nullable) for field in stored]
