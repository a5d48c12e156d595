"""Predictions of a region: a synapse that trained the classifier gets what was predicted without it."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from synapse_assets.analysis.evaluation.evaluation import Evaluation
from synapse_assets.analysis.evaluation.linear_probe import LinearProbe, fit_probe
from synapse_assets.analysis.evaluation.neuron_votes import neuron_accuracy, neuron_votes
from synapse_assets.analysis.evaluation.predictions import Classifier, predict_rows
from synapse_assets.analysis.evaluation.stored import save_probe_evaluation


def test_training_synapses_get_their_out_of_fold_prediction_and_neurons_vote_with_it(
    planted: tuple[pa.Table, np.ndarray, pa.Table], evaluation: Evaluation, tmp_path: Path
) -> None:
    synapses, vectors, _ = planted
    groups = [str(n) for n in synapses.column("neuron_id").to_pylist()]
    probe = fit_probe(vectors, synapses.column("target").to_pylist(), 0, groups)
    assert isinstance(probe, LinearProbe)
    probe.save(tmp_path)
    save_probe_evaluation(evaluation, tmp_path)
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
    table = predict_rows(Classifier.load(tmp_path), everyone.take(order), everyone_vectors[order], "v1").sort_by(
        "synapse_id"
    )
    rows = table.to_pylist()
    assert sum(r["out_of_fold"] for r in rows) == synapses.num_rows
    of = {r["synapse_id"]: r for r in rows}
    assert not of["a_new"]["out_of_fold"]
    for i, synapse in enumerate(evaluation.synapse_ids.tolist()):
        assert [p for _, p in of[synapse]["probabilities"]] == evaluation.probabilities[i].tolist()
    assert (table.column("probability").to_numpy() > 0.33).all()

    votes = neuron_votes(table, everyone)
    by_neuron = {r["neuron_id"]: r for r in votes.to_pylist()}
    assert len(by_neuron) == 41
    assert by_neuron[720575940600000000]["synapses"] == 12  # the unlabelled one does not vote
    assert by_neuron[720575940600000000]["in_training"]
    assert (by_neuron[5]["synapses"], by_neuron[5]["target"], by_neuron[5]["in_training"]) == (1, None, False)
    accuracy = neuron_accuracy(votes, seed=0)
    assert accuracy["neurons_scored"] == 40
    assert accuracy["neuron_accuracy_low"] <= accuracy["neuron_accuracy"] <= accuracy["neuron_accuracy_high"]
    assert neuron_votes(table.slice(0, 0), everyone).num_rows == 0
    assert neuron_accuracy(votes.slice(0, 0), 0) == {"neurons_scored": 0}
    assert "neuron_accuracy_low" not in neuron_accuracy(votes.slice(0, 7), 0)
