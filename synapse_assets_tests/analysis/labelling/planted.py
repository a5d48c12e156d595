"""Pools whose best questions are known."""

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.labelling.strategies import Items

Float64 = npt.NDArray[np.float64]


def items(features: Float64, probabilities: Float64 | None = None, unsupervised: Float64 | None = None) -> Items:
    """Items whose two streams are the same, unless another is given."""
    return Items(features, features if unsupervised is None else unsupervised, probabilities)


def nothing(like: Items) -> Items:
    """No items, of the same widths."""
    return like.take(np.zeros(0, dtype=np.int64))


def random_items(count: int, classes: int = 3, seed: int = 0, width: int = 5) -> Items:
    """Items without order: features of two streams, and probabilities."""
    rng = np.random.default_rng(seed)
    features, unsupervised = rng.normal(size=(2, count, width))
    return Items(features, unsupervised, rng.dirichlet(np.full(classes, 0.5), size=count))


def clouds(centres: Float64, each: int, spread: float = 0.1, seed: int = 0) -> Float64:
    """`each` points around each of the centres (K, D), cloud by cloud."""
    rng = np.random.default_rng(seed)
    return np.repeat(centres, each, axis=0) + rng.normal(scale=spread, size=(each * len(centres), centres.shape[1]))
