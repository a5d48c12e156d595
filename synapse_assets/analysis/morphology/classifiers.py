"""Naming the cluster of a synapse that was not clustered, and saying honestly how well that goes.

Belongs here: the three classifiers, the rejection of synapses like none that were seen, their evaluation. Does not
belong here: the features (`features`), the clusters that serve as labels and their stability, model cards
(`model_card`), drawing.

The labels are clusters of the same features. A score therefore says whether a grouping carries over to synapses, or to
a neuron, that had no part in it; it does not say that the grouping is biology.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.morphology.features import HeldOut
from synapse_assets.analysis.scoring import (
    FEWEST_GROUPS,
    balanced_accuracy,
    bootstrap_groups,
    confusion_by_group,
    confusion_scores,
    percentile_interval,
)
from synapse_assets.analysis.splits import inner_folds
from synapse_assets.artifacts import NoModel, read_artifact, write_artifact
from synapse_assets.errors import BadInput

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Ids = Sequence[str] | npt.NDArray[np.str_]
Setting = dict[str, Any]

NEIGHBOURS, FOREST, BOOSTING = "k_nearest_neighbours", "random_forest", "xgboost"
OUTLIERS = "one_class_svm"
CLASSIFIERS = (NEIGHBOURS, FOREST, BOOSTING)
"""The classifiers, simplest first: of equals the simpler is the best."""
FEATURES, MAP = "features", "map"
LEAVE_ONE_NEURON_OUT, RANDOM_80_20 = "leave_one_neuron_out", "random_80_20"
NU = 0.05
"""Upper bound on the share of training synapses that the one-class SVM rejects (Schölkopf et al., Neural Computation 13,
2001); the published study used 0.03 to 0.05."""
TREES = 100
PUBLISHED_SEED = 42
"""Seed and share (one fifth) of the published study's random split."""
GRID: Mapping[str, tuple[Setting, ...]] = {
    NEIGHBOURS: ({"n_neighbors": 15}, {"n_neighbors": 7}, {"n_neighbors": 3}),
    FOREST: ({"min_samples_leaf": 5}, {"min_samples_leaf": 1}),
    BOOSTING: ({"max_depth": 2}, {"max_depth": 4}),
}
"""What the search tries, smoothest first: of equals the smoother is chosen."""
KERNELS = (1.0, 0.3, 0.1)
"""What gamma of the one-class SVM is tried, as shares of scikit-learn's 1 / (F variance), tightest kernel first.

At 1.0 it rejects far more than nu of what it has not seen: 18 % to 22 % of 90 to 120 normally distributed synapses with
5 features, where 0.1 rejects 6 % to 8 % (measured; all of them reject what lies far outside). So the tightest is taken
that rejects at most twice nu of the training synapses held out."""
_MODEL = ("cluster_classifiers", 1)
_EVALUATION = ("classifier_evaluation", 1)
_SEARCH_TREES = 25
_ROUNDS = 60
_LEARNING_RATE = 0.2
_INNER_FOLDS = 3
_LARGEST = float(np.finfo(np.float32).max)
# Compiled types that skops does not trust by itself, and that the estimators here are made of.
_TRUSTED = {
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.tree._tree.Tree",
}
_CHOICE_NOTE = "The best classifier is chosen on the same figures that are shown for it, which flatters it slightly."
_LABEL_NOTE = "The clusters to be named were found with the tested synapses among them; only their number is kept from the classifiers."
_WILSON_NOTE = (
    "Intervals of the random split are taken over synapses (Wilson); synapses of one neuron are not independent, so they "
    "are too narrow."
)


@dataclass(frozen=True)
class Predicted:
    """What the classifiers say of M synapses. Whether a synapse is accepted is a matter apart: its clusters are named
    even where it is an outlier, and whoever assigns it has to look at `outlier` first.

    labels         (M,) int64 by classifier, cluster numbers
    probability    (M,) float64 by classifier, of the named cluster; not calibrated
    outlier        (M,) bool, rejected by the one-class SVM
    outlier_score  (M,) float64, its decision function; negative: like nothing that was trained on
    """

    labels: dict[str, Int64]
    probability: dict[str, Float64]
    outlier: npt.NDArray[np.bool_]
    outlier_score: Float64


@dataclass(frozen=True)
class ClusterClassifiers:
    """Fitted classifiers of one investigation group.

    clusters  the cluster numbers that can be named, ascending; sizes: their training synapses
    width     F, the number of features
    models    by classifier; support: the one-class SVM
    settings  what the search chose, by classifier and for one_class_svm
    warnings  sentences for whoever reads the results
    """

    clusters: tuple[int, ...]
    sizes: tuple[int, ...]
    width: int
    models: Mapping[str, Any]
    support: Any
    settings: Mapping[str, Setting]
    warnings: tuple[str, ...]

    def predict(self, features: npt.ArrayLike) -> Predicted:
        """What each classifier says of `features` (M, F); BadInput for another width, NaN or infinite values.

        A row's results do not depend on its companions, to the bit.
        """
        from threadpoolctl import threadpool_limits

        rows = _checked(features, self.width)
        numbers = np.array(self.clusters, dtype=np.int64)
        labels, probability = {}, {}
        with threadpool_limits(1):
            for name in CLASSIFIERS:
                found = _probabilities(name, self.models[name], rows, len(numbers))
                named = found.argmax(axis=1)
                labels[name] = numbers[named]
                probability[name] = found[np.arange(len(rows)), named]
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

    asked = set(skops.io.get_untrusted_types(file=file))
    if asked - _TRUSTED:
        raise BadInput(
            f"{file} asks for types that this model does not need: {sorted(asked - _TRUSTED)}; fit the classifiers anew"
        )
    return skops.io.load(file, trusted=sorted(asked))


def _checked(features: npt.ArrayLike, width: int | None = None) -> Float64:
    """`features` as contiguous float64 (n, F)."""
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
    - a one-class SVM (RBF kernel, nu 0.05) that rejects what is like no training synapse

    Each classifier's setting is the one of `GRID` with the best balanced accuracy in three-fold cross-validation, which
    holds out whole `neurons` (n,) where there are three or more, otherwise single synapses;
    for the SVM see `KERNELS`. The result does not depend on the order of the rows.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return _fit(_checked(features), _labels(labels), seed, neurons, trees)


def _labels(labels: npt.ArrayLike) -> Int64:
    found = np.asarray(labels)
    if found.ndim != 1 or (found.size and not np.issubdtype(found.dtype, np.integer)):
        raise BadInput(f"cluster labels have to be one column of whole numbers, not {found.dtype} {found.shape}")
    return found.astype(np.int64)


def _fit(rows: Float64, labels: Int64, seed: int, neurons: Ids | None, trees: int) -> ClusterClassifiers | NoModel:
    owner = np.zeros(len(labels), dtype=np.int64)
    if neurons is not None:
        owner = np.unique(np.asarray(neurons, dtype=str), return_inverse=True)[1].astype(np.int64)
    if not len(rows) == len(labels) == len(owner):
        raise BadInput(f"{len(rows)} rows of features, {len(labels)} cluster labels and {len(owner)} neurons")
    kept = np.flatnonzero(labels >= 0)
    kept = kept[np.lexsort((owner[kept], labels[kept], *rows[kept].T))]
    rows, owner = np.ascontiguousarray(rows[kept]), owner[kept]
    numbers, code, counts = np.unique(labels[kept], return_inverse=True, return_counts=True)
    if len(numbers) < 2:
        return NoModel("no clustered synapses" if not len(numbers) else f"there is one cluster only ({numbers[0]})")
    warnings = [
        f"cluster {number} has {count} synapses, fewer than the {_INNER_FOLDS} folds that settings are searched in"
        for number, count in zip(numbers.tolist(), counts.tolist(), strict=True)
        if count < _INNER_FOLDS
    ]
    fold = inner_folds(code, owner, seed)
    if fold is None:
        fold = inner_folds(code, np.arange(len(code)), seed)
        if neurons is not None and fold is not None:
            warnings.append("settings are searched by holding out single synapses: there are fewer than 3 neurons")
    if fold is None:
        warnings.append(f"settings are not searched: {len(code)} clustered synapses are too few")
    fewest = len(code) if fold is None else len(code) - int(np.bincount(fold, minlength=_INNER_FOLDS).max())
    settings: dict[str, Setting] = {}
    for name in CLASSIFIERS:
        grid = GRID[name]
        if name == NEIGHBOURS and fewest < grid[0]["n_neighbors"]:
            grid = tuple(g for g in grid if g["n_neighbors"] <= fewest) or ({"n_neighbors": min(3, max(1, fewest))},)
            warnings.append(
                f"{name}: {fewest} synapses to search settings in are fewer than {GRID[name][0]['n_neighbors']} "
                f"neighbours; the most that is tried is {grid[0]['n_neighbors']}"
            )
        settings[name] = _search(name, grid, rows, code, fold, seed, min(trees, _SEARCH_TREES))
    settings[OUTLIERS] = _search_kernel(rows, fold)
    models = {name: _fit_one(name, settings[name], rows, code, len(numbers), seed, trees) for name in CLASSIFIERS}
    return ClusterClassifiers(
        tuple(numbers.tolist()),
        tuple(counts.tolist()),
        rows.shape[1],
        models,
        _fit_support(settings[OUTLIERS], rows),
        settings,
        tuple(warnings),
    )


def _search(
    name: str, grid: Sequence[Setting], rows: Float64, code: Int64, fold: Int64 | None, seed: int, trees: int
) -> Setting:
    """The setting with the best balanced accuracy over all folds together; the first if nothing can be held out."""
    if fold is None or len(grid) == 1:
        return dict(grid[0])
    classes = int(code.max()) + 1
    reached = []
    for setting in grid:
        confusion = np.zeros((classes, classes))
        for k in np.unique(fold):
            model = _fit_one(name, setting, rows[fold != k], code[fold != k], classes, seed, trees)
            named = _probabilities(name, model, rows[fold == k], classes).argmax(axis=1)
            np.add.at(confusion, (code[fold == k], named), 1)
        reached.append(balanced_accuracy(confusion))
    return dict(grid[int(np.argmax(reached))])


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


def _fit_one(name: str, setting: Setting, rows: Float64, code: Int64, classes: int, seed: int, trees: int) -> Any:
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
    facts = {
        "objective": "multi:softprob",
        "num_class": classes,
        "eta": _LEARNING_RATE,
        "tree_method": "hist",
        "seed": seed,
        "nthread": 1,
        **setting,
    }
    return xgboost.train(facts, xgboost.DMatrix(rows, label=code, weight=weight, nthread=1), _ROUNDS)


def _probabilities(name: str, model: Any, rows: Float64, classes: int) -> Float64:
    """(M, classes); a cluster that the model has not seen has probability 0 (XGBoost: a small one)."""
    out = np.zeros((len(rows), classes))
    if not len(rows):
        return out
    if name == BOOSTING:
        import xgboost

        return np.asarray(model.predict(xgboost.DMatrix(rows, nthread=1)), dtype=np.float64)
    out[:, model.classes_] = model.predict_proba(rows)
    return out


@dataclass(frozen=True)
class Score:
    """How one classifier did in one way of testing; the columns of `schema.morphology.CLASSIFIER_SCORES`, and beside
    them:

    confusion  (C, C + 1) int64, row: true cluster, column: named cluster; the last column is outlier: not assigned,
               because it was rejected or left out
    left_out   tested synapses without features in their fold (counted as wrong)
    unnameable tested synapses whose cluster no training synapse was in (counted as wrong)
    """

    classifier: str
    inputs: str
    split: str
    trained: int
    tested: int
    neurons: int
    accuracy: float
    accuracy_low: float | None
    accuracy_high: float | None
    interval_over: str | None
    balanced_accuracy: float
    macro_f1: float
    outliers: int
    accuracy_of_accepted: float | None
    guessing: float
    settings: str
    confusion: Int64
    left_out: int
    unnameable: int

    def row(self) -> dict[str, Any]:
        """The row for `schema.morphology.CLASSIFIER_SCORES`, without investigation_group, published_accuracy and
        classifier_model."""
        return {k: v for k, v in self.__dict__.items() if k not in ("confusion", "left_out", "unnameable")}


@dataclass(frozen=True)
class Evaluation:
    """How well the classifiers of one investigation group name synapses that they were not trained on.

    clusters, sizes  cluster numbers, ascending, and how many synapses each has
    neurons          clustered synapses by neuron
    noise            synapses in no cluster, neither trained on nor tested
    scores           one for each classifier and way of testing; none where there are fewer than two clusters
    best, best_by    the best classifier, and the split that says so; None where nothing could be tested
    warnings         what went other than it should; notes: what to know when reading any of the figures
    """

    clusters: tuple[int, ...]
    sizes: tuple[int, ...]
    neurons: Mapping[str, int]
    noise: int
    scores: tuple[Score, ...]
    best: str | None
    best_by: str | None
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """What the columns of the confusion matrices stand for."""
        return (*(str(c) for c in self.clusters), "outlier")

    def rows(self) -> list[dict[str, Any]]:
        """The row of every score (`Score.row`)."""
        return [score.row() for score in self.scores]

    def score(self, classifier: str, inputs: str, split: str) -> Score | None:
        """The score of one classifier in one way of testing, if there is one."""
        found = [s for s in self.scores if (s.classifier, s.inputs, s.split) == (classifier, inputs, split)]
        return found[0] if found else None

    def save(self, folder: Path) -> None:
        """Writes the artifact classifier_evaluation into `folder` (made if absent)."""
        scores = [{**score.__dict__, "confusion": score.confusion.tolist()} for score in self.scores]
        write_artifact(folder, *_EVALUATION, facts={**self.__dict__, "scores": scores}, arrays={})

    @classmethod
    def load(cls, folder: Path) -> "Evaluation":
        """What `save` wrote; BadInput as `read_artifact`."""
        found = read_artifact(folder, *_EVALUATION)
        scores = [{field.name: score[field.name] for field in fields(Score)} for score in found.facts["scores"]]
        lists: dict[str, Any] = {name: tuple(found.facts[name]) for name in ("clusters", "sizes", "warnings", "notes")}
        return cls(
            scores=tuple(Score(**{**s, "confusion": np.array(s["confusion"], dtype=np.int64)}) for s in scores),
            **lists,
            **found.values("neurons", "noise", "best", "best_by"),
        )


@dataclass
class _Tally:
    """What one way of testing found, fold by fold; clusters as positions in `clusters`, their number for 'not
    assigned'."""

    clusters: Int64
    true: list[Int64]
    neuron: list[npt.NDArray[np.str_]]
    named: dict[str, list[Int64]]
    trained: list[int]
    settings: Mapping[str, Setting]
    outliers: int = 0
    left_out: int = 0
    unnameable: int = 0

    @classmethod
    def empty(cls, clusters: Int64) -> "_Tally":
        return cls(clusters, [], [], {name: [] for name in CLASSIFIERS}, [], {})

    def add(
        self, fitted: ClusterClassifiers | None, features: Float64, label: Int64, neuron: npt.NDArray[np.str_]
    ) -> None:
        """Tests `fitted` on `features` (K, F), the first K of the synapses with the true `label` (M,).

        The others have no features and are not assigned; without a classifier none is.
        """
        self.true.append(np.searchsorted(self.clusters, label))
        self.neuron.append(neuron)
        named = {name: np.full(len(label), len(self.clusters), dtype=np.int64) for name in CLASSIFIERS}
        if fitted is None:
            self.left_out += len(label)
        else:
            predicted = fitted.predict(features)
            for name in CLASSIFIERS:
                at = np.searchsorted(self.clusters, predicted.labels[name])
                named[name][: len(features)] = np.where(predicted.outlier, len(self.clusters), at)
            self.outliers += int(predicted.outlier.sum())
            self.left_out += len(label) - len(features)
            self.unnameable += int((~np.isin(label, fitted.clusters)).sum())
            self.trained.append(sum(fitted.sizes))
            self.settings = fitted.settings
        for name in CLASSIFIERS:
            self.named[name].append(named[name])

    def scores(self, inputs: str, split: str, seed: int) -> list[Score]:
        """The score of each classifier; none where nothing was trained or tested."""
        if not self.trained:
            return []
        true, neuron = np.concatenate(self.true), np.concatenate(self.neuron)
        _, group = np.unique(neuron, return_inverse=True)
        out = []
        for name in CLASSIFIERS:
            # square, with 'not assigned' as one more class that no synapse truly is in
            by_neuron = confusion_by_group(true, np.concatenate(self.named[name]), group, len(self.clusters) + 1)
            confusion = by_neuron.sum(axis=0)
            summary = confusion_scores(confusion[None])
            right = int(np.trace(confusion))
            accepted = len(true) - int(confusion[:, -1].sum())
            over, low, high = _accuracy_interval(split, right, by_neuron, seed)
            out.append(
                Score(
                    classifier=name,
                    inputs=inputs,
                    split=split,
                    trained=round(float(np.mean(self.trained))),
                    tested=len(true),
                    neurons=len(by_neuron),
                    accuracy=right / len(true),
                    accuracy_low=low,
                    accuracy_high=high,
                    interval_over=over,
                    balanced_accuracy=float(summary["balanced_accuracy"][0]),
                    macro_f1=float(summary["macro_f1"][0]),
                    outliers=self.outliers,
                    accuracy_of_accepted=right / accepted if accepted else None,
                    guessing=float(np.bincount(true).max() / len(true)),
                    settings=json.dumps({**self.settings[name], OUTLIERS: self.settings[OUTLIERS]}, sort_keys=True),
                    confusion=confusion[:-1].astype(np.int64),
                    left_out=self.left_out,
                    unnameable=self.unnameable,
                )
            )
        return out


def _accuracy_interval(
    split: str, right: int, by_neuron: Float64, seed: int
) -> tuple[str | None, float | None, float | None]:
    """What the 95 % interval is over, and its ends: a bootstrap of whole neurons, or Wilson's for the random split."""
    if split == RANDOM_80_20:
        from scipy.stats import binomtest

        wilson = binomtest(right, int(by_neuron.sum())).proportion_ci(method="wilson")
        return "synapses", float(wilson.low), float(wilson.high)
    drawn = bootstrap_groups(by_neuron, seed)
    ends = None if drawn is None else percentile_interval(np.trace(drawn, axis1=1, axis2=2) / drawn.sum(axis=(1, 2)))
    return (None, None, None) if ends is None else ("neurons", *ends)


def evaluate(
    features: npt.ArrayLike,
    map_xy: npt.ArrayLike,
    labels: npt.ArrayLike,
    neurons: Ids,
    ids: Ids,
    held_out: Callable[[str], HeldOut | NoModel],
    seed: int,
    trees: int = TREES,
) -> Evaluation:
    """How well `fit_classifiers` names the clusters `labels` (n,) of synapses `ids` (n,) of `neurons` (n,).

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

    label, owner, name = _labels(labels), np.asarray(neurons, dtype=str), np.asarray(ids, dtype=str)
    inputs = {MAP: _checked(map_xy, 2), FEATURES: _checked(features)}
    lengths = {len(label), len(owner), len(name), *(len(rows) for rows in inputs.values())}
    if len(lengths) > 1:
        raise BadInput(f"labels, neurons, ids, map and features have different lengths: {sorted(lengths)}")
    if len(np.unique(name)) != len(name):
        raise BadInput(f"{len(name) - len(np.unique(name))} synapse ids occur twice")
    order = np.argsort(name)
    label, owner, name = label[order], owner[order], name[order]
    clustered = label >= 0
    clusters, counts = np.unique(label[clustered], return_counts=True)
    members = dict(zip(*(part.tolist() for part in np.unique(owner[clustered], return_counts=True)), strict=True))
    noise = int((~clustered).sum())
    warnings = [f"{noise} of {len(name)} synapses are noise: neither trained on nor tested"] if noise else []
    scores: list[Score] = []
    if len(clusters) < 2:
        warnings.append(f"nothing to tell apart: {len(clusters)} clusters with {len(name) - noise} synapses")
    else:
        with threadpool_limits(1):
            for kind, rows in inputs.items():
                scores += _random(
                    kind, rows[order][clustered], label[clustered], owner[clustered], seed, trees, warnings
                )
            scores += _leave_one_neuron_out(label, owner, name, held_out, seed, trees, warnings)
    best, best_by = _best(scores)
    return Evaluation(
        tuple(clusters.tolist()),
        tuple(counts.tolist()),
        members,
        noise,
        tuple(scores),
        best,
        best_by,
        tuple(dict.fromkeys(warnings)),
        (_LABEL_NOTE, _CHOICE_NOTE, _WILSON_NOTE) if scores else (),
    )


def _best(scores: Sequence[Score]) -> tuple[str | None, str | None]:
    """The classifier with the best balanced accuracy on features, and by which split: the honest one where there is one."""
    for split in (LEAVE_ONE_NEURON_OUT, RANDOM_80_20):
        reached = {s.classifier: s.balanced_accuracy for s in scores if (s.inputs, s.split) == (FEATURES, split)}
        if reached:
            return max(CLASSIFIERS, key=lambda name: reached[name]), split
    return None, None


def _random(
    kind: str,
    rows: Float64,
    label: Int64,
    owner: npt.NDArray[np.str_],
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
    fitted = _fit(rows[train], label[train], seed, None, trees)
    if isinstance(fitted, NoModel):
        warnings.append(f"{RANDOM_80_20}: not tested, for training {fitted.reason}")
        return []
    tally = _Tally.empty(np.unique(label))
    tally.add(fitted, rows[test], label[test], owner[test])
    if tally.unnameable:
        warnings.append(
            f"{RANDOM_80_20}: {tally.unnameable} tested synapses are in clusters without a training synapse and count as wrong"
        )
    return tally.scores(kind, RANDOM_80_20, seed)


def _leave_one_neuron_out(
    label: Int64,
    owner: npt.NDArray[np.str_],
    name: npt.NDArray[np.str_],
    held_out: Callable[[str], HeldOut | NoModel],
    seed: int,
    trees: int,
    warnings: list[str],
) -> list[Score]:
    """Scores over all neurons with clustered synapses; adds to `warnings`."""
    split = LEAVE_ONE_NEURON_OUT
    clustered = label >= 0
    neurons = np.unique(owner[clustered]).tolist()
    if len(neurons) < 2:
        warnings.append(f"{split}: not tested, all clustered synapses are on one neuron")
        return []
    row_of = {synapse: row for row, synapse in enumerate(name.tolist())}
    tally = _Tally.empty(np.unique(label[clustered]))
    without: dict[str, int] = {}
    for neuron in neurons:
        own = np.flatnonzero((owner == neuron) & clustered)
        fold = held_out(neuron)
        fitted: ClusterClassifiers | NoModel
        if isinstance(fold, NoModel):
            fitted = fold
        else:
            train, features = _known(fold.train_ids, fold.train, row_of)
            if (owner[train] == neuron).any():
                raise BadInput(f"the features without {neuron} were fitted on synapses of it: hold it out")
            fitted = _fit(features, label[train], seed, owner[train], trees)
            lost = int((clustered & (owner != neuron)).sum() - clustered[train].sum())
            if lost:
                warnings.append(
                    f"{split}: without {neuron}, {lost} synapses of other neurons have no features to train on"
                )
        if isinstance(fold, NoModel) or isinstance(fitted, NoModel):
            reason = fitted.reason if isinstance(fitted, NoModel) else ""
            warnings.append(
                f"{split}: no classifier without {neuron}, its {len(own)} synapses count as wrong: {reason}"
            )
            tally.add(None, np.zeros((0, 0)), label[own], owner[own])
            continue
        test, features = _known(fold.test_ids, fold.test, row_of)
        tested = np.isin(test, own)
        missing = np.setdiff1d(own, test)
        for row in missing.tolist():
            why = fold.left_out.get(str(name[row]), "not among the features of the fold")
            without[why] = without.get(why, 0) + 1
        both = np.concatenate([test[tested], missing])
        tally.add(fitted, features[tested], label[both], owner[both])
    scores = tally.scores(FEATURES, split, seed)
    if not scores:
        warnings.append(f"{split}: not tested, no classifier could be fitted")
    for why, count in sorted(without.items()):
        warnings.append(f"{split}: {count} synapses of the neuron held out have no features and count as wrong: {why}")
    if tally.unnameable:
        warnings.append(
            f"{split}: {tally.unnameable} synapses are in clusters that only their own neuron has and count as wrong"
        )
    if len(neurons) <= _INNER_FOLDS:
        warnings.append(f"{split}: with {len(neurons)} neurons, settings are searched by holding out single synapses")
    if scores and len(neurons) < FEWEST_GROUPS:
        warnings.append(f"{split}: {len(neurons)} neurons, no interval below {FEWEST_GROUPS} neurons")
    return scores


def _known(ids: Ids, features: Float64, row_of: Mapping[str, int]) -> tuple[Int64, Float64]:
    """Of a fold's rows those that are evaluated here: their row in the evaluation (K,), and their features (K, F)."""
    rows = _checked(features)
    if len(ids) != len(rows):
        raise BadInput(f"a fold has {len(ids)} ids but {len(rows)} rows of features")
    pairs = [(row_of[synapse], row) for row, synapse in enumerate(str(i) for i in ids) if synapse in row_of]
    at = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return at[:, 0], rows[at[:, 1]]
