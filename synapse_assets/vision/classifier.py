"""A network that names the class of a synapse from its tile, with everything needed to use it as it was trained.

What does not belong here: training (see `training.supervised`), devices, precision and memory (see `inference`), architectures (see
`networks`), and what is made of its answers (calibration, votes of neurons).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from synapse_assets.errors import BadInput
from synapse_assets.vision.devices import Precision, native_precision, pick_device
from synapse_assets.vision.inference import DEFAULT_BATCH, BatchRunner
from synapse_assets.vision.network_files import NetworkFiles, fill
from synapse_assets.vision.networks.backbone import build_backbone
from synapse_assets.vision.networks.dense_head import HeadKind, dense_head
from synapse_assets.vision.networks.volumetric import build_volumetric

NetworkOrigin = Literal["scratch", "encoder", "hub", "checkpoint"]

_VOLUME_BATCH = 16


@dataclass(frozen=True)
class NetworkSpec:
    """Everything about a network but its weights.

    architecture: name in timm (ours included), or one that ends in "_3d" (see `networks.volumetric`).
    classes: names in the order of the logits.
    sections, tile_px: of the tiles that it takes. crop_px: side of the centre crop that it sees; tiles are never rescaled.
    pixel_nm, section_nm: side of a pixel and thickness of a section in nanometres.
    mean, std: normalisation of each section, of grey values scaled to 0..1.
    head: "linear", one layer from pooled features to classes; "three_layers", 2048, 2048 and the classes, with ReLU and dropout.
    origin: what training started from. source: which weights exactly, and what it was trained on.
    """

    architecture: str
    classes: tuple[str, ...]
    sections: int
    tile_px: int
    crop_px: int
    pixel_nm: float
    section_nm: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    head: HeadKind = "linear"
    origin: NetworkOrigin = "scratch"
    source: str = ""

    def __post_init__(self) -> None:
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise BadInput(f"network: classes must be at least two different names, not {list(self.classes)}")
        if not 0 < self.crop_px <= self.tile_px:
            raise BadInput(
                f"network: crop of {self.crop_px} px ({self.crop_px * self.pixel_nm:g} nm) does not fit tiles of {self.tile_px} px "
                f"({self.tile_px * self.pixel_nm:g} nm); make crop_nm smaller or the tiles larger"
            )
        if len(self.mean) != self.sections or len(self.std) != self.sections or min(self.std) <= 0:
            raise BadInput(
                f"network: {self.sections} sections need as many means and deviations above zero, not {self.mean} and {self.std}"
            )
        if self.head not in ("linear", "three_layers"):
            raise BadInput(f"network: its head must be 'linear' or 'three_layers', not '{self.head}'")

    @property
    def tile_shape(self) -> tuple[int, int, int]:
        """Of the tiles that it takes: sections, height and width in pixels."""
        return self.sections, self.tile_px, self.tile_px

    @property
    def sees_volume(self) -> bool:
        """Whether the sections are a third dimension for it, in place of channels."""
        return self.architecture.endswith("_3d")


_FILES = NetworkFiles("synapse_assets.synapse_network", 1, NetworkSpec)


def build_features(spec: NetworkSpec, pretrained: bool = False) -> nn.Module:
    """The part of a network that gives pooled features, with random weights unless `pretrained`.

    Raises BadInput for an unknown architecture, and RuntimeError where `pretrained` weights are requested that timm does not have.
    """
    if spec.sees_volume:
        return build_volumetric(spec.architecture, spec.sections, spec.crop_px)
    return build_backbone(spec.architecture, spec.sections, spec.crop_px, "native", pretrained)


class ClassifyingNetwork(nn.Module):
    """From uint8 tiles to features and logits as one module: crop, normalisation, backbone, head. Its backbone's output sets the head's
    width."""

    def __init__(self, spec: NetworkSpec, backbone: nn.Module) -> None:
        super().__init__()
        self.spec = spec
        shape = (1, spec.sections, 1, 1)
        self.register_buffer("mean", torch.tensor(spec.mean).view(shape), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(shape), persistent=False)
        self.backbone = backbone
        was_training = backbone.training
        with torch.inference_mode():
            probe = torch.zeros(1, spec.sections, spec.crop_px, spec.crop_px)
            self.dimensions = int(self.eval().features_of(probe).shape[1])
        self.train(was_training)
        self.head = dense_head(spec.head, self.dimensions, len(spec.classes))

    def features_of(self, pictures: Tensor) -> Tensor:
        """Pooled features, float32 (N, D), of pictures (N, sections, crop_px, crop_px) of grey values scaled to 0..1."""
        pixels = (pictures - cast(Tensor, self.mean)) / cast(Tensor, self.std)
        if self.spec.sees_volume:
            pixels = pixels[:, None]
        elif pixels.device.type != "mps":
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        return cast(Tensor, self.backbone(pixels)).float()

    def logits_of(self, features: Tensor) -> Tensor:
        """Logits, float32 (N, C), of features: in float32 whatever the precision around it, as bfloat16 would make ties of them."""
        with torch.autocast(features.device.type, enabled=False):
            return cast(Tensor, self.head(features.float()))

    def forward(self, tiles: Tensor) -> Tensor:
        """Features and logits side by side, float32 (N, D + C), of uint8 tiles (N, sections, tile_px, tile_px)."""
        start = (self.spec.tile_px - self.spec.crop_px) // 2
        end = start + self.spec.crop_px
        features = self.features_of(tiles[..., start:end, start:end].float() / 255)
        return torch.cat([features, self.logits_of(features)], dim=1)


class SynapseNetwork:
    """A trained network with its specification. Made by `load` or by `training.supervised.train_network`."""

    def __init__(self, spec: NetworkSpec, network: ClassifyingNetwork) -> None:
        self.spec = spec
        self.network = network.eval()

    @property
    def dimensions(self) -> int:
        """Numbers in a vector of features."""
        return self.network.dimensions

    def logits(
        self, tiles: npt.NDArray[np.uint8], device: str = "auto", precision: Precision | None = None
    ) -> npt.NDArray[np.float32]:
        """Unnormalised log-probabilities, float32 (N, C), a column for each of `spec.classes`. Arguments and errors: see `answers`."""
        return self.answers(tiles, device, precision)[1]

    def features(
        self, tiles: npt.NDArray[np.uint8], device: str = "auto", precision: Precision | None = None
    ) -> npt.NDArray[np.float32]:
        """What the head sees, float32 (N, D). Arguments and errors: see `answers`."""
        return self.answers(tiles, device, precision)[0]

    def answers(
        self, tiles: npt.NDArray[np.uint8], device: str = "auto", precision: Precision | None = None
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Features and logits of uint8 tiles (N, sections, tile_px, tile_px), at the cost of one; N may be 0.

        They do not depend on which tiles share a call, but for rounding. `device` is "auto" (the best one here), "cuda", "mps" or "cpu";
        `precision` is by default bfloat16 where the device has it. Raises BadInput for tiles of another type or shape.
        """
        if tiles.dtype != np.uint8 or tiles.shape[1:] != self.spec.tile_shape:
            raise BadInput(
                f"network: {self.spec.architecture} takes uint8 tiles (N, {', '.join(map(str, self.spec.tile_shape))}), "
                f"not {tiles.dtype} {tiles.shape}"
            )
        if not len(tiles):
            return np.empty((0, self.dimensions), np.float32), np.empty((0, len(self.spec.classes)), np.float32)
        used = precision or native_precision(pick_device(device))
        batch = _VOLUME_BATCH if self.spec.sees_volume else DEFAULT_BATCH
        outputs = BatchRunner(self.network, device, used, batch).run(tiles)
        return outputs[:, : self.dimensions], outputs[:, self.dimensions :]

    def save(self, path: Path) -> None:
        """Writes one safetensors file, whole or not at all: the weights, with the specification as JSON in its metadata."""
        _FILES.write(path, self.spec, self.network)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The network that `save` wrote, to the bit.

        Raises BadInput, naming the file, where there is none, it is damaged, of a newer version of this program, or holds the weights of
        another architecture than it says.
        """
        spec, weights = read_network(path)
        network = ClassifyingNetwork(spec, build_features(spec))
        fill(network, weights, spec.architecture, path)
        return cls(spec, network)


def is_network_file(path: Path) -> bool:
    """Whether `SynapseNetwork.save` wrote this file, as far as its metadata tell."""
    return _FILES.are(path)


def read_network(path: Path) -> tuple[NetworkSpec, dict[str, Tensor]]:
    """Specification and weights, by name, in a file of `SynapseNetwork.save`. Raises BadInput as `SynapseNetwork.load`."""
    return _FILES.read(path)
