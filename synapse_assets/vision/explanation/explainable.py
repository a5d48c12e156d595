"""The face that every image classifier shows to explanations: classes, tiles, logits that can be differentiated, and a layer for Grad-CAM.

Makers work on a copy of the classifier. What does not belong here: methods of explanation (`methods`, `contributions`), and training.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from synapse_assets.errors import BadInput
from synapse_assets.vision.classifier import SynapseNetwork
from synapse_assets.vision.encoder import Encoder
from synapse_assets.vision.explanation.feature_layer import FeatureLayer, open_feature_layer
from synapse_assets.vision.staining import StainNetwork, WindowNetwork

Module = TypeVar("Module", bound=nn.Module)

GRADIENT_METHODS = ("smooth_grad", "integrated_gradients", "gradients")


class ExplainedNetwork(nn.Module):
    """From tiles (N, sections, H, W), float of the values as they were read, to logits (N, C) less their mean over the classes.

    The mean says nothing of the class (softmax does not see it), and a probe of two classes has one logit that is always zero.
    crop_px: side of what its feature layer sees; seen_px: of all that it sees, about the centre of the tile.
    """

    crop_px: int
    seen_px: int
    feature_layer: FeatureLayer | None = None

    def on_crop(self, maps: Tensor, tiles: int) -> Tensor:
        """A map for each tile (N, h, w) from those of all calls of the layer (M, h, w)."""
        return maps.reshape(tiles, *maps.shape[-2:])


@dataclass(frozen=True)
class Explainable:
    """A classifier as explanations see it.

    classes: names in the order of the logits. tile_shape: sections (or channels), height and width in pixels. tile_types: of the values
    that tiles may have.
    network: see `ExplainedNetwork`; a copy, whose weights are the explanation's own.
    methods: what can explain it, the default first.
    """

    classes: tuple[str, ...]
    tile_shape: tuple[int, int, int]
    network: ExplainedNetwork
    methods: tuple[str, ...]
    tile_types: tuple[str, ...] = ("uint8",)


class _OfNetwork(ExplainedNetwork):
    """A trained network on the centre crop that it sees."""

    def __init__(self, network: SynapseNetwork) -> None:
        super().__init__()
        self.inner = own_copy(network.network)
        self.crop_px = self.seen_px = network.spec.crop_px
        example = torch.zeros(1, network.spec.sections, self.crop_px, self.crop_px)
        self.feature_layer = open_feature_layer(
            self.inner.backbone, self.crop_px, lambda: self.inner.features_of(example)
        )

    def forward(self, tiles: Tensor) -> Tensor:
        logits = self.inner.logits_of(self.inner.features_of(centre_crop(tiles, self.crop_px) / 255))
        return less_their_mean(logits)


class OfProbe(ExplainedNetwork):
    """An encoder and a linear probe on its vectors. All views are one call of the backbone, which is what hooks see."""

    def __init__(self, encoder: Encoder, coefficients: Tensor, intercepts: Tensor) -> None:
        super().__init__()
        self.encoder = own_copy(encoder.network)
        self.spec = encoder.spec
        self.crop_px = self.spec.crop_px
        self.seen_px = max(self.crop_px if self.spec.has_network else 0, self.spec.texture_px)
        self.probe = nn.Linear(coefficients.shape[1], len(coefficients))
        self.probe.weight.data, self.probe.bias.data = coefficients, intercepts
        self.probe.requires_grad_(False)
        backbone = self.encoder.backbone
        if backbone is not None:
            example = torch.zeros(1, self.spec.sections, self.crop_px, self.crop_px)
            self.feature_layer = open_feature_layer(backbone, self.crop_px, lambda: self.encoder.features(example))

    def forward(self, tiles: Tensor) -> Tensor:
        """See `ExplainedNetwork`."""
        pictures, parts = tiles / 255, []
        if self.encoder.backbone is not None:
            crops = self.encoder.normalise(centre_crop(pictures, self.crop_px))
            views = torch.cat([_turned(crops, view) for view in range(self.spec.views)])
            parts.append(self.encoder.features(views).unflatten(0, (self.spec.views, len(tiles))).mean(0))
        if self.encoder.texture is not None:
            parts.append(self.encoder.texture(centre_crop(pictures, self.spec.texture_px)))
        features = torch.cat(parts, 1)
        vectors = features if self.encoder.head is None else self.encoder.head(features)
        return less_their_mean(self.probe(vectors.float()))

    def on_crop(self, maps: Tensor, tiles: int) -> Tensor:
        """See `ExplainedNetwork.on_crop`. Maps of views are turned back, and the sections' added up where each was seen alone."""
        by_view = maps.unflatten(0, (self.spec.views, tiles, -1)).sum(2)
        return torch.stack([_turned_back(of_view, view) for view, of_view in enumerate(by_view)]).sum(0)


class _OfStain(ExplainedNetwork):
    """A network of windows, each seen with its halo. Only features of the window itself make its class."""

    def __init__(self, network: StainNetwork) -> None:
        super().__init__()
        spec = network.spec
        self.inner = own_copy(network.network)
        self.crop_px, self.seen_px, self.halo_px = spec.seen_px, spec.window_px, spec.halo_px
        self.feature_layer = pooled_layer(self.inner)

    def forward(self, tiles: Tensor) -> Tensor:
        return less_their_mean(self.inner(tiles))

    def on_crop(self, maps: Tensor, tiles: int) -> Tensor:
        """See `ExplainedNetwork.on_crop`; nothing in the halo."""
        window = slice(self.halo_px, self.halo_px + self.seen_px)
        inside = torch.zeros_like(maps)
        inside[..., window, window] = maps[..., window, window]
        return inside


def explainable_network(network: SynapseNetwork) -> Explainable:
    """A trained network, as its `logits` see tiles. Pixels outside the crop that it sees get 0 in every map."""
    return Explainable(
        network.spec.classes, network.spec.tile_shape, _OfNetwork(network), ("grad_cam", "occlusion", *GRADIENT_METHODS)
    )


def explainable_probe(
    encoder: Encoder, coefficients: npt.ArrayLike, intercepts: npt.ArrayLike, classes: Sequence[str]
) -> Explainable:
    """An encoder with a linear probe on its vectors: logits = vectors @ coefficients.T + intercepts.

    coefficients (C, D), intercepts (C,): of vectors as `Encoder.embed` gives them; fold a standardisation in. The encoder may be texture,
    a network (with one or eight views), or both; Grad-CAM of both explains what the network adds. Raises BadInput where shapes differ.
    """
    weights, offsets = np.asarray(coefficients, np.float32), np.asarray(intercepts, np.float32)
    expected = (len(classes), encoder.dimensions)
    if weights.shape != expected or offsets.shape != expected[:1] or len(classes) < 2:
        raise BadInput(
            f"explanation: a probe of {len(classes)} classes on {encoder.dimensions} numbers needs coefficients {expected} and as many "
            f"intercepts, and two classes or more; not {weights.shape} and {offsets.shape}"
        )
    if not (np.isfinite(weights).all() and np.isfinite(offsets).all()):
        raise BadInput(
            "explanation: the probe has coefficients that are no numbers; leave out classes that it never saw"
        )
    network = OfProbe(encoder, torch.tensor(weights), torch.tensor(offsets))
    spec = encoder.spec
    if not spec.has_network:
        methods: tuple[str, ...] = ("contribution", "occlusion") if spec.head_dimensions else ("occlusion",)
    else:
        # Derivatives with respect to pixels do not exist everywhere in texture (eigenvalues that meet).
        methods = ("grad_cam", "occlusion", *(() if spec.texture_px else GRADIENT_METHODS))
    return Explainable(tuple(classes), spec.tile_shape, network, methods)


def explainable_stain(network: StainNetwork) -> Explainable:
    """A network of windows. Its tiles are windows with their halo (channels, seen_px, seen_px), uint8 or uint16, as `cut_windows` gives
    them; Grad-CAM says nothing of the halo. For whole pictures see `pictures.explain_picture`."""
    spec = network.spec
    return Explainable(
        spec.classes,
        (spec.channels, spec.seen_px, spec.seen_px),
        _OfStain(network),
        ("grad_cam", "occlusion", *GRADIENT_METHODS),
        ("uint8", "uint16"),
    )


def pooled_layer(network: WindowNetwork) -> FeatureLayer:
    """What a network of windows averages over each window, whatever its size: so Grad-CAM of windows and of pictures is the same."""
    side = network.spec.seen_px
    example = torch.zeros(1, network.spec.channels, side, side, device=next(network.parameters()).device)
    return open_feature_layer(network.body, side, lambda: network(example), [""])


def own_copy(network: Module) -> Module:
    """A copy on the processor that shares nothing, ready to be explained: weights are fixed, and nothing is overwritten in place, as hooks
    would see the values of after."""
    copied = copy.deepcopy(network).cpu().eval().requires_grad_(False)
    for module in copied.modules():
        if hasattr(module, "inplace"):
            setattr(module, "inplace", False)  # noqa: B010 -- it is no module or tensor
    return copied


def centre_crop(pictures: Tensor, side: int) -> Tensor:
    """The middle of pictures (..., height, width), as encoders and networks crop: (..., side, side)."""
    start = (pictures.shape[-1] - side) // 2
    return pictures[..., start : start + side, start : start + side]


def less_their_mean(logits: Tensor) -> Tensor:
    """Logits (N, C) less their mean over the classes."""
    return logits - logits.mean(1, keepdim=True)


def _turned(pictures: Tensor, view: int) -> Tensor:
    """One of the eight views of pictures (..., side, side), in the order of the encoder; the first is the picture."""
    return torch.rot90(pictures.flip(-1) if view >= 4 else pictures, view % 4, (-2, -1))


def _turned_back(maps: Tensor, view: int) -> Tensor:
    upright = torch.rot90(maps, -(view % 4), (-2, -1))
    return upright.flip(-1) if view >= 4 else upright
