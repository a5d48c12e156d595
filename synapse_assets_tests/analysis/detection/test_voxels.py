"""What is no map, no length and no point is refused before anything is made of it, and told in words."""

import numpy as np
import pytest

from synapse_assets.analysis.detection.balls import ball_mask
from synapse_assets.analysis.detection.components import components
from synapse_assets.analysis.detection.peaks import peaks
from synapse_assets.analysis.detection.voxels import at_least
from synapse_assets.errors import BadInput

SIZE = (4.6, 4.6, 45.0)
HALF = np.full((3, 4, 5), 0.5, dtype=np.float32)


def with_value(value: float) -> np.ndarray:
    probability = HALF.copy()
    probability[1, 2, 3] = value
    return probability


@pytest.mark.parametrize(
    ("probability", "message"),
    [
        (with_value(np.nan), "NaN"),
        (with_value(np.inf), "reaches from 0.5 to inf"),
        (with_value(-0.01), "take the sigmoid first"),
        (with_value(255), r"reaches from 0.5 to 255.*astype\('uint8'\)"),
        (with_value(np.nan).astype(np.float16), "NaN"),
        (HALF.astype(np.int64), "this is int64"),
        (HALF.astype(np.uint16), "labels > 0"),
        (HALF.astype(np.int8), "this is int8"),
        (HALF.astype(complex), "this is complex"),
        (HALF[0], r"the axes z, y, x; this has the shape \(4, 5\)"),
        (HALF[None], "z, y, x"),
    ],
)
def test_what_is_no_map_is_refused(probability: np.ndarray, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        components(probability, 0.5, SIZE)
    with pytest.raises(BadInput, match=message):
        peaks(probability, SIZE, radius_nm=40, threshold=0.5, apart_nm=100)


@pytest.mark.parametrize("threshold", [0, -0.2, 1.01, 128, np.nan, np.inf])
def test_a_threshold_is_a_probability(threshold: float) -> None:
    with pytest.raises(BadInput, match="a threshold is a probability"):
        components((HALF * 255).astype(np.uint8), threshold, SIZE)
    with pytest.raises(BadInput, match="a threshold is a probability"):
        peaks(HALF, SIZE, radius_nm=40, threshold=threshold, apart_nm=100)


@pytest.mark.parametrize("size", [(4.6, 4.6), (4.6, 4.6, 0), (4.6, -4.6, 45), (4.6, np.nan, 45), (4, 4, np.inf), 4.6])
def test_a_voxel_size_is_three_lengths(size: object) -> None:
    with pytest.raises(BadInput, match="three lengths above zero"):
        components(HALF, 0.5, size)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="three lengths above zero"):
        ball_mask([[0, 0, 0]], (0, 0, 0), (1, 2, 3), size, 50)  # type: ignore[arg-type]


@pytest.mark.parametrize("length", [0, -1, np.nan, np.inf])
def test_lengths_are_above_zero(length: float) -> None:
    with pytest.raises(BadInput, match="split_nm is a length"):
        components(HALF, 0.5, SIZE, split_nm=length)
    with pytest.raises(BadInput, match="radius of a ball is a length"):
        ball_mask([[0, 0, 0]], (0, 0, 0), (1, 2, 3), SIZE, length)
    with pytest.raises(BadInput, match="least distance of two sites"):
        peaks(HALF, SIZE, radius_nm=40, threshold=0.1, apart_nm=length)


def test_points_that_are_no_numbers_are_counted_and_the_first_is_named() -> None:
    points = np.zeros((5, 3))
    points[3, 1], points[4, 2] = np.nan, np.inf
    with pytest.raises(BadInput, match=r"2 of 5 points .* the first is row 3"):
        ball_mask(points, (0, 0, 0), (1, 2, 3), SIZE, 10)
    with pytest.raises(BadInput, match=r"points \(N, 3\)"):
        ball_mask([[1, 2]], (0, 0, 0), (1, 2, 3), SIZE, 10)


def test_every_threshold_of_256_means_the_same_in_both_ranges() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    for level in range(1, 256):
        assert (at_least(grey, level / 255) == (grey >= level)).all()
        assert at_least((grey / 255).astype(np.float64), level / 255).sum() == 256 - level
    assert at_least(grey, 0.2).sum() == 256 - 51
