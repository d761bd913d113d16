"""The published polygons of the taxi zones: a zip, or what it holds.

A changed byte within a zip is found by its checksum, so that a fuzzer would come no further: what
does not begin as a zip is packed into one first, cut at the lines `--8<--` into the parts of a
shapefile.
"""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pyarrow as pa

from nyc_tlc.core.zones.polygons import POLYGONS, parse_zone_polygons
from qa.fuzz.oracle import require

SEPARATOR = b"\n--8<--\n"
_SUFFIXES = ("shp", "dbf", "prj")


def read(data: bytes) -> None:
    packed = data if data.startswith(b"PK") else _packed(data)
    zones = parse_zone_polygons(packed)
    require(len(zones.polygons) == POLYGONS, "another number of zones")
    require(bool(np.isfinite(zones.centroids).all()), "a centroid that is nowhere")
    x, y = zones.centroids.T
    located = zones.locate(pa.array(x), pa.array(y))
    require(all(1 <= found <= POLYGONS for found in located.drop_null().to_pylist()), "no such id")


def _packed(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for suffix, part in zip(_SUFFIXES, data.split(SEPARATOR), strict=False):
            archive.writestr(zipfile.ZipInfo(f"taxi_zones.{suffix}"), part)
    return file.getvalue()
