"""Classifiers: nobody is told a better score than the data can bear."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.analysis import classification as c
from synapse_assets.analysis.scoring import bootstrap_groups, confusion_scores, percentile_interval
from synapse_assets.analysis.splits import RANDOM, make_splits
from synapse_assets.artifacts import load_or_no_model
from synapse_assets.errors import BadInput
from synapse_assets.schema import SPLITS, SYNAPSE_PREDICTIONS
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


def test_an_interval_over_groups_covers_the_truth_about_as_often_as_it_says() -> None:
    covered, runs, reached, widths = 0, 120, [], []
    for run in range(runs):
        random = np.random.default_rng(run)
        group = np.repeat(np.arange(30), 20)
        true = group % 2
        easy = random.beta(6, 4, size=30)  # how well each group is read: mean 0.6
        named = np.where(random.random(600) < easy[group], true, 1 - true)
        score, _ = c._score("neuron_id", true, named, group, ["a", "b"], seed=run)
        assert score.balanced_accuracy_interval is not None
        low, high = score.balanced_accuracy_interval
        covered += low <= 0.6 <= high
        reached.append(score.balanced_accuracy)
        widths.append(high - low)
    assert 0.87 <= covered / runs <= 0.98
    assert np.mean(widths) == pytest.approx(2 * 1.96 * np.std(reached), rel=0.15)


def test_an_interval_leaves_out_a_fortieth_at_either_end_and_what_is_not_known() -> None:
    values = np.random.default_rng(0).permutation(np.arange(1001.0))
    assert percentile_interval(values) == (25.0, 975.0)
    assert percentile_interval(np.append(values, [np.nan] * 50)) == (25.0, 975.0)
    assert percentile_interval(np.full(3, np.nan)) is None


def test_groups_are_drawn_whole_from_eight_on_and_by_the_seed() -> None:
    by_group = np.arange(1.0, 9.0)[:, None, None] * np.eye(2)
    assert bootstrap_groups(by_group[:7], 0) is None
    drawn = bootstrap_groups(by_group, 0)
    assert drawn is not None
    assert (drawn[:, 0, 0] == drawn[:, 1, 1]).all()
    assert (drawn[:, 0, 0] == np.round(drawn[:, 0, 0])).all()
    assert drawn[:, 0, 0].mean() == pytest.approx(36, abs=0.5)
    assert drawn[:, 0, 0].std() == pytest.approx(np.sqrt(8) * np.arange(1, 9).std(), rel=0.05)
    assert np.array_equal(drawn, bootstrap_groups(by_group, 0))
    assert not np.array_equal(drawn, bootstrap_groups(by_group, 1))


def test_scores_of_a_class_without_rows_and_of_one_never_named() -> None:
    found = confusion_scores(np.array([[[6.0, 2, 0, 0], [4, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 3]]]))
    assert found["balanced_accuracy"] == pytest.approx((6 / 8 + 0 + 1) / 3)
    assert found["macro_f1"] == pytest.approx((2 * 6 / (8 + 10) + 0 + 1) / 3)
    assert found["recall"][0].tolist() == pytest.approx([6 / 8, 0, math.nan, 1], nan_ok=True)
    assert found["precision"][0].tolist() == pytest.approx([6 / 10, 0, math.nan, 1], nan_ok=True)
    assert found["f1"][0].tolist() == pytest.approx([12 / 18, 0, math.nan, 1], nan_ok=True)


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
    loaded = load_or_no_model(tmp_path, c.Classifier.load)
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
    table = c.predict_rows(c.Classifier.load(tmp_path), everyone.take(order), everyone_vectors[order], "v1").sort_by(
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


def out_of_fold(
    rows: list[dict[str, Any]], vectors: dict[str, np.ndarray], groups: bool = True
) -> tuple[dict[str, np.ndarray], list[float]]:
    """Probabilities by synapse from probes fitted fold by fold on these rows of the splits, and each fold's penalty."""
    found, strengths = {}, []
    number = {group: str(at) for at, group in enumerate(sorted({row["group"] for row in rows}))}
    for fold in sorted({row["fold"] for row in rows}):
        train, test = ([r for r in rows if (r["fold"] == fold) == held] for held in (False, True))
        probe = c.fit_probe(
            [vectors[r["synapse_id"]] for r in train],
            [r["target"] for r in train],
            0,
            [number[r["group"]] for r in train] if groups else None,
        )
        assert isinstance(probe, c.LinearProbe)
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
    planted: tuple[pa.Table, np.ndarray, pa.Table], evaluation: c.Evaluation
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
    found = c.evaluate(ids[::-1], vectors[::-1], splits, "neuron_id", 0)
    assert isinstance(found, c.Evaluation)
    assert found.synapse_ids.tolist() == ids
    assert found.headline.rows == found.splits[RANDOM].rows == synapses.num_rows - 4
    assert found.headline.groups == found.splits[RANDOM].groups == 12
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
    found = c.evaluate(synapses.column("synapse_id").to_pylist(), vectors, same, "neuron_id", 0)
    assert isinstance(found, c.Evaluation)
    assert (found.gap, found.gap_interval) == (0.0, (0.0, 0.0))


def votes_of(rows: list[tuple[str, int | None, str | None, dict[str, float], bool]]) -> list[dict[str, Any]]:
    """Votes of synapses (id, neuron, known class, probabilities, out of fold)."""
    predictions = pa.Table.from_pylist(
        [
            {
                "synapse_id": one,
                "brain_region": "AL",
                "predicted": max(odds, key=lambda name: odds[name]),
                "probability": max(odds.values()),
                "probabilities": list(odds.items()),
                "out_of_fold": held,
                "classifier": "v1",
            }
            for one, _, _, odds, held in rows
        ],
        schema=SYNAPSE_PREDICTIONS.arrow,
    )
    synapses = pa.Table.from_pylist([{"synapse_id": r[0], "neuron_id": r[1], "target": r[2]} for r in rows])
    return c.neuron_votes(predictions, synapses).to_pylist()


def test_votes_are_what_one_counts_by_hand() -> None:
    sure, unsure, other = {"a": 0.9, "b": 0.1}, {"a": 0.6, "b": 0.4}, {"a": 0.2, "b": 0.8}
    most, tied, trained = votes_of(
        [
            # two votes of three, though the third is surer: votes count, not probabilities
            ("s1", 1, "b", unsure, False),
            ("s2", 1, "b", unsure, False),
            ("s3", 1, "a", {"a": 0.0, "b": 1.0}, False),
            # one each: the more probable class, here the second by name
            ("s4", 2, "b", unsure, False),
            ("s5", 2, "a", other, False),
            # only what was predicted out of fold votes, and counts for the mean
            ("s6", 3, None, sure, False),
            ("s7", 3, "a", other, True),
            ("s8", None, "a", sure, False),
        ]
    )
    assert (most["predicted"], most["synapses"], most["vote_share"]) == ("a", 3, pytest.approx(2 / 3))
    assert most["mean_probability"] == pytest.approx((0.6 + 0.6 + 0.0) / 3)
    assert (most["target"], most["in_training"]) == ("b", False), "the most frequent known class"
    assert (tied["predicted"], tied["vote_share"], tied["mean_probability"]) == ("b", 0.5, pytest.approx(0.6))
    assert tied["target"] == "a", "of equally frequent ones the first by name"
    assert (trained["predicted"], trained["synapses"], trained["in_training"]) == ("b", 1, True)
    assert trained["mean_probability"] == pytest.approx(0.8)


def test_neurons_are_scored_by_neuron_and_the_interval_is_over_them() -> None:
    def accuracy(right: int, wrong: int, seed: int = 0) -> dict[str, float]:
        pairs = [("a", "a")] * right + [("b", "a")] * wrong + [(None, "b")] * 4
        return c.neuron_accuracy(pa.table({"target": [p[0] for p in pairs], "predicted": [p[1] for p in pairs]}), seed)

    found = accuracy(30, 10)
    assert found["neurons_scored"] == 40
    assert found["neuron_accuracy"] == 0.75
    assert found["neuron_balanced_accuracy"] == 0.5
    half = 1.96 * np.sqrt(0.75 * 0.25 / 40)
    assert found["neuron_accuracy_low"] == pytest.approx(0.75 - half, abs=0.026)  # steps of a fortieth
    assert found["neuron_accuracy_high"] == pytest.approx(0.75 + half, abs=0.026)
    assert "neuron_accuracy_low" in accuracy(6, 2)
    assert "neuron_accuracy_low" not in accuracy(6, 1)


def test_classes_count_alike_however_many_synapses_they_have() -> None:
    random = np.random.default_rng(0)
    kind = np.repeat([0, 1], [270, 30])
    vectors = random.normal(size=(300, 4)) + 1.0 * kind[:, None] * np.array([1, 0, 0, 0])
    probe = c.fit_probe(vectors, [f"k{k}" for k in kind], 0)
    assert isinstance(probe, c.LinearProbe)
    named = probe.predict(vectors)[0]
    assert (named[kind == 1] == 1).mean() > 0.6


def test_the_penalty_is_the_stronger_of_equals_and_the_middle_one_where_nothing_is_held_out() -> None:
    vectors, kind = blobs(90, 2)
    easy = c.fit_probe(vectors, [f"k{k}" for k in kind], 0)
    assert isinstance(easy, c.LinearProbe)
    assert easy.strength == c.STRENGTHS[0]
    two_groups = c.fit_probe(vectors, [f"k{k}" for k in kind], 0, [f"n{i % 2}" for i in range(90)])
    assert isinstance(two_groups, c.LinearProbe)
    assert two_groups.strength == c.STRENGTHS[2]


def test_rows_held_out_have_no_part_in_the_scaling(monkeypatch: pytest.MonkeyPatch) -> None:
    fit, fitted = c._fit, []

    def noted(scaled: np.ndarray, *others: Any) -> Any:
        fitted.append(scaled)
        return fit(scaled, *others)

    monkeypatch.setattr(c, "_fit", noted)
    vectors, kind = blobs(60, 2, features=4)
    vectors[:20] *= 100  # the rows of one neuron
    c.fit_probe(vectors, [f"k{k}" for k in kind], 0, [f"n{i // 20}" for i in range(60)])
    assert [len(rows) for rows in fitted] == [40, 40, 40, 60]
    for rows in fitted:
        assert np.allclose(rows.mean(axis=0), 0)
        assert np.allclose(rows.std(axis=0), 1)


def test_synapses_without_a_vector_are_counted_once_and_groups_by_class() -> None:
    synapses, vectors = styled(neurons=13, each=5, features=4)
    splits, _ = make_splits(synapses, ["neuron_id"], 0)
    found = c.evaluate(synapses.column("synapse_id").to_pylist()[3:], vectors[3:], splits, "neuron_id", 0)
    assert isinstance(found, c.Evaluation)
    assert any(w.startswith("3 labelled synapses have no vector") for w in found.warnings)
    assert found.headline.rows == len(found.synapse_ids) == synapses.num_rows - 3
    assert [(one.groups, one.rows) for one in found.headline.classes] == [(5, 22), (4, 20), (4, 20)]


def test_a_split_of_which_one_fold_has_vectors_is_not_scored() -> None:
    synapses, vectors = styled(neurons=9, each=6, features=4)
    splits, _ = make_splits(synapses, ["neuron_id", "brain_region"], 0)
    ids, regions = (synapses.column(name).to_pylist() for name in ("synapse_id", "brain_region"))
    of_one = [row for row, name in enumerate(regions) if name == "AL"]
    found = c.evaluate([ids[row] for row in of_one], vectors[of_one], splits, "neuron_id", 0)
    assert isinstance(found, c.Evaluation)
    assert set(found.splits) == {"neuron_id", RANDOM}
    assert "brain_region: fewer than two folds with vectors, not scored" in found.warnings


def test_wrong_input_is_named() -> None:
    vectors, kind = blobs(40, 2)
    probe = c.fit_probe(vectors, [str(k) for k in kind], 0)
    assert isinstance(probe, c.LinearProbe)
    with pytest.raises(BadInput, match="32 features"):
        probe.predict(np.zeros((2, 3)))
    with pytest.raises(BadInput, match="NaN"):
        probe.predict(np.full((2, 32), np.nan))
