"""The encoder: a network together with everything needed to use it as it was trained.

An `Encoder` is a timm network plus its `EncoderSpec` (see `encoder_spec`). It is stored as two files without pickle:
its weights as safetensors, and beside them no artifact (`artifacts`) but the plain json of its specification, which has
no arrays and is read without torch.
What does not belong here: devices, precision and memory (see `inference`), reading a checkpoint (see `weights`), and training
(see `training`).
"""

import json
import math
from collections.abc import Iterator, Mapping, Sized
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Self, TypeVar, cast

import numpy as np
import numpy.typing as npt
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from synapse_assets.errors import BadInput
from synapse_assets.vision.devices import Precision, native_precision, pick_device
from synapse_assets.vision.encoder_spec import SPEC_FILE, EncoderSpec, Pooling, read_spec
from synapse_assets.vision.first_use import FIRST_USE_FOLDER, FirstUse
from synapse_assets.vision.head import Head
from synapse_assets.vision.inference import DEFAULT_BATCH, BatchRunner
from synapse_assets.vision.networks.backbone import build_backbone
from synapse_assets.vision.texture import TextureFeatures
from synapse_assets.vision.weights import load_weights, read_weights

WEIGHTS_FILE = "weights.safetensors"
TEXTURE_FILE = "texture.safetensors"
HEAD_FILE = "head.safetensors"
_LEAST_VARIANCE = 1e-6  # of a feature map, below which its logarithm does not fall
_UNKNOWN_NORMALISATION = {"mean": (0.5,), "std": (0.25,)}  # where timm has no card of the architecture
_CENTRE_WIDTH = 0.2  # standard deviation of the centre window, as a share of the feature map's side

_Rows = TypeVar("_Rows", bound=Sized)


class TileNetwork(nn.Module):
    """Everything from uint8 tiles to embeddings as one module: crop, normalise, network, pooling, views, texture, head."""

    def __init__(self, spec: EncoderSpec, backbone: nn.Module | None, head: Head | None = None) -> None:
        super().__init__()
        self.spec = spec
        self.backbone = backbone
        self.texture = TextureFeatures(spec.texture_px, spec.pixel_nm) if spec.texture_px else None
        self.head = head
        shape = (1, spec.sections, 1, 1)
        self.register_buffer("mean", torch.tensor(spec.mean).view(shape), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(shape), persistent=False)

    def forward(self, tiles: Tensor) -> Tensor:
        """Embeddings, float32 (N, D), of uint8 tiles (N, sections, tile_px, tile_px)."""
        features = self.unprojected(tiles.float() / 255)
        return features if self.head is None else self.head(features)

    def unprojected(self, pictures: Tensor) -> Tensor:
        """The features, float32 (N, D), of pictures (N, sections, side, side) of grey values scaled to 0..1, seen about their centre."""
        parts = []
        if self.backbone is not None:
            parts.append(self._seen_from_all_sides(self.normalise(_centre_crop(pictures, self.spec.crop_px))))
        if self.texture is not None:
            parts.append(self.texture(_centre_crop(pictures, self.spec.texture_px)))
        return torch.cat(parts, dim=1)

    def parts(self) -> dict[nn.Module, str]:
        """What has weights, with the file that stores them."""
        files = ((self.backbone, WEIGHTS_FILE), (self.texture, TEXTURE_FILE), (self.head, HEAD_FILE))
        return {part: file for part, file in files if part is not None}

    def normalise(self, pixels: Tensor) -> Tensor:
        """Normalised pictures, from grey values scaled to 0..1."""
        mean, std = cast(Tensor, self.mean), cast(Tensor, self.std)
        return (pixels - mean) / std

    def features(self, pixels: Tensor) -> Tensor:
        """What the network gives, float32 (N, D), for normalised pictures (N, sections, crop_px, crop_px)."""
        if pixels.device.type != "mps":
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        if self.spec.section_by_section:
            sections = self._pooled(pixels.flatten(0, 1)[:, None]).unflatten(0, pixels.shape[:2])
            return torch.cat([sections.mean(1), sections[:, pixels.shape[1] // 2]], dim=1)
        return self._pooled(pixels)

    def _pooled(self, pixels: Tensor) -> Tensor:
        """What the network gives (N, D) for pictures of as many channels as it has (N, channels, height, width)."""
        maps = cast(Tensor, cast(nn.Module, self.backbone)(pixels)).float()
        if self.spec.pooling == "native":
            return maps
        maps = _feature_map(maps, cast(nn.Module, self.backbone), self.spec)
        window = _centre_window(maps.shape[-2], maps.shape[-1], maps.device)
        centre, mean = (maps * window).sum((-2, -1)), maps.mean((-2, -1))
        if self.spec.pooling == "centre":
            return torch.cat([centre, mean], dim=1)
        around_centre = ((maps - centre[..., None, None]) ** 2 * window).sum((-2, -1))
        spread = torch.cat([around_centre, maps.var((-2, -1), correction=0)], dim=1)
        return torch.cat([centre, mean, 0.5 * torch.log(spread + _LEAST_VARIANCE)], dim=1)

    def _seen_from_all_sides(self, pixels: Tensor) -> Tensor:
        if self.spec.views == 1:
            return self.features(pixels)
        total = torch.zeros((), device=pixels.device)
        for picture in (pixels, pixels.flip(-1)):
            for quarter in range(4):
                total = total + self.features(torch.rot90(picture, quarter, (-2, -1)))
        return total / self.spec.views


class Encoder:
    """A network with its specification. Make one by `load`, by one of the functions below or by
    `training.simclr.pretrain`."""

    def __init__(self, spec: EncoderSpec, network: TileNetwork, first_use: FirstUse | None = None) -> None:
        self._spec = spec
        self.first_use = first_use
        self.network = network.eval()
        probe = torch.zeros(1, spec.sections, spec.tile_px, spec.tile_px, dtype=torch.uint8)
        with torch.inference_mode():
            self._dimensions = int(network(probe).shape[1])

    @property
    def spec(self) -> EncoderSpec:
        """What the encoder is, but for its weights."""
        return self._spec

    @property
    def dimensions(self) -> int:
        """Numbers in an embedding."""
        return self._dimensions

    def embed(
        self, tiles: npt.NDArray[np.uint8], device: str = "auto", precision: Precision | None = None
    ) -> npt.NDArray[np.float32]:
        """Embeddings, float32 (N, D), of uint8 tiles (N, sections, tile_px, tile_px); N may be 0.

        `device` is "auto" (the best one here), "cuda", "mps" or "cpu"; `precision` is by default that of the first use,
        where the device has it (see `devices.native_precision`). Raises BadInput for tiles of another type, size or number
        of sections. For many tiles use `embed_batches`.
        """
        return _embed(self, _runner(self, device, precision, DEFAULT_BATCH), tiles)

    def save(self, folder: Path) -> None:
        """Writes encoder.json, weights.safetensors and, where they are part of it, texture.safetensors and head.safetensors into
        `folder`, which is made if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        for part, file in self.network.parts().items():
            arrays = {name: tensor.detach().cpu().contiguous() for name, tensor in part.state_dict().items()}
            save_file(arrays, folder / file)
        (folder / SPEC_FILE).write_text(json.dumps(asdict(self._spec), indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The encoder that `save` wrote into `folder`, and its first use if that is recorded there.

        Raises FileNotFoundError where there is no encoder, or BadInput naming the file at fault.
        """
        spec = read_spec(folder)
        backbone = None
        if spec.has_network:
            backbone = build_backbone(spec.architecture, spec.channels, spec.crop_px, spec.pooling)
        network = TileNetwork(spec, backbone, Head(0, spec.head_dimensions) if spec.head_dimensions else None)
        for part, file in network.parts().items():
            stored = read_weights(folder / file)
            if part is backbone:
                load_weights(part, stored, spec.architecture, folder / file)
            else:
                _load_fixed(part, stored, folder / file)
        return cls(spec, network, FirstUse.found(folder / FIRST_USE_FOLDER))


def embed_batches(
    encoder: Encoder,
    batches: Iterator[tuple[_Rows, npt.NDArray[np.uint8]]],
    device: str = "auto",
    batch_size: int = DEFAULT_BATCH,
    precision: Precision | None = None,
) -> Iterator[tuple[_Rows, npt.NDArray[np.float32]]]:
    """For each (ids or rows, uint8 tiles (N, sections, H, W)) of `batches`, in order: the same and their embeddings,
    float32 (N, D).

    Works through `batches` one at a time, so a stream of any length fits; the next one is read and decoded meanwhile.
    `batch_size` is the most tiles on the device at once. `device` and `precision` as in `Encoder.embed`. Raises BadInput
    for tiles that the encoder does not take, and ValueError where ids and tiles differ in number.
    """
    runner = _runner(encoder, device, precision, batch_size)
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(next, batches, None)
        while (batch := following.result()) is not None:
            following = reader.submit(next, batches, None)
            ids, tiles = batch
            if len(ids) != len(tiles):
                raise ValueError(f"embedding: {len(ids)} ids came with {len(tiles)} tiles")
            yield ids, _embed(encoder, runner, tiles)


def encoder_from_hub(
    architecture: str,
    sections: int,
    tile_px: int,
    crop_px: int | None = None,
    pooling: Pooling = "native",
    section_by_section: bool = False,
) -> Encoder:
    """An encoder with timm's published weights, normalised as they were trained. The only function here that uses the
    network.

    `architecture` is timm's name, with a tag if wanted ("resnet18.a1_in1k"); `crop_px` is the whole tile if not given.
    Weights for colour pictures are adapted to the number of sections by timm. pooling, section_by_section: see `EncoderSpec`.
    Raises BadInput where timm knows no such weights or cannot fetch them.
    """
    crop, channels = crop_px or tile_px, 1 if section_by_section else sections
    try:
        backbone = build_backbone(architecture, channels, crop, pooling, pretrained=True)
    except RuntimeError as error:
        raise BadInput(f"encoder: timm has no published weights for '{architecture}': {error}") from error
    card = cast(Mapping[str, object], backbone.pretrained_cfg)
    spec = EncoderSpec(
        architecture=architecture,
        sections=sections,
        tile_px=tile_px,
        crop_px=crop,
        mean=_per_section(card, "mean", sections, section_by_section),
        std=_per_section(card, "std", sections, section_by_section),
        origin="hub",
        source=f"timm {timm.__version__} {card.get('architecture')}.{card.get('tag')}",
        pooling=pooling,
        section_by_section=section_by_section,
    )
    return Encoder(spec, TileNetwork(spec, backbone))


def encoder_from_checkpoint(
    architecture: str,
    path: Path,
    sections: int,
    tile_px: int,
    crop_px: int | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    pooling: Pooling = "native",
    section_by_section: bool = False,
) -> Encoder:
    """An encoder with the weights in a local file: safetensors, or a torch file that holds tensors only (no pickled
    objects).

    `mean` and `std` of grey values scaled to 0..1, one a section, are those the weights were trained with; timm's for
    the architecture if not given. A classifier head in the file is left out; a stem for another number of channels is
    adapted. pooling, section_by_section: see `EncoderSpec`.
    Raises BadInput, naming the file, where it cannot be read, and also the architecture and the first keys that
    differ, for weights of another architecture.
    """
    crop, channels = crop_px or tile_px, 1 if section_by_section else sections
    backbone = build_backbone(architecture, channels, crop, pooling)
    load_weights(backbone, read_weights(path), architecture, path)
    card = cast(Mapping[str, object], getattr(backbone, "pretrained_cfg", None) or {})
    spec = EncoderSpec(
        architecture=architecture,
        sections=sections,
        tile_px=tile_px,
        crop_px=crop,
        mean=mean or _per_section(card, "mean", sections, section_by_section),
        std=std or _per_section(card, "std", sections, section_by_section),
        origin="checkpoint",
        source=path.name,
        pooling=pooling,
        section_by_section=section_by_section,
    )
    return Encoder(spec, TileNetwork(spec, backbone))


def _runner(encoder: Encoder, device: str, precision: Precision | None, batch_size: int) -> BatchRunner:
    first = encoder.first_use
    used = precision or native_precision(pick_device(device), first.precision if first else None)
    return BatchRunner(encoder.network, device, used, batch_size)


def _embed(encoder: Encoder, runner: BatchRunner, tiles: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    spec = encoder.spec
    if tiles.dtype != np.uint8 or tiles.ndim != 4:
        raise BadInput(f"embedding: tiles must be uint8 (N, sections, height, width), not {tiles.dtype} {tiles.shape}")
    if tiles.shape[1:] != spec.tile_shape:
        raise BadInput(
            f"embedding: the encoder ({spec.architecture}, {spec.origin}) takes tiles of {spec.sections} sections, "
            f"{spec.tile_px}x{spec.tile_px} px; these have {tiles.shape[1]} sections, "
            f"{tiles.shape[2]}x{tiles.shape[3]} px"
        )
    if not len(tiles):
        return np.empty((0, encoder.dimensions), dtype=np.float32)
    return runner.run(tiles)


def _load_fixed(part: nn.Module, stored: Mapping[str, Tensor], path: Path) -> None:
    """Puts arrays, which were read from `path`, into a part without weights, of whatever shape they were when they were stored."""
    if stored.keys() != part.state_dict().keys():
        raise BadInput(f"{path} is not of this version: it holds {sorted(stored)}, not {sorted(part.state_dict())}")
    for name, tensor in stored.items():
        setattr(part, name, tensor)


def _feature_map(output: Tensor, backbone: nn.Module, spec: EncoderSpec) -> Tensor:
    """The unpooled output of a timm network as (N, channels, height, width). Raises BadInput where it has no such form.

    Of a transformer's tokens (N, tokens, channels) those that stand for a place, row by row, in a square.
    """
    if output.ndim == 4:
        return output.permute(0, 3, 1, 2) if getattr(backbone, "output_fmt", "NCHW") == "NHWC" else output
    if output.ndim == 3:
        tokens = output[:, int(getattr(backbone, "num_prefix_tokens", 0)) :]
        side = math.isqrt(tokens.shape[1])
        if side * side == tokens.shape[1]:
            return tokens.transpose(1, 2).unflatten(2, (side, side))
    raise BadInput(
        f"encoder: {spec.architecture} gives no feature map, which pooling '{spec.pooling}' needs; choose another architecture"
    )


def _centre_crop(pictures: Tensor, side: int) -> Tensor:
    start = (pictures.shape[-1] - side) // 2
    return pictures[..., start : start + side, start : start + side]


def _centre_window(rows: int, columns: int, device: torch.device) -> Tensor:
    """Gaussian weights (rows, columns) that sum to one, highest at the centre."""
    sides = []
    for side in (rows, columns):
        offset = torch.arange(side, device=device) - (side - 1) / 2
        sides.append(torch.exp(-0.5 * (offset / (side * _CENTRE_WIDTH)) ** 2))
    window = sides[0][:, None] * sides[1][None, :]
    return window / window.sum()


def _per_section(card: Mapping[str, object], name: str, sections: int, section_by_section: bool) -> tuple[float, ...]:
    """Normalisation for each section from timm's card: that of the channel where a section is one, else the channels' mean for all."""
    channels = tuple(float(value) for value in cast(tuple[float, ...], card.get(name, _UNKNOWN_NORMALISATION[name])))
    if len(channels) == sections and not section_by_section:
        return channels
    return (math.fsum(channels) / len(channels),) * sections
