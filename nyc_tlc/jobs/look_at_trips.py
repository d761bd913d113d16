"""A few trips of one month in one store, and its rows by reason and flag: look_at_trips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from nyc_tlc.core.audit.values import Part
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import Service
from nyc_tlc.core.errors import ConfigurationError
from nyc_tlc.core.month import Month
from nyc_tlc.core.rows.preview import MOST_ACCEPTED, MOST_QUARANTINED, as_published, as_shown, note
from nyc_tlc.core.rows.rules import FLAGS, REASONS, Rule
from nyc_tlc.jobs.open import open_job
from nyc_tlc.ports.reader import CodeCounts, TripReader
from nyc_tlc.wiring import connect_reader


@dataclass(frozen=True)
class Seen:
    """What is to be seen of a month.

    Attributes:
        counts: A row for each reason and flag that the month has.
    """

    accepted: pa.Table
    quarantined: pa.Table
    counts: pa.Table


def look_at_trips(service: Service, month: Month | None, store: str) -> Seen:
    """The first rows of a month; None is the newest that the store holds.

    Raises:
        ConfigurationError: the store is unknown, or switched off, or does not hold the month.
    """
    _, reader = open_job(lambda settings: connect_reader(settings, store))
    partition = _held(reader, service, month)
    quarantined = reader.rows(partition, Part.QUARANTINE, MOST_QUARANTINED)
    none = f"{reader.name} holds no quarantined row of {partition}"
    return Seen(
        accepted=as_shown(reader.rows(partition, Part.TRIPS, MOST_ACCEPTED)),
        quarantined=as_shown(as_published(quarantined)) if quarantined.num_rows else note(none),
        counts=_table(partition, reader.count_codes(partition)),
    )


def _held(reader: TripReader, service: Service, month: Month | None) -> Partition:
    months = reader.months(service)
    if months and (month is None or month in months):
        return Partition(service, month or months[-1])
    if not months:
        raise ConfigurationError(
            f"{reader.name} holds no month of {service} yet: load one with the pipeline tlc_trips."
        )
    raise ConfigurationError(
        f"{reader.name} does not hold {service} {month}: choose one of its {len(months):,} months, "
        f"{months[0]} to {months[-1]}, or load it with the pipeline tlc_trips."
    )


def _table(partition: Partition, counts: CodeCounts) -> pa.Table:
    rows = [
        *_rows("quarantine reason", REASONS, counts.by_reason),
        *_rows("quality flag", FLAGS, counts.by_flag),
    ]
    if not rows:
        return note(f"no row of {partition} is quarantined or flagged")
    return pa.Table.from_pylist(rows)


def _rows(kind: str, rules: Sequence[Rule], counts: Mapping[str, int]) -> list[dict[str, object]]:
    meanings = {rule.code: rule.sentence for rule in rules}
    return [
        {"kind": kind, "code": code, "rows": rows, "meaning": meanings.get(code, "")}
        for code, rows in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
