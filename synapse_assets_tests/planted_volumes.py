"""A small volume with what is planted in it: dark discs are synapses, large grey ones mitochondria; its masks and points as files.

What is tested against it belongs to the tests.
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from synapse_assets.datasets import DetectionDataset

VOXEL_NM = (8.0, 8.0, 40.0)
SHAPE = (12, 128, 128)  # z, y, x
POST_PX = 12  # a postsynaptic site lies so far to the right of its synapse

Labels = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Planted:
    """grey: uint8 (z, y, x). clefts, mitochondria: uint32, by object. sites: (N, 3) voxels z, y, x, of the synapses, in the order of their
    labels."""

    grey: npt.NDArray[np.uint8]
    clefts: Labels
    mitochondria: Labels
    sites: npt.NDArray[np.int64]


@cache
def plant(seed: int = 0) -> Planted:
    """A synapse and a mitochondrion in each sixteenth of the plane, no two of them near each other."""
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*(np.arange(size) for size in SHAPE), indexing="ij")
    grey = np.full(SHAPE, 170.0)
    clefts, mitochondria = np.zeros(SHAPE, np.uint32), np.zeros(SHAPE, np.uint32)
    sites: list[npt.NDArray[np.int64]] = []
    for row in range(4):
        for column in range(4):
            middle = np.array(
                [rng.integers(2, 10), 32 * row + 9 + rng.integers(-1, 2), 32 * column + 22 + rng.integers(-1, 2)]
            )
            disc = (np.abs(z - middle[0]) <= 2) & ((y - middle[1]) ** 2 + (x - middle[2]) ** 2 <= 49)
            grey[disc] = 125
            mitochondria[disc] = 4 * row + column + 1
            site = np.array(
                [rng.integers(1, 11), 32 * row + 24 + rng.integers(-1, 2), 32 * column + 8 + rng.integers(-1, 2)]
            )
            disc = (np.abs(z - site[0]) <= 1) & ((y - site[1]) ** 2 + (x - site[2]) ** 2 <= 12)
            grey[disc] = 40
            clefts[disc] = len(sites) + 1
            post = (np.abs(z - site[0]) <= 1) & ((y - site[1]) ** 2 + (x - site[2] - POST_PX) ** 2 <= 6)
            grey[post] = 235
            sites.append(site)
    noisy = grey + rng.normal(0, 8, SHAPE)
    return Planted(noisy.clip(1, 255).astype(np.uint8), clefts, mitochondria, np.array(sites))


def write_planted(folder: Path, planted: Planted) -> None:
    """Writes `volume.h5` (raw, clefts, mitochondria), `pre.csv` and `post.csv` (voxels; post names its synapse)."""
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / "volume.h5", "w") as file:
        for name, values in (("raw", planted.grey), ("clefts", planted.clefts), ("mitochondria", planted.mitochondria)):
            file.create_dataset(name, data=values)
            file[name].attrs["resolution"] = VOXEL_NM[::-1]
    with (folder / "pre.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["id", "x", "y", "z"])
        rows.writerows([number, x, y, z] for number, (z, y, x) in enumerate(planted.sites.tolist(), start=1))
    with (folder / "post.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["id", "x", "y", "z", "of"])
        rows.writerows(
            [100 + number, x + POST_PX, y, z, number]
            for number, (z, y, x) in enumerate(planted.sites.tolist(), start=1)
        )


def mask(folder: Path, name: str, target: str, **changed: Any) -> dict[str, Any]:
    """The annotation of a mask of `write_planted`."""
    labels = {"kind": "hdf5", "url": str(folder / "volume.h5"), "dataset": name, "voxel_size_nm": VOXEL_NM}
    return {"name": name, "target": target, "volume": "block", "labels": labels | changed}


def points(folder: Path, side: str) -> dict[str, Any]:
    """The annotation of points of `write_planted`: pre or post."""
    columns = {"synapse_id": "id"} | ({"object_id": "of"} if side == "post" else {})
    source = {
        "name": side,
        "format": "points",
        "volume": "block",
        "path": str(folder / f"{side}.csv"),
        "units": "voxel",
        "columns": columns,
    }
    return {"name": side, "target": f"{side}synaptic", "volume": "block", "points": source}


TINY = {"channels": [4, 8, 8], "window_px": 16, "batch_size": 4, "steps": 40, "learning_rate": 1e-2}
"""A network that learns the planted discs in a second."""


def planted_dataset(folder: Path, **changed: Any) -> DetectionDataset:
    """A dataset of the files in `folder`: clefts from masks, mitochondria, sites from points."""
    content = {
        "name": "planted",
        "title": "Planted discs",
        "description": "Dark discs are synapses, large grey ones mitochondria.",
        "chain": "detection",
        "volumes": {
            "block": {"kind": "hdf5", "url": str(folder / "volume.h5"), "dataset": "raw", "voxel_size_nm": VOXEL_NM}
        },
        "annotations": [
            mask(folder, "clefts", "cleft"),
            mask(folder, "mitochondria", "mitochondria"),
            points(folder, "pre"),
            points(folder, "post"),
        ],
        "detectors": {
            "clefts": {"targets": ["cleft"], **TINY},
            "mito": {"targets": ["mitochondria"], "pixel_nm": 16, **TINY},
            "sites": {
                "targets": ["presynaptic", "postsynaptic"],
                "learns_from": "points",
                "ball_nm": 32,
                "apart_nm": 80,
                "pair_nm": 150,
                **TINY,
            },
        },
        "hold_out": (2, 1, 1),
        "tolerance_nm": 60,
        "block_nm": (600, 600, 480),
    }
    return DetectionDataset.model_validate(content | changed)
