"""One month through every step, on each lake that is a bucket: loaded, unchanged, revised.

Every step gets its own adapters and local folder, as on separate machines: nothing may depend on
what another step left on local disk.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from embedded.samples.months import write_month
from embedded.samples.polygons import write_zone_polygons
from embedded.servers.gcs import GcsServer
from nyc_tlc.adapters.postgres.connection import Database
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.lake.records import Manifest
from nyc_tlc.core.month import Month
from nyc_tlc.core.runs.run_table import RunRow
from nyc_tlc.jobs.trips import Trips
from nyc_tlc.ports.lake import Lake
from nyc_tlc.settings import Settings
from nyc_tlc.steps.records import read_manifest
from nyc_tlc.wiring import connect_stores
from tests.conftest import Query

PARTITION = Partition(GREEN, Month(2024, 1))


class Machines:
    """Settings of one run, with a local folder per step."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self._folder = folder
        self._settings = settings

    @property
    def source(self) -> Path:
        return self._folder / "source"

    def another(self) -> Trips:
        settings = Settings.model_validate(
            {
                **self._settings,
                "tlc_work_dir": self._folder / uuid.uuid4().hex,
                "tlc_source_url": self.source.as_uri(),
            }
        )
        return Trips(settings, connect_stores(settings))

    def lake(self) -> Lake:
        return self.another()._ports.lake

    def load(self) -> list[RunRow]:
        landed = self.another().land([PARTITION])
        conformed = self.another().conform(landed)
        loaded = self.another().load_to_postgres(conformed)
        return self.another().reconcile(loaded, self.another().publish_to_lake(conformed))


@pytest.fixture(params=["gcs", "s3", "azure"])
def machines(
    request: pytest.FixtureRequest,
    gcs: GcsServer,
    cloud_url: Callable[[str], str],
    database: Database,
    schema: str,
    tmp_path: Path,
) -> Machines:
    (tmp_path / "source").mkdir()
    write_zone_polygons(tmp_path / "source" / "taxi_zones.zip")
    on_gcs = request.param == "gcs"
    url = f"gs://{gcs.bucket}" if on_gcs else cloud_url(request.param)
    return Machines(
        tmp_path,
        lake_url=f"{url}/{schema}",
        storage_emulator_host=gcs.url if on_gcs else None,
        postgres_host=database.host,
        postgres_port=database.port,
        postgres_dbname=database.dbname,
        postgres_user=database.user,
        postgres_password=database.password,
        postgres_schema=schema,
    )


def _manifest(lake: Lake) -> Manifest:
    manifest, _ = read_manifest(PARTITION, lake) or (None, 0)
    assert manifest is not None
    return manifest


def _zones(lake: Lake) -> list[str]:
    return [stored.path.partition("/")[0] for stored in lake.list("")]


def test_month_is_loaded_then_unchanged_then_revised(machines: Machines, query: Query) -> None:
    write_month(PARTITION, 3_000, machines.source)
    assert [row.status for row in machines.load()] == ["reconciled"]
    lake = machines.lake()
    first = _manifest(lake)
    # Raw: the published file, and the record of it. Nothing is left in staging/.
    assert _zones(lake) == ["manifests", "quarantine", "raw", "raw", "trips"]

    assert [row.status for row in machines.load()] == ["unchanged"]
    assert _manifest(lake) == first

    write_month(PARTITION, 4_000, machines.source)
    assert [row.status for row in machines.load()] == ["reconciled"]
    revised = _manifest(lake)
    assert revised.counts.published == 4_000
    assert [version.sha256 for version in revised.superseded] == [first.landing.sha256]
    assert _zones(lake) == ["manifests", "quarantine", "raw", "raw", "raw", "trips"]
    ((held,),) = query("SELECT count(*) FROM green")
    assert held == revised.counts.accepted
