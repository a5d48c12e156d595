"""U-Nets that say of every voxel of a volume what it belongs to, for sections that are thicker than pixels are wide.

Every layer is local: convolutions, and batch norm, which is a constant in use. Norms over an instance are not, so none is here: a voxel's
value would depend on the block that it was read with. What does not belong here: weights, normalisation, blocks and halos (see
`detection`), losses.
"""

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from synapse_assets.errors import BadInput

_AS_WIDE_AS_THICK = 2.0  # a section no thicker than so many pixels is convolved with the next ones
_FEWEST_LEVELS = 3


class VolumeUnet(nn.Module):
    """A U-Net from stacks of sections, float (N, D, H, W), to logits (N, targets, D', H, W).

    H and W are multiples of `stride` (z, y, x). Where `sections` is a number, D is that number and D' is 1, the middle section; where it is
    None, D' is D, which may be anything.
    """

    def __init__(self, unet: nn.Module, stride: tuple[int, int, int], sections: int | None) -> None:
        super().__init__()
        self.unet, self.stride, self.sections = unet, stride, sections

    def forward(self, stacks: Tensor) -> Tensor:
        """The logits of stacks."""
        if self.sections is None:
            return cast(Tensor, self.unet(stacks[:, None]))
        if stacks.device.type != "mps":
            stacks = stacks.contiguous(memory_format=torch.channels_last)
        return cast(Tensor, self.unet(stacks))[:, :, None]


def unet_2d(channels: Sequence[int], targets: int, sections: int) -> VolumeUnet:
    """The 2.5-dimensional U-Net: neighbouring sections, an odd number, are input channels; their middle one is what it answers for.

    channels: of each level, from the finest, at least three; a level halves the picture. The network is MONAI's DynUNet (Isensee et al.
    2021, doi 10.1038/s41592-020-01008-z) with batch norm. Raises BadInput for other numbers.
    """
    _check(channels, targets)
    if sections < 1 or sections % 2 == 0:
        raise BadInput(
            f"detection: unet_2d sees an odd number of sections, whose middle one it answers for, not {sections}"
        )
    levels = len(channels)
    unet = _dyn_unet(2, sections, targets, [(3, 3)] * levels, [(1, 1)] + [(2, 2)] * (levels - 1), channels)
    return VolumeUnet(unet, (1, 2 ** (levels - 1), 2 ** (levels - 1)), sections)


def unet_3d(channels: Sequence[int], targets: int, thickness_px: float) -> VolumeUnet:
    """The three-dimensional U-Net for sections of `thickness_px` times the width of a pixel.

    Each level halves the picture in the plane, never in z. Where a section is more than twice as thick as the pixel of a level is wide,
    kernels are 1 x 3 x 3; below, and at the coarsest level always, 3 x 3 x 3. channels, origin and errors: see `unet_2d`.
    """
    _check(channels, targets)
    if not thickness_px > 0:
        raise BadInput(f"detection: a section must be thicker than 0 pixels, not {thickness_px:g}")
    last = len(channels) - 1
    kernels = [
        (3 if level == last or thickness_px / 2**level <= _AS_WIDE_AS_THICK else 1, 3, 3) for level in range(last + 1)
    ]
    unet = _dyn_unet(3, 1, targets, kernels, [(1, 1, 1)] + [(1, 2, 2)] * last, channels)
    return VolumeUnet(unet, (1, 2**last, 2**last), None)


def reach(network: VolumeUnet) -> tuple[int, int, int]:
    """How far from an output its input reaches at most, z, y and x in pixels, rounded up to the stride.

    Measured: of a copy with positive weights only, no influence can cancel another, and so the gradient is above zero wherever an input
    counts; of outputs at every place within a stride, since they differ.
    """
    positive = copy.deepcopy(network).double().cpu().eval().requires_grad_(False)
    for name, tensor in positive.state_dict().items():
        tensor.copy_(torch.zeros_like(tensor) if name.endswith(("bias", "running_mean")) else torch.ones_like(tensor))
    # Sums over the weights of a layer stay small, whatever the number of layers.
    for tensor in positive.parameters():
        if tensor.ndim > 1:
            tensor.div_(tensor.numel())
    in_plane = [_reach_along(positive, axis) for axis in (1, 2)]
    along_z = network.sections // 2 if network.sections is not None else _reach_along(positive, 0)
    return along_z, in_plane[0], in_plane[1]


def folded(network: VolumeUnet) -> VolumeUnet:
    """A copy for use whose convolutions have taken in the batch norm that follows them: the same function in fewer passes."""
    light = copy.deepcopy(network).eval()
    for block in light.modules():
        for convolution, norm in (("conv1", "norm1"), ("conv2", "norm2")):
            if hasattr(block, convolution) and hasattr(block, norm):
                layer = getattr(block, convolution)
                layer.conv = fuse_conv_bn_eval(layer.conv, getattr(block, norm))
                setattr(block, norm, nn.Identity())
    return light


def _check(channels: Sequence[int], targets: int) -> None:
    if len(channels) < _FEWEST_LEVELS or min(channels) < 1 or targets < 1:
        raise BadInput(
            f"detection: a U-Net needs at least {_FEWEST_LEVELS} levels of 1 or more channels and a target, not channels "
            f"{list(channels)} and {targets} targets"
        )


def _dyn_unet(
    dimensions: int,
    inputs: int,
    outputs: int,
    kernels: Sequence[tuple[int, ...]],
    strides: Sequence[tuple[int, ...]],
    channels: Sequence[int],
) -> nn.Module:
    # MONAI imports every library that it can work with, which takes seconds: only who builds a network waits for that.
    from monai.networks.nets.dynunet import DynUNet

    build = cast(Callable[..., Any], DynUNet)
    network = build(
        spatial_dims=dimensions,
        in_channels=inputs,
        out_channels=outputs,
        kernel_size=kernels,
        strides=strides,
        upsample_kernel_size=strides[1:],
        filters=list(channels),
        norm_name="batch",
    )
    # What its forward applies. The network itself has every weight under two names, which averaging and files would take for two weights.
    return nn.Sequential(network.skip_layers, network.output_block)


def _reach_along(positive: VolumeUnet, axis: int) -> int:
    stride = positive.stride[axis]
    side = 16 * stride
    while True:
        shape = [positive.sections or 1, *(2 * stride_px for stride_px in positive.stride[1:])]
        shape[axis] = side
        middle = side // 2 // stride * stride
        furthest = 0
        for place in range(middle, middle + stride):
            stacks = torch.ones(1, *shape, dtype=torch.float64, requires_grad=True)
            logits = positive(stacks)
            (gradient,) = torch.autograd.grad(logits.select(axis + 2, place).sum(), stacks)
            others = [other for other in range(4) if other != axis + 1]
            counts = torch.nonzero(gradient.sum(others)).flatten()
            furthest = max(furthest, place - int(counts.min()), int(counts.max()) - place)
        if furthest + stride < middle:
            return math.ceil(furthest / stride) * stride
        side *= 2
