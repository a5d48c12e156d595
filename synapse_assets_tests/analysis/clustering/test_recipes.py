"""Recipes on planted features: which finds what, and what cannot be clustered."""

from pathlib import Path

import hdbscan
import numpy as np
import pytest
import umap

from synapse_assets.analysis.clustering.agreement import adjusted_rand
from synapse_assets.analysis.clustering.recipes import SEEDS, RecipeClusters, fit_recipe, maps_of
from synapse_assets.analysis.clustering.stability_verdict import LIKE_NOISE
from synapse_assets.artifacts import NoModel
from synapse_assets.datasets.morphology import HdbscanSetting, Recipe, RecipeResampling, SingleMap
from synapse_assets_tests.analysis.morphology.grouped import grouped, names, noise

ONE_MAP = Recipe(single_map=SingleMap(), resampling=RecipeResampling(runs=4, nulls=3))
CONSENSUS = Recipe(resampling=RecipeResampling(runs=4))
SETTING = HdbscanSetting(min_cluster_size=10, min_samples=5)


def fitted(features: np.ndarray, recipe: Recipe = ONE_MAP) -> RecipeClusters:
    setting = SETTING if recipe.single_map else None
    found = fit_recipe(features, names(len(features)), recipe, setting, seed=3)
    assert isinstance(found, RecipeClusters)
    return found


def test_one_map_is_that_of_the_libraries() -> None:
    features, planted = grouped((40, 30), seed=5)
    found = fitted(features)
    for seed, labels in zip(range(42, 42 + SEEDS), [found.labels, *found.refits], strict=True):
        plain = umap.UMAP(n_neighbors=20, min_dist=0.1, n_components=2, random_state=seed).fit_transform(features)
        expected = hdbscan.HDBSCAN(min_cluster_size=10, min_samples=5).fit(plain)
        assert adjusted_rand(labels, expected.labels_.astype(np.int32)) == 1.0
        if seed == 42:
            np.testing.assert_array_equal(found.map, plain)
            np.testing.assert_array_equal(np.sort(found.membership_probability), np.sort(expected.probabilities_))
    assert adjusted_rand(found.labels, planted) == 1.0
    assert found.verdict in ("stable", "fragile")
    assert np.bincount(found.labels[found.labels >= 0]).tolist() == [40, 30], "clusters are numbered by falling size"


def test_noise_is_called_noise_and_a_verdict_needs_draws() -> None:
    features, setting = noise("normal", 80), HdbscanSetting(min_cluster_size=5, min_samples=3)
    judged = fit_recipe(features, names(80), ONE_MAP, setting, seed=3)
    assert isinstance(judged, RecipeClusters)
    assert (judged.clusters > 1, judged.verdict) == (True, LIKE_NOISE)
    found = fit_recipe(
        features, names(80), Recipe(single_map=SingleMap(), resampling=RecipeResampling(runs=4)), setting, seed=3
    )
    assert isinstance(found, RecipeClusters)
    assert (found.verdict, found.null_ari, found.null_p) == ("", None, None)
    assert found.stability_ari is not None
    assert "no features without groups were drawn" in found.sentence


def test_a_consensus_finds_the_planted_groups_and_says_how_its_runs_agree() -> None:
    features, planted = grouped((40, 30), seed=6)
    found = fitted(features, CONSENSUS)
    assert adjusted_rand(found.labels, planted) == 1.0
    assert found.map.shape == (70, 0)
    assert found.refits.shape == (4, 70)
    assert (found.refits == -2).mean() == pytest.approx(0.2, abs=0.01)
    assert found.stability_ari is not None
    assert found.stability_ari > 0.9


def test_it_is_read_back_as_it_was_saved(tmp_path: Path) -> None:
    found = fitted(grouped((20, 15), seed=1)[0])
    found.save(tmp_path)
    again = RecipeClusters.load(tmp_path)
    for name in ("ids", "labels", "membership_probability", "map", "refits"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    assert (again.verdict, again.sentence, again.null_p) == (found.verdict, found.sentence, found.null_p)


@pytest.mark.parametrize("recipe", [ONE_MAP, CONSENSUS], ids=["one map", "consensus"])
@pytest.mark.parametrize(
    ("features", "reason"),
    [
        (np.zeros((0, 5)), "0 synapses are too few for a map"),
        (np.zeros((9, 5)), "9 synapses are too few for a map"),
        (np.full((40, 5), 2.5), "all 40 synapses have the same features"),
    ],
)
def test_what_cannot_be_clustered_is_no_error_and_says_why(features: np.ndarray, reason: str, recipe: Recipe) -> None:
    found = fit_recipe(features, names(len(features)), recipe, SETTING if recipe.single_map else None, seed=0)
    assert isinstance(found, NoModel)
    assert reason in found.reason


@pytest.mark.parametrize("rows", [10, 12, 19])
def test_few_synapses_are_all_noise_where_a_cluster_takes_more(rows: int) -> None:
    setting = HdbscanSetting(min_cluster_size=40, min_samples=8)
    found = fit_recipe(grouped((rows,), seed=rows)[0], names(rows), ONE_MAP, setting, seed=0)
    assert isinstance(found, RecipeClusters)
    assert (found.clusters, found.noise_fraction, found.verdict, found.stability_ari) == (0, 1.0, LIKE_NOISE, None)
    assert found.sentence.startswith("There are no clusters")


def test_most_rows_equal_is_no_trouble() -> None:
    features = np.zeros((30, 5))
    features[:3] = np.eye(5)[:3]
    assert fitted(features).labels.shape == (30,)


def test_progress_counts_every_map() -> None:
    made: list[int] = []
    fit_recipe(grouped((15, 12), seed=2)[0], names(27), ONE_MAP, SETTING, seed=0, progress=made.append)
    assert made == list(range(1, maps_of(ONE_MAP) + 1))
