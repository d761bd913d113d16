"""Every target: what it reads, and how much of it. The small readers are here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from nyc_tlc.core.catalog.selection import parse_months, parse_services, partitions
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.errors import ConfigurationError, SourceError
from nyc_tlc.core.lake.paths import is_ours, partition_of, staged_by
from nyc_tlc.core.lake.records import (
    Conformed,
    Landing,
    Manifest,
    WarehouseLoad,
    parse_record,
    render_record,
)
from nyc_tlc.core.month import Month
from qa.fuzz.answers import read_cloud_storage, read_source
from qa.fuzz.files import read_csv, read_trips, read_zone_lookup, read_zone_polygons
from qa.fuzz.oracle import require

CORPUS = Path(__file__).with_name("corpus")


def _read_record(data: bytes) -> None:
    """Read JSON of the lake, which others can write too, as every kind of record."""
    refused = []
    kinds = (Landing, Conformed, Manifest, WarehouseLoad)
    for kind in kinds:
        try:
            record = parse_record(kind, data, "manifests/record.json")
        except SourceError as error:
            refused.append(error)
            continue
        written = render_record(record)
        again = parse_record(kind, written, "manifests/record.json")
        require(again == record, f"a {kind.__name__} came back another")
        require(render_record(again) == written, f"a {kind.__name__} is written in two ways")
        landing = record if isinstance(record, Landing) else getattr(record, "landing", None)
        raw = [landing.raw] if landing else []
        stored = getattr(record, "objects", ()) or getattr(record, "staged", ())
        for path in [*raw, *(each.path for each in stored)]:
            whole = PurePosixPath("/lake") / path
            inside = whole.is_relative_to("/lake/") and ".." not in whole.parts
            require(inside and str(whole) != "/lake", f"the path {path!r} leads out of the lake")
    if len(refused) == len(kinds):
        raise refused[-1]


def _read_path(data: bytes) -> None:
    """Read the name of an object in a bucket: anybody may have put others next to ours."""
    path = data.decode(errors="replace")
    partition = partition_of(path)
    named = staged_by(path)
    require(named is None or partition is not None, f"{path!r} is staged and of no month")
    require(not (named and is_ours(path)), f"{path!r} is staged and published")
    if partition is None:
        return
    require(partition.hive_path in path, f"{path!r} is taken for one of {partition}")
    require(Month.parse(str(partition.month)) == partition.month, "no such month")


def _read_months(data: bytes) -> None:
    """Read the months and services that an operator, a trigger or an API call names."""
    text = data.decode(errors="replace")
    try:
        services = parse_services(text)
    except ConfigurationError:
        services = tuple(SERVICES.values())
    latest = Month(2024, 6)
    months = parse_months(text if text not in SERVICES else "latest", latest=latest)
    require(list(months) == sorted(set(months)), "the months are not ascending, each once")
    require(all(1000 <= month.year <= 9999 for month in months), "a month of no such year")
    again = parse_months(",".join(map(str, months)), latest=latest)
    require(again == months, "the months written out are others")
    chosen = partitions(services, months, current=Month(2026, 11))
    require(all(p.month <= Month(2026, 11) for p in chosen), "a month of the future")
    require(len(set(chosen)) == len(chosen), "a partition twice")


@dataclass(frozen=True)
class Target:
    """A reader of outside bytes.

    Attributes:
        reads: What it is, for people.
        read: Gives bytes to it, and checks what must hold for the value.
        most_bytes: Longest input that the fuzzer makes.
    """

    reads: str
    read: Callable[[bytes], object]
    most_bytes: int


TARGETS: Mapping[str, Target] = {
    "parquet_file": Target(
        "a published Parquet file", partial(read_trips, suffix=".parquet"), 16_384
    ),
    "csv_file": Target("a published CSV file, plain or gzip", read_csv, 4_096),
    "lake_records": Target("JSON records of the lake", _read_record, 4_096),
    "lake_paths": Target("names of objects in the lake", _read_path, 256),
    "http_source": Target("HTTP answers of the source", read_source, 4_096),
    "gcs_answers": Target("HTTP answers of Cloud Storage", read_cloud_storage, 4_096),
    "months": Target("months and services of a run", _read_months, 128),
    "zone_polygons": Target("the polygons of the taxi zones", read_zone_polygons, 32_768),
    "zone_lookup": Target("the lookup of the taxi zones", read_zone_lookup, 16_384),
}
