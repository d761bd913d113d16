"""The contracts against what is known of TLC's files, month by month (tlc-facts.md, C.5)."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embedded.samples.months import published_schema
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.columns import LINEAGE
from nyc_tlc.core.contract.model import ColumnType, Vintage
from nyc_tlc.core.contract.schemas import arrow_schema, postgres_columns
from nyc_tlc.core.contract.service import FHV, FHVHV, GREEN, SERVICES, YELLOW, Service
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.contract.vintages import csv_vintages, months, parquet_vintages, with_nulls
from nyc_tlc.core.errors import ContractError
from nyc_tlc.core.month import Month

LAST = Month(2026, 8)
"""Newest month seen at TLC when the contracts were written."""
EVERY = pytest.mark.parametrize("service", SERVICES.values(), ids=str)
FORMATS = pytest.mark.parametrize("source_format", SourceFormat, ids=str)

_TYPES = {
    "yellow": {
        "string 2009-01, absent 2010-01":
            "vendor_name Trip_Pickup_DateTime Trip_Dropoff_DateTime Payment_Type",
        "int64 2009-01, absent 2010-01": "Passenger_Count",
        "double 2009-01, absent 2010-01":
            "Trip_Distance Start_Lon Start_Lat Rate_Code store_and_forward End_Lon End_Lat "
            "Fare_Amt Tip_Amt Tolls_Amt Total_Amt",
        "double 2009-01, absent 2011-01": "surcharge",
        "double 2009-01": "mta_tax",
        "string 2010-01, absent 2011-01": "vendor_id pickup_datetime dropoff_datetime",
        "double 2010-01": "trip_distance fare_amount tip_amount tolls_amount total_amount",
        "double 2010-01, absent 2011-01":
            "pickup_longitude pickup_latitude dropoff_longitude dropoff_latitude",
        "string 2010-01, int64 2010-02, string 2010-04, absent 2011-01": "rate_code",
        "string 2010-01, large_string 2023-02": "store_and_fwd_flag",
        "string 2010-01, int64 2011-01": "payment_type",
        "int64 2010-01, double 2018-07, int64 2023-02": "passenger_count",
        "int64 2011-01, double 2018-07, int64 2023-02": "RatecodeID",
        "int64 2011-01, int32 2023-02": "VendorID PULocationID DOLocationID",
        "timestamp[us] 2011-01": "tpep_pickup_datetime tpep_dropoff_datetime",
        "double 2011-01": "extra",
        "double 2011-01, null 2014-08, double 2014-09": "improvement_surcharge",
        "double 2011-01, null 2011-02, double 2011-03, null 2011-04, double 2012-12, "
        "null 2013-01, double 2013-05, null 2013-06, double 2014-01, null 2014-02, "
        "double 2018-01, null 2018-02, double 2018-06, null 2018-07, double 2018-09, "
        "null 2018-10, double 2018-11, null 2018-12, double 2019-01": "congestion_surcharge",
        "double 2011-01, null 2011-02, double 2018-01, null 2018-02, double 2020-08, "
        "null 2020-10, double 2020-11, absent 2023-02": "airport_fee",
        "double 2023-02": "Airport_fee",
        "double 2025-01": "cbd_congestion_fee",
        "large_string 2026-06": "request_source",
    },
    "green": {
        "int64 2014-01, int32 2023-02": "VendorID PULocationID DOLocationID",
        "timestamp[us] 2014-01": "lpep_pickup_datetime lpep_dropoff_datetime",
        "string 2014-01, large_string 2023-02": "store_and_fwd_flag",
        "int64 2014-01, double 2019-01, int64 2023-02": "RatecodeID passenger_count payment_type",
        "double 2014-01":
            "trip_distance fare_amount extra mta_tax tip_amount tolls_amount total_amount",
        "null 2014-01, double 2019-01, null 2019-09, double 2023-02": "ehail_fee",
        "double 2014-01, null 2014-02, double 2014-03": "improvement_surcharge",
        "double 2014-01, int64 2023-02": "trip_type",
        "null 2014-01, double 2019-01": "congestion_surcharge",
        "double 2025-01": "cbd_congestion_fee",
        "large_string 2026-06": "request_source",
    },
    "fhv": {
        "string 2015-01, large_string 2023-02": "dispatching_base_num Affiliated_base_number",
        "timestamp[us] 2015-01": "pickup_datetime dropOff_datetime",
        "double 2015-01, int64 2019-05, double 2019-07, int64 2023-02": "PUlocationID",
        "double 2015-01, int64 2019-05, double 2019-07, int64 2020-07, double 2020-08, "
        "int64 2023-02": "DOlocationID",
        "null 2015-01, double 2017-05, null 2019-03, int64 2023-02": "SR_Flag",
    },
    "fhvhv": {
        "string 2019-02, large_string 2023-02":
            "hvfhs_license_num dispatching_base_num originating_base_num shared_request_flag "
            "shared_match_flag access_a_ride_flag wav_request_flag",
        "timestamp[us] 2019-02":
            "request_datetime on_scene_datetime pickup_datetime dropoff_datetime",
        "int64 2019-02, int32 2023-02": "PULocationID DOLocationID",
        "double 2019-02":
            "trip_miles base_passenger_fare tolls bcf sales_tax congestion_surcharge tips "
            "driver_pay",
        "int64 2019-02": "trip_time",
        "null 2019-02, double 2019-07, null 2020-04, double 2020-05, null 2020-10, "
        "double 2020-11": "airport_fee",
        "null 2019-02, string 2019-04, large_string 2023-02": "wav_match_flag",
        "double 2025-01": "cbd_congestion_fee",
    },
}  # fmt: skip
"""Per service: a column's types, each with the month since when, and the columns that had them."""


@EVERY
def test_every_column_has_its_types_month_by_month(service):
    expected = {
        name: types for types, names in _TYPES[service.name].items() for name in names.split()
    }
    names = {name for vintage in service.contract.vintages for name in vintage.published}
    assert {name: ", ".join(_changes(service, name)) for name in names} == expected


def _changes(service: Service, name: str) -> Iterator[str]:
    last = "absent"
    for month in service.first_month.through(LAST):
        kind = service.contract.vintage_of(month).published.get(name, "absent")
        if kind != last:
            yield f"{kind} {month}"
        last = kind


@FORMATS
@EVERY
def test_vintages_ascend_differ_and_map_every_months_names_to_one_column_each(
    service, source_format
):
    contract = service.contract
    is_csv = source_format is SourceFormat.CSV
    vintages = contract.csv_vintages if is_csv else contract.vintages
    first = service.first_month_in(source_format)
    firsts = [vintage.first for vintage in vintages]
    assert firsts == sorted(set(firsts))
    assert firsts[0] == first
    for before, after in pairwise(vintages):
        assert (before.published, before.ignored) != (after.published, after.ignored), after.first
    for month in first.through(LAST):
        vintage = contract.vintage_of(month, source_format)
        assert vintage.first <= month
        names = Counter(contract.by_spelling[name].name for name in vintage.published)
        twice = [name for name, count in names.items() if count > 1]
        is_doubled = (service, source_format, month.year) == (FHV, SourceFormat.CSV, 2018)
        assert twice == (["dispatching_base_num"] if is_doubled else []), month
        assert "pickup_datetime" in names, month
    for month in (LAST + 1, Month(2099, 1)):
        assert contract.vintage_of(month, source_format) == vintages[-1]
    told = f"{service} {first - 1}: .* begins with {first}. Nothing was written. Choose a later"
    with pytest.raises(ContractError, match=f"{told}.*nyc_tlc/core/contract/{service}.py"):
        contract.vintage_of(first - 1, source_format)


def _layouts(vintages: Iterable[Vintage]) -> list[str]:
    """Of each vintage: its first month, and its columns with their types in order."""
    return [f"{v.first} {', '.join(map(' '.join, v.published.items()))}" for v in vintages]


def test_a_layout_changes_by_columns_that_come_go_or_take_another_type():
    changes = {"2020-03": "a absent, d string", "2021-01": "a int32"}
    vintages = parquet_vintages("2020-01", "a int64, b timestamp[us],c double", changes)
    assert _layouts(vintages) == [
        "2020-01 a int64, b timestamp[us], c double",
        "2020-03 b timestamp[us], c double, d string",
        "2021-01 b timestamp[us], c double, d string, a int32",
    ]
    assert parquet_vintages("2020-01", "a int64") == (Vintage(Month(2020, 1), {"a": "int64"}),)


def test_a_column_without_values_splits_a_vintage():
    vintages = parquet_vintages("2020-01", "a int64", {"2020-03": "b double"})
    split = with_nulls(vintages, {"a": frozenset([Month(2020, 2), Month(2020, 3)])})
    assert _layouts(split) == [
        "2020-01 a int64",
        "2020-02 a null",
        "2020-03 a null, b double",
        "2020-04 a int64, b double",
    ]
    stray = replace(vintages[0], first=Month(2020, 2), ignored=("index",))
    three = (vintages[0], stray, replace(vintages[0], first=Month(2020, 4)))
    assert with_nulls(three, {}) == three


def test_a_header_is_read_without_its_quotes_and_spaces():
    names = ("base", "Pickup time", "zone")
    assert csv_vintages({"2017-01": '"base", "Pickup time" ,zone', "2018-01": "X"}) == (
        Vintage(Month(2017, 1), dict.fromkeys(names, "string")),
        Vintage(Month(2018, 1), {"X": "string"}),
    )


def test_months_are_written_alone_or_as_a_range():
    assert months("2024-01", "2024-11:2025-01") == {
        Month(2024, 1), Month(2024, 11), Month(2024, 12), Month(2025, 1),
    }  # fmt: skip


@EVERY
def test_what_holds_of_every_contract(service):
    contract = service.contract
    assert contract.version == 2
    assert (contract.service, len(contract.by_name)) == (service.name, len(contract.columns))
    assert all(name == name.lower() and name.isidentifier() for name in contract.by_name)
    assert [c for c in contract.columns if not c.published_as] == list(LINEAGE)
    assert contract.columns[-len(LINEAGE):] == LINEAGE  # fmt: skip
    assert [column.name for column in contract.columns if column.required] == [
        "pickup_datetime", "source_month", "source_row", "quality_flags",
    ]  # fmt: skip
    vintages = (*contract.vintages, *contract.csv_vintages)
    spellings = Counter(name for column in contract.columns for name in column.published_as)
    assert spellings == Counter({name for vintage in vintages for name in vintage.published})
    for vintage in contract.csv_vintages:
        assert (set(vintage.published.values()), vintage.ignored) == ({"string"}, ())


@EVERY
def test_csv_vintages_are_the_published_headers_month_by_month(service, shared_tlc):
    headers = _csv_headers(service, shared_tlc)
    assert len(headers) == {"yellow": 138, "green": 83, "fhv": 66, "fhvhv": 16}[service.name]
    assert next(iter(headers)) == service.first_csv_month
    for month, names in headers.items():
        vintage = service.contract.vintage_of(month, SourceFormat.CSV)
        assert list(vintage.published) == names, month
    changes = [later for (_, before), (later, after) in pairwise(headers.items())
               if before != after]  # fmt: skip
    assert [vintage.first for vintage in service.contract.csv_vintages][1:] == changes


def _csv_headers(service: Service, shared_tlc: Path) -> Mapping[Month, list[str]]:
    lines = (shared_tlc / "csv_headers" / f"{service}.tsv").read_text("utf-8").splitlines()
    return {
        Month.parse(file.removesuffix(".csv")[-7:]): [
            name.strip(' "') for name in header.split(",")
        ]
        for file, _, header in (line.partition("\t") for line in lines)
        if header
    }


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [(YELLOW, GREEN, 28), (YELLOW, FHV, 8), (YELLOW, FHVHV, 14), (FHV, FHVHV, 10)],
    ids=str,
)
def test_a_column_of_several_services_is_the_same_column(one, other, shared):
    names = one.contract.by_name.keys() & other.contract.by_name.keys()
    assert len(names) == shared
    for name in names:
        assert one.contract.by_name[name].spelled() == other.contract.by_name[name].spelled()


@EVERY
def test_types_are_narrow_and_amounts_are_dollars(service):
    for column in service.contract.columns:
        assert column.meaning, column.name
        if column.name.endswith("_id") or column.name == "passenger_count":
            assert column.type is ColumnType.SMALLINT, column.name
        if column.name.endswith(("_amount", "_fee", "surcharge")):
            assert (column.type, column.unit) == (ColumnType.DOUBLE, "US dollars"), column.name
        if column.name.endswith(("_longitude", "_latitude")):
            assert (column.type, column.unit) == (ColumnType.DOUBLE, "degrees"), column.name
        if column.codes is not None:
            wanted = str if column.type is ColumnType.TEXT else int
            assert all(isinstance(code, wanted) for code in column.codes.meanings), column.name
        is_base = column.name.endswith(("base_num", "base_number"))
        assert column.is_base_number == is_base, column.name
        assert not is_base or column.type is ColumnType.TEXT, column.name


@pytest.mark.parametrize(
    "month",
    ["2020-12", "2021-01", "2022-02", "2023-01", "2023-02", "2023-03", "2023-12", "2024-01",
     "2025-01", "2025-02"],
)  # fmt: skip
def test_published_schema_is_exactly_that_of_the_real_file(month, shared_tlc):
    partition = Partition(GREEN, Month.parse(month))
    real = pq.read_schema(shared_tlc / "green" / partition.file_name).remove_metadata()
    assert _fields(published_schema(partition)) == _fields(real)


def _fields(schema: pa.Schema) -> list[tuple[str, str]]:
    return [(field.name, str(field.type)) for field in schema]


@EVERY
def test_every_vintage_has_as_many_columns_as_the_published_files(service, shared_tlc):
    with (shared_tlc / "published_files.csv").open(newline="") as file:
        listed = {
            Month(int(row["year"]), int(row["month"])): int(row["columns"])
            for row in csv.DictReader(file)
            if row["service"] == service.name
        }
    assert len(listed) == {"yellow": 185, "green": 125, "fhv": 113, "fhvhv": 64}[service.name]
    vintages = {month: service.contract.vintage_of(month) for month in listed}
    assert {m: len(v.published) + len(v.ignored) for m, v in vintages.items()} == listed


@pytest.mark.parametrize(
    "column",
    [
        pytest.param(column, id=f"{service}-{column.name}")
        for service in SERVICES.values()
        for column in service.contract.columns
        if column.codes is not None
    ],
)
def test_every_spelling_stands_for_one_code_case_and_spaces_aside(column):
    assert column.codes is not None
    folded: dict[str, set[int | str]] = {}
    for spelling, code in column.codes.spellings.items():
        assert code in column.codes.meanings
        folded.setdefault(spelling.strip().upper(), set()).add(code)
    assert {name: {code} for name, code in column.codes.by_folded_spelling.items()} == folded


@EVERY
def test_postgres_has_the_columns_of_the_files_and_the_same_of_them_may_be_missing(service):
    """BigQuery's are held against the files' in tests/ports/bigquery/test_warehouse.py."""
    lines = postgres_columns(service.contract.columns).split(",\n  ")
    postgres = [(line.split('"')[1], not line.endswith(" NOT NULL")) for line in lines]
    stored = arrow_schema(service.contract)
    assert postgres == [(field.name, field.nullable) for field in stored]
