"""The views that name what trips refer to: what Mage's blocks call."""

from __future__ import annotations

import logging

import pandas as pd

from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.jobs.open import open_job
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.ports.warehouse import AnyWarehouse
from nyc_tlc.settings import Settings
from nyc_tlc.steps.run_each import retried
from nyc_tlc.wiring import NO_BIGQUERY, connect_stores


class Views:
    """Views rendered from the contracts; results have one row per view."""

    def __init__(self, settings: Settings, ports: Ports) -> None:
        self._ports = ports
        self._attempts = settings.tlc_attempts

    @classmethod
    def open(cls) -> Views:
        """With the settings of the environment.

        Raises:
            ConfigurationError: settings are missing or wrong; lists all of them.
        """
        return cls(*open_job(connect_stores))

    def load_to_postgres(self) -> pd.DataFrame:
        """Replace the views, all at once; the dimension tables must be there."""
        return self._load(self._ports.warehouse)

    def load_to_bigquery(self) -> pd.DataFrame:
        """Replace the views there, each at once; no rows where it is not configured."""
        if self._ports.bigquery is None:
            logging.getLogger(__name__).info(NO_BIGQUERY)
            return pd.DataFrame({"view": ()})
        return self._load(self._ports.bigquery)

    def _load(self, warehouse: AnyWarehouse) -> pd.DataFrame:
        contracts = [service.contract for service in SERVICES.values()]
        views = retried(lambda: warehouse.replace_views(contracts), "views", self._attempts)
        return pd.DataFrame({"view": views})
