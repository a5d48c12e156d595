"""Classifiers: nobody is told a better score than the data can bear."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.analysis.evaluation import linear_probe as p
from synapse_assets.analysis.evaluation.evaluation import Evaluation
from synapse_assets.analysis.evaluation.predictions import Classifier, predict_rows
from synapse_assets.analysis.evaluation.splits import RANDOM, make_splits
from synapse_assets.artifacts import NoModel, load_or_no_model
from synapse_assets.errors import BadInput
from synapse_assets.schema import SPLITS
from synapse_assets_tests.analysis.planted import blobs, styled


def test_the_random_split_overstates_and_the_group_split_does_not(evaluation: Evaluation) -> None:
    fresh, fresh_vectors = styled(neurons=200, seed=11)
    synapses, vectors = styled()
    probe = p.fit_probe(
        vectors, synapses.column("target").to_pylist(), 0, [str(n) for n in synapses.column("neuron_id").to_pylist()]
    )
    assert isinstance(probe, p.LinearProbe)
    named = np.array(probe.classes)[probe.predict(fresh_vectors)[0]]
    truth = float((named == np.array(fresh.column("target").to_pylist())).mean())  # balanced: neurons are dealt evenly
    head, random = evaluation.splits["neuron_id"], evaluation.splits[RANDOM]
    assert head.balanced_accuracy_interval is not None
    assert head.balanced_accuracy_interval[0] <= truth <= head.balanced_accuracy_interval[1]
    assert random.balanced_accuracy > truth + 0.1
    assert evaluation.gap == pytest.approx(random.balanced_accuracy - head.balanced_accuracy)
    assert evaluation.gap_interval is not None
    assert evaluation.gap_interval[0] > 0
    assert random.groups == head.groups == 40


def test_intervals_need_eight_groups(evaluation: Evaluation) -> None:
    score = evaluation.splits["brain_region"]
    assert score.groups == 3
    assert score.balanced_accuracy_interval is None
    assert all(k.recall_interval is None for k in score.classes)
    assert evaluation.splits["hemilineage"].balanced_accuracy_interval is not None


def test_probabilities_do_not_depend_on_companions_to_the_bit(tmp_path: Path) -> None:
    vectors, kind = blobs(200, 4, spread=2.0)
    probe = p.fit_probe(vectors, [f"k{k}" for k in kind], 0)
    assert isinstance(probe, p.LinearProbe)
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
    assert np.array_equal(p.LinearProbe.load(tmp_path).predict(new)[1], probabilities)
    again = p.fit_probe(vectors, [f"k{k}" for k in kind], 0)
    assert isinstance(again, p.LinearProbe)
    assert np.array_equal(again.weights, probe.weights)
    assert probe.predict(new[:0])[1].shape == (0, 4)


def test_a_class_that_cannot_be_learned_elsewhere_counts_as_wrong() -> None:
    synapses, vectors = styled(neurons=24)
    targets = synapses.column("target").to_pylist()
    targets[:12] = ["rare"] * 12  # one neuron
    synapses = synapses.set_column(2, "target", pa.array(targets))
    splits, report = make_splits(synapses, ["neuron_id"], 0)
    assert any("rare" in w for w in report.warnings)
    found = p.evaluate_probe(synapses.column("synapse_id").to_pylist(), vectors, splits, "neuron_id", 0)
    assert isinstance(found, Evaluation)
    rare = found.classes.index("rare")
    assert found.splits["neuron_id"].classes[rare].recall == 0.0
    assert (found.probabilities[:12, rare] == 0).all()
    assert np.allclose(found.probabilities.sum(axis=1), 1)
    assert any("rare" in w for w in found.warnings)


def test_no_labels_one_class_and_one_group_make_no_model(tmp_path: Path) -> None:
    none = p.evaluate_probe([], np.zeros((0, 4)), SPLITS.empty(), "neuron_id", 0)
    assert isinstance(none, NoModel)
    assert isinstance(p.fit_probe(np.zeros((0, 4)), [], 0), NoModel)
    one = p.fit_probe(np.zeros((3, 4)), ["gaba"] * 3, 0)
    assert isinstance(one, NoModel)
    assert "gaba" in one.reason
    synapses, vectors = styled(neurons=6)
    same = synapses.set_column(3, "neuron_id", pa.array([1] * synapses.num_rows, pa.int64()))
    splits, _ = make_splits(same, ["neuron_id"], 0)
    lone = p.evaluate_probe(same.column("synapse_id").to_pylist(), vectors, splits, "neuron_id", 0)
    assert isinstance(lone, NoModel)
    lone.save(tmp_path)
    loaded = load_or_no_model(tmp_path, Classifier.load)
    assert loaded == lone
    assert predict_rows(loaded, synapses, vectors, "v1").num_rows == 0


def out_of_fold(
    rows: list[dict[str, Any]], vectors: dict[str, np.ndarray], groups: bool = True
) -> tuple[dict[str, np.ndarray], list[float]]:
    """Probabilities by synapse from probes fitted fold by fold on these rows of the splits, and each fold's penalty."""
    found, strengths = {}, []
    number = {group: str(at) for at, group in enumerate(sorted({row["group"] for row in rows}))}
    for fold in sorted({row["fold"] for row in rows}):
        train, test = ([r for r in rows if (r["fold"] == fold) == held] for held in (False, True))
        probe = p.fit_probe(
            [vectors[r["synapse_id"]] for r in train],
            [r["target"] for r in train],
            0,
            [number[r["group"]] for r in train] if groups else None,
        )
        assert isinstance(probe, p.LinearProbe)
        strengths.append(probe.strength)
        found |= dict(
            zip(
                [r["synapse_id"] for r in test],
                probe.predict([vectors[r["synapse_id"]] for r in test])[1],
                strict=True,
            )
        )
    return found, strengths


def rows_of(splits: pa.Table, split: str) -> list[dict[str, Any]]:
    """The rows of a split, by synapse id."""
    return [row for row in splits.sort_by("synapse_id").to_pylist() if row["split"] == split]


def test_every_fold_is_fitted_on_the_others_and_its_penalty_chosen_with_groups_held_together(
    planted: tuple[pa.Table, np.ndarray, pa.Table], evaluation: Evaluation
) -> None:
    synapses, vectors, splits = planted
    of = dict(zip(synapses.column("synapse_id").to_pylist(), vectors, strict=True))
    rows = rows_of(splits, "neuron_id")
    expected, strengths = out_of_fold(rows, of)
    assert np.array_equal(evaluation.probabilities, [expected[one] for one in evaluation.synapse_ids.tolist()])
    without_groups = out_of_fold(rows, of, groups=False)[1]
    assert np.mean(np.log(strengths)) < np.mean(np.log(without_groups)) - 1, "a weaker penalty remembers neurons"


def test_a_labelled_synapse_without_a_group_is_predicted_by_the_random_split_and_not_scored() -> None:
    synapses, vectors = styled(neurons=12, each=5, features=4)
    neurons = synapses.column("neuron_id").to_pylist()
    neurons[:4] = [None] * 4
    synapses = synapses.set_column(3, "neuron_id", pa.array(neurons, pa.int64()))
    splits, _ = make_splits(synapses, ["neuron_id"], 0)
    ids = synapses.column("synapse_id").to_pylist()
    found = p.evaluate_probe(ids[::-1], vectors[::-1], splits, "neuron_id", 0)
    assert isinstance(found, Evaluation)
    assert found.synapse_ids.tolist() == ids
    assert found.splits["neuron_id"].rows == found.splits[RANDOM].rows == synapses.num_rows - 4
    assert found.splits["neuron_id"].groups == found.splits[RANDOM].groups == 12
    of = dict(zip(ids, vectors, strict=True))
    by_neuron, at_random = (out_of_fold(rows_of(splits, split), of)[0] for split in ("neuron_id", RANDOM))
    assert np.allclose(found.probabilities.sum(axis=1), 1)
    assert np.allclose(found.probabilities[:4], [at_random[one] for one in ids[:4]], atol=1e-6)
    assert np.allclose(found.probabilities[4:], [by_neuron[one] for one in ids[4:]], atol=1e-6)


def test_a_gap_is_measured_on_the_same_draws_of_groups() -> None:
    """A random split that deals out the very same folds has no gap, in no draw."""
    synapses, vectors = styled(neurons=12, each=5, features=4)
    rows = rows_of(make_splits(synapses, ["neuron_id"], 0)[0], "neuron_id")
    same = pa.Table.from_pylist([*rows, *({**row, "split": RANDOM} for row in rows)], schema=SPLITS.arrow)
    found = p.evaluate_probe(synapses.column("synapse_id").to_pylist(), vectors, same, "neuron_id", 0)
    assert isinstance(found, Evaluation)
    assert (found.gap, found.gap_interval) == (0.0, (0.0, 0.0))


def test_classes_count_alike_however_many_synapses_they_have() -> None:
    random = np.random.default_rng(0)
    kind = np.repeat([0, 1], [270, 30])
    vectors = random.normal(size=(300, 4)) + 1.0 * kind[:, None] * np.array([1, 0, 0, 0])
    probe = p.fit_probe(vectors, [f"k{k}" for k in kind], 0)
    assert isinstance(probe, p.LinearProbe)
    named = probe.predict(vectors)[0]
    assert (named[kind == 1] == 1).mean() > 0.6


def test_the_penalty_is_the_stronger_of_equals_and_the_middle_one_where_nothing_is_held_out() -> None:
    vectors, kind = blobs(90, 2)
    easy = p.fit_probe(vectors, [f"k{k}" for k in kind], 0)
    assert isinstance(easy, p.LinearProbe)
    assert easy.strength == p.STRENGTHS[0]
    two_groups = p.fit_probe(vectors, [f"k{k}" for k in kind], 0, [f"n{i % 2}" for i in range(90)])
    assert isinstance(two_groups, p.LinearProbe)
    assert two_groups.strength == p.STRENGTHS[2]


def test_rows_held_out_have_no_part_in_the_scaling(monkeypatch: pytest.MonkeyPatch) -> None:
    fit, fitted = p._fit, []

    def noted(scaled: np.ndarray, *others: Any) -> Any:
        fitted.append(scaled)
        return fit(scaled, *others)

    monkeypatch.setattr(p, "_fit", noted)
    vectors, kind = blobs(60, 2, features=4)
    vectors[:20] *= 100  # the rows of one neuron
    p.fit_probe(vectors, [f"k{k}" for k in kind], 0, [f"n{i // 20}" for i in range(60)])
    assert [len(rows) for rows in fitted] == [40, 40, 40, 60]
    for rows in fitted:
        assert np.allclose(rows.mean(axis=0), 0)
        assert np.allclose(rows.std(axis=0), 1)


def test_synapses_without_a_vector_are_counted_once_and_groups_by_class() -> None:
    synapses, vectors = styled(neurons=13, each=5, features=4)
    splits, _ = make_splits(synapses, ["neuron_id"], 0)
    found = p.evaluate_probe(synapses.column("synapse_id").to_pylist()[3:], vectors[3:], splits, "neuron_id", 0)
    assert isinstance(found, Evaluation)
    assert any(w.startswith("3 labelled synapses have no vector") for w in found.warnings)
    assert found.splits["neuron_id"].rows == len(found.synapse_ids) == synapses.num_rows - 3
    assert [(one.groups, one.rows) for one in found.splits["neuron_id"].classes] == [(5, 22), (4, 20), (4, 20)]


def test_a_split_of_which_one_fold_has_vectors_is_not_scored() -> None:
    synapses, vectors = styled(neurons=9, each=6, features=4)
    splits, _ = make_splits(synapses, ["neuron_id", "brain_region"], 0)
    ids, regions = (synapses.column(name).to_pylist() for name in ("synapse_id", "brain_region"))
    of_one = [row for row, name in enumerate(regions) if name == "AL"]
    found = p.evaluate_probe([ids[row] for row in of_one], vectors[of_one], splits, "neuron_id", 0)
    assert isinstance(found, Evaluation)
    assert set(found.splits) == {"neuron_id", RANDOM}
    assert "brain_region: fewer than two folds with vectors, not scored" in found.warnings


def test_wrong_input_is_named() -> None:
    vectors, kind = blobs(40, 2)
    probe = p.fit_probe(vectors, [str(k) for k in kind], 0)
    assert isinstance(probe, p.LinearProbe)
    with pytest.raises(BadInput, match="32 features"):
        probe.predict(np.zeros((2, 3)))
    with pytest.raises(BadInput, match="NaN"):
        probe.predict(np.full((2, 32), np.nan))


def test_labels_that_a_strategy_chose_cannot_flatter_the_score() -> None:
    """Half of the synapses are hard, the other half, which a strategy found, as easy as can be; both are in all neurons."""
    synapses, vectors = styled(neurons=40, each=6, features=12)
    code = np.unique(synapses.column("target").to_pylist(), return_inverse=True)[1]
    easy = np.arange(len(code)) % 2 == 0
    vectors = vectors.copy()
    vectors[easy] = 20.0 * np.eye(12)[code[easy]]
    splits, _ = make_splits(synapses, ["neuron_id"], seed=0, folds=5)
    ids = synapses.column("synapse_id").to_pylist()
    chosen = [one for one, is_easy in zip(ids, easy, strict=True) if is_easy]
    flattered, honest = (p.evaluate_probe(ids, vectors, splits, "neuron_id", 0, untested) for untested in ((), chosen))
    assert isinstance(flattered, Evaluation)
    assert isinstance(honest, Evaluation)
    assert flattered.headline is not None
    assert honest.headline is not None
    assert honest.headline.rows == 120 == flattered.headline.rows - 120
    assert flattered.headline.balanced_accuracy > honest.headline.balanced_accuracy + 0.15
    assert {name: score.rows for name, score in honest.splits.items()} == {"neuron_id": 120, RANDOM: 120}
    # Both train on the same, and so say the same of every synapse: only what is counted differs.
    assert np.array_equal(honest.probabilities, flattered.probabilities)
    label = dict(zip(ids, synapses.column("target").to_pylist(), strict=True))
    right: dict[str, list[bool]] = {}
    for one, row in zip(honest.synapse_ids.tolist(), honest.probabilities, strict=True):
        if one not in chosen:
            right.setdefault(label[one], []).append(honest.classes[int(row.argmax())] == label[one])
    assert honest.headline.balanced_accuracy == pytest.approx(
        np.mean([np.mean(of_class) for of_class in right.values()])
    )


def test_where_a_strategy_chose_every_label_nothing_is_scored() -> None:
    synapses, vectors = styled(neurons=10, each=4, features=4)
    splits, _ = make_splits(synapses, ["neuron_id"], seed=0, folds=5)
    ids = synapses.column("synapse_id").to_pylist()
    evaluation = p.evaluate_probe(ids, vectors, splits, "neuron_id", 0, ids)
    assert isinstance(evaluation, NoModel)
    assert "neuron_id: a strategy chose all labels, so none may test (random_share of labelling)" in evaluation.reason
