"""Small months of trips, as the load step would hand them to a warehouse."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from embedded.samples.months import write_month
from nyc_tlc.core.catalog.ledger import Content, LedgerEntry
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.code_lists import code_lists, code_table
from nyc_tlc.core.contract.schemas import arrow_schema
from nyc_tlc.core.contract.service import GREEN, Service
from nyc_tlc.core.month import Month
from nyc_tlc.core.rows.binding import bind
from nyc_tlc.core.rows.conform import conform
from nyc_tlc.core.rows.judge import Judge, Neighbourhood
from nyc_tlc.core.zones.lookup import SCHEMA
from nyc_tlc.ports.warehouse import AnyWarehouse, Batches, RowGroups, Warehouse
from nyc_tlc.steps.load import _QUARANTINE_SCHEMA

T = TypeVar("T")


def partition(month: str = "2024-01", service: Service = GREEN) -> Partition:
    return Partition(service, Month.parse(month))


@dataclass(frozen=True)
class SampleMonth:
    """One month's content: ``values`` overrides whole columns of its trips."""

    partition: Partition = field(default_factory=partition)
    rows: int = 5
    sha256: str = "a" * 64
    values: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    quarantined: Sequence[Mapping[str, Any]] = ()

    @property
    def entry(self) -> LedgerEntry:
        return LedgerEntry(
            partition=self.partition,
            content=Content(self.sha256, self.partition.contract_id),
            published=self.rows + len(self.quarantined),
            accepted=self.rows,
            quarantined=len(self.quarantined),
            run="test",
        )

    def trips(self) -> RowGroups:
        """The trips, three to a group."""
        return row_groups(self.table())

    def table(self) -> pa.Table:
        schema = arrow_schema(self.partition.service.contract)
        columns = {**self._defaults(), **self.values}
        arrays = [
            pa.array(columns.get(column.name, [None] * self.rows), column.type) for column in schema
        ]
        return pa.Table.from_arrays(arrays, schema=schema)

    def quarantine(self) -> Batches:
        rows = [
            {
                "service": self.partition.service.name,
                "source_month": self.partition.month.start.date(),
                "source_row": self.rows + row,
                "reason": "pickup_missing",
                "published": json.dumps(published),
            }
            for row, published in enumerate(self.quarantined)
        ]
        table = pa.Table.from_pylist(rows, _QUARANTINE_SCHEMA)
        return Batches(_QUARANTINE_SCHEMA, table.to_batches(max_chunksize=2))

    def _defaults(self) -> Mapping[str, Sequence[Any]]:
        start = self.partition.month.start
        return {
            "pickup_datetime": [start + timedelta(minutes=row) for row in range(self.rows)],
            "total_amount": [1.0 + row for row in range(self.rows)],
            "source_month": [start.date()] * self.rows,
            "source_row": list(range(self.rows)),
            "quality_flags": [0] * self.rows,
        }


def row_groups(trips: pa.Table, *, size: int = 3) -> RowGroups:
    groups = trips.combine_chunks().to_batches(max_chunksize=size)
    first_rows = [group.column("source_row")[0].as_py() for group in groups]
    return RowGroups(trips.schema, first_rows, lambda chosen: (groups[n] for n in chosen))


def after_its_rows(trips: RowGroups, end: Callable[[], object]) -> RowGroups:
    """The same trips, with something that happens after those of each reader."""

    def read(chosen: range) -> Iterator[pa.RecordBatch]:
        yield from trips.read(chosen)
        end()

    return replace(trips, read=read)


def load(
    warehouse: Warehouse, month: SampleMonth, *, force: bool = False, **others: Any
) -> LedgerEntry:
    """Load a month; ``others`` stand in for its entry, trips or quarantine."""
    own = {"entry": month.entry, "trips": month.trips(), "quarantine": month.quarantine()}
    return warehouse.replace_partition(**own | others, force=force)


def at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """What these return, all begun at the same moment."""
    start = threading.Barrier(len(calls))

    def call(one: Callable[[], T]) -> T:
        start.wait()
        return one()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, calls, timeout=120))


def load_dimensions(warehouse: AnyWarehouse) -> None:
    """Four zones, and every code list."""
    places = {132: ("Queens", "JFK Airport"), 1: ("EWR", "Newark Airport"),
              264: ("Unknown", "N/A"), 265: ("N/A", "Outside of NYC")}  # fmt: skip
    rows = [
        {"location_id": i, "borough": borough, "zone": zone, "service_zone": ""}
        for i, (borough, zone) in places.items()
    ]
    zones = pa.Table.from_pylist(rows, SCHEMA)
    warehouse.replace_table("taxi_zone", zones, key="location_id", comment="")
    for name, codes in code_lists().items():
        warehouse.replace_table(name, code_table(codes), key="code", comment="")


def judged(part: Partition, rows: int, folder: Path) -> SampleMonth:
    """A month as TLC would publish it, in the rows of it that are accepted."""
    (batch,) = pq.read_table(write_month(part, rows, folder)).combine_chunks().to_batches()
    done = conform(batch, bind(part, batch.schema), partition=part, first_row=0)
    accepted = Judge(part).judge(Neighbourhood(None, done, None)).accepted
    assert 0.8 * rows < accepted.num_rows <= rows
    return SampleMonth(part, accepted.num_rows, values=accepted.to_pydict())
