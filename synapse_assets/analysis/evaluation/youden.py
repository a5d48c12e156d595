"""From which probability a class is named: Youden's J, and how uncertain that threshold itself is.

Belongs here: the threshold, its interval over independent groups, and the answers that follow. Does not belong here: which pictures
it is chosen on, and rows of `schema.staining.STAIN_THRESHOLDS` (`image_scores`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from synapse_assets.errors import BadInput

Bool = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

UNCERTAIN = "uncertain"
"""The answer where no class, or more than one, is passed beyond the interval of its threshold."""
# Numbers held at once while the draws are gone through.
_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Threshold:
    """The probability from which a class is named.

    threshold  of the highest J; a row is called positive if its score is above it
    low, high  95 % interval over groups, 0 to 1; the whole range where nothing can be said
    j          sensitivity + specificity - 1 at the threshold, on the rows that it was chosen on: too high for new ones
    rows       rows that it was chosen on
    groups     their independent groups
    """

    threshold: float
    low: float
    high: float
    j: float
    rows: int
    groups: int


def youden_threshold(
    scores: npt.ArrayLike, truth: npt.ArrayLike, groups: npt.ArrayLike, *, seed: int, draws: int = 2000
) -> Threshold:
    """The threshold on the probabilities `scores` (N,) of the highest J (Youden, Cancer 3:32, 1950) for `truth` (N,) bool.

    It lies midway between two neighbouring scores; of several thresholds of the same J it is the one nearest to a half. The interval is a
    percentile bootstrap over whole `groups` (N,), such as wells (Efron 1979), from the lowest and to the highest threshold of the highest J
    of each draw. A draw that says nothing, because a class is missing or no threshold is better than none, counts as anything between
    0 and 1: with fewer than about four groups of a class the interval is the whole range, so that every answer is uncertain. That is
    also so for one group, for scores that are all equal (the threshold is that score then) and for one class (a half).

    Of two classes whose probabilities add up to 1, the thresholds and intervals mirror each other.

    Raises BadInput for no rows, lengths that differ, or scores that are no probabilities.
    """
    values = np.asarray(scores, dtype=np.float64)
    positive = np.asarray(truth, dtype=bool)
    names = np.asarray(groups)
    if not len(values) or not (values.shape == positive.shape == names.shape) or values.ndim != 1:
        raise BadInput(
            f"a threshold needs a score, a truth and a group a row, and at least one row; there are {values.shape}, {positive.shape} "
            f"and {names.shape}"
        )
    if not ((values >= 0) & (values <= 1)).all():
        raise BadInput("a threshold is chosen on probabilities: there are scores that are no numbers from 0 to 1")
    distinct, score_index = np.unique(values, return_inverse=True)
    group_names, group_index = np.unique(names, return_inverse=True)
    count = len(group_names)
    if positive.all() or not positive.any():
        return Threshold(0.5, 0.0, 1.0, 0.0, len(values), count)
    if len(distinct) == 1:
        return Threshold(float(distinct[0]), 0.0, 1.0, 0.0, len(values), count)
    tallies = _tallies(score_index, group_index, positive, (len(distinct), count))
    gain, _, pairs = _gains(*tallies, np.ones((1, count)))
    cuts = np.flatnonzero(gain[0] == gain.max())
    best = float(gain.max() / pairs[0])
    between = (distinct[cuts] + distinct[np.minimum(cuts + 1, len(distinct) - 1)]) / 2
    threshold = float(between[np.abs(between - 0.5).argmin()])
    if count == 1:
        return Threshold(threshold, 0.0, 1.0, best, len(values), count)
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws).astype(np.float64)
    step = max(1, _AT_ONCE // len(distinct))
    parts = [_outer_cuts(distinct, *_gains(*tallies, weights[at : at + step])) for at in range(0, draws, step)]
    lowest, highest = (np.concatenate(part) for part in zip(*parts, strict=True))
    low = min(threshold, float(np.percentile(lowest, 2.5)))
    high = max(threshold, float(np.percentile(highest, 97.5)))
    return Threshold(threshold, low, high, best, len(values), count)


def _tallies(scores: Int64, groups: Int64, positive: Bool, shape: tuple[int, int]) -> tuple[Any, Any]:
    """Rows of each distinct score and group, as sparse matrices (U, G): of the class, and of the others."""
    from scipy import sparse

    def of(chosen: Bool) -> Any:
        where = (scores[chosen], groups[chosen])
        return sparse.coo_array((np.ones(int(chosen.sum())), where), shape=shape).tocsr()

    return of(positive), of(~positive)


def _gains(of_class: Any, of_others: Any, weights: Float64) -> tuple[Float64, Bool, Float64]:
    """For each of the draws, which are so many copies `weights` (D, G) of each group: J of the cut above each distinct score (D, U), times
    the rows of the class and the rows of the others, so that equal ones are equal; whether that score was drawn (D, U); and the product
    of the two numbers of rows (D,)."""
    positives, negatives = (np.asarray((tally @ weights.T).T) for tally in (of_class, of_others))
    total, other_total = positives.sum(axis=1, keepdims=True), negatives.sum(axis=1, keepdims=True)
    gain = np.cumsum(negatives, axis=1) * total - np.cumsum(positives, axis=1) * other_total
    return gain, positives + negatives > 0, (total * other_total)[:, 0]


def _outer_cuts(distinct: Float64, gain: Float64, drawn: Bool, pairs: Float64) -> tuple[Float64, Float64]:
    """The lowest and the highest threshold (D,) of the highest J of each draw; 0 and 1 where a class is missing or none is above 0."""
    largest = gain.max(axis=1)
    useful = (pairs > 0) & (largest > 0)
    # a cut above a score that was not drawn is the one below it
    best = (gain == largest[:, None]) & drawn
    places = np.arange(len(distinct))
    ends = []
    for cut, worst in ((best.argmax(axis=1), 0.0), (places[-1] - best[:, ::-1].argmax(axis=1), 1.0)):
        above = (drawn & (places > cut[:, None])).argmax(axis=1)
        ends.append(np.where(useful, (distinct[cut] + distinct[above]) / 2, worst))
    return ends[0], ends[1]


def answers(probabilities: npt.ArrayLike, thresholds: Sequence[Threshold], classes: Sequence[str]) -> list[str]:
    """For each row of `probabilities` (N, K) the class that passes the upper end of its threshold's interval, if no other does; else
    'uncertain'.

    Raises BadInput unless there is a threshold and a column a class.
    """
    values = np.asarray(probabilities, dtype=np.float64).reshape(-1, len(classes))
    if len(thresholds) != len(classes) or np.shape(probabilities)[-1:] != (len(classes),):
        raise BadInput(
            f"answers need a probability and a threshold for each of {list(classes)}; there are {np.shape(probabilities)} "
            f"probabilities and {len(thresholds)} thresholds"
        )
    passed = values > np.array([threshold.high for threshold in thresholds])
    names = np.where(passed.sum(axis=1) == 1, np.asarray(classes, dtype=object)[passed.argmax(axis=1)], UNCERTAIN)
    return [str(name) for name in names]
