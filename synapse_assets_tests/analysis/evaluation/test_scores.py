"""Scores and intervals: nobody is told a better score than the data can bear."""

import math

import numpy as np
import pytest

from synapse_assets.analysis.evaluation.cross_validation import Predictions
from synapse_assets.analysis.evaluation.evaluation import Evaluation
from synapse_assets.analysis.evaluation.scores import (
    Score,
    bootstrap_groups,
    confusion_scores,
    percentile_interval,
    score_predictions,
    wilson_interval,
)


def scored(
    named: np.ndarray, true: np.ndarray, group: np.ndarray, rejected: np.ndarray | None = None, seed: int = 0
) -> Score:
    """The score of these labels, of two classes."""
    return score_predictions(
        Predictions(named, rejected=rejected),
        true,
        group,
        ["a", "b"],
        seed,
        classifier="c",
        inputs="i",
        split="s",
        interval_over="groups",
    )[0]


def test_scores_and_intervals_are_those_of_a_few_lines_over_rows() -> None:
    """Counted row by row; the intervals from whole groups drawn one by one, so equal but for the draw."""
    random = np.random.default_rng(0)
    group, true = np.repeat(np.arange(12), 9), random.integers(0, 2, 108)
    named = np.where(random.random(108) < 0.7, true, 1 - true)
    rejected = random.random(108) < 0.1
    named[:4] = -1
    rejected[:4] = False
    score = scored(named, true, group, rejected)

    def by_hand(rows: np.ndarray) -> tuple[float, float, float]:
        said = np.where(rejected, -1, named)[rows]
        recall = [np.mean(said[true[rows] == k] == k) for k in (0, 1)]
        f1 = [
            2 * np.sum((said == k) & (true[rows] == k)) / (np.sum(said == k) + np.sum(true[rows] == k)) for k in (0, 1)
        ]
        return float(np.mean(said == true[rows])), float(np.mean(recall)), float(np.mean(f1))

    assert (score.accuracy, score.balanced_accuracy, score.macro_f1) == pytest.approx(by_hand(np.arange(108)))
    assert (score.rows, score.groups, score.rejected, score.left_out) == (108, 12, rejected.sum(), 4)
    taken = ~rejected & (named >= 0)
    assert score.accuracy_of_accepted == pytest.approx(np.mean(named[taken] == true[taken]))
    assert score.guessing == pytest.approx(max(np.mean(true), 1 - np.mean(true)))
    assert score.confusion.tolist() == [
        [int(np.sum((true == k) & (np.where(taken, named, 2) == m))) for m in range(3)] for k in (0, 1)
    ]
    assert [(k.rows, k.groups) for k in score.classes] == [
        (int(np.sum(true == k)), len(np.unique(group[true == k]))) for k in (0, 1)
    ]
    draws = [np.concatenate([np.flatnonzero(group == g) for g in random.integers(0, 12, 12)]) for _ in range(1500)]
    expected = np.percentile([by_hand(rows) for rows in draws], [2.5, 97.5], axis=0)
    found = [score.accuracy_interval, score.balanced_accuracy_interval, score.macro_f1_interval]
    assert pytest.approx(expected, abs=0.02) == np.array(found).T
    assert score.interval_over == "groups"


def test_below_eight_groups_there_is_no_interval() -> None:
    true = np.arange(70) % 2
    few = scored(true, true, np.arange(70) // 10)
    assert (few.groups, few.accuracy_interval, few.interval_over, few.macro_f1_interval) == (7, None, None, None)
    assert few.classes[0].recall_interval is None


def test_an_interval_over_groups_is_as_wide_as_groups_are_few() -> None:
    """Ten groups of 50, five all right and five all wrong: as ten tosses of a coin, not as 500."""
    group, true = np.repeat(np.arange(10), 50), np.zeros(500, dtype=np.int64)
    assert scored((group >= 5).astype(np.int64), true, group).accuracy_interval == pytest.approx((0.2, 0.8))
    low, high = wilson_interval(250, 500)
    assert (low, high) == pytest.approx((0.4564, 0.5436), abs=1e-4)


def test_an_interval_over_groups_covers_the_truth_about_as_often_as_it_says() -> None:
    covered, runs, reached, widths = 0, 120, [], []
    for run in range(runs):
        random = np.random.default_rng(run)
        group = np.repeat(np.arange(30), 20)
        true = group % 2
        easy = random.beta(6, 4, size=30)  # how well each group is read: mean 0.6
        named = np.where(random.random(600) < easy[group], true, 1 - true)
        score = scored(named, true, group, seed=run)
        assert score.balanced_accuracy_interval is not None
        low, high = score.balanced_accuracy_interval
        covered += low <= 0.6 <= high
        reached.append(score.balanced_accuracy)
        widths.append(high - low)
    assert 0.87 <= covered / runs <= 0.98
    assert np.mean(widths) == pytest.approx(2 * 1.96 * np.std(reached), rel=0.15)


def test_an_interval_leaves_out_a_fortieth_at_either_end_and_what_is_not_known() -> None:
    values = np.random.default_rng(0).permutation(np.arange(1001.0))
    assert percentile_interval(values) == (25.0, 975.0)
    assert percentile_interval(np.append(values, [np.nan] * 50)) == (25.0, 975.0)
    assert percentile_interval(np.full(3, np.nan)) is None


def test_groups_are_drawn_whole_from_eight_on_and_by_the_seed() -> None:
    by_group = np.arange(1.0, 9.0)[:, None, None] * np.eye(2)
    assert bootstrap_groups(by_group[:7], 0) is None
    drawn = bootstrap_groups(by_group, 0)
    assert drawn is not None
    assert (drawn[:, 0, 0] == drawn[:, 1, 1]).all()
    assert (drawn[:, 0, 0] == np.round(drawn[:, 0, 0])).all()
    assert drawn[:, 0, 0].mean() == pytest.approx(36, abs=0.5)
    assert drawn[:, 0, 0].std() == pytest.approx(np.sqrt(8) * np.arange(1, 9).std(), rel=0.05)
    assert np.array_equal(drawn, bootstrap_groups(by_group, 0))
    assert not np.array_equal(drawn, bootstrap_groups(by_group, 1))


def test_scores_of_a_class_without_rows_and_of_one_never_named() -> None:
    found = confusion_scores(np.array([[[6.0, 2, 0, 0], [4, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 3]]]))
    assert found["balanced_accuracy"] == pytest.approx((6 / 8 + 0 + 1) / 3)
    assert found["macro_f1"] == pytest.approx((2 * 6 / (8 + 10) + 0 + 1) / 3)
    assert found["recall"][0].tolist() == pytest.approx([6 / 8, 0, math.nan, 1], nan_ok=True)
    assert found["precision"][0].tolist() == pytest.approx([6 / 10, 0, math.nan, 1], nan_ok=True)
    assert found["f1"][0].tolist() == pytest.approx([12 / 18, 0, math.nan, 1], nan_ok=True)


def test_scores_follow_from_the_confusion_matrix(evaluation: Evaluation) -> None:
    from sklearn.metrics import balanced_accuracy_score, f1_score, precision_score, recall_score

    score = evaluation.splits["neuron_id"]
    true = np.repeat(np.arange(3), score.confusion.sum(axis=1))
    named = np.concatenate([np.repeat(np.arange(3), row) for row in score.confusion])
    assert score.balanced_accuracy == pytest.approx(balanced_accuracy_score(true, named))
    assert score.macro_f1 == pytest.approx(f1_score(true, named, average="macro"))
    assert [k.recall for k in score.classes] == pytest.approx(recall_score(true, named, average=None))
    assert [k.precision for k in score.classes] == pytest.approx(precision_score(true, named, average=None))
