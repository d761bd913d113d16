"""Points among polygons that are harder than zones: holes, islands, slivers, overlaps."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import shapely

from nyc_tlc.core.zones.grid import PolygonGrid

CELL = 0.0005
RING = shapely.difference(shapely.box(0, 0, 0.01, 0.01), shapely.box(0.002, 0.002, 0.008, 0.008))
ISLANDS = shapely.union(
    shapely.box(0.003, 0.003, 0.004, 0.0035), shapely.Point(0.006, 0.006).buffer(0.001)
)
SLIVER = shapely.Polygon([(0.0041, 0.0021), (0.0079, 0.0022), (0.0079, 0.00221)])
SPECK = shapely.box(0.00512, 0.00412, 0.00514, 0.00414)
BESIDE = shapely.box(0.01, 0, 0.01 + 3 * CELL, 0.01)
ABOVE = shapely.box(0.0095, 0.0095, 0.0125, 0.0125)
FAR = shapely.Point(-0.02, 0.015).buffer(0.004)
POLYGONS = np.array([RING, ISLANDS, SLIVER, SPECK, BESIDE, ABOVE, FAR])


def _asked(points: np.ndarray) -> np.ndarray:
    within = [shapely.intersects_xy(polygon, points) for polygon in POLYGONS]
    return np.where(np.any(within, axis=0), np.argmax(within, axis=0) + 1, 0)


def _points(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    west, south, east, north = shapely.total_bounds(POLYGONS)
    anywhere = rng.uniform((west, south), (east, north), (20_000, 2))
    borders = shapely.segmentize(shapely.boundary(POLYGONS), CELL / 7)
    at_borders = shapely.get_coordinates(borders)
    beside = at_borders + rng.normal(0, CELL / 50, at_borders.shape)
    corners = np.round(anywhere / CELL) * CELL
    return np.concatenate([anywhere, at_borders, beside, corners])


@pytest.mark.parametrize("seed", range(3))
def test_grid_answers_as_the_polygons_would(seed):
    points = _points(seed)
    found = PolygonGrid(POLYGONS).locate(*points.T)
    assert set(found) == set(range(len(POLYGONS) + 1))
    assert found.tolist() == _asked(points).tolist()


def test_threads_share_a_grid():
    grid = PolygonGrid(POLYGONS)
    points = _points(0)
    expected = _asked(points).tolist()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: grid.locate(*points.T).tolist(), range(32)))
    assert all(answer == expected for answer in answers)
