"""Scores of a classifier of another dataset: over shared classes, by name, beside the own classifier on the same synapses."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, recall_score

from synapse_assets.analysis.evaluation.transfer import Probabilities, score_transfer, shared_classes


def said(rng: np.random.Generator, classes: list[str], targets: list[str], right: float) -> Probabilities:
    """A classifier that is right with that probability on synapses whose class it knows."""
    values = rng.dirichlet(np.ones(len(classes)), len(targets))
    for row, name in enumerate(targets):
        if rng.random() < right:
            values[row, classes.index(name)] = 2
    return Probabilities(classes, values)


def test_the_scores_are_those_of_scikit_learn_over_shared_classes() -> None:
    rng = np.random.default_rng(0)
    # Orders and sets of classes differ: names count, places do not.
    there, here = ["serotonin", "gaba", "acetylcholine"], ["acetylcholine", "gaba", "glutamate"]
    shared = shared_classes(there, here)
    assert shared == ("acetylcholine", "gaba")
    targets = rng.choice(shared, 400, p=[0.8, 0.2]).tolist()
    groups = [f"n{number}" for number in rng.integers(0, 40, 400)]
    moved, own = said(rng, there, targets, 0.5), said(rng, here, targets, 0.8)
    scores = score_transfer(shared, targets, groups, moved, own, seed=1)
    predicted = [
        np.array(shared)[p.values[:, [p.classes.index(name) for name in shared]].argmax(1)] for p in (moved, own)
    ]
    assert [score.class_name for score in scores] == [None, "acetylcholine", "gaba"]
    assert scores[0].value == pytest.approx(balanced_accuracy_score(targets, predicted[0]))
    assert scores[0].own == pytest.approx(balanced_accuracy_score(targets, predicted[1]))
    assert [score.value for score in scores[1:]] == pytest.approx(
        recall_score(targets, predicted[0], labels=list(shared), average=None)
    )
    for score in scores:
        assert score.interval[0] < score.value < score.interval[1]
        assert score.drop == pytest.approx(score.own - score.value)
        assert score.drop_interval[0] < score.drop < score.drop_interval[1]
    assert scores[0].drop_interval[0] > 0, "the own classifier is better, beyond chance"
    assert (scores[0].synapses, scores[0].groups) == (400, len(set(groups)))
    assert scores[1].synapses + scores[2].synapses == 400


def test_the_interval_of_a_drop_is_paired() -> None:
    """Two classifiers that always agree have a drop of exactly 0, however wide their own intervals are."""
    rng = np.random.default_rng(3)
    targets, groups = ["a", "b"] * 60, [str(number // 6) for number in range(120)]
    moved = said(rng, ["a", "b"], targets, 0.3)
    total = score_transfer(("a", "b"), targets, groups, moved, moved, seed=0)[0]
    assert total.interval[1] - total.interval[0] > 0.05
    assert total.drop_interval == (0, 0)


def test_nothing_is_compared_where_the_own_classifier_leaves_out_a_synapse() -> None:
    rng = np.random.default_rng(4)
    targets, groups = ["a", "b"] * 20, [str(number) for number in range(40)]
    moved, own = said(rng, ["a", "b"], targets, 0.9), said(rng, ["a", "b"], targets, 0.9)
    own.values[7] = np.nan
    for other in (own, None):
        scores = score_transfer(("a", "b"), targets, groups, moved, other, seed=0)
        assert all(score.own is score.drop is score.drop_interval is None for score in scores)


def test_few_groups_have_no_interval_and_an_absent_class_no_row() -> None:
    rng = np.random.default_rng(5)
    targets, groups = ["a", "b"] * 20, [str(number % 7) for number in range(40)]
    moved = said(rng, ["a", "b", "c"], targets, 0.9)
    scores = score_transfer(("a", "b", "c"), targets, groups, moved, None, seed=0)
    assert [score.class_name for score in scores] == [None, "a", "b"]
    assert all(score.interval is None for score in scores)
