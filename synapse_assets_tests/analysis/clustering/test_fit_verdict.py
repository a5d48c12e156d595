"""The verdict on the clusters of a fitted sample: planted groups are stable, noise never is, and the sentence says by what."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from synapse_assets.analysis.clustering.hdbscan_model import ClusterModel, fit_clusters
from synapse_assets.analysis.clustering.projection import Projection, fit_projection
from synapse_assets.analysis.clustering.refits import quick_refits
from synapse_assets.analysis.clustering.stability_verdict import FRAGILE, LIKE_NOISE, STABLE, assess_fit
from synapse_assets_tests.analysis.planted import normal_groups


def fitted(groups: int, seed: int, rows: int = 160, features: int = 64) -> tuple[Projection, ClusterModel]:
    """Map and clusters of planted groups 8 standard deviations apart; of one group: of noise."""
    projection = fit_projection(normal_groups(rows, features, groups, 8.0, 0), seed)
    assert isinstance(projection, Projection)
    return projection, fit_clusters(projection, seed)


@pytest.fixture(scope="module")
def three_groups() -> tuple[Projection, ClusterModel]:
    return fitted(3, seed=1)


def test_planted_groups_are_stable_and_another_seed_agrees(three_groups: tuple[Projection, ClusterModel]) -> None:
    other = fitted(3, seed=2)
    for projection, model in (three_groups, other):
        verdict = assess_fit(projection, model)
        assert (verdict.verdict, verdict.clusters) == (STABLE, 3)
        assert verdict.fitted_ari is not None
        assert verdict.stability_ari is not None
        assert verdict.null_ari_highest is not None
        assert min(verdict.fitted_ari, verdict.stability_ari) > 0.9 > verdict.null_ari_highest
        assert verdict.null_p == pytest.approx(1 / 10)
        assert (len(verdict.pair_aris), len(verdict.null_aris)) == (15, 9)
        assert (
            verdict.title
            == f"stable: refits agree at ARI {verdict.stability_ari:.2f}, without groups at {verdict.null_ari:.2f}"
        )
    assert adjusted_rand_score(three_groups[1].labels, other[1].labels) > 0.95


def test_noise_is_never_stable() -> None:
    projection, model = fitted(1, seed=1)
    assert model.clusters >= 2, "HDBSCAN finds clusters here all the same"
    verdict = assess_fit(projection, model)
    assert verdict.verdict != STABLE
    assert verdict.stability_ari is not None
    assert verdict.stability_ari < 0.5
    assert "comes back least" in verdict.sentence or verdict.verdict == LIKE_NOISE


def test_clusters_that_refits_do_not_give_are_fragile_and_the_weakest_is_named(
    three_groups: tuple[Projection, ClusterModel],
) -> None:
    """The planted groups under numbers of an older clustering, and one of them with members all over the map."""
    projection, model = three_groups
    labels = np.array([4, 7, 9], dtype=np.int32)[model.labels]
    strays = np.random.default_rng(0).permutation(len(labels))[:60]
    labels[strays] = 7
    mixed = replace(model, labels=labels, numbers=np.array([4, 7, 9], dtype=np.int32))
    verdict = assess_fit(projection, mixed)
    assert verdict.verdict == FRAGILE
    assert verdict.fitted_ari is not None
    assert verdict.fitted_ari < 0.9
    assert verdict.weakest is not None
    number, index = verdict.weakest
    assert number in (4, 7, 9)
    assert 0 < index < 0.9
    assert f"Cluster {number} comes back least (Jaccard index {index:.2f})" in verdict.sentence


def test_without_clusters_there_is_nothing_to_judge(three_groups: tuple[Projection, ClusterModel]) -> None:
    projection, _ = three_groups
    none = fit_clusters(projection, seed=1, min_cluster_size=100)
    verdict = assess_fit(projection, none)
    assert (verdict.verdict, verdict.title, verdict.stability_ari) == (LIKE_NOISE, LIKE_NOISE, None)
    assert none.reason in verdict.sentence


def test_every_refit_takes_other_rows_and_too_few_rows_have_no_clusters() -> None:
    rows = normal_groups(60, 8, 2, 12.0, 0).astype(np.float32)
    runs = quick_refits(rows, 3, 15, np.random.default_rng(0))
    assert (runs == -2).sum(axis=1).tolist() == [12, 12, 12]
    assert len({tuple(np.flatnonzero(run == -2)) for run in runs}) == 3
    assert (runs.max(axis=1) >= 1).all()
    assert np.array_equal(quick_refits(rows, 3, 15, np.random.default_rng(0)), runs), "the same seed, the same refits"
    assert (quick_refits(rows[:10], 2, 15, np.random.default_rng(0)) < 0).all()
