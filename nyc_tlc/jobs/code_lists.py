"""The code lists on their way to every store: what Mage's blocks call."""

from __future__ import annotations

import io
import logging

import pandas as pd
import pyarrow.parquet as pq

from nyc_tlc.core.contract.code_lists import code_lists, code_table
from nyc_tlc.core.contract.model import CodeList
from nyc_tlc.jobs.open import open_job
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.ports.warehouse import AnyWarehouse
from nyc_tlc.settings import Settings
from nyc_tlc.steps.run_each import retried
from nyc_tlc.wiring import NO_BIGQUERY, connect_stores

_logger = logging.getLogger(__name__)
_RESULT = ["code_list", "rows"]


class CodeLists:
    """The lists of the contracts as dimension tables; results have one row per list."""

    def __init__(self, settings: Settings, ports: Ports) -> None:
        self._ports = ports
        self._attempts = settings.tlc_attempts

    @classmethod
    def open(cls) -> CodeLists:
        """With the settings of the environment.

        Raises:
            ConfigurationError: settings are missing or wrong; lists all of them.
        """
        return cls(*open_job(connect_stores))

    def load_to_postgres(self) -> pd.DataFrame:
        """Replace one table per list, atomically each."""
        return self._load_all(self._ports.warehouse)

    def load_to_bigquery(self) -> pd.DataFrame:
        """The same there; no rows where it is not configured."""
        if self._ports.bigquery is None:
            _logger.info(NO_BIGQUERY)
            return pd.DataFrame(columns=_RESULT)
        return self._load_all(self._ports.bigquery)

    def publish_to_lake(self) -> pd.DataFrame:
        """Replace ``reference/<list>/part-0.parquet`` per list, atomically each."""
        rows = [(name, self._publish(name, codes)) for name, codes in code_lists().items()]
        return pd.DataFrame(rows, columns=_RESULT)

    def _load_all(self, warehouse: AnyWarehouse) -> pd.DataFrame:
        rows = [(name, self._load(warehouse, name, codes)) for name, codes in code_lists().items()]
        return pd.DataFrame(rows, columns=_RESULT)

    def _load(self, warehouse: AnyWarehouse, name: str, codes: CodeList) -> int:
        return retried(
            lambda: warehouse.replace_table(
                name, code_table(codes), key="code", comment=codes.source
            ),
            f"code list {name}",
            self._attempts,
        )

    def _publish(self, name: str, codes: CodeList) -> int:
        file = io.BytesIO()
        pq.write_table(code_table(codes), file, compression="zstd")
        path = f"reference/{name}/part-0.parquet"
        retried(
            lambda: self._ports.lake.write(path, file.getvalue(), if_generation=None),
            f"code list {name}",
            self._attempts,
        )
        return len(codes.meanings)
