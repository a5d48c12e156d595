"""Sets of classes that hold the right one as often as promised, over whole neurons (or whatever the independent groups are).

Belongs here: thresholds from held-out probabilities, and the sets they give. Does not belong here: calibrating probabilities
(`calibration`).

The promise is for a new synapse of a new neuron, drawn like the labelled ones: with each of K neurons weighing 1/(K + 1), shared by its
synapses, and the rest at infinity, the weighted quantile of nonconformity covers with the promised probability, however alike the
synapses of a neuron are (Lee, Barber & Willett, arXiv:2306.06342; Dunn, Wasserman & Ramdas, JASA 118:2491, 2023). With one row a group it
is ordinary split conformal prediction (Vovk et al. 2005). It is a promise over the mix of neurons, not for each class or neuron.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.evaluation.calibration import Calibration, HeldOut, group_weights

Bool = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

COVERAGE = 0.9
FEWEST_GROUPS = math.ceil(COVERAGE / (1 - COVERAGE) - 1e-9)
"""Groups below which no finite threshold can keep the promise: 9 for 0.9."""
_ROUNDING = 1e-12


@dataclass(frozen=True)
class SetRule:
    """Which classes stay in the set of a row: those with nonconformity (one less the probability) up to their threshold.

    thresholds  (C,) float64; infinity: the class is in every set
    promised    (C,) bool, whether the class has groups enough for a threshold of its own, under a promise
    """

    thresholds: Float64
    promised: Bool

    def sets(self, probabilities: Float64) -> Bool:
        """(M, C) whether each class is in the set of each row (M, C)."""
        return np.asarray(1 - probabilities <= self.thresholds)


def fit_sets(held_out: HeldOut) -> SetRule:
    """The rule whose sets hold the right class of a new row of a new group with probability `COVERAGE`, from held-out rows.

    The score of a row is the rank of its nonconformity among the rows of the same known class, its own group left out and groups
    counting alike; a new row is ranked for each class in turn. The hierarchical quantile of these ranks is then one for all classes and
    the promise is over all groups, while a class that is hard to name gets a wider threshold than an easy one (with plain
    1 - probability a hard class pays for the easy ones). A class of calibrated probability 0.9 or more is never ruled out, so a
    classifier that is right more often than promised is not made unclear to lower its coverage.

    A class with fewer than 9 groups has no distribution of its own that reaches that far: it is ranked among all rows, and nothing is
    said of it alone. With fewer than 9 groups in all, every class is in every set and nothing is promised.
    """
    count = len(held_out.classes)
    groups = held_out.groups_by_class
    own = groups >= FEWEST_GROUPS
    # nonconformity below that is not told apart: thresholds cannot come out lower
    scores = np.maximum(1 - held_out.probabilities[np.arange(len(held_out)), held_out.true], 1 - COVERAGE)
    ranks = _ranks(scores, held_out.groups)
    for position in np.flatnonzero(own):
        members = held_out.true == position
        ranks[members] = _ranks(scores[members], held_out.groups[members])
    highest_rank = _hierarchical_quantile(ranks, held_out.groups)
    if not np.isfinite(highest_rank):
        return SetRule(np.full(count, np.inf), np.zeros(count, dtype=bool))
    thresholds = np.full(count, _score_at(highest_rank, scores, held_out.groups))
    for position in np.flatnonzero(own):
        members = held_out.true == position
        thresholds[position] = _score_at(highest_rank, scores[members], held_out.groups[members])
    return SetRule(thresholds, own)


def sets_out_of_fold(held_out: HeldOut, by_fold: Mapping[int, Calibration]) -> Bool:
    """(M, C) the set of each row, as if its fold were new: calibration and rule are those of the other folds alone.

    `held_out` are the probabilities before calibration, `by_fold` the calibration of each fold, fitted on the others.
    """
    sets = np.zeros(held_out.probabilities.shape, dtype=bool)
    for fold, calibration in by_fold.items():
        calibrated = held_out.with_probabilities(calibration.apply(held_out.probabilities))
        tested = held_out.folds == fold
        sets[tested] = fit_sets(calibrated.where(~tested)).sets(calibrated.probabilities[tested])
    return sets


def coverage_by_group(sets: Bool, held_out: HeldOut) -> Float64:
    """(K,) share of each group's rows whose set holds the known class, groups in the order of their numbers."""
    group = np.unique(held_out.groups, return_inverse=True)[1]
    covered = sets[np.arange(len(held_out)), held_out.true]
    return np.asarray(np.bincount(group, covered) / np.bincount(group)) if len(group) else np.zeros(0)


def _hierarchical_quantile(scores: Float64, groups: Int64) -> float:
    """The smallest score up to which lies `COVERAGE` of the weight: 1/(K + 1) a group, in equal parts, and as much at infinity."""
    order = np.argsort(scores, kind="stable")
    weight = np.cumsum(group_weights(groups)[order]) / (len(np.unique(groups)) + 1)
    place = int(np.searchsorted(weight, COVERAGE - _ROUNDING))
    return float(scores[order][place]) if place < len(scores) else math.inf


def _ranks(scores: Float64, groups: Int64) -> Float64:
    """(M,) share of the other groups' weight below each score, groups counting alike; 1 where there is no other group."""
    rows, number = len(scores), len(np.unique(groups))
    if number < 2:
        return np.ones(rows)
    order = np.argsort(scores, kind="stable")
    weight = np.concatenate([[0.0], np.cumsum(group_weights(groups)[order])])
    below = weight[np.searchsorted(scores[order], scores)]
    by_group = np.lexsort((scores, groups))
    group_starts = _run_starts(groups[by_group])
    own = np.empty(rows)
    own[by_group] = np.maximum(_run_starts(scores[by_group]), group_starts) - group_starts
    ranks: Float64 = (below - own * group_weights(groups)) / (number - 1)
    return ranks


def _run_starts(values: npt.NDArray[np.generic]) -> Int64:
    """For each value the index at which its run of equal ones begins."""
    begins = np.concatenate([[True], values[1:] != values[:-1]])
    return np.maximum.accumulate(np.where(begins, np.arange(len(values)), 0))


def _score_at(rank: float, scores: Float64, groups: Int64) -> float:
    """The highest score of which at most `rank` of the weight of these rows lies below; infinity for all."""
    order = np.argsort(scores, kind="stable")
    weight = np.cumsum(group_weights(groups)[order]) / len(np.unique(groups))
    place = int(np.searchsorted(weight, rank + _ROUNDING, side="right"))
    return float(scores[order][place]) if place < len(scores) else math.inf
