"""Which zone a point is in, and which files are not the zones' polygons."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyproj
import pytest
import shapefile
import shapely

from embedded.samples.polygons import write_zone_polygons, zone_points
from embedded.samples.zones import write_zone_lookup
from nyc_tlc.core.errors import ContractError
from nyc_tlc.core.zones.lookup import parse_zones
from nyc_tlc.core.zones.polygons import POLYGONS, ZonePolygons, parse_zone_polygons

IDS = list(range(1, POLYGONS + 1))
TO_DEGREES = pyproj.Transformer.from_crs(2263, 4269, always_xy=True)
A_MILLIMETRE = 0.0033
"""Feet."""


def _members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def _drawn(data: bytes) -> list[Any]:
    members = _members(data)
    shp, dbf = (io.BytesIO(members[f"taxi_zones.{suffix}"]) for suffix in ("shp", "dbf"))
    return shapefile.Reader(shp=shp, dbf=dbf).shapeRecords()


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    path = tmp_path_factory.mktemp("sample") / "taxi_zones.zip"
    write_zone_polygons(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def real(shared_tlc):
    return (shared_tlc / "zones" / "taxi_zones.zip").read_bytes()


@pytest.fixture(scope="module", params=["sample", "real"])
def published(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def zones(published):
    return parse_zone_polygons(published)


@pytest.fixture(scope="module")
def feet(published):
    """The zones in the plane of the file, by OBJECTID: in it nothing repeats."""
    drawn = {one.record["OBJECTID"]: shapely.geometry.shape(one.shape) for one in _drawn(published)}
    return np.array([drawn[i] for i in IDS])


def _located(zones: ZonePolygons, longitude: object, latitude: object) -> list[int | None]:
    found = zones.locate(pa.array(longitude, pa.float64()), pa.array(latitude, pa.float64()))
    assert found.type == pa.int16()
    return found.to_pylist()


def _located_in_feet(zones: ZonePolygons, points: np.ndarray) -> list[int | None]:
    return _located(zones, *TO_DEGREES.transform(*points.T))


def _lowest(polygons: np.ndarray, points: np.ndarray) -> list[int | None]:
    """By looking at every polygon for every point."""
    found: list[int | None] = [None] * len(points)
    shapely.prepare(polygons)
    for i in reversed(range(len(polygons))):
        for at in np.flatnonzero(shapely.intersects_xy(polygons[i], points)):
            found[at] = i + 1
    return found


@pytest.mark.parametrize("inwards", [5.0, -5.0], ids=["inside", "outside"])
def test_points_five_feet_from_every_border_are_on_the_right_side(inwards, zones, feet):
    lines = shapely.boundary(shapely.buffer(feet, -inwards))
    points, zone = shapely.get_coordinates(shapely.segmentize(lines, 400), return_index=True)
    points, zone = points[::5], zone[::5]
    assert set(zone) == set(range(POLYGONS))
    # The borders are held to a millimetre: nothing is asked of a point that is nearer to one.
    borders = shapely.STRtree(shapely.boundary(feet))
    near, _ = borders.query(shapely.points(points), predicate="dwithin", distance=A_MILLIMETRE * 5)
    clear = np.setdiff1d(np.arange(len(points)), near)
    assert len(clear) > 0.85 * len(points)
    expected = _lowest(feet, points[clear])
    if inwards > 0:
        assert np.mean(np.array(expected, float) == zone[clear] + 1) > 0.99
    assert _located_in_feet(zones, points[clear]) == expected


def test_polygons_are_valid_and_wound_as_geojson_wants(zones):
    assert shapely.is_valid(zones.polygons).all()
    parts = shapely.get_parts(zones.polygons)
    assert shapely.is_ccw(shapely.get_exterior_ring(parts)).all()


def test_straight_border_stays_where_it_was_drawn(zones, feet):
    """Half-way along the longest edge, where a line in degrees is farthest from it."""
    for zone in range(POLYGONS):
        ring = shapely.get_coordinates(
            shapely.get_exterior_ring(shapely.get_geometry(feet[zone], 0))
        )
        edge = np.argmax(np.hypot(*np.diff(ring, axis=0).T))
        middle = shapely.Point(TO_DEGREES.transform(*ring[edge : edge + 2].mean(axis=0)))
        border = shapely.boundary(zones.polygons[zone])
        assert shapely.distance(border, middle) * 365_000 < 4 * A_MILLIMETRE


def test_centroid_is_found_in_its_zone_where_it_lies_inside(zones, feet):
    centroids = shapely.centroid(feet)
    inside = shapely.contains(feet, centroids)
    assert inside.sum() > 240
    found = _located(zones, *zones.centroids.T)
    assert [i for i, is_inside in zip(found, inside, strict=True) if is_inside] == [
        i for i, is_inside in zip(IDS, inside, strict=True) if is_inside
    ]
    projected = TO_DEGREES.transform(*shapely.get_coordinates(centroids).T)
    assert np.abs(zones.centroids.T - projected).max() < 6e-9


NOWHERE = [
    (0.0, 0.0), (-74.172, 40.735), (-73.2, 40.8), (-74.5, 40.0), (40.75, -73.98), (-73.98, 0.0),
    (0.0, 40.75), (73.98, 40.75), (-73.98, -40.75), (-180.0, 90.0), (-3509.0, 3210.0),
    (1e308, -1e308), (float("nan"), 40.75), (-73.98, float("nan")),
    (float("inf"), float("-inf")), (None, 40.75), (-73.98, None), (None, None),
]  # fmt: skip
"""Newark, Long Island, latitude for longitude, what a taximeter of 2012 said, no numbers."""


def test_point_in_no_zone_is_null(zones):
    assert _located(zones, *zip(*NOWHERE, strict=True)) == [None] * len(NOWHERE)


def test_known_places_are_in_their_zones_and_the_harbour_in_none(real):
    longitude = [-73.7781, -73.8740, -73.9855, -74.04, -74.05, -73.98]
    latitude = [40.6413, 40.7769, 40.7580, 40.64, 40.6, 40.55]
    found = _located(parse_zone_polygons(real), longitude, latitude)
    assert found == [132, 138, 230, None, None, None]


def test_sample_points_are_in_their_zones_in_slices_too(sample):
    zones, ids = parse_zone_polygons(sample), np.tile(np.arange(1, 266), 40)
    longitude, latitude = (pa.array(axis) for axis in zone_points(ids))
    expected = [i if i <= POLYGONS else None for i in ids.tolist()]
    for part in (slice(None), slice(5, 9), slice(0)):
        assert zones.locate(longitude[part], latitude[part]).to_pylist() == expected[part]


def test_repeated_ids_are_those_of_the_lookup(published, zones, tmp_path, request):
    lookup = tmp_path / "taxi_zone_lookup.csv"
    write_zone_lookup(lookup)
    if "real" in request.node.name:
        lookup = request.getfixturevalue("shared_tlc") / "zones" / "taxi_zone_lookup.csv"
    listed = {row["location_id"]: row for row in parse_zones(lookup.read_bytes()).to_pylist()}
    drawn = _drawn(published)
    repeated = [one.record["OBJECTID"] for one in drawn if one.record["LocationID"] in (56, 103)]
    assert repeated == [56, 57, 103, 104, 105]
    shapes = [shapely.geometry.shape(one.shape) for one in drawn]
    inside = shapely.get_coordinates(shapely.point_on_surface(shapes))
    for one, location_id in zip(drawn, _located_in_feet(zones, inside), strict=True):
        assert listed[location_id]["zone"] == one.record["zone"]
        assert listed[location_id]["borough"] == one.record["borough"]


def test_zip_may_have_a_folder_and_no_projection(sample):
    members = {f"taxi_zones/{name}": data for name, data in _members(sample).items()}
    del members["taxi_zones/taxi_zones.prj"]
    again = parse_zone_polygons(_zipped({"__MACOSX/._taxi_zones.shp": b"\0", **members}))
    assert shapely.equals_exact(again.polygons, parse_zone_polygons(sample).polygons).all()


def _redrawn(
    data: bytes,
    *,
    last: int = POLYGONS,
    ids: Callable[[int], int | None] = lambda object_id: object_id,
    ring: Callable[[list[Any]], list[Any]] = lambda points: points,
    renamed: str = "LocationID",
    kind: int = shapefile.POLYGON,
) -> bytes:
    """The sample's polygons, or a point of each, in another file without a projection."""
    shp, shx, dbf = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with shapefile.Writer(shp=shp, shx=shx, dbf=dbf, shapeType=kind) as writer:
        writer.field("OBJECTID", "N", size=9)
        writer.field(renamed, "N", size=9)
        for one in _drawn(data)[:last]:
            points = ring(one.shape.points)
            writer.poly([points]) if kind == shapefile.POLYGON else writer.point(*points[0])
            writer.record(one.record["OBJECTID"], ids(one.record["OBJECTID"]))
    return _with(data, shp=shp.getvalue(), dbf=dbf.getvalue(), prj=None)


def _with(data: bytes, compression: int = zipfile.ZIP_STORED, **parts: bytes | None) -> bytes:
    """Other parts by suffix; None: without it."""
    members = {**_members(data), **{f"taxi_zones.{suffix}": part for suffix, part in parts.items()}}
    return _zipped({name: part for name, part in members.items() if part is not None}, compression)


def _part(data: bytes, suffix: str) -> bytes:
    return _members(data)[f"taxi_zones.{suffix}"]


def _damaged(data: bytes, compression: int) -> bytes:
    packed = _zipped(_members(data), compression)
    return packed[:80] + bytes(octet ^ 0x5A for octet in packed[80:120]) + packed[120:]


def _shapeless(data: bytes) -> bytes:
    """The first record's shape is of type 0."""
    shp = _part(data, "shp")
    return _with(data, shp=shp[:108] + bytes(4) + shp[112:])


def _understated(data: bytes) -> bytes:
    """A zip that says of every part that it unpacks to ten bytes."""
    return _stating(_zipped(_members(data), zipfile.ZIP_DEFLATED), 10)


def _stating(zipped: bytes, size: int) -> bytes:
    """A zip that says of every part that it unpacks to so many bytes."""
    packed = bytearray(zipped)
    at = packed.find(b"PK\x01\x02")
    while at >= 0:
        packed[at + 24 : at + 28] = size.to_bytes(4, "little")
        at = packed.find(b"PK\x01\x02", at + 4)
    return bytes(packed)


def _in_degrees(points: list[Any]) -> list[Any]:
    return [[-74 + x / 1e9, 40.7 + y / 1e9] for x, y in points]


def _as_far_as_the_moon(points: list[Any]) -> list[Any]:
    return [[1e4 * x, y] for x, y in points]


WGS84 = pyproj.CRS(4326).to_wkt("WKT1_ESRI").encode()

UNREADABLE = "found what cannot be read"


@pytest.mark.filterwarnings("ignore::shapefile.PossiblyCorruptFileHeader")
@pytest.mark.parametrize(
    ("found", "spoil"),
    [
        ("not a zip", lambda _: b""),
        ("not a zip", lambda _: b"<Error><Code>AccessDenied</Code></Error>"),
        ("not a zip", lambda data: data[:-100]),
        ("not a zip", lambda data: data[: len(data) // 2]),
        (UNREADABLE, lambda data: data[:2_000] + bytes([data[2_000] ^ 1]) + data[2_001:]),
        ("found no taxi_zones.shp", lambda _: _zipped({})),
        ("found no taxi_zones.shp", lambda _: _zipped({"taxi_zones.csv": b"1"})),
        ("found no taxi_zones.shp", lambda data: _with(data, shp=None)),
        ("found no taxi_zones.dbf", lambda data: _with(data, dbf=None)),
        (UNREADABLE, lambda data: _with(data, shp=b"")),
        (UNREADABLE, lambda data: _with(data, dbf=b"")),
        ("found", lambda data: _with(data, shp=_part(data, "shp")[:9_999])),
        ("found", lambda data: _with(data, dbf=_part(data, "dbf")[:9_999])),
        ("found", lambda data: _with(data, dbf=_part(data, "shp"))),
        ("found the coordinate system", lambda data: _with(data, prj=WGS84)),
        (UNREADABLE, lambda data: _with(data, prj=b"?")),
        (UNREADABLE, lambda data: _with(data, prj=b"\xff\xfe")),
        ("not in New York", lambda data: _redrawn(data, ring=_in_degrees)),
        ("found borders of", lambda data: _redrawn(data, ring=_as_far_as_the_moon)),
        ("cross themselves", lambda d: _redrawn(d, ring=lambda p: [p[0], p[2], p[1], p[3], p[0]])),
        ("the type POINT", lambda data: _redrawn(data, kind=shapefile.POINT)),
        (UNREADABLE, _shapeless),
        ("found 262 records with 262 ids", lambda data: _redrawn(data, last=262)),
        ("found", lambda data: _redrawn(data, last=0)),
        ("263 records with 263 ids", lambda data: _redrawn(data, ids=lambda i: i + 1)),
        ("263 records with 263 ids", lambda d: _redrawn(d, ids=lambda i: None if i == 7 else i)),
        (UNREADABLE, lambda data: _redrawn(data, renamed="zone_id")),
        (UNREADABLE, lambda data: _damaged(data, zipfile.ZIP_DEFLATED)),
        ("the compression 14", lambda data: _zipped(_members(data), zipfile.ZIP_LZMA)),
        ("the compression 12", lambda data: _zipped(_members(data), zipfile.ZIP_BZIP2)),
        ("bytes in the zip", lambda data: _with(data, zipfile.ZIP_DEFLATED, shp=bytes(34_000_000))),
        (UNREADABLE, _understated),
    ],
)
def test_what_is_not_the_polygons_is_refused_and_says_what_was_found(found, spoil, sample):
    with pytest.raises(ContractError) as caught:
        parse_zone_polygons(spoil(sample))
    message = str(caught.value)
    assert message.startswith("taxi_zones.zip is not the taxi zones' polygons: found ")
    assert found in message
    assert "263 polygons in EPSG:2263 with the ids 1..263, each once. The zones stay as" in message
    assert "as they were. Look at what the source serves" in message
    assert len(message) < 600


@pytest.mark.parametrize(
    ("compression", "stated"),
    [(zipfile.ZIP_DEFLATED, 10), (zipfile.ZIP_DEFLATED, 0xFFFF_FFF0), (zipfile.ZIP_BZIP2, 10)],
)
def test_a_zip_that_lies_about_its_size_is_not_unpacked(compression, stated, sample):
    """100 MB in some 100 KB; at most 8 MB of them are unpacked, twice over while that is done."""
    bomb = _stating(_with(sample, compression, shp=bytes(100 << 20)), stated)
    assert len(bomb) < 1 << 20
    status = Path("/proc/self/status")

    def peak() -> int:
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) << 10

    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = peak()
    with pytest.raises(ContractError, match="is not the taxi zones' polygons"):
        parse_zone_polygons(bomb)
    assert peak() - before < 48 << 20
