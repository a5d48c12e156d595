"""The encoder: a network together with everything needed to use it as it was trained.

An `Encoder` is a timm network plus its `EncoderSpec` (see `encoder_spec`). It is stored as two files without pickle:
its weights as safetensors, and beside them no artifact (`artifacts`) but the plain json of its specification, which has
no arrays and is read without torch.
What does not belong here: running over many tiles (see `embedding`) and training (see `pretraining`).
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Self, cast

import numpy as np
import numpy.typing as npt
import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from timm.models import adapt_input_conv
from torch import Tensor, nn

from synapse_assets.vision import networks  # noqa: F401  (registers our architectures in timm)
from synapse_assets.vision.embedding import Embedder
from synapse_assets.vision.encoder_spec import SPEC_FILE, EncoderSpec, Pooling, read_spec

WEIGHTS_FILE = "weights.safetensors"
_CENTRE_WIDTH = 0.2  # standard deviation of the centre window, as a share of the feature map's side


class TileNetwork(nn.Module):
    """The whole way from uint8 tiles to embeddings as one module: crop, normalise, network, pooling, views."""

    def __init__(self, spec: EncoderSpec, backbone: nn.Module) -> None:
        super().__init__()
        self.spec = spec
        self.backbone = backbone
        shape = (1, spec.sections, 1, 1)
        self.register_buffer("mean", torch.tensor(spec.mean).view(shape), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(shape), persistent=False)

    def forward(self, tiles: Tensor) -> Tensor:
        """Embeddings, float32 (N, D), of uint8 tiles (N, sections, tile_px, tile_px)."""
        start = (self.spec.tile_px - self.spec.crop_px) // 2
        crop = tiles[..., start : start + self.spec.crop_px, start : start + self.spec.crop_px]
        pixels = self.normalise(crop.float() / 255)
        if self.spec.views == 1:
            return self.features(pixels)
        total = torch.zeros((), device=tiles.device)
        for picture in (pixels, pixels.flip(-1)):
            for quarter in range(4):
                total = total + self.features(torch.rot90(picture, quarter, (-2, -1)))
        return total / self.spec.views

    def normalise(self, pixels: Tensor) -> Tensor:
        """Normalised pictures, from grey values scaled to 0..1."""
        mean, std = cast(Tensor, self.mean), cast(Tensor, self.std)
        return (pixels - mean) / std

    def features(self, pixels: Tensor) -> Tensor:
        """Embeddings, float32 (N, D), of normalised pictures (N, sections, crop_px, crop_px)."""
        if pixels.device.type != "mps":
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        if self.spec.pooling == "native":
            return cast(Tensor, self.backbone(pixels)).float()
        maps = cast(Tensor, self.backbone(pixels)).float()
        if maps.ndim != 4:
            raise ValueError(
                f"encoder: pooling 'centre' needs a feature map, which {self.spec.architecture} does not give"
            )
        window = _centre_window(maps.shape[-2], maps.shape[-1], maps.device)
        return torch.cat([(maps * window).sum((-2, -1)), maps.mean((-2, -1))], dim=1)


class Encoder:
    """A network with its specification. Make one by `load`, by one of the functions below or by
    `pretraining.pretrain`."""

    def __init__(self, spec: EncoderSpec, network: TileNetwork) -> None:
        self._spec = spec
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

    def embed(self, tiles: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Embeddings, float32 (N, D), of uint8 tiles (N, sections, tile_px, tile_px), on the best device here.

        Raises ValueError for tiles of another type, size or number of sections. For many tiles use
        `embedding.embed_batches`.
        """
        return Embedder(self).embed(tiles)

    def save(self, folder: Path) -> None:
        """Writes encoder.json and weights.safetensors into `folder`, which is made if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = {
            name: tensor.detach().cpu().contiguous() for name, tensor in self.network.backbone.state_dict().items()
        }
        save_file(weights, folder / WEIGHTS_FILE)
        (folder / SPEC_FILE).write_text(json.dumps(asdict(self._spec), indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The encoder that `save` wrote into `folder`. Raises FileNotFoundError or ValueError naming the file at
        fault."""
        spec = read_spec(folder)
        backbone = build_backbone(spec.architecture, spec.sections, spec.crop_px, spec.pooling)
        _load_weights(backbone, _read_weights(folder / WEIGHTS_FILE), spec.architecture, folder / WEIGHTS_FILE)
        return cls(spec, TileNetwork(spec, backbone))


def encoder_from_hub(architecture: str, sections: int, tile_px: int, crop_px: int | None = None) -> Encoder:
    """An encoder with timm's published weights, normalised as they were trained. The only function here that uses the
    network.

    `architecture` is timm's name, with a tag if wanted ("resnet18.a1_in1k"); `crop_px` is the whole tile if not given.
    Weights for colour pictures are adapted to the number of sections by timm. Raises ValueError where timm knows no
    such weights.
    """
    crop = crop_px or tile_px
    try:
        backbone = build_backbone(architecture, sections, crop, "native", pretrained=True)
    except RuntimeError as error:
        raise ValueError(f"encoder: timm has no published weights for '{architecture}': {error}") from error
    card = cast(Mapping[str, object], backbone.pretrained_cfg)
    mean = _per_section(cast(tuple[float, ...], card["mean"]), sections)
    std = _per_section(cast(tuple[float, ...], card["std"]), sections)
    source = f"timm {timm.__version__} {card.get('architecture')}.{card.get('tag')}"
    spec = EncoderSpec(architecture, sections, tile_px, crop, mean, std, "hub", source)
    return Encoder(spec, TileNetwork(spec, backbone))


def encoder_from_checkpoint(
    architecture: str,
    path: Path,
    sections: int,
    tile_px: int,
    crop_px: int | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
) -> Encoder:
    """An encoder with the weights in a local file: safetensors, or a torch file that holds tensors only (no pickled
    objects).

    `mean` and `std` of grey values scaled to 0..1, one a section, are those the weights were trained with; timm's for
    the architecture if not given. A classifier head in the file is left out; a stem for another number of channels is
    adapted. Raises ValueError, naming the file, the architecture and the first keys that differ, for weights of
    another architecture.
    """
    crop = crop_px or tile_px
    backbone = build_backbone(architecture, sections, crop, "native")
    _load_weights(backbone, _read_weights(path), architecture, path)
    card = cast(Mapping[str, object], getattr(backbone, "pretrained_cfg", None) or {})
    used_mean = mean or _per_section(cast(tuple[float, ...], card.get("mean", (0.5,))), sections)
    used_std = std or _per_section(cast(tuple[float, ...], card.get("std", (0.25,))), sections)
    spec = EncoderSpec(architecture, sections, tile_px, crop, used_mean, used_std, "checkpoint", path.name)
    return Encoder(spec, TileNetwork(spec, backbone))


def build_backbone(
    architecture: str, sections: int, crop_px: int, pooling: Pooling, pretrained: bool = False
) -> nn.Module:
    """The timm network without classifier, in channels-last layout; with pooling "centre" it gives its feature map,
    unpooled.

    Raises ValueError where timm does not know the name.
    """
    if not timm.is_model(architecture):
        raise ValueError(f"encoder: timm {timm.__version__} knows no architecture '{architecture}'")
    options: dict[str, object] = {} if pooling == "native" else {"global_pool": ""}
    arguments = {"pretrained": pretrained, "in_chans": sections, "num_classes": 0, **options}
    try:  # transformers are built for one picture size, convolutional networks do not take the argument
        backbone = timm.create_model(architecture, img_size=crop_px, **arguments)
    except TypeError as error:
        if "img_size" not in str(error):
            raise
        backbone = timm.create_model(architecture, **arguments)
    return cast(nn.Module, backbone.to(memory_format=torch.channels_last))


def _centre_window(rows: int, columns: int, device: torch.device) -> Tensor:
    """Gaussian weights (rows, columns) that sum to one, highest at the centre."""
    sides = []
    for side in (rows, columns):
        offset = torch.arange(side, device=device) - (side - 1) / 2
        sides.append(torch.exp(-0.5 * (offset / (side * _CENTRE_WIDTH)) ** 2))
    window = sides[0][:, None] * sides[1][None, :]
    return window / window.sum()


def _per_section(channels: tuple[float, ...], sections: int) -> tuple[float, ...]:
    """Normalisation for each section: the weights' own where the numbers match, else their mean for every section."""
    if len(channels) == sections:
        return tuple(float(value) for value in channels)
    return (math.fsum(channels) / len(channels),) * sections


def _read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors in a weight file by name, without the wrappers that training scripts add."""
    if not path.is_file():
        raise FileNotFoundError(f"encoder: there is no weight file {path}")
    try:
        stored = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except (SafetensorError, RuntimeError, ValueError, EOFError, KeyError) as error:
        raise ValueError(f"{path} is not a weight file: {error}") from error
    except Exception as error:  # pickle.UnpicklingError: the file holds objects other than tensors
        raise ValueError(f"{path} holds more than tensors, so it is not read: {error}") from error
    weights = _named_tensors(stored)
    if not weights:
        raise ValueError(f"{path} holds no named tensors")
    return {name.removeprefix("module."): weight for name, weight in weights.items()}


def _named_tensors(stored: object) -> dict[str, Tensor]:
    """The tensors in the first wrapper that has any. Where none has, those that `stored` itself names."""
    if not isinstance(stored, dict):
        return {}
    wrapped = (_named_tensors(stored.get(key)) for key in ("state_dict", "model", "model_state_dict"))
    return next(filter(None, wrapped), {str(k): v for k, v in stored.items() if isinstance(v, Tensor)})


def _load_weights(backbone: nn.Module, weights: dict[str, Tensor], architecture: str, path: Path) -> None:
    """Puts `weights` into `backbone`, all of them; ValueError with the first differences where they do not fit."""
    card = cast(Mapping[str, object], getattr(backbone, "pretrained_cfg", None) or {})
    expected = backbone.state_dict()
    heads = _names(card.get("classifier"))
    weights = {k: v for k, v in weights.items() if k in expected or k.rpartition(".")[0] not in heads}
    for stem in _names(card.get("first_conv")):
        name = f"{stem}.weight"
        if name in weights and name in expected and weights[name].shape[1] != expected[name].shape[1]:
            weights[name] = adapt_input_conv(expected[name].shape[1], weights[name])
    missing = [k for k in expected if k not in weights]
    foreign = [k for k in weights if k not in expected]
    shapes = [
        f"{k} {tuple(weights[k].shape)} instead of {tuple(expected[k].shape)}"
        for k in expected
        if k in weights and weights[k].shape != expected[k].shape
    ]
    if missing or foreign or shapes:
        found = "; ".join(
            f"{what}: {', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"
            for what, names in (("missing", missing), ("not in it", foreign), ("of another shape", shapes))
            if names
        )
        raise ValueError(f"{path} does not hold weights of the architecture '{architecture}' ({found})")
    backbone.load_state_dict(weights)


def _names(value: object) -> tuple[str, ...]:
    """Module names as timm's cards give them: none, one or several."""
    if isinstance(value, str):
        return (value,)
    return tuple(str(v) for v in value) if isinstance(value, (tuple, list)) else ()
