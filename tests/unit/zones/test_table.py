"""The taxi zone dimension as it goes to each kind of store."""

import json
from dataclasses import replace

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from embedded.samples.zones import write_zone_lookup
from nyc_tlc.core.errors import ContractError
from nyc_tlc.core.zones.lookup import parse_zones
from nyc_tlc.core.zones.table import SCHEMA, with_geo_metadata, with_geojson, zone_table


@pytest.fixture(scope="module")
def table(polygons, tmp_path_factory):
    path = tmp_path_factory.mktemp("lookup") / "taxi_zone_lookup.csv"
    write_zone_lookup(path)
    return zone_table(parse_zones(path.read_bytes()), polygons)


def test_every_zone_has_its_place_and_the_last_two_have_none(table, polygons):
    assert table.schema == SCHEMA
    assert table["location_id"].to_pylist() == list(range(1, 266))
    places = table.drop_columns(["borough", "zone", "service_zone"]).to_pylist()
    for zone in places[:263]:
        centroid = zone["centroid_longitude"], zone["centroid_latitude"]
        assert shapely.contains_xy(shapely.from_wkb(zone["geometry"]), *centroid)
        point = (pa.array([degrees]) for degrees in centroid)
        assert polygons.locate(*point).to_pylist() == [zone["location_id"]]
    assert [list(zone.values())[1:] for zone in places[263:]] == [[None] * 3] * 2


def test_geojson_is_of_the_same_polygons(table):
    with_text = with_geojson(table)
    assert with_text.schema.field("geometry").type == pa.json_()
    assert with_text.drop_columns("geometry") == table.drop_columns("geometry")
    texts = with_text["geometry"].to_pylist()
    assert texts[263:] == [None, None]
    first = json.loads(texts[0])
    assert first["type"] == "Polygon"
    assert len(first["coordinates"][0]) == 21
    drawn, stored = shapely.from_geojson(texts[:263]), shapely.from_wkb(table["geometry"][:263])
    assert shapely.equals_exact(drawn, np.asarray(stored), 0).all()


def test_parquet_is_geoparquet_and_plain_parquet_alike(table, tmp_path):
    file = tmp_path / "zones.parquet"
    pq.write_table(with_geo_metadata(table), file)
    assert pq.read_table(file).equals(table)
    geo = json.loads(pq.ParquetFile(file).metadata.metadata[b"geo"])
    assert (geo["version"], geo["primary_column"]) == ("1.1.0", "geometry")
    column = geo["columns"]["geometry"]
    assert (column["encoding"], column["geometry_types"]) == ("WKB", ["Polygon"])
    assert column["orientation"] == "counterclockwise"
    west, south, east, north = column["bbox"]
    assert -74.3 < west < east < -73.6
    assert 40.4 < south < north < 41
    query = f"SELECT geometry::VARCHAR FROM '{file}' WHERE location_id IN (1, 264) ORDER BY ALL"
    in_duckdb = duckdb.sql(query).fetchall()
    assert in_duckdb[0][0].startswith("POLYGON ((-74.1233")
    assert in_duckdb[1] == (None,)


@pytest.mark.parametrize(
    ("has_sample_names", "polygons_are", "names_are"),
    [(True, "TLC's own", "samples"), (False, "samples", "TLC's own")],
)
def test_samples_are_not_mixed_with_what_tlc_published(
    table, polygons, has_sample_names, polygons_are, names_are
):
    names = table.select(["location_id", "borough", "zone", "service_zone"])
    if not has_sample_names:
        names = names.set_column(3, "service_zone", names["borough"])
    found = f" are {polygons_are} and their names are {names_are}: they do not belong together. "
    with pytest.raises(
        ContractError, match=f"{found}The zones stay .*[.] Run tlc_zones with TLC_SOURCE_URL empty"
    ):
        zone_table(names, replace(polygons, is_sample=not has_sample_names))
