"""A strategy is recommended where it is better than random, and not where it was lucky among many."""

import numpy as np
import pytest
from scipy import stats

from synapse_assets.analysis.labelling.benchmark import (
    Verdict,
    area_under,
    compare,
    fold_interval,
    labels_to_reach,
)
from synapse_assets.analysis.labelling.simulated import ALL_LABELS, LabelCurve
from synapse_assets.errors import BadInput

LABELS = np.array([20, 40, 60, 80, 100])
RANDOM_CURVE = np.array([0.4, 0.5, 0.6, 0.7, 0.8])


def curve(name: str, fold: int, seed: int, score: np.ndarray, recall: np.ndarray | None = None) -> LabelCurve:
    return LabelCurve(name, fold, seed, LABELS[: len(score)], score, score if recall is None else recall)


def planted(gains: dict[str, np.ndarray], full: float = 0.8) -> list[LabelCurve]:
    """Curves of random, and of strategies that are above it by gains (folds, seeds) from the second number of labels on."""
    shape = next(iter(gains.values())).shape
    rises = np.array([0.0, 1, 1, 1, 1])
    curves = []
    for fold, seed in np.ndindex(shape):
        curves.append(LabelCurve(ALL_LABELS, fold, seed, np.array([500]), np.array([full]), np.array([full])))
        curves.append(curve("random", fold, seed, RANDOM_CURVE))
        curves += [curve(name, fold, seed, RANDOM_CURVE + gain[fold, seed] * rises) for name, gain in gains.items()]
    return curves


def outcome(verdict: Verdict, strategy: str, measure: str):  # type: ignore[no-untyped-def]
    [found] = [one for one in verdict.outcomes if (one.strategy, one.measure) == (strategy, measure)]
    return found


def test_the_area_is_the_mean_under_the_curve() -> None:
    assert area_under(LABELS, RANDOM_CURVE) == pytest.approx(0.6)
    assert area_under(np.array([20, 40, 100]), np.array([0.0, 1.0, 1.0])) == pytest.approx((10 + 60) / 80)
    assert area_under(np.array([20]), np.array([0.3])) == 0.3


def test_labels_to_reach_are_between_the_points() -> None:
    assert labels_to_reach(LABELS, RANDOM_CURVE, 0.55) == pytest.approx(50)
    assert labels_to_reach(LABELS, RANDOM_CURVE, 0.1) == 20
    assert labels_to_reach(LABELS, RANDOM_CURVE, 0.81) is None
    assert labels_to_reach(LABELS, np.array([0.4, 0.7, 0.6, 0.7, 0.7]), 0.65) == pytest.approx(20 + 20 * 0.25 / 0.3)


def test_the_interval_is_students_over_the_folds() -> None:
    values = [0.1, 0.2, 0.15, 0.05]
    expected = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert fold_interval(values) == pytest.approx(expected)
    assert fold_interval(values[:2]) is None


def test_the_best_that_is_proved_is_recommended() -> None:
    rng = np.random.default_rng(0)
    noise = {name: rng.normal(scale=0.004, size=(5, 5)) for name in ("margin", "badge", "k_means")}
    verdict = compare(
        planted(
            {"margin": 0.05 + noise["margin"], "badge": 0.03 + noise["badge"], "k_means": -0.02 + noise["k_means"]}
        ),
        "rare",
    )
    assert verdict.recommended == "margin"
    area = outcome(verdict, "margin", "area")
    means = (0.05 + noise["margin"]).mean(
        axis=1
    ) * 0.875  # of 80 labels it is above random, the first 20 on the way there
    assert area.value == pytest.approx(means.mean())
    assert area.interval == pytest.approx(stats.t.interval(0.95, 4, loc=means.mean(), scale=stats.sem(means)))
    assert (area.runs, area.ahead) == (25, 25)
    assert area.sentence == verdict.sentence
    assert verdict.sentence.startswith(f"Best on this dataset: margin {area.value:+.3f} [")
    bound = stats.t.interval(1 - 0.05 / 3, 4, loc=means.mean(), scale=stats.sem(means))[0]
    assert verdict.sentence.endswith(f"the lower bound that holds for all 3 strategies together is {bound:+.3f}.")
    worse = outcome(verdict, "k_means", "area")
    assert worse.value < 0
    assert worse.ahead == 0
    assert outcome(verdict, "random", "area").value == 0.0


def test_a_larger_gain_that_is_not_proved_does_not_win() -> None:
    unsure = np.tile(np.array([0.3, 0.25, -0.1, 0.0, 0.2])[:, None], 5)
    verdict = compare(planted({"entropy": unsure, "margin": np.full((5, 5), 0.02) + np.eye(5) * 0.001}), "rare")
    assert outcome(verdict, "entropy", "area").value > outcome(verdict, "margin", "area").value
    assert verdict.recommended == "margin"


def test_luck_among_seven_is_not_a_recommendation() -> None:
    """Where no strategy gains anything, one in forty data sets may say otherwise; by each strategy's own interval it would be one in
    eight."""
    rng = np.random.default_rng(1)
    recommended = own = 0
    for _ in range(240):
        gains = {f"s{number}": rng.normal(scale=0.02, size=(5, 1)) for number in range(7)}
        verdict = compare(planted(gains), "rare")
        recommended += verdict.recommended != "random"
        own += any(one.interval and one.interval[0] > 0 for one in verdict.outcomes if one.measure == "area")
    assert recommended <= 14  # 6 expected, three standard deviations
    assert own > 20


def test_nothing_better_is_said() -> None:
    rng = np.random.default_rng(2)
    verdict = compare(planted({"margin": rng.normal(scale=0.03, size=(5, 5))}), "rare")
    assert verdict.recommended == "random"
    assert verdict.sentence.startswith(
        "Nothing is proved better than random on this dataset, so rounds are chosen at random: best is"
    )
    assert outcome(verdict, "random", "area").sentence == verdict.sentence
    few = compare(planted({"margin": np.full((2, 5), 0.1)}), "rare")
    assert few.recommended == "random"
    assert "with fewer than 3 folds no strategy can be proved better" in few.sentence
    assert outcome(few, "margin", "area").interval is None


def test_labels_to_95_percent_are_a_share_of_those_of_random() -> None:
    """With a full score of .8, .76 are wanted: random has them at 92 labels, one that is .06 above at 80."""
    verdict = compare(planted({"margin": np.full((4, 3), 0.06)}), "rare")
    share = outcome(verdict, "margin", "labels_95")
    assert share.value == pytest.approx(80 / 92)
    assert (share.runs, share.ahead) == (4, 4)
    assert "margin reaches 95% of the score with all labels with 0.87" in share.sentence
    # random never reaches .855: it counts with its last, and it is said
    late = outcome(compare(planted({"margin": np.full((4, 3), 0.1)}, full=0.9), "rare"), "margin", "labels_95")
    assert late.value == pytest.approx((80 + 20 * 0.55) / 100)
    assert "in 4 of 4 folds random needs more than the 100 it counts with" in late.sentence
    never = outcome(compare(planted({"margin": np.full((4, 3), 0.1)}, full=0.99), "rare"), "margin", "labels_95")
    assert (never.value, never.interval, never.ahead) == (None, None, 0)
    assert never.sentence == (
        "margin does not reach 95% of the score with all labels by 100 labels in 4 of 4 folds, random in 4."
    )


def test_a_fold_without_the_rarest_class_does_not_count_in_its_recall() -> None:
    curves = planted({"margin": np.full((4, 2), 0.05)})
    without = [
        curve(one.strategy, one.fold, one.seed, one.score, np.full(len(one.score), np.nan)) if one.fold == 0 else one
        for one in curves
        if one.strategy != ALL_LABELS
    ]
    verdict = compare([*without, *(one for one in curves if one.strategy == ALL_LABELS)], "rare")
    recall = outcome(verdict, "margin", "rare_recall")
    assert (recall.runs, recall.ahead) == (6, 6)
    assert recall.value == pytest.approx(0.05 * 0.875)
    assert "recall of 'rare'" in recall.sentence


def test_what_cannot_be_compared_is_refused() -> None:
    curves = planted({"margin": np.full((4, 2), 0.05)})
    with pytest.raises(BadInput, match="run these too"):
        compare([one for one in curves if one.strategy != "random"], "rare")
    with pytest.raises(BadInput, match="the same folds and seeds"):
        compare(curves[:-1], "rare")
