"""The taxi zones' polygons: which zone contains a point."""

import io
import lzma
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapefile
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from nyc_tlc.core.errors import ContractError
from nyc_tlc.core.limits import LONGEST_BORDERS, MOST_ZONE_BYTES
from nyc_tlc.core.zones.grid import PolygonGrid

FILE_NAME = "taxi_zones.zip"
POLYGONS = 263
"""Location ids 1..263; 264 (unknown) and 265 (outside the city) have no polygon."""
SAMPLE_FIELD = "sample"
"""A column that only generated polygons have."""
_CRS = CRS.from_epsg(2263)
"""New York Long Island, US survey feet: what the file of 2015-09-21 is in."""
_LONGEST_EDGE = 1_000.0
"""Feet: what is straight in the file then leaves its line by 2 mm at most, in longitude and
latitude."""
_MILE = 5_280
_DECIMALS = 8
"""Of a degree: 1 mm. Every zone of TLC's file is a valid polygon still."""
_NEW_YORK = shapely.box(-74.5, 40.3, -73.5, 41.2)
_DAMAGES = (
    ArithmeticError, CRSError, EOFError, LookupError, OSError, RuntimeError, ValueError,
    TypeError, lzma.LZMAError, shapefile.GeoJSON_Error, shapefile.RingSamplingError,
    shapefile.ShapefileException, shapely.errors.ShapelyError, struct.error, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip
"""What the libraries raise when they read bytes that are no zip or no shapefile."""


@dataclass(frozen=True)
class ZonePolygons:
    """The zones 1..263, in order, in longitude and latitude.

    NAD83 is taken for WGS84: here they differ by a metre, which no trip record resolves, and
    PROJ's choice among the shifts between them depends on the grids that are installed.

    Attributes:
        polygons: A shapely Polygon or MultiPolygon per zone, wound as GeoJSON wants.
        centroids: Longitude and latitude per zone, of the centroid in the plane of the file. It
            may lie outside its zone.
        grid: Finds the zone of a point.
        is_sample: Whether they were generated, instead of published by TLC.
    """

    polygons: npt.NDArray[Any]
    centroids: npt.NDArray[np.float64]
    grid: PolygonGrid
    is_sample: bool = False

    def locate(self, longitude: pa.DoubleArray, latitude: pa.DoubleArray) -> pa.Array:
        """The location id of each point, int16; null in no zone, or where a coordinate is null.

        On a border that zones share it is the lowest id.
        """
        x, y = (axis.to_numpy(zero_copy_only=False) for axis in (longitude, latitude))
        ids = self.grid.locate(x, y)
        return pa.array(ids, mask=ids == 0)


def parse_zone_polygons(data: bytes) -> ZonePolygons:
    """Read the published shapefile, with its repeated ids put right.

    Raises:
        ContractError: it is no zipped shapefile of the 263 zones.
    """
    try:
        feet, generated = _in_feet(_files(data))
    except _DAMAGES as error:
        found = " ".join(str(error).split())[:200]
        raise _refused(f"found what cannot be read ({found})") from error
    if not shapely.is_valid(feet).all():  # segmentize would repair them in its own way
        raise _refused("found polygons that cross themselves")
    miles = shapely.length(feet).sum() / _MILE
    if miles > LONGEST_BORDERS:  # each is cut into pieces of a thousand feet
        raise _refused(f"found borders of {miles:,.0f} miles")
    drawn = shapely.orient_polygons(shapely.segmentize(feet, _LONGEST_EDGE))
    polygons = shapely.transform(drawn, _degrees)
    if not shapely.covers(_NEW_YORK, polygons).all():
        raise _refused("found polygons that are not in New York")
    centroids = _degrees(shapely.get_coordinates(shapely.centroid(feet)))
    return ZonePolygons(polygons, centroids, PolygonGrid(polygons), generated)


def _files(data: bytes) -> Mapping[str, bytes]:
    """The parts of the shapefile by suffix, in any folder of the zip."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {PurePosixPath(part.filename).name: part for part in archive.infolist()}
        found = {
            suffix: parts[f"taxi_zones.{suffix}"]
            for suffix in ("shp", "dbf", "prj")
            if f"taxi_zones.{suffix}" in parts
        }
        return {suffix: _unpacked(archive, part) for suffix, part in found.items()}


def _unpacked(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bytes:
    """A part's bytes; what it says of their number may be a lie."""
    if part.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        # TLC's is deflated; of any other, zipfile unpacks a piece whole, whatever it becomes.
        raise _refused(f"found the compression {part.compress_type} in the zip")
    with archive.open(part) as file:
        data = file.read(MOST_ZONE_BYTES + 1)
    if len(data) > MOST_ZONE_BYTES:
        raise _refused(f"found more than {MOST_ZONE_BYTES:,} bytes in the zip")
    return data


def _in_feet(files: Mapping[str, bytes]) -> tuple[npt.NDArray[Any], bool]:
    """The polygons of the zones 1..263, in order, as they were drawn; whether they are a sample."""
    crs = CRS.from_wkt(files["prj"].decode()) if "prj" in files else _CRS
    if crs.to_epsg() != _CRS.to_epsg():
        raise _refused(f"found the coordinate system {crs.name}")
    absent = [suffix for suffix in ("shp", "dbf") if suffix not in files]
    if absent:
        raise _refused(f"found no taxi_zones.{absent[0]} in the zip")
    with shapefile.Reader(shp=io.BytesIO(files["shp"]), dbf=io.BytesIO(files["dbf"])) as reader:
        if reader.shapeType != shapefile.POLYGON:
            raise _refused(f"found shapes of the type {reader.shapeTypeName}")
        records = [record.as_dict() for record in reader.iterRecords()]
        drawn = [shapely.geometry.shape(shape.__geo_interface__) for shape in reader.iterShapes()]
    zones = dict(zip(_location_ids(records), drawn, strict=True))
    if set(zones) != set(range(1, POLYGONS + 1)):  # a set: an id may be missing, or be text
        raise _refused(f"found {len(records)} records with {len(zones)} ids")
    return np.array([zones[location_id] for location_id in sorted(zones)]), SAMPLE_FIELD in records[
        0
    ]


def _location_ids(records: Sequence[Mapping[str, Any]]) -> list[int]:
    """``LocationID``, and where that repeats ``OBJECTID``.

    The file has 56 twice and 103 three times; their ``OBJECTID`` are 56, 57, 103, 104 and 105, the
    ids under which the lookup lists zones of these names, and which are missing otherwise.
    """
    times = Counter(record["LocationID"] for record in records)
    return [
        record["LocationID"] if times[record["LocationID"]] == 1 else record["OBJECTID"]
        for record in records
    ]


def _degrees(feet: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    assert _CRS.geodetic_crs is not None  # noqa: S101 - it is projected
    transformer = Transformer.from_crs(_CRS, _CRS.geodetic_crs, always_xy=True)
    return np.column_stack(transformer.transform(feet[:, 0], feet[:, 1])).round(_DECIMALS)


def _refused(found: str) -> ContractError:
    return ContractError(
        f"{FILE_NAME} is not the taxi zones' polygons: {found}; expected a zip with "
        f"taxi_zones.shp and .dbf, of {POLYGONS} polygons in EPSG:2263 with the ids "
        f"1..{POLYGONS}, each once. The zones stay as they were. Look at what the source serves."
    )
