"""Clusters that runs agree on: from made-up runs, where the answer can be worked out, and from planted groups."""

from pathlib import Path

import numpy as np
import pytest

from synapse_assets.analysis.clustering.agreement import ABSENT, adjusted_rand, agreement, recovery
from synapse_assets.analysis.clustering.consensus import (
    Consensus,
    _independent_agreement,
    _number_by_size,
    _support,
    agreed,
    consensus,
)
from synapse_assets.analysis.clustering.parameter_sweep import Runs, Setting, cluster_runs, sweep
from synapse_assets_tests.analysis.morphology.grouped import FEW, KINDS, found, grouped, maps_of


def test_what_is_more_often_together_than_apart_is_one_cluster() -> None:
    pieces = np.repeat([0, 1, 2], 6)
    joined = np.where(pieces == 2, 1, pieces)  # the second and third are one
    for apart, clusters in ((1, 2), (4, 3)):
        runs = np.array([pieces] * apart + [joined] * (5 - apart), dtype=np.int32)
        labels, faint = agreed(runs, 5)
        assert labels.max() + 1 == clusters
        assert adjusted_rand(labels, (joined if clusters == 2 else pieces).astype(np.int32)) == 1.0
        assert not faint.any()


def test_a_synapse_between_two_groups_does_not_join_them() -> None:
    """It is with either in six of ten runs; they are together in two."""
    groups = np.repeat([0, 1], 8)
    runs = np.array(
        [[*groups, 0]] * 4 + [[*groups, 1]] * 4 + [[0] * 17] * 2,
        dtype=np.int32,
    )
    labels, _ = agreed(runs, 5)
    assert labels.max() + 1 == 2
    assert adjusted_rand(labels[:16], groups.astype(np.int32)) == 1.0


def test_membership_is_the_mean_over_the_runs_that_took_a_synapse() -> None:
    maps, _, clusters = found("groups")
    own = cluster_runs(maps.rows, maps.places, len(maps.points), clusters.setting)
    taken = np.where(own.labels == ABSENT, np.nan, own.probabilities)
    assert np.allclose(clusters.membership_probability, np.nanmean(taken, axis=0)[maps.point_of])
    assert np.array_equal(clusters.agreement, own.agreement)


def test_numbers_of_a_run_mean_nothing() -> None:
    pieces = np.repeat([0, 1, 2], 6)
    runs = np.array([(pieces + turn) % 3 for turn in range(6)], dtype=np.int32)
    assert adjusted_rand(agreed(runs, 5)[0], pieces.astype(np.int32)) == 1.0


def test_noise_in_half_of_the_runs_is_noise_and_runs_that_did_not_take_a_point_do_not_count() -> None:
    runs = np.tile(np.repeat([0, 1], 8), (6, 1)).astype(np.int32)
    runs[:3, 0] = -1
    runs[:2, 1] = -1
    runs[:4, 2] = ABSENT
    runs[:4, 9], runs[4, 9] = ABSENT, -1  # in one of the two runs that took it
    labels, faint = agreed(runs, 5)
    assert labels[0] == labels[9] == -1
    assert np.flatnonzero(faint).tolist() == [0, 9]
    assert len(set(labels[1:8].tolist())) == 1
    support = _support(runs, labels)
    assert support[0] == 0.0
    assert support[1] == pytest.approx(4 / 6, abs=0.06)
    assert support[15] == pytest.approx(1.0)


def test_a_group_smaller_than_a_cluster_is_noise() -> None:
    runs = np.tile(np.repeat([0, 1, 2], [8, 8, 3]), (6, 1)).astype(np.int32)
    labels, faint = agreed(runs, 5)
    assert (labels[16:] == -1).all()
    assert not faint.any()
    assert (agreed(runs, 3)[0] >= 0).all(), "three are enough for a cluster of three"
    nothing, _ = agreed(np.full((6, 19), -1, np.int32), 5)
    assert (nothing == -1).all()


def test_numbers_fall_with_size() -> None:
    labels = np.array([2, 2, 0, 1, 1, -1, 0], dtype=np.int32)
    assert _number_by_size(labels, np.ones(7, np.int64)).tolist() == [0, 0, 1, 2, 2, -1, 1]
    assert _number_by_size(labels, np.array([1, 1, 1, 5, 1, 1, 1])).tolist() == [1, 1, 2, 0, 0, -1, 2]
    assert _number_by_size(np.full(3, -1, np.int32), np.ones(3, np.int64)).tolist() == [-1, -1, -1]


def test_stability_of_a_cluster_is_its_jaccard_index() -> None:
    labels = np.repeat([0, 1], [6, 4]).astype(np.int32)
    same = labels.copy()
    halved = np.array([0, 0, 0, 2, 2, 2, 1, 1, 1, 1], dtype=np.int32)
    larger = np.array([0, 0, 0, 0, 0, 0, 0, 0, -1, -1], dtype=np.int32)
    missing = np.array([0, 0, 0, -1, -1, -1, -2, -2, 1, 1], dtype=np.int32)
    runs = np.stack([same, halved, larger, missing])
    assert recovery(runs, labels, 2) == pytest.approx([(1 + 0.5 + 0.75 + 0.5) / 4, (1 + 1 + 0.2 + 1) / 4])
    assert recovery(np.full((2, 10), -1, np.int32), labels, 2).tolist() == [0.0, 0.0]


def test_planted_groups_are_found_again() -> None:
    _, _, clusters = found("groups")
    assert adjusted_rand(clusters.labels, grouped()[1]) >= 0.9
    assert clusters.clusters == 3
    sizes = np.bincount(clusters.labels[clusters.labels >= 0])
    assert np.allclose(sizes, KINDS, atol=4)
    assert clusters.labels.dtype == np.int32
    assert (clusters.cluster_stability > 0.9).all()
    assert clusters.independent_ari >= 0.95
    inside = clusters.labels >= 0
    assert (clusters.consensus[inside] > 0.5).all()
    assert (clusters.consensus[~inside] == 0).all()
    assert ((clusters.reasons == "") == inside).all()
    assert clusters.membership_probability[inside].mean() > 0.5
    assert ((clusters.membership_probability >= 0) & (clusters.membership_probability <= 1)).all()
    assert clusters.scores()["clusters"] == 3.0


def test_noise_is_split_in_other_places_by_each_half_of_the_runs() -> None:
    _, _, clusters = found("noise")
    assert clusters.independent_ari < 0.95
    assert clusters.pair_aris.mean() < 0.8
    assert clusters.cluster_stability.min() < 0.75


def runs_of(labels: np.ndarray) -> Runs:
    return Runs(labels.astype(np.int32), (labels >= 0).astype(float), agreement(labels.astype(np.int32)))


def test_independent_halves_agree_where_all_runs_do() -> None:
    pieces = np.tile(np.repeat([0, 1, 2], 8), (8, 1))
    assert _independent_agreement([Setting(5, 2)], [runs_of(pieces)], 0) == 1.0
    nothing = np.full((8, 24), -1)
    assert _independent_agreement([Setting(5, 2)], [runs_of(nothing)], 0) == 0.0


def test_independent_halves_disagree_where_a_half_of_the_runs_does() -> None:
    pieces, others = np.repeat([0, 1, 2], 8), np.tile([0, 1, 2], 8)
    mixed = np.array([pieces] * 4 + [others] * 4)
    assert _independent_agreement([Setting(5, 2)], [runs_of(mixed)], 0) < 0.2
    assert _independent_agreement([Setting(5, 2)], [runs_of(mixed[np.random.default_rng(0).permutation(8)])], 0) < 0.2


def test_other_seeds_cut_the_runs_into_other_halves() -> None:
    random = np.random.default_rng(0)
    labels = np.tile(np.repeat([0, 1, 2], 20), (14, 1))
    wrong = random.random(labels.shape) < 0.35
    labels[wrong] = random.integers(0, 3, wrong.sum())
    shaky = [runs_of(labels)]
    first, same, other = (_independent_agreement([Setting(5, 2)], shaky, seed) for seed in (0, 0, 1))
    assert first == same != other


def test_each_half_chooses_its_own_setting() -> None:
    """At the first setting only half of the runs agree; at the second all do, but less well and on something else."""
    random = np.random.default_rng(0)
    pieces = np.repeat([0, 1, 2], 20)
    first = np.array([pieces] * 4 + [random.permutation(pieces) for _ in range(4)])
    second = np.tile(np.tile([0, 1, 2], 20), (8, 1))
    second[np.arange(8), np.arange(8)] = (second[np.arange(8), np.arange(8)] + 1) % 3  # each run has one wrong
    settings, runs = [Setting(5, 2), Setting(10, 2)], [runs_of(first), runs_of(second)]
    assert _independent_agreement(settings[1:], runs[1:], 0) > 0.95
    assert _independent_agreement(settings, runs, 0) < 0.2
    shaky = runs_of(np.array([random.permutation(pieces) for _ in range(8)]))
    assert _independent_agreement(settings, [shaky, runs[1]], 0) > 0.95


def test_equal_synapses_and_those_beyond_the_ceiling_have_a_label() -> None:
    features, group = grouped((90, 70, 40))
    features[5] = features[6]
    maps = maps_of(features, resampling=FEW, ceiling=100)
    setting = sweep(maps).setting
    assert setting is not None
    clusters = consensus(maps, setting)
    assert clusters.labels.shape == (200,)
    assert clusters.labels[5] == clusters.labels[6]
    assert adjusted_rand(clusters.labels, group) > 0.9
    assert (np.diff(np.bincount(clusters.labels[clusters.labels >= 0])) <= 0).all()


def test_too_few_synapses_are_in_no_cluster() -> None:
    clusters = consensus(maps_of(grouped((8,))[0]), (5, 2))
    assert clusters.clusters == 0
    assert (clusters.labels == -1).all()
    assert all("too few" in reason for reason in clusters.reasons)
    assert clusters.noise_fraction == 1.0
    assert clusters.scores() == {"clusters": 0.0, "noise_fraction": 1.0}


def test_saved_and_loaded_to_the_bit(tmp_path: Path) -> None:
    _, _, clusters = found("groups")
    clusters.save(tmp_path)
    again = Consensus.load(tmp_path)
    for name, value in vars(clusters).items():
        assert np.array_equal(value, vars(again)[name]), name
    assert again.setting.min_cluster_size == clusters.setting.min_cluster_size
