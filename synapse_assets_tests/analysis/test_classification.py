"""Classifiers: nobody is told a better score than the data can bear."""

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.analysis import classification as c
from synapse_assets.analysis.splits import RANDOM, make_splits
from synapse_assets.schema import SPLITS, BadInput
from synapse_assets_tests.analysis.planted import blobs, styled


@pytest.fixture(scope="module")
def planted() -> tuple[pa.Table, np.ndarray, pa.Table]:
    synapses, vectors = styled()
    return synapses, vectors, make_splits(synapses, ["neuron_id", "hemilineage", "brain_region"], 0)[0]


@pytest.fixture(scope="module")
def evaluation(planted: tuple[pa.Table, np.ndarray, pa.Table]) -> c.Evaluation:
    synapses, vectors, splits = planted
    found = c.evaluate(synapses.column("synapse_id").to_pylist(), vectors, splits, "neuron_id", seed=0)
    assert isinstance(found, c.Evaluation)
    return found


def test_the_random_split_overstates_and_the_group_split_does_not(evaluation: c.Evaluation) -> None:
    fresh, fresh_vectors = styled(neurons=200, seed=11)
    synapses, vectors = styled()
    probe = c.fit_probe(
        vectors, synapses.column("target").to_pylist(), 0, [str(n) for n in synapses.column("neuron_id").to_pylist()]
    )
    assert isinstance(probe, c.LinearProbe)
    named = np.array(probe.classes)[probe.predict(fresh_vectors)[0]]
    truth = float((named == np.array(fresh.column("target").to_pylist())).mean())  # balanced: neurons are dealt evenly
    head, random = evaluation.headline, evaluation.splits[RANDOM]
    assert head.balanced_accuracy_interval is not None
    assert head.balanced_accuracy_interval[0] <= truth <= head.balanced_accuracy_interval[1]
    assert random.balanced_accuracy > truth + 0.1
    assert evaluation.gap == pytest.approx(random.balanced_accuracy - head.balanced_accuracy)
    assert evaluation.gap_interval is not None
    assert evaluation.gap_interval[0] > 0
    assert random.groups == head.groups == 40


def test_intervals_need_eight_groups(evaluation: c.Evaluation) -> None:
    score = evaluation.splits["brain_region"]
    assert score.groups == 3
    assert score.balanced_accuracy_interval is None
    assert all(k.recall_interval is None for k in score.classes)
    assert evaluation.splits["hemilineage"].balanced_accuracy_interval is not None


def test_an_interval_over_groups_covers_the_truth() -> None:
    covered, runs = 0, 120
    for run in range(runs):
        random = np.random.default_rng(run)
        group = np.repeat(np.arange(30), 20)
        true = group % 2
        easy = random.beta(6, 4, size=30)  # how well each group is read: mean 0.6
        named = np.where(random.random(600) < easy[group], true, 1 - true)
        score, _ = c._score("neuron_id", true, named, group, ["a", "b"], seed=run)
        assert score.balanced_accuracy_interval is not None
        covered += score.balanced_accuracy_interval[0] <= 0.6 <= score.balanced_accuracy_interval[1]
    assert 0.87 <= covered / runs <= 1.0


def test_scores_follow_from_the_confusion_matrix(evaluation: c.Evaluation) -> None:
    from sklearn.metrics import balanced_accuracy_score, f1_score, precision_score, recall_score

    score = evaluation.headline
    true = np.repeat(np.arange(3), score.confusion.sum(axis=1))
    named = np.concatenate([np.repeat(np.arange(3), row) for row in score.confusion])
    assert score.balanced_accuracy == pytest.approx(balanced_accuracy_score(true, named))
    assert score.macro_f1 == pytest.approx(f1_score(true, named, average="macro"))
    assert [k.recall for k in score.classes] == pytest.approx(recall_score(true, named, average=None))
    assert [k.precision for k in score.classes] == pytest.approx(precision_score(true, named, average=None))


def test_probabilities_do_not_depend_on_companions_to_the_bit(tmp_path: Path) -> None:
    vectors, kind = blobs(200, 4, spread=2.0)
    probe = c.fit_probe(vectors, [f"k{k}" for k in kind], 0)
    assert isinstance(probe, c.LinearProbe)
    new = blobs(77, 4, seed=1, spread=2.0)[0].astype(np.float16)
    index, probabilities = probe.predict(new)
    assert probabilities.dtype == np.float64
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert np.array_equal(index, probabilities.argmax(axis=1))
    for size in (1, 2, 3, 7, 33):
        parts = [probe.predict(new[i : i + size])[1] for i in range(0, 77, size)]
        assert np.array_equal(np.concatenate(parts), probabilities)
    order = np.random.default_rng(0).permutation(77)
    assert np.array_equal(probe.predict(np.asfortranarray(new[order]))[1], probabilities[order])
    probe.save(tmp_path)
    assert np.array_equal(c.LinearProbe.load(tmp_path).predict(new)[1], probabilities)
    again = c.fit_probe(vectors, [f"k{k}" for k in kind], 0)
    assert isinstance(again, c.LinearProbe)
    assert np.array_equal(again.weights, probe.weights)
    assert probe.predict(new[:0])[1].shape == (0, 4)


def test_a_class_that_cannot_be_learned_elsewhere_counts_as_wrong() -> None:
    synapses, vectors = styled(neurons=24)
    targets = synapses.column("target").to_pylist()
    targets[:12] = ["rare"] * 12  # one neuron
    synapses = synapses.set_column(2, "target", pa.array(targets))
    splits, report = make_splits(synapses, ["neuron_id"], 0)
    assert any("rare" in w for w in report.warnings)
    found = c.evaluate(synapses.column("synapse_id").to_pylist(), vectors, splits, "neuron_id", 0)
    assert isinstance(found, c.Evaluation)
    rare = found.classes.index("rare")
    assert found.headline.classes[rare].recall == 0.0
    assert (found.probabilities[:12, rare] == 0).all()
    assert np.allclose(found.probabilities.sum(axis=1), 1)
    assert any("rare" in w for w in found.warnings)


def test_no_labels_one_class_and_one_group_make_no_model(tmp_path: Path) -> None:
    none = c.evaluate([], np.zeros((0, 4)), SPLITS.empty(), "neuron_id", 0)
    assert isinstance(none, c.NoModel)
    assert isinstance(c.fit_probe(np.zeros((0, 4)), [], 0), c.NoModel)
    one = c.fit_probe(np.zeros((3, 4)), ["gaba"] * 3, 0)
    assert isinstance(one, c.NoModel)
    assert "gaba" in one.reason
    synapses, vectors = styled(neurons=6)
    same = synapses.set_column(3, "neuron_id", pa.array([1] * synapses.num_rows, pa.int64()))
    splits, _ = make_splits(same, ["neuron_id"], 0)
    lone = c.evaluate(same.column("synapse_id").to_pylist(), vectors, splits, "neuron_id", 0)
    assert isinstance(lone, c.NoModel)
    lone.save(tmp_path)
    loaded = c.load_classifier(tmp_path)
    assert loaded == lone
    assert c.predict_rows(loaded, synapses, vectors, "v1").num_rows == 0


def test_an_evaluation_comes_back(evaluation: c.Evaluation, tmp_path: Path) -> None:
    evaluation.save(tmp_path)
    loaded = c.Evaluation.load(tmp_path)
    assert loaded.scores() == evaluation.scores()
    assert np.array_equal(loaded.probabilities, evaluation.probabilities)
    assert np.array_equal(loaded.headline.confusion, evaluation.headline.confusion)
    assert loaded.headline.classes == evaluation.headline.classes
    assert loaded.gap_interval == evaluation.gap_interval
    assert not any(math.isnan(v) for v in loaded.scores().values())


def test_training_synapses_get_their_out_of_fold_prediction_and_neurons_vote_with_it(
    planted: tuple[pa.Table, np.ndarray, pa.Table], evaluation: c.Evaluation, tmp_path: Path
) -> None:
    synapses, vectors, _ = planted
    groups = [str(n) for n in synapses.column("neuron_id").to_pylist()]
    probe = c.fit_probe(vectors, synapses.column("target").to_pylist(), 0, groups)
    assert isinstance(probe, c.LinearProbe)
    probe.save(tmp_path)
    evaluation.save(tmp_path)
    # a new synapse of a neuron that trained, one of a new neuron, one of none
    extra = pa.table(
        {
            "synapse_id": ["a_new", "b_new", "c_new"],
            "brain_region": ["AL"] * 3,
            "target": pa.array([None] * 3, pa.string()),
            "neuron_id": pa.array([720575940600000000, 5, None], pa.int64()),
        }
    )
    everyone = pa.concat_tables([synapses.drop_columns(["hemilineage"]), extra])
    everyone_vectors = np.concatenate([vectors, vectors[:3]])
    order = np.random.default_rng(3).permutation(everyone.num_rows)
    table = c.predict_rows(c.load_classifier(tmp_path), everyone.take(order), everyone_vectors[order], "v1").sort_by(
        "synapse_id"
    )
    rows = table.to_pylist()
    assert sum(r["out_of_fold"] for r in rows) == synapses.num_rows
    of = {r["synapse_id"]: r for r in rows}
    assert not of["a_new"]["out_of_fold"]
    for i, synapse in enumerate(evaluation.synapse_ids.tolist()):
        assert [p for _, p in of[synapse]["probabilities"]] == evaluation.probabilities[i].tolist()
    assert (table.column("probability").to_numpy() > 0.33).all()

    votes = c.neuron_votes(table, everyone)
    by_neuron = {r["neuron_id"]: r for r in votes.to_pylist()}
    assert len(by_neuron) == 41
    assert by_neuron[720575940600000000]["synapses"] == 12  # the unlabelled one does not vote
    assert by_neuron[720575940600000000]["in_training"]
    assert (by_neuron[5]["synapses"], by_neuron[5]["target"], by_neuron[5]["in_training"]) == (1, None, False)
    accuracy = c.neuron_accuracy(votes, seed=0)
    assert accuracy["neurons_scored"] == 40
    assert accuracy["neuron_accuracy_low"] <= accuracy["neuron_accuracy"] <= accuracy["neuron_accuracy_high"]
    assert c.neuron_votes(table.slice(0, 0), everyone).num_rows == 0
    assert c.neuron_accuracy(votes.slice(0, 0), 0) == {"neurons_scored": 0}
    assert "neuron_accuracy_low" not in c.neuron_accuracy(votes.slice(0, 7), 0)


def test_a_labelled_synapse_without_a_group_is_never_predicted_in_sample() -> None:
    synapses, vectors = styled(neurons=12)
    neurons = synapses.column("neuron_id").to_pylist()
    neurons[:5] = [None] * 5
    synapses = synapses.set_column(3, "neuron_id", pa.array(neurons, pa.int64()))
    splits, _ = make_splits(synapses, ["neuron_id"], 0)
    found = c.evaluate(synapses.column("synapse_id").to_pylist(), vectors, splits, "neuron_id", 0)
    assert isinstance(found, c.Evaluation)
    assert len(found.synapse_ids) == synapses.num_rows
    assert found.headline.rows == found.splits[RANDOM].rows == synapses.num_rows - 5


def test_wrong_input_is_named() -> None:
    vectors, kind = blobs(40, 2)
    probe = c.fit_probe(vectors, [str(k) for k in kind], 0)
    assert isinstance(probe, c.LinearProbe)
    with pytest.raises(BadInput, match="32 features"):
        probe.predict(np.zeros((2, 3)))
    with pytest.raises(BadInput, match="NaN"):
        probe.predict(np.full((2, 32), np.nan))
