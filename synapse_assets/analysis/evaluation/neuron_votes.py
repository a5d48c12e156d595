"""The class of a neuron by majority vote of its synapses, and how often it is right.

Belongs here: counting votes. Does not belong here: predictions of synapses (`predictions`).
"""

import numpy as np
import pyarrow as pa

from synapse_assets.analysis.evaluation.cross_validation import Predictions
from synapse_assets.analysis.evaluation.predictions import probability_matrix
from synapse_assets.analysis.evaluation.scores import score_predictions
from synapse_assets.schema import NEURON_PREDICTIONS


def neuron_votes(predictions: pa.Table, synapses: pa.Table) -> pa.Table:
    """One row per neuron (`schema.NEURON_PREDICTIONS`), by neuron id: its synapses vote, ties go to the more probable
    class.

    `predictions` are `schema.SYNAPSE_PREDICTIONS`; `synapses` give synapse_id, neuron_id and target. Where a neuron has
    synapses that trained the classifier, only their out-of-fold predictions vote: its other synapses were predicted by a
    model that had seen the neuron. Its target is the most frequent known class of its synapses. Synapses without a
    neuron do not vote.
    """
    rows = synapses.select(["synapse_id", "neuron_id", "target"]).to_pylist()
    neuron_and_target = {
        row["synapse_id"]: (row["neuron_id"], row["target"]) for row in rows if row["neuron_id"] is not None
    }
    ids = predictions.column("synapse_id").to_pylist()
    keep = np.array([i in neuron_and_target for i in ids], dtype=bool)
    if not keep.any():
        return NEURON_PREDICTIONS.empty()
    table = predictions.filter(pa.array(keep))
    ids = table.column("synapse_id").to_pylist()
    neuron = np.array([neuron_and_target[i][0] for i in ids], dtype=np.int64)
    neurons, neuron_index = np.unique(neuron, return_inverse=True)
    out_of_fold = table.column("out_of_fold").to_numpy(zero_copy_only=False).astype(bool)
    trained = np.zeros(len(neurons), dtype=bool)
    trained[neuron_index[out_of_fold]] = True
    voting = out_of_fold | ~trained[neuron_index]
    names, probability = probability_matrix(table)
    predicted = np.searchsorted(names, np.array(table.column("predicted").to_pylist(), dtype=str))
    votes = np.zeros((len(neurons), len(names)), dtype=np.int64)
    np.add.at(votes, (neuron_index[voting], predicted[voting]), 1)
    total = np.zeros((len(neurons), len(names)))
    np.add.at(total, neuron_index[voting], probability[voting])
    count = votes.sum(axis=1)
    mean = total / count[:, None]
    winner = np.where(votes == votes.max(axis=1, keepdims=True), mean, -1.0).argmax(axis=1)
    known = known_classes(synapses)
    targets = [known.get(int(neuron_id)) for neuron_id in neurons]
    version = table.column("classifier").to_pylist()
    first = np.unique(neuron_index, return_index=True)[1]
    rows_of_neurons = np.arange(len(neurons))
    return NEURON_PREDICTIONS.conform(
        pa.table(
            {
                "neuron_id": neurons,
                "synapses": count,
                "predicted": names[winner],
                "vote_share": votes[rows_of_neurons, winner] / count,
                "mean_probability": mean[rows_of_neurons, winner],
                "target": pa.array(targets, pa.string()),
                "in_training": trained,
                "classifier": [version[i] for i in first],
            }
        )
    )


def known_classes(synapses: pa.Table) -> dict[int, str]:
    """The most frequent known class of the synapses (neuron_id, target) of each neuron that has one, by neuron id."""
    counts: dict[int, dict[str, int]] = {}
    for neuron_id, target in zip(*(synapses.column(name).to_pylist() for name in ("neuron_id", "target")), strict=True):
        if neuron_id is not None and target:
            of_neuron = counts.setdefault(neuron_id, {})
            of_neuron[target] = of_neuron.get(target, 0) + 1
    return {neuron_id: min(named, key=lambda name: (-named[name], name)) for neuron_id, named in counts.items()}


def neuron_accuracy(votes: pa.Table, seed: int) -> dict[str, float]:
    """How often neurons of known class are predicted correctly: neurons_scored, neuron_accuracy, neuron_balanced_accuracy,
    each with _low and _high (95 % bootstrap over neurons) from 8 neurons on. Empty but for the count if no neuron has a
    known class."""
    pairs = zip(votes.column("target").to_pylist(), votes.column("predicted").to_pylist(), strict=True)
    scored = [(target, predicted) for target, predicted in pairs if target]
    accuracy: dict[str, float] = {"neurons_scored": len(scored)}
    if not scored:
        return accuracy
    names, code = np.unique(np.array(scored, dtype=str), return_inverse=True)
    true, predicted = code.reshape(-1, 2).T
    score, _ = score_predictions(
        Predictions(predicted),
        true,
        np.arange(len(scored)),
        names.tolist(),
        seed,
        classifier="votes",
        inputs="predictions of synapses",
        split="out of fold",
        interval_over="neurons",
    )
    accuracy["neuron_accuracy"] = score.accuracy
    accuracy["neuron_balanced_accuracy"] = score.balanced_accuracy
    for name, interval in (
        ("neuron_accuracy", score.accuracy_interval),
        ("neuron_balanced_accuracy", score.balanced_accuracy_interval),
    ):
        if interval:
            accuracy[f"{name}_low"], accuracy[f"{name}_high"] = interval
    return accuracy
