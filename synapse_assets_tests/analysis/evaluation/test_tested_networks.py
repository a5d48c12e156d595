"""What is known of a network's test after it was stored, and what its features add to other vectors."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from synapse_assets.analysis.evaluation.evaluation import OutOfSample
from synapse_assets.analysis.evaluation.tested_networks import NetworkTest, load_features, probe_beside, save_features
from synapse_assets.errors import BadInput

CLASSES = ("a", "b", "c", "d")
NEURONS, EACH, FOLDS = 40, 6, 4


def planted() -> NetworkTest:
    """Four classes, ten neurons each, four folds of whole neurons."""
    neuron = np.repeat(np.arange(NEURONS), EACH)
    ids = np.array([f"s{i:04d}" for i in range(len(neuron))])
    nothing = OutOfSample(ids, np.full((len(ids), 4), 0.25))
    return NetworkTest(
        CLASSES,
        {"neuron_id": nothing},
        nothing,
        {"neuron_id": 12.5},
        ids,
        np.array(CLASSES)[neuron % 4],
        neuron.astype(str),
        neuron // 4 % FOLDS,
    )


def signal(test: NetworkTest, among: tuple[str, str], rows: np.ndarray, seed: int) -> np.ndarray:
    """Numbers (N, 3) that tell one pair of classes from the other, in those rows only."""
    noise = np.random.default_rng(seed).normal(size=(len(test.synapse_ids), 3))
    noise[:, 0] += 6 * np.isin(test.targets, among) * rows
    return noise


def accuracy(test: NetworkTest, found: OutOfSample) -> float:
    named = np.array(CLASSES)[found.probabilities.argmax(axis=1)]
    return float(balanced_accuracy_score(test.targets[np.searchsorted(test.synapse_ids, found.synapse_ids)], named))


def test_features_add_to_vectors_what_these_do_not_tell() -> None:
    test = planted()
    everywhere = np.ones(len(test.synapse_ids), dtype=bool)
    vectors = signal(test, ("a", "b"), everywhere, 0)
    features = {fold: signal(test, ("a", "c"), everywhere, 1 + fold) for fold in range(FOLDS)}
    found = probe_beside(test, features.__getitem__, test.synapse_ids.tolist(), vectors, 0)
    assert found.synapse_ids.tolist() == test.synapse_ids.tolist()
    assert np.allclose(found.probabilities.sum(axis=1), 1)
    assert accuracy(test, found) > 0.95
    # What each fold was tested with: the same network, a probe of the other folds.
    fold = 2
    train, both = test.folds != fold, np.hstack([features[fold], vectors])
    mean, scale = both[train].mean(axis=0), both[train].std(axis=0)
    again = LogisticRegression(C=0.01).fit((both[train] - mean) / scale, test.targets[train])
    named = np.array(CLASSES)[found.probabilities[~train].argmax(axis=1)]
    assert (again.predict((both[~train] - mean) / scale) == named).mean() > 0.95


def test_what_a_network_memorised_is_no_skill() -> None:
    """Features that tell the classes of what the network was trained on, and nothing of the fold that it is tested on."""
    test = planted()
    features = {fold: signal(test, ("a", "c"), test.folds != fold, 1 + fold) for fold in range(FOLDS)}
    vectors = signal(test, ("a", "b"), np.ones(len(test.synapse_ids), dtype=bool), 0)
    assert accuracy(test, probe_beside(test, features.__getitem__, test.synapse_ids.tolist(), vectors, 0)) < 0.65


def test_synapses_without_a_vector_are_left_out() -> None:
    test = planted()
    features = np.random.default_rng(0).normal(size=(len(test.synapse_ids), 2))
    some = test.synapse_ids[::3].tolist()
    found = probe_beside(test, lambda _: features, ["elsewhere", *some], np.zeros((1 + len(some), 1)), 0)
    assert found.synapse_ids.tolist() == some
    none = probe_beside(test, lambda _: features, ["elsewhere"], np.zeros((1, 1)), 0)
    assert (len(none.synapse_ids), none.probabilities.shape) == (0, (0, 4))
    with pytest.raises(BadInput, match="1 synapse ids but 2 vectors"):
        probe_beside(test, lambda _: features, ["a"], np.zeros((2, 1)), 0)


def test_a_test_is_read_as_it_was_written(tmp_path: Path) -> None:
    test = planted()
    test.save(tmp_path)
    again = NetworkTest.load(tmp_path)
    assert (again.classes, again.training_seconds) == (test.classes, test.training_seconds)
    for name in ("synapse_ids", "targets", "groups", "folds"):
        assert np.array_equal(getattr(again, name), getattr(test, name))
    for before, after in (
        (test.every, again.every),
        (test.out_of_sample["neuron_id"], again.out_of_sample["neuron_id"]),
    ):
        assert np.array_equal(before.synapse_ids, after.synapse_ids)
        assert np.array_equal(before.probabilities, after.probabilities)
    features = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    save_features(tmp_path, 1, features)
    assert np.array_equal(load_features(tmp_path, 1), features.astype(np.float16))
    with pytest.raises(BadInput, match="missing"):
        load_features(tmp_path, 2)
