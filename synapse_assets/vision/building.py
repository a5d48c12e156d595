"""From a dataset's choice of encoder to the encoder: trained here, published, or from a local file."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from synapse_assets.datasets import EncoderChoice, TileSpec
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.errors import BadInput
from synapse_assets.vision.encoder import Encoder, encoder_from_checkpoint, encoder_from_hub
from synapse_assets.vision.training.simclr import PretrainingSettings, pretrain


def encoder_parameters(choice: EncoderChoice, tile: TileSpec, seed: int) -> dict[str, object]:
    """Everything that decides the encoder but the tiles it is trained on, as plain values, defaults spelled out."""
    if choice.origin == "self_supervised":
        return {"origin": choice.origin, "training": hashed_fields(_settings(choice, tile, seed))}
    return hashed_fields(choice, include={"origin", "architecture", "crop_px"})


def checkpoint_hash(choice: EncoderChoice) -> str:
    """Hash of the weights file's bytes. Raises BadInput if there is no such file."""
    path = Path(os.path.expanduser(str(choice.checkpoint)))
    if not path.is_file():
        raise BadInput(f"encoder: there is no weight file {path}")
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def build_encoder(
    choice: EncoderChoice,
    tile: TileSpec,
    tiles: npt.NDArray[np.uint8],
    seed: int,
    device: str,
    log: Callable[[str], None],
) -> tuple[Encoder, list[dict[str, float]]]:
    """The encoder that the dataset asks for, and the history of its training (empty unless it was trained here).

    `tiles` are uint8 (N, sections, size_px, size_px), needed for self-supervised training only. Raises BadInput for an
    unknown architecture or a checkpoint that does not fit it.
    """
    if choice.origin == "self_supervised":
        settings = _settings(choice, tile, seed)
        return pretrain(tiles, settings, progress=_reporter(log, choice.training_steps), device=device)
    architecture = str(choice.architecture)
    if choice.origin == "hub":
        return encoder_from_hub(architecture, tile.sections, tile.size_px, choice.crop_px), []
    path = Path(os.path.expanduser(str(choice.checkpoint)))
    return encoder_from_checkpoint(architecture, path, tile.sections, tile.size_px, choice.crop_px), []


def _settings(choice: EncoderChoice, tile: TileSpec, seed: int) -> PretrainingSettings:
    defaults = PretrainingSettings()
    return replace(
        defaults,
        architecture=choice.architecture or defaults.architecture,
        crop_px=choice.crop_px or min(defaults.crop_px, tile.size_px),
        max_steps=choice.training_steps,
        seed=seed,
    )


def _reporter(log: Callable[[str], None], steps: int) -> Callable[[dict[str, float]], None]:
    last = 0.0

    def report(row: dict[str, float]) -> None:
        nonlocal last
        if row["seconds"] - last < 10 and row["step"] < steps:
            return
        last = row["seconds"]
        remaining_s = row["seconds"] / row["step"] * (steps - row["step"])
        log(f"training: step {row['step']:.0f} of {steps}, loss {row['loss']:.3f}, {remaining_s:.0f} s to go")

    return report
