"""Masks of balls against the distance of every voxel to every point."""

import time

import numpy as np
import numpy.typing as npt
import pytest

from synapse_assets.analysis.detection.balls import ball_mask
from synapse_assets.errors import BadInput

Bool = npt.NDArray[np.bool_]


def mask_by_distances(points: np.ndarray, low: tuple, shape: tuple, size: tuple, radius: float) -> Bool:
    z, y, x = np.meshgrid(*(np.arange(side) for side in shape), indexing="ij")
    voxel = np.stack([x, y, z], axis=-1) + np.array(low)
    mask = np.zeros(shape, dtype=bool)
    for point in points:
        mask |= (((voxel + 0.5) * size - point) ** 2).sum(axis=-1) <= radius**2
        mask |= (np.floor(point / size) == voxel).all(axis=-1)
    return mask


@pytest.mark.parametrize(
    ("size", "radius"), [((4.6, 4.6, 45.0), 50.0), ((4.6, 4.6, 45.0), 12.0), ((8.0, 8.0, 8.0), 30.0), ((16, 4, 9), 25)]
)
def test_masks_are_those_of_distances(size: tuple, radius: float) -> None:
    low, shape = (7, -3, 2), (6, 20, 30)
    rng = np.random.default_rng(3)
    # from outside of the box to beyond it
    points = (np.array(low) + rng.uniform(-0.3, 1.3, (25, 3)) * np.array(shape[::-1])) * size
    mask = ball_mask(points, low, shape, size, radius)
    assert mask.shape == shape
    assert mask.dtype == bool
    assert 0 < mask.mean() < 1
    assert (mask == mask_by_distances(points, low, shape, size, radius)).all()


def test_a_point_marks_its_own_voxel_in_thick_sections() -> None:
    # 1 nm below the upper face of section 3, whose middle is 21.5 nm away
    mask = ball_mask([[12.0, 21.0, 4 * 45 - 1]], (0, 0, 0), (6, 8, 8), (4, 4, 45), 5)
    assert np.argwhere(mask).tolist() == [[3, 5, 3]]
    for share in np.linspace(0, 0.99, 12):
        voxel = np.argwhere(ball_mask([[8, 8, (3 + share) * 45]], (0, 0, 0), (6, 8, 8), (4, 4, 45), 2))
        assert set(voxel[:, 0]) == {3}


def test_a_point_on_the_edge_of_a_voxel_is_in_the_upper_one() -> None:
    for voxel in range(200):
        mask = ball_mask([[voxel * 4.6, 2.3, 2.3]], (0, 0, 0), (1, 1, 200), (4.6, 4.6, 4.6), 1)
        assert np.flatnonzero(mask).tolist() == [voxel]


def test_points_outside_reach_in_and_far_ones_do_not() -> None:
    box = ((0, 0, 0), (4, 10, 10), (10.0, 10.0, 10.0))
    assert ball_mask([[-8.0, 45.0, 25.0]], *box, 14)[2, 4, 0]
    assert not ball_mask([[-18.0, 45.0, 25.0]], *box, 14).any()
    assert not ball_mask([[1e9, 0, 0], [-1e9, 0, 0], [50, 50, 41_000]], *box, 50).any()
    assert ball_mask([[50.0, 50.0, 20.0]], *box, 200).all()


def test_blocks_have_what_the_whole_has() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(-50, 350, (40, 3))
    whole = ball_mask(points, (0, 0, 0), (8, 60, 60), (5, 5, 40), 60)
    for x in (0, 20, 40):
        part = ball_mask(points, (x, 30, 3), (5, 30, 20), (5, 5, 40), 60)
        assert (part == whole[3:, 30:, x : x + 20]).all()


def test_no_points_and_no_voxels_are_no_error() -> None:
    assert not ball_mask(np.zeros((0, 3)), (0, 0, 0), (2, 3, 4), (4, 4, 40), 50).any()
    assert not ball_mask([], (0, 0, 0), (2, 3, 4), (4, 4, 40), 50).any()
    assert ball_mask([[1, 1, 1]], (0, 0, 0), (0, 3, 4), (4, 4, 40), 50).shape == (0, 3, 4)
    with pytest.raises(BadInput, match="three sides"):
        ball_mask([[1, 1, 1]], (0, 0, 0), (3, 4), (4, 4, 40), 50)  # type: ignore[arg-type]


def test_a_hundred_thousand_points_are_cheap() -> None:
    points = np.random.default_rng(0).uniform(0, 1, (100_000, 3)) * [4000, 4000, 4000]
    started = time.process_time()
    mask = ball_mask(points, (0, 0, 0), (20, 250, 250), (16, 16, 40), 40)
    assert time.process_time() - started < 8
    assert mask.any()
