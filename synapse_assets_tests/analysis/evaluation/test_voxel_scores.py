"""Masks that agree in part: Dice and IoU by counting, distances by every pair of voxels."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from synapse_assets.analysis.evaluation.voxel_scores import cleft_distances, voxel_score
from synapse_assets.errors import BadInput

SIZE = (4.6, 4.6, 45.0)
Bool = npt.NDArray[np.bool_]


def blobs(seed: int, share: float = 0.1, shape: tuple = (7, 40, 40)) -> Bool:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), (0.7, 2, 2))
    return noise > np.quantile(noise, 1 - share)


def test_scores_are_those_of_counting() -> None:
    for seed in range(4):
        found, truth = blobs(seed), blobs(seed) ^ (blobs(seed + 10) & blobs(seed + 20, 0.5))
        score = voxel_score(found, truth, seed=0)
        both, either = (found & truth).sum(), (found | truth).sum()
        assert score.dice == pytest.approx(2 * both / (found.sum() + truth.sum()))
        assert score.iou == pytest.approx(both / either)
        assert score.dice == pytest.approx(2 * score.iou / (1 + score.iou))
        assert score.objects == ndimage.label(found | truth, np.ones((3, 3, 3)))[1]
        assert score.dice_interval is not None
        assert score.iou_interval is not None
        assert score.dice_interval[0] < score.dice < score.dice_interval[1]
        assert score.iou_interval[0] < score.iou < score.iou_interval[1]
        assert voxel_score(found.astype(np.uint8) * 255, truth.astype(np.int64) * 2**53, seed=0) == score


def test_empty_masks_agree() -> None:
    none, some = np.zeros((2, 3, 4), dtype=bool), blobs(0)[:2, :3, :4]
    some[0, 0, 0] = True
    both = voxel_score(none, none, seed=0)
    assert (both.dice, both.iou, both.objects, both.dice_interval) == (1, 1, 0, None)
    for found, truth in ((none, some), (some, none)):
        assert (voxel_score(found, truth, seed=0).dice, voxel_score(found, truth, seed=0).iou) == (0, 0)
    nowhere = np.zeros((0, 3, 4), dtype=bool)
    assert voxel_score(nowhere, nowhere, seed=0).dice == 1


def row_of_objects(right: int, missed: int, invented: int) -> tuple[Bool, Bool]:
    """Boxes of 20 voxels, apart from one another."""
    found, truth = np.zeros((1, 4, 8 * (right + missed + invented)), dtype=bool), None
    truth = found.copy()
    for i in range(right + missed + invented):
        box = np.s_[0, :, 8 * i : 8 * i + 5]
        truth[box] = i < right + missed
        found[box] = i < right or i >= right + missed
    return found, truth


def test_the_interval_is_over_objects_and_not_over_voxels() -> None:
    found, truth = row_of_objects(12, 4, 4)
    score = voxel_score(found, truth, seed=0)
    assert score.objects == 20
    assert score.dice == pytest.approx(24 / 32)
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(3000):
        kinds = np.bincount(rng.choice(np.repeat([0, 1, 2], [12, 4, 4]), 20), minlength=3)
        drawn.append(2 * kinds[0] / (2 * kinds[0] + kinds[1] + kinds[2]))
    assert score.dice_interval == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.03)
    # objects of four times the voxels are as many objects
    finer = voxel_score(np.repeat(found, 4, axis=0), np.repeat(truth, 4, axis=0), seed=0)
    assert finer.dice_interval == score.dice_interval


def test_few_objects_and_one_blob_have_no_interval() -> None:
    assert voxel_score(*row_of_objects(5, 1, 1), seed=0).dice_interval is None
    assert voxel_score(*row_of_objects(6, 1, 1), seed=0).dice_interval is not None
    truth = blobs(0)
    everything = voxel_score(np.ones_like(truth), truth, seed=0)
    assert everything.objects == 1
    assert everything.dice_interval is everything.iou_interval is None
    assert everything.iou == pytest.approx(truth.mean())


def mean_distance(from_mask: Bool, to_mask: Bool) -> float:
    a, b = np.argwhere(from_mask) * SIZE[::-1], np.argwhere(to_mask) * SIZE[::-1]
    return float(np.mean([np.sqrt(((b - voxel) ** 2).sum(axis=1)).min() for voxel in a]))


def test_distances_are_those_of_all_pairs_of_voxels() -> None:
    for seed in range(3):
        found, truth = blobs(seed, 0.05), blobs(seed + 5, 0.03)
        distances = cleft_distances(found, truth, SIZE)
        assert distances.adgt_nm == pytest.approx(mean_distance(found, truth))
        assert distances.adf_nm == pytest.approx(mean_distance(truth, found))
        assert distances.score_nm == pytest.approx((distances.adgt_nm + distances.adf_nm) / 2)
        assert distances.reason is None
        turned = cleft_distances(truth, found, SIZE)
        assert (turned.adgt_nm, turned.adf_nm) == (distances.adf_nm, distances.adgt_nm)


def test_distances_have_the_size_of_a_voxel() -> None:
    truth = np.zeros((9, 20, 30), dtype=bool)
    truth[4, 10, 15] = True
    for offset, expected in (
        ((0, 0, 0), 0),
        ((0, 0, 3), 13.8),
        ((0, 4, 0), 18.4),
        ((2, 0, 0), 90),
        ((1, 0, 5), np.hypot(45, 23)),
    ):
        found = np.roll(truth, offset, axis=(0, 1, 2))
        assert cleft_distances(found, truth, SIZE).score_nm == pytest.approx(expected)
    corner = np.zeros_like(truth)
    corner[0, 0, 0] = True
    assert cleft_distances(corner, truth, SIZE).adgt_nm == pytest.approx(np.linalg.norm([4 * 45, 46, 69]))


def test_what_is_invented_and_what_is_missed_are_told_apart() -> None:
    truth = np.zeros((3, 20, 60), dtype=bool)
    truth[1, 5:10, 5:10] = True
    more = truth.copy()
    more[1, 5:10, 45:50] = True
    invented = cleft_distances(more, truth, SIZE)
    assert invented.adf_nm == 0
    assert invented.adgt_nm == pytest.approx(np.mean([0] * 25 + [mean_distance(more & ~truth, truth)] * 25))
    missed = cleft_distances(truth, more, SIZE)
    assert missed.adgt_nm == 0
    assert missed.adf_nm == invented.adgt_nm


def test_a_mask_of_everything_misses_nothing_and_is_far_off() -> None:
    truth = np.zeros((3, 60, 60), dtype=bool)
    truth[1, 28:32, 28:32] = True
    everything = cleft_distances(np.ones_like(truth), truth, SIZE)
    assert everything.adf_nm == 0
    assert everything.adgt_nm > 90


def test_empty_masks_have_no_distance_and_say_why() -> None:
    none, some = np.zeros((3, 4, 5), dtype=bool), np.ones((3, 4, 5), dtype=bool)
    for found, truth, reason in (
        (none, some, "no detected voxel"),
        (some, none, "no true voxel"),
        (none, none, "no detected and no true voxel"),
    ):
        distances = cleft_distances(found, truth, SIZE)
        assert np.isnan([distances.adgt_nm, distances.adf_nm, distances.score_nm]).all()
        assert distances.reason is not None
        assert reason in distances.reason


def test_what_are_no_masks_is_refused() -> None:
    mask = blobs(0)
    for found, message in (
        (mask[:-1], "same box"),
        (mask.ravel(), "same box"),
        (mask.astype(np.float32), "the detected mask is float32"),
        (np.full(mask.shape, np.nan), "the detected mask is float64"),
    ):
        with pytest.raises(BadInput, match=message):
            voxel_score(found, mask, seed=0)
        with pytest.raises(BadInput, match=message):
            cleft_distances(found, mask, SIZE)
    with pytest.raises(BadInput, match="the true mask"):
        voxel_score(mask, mask.astype(float), seed=0)
    with pytest.raises(BadInput, match="same box"):
        voxel_score(mask[0], mask[0], seed=0)
    with pytest.raises(BadInput, match="voxel size"):
        cleft_distances(mask, mask, (4, 4, 0))
