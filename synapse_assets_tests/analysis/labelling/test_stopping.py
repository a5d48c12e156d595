"""A gain is that of the same items, its interval over whole groups; three rounds without one, and labelling may stop."""

import numpy as np
import pytest

from synapse_assets.analysis.evaluation.scores import balanced_accuracy
from synapse_assets.analysis.labelling.stopping import gain_interval, may_stop
from synapse_assets.errors import BadInput


def answers(gain: float, groups: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Two models, the second right that much more often; groups differ in how hard they are."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), 30)
    hard = rng.uniform(-0.2, 0.2, size=groups)[group]
    codes = rng.integers(0, 3, size=len(group))
    luck = rng.uniform(size=len(group))
    return luck < 0.6 + hard, luck < 0.6 + hard + gain, codes, group


def test_the_gain_is_that_of_balanced_accuracy() -> None:
    before, after, codes, groups = answers(0.1, 20, 0)
    other = (codes + 1) % 3
    scores = [balanced_accuracy(codes, np.where(right, codes, other), 3) for right in (before, after)]
    gain, low, high = gain_interval(before, after, codes, groups, 0)
    assert gain == pytest.approx(scores[1] - scores[0])
    assert low is not None
    assert high is not None
    assert 0 < low < gain < high


def test_the_interval_holds_what_it_promises() -> None:
    held = above = 0
    for seed in range(150):
        _, low, high = gain_interval(*answers(0.05, 24, seed), seed)
        assert low is not None
        assert high is not None
        held += low <= 0.05 <= high
        above += low > 0
    assert held >= 134  # of 142.5 expected: three standard deviations
    assert above > 100


def test_without_a_gain_none_is_seen() -> None:
    before, _, codes, groups = answers(0.0, 24, 1)
    assert gain_interval(before, before, codes, groups, 0) == (0.0, 0.0, 0.0)


def test_few_groups_have_no_interval() -> None:
    before, after, codes, groups = answers(0.1, 7, 0)
    gain, low, high = gain_interval(before, after, codes, groups, 0)
    assert gain > 0
    assert (low, high) == (None, None)


def test_what_does_not_fit_is_refused() -> None:
    none = np.zeros(0, dtype=bool)
    with pytest.raises(BadInput, match="one entry an item"):
        gain_interval(none, none, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), 0)
    with pytest.raises(BadInput, match="one entry an item"):
        gain_interval(np.ones(3, dtype=bool), np.ones(2, dtype=bool), np.zeros(3, dtype=np.int64), np.arange(3), 0)


@pytest.mark.parametrize(
    ("lows", "stop"),
    [
        ([], False),
        ([None, -0.1, -0.1], False),
        ([-0.1, -0.1], False),
        ([0.1, -0.1, 0.0, -0.2], True),
        ([-0.1, -0.1, -0.1, 0.01], False),
        ([-0.1, 0.02, -0.1, -0.1], False),
        ([None, None, None], False),
    ],
)
def test_three_rounds_without_a_gain_are_enough(lows: list[float | None], stop: bool) -> None:
    assert may_stop(lows) == stop
