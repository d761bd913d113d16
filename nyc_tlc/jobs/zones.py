"""What names a trip's zones and codes, on its way to every store: what Mage's blocks call."""

import io
import logging
from collections.abc import Callable, Iterable
from functools import partial

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from nyc_tlc.core.contract.code_lists import code_lists, code_table
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.errors import ReconciliationError
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.zones.lookup import ZONES
from nyc_tlc.core.zones.table import with_geo_metadata, with_geojson, zone_table
from nyc_tlc.jobs.open import Job
from nyc_tlc.ports.warehouse import AnyWarehouse
from nyc_tlc.steps.land_zones import (
    land_zone_lookup,
    land_zone_polygons,
    read_zone_lookup,
    read_zone_polygons,
)
from nyc_tlc.steps.records import require_ours
from nyc_tlc.wiring import NO_BIGQUERY

_TABLE = "taxi_zone"
_COMMENT = (
    "Taxi zones by location id, as TLC publishes them (taxi_zone_lookup.csv, taxi_zones.zip); "
    "geometry is GeoJSON, degrees are WGS 84"
)


class _Dimensions(Job):
    """How tables and views that do not depend on a month reach a store, each atomically."""

    def _in_bigquery(
        self, load: Callable[[AnyWarehouse], pd.DataFrame], otherwise: pd.DataFrame
    ) -> pd.DataFrame:
        """What loading to BigQuery returns, or ``otherwise`` where it is not configured."""
        if self._ports.bigquery is None:
            logging.getLogger(__name__).info(NO_BIGQUERY)
            return otherwise
        return load(self._ports.bigquery)

    def _publish(self, name: str, table: pa.Table) -> int:
        """Replace ``reference/<name>/part-0.parquet``; counts its rows there."""
        path, file = lake_paths.reference(name), io.BytesIO()
        pq.write_table(table, file, compression="zstd")
        lake = self._ports.lake
        if lake.stat(path) is not None:
            require_ours(path, {table.schema.names[0]}, lake)
        self._retried(name, lambda: lake.write(path, file.getvalue(), if_generation=None))
        with lake.open(path) as published:
            return int(pq.ParquetFile(published).metadata.num_rows)


class Zones(_Dimensions):
    """The taxi zones; tables in and out have one row: what was landed."""

    def land(self) -> pd.DataFrame:
        """Keep the published lookup and polygons in the lake's ``raw/``, by content.

        Raises:
            SourceError: the source does not have them.
            ContractError: they are something else.
        """
        lookup = self._retried(_TABLE, lambda: land_zone_lookup(self._ports))
        polygons = self._retried(_TABLE, lambda: land_zone_polygons(self._ports))
        size = lookup.bytes + polygons.bytes
        row = {"raw": lookup.raw, "polygons": polygons.raw, "rows": lookup.rows, "bytes": size}
        return pd.DataFrame([row])

    def load_to_postgres(self, landed: pd.DataFrame) -> pd.DataFrame:
        return self._load(landed, self._ports.warehouse, "Postgres")

    def load_to_bigquery(self, landed: pd.DataFrame) -> pd.DataFrame:
        """Leaves the table as it is where BigQuery is not configured."""
        return self._in_bigquery(lambda there: self._load(landed, there, "BigQuery"), landed)

    def publish_to_lake(self, landed: pd.DataFrame) -> pd.DataFrame:
        rows = self._publish(_TABLE, with_geo_metadata(self._read(landed)))
        return _proved(landed, rows, "the lake")

    def _load(self, landed: pd.DataFrame, warehouse: AnyWarehouse, store: str) -> pd.DataFrame:
        zones = with_geojson(self._read(landed))
        replace = partial(warehouse.replace_table, key="location_id", comment=_COMMENT)
        rows = self._retried(_TABLE, partial(replace, _TABLE, zones))
        return _proved(landed, rows, store)

    def _read(self, landed: pd.DataFrame) -> pa.Table:
        lookup, polygons = (str(landed[name].iloc[0]) for name in ("raw", "polygons"))
        lake = self._ports.lake
        return zone_table(read_zone_lookup(lookup, lake), read_zone_polygons(polygons, lake))


class CodeLists(_Dimensions):
    """The lists of the contracts as dimension tables; results have one row per list."""

    def load_to_postgres(self) -> pd.DataFrame:
        return self._load(self._ports.warehouse)

    def load_to_bigquery(self) -> pd.DataFrame:
        """No rows where BigQuery is not configured."""
        return self._in_bigquery(self._load, _rows_by_list([]))

    def publish_to_lake(self) -> pd.DataFrame:
        return _rows_by_list(
            (name, self._publish(name, code_table(codes))) for name, codes in code_lists().items()
        )

    def _load(self, warehouse: AnyWarehouse) -> pd.DataFrame:
        rows = []
        for name, codes in code_lists().items():
            replace = partial(warehouse.replace_table, key="code", comment=codes.source)
            rows.append((name, self._retried(name, partial(replace, name, code_table(codes)))))
        return _rows_by_list(rows)


class Views(_Dimensions):
    """The views that name what trips refer to; results have one row per view."""

    def load_to_postgres(self) -> pd.DataFrame:
        """Replace the views, all at once; the dimension tables must be there."""
        return self._load(self._ports.warehouse)

    def load_to_bigquery(self) -> pd.DataFrame:
        """Replace the views there, each at once; no rows where it is not configured."""
        return self._in_bigquery(self._load, pd.DataFrame({"view": ()}))

    def _load(self, warehouse: AnyWarehouse) -> pd.DataFrame:
        contracts = [service.contract for service in SERVICES.values()]
        views = self._retried("views", lambda: warehouse.replace_views(contracts))
        return pd.DataFrame({"view": views})


def _rows_by_list(rows: Iterable[tuple[str, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["code_list", "rows"])


def _proved(landed: pd.DataFrame, rows: int, store: str) -> pd.DataFrame:
    if rows != ZONES:
        raise ReconciliationError(
            f"{store} holds {rows} taxi zones, expected {ZONES}. Run the pipeline again."
        )
    return landed.assign(store=store)
