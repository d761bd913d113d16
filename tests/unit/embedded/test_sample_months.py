"""Sample months: TLC's names, types and defects, and the same bytes each time."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from embedded.samples.months import main, published_batches, published_schema, write_month
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import FHV, FHVHV, GREEN, SERVICES, YELLOW, Service
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.month import Month
from nyc_tlc.core.rows.binding import bind
from nyc_tlc.core.rows.conform import ConformedBatch, conform
from nyc_tlc.core.rows.judge import Judge, Judged, neighbourhoods
from nyc_tlc.core.rows.rules import FLAGS
from nyc_tlc.core.zones.lookup import parse_zones
from nyc_tlc.core.zones.polygons import ZonePolygons, parse_zone_polygons

LAST = Month(2026, 8)
EVERY = pytest.mark.parametrize("service", SERVICES.values(), ids=str)


def _judged(
    partition: Partition, file: Path, polygons: ZonePolygons | None = None, batch_rows: int = 400
) -> Iterator[Judged]:
    """The verdicts on a sample month, read in batches as the pipeline does."""
    judge = Judge(partition)
    with pq.ParquetFile(file) as published:
        bindings = bind(partition, published.schema_arrow)
        where = polygons if bindings.locates_by_coordinates else None

        def conformed() -> Iterator[ConformedBatch]:
            row = 0
            for batch in published.iter_batches(batch_rows):
                yield conform(batch, bindings, partition=partition, first_row=row, polygons=where)
                row += batch.num_rows

        yield from map(judge.judge, neighbourhoods(conformed()))


def _defects(
    partition: Partition, folder: Path, rows: int, polygons: ZonePolygons
) -> dict[str, int]:
    """Rows by quarantine reason and quality flag."""
    found: dict[str, int] = {}
    for verdict in _judged(partition, write_month(partition, rows, folder), polygons):
        for code, count in zip((rule.code for rule in FLAGS), verdict.flags, strict=True):
            found[code] = found.get(code, 0) + int(count)
        for code in verdict.reasons.to_pylist():
            found[code] = found.get(code, 0) + 1
    return found


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


def _published_column(table: pa.Table, service: Service, name: str) -> pa.ChunkedArray:
    """A published column by its canonical name."""
    by_spelling = service.contract.by_spelling
    known = [spelling for spelling in table.column_names if spelling in by_spelling]
    spellings = [spelling for spelling in known if by_spelling[spelling].name == name]
    return table[spellings[0]]


@EVERY
def test_the_same_arguments_give_the_same_bytes(service: Service, tmp_path: Path) -> None:
    partition = Partition(service, Month(2024, 1))
    contents = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        contents.append(write_month(partition, 300, tmp_path / name).read_bytes())
    assert contents[0] == contents[1]
    assert write_month(partition, 300, tmp_path, seed=1).read_bytes() != contents[0]


def test_another_month_has_other_trips(tmp_path: Path) -> None:
    fares = [
        pq.read_table(write_month(Partition(service, month), 50, tmp_path))["fare_amount"]
        for service, month in (
            (GREEN, Month(2024, 1)),
            (GREEN, Month(2024, 2)),
            (YELLOW, Month(2024, 1)),
        )
    ]
    assert not any(fares[i].equals(fares[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


@EVERY
def test_every_month_has_exactly_its_published_schema(service: Service, tmp_path: Path) -> None:
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


def test_types_of_the_file_are_those_that_the_vintage_names(tmp_path: Path) -> None:
    """Spelled out once, so that reader and writer cannot be wrong together."""
    table = pq.read_table(write_month(Partition(YELLOW, Month(2020, 7)), 5, tmp_path))
    assert table.schema.field("VendorID").type == pa.int64()
    assert table.schema.field("passenger_count").type == pa.float64()
    assert table.schema.field("store_and_fwd_flag").type == pa.string()
    assert table.schema.field("tpep_pickup_datetime").type == pa.timestamp("us")
    assert table.schema.field("airport_fee").type == pa.null()
    assert table.schema.names[-1] == "airport_fee"
    newer = pq.read_table(write_month(Partition(YELLOW, Month(2026, 6)), 5, tmp_path))
    assert newer.schema.field("VendorID").type == pa.int32()
    assert newer.schema.field("request_source").type == pa.large_string()
    assert newer.schema.names[-3:] == ["Airport_fee", "cbd_congestion_fee", "request_source"]


_TYPES_2009 = (
    "vendor_name string, Trip_Pickup_DateTime string, Trip_Dropoff_DateTime string, "
    "Passenger_Count int64, Trip_Distance double, Start_Lon double, Start_Lat double, "
    "Rate_Code double, store_and_forward double, End_Lon double, End_Lat double, "
    "Payment_Type string, Fare_Amt double, surcharge double, mta_tax double, Tip_Amt double, "
    "Tolls_Amt double, Total_Amt double"
)
_TYPES_2010 = (
    "vendor_id string, pickup_datetime string, dropoff_datetime string, passenger_count int64, "
    "trip_distance double, pickup_longitude double, pickup_latitude double, rate_code string, "
    "store_and_fwd_flag string, dropoff_longitude double, dropoff_latitude double, "
    "payment_type string, fare_amount double, surcharge double, mta_tax double, "
    "tip_amount double, tolls_amount double, total_amount double"
)
_TYPES_2010_02 = (
    _TYPES_2010.replace("rate_code string", "rate_code int64") + ", __index_level_0__ int64"
)


@pytest.mark.parametrize(
    ("month", "types"),
    [
        ("2009-01", _TYPES_2009), ("2009-12", _TYPES_2009), ("2010-01", _TYPES_2010),
        ("2010-02", _TYPES_2010_02), ("2010-03", _TYPES_2010_02), ("2010-04", _TYPES_2010),
        ("2010-12", _TYPES_2010),
    ],
    ids=str,
)  # fmt: skip
def test_types_of_2009_and_2010_are_those_of_the_real_footers(
    month: str, types: str, tmp_path: Path
) -> None:
    """Footers of 2009-01..2024-08, as tlc-facts.md, C.5, has them."""
    partition = Partition(YELLOW, Month.parse(month))
    schema = pq.read_schema(write_month(partition, 50, tmp_path)).remove_metadata()
    assert ", ".join(f"{field.name} {field.type}" for field in schema) == types
    assert schema.equals(published_schema(partition))


def test_2009_and_2010_have_times_and_codes_in_words(tmp_path: Path) -> None:
    files = {
        month: pq.read_table(write_month(Partition(YELLOW, Month.parse(month)), 2000, tmp_path))
        for month in ("2009-05", "2010-05", "2010-02")
    }
    of_2009, of_2010, of_2010_02 = files.values()
    form = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
    for table, pickup in ((of_2009, "Trip_Pickup_DateTime"), (of_2010, "pickup_datetime")):
        assert all(re.fullmatch(form, text) for text in table[pickup].to_pylist())
    payments = {"Credit", "CREDIT", "Cre", "CRD", "Cash", "CASH", "Cas", "CAS", "CSH"}
    assert set(of_2009["Payment_Type"].to_pylist()) >= payments
    assert set(of_2010["payment_type"].to_pylist()) >= payments
    assert set(of_2009["vendor_name"].to_pylist()) == {"CMT", "VTS", "DDS"}
    assert set(of_2010["vendor_id"].to_pylist()) == {"CMT", "VTS", "DDS"}
    assert set(of_2009["store_and_forward"].to_pylist()) == {0.0, 1.0}
    assert {"0", "0.0", "N"} <= set(of_2010["store_and_fwd_flag"].to_pylist())
    assert {"1", "99"} <= set(of_2010["rate_code"].to_pylist())
    assert {1, 99} <= set(of_2010_02["rate_code"].to_pylist())
    assert of_2010_02["__index_level_0__"].to_pylist() == list(range(2000))


def test_every_spelling_of_a_code_takes_its_turn_and_is_read_back(tmp_path: Path) -> None:
    partition = Partition(YELLOW, Month(2009, 5))
    path = write_month(partition, 10_000, tmp_path)
    table = pq.read_table(path)
    read: list[int | None] = []
    for part in _judged(partition, path):
        assert not {"code_unmapped", "value_uncastable"} & set(part.reasons.to_pylist())
        trips = pa.concat_batches([part.accepted, part.rejected]).sort_by("source_row")
        read += trips.column("payment_type").to_pylist()
    codes = YELLOW.contract.by_name["payment_type"].codes
    assert codes is not None
    texts = table["Payment_Type"].to_pylist()
    assert read == [codes.spellings[text] for text in texts]
    assert set(texts) == set(codes.spellings)


@EVERY
def test_another_schema_has_the_same_trips(service: Service) -> None:
    """CSV and Parquet differ in what they publish of a trip, not in the trip."""
    for month in service.first_month.through(Month(2020, 6))[:: 1 if service is YELLOW else 3]:
        partition = Partition(service, month)
        formats = {}
        for source_format in SourceFormat:
            schema = published_schema(partition, source_format)
            (batch,) = published_batches(partition, 130, schema)
            assert batch.schema.equals(schema)
            assert batch.num_rows == 130
            bindings = bind(partition, schema, source_format=source_format)
            done = conform(batch, bindings, partition=partition, first_row=0)
            assert not any(pc.any(mask).as_py() for mask in done.defects.values()), month
            formats[source_format] = (done.trips, schema)
        (parquet, types), (csv, _) = formats.values()
        by_spelling = service.contract.by_spelling
        filled = {by_spelling[field.name].name for field in types
                  if field.name in by_spelling and not pa.types.is_null(field.type)}  # fmt: skip
        both = filled & {by_spelling[name].name for name in formats[SourceFormat.CSV][1].names}
        assert "pickup_datetime" in both
        for name in both:
            assert parquet.column(name).equals(csv.column(name)), (month, name)


def test_the_second_base_of_fhv_2018_is_empty() -> None:
    partition = Partition(FHV, Month(2018, 6))
    schema = published_schema(partition, SourceFormat.CSV)
    (batch,) = published_batches(partition, 50, schema)
    assert batch.column("Dispatching_base_number").null_count == 0
    assert batch.column("Dispatching_base_num").null_count == 50


def test_a_csv_of_taxis_has_codes_in_words_until_2014_in_yellow_only() -> None:
    for service, month, expected in (
        (YELLOW, Month(2014, 12), {"CMT", "VTS"}),
        (YELLOW, Month(2015, 1), {"1", "2"}),
        (GREEN, Month(2013, 8), {"1", "2"}),
    ):
        partition = Partition(service, month)
        schema = published_schema(partition, SourceFormat.CSV)
        (batch,) = published_batches(partition, 200, schema)
        names = [name for name in schema.names if name.lower() in ("vendor_id", "vendorid")]
        assert set(batch.column(names[0]).to_pylist()) == expected


def test_trips_with_coordinates_lie_where_the_polygons_have_their_zones(
    tmp_path: Path, polygons: ZonePolygons
) -> None:
    """The zones of a trip do not depend on how a month publishes them."""
    partition = Partition(YELLOW, Month(2010, 5))
    with_zones = pa.schema([("PULocationID", pa.int64()), ("DOLocationID", pa.int64())])
    (meant,) = published_batches(partition, 800, with_zones)
    found: dict[str, list[int | None]] = {"pu_location_id": [], "do_location_id": []}
    for part in _judged(partition, write_month(partition, 800, tmp_path), polygons):
        trips = pa.concat_batches([part.accepted, part.rejected]).sort_by("source_row")
        for name in found:
            found[name] += trips.column(name).to_pylist()
    for name, spelling in (("pu_location_id", "PULocationID"), ("do_location_id", "DOLocationID")):
        zones = [zone if zone < 264 else None for zone in meant.column(spelling).to_pylist()]
        assert found[name] == zones
        assert 0 < found[name].count(None) < 40


@pytest.mark.parametrize("rows", [0, 1, 2, 99, 100])
def test_a_month_may_be_of_any_size(rows: int, tmp_path: Path) -> None:
    partition = Partition(GREEN, Month(2026, 6))
    path = write_month(partition, rows, tmp_path)
    assert pq.read_metadata(path).num_rows == rows
    parts = list(_judged(partition, path))
    assert sum(part.accepted.num_rows + part.rejected.num_rows for part in parts) == rows


@EVERY
def test_every_known_defect_occurs_in_a_thousand_rows(
    service: Service, tmp_path: Path, polygons: ZonePolygons
) -> None:
    """One file of each quarter: which rows are spoiled differs from month to month."""
    lacking = {}
    for month in service.first_month.through(LAST)[::3]:
        found = _defects(Partition(service, month), tmp_path, 1000, polygons)
        missing = _known(Partition(service, month)) - {code for code in found if found[code]}
        if missing:
            lacking[str(month)] = sorted(missing)
    assert lacking == {}


@EVERY
def test_no_other_defect_occurs(service: Service, tmp_path: Path, polygons: ZonePolygons) -> None:
    """One file of each vintage."""
    for vintage in service.contract.vintages:
        partition = Partition(service, vintage.first)
        found = _defects(partition, tmp_path, 1000, polygons)
        assert {code for code, count in found.items() if count} <= _known(partition), vintage.first


@EVERY
def test_all_but_the_intended_rows_are_accepted(service: Service, tmp_path: Path) -> None:
    partition = Partition(service, Month(2024, 1))
    path = write_month(partition, 5000, tmp_path)
    rejected, accepted = [], []
    for part in _judged(partition, path):
        rejected += part.rejected.column("source_row").to_pylist()
        accepted += part.accepted.column("source_row").to_pylist()
    table = pq.read_table(path)
    pickups, dropoffs = (
        _published_column(table, service, name) for name in ("pickup_datetime", "dropoff_datetime")
    )
    dead_clock = pc.equal(pc.year(pickups), 2009).to_numpy()
    far_future = pc.equal(pc.year(dropoffs), 3019).to_numpy()
    intended = np.flatnonzero(dead_clock | far_future).tolist()
    assert dead_clock.any()
    assert far_future.any()
    assert rejected == intended
    assert len(rejected) <= 5
    assert sorted(accepted + rejected) == list(range(5000))


@pytest.mark.parametrize("service", [YELLOW, GREEN], ids=str)
def test_the_rows_without_details_are_as_in_the_real_files(
    service: Service, tmp_path: Path
) -> None:
    """Yellow has payment type 0 there, green has none."""
    table = pq.read_table(write_month(Partition(service, Month(2024, 1)), 2000, tmp_path))
    bare = pc.is_null(table["passenger_count"])
    assert 40 < pc.sum(bare).as_py() < 400
    for name in ("RatecodeID", "store_and_fwd_flag", "congestion_surcharge"):
        assert pc.is_null(table[name]).equals(bare), name
    payment = table["payment_type"].filter(bare)
    assert set(payment.to_pylist()) == ({0} if service is YELLOW else {None})


@pytest.mark.parametrize(("service", "least", "most"), [(FHV, 1000, 1400), (FHVHV, 0, 0)], ids=str)
def test_for_hire_trips_have_both_zones_or_neither(
    service: Service, least: int, most: int, tmp_path: Path
) -> None:
    table = pq.read_table(write_month(Partition(service, Month(2024, 1)), 2000, tmp_path))
    pickup, dropoff = (
        pc.is_null(_published_column(table, service, name))
        for name in ("pu_location_id", "do_location_id")
    )
    assert pickup.equals(dropoff)
    assert least <= pc.sum(pickup).as_py() <= most


@pytest.mark.parametrize(
    ("service", "name"),
    [
        (FHV, "dispatching_base_num"), (FHV, "affiliated_base_number"),
        (FHVHV, "dispatching_base_num"), (FHVHV, "originating_base_num"),
    ],
    ids=str,
)  # fmt: skip
def test_base_numbers_are_published_in_need_of_a_trim(
    service: Service, name: str, tmp_path: Path
) -> None:
    partition = Partition(service, Month(2024, 1))
    path = write_month(partition, 200, tmp_path)
    typed = set(_published_column(pq.read_table(path), service, name).to_pylist())
    read = {value for part in _judged(partition, path)
            for value in part.accepted.column(name).to_pylist()}  # fmt: skip
    assert "b02512 " in typed
    assert read == {value.strip().upper() for value in typed}


def test_a_command_writes_months_and_zones_as_the_cdn_lays_them_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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


def test_pickups_ascend_but_for_the_rows_with_a_wrong_clock(
    tmp_path: Path, published: Callable[..., pa.RecordBatch]
) -> None:
    partition = Partition(YELLOW, Month(2024, 2))
    table = pq.read_table(write_month(partition, 1000, tmp_path))
    assert table.schema.equals(published(partition).schema)
    times = table["tpep_pickup_datetime"].to_numpy()
    inside = times[(times >= np.datetime64("2024-02-01")) & (times < np.datetime64("2024-03-01"))]
    assert inside.size >= 990
    assert (np.diff(inside) >= np.timedelta64(0)).all()
