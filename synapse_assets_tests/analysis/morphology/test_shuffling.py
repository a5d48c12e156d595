"""Shuffled features keep mean and covariance, and lose groups."""

import numpy as np
import pytest

from synapse_assets.analysis.morphology.shuffling import shuffled
from synapse_assets_tests.analysis.morphology.grouped import grouped, in_one_measure


def valley(values: np.ndarray) -> float:
    """Share of rows in the middle tenth between the two groups of a measure."""
    low, high = np.quantile(values, [0.2, 0.9])
    middle, width = (low + high) / 2, (high - low) / 10
    return float((np.abs(values - middle) < width).mean())


def test_mean_and_covariance_stay() -> None:
    features = grouped()[0] * [1.0, 2.0, 3.0, 0.1, 1.0]
    other = shuffled(features, np.random.default_rng(0))
    assert np.allclose(other.mean(axis=0), features.mean(axis=0), atol=1e-9)
    many = [np.cov(shuffled(features, np.random.default_rng(seed)).T) for seed in range(200)]
    sd = np.sqrt(np.diag(np.cov(features.T)))
    assert np.allclose(np.mean(many, axis=0) / np.outer(sd, sd), np.corrcoef(features.T), atol=0.05)


def test_two_groups_in_one_measure_become_one() -> None:
    features, _ = in_one_measure(1_000, apart=8.0)
    valleys = [valley(shuffled(features, np.random.default_rng(seed))[:, 3]) for seed in range(20)]
    assert valley(features[:, 3]) < 0.02
    assert min(valleys) > 0.08


def test_a_constant_or_doubled_measure_is_no_obstacle() -> None:
    features, _ = grouped()
    features[:, 1] = 3.0
    features[:, 2] = features[:, 0]
    other = shuffled(features, np.random.default_rng(0))
    assert np.isfinite(other).all()
    assert np.allclose(other[:, 1], 3.0)
    assert np.allclose(other[:, 2], other[:, 0])


@pytest.mark.parametrize("rows", [2, 5])
def test_few_rows(rows: int) -> None:
    other = shuffled(np.random.default_rng(0).normal(size=(rows, 5)), np.random.default_rng(1))
    assert other.shape == (rows, 5)
    assert np.isfinite(other).all()


def test_seeded() -> None:
    features, _ = grouped()
    one, same, other = (shuffled(features, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.allclose(one, other)
