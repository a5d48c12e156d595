"""Planted synapses, and the probe's evaluation of them, for all tests of this room."""

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.analysis.evaluation.evaluation import Evaluation
from synapse_assets.analysis.evaluation.linear_probe import evaluate_probe
from synapse_assets.analysis.evaluation.splits import make_splits
from synapse_assets_tests.analysis.planted import styled

Planted = tuple[pa.Table, np.ndarray, pa.Table]


@pytest.fixture(scope="session")
def planted() -> Planted:
    """Synapses, their vectors and splits."""
    synapses, vectors = styled()
    return synapses, vectors, make_splits(synapses, ["neuron_id", "hemilineage", "brain_region"], 0)[0]


@pytest.fixture(scope="session")
def evaluation(planted: Planted) -> Evaluation:
    """Of a probe, neurons held out."""
    synapses, vectors, splits = planted
    found = evaluate_probe(synapses.column("synapse_id").to_pylist(), vectors, splits, "neuron_id", seed=0)
    assert isinstance(found, Evaluation)
    return found
