"""Planted tiles and one small trained encoder, shared by the tests of this folder."""

import numpy as np
import numpy.typing as npt
import pytest
import torch

from synapse_assets.vision.encoder import Encoder
from synapse_assets.vision.training.simclr import PretrainingSettings, pretrain

SECTIONS, SIDE, CROP = 3, 48, 24


def planted_tiles(count: int, seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Tiles of three kinds of equal mean and variance: fine stripes, coarse stripes, and blotches.

    Orientation, phase and grey values are random, so neither single pixels nor brightness tell the kinds apart; the
    period and the depth of the noise vary within a kind, so that there is something to tell tiles of a kind apart.
    """
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 3, count)
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(float)
    tiles = np.empty((count, SECTIONS, SIDE, SIDE))
    for i, kind in enumerate(kinds):
        if kind < 2:
            angle, phase = rng.uniform(0, 2 * np.pi, 2)
            along = rows * np.cos(angle) + columns * np.sin(angle)
            picture = np.sin(along * 2 * np.pi / ((5, 9)[kind] * rng.uniform(0.8, 1.2)) + phase)
        else:
            spectrum = np.fft.fft2(rng.normal(size=(SIDE, SIDE)))
            distance = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE)))
            picture = np.fft.ifft2(spectrum * np.exp(-((distance * 12) ** 2))).real
        picture = (picture - picture.mean()) / picture.std()
        noise = rng.normal(0, rng.uniform(0.5, 1.2), (SECTIONS, SIDE, SIDE))
        tiles[i] = (picture + noise) * rng.uniform(20, 50) + rng.uniform(90, 160)
    return tiles.clip(0, 255).astype(np.uint8), kinds.astype(np.int64)


@pytest.fixture(scope="session")
def tiles() -> npt.NDArray[np.uint8]:
    return planted_tiles(200, seed=1)[0]


@pytest.fixture(scope="session")
def trained(tiles: npt.NDArray[np.uint8]) -> tuple[Encoder, list[dict[str, float]]]:
    # Two workers with two threads each wait for one another.
    torch.set_num_threads(1)
    settings = PretrainingSettings(architecture="em_resnet10", crop_px=CROP, batch_size=32, max_steps=90)
    return pretrain(tiles, settings)
