"""Explanations of whole pictures by a network of windows, in blocks, whatever the size of the picture.

What does not belong here: maps of single windows (`methods`), the map of classes (`staining`), and colouring.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from synapse_assets.errors import BadInput
from synapse_assets.vision.devices import pick_device
from synapse_assets.vision.explanation.explainable import less_their_mean, pooled_layer
from synapse_assets.vision.explanation.methods import EmptyMapError
from synapse_assets.vision.staining import DEFAULT_BLOCK_PX, StainNetwork, check_picture

_WINDOWS_AT_ONCE = 4096  # whose gradients are in memory

Picture = npt.NDArray[Any]


def explain_picture(
    network: StainNetwork,
    picture: Picture,
    target: str | None = None,
    method: str = "grad_cam",
    device: str = "auto",
    block_px: int = DEFAULT_BLOCK_PX,
) -> npt.NDArray[np.float32]:
    """A map, float32 (H, W), of a picture, uint8 or uint16 (channels, H, W): where the network sees the class `target`, by default the one
    of the highest mean logit over all windows.

    What is explained is every window (16 px apart) by itself: the value of a place is the mean of the Grad-CAM maps (with their sign) of
    all windows that it lies in, in the units of `methods.explain` of one window. Summed gradients of one mean logit would say the same
    only of a linear head. Cells are 16 px; values between their centres are interpolated.

    Memory: a block of `block_px` with its halo is seen at a time, without gradients; the features of the picture, their means over windows
    and their gradients take up to 4 x 4 D / 256 bytes a pixel (vgg19: 134 MB for 2048 x 2048 px).
    Raises BadInput for other pictures, classes or methods, and EmptyMapError where the map is zero everywhere or not a number.
    """
    spec = network.spec
    check_picture(picture, spec.channels, spec.window_px)
    if method != "grad_cam":
        raise BadInput(
            f"explanation: whole pictures are explained by grad_cam, not by '{method}'; cut windows and use `explain`"
        )
    if target is not None and target not in spec.classes:
        raise BadInput(f"explanation: there is no class '{target}'; the classes are {', '.join(spec.classes)}")
    on = pick_device(device)
    network.network.to(on)
    with torch.no_grad():
        features = network.features(picture, on, block_px)
    window = spec.window_px // spec.stride_px
    pooled = functional.avg_pool2d(features[None], window, 1)[0]
    weights = _window_weights(network, pooled.flatten(1).T, target)
    # Of the windows that a cell lies in.
    ones = torch.ones(1, 1, window, window, device=on)
    count = functional.conv_transpose2d(torch.ones(1, 1, *pooled.shape[1:], device=on), ones)
    cells = torch.zeros(1, 1, *features.shape[1:], device=on)
    for channel, weight in zip(features, weights.T, strict=True):
        cells += functional.conv_transpose2d(weight.reshape(1, 1, *pooled.shape[1:]), ones) * channel
    layer = pooled_layer(network.network)
    # As captum has it: a weight is the mean gradient over all cells that a window is seen with.
    found = layer.in_pixels((cells / count / (spec.seen_px // spec.stride_px) ** 2)[0], *picture.shape[1:])
    maps = found[0].cpu().numpy().astype(np.float32)
    if not np.isfinite(maps).all() or not maps.any():
        raise EmptyMapError(
            "explanation: the map of the picture is empty (zero or no number everywhere): is it of one grey value?",
            [0],
            maps[None],
        )
    return maps


def _window_weights(network: StainNetwork, pooled: Tensor, target: str | None) -> Tensor:
    """Gradients of the logit of each window with respect to its averaged features (windows, D)."""
    with torch.no_grad():
        logits = torch.cat([network.network.logits_of(part) for part in pooled.split(_WINDOWS_AT_ONCE)])
    classes = network.spec.classes
    code = classes.index(target) if target is not None else int(logits.mean(0).argmax())
    weights = []
    for part in pooled.split(_WINDOWS_AT_ONCE):
        seen = part.detach().requires_grad_()
        logit = less_their_mean(network.network.logits_of(seen))[:, code].sum()
        weights.append(torch.autograd.grad(logit, seen)[0])
    return torch.cat(weights)
