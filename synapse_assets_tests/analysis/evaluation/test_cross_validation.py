"""Cross-validation: no row is predicted by a model that has seen it, whatever the model."""

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.analysis.evaluation.cross_validation import Fold, Predictions, cross_validate, folds_of
from synapse_assets.analysis.evaluation.evaluation import Evaluation, evaluate_splits
from synapse_assets.analysis.evaluation.splits import RANDOM
from synapse_assets.artifacts import NoModel
from synapse_assets.errors import BadInput
from synapse_assets_tests.analysis.evaluation.conftest import Planted


def test_every_row_is_predicted_once_by_a_model_of_the_other_folds() -> None:
    fold = np.random.default_rng(0).integers(0, 4, 50) * 3
    result = cross_validate(
        folds_of(fold),
        lambda train: set(train.tolist()),
        lambda seen, test: {
            "seen": Predictions(np.array([int(row in seen) for row in test])),
            "size": Predictions(np.full(len(test), len(seen)), test[:, None] / 2.0, test % 2 == 0),
        },
    )
    assert result.rows.tolist() == list(range(50))
    assert not result.failures
    assert result.predictions["seen"].labels.tolist() == [0] * 50
    assert result.predictions["seen"].probabilities is None
    assert result.predictions["seen"].rejected is None
    size = result.predictions["size"]
    assert size.labels.tolist() == [int((fold != k).sum()) for k in fold]
    assert size.probabilities is not None
    assert size.probabilities[:, 0].tolist() == [row / 2.0 for row in range(50)]
    assert size.rejected is not None
    assert size.rejected.tolist() == [row % 2 == 0 for row in range(50)]


def test_rows_of_a_fold_without_a_model_have_no_name() -> None:
    folds = [Fold(np.arange(4, 12), np.arange(4)), Fold(np.arange(4), np.array([9, 5]))]
    result = cross_validate(
        folds,
        lambda train: NoModel("too few") if len(train) < 5 else "model",
        lambda _, test: {"a": Predictions(test + 1, np.ones((len(test), 2)), test > 2)},
    )
    assert result.rows.tolist() == [0, 1, 2, 3, 5, 9]
    assert result.failures == {1: "too few"}
    predictions = result.predictions["a"]
    assert predictions.labels.tolist() == [1, 2, 3, 4, -1, -1]
    assert predictions.probabilities is not None
    assert predictions.probabilities.sum(axis=1).tolist() == [2, 2, 2, 2, 0, 0]
    assert predictions.rejected is not None
    assert predictions.rejected.tolist() == [False, False, False, True, False, False]
    nothing = cross_validate(folds, lambda _: NoModel("no"), lambda _, test: {"a": Predictions(test)})
    assert (nothing.predictions, nothing.failures) == ({}, {0: "no", 1: "no"})


@pytest.mark.parametrize(
    ("folds", "message"),
    [
        ([Fold(np.arange(3), np.array([2]))], "fold 0 tests rows that it trains on"),
        ([Fold(np.arange(3), np.array([4])), Fold(np.arange(3), np.array([4]))], "tested more than once"),
    ],
)
def test_folds_that_leak_are_refused(folds: list[Fold], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        cross_validate(folds, lambda train: train, lambda _, test: {"a": Predictions(test)})


def test_any_classifier_is_evaluated_like_the_probe(planted: Planted) -> None:
    """Nearest class means, in the same folds counted by hand; what it was asked to learn from has never the tested groups."""
    synapses, vectors, splits = planted
    ids = synapses.column("synapse_id").to_pylist()
    trained_on: list[set[int]] = []

    def fit(rows: np.ndarray, targets: list[str], groups: list[str]) -> dict[str, np.ndarray]:
        assert [synapses.column("target")[int(row)].as_py() for row in rows] == targets
        assert len(set(groups)) < len(rows) or len(rows) == len(set(rows.tolist()))
        trained_on.append(set(rows.tolist()))
        return {name: vectors[rows[np.array(targets) == name]].mean(axis=0) for name in sorted(set(targets))}

    def predict(means: dict[str, np.ndarray], rows: np.ndarray, classes: list[str]) -> np.ndarray:
        assert not trained_on[-1] & set(rows.tolist())
        near = np.stack([np.linalg.norm(vectors[rows] - means[name], axis=1) for name in classes], axis=1)
        return np.exp(-near) / np.exp(-near).sum(axis=1, keepdims=True)

    found = evaluate_splits(ids, splits, "neuron_id", 0, classifier="means", inputs="vectors", fit=fit, predict=predict)
    assert isinstance(found, Evaluation)
    assert found.headline is found.score("means", "vectors", "neuron_id")
    assert list(found.splits) == ["neuron_id", "brain_region", "hemilineage", RANDOM]
    fold_of = {r["synapse_id"]: r["fold"] for r in splits.to_pylist() if r["split"] == "neuron_id"}
    fold = np.array([fold_of[one] for one in ids])
    target = np.array(synapses.column("target").to_pylist())
    right = 0
    for row in range(len(ids)):
        others = fold != fold[row]
        distance = {k: np.linalg.norm(vectors[row] - vectors[others & (target == k)].mean(axis=0)) for k in set(target)}
        right += min(distance, key=lambda k: distance[k]) == target[row]
    assert found.splits["neuron_id"].accuracy == right / len(ids)
    assert found.gap is not None
    assert found.gap > 0.05


def test_a_fold_without_a_model_is_told_and_its_rows_are_wrong(planted: Planted) -> None:
    synapses, _, splits = planted
    ids = synapses.column("synapse_id").to_pylist()
    of_neurons = splits.filter(pa.array([name == "neuron_id" for name in splits.column("split").to_pylist()]))
    calls: list[int] = []

    def fit(rows: np.ndarray, targets: list[str], groups: list[str]) -> NoModel | dict[int, str]:
        calls.append(len(rows))
        return NoModel("no device") if len(calls) == 1 else {}

    def perfect(_: dict[int, str], rows: np.ndarray, classes: list[str]) -> np.ndarray:
        code = np.searchsorted(classes, [synapses.column("target")[int(row)].as_py() for row in rows])
        return np.eye(len(classes))[code]

    found = evaluate_splits(ids, of_neurons, "neuron_id", 0, classifier="net", inputs="tiles", fit=fit, predict=perfect)
    assert isinstance(found, Evaluation)
    score = found.splits["neuron_id"]
    assert score.left_out == len(ids) - calls[0]
    assert score.accuracy == calls[0] / len(ids) == len(found.synapse_ids) / len(ids)
    assert "neuron_id: no model of some folds, their synapses count as wrong: no device" in found.warnings
    none = evaluate_splits(
        ids,
        of_neurons,
        "neuron_id",
        0,
        classifier="net",
        inputs="tiles",
        fit=lambda *_: NoModel("no device"),
        predict=perfect,
    )
    assert isinstance(none, NoModel)
    assert "no device" in none.reason
