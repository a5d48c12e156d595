"""How well the classifiers of clusters predict the cluster of synapses that they were not trained on.

Belongs here: the ways in which they are tested. Does not belong here: the classifiers (`classifiers`), how any classifier
is scored (`analysis.evaluation`), model cards (`model_card`), drawing.

The labels are clusters of the same features. A score therefore says whether a grouping carries over to synapses, or to
a neuron, that had no part in it; it does not say that the grouping is biology.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.evaluation.cross_validation import Fold, OutOfFold, Predictions, cross_validate
from synapse_assets.analysis.evaluation.evaluation import Evaluation
from synapse_assets.analysis.evaluation.scores import FEWEST_GROUPS, Score, score_predictions, wilson_interval
from synapse_assets.analysis.morphology.classifiers import (
    CLASSIFIERS,
    INNER_FOLDS,
    OUTLIERS,
    TREES,
    ClusterClassifiers,
    Ids,
    Setting,
    checked_features,
    checked_labels,
    fit_classifiers,
)
from synapse_assets.analysis.morphology.features import HeldOut
from synapse_assets.artifacts import NoModel
from synapse_assets.errors import BadInput

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Names = npt.NDArray[np.str_]

FEATURES, MAP = "features", "map"
LEAVE_ONE_NEURON_OUT, RANDOM_80_20 = "leave_one_neuron_out", "random_80_20"
PUBLISHED_SEED = 42
"""Seed and share (one fifth) of the published study's random split."""
_CHOICE_NOTE = "The best classifier is chosen on the same figures that are shown for it, which flatters it slightly."
_LABEL_NOTE = "The clusters to be named were found with the tested synapses among them; only their number is kept from the classifiers."
_WILSON_NOTE = (
    "Intervals of the random split are taken over synapses (Wilson); synapses of one neuron are not independent, so they "
    "are too narrow."
)


def evaluate_classifiers(
    features: npt.ArrayLike,
    map_xy: npt.ArrayLike,
    labels: npt.ArrayLike,
    neurons: Ids,
    ids: Ids,
    held_out: Callable[[str], HeldOut | NoModel],
    seed: int,
    trees: int = TREES,
) -> Evaluation:
    """How well `fit_classifiers` predicts the clusters `labels` (n,) of synapses `ids` (n,) of `neurons` (n,).

    - random_80_20 on `map_xy` (n, 2) and on `features` (n, F): one fifth is tested, drawn with seed 42 as in the
      published study, stratified by cluster where every cluster allows it
    - leave_one_neuron_out on features: each neuron is tested by classifiers, and by a feature chain
      (`held_out(neuron)`), that were fitted without it

    Settings and outlier rejection are fitted inside the training synapses of each fold. A synapse that is rejected as an
    outlier, left out of its fold's features, or in a cluster that only its own neuron has, counts as wrong. Synapses of
    a fold's features that are not in `ids` are not used.

    Accuracy has a 95 % interval: over neurons (bootstrap of whole neurons; none below 8), over synapses for the random
    split (Wilson 1927). Independent of the order of the rows. BadInput where arrays do not fit together, an id repeats,
    or a fold trains on the neuron that it holds out.
    """
    from threadpoolctl import threadpool_limits

    label, neuron, synapse_id = checked_labels(labels), np.asarray(neurons, dtype=str), np.asarray(ids, dtype=str)
    inputs = {MAP: checked_features(map_xy, 2), FEATURES: checked_features(features)}
    lengths = {len(label), len(neuron), len(synapse_id), *(len(rows) for rows in inputs.values())}
    if len(lengths) > 1:
        raise BadInput(f"labels, neurons, ids, map and features have different lengths: {sorted(lengths)}")
    if len(np.unique(synapse_id)) != len(synapse_id):
        raise BadInput(f"{len(synapse_id) - len(np.unique(synapse_id))} synapse ids occur twice")
    order = np.argsort(synapse_id)
    label, neuron, synapse_id = label[order], neuron[order], synapse_id[order]
    clustered = label >= 0
    clusters, counts = np.unique(label[clustered], return_counts=True)
    noise = int((~clustered).sum())
    warnings = [f"{noise} of {len(synapse_id)} synapses are noise: neither trained on nor tested"] if noise else []
    scores: list[Score] = []
    if len(clusters) < 2:
        warnings.append(f"nothing to tell apart: {len(clusters)} clusters with {len(synapse_id) - noise} synapses")
    else:
        with threadpool_limits(1):
            for inputs_name, rows in inputs.items():
                scores += _score_random_split(
                    inputs_name, rows[order][clustered], label[clustered], neuron[clustered], seed, trees, warnings
                )
            scores += _score_leave_one_neuron_out(label, neuron, synapse_id, held_out, seed, trees, warnings)
    return Evaluation(
        classes=tuple(str(number) for number in clusters.tolist()),
        scores=tuple(scores),
        headline=_best(scores),
        warnings=tuple(dict.fromkeys(warnings)),
        notes=(_LABEL_NOTE, _CHOICE_NOTE, _WILSON_NOTE) if scores else (),
        sizes=tuple(counts.tolist()),
        neurons=dict(sorted(Counter(neuron[clustered].tolist()).items())),
        noise=noise,
    )


def _best(scores: Sequence[Score]) -> Score | None:
    """The best balanced accuracy on features, leaving one neuron out where that was tested; ties go to the simpler
    classifier."""
    for split in (LEAVE_ONE_NEURON_OUT, RANDOM_80_20):
        score_of = {s.classifier: s for s in scores if (s.inputs, s.split) == (FEATURES, split)}
        if score_of:
            return max((score_of[name] for name in CLASSIFIERS), key=lambda score: score.balanced_accuracy)
    return None


@dataclass
class _Folds:
    """What is reported of the classifiers of all folds beside their scores, collected while they predict.

    label    (n,) the true cluster of every row
    trained  training synapses of each fold
    """

    label: Int64
    trained: list[int] = field(default_factory=list)
    settings: Mapping[str, Setting] = field(default_factory=dict)
    unnameable: int = 0

    @property
    def clusters(self) -> Int64:
        """The clusters, ascending; a class is a position in them."""
        return np.unique(self.label[self.label >= 0])

    def predict(
        self, classifiers: ClusterClassifiers, features: Float64, usable: npt.NDArray[np.bool_], rows: Int64
    ) -> dict[str, Predictions]:
        """The predictions of `classifiers` for `rows` (M,), of which those that are `usable` (M,) have `features` (K, F)."""
        predicted = classifiers.predict(features)
        self.trained.append(sum(classifiers.sizes))
        self.settings = classifiers.settings
        self.unnameable += int((~np.isin(self.label[rows], classifiers.clusters)).sum())
        rejected = np.zeros(len(rows), dtype=bool)
        rejected[usable] = predicted.outlier
        predictions = {}
        for name in CLASSIFIERS:
            classes = np.full(len(rows), -1, dtype=np.int64)
            classes[usable] = np.searchsorted(self.clusters, predicted.labels[name])
            predictions[name] = Predictions(classes, rejected=rejected)
        return predictions

    def scores(self, tested: OutOfFold, neuron: Names, inputs: str, split: str, seed: int) -> list[Score]:
        """The score of each classifier; none where no fold had any."""
        scores = []
        for name, predictions in tested.predictions.items():
            score, _ = score_predictions(
                predictions,
                np.searchsorted(self.clusters, self.label[tested.rows]),
                neuron[tested.rows],
                [str(cluster) for cluster in self.clusters],
                seed,
                classifier=name,
                inputs=inputs,
                split=split,
                interval_over="neurons",
            )
            settings = {**self.settings[name], OUTLIERS: self.settings[OUTLIERS]}
            scores.append(
                replace(
                    score,
                    trained=round(float(np.mean(self.trained))),
                    unnameable=self.unnameable,
                    settings=json.dumps(settings, sort_keys=True),
                )
            )
        return scores


def _score_random_split(
    inputs: str,
    rows: Float64,
    label: Int64,
    neuron: Names,
    seed: int,
    trees: int,
    warnings: list[str],
) -> list[Score]:
    """Scores on one fifth of the clustered synapses; adds to `warnings`."""
    from sklearn.model_selection import train_test_split

    counts = np.unique(label, return_counts=True)[1]
    tested = -(-len(label) // 5)
    stratified = counts.min() >= 2 and len(counts) <= min(tested, len(label) - tested)
    train, test = train_test_split(
        np.arange(len(label)), test_size=0.2, random_state=PUBLISHED_SEED, stratify=label if stratified else None
    )
    if not stratified:
        warnings.append(
            f"{RANDOM_80_20}: not stratified by cluster ({len(counts)} clusters, the smallest of {counts.min()}; "
            f"{tested} synapses to test)"
        )
    folds = _Folds(label)

    def fit(train: Int64) -> ClusterClassifiers | NoModel:
        return fit_classifiers(rows[train], label[train], seed, trees=trees)

    def predict(model: ClusterClassifiers, test: Int64) -> dict[str, Predictions]:
        return folds.predict(model, rows[test], np.ones(len(test), dtype=bool), test)

    result = cross_validate([Fold(train, test)], fit, predict)
    warnings.extend(f"{RANDOM_80_20}: not tested, for training {reason}" for reason in result.failures.values())
    if folds.unnameable:
        warnings.append(
            f"{RANDOM_80_20}: {folds.unnameable} tested synapses are in clusters without a training synapse and count as wrong"
        )
    return [
        replace(s, accuracy_interval=wilson_interval(int(np.trace(s.confusion)), s.rows), interval_over="synapses")
        for s in folds.scores(result, neuron, inputs, RANDOM_80_20, seed)
    ]


@dataclass(frozen=True)
class _WithoutNeuron:
    """Classifiers fitted without a neuron, and the features of its synapses.

    features  (K, F) of rows (K,); left_out: why others have none, by synapse id
    """

    classifiers: ClusterClassifiers
    rows: Int64
    features: Float64
    left_out: Mapping[str, str]


def _score_leave_one_neuron_out(
    label: Int64,
    owner: Names,
    name: Names,
    held_out: Callable[[str], HeldOut | NoModel],
    seed: int,
    trees: int,
    warnings: list[str],
) -> list[Score]:
    """Scores over all neurons with clustered synapses; adds to `warnings`."""
    split = LEAVE_ONE_NEURON_OUT
    clustered = label >= 0
    neurons = np.unique(owner[clustered])
    if len(neurons) < 2:
        warnings.append(f"{split}: not tested, all clustered synapses are on one neuron")
        return []
    row_of = {synapse: row for row, synapse in enumerate(name.tolist())}
    folds = _Folds(label)
    reasons_without_features: Counter[str] = Counter()

    def fit(train: Int64) -> _WithoutNeuron | NoModel:
        [neuron] = np.setdiff1d(neurons, owner[train]).tolist()
        fold = held_out(neuron)
        fitted: ClusterClassifiers | NoModel
        if isinstance(fold, NoModel):
            fitted = fold
        else:
            rows, features = _evaluated_rows(fold.train_ids, fold.train, row_of)
            if (owner[rows] == neuron).any():
                raise BadInput(f"the features without {neuron} were fitted on synapses of it: hold it out")
            fitted = fit_classifiers(features, label[rows], seed, owner[rows], trees)
            missing = len(train) - int(clustered[rows].sum())
            if missing:
                warnings.append(
                    f"{split}: without {neuron}, {missing} synapses of other neurons have no features to train on"
                )
        if isinstance(fold, NoModel) or isinstance(fitted, NoModel):
            reason = fitted.reason if isinstance(fitted, NoModel) else ""
            tested = int((clustered & (owner == neuron)).sum())
            warnings.append(f"{split}: no classifier without {neuron}, its {tested} synapses count as wrong: {reason}")
            return NoModel(reason)
        return _WithoutNeuron(fitted, *_evaluated_rows(fold.test_ids, fold.test, row_of), fold.left_out)

    def predict(model: _WithoutNeuron, test: Int64) -> dict[str, Predictions]:
        usable = np.isin(test, model.rows)
        for row in test[~usable].tolist():
            reasons_without_features[model.left_out.get(str(name[row]), "not among the features of the fold")] += 1
        order = np.argsort(model.rows)
        features = model.features[order][np.searchsorted(model.rows[order], test[usable])]
        return folds.predict(model.classifiers, features, usable, test)

    result = cross_validate(
        [
            Fold(np.flatnonzero(clustered & (owner != neuron)), np.flatnonzero(clustered & (owner == neuron)))
            for neuron in neurons
        ],
        fit,
        predict,
    )
    scores = folds.scores(result, owner, FEATURES, split, seed)
    if not scores:
        warnings.append(f"{split}: not tested, no classifier could be fitted")
    for why, count in sorted(reasons_without_features.items()):
        warnings.append(f"{split}: {count} synapses of the neuron held out have no features and count as wrong: {why}")
    if folds.unnameable:
        warnings.append(
            f"{split}: {folds.unnameable} synapses are in clusters that only their own neuron has and count as wrong"
        )
    if len(neurons) <= INNER_FOLDS:
        warnings.append(f"{split}: with {len(neurons)} neurons, settings are searched by holding out single synapses")
    if scores and len(neurons) < FEWEST_GROUPS:
        warnings.append(f"{split}: {len(neurons)} neurons, no interval below {FEWEST_GROUPS} neurons")
    return scores


def _evaluated_rows(ids: Ids, features: Float64, row_of: Mapping[str, int]) -> tuple[Int64, Float64]:
    """The rows of a fold that are evaluated here: their row in the evaluation (K,), and their features (K, F)."""
    rows = checked_features(features)
    if len(ids) != len(rows):
        raise BadInput(f"a fold has {len(ids)} ids but {len(rows)} rows of features")
    pairs = [(row_of[synapse], row) for row, synapse in enumerate(str(i) for i in ids) if synapse in row_of]
    indices = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return indices[:, 0], rows[indices[:, 1]]
