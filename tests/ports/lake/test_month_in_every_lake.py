"""One month through every step, on each lake that is a bucket: loaded, unchanged, revised.

Every step gets its own adapters and local folder, as on separate machines: nothing may depend on
what another step left on local disk.
"""

import uuid
from collections.abc import Callable

import pytest

from embedded.samples.months import write_month
from embedded.samples.polygons import write_zone_polygons
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.lake.records import Manifest
from nyc_tlc.core.month import Month
from nyc_tlc.jobs.trips import Trips
from nyc_tlc.ports.lake import Lake
from nyc_tlc.steps.records import read_manifest
from nyc_tlc.wiring import connect_stores

PARTITION = Partition(GREEN, Month(2024, 1))


@pytest.fixture(params=["gcs", "s3", "azure"])
def machine(request, gcs, cloud_url, settings, tmp_path) -> Callable[[], Trips]:
    on_gcs = request.param == "gcs"
    url = f"gs://{gcs.bucket}" if on_gcs else cloud_url(request.param)
    lake = {
        "lake_url": f"{url}/{settings.postgres_schema}",
        "storage_emulator_host": gcs.url if on_gcs else None,
    }

    def another() -> Trips:
        local = {"tlc_work_dir": tmp_path / uuid.uuid4().hex}
        theirs = settings.model_copy(update=lake | local)
        return Trips(theirs, connect_stores(theirs))

    return another


def _load(machine: Callable[[], Trips]) -> list[str]:
    conformed = machine().conform(machine().land([PARTITION]))
    loaded, published = machine().load_to_postgres(conformed), machine().publish_to_lake(conformed)
    return [row.status for row in machine().reconcile(loaded, published)]


def _manifest(lake: Lake) -> Manifest:
    return read_manifest(PARTITION, lake)[0]


def _zones(lake: Lake) -> list[str]:
    return [stored.path.partition("/")[0] for stored in lake.list("")]


def test_month_is_loaded_then_unchanged_then_revised(machine, tmp_path, query):
    source = tmp_path / "published"
    write_zone_polygons(source / "taxi_zones.zip")
    write_month(PARTITION, 3_000, source)
    assert _load(machine) == ["reconciled"]
    lake = machine()._ports.lake
    first = _manifest(lake)
    # Raw: the published file, and the record of it. Nothing is left in staging/.
    assert _zones(lake) == ["manifests", "quarantine", "raw", "raw", "trips"]

    assert _load(machine) == ["unchanged"]
    assert _manifest(lake) == first

    write_month(PARTITION, 4_000, source)
    assert _load(machine) == ["reconciled"]
    revised = _manifest(lake)
    assert revised.counts.published == 4_000
    assert [version.sha256 for version in revised.superseded] == [first.landing.sha256]
    assert _zones(lake) == ["manifests", "quarantine", "raw", "raw", "raw", "trips"]
    assert query("SELECT count(*) FROM green") == [(revised.counts.accepted,)]
