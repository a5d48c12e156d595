"""Which points a polygon holds, against Matplotlib's test of the same, on its border too."""

import time

import numpy as np
import pytest
from matplotlib.path import Path as Polygon
from synapse_assets.explorer.map_points import inside_polygon


@pytest.mark.parametrize("corners", [1, 2, 3, 4, 7, 60, 500])
@pytest.mark.parametrize("whole_numbers", [False, True])
def test_it_holds_what_matplotlib_says(corners: int, whole_numbers: bool) -> None:
    """Corners at random cross themselves; of whole numbers, many points lie on edges and corners."""
    random = np.random.default_rng(corners)
    for _ in range(10):
        ends, points = random.uniform(0, 12, (corners, 2)), random.uniform(-1, 13, (3_000, 2))
        if whole_numbers:
            ends, points = np.round(ends), np.round(points)
        expected = Polygon(ends).contains_points(points.astype(np.float32))
        np.testing.assert_array_equal(inside_polygon(*points.astype(np.float32).T, ends), expected)


def test_what_a_polygon_runs_around_twice_is_outside() -> None:
    star = [[np.sin(turn), np.cos(turn)] for turn in np.arange(5) * 4 * np.pi / 5]
    assert inside_polygon(np.array([0.0, 0.0]), np.array([0.0, 0.8]), star).tolist() == [False, True]


def test_many_points_and_corners_do_not_keep_a_reader_waiting() -> None:
    random = np.random.default_rng(0)
    turns = np.linspace(0, 2 * np.pi, 5_000)
    ring = np.column_stack([np.cos(turns), np.sin(turns)]) * (1 + 0.02 * random.random((5_000, 1)))
    points = random.uniform(-1.1, 1.1, (300_000, 2)).astype(np.float32)
    began = time.process_time()
    held = inside_polygon(*points.T, ring)
    assert time.process_time() - began < 1, "a test of every point with every edge takes some ten times as long"
    assert held.mean() == pytest.approx(np.pi * 1.01**2 / 2.2**2, abs=0.01)
