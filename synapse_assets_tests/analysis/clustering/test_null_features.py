"""Redrawn features keep mean, spread, skewness and correlation of the measures, and lose groups."""

import numpy as np
import pytest

from synapse_assets.analysis.clustering.null_features import redrawn
from synapse_assets_tests.analysis.morphology.grouped import grouped, in_one_measure, noise


def valley(values: np.ndarray) -> float:
    """Share of rows in the middle tenth between the two groups of a measure."""
    low, high = np.quantile(values, [0.2, 0.9])
    middle, width = (low + high) / 2, (high - low) / 10
    return float((np.abs(values - middle) < width).mean())


def test_each_measure_keeps_mean_spread_and_skewness_and_how_it_goes_with_others() -> None:
    from scipy.stats import skew, spearmanr

    features = noise("areas", 2_000)
    features[:, 0] = -np.exp(features[:, 0])
    other = np.concatenate([redrawn(features, np.random.default_rng(seed)) for seed in range(50)])
    assert np.allclose(other.mean(axis=0), features.mean(axis=0), atol=0.02)
    assert np.allclose(other.std(axis=0) / features.std(axis=0), 1.0, atol=0.03)
    assert skew(features)[3] > 1
    assert skew(features)[0] < -0.3
    assert np.allclose(skew(other), skew(features), atol=0.2)
    assert np.allclose(spearmanr(other).statistic, spearmanr(features).statistic, atol=0.03)
    assert spearmanr(features).statistic[3, 4] > 0.5


def test_two_groups_in_one_measure_become_one() -> None:
    features, _ = in_one_measure(1_000, apart=8.0)
    valleys = [valley(redrawn(features, np.random.default_rng(seed))[:, 3]) for seed in range(20)]
    assert valley(features[:, 3]) < 0.02
    assert min(valleys) > 0.08


def test_a_constant_or_doubled_measure_is_no_obstacle() -> None:
    features, _ = grouped()
    features[:, 1] = 3.0
    features[:, 2] = features[:, 0]
    other = redrawn(features, np.random.default_rng(0))
    assert np.isfinite(other).all()
    assert np.allclose(other[:, 1], 3.0)
    assert np.allclose(other[:, 2], other[:, 0])


@pytest.mark.parametrize("rows", [2, 5])
def test_few_rows(rows: int) -> None:
    other = redrawn(np.random.default_rng(0).normal(size=(rows, 5)), np.random.default_rng(1))
    assert other.shape == (rows, 5)
    assert np.isfinite(other).all()


def test_seeded() -> None:
    features, _ = grouped()
    one, same, other = (redrawn(features, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.allclose(one, other)
