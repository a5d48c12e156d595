"""Clusterings of the fitted sample against their own refits: planted groups come again, groups of noise do not."""

from typing import Any

import numpy as np
import pytest

from synapse_assets.analysis.clustering import refits
from synapse_assets.analysis.clustering.hdbscan_model import ClusterModel, fit_clusters
from synapse_assets.analysis.clustering.projection import Float32, Projection, fit_projection, umap_layout
from synapse_assets.analysis.clustering.refits import RefitAgreement, refit_agreement


def test_planted_kinds_are_stable(projection: Projection, clusters: ClusterModel) -> None:
    found = refit_agreement(projection, clusters)
    assert len(found.pairs) == len(found.clustered) == 3
    assert found.clusters == (5, 5, 5)
    scores = found.scores()
    assert 1 >= scores["stability_ari"] >= scores["stability_ari_lowest"] == min(found.pairs) > 0.9
    assert scores["stability_ari_clustered"] >= scores["stability_ari_clustered_lowest"] > 0.95


def test_clusters_of_no_structure_are_not_stable_and_each_refit_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.random.default_rng(0).normal(size=(240, 12))
    projection = fit_projection(vectors, seed=3)
    assert isinstance(projection, Projection)
    model = fit_clusters(projection, seed=3)
    assert model.clusters >= 2, "HDBSCAN finds clusters here all the same"
    refitted: list[tuple[int, set[bytes]]] = []

    def noted(sample: Float32, knn: Any, dimensions: int, min_dist: float, seed: int) -> Float32:
        refitted.append((seed, {row.tobytes() for row in sample}))
        return umap_layout(sample, knn, dimensions, min_dist, seed)

    monkeypatch.setattr(refits, "umap_layout", noted)
    found = refit_agreement(projection, model)
    assert max(found.pairs) < 0.7, "no two runs agree, the refits with each other neither"
    assert min(found.pairs) == found.scores()["stability_ari_lowest"]
    (seed, rows), (other_seed, other_rows) = refitted
    assert len({seed, other_seed, projection.seed}) == 3
    assert len(rows) == len(other_rows) == 216
    assert len(rows & other_rows) < 210


def test_refits_cluster_their_own_maps_and_noise_of_either_is_left_out_of_the_second_index(
    projection: Projection, clusters: ClusterModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made-up maps of the refits: two groups, and each time other strays."""

    def made_up(sample: Float32, knn: Any, dimensions: int, min_dist: float, seed: int) -> Float32:
        random = np.random.default_rng(seed)
        places = random.normal(size=(len(sample), dimensions)) + 50.0 * (sample[:, :1] > 0)
        stray = random.permutation(len(sample))[:30]
        places[stray] *= 1e3 * 1.4 ** np.arange(30)[:, None]
        return places.astype(np.float32)

    monkeypatch.setattr(refits, "umap_layout", made_up)
    found = refit_agreement(projection, clusters)
    assert found.clusters == (5, 2, 2)
    assert found.clustered[2] == 1.0
    assert 0.4 < found.pairs[2] < 0.9
    assert max(found.pairs[:2]) < 0.6


def test_what_could_not_be_measured_is_left_out() -> None:
    assert RefitAgreement((0.5,), (float("nan"),), (2, 0)).scores() == {
        "stability_ari": 0.5,
        "stability_ari_lowest": 0.5,
    }
