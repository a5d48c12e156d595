"""What a round gained in finding sites, with its interval."""

import numpy as np
import pytest

from synapse_assets.analysis.labelling.site_gain import f1_gain
from synapse_assets.errors import BadInput


def f1(found: np.ndarray, invented: int) -> float:
    right = found.sum()
    return float(2 * right / (2 * right + (~found).sum() + invented))


def test_a_gain_is_the_difference_of_the_two_scores() -> None:
    rng = np.random.default_rng(0)
    before, after = rng.random(60) < 0.5, rng.random(60) < 0.8
    gain, low, high = f1_gain(before, after, 9, 4, seed=1)
    assert gain == pytest.approx(f1(after, 4) - f1(before, 9))
    assert low is not None
    assert high is not None
    assert low < gain < high
    assert f1_gain(before, after, 9, 4, seed=1) == (gain, low, high)
    assert f1_gain(before, before, 0, 0, seed=1) == (0, 0, 0), "the same objects found is no gain in any sample"


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Of detectors that find an object with .6 and .7, and invent 20 and 10 to 50 objects."""
    rng = np.random.default_rng(0)
    true = 2 * 0.7 / (0.7 + 1 + 0.2) - 2 * 0.6 / (0.6 + 1 + 0.4)
    hits = 0
    for seed in range(200):
        ease = rng.random(50)
        low, high = f1_gain(ease < 0.6, ease < 0.7, int(rng.poisson(20)), int(rng.poisson(10)), seed)[1:]
        assert low is not None
        assert high is not None
        hits += low <= true <= high
    assert hits >= 0.88 * 200


def test_few_objects_have_no_interval_and_none_no_gain() -> None:
    some = np.array([True, False, True])
    assert f1_gain(some, ~some, 0, 0, seed=0)[1:] == (None, None)
    with pytest.raises(BadInput, match="at least one: there are 0 and 0"):
        f1_gain(some[:0], some[:0], 3, 3, seed=0)
    with pytest.raises(BadInput, match="there are 3 and 2"):
        f1_gain(some, some[:2], 3, 3, seed=0)
