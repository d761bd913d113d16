"""Sample months: TLC's names, types and defects, and the same bytes each time."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from embedded.sample_months import main, published_schema, write_month
from nyc_tlc.core.conform import Conformed, bind, conform
from nyc_tlc.core.judge import Judge, Judged, neighbourhoods
from nyc_tlc.core.month import Month
from nyc_tlc.core.partition import Partition
from nyc_tlc.core.quality import FLAGS
from nyc_tlc.core.service import FHV, FHVHV, GREEN, SERVICES, YELLOW, Service
from nyc_tlc.core.zones import parse_zones

LAST = Month(2026, 8)
EVERY = pytest.mark.parametrize("service", SERVICES.values(), ids=str)


def _judged(partition: Partition, file: Path, batch_rows: int = 400) -> Iterator[Judged]:
    """The verdicts on a sample month, read in batches as the pipeline does."""
    judge = Judge(partition)
    with pq.ParquetFile(file) as published:
        bindings = bind(partition, published.schema_arrow)

        def conformed() -> Iterator[Conformed]:
            row = 0
            for batch in published.iter_batches(batch_rows):
                yield conform(batch, bindings, partition=partition, first_row=row)
                row += batch.num_rows

        yield from map(judge.judge, neighbourhoods(conformed()))


def _defects(partition: Partition, folder: Path, rows: int) -> dict[str, int]:
    """Rows by quarantine reason and quality flag."""
    found: dict[str, int] = {}
    for verdict in _judged(partition, write_month(partition, rows, folder)):
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
"""Every code but those that TLC's files have no case of: pickup_missing, value_uncastable,
location_out_of_range, unknown_code."""
_OF_METERS = {"zero_passengers", "negative_amount", "refund_pair", "details_missing"}
_KNOWN_OF = {
    "yellow": KNOWN,
    "green": KNOWN,
    "fhv": KNOWN - _OF_METERS - {"zero_distance", "over_100_miles"},
    "fhvhv": KNOWN - _OF_METERS,
}
"""No service has a defect of a column, or of a refund, that it does not have."""


def _published_column(table: pa.Table, service: Service, name: str) -> pa.ChunkedArray:
    """A published column by its canonical name."""
    spellings = [s for s in table.column_names if service.contract.by_spelling[s].name == name]
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
    newer = pq.read_table(write_month(Partition(YELLOW, Month(2026, 6)), 5, tmp_path))
    assert newer.schema.field("VendorID").type == pa.int32()
    assert newer.schema.field("request_source").type == pa.large_string()
    assert newer.schema.names[-3:] == ["Airport_fee", "cbd_congestion_fee", "request_source"]


@pytest.mark.parametrize("rows", [0, 1, 2, 99, 100])
def test_a_month_may_be_of_any_size(rows: int, tmp_path: Path) -> None:
    partition = Partition(GREEN, Month(2026, 6))
    path = write_month(partition, rows, tmp_path)
    assert pq.read_metadata(path).num_rows == rows
    parts = list(_judged(partition, path))
    assert sum(part.accepted.num_rows + part.rejected.num_rows for part in parts) == rows


@EVERY
def test_every_known_defect_occurs_in_a_thousand_rows(service: Service, tmp_path: Path) -> None:
    """One file of each quarter: which rows are spoiled differs from month to month."""
    lacking = {}
    for month in service.first_month.through(LAST)[::3]:
        found = _defects(Partition(service, month), tmp_path, 1000)
        missing = _KNOWN_OF[service.name] - {code for code, count in found.items() if count}
        if missing:
            lacking[str(month)] = sorted(missing)
    assert lacking == {}


@EVERY
def test_no_other_defect_occurs(service: Service, tmp_path: Path) -> None:
    for month in (service.first_month, Month(2020, 4), Month(2026, 8)):
        found = _defects(Partition(service, month), tmp_path, 1000)
        assert {code for code, count in found.items() if count} <= _KNOWN_OF[service.name]


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
        "trip-data/green_tripdata_2024-01.parquet",
        "trip-data/green_tripdata_2024-02.parquet",
    ]
    parse_zones((tmp_path / "misc" / "taxi_zone_lookup.csv").read_bytes())
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
