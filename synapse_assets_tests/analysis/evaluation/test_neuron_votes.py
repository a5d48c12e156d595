"""Votes of neurons: what a person counts by hand."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.analysis.evaluation.neuron_votes import neuron_accuracy, neuron_votes
from synapse_assets.schema import SYNAPSE_PREDICTIONS


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
    return neuron_votes(predictions, synapses).to_pylist()


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
        return neuron_accuracy(pa.table({"target": [p[0] for p in pairs], "predicted": [p[1] for p in pairs]}), seed)

    found = accuracy(30, 10)
    assert found["neurons_scored"] == 40
    assert found["neuron_accuracy"] == 0.75
    assert found["neuron_balanced_accuracy"] == 0.5
    half = 1.96 * np.sqrt(0.75 * 0.25 / 40)
    assert found["neuron_accuracy_low"] == pytest.approx(0.75 - half, abs=0.026)  # steps of a fortieth
    assert found["neuron_accuracy_high"] == pytest.approx(0.75 + half, abs=0.026)
    assert "neuron_accuracy_low" in accuracy(6, 2)
    assert "neuron_accuracy_low" not in accuracy(6, 1)
