"""Marts built in the warehouses from the trips there: what Mage's blocks call."""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Self

from nyc_tlc.core.marts.declared import MARTS
from nyc_tlc.core.marts.model import Mart
from nyc_tlc.core.runs.alerts import mart_alert
from nyc_tlc.core.runs.mart_table import MartRow, summary
from nyc_tlc.core.runs.run_table import Status
from nyc_tlc.jobs.open import open_job
from nyc_tlc.ports.marts import MartPorts, MartStore
from nyc_tlc.settings import Settings
from nyc_tlc.steps.build_mart import Held, build, plan_builds, prove
from nyc_tlc.steps.run_each import Effort, require_all, retried, run_each
from nyc_tlc.wiring import NO_BIGQUERY, connect_alerts, connect_marts

_logger = logging.getLogger(__name__)


class Marts:
    """Marts in every warehouse; a row is one month of one mart in one store."""

    def __init__(self, settings: Settings, ports: MartPorts) -> None:
        self._settings = settings
        self._effort = Effort(settings.tlc_workers, settings.tlc_attempts)
        self._ports = ports

    @classmethod
    def open(cls) -> Self:
        """With the settings of the environment."""
        return cls(*open_job(connect_marts))

    def build_in_postgres(self, *, force: bool) -> list[MartRow]:
        """Build the months that changed since; ``force`` builds every month."""
        return self._build(self._ports.postgres, force=force)

    def build_in_bigquery(self, *, force: bool) -> list[MartRow]:
        """The same there; one row that says so where it is not configured."""
        if self._ports.bigquery is None:
            _logger.info(NO_BIGQUERY)
            return [MartRow("BigQuery", "", "", "", Status.SKIPPED, note=NO_BIGQUERY)]
        return self._build(self._ports.bigquery, force=force)

    def reconcile(
        self, in_postgres: Sequence[MartRow], in_bigquery: Sequence[MartRow]
    ) -> list[MartRow]:
        """Prove every month of every mart once more, alert of those that failed, end the run.

        Raises:
            PartitionsFailedError: names every month that failed, and why.
        """
        rows = self._prove(self._ports.postgres, in_postgres)
        bigquery = self._ports.bigquery
        rows += self._prove(bigquery, in_bigquery) if bigquery else in_bigquery
        _logger.info("\n%s", summary(rows))
        alert = mart_alert(rows)
        if alert is not None:
            connect_alerts(self._settings).send(alert)
        require_all([row for row in rows if row.month])
        return rows

    def _build(self, store: MartStore, *, force: bool) -> list[MartRow]:
        entries = {entry.partition: entry for entry in self._ports.ledger.entries()}
        rows: list[MartRow] = []
        for mart in MARTS:
            held = self._held(store, mart)
            planned = plan_builds(mart, entries.values(), held, store.name, force=force)
            step = partial(build, mart=mart, entries=entries, store=store)
            rows += run_each("build", step, planned, self._effort)
        return rows

    def _prove(self, store: MartStore, rows: Sequence[MartRow]) -> list[MartRow]:
        proved: list[MartRow] = []
        for mart in MARTS:
            step = partial(prove, held=self._held(store, mart))
            own = [row for row in rows if row.mart == mart.name]
            proved += run_each("reconcile", step, own, self._effort)
        return proved

    def _held(self, store: MartStore, mart: Mart) -> Held:
        what = f"{mart.name} in {store.name}"
        return retried(lambda: store.months(mart), what, self._effort)
