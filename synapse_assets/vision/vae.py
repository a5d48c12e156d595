"""A variational autoencoder of pictures around synapses with everything needed to use it as it was trained.

What does not belong here: its layers (see `networks.vae`), training (see `training.vae`), and what the pictures are of: the middle sections
of tiles, or masks.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from synapse_assets.errors import BadInput
from synapse_assets.vision.inference import BatchRunner
from synapse_assets.vision.network_files import NetworkFiles, fill
from synapse_assets.vision.networks.vae import VariationalAutoencoder


@dataclass(frozen=True)
class VaeSpec:
    """Everything about an autoencoder but its weights.

    picture_px: side of the pictures that it takes; they are resampled to `width`. hidden_dims, latent_dim: see `networks.vae`. mean, std:
    normalisation of grey values scaled to 0..1. source: what it was trained on.
    """

    picture_px: int
    width: int
    hidden_dims: tuple[int, ...]
    latent_dim: int
    mean: float
    std: float
    source: str = ""


_FILES = NetworkFiles("synapse_assets.tile_vae", 1, VaeSpec)


class SeenAutoencoder(nn.Module):
    """From uint8 pictures to their means as one module: resampling, normalisation, autoencoder."""

    def __init__(self, spec: VaeSpec) -> None:
        super().__init__()
        self.spec = spec
        self.vae = VariationalAutoencoder(spec.width, spec.hidden_dims, spec.latent_dim)

    def seen(self, pictures: Tensor) -> Tensor:
        """Normalised pictures, float32 (N, 1, width, width), of uint8 ones (N, picture_px, picture_px)."""
        pixels = pictures[:, None].float() / 255
        if self.spec.picture_px != self.spec.width:
            pixels = functional.interpolate(pixels, (self.spec.width,) * 2, mode="bilinear", align_corners=False)
        return (pixels - self.spec.mean) / self.spec.std

    def forward(self, pictures: Tensor) -> Tensor:
        """Means, float32 (N, latent_dim), of uint8 pictures (N, picture_px, picture_px)."""
        return self.vae.encode(self.seen(pictures))[0]


class TileVae:
    """A trained autoencoder with its specification. Made by `load` or by `training.vae.train_vae`."""

    def __init__(self, network: SeenAutoencoder) -> None:
        self.spec = network.spec
        self.network = network.eval()

    def encode(self, pictures: npt.NDArray[np.uint8], device: str = "auto") -> npt.NDArray[np.float32]:
        """The mean of each of the uint8 pictures (N, picture_px, picture_px), float32 (N, latent_dim); N may be 0.

        It does not depend on which pictures share a call, but for rounding. Raises BadInput for pictures of another type or shape.
        """
        check_pictures(pictures, self.spec.picture_px)
        if not len(pictures):
            return np.empty((0, self.spec.latent_dim), np.float32)
        return BatchRunner(self.network, device, "float32").run(pictures)

    def drawn_again(self, pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Pictures as they are drawn from their means, grey values scaled to 0..1, float32 (N, width, width)."""
        check_pictures(pictures, self.spec.picture_px)
        with torch.inference_mode():
            drawn = self.network.vae.decode(self.network.cpu()(torch.from_numpy(pictures.copy())))[:, 0]
        return cast(npt.NDArray[np.float32], (drawn * self.spec.std + self.spec.mean).numpy())

    def save(self, path: Path) -> None:
        """Writes one safetensors file, whole or not at all: the weights, with the specification as JSON in its metadata."""
        _FILES.write(path, self.spec, self.network)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The autoencoder that `save` wrote, to the bit.

        Raises BadInput, naming the file, where there is none, it is damaged, of a newer version of this program, or holds the weights of
        other layers than it says.
        """
        spec, weights = _FILES.read(path)
        network = SeenAutoencoder(spec)
        fill(network, weights, f"vae of {spec.hidden_dims}", path)
        return cls(network)


def middle_of(tiles: npt.NDArray[np.uint8], width: int) -> npt.NDArray[np.uint8]:
    """The centre of the middle section of tiles (N, sections, side, side), at most `width` pixels wide: (N, px, px)."""
    start = max(0, (tiles.shape[-1] - width) // 2)
    px = min(width, tiles.shape[-1])
    return tiles[:, tiles.shape[1] // 2, start : start + px, start : start + px]


def check_pictures(pictures: npt.NDArray[np.uint8], side: int) -> None:
    """Raises BadInput for pictures that are not uint8 (N, side, side)."""
    if pictures.dtype != np.uint8 or pictures.ndim != 3 or pictures.shape[1:] != (side, side):
        raise BadInput(
            f"vae: it takes uint8 pictures (N, {side}, {side}), not {pictures.dtype} {pictures.shape}: train it again on the pictures that "
            "there are now (materialise tile_vae), or give it those that it was trained on"
        )
