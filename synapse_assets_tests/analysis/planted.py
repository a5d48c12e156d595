"""Data with a truth that is known, for the tests of this room."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Array = npt.NDArray[np.float64]


def blobs(
    rows: int, kinds: int, features: int = 32, spread: float = 0.35, seed: int = 0
) -> tuple[Array, npt.NDArray[np.int64]]:
    """Rows around `kinds` well-separated directions, with their kind."""
    random = np.random.default_rng(seed)
    centre = np.random.default_rng(99).normal(size=(kinds, features))
    kind = random.integers(0, kinds, rows)
    return centre[kind] + spread * random.normal(size=(rows, features)), kind


def normal_groups(rows: int, features: int, groups: int, apart: float, seed: int) -> Array:
    """Normal rows of variance 1 in `groups` groups of uneven size whose centres are `apart` standard deviations from each other;
    one group is noise."""
    random = np.random.default_rng([seed, rows, features, groups])
    axes = np.linalg.qr(random.normal(size=(features, features)))[0][:groups]
    group = random.choice(groups, rows, p=np.arange(1, groups + 1) / (groups * (groups + 1) / 2))
    return axes[group] * (apart if groups > 1 else 0.0) / np.sqrt(2) + random.normal(size=(rows, features))


def styled(
    neurons: int = 40, each: int = 12, classes: int = 3, features: int = 48, seed: int = 0, style: float = 0.8
) -> tuple[pa.Table, Array]:
    """Synapses whose vectors carry their class weakly and their neuron strongly: a random split overstates."""
    random = np.random.default_rng(seed)
    neuron = np.repeat(np.arange(neurons), each)
    code = neuron % classes
    ways = np.random.default_rng(7).normal(size=(classes, features))
    vectors = 0.22 * ways[code] + style * random.normal(size=(neurons, features))[neuron]
    vectors = vectors + 0.8 * random.normal(size=(len(neuron), features))
    table = pa.table(
        {
            "synapse_id": [f"s{i:05d}" for i in range(len(neuron))],
            "brain_region": [("AL", "EB", "FB")[i % 3] for i in range(len(neuron))],
            "target": [("acetylcholine", "gaba", "glutamate", "dopamine")[c] for c in code],
            "neuron_id": neuron + 720575940600000000,
            "hemilineage": [f"h{n // 2}" for n in neuron],
        }
    )
    return table, vectors
