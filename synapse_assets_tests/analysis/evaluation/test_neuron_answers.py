"""Answers of neurons: planted dependence is found, pooling that allows for it keeps its word, and only held-out evidence counts."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.analysis.evaluation import neuron_answers as n
from synapse_assets.analysis.evaluation.calibration import Calibration, calibration_errors
from synapse_assets.analysis.evaluation.conformal import SetRule
from synapse_assets.analysis.evaluation.predictions import probability_column
from synapse_assets.errors import BadInput
from synapse_assets.schema import NEURON_ANSWERS, SYNAPSE_ANSWERS
from synapse_assets_tests.analysis.evaluation.planted_answers import correlated

EVEN = np.array([0.5, 0.5])
FIRST = 720575940600000000


def planted(neurons: int, each: int, dependence: float, seed: int = 0) -> tuple[n.Evidence, np.ndarray]:
    """Evidence of neurons with that dependence, and the class of each neuron."""
    probabilities, true, neuron = correlated(neurons, each, dependence, 1.5, seed)
    ids = [f"s{row:06d}" for row in range(len(true))]
    evidence = n.Evidence.of(probabilities, neuron, ids, EVEN, 0, np.arange(len(true)))
    return evidence, true[evidence.rows][evidence.starts]


@pytest.mark.parametrize("dependence", [0.05, 0.3, 0.7])
def test_planted_dependence_is_found(dependence: float) -> None:
    evidence, known = planted(1500, 12, dependence)
    assert n.fit_dependence(evidence, known) == pytest.approx(dependence, abs=0.05)


def test_pooling_keeps_its_word_where_summing_does_not() -> None:
    evidence, known = planted(1500, 25, 0.3)
    pooled = n.pool_neurons(evidence, ("a", "b"), known, np.arange(1500) // 2 % 5)
    summed = evidence.pooled(0.0)
    ours, naive = (calibration_errors(part, known)[-1] for part in (pooled.probabilities, summed))
    assert ours < 0.03
    assert naive > 3 * ours
    assert pooled.sets[np.arange(1500), known].mean() == pytest.approx(0.9, abs=0.03)
    # as the exact posterior of equally correlated Gaussian evidence
    means = evidence.log_odds[evidence.of_neuron(3)].mean(axis=0)
    exact = np.exp(means * 25 / (1 + 24 * 0.3))
    np.testing.assert_allclose(evidence.pooled(0.3)[3], exact / exact.sum())


def test_too_few_neurons_are_pooled_as_one_synapse_each() -> None:
    evidence, known = planted(40, 5, 0.2)
    assert n.fit_dependence(evidence, np.where(np.arange(40) < 7, known, -1)) == 1.0
    assert n.fit_dependence(planted(40, 1, 0.2)[0], known) == 1.0
    assert n.independent_synapses([1, 5, 100], 1.0).tolist() == [1, 1, 1]
    assert n.independent_synapses(5, 0.0) == 5


def test_a_fold_does_not_help_itself() -> None:
    evidence, known = planted(100, 6, 0.3)
    folds = np.arange(100) // 2 % 5
    right = n.pool_neurons(evidence, ("a", "b"), known, folds)
    wrong = n.pool_neurons(evidence, ("a", "b"), np.where(folds == 0, 1 - known, known), folds)
    for name in ("dependence", "probabilities", "sets"):
        np.testing.assert_array_equal(getattr(right, name)[folds == 0], getattr(wrong, name)[folds == 0])
    assert (right.dependence != wrong.dependence)[folds != 0].all()
    unknown = n.pool_neurons(evidence, ("a", "b"), np.where(folds == 0, -1, known), folds)
    assert set(unknown.folds[folds == 0]) == {-1}
    none = n.pool_neurons(evidence, ("a", "b"), np.full(100, -1), folds)
    assert none.sets.all(), "nothing is known of any neuron: every class stays"


def test_accuracy_rises_with_synapses() -> None:
    evidence, known = planted(300, 12, 0.1)
    right = n.accuracy_by_count(evidence, known, np.full(300, 0.1), seed=0)
    assert list(right) == [1, 2, 5, 10, None]
    curve = [values.mean() for values in right.values()]
    assert curve == sorted(curve)
    # of one synapse: the share of all synapses that are right
    single = (evidence.log_odds.argmax(axis=1) == np.repeat(known, evidence.counts)).mean()
    assert curve[0] == pytest.approx(single, abs=0.01)
    np.testing.assert_array_equal(right[None], evidence.pooled(0.1).argmax(axis=1) == known)


def test_synapses_needed() -> None:
    rule = SetRule(np.array([0.1, 0.1]), np.ones(2, dtype=bool))
    log_odds = np.log(np.tile([[0.7, 0.3]], (30, 1)) / EVEN)
    # 0.7^m / (0.7^m + 0.3^m) is above 0.9 from m = 3 on
    assert n.synapses_needed(log_odds, 0.0, EVEN, rule, 0, seed=0) == 3
    assert n.synapses_needed(log_odds, 1.0, EVEN, rule, 0, seed=0) == 30
    many = np.tile(log_odds, (300, 1))
    assert n.synapses_needed(many, 0.0, EVEN, rule, 0, seed=0) == 3


def test_regions_that_disagree_beyond_chance_are_told() -> None:
    rng = np.random.default_rng(0)
    regions = np.array(["AL"] * 12 + ["EB"] * 10)
    split = np.where(regions[:, None] == "AL", [[1.0, -1.0]], [[-1.0, 1.0]]) + 0.5 * rng.standard_normal((22, 2))
    answers = n.answers_by_region(split, regions, 0.3, EVEN, ("a", "b"))
    assert [(answer.region, answer.name, answer.synapses) for answer in answers] == [("AL", "a", 12), ("EB", "b", 10)]
    told = n.disagreement(answers, split, regions, seed=0)
    assert told is not None
    assert told.startswith("AL names a (12 synapses, probability 0.99), EB names b (10 synapses, probability 1.00); ")
    assert told.endswith("in 1 of 200 cases")
    # by chance: 1 in 100 of neurons whose regions do not differ, and none that has two synapses in the other region
    flagged = 0
    for seed in range(200):
        mixed = np.random.default_rng(seed).standard_normal((22, 2))
        flagged += (
            n.disagreement(n.answers_by_region(mixed, regions, 0.0, EVEN, ("a", "b")), mixed, regions, seed) is not None
        )
    assert flagged <= 6
    small = np.array(["AL"] * 20 + ["EB"] * 2)
    assert n.disagreement(n.answers_by_region(split, small, 0.3, EVEN, ("a", "b")), split, small, seed=0) is None


def test_the_prior_of_a_hemilineage_leaves_the_neuron_out() -> None:
    known = {1: "a", 2: "a", 3: "b", 4: "a", 5: "c"}
    hemilineage = {1: "x", 2: "x", 3: "x", 4: "y", 6: "x", 7: "z"}
    priors = n.hemilineage_priors([1, 3, 4, 5, 6, 7, 8], known, hemilineage, ("a", "b"), EVEN)
    assert set(priors) == {1, 3, 6}, "no other known neuron, no hemilineage, or nobody known in it"
    np.testing.assert_allclose(priors[1], [(1 + 1) / 4, (1 + 1) / 4])
    np.testing.assert_allclose(priors[3], [(2 + 1) / 4, (0 + 1) / 4])
    np.testing.assert_allclose(priors[6], [(2 + 1) / 5, (1 + 1) / 5])


def answers(rows: Sequence[tuple[str, str, list[float], bool]]) -> pa.Table:
    """`schema.SYNAPSE_ANSWERS` of (id, region, probabilities of a and b, out of fold)."""
    probabilities = np.array([row[2] for row in rows])
    names = ["ab"[place] for place in probabilities.argmax(axis=1)]
    table = {
        "synapse_id": [row[0] for row in rows],
        "brain_region": [row[1] for row in rows],
        "answer": names,
        "predicted": names,
        "probability": probabilities.max(axis=1),
        "probabilities": probability_column(("a", "b"), probabilities),
        "class_set": pa.array([[name] for name in names], pa.list_(pa.string())),
        "out_of_fold": [row[3] for row in rows],
        "classifier": ["v1"] * len(rows),
    }
    return SYNAPSE_ANSWERS.conform(pa.table(table))


def test_rows_of_neurons() -> None:
    """24 known neurons, and one more without a known class; of one that trained the classifier only held-out synapses count."""
    rows, facts, folds = [], [], {}
    for neuron in range(25):
        for synapse in range(4):
            name = f"{neuron}-{synapse}"
            right = 0.97 if neuron % 2 == 0 else 0.03
            # neuron 0 has a synapse that is not out of fold, and would outvote all others
            held_out = neuron != 24 and (neuron, synapse) != (0, 3)
            rows.append(
                (
                    name,
                    ("AL", "EB")[synapse % 2],
                    [right, 1 - right] if held_out or neuron == 24 else [1e-9, 1 - 1e-9],
                    held_out,
                )
            )
            target = None if neuron == 24 else "ab"[neuron % 2]
            facts.append(
                {
                    "synapse_id": name,
                    "neuron_id": FIRST + neuron,
                    "target": target,
                    "hemilineage": "h" if neuron < 5 else None,
                }
            )
            if held_out:
                folds[name] = neuron // 2 % 5
    rows.append(("alone", "AL", [0.5, 0.5], False))
    synapses = pa.Table.from_pylist(
        [*facts, {"synapse_id": "alone", "neuron_id": None, "target": None, "hemilineage": None}]
    )
    table, pooled = n.answer_neurons(answers(rows), synapses, folds, ("a", "b"), EVEN, seed=0)
    assert pooled is not None
    found = {row["neuron_id"] - FIRST: row for row in table.to_pylist()}
    assert list(found) == list(range(25))
    first, unknown = found[0], found[24]
    assert (first["synapses"], first["answer"], first["predicted"], first["in_training"]) == (3, "a", "a", True)
    assert dict(first["votes"]) == {"a": 3}
    assert first["covered_share"] == 1.0
    assert dict(first["region_answers"]) == {"AL": "a", "EB": "a"}
    assert (first["disagreement"], first["synapses_needed"], first["hemilineage"]) == (None, 1, "h")
    assert first["prior_predicted"] == "a"
    assert 1 <= first["independent_synapses"] <= 3
    assert dict(first["probabilities"])["a"] == first["probability"] > 0.96
    assert (unknown["synapses"], unknown["answer"], unknown["target"], unknown["covered_share"]) == (4, "a", None, None)
    assert (unknown["in_training"], unknown["prior_predicted"], unknown["prior_probability"]) == (False, None, None)
    assert set(table.column("classifier").to_pylist()) == {"v1"}
    again, _ = n.answer_neurons(
        answers(rows[::-1]), synapses.take(list(range(len(rows)))[::-1]), folds, ("a", "b"), EVEN, seed=0
    )
    assert again.equals(table), "the order of rows decides nothing"
    nobody = synapses.set_column(1, "neuron_id", pa.nulls(synapses.num_rows, pa.int64()))
    assert n.answer_neurons(answers(rows), nobody, folds, ("a", "b"), EVEN, 0) == (NEURON_ANSWERS.empty(), None)
    with pytest.raises(BadInput, match=r"name the classes \['a', 'b'\], the calibration \['a', 'c'\]"):
        n.answer_neurons(answers(rows), synapses, folds, ("a", "c"), EVEN, seed=0)


def test_the_prior_in_the_probabilities() -> None:
    temperature = Calibration(("a", "b"), np.full(2, 0.8), np.zeros(2))
    assert n.class_prior(temperature, [30, 10]).tolist() == [0.5, 0.5]
    vector = Calibration(("a", "b"), np.full(2, 0.8), np.array([0.5, -0.5]))
    assert n.class_prior(vector, [30, 10]).tolist() == [0.75, 0.25]
