"""Detectors tested part by part: what is chosen on which parts, and what comes out on planted objects."""

from dataclasses import replace

import numpy as np
import pytest

from synapse_assets.analysis.detection.components import Limits
from synapse_assets.analysis.detection.sites import Rules
from synapse_assets.analysis.evaluation.held_out import Choice, HeldOut, Measure, Scene

SIZE = (10.0, 10.0, 40.0)
VOXEL = 4_000.0
SHAPE = (4, 40, 40)
RULES = Rules(("cleft",), False, 0.5, Limits(), None, 50.0, 100.0, 30.0)
BOXES = {
    number: (
        slice(0, 4),
        slice(20 * (number // 2), 20 * (number // 2) + 20),
        slice(20 * (number % 2), 20 * (number % 2) + 20),
    )
    for number in range(4)
}


def scene(labels: np.ndarray, probability: np.ndarray, partner: list[int] | None = None) -> Scene:
    """Objects of a mask, by their numbers."""
    count = int(labels.max())
    voxels = [np.argwhere(labels == number) for number in range(1, count + 1)]
    middles = [v[np.argmin(((v - v.mean(axis=0)) ** 2).sum(axis=1))] for v in voxels]
    return Scene(
        probability,
        labels.astype(np.uint32),
        (np.array(middles).reshape(-1, 3) + 0.5)[:, ::-1] * SIZE,
        np.array([len(v) * VOXEL for v in voxels]),
        np.array([len(set(v[:, 0])) for v in voxels], np.int64),
        np.full(count, -1) if partner is None else np.array(partner),
        BOXES,
    )


def grid(size: int = 3) -> np.ndarray:
    """Four squares in each quarter."""
    labels = np.zeros(SHAPE, np.uint32)
    for number, (y, x) in enumerate(np.ndindex(4, 4), start=1):
        labels[1:3, 10 * y + 3 : 10 * y + 3 + size, 10 * x + 3 : 10 * x + 3 + size] = number
    return labels


def held_out(labels: np.ndarray, probability: np.ndarray, rules: Rules = RULES, **options: object) -> HeldOut:
    return HeldOut({"cleft": [scene(labels, probability)]}, rules, SIZE, 40.0, **options)  # type: ignore[arg-type]


def of(measures: list[Measure], name: str, objects: str = "limited") -> Measure:
    [measure] = [one for one in measures if (one.measure, one.objects) == (name, objects)]
    return measure


EVERYWHERE = dict.fromkeys(range(4), Choice(0.5, 0.0, "test"))


def test_a_perfect_map_is_perfect() -> None:
    labels = grid()
    measures, outcomes = held_out(labels, np.where(labels > 0, 230, 0).astype(np.uint8)).measures(EVERYWHERE, 0)
    for name in ("f1", "precision", "recall", "dice", "iou", "average_precision"):
        assert of(measures, name).value == of(measures, name, "all").value == 1.0
        assert (of(measures, name).annotated, of(measures, name).found) == (16, 16)
        assert (of(measures, name).low, of(measures, name).high) == (1.0, 1.0)
    for name in ("adgt_nm", "adf_nm", "cremi_score"):
        assert (of(measures, name).value, of(measures, name).low) == (0.0, None)
    assert outcomes["cleft"].every.score == pytest.approx(np.full(16, 230 / 255))


def test_one_blob_over_everything_finds_nothing() -> None:
    labels = grid()
    measures, _ = held_out(labels, np.full(SHAPE, 255, np.uint8)).measures(EVERYWHERE, 0)
    # Its middle may lie near one object; a rule of any overlap would say 1.
    assert of(measures, "f1").value <= 2 / 17  # type: ignore[operator]
    assert of(measures, "recall").value <= 1 / 16  # type: ignore[operator]
    assert of(measures, "average_precision").value == 0.0


def test_missed_and_invented_are_counted_in_the_part_that_they_lie_in() -> None:
    labels = grid()
    marked = labels > 0
    marked[labels == 1] = False  # missed, in part 0
    marked[1:3, 0:2, 38:40] = True  # invented, in part 1
    tested = held_out(labels, np.where(marked, 255, 0).astype(np.uint8))
    measures, outcomes = tested.measures(EVERYWHERE, 0)
    assert of(measures, "recall").value == 15 / 16
    assert of(measures, "precision").value == 15 / 16
    assert of(measures, "f1").value == 15 / 16
    assert outcomes["cleft"].limited.missed.tolist() == [0]
    assert outcomes["cleft"].every.part[outcomes["cleft"].limited.invented].tolist() == [1]
    both, marks, true = (marked & (labels > 0)).sum(), marked.sum(), (labels > 0).sum()
    assert of(measures, "dice").value == pytest.approx(2 * both / (marks + true))
    by_part = [of(tested.measures({part: EVERYWHERE[part]}, 0)[0], "f1").value for part in range(4)]
    assert by_part == [6 / 7, 8 / 9, 1.0, 1.0]


def test_each_part_is_tested_by_its_own_choice() -> None:
    labels = grid()
    probability = np.where(labels > 0, 120, 0).astype(np.uint8)
    probability[BOXES[3]] = np.where(labels[BOXES[3]] > 0, 250, 60)
    tested = held_out(labels, probability)
    low, high = Choice(0.2, 0.0, ""), Choice(0.9, 0.0, "")
    apart = tested.measures({0: low, 1: low, 2: low, 3: high}, 0)[0]
    assert of(apart, "f1").value == of(apart, "dice").value == 1.0
    assert of(tested.measures(dict.fromkeys(range(4), low), 0)[0], "f1").value < 1  # type: ignore[operator]
    assert of(tested.measures(dict.fromkeys(range(4), high), 0)[0], "recall").value == 0.25


def test_a_threshold_is_chosen_without_the_part_that_is_tested() -> None:
    labels = grid()
    rng = np.random.default_rng(0)
    probability = np.where(labels > 0, 150, rng.integers(0, 80, SHAPE)).astype(np.uint8)
    others = {0, 1, 2}
    chosen = held_out(labels, probability).choose(others, "the others")
    assert 80 / 255 < chosen.threshold < 150 / 255
    assert chosen.by == "the others"
    # Whatever stands in the part itself: neither its map nor its labels are looked at.
    probability[BOXES[3]] = rng.integers(0, 255, probability[BOXES[3]].shape)
    labels[BOXES[3]] = 0
    labels[1:3, 30:38, 30:38] = 13
    assert (
        held_out(np.searchsorted(np.unique(labels), labels), probability).choose(others, "the others").threshold
        == chosen.threshold
    )


def test_a_least_volume_is_chosen_that_leaves_out_specks() -> None:
    labels = grid()
    rng = np.random.default_rng(1)
    marked = labels > 0
    specks = (rng.random(SHAPE) < 0.01) & (labels == 0)
    specks[:, ::3] = False
    tested = held_out(labels, np.where(marked | specks, 255, 0).astype(np.uint8))
    chosen = tested.choose(range(4), "all")
    assert VOXEL < chosen.min_nm3 <= 18 * VOXEL
    measures, _ = tested.measures(dict.fromkeys(range(4), chosen), 0)
    assert of(measures, "f1").value == 1.0
    assert of(measures, "f1", "all").value < 0.9  # type: ignore[operator]
    assert (
        held_out(labels, np.where(marked | specks, 255, 0).astype(np.uint8), least=0.0).choose(range(4), "").min_nm3
        == 0
    )


def test_limits_leave_out_what_is_detected_and_never_what_is_annotated() -> None:
    labels = grid()
    labels[labels == 16] = 0
    labels[1, 33, 33] = 16  # annotated, smaller than the limits
    marked = np.where(labels > 0, 255, 0).astype(np.uint8)
    measures, _ = held_out(labels, marked).measures(dict.fromkeys(range(4), Choice(0.5, 5 * VOXEL, "")), 0)
    recall = of(measures, "recall")
    assert (recall.value, recall.annotated, recall.found) == (15 / 16, 16, 15)
    assert of(measures, "precision").value == 1.0
    assert (of(measures, "recall", "all").value, of(measures, "recall", "all").annotated) == (1.0, 16)


def test_objects_match_by_overlap_or_by_distance_but_once() -> None:
    labels = np.zeros(SHAPE, np.uint32)
    labels[1, 5, 2:12] = 1  # long
    labels[1, 15, 5] = 2  # a voxel
    marked = np.zeros(SHAPE, np.uint8)
    marked[1, 5, 2:4] = 255  # a fifth of the long one, its middle 45 nm away
    marked[1, 5, 8:12] = 255  # another piece of it
    marked[1, 15, 7] = 255  # beside the voxel, 20 nm
    tested = HeldOut({"cleft": [scene(labels, marked)]}, RULES, SIZE, 30.0)
    _, outcomes = tested.measures({0: Choice(0.5, 0.0, "")}, 0)
    matches = outcomes["cleft"].limited
    assert len(matches.pairs) == 2
    assert len(matches.invented) == 1, "the second piece of one object is wrong"
    assert matches.cost.tolist() == pytest.approx(sorted([1 - 4 / 10, 1 + 20 / 30]))


def test_nothing_annotated_gives_no_values_and_no_choice() -> None:
    nothing = np.zeros(SHAPE, np.uint32)
    tested = held_out(nothing, np.zeros(SHAPE, np.uint8))
    chosen = tested.choose(range(4), "all")
    assert (chosen.threshold, chosen.min_nm3) == (0.5, 0.0)
    assert "nothing" in chosen.by
    measures, _ = tested.measures(dict.fromkeys(range(4), chosen), 0)
    assert {one.value for one in measures if one.measure in ("f1", "recall", "adgt_nm", "average_precision")} == {None}


def test_fewer_than_eight_objects_have_no_interval() -> None:
    labels = np.where(grid() <= 7, grid(), 0)
    measures, _ = held_out(labels, np.where(labels > 0, 255, 0).astype(np.uint8)).measures(EVERYWHERE, 0)
    assert (of(measures, "f1").value, of(measures, "f1").low) == (1.0, None)
    assert (of(measures, "dice").value, of(measures, "dice").low) == (1.0, None)


def test_volumes_are_counted_together() -> None:
    labels = grid()
    good, bad = (np.where(labels > 0, level, 0).astype(np.uint8) for level in (255, 0))
    first, second = scene(labels, good), replace(scene(labels, bad), boxes={4 + n: box for n, box in BOXES.items()})
    tested = HeldOut({"cleft": [first, second]}, RULES, SIZE, 40.0)
    measures, outcomes = tested.measures(dict.fromkeys(range(8), Choice(0.5, 0.0, "")), 0)
    assert of(measures, "recall").value == 0.5
    assert of(measures, "dice").value == pytest.approx(2 / 3)
    assert outcomes["cleft"].limited.missed.tolist() == list(range(16, 32))


def test_mitochondria_are_chosen_by_dice() -> None:
    labels = grid(5)
    probability = np.where(labels > 0, 100, 0).astype(np.uint8)
    # All objects are found at any threshold up to .8; their outlines are right at up to .35.
    for number in range(1, 17):
        y, x = np.argwhere(labels == number)[:, 1:].mean(axis=0).astype(int)
        probability[1:3, y - 1 : y + 2, x - 1 : x + 2] = 210
    mitochondria = HeldOut(
        {"mitochondria": [scene(labels, probability)]}, replace(RULES, targets=("mitochondria",)), SIZE, 40.0
    )
    assert mitochondria.choose(range(4), "").threshold < 100 / 255
    assert held_out(labels, probability).choose(range(4), "").threshold > 100 / 255, "F1 alone takes the middle"


def test_a_least_volume_is_chosen_below_the_largest() -> None:
    labels = grid()
    probability = np.where(labels > 0, 230, 0).astype(np.uint8)
    probability[1, 19, 19] = 230  # invented, of a single voxel
    # Each square has 18 voxels.
    choice = held_out(labels, probability, replace(RULES, limits=Limits(max_nm3=20 * VOXEL))).choose(range(4), "")
    assert VOXEL < choice.min_nm3 <= 18 * VOXEL


def test_what_is_detected_across_the_end_of_a_part_is_one_detection() -> None:
    labels = np.zeros(SHAPE, np.uint32)
    labels[1:3, 5:10, 16:25] = 1  # its middle is in part 1, that of what is found of it in part 0
    for number, (y, x) in enumerate(((12, 5), (12, 30), (30, 5), (30, 30)), start=2):
        labels[1:3, y : y + 4, x : x + 4] = number
    marked = labels > 0
    marked[1:3, 5:10, 23:25] = False
    tested = held_out(labels, np.where(marked, 255, 0).astype(np.uint8))
    for parts in (range(4), (0,), (1,), (2, 3)):
        measures, outcomes = tested.measures({part: EVERYWHERE[part] for part in parts}, 0)
        true = sum({0: 1, 1: 2, 2: 1, 3: 1}[part] for part in parts)
        for objects in ("all", "limited"):
            for name in ("f1", "average_precision"):
                one = of(measures, name, objects)
                assert (one.value, one.annotated, one.found) == (1.0, true, true)
        assert len(outcomes["cleft"].every.score) == true


def balls(positions: np.ndarray) -> np.ndarray:
    """A map of balls of 30 nm."""
    z, y, x = np.meshgrid(*(np.arange(size) for size in SHAPE), indexing="ij")
    centres = np.stack([(x + 0.5) * 10, (y + 0.5) * 10, (z + 0.5) * 40], axis=-1)
    marked = np.zeros(SHAPE, bool)
    for position in positions:
        marked |= ((centres - position) ** 2).sum(axis=-1) <= 900
    return np.where(marked, 255, 0).astype(np.uint8)


def sites(position_nm: np.ndarray, probability: np.ndarray, partner: list[int] | None = None) -> Scene:
    count = len(position_nm)
    rows = np.full(count, -1) if partner is None else np.array(partner)
    return Scene(probability, None, position_nm, np.full(count, np.nan), np.zeros(count, np.int64), rows, BOXES)


def test_sites_and_pairs_of_balls() -> None:
    pre = np.array([[55.0, 55, 60], [255, 55, 60], [55, 255, 60], [255, 255, 60]])
    post = pre + np.array([70, 0, 0])
    rules = replace(RULES, targets=("presynaptic", "postsynaptic"), balls=True)
    scenes = {"presynaptic": [sites(pre, balls(pre))], "postsynaptic": [sites(post, balls(post), [0, 1, 2, 3])]}
    tested = HeldOut(scenes, rules, SIZE, 20.0)
    measures, outcomes = tested.measures(EVERYWHERE, 0)
    assert {(one.target, one.measure, one.value) for one in measures if one.measure.endswith("f1")} == {
        ("presynaptic", "f1", 1.0),
        ("postsynaptic", "f1", 1.0),
        ("postsynaptic", "pair_f1", 1.0),
    }
    assert not {one.measure for one in measures} & {"dice", "average_precision", "adgt_nm"}
    assert outcomes["presynaptic"].limited.cost == pytest.approx(np.ones(4), abs=0.5)

    # One post site is missed, another belongs to what is not annotated as its partner.
    scenes["postsynaptic"] = [sites(post, balls(post[1:]), [0, 1, 2, 1])]
    measures, _ = HeldOut(scenes, rules, SIZE, 20.0).measures(EVERYWHERE, 0)
    [pairs] = [one for one in measures if one.measure == "pair_f1"]
    # Right: 1 and 2. Missed: of 0, and of 3 with 1. Invented: 3 with 3.
    assert (pairs.value, pairs.annotated, pairs.found) == (2 * 2 / (2 * 2 + 2 + 1), 4, 3)


def test_precision_and_recall_by_probability() -> None:
    labels = grid()
    probability = np.zeros(SHAPE, np.uint8)
    for number in range(1, 17):
        probability[labels == number] = 15 * number
    tested = held_out(labels, probability)
    precision, recall = tested.curve("cleft", range(4), 0.0)
    expected = [np.mean([15 * number >= np.ceil(t * 255 - 1e-9) for number in range(1, 17)]) for t in tested.thresholds]
    assert recall.tolist() == pytest.approx(expected)
    assert set(precision[np.isfinite(precision)].tolist()) == {1.0}
