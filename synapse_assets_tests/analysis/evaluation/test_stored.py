"""Stored evaluations; what earlier releases wrote is read in `test_artifacts`."""

import math
from pathlib import Path

import numpy as np

from synapse_assets.analysis.evaluation.evaluation import Evaluation
from synapse_assets.analysis.evaluation.stored import load_probe_evaluation, save_probe_evaluation


def test_an_evaluation_comes_back(evaluation: Evaluation, tmp_path: Path) -> None:
    save_probe_evaluation(evaluation, tmp_path)
    loaded = load_probe_evaluation(tmp_path)
    assert loaded.metrics() == evaluation.metrics()
    assert np.array_equal(loaded.probabilities, evaluation.probabilities)
    assert np.array_equal(loaded.splits["neuron_id"].confusion, evaluation.splits["neuron_id"].confusion)
    assert loaded.splits["neuron_id"].classes == evaluation.splits["neuron_id"].classes
    assert loaded.gap_interval == evaluation.gap_interval
    assert not any(math.isnan(v) for v in loaded.metrics().values())
