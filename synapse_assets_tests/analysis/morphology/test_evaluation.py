"""Evaluations of classifiers of clusters: what a neuron never seen will show is what the score says."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.analysis.evaluation.evaluation import Evaluation
from synapse_assets.analysis.evaluation.scores import Score
from synapse_assets.analysis.evaluation.stored import (
    classifier_score_row,
    load_classifier_evaluation,
    save_classifier_evaluation,
)
from synapse_assets.analysis.morphology import classifiers as c
from synapse_assets.analysis.morphology import evaluation as e
from synapse_assets.analysis.morphology.features import HeldOut
from synapse_assets.artifacts import NoModel
from synapse_assets.errors import BadInput
from synapse_assets.schema.morphology import CLASSIFIER_SCORES
from synapse_assets_tests.analysis.morphology.clustered import CENTRES, TREES, Plant, blobs, leave


def evaluated(plant: Plant, held_out: Callable[[str], HeldOut | NoModel] | None = None) -> Evaluation:
    features, labels, owner, ids = plant
    held_out = held_out or leave(features, owner, ids)
    return e.evaluate_classifiers(features, features[:, :2], labels, owner, ids, held_out, seed=0, trees=TREES)


def honest(evaluation: Evaluation, name: str = c.NEIGHBOURS) -> Score:
    score = evaluation.score(name, e.FEATURES, e.LEAVE_ONE_NEURON_OUT)
    assert score is not None
    return score


def random_split(evaluation: Evaluation, name: str = c.NEIGHBOURS, inputs: str = e.FEATURES) -> Score:
    score = evaluation.score(name, inputs, e.RANDOM_80_20)
    assert score is not None
    return score


def rows_of_the_split(labels: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """The rows that the published study's split tests, of rows sorted by id."""
    from sklearn.model_selection import train_test_split

    order = np.argsort(ids)
    return order[train_test_split(np.arange(len(ids)), test_size=0.2, random_state=42, stratify=labels[order])[1]]


@pytest.fixture(scope="module")
def separable() -> Plant:
    return blobs(8, 18)


@pytest.fixture(scope="module")
def evaluation(separable: Plant) -> Evaluation:
    return evaluated(separable)


def test_separable_clusters_are_named_on_neurons_never_seen(evaluation: Evaluation) -> None:
    assert len(evaluation.scores) == 9
    for name in c.CLASSIFIERS:
        score = honest(evaluation, name)
        assert score.accuracy_of_accepted is not None
        assert score.accuracy_of_accepted > 0.97
        assert score.accuracy > 0.85  # those that the one-class SVM rejects are wrong
        assert (score.rows, score.groups, score.trained) == (144, 8, 126)
        assert score.interval_over == "neurons"
        assert score.accuracy_interval is not None
        assert score.accuracy_interval[0] < score.accuracy < score.accuracy_interval[1]
        assert score.guessing == pytest.approx(1 / 3)
        assert score.confusion.sum(axis=1).tolist() == [48, 48, 48]
        assert score.confusion[:, -1].sum() == score.rejected > 0
        # two of the three clusters differ on the map's two coordinates, and the third lies between them
        assert random_split(evaluation, name, e.MAP).accuracy > 0.8
    assert evaluation.classes == ("0", "1", "2")
    assert evaluation.headline is honest(evaluation, c.NEIGHBOURS)
    assert evaluation.splits == {
        e.RANDOM_80_20: random_split(evaluation, c.NEIGHBOURS),
        e.LEAVE_ONE_NEURON_OUT: honest(evaluation, c.NEIGHBOURS),
    }


def test_rows_are_those_of_the_table(evaluation: Evaluation) -> None:
    more = {"investigation_group": "as", "published_accuracy": None, "classifier_model": "v1"}
    table = CLASSIFIER_SCORES.conform(
        pa.Table.from_pylist([classifier_score_row(score) | more for score in evaluation.scores])
    )
    assert table.num_rows == 9
    assert set(table.column("inputs").to_pylist()) == {"map", "features"}


def test_a_label_that_the_neuron_decides_shows_as_a_leak() -> None:
    number = np.arange(96) // 16
    owner = np.array([f"n{n}" for n in number])
    # in a row, and neighbours differ in their cluster
    features = 0.3 * np.random.default_rng(0).normal(size=(96, 5)) + 2.0 * number[:, None]
    found = evaluated((features, number % 2, owner, np.array([f"s{i:03d}" for i in range(96)])))
    for name in c.CLASSIFIERS:
        assert random_split(found, name).accuracy >= 0.85
        assert honest(found, name).accuracy < 0.3
        assert honest(found, name).confusion[:, :2].sum() > 45  # wrongly named, not merely rejected


@pytest.fixture(scope="module")
def by_hand() -> tuple[Plant, Callable[[float | None], Callable[[str], HeldOut]]]:
    """Three neurons of 20. Of n2, 8 of cluster 0 lie at its centre and 2 at that of cluster 1; of cluster 1, 5 lie at its
    centre, 3 far away, 2 have no features, or other ones that are far away."""
    features, labels, owner, ids = blobs(3, 20, 2)

    def folds(instead: float | None) -> Callable[[str], HeldOut]:
        def held_out(neuron: str) -> HeldOut:
            own = np.flatnonzero(owner == neuron)
            own = own[np.argsort(labels[own], kind="stable")]
            test = CENTRES[labels[own]].copy()
            left_out = {}
            if neuron == "n2":
                test[8:10] = CENTRES[1]
                test[15:18] = 1000.0
                if instead is None:
                    left_out = {str(i): "its neuron has too few synapses" for i in ids[own[18:]]}
                    own, test = own[:18], test[:18]
                else:
                    test[18:] = instead
            rest = owner != neuron
            return HeldOut(ids[rest].tolist(), features[rest], ids[own].tolist(), test, left_out)

        return held_out

    return (features, labels, owner, ids), folds


def test_scores_are_what_one_counts_by_hand(by_hand: tuple[Plant, Callable]) -> None:
    plant, folds = by_hand
    found = evaluated(plant, folds(None))
    for name in c.CLASSIFIERS:
        score = honest(found, name)
        assert score.confusion.tolist() == [[28, 2, 0], [0, 25, 5]]
        assert (score.rejected, score.left_out, score.unnameable) == (3, 2, 0)
        assert score.accuracy == pytest.approx(53 / 60)
        assert score.accuracy_of_accepted == pytest.approx(53 / 55)
        assert score.balanced_accuracy == pytest.approx((28 / 30 + 25 / 30) / 2)
        assert score.macro_f1 == pytest.approx((2 * 28 / (30 + 28) + 2 * 25 / (30 + 27)) / 2)
        assert score.guessing == 0.5
        assert (score.interval_over, score.accuracy_interval) == (None, None)
    said = " ".join(found.warnings)
    assert "2 synapses of the neuron held out have no features and count as wrong: its neuron has too few" in said
    assert "3 neurons, no interval below 8 neurons" in said
    assert found.headline is honest(found, c.NEIGHBOURS)
    assert found.neurons == {"n0": 20, "n1": 20, "n2": 20}


def test_what_is_tested_changes_nothing_that_is_fitted(by_hand: tuple[Plant, Callable]) -> None:
    plant, folds = by_hand
    left_out, far = (honest(evaluated(plant, folds(instead))) for instead in (None, 1e6))
    assert (far.rejected, far.left_out) == (5, 0)
    assert far.confusion.tolist() == left_out.confusion.tolist()
    assert far.settings == left_out.settings

    features, labels, owner, ids = blobs(4, 36)
    moved = features.copy()
    rows = rows_of_the_split(labels, ids)
    before = evaluated((features, labels, owner, ids), lambda _: NoModel("not of interest here"))
    assert random_split(before).rows == len(rows) == 29
    moved[rows[:10]] = 1e6
    after = evaluated((moved, labels, owner, ids), lambda _: NoModel("not of interest here"))
    for name in c.CLASSIFIERS:
        for inputs in (e.MAP, e.FEATURES):
            a, b = random_split(before, name, inputs), random_split(after, name, inputs)
            assert a.settings == b.settings
            assert ((b.confusion - a.confusion)[:, :-1] <= 0).all()
            others = np.bincount(labels[rows[:10]], minlength=3)
            assert (b.confusion[:, -1] - a.confusion[:, -1] <= others).all()
            assert (b.confusion[:, -1] >= others).all()
            assert a.confusion.sum() == b.confusion.sum() == 29


def test_each_way_of_testing_names_from_its_own_inputs() -> None:
    features, labels, owner, ids = blobs(3, 24)
    blind = np.random.default_rng(0).normal(size=(72, 2))
    nothing = NoModel("not of interest here")
    found = e.evaluate_classifiers(features, blind, labels, owner, ids, lambda _: nothing, seed=0, trees=TREES)
    for name in c.CLASSIFIERS:
        assert random_split(found, name, e.MAP).accuracy < 0.6
        assert random_split(found, name, e.FEATURES).accuracy > 0.7


def test_wilson_interval_of_the_random_split(evaluation: Evaluation) -> None:
    score = random_split(evaluation)
    n, p, z = score.rows, score.accuracy, 1.959963984540054
    middle, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert score.interval_over == "synapses"
    assert score.accuracy_interval == pytest.approx(
        ((middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n))
    )
    assert any("synapses of one neuron are not independent" in note for note in evaluation.notes)


def test_a_cluster_of_one_neuron_cannot_be_named_without_it() -> None:
    features, labels, owner, ids = blobs(3, 18, 2)
    lone = np.flatnonzero(owner == "n1")[:5]
    features[lone] += CENTRES[2] - CENTRES[labels[lone]]
    labels[lone] = 2
    found = evaluated((features, labels, owner, ids))
    score = honest(found)
    assert score.unnameable == 5
    assert score.confusion[2, 2] == 0
    assert score.confusion[2].sum() == 5
    assert any("5 synapses are in clusters that only their own neuron has" in w for w in found.warnings)


def test_noise_is_neither_trained_on_nor_tested() -> None:
    features, labels, owner, ids = blobs(3, 36)
    features[:20] = np.random.default_rng(1).normal(size=(20, 5)) * 20
    labels[:20] = -1
    found = evaluated((features, labels, owner, ids))
    clean = evaluated(tuple(part[20:] for part in (features, labels, owner, ids)))  # type: ignore[arg-type]
    assert (found.noise, clean.noise) == (20, 0)
    assert [s.confusion.tolist() for s in found.scores] == [s.confusion.tolist() for s in clean.scores]
    assert sum(found.neurons.values()) == 88
    assert any("20 of 108 synapses are noise" in w for w in found.warnings)


def test_folds_without_a_model_and_foreign_rows() -> None:
    features, labels, owner, ids = blobs(4, 18)
    plain = leave(features, owner, ids)

    def with_gaps(neuron: str) -> HeldOut | NoModel:
        if neuron == "n3":
            return NoModel("the others give no axes")
        fold = plain(neuron)
        strange = np.full((3, 5), 50.0)
        names = ["other/ss/1", "other/ss/2", "other/ss/3"]
        return HeldOut(fold.train_ids + names, np.vstack([fold.train, strange]), fold.test_ids, fold.test, {})

    whole, gaps = evaluated((features, labels, owner, ids)), evaluated((features, labels, owner, ids), with_gaps)
    assert honest(gaps).left_out == 18
    assert honest(gaps).rows == 72
    assert (honest(gaps).confusion[:, :-1] <= honest(whole).confusion[:, :-1]).all()
    assert honest(gaps).confusion[:, -1].sum() == honest(gaps).rejected + 18
    assert any(
        "no classifier without n3, its 18 synapses count as wrong: the others give no axes" in w for w in gaps.warnings
    )
    none = evaluated((features, labels, owner, ids), lambda _: NoModel("nothing"))
    assert none.headline_split == e.RANDOM_80_20
    assert any("no classifier could be fitted" in w for w in none.warnings)


def test_a_fold_that_trains_on_the_neuron_held_out_is_refused(separable: Plant) -> None:
    features, labels, owner, ids = separable
    labels = np.where(np.arange(144) == 0, -1, labels)

    def leaking(neuron: str) -> HeldOut:
        return HeldOut(ids.tolist()[:1] + ids[20:].tolist(), features[:125], ids[:20].tolist(), features[:20], {})

    with pytest.raises(BadInput, match="n0 were fitted on synapses of it"):
        evaluated((features, labels, owner, ids), leaking)


def test_the_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    features, labels, owner, ids = blobs(3, 18)
    mixed = np.random.default_rng(3).permutation(len(ids))
    evaluation = evaluated((features, labels, owner, ids))
    again = evaluated((features[mixed], labels[mixed], owner[mixed], ids[mixed]))
    save_classifier_evaluation(evaluation, tmp_path / "a")
    save_classifier_evaluation(again, tmp_path / "b")
    name = "classifier_evaluation.json"
    assert (tmp_path / "a" / name).read_text() == (tmp_path / "b" / name).read_text()
    read = load_classifier_evaluation(tmp_path / "a")
    assert [classifier_score_row(s) for s in read.scores] == [classifier_score_row(s) for s in evaluation.scores]
    assert all((a.confusion == b.confusion).all() for a, b in zip(read.scores, evaluation.scores, strict=True))
    assert read.headline in read.scores
    for name in ("classes", "headline_split", "warnings", "notes", "sizes", "neurons", "noise"):
        assert getattr(read, name) == getattr(evaluation, name)


def clumps() -> Plant:
    """Four neurons of 12 clumps of 4 synapses. A clump shares a label, right in two of three: neighbours on the same
    neuron tell it, those on others only what is usual on that side."""
    rng = np.random.default_rng(0)
    clump = np.repeat(np.arange(48), 4)
    side = np.arange(48) % 2
    centre = rng.normal(size=(48, 5)) + np.where(side, 0.7, -0.7)[:, None]
    labels = np.where(rng.random(48) < 1 / 3, 1 - side, side)[clump]
    owner = np.array([f"n{k // 12}" for k in clump])
    return (
        centre[clump] + 0.05 * rng.normal(size=(192, 5)),
        labels,
        owner,
        np.array([f"{name}/as/{k:03d}" for k, name in enumerate(owner)]),
    )


def test_each_fold_searches_its_settings_with_neurons_held_together() -> None:
    features, labels, owner, ids = clumps()
    found = e.evaluate_classifiers(
        features, features[:, :2], labels, owner, ids, leave(features, owner, ids), seed=0, trees=2
    )
    expected = {name: np.zeros((2, 3), dtype=np.int64) for name in c.CLASSIFIERS}
    for neuron in np.unique(owner):
        out = owner == neuron
        model = c.fit_classifiers(features[~out], labels[~out], 0, owner[~out], trees=2)
        assert isinstance(model, c.ClusterClassifiers)
        predicted = model.predict(features[out])
        for name in c.CLASSIFIERS:
            np.add.at(expected[name], (labels[out], np.where(predicted.outlier, 2, predicted.labels[name])), 1)
    for name in c.CLASSIFIERS:
        assert honest(found, name).confusion.tolist() == expected[name].tolist()
        last = {**model.settings[name], c.OUTLIERS: model.settings[c.OUTLIERS]}
        assert json.loads(honest(found, name).settings) == last
    assert honest(found).guessing == max(np.bincount(labels)) / len(labels) > 0.5
    single = c.fit_classifiers(features[~out], labels[~out], 0, trees=2)
    assert isinstance(single, c.ClusterClassifiers)
    assert single.settings[c.NEIGHBOURS] != model.settings[c.NEIGHBOURS], "else nothing here depends on neurons"


def test_the_best_is_by_balanced_accuracy_of_the_honest_split_and_of_equals_the_simpler() -> None:
    def score(classifier: str, split: str, balanced: float, inputs: str = e.FEATURES) -> Score:
        return Score(classifier, inputs, split, 2, np.zeros((2, 3), dtype=np.int64), balanced, 0.5)

    def best(scores: list[Score]) -> tuple[str, str] | None:
        found = e._best(scores)
        return None if found is None else (found.classifier, found.split)

    names = c.CLASSIFIERS
    left_out = [score(name, e.LEAVE_ONE_NEURON_OUT, value) for name, value in zip(names, (0.6, 0.7, 0.7), strict=True)]
    at_random = [score(name, e.RANDOM_80_20, value) for name, value in zip(names, (0.8, 0.7, 0.9), strict=True)]
    on_map = [score(name, e.RANDOM_80_20, value, e.MAP) for name, value in zip(names, (0.99, 0.5, 0.5), strict=True)]
    assert best([*on_map, *at_random, *left_out]) == (c.FOREST, e.LEAVE_ONE_NEURON_OUT)
    assert best([*on_map, *at_random]) == (c.BOOSTING, e.RANDOM_80_20)
    assert best(on_map) is None


@pytest.mark.parametrize("labels", [[], [-1] * 6, [4] * 6])
def test_fewer_than_two_clusters(labels: list[int]) -> None:
    rows, count = np.random.default_rng(0).normal(size=(len(labels), 5)), len(labels)
    owner, ids = np.array([f"n{i % 2}" for i in range(count)]), np.array([str(i) for i in range(count)])
    found = e.evaluate_classifiers(rows, rows[:, :2], labels, owner, ids, leave(rows, owner, ids), 0)
    assert (found.scores, found.headline, found.splits, found.metrics()) == ((), None, {}, {})
    assert any("nothing to tell apart" in w for w in found.warnings)


@pytest.mark.parametrize("count", [2, 3, 4, 7, 12])
def test_tiny_groups(count: int) -> None:
    features, labels, owner, ids = blobs(3, 4, 2)
    owner = np.array([f"n{i % 3}" for i in range(12)])
    plant = tuple(part[:count] for part in (features, labels, owner, ids))
    model = c.fit_classifiers(plant[0], plant[1], 0, plant[2], TREES)
    assert isinstance(model, c.ClusterClassifiers)
    assert any("fewer than 15 neighbours" in w for w in model.warnings)
    assert (model.predict(plant[0]).labels[c.NEIGHBOURS] >= 0).all()
    found = evaluated(plant)  # type: ignore[arg-type]
    assert any(w.startswith("random_80_20: not") for w in found.warnings) == (count < 7)
    assert all(s.rows > 0 for s in found.scores)
    if count == 2:
        assert any("settings are not searched: 2 clustered" in w for w in model.warnings)
        assert not found.scores
        assert found.headline is None
    if count == 3:
        assert any("cluster 1 has 1 synapses, fewer than the 3 folds" in w for w in model.warnings)


def test_one_neuron_has_no_honest_score() -> None:
    features, labels, owner, ids = blobs(1, 30, 2)
    found = evaluated((features, labels, owner, ids))
    assert {s.split for s in found.scores} == {e.RANDOM_80_20}
    assert found.headline is random_split(found, c.NEIGHBOURS)
    assert any("all clustered synapses are on one neuron" in w for w in found.warnings)


def test_bad_input(separable: Plant) -> None:
    features, labels, owner, ids = separable
    gap = features.copy()
    gap[3, 2] = np.nan
    for rows in (gap, np.where(np.isnan(gap), np.inf, gap), np.where(np.isnan(gap), 1e39, gap)):
        with pytest.raises(BadInput, match="NaN or infinite"):
            evaluated((rows, labels, owner, ids))
    with pytest.raises(BadInput, match="different lengths"):
        e.evaluate_classifiers(features, features[:, :2], labels, owner[1:], ids, leave(features, owner, ids), 0)
    with pytest.raises(BadInput, match="1 synapse ids occur twice"):
        evaluated((features, labels, owner, np.where(np.arange(144) == 1, ids[0], ids)))
