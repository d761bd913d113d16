"""How far each month's publication has come, and which months are worth asking about."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import groupby

from nyc_tlc.core.catalog.counts import Counts
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import Service
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.errors import ConfigurationError
from nyc_tlc.core.month import Month


class State(StrEnum):
    """What is known of a month, from its end to its last revision."""

    EXPECTED = "expected"
    """It is not over yet, so nobody has been asked about it."""
    NOT_PUBLISHED = "not published yet"
    LATE = "late"
    """Absent at the source though its usual lag is over."""
    AVAILABLE = "available"
    """Published, and not in every store as it is, proved and under today's contract."""
    LOADED = "loaded"
    REVISED = "revised"
    """Loaded, but the source now has another version."""
    FAILED = "failed"
    """Asking about it or loading it failed last; it is tried again at the next run."""
    WITHDRAWN = "withdrawn"
    """Loaded, but the source has it no longer. It stays as it is."""


TO_LOAD = frozenset({State.AVAILABLE, State.REVISED})


@dataclass(frozen=True)
class Publication:
    """What is known of how TLC publishes.

    Attributes:
        source_format: The form of the files at the source.
        lag: Months after its end for which a month may still be missing.
        today: Decides whether a month is over, and whether a missing one is late.
    """

    source_format: SourceFormat
    lag: int
    today: date

    def is_over(self, month: Month) -> bool:
        return month < Month.of(self.today)

    def due(self, month: Month) -> Month:
        """In which month it is published at the latest."""
        return month + 1 + self.lag

    def is_late(self, month: Month) -> bool:
        return Month.of(self.today) > self.due(month)


@dataclass(frozen=True)
class Sighting:
    """What asking the source about a partition showed.

    Attributes:
        absent: What the source answered when it does not have the file; empty when it does.
        sha256: Content of the landed version, if the source still has that; else empty.
        counts: Rows of that version, if every store holds it, proved, under today's contract.
        bytes: As the source states it, like ``last_modified``; None when it does not.
    """

    absent: str = ""
    sha256: str = ""
    counts: Counts | None = None
    bytes: int | None = None
    last_modified: str | None = None


@dataclass(frozen=True)
class MonthState:
    """The state of a partition, as stored next to the ledger.

    Attributes:
        asked: Whether the source was asked about it this time.
        bytes: Of the published file; None leaves what was known, as for ``last_modified``.
        note: What is worth knowing of the state, or why it failed.
    """

    partition: Partition
    state: State
    asked: bool = True
    bytes: int | None = None
    last_modified: str | None = None
    note: str = ""


def expected_partitions(
    services: Iterable[Service], first: Month, publication: Publication
) -> tuple[Partition, ...]:
    """Every partition from ``first`` to the month we are in, service by service, ascending.

    Raises:
        ConfigurationError: no month of these services is over yet.
    """
    current = Month.of(publication.today)
    expected = tuple(
        Partition(service, month)
        for service in services
        for month in max(first, service.first_month_in(publication.source_format)).through(current)
    )
    if not any(publication.is_over(partition.month) for partition in expected):
        raise ConfigurationError(
            f"no month from {first} on is over: TLC cannot have published one. Nothing was "
            "started. Set TLC_FIRST_MONTH (or the variable first_month) to an earlier month."
        )
    return expected


def worth_asking(
    expected: Iterable[Partition],
    loaded: Collection[Partition],
    before: Mapping[Partition, State],
    publication: Publication,
    *,
    recent: int,
) -> tuple[Partition, ...]:
    """The partitions about which the source may have news.

    These are the months that are not loaded, those that were revised, failed or gone when they
    were last asked about, and the ``recent`` newest loaded ones of each service. TLC seldom
    touches older ones: it rewrote its history in June to August 2022 and changed none of 439
    files from December 2023 to August 2024, though their Last-Modified differed between its
    listings.

    ``expected`` is ascending, service by service; ``loaded`` is proved, under today's contract.
    """
    over = [partition for partition in expected if publication.is_over(partition.month)]
    newest = {
        partition
        for _, group in groupby(over, key=lambda partition: partition.service.name)
        for partition in [p for p in group if p in loaded][-recent:]
    }
    unsettled = TO_LOAD | {State.FAILED, State.WITHDRAWN}
    return tuple(
        partition
        for partition in over
        if partition not in loaded or partition in newest or before.get(partition) in unsettled
    )


def state_of(
    partition: Partition, sighting: Sighting, loaded_sha256: str, publication: Publication
) -> MonthState:
    """The state of a partition that the source was asked about.

    The ledger has the content ``loaded_sha256`` for it; empty when it has none.
    """
    if sighting.absent and loaded_sha256:
        note = (
            f"{sighting.absent} (also the CDN's answer when it throttles); it was loaded before "
            "and stays as it is in every store"
        )
        return MonthState(partition, State.WITHDRAWN, note=note)
    if sighting.absent and publication.is_late(partition.month):
        lag = f"its publication lag of {publication.lag} months is over"
        return MonthState(partition, State.LATE, note=f"absent though {lag}: {sighting.absent}")
    if sighting.absent:
        return MonthState(partition, State.NOT_PUBLISHED)
    is_other = loaded_sha256 not in {"", sighting.sha256}
    state = State.REVISED if is_other else State.AVAILABLE
    return MonthState(
        partition,
        State.LOADED if sighting.counts else state,
        bytes=sighting.bytes,
        last_modified=sighting.last_modified,
    )


def unasked_state(partition: Partition, publication: Publication) -> MonthState:
    """The state of a partition that there was no reason to ask about."""
    is_over = publication.is_over(partition.month)
    return MonthState(partition, State.LOADED if is_over else State.EXPECTED, asked=False)
