"""Two streams as published, without the older code's mistakes."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from synapse_assets.analysis.labelling.strategies import Items, clusters_of
from synapse_assets.analysis.labelling.two_stream import deal, two_stream
from synapse_assets_tests.analysis.labelling.planted import clouds, items, nothing, random_items


def two_classes(each: int = 50) -> tuple[Items, Items]:
    """A pool of two classes, of which one has all the labels, around (0, 0) of the unsupervised features."""
    rng = np.random.default_rng(3)
    probabilities = np.repeat([[0.9, 0.1], [0.1, 0.9]], each, axis=0) + rng.uniform(-0.01, 0.01, size=(2 * each, 1)) * [
        1,
        -1,
    ]
    unsupervised = rng.normal(size=(2 * each, 2)) * 4
    labelled = Items(np.zeros((30, 2)), rng.normal(size=(30, 2)), np.tile([0.9, 0.1], (30, 1)))
    return Items(np.zeros((2 * each, 2)), unsupervised, probabilities), labelled


def test_of_an_over_sampled_cluster_the_farthest_are_asked() -> None:
    """The older code filtered the candidates and then looked them up in the unfiltered array: other samples than it meant."""
    pool, labelled = two_classes()
    rows = two_stream(pool, labelled, 8, 0)
    over_sampled = rows[rows < 50]
    assert len(over_sampled) == 4
    distance = np.linalg.norm(pool.unsupervised[:50, None] - labelled.unsupervised, axis=2).min(axis=1)
    farthest = np.argsort(-distance)[:10]
    assert set(over_sampled.tolist()) <= set(farthest.tolist())
    # and these are the nearest to the centres of the filtered ones
    stay = np.sort(farthest)
    cluster, centres = clusters_of(pool.unsupervised[stay], 4, 0)
    nearest = [
        stay[cluster == k][np.linalg.norm(pool.unsupervised[stay[cluster == k]] - centres[k], axis=1).argmin()]
        for k in range(4)
    ]
    assert sorted(over_sampled.tolist()) == sorted(nearest)
    as_the_older_code = [
        np.flatnonzero(cluster == k)[
            np.linalg.norm(pool.unsupervised[:50][np.flatnonzero(cluster == k)] - centres[k], axis=1).argmin()
        ]
        for k in range(4)
    ]
    assert sorted(stay[as_the_older_code].tolist()) != sorted(nearest)


def test_of_other_clusters_the_middles_are_asked() -> None:
    pool, labelled = two_classes()
    rows = two_stream(pool, labelled, 8, 0)
    others = rows[rows >= 50]
    cluster, centres = clusters_of(pool.unsupervised[50:], 4, 0)
    nearest = [
        50
        + np.flatnonzero(cluster == k)[
            np.linalg.norm(pool.unsupervised[50:][cluster == k] - centres[k], axis=1).argmin()
        ]
        for k in range(4)
    ]
    assert sorted(others.tolist()) == sorted(nearest)


def test_a_cluster_with_its_share_of_labels_is_not_over_sampled() -> None:
    """30 labels are three rounds of 10, and so up to 3 x 3 of a cluster are no more than its share."""
    pool, labelled = two_classes()
    even = labelled.take(np.arange(30))
    even.probabilities[15:] = [0.1, 0.9]  # type: ignore[index]
    everywhere = two_stream(pool, even, 3, 0)  # ten rounds of 3, N1 = 1
    cluster, centres = clusters_of(pool.unsupervised, 3, 0)
    middles = [
        int(np.flatnonzero(cluster == k)[np.linalg.norm(pool.unsupervised[cluster == k] - centres[k], axis=1).argmin()])
        for k in range(3)
    ]
    assert sorted(everywhere.tolist()) == sorted(middles)


@pytest.mark.parametrize(("pool", "count"), [(40, 50), (1, 50), (50, 50), (3, 4)])
def test_it_ends_when_the_pool_is_smaller_than_the_budget(pool: int, count: int) -> None:
    """The older code dealt what was left of the budget to clusters that had nothing left, for ever."""
    rows = two_stream(random_items(pool), random_items(20, seed=1), count, 0)
    assert sorted(rows.tolist()) == list(range(min(pool, count))) or len(set(rows.tolist())) == min(pool, count)


@pytest.mark.parametrize(
    ("sizes", "count", "seats"),
    [
        ([10, 10, 10], 9, [3, 3, 3]),
        ([10, 1, 10], 9, [4, 1, 4]),
        ([10, 1, 9], 10, [5, 1, 4]),
        ([2, 30, 1], 30, [2, 27, 1]),
        ([2, 1, 0], 50, [2, 1, 0]),
        ([0, 0], 5, [0, 0]),
        ([10, 10, 10, 10], 10, [3, 3, 2, 2]),
    ],
)
def test_what_small_clusters_cannot_give_the_largest_do(sizes: list[int], count: int, seats: list[int]) -> None:
    assert deal(np.array(sizes), count).tolist() == seats


def test_without_a_classifier_the_features_are_the_supervised_stream() -> None:
    features = clouds(np.array([[0.0, 0], [100, 0], [0, 100], [100, 100]]), 25)
    pool = items(features, unsupervised=np.random.default_rng(0).normal(size=(100, 3)))
    rows = two_stream(pool, nothing(pool), 16, 0)
    assert np.bincount(rows // 25).tolist() == [4, 4, 4, 4]


def test_both_streams_count() -> None:
    """Clusters within a class are those of the unsupervised features: each of the three clouds of either class is asked about."""
    probabilities = np.repeat([[1.0, 0.0], [0.0, 1.0]], 60, axis=0)
    unsupervised = np.tile(clouds(np.array([[0.0, 0], [50, 0], [0, 50]]), 20), (2, 1))
    pool = Items(np.zeros((120, 1)), unsupervised, probabilities)
    rows = two_stream(pool, nothing(pool), 6, 0)
    assert {(row // 60, row % 60 // 20) for row in rows.tolist()} == {(c, k) for c in (0, 1) for k in range(3)}
    assert KMeans(3, n_init=5, random_state=1).fit(unsupervised[rows[rows < 60]]).inertia_ < 1e-6
