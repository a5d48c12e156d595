"""Classifiers of clusters: what they name, what they reject, and how their settings are chosen."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from synapse_assets.analysis.morphology import classifiers as c
from synapse_assets.artifacts import NoModel
from synapse_assets.errors import BadInput
from synapse_assets_tests.analysis.morphology.clustered import TREES, Plant, blobs


@pytest.fixture(scope="module")
def separable() -> Plant:
    return blobs(8, 18)


@pytest.fixture(scope="module")
def fitted(separable: Plant) -> c.ClusterClassifiers:
    features, labels, owner, _ = separable
    model = c.fit_classifiers(features, labels * 2 + 1, 0, owner, TREES)  # clusters 1, 3 and 5
    assert isinstance(model, c.ClusterClassifiers)
    return model


def assert_equal(a: c.Predicted, b: c.Predicted) -> None:
    """To the bit."""
    for name in c.CLASSIFIERS:
        assert np.array_equal(a.labels[name], b.labels[name])
        assert np.array_equal(a.probability[name], b.probability[name])
    assert np.array_equal(a.outlier, b.outlier)
    assert np.array_equal(a.outlier_score, b.outlier_score)


def test_prediction(fitted: c.ClusterClassifiers) -> None:
    rows, labels, _, _ = blobs(5, 30, seed=9)
    rows[-4:] = (40.0, -40.0, 0.0, 0.0, 0.0)
    found = fitted.predict(rows)
    assert found.outlier[-4:].all()
    assert found.outlier[:-4].mean() < 0.12
    assert (found.outlier == (found.outlier_score < 0)).all()
    for name in c.CLASSIFIERS:
        assert (found.labels[name] == labels * 2 + 1)[:-4].mean() > 0.97
        assert set(found.labels[name].tolist()) == {1, 3, 5}
        assert ((found.probability[name] > 1 / 3 - 1e-9) & (found.probability[name] <= 1)).all()
    singly = [fitted.predict(row[None]) for row in rows]
    for name in c.CLASSIFIERS:
        assert np.array_equal(found.probability[name], np.concatenate([s.probability[name] for s in singly]))
    assert np.array_equal(found.outlier_score, np.concatenate([s.outlier_score for s in singly]))
    assert_equal(found, fitted.predict(np.asfortranarray(rows)))
    assert len(fitted.predict(np.zeros((0, 5))).labels[c.BOOSTING]) == 0


def test_saved_and_loaded_without_pickle(fitted: c.ClusterClassifiers, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    again = c.ClusterClassifiers.load(tmp_path / "model")
    rows = blobs(5, 30, seed=9)[0] * 2.0
    assert_equal(fitted.predict(rows), again.predict(rows))
    assert (again.clusters, again.sizes, again.width) == (fitted.clusters, fitted.sizes, fitted.width)
    assert (again.settings, again.warnings) == (fitted.settings, fitted.warnings)
    files = sorted(f.name for f in (tmp_path / "model").iterdir())
    assert files == [
        "cluster_classifiers.json",
        "cluster_classifiers.npz",
        "k_nearest_neighbours.skops",
        "one_class_svm.skops",
        "random_forest.skops",
        "xgboost.json",
    ]
    for name in files:
        if name.endswith(".skops"):
            with zipfile.ZipFile(tmp_path / "model" / name) as inside:
                assert {Path(member).suffix for member in inside.namelist()} == {".npy", ".json"}
                for member in inside.namelist():
                    if member.endswith(".npy"):
                        with inside.open(member) as array:
                            np.lib.format.read_array(array, allow_pickle=False)


def test_a_file_that_asks_for_other_types_is_refused(fitted: c.ClusterClassifiers, tmp_path: Path) -> None:
    import skops.io
    from sklearn.neighbors import KNeighborsClassifier

    fitted.save(tmp_path)
    other = KNeighborsClassifier(metric="manhattan", algorithm="kd_tree").fit(np.eye(5), np.arange(5))
    skops.io.dump(other, tmp_path / "k_nearest_neighbours.skops")
    with pytest.raises(BadInput, match="ManhattanDistance64"):
        c.ClusterClassifiers.load(tmp_path)


def test_the_search_finds_what_the_clusters_need() -> None:
    rng = np.random.default_rng(0)
    rows = np.vstack([rng.normal(size=(90, 5)), rng.normal(size=(4, 5)) * 0.2 + 1.5])
    small = c.fit_classifiers(rows, np.repeat([0, 1], [90, 4]), 0, trees=TREES)
    assert isinstance(small, c.ClusterClassifiers)
    # among 7 neighbours the 4 of them, less those held out, are never the most
    assert small.settings[c.NEIGHBOURS] == {"n_neighbors": 3}

    # clumps of 5 share a label, right in two of three; each is on one neuron
    clump = np.repeat(np.arange(120), 5)
    side = np.arange(120) % 2
    centre = rng.normal(size=(120, 5)) + np.where(side, 0.5, -0.5)[:, None]
    labels = np.where(rng.random(120) < 1 / 3, 1 - side, side)[clump]
    rows = centre[clump] + 0.05 * rng.normal(size=(600, 5))
    found = {}
    for name, neurons in (("synapses", None), ("neurons", [f"n{k // 12}" for k in clump])):
        model = c.fit_classifiers(rows, labels, 0, neurons, trees=2)
        assert isinstance(model, c.ClusterClassifiers)
        found[name] = model.settings[c.NEIGHBOURS]["n_neighbors"]
    assert found["synapses"] == 3
    assert found["neurons"] > 3


@pytest.mark.parametrize("share", c.KERNELS)
def test_the_tightest_kernel_that_spares_most_of_what_is_held_out(share: float) -> None:
    """Of these with three folds of single synapses, the kernels in turn reject 14; 24 and 8; 41, 18 and 16."""
    rng = np.random.default_rng(0)
    rows = {
        1.0: lambda: np.repeat(rng.normal(size=(6, 2)), 40, axis=0) + 0.01 * rng.normal(size=(240, 2)),
        0.3: lambda: rng.normal(size=(120, 2)),
        0.1: lambda: rng.normal(size=(90, 10)),
    }[share]()
    model = c.fit_classifiers(rows, np.arange(len(rows)) % 2, 0, trees=2)
    assert isinstance(model, c.ClusterClassifiers)
    assert model.settings[c.OUTLIERS]["gamma"] == pytest.approx(share / (rows.shape[1] * rows.var()))


def test_of_equal_settings_the_smoothest_is_taken_and_the_forest_has_all_its_trees(
    fitted: c.ClusterClassifiers,
) -> None:
    for name in c.CLASSIFIERS:
        assert fitted.settings[name] == c.GRID[name][0]
    assert fitted.models[c.NEIGHBOURS].n_neighbors == 15
    assert len(fitted.models[c.FOREST].estimators_) == TREES
    assert fitted.settings[c.OUTLIERS]["nu"] == c.NU


def test_clusters_count_alike_however_large_and_another_seed_grows_another_forest() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [270, 30])
    rows = rng.normal(size=(300, 3)) + 1.2 * labels[:, None] * np.array([1, 0, 0])
    new = rng.normal(size=(400, 3)) + 1.2 * np.array([1, 0, 0])
    model = c.fit_classifiers(rows, labels, 0, trees=30)
    assert isinstance(model, c.ClusterClassifiers)
    found = model.predict(new)
    recall = {name: float((found.labels[name] == 1).mean()) for name in c.CLASSIFIERS}
    assert recall[c.NEIGHBOURS] < 0.2, "unweighted"
    assert recall[c.FOREST] > 0.35
    assert recall[c.BOOSTING] > 0.35
    one, same, other = (
        c._fit_classifier(c.FOREST, {"min_samples_leaf": 1}, rows, labels, 2, seed, 5).predict_proba(new)
        for seed in (0, 0, 1)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_rejection_is_near_nu_for_synapses_like_those_trained_on() -> None:
    rejected, far = [], []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        model = c.fit_classifiers(rng.normal(size=(110, 5)), np.arange(110) % 2, seed, trees=2)
        assert isinstance(model, c.ClusterClassifiers)
        rejected.append(model.predict(rng.normal(size=(1000, 5))).outlier.mean())
        directions = rng.normal(size=(200, 5))
        far.append(model.predict(8 * directions / np.linalg.norm(directions, axis=1, keepdims=True)).outlier.mean())
    assert np.mean(rejected) < 0.12  # scikit-learn's default kernel rejects 20 %
    assert np.mean(rejected) > 0.02
    assert min(far) == 1.0


def test_the_kernel_is_chosen_by_what_it_rejects_of_synapses_held_out() -> None:
    from sklearn.svm import OneClassSVM

    rows, fold = np.random.default_rng(0).normal(size=(400, 4)), np.arange(400) % 3

    def rejected(share: float, held_out: bool) -> int:
        count = 0
        for k in range(3):
            train = rows[fold != k] if held_out else rows
            fitted = OneClassSVM(nu=c.NU, gamma=share / (4 * train.var())).fit(train)
            count += int((fitted.predict(rows[fold == k]) < 0).sum())
        return count

    most = 2 * c.NU * 400
    by_share = {share: (rejected(share, True), rejected(share, False)) for share in c.KERNELS}
    assert by_share[1.0][1] <= most < by_share[1.0][0], "those trained on are rejected less"
    chosen = next(share for share, (held_out, _) in by_share.items() if held_out <= most)
    assert c._search_kernel(rows, fold) == {"nu": c.NU, "gamma": chosen / (4 * rows.var())}


@pytest.mark.parametrize(
    ("labels", "reason"),
    [([], "no clustered synapses"), ([-1] * 6, "no clustered synapses"), ([4] * 6, "one cluster only")],
)
def test_fewer_than_two_clusters(labels: list[int], reason: str) -> None:
    rows = np.random.default_rng(0).normal(size=(len(labels), 5))
    model = c.fit_classifiers(rows, labels, 0)
    assert isinstance(model, NoModel)
    assert reason in model.reason


def test_noise_is_not_trained_on() -> None:
    features, labels, owner, _ = blobs(3, 36)
    features[:20] = np.random.default_rng(1).normal(size=(20, 5)) * 20
    labels[:20] = -1
    models = [c.fit_classifiers(features[a:], labels[a:], 0, owner[a:], TREES) for a in (0, 20)]
    assert all(isinstance(m, c.ClusterClassifiers) for m in models)
    assert models[0].sizes == models[1].sizes  # type: ignore[union-attr]
    assert_equal(*(m.predict(features) for m in models))  # type: ignore[union-attr]


def test_the_order_of_rows_changes_nothing() -> None:
    features, labels, owner, ids = blobs(3, 18)
    mixed = np.random.default_rng(3).permutation(len(ids))
    models = [c.fit_classifiers(features[o], labels[o], 0, owner[o], TREES) for o in (np.arange(len(ids)), mixed)]
    assert_equal(*(m.predict(features * 1.3) for m in models))  # type: ignore[union-attr]


def test_bad_input(fitted: c.ClusterClassifiers, separable: Plant) -> None:
    features, labels, _, _ = separable
    gap = features.copy()
    gap[3, 2] = np.nan
    with pytest.raises(BadInput, match=r"features \(2, 4\) do not fit classifiers of 5 features"):
        fitted.predict(np.zeros((2, 4)))
    for rows in (gap, np.where(np.isnan(gap), np.inf, gap), np.where(np.isnan(gap), 1e39, gap)):
        with pytest.raises(BadInput, match="NaN or infinite"):
            fitted.predict(rows)
        with pytest.raises(BadInput, match="NaN or infinite"):
            c.fit_classifiers(rows, labels, 0)
    with pytest.raises(BadInput, match="143 cluster labels"):
        c.fit_classifiers(features, labels[1:], 0)
    with pytest.raises(BadInput, match="whole numbers"):
        c.fit_classifiers(features, labels + 0.5, 0)
