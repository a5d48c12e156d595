"""Predicting the cluster of a synapse that was not clustered.

Belongs here: the three classifiers, the rejection of outliers. Does not belong here: how well
they predict (`evaluation`), the features (`features`), the clusters that serve as labels and their stability, model cards
(`model_card`), drawing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.evaluation.cross_validation import Predictions, cross_validate, folds_of
from synapse_assets.analysis.evaluation.scores import balanced_accuracy
from synapse_assets.analysis.evaluation.splits import inner_folds
from synapse_assets.artifacts import NoModel, read_artifact, write_artifact
from synapse_assets.errors import BadInput

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Ids = Sequence[str] | npt.NDArray[np.str_]
Setting = dict[str, Any]

NEIGHBOURS, FOREST, BOOSTING = "k_nearest_neighbours", "random_forest", "xgboost"
OUTLIERS = "one_class_svm"
CLASSIFIERS = (NEIGHBOURS, FOREST, BOOSTING)
"""The classifiers, simplest first: ties go to the simpler."""
NU = 0.05
"""Upper bound on the share of training synapses that the one-class SVM rejects (Schölkopf et al., Neural Computation 13,
2001); the published study used 0.03 to 0.05."""
TREES = 100
GRID: Mapping[str, tuple[Setting, ...]] = {
    NEIGHBOURS: ({"n_neighbors": 15}, {"n_neighbors": 7}, {"n_neighbors": 3}),
    FOREST: ({"min_samples_leaf": 5}, {"min_samples_leaf": 1}),
    BOOSTING: ({"max_depth": 2}, {"max_depth": 4}),
}
"""What the search tries, smoothest first: ties go to the smoother."""
KERNELS = (1.0, 0.3, 0.1)
"""Values of gamma that are tried for the one-class SVM, as shares of scikit-learn's 1 / (F variance), tightest kernel first.

At 1.0 it rejects far more than nu of what it has not seen: 18 % to 22 % of 90 to 120 normally distributed synapses with
5 features, where 0.1 rejects 6 % to 8 % (measured; all of them reject what lies far outside). So the tightest kernel is chosen
that rejects at most twice nu of the training synapses held out."""
_MODEL = ("cluster_classifiers", 1)
_SEARCH_TREES = 25
_ROUNDS = 60
_LEARNING_RATE = 0.2
INNER_FOLDS = 3
"""Folds that settings are searched in."""
_LARGEST = float(np.finfo(np.float32).max)
# Compiled types that skops does not trust by itself, and that the estimators here are made of.
_TRUSTED = {
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.tree._tree.Tree",
}


@dataclass(frozen=True)
class Predicted:
    """The predictions of the classifiers for M synapses. Rejection is separate: an outlier gets a predicted cluster too,
    so the caller has to check `outlier` before assigning it.

    labels         (M,) int64 by classifier, cluster numbers
    probability    (M,) float64 by classifier, of the predicted cluster; not calibrated
    outlier        (M,) bool, rejected by the one-class SVM
    outlier_score  (M,) float64, its decision function; negative: unlike all training synapses
    """

    labels: dict[str, Int64]
    probability: dict[str, Float64]
    outlier: npt.NDArray[np.bool_]
    outlier_score: Float64


@dataclass(frozen=True)
class ClusterClassifiers:
    """Fitted classifiers of one investigation group.

    clusters  the cluster numbers that can be predicted, ascending; sizes: their training synapses
    width     F, the number of features
    models    by classifier; support: the one-class SVM
    settings  what the search chose, by classifier and for one_class_svm
    warnings  sentences for the reader of the results
    """

    clusters: tuple[int, ...]
    sizes: tuple[int, ...]
    width: int
    models: Mapping[str, Any]
    support: Any
    settings: Mapping[str, Setting]
    warnings: tuple[str, ...]

    def predict(self, features: npt.ArrayLike) -> Predicted:
        """The predictions of each classifier for `features` (M, F); BadInput for another width, NaN or infinite values.

        A row's results do not depend on the other rows, to the bit.
        """
        from threadpoolctl import threadpool_limits

        rows = checked_features(features, self.width)
        numbers = np.array(self.clusters, dtype=np.int64)
        labels, probability = {}, {}
        with threadpool_limits(1):
            for name in CLASSIFIERS:
                probabilities = _probabilities(name, self.models[name], rows, len(numbers))
                most_probable = probabilities.argmax(axis=1)
                labels[name] = numbers[most_probable]
                probability[name] = probabilities[np.arange(len(rows)), most_probable]
            score = self.support.decision_function(rows) if len(rows) else np.zeros(0)
        return Predicted(labels, probability, score < 0, np.asarray(score, dtype=np.float64))

    def save(self, folder: Path) -> None:
        """Writes the artifact cluster_classifiers, xgboost.json and three .skops files into `folder` (made if absent)."""
        import skops.io

        folder.mkdir(parents=True, exist_ok=True)
        for name, estimator in self._estimators().items():
            skops.io.dump(estimator, folder / f"{name}.skops")
        self.models[BOOSTING].save_model(folder / f"{BOOSTING}.json")
        facts = {name: getattr(self, name) for name in ("clusters", "sizes", "width", "settings", "warnings")}
        write_artifact(folder, *_MODEL, facts=facts, arrays={})

    @classmethod
    def load(cls, folder: Path) -> "ClusterClassifiers":
        """What `save` wrote: predictions equal to the bit. BadInput as `read_artifact`, and where a file asks for types that
        such a model does not need."""
        import xgboost

        facts = read_artifact(folder, *_MODEL).facts
        booster = xgboost.Booster()
        booster.load_model(folder / f"{BOOSTING}.json")
        models = {name: _load_estimator(folder / f"{name}.skops") for name in (NEIGHBOURS, FOREST)}
        return cls(
            tuple(facts["clusters"]),
            tuple(facts["sizes"]),
            facts["width"],
            models | {BOOSTING: booster},
            _load_estimator(folder / f"{OUTLIERS}.skops"),
            facts["settings"],
            tuple(facts["warnings"]),
        )

    def _estimators(self) -> dict[str, Any]:
        return {NEIGHBOURS: self.models[NEIGHBOURS], FOREST: self.models[FOREST], OUTLIERS: self.support}


def _load_estimator(file: Path) -> Any:
    import skops.io

    untrusted_types = set(skops.io.get_untrusted_types(file=file))
    if untrusted_types - _TRUSTED:
        raise BadInput(
            f"{file} asks for types that this model does not need: {sorted(untrusted_types - _TRUSTED)}; fit the classifiers anew"
        )
    return skops.io.load(file, trusted=sorted(untrusted_types))


def checked_features(features: npt.ArrayLike, width: int | None = None) -> Float64:
    """`features` as contiguous float64 (n, F); BadInput for another width, NaN or infinite values."""
    rows = np.asarray(features)
    if rows.ndim != 2 or (width is not None and rows.shape[1] != width):
        expected = "a table" if width is None else f"classifiers of {width} features"
        raise BadInput(f"features {rows.shape} do not fit {expected}: pass one row per synapse")
    rows = np.ascontiguousarray(rows, dtype=np.float64)
    # single precision is what the trees compare in
    if not (np.abs(rows) <= _LARGEST).all():
        raise BadInput("features hold NaN or infinite values: leave such synapses out, with a reason")
    return rows


def fit_classifiers(
    features: npt.ArrayLike, labels: npt.ArrayLike, seed: int, neurons: Ids | None = None, trees: int = TREES
) -> ClusterClassifiers | NoModel:
    """Classifiers of the clusters `labels` (n,) of synapses with `features` (n, F); noise (-1) is not trained on.
    NoModel for fewer than two clusters.

    - k nearest neighbours, unweighted
    - random forest (Breiman 2001) of `trees` trees, clusters weighted to count alike
    - XGBoost (Chen & Guestrin, KDD 2016), 60 rounds at a learning rate of 0.2, clusters weighted to count alike
    - a one-class SVM (RBF kernel, nu 0.05) that rejects synapses unlike all training synapses

    Each classifier's setting is the one of `GRID` with the best balanced accuracy in three-fold cross-validation, which
    holds out whole `neurons` (n,) where there are three or more, otherwise single synapses;
    for the SVM see `KERNELS`. The result does not depend on the order of the rows.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return _fit(checked_features(features), checked_labels(labels), seed, neurons, trees)


def checked_labels(labels: npt.ArrayLike) -> Int64:
    """`labels` as int64 (n,); BadInput for what are no whole numbers."""
    numbers = np.asarray(labels)
    if numbers.ndim != 1 or (numbers.size and not np.issubdtype(numbers.dtype, np.integer)):
        raise BadInput(f"cluster labels have to be one column of whole numbers, not {numbers.dtype} {numbers.shape}")
    return numbers.astype(np.int64)


def _fit(rows: Float64, labels: Int64, seed: int, neurons: Ids | None, trees: int) -> ClusterClassifiers | NoModel:
    neuron_code = np.zeros(len(labels), dtype=np.int64)
    if neurons is not None:
        neuron_code = np.unique(np.asarray(neurons, dtype=str), return_inverse=True)[1].astype(np.int64)
    if not len(rows) == len(labels) == len(neuron_code):
        raise BadInput(f"{len(rows)} rows of features, {len(labels)} cluster labels and {len(neuron_code)} neurons")
    order = np.flatnonzero(labels >= 0)
    order = order[np.lexsort((neuron_code[order], labels[order], *rows[order].T))]
    rows, neuron_code = np.ascontiguousarray(rows[order]), neuron_code[order]
    numbers, code, counts = np.unique(labels[order], return_inverse=True, return_counts=True)
    if len(numbers) < 2:
        return NoModel("no clustered synapses" if not len(numbers) else f"there is one cluster only ({numbers[0]})")
    warnings = [
        f"cluster {cluster} has {count} synapses, fewer than the {INNER_FOLDS} folds that settings are searched in"
        for cluster, count in zip(numbers.tolist(), counts.tolist(), strict=True)
        if count < INNER_FOLDS
    ]
    fold = inner_folds(code, neuron_code, seed)
    if fold is None:
        fold = inner_folds(code, np.arange(len(code)), seed)
        if neurons is not None and fold is not None:
            warnings.append("settings are searched by holding out single synapses: there are fewer than 3 neurons")
    if fold is None:
        warnings.append(f"settings are not searched: {len(code)} clustered synapses are too few")
    fewest = len(code) if fold is None else len(code) - int(np.bincount(fold, minlength=INNER_FOLDS).max())
    settings: dict[str, Setting] = {}
    for name in CLASSIFIERS:
        grid = GRID[name]
        if name == NEIGHBOURS and fewest < grid[0]["n_neighbors"]:
            grid = tuple(g for g in grid if g["n_neighbors"] <= fewest) or ({"n_neighbors": min(3, max(1, fewest))},)
            warnings.append(
                f"{name}: {fewest} synapses to search settings in are fewer than {GRID[name][0]['n_neighbors']} "
                f"neighbours; the most that is tried is {grid[0]['n_neighbors']}"
            )
        settings[name] = _search_setting(name, grid, rows, code, fold, seed, min(trees, _SEARCH_TREES))
    settings[OUTLIERS] = _search_kernel(rows, fold)
    models = {
        name: _fit_classifier(name, settings[name], rows, code, len(numbers), seed, trees) for name in CLASSIFIERS
    }
    return ClusterClassifiers(
        tuple(numbers.tolist()),
        tuple(counts.tolist()),
        rows.shape[1],
        models,
        _fit_support(settings[OUTLIERS], rows),
        settings,
        tuple(warnings),
    )


def _search_setting(
    name: str, grid: Sequence[Setting], rows: Float64, code: Int64, fold: Int64 | None, seed: int, trees: int
) -> Setting:
    """The setting with the best balanced accuracy over all folds together; the first if nothing can be held out.

    scikit-learn's GridSearchCV takes the mean over folds instead, where a small cluster may be absent from one.
    """
    if fold is None or len(grid) == 1:
        return dict(grid[0])
    classes = int(code.max()) + 1
    accuracies = []
    for setting in grid:

        def fit(train: Int64, setting: Setting = setting) -> Any:
            return _fit_classifier(name, setting, rows[train], code[train], classes, seed, trees)

        def predict(model: Any, test: Int64) -> dict[str, Predictions]:
            return {name: Predictions(_probabilities(name, model, rows[test], classes).argmax(axis=1))}

        predicted = cross_validate(folds_of(fold), fit, predict).predictions[name].labels
        accuracies.append(balanced_accuracy(code, predicted, classes))
    return dict(grid[int(np.argmax(accuracies))])


def _search_kernel(rows: Float64, fold: Int64 | None) -> Setting:
    """The tightest kernel that rejects at most twice nu of synapses held out; else the widest. The
    tightest too where nothing can be held out."""
    if fold is None:
        return _kernel(rows, KERNELS[0])
    for share in KERNELS:
        rejected = 0
        for k in np.unique(fold):
            support = _fit_support(_kernel(rows[fold != k], share), rows[fold != k])
            rejected += int((support.decision_function(rows[fold == k]) < 0).sum())
        if rejected <= 2 * NU * len(rows):
            return _kernel(rows, share)
    return _kernel(rows, KERNELS[-1])


def _kernel(rows: Float64, share: float) -> Setting:
    variance = float(rows.var())
    return {"nu": NU, "gamma": share / (rows.shape[1] * variance) if variance > 0 else 1.0}


def _fit_support(setting: Setting, rows: Float64) -> Any:
    from sklearn.svm import OneClassSVM

    return OneClassSVM(kernel="rbf", **setting).fit(rows)


def _fit_classifier(
    name: str, setting: Setting, rows: Float64, code: Int64, classes: int, seed: int, trees: int
) -> Any:
    if name == NEIGHBOURS:
        from sklearn.neighbors import KNeighborsClassifier

        # a tree answers each row by itself; brute force multiplies all rows at once
        return KNeighborsClassifier(**setting, algorithm="kd_tree").fit(rows, code)
    if name == FOREST:
        from sklearn.ensemble import RandomForestClassifier

        forest = RandomForestClassifier(trees, **setting, class_weight="balanced", random_state=seed, n_jobs=1)
        return forest.fit(rows, code)
    import xgboost

    counts = np.bincount(code, minlength=classes)
    weight = len(code) / (np.count_nonzero(counts) * counts[code])
    parameters = {
        "objective": "multi:softprob",
        "num_class": classes,
        "eta": _LEARNING_RATE,
        "tree_method": "hist",
        "seed": seed,
        "nthread": 1,
        **setting,
    }
    return xgboost.train(parameters, xgboost.DMatrix(rows, label=code, weight=weight, nthread=1), _ROUNDS)


def _probabilities(name: str, model: Any, rows: Float64, classes: int) -> Float64:
    """(M, classes); a cluster that the model has not seen has probability 0 (XGBoost: a small one)."""
    probabilities = np.zeros((len(rows), classes))
    if not len(rows):
        return probabilities
    if name == BOOSTING:
        import xgboost

        return np.asarray(model.predict(xgboost.DMatrix(rows, nthread=1)), dtype=np.float64)
    probabilities[:, model.classes_] = model.predict_proba(rows)
    return probabilities
