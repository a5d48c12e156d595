"""Masks of synapses turned to lie along x: planted ellipses come out alike wherever they were and however they lay."""

import numpy as np
import pytest

from synapse_assets.analysis.labelling.masks import aligned_mask
from synapse_assets.errors import BadInput

SIDE = 65


def ellipse(x: float, y: float, turned: float, long: float = 14.0, short: float = 4.0) -> np.ndarray:
    """An ellipse about a place, whose long axis is turned by so many radians from x towards y."""
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(float)
    along = (columns - x) * np.cos(turned) + (rows - y) * np.sin(turned)
    across = -(columns - x) * np.sin(turned) + (rows - y) * np.cos(turned)
    return (along / long) ** 2 + (across / short) ** 2 <= 1


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union."""
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("turned", np.linspace(0, np.pi, 7)[:-1])
def test_an_ellipse_comes_to_lie_along_x_in_the_middle(turned: float) -> None:
    mask = aligned_mask(ellipse(26.0, 39.0, turned))
    assert (mask.shape, mask.dtype) == ((SIDE, SIDE), np.uint8)
    assert set(np.unique(mask)) == {0, 255}
    assert overlap(mask > 0, ellipse(32.0, 32.0, 0.0)) > 0.85


def test_the_longer_end_points_to_the_right() -> None:
    drop = ellipse(30.0, 30.0, 0.0) | (ellipse(20.0, 30.0, 0.0, 6.0, 6.0))
    right, left = aligned_mask(drop), aligned_mask(drop[::-1, ::-1])
    assert overlap(right > 0, left > 0) > 0.9
    places = np.argwhere(right > 0)[:, 1] - 32.0
    assert (places**3).sum() > 0


def test_of_several_the_nearest_to_the_middle_counts() -> None:
    near, far = ellipse(32.0, 36.0, 0.7), ellipse(10.0, 10.0, 0.0, 8.0, 8.0)
    np.testing.assert_array_equal(aligned_mask(near | far), aligned_mask(near))


def test_where_nothing_is_marked_there_is_nothing() -> None:
    assert not aligned_mask(np.zeros((SIDE, SIDE), bool)).any()
    with pytest.raises(BadInput, match="must be squares"):
        aligned_mask(np.zeros((4, 5), bool))
