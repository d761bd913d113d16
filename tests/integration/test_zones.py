"""`mage run tlc_zones`: zones, code lists and views in Postgres and in the lake."""

import json

import duckdb
import pyarrow.parquet as pq
import pytest
import shapely

from embedded.samples.polygons import write_zone_polygons
from embedded.samples.zones import write_zone_lookup
from nyc_tlc.core.contract.code_lists import code_lists

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def here(mage, tmp_path_factory):
    folder = tmp_path_factory.mktemp("zones")
    for published in ("trip-data", "misc"):
        (folder / "cdn" / published).mkdir(parents=True)
    write_zone_lookup(folder / "cdn" / "misc" / "taxi_zone_lookup.csv")
    write_zone_polygons(folder / "cdn" / "misc" / "taxi_zones.zip")
    here = mage.on("zones", folder, (folder / "cdn").as_uri())
    here.succeed("tlc_zones")
    return here


@pytest.fixture(scope="module")
def reference(here, tmp_path_factory):
    return here.download("reference/", tmp_path_factory.mktemp("lake"))


def test_zones_keep_their_na_as_text_in_both_stores(here, reference):
    assert here.sql("SELECT count(*) FROM taxi_zone") == [(265,)]
    expected = [(264, "Unknown", "N/A", "N/A", None), (265, "N/A", "Outside of NYC", "N/A", None)]
    nowhere = "SELECT {}, geometry FROM {} WHERE location_id > 263 ORDER BY 1"
    names = "location_id, borough, zone, service_zone"
    assert here.sql(nowhere.format(names, "taxi_zone")) == expected
    file = f"read_parquet('{reference}/taxi_zone/part-0.parquet')"
    assert duckdb.sql(nowhere.format(names, file)).fetchall() == expected


def test_code_lists_are_those_of_the_contract_in_both_stores_and_views_name_them(here, reference):
    assert here.sql("SELECT count(do_zone), count(payment_type_name) FROM green_named") == [(0, 0)]
    assert ("HV0003", "Uber") in here.sql("SELECT code, meaning FROM hvfhs_license")
    for name, codes in code_lists().items():
        listed = duckdb.sql(f"SELECT * FROM read_parquet('{reference}/{name}/part-0.parquet')")
        assert dict(listed.fetchall()) == codes.meanings == dict(here.sql(f"SELECT * FROM {name}"))


def test_zones_have_the_same_place_on_the_map_in_both_stores(here, reference):
    landing = json.loads(here.lake.read("raw/taxi_zones/sample.json")[0])
    assert here.lake.stat(landing["raw"]).bytes == landing["bytes"]
    in_lake = pq.read_table(reference / "taxi_zone" / "part-0.parquet").to_pylist()
    placed = here.sql(
        "SELECT location_id, centroid_longitude, centroid_latitude, geometry FROM taxi_zone "
        "WHERE geometry IS NOT NULL ORDER BY 1"
    )
    assert [row[0] for row in placed] == list(range(1, 264))
    for (_, longitude, latitude, geometry), zone in zip(placed, in_lake, strict=False):
        assert (longitude, latitude) == (zone["centroid_longitude"], zone["centroid_latitude"])
        drawn = shapely.from_geojson(json.dumps(geometry))
        assert shapely.equals_exact(drawn, shapely.from_wkb(zone["geometry"]))
        assert shapely.contains_xy(drawn, longitude, latitude)
