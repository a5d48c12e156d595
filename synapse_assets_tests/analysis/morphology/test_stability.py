"""The verdict: planted groups are stable, planted noise is noise, and the sentence says by which figures."""

from dataclasses import replace

import numpy as np
import pytest

from synapse_assets.analysis.morphology.consensus import consensus
from synapse_assets.analysis.morphology.stability import assess, interval
from synapse_assets.analysis.morphology.sweep import adjusted_rand, sweep
from synapse_assets.analysis.outcome import NoModel
from synapse_assets_tests.analysis.morphology.grouped import found, grouped, in_one_measure, maps_of, noise


@pytest.mark.parametrize("what", ["groups", "one measure"])
def test_planted_groups_are_stable_and_another_seed_agrees(what: str) -> None:
    maps, _, clusters = found(what)
    stability = assess(maps, clusters)
    truth = grouped()[1] if what == "groups" else in_one_measure(140, apart=8.0)[1]
    assert adjusted_rand(clusters.labels, truth) >= 0.9
    assert stability.verdict == "stable", stability.sentence
    assert stability.independent_ari is not None
    assert stability.independent_ari >= 0.95
    assert stability.null_p == pytest.approx(0.1)
    low, high = stability.interval
    assert low is not None
    assert high is not None
    assert stability.stability_ari is not None
    assert low <= stability.stability_ari <= high
    assert stability.null_aris.shape == (9,)
    assert stability.null_ari_highest == stability.null_aris.max()
    for figure in (stability.stability_ari, low, high, stability.independent_ari, stability.null_ari_highest):
        assert f"{figure:.2f}" in stability.sentence
    assert adjusted_rand(clusters.labels, found(what, seed=2)[2].labels) >= 0.95


def test_planted_noise_is_noise() -> None:
    maps, _, clusters = found("noise")
    stability = assess(maps, clusters)
    assert stability.verdict == "not distinguishable from noise", stability.sentence
    assert clusters.clusters >= 2, "HDBSCAN finds clusters here all the same"
    assert stability.null_p is not None
    assert stability.null_p > 0.1


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_other_noise_is_never_stable(kind: str) -> None:
    maps = maps_of(noise(kind, 120))
    swept = sweep(maps)
    assert swept.setting is not None
    assert assess(maps, consensus(maps, swept.setting)).verdict == "not distinguishable from noise"


def test_groups_that_halves_of_the_runs_see_differently_are_fragile() -> None:
    maps, _, clusters = found("groups")
    stability = assess(maps, replace(clusters, independent_ari=0.9))
    assert stability.verdict == "fragile"
    assert "independent clusterings should agree at 0.97" in stability.sentence
    shaky = np.clip(clusters.agreement - 0.4 * (1 - np.eye(len(clusters.agreement))), 0, 1)
    stability = assess(maps, replace(clusters, agreement=shaky))
    assert stability.verdict == "fragile"
    assert "the interval of runs" in stability.sentence


def test_data_that_is_no_more_stable_than_its_draws_is_noise_however_stable() -> None:
    maps, _, clusters = found("groups")
    rows, places = (value[None, :4] for value in (maps.rows, maps.places))
    as_stable = replace(maps, null_rows=np.repeat(rows, 9, axis=0), null_places=np.repeat(places, 9, axis=0))
    stability = assess(as_stable, clusters)
    assert stability.verdict == "not distinguishable from noise"
    assert stability.null_p is not None
    assert stability.null_p > 0.9 or stability.null_ari == pytest.approx(stability.stability_ari or 0, abs=0.02)


def test_without_clusters_there_is_nothing_to_trust() -> None:
    few = maps_of(grouped((8,))[0])
    for stability in (
        assess(few, consensus(few, (5, 2))),
        assess(few, NoModel("no setting finds clusters")),
        assess(NoModel("1 synapse"), NoModel("1 synapse")),
    ):
        assert stability.verdict == "not distinguishable from noise"
        assert stability.stability_ari is None
        assert stability.interval == (None, None)
        assert stability.pair_aris.size == 0
        assert stability.sentence.startswith("There are no clusters: ")


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Mean agreement of pairs of runs, each with a quality of its own, so that pairs depend on each other."""
    held = 0
    truth = 0.81
    for seed in range(200):
        quality = np.random.default_rng(seed).uniform(0.8, 1.0, 24)
        low, high = interval(np.outer(quality, quality), seed)
        held += low <= truth <= high
    assert 0.88 <= held / 200 <= 0.99
