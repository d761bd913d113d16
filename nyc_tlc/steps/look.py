"""Look: ask the source about a month, and whether the stores hold it, without changing anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.publication import Publication, Sighting
from nyc_tlc.core.errors import PipelineError
from nyc_tlc.core.runs.run_table import RunRow, Status
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.ports.source import Probed, SourceFileAbsentError
from nyc_tlc.steps.land import absent, find_source_path, landed, proved
from nyc_tlc.steps.run_each import Effort, retried

Look = Callable[[Partition], Sighting]


def look(partition: Partition, ports: Ports, publication: Publication) -> Sighting:
    """Ask the source about a month with one conditional request per path it may lie under."""
    return _ask(partition, ports, publication)[0]


def look_at_each(
    step: Look, partitions: Sequence[Partition], effort: Effort
) -> list[Sighting | PipelineError]:
    """Look at partitions, a few at a time; one that cannot be asked about gives its error."""

    def outcome(partition: Partition) -> Sighting | PipelineError:
        attempt = partial(step, partition)
        try:
            return retried(attempt, str(partition), effort.attempts, effort.first_wait)
        except PipelineError as error:
            return error

    with ThreadPoolExecutor(effort.workers, thread_name_prefix="look") as pool:
        return list(pool.map(outcome, partitions))


def plan_landing(row: RunRow, ports: Ports, publication: Publication) -> RunRow:
    """Say what landing the month would lead to; ``bytes`` is the size of its published file.

    Raises:
        NotPublishedYet: the month is missing, within its lag.
        SourceError: it is missing after its lag.
    """
    partition = row.partition
    sighting, error = _ask(partition, ports, publication)
    if error is not None:
        raise absent(partition, error, publication) from error
    size = sighting.bytes or 0
    counts = sighting.counts
    if counts is not None and not row.force:
        return replace(
            row, status=Status.UNCHANGED, bytes=size, sha256=sighting.sha256,
            published=counts.published, accepted=counts.accepted, quarantined=counts.quarantined,
        )  # fmt: skip
    return replace(row, status=Status.PLANNED, bytes=size, warning=_why(row, sighting))


def _ask(
    partition: Partition, ports: Ports, publication: Publication
) -> tuple[Sighting, SourceFileAbsentError | None]:
    known = landed(partition, ports.lake)

    def probe(path: str, etag: str | None) -> Probed | None:
        return ports.source.probe(path, unless_etag=etag)

    try:
        published = find_source_path(partition, known, publication.source_format, probe)
    except SourceFileAbsentError as error:
        return Sighting(absent=str(error)), error
    if published is not None:
        return Sighting(bytes=published.bytes, last_modified=published.last_modified), None
    assert known is not None  # noqa: S101 - "not modified" answers only a known version
    return Sighting(
        sha256=known.sha256,
        counts=proved(partition, known, ports),
        bytes=known.bytes,
        last_modified=known.last_modified,
    ), None


def _why(row: RunRow, sighting: Sighting) -> str:
    if row.force:
        return "would be loaded again, by force"
    if sighting.sha256:
        return "would be loaded from raw/: the stores do not hold it as it is"
    return "would be downloaded and loaded"
