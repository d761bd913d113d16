"""Conform: one streaming pass from the published file to staged trips and quarantine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nyc_tlc.core.catalog.counts import Counts
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.schemas import arrow_schema, quarantine_arrow_schema
from nyc_tlc.core.contract.source_format import IRREGULAR_ROW, SourceFormat
from nyc_tlc.core.files.published_file import PublishedFile, open_published
from nyc_tlc.core.lake.records import Conformed, Landing, render_record
from nyc_tlc.core.prefetch import prefetch
from nyc_tlc.core.rows import conform as core
from nyc_tlc.core.rows.as_json import to_json
from nyc_tlc.core.rows.binding import Bindings, bind
from nyc_tlc.core.rows.judge import Judge, Judged, Neighbourhood, neighbourhoods
from nyc_tlc.core.rows.tally import Tally, require_whole_month
from nyc_tlc.core.runs.run_table import RunRow, Status
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.steps.land import landed_version
from nyc_tlc.steps.staging import staging_folder, work_folder

if TYPE_CHECKING:
    from nyc_tlc.core.zones.polygons import ZonePolygons

_COMPRESSION_LEVEL = 1
"""Of zstd: higher levels save 3-6 % of the bytes for twice the time."""


@dataclass(frozen=True)
class _Reading:
    """How the rows of one file become trips.

    Attributes:
        polygons: Where the zones lie, for a file that locates by coordinates.
        zone_polygons: SHA-256 of the published polygons; empty where none are needed.
        is_sample: Whether the file was generated.
    """

    partition: Partition
    landing: Landing
    bindings: Bindings
    polygons: ZonePolygons | None = None
    zone_polygons: str = ""
    is_sample: bool = False


def conform(row: RunRow, ports: Ports, *, keep_unknown: bool = False) -> RunRow:
    """Reshape a landed month to the contract and stage it for the stores.

    Memory does not grow with the file: a few batches are in flight, and the rows of the
    published file are decoded once. ``keep_unknown`` keeps columns that the contract does not know.

    Raises:
        ContractError: the file's columns are not the contract's.
        SourceError: the file is damaged, or holds another month's trips.
        ReconciliationError: rows were lost on the way, which is a defect of ours.
    """
    partition = row.partition
    landing = landed_version(partition, row.sha256, ports.lake)
    source_format = SourceFormat.of(landing.raw)
    with (
        work_folder(ports.work_dir, f"conform_{partition.table_name}") as folder,
        ExitStack() as end,
    ):
        staged = (folder / "trips.parquet", folder / "quarantine.parquet")
        for path in staged:
            end.callback(path.unlink, missing_ok=True)
        try:
            with (
                ports.lake.open(landing.raw) as raw,
                open_published(raw, landing.source_uri, source_format) as file,
            ):
                reading = _reading(partition, landing, file, ports, keep_unknown=keep_unknown)
                tally = _write(reading, file, staged)
        finally:
            ports.lake.drop_cached(landing.raw)
        # What Arrow keeps for reuse would add to the peak of the load: 60 MB.
        pa.default_memory_pool().release_unused()
        require_whole_month(partition, landing, tally)
        return _stage(row, reading, tally.counts(), staged, ports)


def _reading(
    partition: Partition,
    landing: Landing,
    file: PublishedFile,
    ports: Ports,
    *,
    keep_unknown: bool,
) -> _Reading:
    bindings = bind(
        partition,
        file.schema,
        source_format=SourceFormat.of(landing.raw),
        keep_unknown=keep_unknown,
    )
    if not bindings.locates_by_coordinates:
        return _Reading(partition, landing, bindings, is_sample=file.is_sample)
    # Late: shapely and pyproj cost memory and start-up that most months need not pay.
    from nyc_tlc.steps.land_zones import landed_zone_polygons

    polygons, sha256 = landed_zone_polygons(ports, is_sample=file.is_sample)
    return _Reading(partition, landing, bindings, polygons, sha256, file.is_sample)


def _write(reading: _Reading, file: PublishedFile, targets: tuple[Path, ...]) -> Tally:
    trips, quarantine = targets
    contract = reading.partition.service.contract
    tally = Tally()
    with ExitStack() as stack:
        trips_writer = stack.enter_context(_writer(trips, arrow_schema(contract)))
        quarantine_writer = stack.enter_context(
            _writer(quarantine, quarantine_arrow_schema(contract))
        )
        # Decoding, judging and writing take 0.4, 0.6 and 1.0 s for 3 million rows: a thread each.
        published = stack.enter_context(closing(prefetch(file.batches, depth=1)))
        verdicts = stack.enter_context(closing(prefetch(_judged(reading, published), depth=1)))
        for judged, rejected in verdicts:
            tally.add(judged)
            trips_writer.write_batch(judged.accepted)
            if rejected.num_rows:
                tally.keep_example(rejected)
                quarantine_writer.write_batch(rejected)
    return tally


def _judged(
    reading: _Reading, published: Iterable[pa.RecordBatch]
) -> Iterator[tuple[Judged, pa.RecordBatch]]:
    """The verdict on each published batch, and its rows for the quarantine."""
    waiting: list[pa.RecordBatch] = []

    def conformed() -> Iterator[core.ConformedBatch]:
        row = 0
        for batch in published:
            waiting.append(batch)
            yield core.conform(
                batch,
                reading.bindings,
                partition=reading.partition,
                first_row=row,
                polygons=reading.polygons,
            )
            row += batch.num_rows

    judge = Judge(reading.partition, is_sample=reading.is_sample)
    schema = quarantine_arrow_schema(reading.partition.service.contract)
    neighbourhood: Neighbourhood
    for neighbourhood in neighbourhoods(conformed()):
        judged = judge.judge(neighbourhood)
        yield judged, _quarantined(waiting.pop(0), judged, schema)


def _quarantined(batch: pa.RecordBatch, judged: Judged, schema: pa.Schema) -> pa.RecordBatch:
    if not judged.rejected.num_rows:
        return pa.RecordBatch.from_pylist([], schema)
    published = _as_published(batch.take(judged.rejected_rows))
    columns = [*judged.rejected.columns, judged.reasons, published]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _as_published(rows: pa.RecordBatch) -> pa.StringArray:
    """Rows as JSON; of an irregular line, the line."""
    if IRREGULAR_ROW not in rows.schema.names:
        return to_json(rows)
    lines = rows.select([IRREGULAR_ROW])
    fields = to_json(rows.drop_columns([IRREGULAR_ROW]))
    return pc.if_else(pc.is_valid(lines.column(0)), to_json(lines), fields)


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=_COMPRESSION_LEVEL,
        version="2.6",
        # A dictionary makes a column larger that rarely repeats: without theirs 3 million rows are
        # written in 1.0 and not 1.2 s, and have 60 and not 77 MB. Delta encoding would make it 47,
        # but not every engine reads that.
        use_dictionary=[
            field.name
            for field in schema
            if not pa.types.is_timestamp(field.type) and field.name != "source_row"
        ],
    )


def _stage(
    row: RunRow,
    reading: _Reading,
    counts: Counts,
    files: tuple[Path, ...],
    ports: Ports,
) -> RunRow:
    partition, landing = reading.partition, reading.landing
    folder = staging_folder(row)
    staged = tuple(ports.lake.upload(file, folder + file.name) for file in files)
    record = Conformed(
        service=row.service,
        month=row.month,
        contract=partition.contract_id,
        vintage=str(reading.bindings.vintage.first),
        zone_polygons=reading.zone_polygons,
        landing=landing,
        counts=counts,
        staged=staged,
    )
    ports.lake.write(f"{folder}conformed.json", render_record(record), if_generation=None)
    return replace(
        row,
        status=Status.CONFORMED,
        accepted=counts.accepted,
        quarantined=counts.quarantined,
        reasons=counts.reasons,
        unknown_columns=", ".join(reading.bindings.unknown),
        staged=folder,
        is_sample=reading.is_sample,
    )
