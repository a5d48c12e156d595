"""A linear probe: reading the known class of a synapse from its vector.

Belongs here: fitting, applying and storing the probe, and its evaluation. Does not belong here: predictions of a region
(`predictions`), votes of neurons (`neuron_votes`), how any classifier is scored (`evaluation`).

A linear probe (Alain & Bengio, arXiv:1610.01644) asks what an embedding holds, not what a further network could make of
it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.analysis.evaluation.cross_validation import Predictions, cross_validate, folds_of
from synapse_assets.analysis.evaluation.evaluation import Evaluation, evaluate_splits
from synapse_assets.analysis.evaluation.scores import balanced_accuracy
from synapse_assets.analysis.evaluation.splits import inner_folds
from synapse_assets.artifacts import NoModel, read_artifact, write_artifact
from synapse_assets.errors import BadInput

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

LINEAR_PROBE, VECTORS = "linear_probe", "vectors"
"""Classifier and inputs of every score of a probe."""

STRENGTHS = (0.0001, 0.001, 0.01, 0.1)
"""Inverse strengths of the penalty (scikit-learn's C) that inner cross-validation chooses from, strongest penalty
first."""
_BLOCK_BYTES = 32 * 2**20
_PROBE = ("linear_probe", 1)
_PROBE_ARRAYS = ("mean", "scale", "weights", "intercept")


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

        Float64 throughout; to the bit, a row's probabilities do not depend on the other rows (no matrix product: each
        score is one contiguous sum).
        """
        rows = np.asarray(vectors)
        if rows.ndim != 2 or rows.shape[1] != len(self.mean):
            raise BadInput(f"vectors {rows.shape} do not fit a classifier of {len(self.mean)} features")
        scores = np.empty((len(rows), len(self.classes)))
        step = max(1, _BLOCK_BYTES // (8 * max(1, len(self.mean))))
        for start in range(0, len(rows), step):
            # in C order whatever the input: along a strided axis numpy adds in another order, and the last bit differs
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
        stored = read_artifact(folder, *_PROBE)
        return cls(classes=tuple(stored.facts["classes"]), **stored.values("strength", *_PROBE_ARRAYS))


def fit_probe(
    vectors: npt.ArrayLike,
    targets: Sequence[str],
    seed: int,
    groups: Sequence[str] | None = None,
    strength: float | None = None,
) -> LinearProbe | NoModel:
    """A probe for `targets` (N names) from `vectors` (N, D), classes weighted to count alike; NoModel for fewer than
    two classes.

    The penalty is chosen by balanced accuracy in three-fold cross-validation that holds out whole `groups` (each row
    its own group without them); ties go to the stronger penalty. With a `strength` it is that, and nothing is held out.
    """
    names, code = np.unique(np.asarray(targets, dtype=str), return_inverse=True)
    if len(names) < 2:
        return NoModel("no labelled synapses" if not len(names) else f"all labelled synapses are '{names[0]}'")
    rows = np.asarray(vectors, dtype=np.float64)
    if len(rows) != len(code):
        raise BadInput(f"{len(rows)} vectors but {len(code)} targets")
    if not np.isfinite(rows).all():
        raise BadInput("vectors hold NaN or infinite values")
    group_codes = (
        np.arange(len(code)) if groups is None else np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1]
    )
    mean, scale = _moments(rows)
    strength = _choose_strength(rows, code, group_codes, seed) if strength is None else strength
    weights, intercept = _fit((rows - mean) / scale, code, len(names), (strength,))[0]
    return LinearProbe(tuple(str(n) for n in names), mean, scale, weights, intercept, strength)


def probe_of(
    vectors: Float64,
    targets: Sequence[str],
    seed: int,
    groups: Sequence[str] | None = None,
    strength: float | None = None,
) -> LinearProbe:
    """As `fit_probe`, of at least one row; where all are of one class, a probe that gives it the probability 1."""
    if len(set(targets)) == 1:
        width = vectors.shape[1]
        no_weights = np.zeros((1, width))
        return LinearProbe((targets[0],), np.zeros(width), np.ones(width), no_weights, np.zeros(1), STRENGTHS[0])
    probe = fit_probe(vectors, targets, seed, groups, strength)
    assert isinstance(probe, LinearProbe)  # noqa: S101 -- of two classes there is always one
    return probe


def _moments(rows: Float64) -> tuple[Float64, Float64]:
    """Mean and standard deviation (D,) of each feature; 1 for one that does not vary."""
    scale = rows.std(axis=0)
    return rows.mean(axis=0), np.where(scale > 1e-12, scale, 1.0)


def _fit(scaled: Float64, code: Int64, classes: int, strengths: Sequence[float]) -> list[tuple[Float64, Float64]]:
    """Weights and intercepts for each strength, each fit starting from the one before. An absent class scores minus
    infinity."""
    import warnings

    from sklearn.linear_model import LogisticRegression

    present = np.unique(code)
    fits = []
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
            with warnings.catch_warnings(), _blas().limit(limits=1, user_api="blas"):
                warnings.filterwarnings("ignore", category=Warning, module="sklearn")
                model.fit(scaled, code)
            if len(present) == 2:
                weights[present] = np.stack([np.zeros(scaled.shape[1]), model.coef_[0]])
                intercept[present] = (0.0, model.intercept_[0])
            else:
                weights[present] = model.coef_
                intercept[present] = model.intercept_
        fits.append((weights, intercept))
    return fits


@cache
def _blas() -> Any:
    """What sets the threads of BLAS. Finding the libraries takes longer than a small fit, so they are looked for once."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _choose_strength(rows: Float64, code: Int64, groups: Int64, seed: int) -> float:
    """The strength with the best balanced accuracy over held-out groups of these rows; the middle one if nothing can be
    held out.

    scikit-learn's GridSearchCV would do, but takes the mean over folds, where a class may be absent from one; here the
    held-out rows of all folds are scored together. Each fold's fits start from one another besides, which is quicker.
    """
    fold = inner_folds(code, groups, seed)
    if fold is None:
        return STRENGTHS[len(STRENGTHS) // 2]
    classes = int(code.max()) + 1

    def fit(train: Int64) -> tuple[Float64, Float64, list[tuple[Float64, Float64]]]:
        mean, scale = _moments(rows[train])
        return mean, scale, _fit((rows[train] - mean) / scale, code[train], classes, STRENGTHS)

    def predict(
        model: tuple[Float64, Float64, list[tuple[Float64, Float64]]], test: Int64
    ) -> Mapping[str, Predictions]:
        mean, scale, fits = model
        scaled = (rows[test] - mean) / scale
        predicted = [(scaled @ weights.T + intercept).argmax(axis=1) for weights, intercept in fits]
        return {str(strength): Predictions(labels) for strength, labels in zip(STRENGTHS, predicted, strict=True)}

    tested = cross_validate(folds_of(fold), fit, predict)
    accuracies = [balanced_accuracy(code, tested.predictions[str(s)].labels, classes) for s in STRENGTHS]
    return STRENGTHS[int(np.argmax(accuracies))]


def evaluate_probe(
    synapse_ids: Sequence[str],
    vectors: npt.ArrayLike,
    splits: pa.Table,
    headline: str,
    seed: int,
    untested: Collection[str] = (),
) -> Evaluation | NoModel:
    """How well a probe of `vectors` (N, D) of these synapses predicts classes out of fold, under every split of `splits`
    (`schema.SPLITS`); see `evaluate_splits`. For each fold a probe is fitted on the other folds, penalty included.

    BadInput for another number of vectors than of ids, NaN or infinite values.
    """
    rows = np.asarray(vectors, dtype=np.float64)
    if len(synapse_ids) != len(rows):
        raise BadInput(f"{len(synapse_ids)} synapse ids but {len(rows)} vectors")

    def fit(train: Int64, targets: Sequence[str], groups: Sequence[str]) -> LinearProbe:
        return probe_of(rows[train], targets, seed, groups)

    def predict(probe: LinearProbe, test: Int64, classes: Sequence[str]) -> Float64:
        probabilities = np.zeros((len(test), len(classes)))
        probabilities[:, np.searchsorted(classes, probe.classes)] = probe.predict(rows[test])[1]
        return probabilities

    return evaluate_splits(
        synapse_ids,
        splits,
        headline,
        seed,
        classifier=LINEAR_PROBE,
        inputs=VECTORS,
        fit=fit,
        predict=predict,
        untested=untested,
    )
