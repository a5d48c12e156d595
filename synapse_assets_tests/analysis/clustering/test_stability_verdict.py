"""The verdict: planted groups are stable, planted noise is noise, and the sentence says by which figures."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from synapse_assets.analysis.clustering.agreement import adjusted_rand
from synapse_assets.analysis.clustering.consensus import consensus
from synapse_assets.analysis.clustering.parameter_sweep import Setting, cluster_runs, grid, sweep
from synapse_assets.analysis.clustering.resampled_maps import GroupMaps
from synapse_assets.analysis.clustering.stability_verdict import assess, interval, null_aris
from synapse_assets.artifacts import NoModel
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


def with_nulls(maps: GroupMaps, runs: npt.NDArray[np.int64], of: int, copies: int) -> GroupMaps:
    """`maps` with so many draws without groups, of which `copies` are those runs of the data; the others find nothing."""
    rows, places = (np.repeat(value[None, runs], of, axis=0) for value in (maps.rows, maps.places))
    places[copies:] = np.random.default_rng(0).uniform(size=places[copies:].shape)
    return replace(maps, null_rows=rows, null_places=places)


def test_data_that_is_no_more_stable_than_its_draws_is_noise_however_stable() -> None:
    maps, swept, clusters = found("groups")
    best = max((run for run in swept.runs if run.eligible), key=lambda run: run.stability)
    clusters = replace(clusters, agreement=best.agreement, setting=swept.settings[swept.runs.index(best)])
    stability = assess(with_nulls(maps, np.arange(len(maps.rows)), 3, 3), clusters)
    assert best.stability > 0.95
    assert stability.null_aris.tolist() == [stability.stability_ari] * 3 == [best.stability] * 3
    assert (stability.null_p, stability.null_ari_highest) == (1.0, best.stability)
    assert stability.null_ari == pytest.approx(best.stability)
    assert stability.verdict == "not distinguishable from noise"


@pytest.mark.parametrize(("draws", "reached", "noise"), [(9, 1, True), (19, 1, False), (19, 2, True)])
def test_one_draw_in_ten_is_too_many(draws: int, reached: int, noise: bool) -> None:
    maps, _, clusters = found("groups")
    agreeing = np.argsort(clusters.agreement.sum(axis=1))[-2:]
    stability = assess(with_nulls(maps, agreeing, draws, reached), clusters)
    assert stability.null_p == (1 + reached) / (1 + draws)
    assert (stability.verdict == "not distinguishable from noise") == noise


def test_draws_within_the_interval_of_the_data_are_as_stable_though_below_its_mean() -> None:
    maps, _, clusters = found("noise")
    maps = replace(maps, null_rows=maps.null_rows[:1], null_places=maps.null_places[:1])
    reached = float(null_aris(maps, clusters)[0])
    quality = np.linspace(0.8, 1.2, 12)
    stability = assess(maps, replace(clusters, agreement=1.03 * reached * np.outer(quality, quality)))
    low, _ = stability.interval
    assert low is not None
    assert stability.stability_ari is not None
    assert low < reached < stability.stability_ari
    assert stability.null_p == 0.5
    assert stability.verdict == "not distinguishable from noise"


def test_draws_choose_among_the_settings_that_the_data_had() -> None:
    """One setting alone flatters the data: that of the data, which for draws is one among many."""
    maps, _, clusters = found("noise")
    maps = replace(maps, null_rows=maps.null_rows[:4], null_places=maps.null_places[:4])
    clusters = replace(clusters, setting=Setting(20, 4))
    assert Setting(20, 4) not in grid(len(maps.points))
    reached = {
        setting: [
            run.stability if run.eligible else 0.0
            for run in (
                cluster_runs(*draw, len(maps.points), setting)
                for draw in zip(maps.null_rows, maps.null_places, strict=True)
            )
        ]
        for setting in [*grid(len(maps.points)), Setting(20, 4)]
    }
    best = np.max(list(reached.values()), axis=0)
    assert null_aris(maps, clusters).tolist() == best.tolist()
    for setting, one in reached.items():
        assert (best > np.array(one)).any(), setting


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
    widths, reached = [], []
    for seed in range(200):
        quality = np.random.default_rng(seed).uniform(0.8, 1.0, 24)
        agreement = np.outer(quality, quality)
        low, high = interval(agreement, seed)
        held += low <= truth <= high
        widths.append(high - low)
        reached.append(agreement[np.triu_indices(24, 1)].mean())
    assert 0.88 <= held / 200 <= 0.97
    assert np.mean(widths) == pytest.approx(2 * 1.96 * np.std(reached), rel=0.15)


def test_a_run_is_not_paired_with_itself_however_often_it_is_drawn() -> None:
    shaky = np.full((12, 12), 0.5)
    np.fill_diagonal(shaky, 1.0)
    assert interval(shaky, 0) == pytest.approx((0.5, 0.5))
    mixed = np.outer(np.linspace(0.6, 1, 12), np.linspace(0.6, 1, 12))
    assert interval(mixed, 0) == interval(mixed, 0) != interval(mixed, 1)


def test_a_setting_that_leaves_most_of_a_draw_as_noise_does_not_count() -> None:
    maps, _, clusters = found("groups")
    rows = np.tile(np.arange(100, dtype=np.int32), (2, 1))
    random = np.random.default_rng(0)
    # ever farther out: each of these is by itself
    places = (random.normal(size=(2, 100, 3)) * 1.3 ** np.arange(100)[:, None]).astype(np.float32)
    places[:, :24] = np.repeat([0, 300], 12)[:, None] + random.normal(size=(2, 24, 3))
    setting = Setting(12, 6)
    run = cluster_runs(rows, places, len(maps.points), setting)
    assert run.stability > 0.9, "two small groups among strays, found by both runs"
    assert not run.eligible
    draw = replace(maps, null_rows=rows[None], null_places=places[None])
    assert null_aris(draw, replace(clusters, setting=setting))[0] < 0.5
