"""Tiles in which one small place makes the class, and networks that were taught to see it."""

from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch.nn import functional

from synapse_assets.vision.classifier import ClassifyingNetwork, NetworkSpec, SynapseNetwork, build_features

SIDE, PATCH = 32, 9
CLASSES = ("bright", "checked", "dark")
SPEC = NetworkSpec("em_resnet10", CLASSES, 1, SIDE, SIDE, 4.0, 40.0, (0.5,), (0.15,))


def planted_tiles(count: int, seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """uint8 (N, 1, SIDE, SIDE) of coarse noise, the class of each (N,), and the centre of the square that makes it (N, 2)."""
    rng = np.random.default_rng(seed)
    tiles = ndimage.gaussian_filter(rng.standard_normal((count, 1, SIDE, SIDE)), (0, 0, 1.2, 1.2))
    tiles /= tiles.std()
    kinds, half = rng.integers(0, 3, count), PATCH // 2
    centres = rng.integers(half + 1, SIDE - half - 1, (count, 2))
    chequers = np.where(np.add.outer(np.arange(PATCH) // 2, np.arange(PATCH) // 2) % 2, 3.5, -3.5)
    for tile, kind, (y, x) in zip(tiles, kinds, centres, strict=True):
        tile[:, y - half : y + half + 1, x - half : x + half + 1] += (3.5, chequers, -3.5)[kind]
    return (tiles * 28 + 128).clip(0, 255).astype(np.uint8), kinds.astype(np.int64), centres


def untrained(spec: NetworkSpec = SPEC, seed: int = 0) -> SynapseNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return SynapseNetwork(spec, ClassifyingNetwork(spec, build_features(spec)))


@cache
def trained(seed: int, steps: int = 40) -> SynapseNetwork:
    torch.set_num_threads(1)
    tiles, kinds, _ = planted_tiles(400, seed=100 + seed)
    network = untrained(seed=seed).network.train()
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        rows = rng.integers(0, len(tiles), 24)
        logits = network(torch.from_numpy(tiles[rows]))[:, network.dimensions :]
        optimiser.zero_grad()
        functional.cross_entropy(logits, torch.from_numpy(kinds[rows])).backward()
        optimiser.step()
        rate.step()
    return SynapseNetwork(SPEC, network)
