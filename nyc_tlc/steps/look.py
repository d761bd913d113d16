"""Look: ask the source about a month, and whether the stores hold it, without changing anything."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TypeVar

from nyc_tlc.core.catalog.counts import Counts
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.publication import Publication, Sighting
from nyc_tlc.core.contract.source_format import SourceFormat, published_paths
from nyc_tlc.core.errors import NotPublishedYet, PipelineError, SourceError
from nyc_tlc.core.lake.records import Landing
from nyc_tlc.core.runs.run_table import RunRow, Status
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.ports.source import SourceFileAbsentError
from nyc_tlc.steps.records import (
    has_outdated_zones,
    is_proved_in_bigquery,
    landed,
    proved_manifest,
)
from nyc_tlc.steps.run_each import Effort, retried

T = TypeVar("T")
Look = Callable[[Partition], Sighting]


def look(partition: Partition, ports: Ports, publication: Publication) -> Sighting:
    """Ask the source about a month with one conditional request per path it may lie under."""
    known = landed(partition, ports.lake)
    try:
        published = find_source_path(
            partition,
            known,
            publication.source_format,
            lambda path, etag: ports.source.probe(path, unless_etag=etag),
        )
    except SourceFileAbsentError as error:
        return Sighting(absent=str(error))
    if published is not None:
        return Sighting(bytes=published.bytes, last_modified=published.last_modified)
    assert known is not None  # noqa: S101 - "not modified" answers only a known version
    return Sighting(
        sha256=known.sha256,
        counts=_proved_counts(partition, known, ports),
        bytes=known.bytes,
        last_modified=known.last_modified,
    )


def look_at_each(
    step: Look, partitions: Sequence[Partition], effort: Effort
) -> list[Sighting | PipelineError]:
    """Look at partitions, a few at a time; one that cannot be asked about gives its error."""

    def outcome(partition: Partition) -> Sighting | PipelineError:
        try:
            return retried(partial(step, partition), str(partition), effort, "look")
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
    sighting = look(row.partition, ports, publication)
    if sighting.absent:
        raise absent(row.partition, sighting.absent, publication)
    size = sighting.bytes or 0
    counts = sighting.counts
    if counts is not None and not row.force:
        return replace(
            row, status=Status.UNCHANGED, bytes=size, sha256=sighting.sha256,
            published=counts.published, accepted=counts.accepted, quarantined=counts.quarantined,
        )  # fmt: skip
    return replace(row, status=Status.PLANNED, bytes=size, warning=_why(row, sighting))


def _why(row: RunRow, sighting: Sighting) -> str:
    if row.force:
        return "would be loaded again, by force"
    if sighting.sha256:
        return "would be loaded from raw/: the stores do not hold it as it is"
    return "would be downloaded and loaded"


def _proved_counts(partition: Partition, landing: Landing, ports: Ports) -> Counts | None:
    """The month's counts, if every store holds exactly this version under today's contract."""
    manifest = proved_manifest(partition, landing, ports)
    if manifest is None or has_outdated_zones(manifest, ports.lake):
        return None
    return manifest.counts if is_proved_in_bigquery(partition, manifest, ports) else None


def find_source_path(
    partition: Partition,
    known: Landing | None,
    source_format: SourceFormat,
    ask: Callable[[str, str | None], T],
) -> T:
    """Ask for the month's file under each of its paths, until the source has one.

    The tag of the version landed last is of use only under its own path.

    Raises:
        SourceFileAbsentError: it is under none of them.
    """
    paths = published_paths(source_format, partition.service.name, partition.file_stem)
    for path in paths:
        suffix = path.rpartition(partition.file_stem)[2]
        same_name = known is not None and known.raw.endswith(known.sha256 + suffix)
        try:
            return ask(path, known.etag if known is not None and same_name else None)
        except SourceFileAbsentError:
            if path == paths[-1]:
                raise
    raise AssertionError("every format has a path")


def absent(
    partition: Partition, answer: SourceFileAbsentError | str, publication: Publication
) -> NotPublishedYet | SourceError:
    """What it means that the source does not have the month: no failure within its lag."""
    lag = publication.lag
    if not publication.is_late(partition.month):
        return NotPublishedYet(
            f"{partition} is not published yet: {answer}; TLC publishes a month some {lag} months "
            "after its end. Nothing was changed. Try again later."
        )
    return SourceError(
        f"{partition} is missing: {answer}, though its publication lag of {lag} months is over "
        "(the CDN also says 403 when it throttles). The month stays as it was. Check "
        f"TLC_SOURCE_URL and TLC_SOURCE_FORMAT ({publication.source_format}), or try again later."
    )
