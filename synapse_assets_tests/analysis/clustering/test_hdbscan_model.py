"""Clusters: planted groups are found, noise stays noise, and new rows are named without regard to their companions."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.analysis.clustering.hdbscan_model import ClusterModel, fit_clusters
from synapse_assets.analysis.clustering.projection import FittedSample, Projection
from synapse_assets.analysis.clustering.refits import refit_agreement
from synapse_assets.errors import BadInput
from synapse_assets_tests.analysis.planted import blobs


def flat(points: np.ndarray) -> Projection:
    """A map that is its own reduced space."""
    points = np.unique(points.astype(np.float32), axis=0)
    return Projection(points, points[:, :2], points, "umap", 15, 0)


def mixture(rows: int = 400, seed: int = 0) -> np.ndarray:
    """Two dense groups (300 to 100) in a thin background, three dimensions."""
    random = np.random.default_rng(seed)
    dense = np.concatenate([random.normal(size=(300, 3)), random.normal(size=(100, 3)) + 12])
    return np.concatenate([dense, random.uniform(-25, 35, size=(rows // 5, 3))])


def test_planted_kinds_are_found(projection: Projection, clusters: ClusterModel) -> None:
    from sklearn.metrics import adjusted_rand_score

    vectors, kind = blobs(300, 5)
    labels = clusters.apply(projection.apply(vectors)[1])
    assert clusters.clusters == 5
    assert clusters.reason == ""
    assert adjusted_rand_score(kind, labels) > 0.95
    new, new_kind = blobs(200, 5, seed=9)
    assert adjusted_rand_score(new_kind, clusters.apply(projection.apply(new)[1])) > 0.9


def test_clusters_are_numbered_by_falling_size_and_fitted_points_keep_their_label() -> None:
    model = fit_clusters(flat(mixture()), seed=0)
    sizes = np.bincount(model.labels[model.labels >= 0])
    assert model.clusters == 2
    assert (np.diff(sizes) <= 0).all()
    assert 0 < model.noise_fraction < 0.4
    assert np.array_equal(model.apply(model.points), model.labels)
    assert model.apply(model.points).dtype == np.int32


def test_a_label_does_not_depend_on_companions() -> None:
    model = fit_clusters(flat(mixture()), seed=0)
    new = mixture(seed=1).astype(np.float32)
    labels = model.apply(new)
    assert set(labels.tolist()) == {-1, 0, 1}
    assert np.array_equal(np.concatenate([model.apply(row[None]) for row in new]), labels)
    assert np.array_equal(model.apply(new[::-1]), labels[::-1])


def test_new_points_agree_with_hdbscan_approximate_predict() -> None:
    import hdbscan

    random = np.random.default_rng(5)
    points = np.concatenate([random.normal(size=(200, 3)) * s + c for s, c in ((1, 0), (0.5, 6), (1.5, 14), (0.4, 9))])
    model = fit_clusters(flat(points), seed=0)
    wide = model.points.astype(np.float64)
    theirs = hdbscan.HDBSCAN(
        min_cluster_size=model.min_cluster_size,
        min_samples=model.min_samples,
        approx_min_span_tree=False,
        prediction_data=True,
    ).fit(wide)
    new = np.concatenate([random.normal(size=(100, 3)) * s + c for s, c in ((1, 0), (0.5, 6), (1.5, 14), (0.4, 9))])
    new = new.astype(np.float32)
    named, _ = hdbscan.approximate_predict(theirs, new.astype(np.float64))
    ours = model.apply(new)
    relabel = {int(t): int(model.labels[theirs.labels_ == t][0]) for t in np.unique(theirs.labels_)}
    same = np.array([relabel[int(t)] for t in named]) == ours
    print("agreement with approximate_predict", same.mean())
    assert same.mean() > 0.95
    both = (named >= 0) & (ours >= 0)
    assert same[both].all()


def test_all_noise_and_too_few_points_are_ordinary_outcomes() -> None:
    few = fit_clusters(flat(np.random.default_rng(0).normal(size=(7, 3))), seed=0)
    assert "too few" in few.reason
    noise = fit_clusters(flat(np.random.default_rng(0).uniform(size=(300, 8))), seed=0, min_cluster_size=60)
    assert "denser" in noise.reason
    for model in (few, noise):
        assert (model.clusters, model.noise_fraction) == (0, 1.0)
        assert (model.apply(model.points) == -1).all()
        assert (model.apply(model.points[:1] + 9) == -1).all()
        assert model.apply(np.zeros((0, 0))).shape == (0,)
        outcome = refit_agreement(flat(np.zeros((2, 3))), model)
        assert outcome.reason
        assert outcome.scores() == {}


def test_a_saved_clustering_comes_back_to_the_bit(clusters: ClusterModel, tmp_path: Path) -> None:
    clusters.save(tmp_path)
    loaded = ClusterModel.load(tmp_path)
    for name, value in clusters.__dict__.items():
        assert np.array_equal(getattr(loaded, name), value)


def test_another_width_is_an_error_that_names_both(clusters: ClusterModel) -> None:
    with pytest.raises(BadInput, match="10 dimensions"):
        clusters.apply(np.zeros((3, 4)))


def test_a_point_joins_by_mutual_reachability_within_the_clusters_reach() -> None:
    points = np.array([[0], [1], [2], [10], [11], [12]], dtype=np.float32)
    labels, core = np.array([0, 0, 0, 1, 1, -1], dtype=np.int32), np.array([2.0, 1, 2, 2, 1, 5])
    numbers = np.arange(2, dtype=np.int32)
    model = ClusterModel(points, labels, core, numbers, np.array([3.0, 1.5]), 3, 2, "")

    def label(place: float) -> int:
        return int(model.apply([[place]])[0])

    # 2 is at 2, but two neighbours only within 3
    assert (label(4.0), label(4.01)) == (0, -1)
    # 12, which is nearest, is sparse: 11 is reached first, and its cluster reaches 1.5
    assert (label(12.4), label(12.6)) == (1, -1)
    # 9 is within reach of 10 but for its core
    assert label(9.0) == -1
    assert label(10.6) == 1


def test_core_distances_are_those_to_other_points_and_sizes_follow_the_sample() -> None:
    model = fit_clusters(flat(mixture()), seed=0)
    wide = model.points.astype(np.float64)
    distances = np.sort(np.linalg.norm(wide[:, None] - wide[None], axis=2), axis=1)
    assert (model.min_cluster_size, model.min_samples) == (11, 10), "half the root of 480, and at most 10"
    assert np.allclose(model.core, distances[:, 10])
    small = fit_clusters(flat(mixture()[:60]), seed=0)
    assert (small.min_cluster_size, small.min_samples) == (5, 5)
    pair = np.concatenate([np.random.default_rng(k).normal(size=(5, 3)) + 100 * k for k in range(2)])
    assert "too few" not in fit_clusters(flat(pair), seed=0).reason, "ten points could be two clusters of five"
    assert "too few" in fit_clusters(flat(pair[:9]), seed=0).reason


def named(kinds: dict[str, str], seed: int) -> tuple[ClusterModel, FittedSample]:
    """Clusters of synapses of those kinds (id -> kind), each kind a place of its own."""
    places = {"a": 0, "b": 10, "c": 20, "d": 30, "e": 40}
    random = np.random.default_rng(seed)
    ids = sorted(kinds)
    points = np.array([random.normal(places[kinds[one]], 0.5, 3) for one in ids])
    sample = pa.table({"synapse_id": ids, "brain_region": ["EB"] * len(ids), "tile_hash": ids})
    # A map that is its own reduced space needs vectors of length 1: the points, lifted onto a sphere.
    lifted = np.concatenate([points, np.full((len(points), 1), 100.0)], axis=1)
    unit = lifted / np.linalg.norm(lifted, axis=1, keepdims=True)
    return fit_clusters(flat(unit), seed=0), FittedSample.of(sample, unit, {"EB": len(ids)})


def number_of(model: ClusterModel, sample: FittedSample, kinds: dict[str, str]) -> dict[str, int]:
    """The number that most synapses of each kind have."""
    labels = model.labels_of(sample)
    return {
        kind: int(np.bincount([labels[i] + 1 for i, k in kinds.items() if k == kind]).argmax()) - 1
        for kind in sorted(set(kinds.values()))
    }


def test_numbers_keep_their_meaning_over_refits() -> None:
    kinds = {f"s{i:03d}": "aaaaabbbbccc"[i % 12] for i in range(360)}
    first, known = named(kinds, 0)
    before = number_of(first, known, kinds)
    assert before == {"a": 0, "b": 1, "c": 2}, "by falling size"

    # A third of the synapses goes, among them all of kind b; others come, most of kind c (now the largest) and a kind d.
    kept = {one: kind for one, kind in kinds.items() if kind != "b"}
    later = kept | {f"t{i:03d}": "cccdd"[i % 5] for i in range(300)}
    model, sample = named(later, 1)
    assert number_of(model, sample, later) == {"a": 1, "c": 0, "d": 2}, "as HDBSCAN gives them"
    reach = model.reach
    model = model.numbered_after(sample, first.labels_of(known), highest=2)
    assert model.reach.tolist() == [reach[1], reach[0], reach[2]], "each cluster keeps its own"
    assert number_of(model, sample, later) == {"a": 0, "c": 2, "d": 3}, "1 was kind b's and is nobody's now"
    assert model.numbers.tolist() == [0, 2, 3]

    # Applied as it is numbered, to fitted points and to others; and it comes back to the bit.
    assert np.array_equal(model.apply(model.points), model.labels)
    near = model.points + np.float32(1e-6)
    assert np.array_equal(model.apply(near), model.labels)

    # Kind b comes back: it is not known to be the old one, so it gets a number of its own, above all ever used.
    again = later | {f"s{i:03d}": "b" for i in range(360) if kinds[f"s{i:03d}"] == "b"}
    third, third_sample = named(again, 2)
    third = third.numbered_after(third_sample, model.labels_of(sample), highest=7)
    assert number_of(third, third_sample, again) == {"a": 0, "b": 8, "c": 2, "d": 3}
    assert third.numbered_after(third_sample, third.labels_of(third_sample), 8).numbers.tolist() == [0, 2, 3, 8]


def test_without_the_synapses_of_a_map_every_cluster_still_gets_a_number(tmp_path: Path) -> None:
    kinds = {f"s{i:03d}": "ab"[i % 2] for i in range(200)}
    model, sample = named(kinds, 0)
    nothing = FittedSample.load(tmp_path)
    assert model.numbered_after(nothing, model.labels_of(sample), 5).numbers.tolist() == [6, 7]
    sample.save(tmp_path)
    assert model.labels_of(FittedSample.load(tmp_path)) == model.labels_of(sample)
