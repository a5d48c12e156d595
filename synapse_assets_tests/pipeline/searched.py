"""Planted volumes and detectors for the tests of blocks, maps and objects: dark and bright boxes, and networks that mark them without
any training, since their weights are set by hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore as ts

from synapse_assets.analysis.detection.components import Limits
from synapse_assets.analysis.detection.sites import Rules
from synapse_assets.datasets import DetectionDataset
from synapse_assets.pipeline.detection.stored import MODEL, NETWORK_FILE, write_rules
from synapse_assets.stores import DatasetStore, Provenance
from synapse_assets.vision.detection import DetectorNetwork, DetectorSpec, build

VOXEL_NM = (8.0, 8.0, 40.0)
ORIGIN = (37, 21, 3)  # x, y, z: no multiple of anything
GREY, DARK, BRIGHT = 128, 0, 255


def grey_volume(shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """uint8 (z, y, x): grey with little noise, so that no section counts as missing."""
    noise = np.random.default_rng(seed).integers(-3, 4, shape)
    return (GREY + noise).astype(np.uint8)


def write_volume(folder: Path, pixels: np.ndarray, chunk: tuple[int, int, int] = (4, 64, 64)) -> None:
    """A precomputed volume that begins at `ORIGIN`; `pixels` and `chunk` are z, y, x."""
    _write(folder, pixels, "image", chunk)


def write_labels(folder: Path, labels: np.ndarray) -> None:
    """A precomputed segmentation of the same space."""
    _write(folder, labels.astype(np.uint32), "segmentation", (4, 64, 64))


def _write(folder: Path, pixels: np.ndarray, kind: str, chunk: tuple[int, int, int]) -> None:
    store = ts.open(
        {
            "driver": "neuroglancer_precomputed",
            "kvstore": f"file://{folder}/",
            "multiscale_metadata": {"type": kind, "data_type": pixels.dtype.name, "num_channels": 1},
            "scale_metadata": {
                "size": list(pixels.shape[::-1]),
                "encoding": "raw",
                "chunk_size": list(chunk[::-1]),
                "resolution": list(VOXEL_NM),
                "voxel_offset": list(ORIGIN),
            },
        },
        create=True,
        delete_existing=True,
    ).result()
    store[ts.d["channel"][0]].transpose(["z", "y", "x"]).write(pixels).result()


def network(
    targets: Sequence[str], factor: int = 1, voxel_nm: tuple[float, float, float] = VOXEL_NM
) -> DetectorNetwork:
    """Marks what is dark with the first target and what is bright with the second, by the mean of 3 x 3 pixels."""
    import torch

    channels = (2, 2, 2)
    spec = DetectorSpec(
        "unet_2d", tuple(targets), 3, channels, factor, voxel_nm, float(GREY), 32.0, (1, 8, 8), (1, 4, 4), "by hand"
    )
    unet = build("unet_2d", channels, len(targets), 3, 1.0)
    weights = {name: torch.zeros_like(tensor) for name, tensor in unet.state_dict().items()}
    for name, tensor in weights.items():
        if name.endswith(("norm1.weight", "norm2.weight", "running_var")):
            tensor.fill_(1)
    first = next(name for name in weights if name.endswith("downsample.conv1.conv.weight"))
    top = first.removesuffix("downsample.conv1.conv.weight")
    for channel, sign in enumerate((-1, 1)):
        weights[f"{top}downsample.conv1.conv.weight"][channel, 1] = sign / 9
        weights[f"{top}downsample.conv2.conv.weight"][channel, channel, 1, 1] = 1
        # The second half of what the way up gets is what the way down had.
        weights[f"{top}upsample.conv_block.conv1.conv.weight"][channel, 2 + channel, 1, 1] = 1
        weights[f"{top}upsample.conv_block.conv2.conv.weight"][channel, channel, 1, 1] = 1
    last = [name for name in weights if name.endswith("weight")][-1]
    for target in range(len(targets)):
        weights[last][target, target, 0, 0] = 8
        weights[last.replace("weight", "bias")][target] = -16
    unet.load_state_dict(weights)
    return DetectorNetwork(spec, unet)


def rules(targets: Sequence[str], **changes: Any) -> Rules:
    values: dict[str, Any] = {
        "targets": tuple(targets), "balls": False, "threshold": 0.5, "limits": Limits(), "split_nm": None, "apart_nm": 80.0,
        "pair_nm": 120.0, "ball_nm": 40.0,
    }  # fmt: skip
    return Rules(**{**values, **changes})


def dataset(volume: Path, **changes: Any) -> DetectionDataset:
    """One volume, searched for synapses with `pairs` and for mitochondria with `dark`, both in use in the store `own`."""
    values: dict[str, Any] = {
        "name": "searched",
        "title": "Searched",
        "description": "Planted boxes.",
        "chain": "detection",
        "volumes": {"em": {"kind": "precomputed", "url": str(volume), "voxel_size_nm": VOXEL_NM}},
        "detector_from": "own",
        "synapses_from": "pairs",
        "mitochondria_from": "dark",
        "block_nm": (640, 640, 240),
    }
    return DetectionDataset.model_validate({**values, **changes})


def put_in_use(
    store: DatasetStore,
    version: str,
    parameters: Mapping[str, Any] | None = None,
    **detectors: tuple[DetectorNetwork, Rules],
) -> None:
    """Makes these detectors, by name, the ones in use of the dataset `own`. parameters: of their provenance."""

    def write(folder: Path) -> None:
        for name, (trained, how) in detectors.items():
            (folder / name).mkdir()
            trained.save(folder / name / NETWORK_FILE)
            write_rules(folder / name, how)

    models = DatasetStore(store.data_root, "own").models(MODEL)
    models.save(version, write, Provenance(MODEL, version, {}, dict(parameters or {}), 0))
    models.promote(version)
