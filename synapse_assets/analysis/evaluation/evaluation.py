"""The scores of a classifier, or of several, in every way that they were tested.

Belongs here: what an evaluation holds, and making one from a table of splits. Does not belong here: the scores themselves
(`scores`), how evaluations are stored (`stored`), drawing.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.analysis.evaluation.cross_validation import OutOfFold, Predictions, cross_validate, folds_of
from synapse_assets.analysis.evaluation.scores import (
    Interval,
    Score,
    confusion_scores,
    percentile_interval,
    score_predictions,
)
from synapse_assets.analysis.evaluation.splits import RANDOM
from synapse_assets.artifacts import NoModel

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Model = TypeVar("Model")


@dataclass(frozen=True)
class OutOfSample:
    """The synapses that were tested under one split: their ids (M,), sorted, and out-of-fold probabilities (M, C) float64."""

    synapse_ids: npt.NDArray[np.str_]
    probabilities: Float64

    @classmethod
    def of(cls, synapse_ids: npt.NDArray[np.str_], probabilities: Float64) -> "OutOfSample":
        """Those rows, sorted."""
        by_id = np.argsort(synapse_ids, kind="stable")
        return cls(synapse_ids[by_id], probabilities[by_id])

    def in_classes(self, own: Sequence[str], classes: Sequence[str]) -> "OutOfSample":
        """The same with a column for each of `classes`, among them all its `own`."""
        probabilities = np.zeros((len(self.synapse_ids), len(classes)))
        probabilities[:, [classes.index(name) for name in own]] = self.probabilities
        return OutOfSample(self.synapse_ids, probabilities)


@dataclass(frozen=True)
class Evaluation:
    """How well classifiers predict the classes of rows that they were not fitted on.

    classes        C class names, in the order of the confusion matrices
    scores         one for each classifier and way of testing that was possible
    headline       the one of them that counts: of the best classifier, held out as it will be used; None where nothing
                   could be tested
    warnings       what did not go as expected; notes: what to know when reading any of the figures
    gap            how much more balanced accuracy a random split would have claimed than the headline; None without one
    synapse_ids    (M,) the tested synapses with a stored out-of-fold prediction, sorted
    probabilities  (M, C) float64, their out-of-fold probabilities: under the headline split; for synapses without a group
                   there, under the random one
    out_of_sample       ids and out-of-fold probabilities by split, as they were made; of an evaluation that was loaded there are none
    sizes          labelled rows of each class; neurons: labelled rows by neuron; noise: rows without a class. Of clusters
                   only
    """

    classes: tuple[str, ...]
    scores: tuple[Score, ...]
    headline: Score | None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    gap: float | None = None
    gap_interval: Interval | None = None
    synapse_ids: npt.NDArray[np.str_] = field(default_factory=lambda: np.zeros(0, dtype=str))
    probabilities: Float64 = field(default_factory=lambda: np.zeros((0, 0)))
    out_of_sample: Mapping[str, "OutOfSample"] = field(default_factory=dict)
    sizes: tuple[int, ...] = ()
    neurons: Mapping[str, int] = field(default_factory=dict)
    noise: int = 0

    @property
    def headline_split(self) -> str:
        """How the rows of the headline were held out; '' without a headline."""
        return "" if self.headline is None else self.headline.split

    @property
    def splits(self) -> dict[str, Score]:
        """The scores of the headline's classifier, from the headline's inputs, by split; empty without a headline."""
        head = self.headline
        if head is None:
            return {}
        return {s.split: s for s in self.scores if (s.classifier, s.inputs) == (head.classifier, head.inputs)}

    def score(self, classifier: str, inputs: str, split: str) -> Score | None:
        """The score of one classifier in one way of testing, if there is one."""
        return next((s for s in self.scores if (s.classifier, s.inputs, s.split) == (classifier, inputs, split)), None)

    def metrics(self) -> dict[str, float]:
        """Numbers for a plot over time: the headline's, every split's balanced accuracy, the gap; what is undefined is
        left out, and there are none without a headline."""
        head = self.headline
        if head is None:
            return {}
        metrics = {
            "balanced_accuracy": head.balanced_accuracy,
            "macro_f1": head.macro_f1,
            "groups": float(head.groups),
        }
        if head.balanced_accuracy_interval:
            metrics["balanced_accuracy_low"], metrics["balanced_accuracy_high"] = head.balanced_accuracy_interval
        for name, score in self.splits.items():
            metrics[f"balanced_accuracy_{name}"] = score.balanced_accuracy
        if self.gap is not None:
            metrics["random_split_gap"] = self.gap
        return {name: float(value) for name, value in metrics.items() if not np.isnan(value)}


@dataclass(frozen=True)
class _Split:
    """The synapses of one split, by row.

    row, target, fold  (M,), row of the synapse (ascending), name of its class, fold that tests it
    group              (M,) its group, numbered from 0 within the split
    """

    row: Int64
    target: npt.NDArray[np.str_]
    group: Int64
    fold: Int64

    @classmethod
    def of(cls, splits: pa.Table, name: str, row: Int64) -> "_Split":
        """That split of `schema.SPLITS`, of which `row` (N,) gives the rows."""
        indices = np.flatnonzero(np.array(splits.column("split").to_pylist(), dtype=str) == name)
        indices = indices[np.argsort(row[indices], kind="stable")]
        part = splits.take(pa.array(indices))
        group = np.unique(np.array(part.column("group").to_pylist(), dtype=str), return_inverse=True)[1]
        return cls(
            row[indices], np.array(part.column("target").to_pylist(), dtype=str), group, part.column("fold").to_numpy()
        )

    def over(self, other: "_Split") -> "_Split":
        """The synapses that `other` has too, in its groups."""
        shared = np.isin(self.row, other.row)
        group = other.group[np.searchsorted(other.row, self.row[shared])]
        return _Split(self.row[shared], self.target[shared], group, self.fold[shared])

    def only(self, kept: npt.NDArray[np.bool_]) -> "_Split":
        """Those of its synapses, by a mask (M,)."""
        return _Split(self.row[kept], self.target[kept], self.group[kept], self.fold[kept])


def evaluate_splits(
    synapse_ids: Sequence[str],
    splits: pa.Table,
    headline: str,
    seed: int,
    *,
    classifier: str,
    inputs: str,
    fit: Callable[[Int64, Sequence[str], Sequence[str]], Model | NoModel],
    predict: Callable[[Model, Int64, Sequence[str]], Float64],
    untested: Collection[str] = (),
) -> Evaluation | NoModel:
    """Out-of-fold scores of a classifier under every split of `splits` (`schema.SPLITS`, which also holds the targets).

    fit(rows, targets, groups)    a model of those rows of `synapse_ids`, with the name of each one's class and group;
                                  settings are to be chosen with groups held together
    predict(model, rows, classes) probabilities (m, C) of rows; a class that the model does not know has 0

    A class that no other fold has is never predicted and counts as wrong. Intervals resample whole groups of the split; the
    random split is scored on the rows of the headline split, over the headline's groups, so that the two can be compared,
    and their gap has a paired interval.

    Those whose id is in `untested` train and are predicted like all others, and no score counts them: the label of what a strategy
    chose stands for no other synapse. Synapses of `splits` that are not in `synapse_ids` are left out with a warning. NoModel for no
    labels, one class, a headline without folds or without a synapse that is tested.
    """
    ids = np.asarray(synapse_ids, dtype=str)
    if not splits.num_rows:
        return NoModel("no labelled synapses")
    table, row, warnings = _match_rows(splits, ids)
    classes = tuple(np.unique(np.array(table.column("target").to_pylist(), dtype=str)).tolist())
    if len(classes) < 2:
        return NoModel(f"all labelled synapses are '{classes[0]}'" if classes else "no labelled synapses with vectors")
    parts = {name: _Split.of(table, name, row) for name in set(table.column("split").to_pylist())}
    if headline not in parts or len(np.unique(parts[headline].fold)) < 2:
        return NoModel(f"nothing can be held out by '{headline}': fewer than two groups of labelled synapses")

    def probabilities_of(part: _Split) -> OutOfFold:
        def fit_fold(train: Int64) -> Model | NoModel:
            # groups by their number, whose order as text decides which inner fold each is in
            return fit(part.row[train], part.target[train].tolist(), part.group[train].astype(str).tolist())

        def predict_fold(model: Model, test: Int64) -> Mapping[str, Predictions]:
            probabilities = predict(model, part.row[test], classes)
            return {classifier: Predictions(probabilities.argmax(axis=1), probabilities)}

        return cross_validate(folds_of(part.fold), fit_fold, predict_fold)

    is_tested = ~np.isin(ids, np.array(sorted(untested), dtype=str))
    rows_and_probabilities: dict[str, tuple[Int64, Float64]] = {}
    scores: dict[str, Score] = {}
    resampled: dict[str, Float64 | None] = {}
    # the headline first: the random split is scored over its rows and groups
    for name in sorted(parts, key=lambda split: (split != headline, split == RANDOM, split)):
        part = parts[name]
        if len(np.unique(part.fold)) < 2:
            warnings.append(f"{name}: fewer than two folds with vectors, not scored")
            continue
        tested = probabilities_of(part)
        for reason in dict.fromkeys(tested.failures.values()):
            warnings.append(f"{name}: no model of some folds, their synapses count as wrong: {reason}")
        predictions = tested.predictions.get(classifier)
        if predictions is None or predictions.probabilities is None:
            continue
        labels, has_class = predictions.labels, predictions.labels >= 0
        rows_and_probabilities[name] = (part.row[has_class], predictions.probabilities[has_class])
        labels, part = _counted(labels, part, parts[headline] if name == RANDOM else part, is_tested)
        if not len(labels):
            warnings.append(
                f"{name}: a strategy chose all labels, so none may test (random_share of labelling), not scored"
            )
            continue
        scores[name], resampled[name] = score_predictions(
            Predictions(labels),
            np.searchsorted(classes, part.target),
            part.group,
            classes,
            seed,
            classifier=classifier,
            inputs=inputs,
            split=name,
            interval_over=headline if name == RANDOM else name,
        )
        if name != RANDOM:
            single_group = [c.name for c in scores[name].classes if c.groups == 1]
            warnings.extend(
                f"{name}: class '{label}' has 1 group and cannot be tested on another" for label in single_group
            )
    if headline not in scores:
        return NoModel("; ".join(warnings))
    head = scores[headline]
    gap, gap_interval = _gap(scores, resampled, headline)
    if head.balanced_accuracy_interval is None:
        warnings.append(f"{headline}: {head.groups} groups, too few for an interval (8 are needed)")
    row, probabilities = _out_of_fold(rows_and_probabilities, headline)
    out_of_fold = OutOfSample.of(ids[row], probabilities)
    return Evaluation(
        classes=classes,
        scores=tuple(scores.values()),
        headline=head,
        warnings=tuple(warnings),
        gap=gap,
        gap_interval=gap_interval,
        synapse_ids=out_of_fold.synapse_ids,
        probabilities=out_of_fold.probabilities,
        out_of_sample={
            name: OutOfSample.of(ids[rows], values) for name, (rows, values) in rows_and_probabilities.items()
        },
    )


def _counted(labels: Int64, part: _Split, over: _Split, is_tested: npt.NDArray[np.bool_]) -> tuple[Int64, _Split]:
    """What a score counts of predicted `labels` of a split: the synapses that `over` has too, in its groups, and that may test."""
    labels, part = labels[np.isin(part.row, over.row)], part.over(over)
    counted = is_tested[part.row]
    return labels[counted], part.only(counted)


def _match_rows(splits: pa.Table, ids: npt.NDArray[np.str_]) -> tuple[pa.Table, Int64, list[str]]:
    """The rows of `splits` whose synapse is in `ids`, its row in `ids`, and a warning where others are left out."""
    row_of = {synapse: row for row, synapse in enumerate(ids.tolist())}
    row = np.array([row_of.get(synapse, -1) for synapse in splits.column("synapse_id").to_pylist()], dtype=np.int64)
    missing = len(set(splits.filter(pa.array(row < 0)).column("synapse_id").to_pylist()))
    warnings = [f"{missing} labelled synapses have no vector and are not scored"] if missing else []
    return splits.filter(pa.array(row >= 0)), row[row >= 0], warnings


def _gap(
    scores: Mapping[str, Score], resampled: Mapping[str, Float64 | None], headline: str
) -> tuple[float | None, Interval | None]:
    """By how much the random split claims more than the headline, with the paired interval where both have one."""
    if RANDOM not in scores or headline == RANDOM:
        return None, None
    gap = scores[RANDOM].balanced_accuracy - scores[headline].balanced_accuracy
    headline_matrices, random_matrices = resampled[headline], resampled[RANDOM]
    if headline_matrices is None or random_matrices is None:
        return gap, None
    differences = (
        confusion_scores(random_matrices)["balanced_accuracy"]
        - confusion_scores(headline_matrices)["balanced_accuracy"]
    )
    return gap, percentile_interval(differences)


def _out_of_fold(rows_and_probabilities: Mapping[str, tuple[Int64, Float64]], headline: str) -> tuple[Int64, Float64]:
    """Rows and their probabilities: of the headline split, and of the random one for rows that the headline leaves out."""
    row, probabilities = rows_and_probabilities[headline]
    if RANDOM not in rows_and_probabilities:
        return row, probabilities
    added = ~np.isin(rows_and_probabilities[RANDOM][0], row)
    return np.concatenate([row, rows_and_probabilities[RANDOM][0][added]]), np.concatenate(
        [probabilities, rows_and_probabilities[RANDOM][1][added]]
    )
