"""Probabilities of windows at the pixels of their picture: a plane stays a plane, and the outermost centres reach the edge."""

import numpy as np
import pytest

from synapse_assets.analysis.dense_maps import at_pixels


def test_a_plane_stays_a_plane_at_the_right_place() -> None:
    """The value of a window is its centre's distance from the edge, so that of a pixel has to be its own."""
    first, stride = 32.0, 16
    rows = first + stride * np.arange(5)
    columns = first + stride * np.arange(7)
    planes = np.stack([np.repeat(rows[:, None], 7, axis=1), np.repeat(columns[None], 5, axis=0)])
    found = at_pixels(planes, first, stride, (128, 160))
    assert found.shape == (2, 128, 160)
    assert found.dtype == np.float32
    y, x = np.arange(128) + 0.5, np.arange(160) + 0.5
    assert found[0] == pytest.approx(np.repeat(np.clip(y, rows[0], rows[-1])[:, None], 160, axis=1))
    assert found[1] == pytest.approx(np.repeat(np.clip(x, columns[0], columns[-1])[None], 128, axis=0))


def test_it_is_bilinear_in_between() -> None:
    corners = np.array([[[0.0, 1.0], [2.0, 7.0]]])
    found = at_pixels(corners, 0.5, 4, (5, 5))[0]
    assert found[0].tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert found[:, 0].tolist() == [0, 0.5, 1, 1.5, 2]
    assert found[2, 2] == pytest.approx(2.5)
    assert found[3, 1] == pytest.approx(0.25 * 0.75 * 0 + 0.25 * 0.25 * 1 + 0.75 * 0.75 * 2 + 0.75 * 0.25 * 7)


def test_one_window_is_the_same_everywhere() -> None:
    assert (at_pixels(np.full((1, 1, 1), 0.3), 32, 16, (64, 50)) == np.float32(0.3)).all()
