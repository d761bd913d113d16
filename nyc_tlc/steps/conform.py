"""Conform: one streaming pass from the published file to staged trips and quarantine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nyc_tlc.core import conform as core
from nyc_tlc.core.errors import ReconciliationError, SourceError
from nyc_tlc.core.judge import Judge, Judged, Neighbourhood, neighbourhoods
from nyc_tlc.core.manifest import Conformed, Counts, Landing, render_record
from nyc_tlc.core.manifest_table import ManifestRow, Status
from nyc_tlc.core.partition import Partition
from nyc_tlc.core.published_json import to_json
from nyc_tlc.core.quality import FLAGS
from nyc_tlc.core.render import arrow_schema, quarantine_arrow_schema
from nyc_tlc.ports import Ports
from nyc_tlc.prefetch import prefetch
from nyc_tlc.steps import lake_paths
from nyc_tlc.steps.land import landed_version
from nyc_tlc.steps.parquet_file import open_parquet, read_batches
from nyc_tlc.steps.work_folder import work_folder

_COMPRESSION_LEVEL = 1
"""Of zstd: higher levels save 3-6 % of the bytes for twice the time."""


@dataclass
class _Tally:
    """What has been seen of the partition so far."""

    published: int = 0
    accepted: int = 0
    by_reason: dict[str, int] = field(default_factory=dict)
    flags: npt.NDArray[np.int64] = field(
        default_factory=lambda: np.zeros(len(FLAGS), dtype=np.int64)
    )
    first_pickup: datetime | None = None
    last_pickup: datetime | None = None

    def add(self, judged: Judged) -> None:
        self.accepted += judged.accepted.num_rows
        self.published += judged.accepted.num_rows + judged.rejected.num_rows
        self.flags += judged.flags
        for reason in pc.value_counts(judged.reasons).to_pylist():
            code = reason["values"]
            self.by_reason[code] = self.by_reason.get(code, 0) + reason["counts"]
        bounds = pc.min_max(judged.accepted.column("pickup_datetime")).as_py()
        if bounds["min"] is not None:
            self.first_pickup = min(self.first_pickup or bounds["min"], bounds["min"])
            self.last_pickup = max(self.last_pickup or bounds["max"], bounds["max"])

    def counts(self) -> Counts:
        return Counts(
            published=self.published,
            accepted=self.accepted,
            quarantined=sum(self.by_reason.values()),
            by_reason=dict(sorted(self.by_reason.items())),
            by_flag={
                rule.code: int(rows) for rule, rows in zip(FLAGS, self.flags, strict=True) if rows
            },
            first_pickup=self.first_pickup,
            last_pickup=self.last_pickup,
        )


def conform(row: ManifestRow, ports: Ports, *, keep_unknown: bool = False) -> ManifestRow:
    """Reshape a landed month to the contract and stage it for the stores.

    Memory does not grow with the file: a few batches are in flight, and the rows of the
    published file are decoded once.

    Args:
        row: A landed partition.
        ports: The lake is used.
        keep_unknown: Keep columns that the contract does not know, instead of stopping.

    Raises:
        ContractError: the file's columns are not the contract's.
        SourceError: the file is damaged, or holds another month's trips.
        ReconciliationError: rows were lost on the way, which is a defect of ours.
    """
    partition = row.partition
    landing = landed_version(partition, row.sha256, ports.lake)
    with (
        work_folder(ports.work_dir, f"conform_{partition.table_name}") as folder,
        _scratch(folder / "trips.parquet", folder / "quarantine.parquet") as (trips, quarantine),
    ):
        try:
            with ports.lake.open(landing.raw) as raw, open_parquet(raw, landing.source_uri) as file:
                bindings = core.bind(partition, file.schema_arrow, keep_unknown=keep_unknown)
                tally = _write(partition, file, bindings, (trips, quarantine))
        finally:
            ports.lake.release(landing.raw)
        _require_all_rows(partition, landing, tally)
        _require_own_month(partition, landing, tally)
        return _stage(row, landing, tally.counts(), [trips, quarantine], ports)


@contextmanager
def _scratch(*files: Path) -> Iterator[tuple[Path, ...]]:
    try:
        yield files
    finally:
        for file in files:
            file.unlink(missing_ok=True)


def _write(
    partition: Partition,
    file: pq.ParquetFile,
    bindings: tuple[core.Binding, ...],
    targets: tuple[Path, ...],
) -> _Tally:
    trips, quarantine = targets
    contract = partition.service.contract
    judge, tally = Judge(partition), _Tally()
    with ExitStack() as stack:
        trips_writer = stack.enter_context(_writer(trips, arrow_schema(contract)))
        quarantine_writer = stack.enter_context(
            _writer(quarantine, quarantine_arrow_schema(contract))
        )
        published = stack.enter_context(closing(prefetch(read_batches(file, partition.file_name))))
        for batch, judged in _judged(partition, published, bindings, judge):
            tally.add(judged)
            trips_writer.write_batch(judged.accepted)
            if judged.rejected.num_rows:
                quarantine_writer.write_batch(
                    _quarantined(batch, judged, quarantine_arrow_schema(contract))
                )
    return tally


def _judged(
    partition: Partition,
    published: Iterable[pa.RecordBatch],
    bindings: tuple[core.Binding, ...],
    judge: Judge,
) -> Iterator[tuple[pa.RecordBatch, Judged]]:
    """Each published batch with its verdict."""
    waiting: list[pa.RecordBatch] = []

    def conformed() -> Iterator[core.Conformed]:
        row = 0
        for batch in published:
            waiting.append(batch)
            yield core.conform(batch, bindings, partition=partition, first_row=row)
            row += batch.num_rows

    neighbourhood: Neighbourhood
    for neighbourhood in neighbourhoods(conformed()):
        yield waiting.pop(0), judge.judge(neighbourhood)


def _quarantined(batch: pa.RecordBatch, judged: Judged, schema: pa.Schema) -> pa.RecordBatch:
    columns = [*judged.rejected.columns, judged.reasons, to_json(batch.take(judged.rejected_rows))]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        path, schema, compression="zstd", compression_level=_COMPRESSION_LEVEL, version="2.6"
    )


def _require_all_rows(partition: Partition, landing: Landing, tally: _Tally) -> None:
    if tally.published != landing.rows:
        raise ReconciliationError(
            f"{partition}: {tally.published:,} rows were read, the footer of {landing.source_uri} "
            f"states {landing.rows:,}. Nothing was staged; the month stays as it was. Look at the "
            "file; if it is whole, this is a defect of conform."
        )


def _require_own_month(partition: Partition, landing: Landing, tally: _Tally) -> None:
    """A file of another month under this name would be quarantined or flagged to the last row."""
    outside = int(tally.flags[0])
    if 2 * (tally.accepted - outside) > tally.published:
        return
    raise SourceError(
        f"{partition}: {landing.source_uri} holds another month: only "
        f"{tally.accepted - outside:,} of {tally.published:,} pick-ups lie in {partition.month}, "
        f"expected more than half (those accepted run from {tally.first_pickup} to "
        f"{tally.last_pickup}). Nothing was staged; the month stays as it was. Look at what the "
        "source serves under this name."
    )


def _stage(
    row: ManifestRow, landing: Landing, counts: Counts, files: list[Path], ports: Ports
) -> ManifestRow:
    partition = row.partition
    folder = f"{lake_paths.staging(partition)}{landing.sha256[:16]}_{row.run}/"
    staged = tuple(ports.lake.take(file, folder + file.name) for file in files)
    record = Conformed(
        service=row.service,
        month=row.month,
        contract=partition.contract_id,
        vintage=str(partition.service.contract.vintage_of(partition.month).first),
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
        staged=folder,
    )
