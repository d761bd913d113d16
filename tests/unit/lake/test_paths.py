"""Where everything is in the lake: stores that are filled are found again."""

import pytest

from nyc_tlc.core.lake import paths
from tests.partitions import named

MONTH = named("fhvhv 2024-01")
HIVE = "service=fhvhv/year=2024/month=01"
PATHS = {
    f"raw/{HIVE}/ab.csv.gz": paths.raw(MONTH, "ab", ".csv.gz"),
    f"raw/{HIVE}/landing.json": paths.landing(MONTH),
    f"staging/{HIVE}/": paths.staging(MONTH),
    f"trips/{HIVE}/part-0.parquet": paths.trips(MONTH),
    f"quarantine/{HIVE}/part-0.parquet": paths.quarantine(MONTH),
    f"manifests/{HIVE}.json": paths.manifest(MONTH),
    f"loads/bigquery/p.d/{HIVE}.json": paths.warehouse_load(MONTH, "p.d"),
    "raw/taxi_zone/ab.csv": paths.zone_lookup("ab"),
    "raw/taxi_zones/ab.zip": paths.zone_polygons("ab"),
    "raw/taxi_zone/landing.json": paths.ZONE_LOOKUP_LANDING,
    "raw/taxi_zones/landing.json": paths.ZONE_POLYGONS_LANDING,
    "raw/taxi_zones/sample.json": paths.of_samples(paths.ZONE_POLYGONS_LANDING),
    "reference/vendor/part-0.parquet": paths.reference("vendor"),
    "report/lake_audit.html": paths.AUDIT_REPORT,
}


def test_only_what_we_would_write_is_ours():
    zones = (paths.ZONE_LOOKUP_LANDING, paths.ZONE_POLYGONS_LANDING)
    ours = [
        paths.landing(MONTH), paths.raw(MONTH, "a" * 64, ".csv.gz"), paths.trips(MONTH),
        *zones, *map(paths.of_samples, zones),
    ]  # fmt: skip
    others = ["", f"{ours[0]}.bak", f"x/{ours[0]}", paths.raw(MONTH, "A" * 64, ".csv")]
    assert [path for path in (*ours, *others) if paths.is_ours(path)] == ours
    load = paths.warehouse_load(MONTH, "p.d")
    assert [paths.loaded_partition(load, each) for each in ("p.d", "p.e")] == [MONTH, None]


def test_every_object_is_where_it_always_was():
    assert list(PATHS) == list(PATHS.values())


@pytest.mark.parametrize(
    ("path", "month"),
    [
        *((path, MONTH) for path in (*list(PATHS)[:2], *list(PATHS)[3:6], f"staging/{HIVE}/run/a")),
        *((path, None) for path in (
            *list(PATHS)[6:], f"raw/{HIVE}", f"raw/{HIVE}/", f"{HIVE}/a",
            "raw/service=red/year=2024/month=01/a",
            "raw/service=fhvhv/year=0024/month=01/a", "raw/service=fhvhv/year=2024/month=13/a",
            "raw/service=fhvhv/year=2024/month=1/a",
        )),
    ],
)  # fmt: skip
def test_of_which_month_an_object_is_says_its_path(path, month):
    assert paths.partition_of(path) == month
