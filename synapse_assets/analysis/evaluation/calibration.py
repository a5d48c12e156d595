"""Probabilities that can be taken at their word: scaled so that what is given 0.8 is right in 8 of 10, and how far that holds.

Belongs here: temperature and vector scaling of any classifier's out-of-fold probabilities, calibration error and its floor. Does not
belong here: sets of classes (`conformal`), pooling the synapses of a neuron (`neuron_answers`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from synapse_assets.errors import BadInput

Bool = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

BINS = 15
FEWEST_GROUPS_OF_CLASS = 8
"""Groups of every class from which on a scale and an offset of its own are considered."""
_SIMULATIONS = 200
_SMALLEST = 1e-12


@dataclass(frozen=True)
class HeldOut:
    """What a classifier says of labelled rows that it was not fitted on, nor on their groups.

    classes        C names, in the order of the columns
    probabilities  (M, C) float64, rows add up to one
    true           (M,) int64, position of the known class in `classes`
    groups         (M,) int64, independent groups such as neurons, by number
    folds          (M,) int64, the fold in which a row's group was held out

    Raises BadInput for other shapes, NaN, or probabilities that do not add up.
    """

    classes: tuple[str, ...]
    probabilities: Float64
    true: Int64
    groups: Int64
    folds: Int64

    def __post_init__(self) -> None:
        rows, columns = self.probabilities.shape
        lengths = {len(self.true), len(self.groups), len(self.folds)}
        if columns != len(self.classes) or lengths != {rows}:
            raise BadInput(
                f"probabilities {self.probabilities.shape} do not fit {len(self.classes)} classes and {sorted(lengths)} labels, groups "
                "and folds"
            )
        wrong = ~(np.abs(self.probabilities.sum(axis=1) - 1) < 1e-6) | (self.probabilities < 0).any(axis=1)
        if wrong.any():
            raise BadInput(f"the probabilities of {int(wrong.sum()):,} of {rows:,} rows do not add up to one")
        if rows and not 0 <= self.true.min() <= self.true.max() < columns:
            raise BadInput(f"known classes are numbered from 0 to {columns - 1}, but there is {self.true.max()}")

    def __len__(self) -> int:
        return len(self.true)

    def where(self, chosen: Bool) -> "HeldOut":
        """Those rows (M,)."""
        parts = (self.probabilities[chosen], self.true[chosen], self.groups[chosen], self.folds[chosen])
        return HeldOut(self.classes, *parts)

    def with_probabilities(self, probabilities: Float64) -> "HeldOut":
        """The same rows with other probabilities (M, C)."""
        return replace(self, probabilities=probabilities)

    @property
    def groups_by_class(self) -> Int64:
        """(C,) groups that have rows of each class."""
        counts = np.zeros(len(self.classes), dtype=np.int64)
        for position in np.unique(self.true):
            counts[position] = len(np.unique(self.groups[self.true == position]))
        return counts


def group_weights(groups: Int64) -> Float64:
    """(M,) one over the rows of each row's group, so that groups count alike."""
    _, index, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return 1.0 / counts[index]


@dataclass(frozen=True)
class Calibration:
    """Calibrated probabilities are the softmax of `scale` times the logarithm of a probability plus `offset`, both (C,).

    Temperature scaling has one scale for all classes and no offsets (Guo et al., ICML 2017); vector scaling has both by class.
    """

    classes: tuple[str, ...]
    scale: Float64
    offset: Float64

    def apply(self, probabilities: Float64) -> Float64:
        """(M, C) calibrated, of probabilities (M, C) of the same classes. A row's result does not depend on the other rows."""
        return _softmax(_logarithms(probabilities) * self.scale + self.offset)

    @property
    def by_class(self) -> bool:
        """Whether it is vector scaling."""
        return bool(self.offset.any())


@dataclass(frozen=True)
class CrossFitted:
    """A calibration of all rows, and for each fold the one of all other folds: neither it nor the classifier saw the fold's groups."""

    calibration: Calibration
    by_fold: Mapping[int, Calibration]

    def out_of_fold(self, held_out: HeldOut) -> HeldOut:
        """The rows that it was fitted on, each calibrated on the other folds."""
        probabilities = np.zeros_like(held_out.probabilities)
        for fold, calibration in self.by_fold.items():
            tested = held_out.folds == fold
            probabilities[tested] = calibration.apply(held_out.probabilities[tested])
        return held_out.with_probabilities(probabilities)


def fit_calibration(held_out: HeldOut) -> CrossFitted:
    """The calibration of these rows, and of each fold by the others."""
    folds = np.unique(held_out.folds).tolist()
    return CrossFitted(_fitted(held_out), {fold: _fitted(held_out.where(held_out.folds != fold)) for fold in folds})


def _fitted(held_out: HeldOut) -> Calibration:
    """Temperature scaling, or vector scaling where every class has 8 groups and the Bayesian information criterion prefers it.

    Groups count alike, each as one observation (Schwarz, Ann. Stat. 6:461, 1978): synapses of one neuron are not independent. Maximises
    the likelihood with a standard normal prior on the logarithm of the temperature, on each class's departure from it and on the
    offsets, which keeps a fit to few groups or to separable ones finite. Rows whose class has probability 0, since the model of
    their fold did not know it, are not fitted to: no scaling can name it. Without rows nothing is scaled.
    """
    known = held_out.where(held_out.probabilities[np.arange(len(held_out)), held_out.true] > 0)
    temperature = _fit(known, by_class=False)
    if not len(known) or known.groups_by_class.min() < FEWEST_GROUPS_OF_CLASS:
        return temperature
    vector, groups = _fit(known, by_class=True), len(np.unique(known.groups))
    # a scale and an offset a class, of which one offset is free, in place of one scale
    more = 2 * len(known.classes) - 2
    gain = groups * (_log_likelihood(known, vector) - _log_likelihood(known, temperature))
    return vector if 2 * gain > more * np.log(groups) else temperature


def _fit(held_out: HeldOut, by_class: bool) -> Calibration:
    from scipy.optimize import minimize

    count = len(held_out.classes)
    logarithms, weights = _logarithms(held_out.probabilities), group_weights(held_out.groups)
    known = np.zeros_like(logarithms)
    known[np.arange(len(held_out)), held_out.true] = 1.0

    def unpacked(values: Float64) -> tuple[Float64, Float64]:
        if not by_class:
            return np.full(count, np.exp(values[0])), np.zeros(count)
        return np.exp(values[0] + values[1 : count + 1]), values[count + 1 :]

    def loss(values: Float64) -> tuple[float, Float64]:
        scale, offset = unpacked(values)
        probabilities = _softmax(logarithms * scale + offset)
        errors = (probabilities - known) * weights[:, None]
        of_scale = (errors * logarithms).sum(axis=0) * scale
        gradient = np.array([of_scale.sum()])
        if by_class:
            gradient = np.concatenate([gradient, of_scale, errors.sum(axis=0)])
        of_known = np.maximum((probabilities * known).sum(axis=1), _SMALLEST)
        return float(-(weights * np.log(of_known)).sum() + (values**2).sum() / 2), gradient + values

    start = np.zeros(2 * count + 1 if by_class else 1)
    # within e^5: beyond, exponentials of a far first step overflow
    solved = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(-5.0, 5.0)] * len(start))
    return Calibration(held_out.classes, *unpacked(solved.x))


def _log_likelihood(held_out: HeldOut, calibration: Calibration) -> float:
    """Mean over groups of the mean log-likelihood of their rows."""
    weights = group_weights(held_out.groups)
    probabilities = calibration.apply(held_out.probabilities)
    of_known = np.maximum(probabilities[np.arange(len(held_out)), held_out.true], _SMALLEST)
    return float((weights * np.log(of_known)).sum() / weights.sum())


def _logarithms(probabilities: Float64) -> Float64:
    return np.log(np.maximum(probabilities, _SMALLEST))


def _softmax(scores: Float64) -> Float64:
    odds = np.exp(scores - scores.max(axis=1, keepdims=True, initial=-np.inf))
    total = np.zeros(len(odds))
    for column in range(odds.shape[1]):
        total = total + odds[:, column]
    normalised: Float64 = odds / total[:, None]
    return normalised


@dataclass(frozen=True)
class Bins:
    """Rows in bins of equal count by rising probability, at most 15.

    order  (M,) row numbers; starts (B,) where each bin begins in it
    mean   (B,) mean probability
    """

    order: Int64
    starts: Int64
    mean: Float64

    @classmethod
    def of(cls, probability: Float64) -> "Bins":
        """The bins of M > 0 probabilities."""
        rows = len(probability)
        order = np.argsort(probability, kind="stable")
        bins = min(BINS, rows)
        starts = np.concatenate([[0], np.cumsum([len(part) for part in np.array_split(order, bins)])[:-1]])
        sizes = np.diff([*starts, rows])
        return cls(order, starts, np.add.reduceat(probability[order], starts) / sizes)

    @property
    def sizes(self) -> Int64:
        """(B,) rows in each."""
        return np.diff([*self.starts, len(self.order)])

    def shares(self, right: Bool) -> Float64:
        """(B,) share of each bin's rows that are right (M,)."""
        return np.asarray(np.add.reduceat(right[self.order].astype(np.float64), self.starts) / self.sizes)

    def error(self, right: Bool) -> float:
        """Expected calibration error (Naeini et al., AAAI 2015): mean over rows of their bin's |mean probability - share right|."""
        return float((self.sizes * np.abs(self.mean - self.shares(right))).sum() / len(self.order))


def binned(probabilities: Float64) -> list[Bins]:
    """The bins of each class's probability, and last those of the most probable class's, of rows (M, C)."""
    return [Bins.of(column) for column in (*probabilities.T, probabilities.max(axis=1))]


def right_by_class(probabilities: Float64, true: Int64) -> list[Bool]:
    """For each class whether it is the known one (M,), and last whether the most probable class is."""
    return [*(true[:, None] == np.arange(probabilities.shape[1])).T, probabilities.argmax(axis=1) == true]


def calibration_errors(probabilities: Float64, true: Int64) -> Float64:
    """(C + 1,) expected calibration error of each class, and last of the most probable class, of M > 0 rows."""
    pairs = zip(binned(probabilities), right_by_class(probabilities, true), strict=True)
    return np.array([bins.error(right) for bins, right in pairs])


def simulated_errors(held_out: HeldOut, seed: int) -> Float64:
    """(S, C + 1) expected calibration errors as `calibration_errors`, were these probabilities perfect: their floor.

    Known classes are drawn from the probabilities, 200 times. Synapses of a neuron are wrong together, so their draws are correlated:
    by a Gaussian copula whose correlation is the intraclass correlation of (most probable class right) - (its probability) over
    groups. Each row keeps its own probabilities exactly. The correlation of 0/1 outcomes understates the copula's, so the floor errs
    to the strict (low) side.
    """
    from scipy.special import ndtr

    probabilities = held_out.probabilities
    group = np.unique(held_out.groups, return_inverse=True)[1]
    top_right = probabilities.argmax(axis=1) == held_out.true
    shared = intraclass_correlation(top_right - probabilities.max(axis=1), group)
    # within a group classes are stacked in one order, the group's most probable first: equal draws are then equal classes
    mean = np.zeros((group.max() + 1, probabilities.shape[1]))
    np.add.at(mean, group, probabilities)
    order = np.argsort(-mean, axis=1, kind="stable")[group]
    stacked = np.take_along_axis(probabilities, order, axis=1).cumsum(axis=1)
    bins = binned(probabilities)
    rng = np.random.default_rng(seed)
    errors = np.zeros((_SIMULATIONS, len(bins)))
    for simulated in errors:
        normal = np.sqrt(shared) * rng.standard_normal(len(mean))[group]
        normal += np.sqrt(1 - shared) * rng.standard_normal(len(group))
        place = np.minimum((stacked < ndtr(normal)[:, None]).sum(axis=1), stacked.shape[1] - 1)
        drawn = order[np.arange(len(group)), place]
        simulated[:] = [b.error(r) for b, r in zip(bins, right_by_class(probabilities, drawn), strict=True)]
    return errors


def intraclass_correlation(values: Float64, groups: Int64) -> float:
    """Share of the variance of values (M,) that lies between groups, 0 to 1, by one-way analysis of variance (Fisher); 0 where
    no group has two rows or there is one group."""
    counts = np.bincount(np.unique(groups, return_inverse=True)[1])
    rows, number = len(values), len(counts)
    if number < 2 or rows == number:
        return 0.0
    group = np.unique(groups, return_inverse=True)[1]
    means = np.bincount(group, values) / counts
    between = (counts * (means - values.mean()) ** 2).sum() / (number - 1)
    within = ((values - means[group]) ** 2).sum() / (rows - number)
    size = (rows - (counts**2).sum() / rows) / (number - 1)
    total = between + (size - 1) * within
    return float(np.clip((between - within) / total, 0, 1)) if total > 0 else 0.0


def reliability_rows(stage: str, held_out: HeldOut) -> list[dict[str, Any]]:
    """`schema.RELIABILITY` without the classifier, of rows before or after calibration."""
    if not len(held_out):
        return []
    rows = []
    parts: Sequence[tuple[str, Bins, Bool]] = list(
        zip(
            (*held_out.classes, ""),
            binned(held_out.probabilities),
            right_by_class(held_out.probabilities, held_out.true),
            strict=True,
        )
    )
    for name, bins, right in parts:
        columns = zip(bins.sizes.tolist(), bins.mean.tolist(), bins.shares(right).tolist(), strict=True)
        rows += [
            {
                "stage": stage,
                "class_name": name,
                "bin": number,
                "synapses": size,
                "mean_probability": mean,
                "share_right": share,
            }
            for number, (size, mean, share) in enumerate(columns)
        ]
    return rows
