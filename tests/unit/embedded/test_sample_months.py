"""Sample months: TLC's names, types and defects, and the same bytes each time."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embedded.samples.months import main, published_schema, write_month
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import SERVICES, YELLOW
from nyc_tlc.core.month import Month
from nyc_tlc.core.rows.binding import bind
from nyc_tlc.core.rows.conform import conform
from nyc_tlc.core.rows.judge import Judge, Judged, Neighbourhood
from nyc_tlc.core.rows.rules import FLAGS
from nyc_tlc.core.zones.lookup import parse_zones
from nyc_tlc.core.zones.polygons import ZonePolygons, parse_zone_polygons
from tests.partitions import named

LAST = Month(2026, 8)
EVERY = pytest.mark.parametrize("service", SERVICES.values(), ids=str)


def _judged(table: pa.Table, partition: Partition, polygons: ZonePolygons | None = None) -> Judged:
    """The verdict on a sample month."""
    bindings = bind(partition, table.schema)
    where = polygons if bindings.locates_by_coordinates else None
    (batch,) = table.combine_chunks().to_batches()
    done = conform(batch, bindings, partition=partition, first_row=0, polygons=where)
    return Judge(partition).judge(Neighbourhood(None, done, None))


KNOWN = {
    "pickup_outside_window", "dropoff_implausible", "pickup_outside_month",
    "dropoff_before_pickup", "zero_duration", "over_24_hours", "zero_distance", "over_100_miles",
    "zero_passengers", "negative_amount", "refund_pair", "unknown_location", "details_missing",
}  # fmt: skip
"""Every code but those that TLC's Parquet files have no case of: row_irregular, value_uncastable,
code_unmapped, pickup_missing, location_out_of_range, unknown_code."""
_OF_METERS = {"zero_passengers", "negative_amount", "refund_pair", "details_missing"}
_KNOWN_OF = {
    "yellow": KNOWN,
    "green": KNOWN,
    "fhv": KNOWN - _OF_METERS - {"zero_distance", "over_100_miles"},
    "fhvhv": KNOWN - _OF_METERS,
}
"""No service has a defect of a column, or of a refund, that it does not have."""


def _known(partition: Partition) -> set[str]:
    """The defects of a month. With coordinates, whoever is nowhere known is in no zone; and a
    clock that stopped on 2009-01-01 is not far off in the first two months."""
    known = set(_KNOWN_OF[partition.service.name])
    if partition.service is YELLOW and partition.month < Month(2011, 1):
        known = known - {"unknown_location", "details_missing"} | {"outside_zones"}
    if partition.month <= Month(2009, 2):
        known -= {"pickup_outside_window"}
    return known


@EVERY
def test_the_same_arguments_give_the_same_bytes_and_others_give_others(service, tmp_path):
    def written(month, seed):
        return write_month(Partition(service, month), 300, tmp_path, seed=seed).read_bytes()

    january = written(Month(2024, 1), 0)
    assert january == written(Month(2024, 1), 0)
    assert january != written(Month(2024, 1), 1)
    assert january != written(Month(2024, 2), 0)


@EVERY
def test_every_month_has_exactly_its_published_schema(service, tmp_path):
    for month in service.first_month.through(LAST):
        partition = Partition(service, month)
        path = write_month(partition, 5, tmp_path)
        assert path.name == f"{service}_tripdata_{month}.parquet"
        with pq.ParquetFile(path) as file:
            assert file.schema_arrow.remove_metadata().equals(published_schema(partition)), month
            assert file.metadata.num_rows == 5
            compression = file.metadata.row_group(0).column(0).compression
            assert compression == ("ZSTD" if month >= Month(2023, 2) else "GZIP"), month
            bind(partition, file.schema_arrow)


@pytest.mark.parametrize("rows", [0, 1, 2, 99, 100])
def test_a_month_may_be_of_any_size(rows, tmp_path):
    partition = named("green 2026-06")
    table = pq.read_table(write_month(partition, rows, tmp_path))
    assert table.num_rows == rows
    assert not rows or _judged(table, partition).accepted.num_rows > 0


@EVERY
def test_a_thousand_rows_have_every_known_defect_and_no_other(service, tmp_path, polygons):
    """One file of each quarter and vintage: which rows are spoiled differs by month."""
    quarters = service.first_month.through(LAST)[::3]
    for month in sorted({*quarters, *(vintage.first for vintage in service.contract.vintages)}):
        partition = Partition(service, month)
        table = pq.read_table(write_month(partition, 1000, tmp_path))
        verdict = _judged(table, partition, polygons)
        flags = {rule.code for rule, rows in zip(FLAGS, verdict.flags, strict=True) if rows}
        assert flags | set(verdict.reasons.to_pylist()) == _known(partition), month
        assert verdict.rejected.num_rows <= 5, month


def test_a_command_writes_months_and_zones_as_the_cdn_lays_them_out(tmp_path, capsys):
    main(["--service", "green", "--months", "2024-01:2024-02", "--rows", "10",
          "--into", str(tmp_path)])  # fmt: skip
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*"))
    assert files == [
        "misc/taxi_zone_lookup.csv",
        "misc/taxi_zones.zip",
        "trip-data/green_tripdata_2024-01.parquet",
        "trip-data/green_tripdata_2024-02.parquet",
    ]
    parse_zones((tmp_path / "misc" / "taxi_zone_lookup.csv").read_bytes())
    parse_zone_polygons((tmp_path / "misc" / "taxi_zones.zip").read_bytes())
    assert capsys.readouterr().out.count("MB)") == 2
