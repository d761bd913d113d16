"""The taxi zone dimension: the lookup's names and the polygons' places, in one table."""

import json

import pyarrow as pa
import shapely

from nyc_tlc.core.errors import ContractError
from nyc_tlc.core.zones import lookup as zones
from nyc_tlc.core.zones.polygons import POLYGONS, ZonePolygons

GEOMETRY = "geometry"
SCHEMA = pa.schema(
    [
        *zones.SCHEMA,
        ("centroid_longitude", pa.float64()),
        ("centroid_latitude", pa.float64()),
        (GEOMETRY, pa.binary()),
    ]
)
"""``geometry`` is WKB; null, like the centroid, for the two ids without a polygon."""


def zone_table(lookup: pa.Table, polygons: ZonePolygons) -> pa.Table:
    """Zones by location id, ascending, with their places on the map.

    Raises:
        ContractError: names and polygons do not belong together.
    """
    if zones.is_sample(lookup) is not polygons.is_sample:
        kinds = ("samples", "TLC's own") if polygons.is_sample else ("TLC's own", "samples")
        raise ContractError(
            f"the polygons of the taxi zones are {kinds[0]} and their names are {kinds[1]}: they "
            "do not belong together. The zones stay as they were. Run tlc_zones with "
            "TLC_SOURCE_URL empty, which lands both from TLC."
        )
    nowhere = [None] * (lookup.num_rows - POLYGONS)
    located = [*polygons.centroids.T, shapely.to_wkb(polygons.polygons)]
    places = [[*values, *nowhere] for values in located]
    return pa.Table.from_arrays([*lookup.columns, *places], schema=SCHEMA)


def with_geojson(table: pa.Table) -> pa.Table:
    """For a store without geometries: GeoJSON (RFC 7946) in their place."""
    polygons = shapely.from_wkb(table[GEOMETRY].to_numpy())
    texts = pa.array(shapely.to_geojson(polygons))
    at = table.schema.get_field_index(GEOMETRY)
    return table.set_column(at, GEOMETRY, pa.ExtensionArray.from_storage(pa.json_(), texts))


def with_geo_metadata(table: pa.Table) -> pa.Table:
    """For Parquet: what makes the file GeoParquet 1.1.

    It names no ``crs``: readers then take OGC:CRS84, which is WGS 84 with the longitude first.

    Source: GeoParquet specification 1.1.0, geoparquet.org (read November 2026).
    """
    polygons = shapely.from_wkb(table[GEOMETRY].drop_null().to_numpy())
    column = {
        "encoding": "WKB",
        "geometry_types": sorted({polygon.geom_type for polygon in polygons}),
        "orientation": "counterclockwise",
        "bbox": shapely.total_bounds(polygons).tolist(),
    }
    geo = {"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}
    return table.replace_schema_metadata({"geo": json.dumps(geo)})
