"""Detectors trained on planted objects: what they learn, that a killed training ends equal, what views are, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch

from synapse_assets.datasets.detection import DetectorChoice
from synapse_assets.vision.detection import Corner, DetectorNetwork
from synapse_assets.vision.training.detector import TrainingVolume, train_detector
from synapse_assets.vision.training.labelled import Training

VOXEL_NM = (4.0, 4.0, 40.0)
CHOICE = DetectorChoice(
    targets=["blob"],
    architecture="unet_2d",
    sections=3,
    channels=[4, 8, 8],
    pixel_nm=8.0,
    window_px=32,
    steps=100,
    batch_size=4,
    learning_rate=1e-2,
)
BRIEF = CHOICE.model_copy(update={"steps": 6, "batch_size": 2})


def planted(seed: int, shape: Corner = (8, 101, 120), blobs: int = 14) -> TrainingVolume:
    """Dark blobs some sections deep in noise, and dark specks that are none; a side that is no multiple of the pixel."""
    rng = np.random.default_rng(seed)
    z, y, x = np.mgrid[: shape[0], : shape[1], : shape[2]]
    grey = rng.normal(150, 12, shape)
    inside = np.zeros(shape, bool)
    for centre in rng.uniform(0, 1, (blobs, 3)) * shape:
        inside |= ((z - centre[0]) / 1.5) ** 2 + ((y - centre[1]) / 8) ** 2 + ((x - centre[2]) / 8) ** 2 < 1
    grey[inside] -= 60
    grey[rng.random(shape) < 0.01] -= 60
    rows, columns = -(-shape[1] // 2), -(-shape[2] // 2)
    padded = np.pad(inside, ((0, 0), (0, 2 * rows - shape[1]), (0, 2 * columns - shape[2])), mode="edge")
    truth = padded.reshape(shape[0], rows, 2, columns, 2).mean((2, 4)) >= 0.5
    return TrainingVolume(
        grey.clip(1, 255).astype(np.uint8), None, truth[None].astype(np.uint8), np.ones(truth.shape, bool)
    )


def trained(folder: Path, choice: DetectorChoice = BRIEF, *volumes: TrainingVolume, **options):
    torch.set_num_threads(1)
    arguments = {"seed": 3, "device": "cpu", "folder": folder} | options
    return train_detector(choice, volumes or [planted(1)], VOXEL_NM, **arguments)


class Held:
    """A volume in memory."""

    def __init__(self, grey: np.ndarray) -> None:
        self.grey, self.bounds = grey, ((0, 0, 0), grey.shape)

    def read(self, low: Corner, high: Corner) -> tuple[np.ndarray, np.ndarray]:
        box = self.grey[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
        return box, np.ones(box.shape, bool)


def dice(detector: DetectorNetwork, volume: TrainingVolume) -> float:
    said = detector.map_box(Held(volume.grey), (0, 0, 0), volume.known.shape, "cpu") > 0.5
    return float(2 * (said & (volume.truth > 0)).sum() / (said.sum() + volume.truth.sum()))


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> tuple[DetectorNetwork, Training]:
    return trained(tmp_path_factory.mktemp("learnt"), CHOICE)


def test_it_learns_what_was_planted(learnt: tuple[DetectorNetwork, Training]) -> None:
    detector, training = learnt
    assert dice(detector, planted(2)) > 0.7
    assert (training.steps, training.stopped, training.remark) == (100, "steps", "")
    spec = detector.spec
    assert (spec.factor, spec.voxel_size_nm, spec.halo, spec.stride) == (2, VOXEL_NM, (1, 20, 20), (1, 4, 4))
    grey = planted(1).grey.astype(float)
    assert spec.mean == pytest.approx(grey.mean(), abs=0.5)
    assert 0.4 * grey.std() < spec.std < grey.std()  # of means of four voxels


def test_in_three_dimensions_too(tmp_path: Path) -> None:
    choice = CHOICE.model_copy(update={"architecture": "unet_3d", "sections": 5, "steps": 50})
    detector, _ = trained(tmp_path, choice)
    assert dice(detector, planted(2)) > 0.6
