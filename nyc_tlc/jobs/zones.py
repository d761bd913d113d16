"""The taxi zones on their way from TLC to every store: what Mage's blocks call."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable
from typing import TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from nyc_tlc.core.errors import ReconciliationError, SourceError
from nyc_tlc.core.zones.lookup import FILE_NAME, ZONES, parse_zones
from nyc_tlc.core.zones.table import with_geo_metadata, with_geojson, zone_table
from nyc_tlc.jobs.open import open_job
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.ports.source import SourceFileAbsentError
from nyc_tlc.ports.warehouse import AnyWarehouse
from nyc_tlc.settings import Settings
from nyc_tlc.steps.land_zones import land_zone_polygons, read_zone_polygons, zone_file
from nyc_tlc.steps.run_each import retried
from nyc_tlc.steps.work_folder import work_folder
from nyc_tlc.wiring import NO_BIGQUERY, connect_stores

T = TypeVar("T")
_logger = logging.getLogger(__name__)

_TABLE = "taxi_zone"
_PUBLISHED = f"reference/{_TABLE}/part-0.parquet"
_COMMENT = (
    "Taxi zones by location id, as TLC publishes them (taxi_zone_lookup.csv, taxi_zones.zip); "
    "geometry is GeoJSON, degrees are WGS 84"
)


class Zones:
    """The zones in every store; tables in and out have one row: what was landed."""

    def __init__(self, settings: Settings, ports: Ports) -> None:
        self._ports = ports
        self._attempts = settings.tlc_attempts

    @classmethod
    def open(cls) -> Zones:
        """With the settings of the environment.

        Raises:
            ConfigurationError: settings are missing or wrong; lists all of them.
        """
        return cls(*open_job(connect_stores))

    def land(self) -> pd.DataFrame:
        """Keep the published lookup and polygons in the lake's ``raw/``, by content.

        Raises:
            SourceError: the source does not have them.
            ContractError: they are something else.
        """
        return self._retried(self._land)

    def load_to_postgres(self, landed: pd.DataFrame) -> pd.DataFrame:
        return self._load(landed, self._ports.warehouse, "Postgres")

    def load_to_bigquery(self, landed: pd.DataFrame) -> pd.DataFrame:
        """Leaves the table as it is where BigQuery is not configured."""
        if self._ports.bigquery is None:
            _logger.info(NO_BIGQUERY)
            return landed
        return self._load(landed, self._ports.bigquery, "BigQuery")

    def _load(self, landed: pd.DataFrame, warehouse: AnyWarehouse, store: str) -> pd.DataFrame:
        zones = with_geojson(self._read(landed))
        rows = self._retried(
            lambda: warehouse.replace_table(_TABLE, zones, key="location_id", comment=_COMMENT)
        )
        return _proved(landed, rows, store)

    def publish_to_lake(self, landed: pd.DataFrame) -> pd.DataFrame:
        return _proved(landed, self._retried(lambda: self._publish(landed)), "the lake")

    def _publish(self, landed: pd.DataFrame) -> int:
        file = io.BytesIO()
        pq.write_table(with_geo_metadata(self._read(landed)), file, compression="zstd")
        self._ports.lake.write(_PUBLISHED, file.getvalue(), if_generation=None)
        with self._ports.lake.open(_PUBLISHED) as published:
            return int(pq.ParquetFile(published).metadata.num_rows)

    def _land(self) -> pd.DataFrame:
        with work_folder(self._ports.work_dir, "land_zones") as folder:
            try:
                fetched = self._ports.source.fetch(f"misc/{FILE_NAME}", folder, unless_etag=None)
            except SourceFileAbsentError as error:
                raise SourceError(
                    f"the taxi zone lookup is missing: {error}. The zones stay as they were. "
                    "Check TLC_SOURCE_URL."
                ) from error
            assert fetched is not None  # noqa: S101 - asked for in any case
            data = zone_file(fetched)
            fetched.path.unlink()
        zones = parse_zones(data)
        raw = f"raw/{_TABLE}/{hashlib.sha256(data).hexdigest()}.csv"
        self._ports.lake.write(raw, data, if_generation=None)
        polygons = land_zone_polygons(self._ports)
        return pd.DataFrame(
            [
                {
                    "raw": raw,
                    "polygons": polygons.raw,
                    "rows": zones.num_rows,
                    "bytes": len(data) + polygons.bytes,
                }
            ]
        )

    def _retried(self, attempt: Callable[[], T]) -> T:
        return retried(attempt, "taxi zones", self._attempts)

    def _read(self, landed: pd.DataFrame) -> pa.Table:
        path = str(landed["raw"].iloc[0])
        record = self._ports.lake.read(path)
        if record is None:
            raise ReconciliationError(f"{path} is gone from the lake. Run the pipeline again.")
        polygons = read_zone_polygons(str(landed["polygons"].iloc[0]), self._ports.lake)
        return zone_table(parse_zones(record[0]), polygons)


def _proved(landed: pd.DataFrame, rows: int, store: str) -> pd.DataFrame:
    if rows != ZONES:
        raise ReconciliationError(
            f"{store} holds {rows} taxi zones, expected {ZONES}. Run the pipeline again."
        )
    return landed.assign(store=store)
