"""Fully convolutional bodies of networks that name the class of a window: from a picture of any size to a map of features.

A feature must depend on the pixels near it and on nothing else; only then does one pass over a picture give the features of all its
windows. What does not belong here: which features are a window's, and what makes classes of them (`staining`).
"""

import copy
from collections.abc import Mapping
from typing import cast

import timm
import torch
from timm.models import adapt_input_conv
from torch import Tensor, nn

from synapse_assets.errors import BadInput

SMALL_STAIN = "small_stain"
STRIDE_PX = 16

_SMALL_WIDTHS = (16, 32, 64, 96, 128)
_STRIP_PX = 1024  # on which the reach of a feature is measured; half of it is the most there may be
_REMEDY = "choose a plain convolutional network, such as vgg19, resnet18 or small_stain"


def build_body(architecture: str, channels: int, pretrained: bool = False) -> nn.Module:
    """From normalised pictures, float32 (N, channels, H, W), to features (N, D, H / 16, W / 16) for H and W that are multiples of 16.

    'small_stain' is ours: five convolutions of 3 x 3, each with batch norm and ReLU, and a maximum over 2 x 2 between two. Every other name
    is timm's, cut where its features are last a sixteenth of the picture: of vgg19 the convolutions without the last pooling. Weights are
    random unless `pretrained`; timm folds those of the first convolution, which are for three colours, to the channels there are (one
    channel has their sum).

    Raises BadInput for a name that timm does not know and for a network without such features (a transformer, say), and RuntimeError where
    `pretrained` weights are requested that timm does not have.
    """
    if architecture == SMALL_STAIN:
        if pretrained:
            raise RuntimeError(f"{SMALL_STAIN} has no published weights")
        return _small_stain(channels).to(memory_format=torch.channels_last)
    if not timm.is_model(architecture):
        raise BadInput(f"network: timm {timm.__version__} knows no architecture '{architecture}', and it is not ours")
    index = _index_of_features(architecture, channels)
    features = timm.create_model(
        architecture, features_only=True, out_indices=(index,), in_chans=channels, pretrained=pretrained
    )
    return _LastMap(features).to(memory_format=torch.channels_last)


def halo_px(body: nn.Module, channels: int, architecture: str) -> int:
    """How many pixels around its own 16 x 16 a feature of the body may depend on, to each side, rounded up to a multiple of 16.

    With so much of real surroundings around a picture, what layers pad with reaches no feature of the picture: 128 for vgg19, whose field
    is 252 px. Measured, not read off the layers: with all weights above zero, light anywhere in the field of a feature shows in it. Raises
    BadInput for a body whose features have no such bound (squeeze-and-excitation, attention) or do not lie 16 px apart.
    """
    positive, awake = _with_positive_weights(body), _awake(body)
    try:
        with torch.no_grad():
            reach = max(_reach(positive, channels, turned) for turned in (False, True))
            local = all(_is_local(awake, channels, turned, reach) for turned in (False, True))
    except (AssertionError, IndexError, RuntimeError) as error:
        raise _not_plain(architecture) from error
    if not local:
        raise _not_plain(architecture)
    return reach * STRIDE_PX


def fold_weights(body: nn.Module, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Those of `weights`, by their names in a whole timm network, that the body has, by its names; the first convolution is folded to the
    body's channels. What is missing or of another shape stays so."""
    ours = body.state_dict()
    # timm joins the names of nested modules with an underscore where it cuts a network.
    names = {name.removeprefix("layers.").replace(".", "_"): name for name in ours}
    folded = {names[k.replace(".", "_")]: w for k, w in weights.items() if k.replace(".", "_") in names}
    stem = next(name for name, tensor in ours.items() if tensor.ndim == 4)
    if stem in folded and folded[stem].ndim == 4 and folded[stem].shape[1] == 3:
        folded[stem] = adapt_input_conv(ours[stem].shape[1], folded[stem])
    return folded


def published_normalisation(body: nn.Module, name: str, channels: int) -> tuple[float, ...]:
    """The "mean" or "std" that timm's weights of the body were trained with, for each channel; their average where there are not three."""
    card = cast(Mapping[str, tuple[float, ...]], cast(_LastMap, body).layers.pretrained_cfg)
    values = tuple(float(value) for value in card[name])
    return values if len(values) == channels else (sum(values) / len(values),) * channels


class _LastMap(nn.Module):
    """The one map of a network that gives a list of them."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, pictures: Tensor) -> Tensor:
        return cast(Tensor, self.layers(pictures)[-1])


def _small_stain(channels: int) -> nn.Module:
    layers: list[nn.Module] = []
    before = channels
    for width in _SMALL_WIDTHS:
        if layers:
            layers.append(nn.MaxPool2d(2))
        layers += [nn.Conv2d(before, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        before = width
    body = nn.Sequential(*layers)
    for module in body.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return body


def _index_of_features(architecture: str, channels: int) -> int:
    """Which of the maps that timm gives is the last of stride 16."""
    try:
        with torch.device("meta"), torch.no_grad():
            network = timm.create_model(architecture, features_only=True, in_chans=channels).eval()
            maps = network(torch.zeros(1, channels, 4 * STRIDE_PX, 2 * STRIDE_PX))
        return [index for index, found in enumerate(maps) if tuple(found.shape[2:]) == (4, 2)][-1]
    except (AssertionError, AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
        raise _not_plain(architecture) from error


def _not_plain(architecture: str) -> BadInput:
    return BadInput(
        f"network: '{architecture}' gives no features {STRIDE_PX} px apart that depend on their surroundings alone (a transformer, or a "
        f"layer that sees the whole picture), so no dense map can be made with it: {_REMEDY}"
    )


def _with_positive_weights(body: nn.Module) -> nn.Module:
    """A copy in which light makes every feature whose field it lies in brighter, and nothing else is above zero."""
    positive = copy.deepcopy(body).eval()
    for name, tensor in positive.state_dict().items():
        if tensor.ndim > 1:
            tensor.fill_(1 / tensor[0].numel())
        else:
            tensor.fill_(0 if name.endswith(("bias", "running_mean")) else 1)
    return positive


def _awake(body: nn.Module) -> nn.Module:
    """A copy in which no branch is scaled to nothing, as those of untrained residual networks are."""
    awake = copy.deepcopy(body).eval()
    for name, tensor in awake.state_dict().items():
        if tensor.ndim == 1 and not name.endswith(("bias", "running_mean")):
            tensor.fill_(1)
    return awake


def _along(pictures: Tensor, turned: bool, body: nn.Module) -> Tensor:
    """Features (N, D, cells) of strips (N, channels, _STRIP_PX, 16), which are laid down if `turned`."""
    maps = body(pictures.transpose(2, 3) if turned else pictures)
    maps = maps.transpose(2, 3) if turned else maps
    cells = (_STRIP_PX // STRIDE_PX, 1)
    if tuple(maps.shape[2:]) != cells:
        raise IndexError(f"features of {tuple(maps.shape[2:])} in place of {cells}")
    return cast(Tensor, maps[..., 0])


def _reach(positive: nn.Module, channels: int, turned: bool) -> int:
    """Cells beyond its end from which light still reaches a feature, on whichever side that is more."""
    strips = torch.zeros(2, channels, _STRIP_PX, STRIDE_PX)
    half, cells = _STRIP_PX // 2, _STRIP_PX // STRIDE_PX // 2
    strips[0, :, :half] = 1
    strips[1, :, half:] = 1
    lit = (_along(strips, turned, positive) > 0).any(1)
    if not (lit[0, :cells].all() and lit[1, cells:].all()) or lit[0, -1] or lit[1, 0]:
        raise IndexError("light at one end of a strip shows at the other, or not where it is")
    return int(max(lit[0, cells:].sum(), lit[1, :cells].sum()))


def _is_local(body: nn.Module, channels: int, turned: bool, reach: int) -> bool:
    """Whether pixels that are further away than so many cells leave a feature as it is."""
    noise = torch.randn(2, channels, _STRIP_PX, STRIDE_PX, generator=torch.Generator().manual_seed(0))
    middle = _STRIP_PX // STRIDE_PX // 2
    near = slice((middle - reach) * STRIDE_PX, (middle + 1 + reach) * STRIDE_PX)
    strips = 10 * noise
    strips[:, :, near] = noise[:1, :, near]
    features = _along(strips, turned, body)
    one, other = features[0, :, middle], features[1, :, middle]
    return bool((one - other).abs().max() <= 1e-5 * features.abs().max())
