"""Published files: trips of either format from landing to judgement, and the files of the zones."""

import gzip
import io
import zipfile
from collections.abc import Iterator
from itertools import tee

import numpy as np
import pyarrow as pa

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import FHVHV, GREEN, YELLOW
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.errors import ContractError, PipelineError
from nyc_tlc.core.files.file_kind import GZIP_MAGIC
from nyc_tlc.core.files.published_file import count_rows, open_published
from nyc_tlc.core.lake.records import Landing
from nyc_tlc.core.month import Month
from nyc_tlc.core.rows.as_json import to_json
from nyc_tlc.core.rows.binding import Bindings, bind
from nyc_tlc.core.rows.conform import ConformedBatch, conform
from nyc_tlc.core.rows.judge import Judge, neighbourhoods
from nyc_tlc.core.rows.tally import Tally, require_whole_month
from nyc_tlc.core.zones.lookup import SCHEMA, ZONES, parse_zones
from nyc_tlc.core.zones.polygons import POLYGONS, parse_zone_polygons
from qa.fuzz.oracle import require, scratch

PARTITIONS = (
    Partition(GREEN, Month(2020, 2)),
    Partition(YELLOW, Month(2009, 1)),  # numbers as text
    Partition(FHVHV, Month(2020, 2)),
)
"""A file is read as the first whose contract it fits; the corpus has a file of each."""
SEPARATOR = b"\n--8<--\n"
"""Between the parts of one input."""


def read_trips(data: bytes, suffix: str) -> int:
    """Take a file through every check and transformation, and return its number of rows."""
    path = scratch() / f"trips{suffix}"
    path.write_bytes(data)
    rows = count_rows(path, path.name)
    form = SourceFormat.of(path.name)
    with path.open("rb") as source, open_published(source, path.name, form) as file:
        partition, bindings = _bound(file.schema, form)
        judge, tally = Judge(partition), Tally()
        ahead, batches = tee(file.batches)
        conformed = neighbourhoods(_conformed(ahead, partition, bindings))
        for batch, neighbourhood in zip(batches, conformed, strict=True):
            judged = judge.judge(neighbourhood)
            parts = [
                part.column("source_row").to_pylist() for part in (judged.accepted, judged.rejected)
            ]
            require(all(part == sorted(part) for part in parts), "the rows are out of order")
            expected = range(tally.published, tally.published + batch.num_rows)
            require(sorted(parts[0] + parts[1]) == list(expected), "rows are lost or doubled")
            kept = to_json(batch.take(judged.rejected_rows))
            require(not kept.null_count, "a row in quarantine has not been kept")
            tally.add(judged)
    if form is SourceFormat.CSV:  # of Parquet a damaged page may have fewer: refused below
        require(tally.published == rows, f"{rows:,} rows were counted, {tally.published:,} read")
    counts = tally.counts()
    require(counts.published == counts.accepted + counts.quarantined, "a row is nowhere")
    require(counts.quarantined == sum(counts.by_reason.values()), "a row without a reason")
    require(counts.accepted == sum(counts.by_day.values()), "a row without a day")
    landing = Landing(
        source_uri=path.name, etag=None, last_modified=None, bytes=len(data), sha256="",
        rows=rows, raw=f"raw/{path.name}",
    )  # fmt: skip
    require_whole_month(partition, landing, tally)
    return rows


def _bound(schema: pa.Schema, form: SourceFormat) -> tuple[Partition, Bindings]:
    for partition in PARTITIONS[:-1]:
        try:
            return partition, bind(partition, schema, source_format=form, keep_unknown=True)
        except ContractError:
            continue
    return PARTITIONS[-1], bind(PARTITIONS[-1], schema, source_format=form, keep_unknown=True)


def _conformed(
    batches: Iterator[pa.RecordBatch], partition: Partition, bindings: Bindings
) -> Iterator[ConformedBatch]:
    row = 0
    for batch in batches:
        yield conform(batch, bindings, partition=partition, first_row=row)
        row += batch.num_rows


def read_csv(data: bytes) -> None:
    """Read a CSV file; a plain one within gzip too, where it must have the same outcome."""
    if data.startswith(GZIP_MAGIC):
        read_trips(data, ".csv.gz")
        return
    # Level 0 keeps below the bound of gzip's ratio, which a plain file does not have.
    packed = _outcome(gzip.compress(data, 0, mtime=0), ".csv.gz")
    plain = _outcome(data, ".csv")
    require(plain == packed, f"{plain} as it is, {packed} within gzip")


def _outcome(data: bytes, suffix: str) -> int | str:
    """Return the number of rows, or the kind of error that refused the file."""
    try:
        return read_trips(data, suffix)
    except PipelineError as error:
        return type(error).__name__


def read_zone_lookup(data: bytes) -> None:
    zones = parse_zones(data)
    require(zones.schema.equals(SCHEMA), "another schema")
    require(zones.num_rows == ZONES, "another number of zones")
    require(not any(column.null_count for column in zones.columns), "a null")


def read_zone_polygons(data: bytes) -> None:
    """Read a zip, or the parts of a shapefile, which are packed into a zip first.

    A changed byte within a zip is found by its checksum: a fuzzer would come no further.
    """
    if not data.startswith(b"PK"):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for suffix, part in zip(("shp", "dbf", "prj"), data.split(SEPARATOR), strict=False):
                archive.writestr(zipfile.ZipInfo(f"taxi_zones.{suffix}"), part)
        data = file.getvalue()
    zones = parse_zone_polygons(data)
    require(len(zones.polygons) == POLYGONS, "another number of zones")
    require(bool(np.isfinite(zones.centroids).all()), "a centroid that is nowhere")
    x, y = zones.centroids.T
    located = zones.locate(pa.array(x), pa.array(y))
    require(all(1 <= found <= POLYGONS for found in located.drop_null().to_pylist()), "no such id")
