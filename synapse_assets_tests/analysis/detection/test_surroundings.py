"""Bodies around points against every voxel's distance; the faces of the box, thick sections, large labels."""

import time

import numpy as np
import pytest
from scipy import ndimage

from synapse_assets.analysis.detection.balls import ball_mask
from synapse_assets.analysis.detection.surroundings import bodies_near
from synapse_assets.errors import BadInput

LOW, SHAPE = (11, -4, 3), (9, 30, 34)


def planted(seed: int = 0) -> np.ndarray:
    """Few bodies with ids above 2^53."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), (1, 3, 3))
    labels, _ = ndimage.label(noise > np.quantile(noise, 0.85))
    return np.where(labels > 0, labels.astype(np.int64) + 2**53, 0)


@pytest.mark.parametrize(
    ("size", "radius"), [((4.6, 4.6, 45.0), 60.0), ((4.6, 4.6, 45.0), 6.0), ((8.0, 8.0, 8.0), 35.0)]
)
def test_what_is_near_is_what_all_voxels_say(size: tuple, radius: float) -> None:
    labels = planted()
    rng = np.random.default_rng(2)
    points = (np.array(LOW) + rng.uniform(-0.15, 1.15, (60, 3)) * np.array(SHAPE[::-1])) * size
    near = bodies_near(points, labels, LOW, size, radius)
    assert near.body.dtype == np.int64
    z, y, x = np.nonzero(labels)
    low = (np.stack([x, y, z], axis=1) + np.array(LOW)) * size
    for row, point in enumerate(points):
        away = np.sqrt((np.maximum(np.maximum(low - point, point - low - size), 0) ** 2).sum(axis=1))
        if away.min() <= radius:
            assert near.distance_nm[row] == pytest.approx(away.min(), abs=1e-6)
            assert near.body[row] in labels[z, y, x][away < away.min() + 1e-6]
        else:
            assert near.body[row] == 0
            assert np.isnan(near.distance_nm[row])
        ball = ball_mask([point], LOW, SHAPE, size, radius)
        around = tuple(side + 60 for side in SHAPE)
        whole = ball_mask([point], tuple(np.array(LOW) - 30), around, size, radius).sum()
        if 2 * ball.sum() >= whole:
            assert near.share[row] == pytest.approx((labels[ball] > 0).mean())
        else:
            assert np.isnan(near.share[row])
    assert 0 < (near.body > 2**53).sum() < 60
    assert np.isnan(near.share).any()


def test_a_ball_of_bodies_has_its_share() -> None:
    """A cube of a body in the middle, seen from within, from beside it and from afar."""
    labels = np.zeros((40, 40, 40), dtype=np.uint32)
    labels[10:30, 10:30, 10:30] = 7
    points = [[200, 200, 200], [300, 200, 200], [330, 200, 200], [390, 200, 200]]
    near = bodies_near(points, labels, (0, 0, 0), (10, 10, 10), 50)
    assert near.body.tolist() == [7, 7, 7, 0]
    assert near.distance_nm[:3].tolist() == [0, 0, 30]
    assert near.share[0] == 1
    assert near.share[1] == pytest.approx(0.5, abs=0.02)
    assert near.share[2] == pytest.approx((50 - 30) ** 2 * (3 * 50 - 20) / (4 * 50**3), abs=0.02), "the cap of a ball"
    assert np.isnan(near.distance_nm[3])
    assert near.share[3] == 0


def test_more_than_half_of_a_ball_outside_has_no_share() -> None:
    labels = np.ones((40, 40, 40), dtype=np.uint8)
    points = [[0.5, 200, 200], [-5.5, 200, 200], [-45, 200, 200], [200, 200, 399], [200, 401, 200], [-90, 0, 0]]
    near = bodies_near(points, labels, (0, 0, 0), (10, 10, 10), 50)
    assert near.share[[0, 3]].tolist() == [1, 1], "of the part that is in the box"
    assert np.isnan(near.share[[1, 2, 4, 5]]).all()
    assert near.distance_nm[:5] == pytest.approx([0, 5.5, 45, 0, 1])
    assert near.body.tolist() == [1, 1, 1, 1, 1, 0]


def test_a_point_in_a_thick_section_is_in_its_voxel() -> None:
    labels = np.zeros((5, 9, 9), dtype=np.int32)
    labels[2, 4, 4] = 3
    near = bodies_near([[18.4, 18.4, 2 * 45 + 1], [18.4, 18.4, 2 * 45 - 1]], labels, (0, 0, 0), (4.6, 4.6, 45), 5)
    assert near.body.tolist() == [3, 3]
    assert near.distance_nm == pytest.approx([0, 1])
    assert near.share.tolist() == [1, 0], "its own voxel counts, however far away the middle of that is"


def test_no_labels_and_no_points() -> None:
    near = bodies_near([[1, 1, 1]], np.zeros((3, 4, 5), dtype=np.uint64), (0, 0, 0), (4, 4, 40), 5)
    assert near.body.tolist() == [0]
    assert np.isnan(near.distance_nm).all()
    assert near.share.tolist() == [0]
    assert bodies_near([], np.ones((3, 4, 5), dtype=np.uint64), (0, 0, 0), (4, 4, 40), 5).body.shape == (0,)
    nowhere = bodies_near([[1, 1, 1]], np.ones((0, 4, 5), dtype=np.uint64), (0, 0, 0), (4, 4, 40), 5)
    assert nowhere.body.tolist() == [0]
    assert np.isnan(nowhere.share).all()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.full((2, 3, 4), 2**63, dtype=np.uint64), "9223372036854775808"),
        (np.full((2, 3, 4), -1), "the lowest is -1"),
        (np.ones((2, 3, 4)), "integers"),
        (np.ones((3, 4), dtype=np.int64), "z, y, x"),
        (np.ones((2, 3, 4), dtype=bool), "integers"),
    ],
)
def test_what_are_no_labels_is_refused(labels: np.ndarray, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        bodies_near([[1, 1, 1]], labels, (0, 0, 0), (4, 4, 40), 5)


def test_labels_up_to_the_largest_are_kept() -> None:
    labels = np.full((2, 3, 4), 2**63 - 1, dtype=np.uint64)
    assert bodies_near([[1, 1, 1]], labels, (0, 0, 0), (4, 4, 40), 50).body.tolist() == [2**63 - 1]


def test_ten_thousand_points_are_cheap() -> None:
    labels = np.zeros((30, 256, 256), dtype=np.int64)
    labels[10:20, 40:90, 40:90] = 5
    points = np.random.default_rng(0).uniform(0, 1, (10_000, 3)) * [256 * 18, 256 * 18, 30 * 45]
    started = time.process_time()
    near = bodies_near(points, labels, (0, 0, 0), (18, 18, 45), 250)
    assert time.process_time() - started < 6
    assert (near.body > 0).any()
