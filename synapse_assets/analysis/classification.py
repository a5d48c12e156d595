"""Reading the known class of a synapse from its vector, and saying honestly how well that goes.

Belongs here: the linear probe, its scores by split, votes of neurons. Does not belong here: which synapses are held out
together (`splits`), drawing (`figures`).

A linear probe (Alain & Bengio, arXiv:1610.01644) asks what an embedding holds, not what a further network could make of
it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.analysis.scoring import (
    Interval,
    balanced_accuracy,
    bootstrap_groups,
    confusion_by_group,
    confusion_scores,
    percentile_interval,
)
from synapse_assets.analysis.splits import RANDOM, inner_folds
from synapse_assets.artifacts import NoModel, read_artifact, write_artifact
from synapse_assets.errors import BadInput
from synapse_assets.schema import NEURON_PREDICTIONS, SYNAPSE_PREDICTIONS

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

STRENGTHS = (0.0001, 0.001, 0.01, 0.1)
"""Inverse strengths of the penalty (scikit-learn's C) that inner cross-validation chooses from, strongest penalty
first."""
_BLOCK_BYTES = 32 * 2**20
_PROBE = ("linear_probe", 1)
_PROBE_ARRAYS = ("mean", "scale", "weights", "intercept")
_EVALUATION = ("probe_evaluation", 1)
_EVALUATION_ARRAYS = ("synapse_ids", "probabilities")


@dataclass(frozen=True)
class LinearProbe:
    """A fitted classifier: standardise, then multinomial logistic regression.

    classes     C names, sorted
    mean, scale (D,) float64; weights (C, D) float64; intercept (C,) float64
    strength    the C of scikit-learn that was chosen
    """

    classes: tuple[str, ...]
    mean: Float64
    scale: Float64
    weights: Float64
    intercept: Float64
    strength: float

    def predict(self, vectors: npt.ArrayLike) -> tuple[Int64, Float64]:
        """Index of the most probable class (M,) and the probabilities (M, C) of `vectors` (M, D); BadInput for another
        width or NaN.

        Float64 throughout; to the bit, a row's probabilities do not depend on its companions (no matrix product: each
        score is one contiguous sum).
        """
        rows = np.asarray(vectors)
        if rows.ndim != 2 or rows.shape[1] != len(self.mean):
            raise BadInput(f"vectors {rows.shape} do not fit a classifier of {len(self.mean)} features")
        scores = np.empty((len(rows), len(self.classes)))
        step = max(1, _BLOCK_BYTES // (8 * max(1, len(self.mean))))
        for start in range(0, len(rows), step):
            # in C order whatever came: along a strided axis numpy adds in another order, and the last bit differs
            block = np.ascontiguousarray(rows[start : start + step], dtype=np.float64)
            scaled = (block - self.mean) / self.scale
            if not np.isfinite(scaled).all():
                raise BadInput("vectors hold NaN or infinite values")
            for column, weights in enumerate(self.weights):
                scores[start : start + step, column] = np.add.reduce(scaled * weights, axis=1) + self.intercept[column]
        odds = np.exp(scores - scores.max(axis=1, keepdims=True)) if len(rows) else scores
        total = np.zeros(len(rows))
        for column in range(len(self.classes)):
            total = total + odds[:, column]
        probabilities = odds / total[:, None]
        return probabilities.argmax(axis=1).astype(np.int64), probabilities

    def save(self, folder: Path) -> None:
        """Writes the artifact linear_probe into `folder` (made if absent)."""
        arrays = {name: getattr(self, name) for name in _PROBE_ARRAYS}
        write_artifact(folder, *_PROBE, facts={"classes": self.classes, "strength": self.strength}, arrays=arrays)

    @classmethod
    def load(cls, folder: Path) -> "LinearProbe":
        """What `save` wrote, to the bit; BadInput as `read_artifact`."""
        found = read_artifact(folder, *_PROBE)
        return cls(classes=tuple(found.facts["classes"]), **found.values("strength", *_PROBE_ARRAYS))


def fit_probe(
    vectors: npt.ArrayLike, targets: Sequence[str], seed: int, groups: Sequence[str] | None = None
) -> LinearProbe | NoModel:
    """A probe for `targets` (N names) from `vectors` (N, D), classes weighted to count alike; NoModel for fewer than
    two classes.

    The penalty is chosen by balanced accuracy in three-fold cross-validation that holds out whole `groups` (each row
    its own group without them); ties go to the stronger penalty.
    """
    names, code = np.unique(np.asarray(targets, dtype=str), return_inverse=True)
    if len(names) < 2:
        return NoModel("no labelled synapses" if not len(names) else f"all labelled synapses are '{names[0]}'")
    rows = np.asarray(vectors, dtype=np.float64)
    if len(rows) != len(code):
        raise BadInput(f"{len(rows)} vectors but {len(code)} targets")
    if not np.isfinite(rows).all():
        raise BadInput("vectors hold NaN or infinite values")
    held = np.arange(len(code)) if groups is None else np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1]
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    scale = np.where(scale > 1e-12, scale, 1.0)
    strength = _choose_strength(rows, code, held, seed)
    weights, intercept = _fit((rows - mean) / scale, code, len(names), (strength,))[0]
    return LinearProbe(tuple(str(n) for n in names), mean, scale, weights, intercept, strength)


def _fit(scaled: Float64, code: Int64, classes: int, strengths: Sequence[float]) -> list[tuple[Float64, Float64]]:
    """Weights and intercepts for each strength, each fit starting from the one before. An absent class scores minus
    infinity."""
    import warnings

    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    present = np.unique(code)
    out = []
    model: Any = LogisticRegression(class_weight="balanced", max_iter=300, tol=1e-4, warm_start=True)
    for strength in strengths:
        weights = np.zeros((classes, scaled.shape[1]))
        intercept = np.full(classes, -np.inf)
        if len(present) == 1:
            intercept[present] = 0.0
        else:
            model.set_params(C=strength)
            # one thread: the products are small, and OpenBLAS threads that wait for each other took 20 times as long
            # (0.70 s to 0.03 s for 1,920 x 512 on a busy machine)
            with warnings.catch_warnings(), threadpool_limits(1, "blas"):
                warnings.filterwarnings("ignore", category=Warning, module="sklearn")
                model.fit(scaled, code)
            if len(present) == 2:
                weights[present] = np.stack([np.zeros(scaled.shape[1]), model.coef_[0]])
                intercept[present] = (0.0, model.intercept_[0])
            else:
                weights[present] = model.coef_
                intercept[present] = model.intercept_
        out.append((weights, intercept))
    return out


def _choose_strength(rows: Float64, code: Int64, groups: Int64, seed: int) -> float:
    """The strength with the best balanced accuracy over held-out groups of these rows; the middle one if nothing can be
    held out."""
    fold = inner_folds(code, groups, seed)
    if fold is None:
        return STRENGTHS[len(STRENGTHS) // 2]
    classes = int(code.max()) + 1
    confusion = np.zeros((len(STRENGTHS), classes, classes))
    for k in range(3):
        train, test = fold != k, fold == k
        if not train.any() or not test.any():
            continue
        mean, scale = rows[train].mean(axis=0), rows[train].std(axis=0)
        scale = np.where(scale > 1e-12, scale, 1.0)
        fits = _fit((rows[train] - mean) / scale, code[train], classes, STRENGTHS)
        scaled = (rows[test] - mean) / scale
        for i, (weights, intercept) in enumerate(fits):
            named = (scaled @ weights.T + intercept).argmax(axis=1)
            np.add.at(confusion[i], (code[test], named), 1)
    return STRENGTHS[int(np.argmax([balanced_accuracy(c) for c in confusion]))]


@dataclass(frozen=True)
class ClassScore:
    """Out-of-fold scores of one class; intervals (95 %, over groups) are None below 8 groups, values NaN where
    undefined."""

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
class SplitScore:
    """Out-of-fold scores under one split.

    confusion    (C, C) int64, row: true class, column: named class
    groups       independent groups that the intervals are taken over
    intervals    95 % percentile bootstrap over whole groups; None below 8 groups
    """

    split: str
    rows: int
    groups: int
    confusion: Int64
    balanced_accuracy: float
    balanced_accuracy_interval: Interval | None
    macro_f1: float
    macro_f1_interval: Interval | None
    classes: tuple[ClassScore, ...]


@dataclass(frozen=True)
class Evaluation:
    """What a probe of these vectors can do on groups it never saw.

    headline        the split that counts, a name in `splits`
    gap             how much more a random split would have claimed (balanced accuracy); None without one
    synapse_ids     (M,) the labelled synapses with an out-of-fold prediction, sorted
    probabilities   (M, C) float64, out of fold: under the headline split; for synapses without a group there, under the
                    random one
    """

    classes: tuple[str, ...]
    headline_split: str
    splits: Mapping[str, SplitScore]
    gap: float | None
    gap_interval: Interval | None
    warnings: list[str]
    synapse_ids: npt.NDArray[np.str_]
    probabilities: Float64

    @property
    def headline(self) -> SplitScore:
        """The scores that count."""
        return self.splits[self.headline_split]

    def scores(self) -> dict[str, float]:
        """Numbers for a plot over time: the headline's, every split's balanced accuracy, the gap; what is undefined is
        left out."""
        out = {
            "balanced_accuracy": self.headline.balanced_accuracy,
            "macro_f1": self.headline.macro_f1,
            "groups": float(self.headline.groups),
        }
        if self.headline.balanced_accuracy_interval:
            out["balanced_accuracy_low"], out["balanced_accuracy_high"] = self.headline.balanced_accuracy_interval
        for name, score in self.splits.items():
            out[f"balanced_accuracy_{name}"] = score.balanced_accuracy
        if self.gap is not None:
            out["random_split_gap"] = self.gap
        return {name: float(value) for name, value in out.items() if not np.isnan(value)}

    def save(self, folder: Path) -> None:
        """Writes the artifact probe_evaluation (the json holds all scores, for a reader too) into `folder` (made if absent)."""
        facts: dict[str, Any] = {
            "classes": self.classes,
            "headline_split": self.headline_split,
            "gap": self.gap,
            "gap_interval": self.gap_interval,
            "warnings": self.warnings,
            "splits": {n: _plain(s) for n, s in self.splits.items()},
        }
        arrays = {name: getattr(self, name) for name in _EVALUATION_ARRAYS}
        write_artifact(folder, *_EVALUATION, facts=facts, arrays=arrays)

    @classmethod
    def load(cls, folder: Path) -> "Evaluation":
        """What `save` wrote; BadInput as `read_artifact`."""
        found = read_artifact(folder, *_EVALUATION)
        splits = {}
        for name, score in found.facts["splits"].items():
            score = _typed(SplitScore, score)
            score["confusion"] = np.array(score["confusion"], dtype=np.int64)
            score["classes"] = tuple(ClassScore(**_typed(ClassScore, row)) for row in score["classes"])
            splits[name] = SplitScore(**score)
        facts = _typed(cls, found.facts) | {"splits": splits, "classes": tuple(found.facts["classes"])}
        return cls(**facts, **found.values(*_EVALUATION_ARRAYS))


def _plain(score: SplitScore) -> dict[str, Any]:
    """A score as JSON can hold it: NaN becomes null."""

    def clean(value: Any) -> Any:
        return None if isinstance(value, float) and np.isnan(value) else value

    out = {k: clean(v) for k, v in score.__dict__.items()}
    out["confusion"] = score.confusion.tolist()
    out["classes"] = [{k: clean(v) for k, v in c.__dict__.items()} for c in score.classes]
    return out


def _typed(kind: type, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The reverse, of the fields of `kind`: intervals become tuples, a null that stands for a number becomes NaN."""
    numbers = {"balanced_accuracy", "macro_f1", "recall", "precision", "f1"}
    known = {f.name: facts[f.name] for f in fields(kind) if f.name in facts}
    out = {k: tuple(v) if k.endswith("_interval") and v is not None else v for k, v in known.items()}
    return out | {k: float("nan") for k in numbers & out.keys() if out[k] is None}


def evaluate(
    synapse_ids: Sequence[str], vectors: npt.ArrayLike, splits: pa.Table, headline: str, seed: int
) -> Evaluation | NoModel:
    """Out-of-fold scores of a probe under every split of `splits` (`schema.SPLITS`, which also holds the targets).

    For each fold a probe is fitted on the other folds (penalty included, `fit_probe`), the groups of that split held
    together. A class that no other fold has is never named and counts as wrong. Intervals resample whole groups of the
    split; the random split is scored on the rows of the headline split, over the headline's groups, so that the two can
    be compared, and their gap has a paired interval.

    Synapses of `splits` without a vector are left out with a warning. NoModel for no labels, one class, or a headline
    without folds.
    """
    ids = np.asarray(synapse_ids, dtype=str)
    rows = np.asarray(vectors, dtype=np.float64)
    if len(ids) != len(rows):
        raise BadInput(f"{len(ids)} synapse ids but {len(rows)} vectors")
    if not splits.num_rows:
        return NoModel("no labelled synapses")
    where = {i: n for n, i in enumerate(ids.tolist())}
    row = np.array([where.get(i, -1) for i in splits.column("synapse_id").to_pylist()], dtype=np.int64)
    warnings: list[str] = []
    lost = len(set(splits.filter(pa.array(row < 0)).column("synapse_id").to_pylist()))
    if lost:
        warnings.append(f"{lost} labelled synapses have no vector and are not scored")
    table = splits.filter(pa.array(row >= 0)).append_column("row", pa.array(row[row >= 0]))
    table = table.sort_by([("split", "ascending"), ("synapse_id", "ascending")])
    split_of = np.array(table.column("split").to_pylist(), dtype=str)
    names = np.unique(np.array(table.column("target").to_pylist(), dtype=str))
    if len(names) < 2:
        return NoModel(
            "no labelled synapses with vectors" if not len(names) else f"all labelled synapses are '{names[0]}'"
        )
    code_all = np.searchsorted(names, np.array(table.column("target").to_pylist(), dtype=str))
    group_all = np.array(table.column("group").to_pylist(), dtype=str)
    fold_all = table.column("fold").to_numpy()
    row_all = table.column("row").to_numpy()
    if len(np.unique(fold_all[split_of == headline])) < 2:
        return NoModel(f"nothing can be held out by '{headline}': fewer than two groups of labelled synapses")

    # the headline first: the random split is scored over its rows and groups
    order = sorted(np.unique(split_of).tolist(), key=lambda s: (s != headline, s == RANDOM, s))
    found: dict[str, tuple[Int64, Float64, Int64, Int64]] = {}
    scores: dict[str, SplitScore] = {}
    resampled: dict[str, Float64 | None] = {}
    head_group: dict[int, int] = {}
    for split in order:
        at = np.flatnonzero(split_of == split)
        at = at[np.argsort(row_all[at], kind="stable")]
        if len(np.unique(fold_all[at])) < 2:
            warnings.append(f"{split}: fewer than two folds with vectors, not scored")
            continue
        group = np.unique(group_all[at], return_inverse=True)[1]
        probabilities = _out_of_fold(rows[row_all[at]], code_all[at], group, fold_all[at], len(names), seed)
        named = probabilities.argmax(axis=1)
        found[split] = (row_all[at], probabilities, code_all[at], named)
        if split == headline:
            head_group = dict(zip(row_all[at].tolist(), group.tolist(), strict=True))
        if split == RANDOM and split != headline:
            keep = np.array([r in head_group for r in row_all[at].tolist()], dtype=bool)
            at, named = at[keep], named[keep]
            group = np.array([head_group[r] for r in row_all[at].tolist()], dtype=np.int64)
        scores[split], resampled[split] = _score(split, code_all[at], named, group, [str(n) for n in names], seed)
        if split != RANDOM:
            for name in scores[split].classes:
                if name.groups == 1:
                    warnings.append(f"{split}: class '{name.name}' has 1 group and cannot be tested on another")
    gap, gap_interval = None, None
    if RANDOM in scores and headline != RANDOM:
        gap = scores[RANDOM].balanced_accuracy - scores[headline].balanced_accuracy
        ours, theirs = resampled[headline], resampled[RANDOM]
        if ours is not None and theirs is not None:
            gap_interval = percentile_interval(
                confusion_scores(theirs)["balanced_accuracy"] - confusion_scores(ours)["balanced_accuracy"]
            )
    if scores[headline].balanced_accuracy_interval is None:
        warnings.append(f"{headline}: {scores[headline].groups} groups, too few for an interval (8 are needed)")
    stored, probabilities = found[headline][:2]
    if RANDOM in found and headline != RANDOM:
        extra = ~np.isin(found[RANDOM][0], stored)
        stored = np.concatenate([stored, found[RANDOM][0][extra]])
        probabilities = np.concatenate([probabilities, found[RANDOM][1][extra]])
    by_id = np.argsort(ids[stored], kind="stable")
    return Evaluation(
        tuple(str(n) for n in names),
        headline,
        scores,
        gap,
        gap_interval,
        warnings,
        ids[stored][by_id],
        probabilities[by_id],
    )


def _out_of_fold(rows: Float64, code: Int64, group: Int64, fold: Int64, classes: int, seed: int) -> Float64:
    """Probabilities (M, C), each row by the probe of the other folds; a class absent there has probability 0."""
    out = np.zeros((len(rows), classes))
    names = [f"{c:06d}" for c in range(classes)]
    for k in np.unique(fold):
        train, test = fold != k, fold == k
        present = np.unique(code[train])
        if len(present) == 1:
            out[np.ix_(test, present)] = 1.0
            continue
        probe = fit_probe(rows[train], [names[c] for c in code[train]], seed, [str(g) for g in group[train]])
        if isinstance(probe, NoModel):
            continue
        out[np.ix_(test, present)] = probe.predict(rows[test])[1]
    return out


def _score(
    split: str, true: Int64, named: Int64, group: Int64, names: list[str], seed: int
) -> tuple[SplitScore, Float64 | None]:
    """The scores of one split and its resampled confusion matrices."""
    group = np.unique(group, return_inverse=True)[1]
    by_group = confusion_by_group(true, named, group, len(names))
    confusion = by_group.sum(axis=0)
    point = confusion_scores(confusion[None])
    drawn = bootstrap_groups(by_group, seed)
    spread = None if drawn is None else confusion_scores(drawn)

    def interval(name: str, column: int | None = None) -> Interval | None:
        if spread is None:
            return None
        return percentile_interval(spread[name] if column is None else spread[name][:, column])

    classes = tuple(
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
    )
    score = SplitScore(
        split,
        len(true),
        len(by_group),
        confusion.astype(np.int64),
        float(point["balanced_accuracy"][0]),
        interval("balanced_accuracy"),
        float(point["macro_f1"][0]),
        interval("macro_f1"),
        classes,
    )
    return score, drawn


@dataclass(frozen=True)
class Classifier:
    """What is applied to a region: the probe, and the out-of-fold probabilities of the synapses that trained it."""

    probe: LinearProbe
    synapse_ids: npt.NDArray[np.str_]
    probabilities: Float64

    @classmethod
    def load(cls, folder: Path) -> "Classifier":
        """The classifier whose probe and evaluation were saved into `folder`; BadInput as `read_artifact`."""
        arrays = read_artifact(folder, *_EVALUATION).arrays
        return cls(LinearProbe.load(folder), arrays["synapse_ids"], arrays["probabilities"])


def predict_rows(classifier: Classifier | NoModel, rows: pa.Table, vectors: npt.ArrayLike, version: str) -> pa.Table:
    """Predictions (`schema.SYNAPSE_PREDICTIONS`) for `rows` (synapse_id, brain_region) with their vectors (M, D); no
    rows without a model.

    A synapse that trained the classifier gets its stored out-of-fold prediction (out_of_fold is true), never the
    in-sample one.
    """
    if isinstance(classifier, NoModel) or not rows.num_rows:
        return SYNAPSE_PREDICTIONS.empty()
    classes = np.array(classifier.probe.classes)
    probabilities = classifier.probe.predict(vectors)[1]
    ids = np.array(rows.column("synapse_id").to_pylist(), dtype=str)
    at = np.searchsorted(classifier.synapse_ids, ids)
    at = np.minimum(at, max(0, len(classifier.synapse_ids) - 1))
    known = classifier.synapse_ids[at] == ids if len(classifier.synapse_ids) else np.zeros(len(ids), dtype=bool)
    probabilities[known] = classifier.probabilities[at[known]]
    named = probabilities.argmax(axis=1)
    offsets = np.arange(len(ids) + 1, dtype=np.int32) * len(classes)
    return SYNAPSE_PREDICTIONS.conform(
        pa.table(
            {
                "synapse_id": rows.column("synapse_id"),
                "brain_region": rows.column("brain_region"),
                "predicted": classes[named],
                "probability": probabilities[np.arange(len(ids)), named],
                "probabilities": pa.MapArray.from_arrays(
                    pa.array(offsets), pa.array(np.tile(classes, len(ids))), pa.array(probabilities.ravel())
                ),
                "out_of_fold": known,
                "classifier": pa.array([version] * len(ids), pa.string()),
            }
        )
    )


def neuron_votes(predictions: pa.Table, synapses: pa.Table) -> pa.Table:
    """One row per neuron (`schema.NEURON_PREDICTIONS`), by neuron id: its synapses vote, ties go to the more probable
    class.

    `predictions` are `schema.SYNAPSE_PREDICTIONS`; `synapses` give synapse_id, neuron_id and target. Where a neuron has
    synapses that trained the classifier, only their out-of-fold predictions vote: its other synapses were named by a
    model that had seen the neuron. Its target is the most frequent known class of its synapses. Synapses without a
    neuron do not vote.
    """
    known = synapses.select(["synapse_id", "neuron_id", "target"]).to_pylist()
    of = {k["synapse_id"]: (k["neuron_id"], k["target"]) for k in known if k["neuron_id"] is not None}
    ids = predictions.column("synapse_id").to_pylist()
    keep = np.array([i in of for i in ids], dtype=bool)
    if not keep.any():
        return NEURON_PREDICTIONS.empty()
    table = predictions.filter(pa.array(keep))
    ids = table.column("synapse_id").to_pylist()
    neuron = np.array([of[i][0] for i in ids], dtype=np.int64)
    neurons, member = np.unique(neuron, return_inverse=True)
    held = table.column("out_of_fold").to_numpy(zero_copy_only=False).astype(bool)
    trained = np.zeros(len(neurons), dtype=bool)
    trained[member[held]] = True
    voting = held | ~trained[member]
    maps = table.column("probabilities").combine_chunks()
    names, key = np.unique(np.array(maps.keys.to_pylist(), dtype=str), return_inverse=True)
    offsets = maps.offsets.to_numpy()
    of_row = np.repeat(np.arange(len(ids)), np.diff(offsets))
    probability = np.zeros((len(ids), len(names)))
    probability[of_row, key] = maps.items.to_numpy(zero_copy_only=False)
    named = np.searchsorted(names, np.array(table.column("predicted").to_pylist(), dtype=str))
    votes = np.zeros((len(neurons), len(names)), dtype=np.int64)
    np.add.at(votes, (member[voting], named[voting]), 1)
    total = np.zeros((len(neurons), len(names)))
    np.add.at(total, member[voting], probability[voting])
    count = votes.sum(axis=1)
    mean = total / count[:, None]
    winner = np.where(votes == votes.max(axis=1, keepdims=True), mean, -1.0).argmax(axis=1)
    tally: dict[int, dict[str, int]] = {}
    for neuron_id, target in of.values():
        if target:
            tally.setdefault(neuron_id, {})[target] = tally.get(neuron_id, {}).get(target, 0) + 1
    targets = [min(t, key=lambda n: (-t[n], n)) if (t := tally.get(int(n))) else None for n in neurons]
    version = table.column("classifier").to_pylist()
    first = np.unique(member, return_index=True)[1]
    each = np.arange(len(neurons))
    return NEURON_PREDICTIONS.conform(
        pa.table(
            {
                "neuron_id": neurons,
                "synapses": count,
                "predicted": names[winner],
                "vote_share": votes[each, winner] / count,
                "mean_probability": mean[each, winner],
                "target": pa.array(targets, pa.string()),
                "in_training": trained,
                "classifier": [version[i] for i in first],
            }
        )
    )


def neuron_accuracy(votes: pa.Table, seed: int) -> dict[str, float]:
    """How often neurons of known class are named rightly: neurons_scored, neuron_accuracy, neuron_balanced_accuracy,
    each with _low and _high (95 % bootstrap over neurons) from 8 neurons on. Empty but for the count if no neuron has a
    known class."""
    rows = [
        (t, p)
        for t, p in zip(votes.column("target").to_pylist(), votes.column("predicted").to_pylist(), strict=True)
        if t
    ]
    out: dict[str, float] = {"neurons_scored": len(rows)}
    if not rows:
        return out
    names = np.unique(np.array(rows, dtype=str))
    true, named = (np.searchsorted(names, np.array([r[i] for r in rows], dtype=str)) for i in (0, 1))
    by_neuron = confusion_by_group(true, named, np.arange(len(rows)), len(names))
    out["neuron_accuracy"] = float((true == named).mean())
    out["neuron_balanced_accuracy"] = balanced_accuracy(by_neuron.sum(axis=0))
    drawn = bootstrap_groups(by_neuron, seed)
    if drawn is not None:
        right = np.diagonal(drawn, axis1=1, axis2=2).sum(axis=1) / len(rows)
        for name, values in (
            ("neuron_accuracy", right),
            ("neuron_balanced_accuracy", confusion_scores(drawn)["balanced_accuracy"]),
        ):
            interval = percentile_interval(values)
            if interval:
                out[f"{name}_low"], out[f"{name}_high"] = interval
    return out
