"""Sets: the promise holds over new neurons by simulation, also where rows of the same neurons would give a false one."""

import numpy as np
import pytest

from synapse_assets.analysis.evaluation.calibration import HeldOut, fit_calibration
from synapse_assets.analysis.evaluation.conformal import (
    COVERAGE,
    FEWEST_GROUPS,
    coverage_by_group,
    fit_sets,
    sets_out_of_fold,
)
from synapse_assets_tests.analysis.evaluation.planted_answers import held_out

CLASSES = 3


def population(neurons: int, seed: int) -> HeldOut:
    """Neurons of uneven size and difficulty: large ones are easy. The first class is harder than the others."""
    rng = np.random.default_rng(seed)
    hard = rng.random(neurons) < 0.4
    size = np.where(hard, 2, 24)
    neuron = np.repeat(np.arange(neurons), size)
    kind = rng.integers(CLASSES, size=neurons)
    skill = np.where(hard, 0.4, 3.0) - 0.4 * (kind == 0) + 0.7 * rng.standard_normal(neurons)
    scores = rng.standard_normal((len(neuron), CLASSES)) * 0.8
    scores[np.arange(len(neuron)), kind[neuron]] += skill[neuron]
    odds = np.exp(scores)
    return held_out(odds / odds.sum(axis=1, keepdims=True), kind[neuron], neuron)


def naive_sets(held: HeldOut, new: HeldOut) -> np.ndarray:
    """Split conformal sets as if rows were independent."""
    scores = np.sort(1 - held.probabilities[np.arange(len(held)), held.true])
    place = int(np.ceil((len(scores) + 1) * COVERAGE)) - 1
    return np.asarray(1 - new.probabilities <= scores[place])


def test_the_promise_holds_over_new_neurons_and_that_of_rows_does_not() -> None:
    new = population(3000, seed=10_000)
    found = []
    for seed in range(60):
        held = population(60, seed)
        found.append(
            [
                coverage_by_group(sets, new).mean()
                for sets in (fit_sets(held).sets(new.probabilities), naive_sets(held, new))
            ]
        )
    ours, naive = np.mean(found, axis=0)
    error = np.std(found, axis=0)[0] / np.sqrt(60)
    # at most one group in 61 of slack, and what the ranks of classes give away
    assert COVERAGE - 2 * error <= ours <= COVERAGE + 0.04
    assert naive < COVERAGE - 0.05


def test_classes_are_covered_alike_where_one_is_harder() -> None:
    held, new = population(400, 1), population(2000, 2)
    rule = fit_sets(held)
    assert rule.promised.all()
    assert rule.thresholds[0] > rule.thresholds[1:].max()
    sets = rule.sets(new.probabilities)
    by_class = [
        coverage_by_group(sets[new.true == place], new.where(new.true == place)).mean() for place in range(CLASSES)
    ]
    assert by_class == pytest.approx([COVERAGE] * CLASSES, abs=0.05)


@pytest.mark.parametrize("seed", range(6))
def test_the_rule_is_the_quantile_of_ranks_written_out(seed: int) -> None:
    held = population(22, seed)
    number = len(np.unique(held.groups))
    scores = np.maximum(1 - held.probabilities[np.arange(len(held)), held.true], 1 - COVERAGE)
    groups, true = held.groups, held.true
    own = {place: len(np.unique(groups[true == place])) >= FEWEST_GROUPS for place in range(CLASSES)}

    def share_below(score: float, members: np.ndarray, without: int) -> float:
        others = np.unique(groups[members & (groups != without)])
        return float(np.mean([(scores[members & (groups == g)] < score).mean() for g in others]))

    every = np.ones(len(held), dtype=bool)
    ranks = np.array(
        [
            share_below(s, (true == t) if own[t] else every, without=g)
            for s, t, g in zip(scores, true, groups, strict=True)
        ]
    )
    weights = np.array([1 / ((number + 1) * (groups == g).sum()) for g in groups])
    order = np.argsort(ranks, kind="stable")
    highest = ranks[order][np.flatnonzero(np.cumsum(weights[order]) >= COVERAGE - 1e-9)[0]]
    thresholds = fit_sets(held).thresholds
    for place in range(CLASSES):
        members = (true == place) if own[place] else every
        kept = [s for s in np.unique(scores) if share_below(s, members, without=-1) <= highest + 1e-9]
        expected = np.inf if highest >= 1 - 1e-9 else max(s for s in kept if s in scores[members])
        assert thresholds[place] == expected


def test_too_few_groups_promise_nothing() -> None:
    held = population(60, 3)
    few = held.where(held.groups < FEWEST_GROUPS - 1)
    rule = fit_sets(few)
    assert np.isinf(rule.thresholds).all()
    assert not rule.promised.any()
    assert rule.sets(few.probabilities).all()
    # a class of few groups is ranked among all, and is told apart
    scarce = held.where((held.true != 2) | (held.groups < 12))
    assert scarce.groups_by_class[2] < FEWEST_GROUPS
    rule = fit_sets(scarce)
    assert rule.promised.tolist() == [True, True, False]
    assert np.isfinite(rule.thresholds).all()
    empty = held.where(np.zeros(len(held), dtype=bool))
    assert np.isinf(fit_sets(empty).thresholds).all()
    assert sets_out_of_fold(empty, {}).shape == (0, CLASSES)


def test_one_row_a_group_is_ordinary_split_conformal() -> None:
    """And what is as probable as promised is never ruled out, so a good classifier is not made unclear."""
    rng = np.random.default_rng(0)
    good = 1 - 0.05 * rng.random(200)
    rows = held_out(np.column_stack([good, 1 - good]), np.zeros(200, dtype=np.int64), np.arange(200))
    sets = fit_sets(rows).sets(rows.probabilities)
    assert sets[:, 0].all()
    assert not sets[:, 1].any()
    scores = rng.random(200) * 0.8 + 0.15
    rows = held_out(np.column_stack([1 - scores, scores]), np.zeros(200, dtype=np.int64), np.arange(200))
    # the 181st of 201, one group more than lie below being allowed for
    assert np.sort(scores)[180] <= fit_sets(rows).thresholds[0] <= np.sort(scores)[182]


def test_a_fold_is_judged_by_the_others_alone() -> None:
    held = population(120, 4)
    spoilt = HeldOut(held.classes, held.probabilities, np.where(held.folds == 0, 0, held.true), held.groups, held.folds)
    right, wrong = (sets_out_of_fold(part, fit_calibration(part).by_fold) for part in (held, spoilt))
    assert (right == wrong)[held.folds == 0].all()
    assert not (right == wrong)[held.folds != 0].all()
    assert coverage_by_group(right, held).mean() == pytest.approx(COVERAGE, abs=0.06)
