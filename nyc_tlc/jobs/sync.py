"""Find what TLC has published that we do not have, or has revised since, and load exactly that."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Literal

from nyc_tlc.core.catalog.ledger import LedgerEntry
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.publication import (
    MonthState,
    Publication,
    Sighting,
    State,
    expected_partitions,
    state_of,
    unasked_state,
    worth_asking,
)
from nyc_tlc.core.contract.service import Service
from nyc_tlc.core.errors import PartitionsFailedError, PipelineError, listed
from nyc_tlc.core.month import Month
from nyc_tlc.core.runs.alerts import late_alert, overdue_alert
from nyc_tlc.core.runs.run_table import RunRow, start
from nyc_tlc.core.runs.sync_table import SyncRow, months_summary, run_row
from nyc_tlc.jobs.open import Job
from nyc_tlc.jobs.trips import Trips
from nyc_tlc.steps.look import look, look_at_each
from nyc_tlc.wiring import connect_alerts

Scope = Literal["changed", "all"]


@dataclass(frozen=True)
class _Known:
    """What the ledger knows when a sync begins."""

    entries: Mapping[Partition, LedgerEntry]
    states: Mapping[Partition, State]

    @property
    def loaded(self) -> frozenset[Partition]:
        """The months proved under today's contract."""
        return frozenset(
            partition
            for partition, entry in self.entries.items()
            if entry.reconciled_at is not None and entry.content.contract == partition.contract_id
        )


class Sync(Job):
    """The months that TLC should have published by now, against those that we hold."""

    def find(
        self, services: Sequence[Service], *, first: Month | None, scope: Scope, only_plan: bool
    ) -> list[SyncRow]:
        """Ask the source what is new, revised or gone; a row per month.

        The states are recorded with the ledger, unless ``only_plan``.

        Args:
            services: Which services.
            first: From which month on; None: TLC_FIRST_MONTH.
            scope: ``changed``: only the months that may have changed; ``all``: every month.
            only_plan: Change nothing, not even the recorded states.

        Raises:
            ConfigurationError: no month is over yet.
            RetryableError: the ledger does not answer.
        """
        publication = self._publication()
        first = first or Month.parse(self._settings.tlc_first_month)
        expected = expected_partitions(services, first, publication)
        effort = self._effort.brief() if only_plan else self._effort
        known = self._retried("the ledger", self._known, brief=only_plan)
        asked = worth_asking(
            expected, () if scope == "all" else known.loaded, known.states, publication,
            recent=self._settings.tlc_revision_months,
        )  # fmt: skip
        step = partial(look, ports=self._ports, publication=publication)
        seen = dict(zip(asked, look_at_each(step, asked, effort), strict=True))
        states = [_state(partition, seen, known, publication) for partition in expected]
        if not only_plan:
            record = partial(self._ports.ledger.record_month_states, states)
            self._retried("the ledger", record)
            self._tell_of_late(states, known, publication)
        rows = [_row(state, known.entries.get(state.partition)) for state in states]
        logging.getLogger(__name__).info("\n%s", months_summary(rows))
        return rows

    def months_by_state(self) -> Mapping[str, int]:
        """How many months are in each state, as recorded last; in the order of a month's life."""
        states = self._retried("the ledger", self._ports.ledger.month_states, brief=True)
        counts = Counter(states.values())
        return {state.value: counts[state] for state in State if counts[state]}

    def require_none_overdue(self, services: Sequence[Service], *, first: Month | None) -> str:
        """Alert and fail where a month is not proved though its publication lag is over.

        Asks the ledger alone. Cron starts it, so that lateness is told also when nothing else runs.

        Returns:
            What was found, for the screen.

        Raises:
            PartitionsFailedError: months are overdue; the alert is sent.
            RetryableError: the ledger does not answer.
        """
        publication = self._publication()
        expected = expected_partitions(
            services, first or Month.parse(self._settings.tlc_first_month), publication
        )
        entries = self._retried("the ledger", self._known, brief=True).entries
        proved = {found for found, entry in entries.items() if entry.reconciled_at is not None}
        alert = overdue_alert(
            (str(partition), str(publication.due(partition.month)))
            for partition in expected
            if partition not in proved and publication.is_late(partition.month)
        )
        if alert is None:
            return f"none of {len(expected):,} months is overdue"
        connect_alerts(self._settings).send(alert)
        listing = listed(alert.lines, "\n")
        raise PartitionsFailedError(f"{len(alert.lines):,} months overdue:\n{listing}")

    def land(self, found: Sequence[SyncRow], *, only_plan: bool) -> list[RunRow]:
        """Land the months that are available or revised; a row for each that was asked about."""
        asked = [row for row in found if row.asked]
        begun = start(
            [row.partition for row in asked],
            force=False,
            only_plan=only_plan,
            now=datetime.now(UTC),
        )
        rows = [run_row(*pair) for pair in zip(asked, begun, strict=True)]
        return Trips(self._settings, self._ports).land_rows(rows)

    def _tell_of_late(
        self, states: Sequence[MonthState], known: _Known, publication: Publication
    ) -> None:
        """Tell of the months that have become late since the last time, once."""
        alert = late_alert(
            (str(state.partition), str(publication.due(state.partition.month)))
            for state in states
            if state.state is State.LATE and known.states.get(state.partition) is not State.LATE
        )
        if alert is not None:
            connect_alerts(self._settings).send(alert)

    def _known(self) -> _Known:
        entries = {entry.partition: entry for entry in self._ports.ledger.entries()}
        return _Known(entries, self._ports.ledger.month_states())


def _state(
    partition: Partition,
    seen: Mapping[Partition, Sighting | PipelineError],
    known: _Known,
    publication: Publication,
) -> MonthState:
    sighting = seen.get(partition)
    if sighting is None:
        return unasked_state(partition, publication)
    if isinstance(sighting, PipelineError):
        return MonthState(partition, State.FAILED, note=str(sighting))
    entry = known.entries.get(partition)
    return state_of(partition, sighting, entry.content.sha256 if entry else "", publication)


def _row(state: MonthState, entry: LedgerEntry | None) -> SyncRow:
    return SyncRow(
        service=state.partition.service.name,
        month=str(state.partition.month),
        state=state.state,
        asked=state.asked,
        published=entry.published if entry else 0,
        accepted=entry.accepted if entry else 0,
        quarantined=entry.quarantined if entry else 0,
        bytes=state.bytes or 0,
        last_modified=state.last_modified or "",
        note=state.note,
    )
