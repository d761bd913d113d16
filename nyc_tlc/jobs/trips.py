"""The steps of a run over the outside world that the settings describe: what Mage's blocks call."""

from __future__ import annotations

import logging
from collections.abc import Collection, Hashable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pandas as pd

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.publication import MonthState, Publication, State
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.month import Month
from nyc_tlc.core.runs.alerts import run_alerts
from nyc_tlc.core.runs.run_table import (
    FINAL,
    IN_THE_LAKE,
    RunRow,
    Status,
    from_frame,
    merge,
    summary,
    to_frame,
)
from nyc_tlc.jobs.open import open_job
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.settings import Settings
from nyc_tlc.steps.conform import conform
from nyc_tlc.steps.land import land, land_again
from nyc_tlc.steps.load import load
from nyc_tlc.steps.load_from_lake import load_from_lake
from nyc_tlc.steps.look import plan
from nyc_tlc.steps.publish import publish
from nyc_tlc.steps.reconcile import clear_failed, reconcile
from nyc_tlc.steps.run_each import Effort, Step, require_all, retried, run_each, start
from nyc_tlc.wiring import NO_BIGQUERY, connect_alerts, connect_stores


class Trips:
    """Trips on their way from TLC to every store; tables in and out are run tables."""

    def __init__(self, settings: Settings, ports: Ports) -> None:
        self._settings = settings
        self._ports = ports
        self._effort = Effort(settings.tlc_workers, settings.tlc_attempts)

    @classmethod
    def open(cls) -> Trips:
        """With the settings of the environment.

        Raises:
            ConfigurationError: settings are missing or wrong; lists all of them.
        """
        return cls(*open_job(connect_stores))

    def land(
        self, partitions: Iterable[Partition], *, force: bool = False, plan: bool = False
    ) -> pd.DataFrame:
        """Land these months; with ``plan`` only say what would be done, and change nothing."""
        rows = start(partitions, force=force, plan=plan, now=datetime.now(UTC))
        return self.land_rows(rows)

    def land_rows(self, rows: list[RunRow]) -> pd.DataFrame:
        """Land, or plan, the rows of one run that are not final yet."""
        name, step = ("plan", plan) if any(row.plan for row in rows) else ("land", land)
        return self._run(
            name, partial(step, ports=self._ports, publication=self._publication()), rows
        )

    def load_one(self, service: str, month: str, *, force: bool) -> dict[Hashable, Any]:
        """Take one month through every step; its row of the run table.

        Raises:
            PipelineError: the month failed, and why.
        """
        partition = Partition(SERVICES[service], Month.parse(month))
        return self._load(self.land([partition], force=force)).to_dict("records")[0]

    def load_again(self, partition: Partition, *, fetch: bool) -> None:
        """Take one month through every step, whatever is there.

        Args:
            partition: The month.
            fetch: Ask the source for it, though ``raw/`` may have it whole.

        Raises:
            PipelineError: the month failed, and why.
        """
        step = partial(
            land if fetch else land_again, ports=self._ports, publication=self._publication()
        )
        rows = start([partition], force=True, now=datetime.now(UTC))
        self._load(self._run("land", step, rows))

    def _load(self, landed: pd.DataFrame) -> pd.DataFrame:
        """Every step after landing."""
        conformed = self.conform(landed)
        loaded, published = self.load_to_postgres(conformed), self.publish_to_lake(conformed)
        return self.reconcile(loaded, self.load_to_bigquery(published))

    @staticmethod
    def summarize(months: Sequence[dict[Hashable, Any]]) -> pd.DataFrame:
        """One run sync table that were loaded one by one."""
        frame = pd.DataFrame(months)
        logging.getLogger(__name__).info("\n%s", summary(from_frame(frame)))
        return frame

    def conform(self, table: pd.DataFrame) -> pd.DataFrame:
        keep_unknown = self._settings.tlc_unknown_columns == "keep"
        step = partial(conform, ports=self._ports, keep_unknown=keep_unknown)
        return self._run("conform", step, from_frame(table), done=IN_THE_LAKE)

    def load_to_postgres(self, table: pd.DataFrame) -> pd.DataFrame:
        step = partial(load, ports=self._ports)
        return self._run("load", step, from_frame(table), done=IN_THE_LAKE)

    def publish_to_lake(self, table: pd.DataFrame) -> pd.DataFrame:
        step = partial(publish, ports=self._ports)
        return self._run("publish", step, from_frame(table), done=IN_THE_LAKE)

    def load_to_bigquery(self, table: pd.DataFrame) -> pd.DataFrame:
        """Let BigQuery load what is published; leaves the table as it is where there is none."""
        bigquery = self._ports.bigquery
        if bigquery is None:
            logging.getLogger(__name__).info(NO_BIGQUERY)
            return table
        step = partial(load_from_lake, lake=self._ports.lake, warehouse=bigquery)
        return self._run("load_from_lake", step, from_frame(table))

    def reconcile(self, *tables: pd.DataFrame) -> pd.DataFrame:
        """Prove every partition in every store, and end the run.

        Raises:
            PartitionsFailedError: names every partition that failed in any step, and why.
        """
        rows = merge([from_frame(table) for table in tables])
        frame = self._run("reconcile", partial(reconcile, ports=self._ports), rows)
        done = from_frame(frame)
        clear_failed(done, self._ports.lake)
        logging.getLogger(__name__).info("\n%s", summary(done))
        try:
            if not any(row.plan for row in done):
                self._tell(done)
                self._record(done)
        finally:
            require_all(done)
        return frame

    def _publication(self) -> Publication:
        return Publication(
            self._settings.tlc_source_format,
            self._settings.tlc_publication_lag,
            datetime.now(UTC).date(),
        )

    def _tell(self, rows: list[RunRow]) -> None:
        alerts = connect_alerts(self._settings)
        for alert in run_alerts(rows, successes=self._settings.tlc_alert_on_success):
            alerts.send(alert)

    def _record(self, rows: Iterable[RunRow]) -> None:
        """Keep beside the ledger which months this run has loaded, and which it failed to."""
        reached = {Status.RECONCILED: State.LOADED, Status.FAILED: State.FAILED}
        states = [
            MonthState(row.partition, reached[row.status], bytes=row.bytes or None, note=row.error)
            for row in rows
            if row.status in reached
        ]
        ledger, attempts = self._ports.ledger, self._effort.attempts
        if states:
            retried(lambda: ledger.record_month_states(states), "the ledger", attempts)

    def _run(
        self,
        name: str,
        step: Step[RunRow],
        rows: list[RunRow],
        done: Collection[Status] = FINAL,
    ) -> pd.DataFrame:
        return to_frame(run_each(name, step, rows, self._effort, done=done))
