"""Synapses of neurons in planted clusters, for the tests of classifiers and of their evaluation."""

from collections.abc import Callable

import numpy as np

from synapse_assets.analysis.morphology.features import HeldOut

TREES = 5
CENTRES = 6.0 * np.eye(5)[:3]
Plant = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def blobs(neurons: int, each: int, clusters: int = 3, seed: int = 0) -> Plant:
    """Features, labels, neurons and ids: well separated clusters that every neuron has alike."""
    rng = np.random.default_rng(seed)
    labels = np.arange(neurons * each) % clusters
    owner = np.array([f"n{i // each}" for i in range(neurons * each)])
    ids = np.array([f"{name}/as/{i}" for i, name in enumerate(owner)])
    return CENTRES[labels] + 0.5 * rng.normal(size=(len(labels), 5)), labels, owner, ids


def leave(features: np.ndarray, owner: np.ndarray, ids: np.ndarray) -> Callable[[str], HeldOut]:
    """Folds whose features are those of all."""

    def held_out(neuron: str) -> HeldOut:
        out = owner == neuron
        return HeldOut(ids[~out].tolist(), features[~out], ids[out].tolist(), features[out], {})

    return held_out
