"""Trips on their way from TLC to every store: pipelines tlc_trips and backfill_fanout."""

import logging
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.publication import MonthState, State
from nyc_tlc.core.catalog.selection import parse_months, parse_services, partitions
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.month import Month
from nyc_tlc.core.runs.alerts import run_alerts
from nyc_tlc.core.runs.run_table import (
    FINAL,
    IN_THE_LAKE,
    RunRow,
    Status,
    merge,
    start,
    summary,
)
from nyc_tlc.jobs.open import Job
from nyc_tlc.steps.conform import conform
from nyc_tlc.steps.land import land, land_again
from nyc_tlc.steps.load import load
from nyc_tlc.steps.load_from_lake import load_from_lake
from nyc_tlc.steps.look import plan_landing
from nyc_tlc.steps.publish import publish
from nyc_tlc.steps.reconcile import reconcile, tell_where_failed_months_stand
from nyc_tlc.steps.run_each import Step, require_all, run_each
from nyc_tlc.steps.staging import clear_failed
from nyc_tlc.wiring import NO_BIGQUERY, connect_alerts

_logger = logging.getLogger(__name__)


class Trips(Job):
    """The steps of a run, each over the rows of its run table."""

    def choose(self, services: str, months: str) -> tuple[Partition, ...]:
        """The partitions that these texts mean, of those that the source can have.

        Raises:
            ConfigurationError: they make no sense.
        """
        return partitions(
            parse_services(services),
            self.months(months),
            current=Month.of(datetime.now(UTC).date()),
            source_format=self._settings.tlc_source_format,
        )

    def months(self, text: str) -> tuple[Month, ...]:
        """The months that a text means; ``latest`` is the newest that is due.

        Raises:
            ConfigurationError: it makes no sense.
        """
        current = Month.of(datetime.now(UTC).date())
        return parse_months(text, latest=current - self._settings.tlc_publication_lag)

    def load_one(self, service: str, month: str, *, force: bool) -> RunRow:
        """Take one month through every step.

        Raises:
            PipelineError: the month failed, and why.
        """
        partition = Partition(SERVICES[service], Month.parse(month))
        return self.load(self.land([partition], force=force))[0]

    def load_again(self, partition: Partition, *, fetch: bool) -> None:
        """Take one month through every step, whatever the stores hold.

        With ``fetch`` the source is asked for it, though ``raw/`` may have it complete.

        Raises:
            PipelineError: the month failed, and why.
        """
        step = partial(
            partial(land, keep_origin=True) if fetch else land_again,
            ports=self._ports,
            publication=self._publication(),
        )
        rows = start([partition], force=True, now=datetime.now(UTC))
        self.load(self.run("land", step, rows))

    def load(self, landed: Sequence[RunRow]) -> list[RunRow]:
        """Every step after landing, in the order of the pipelines.

        Raises:
            PartitionsFailedError: names every partition that failed in any step, and why.
        """
        conformed = self.conform(landed)
        loaded, published = self.load_to_postgres(conformed), self.publish_to_lake(conformed)
        return self.reconcile(loaded, self.load_to_bigquery(published))

    def land(
        self, partitions: Iterable[Partition], *, force: bool = False, only_plan: bool = False
    ) -> list[RunRow]:
        """Land these months; with ``only_plan`` report what would be done, and change nothing."""
        return self.land_rows(
            start(partitions, force=force, only_plan=only_plan, now=datetime.now(UTC))
        )

    def land_rows(self, rows: Sequence[RunRow]) -> list[RunRow]:
        """Land, or plan, the rows of one run that are not final yet."""
        only_plan = any(row.only_plan for row in rows)
        name, step = ("plan", plan_landing) if only_plan else ("land", land)
        bound = partial(step, ports=self._ports, publication=self._publication())
        return run_each(name, bound, rows, self._effort.brief() if only_plan else self._effort)

    def conform(self, rows: Sequence[RunRow]) -> list[RunRow]:
        keep_unknown = self._settings.tlc_unknown_columns == "keep"
        step = partial(conform, ports=self._ports, keep_unknown=keep_unknown)
        return self.run("conform", step, rows, done=IN_THE_LAKE)

    def load_to_postgres(self, rows: Sequence[RunRow]) -> list[RunRow]:
        return self.run("load", partial(load, ports=self._ports), rows, done=IN_THE_LAKE)

    def publish_to_lake(self, rows: Sequence[RunRow]) -> list[RunRow]:
        return self.run("publish", partial(publish, ports=self._ports), rows, done=IN_THE_LAKE)

    def load_to_bigquery(self, rows: Sequence[RunRow]) -> list[RunRow]:
        """Let BigQuery load what is published; the rows as they are where there is no BigQuery."""
        bigquery = self._ports.bigquery
        if bigquery is None:
            _logger.info(NO_BIGQUERY)
            return list(rows)
        step = partial(load_from_lake, lake=self._ports.lake, warehouse=bigquery)
        return self.run("load_from_lake", step, rows)

    def reconcile(self, *branches: Sequence[RunRow]) -> list[RunRow]:
        """Prove every partition in every store, and end the run.

        Raises:
            PartitionsFailedError: names every partition that failed in any step, and why.
        """
        done = self.run("reconcile", partial(reconcile, ports=self._ports), merge(branches))
        done = tell_where_failed_months_stand(done, self._ports)
        clear_failed(done, self._ports.lake)
        self.summarize(done)
        try:
            if not any(row.only_plan for row in done):
                self._alert(done)
                self._record(done)
        finally:
            require_all(done)
        return done

    @staticmethod
    def summarize(rows: Sequence[RunRow]) -> None:
        """Log the run table for people."""
        _logger.info("\n%s", summary(rows))

    def run(
        self,
        name: str,
        step: Step[RunRow],
        rows: Sequence[RunRow],
        done: Collection[Status] = FINAL,
    ) -> list[RunRow]:
        """Apply a step to every row whose status is not in ``done``."""
        return run_each(name, step, rows, self._effort, done=done)

    def _alert(self, rows: Sequence[RunRow]) -> None:
        alerts = connect_alerts(self._settings)
        for alert in run_alerts(rows, successes=self._settings.tlc_alert_on_success):
            alerts.send(alert)

    def _record(self, rows: Sequence[RunRow]) -> None:
        """Record with the ledger which months this run has loaded, and which it failed to."""
        reached = {Status.RECONCILED: State.LOADED, Status.FAILED: State.FAILED}
        states = [
            MonthState(row.partition, reached[row.status], bytes=row.bytes or None, note=row.error)
            for row in rows
            if row.status in reached
        ]
        if states:
            record = partial(self._ports.ledger.record_month_states, states)
            # Of months that failed it is known already: Postgres may be the reason.
            failed = any(row.status is Status.FAILED for row in rows)
            self._retried("the ledger", record, brief=failed)
