"""A published file on its way: counted when it lands, then read, conformed and judged."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pyarrow as pa

from nyc_tlc.core.catalog.counts import Counts
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import FHVHV, GREEN, YELLOW
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.errors import ContractError
from nyc_tlc.core.files.published_file import count_rows, open_published
from nyc_tlc.core.lake.records import Landing
from nyc_tlc.core.month import Month
from nyc_tlc.core.rows.as_json import to_json
from nyc_tlc.core.rows.binding import Bindings, bind
from nyc_tlc.core.rows.conform import ConformedBatch, conform
from nyc_tlc.core.rows.judge import Judge, Judged, Neighbourhood, neighbourhoods
from nyc_tlc.core.rows.tally import Tally, require_whole_month
from qa.fuzz.oracle import require

PARTITIONS = (
    Partition(GREEN, Month(2020, 2)),
    Partition(YELLOW, Month(2009, 1)),  # numbers as text
    Partition(FHVHV, Month(2020, 2)),
)
"""A file is read as the first whose contract it fits; the corpus has a file of each."""


def read_trips(data: bytes, suffix: str) -> int:
    """Take a file through every check and transformation; its rows."""
    path = _folder() / f"trips{suffix}"
    path.write_bytes(data)
    rows = count_rows(path, path.name)
    source_format = SourceFormat.of(path.name)
    with path.open("rb") as source, open_published(source, path.name, source_format) as file:
        partition, bindings = _bound(file.schema, source_format)
        judge = Judge(partition)
        waiting: list[pa.RecordBatch] = []
        tally = Tally()
        neighbourhood: Neighbourhood
        for neighbourhood in neighbourhoods(_conformed(file.batches, partition, bindings, waiting)):
            batch = waiting.pop(0)
            judged = _judged(batch, judge, neighbourhood, first_row=tally.published)
            tally.add(judged)
    if source_format is SourceFormat.CSV:  # of Parquet a damaged page may have fewer: refused below
        require(tally.published == rows, f"{rows:,} rows were counted, {tally.published:,} read")
    _require_sums(tally.counts())
    require_whole_month(partition, _landing(path, rows), tally)
    return rows


def _require_sums(counts: Counts) -> None:
    require(counts.published == counts.accepted + counts.quarantined, "a row is nowhere")
    require(counts.quarantined == sum(counts.by_reason.values()), "a row without a reason")
    require(counts.accepted == sum(counts.by_day.values()), "a row without a day")


def _landing(path: Path, rows: int) -> Landing:
    return Landing(
        source_uri=path.name, etag=None, last_modified=None, bytes=path.stat().st_size, sha256="",
        rows=rows, raw=f"raw/{path.name}",
    )  # fmt: skip


@cache
def _folder() -> Path:
    """Of this process alone; removed by nobody, as the fuzzer ends without a word."""
    return Path(tempfile.mkdtemp(prefix="nyc-tlc-fuzz-"))


def _bound(schema: pa.Schema, source_format: SourceFormat) -> tuple[Partition, Bindings]:
    for partition in PARTITIONS:
        try:
            return partition, bind(
                partition, schema, source_format=source_format, keep_unknown=True
            )
        except ContractError:
            if partition == PARTITIONS[-1]:
                raise
    raise AssertionError("there are partitions")


def _conformed(
    batches: Iterator[pa.RecordBatch],
    partition: Partition,
    bindings: Bindings,
    waiting: list[pa.RecordBatch],
) -> Iterator[ConformedBatch]:
    row = 0
    for batch in batches:
        waiting.append(batch)
        yield conform(batch, bindings, partition=partition, first_row=row)
        row += batch.num_rows


def _judged(
    batch: pa.RecordBatch, judge: Judge, neighbourhood: Neighbourhood, *, first_row: int
) -> Judged:
    """The rows of a batch: each in exactly one part, and in order."""
    judged = judge.judge(neighbourhood)
    parts = [part.column("source_row").to_pylist() for part in (judged.accepted, judged.rejected)]
    require(all(part == sorted(part) for part in parts), "the rows are out of order")
    expected = list(range(first_row, first_row + batch.num_rows))
    require(sorted(parts[0] + parts[1]) == expected, "rows are lost or doubled")
    published = to_json(batch.take(judged.rejected_rows))
    require(not published.null_count, "a row in quarantine has not been kept")
    return judged
