"""Feature matrices with groups that are known, or with none, and maps of them that several tests share."""

from functools import cache

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.clustering.consensus import Consensus, consensus
from synapse_assets.analysis.clustering.parameter_sweep import Sweep, sweep
from synapse_assets.analysis.clustering.resampled_maps import GroupMaps, fit_maps
from synapse_assets.datasets.morphology import Resampling

Float64 = npt.NDArray[np.float64]
Int32 = npt.NDArray[np.int32]

FEW = Resampling(runs=12, share=0.8, nulls=9)
KINDS = (70, 45, 30)
PLACE_AND_SHAPE = np.array([0.2, 0.2, 0.2, 1.0, 1.0])


def grouped(sizes: tuple[int, ...] = KINDS, apart: float = 8.0, seed: int = 0) -> tuple[Float64, Int32]:
    """Normal groups of standard deviation 1, each in a direction of its own, `apart` from each other; and their numbers."""
    random = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    axes = np.linalg.qr(random.normal(size=(5, 5)))[0]
    return axes[: len(sizes)][group] * apart / np.sqrt(2) + random.normal(size=(len(group), 5)), group


def in_one_measure(rows: int, apart: float = 6.0, seed: int = 0) -> tuple[Float64, Int32]:
    """Two groups that differ in one area alone, with the weights of place and shape."""
    random = np.random.default_rng(seed)
    group = (random.random(rows) < 0.4).astype(np.int32)
    features = random.normal(size=(rows, 5))
    features[:, 3] += apart * group
    return features * PLACE_AND_SHAPE, group


def noise(kind: str, rows: int, seed: int = 0) -> Float64:
    """No groups: normal, uniform, or skewed as areas are, which also go together."""
    random = np.random.default_rng(seed)
    if kind == "normal":
        return random.normal(size=(rows, 5))
    if kind == "uniform":
        return random.uniform(-1, 1, size=(rows, 5))
    areas = random.normal(size=(rows, 2)) @ np.array([[1.0, 0.6], [0.0, 0.8]])
    return np.hstack([0.2 * random.normal(size=(rows, 3)), np.exp(0.5 * areas)])


def names(rows: int) -> list[str]:
    """Ids of so many synapses."""
    return [f"pv1/as/{number}" for number in range(rows)]


def maps_of(features: Float64, seed: int = 1, resampling: Resampling = FEW, ceiling: int = 3_000) -> GroupMaps:
    """Maps that there must be."""
    maps = fit_maps(features, names(len(features)), seed, resampling, ceiling)
    assert isinstance(maps, GroupMaps)
    return maps


@cache
def found(what: str, seed: int = 1) -> tuple[GroupMaps, Sweep, Consensus]:
    """Maps, sweep and clusters of planted 'groups', groups in 'one measure', or 'noise'."""
    features = {
        "groups": lambda: grouped()[0],
        "one measure": lambda: in_one_measure(140, apart=8.0)[0],
        "noise": lambda: noise("areas", 140),
    }[what]()
    maps = maps_of(features, seed)
    swept = sweep(maps, (15, 4))
    assert swept.setting is not None
    return maps, swept, consensus(maps, swept.setting)
