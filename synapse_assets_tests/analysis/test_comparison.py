"""The rule of promotion, and its measures: each tells a planted better model from a worse one."""

import numpy as np
import pytest

from synapse_assets.analysis.clustering.projection import Projection, unit_rows
from synapse_assets.analysis.comparison import (
    WORSE_BY,
    compare,
    compare_classifiers,
    compare_clusterings,
    compare_detectors,
    compare_encoders,
    compare_maps,
    neighbour_accuracy,
    trustworthiness,
)
from synapse_assets.artifacts import NoModel
from synapse_assets_tests.analysis.planted import blobs, styled


@pytest.mark.parametrize(
    ("in_use", "candidate", "promote", "words"),
    [
        (0.8, 0.9, True, "better than"),
        (0.8, 0.8 + WORSE_BY / 2, True, "as good as"),
        (0.8, 0.8 - WORSE_BY / 2, True, "as good as"),
        (0.5, 0.5 - WORSE_BY, True, "as good as"),
        (0.8, 0.8 - 2 * WORSE_BY, False, "worse than"),
        (None, 0.1, True, "only the candidate"),
        (0.1, None, False, "candidate could not be measured"),
        (None, None, True, "neither"),
    ],
)
def test_a_candidate_is_used_unless_it_scores_worse(
    in_use: float | None, candidate: float | None, promote: bool, words: str
) -> None:
    found = compare("score", in_use, candidate, "on 10 rows")
    assert (found.promote, found.in_use, found.candidate) == (promote, in_use, candidate)
    assert words in found.reason
    assert found.reason.endswith("on 10 rows")


def test_encoders_are_compared_with_groups_held_out() -> None:
    table, vectors = styled()
    targets, groups = (table.column(name).to_pylist() for name in ("target", "neuron_id"))
    groups = [str(group) for group in groups]
    kinds = {name: np.random.default_rng(i).normal(size=48) for i, name in enumerate(sorted(set(targets)))}
    better = vectors + np.stack([2 * kinds[target] for target in targets])
    held = neighbour_accuracy(vectors, targets, groups)
    alone = neighbour_accuracy(vectors, targets, [str(i) for i in range(len(targets))])
    assert held is not None
    assert alone is not None
    assert held < 0.7 < 0.95 < alone, "neighbours of the same neuron give the class away"
    found = compare_encoders(vectors, better, targets, groups, "neuron_id")
    assert found.promote
    assert found.candidate is not None
    assert found.candidate > 0.95
    assert "480 labelled tiles, each neuron_id held out" in found.reason
    assert not compare_encoders(better, vectors, targets, groups, "neuron_id").promote


def test_neighbours_of_equal_votes_and_of_no_other_group() -> None:
    vectors = np.repeat(np.eye(2), 15, axis=0)
    targets, groups = ["a"] * 15 + ["b"] * 15, [str(i % 3) for i in range(30)]
    assert neighbour_accuracy(vectors, targets, groups) == 1.0
    assert neighbour_accuracy(vectors, targets, ["one"] * 30) is None
    assert neighbour_accuracy(vectors, ["a"] * 30, groups) is None
    assert neighbour_accuracy(vectors[:10], targets[10:20], groups[:10]) is None
    # Five neighbours of each class: those that lie nearer decide.
    near = np.array([[1, 0.1 * i / 30] for i in range(5)] + [[1, 1 + 0.1 * i] for i in range(5)] + [[1, 0]] * 10)
    assert neighbour_accuracy(near, ["b"] * 5 + ["a"] * 5 + ["b"] * 10, ["x"] * 10 + ["y"] * 10) == pytest.approx(0.5)


def test_twenty_labels_are_enough_and_classes_count_alike() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(20, 6))
    targets, groups = ["a"] * 10 + ["b"] * 10, [str(i % 4) for i in range(20)]
    assert neighbour_accuracy(vectors, targets, groups) is not None
    assert neighbour_accuracy(vectors[:19], targets[:19], groups[:19]) is None
    rare = np.repeat([[1.0, 0.0], [1.0, 0.01]], [18, 2], axis=0)
    assert neighbour_accuracy(rare, ["a"] * 18 + ["b"] * 2, groups) == 0.5, "all are named a"


def test_only_directions_count_and_only_other_groups_vote() -> None:
    vectors, kind = blobs(60, 3, features=8, spread=1.5)
    targets, groups = [f"k{k}" for k in kind], [str(i % 6) for i in range(60)]
    stretched = vectors * np.random.default_rng(0).uniform(0.01, 100, size=(60, 1))
    assert neighbour_accuracy(stretched, targets, groups) == neighbour_accuracy(vectors, targets, groups)
    # three synapses of y name the nineteen of x, as no others may: two of three say b
    alike = np.ones((22, 3))
    found = neighbour_accuracy(alike, ["a"] * 19 + ["b", "b", "a"], ["x"] * 19 + ["y"] * 3)
    assert found == pytest.approx((1 / 20 + 0) / 2)


def test_ten_neighbours_vote() -> None:
    """The nearest three of every b in x are of a, the seven behind them of b."""
    angles = np.concatenate([np.zeros(10), np.full(3, 0.1), np.full(7, 0.2), np.full(10, 3.0)])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    targets = ["b"] * 10 + ["a"] * 3 + ["b"] * 7 + ["a"] * 10
    found = neighbour_accuracy(vectors, targets, ["x"] * 10 + ["y"] * 20)
    # named b: all in x; in y, whose ten neighbours are those of x, all
    assert found == pytest.approx((17 / 17 + 0 / 13) / 2)


def test_without_labels_a_person_decides_on_encoders() -> None:
    found = compare_encoders(np.ones((0, 4)), np.ones((0, 4)), [], [], "neuron_id")
    assert not found.promote
    assert "promote by hand" in found.reason


def test_maps_are_compared_on_the_same_synapses(projection: Projection) -> None:
    from sklearn.manifold import trustworthiness as measured

    vectors = blobs(200, 5, seed=4)[0].astype(np.float32)
    random = np.random.default_rng(0)
    torn = Projection(
        projection.sample, projection.xy, random.permutation(projection.reduced), "umap", 15, projection.seed
    )
    good, bad = trustworthiness(projection, vectors), trustworthiness(torn, vectors)
    assert good is not None
    assert bad is not None
    assert good > 0.75 > 0.65 > bad
    assert good == measured(unit_rows(vectors), projection.apply(vectors)[1], n_neighbors=15)
    assert not compare_maps(projection, torn, vectors).promote
    assert compare_maps(torn, projection, vectors).promote
    assert compare_maps(projection, projection, vectors).reason.endswith("both on 200 present synapses")
    none = compare_maps(projection, NoModel("1 different vectors"), vectors)
    assert not none.promote
    assert "1 different vectors" in none.reason
    assert trustworthiness(projection, vectors[:2]) is None


def test_clusterings_and_classifiers_by_their_scores() -> None:
    stable, loose = {"stability_ari": 0.9, "clusters": 4.0}, {"stability_ari": 0.5, "clusters": 9.0}
    assert not compare_clusterings(stable, loose).promote
    assert "4 clusters in use, 9 clusters of the candidate" in compare_clusterings(stable, loose).reason
    assert compare_clusterings({"clusters": 0.0}, loose).promote
    ours = {"balanced_accuracy": 0.8, "classes": 2.0, "labelled_synapses": 100.0}
    assert not compare_classifiers(ours, {**ours, "balanced_accuracy": 0.7}).promote
    assert not compare_classifiers(ours, {"labelled_synapses": 40.0}).promote
    more = {"balanced_accuracy": 0.75, "classes": 4.0, "labelled_synapses": 200.0}
    found = compare_classifiers(ours, more)
    assert found.promote, "0.67 of the way from guessing to perfect, against 0.60"
    assert (found.in_use, found.candidate) == (0.8, 0.75)
    assert "100 labelled synapses of 2 classes and 200 labelled synapses of 4 classes" in found.reason


def test_detectors_are_compared_by_those_that_both_versions_have() -> None:
    in_use = {"score": 0.8, "clefts_score": 0.7, "mito_score": 0.9}
    better = compare_detectors(in_use, {"score": 0.72, "clefts_score": 0.72})
    assert (better.promote, better.in_use, better.candidate) == (True, 0.7, 0.72)
    assert "clefts" in better.reason
    worse = compare_detectors(in_use, {"score": 0.8, "clefts_score": 0.5, "mito_score": 0.91})
    assert (worse.promote, worse.candidate) == (False, pytest.approx(0.705))
    other = compare_detectors(in_use, {"score": 0.85, "sites_score": 0.85})
    assert (other.promote, other.in_use, other.candidate) == (True, 0.8, 0.85)
    assert not compare_detectors(in_use, {}).promote
    assert compare_detectors({}, {}).promote
