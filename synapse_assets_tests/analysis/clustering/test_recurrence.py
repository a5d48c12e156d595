"""Groups that several clusterings find, and how much of a measure lies between clusters."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from synapse_assets.analysis.clustering.recurrence import (
    RECURS,
    overlap_beyond_chance,
    recurring_groups,
    share_between_clusters,
)

ROWS = 120
ALL = np.ones(ROWS, dtype=bool)


def labels(*sizes: int) -> np.ndarray:
    """Clusters of those sizes one after the other, the rest noise."""
    found = np.repeat(np.arange(len(sizes)), sizes)
    return np.concatenate([found, np.full(ROWS - len(found), -1)]).astype(np.int32)


def test_a_group_that_every_clustering_finds_is_found_with_its_number_in_each() -> None:
    first = labels(40, 30)
    turned = np.where(first == 0, 1, np.where(first == 1, 0, -1)).astype(np.int32)
    split = labels(40, 15, 15)
    groups = recurring_groups({"a": first, "b": turned, "c": split})
    assert [group.clusters for group in groups] == [{"a": 0, "b": 1, "c": 0}, {"a": 1, "b": 0}, {"c": 1}, {"c": 2}]
    assert [int(group.members.sum()) for group in groups] == [40, 30, 15, 15]
    assert groups[0].overlap == groups[1].overlap == 1.0
    assert np.flatnonzero(groups[0].members).tolist() == list(range(40))


def test_every_cluster_is_of_one_group() -> None:
    random = np.random.default_rng(0)
    found = {name: random.integers(-1, 5, ROWS).astype(np.int32) for name in "abcde"}
    clusters = [(name, number) for group in recurring_groups(found) for name, number in group.clusters.items()]
    assert sorted(clusters) == [(name, number) for name in "abcde" for number in range(5)]


def test_clusters_of_random_synapses_are_no_group_whatever_their_size() -> None:
    random = np.random.default_rng(1)
    for share in (0.1, 0.5, 0.9):
        found = {name: np.where(random.random(ROWS) < share, 0, -1).astype(np.int32) for name in "abcd"}
        assert all(len(group.clusters) == 1 for group in recurring_groups(found))


def test_two_clusters_of_most_synapses_overlap_by_chance_alone() -> None:
    first, second = np.arange(ROWS) < 108, np.arange(ROWS) >= 12
    assert (first & second).sum() / (first | second).sum() == 0.8
    assert overlap_beyond_chance(first, second, ALL, ALL) < 0 < RECURS
    assert overlap_beyond_chance(first, first, ALL, ALL) == 1.0
    assert overlap_beyond_chance(ALL, ALL, ALL, ALL) == 0.0, "everything and everything says nothing"


def test_overlap_of_independent_sets_is_zero_and_rises_with_agreement() -> None:
    half, quarter = np.arange(ROWS) % 2 == 0, np.arange(ROWS) % 4 < 2
    assert overlap_beyond_chance(half, quarter, ALL, ALL) == pytest.approx(0.0)
    mistaken = half.copy()
    mistaken[:12] = ~mistaken[:12]
    assert 0.6 < overlap_beyond_chance(half, mistaken, ALL, ALL) < cohen_kappa_score(half, mistaken) + 0.05


def test_synapses_that_one_clustering_left_out_count_for_nothing() -> None:
    first, second = labels(40, 40), labels(40, 40)
    second[20:40] = -2
    [both, other] = recurring_groups({"a": first, "b": second})
    assert both.overlap == other.overlap == 1.0
    assert int(both.members.sum()) in (20, 40)


def test_no_cluster_anywhere_is_no_group() -> None:
    assert recurring_groups({"a": labels(), "b": labels()}) == []
    assert recurring_groups({}) == []


def explained_by_hand(found: np.ndarray, values: np.ndarray) -> float:
    """1 - (SS within / (n - k)) / (SS total / (n - 1)), the one-way analysis of variance summed over columns."""
    inside = found >= 0
    found, values = found[inside], values[inside]
    within = sum(((values[found == c] - values[found == c].mean(0)) ** 2).sum() for c in set(found.tolist()))
    total = ((values - values.mean(0)) ** 2).sum()
    return float(1 - (within / (len(found) - len(set(found.tolist())))) / (total / (len(found) - 1)))


def test_share_between_clusters_is_that_of_an_analysis_of_variance() -> None:
    random = np.random.default_rng(2)
    found = labels(40, 30, 20)
    values = random.normal(size=(ROWS, 3)) + np.maximum(found, 0)[:, None] * 2.0
    assert share_between_clusters(found, values) == pytest.approx(explained_by_hand(found, values))
    assert share_between_clusters(found, found[:, None].astype(float)) == 1.0


def test_clusters_that_have_nothing_to_do_with_a_measure_share_nothing_of_it() -> None:
    shares = []
    for seed in range(50):
        random = np.random.default_rng(seed)
        shares.append(
            share_between_clusters(random.integers(0, 20, ROWS).astype(np.int32), random.normal(size=(ROWS, 1)))
        )
    assert np.mean(shares) < 0.04, "uncorrected, 20 clusters of 6 would have 0.16 of it"


@pytest.mark.parametrize(
    "found", [labels(), labels(100), np.arange(ROWS, dtype=np.int32)], ids=["none", "one", "each alone"]
)
def test_without_two_clusters_there_is_no_share(found: np.ndarray) -> None:
    assert share_between_clusters(found, np.random.default_rng(0).normal(size=(ROWS, 2))) is None


def test_a_measure_that_does_not_vary_has_no_share() -> None:
    assert share_between_clusters(labels(60, 60), np.full((ROWS, 2), 3.0)) is None
