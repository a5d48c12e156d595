"""Networks beside the linear probe: a difference is told with what chance would make of it."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from synapse_assets.analysis.evaluation.classifier_comparison import (
    LINEAR_PROBE,
    Contestant,
    compare_classifiers,
    comparison_sentence,
)
from synapse_assets.analysis.evaluation.evaluation import Evaluation, OutOfSample
from synapse_assets.analysis.evaluation.splits import RANDOM, make_splits
from synapse_assets_tests.analysis.evaluation.conftest import Planted
from synapse_assets_tests.analysis.planted import styled


@pytest.fixture
def probe(evaluation: Evaluation) -> Contestant:
    return Contestant(LINEAR_PROBE, "p1", "logistic regression", evaluation.classes, evaluation.out_of_sample)


def network(probe: Contestant, right: float, splits: pa.Table, seed: int = 1, name: str = "resnet") -> Contestant:
    """One that names the right class in that share of the neurons, drawn neuron by neuron, under every split of the probe."""
    random = np.random.default_rng(seed)
    headline = splits.filter(pc.equal(splits.column("split"), "neuron_id")).to_pylist()
    neurons = sorted({row["group"] for row in headline})
    is_right = dict(zip(neurons, random.random(len(neurons)) < right, strict=True))
    target = {row["synapse_id"]: row["target"] for row in headline}
    group = {row["synapse_id"]: row["group"] for row in headline}
    tested = {}
    for split, of_probe in probe.out_of_sample.items():
        code = np.array([probe.classes.index(target[i]) for i in of_probe.synapse_ids.tolist()])
        wrong = np.array([not is_right[group[i]] for i in of_probe.synapse_ids.tolist()])
        code = np.where(wrong, (code + 1) % len(probe.classes), code)
        tested[split] = OutOfSample(of_probe.synapse_ids, np.eye(len(probe.classes))[code])
    return Contestant(name, "n1", "em_resnet10 from scratch", probe.classes, tested)


def row(table: pa.Table, classifier: str, split: str = "neuron_id") -> dict:  # type: ignore[type-arg]
    [found] = [r for r in table.to_pylist() if (r["classifier"], r["split"]) == (classifier, split)]
    return found


def test_the_probes_row_is_its_own_evaluation(probe: Contestant, evaluation: Evaluation, planted: Planted) -> None:
    table = compare_classifiers(probe, [], planted[2], "neuron_id", 0)
    assert [r["split"] for r in table.to_pylist()] == ["neuron_id", "brain_region", "hemilineage", RANDOM]
    for split, score in evaluation.splits.items():
        found = row(table, LINEAR_PROBE, split)
        assert (found["balanced_accuracy"], found["macro_f1"]) == (score.balanced_accuracy, score.macro_f1), split
        assert (found["low"], found["high"]) == (score.balanced_accuracy_interval or (None, None)), split
        assert (found["groups"], found["synapses"], found["best"]) == (score.groups, score.rows, True), split
    assert row(table, LINEAR_PROBE, "brain_region")["rare_classes"] == (
        "acetylcholine (3 groups), gaba (3 groups), glutamate (3 groups)"
    )


def test_a_difference_is_paired_over_the_groups(probe: Contestant, planted: Planted) -> None:
    splits = planted[2]
    better = network(probe, 0.95, splits)
    table = compare_classifiers(probe, [better], splits, "neuron_id", 0)
    found = row(table, "resnet")
    # The same in a few lines: 300 draws of whole neurons, both classifiers on each.
    headline = sorted(
        splits.filter(pc.equal(splits.column("split"), "neuron_id")).to_pylist(), key=lambda r: r["synapse_id"]
    )
    true = np.array([r["target"] for r in headline])
    named = [np.array(c.classes)[c.out_of_sample["neuron_id"].probabilities.argmax(axis=1)] for c in (better, probe)]
    neurons = np.array([r["group"] for r in headline])
    members = [np.flatnonzero(neurons == n) for n in np.unique(neurons)]

    def balanced_accuracy(names: np.ndarray, rows: np.ndarray) -> float:
        return float(np.mean([(names[rows] == true[rows])[true[rows] == c].mean() for c in np.unique(true[rows])]))

    random = np.random.default_rng(5)
    differences = []
    for _ in range(300):
        rows = np.concatenate([members[k] for k in random.integers(0, len(members), len(members))])
        scores = [balanced_accuracy(n, rows) for n in named]
        differences.append(scores[0] - scores[1])
    assert found["difference"] == pytest.approx(
        balanced_accuracy_score(true, named[0]) - balanced_accuracy_score(true, named[1])
    )
    assert found["difference_low"] == pytest.approx(np.percentile(differences, 2.5), abs=0.02)
    assert found["difference_high"] == pytest.approx(np.percentile(differences, 97.5), abs=0.02)
    assert found["macro_f1"] == pytest.approx(f1_score(true, named[0], average="macro"))
    right = [(named[0][m] == true[m]).mean() > 0.5 for m in members]
    assert found["neuron_accuracy"] == pytest.approx(np.mean(right))
    assert found["calibration_error"] == pytest.approx(1 - (named[0] == true).mean()), "it is certain of all it says"
    assert found["calibration_floor"] == 0
    assert found["difference_low"] > 0
    assert (found["best"], row(table, LINEAR_PROBE)["best"]) == (True, False)
    assert comparison_sentence(table, "neuron_id").startswith("resnet beats the linear probe: it differs by +")


@pytest.mark.parametrize(("right", "word"), [(0.3, "differs by -"), (0.68, "which may be chance")])
def test_the_probe_stays_where_it_is_not_beaten_beyond_chance(
    right: float, word: str, probe: Contestant, planted: Planted
) -> None:
    table = compare_classifiers(probe, [network(probe, right, planted[2])], planted[2], "neuron_id", 0)
    assert row(table, LINEAR_PROBE)["best"]
    assert not row(table, "resnet")["best"]
    sentence = comparison_sentence(table, "neuron_id")
    assert sentence.startswith("The linear probe is not beaten")
    assert word in sentence, row(table, "resnet")


def test_the_sentence_gives_the_difference_of_the_one_it_names(probe: Contestant, planted: Planted) -> None:
    """Another network may differ by more, and yet not beyond chance."""
    table = compare_classifiers(probe, [network(probe, 1.1, planted[2])], planted[2], "neuron_id", 0)
    rows = [found for found in table.to_pylist() if found["split"] == "neuron_id"]
    [winner] = [found for found in rows if found["best"]]
    larger = {**winner, "classifier": "luckier", "difference": 0.9, "difference_low": -0.1, "difference_high": 1.0}
    both = pa.Table.from_pylist([*rows, {**larger, "best": False}], schema=table.schema)
    assert f"it differs by {winner['difference']:+.3f}" in comparison_sentence(both, "neuron_id")


def test_too_few_groups_prove_nothing() -> None:
    synapses, _ = styled(neurons=6)
    splits, _ = make_splits(synapses, ["neuron_id"], 0)
    ids = np.array(sorted(synapses.column("synapse_id").to_pylist()))
    classes = ("acetylcholine", "gaba", "glutamate")
    poor = Contestant(
        LINEAR_PROBE, "p", "", classes, {"neuron_id": OutOfSample(ids, np.tile([1.0, 0, 0], (len(ids), 1)))}
    )
    table = compare_classifiers(poor, [network(poor, 1.1, splits)], splits, "neuron_id", 0)
    found = row(table, "resnet")
    assert (found["balanced_accuracy"], found["low"], found["difference_low"], found["best"]) == (
        1.0,
        None,
        None,
        False,
    )
    assert "too few groups to tell" in comparison_sentence(table, "neuron_id")


def test_classes_are_matched_by_name_and_a_foreign_one_is_wrong(probe: Contestant, planted: Planted) -> None:
    splits = planted[2]
    perfect = network(probe, 1.1, splits)
    mixed = {s: OutOfSample(t.synapse_ids, t.probabilities[:, ::-1]) for s, t in perfect.out_of_sample.items()}
    table = compare_classifiers(
        probe,
        [
            replace(perfect, name="turned", classes=perfect.classes[::-1], out_of_sample=mixed),
            replace(perfect, name="foreign", classes=("acetylcholine", "gaba", "histamine")),
        ],
        splits,
        "neuron_id",
        0,
    )
    assert row(table, "turned")["balanced_accuracy"] == 1.0
    assert row(table, "foreign")["balanced_accuracy"] == pytest.approx(2 / 3)


def test_only_synapses_that_both_were_tested_on_count(probe: Contestant, planted: Planted) -> None:
    whole = network(probe, 1.1, planted[2])
    part = {s: OutOfSample(t.synapse_ids[::2], t.probabilities[::2]) for s, t in whole.out_of_sample.items()}
    table = compare_classifiers(probe, [replace(whole, out_of_sample=part)], planted[2], "neuron_id", 0)
    found, of_probe = row(table, "resnet"), row(table, LINEAR_PROBE)
    assert 2 * found["synapses"] == of_probe["synapses"]
    assert found["balanced_accuracy"] - found["difference"] != of_probe["balanced_accuracy"]
    nothing = replace(whole, out_of_sample={"neuron_id": OutOfSample(np.array(["elsewhere"]), np.ones((1, 3)) / 3)})
    assert compare_classifiers(probe, [nothing], planted[2], "neuron_id", 0).num_rows == 4
