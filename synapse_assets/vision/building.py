"""From a dataset's choice of encoder to the encoder: trained here, published, or from a local file."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from synapse_assets.datasets import EncoderChoice, NetworkChoice, StainNetworkChoice, TileSpec
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.errors import BadInput
from synapse_assets.vision.encoder import Encoder, encoder_from_checkpoint, encoder_from_hub
from synapse_assets.vision.encoder_spec import Pooling
from synapse_assets.vision.texture import texture_crop_px
from synapse_assets.vision.training.closed_form import NO_PARTNERS, fit_with_head, texture_spec
from synapse_assets.vision.training.simclr import PretrainingSettings, pretrain

# Of the texture and the last step; one more whenever either gives other vectors.
_HEAD_METHOD = 1
_HEAD_DIMENSIONS = 32


@dataclass(frozen=True)
class TrainingTiles:
    """The tiles that an encoder is fitted on, and what is known of them.

    images: uint8 (N, sections, size_px, size_px). partners, nuisances: see `head.Views`, by row of `images`.
    """

    images: npt.NDArray[np.uint8]
    partners: npt.NDArray[np.int64] = field(default_factory=lambda: NO_PARTNERS)
    nuisances: Sequence[npt.NDArray[np.int64]] = ()


def encoder_parameters(choice: EncoderChoice, tile: TileSpec, pixel_nm: float, seed: int) -> dict[str, object]:
    """Everything that decides the encoder but the tiles it is fitted on, as plain values, defaults spelled out.

    choice: with its origin. pixel_nm: side of a voxel in the plane of the section.
    """
    parameters: dict[str, object] = {"origin": choice.origin}
    if choice.origin == "self_supervised":
        parameters["training"] = hashed_fields(_settings(choice, tile, seed))
    elif choice.origin != "texture":
        parameters |= hashed_fields(choice, include={"architecture", "crop_px"})
    if choice.has_head:
        parameters["head"] = {
            "method": _HEAD_METHOD,
            "dimensions": _dimensions(choice),
            "pixel_nm": pixel_nm,
            "crop_px": choice.crop_px,
            "beside_texture": choice.beside_texture,
            "section_by_section": choice.section_by_section,
            "positives": choice.positives,
            "invariant_to": sorted(choice.invariant_to),
        }
    return parameters


def checkpoint_hash(choice: EncoderChoice | NetworkChoice | StainNetworkChoice) -> str:
    """Hash of the bytes of the choice's weights file. Raises BadInput if there is no such file."""
    path = Path(os.path.expanduser(str(choice.checkpoint)))
    if not path.is_file():
        raise BadInput(
            f"there is no weight file {path}: check the checkpoint of the encoder or network in the dataset's YAML"
        )
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def build_encoder(
    choice: EncoderChoice,
    tile: TileSpec,
    pixel_nm: float,
    training: TrainingTiles,
    seed: int,
    device: str,
    log: Callable[[str], None],
) -> tuple[Encoder, list[dict[str, float]]]:
    """The encoder that the dataset asks for, and the history of its training (empty unless a network was trained here).

    choice: with its origin. pixel_nm: side of a voxel in the plane of the section. Tiles are used where a network is trained or a last
    step is fitted. Raises BadInput for an unknown architecture, a checkpoint that does not fit it, and tiles that cannot be told apart.
    """
    encoder, history = _network(choice, tile, training, seed, device, log)
    if not choice.has_head:
        return cast(Encoder, encoder), history
    if encoder is None:
        spec, backbone = texture_spec(tile.sections, tile.size_px, pixel_nm, choice.crop_px), None
    else:
        spec, backbone = encoder.spec, encoder.network.backbone
        if choice.beside_texture:
            spec = replace(spec, texture_px=texture_crop_px(tile.size_px, pixel_nm), pixel_nm=pixel_nm)
    fitted = fit_with_head(
        spec,
        backbone,
        training.images,
        _dimensions(choice),
        partners=training.partners,
        nuisances=training.nuisances,
        seed=seed,
        device=device,
        progress=log,
    )
    return fitted, history


def _network(
    choice: EncoderChoice,
    tile: TileSpec,
    training: TrainingTiles,
    seed: int,
    device: str,
    log: Callable[[str], None],
) -> tuple[Encoder | None, list[dict[str, float]]]:
    """The network without a last step, None for one without a network, and the history of its training."""
    if choice.origin == "texture":
        return None, []
    if choice.origin == "self_supervised":
        settings = _settings(choice, tile, seed)
        progress = _reporter(log, settings.max_steps or 0)
        return pretrain(training.images, settings, progress=progress, device=device, partners=training.partners)
    architecture = str(choice.architecture)
    pooling: Pooling = "moments" if choice.has_head else "native"
    sections, side, alone = tile.sections, tile.size_px, choice.section_by_section
    if choice.origin == "hub":
        return encoder_from_hub(architecture, sections, side, choice.crop_px, pooling, alone), []
    path = Path(os.path.expanduser(str(choice.checkpoint)))
    return encoder_from_checkpoint(
        architecture, path, sections, side, choice.crop_px, pooling=pooling, section_by_section=alone
    ), []


def _dimensions(choice: EncoderChoice) -> int:
    return choice.dimensions or _HEAD_DIMENSIONS


def _settings(choice: EncoderChoice, tile: TileSpec, seed: int) -> PretrainingSettings:
    defaults = PretrainingSettings()
    return replace(
        defaults,
        architecture=choice.architecture or defaults.architecture,
        crop_px=choice.crop_px or min(defaults.crop_px, tile.size_px),
        max_steps=choice.training_steps or defaults.max_steps,
        seed=seed,
        pooling="moments" if choice.has_head else "centre",
        section_by_section=choice.section_by_section,
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
