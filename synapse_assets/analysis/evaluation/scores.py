"""Scores from confusion matrices, and their intervals over independent groups.

Belongs here: what every classifier is scored by. Does not belong here: which rows are held out (`splits`), fitting
(`cross_validation`), the scores of several ways of testing together (`evaluation`).

scikit-learn has these scores, but of two label vectors, one sample at a time; here they are taken of 2,000 resampled
matrices at once, with a class that does not occur as NaN rather than 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.evaluation.cross_validation import Predictions

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Interval = tuple[float, float]

FEWEST_GROUPS = 8
"""Independent groups below which no interval is given."""
_REPLICATES = 2000


@dataclass(frozen=True)
class ClassScore:
    """Scores of one class; intervals (95 %, over groups) are None below 8 groups, values NaN where undefined."""

    name: str
    rows: int
    groups: int
    recall: float
    precision: float
    f1: float
    recall_interval: Interval | None
    precision_interval: Interval | None
    f1_interval: Interval | None


@dataclass(frozen=True)
class Score:
    """How one classifier did in one way of testing, on rows that it was not fitted on.

    classifier, inputs, split  what predicted the rows, from what, and how they were held out
    groups                     independent groups of the tested rows
    confusion                  (C, C) int64, row: true class, column: predicted class. (C, C + 1) where a row could also
                               be rejected or get no class at all, which the last column counts: wrong
    ..._interval               95 %, None for too few groups and where a stored evaluation does not hold it: percentile
                               bootstrap over whole groups, or of the accuracy Wilson's over rows
    interval_over              what `accuracy_interval` is over
    classes                    by class; empty where a stored evaluation does not hold them
    trained                    mean number of rows that a fold was fitted on; None where it was not counted
    rejected                   tested rows that were rejected; left_out: that got no class at all; unnameable: whose
                               class no row of their training set had. All count as wrong
    settings                   JSON of what the last fit was set to
    """

    classifier: str
    inputs: str
    split: str
    groups: int
    confusion: Int64
    balanced_accuracy: float
    macro_f1: float
    accuracy_interval: Interval | None = None
    interval_over: str | None = None
    balanced_accuracy_interval: Interval | None = None
    macro_f1_interval: Interval | None = None
    classes: tuple[ClassScore, ...] = ()
    trained: int | None = None
    rejected: int = 0
    left_out: int = 0
    unnameable: int = 0
    settings: str = "{}"

    @property
    def rows(self) -> int:
        """Tested rows."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of the tested rows that were predicted correctly; a rejected row is wrong."""
        return int(np.trace(self.confusion)) / self.rows

    @property
    def accuracy_of_accepted(self) -> float | None:
        """The accuracy on rows that were neither rejected nor left out; None without any."""
        accepted = int(self.confusion[:, : len(self.confusion)].sum())
        return int(np.trace(self.confusion)) / accepted if accepted else None

    @property
    def guessing(self) -> float:
        """The accuracy of always predicting the largest class."""
        return int(self.confusion.sum(axis=1).max()) / self.rows


def score_predictions(
    predictions: Predictions,
    true: Int64,
    groups: npt.NDArray[Any],
    names: Sequence[str],
    seed: int,
    *,
    classifier: str,
    inputs: str,
    split: str,
    interval_over: str,
) -> tuple[Score, Float64 | None]:
    """The score of the predictions of M rows, with intervals over their `groups` (M,), and the resampled confusion
    matrices that these were taken from (None for under 8 groups).

    `true` (M,) are positions in `names`. `interval_over` is a word for what a group is.
    """
    classes = len(names)
    predicted = predictions.labels
    # one more class, that no row truly is in, for rows without a prediction
    columns = classes
    if predictions.rejected is not None or (predicted < 0).any():
        columns += 1
        unclassified = predicted < 0 if predictions.rejected is None else (predicted < 0) | predictions.rejected
        predicted = np.where(unclassified, classes, predicted)
    by_group = confusion_by_group(true, predicted, np.unique(groups, return_inverse=True)[1], columns)
    confusion = by_group.sum(axis=0)
    point = confusion_scores(confusion[None])
    resampled = bootstrap_groups(by_group, seed)
    resampled_scores = None if resampled is None else confusion_scores(resampled)

    def interval(name: str, column: int | None = None) -> Interval | None:
        if resampled_scores is None:
            return None
        return percentile_interval(resampled_scores[name] if column is None else resampled_scores[name][:, column])

    of_accuracy = None
    if resampled is not None:
        of_accuracy = percentile_interval(np.trace(resampled, axis1=1, axis2=2) / resampled.sum(axis=(1, 2)))
    score = Score(
        classifier=classifier,
        inputs=inputs,
        split=split,
        groups=len(by_group),
        confusion=confusion[:classes].astype(np.int64),
        balanced_accuracy=float(point["balanced_accuracy"][0]),
        macro_f1=float(point["macro_f1"][0]),
        accuracy_interval=of_accuracy,
        interval_over=None if of_accuracy is None else interval_over,
        balanced_accuracy_interval=interval("balanced_accuracy"),
        macro_f1_interval=interval("macro_f1"),
        classes=tuple(
            ClassScore(
                name,
                int(confusion[i].sum()),
                int((by_group[:, i].sum(axis=1) > 0).sum()),
                float(point["recall"][0, i]),
                float(point["precision"][0, i]),
                float(point["f1"][0, i]),
                interval("recall", i),
                interval("precision", i),
                interval("f1", i),
            )
            for i, name in enumerate(names)
        ),
        rejected=0 if predictions.rejected is None else int(predictions.rejected.sum()),
        left_out=int((predictions.labels < 0).sum()),
    )
    return score, resampled


def wilson_interval(right: int, rows: int) -> Interval:
    """95 % interval of a share of independent rows (Wilson 1927)."""
    from scipy.stats import binomtest

    interval = binomtest(right, rows).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def balanced_accuracy(true: Int64, predicted: Int64, classes: int) -> float:
    """Mean recall over the classes that occur in the rows (M,), at least one (Brodersen et al., ICPR 2010)."""
    confusion = confusion_by_group(true, predicted, np.zeros(len(true), dtype=np.int64), classes)
    return float(confusion_scores(confusion)["balanced_accuracy"][0])


def confusion_scores(confusion: Float64) -> dict[str, Float64]:
    """Scores of (B, C, C) confusion matrices (row: true class): balanced_accuracy and macro_f1 (B,), recall, precision,
    f1 (B, C).

    A class without rows has NaN for recall and F1 and is left out of the means; one never predicted has precision NaN and
    F1 0.
    """
    hits = np.diagonal(confusion, axis1=1, axis2=2).astype(np.float64)
    true, predicted = confusion.sum(axis=2), confusion.sum(axis=1)
    occurs = true > 0
    recall = np.where(occurs, hits / np.where(occurs, true, 1), np.nan)
    precision = np.where(predicted > 0, hits / np.where(predicted > 0, predicted, 1), np.nan)
    f1 = np.where(occurs, 2 * hits / np.where(occurs, true + predicted, 1), np.nan)
    count = occurs.sum(axis=1)
    divisor = np.where(count > 0, count, 1)
    balanced = np.where(count > 0, np.nansum(recall, axis=1) / divisor, np.nan)
    macro = np.where(count > 0, np.nansum(f1, axis=1) / divisor, np.nan)
    return {"balanced_accuracy": balanced, "macro_f1": macro, "recall": recall, "precision": precision, "f1": f1}


def confusion_by_group(true: Int64, predicted: Int64, groups: Int64, classes: int) -> Float64:
    """Confusion matrices (G, C, C) of each group (numbered from 0)."""
    matrices = np.zeros((int(groups.max()) + 1 if len(groups) else 0, classes, classes))
    np.add.at(matrices, (groups, true, predicted), 1)
    return matrices


def bootstrap_groups(by_group: Float64, seed: int) -> Float64 | None:
    """Confusion matrices (B, C, C) of bootstrap samples of whole groups (Efron 1979; cluster bootstrap); None for under
    8 groups."""
    counts = group_draws(len(by_group), seed)
    if counts is None:
        return None
    flat: Float64 = counts @ by_group.reshape(len(by_group), -1)
    return flat.reshape(_REPLICATES, *by_group.shape[1:])


def group_draws(groups: int, seed: int) -> Float64 | None:
    """How often (B, G) each of so many groups is in each bootstrap sample of whole groups; None for under 8 groups."""
    if groups < FEWEST_GROUPS:
        return None
    rng = np.random.default_rng(seed)
    return rng.multinomial(groups, np.full(groups, 1.0 / groups), size=_REPLICATES).astype(np.float64)


def percentile_interval(values: Float64) -> Interval | None:
    """The 2.5th and 97.5th percentile, NaN left out; None if nothing is left."""
    defined = values[~np.isnan(values)]
    return (float(np.percentile(defined, 2.5)), float(np.percentile(defined, 97.5))) if len(defined) else None
