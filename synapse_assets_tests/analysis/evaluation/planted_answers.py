"""Held-out probabilities with a truth that is known: neurons whose synapses share a shift, equally correlated Gaussian evidence."""

import numpy as np

from synapse_assets.analysis.evaluation.calibration import HeldOut


def correlated(
    neurons: int, each: int, dependence: float, apart: float, seed: int, classes: int = 2
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Exact posteriors (N, C) of single synapses under equal priors, their class (N,) and neuron (N,).

    A synapse's measure is normal about its class's corner of a simplex with unit variance, of which `dependence` is shared by its
    neuron. The exact posterior of n synapses is then that of n / (1 + (n - 1) dependence) independent ones at their mean.
    """
    rng = np.random.default_rng(seed)
    centres = np.eye(classes) * apart / np.sqrt(2)
    neuron = np.repeat(np.arange(neurons), each)
    true = neuron % classes
    shared = np.sqrt(dependence) * rng.standard_normal((neurons, classes))[neuron]
    own = np.sqrt(1 - dependence) * rng.standard_normal((len(neuron), classes))
    measure = centres[true] + shared + own
    scores = -((measure[:, None, :] - centres) ** 2).sum(axis=2) / 2
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True), true, neuron


def tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """What a model gives whose logits are too large by that factor, if these are right."""
    raised = probabilities**temperature
    return raised / raised.sum(axis=1, keepdims=True)


def held_out(probabilities: np.ndarray, true: np.ndarray, groups: np.ndarray, folds: int = 5) -> HeldOut:
    """These rows, groups dealt to folds in turn."""
    names = tuple(f"c{place}" for place in range(probabilities.shape[1]))
    return HeldOut(names, probabilities, true, groups, groups // 2 % folds)
