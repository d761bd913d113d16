"""What a partition, its file and its objects are called."""

import pytest

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import YELLOW
from nyc_tlc.core.contract.source_format import SourceFormat, published_paths
from tests.partitions import named


def test_names_of_a_partition():
    partition = named("yellow 2024-01")
    assert str(partition) == "yellow 2024-01"
    assert partition.file_stem == "yellow_tripdata_2024-01"
    assert partition.file_name == "yellow_tripdata_2024-01.parquet"
    assert partition.hive_path == "service=yellow/year=2024/month=01"
    assert partition.table_name == "yellow_2024_01"
    assert partition.contract_id == f"yellow/{YELLOW.contract.version}"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("green", "2024", "01"), "green 2024-01"),
        (("fhvhv", "2024", "12"), "fhvhv 2024-12"),
        (("red", "2024", "01"), "None"),
        (("green", "2024", "00"), "None"),
        (("green", "2024", "13"), "None"),
    ],
)
def test_the_parts_of_a_path_are_a_partition_or_none(parts, expected):
    assert str(Partition.of(*parts)) == expected


def test_files_of_both_formats_are_where_their_publishers_have_them():
    stem = named("green 2020-12").file_stem
    parquet, csv = (published_paths(of, "green", stem) for of in SourceFormat)
    assert parquet == ("trip-data/green_tripdata_2020-12.parquet",)
    assert csv == ("green/green_tripdata_2020-12.csv.gz", "green/green_tripdata_2020-12.csv")


@pytest.mark.parametrize(
    ("path", "source_format"),
    [
        ("raw/service=green/1512.parquet", SourceFormat.PARQUET),
        ("raw/service=green/1512.csv.gz", SourceFormat.CSV),
        ("green_tripdata_2020-12.csv", SourceFormat.CSV),
    ],
)
def test_a_files_name_tells_its_format(path, source_format):
    assert SourceFormat.of(path) is source_format
