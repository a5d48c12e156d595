"""Objects in planted boxes: right, moved, split, merged, missed, invented, and one blob over everything."""

from itertools import permutations

import numpy as np
import numpy.typing as npt
import pytest

from synapse_assets.analysis.evaluation.object_scores import (
    IOU_THRESHOLDS,
    average_precision,
    match_objects,
    overlaps,
    split_and_merged,
)
from synapse_assets.analysis.evaluation.one_to_one import detection_score
from synapse_assets.errors import BadInput

Labels = npt.NDArray[np.int32]


def row_of_boxes(*objects: tuple[int, int, int], length: int = 400) -> Labels:
    """Labels in a row: from, to, label."""
    labels = np.zeros((1, 1, length), dtype=np.int32)
    for first, past, label in objects:
        labels[0, 0, first:past] = label
    return labels


def random_labels(seed: int, count: int = 12) -> Labels:
    labels = np.zeros((4, 30, 30), dtype=np.int32)
    rng = np.random.default_rng(seed)
    for label in rng.permutation(count) * 3 + 2:
        z, y, x = rng.integers(0, [3, 24, 24])
        labels[z : z + 2, y : y + rng.integers(3, 8), x : x + rng.integers(3, 8)] = label
    return labels


def ious(found: Labels, truth: Labels) -> npt.NDArray[np.float64]:
    table = [
        [((found == f) & (truth == t)).sum() / ((found == f) | (truth == t)).sum() for t in np.unique(truth[truth > 0])]
        for f in np.unique(found[found > 0])
    ]
    return np.array(table)


def test_overlaps_are_those_of_masks() -> None:
    for seed in range(4):
        found, truth = random_labels(seed), random_labels(seed + 100)
        objects = overlaps(found.astype(np.uint64), truth)
        assert objects.found_ids.tolist() == np.unique(found[found > 0]).tolist()
        assert objects.truth_ids.tolist() == np.unique(truth[truth > 0]).tolist()
        assert objects.found_voxels.tolist() == [(found == label).sum() for label in objects.found_ids]
        assert objects.truth_voxels.tolist() == [(truth == label).sum() for label in objects.truth_ids]
        table = np.zeros((len(objects.found_ids), len(objects.truth_ids)))
        table[objects.found, objects.truth] = objects.iou
        assert table == pytest.approx(ious(found, truth))


def test_matches_are_the_most_there_can_be() -> None:
    for seed in range(6):
        found, truth = random_labels(seed, 5), random_labels(seed + 50, 5)
        table = ious(found, truth)
        for iou in (0.05, 0.2, 0.5):
            matches = match_objects(overlaps(found, truth), iou)
            taller = table if len(table) >= len(table[0]) else table.T
            tries = [
                (int((chosen >= iou).sum()), float(chosen[chosen >= iou].sum()))
                for rows in permutations(range(len(taller)), len(taller[0]))
                if (chosen := taller[list(rows), range(len(taller[0]))]) is not None
            ]
            assert (len(matches.pairs), (1 - matches.cost).sum()) == pytest.approx(max(tries))


def test_planted_objects_are_right_moved_missed_and_invented() -> None:
    truth = row_of_boxes((0, 20, 1), (40, 60, 2), (80, 100, 3), (120, 140, 4))
    # the same, moved by a quarter (IoU .6), moved by half (IoU 1/3), none; and one where nothing is
    found = row_of_boxes((0, 20, 9), (45, 65, 8), (90, 110, 7), (200, 220, 6))
    objects = overlaps(found, truth)
    half = match_objects(objects)
    pairs = [(int(objects.found_ids[a]), int(objects.truth_ids[b])) for a, b in half.pairs]
    assert sorted(pairs) == [(8, 2), (9, 1)]
    assert objects.found_ids[half.invented].tolist() == [6, 7]
    assert objects.truth_ids[half.missed].tolist() == [3, 4]
    assert detection_score(half, seed=0).f1 == 0.5
    assert len(match_objects(objects, 0.3).pairs) == 3
    assert len(match_objects(objects, 0.6).pairs) == 2, "an IoU that is reached is enough"
    assert len(match_objects(objects, 1.0).pairs) == 1


def any_overlap_f1(found: Labels, truth: Labels) -> float:
    """The rule that this room does not have."""
    hit = len(np.unique(truth[(found > 0) & (truth > 0)])) / len(np.unique(truth[truth > 0]))
    right = len(np.unique(found[(found > 0) & (truth > 0)])) / len(np.unique(found[found > 0]))
    return 2 * hit * right / (hit + right)


def test_a_blob_over_everything_finds_nothing() -> None:
    truth = random_labels(3)
    blob = np.ones_like(truth)
    assert any_overlap_f1(blob, truth) == 1
    objects = overlaps(blob, truth)
    for iou in (0.5, 0.1):
        score = detection_score(match_objects(objects, iou), seed=0)
        assert (score.right, score.f1) == (0, 0)
    assert split_and_merged(objects).merged.tolist() == [0]
    assert len(split_and_merged(objects).split) == 0
    assert average_precision(objects, [1.0], seed=0).at_50 == 0
    # even the lowest IoU that may be asked for gives it one object
    assert len(match_objects(objects, 1e-6).pairs) == 1


def test_split_and_merged_objects_are_counted() -> None:
    truth = row_of_boxes((0, 40, 1), (50, 70, 2), (72, 92, 3), (120, 160, 4), (200, 220, 5))
    found = row_of_boxes((0, 19, 1), (21, 40, 2), (50, 92, 3), (120, 160, 4), (195, 215, 5), (216, 219, 6))
    errors = split_and_merged(overlaps(found, truth))
    assert (errors.split + 1).tolist() == [1, 5]
    assert (errors.merged + 1).tolist() == [3]
    matches = match_objects(overlaps(found, truth))
    assert (matches.pairs + 1).tolist() == [[4, 4], [5, 5]]
    right = split_and_merged(overlaps(truth, truth))
    assert len(right.split) == len(right.merged) == 0


def test_one_voxel_objects_match_themselves_only() -> None:
    truth = row_of_boxes((3, 4, 1), (10, 11, 2))
    found = row_of_boxes((3, 4, 5), (11, 12, 6))
    objects = overlaps(found, truth)
    assert match_objects(objects).pairs.tolist() == [[0, 0]]
    assert objects.iou.tolist() == [1]


@pytest.mark.parametrize(("found", "truth"), [(0, 0), (0, 2), (2, 0)])
def test_empty_maps_match_nothing(found: int, truth: int) -> None:
    boxes = ((0, 5, 1), (8, 9, 2))
    objects = overlaps(row_of_boxes(*boxes[:found]), row_of_boxes(*boxes[:truth]))
    matches = match_objects(objects)
    assert (len(matches.pairs), len(matches.invented), len(matches.missed)) == (0, found, truth)
    precision = average_precision(objects, np.ones(found), seed=0)
    expected = 0.0 if truth else np.nan
    assert (precision.at_50, precision.mean) == pytest.approx((expected, expected), nan_ok=True)
    assert precision.at_50_interval is precision.mean_interval is None
    assert len(split_and_merged(objects).split) == 0
    nowhere = overlaps(np.zeros((0, 3, 3), np.int32), np.zeros((0, 3, 3), np.int32))
    assert match_objects(nowhere).true == 0


def area_by_hand(found: Labels, truth: Labels, score: npt.NDArray[np.float64], iou: float) -> float:
    """Average precision by loops: thresholds on the score, and at each recall the best precision from there on."""
    table = ious(found, truth)
    taken: dict[int, int] = {}
    for row in np.argsort(-score, kind="stable"):
        free = [column for column in range(table.shape[1]) if column not in taken and table[row, column] >= iou]
        if free:
            taken[max(free, key=lambda column: table[row, column])] = int(row)
    curve = []
    for level in sorted(set(score.tolist()), reverse=True):
        named = {int(row) for row in np.flatnonzero(score >= level)}
        right = len(named & set(taken.values()))
        curve.append((right / table.shape[1], right / len(named)))
    area, before = 0.0, 0.0
    for recall, _ in curve:
        area += (recall - before) * max(precision for reached, precision in curve if reached >= recall)
        before = recall
    return area


def test_average_precision_is_that_of_loops() -> None:
    for seed in range(4):
        truth = random_labels(seed, 14)
        # the truth moved by a voxel, and some that are invented
        found = np.roll(truth, seed % 2, axis=2)
        extra = random_labels(seed + 30, 4)
        found = np.where((found == 0) & (extra > 0), extra + 100, found)
        rng = np.random.default_rng(seed)
        score = np.round(rng.random(len(np.unique(found)) - 1), 1 if seed % 3 == 0 else 6)
        precision = average_precision(overlaps(found, truth), score, seed=0)
        areas = [area_by_hand(found, truth, score, iou) for iou in IOU_THRESHOLDS]
        assert precision.at_50 == pytest.approx(areas[0])
        assert precision.mean == pytest.approx(np.mean(areas))
        assert 0 < precision.mean <= precision.at_50


def test_what_comes_first_decides_average_precision() -> None:
    truth = row_of_boxes(*((20 * i, 20 * i + 10, i + 1) for i in range(10)))
    found = row_of_boxes(
        *((20 * i, 20 * i + 10, i + 1) for i in range(10)), *((210 + 9 * i, 215 + 9 * i, 11 + i) for i in range(10))
    )
    objects = overlaps(found, truth)
    rising, falling = np.arange(20) / 20, 1 - np.arange(20) / 20
    assert average_precision(objects, falling, seed=0).at_50 == 1
    assert average_precision(objects, falling, seed=0).mean == 1
    assert average_precision(objects, np.ones(20), seed=0).at_50 == 0.5, "of one score they come together"
    # right ones at rank 11 to 20, so that the best precision from every recall on is that of the end
    assert average_precision(objects, rising, seed=0).at_50 == 0.5


def test_intervals_of_average_precision_hold_what_they_should() -> None:
    truth = row_of_boxes(*((20 * i, 20 * i + 10, i + 1) for i in range(20)))
    found = row_of_boxes(
        *((20 * i, 20 * i + 10, i + 1) for i in range(0, 20, 2)),
        *((20 * i + 7, 20 * i + 17, i + 1) for i in range(1, 20, 4)),
    )
    objects = overlaps(found, truth)
    score = np.where(np.isin(objects.found_ids, np.arange(1, 20, 2)), 0.9, 0.4)
    precision = average_precision(objects, score, seed=0)
    assert precision.at_50 == 0.5
    assert precision.at_50_interval is not None
    assert precision.mean_interval is not None
    low, high = precision.at_50_interval
    # ten of twenty: a binomial share
    assert (low, high) == pytest.approx((0.3, 0.7), abs=0.07)
    assert precision.mean_interval == pytest.approx(precision.at_50_interval), "all that is right is right at every IoU"
    assert average_precision(objects, score, seed=0) == precision
    perfect = average_precision(overlaps(truth, truth), np.ones(20), seed=0)
    assert perfect.at_50_interval == perfect.mean_interval == (1, 1)


@pytest.mark.parametrize("iou", [0, -0.5, 1.1, np.nan])
def test_any_overlap_is_no_rule(iou: float) -> None:
    with pytest.raises(BadInput, match="one blob over everything"):
        match_objects(overlaps(row_of_boxes((0, 3, 1)), row_of_boxes((0, 3, 1))), iou)


def test_what_are_no_objects_is_refused() -> None:
    labels = row_of_boxes((0, 3, 1))
    for found, message in (
        (labels[:, :, :-1], "in the same box"),
        (labels > 0, "detected objects are integers.*labelled"),
        (labels.astype(np.float32), "integers"),
        (labels - 1, "the lowest is -1"),
    ):
        with pytest.raises(BadInput, match=message):
            overlaps(found, labels)
    with pytest.raises(BadInput, match="true objects are integers"):
        overlaps(labels, labels > 0)
    for score in ([], [1, 2], [np.nan], [[1]]):
        with pytest.raises(BadInput, match="each of 1 detected objects needs a score"):
            average_precision(overlaps(labels, labels), score, seed=0)
