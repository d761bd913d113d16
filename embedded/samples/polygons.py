"""The zones of the sample months on the map: squares, side by side, in a file like TLC's."""

import io
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapefile
from pyproj import CRS, Transformer

from embedded.samples.zones import zone_name
from nyc_tlc.core.zones.polygons import SAMPLE_FIELD

_ZONES = 263
_PER_ROW = 17
_SIDE = 5_000.0
_CORNER = (950_000.0, 160_000.0)
"""Feet: the squares then cover what is New York in TLC's file, from south-west to north-east."""
_CRS = CRS.from_epsg(2263)
_REPEATED = {57: 56, 104: 103, 105: 103}
"""OBJECTID to LocationID where they differ in TLC's file, whose LocationIDs repeat."""
_FIELDS = {"OBJECTID": "N", "zone": "C", "LocationID": "N", "borough": "C", SAMPLE_FIELD: "L"}
"""Those of TLC's that say which zone it is, and one that says that it is a sample."""
_NEWARK = (-74.172, 40.735)
_EVENLY = np.array([[0.7548776662466927], [0.5698402909980532]])
"""Multiples of these, less their integers, spread evenly over a square (the R2 sequence)."""
_WRITTEN = (115, 9, 21)
"""The date that TLC's table bears, 2015-09-21: pyshp would put today's."""

Floats = npt.NDArray[np.float64]


def write_zone_polygons(path: Path) -> None:
    """Write the polygons in the form of TLC's: a zipped shapefile with three ids repeated."""
    shp, shx, dbf = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with shapefile.Writer(shp=shp, shx=shx, dbf=dbf, shapeType=shapefile.POLYGON) as writer:
        for name, kind in _FIELDS.items():
            writer.field(name, kind)
        for object_id in range(1, _ZONES + 1):
            borough, zone = zone_name(object_id)
            writer.poly([_square(object_id)])
            writer.record(object_id, zone, _REPEATED.get(object_id, object_id), borough, True)  # noqa: FBT003
    dbf.getbuffer()[1:4] = bytes(_WRITTEN)
    files = {
        "shp": shp.getvalue(),
        "shx": shx.getvalue(),
        "dbf": dbf.getvalue(),
        "prj": _CRS.to_wkt("WKT1_ESRI").encode(),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for suffix, data in files.items():
            member = zipfile.ZipInfo(f"taxi_zones.{suffix}", date_time=(2015, 9, 21, 0, 0, 0))
            archive.writestr(member, data, zipfile.ZIP_DEFLATED)


def zone_points(location_ids: npt.NDArray[np.int_]) -> tuple[Floats, Floats]:
    """Longitude and latitude of a point per location id, rounded to 6 decimals as TLC's are.

    It is inside the zone, of 265 (outside the city) in Newark, of any other id at 0/0, where
    trips without reception are.
    """
    west_south, eastwards, northwards = _frames()
    mapped = (location_ids >= 1) & (location_ids <= _ZONES)
    index = np.where(mapped, location_ids, 1) - 1
    # Well inside: in degrees the squares are parallelograms but for a foot.
    right, up = 0.05 + 0.9 * (np.arange(index.size) * _EVENLY % 1)[:, :, np.newaxis]
    points = west_south[index] + right * eastwards[index] + up * northwards[index]
    points[~mapped] = 0
    points[location_ids == 265] = _NEWARK
    longitude, latitude = points.round(6).T
    return longitude, latitude


def _square(location_id: int) -> list[list[float]]:
    """The ring in feet from its south-west corner, clockwise as shapefiles have it."""
    row, column = divmod(location_id - 1, _PER_ROW)
    x, y = _CORNER[0] + column * _SIDE, _CORNER[1] + row * _SIDE
    return [[x, y], [x, y + _SIDE], [x + _SIDE, y + _SIDE], [x + _SIDE, y], [x, y]]


@cache
def _frames() -> tuple[Floats, Floats, Floats]:
    """Of each zone in degrees: its south-west corner, its southern and its western side."""
    rings = np.array([_square(location_id) for location_id in range(1, _ZONES + 1)])
    transformer = Transformer.from_crs(_CRS, 4269, always_xy=True)
    corners = np.stack(transformer.transform(rings[:, :, 0], rings[:, :, 1]), axis=-1)
    west_south = corners[:, 0]
    return west_south, corners[:, 3] - west_south, corners[:, 1] - west_south
