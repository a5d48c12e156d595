"""What simulated label curves say about query strategies: gain over random with intervals, and which strategy to use.

Belongs here: measures, intervals and the recommendation. Does not belong here: the runs (`simulated`), rows of a table (`pipeline`).

Intervals are Student's over the means of the held-out folds. Runs of one fold differ by seed alone and share the test items, so they are
not independent, and are averaged first; folds share most of the pool that was asked about, which no interval from one data set can
account for (Bengio & Grandvalet, JMLR 5:1089, 2004).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.evaluation.scores import Interval
from synapse_assets.analysis.labelling.simulated import ALL_LABELS, LabelCurve
from synapse_assets.errors import BadInput

Float64 = npt.NDArray[np.float64]
Measure = Literal["area", "rare_recall", "labels_95"]

FEWEST_FOLDS = 3
"""Below so many folds there is no interval, and nothing is recommended."""
RANDOM = "random"
SHARE_OF_FULL = 0.95


@dataclass(frozen=True)
class Outcome:
    """One strategy by one measure, of `schema.labelling.STRATEGY_BENCHMARK`.

    value     area, rare_recall: the mean under the label curve less that of random. labels_95: labels to reach 95 % of the score with
              all labels, as a share of random's. None where it is not known
    interval  95 %, of this strategy by itself; None for under three folds
    runs      pairs of runs with random; ahead: in which it is better
    """

    strategy: str
    measure: Measure
    value: float | None
    interval: Interval | None
    runs: int
    ahead: int
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """What the runs say.

    outcomes     by strategy, then measure; of random only its area, 0
                 The sentence on the recommended strategy's area is that on the recommendation
    recommended  the strategy whose gain in area is the largest of those proved above zero; 'random' where none is
    sentence     the recommendation in words
    bounds       lower end of the gain in area of each strategy but random that holds for all together; None for under three folds
    """

    outcomes: tuple[Outcome, ...]
    recommended: str
    sentence: str
    bounds: Mapping[str, float | None]


def compare(curves: Sequence[LabelCurve], class_name: str) -> Verdict:
    """Every strategy against random, from the curves of `simulated.simulate`; `class_name` is that of the rarest class.

    A strategy is recommended where the lower bound of its gain in area is above zero at 95 % for all strategies together (Bonferroni):
    the best of many is better than random by chance alone, more often than one that was named before. Raises BadInput without random,
    or where strategies have other folds and seeds.
    """
    by_name: dict[str, dict[tuple[int, int], LabelCurve]] = {}
    for curve in curves:
        by_name.setdefault(curve.strategy, {})[curve.fold, curve.seed] = curve
    full = by_name.pop(ALL_LABELS, None)
    random = by_name.get(RANDOM)
    if full is None or random is None:
        raise BadInput(f"strategies are compared with {RANDOM}, and with {ALL_LABELS}: run these too")
    runs = set(random)
    if any(set(of_name) != runs for of_name in [full, *by_name.values()]):
        raise BadInput("strategies are compared in pairs: run each with the same folds and seeds")
    others = [name for name in by_name if name != RANDOM]
    outcomes: list[Outcome] = []
    bounds: dict[str, float | None] = {}
    for name in others:
        area = _difference(by_name[name], random, "area", f"{name} balanced accuracy")
        recall = _difference(by_name[name], random, "rare_recall", f"{name} recall of '{class_name}'")
        outcomes += [area, recall, _labels_to_reach(name, by_name[name], random, full)]
        bounds[name] = _lower_bound(by_name[name], random, len(others))
    areas = {outcome.strategy: outcome for outcome in outcomes if outcome.measure == "area"}
    proved = [name for name in others if (bounds[name] or 0.0) > 0.0]
    best = max(proved or others, key=lambda name: areas[name].value or 0.0, default=RANDOM)
    recommended = best if proved else RANDOM
    sentence = _recommendation(areas.get(best), bounds.get(best), len(others), bool(proved))
    itself = Outcome(RANDOM, "area", 0.0, None, len(runs), 0, "What all others are compared with.")
    told = [
        replace(outcome, sentence=sentence) if (outcome.strategy, outcome.measure) == (recommended, "area") else outcome
        for outcome in (itself, *outcomes)
    ]
    return Verdict(tuple(told), recommended, sentence, bounds)


def area_under(labels: npt.NDArray[np.int64], score: Float64) -> float:
    """The mean of a label curve between its first and last number of labels, straight between them."""
    if len(labels) == 1:
        return float(score[0])
    return float((np.diff(labels) * (score[1:] + score[:-1]) / 2).sum() / (labels[-1] - labels[0]))


def labels_to_reach(labels: npt.NDArray[np.int64], score: Float64, wanted: float) -> float | None:
    """Labels at which a label curve first has the score, straight between its points; None where it never has."""
    reached = np.flatnonzero(score >= wanted)
    if not len(reached):
        return None
    after = int(reached[0])
    if after == 0:
        return float(labels[0])
    share = (wanted - score[after - 1]) / (score[after] - score[after - 1])
    return float(labels[after - 1] + share * (labels[after] - labels[after - 1]))


def fold_interval(values: Sequence[float], coverage: float = 0.95) -> Interval | None:
    """Student's interval of the mean of the folds' values; None for under three."""
    from scipy.stats import t

    count = len(values)
    if count < FEWEST_FOLDS:
        return None
    half = float(t.ppf((1 + coverage) / 2, count - 1)) * float(np.std(values, ddof=1)) / count**0.5
    return float(np.mean(values)) - half, float(np.mean(values)) + half


def _pairs(
    curves: dict[tuple[int, int], LabelCurve], random: dict[tuple[int, int], LabelCurve], measure: Measure
) -> dict[int, list[float]]:
    """By fold, the difference from random in area of each seed; none of a fold without the rarest class."""
    by_fold: dict[int, list[float]] = {}
    for run in sorted(random):
        mean, mean_of_random = (
            area_under(of.labels, of.score if measure == "area" else of.rare_recall)
            for of in (curves[run], random[run])
        )
        if not np.isnan(mean - mean_of_random):
            by_fold.setdefault(run[0], []).append(mean - mean_of_random)
    return by_fold


def _difference(
    curves: dict[tuple[int, int], LabelCurve], random: dict[tuple[int, int], LabelCurve], measure: Measure, what: str
) -> Outcome:
    by_fold = _pairs(curves, random, measure)
    pairs = [value for values in by_fold.values() for value in values]
    ahead = sum(value > 0 for value in pairs)
    means = [float(np.mean(values)) for values in by_fold.values()]
    value = float(np.mean(means)) if means else None
    interval = fold_interval(means)
    first = next(iter(curves.values()))
    sentence = (
        f"{what}, mean of {first.labels[0]} to {first.labels[-1]} labels: {_signed(value, interval)} beside random, ahead in {ahead} of "
        f"{len(pairs)} pairs."
    )
    return Outcome(first.strategy, measure, value, interval, len(pairs), ahead, sentence)


def _lower_bound(
    curves: dict[tuple[int, int], LabelCurve], random: dict[tuple[int, int], LabelCurve], strategies: int
) -> float | None:
    """Lower end of the interval of the gain in area that holds for so many strategies together (Bonferroni)."""
    means = [float(np.mean(values)) for values in _pairs(curves, random, "area").values()]
    interval = fold_interval(means, 1 - 0.05 / strategies)
    return interval and interval[0]


def _labels_to_reach(
    name: str,
    curves: dict[tuple[int, int], LabelCurve],
    random: dict[tuple[int, int], LabelCurve],
    full: dict[tuple[int, int], LabelCurve],
) -> Outcome:
    """Labels to reach 95 % of the score with all labels, as a share of random's: the geometric mean over folds, each from the curves'
    means over seeds. Where random never does, it counts as if it did with the last label, which flatters random."""
    folds = sorted({fold for fold, _ in random})
    logs, not_reached, random_not, ahead = [], 0, 0, 0
    most = int(next(iter(random.values())).labels[-1])
    for fold in folds:
        mean = {}
        for key, of in (("own", curves), ("random", random), ("full", full)):
            mean[key] = np.mean([curve.score for (number, _), curve in of.items() if number == fold], axis=0)
        labels = next(curve.labels for (number, _), curve in random.items() if number == fold)
        wanted = SHARE_OF_FULL * float(mean["full"][0])
        own, of_random = (labels_to_reach(labels, mean[key], wanted) for key in ("own", "random"))
        random_not += of_random is None
        if own is None:
            not_reached += 1
            continue
        ahead += of_random is None or own < of_random
        logs.append(float(np.log(own / (most if of_random is None else of_random))))
    if not_reached:
        sentence = (
            f"{name} does not reach {SHARE_OF_FULL:.0%} of the score with all labels by {most} labels in {not_reached} of {len(folds)} "
            f"folds, random in {random_not}."
        )
        return Outcome(name, "labels_95", None, None, len(folds), ahead, sentence)
    value = float(np.exp(np.mean(logs)))
    interval = fold_interval(logs)
    interval = interval and (float(np.exp(interval[0])), float(np.exp(interval[1])))
    ends = f" [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else ""
    sentence = f"{name} reaches {SHARE_OF_FULL:.0%} of the score with all labels with {value:.2f}{ends} of the labels that random needs"
    sentence += (
        f"; in {random_not} of {len(folds)} folds random needs more than the {most} it counts with."
        if random_not
        else "."
    )
    return Outcome(name, "labels_95", value, interval, len(folds), ahead, sentence)


def _recommendation(best: Outcome | None, bound: float | None, strategies: int, proved: bool) -> str:
    if best is None or best.value is None:
        return "Rounds are chosen at random: there is nothing to compare that with."
    gain = f"{best.strategy} {_signed(best.value, best.interval)}, ahead in {best.ahead} of {best.runs} pairs"
    if bound is None:
        return f"Rounds are chosen at random: with fewer than {FEWEST_FOLDS} folds no strategy can be proved better (best {gain})."
    bounded = f"the lower bound that holds for all {strategies} strategies together is {bound:+.3f}"
    if proved:
        return f"Best on this dataset: {gain} in balanced accuracy beside random; {bounded}."
    return f"Nothing is proved better than random on this dataset, so rounds are chosen at random: best is {gain}, but {bounded}."


def _signed(value: float | None, interval: Interval | None) -> str:
    if value is None:
        return "not known"
    return f"{value:+.3f}" + (f" [{interval[0]:+.3f}, {interval[1]:+.3f}]" if interval else "")
