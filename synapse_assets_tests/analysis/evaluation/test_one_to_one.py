"""Assignments against all choices there are, and intervals against resampling by hand."""

from itertools import permutations

import numpy as np
import pytest

from synapse_assets.analysis.evaluation import one_to_one
from synapse_assets.analysis.evaluation.one_to_one import Matches, detection_score, match_edges
from synapse_assets.errors import BadInput


def best_by_trying(allowed: np.ndarray, cost: np.ndarray) -> tuple[int, float]:
    """The most pairs, and the least cost of so many, of every way to deal rows to columns."""
    if allowed.shape[0] > allowed.shape[1]:
        allowed, cost = allowed.T, cost.T
    rows = np.arange(len(allowed))
    best = (0, 0.0)
    for columns in permutations(range(allowed.shape[1]), len(rows)):
        taken = allowed[rows, list(columns)]
        candidate = (int(taken.sum()), -float(cost[rows, list(columns)][taken].sum()))
        best = max(best, candidate)
    return best[0], -best[1]


def edges_of(allowed: np.ndarray, cost: np.ndarray) -> Matches:
    first, second = np.nonzero(allowed)
    return match_edges(first, second, cost[first, second], *allowed.shape)


@pytest.mark.parametrize("dense_cells", [250_000, 0])
def test_as_many_pairs_as_there_can_be_at_the_least_cost(dense_cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_to_one, "_DENSE_CELLS", dense_cells)
    rng = np.random.default_rng(0)
    for trial in range(30):
        shape = tuple(rng.integers(1, 6, 2))
        allowed = rng.random(shape) < 0.2 + 0.6 * (trial % 3) / 2
        cost = rng.random(shape) * (trial % 2) * 100  # every other trial is all zeros
        matches = edges_of(allowed, cost)
        pairs, least = best_by_trying(allowed, cost)
        assert len(matches.pairs) == pairs
        assert matches.cost.sum() == pytest.approx(least)
        assert allowed[tuple(matches.pairs.T)].all()
        assert matches.cost == pytest.approx(cost[tuple(matches.pairs.T)])
        for column, count, left in ((0, shape[0], matches.invented), (1, shape[1], matches.missed)):
            assert sorted([*matches.pairs[:, column].tolist(), *left.tolist()]) == list(range(count))
        assert matches.pairs[:, 0].tolist() == sorted(matches.pairs[:, 0].tolist())
        assert (matches.detected, matches.true) == shape


def test_nearest_first_would_be_one_pair_short() -> None:
    """Four in a row: the middle two are nearest, and then the outer two have nobody."""
    matches = edges_of(np.array([[True, True], [False, True]]), np.array([[5.0, 1.0], [0.0, 9.0]]))
    assert matches.pairs.tolist() == [[0, 0], [1, 1]]
    assert matches.cost.tolist() == [5, 9]


def test_no_edges_match_nothing() -> None:
    matches = edges_of(np.zeros((3, 2), dtype=bool), np.zeros((3, 2)))
    assert matches.pairs.shape == (0, 2)
    assert matches.invented.tolist() == [0, 1, 2]
    assert matches.missed.tolist() == [0, 1]
    nothing = edges_of(np.zeros((0, 0), dtype=bool), np.zeros((0, 0)))
    assert (nothing.detected, nothing.true) == (0, 0)


def planted(right: int, missed: int, invented: int) -> Matches:
    rows = np.arange(right)
    return Matches(
        np.stack([rows, rows], axis=1), np.zeros(right), right + np.arange(missed), right + np.arange(invented)
    )


def test_scores_are_those_of_the_counts() -> None:
    score = detection_score(planted(30, 10, 20), seed=0)
    assert (score.right, score.missed, score.invented) == (30, 10, 20)
    assert score.precision == pytest.approx(0.6)
    assert score.recall == pytest.approx(0.75)
    assert score.f1 == pytest.approx(2 * 0.6 * 0.75 / (0.6 + 0.75))
    assert score.interval_over == "objects"


def test_intervals_are_those_of_resampling_by_hand() -> None:
    score = detection_score(planted(30, 10, 20), seed=1)
    units = np.array([0] * 30 + [1] * 10 + [2] * 20)
    rng = np.random.default_rng(5)
    drawn = []
    for _ in range(3000):
        right, missed, invented = np.bincount(rng.choice(units, len(units)), minlength=3)
        drawn.append(
            (right / (right + invented), right / (right + missed), 2 * right / (2 * right + missed + invented))
        )
    expected = np.percentile(drawn, [2.5, 97.5], axis=0).T
    for interval, by_hand in zip(
        (score.precision_interval, score.recall_interval, score.f1_interval), expected, strict=True
    ):
        assert interval == pytest.approx(by_hand, abs=0.02)
    assert detection_score(planted(30, 10, 20), seed=1) == score
    assert detection_score(planted(30, 10, 20), seed=2) != score


def test_errors_that_go_together_widen_the_interval() -> None:
    """Ten blocks: in five of them all is right, in the others all is wrong."""
    matches = planted(50, 25, 25)
    truth_blocks = np.concatenate([np.repeat(np.arange(5), 10), np.repeat(np.arange(5, 10), 5)])
    found_blocks = truth_blocks.copy()
    by_object = detection_score(matches, seed=0)
    by_block = detection_score(matches, seed=0, groups=(found_blocks, truth_blocks), interval_over="blocks")
    assert by_block.f1 == by_object.f1
    assert by_block.interval_over == "blocks"
    assert by_block.f1_interval is not None
    assert by_object.f1_interval is not None
    assert np.ptp(by_block.f1_interval) > 2 * np.ptp(by_object.f1_interval)


def test_a_pair_is_of_the_block_of_its_truth() -> None:
    """Every detection lies just beyond the border of the block before: seven blocks of truths, eight of detections."""
    names = np.array([f"block {block}" for block in range(9)])
    of_seven = detection_score(planted(7, 0, 0), seed=0, groups=(names[1:8], names[:7]))
    assert of_seven.f1_interval is None
    of_eight = detection_score(planted(8, 0, 0), seed=0, groups=(np.repeat(names[0], 8), names[:8]))
    assert of_eight.f1_interval == (1, 1)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((0, 0, 0), (np.nan, np.nan, np.nan)),
        ((0, 9, 0), (np.nan, 0, 0)),
        ((0, 0, 9), (0, np.nan, 0)),
        ((9, 0, 0), (1, 1, 1)),
    ],
)
def test_what_is_not_defined_is_no_number(counts: tuple, expected: tuple) -> None:
    score = detection_score(planted(*counts), seed=0)
    assert (score.precision, score.recall, score.f1) == pytest.approx(expected, nan_ok=True)


def test_below_eight_there_is_no_interval() -> None:
    for counts in ((5, 1, 1), (7, 0, 0), (0, 0, 0), (0, 3, 4)):
        score = detection_score(planted(*counts), seed=0)
        assert score.precision_interval is score.recall_interval is score.f1_interval is None
    assert detection_score(planted(5, 2, 1), seed=0).f1_interval is not None
    assert detection_score(planted(0, 9, 0), seed=0).precision_interval is None, "nothing was detected in any draw"


def test_groups_that_do_not_fit_are_refused() -> None:
    for groups in ((np.zeros(9), np.zeros(10)), (np.zeros(10), np.zeros(11)), (np.zeros((10, 1)), np.zeros(10))):
        with pytest.raises(BadInput, match="10 and 10"):
            detection_score(planted(10, 0, 0), seed=0, groups=groups)
