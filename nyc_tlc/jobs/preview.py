"""Rows to look at of a run: a few of its last month, wherever the run has brought it."""

from collections.abc import Callable, Sequence

import pyarrow as pa

from nyc_tlc.adapters.lake.reader import LakeReader, read_object_head
from nyc_tlc.core.audit.values import Part
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.errors import PipelineError, SourceError
from nyc_tlc.core.files.published_file import read_published_head
from nyc_tlc.core.rows.preview import MOST_ACCEPTED, as_published, as_shown, note
from nyc_tlc.core.runs.run_table import RunRow, Status
from nyc_tlc.jobs.open import Job
from nyc_tlc.steps.records import landed
from nyc_tlc.steps.staging import read_conformed
from nyc_tlc.wiring import NO_BIGQUERY, connect_reader

_NOWHERE = {Status.FAILED, Status.NOT_PUBLISHED, Status.SKIPPED, Status.PLANNED}


class Preview(Job):
    """What each step of a run shows beside its run table.

    The rows are of one month, the last in the table that has come so far. Nothing here fails a run:
    where rows cannot be shown, a note says why.
    """

    def published(self, rows: Sequence[RunRow]) -> pa.Table:
        """As TLC published them."""
        return _first(rows, self._published, "no month of this run has landed")

    def accepted(self, rows: Sequence[RunRow]) -> pa.Table:
        """In the contract's shape."""
        return _first(rows, lambda row: self._conformed(row, Part.TRIPS), "no month was conformed")

    def quarantined(self, rows: Sequence[RunRow]) -> pa.Table:
        """Those that cannot be a trip of their month, with the reason."""
        some = [row for row in rows if row.quarantined]
        return _first(
            some,
            lambda row: as_published(self._conformed(row, Part.QUARANTINE)),
            "no row was quarantined",
        )

    def stored(self, rows: Sequence[RunRow], store: str) -> pa.Table:
        """As a store holds them."""
        if store == "bigquery" and self._ports.bigquery is None:
            return note(NO_BIGQUERY)
        reader = connect_reader(self._settings, store)
        return _first(
            rows,
            lambda row: reader.rows(row.partition, Part.TRIPS, MOST_ACCEPTED),
            f"no month of this run is in {reader.name}",
        )

    def _published(self, row: RunRow) -> pa.Table:
        landing = landed(row.partition, self._ports.lake)
        if landing is None:
            raise SourceError(f"{row.partition}: its published file is not in raw/")
        with self._ports.lake.open_range(landing.raw) as raw:
            source_format = SourceFormat.of(landing.raw)
            return read_published_head(raw, landing.source_uri, source_format, MOST_ACCEPTED)

    def _conformed(self, row: RunRow, part: Part) -> pa.Table:
        lake = self._ports.lake
        if not row.staged:
            return LakeReader(lake).rows(row.partition, part, MOST_ACCEPTED)
        staged = dict(zip(Part, read_conformed(row, lake).staged, strict=True))
        return read_object_head(lake, staged[part].path, MOST_ACCEPTED)


def _first(rows: Sequence[RunRow], read: Callable[[RunRow], pa.Table], nothing: str) -> pa.Table:
    there = [row for row in rows if row.status not in _NOWHERE]
    if not there:
        return note(nothing)
    try:
        return as_shown(read(there[-1]))
    except (PipelineError, pa.ArrowException) as error:
        return note(f"no rows can be shown: {error}")
