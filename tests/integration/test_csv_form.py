"""The CSV form: real files through land and conform, against independent readers."""

import csv
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nyc_tlc.adapters.lake.folder import FolderLake
from nyc_tlc.adapters.source.folder import FolderSource
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.publication import Publication
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.errors import ContractError, SourceError
from nyc_tlc.core.month import Month
from nyc_tlc.core.runs.run_table import start
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.steps.conform import conform
from nyc_tlc.steps.land import land

TODAY = datetime(2026, 11, 22, tzinfo=UTC)


class NoLedger:
    def entry(self, partition):
        return None


class Staging:
    """One published file through land and conform, with the real zones at its side."""

    def __init__(self, shared, folder):
        self.folder = folder
        self.published = folder / "published"
        self.published.mkdir()
        shutil.copyfile(shared / "zones" / "taxi_zones.zip", self.published / "taxi_zones.zip")
        self.lake = FolderLake(folder / "lake")
        self.ports = Ports(
            FolderSource(self.published), self.lake, None, NoLedger(), folder / "work"
        )

    def stage(self, file: Path, service: str, month: str):
        """The month's conformed row, its accepted rows and its quarantined rows."""
        partition = Partition(SERVICES[service], Month.parse(month))
        source_format = SourceFormat.of(file.name)
        suffix = ".csv.gz" if file.name.endswith(".gz") else file.suffix
        shutil.copyfile(file, self.published / f"{partition.file_stem}{suffix}")
        (row,) = start([partition], force=False, now=TODAY)
        row = land(row, self.ports, Publication(source_format, lag=2, today=TODAY.date()))
        row = conform(row, self.ports)
        return row, *(self.table(row.staged + name) for name in ("trips", "quarantine"))

    def table(self, path):
        with self.lake.open(f"{path}.parquet") as file:
            return pq.read_table(file)


@pytest.fixture
def staging(shared, tmp_path):
    return Staging(shared, tmp_path)


def test_a_month_as_csv_and_as_parquet_is_the_same_month(staging, shared):
    (csv_trips, csv_rejected), (trips, rejected) = (
        staging.stage(shared / f"green/green_tripdata_2020-12.{form}", "green", "2020-12")[1:]
        for form in ("csv.gz", "parquet")
    )
    assert csv_rejected["reason"].equals(rejected["reason"])
    # Only Parquet has a vendor in rows without details.
    detailless = pa.compute.is_null(trips["passenger_count"])
    vendor = pa.compute.if_else(detailless, None, trips["vendor_id"])
    at = trips.column_names.index("vendor_id")
    assert csv_trips.equals(trips.set_column(at, trips.schema.field(at), vendor))


@pytest.mark.parametrize("service", SERVICES)
def test_values_of_the_samples_equal_those_of_an_independent_reader(staging, shared, service):
    file = shared / "samples" / f"{service}_tripdatasample_2020-04.csv"
    row, trips, quarantine = staging.stage(file, service, "2020-04")
    with file.open(newline="") as lines:
        expected = list(csv.DictReader(lines))
    assert row.published == len(expected) == 1000
    assert trips.num_rows + quarantine.num_rows == 1000
    by_spelling = SERVICES[service].contract.by_spelling
    found = trips.to_pylist()
    for trip in found:
        published = expected[trip["source_row"]]
        for name, text in published.items():
            column = by_spelling[name]
            assert trip[column.name] == independently(column, text), (name, text)
    for rejected in quarantine.to_pylist():
        published = expected[rejected["source_row"]]
        assert json.loads(rejected["published"]) == {
            name: text or None for name, text in published.items()
        }


def independently(column, text):
    if text == "":
        return None
    kind = column.type.value
    if kind == "timestamp":
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%f")  # noqa: DTZ007 - wall clock
    if kind in {"smallint", "integer"}:
        return int(text)
    if kind == "double":
        return float(text)
    return text.strip().upper() if column.is_base_number else text


READ = [
    ("yellow_tripdata_2009-09-small.csv", "yellow", "2009-09", 18),
    ("yellow_tripdata_2014-08-small.csv", "yellow", "2014-08", 19),
    ("yellow_tripdata_2020-01-small.csv", "yellow", "2020-01", 20),
    ("yellow_tripdata_2025_sample5000.parquet", "yellow", "2025-02", 5_000),
    ("yellow_tripdata_2025_sample10000.parquet", "yellow", "2025-01", 10_000),
]


@pytest.mark.parametrize(("name", "service", "month", "rows"), READ)
def test_real_samples_are_read(staging, shared, name, service, month, rows):
    row, trips, _ = staging.stage(shared / "samples" / name, service, month)
    assert row.published == row.accepted == trips.num_rows == rows
    if month < "2016-07":
        # Taxis of these months were in town.
        assert trips["pu_location_id"].null_count + trips["do_location_id"].null_count <= 2
        assert trips["pickup_longitude"].null_count == 0


def test_old_csv_values_equal_those_of_an_independent_reader(staging, shared):
    file = shared / "samples" / "yellow_tripdata_2009-09-small.csv"
    _, trips, _ = staging.stage(file, "yellow", "2009-09")
    lines = [line for line in file.read_text().splitlines() if line]
    for trip, line in zip(trips.to_pylist(), lines[1:], strict=True):
        fields = line.split(",")
        assert trip["vendor_id"] == {"CMT": 1, "VTS": 2, "DDS": 3}[fields[0]]
        assert str(trip["pickup_datetime"]) == fields[1]
        assert trip["pickup_longitude"] == float(fields[5])
        assert trip["payment_type"] == {"CASH": 2, "CREDIT": 1}[fields[11].upper()]
        assert trip["total_amount"] == float(fields[17])


REFUSED = [
    ("samples/fhv_tripdata_2020-01.excel-dates.csv", "fhv", "2020-01", SourceError,
     ["19 of 19 rows", "value_uncastable 19", "1/1/2020 0:30"]),
    *(
        (f"samples/yellow_tripdata_sample_{month}.csv", "yellow", month, ContractError,
         ["column rate_code_id (string) is unknown", "pickup_location_id (string) is unknown",
          "column PULocationID (string) is missing"])
        for month in ("2018-08", "2019-08", "2020-03")
    ),
    ("damaged/green_tripdata_2019-09.lfs-pointer.csv.gz", "green", "2019-09", SourceError,
     ["Git-LFS pointer"]),
    ("damaged/yellow_tripdata_2009-01.socrata-error-json.csv", "yellow", "2009-01", SourceError,
     ["JSON"]),
    ("damaged/yellow_2009-2020_stacked_under_2009_header.parquet", "yellow", "2009-01",
     SourceError, ["holds another month", "only 21 of 2,568 pick-ups are in 2009-01"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "service", "month", "error", "found"), REFUSED)
def test_what_is_not_a_valid_trip_file_is_refused_for_the_right_reason(
    staging, shared, name, service, month, error, found
):
    with pytest.raises(error) as raised:
        staging.stage(shared / name, service, month)
    for text in (*found, f"{service} {month}"):
        assert text in str(raised.value)
