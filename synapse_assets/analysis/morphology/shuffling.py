"""Shuffled features: what a group of synapses would look like if it had no kinds.

Belongs here: drawing such features. Does not belong here: mapping and clustering them (`maps`, `sweep`), judging by them
(`stability`).
"""

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

ROUNDS = 10


def shuffled(features: Float64, random: np.random.Generator, rounds: int = ROUNDS) -> Float64:
    """`features` (n, F) without kinds, (n, F): the same mean and covariance, and nothing else in common."""
    centre = features.mean(axis=0)
    spread, axes = np.linalg.eigh(np.cov(features.T).reshape(features.shape[1], -1))
    spread = np.sqrt(np.maximum(spread, 0.0))
    seen = spread > 1e-9 * max(float(spread.max()), 1e-300)
    white = (features - centre) @ axes[:, seen] / spread[seen]
    for _ in range(rounds):
        turn = np.linalg.qr(random.normal(size=(white.shape[1], white.shape[1])))[0]
        white = random.permuted(white @ turn, axis=0)
    return centre + (white * spread[seen]) @ axes[:, seen].T
