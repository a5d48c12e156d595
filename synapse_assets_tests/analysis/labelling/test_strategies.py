"""Every strategy asks what its formula says, each item once, whatever the pool is like; and no pool costs its square of memory."""

import tracemalloc
from itertools import pairwise
from typing import get_args

import numpy as np
import pytest

from synapse_assets.analysis.evaluation.linear_probe import LinearProbe
from synapse_assets.analysis.labelling import strategies
from synapse_assets.analysis.labelling.strategies import Items, distance_features, suggest
from synapse_assets.datasets.labelling import Strategy
from synapse_assets.errors import BadInput
from synapse_assets_tests.analysis.labelling.planted import clouds, items, nothing, random_items

ALL = [name for name in get_args(Strategy) if name != "recommended"]
CORNERS = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])


def asked(strategy: str, pool: Items, labelled: Items, count: int, seed: int = 0) -> list[int]:
    """The suggestion, after what holds of every one."""
    found = suggest(strategy, pool, labelled, count, seed)
    rows = found.rows.tolist()
    assert found.rows.dtype == np.int64
    assert len(set(rows)) == len(rows) == min(count, len(pool))
    assert all(0 <= row < len(pool) for row in rows)
    assert np.array_equal(suggest(strategy, pool, labelled, count, seed).rows, found.rows)
    return rows


def test_random_asks_about_every_item_equally_often() -> None:
    pool = random_items(10)
    often = np.bincount([row for seed in range(1500) for row in suggest("random", pool, pool, 2, seed).rows])
    assert np.abs(often / 300 - 1).max() < 0.25  # four standard deviations


def test_margin_and_entropy_are_their_formulas() -> None:
    pool = random_items(200)
    assert pool.probabilities is not None
    two = np.sort(pool.probabilities, axis=1)[:, -2:]
    assert asked("margin", pool, pool, 15) == np.argsort(two[:, 1] - two[:, 0])[:15].tolist()
    entropy = -(pool.probabilities * np.log(pool.probabilities)).sum(axis=1)
    assert asked("entropy", pool, pool, 15) == np.argsort(-entropy)[:15].tolist()


def test_badge_begins_with_the_longest_gradient_and_spreads() -> None:
    features = clouds(CORNERS + 1, 50)
    sure, unsure = [0.98, 0.01, 0.01], [0.4, 0.35, 0.25]
    probabilities = np.array([sure] * 50 + [unsure] * 150)
    pool = items(features, probabilities)
    gradients = probabilities.copy()
    gradients[np.arange(200), probabilities.argmax(axis=1)] -= 1
    lengths = np.einsum("nc,nd->ncd", gradients, features).reshape(200, -1)
    corners = []
    for seed in range(10):
        rows = asked("badge", pool, nothing(pool), 3, seed)
        assert rows[0] == int(np.square(lengths).sum(axis=1).argmax())
        corners.append({row // 50 for row in rows})
    assert not any(0 in found for found in corners)  # of which the classifier is sure
    assert sum(found == {1, 2, 3} for found in corners) >= 8


def test_core_set_is_the_farthest_first_traversal() -> None:
    pool, labelled = random_items(120, seed=1), random_items(9, seed=2)
    known, chosen = labelled.features, []
    for _ in range(12):
        distance = np.linalg.norm(pool.features[:, None] - known, axis=2).min(axis=1)
        chosen.append(int(distance.argmax()))
        known = np.concatenate([known, pool.features[[chosen[-1]]]])
    assert asked("core_set", pool, labelled, 12) == chosen


def test_typiclust_asks_for_the_densest_of_what_has_no_label() -> None:
    pool = items(clouds(CORNERS, 40, spread=0.5))
    labelled = items(CORNERS[:1])
    rows = asked("typiclust", pool, labelled, 3)
    assert {row // 40 for row in rows} == {1, 2, 3}
    for row in rows:
        cloud = pool.features[row // 40 * 40 :][:40]
        near = np.sort(np.linalg.norm(cloud[:, None] - cloud, axis=2), axis=1)[:, 1:6].mean(axis=1)
        assert row % 40 == near.argmin()


def test_k_means_asks_for_the_middle_of_every_cloud_the_largest_first() -> None:
    features = np.concatenate([clouds(CORNERS[:1], 20), clouds(CORNERS[1:2], 60), clouds(CORNERS[2:], 40)])
    middles = []
    for low, high in pairwise([0, 20, 80, 120, 160]):
        cloud = features[low:high]
        middles.append(int(low + np.linalg.norm(cloud - cloud.mean(axis=0), axis=1).argmin()))
    rows = asked("k_means", items(features), nothing(items(features)), 4)
    assert set(rows) == set(middles)
    assert rows[0] == middles[1]
    assert rows[-1] == middles[0]


def test_k_means_leaves_clouds_with_a_label_alone() -> None:
    features = clouds(CORNERS, 30)
    rows = asked("k_means", items(features), items(CORNERS[1:3]), 2)
    assert {row // 30 for row in rows} == {0, 3}


@pytest.mark.parametrize("strategy", ALL)
def test_a_pool_smaller_than_the_batch_is_asked_whole(strategy: str) -> None:
    pool = random_items(7)
    assert sorted(asked(strategy, pool, random_items(30, seed=1), 50)) == list(range(7))
    assert asked(strategy, nothing(pool), random_items(30, seed=1), 50) == []
    assert asked(strategy, pool, random_items(30, seed=1), 0) == []


@pytest.mark.parametrize("strategy", ALL)
@pytest.mark.parametrize("known", [0, 1, 40])
def test_alike_and_repeated_items_are_asked_once_each(strategy: str, known: int) -> None:
    everywhere = items(np.zeros((60, 3)), np.full((60, 2), 0.5))
    asked(strategy, everywhere, everywhere.take(np.arange(known)), 20)
    twice = random_items(15).take(np.arange(60) % 15)
    asked(strategy, twice, twice.take(np.arange(known)), 40)
    sure = items(random_items(60).features, np.tile([1.0, 0.0], (60, 1)))
    asked(strategy, sure, sure.take(np.arange(known)), 20)


@pytest.mark.parametrize("strategy", ALL)
@pytest.mark.parametrize("probabilities", [None, np.ones((60, 1))])
def test_before_two_classes_are_known_features_are_asked_by(strategy: str, probabilities: np.ndarray | None) -> None:
    pool = items(random_items(60).features, probabilities)
    labelled = nothing(pool) if probabilities is None else pool.take(np.arange(10))
    asked(strategy, pool, labelled, 12)
    found = suggest(strategy, pool, labelled, 12, 0)
    if strategy in ("margin", "entropy", "badge"):
        assert found.strategy == "k_means"
        assert found.note is not None
        assert found.note.startswith(f"{strategy} needs a classifier that tells classes apart")
        assert ("no classifier yet" in found.note) == (probabilities is None)
        assert np.array_equal(found.rows, suggest("k_means", pool, labelled, 12, 0).rows)
    else:
        assert (found.strategy, found.note) == (strategy, None)


@pytest.mark.parametrize("strategy", ["margin", "entropy", "badge", "two_stream"])
def test_logits_of_thousands_do_not_overflow(strategy: str) -> None:
    """exp(710) is infinite: the older code's softmax gave NaN, and its order of the pool was that of nothing."""
    features = np.concatenate([np.linspace(-3000, 3000, 99)[:, None], [[0.01]]])
    probe = LinearProbe(("a", "b", "c"), np.zeros(1), np.ones(1), np.array([[1.0], [-1.0], [0.0]]), np.zeros(3), 0.1)
    probabilities = probe.predict(features)[1]
    with np.errstate(over="ignore", invalid="ignore"):
        assert np.isnan(
            np.exp(features @ probe.weights.T) / np.exp(features @ probe.weights.T).sum(axis=1)[:, None]
        ).any()
    pool = items(features, probabilities)
    with np.errstate(all="raise", under="ignore", divide="ignore", invalid="ignore"):
        rows = asked(strategy, pool, nothing(pool), 10)
    if strategy in ("margin", "entropy"):
        assert set(rows[:2]) == {49, 99}  # next to the border


@pytest.mark.parametrize("strategy", ALL)
def test_memory_is_bounded_as_the_pool_grows(strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The square of 12,000 items is 1.2 GB; what the library sees of a pool is a sample."""
    monkeypatch.setattr(strategies, "_MOST_NUMBERS", 600_000)
    monkeypatch.setattr(strategies, "_TYPICLUST_ROWS", 3_000)
    pool = random_items(12_000, width=16)
    asked(strategy, random_items(50), random_items(20), 5)  # what is loaded with the library
    tracemalloc.start()
    asked(strategy, pool, random_items(300, width=16, seed=1), 40)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6


@pytest.mark.parametrize("strategy", ["badge", "core_set", "typiclust"])
def test_a_large_batch_is_asked_for_in_pieces(strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strategies, "_AT_ONCE", 16)
    asked(strategy, random_items(100), random_items(20, seed=1), 50)
    asked(strategy, items(np.zeros((60, 3)), np.full((60, 2), 0.5)), nothing(random_items(1, 2, width=3)), 50)


def test_the_pieces_of_core_set_are_its_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, labelled = random_items(120, seed=1), random_items(9, seed=2)
    whole = asked("core_set", pool, labelled, 30)
    monkeypatch.setattr(strategies, "_AT_ONCE", 7)
    assert asked("core_set", pool, labelled, 30) == whole


def test_distances_are_those_of_directions_of_standardised_features() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(300, 6)) * [1, 1000, 1e-3, 1, 1, 1] + [0, 5, 0, 1e6, 0, 0]
    constant = np.concatenate([vectors, np.full((300, 1), 0.1)], axis=1)
    first, second = distance_features(constant[:200], constant[200:])
    scaled = (vectors - vectors.mean(axis=0)) / vectors.std(axis=0)
    scaled /= np.linalg.norm(scaled, axis=1, keepdims=True)
    expected = np.linalg.norm(scaled[:200, None] - scaled[None, 200:], axis=2)
    assert np.allclose(np.linalg.norm(first[:, None] - second[None], axis=2), expected)
    [few] = distance_features(rng.normal(size=(500, 90)))
    assert few.shape == (500, 64)
    assert [part.shape for part in distance_features(np.zeros((0, 4)), np.zeros((0, 4)))] == [(0, 4), (0, 4)]
    [alike] = distance_features(np.ones((5, 3)))
    assert not alike.any()


def test_what_cannot_be_asked_is_refused() -> None:
    pool = random_items(20)
    with pytest.raises(BadInput, match="no query strategy 'best'"):
        suggest("best", pool, pool, 5, 0)
    with pytest.raises(BadInput, match="-1 items"):
        suggest("random", pool, pool, -1, 0)
    with pytest.raises(BadInput, match="features of the pool have 5 columns, of the labelled 4"):
        suggest("k_means", pool, random_items(5, width=4), 5, 0)
    with pytest.raises(BadInput, match="NaN"):
        suggest("k_means", items(np.full((5, 2), np.nan)), nothing(items(np.zeros((1, 2)))), 2, 0)
    with pytest.raises(BadInput, match="NaN"):
        distance_features(np.full((5, 2), np.nan))
