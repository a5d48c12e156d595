"""Touching objects are two; a long one, however it is bent, is one."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from synapse_assets.analysis.detection.balls import ball_mask
from synapse_assets.analysis.detection.components import components

SIZE = (4.6, 4.6, 45.0)
Bool = npt.NDArray[np.bool_]


def discs(centres: list, radii: list, sections: int = 1, side: int = 160) -> Bool:
    """Discs, y and x and radius in voxels, in each of so many sections, with an empty one before and after."""
    y, x = np.mgrid[:side, :side]
    section = np.zeros((side, side), dtype=bool)
    for (cy, cx), radius in zip(centres, radii, strict=True):
        section |= np.hypot(y - cy, x - cx) <= radius
    mask = np.zeros((sections + 2, side, side), dtype=bool)
    mask[1:-1] = section
    return mask


@pytest.mark.parametrize("sections", [1, 2, 5])
@pytest.mark.parametrize("angle", [0.0, 0.4, 1.2])
def test_two_touching_discs_are_two(sections: int, angle: float) -> None:
    away = 38 * np.array([np.sin(angle), np.cos(angle)])
    first, second = np.array([80, 80]) - away / 2, np.array([80, 80]) + away / 2
    mask = discs([first, second], [20, 20], sections)
    assert len(components(mask, 0.5, SIZE)) == 1
    parts = components(mask, 0.5, SIZE, split_nm=100)
    assert len(parts) == 2
    # each half of what there is, with its middle near that of its disc
    assert parts.voxels == pytest.approx([mask.sum() / 2] * 2, rel=0.03)
    found = sorted((parts.position_nm[:, :2] / 4.6 - 0.5).tolist())
    assert np.array(found) == pytest.approx(np.array(sorted([first[::-1].tolist(), second[::-1].tolist()])), abs=1)
    assert ((parts.labels > 0) == mask).all()


def test_three_in_a_row_and_a_small_one_beside_a_large_one() -> None:
    row = discs([(80, 30), (80, 64), (80, 98)], [18, 18, 18], 2)
    assert len(components(row, 0.5, SIZE, split_nm=100)) == 3
    uneven = discs([(80, 50), (80, 91)], [30, 12], 2)
    parts = components(uneven, 0.5, SIZE, split_nm=100)
    assert len(parts) == 2
    assert parts.voxels[0] > 5 * parts.voxels[1], "the wider part keeps the label"


def test_those_nearer_than_stated_stay_one() -> None:
    mask = discs([(80, 70), (80, 108)], [20, 20], 3)
    assert len(components(mask, 0.5, SIZE, split_nm=38 * 4.6 - 5)) == 2
    assert len(components(mask, 0.5, SIZE, split_nm=38 * 4.6 + 5)) == 1


def test_discs_that_overlap_by_half_are_one() -> None:
    assert len(components(discs([(80, 70), (80, 90)], [20, 20], 3), 0.5, SIZE, split_nm=60)) == 1


def test_balls_above_one_another_are_two() -> None:
    z, y, x = np.mgrid[:17, :100, :100]
    nm = np.stack([x * 4.6, y * 4.6, z * 45.0], axis=-1)
    mask = np.zeros(z.shape, dtype=bool)
    for centre_z in (4, 12):
        mask |= ((nm - [50 * 4.6, 50 * 4.6, centre_z * 45]) ** 2).sum(axis=-1) <= 185**2
    assert len(components(mask, 0.5, SIZE)) == 1
    parts = components(mask, 0.5, SIZE, split_nm=150)
    assert len(parts) == 2
    assert parts.position_nm[:, 2] == pytest.approx([4.5 * 45, 12.5 * 45], abs=30)


@pytest.mark.parametrize("plane", ["xy", "xz", "yz"])
def test_a_bent_sausage_is_one(plane: str) -> None:
    angle = np.linspace(0, 1.4 * np.pi, 400)
    arc = {axis: np.full(400, 420.0) for axis in "xyz"}
    arc[plane[0]], arc[plane[1]] = 420 + 260 * np.cos(angle), 420 + 260 * np.sin(angle)
    curve = np.stack([arc[axis] for axis in "xyz"], axis=1)
    for size, shape in (((9.2, 9.2, 45.0), (19, 95, 95)), ((16.0, 16.0, 16.0), (55, 55, 55))):
        mask = ball_mask(curve, (0, 0, 0), shape, size, 85)
        assert len(components(mask, 0.5, size)) == 1
        assert len(components(mask, 0.5, size, split_nm=100)) == 1


def test_a_long_cleft_with_a_ragged_border_is_one() -> None:
    rng = np.random.default_rng(2)
    for _ in range(5):
        mask = np.zeros((5, 60, 140), dtype=bool)
        for z in range(1, 4):
            middle = 30 + 6 * np.sin(np.arange(140) / 30) + z
            half = 4 + ndimage.gaussian_filter1d(rng.normal(size=140), 2) * 1.5
            y = np.arange(60)[:, None]
            mask[z] = (np.abs(y - middle) <= half) & (np.arange(140) > 10) & (np.arange(140) < 130)
        assert len(components(mask, 0.5, SIZE)) == 1
        assert len(components(mask, 0.5, SIZE, split_nm=120)) == 1


def test_only_what_touches_is_split_and_others_keep_their_label() -> None:
    mask = discs([(80, 42), (80, 80)], [20, 20], 3)
    mask[1:4, 5:25, 5:25] = True
    mask[2, 150, 150] = True
    before = components(mask, 0.5, SIZE)
    after = components(mask, 0.5, SIZE, split_nm=100)
    assert len(before) == 3
    assert len(after) == 4
    assert after.voxels[[0, 2]].tolist() == before.voxels[[0, 2]].tolist() == [1200, 1]
    assert after.voxels[[1, 3]].sum() == before.voxels[1]


def test_touching_discs_at_the_face_of_a_block_are_split_too() -> None:
    mask = discs([(2, 40), (2, 78)], [20, 20], 2)[1:-1]
    parts = components(mask, 0.5, SIZE, split_nm=100)
    assert len(parts) == 2
    assert parts.touches_edge.all()
